# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network between the engine and a server: no name, no route, no proxy, and toxics on the way (N1 to N19)."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import typing as t

import pytest

from tests.faults import certificates, driver
from tests.faults.files import OLD, ZIP
from tests.faults.invariants import Run, Truth, check
from tests.faults.plays import LIMITS, USUAL, Interpreter
from tests.faults.replies import broken, digest, saying, serve, whole
from tests.faults.script_server import Reply, ScriptServer, reply, scripted
from tests.faults.toxic_proxy import (
    Bandwidth,
    FlipBit,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Stop,
    ToxicProxy,
)

DEADLINE: t.Final = LIMITS["max_time"]
TRUTH: t.Final = Truth.of(ZIP.body, name="a.zip", old=OLD, deadline=DEADLINE)
Fetch = t.Callable[..., Run]


@pytest.fixture(scope="module")
def interpreter() -> t.Iterator[Interpreter]:
    with Interpreter(pathlib.Path(sys.executable)) as running:
        yield running


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    """With an old file in it."""
    (tmp_path / "a.zip").touch(0o600)
    (tmp_path / "a.zip").write_bytes(OLD)
    return tmp_path


@pytest.fixture
def fetch(interpreter: Interpreter, directory: pathlib.Path) -> Fetch:
    """One run, after which all invariants hold; last: success is due, and nothing is left over."""

    def run(*urls: str, last: bool = False, limits: t.Mapping[str, t.Any] | None = None, **order: t.Any) -> Run:
        order = {**USUAL, "ca_path": certificates.ca_path(), **order, "limits": {**LIMITS, **(limits or {})}}
        ended = interpreter.run({**order, "urls": urls, "dest": str(directory / "a.zip")}, DEADLINE + 30, directory)
        check(ended, TRUTH, directory, last=last)
        return ended

    return run


def told(run: Run) -> dict[str, t.Any]:
    assert run.told is not None, "it had to be killed"
    return dict(run.told)


def hidden(directory: pathlib.Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.startswith(".")]


def recovers(fetch: Fetch) -> None:
    with scripted(serve(ZIP)) as server:
        fetch(server.url(), last=True)


# --- no connection ---


def test_n1_a_name_that_nobody_knows_is_named(fetch: Fetch, directory: pathlib.Path) -> None:
    failure = told(fetch("http://no-such-host.invalid/file"))
    assert failure["code"] == "unreachable"
    assert "no-such-host.invalid" in failure["message"]
    assert hidden(directory) == []
    recovers(fetch)


def test_n1_a_name_that_is_known_again_after_a_moment(directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolve(host: str, port: int, *rest: t.Any, **more: t.Any) -> t.Any:
        asked.append(host)
        if len(asked) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    with scripted(serve(ZIP)) as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        here(directory, f"http://backup.invalid:{server.port}/file", last=True)
    assert asked[0] == "backup.invalid"


def here(directory: pathlib.Path, url: str, *, last: bool, **order: t.Any) -> Run:
    """A run in this process, where the test has put something in the way."""
    started = time.monotonic()
    order = {**USUAL, "limits": LIMITS, "urls": [url], "dest": str(directory / "a.zip"), **order}
    run = Run(driver.fetch(order), time.monotonic() - started)
    check(run, TRUTH, directory, last=last)
    return run


def test_n2_nobody_listens(fetch: Fetch, directory: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    failure = told(fetch(f"http://127.0.0.1:{port}/file"))
    assert failure["code"] == "unreachable"
    assert hidden(directory) == []
    recovers(fetch)


def test_n2_a_server_that_starts_late_is_waited_for(fetch: Fetch) -> None:
    with scripted(serve(ZIP)) as server, ToxicProxy(("127.0.0.1", server.port)) as proxy:
        proxy.down()
        starting = threading.Timer(0.5, proxy.up)
        starting.start()
        run = fetch(url_of(proxy), last=True, tries=8)
        starting.join()
    assert run.seconds > 0.5


@contextlib.contextmanager
def blackhole(address: str = "127.0.0.1", port: int = 0) -> t.Iterator[int]:
    """A port that answers nothing: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _number in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_n3_a_blackhole_ends_in_the_time_for_connecting(fetch: Fetch, directory: pathlib.Path) -> None:
    with blackhole() as port:
        run = fetch(f"http://127.0.0.1:{port}/file")
    assert told(run)["code"] == "connect_timeout"
    assert run.seconds < 8
    assert hidden(directory) == []
    recovers(fetch)


def test_n4_the_second_address_is_tried_when_the_first_is_dead(
    directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(serve(ZIP)) as server, blackhole("127.0.0.2", server.port):
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, server.port)) for ip in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: both)
        run = here(directory, f"http://backup.invalid:{server.port}/file", last=True)
    assert 1 <= run.seconds < 8


def test_n18_https_to_a_server_without(fetch: Fetch, directory: pathlib.Path) -> None:
    with scripted(serve(ZIP)) as server:
        failure = told(fetch(server.url().replace("http:", "https:")))
    assert failure["code"] in ("tls", "response_lost", "invalid_response")
    assert hidden(directory) == []
    recovers(fetch)


def test_n18_http_to_a_server_with_tls(fetch: Fetch, directory: pathlib.Path) -> None:
    with ScriptServer({"/file": [serve(ZIP)]}, certificates.context("good")).running() as server:
        failure = told(fetch(server.url().replace("https:", "http:")))
    assert failure["code"] in ("tls", "response_lost", "invalid_response")
    assert hidden(directory) == []
    recovers(fetch)


# --- N16: proxies ---

SECRET: t.Final = "pr0xy-p4ssw0rd"


def through_proxy(directory: pathlib.Path, url: str, port: int) -> Run:
    """A run whose environment names a proxy with a password, and which may use it."""
    proxy = f"http://user:{SECRET}@127.0.0.1:{port}"
    with Interpreter(pathlib.Path(sys.executable), {"http_proxy": proxy, "https_proxy": proxy}) as interpreter:
        order = {**USUAL, "limits": LIMITS, "urls": [url], "dest": str(directory / "a.zip"), "use_proxy": True}
        run = interpreter.run(order, DEADLINE, directory)
    check(run, TRUTH, directory, last=run.ok)
    return run


def test_n16_a_proxy_is_used_where_that_is_allowed(directory: pathlib.Path) -> None:
    scripts: dict[str, t.Sequence[Reply]] = {"http://backup.invalid/file": [serve(ZIP, broken(0.8)), serve(ZIP)]}
    with ScriptServer(scripts).running() as proxy:
        assert through_proxy(directory, "http://backup.invalid/file", proxy.port).ok


@pytest.mark.parametrize("url", ["http://backup.invalid/file", "https://backup.invalid/file"])
def test_n16_a_proxy_that_wants_a_password_or_has_died(directory: pathlib.Path, url: str) -> None:
    refusal = reply(b"who are you?", 'Proxy-Authenticate: Basic realm="x"', status="407 Proxy Authentication Required")
    with ScriptServer({"http://backup.invalid/file": [refusal], "backup.invalid:443": [refusal]}).running() as proxy:
        refused = told(through_proxy(directory, url, proxy.port))
    died = told(through_proxy(directory, url, proxy.port))
    assert refused["code"] in ("proxy", "http_status", "unexpected_content")
    assert died["code"] in ("proxy", "unreachable")
    assert SECRET not in str((refused, died))
    assert hidden(directory) == []


def test_n16_a_proxy_that_nobody_allowed_is_not_asked(fetch: Fetch) -> None:
    # The environment of every other test names one that does not exist.
    recovers(fetch)


# --- toxics between a real server and the engine ---


@pytest.fixture(scope="module", params=["scripted", "nginx"])
def origin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[int]:
    """The port of an honest server of ZIP as /file."""
    if request.param == "scripted":
        with scripted(serve(ZIP)) as server:
            yield server.port
    else:
        with nginx(tmp_path_factory.mktemp("nginx")) as port:
            yield port


_NGINX_BUFFERS: t.Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextlib.contextmanager
def nginx(folder: pathlib.Path) -> t.Iterator[int]:
    """A real server."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not program:
        pytest.skip("nginx is not installed")
    (folder / "file").write_bytes(ZIP.body)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in _NGINX_BUFFERS)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
        f"http {{ access_log off; {temporary} default_type application/zip;\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    with subprocess.Popen([program, "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"]) as process:
        try:
            while not _listens(port):
                assert process.poll() is None, (folder / "errors").read_text()
                time.sleep(0.01)
            yield port
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def url_of(proxy: ToxicProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}/file"


@pytest.mark.parametrize(
    "toxics",
    [
        [],
        [Latency(0.2)],
        [Bandwidth(4e6)],
        [SlowClose(1.5)],
        [Slicer(1400)],
        [Slicer(100_000, 0.02), Latency(0.05)],
        [FlipBit(10**9)],
        [LimitData(10**9)],
    ],
    ids=str,
)
def test_n12_n15_what_only_slows_down_is_no_fault(fetch: Fetch, origin: int, toxics: list[t.Any]) -> None:
    with ToxicProxy(("127.0.0.1", origin), toxics) as proxy:
        fetch(url_of(proxy), last=True)
        assert proxy.connections == 1


@pytest.mark.parametrize(
    "toxics",
    [
        [LimitData(0)],
        [LimitData(1)],
        [LimitData(900_000)],
        [LimitData(900_000, reset=True)],
        [ResetPeer()],
        [Stop()],
        [Stop(0.2)],
        [Bandwidth(200)],
        [Slicer(1, 0.05)],
    ],
    ids=str,
)
def test_n5_to_n13_no_way_through_and_then_healed(
    fetch: Fetch, origin: int, toxics: list[t.Any], directory: pathlib.Path
) -> None:
    with ToxicProxy(("127.0.0.1", origin), toxics) as proxy:
        failure = told(fetch(url_of(proxy), limits={"max_time": 8}))
        assert failure["code"] in (
            "transfer_interrupted",
            "response_lost",
            "below_min_rate",
            "unexpected_content",
            "timeout",
        )
        proxy.toxics = []
        fetch(url_of(proxy), last=True)


@pytest.mark.parametrize(
    "toxics",
    [
        [LimitData(2_000_000)],
        [LimitData(2_000_000, reset=True)],
        [LimitData(len(ZIP.body))],
        [LimitData(len(ZIP.body), reset=True)],
        [Bandwidth(4e6), ResetPeer(0.4)],
    ],
    ids=str,
)
def test_n5_n6_every_connection_breaks_and_the_run_gets_through(fetch: Fetch, origin: int, toxics: list[t.Any]) -> None:
    with ToxicProxy(("127.0.0.1", origin), toxics) as proxy:
        fetch(url_of(proxy), last=True)
        assert proxy.connections > 1


def once_flowing(proxy: ToxicProxy, directory: pathlib.Path, action: t.Callable[[], None]) -> threading.Thread:
    """Does something as soon as half a MiB of the file has come."""

    def wait() -> None:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if any(path.stat().st_size > 500_000 for path in directory.glob(".*.part")):
                action()
                return
            time.sleep(0.005)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_n14_a_partition_that_heals_costs_nothing_but_time(fetch: Fetch, origin: int, directory: pathlib.Path) -> None:
    with ToxicProxy(("127.0.0.1", origin), [Bandwidth(1e6)]) as proxy:

        def part() -> None:
            proxy.toxics = [Stop()]
            time.sleep(3)
            proxy.toxics = []

        parting = once_flowing(proxy, directory, part)
        run = fetch(url_of(proxy), last=True, limits={"retries": 10})
        parting.join()
        assert proxy.connections > 1
    assert run.seconds > 3


def test_n2_n5_a_server_that_restarts_in_the_middle(fetch: Fetch, origin: int, directory: pathlib.Path) -> None:
    with ToxicProxy(("127.0.0.1", origin), [Bandwidth(1e6)]) as proxy:

        def restart() -> None:
            proxy.down()
            time.sleep(1)
            proxy.toxics = []
            proxy.up()

        restarting = once_flowing(proxy, directory, restart)
        fetch(url_of(proxy), last=True, tries=8)
        restarting.join()


@pytest.mark.parametrize("at", [2_000, 1_300_000, len(ZIP.body) - 63])
def test_n19_a_flipped_bit_is_noticed_by_the_digest_of_the_server(
    fetch: Fetch, directory: pathlib.Path, at: int
) -> None:
    told_digest = saying(f"Repr-Digest: sha-256=:{digest('sha256', ZIP.body)}:")
    with (
        scripted(serve(ZIP, whole, told_digest)) as server,
        ToxicProxy(("127.0.0.1", server.port), [FlipBit(at)]) as proxy,
    ):
        assert told(fetch(url_of(proxy)))["code"] == "digest_mismatch"
        assert hidden(directory) == []
        proxy.toxics = []
        fetch(url_of(proxy), last=True)


def test_n19_a_flipped_bit_is_noticed_by_the_archive(fetch: Fetch, origin: int, directory: pathlib.Path) -> None:
    with ToxicProxy(("127.0.0.1", origin), [FlipBit(1_300_000)]) as proxy:
        assert told(fetch(url_of(proxy), level="full"))["code"] == "corrupt"
        assert not list(directory.glob(".*.part"))
        proxy.toxics = []
        fetch(url_of(proxy), last=True, level="full")


def test_n19_a_flipped_bit_in_a_tls_connection_ends_it(fetch: Fetch) -> None:
    with (
        ScriptServer({"/file": [serve(ZIP)]}, certificates.context("good")).running() as server,
        ToxicProxy(("127.0.0.1", server.port), [FlipBit(900_000)]) as proxy,
    ):
        url = url_of(proxy).replace("http:", "https:")
        failure = told(fetch(url))
        assert failure["code"] in ("transfer_interrupted", "tls", "response_lost")
        proxy.toxics = []
        fetch(url, last=True)
