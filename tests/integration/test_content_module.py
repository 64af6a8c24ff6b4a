# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud_download_content against the simulator: what arrives, what does not move twice, and what check mode says."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time
import typing as t

import pytest
import yaml

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.answers import Answer, answering
from tests.support.modules import connect, prepare, run_module
from tests.unit.plugins.module_utils._transfer.material import zip_bytes

MODULE = "cloud_download_content"
FQCN = f"storware.backup.{MODULE}"
UNKNOWN = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"
DOWNLOAD, CONTENT_DOWNLOAD = "GET /cloud-download/{guid}", "GET /cloud-download/{guid}/content-download"

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def guid(simulator: Simulator) -> str:
    """A download that is ready; nothing has been asked yet."""
    made = simulator.seed(users=1, downloads=1)[0]
    simulator.clear_log()
    return made


def fetch(simulator: Simulator, dest: object, guid: str, *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    return run_module(MODULE, connect(simulator, guid=guid, dest=str(dest), **options), check=check)


def good(result: dict[str, t.Any]) -> dict[str, t.Any]:
    assert not result.get("failed"), result["msg"]
    return result


def calls(simulator: Simulator) -> dict[str, int]:
    return dict(simulator.counters()["calls"])


def snapshot(directory: pathlib.Path) -> dict[str, tuple[bytes, os.stat_result]]:
    """Everything about the files of a directory."""
    return {path.name: (path.read_bytes(), path.stat()) for path in directory.iterdir() if path.is_file()}


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- a file arrives ---


@pytest.mark.fault("F18", "U2")
@pytest.mark.parametrize("where", ["file", "directory", "directory with a slash"])
@pytest.mark.parametrize("kind", ["CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD"])
def test_a_download_arrives_once(simulator: Simulator, tmp_path: pathlib.Path, where: str, kind: str) -> None:
    guid = simulator.seed(users=1, downloads=1, mode=kind)[0]
    truth = simulator.content(guid)
    simulator.clear_log()
    dest = {"file": f"{tmp_path}/mail", "directory": f"{tmp_path}", "directory with a slash": f"{tmp_path}/"}[where]

    first = good(fetch(simulator, dest, guid))
    path = pathlib.Path(first["path"])
    assert path == tmp_path / ("mail" if where == "file" else truth["name"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == truth["sha256"] == first["sha256"]
    assert (first["changed"], first["reason"], first["source"]) == (True, "missing", "download")
    assert (first["size"], first["guid"]) == (truth["size"], guid)
    assert (first["verified"], first["format"]) == ("structure", "zip" if kind == "CLOUD_DOWNLOAD" else "pst")
    assert first["receipt"] == f"{path}.sha256"
    assert (mode(path), mode(pathlib.Path(first["receipt"]))) == (0o600, 0o600)
    assert calls(simulator) == {"POST /session/login": 1, DOWNLOAD: 1, "POST /session/logout": 1}
    subprocess.run(["sha256sum", "-c", "--strict", first["receipt"]], cwd=tmp_path, check=True)

    simulator.clear_log()
    before = snapshot(tmp_path)
    second = good(fetch(simulator, dest, guid))
    assert (second["changed"], second["reason"]) == (False, "unchanged")
    assert {key: second[key] for key in ("path", "size", "sha256", "verified", "format", "receipt")} == {
        key: first[key] for key in ("path", "size", "sha256", "verified", "format", "receipt")
    }
    assert calls(simulator) == {}  # not even a login
    assert snapshot(tmp_path) == before


@pytest.mark.smoke
@pytest.mark.fault("U2")
def test_unchanged_needs_no_server_at_all(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    good(fetch(simulator, tmp_path, guid))
    assert good(fetch(simulator, tmp_path, guid, url="https://nowhere.invalid"))["reason"] == "unchanged"


def test_several_downloads_of_one_entity_get_names_of_their_own(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    guids = simulator.seed(users=1, downloads=3, entity=simulator.entities("users")[0]["guid"])
    paths = {guid: good(fetch(simulator, tmp_path, guid))["path"] for guid in guids}
    assert len(set(paths.values())) == 3
    for guid in guids:
        again = good(fetch(simulator, tmp_path, guid))
        assert (again["changed"], again["path"]) == (False, paths[guid])
        assert again["sha256"] == simulator.content(guid)["sha256"]


def test_every_entry_is_checked_with_full(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    assert good(fetch(simulator, tmp_path, guid, verify="full"))["verified"] == "full"


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_checksum(simulator: Simulator, tmp_path: pathlib.Path, guid: str, algorithm: str) -> None:
    content = pathlib.Path(good(fetch(simulator, tmp_path / "truth", guid))["path"]).read_bytes()
    right = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    wrong = f"{algorithm}:{hashlib.new(algorithm, b'other').hexdigest()}"
    result = good(fetch(simulator, tmp_path / "x", guid, checksum=right.upper()))
    assert (result["verified"], result["checksum"]) == ("digest", right)
    assert good(fetch(simulator, tmp_path / "x", guid, checksum=right))["reason"] == "unchanged"

    before = snapshot(tmp_path)
    failed = fetch(simulator, tmp_path / "x", guid, checksum=wrong)
    assert failed["error"]["code"] == "checksum_mismatch"
    assert wrong.partition(":")[2] in failed["msg"]
    assert right.partition(":")[2] in failed["msg"]
    assert snapshot(tmp_path) == before


# --- which address ---


@pytest.mark.fault("A14")
@pytest.mark.parametrize(
    ("switches", "source", "used", "asked"),
    [
        ({}, "auto", "download", [DOWNLOAD]),
        ({}, "download", "download", [DOWNLOAD]),
        ({}, "content_download", "content_download", [CONTENT_DOWNLOAD]),
        ({"download": "object"}, "auto", "content_download", [DOWNLOAD, CONTENT_DOWNLOAD]),
        ({"content_download": "object"}, "auto", "download", [DOWNLOAD]),
    ],
)
def test_the_address_that_is_asked(
    simulator: Simulator,
    tmp_path: pathlib.Path,
    guid: str,
    switches: dict[str, t.Any],
    source: str,
    used: str,
    asked: list[str],
) -> None:
    simulator.switch(**switches)
    result = good(fetch(simulator, tmp_path, guid, source=source))
    assert result["source"] == used
    assert [call for call in calls(simulator) if "session" not in call] == asked
    assert result["sha256"] == simulator.content(guid)["sha256"]


@pytest.mark.fault("A14")
@pytest.mark.parametrize("source", ["auto", "download", "content_download"])
def test_an_object_is_no_file(simulator: Simulator, tmp_path: pathlib.Path, guid: str, source: str) -> None:
    simulator.switch(download="object", content_download="object")
    result = fetch(simulator, tmp_path, guid, source=source)
    assert result["error"]["code"] == "unexpected_content"
    assert list(result["error"]["answers"]) == (["download", "content_download"] if source == "auto" else [source])
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("answer", ["404", "409", "204", "empty"])
def test_a_download_that_is_not_ready(simulator: Simulator, tmp_path: pathlib.Path, answer: str) -> None:
    simulator.switch(not_ready=answer)
    simulator.step(1)
    simulator.speed(0)
    run_module("cloud_download", prepare(simulator, "alice@example.com") | {"wait": False})
    simulator.step(4)
    (guid,) = [download["guid"] for download in simulator.downloads()]
    result = fetch(simulator, tmp_path / "x", guid)
    assert result["error"]["code"] == "unexpected_content", result
    assert "finished_mount" in result["msg"]
    assert snapshot(tmp_path) == {}
    simulator.step(60)
    good(fetch(simulator, tmp_path / "x", guid))


def test_an_unknown_download(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    result = fetch(simulator, tmp_path / "x", UNKNOWN)
    assert result["error"]["code"] == "unexpected_content"
    assert "answered 404" in result["msg"]
    assert snapshot(tmp_path) == {}


def test_what_the_account_may_not_have_is_not_asked_for_twice(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str
) -> None:
    result = fetch(simulator, tmp_path / "x", guid, password="wrong")
    assert result["error"]["code"] == "authentication_failed"
    assert calls(simulator) == {"POST /session/login": 1}
    assert snapshot(tmp_path) == {}


# --- how it comes ---


@pytest.mark.parametrize("ranges", ["full", "none", "refused"])
def test_several_connections(simulator: Simulator, tmp_path: pathlib.Path, ranges: str) -> None:
    simulator.switch(ranges=ranges)
    size = 40 * 2**20
    guid = simulator.seed(users=1, downloads=1, content_size=size)[0]
    simulator.clear_log()
    result = good(fetch(simulator, tmp_path, guid, connections=4))
    assert result["sha256"] == simulator.content(guid)["sha256"]
    assert result["bytes_received"] == size
    # A look at the first bytes, then three blocks; where the server has no ranges, the whole at once.
    assert calls(simulator)[DOWNLOAD] == (4 if ranges == "full" else 2)


def test_private_files_elsewhere(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    for name in ("dest", "tmp"):
        (tmp_path / name).mkdir()
    result = good(fetch(simulator, tmp_path / "dest", guid, tmp_dest=f"{tmp_path}/tmp"))
    assert hashlib.sha256(pathlib.Path(result["path"]).read_bytes()).hexdigest() == simulator.content(guid)["sha256"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_task_that_takes_too_long_keeps_what_has_come(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    size = 20 * 2**20
    guid = simulator.seed(users=1, downloads=1, content_size=size)[0]
    started = time.monotonic()
    result = fetch(simulator, tmp_path, guid, max_time=2, max_rate="4M")
    assert time.monotonic() - started < 7
    assert (result["error"]["code"], result["error"]["retryable"]) == ("timeout", True)
    kept = result["error"]["bytes_kept"]
    assert 2**20 < kept < size
    assert good(fetch(simulator, tmp_path, guid))["bytes_received"] == size - kept + 2**20


@pytest.mark.fault("P1")
def test_two_tasks_at_once_move_the_bytes_once(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    guid = simulator.seed(users=1, downloads=1, content_size=8 * 2**20)[0]
    simulator.clear_log()
    first = program(connect(simulator, guid=guid, dest=str(tmp_path), max_rate=4 * 2**20))
    while not any(path.stat().st_size for path in tmp_path.glob(".*.part")):
        assert first.poll() is None
        time.sleep(0.02)
    busy = fetch(simulator, tmp_path, guid, lock_timeout=0)
    assert busy["error"]["code"] == "locked"
    assert f"process {first.pid} is still fetching" in busy["msg"]
    second = good(fetch(simulator, tmp_path, guid))
    assert (second["changed"], second["reason"]) == (False, "unchanged")
    assert good(json.loads(first.communicate()[0]))["sha256"] == second["sha256"]
    assert calls(simulator)[DOWNLOAD] == 1


# --- check mode ---


Prepare = t.Callable[[pathlib.Path], object]

# What has happened to the file since it was fetched, the options then, the reason.
SITUATIONS: dict[str, tuple[Prepare | None, dict[str, t.Any], str]] = {
    "missing": (None, {}, "missing"),
    "missing, with attributes": (None, {"mode": "0640", "owner": "root"}, "missing"),
    "gone": (lambda path: path.unlink(), {}, "missing"),
    "unchanged": (lambda path: None, {}, "unchanged"),
    "unchanged, same mode": (lambda path: None, {"mode": "0600"}, "unchanged"),
    "unchanged, other mode": (lambda path: None, {"mode": "0640"}, "unchanged"),
    "unchanged by length": (lambda path: None, {"verify": "length"}, "unchanged"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), {"mode": "u=rw,g=r"}, "size"),
    "damaged": (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), {}, "checksum"),
    "without receipt": (lambda path: path.with_name(path.name + ".sha256").unlink(), {}, "guid"),
    "of another download": (
        lambda path: path.with_name(path.name + ".sha256").write_text(
            path.with_name(path.name + ".sha256").read_text().replace("guid: ", "guid: f")
        ),
        {},
        "guid",
    ),
    "always": (lambda path: None, {"overwrite": "always"}, "forced"),
    "never": (lambda path: path.write_bytes(b"mine"), {"overwrite": "never"}, "kept"),
    "never, other mode": (lambda path: path.write_bytes(b"mine"), {"overwrite": "never", "mode": "0644"}, "kept"),
    "never, missing": (None, {"overwrite": "never"}, "missing"),
}


@pytest.mark.fault("U1", "U3")
@pytest.mark.parametrize("place", ["file", "directory"])
@pytest.mark.parametrize("situation", list(SITUATIONS))
def test_check_mode_tells_what_the_real_run_does(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, situation: str, place: str
) -> None:
    spoil, options, reason = SITUATIONS[situation]
    dest = tmp_path / "mail.zip" if place == "file" else tmp_path
    if spoil:
        spoil(pathlib.Path(good(fetch(simulator, dest, guid))["path"]))
    if place == "directory" and reason == "guid":
        reason = "missing"  # in a directory, a file without its receipt is somebody else's
    simulator.clear_log()
    before = snapshot(tmp_path)

    predicted = good(fetch(simulator, dest, guid, check=True, **options))
    assert calls(simulator) == {}
    assert snapshot(tmp_path) == before

    real = good(fetch(simulator, dest, guid, **options))
    assert (predicted["changed"], predicted["diff"]) == (real["changed"], real["diff"])
    assert predicted["reason"] == real["reason"] == reason
    assert predicted["path"] in (real["path"], None)
    assert (predicted["diff"]["before"] != predicted["diff"]["after"]) == real["changed"]

    simulator.clear_log()
    again = good(fetch(simulator, dest, guid, **{**options, "overwrite": options.get("overwrite", "different")}))
    assert again["changed"] == (reason == "forced")
    assert reason == "forced" or calls(simulator) == {}


@pytest.mark.fault("U11")
def test_a_diff_shows_where_what_and_with_which_attributes(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str
) -> None:
    dest = f"{tmp_path}/mail.zip"
    asked: dict[str, t.Any] = {"mode": "0640", "group": "root"}
    assert fetch(simulator, dest, guid, check=True, **asked)["diff"] == {
        "before": {"dest": dest, "guid": None, "state": "absent"},
        "after": {"dest": dest, "guid": guid, "state": "present", **asked},
    }
    good(fetch(simulator, dest, guid))
    present = {"dest": dest, "guid": guid, "state": "present"}
    assert fetch(simulator, dest, guid)["diff"] == {"before": present, "after": present}
    assert fetch(simulator, dest, guid, **asked)["diff"] == {"before": present, "after": {**present, **asked}}
    other = {"before": {**present, "state": "different"}, "after": present}
    assert fetch(simulator, dest, guid, overwrite="always")["diff"] == other
    assert "diff" not in run_module(MODULE, connect(simulator, guid=guid, dest=dest), diff=False)


# --- attributes ---


@pytest.mark.fault("F18")
@pytest.mark.parametrize(
    ("asked", "expected"), [("0640", 0o640), ("u=rw,g=r,o=", 0o640), (0o644, 0o644), ("400", 0o400)]
)
def test_modes(simulator: Simulator, tmp_path: pathlib.Path, guid: str, asked: t.Any, expected: int) -> None:
    path = pathlib.Path(good(fetch(simulator, tmp_path, guid, mode=asked))["path"])
    assert mode(path) == expected
    assert mode(path.with_name(path.name + ".sha256")) == expected
    assert not good(fetch(simulator, tmp_path, guid, mode=asked))["changed"]


def test_another_mode_is_a_change_without_content(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    path = pathlib.Path(good(fetch(simulator, tmp_path, guid))["path"])
    simulator.clear_log()
    result = good(fetch(simulator, tmp_path, guid, mode="0644"))
    assert (result["changed"], result["reason"], result["mode"]) == (True, "unchanged", "0644")
    assert mode(path) == 0o644
    assert calls(simulator) == {}


@root_only
def test_owner_and_group(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    path = pathlib.Path(good(fetch(simulator, tmp_path, guid, owner="daemon", group="1"))["path"])
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (1, 1, 0o600)
    result = good(fetch(simulator, tmp_path, guid, owner="daemon", overwrite="always"))
    assert (result["owner"], result["gid"], result["mode"]) == ("daemon", 1, "0600")
    assert not good(fetch(simulator, tmp_path, guid, owner="daemon"))["changed"]
    other = good(fetch(simulator, path, guid, owner="root"))  # of a user who is not asked for: as if nothing were there
    assert (other["changed"], other["reason"], other["gid"], other["mode"]) == (True, "guid", 0, "0600")


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    "bad",
    [
        {"owner": "no-such-user"},
        {"owner": "-1"},
        {"group": "no-such-group"},
        {"mode": "u=nonsense"},
        {"mode": 0o644 << 9},
        {"attributes": "+Z"},
    ],
)
def test_attributes_that_cannot_be_are_told_before_anything_is_sent(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, bad: dict[str, t.Any], check: bool
) -> None:
    result = fetch(simulator, tmp_path, guid, check=check, **bad)
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", *bad)
    assert calls(simulator) == {}
    assert snapshot(tmp_path) == {}


# --- bad input ---


@pytest.mark.fault("S12", "S15", "U4", "U5")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"guid": "alice@example.com"}, "guid: must be a GUID"),
        ({"guid": UNKNOWN + "/content-download"}, "guid: must be a GUID"),
        ({"guid": "../mounted-backups"}, "guid: must be a GUID"),
        ({"guid": ""}, "guid: must be a GUID"),
        ({"checksum": "sha256:abc"}, "checksum: a digest of sha256 has 64 hex digits, and 3 are given"),
        ({"checksum": "0" * 64}, "checksum: must be ALGORITHM:DIGEST"),
        ({"dest": "/no/such/directory/x"}, "dest: the directory /no/such/directory does not exist"),
        ({"dest": "/no/such/directory/"}, "dest: /no/such/directory/ is no directory that exists"),
        ({"dest": "/dev/null"}, "dest: /dev/null is a character device"),
        ({"dest": "/proc/self/environ"}, "dest: /proc/self is a directory of the kernel"),
        ({"dest": ""}, "dest: must not be empty"),
        ({"tmp_dest": "/no/such/directory"}, "tmp_dest: the directory /no/such/directory does not exist"),
        ({"tmp_dest": "/proc/self"}, "tmp_dest: /proc/self is a directory of the kernel"),
        ({"tmp_dest": "/dev/shm"}, "tmp_dest: /dev/shm is on another file system than"),
        ({"connections": 0}, "connections: must be between 1 and 16, not 0"),
        ({"connections": 17}, "connections: must be between 1 and 16, not 17"),
        ({"max_time": 0}, "max_time: must be between 0.1 and"),
        ({"max_rate": 0}, "max_rate: must be between 1 and"),
        ({"max_rate": "fast"}, "max_rate"),
        ({"min_rate": "2000T"}, "min_rate: must be between 0 and"),
        ({"lock_timeout": -1}, "lock_timeout: must be between 0 and"),
        ({"verify": "blindly"}, "value of verify must be one of: full, structure, length"),
        ({"source": "elsewhere"}, "value of source must be one of: auto, download, content_download"),
        ({"overwrite": "maybe"}, "value of overwrite must be one of: never, different, always"),
        ({"url": "http://{host}"}, "http:// sends credentials"),
        ({"records": [{"mode": "CLOUD_DOWNLOAD"}]}, "records: entry 1 has no guid"),
        ({"records": [{"guid": UNKNOWN, "backup": "newest"}]}, "records: backup of entry 1 is no dictionary"),
        ({"token": "another way"}, "give one way to log in"),
        ({"username": None, "password": None}, "no credentials are given"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_bad_input_is_told_before_anything_is_sent_or_written(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, options: dict[str, t.Any], words: str, check: bool
) -> None:
    arguments = connect(simulator, **{"guid": guid, "dest": f"{tmp_path}/x", **options})
    result = run_module(MODULE, {key: value for key, value in arguments.items() if value is not None}, check=check)
    assert result["failed"]
    assert words in result["msg"]
    assert "exception" not in result
    assert simulator.password not in json.dumps({**result, "invocation": None}).replace("simulator-", "")
    assert calls(simulator) == {}
    assert snapshot(tmp_path) == {}


def test_a_guid_in_capitals_is_the_same_download(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    assert good(fetch(simulator, tmp_path, guid.upper()))["guid"] == guid
    assert good(fetch(simulator, tmp_path, guid))["reason"] == "unchanged"


# --- what is returned ---


def test_zeros_that_belong_to_no_entry_are_in_the_result(tmp_path: pathlib.Path) -> None:
    """An archive of a program that writes whole blocks, from a server that is none of Storware's."""
    guid, archive = "f8f73bf9-2445-4bce-a7dd-753be3b40a67", zip_bytes()
    for padding in (0, 10_000):
        answers = {f"GET /api/cloud-download/{guid}": Answer(200, archive + bytes(padding))}
        with answering(answers) as server:
            options = {"url": server.url, "allow_http": True, "username": "queen", "password": "off with her head"}
            result = run_module(
                MODULE, {**options, "guid": guid, "dest": str(tmp_path / "a.zip"), "overwrite": "always"}
            )
        assert (result["verified"], result.get("padding")) == ("structure", padding or None)


def test_everything_that_is_returned_is_documented(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    from ansible_collections.storware.backup.plugins.modules import cloud_download_content

    documented = yaml.safe_load(cloud_download_content.RETURN)
    # Of Ansible itself
    common = {"changed", "failed", "msg", "diff", "invocation", "warnings", "deprecations"}
    results = [
        fetch(simulator, tmp_path / "x", guid, check=True),
        fetch(simulator, tmp_path / "x", guid, checksum="md5:" + "0" * 32),
        fetch(simulator, tmp_path / "x", guid),
        fetch(simulator, tmp_path / "x", guid, overwrite="always", check=True),
        fetch(simulator, tmp_path / "x", guid),
        fetch(simulator, tmp_path / "x", guid, overwrite="never"),
    ]
    for result in results:
        assert set(result) - common <= set(documented), result
    always = {name for name, about in documented.items() if about["returned"] == "success"}
    assert all(always <= set(result) for result in results if not result.get("failed"))
    for name, about in documented.items():
        kinds = {"str": str, "int": int, "float": float, "dict": dict, "list": list}
        values = [result[name] for result in results if result.get(name) is not None]
        assert all(isinstance(value, kinds[about["type"]]) for value in values), name
    undocumented = {"checksum", "secontext", "padding"}  # need an option, a host with SELinux, or an odd archive
    assert {name for result in results for name in result} >= set(documented) - undocumented


# --- as a program ---

_PROGRAM = """
import json, pathlib, sys
from tests.support.modules import run_module
result = run_module("cloud_download_content", json.loads(sys.argv[1]))
status = pathlib.Path("/proc/self/status").read_text()
result["peak"] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps(result))
"""


def program(options: dict[str, t.Any]) -> subprocess.Popen[str]:
    """The module in a process of its own."""
    command = [sys.executable, "-c", _PROGRAM, json.dumps(options)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.fault("P15")
@pytest.mark.long
def test_4_gib_pass_through_less_than_80_mib(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    size = 2**32 + 4321
    guid = simulator.seed(users=1, downloads=1, content_size=size)[0]
    output, _errors = program(connect(simulator, guid=guid, dest=str(tmp_path))).communicate(timeout=600)
    result = good(json.loads(output))
    assert (result["size"], result["verified"], result["format"]) == (size, "structure", "zip")
    assert pathlib.Path(result["path"]).stat().st_size == size
    assert result["sha256"] == simulator.content(guid)["sha256"]
    assert result["peak"] < 80


@pytest.mark.fault("P5")
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.long) for n in (signal.SIGINT, signal.SIGHUP))]
)
def test_a_signal_ends_it_in_order(simulator: Simulator, tmp_path: pathlib.Path, number: signal.Signals) -> None:
    size = 2**30
    guid = simulator.seed(users=1, downloads=1, content_size=size)[0]
    running = program(connect(simulator, guid=guid, dest=str(tmp_path), max_rate=size // 4))
    try:
        while not any(path.stat().st_size > 2**20 for path in tmp_path.glob(".*.part")):
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(number)
        sent = time.monotonic()
        output, _errors = running.communicate(timeout=10)
    finally:
        running.kill()
    assert time.monotonic() - sent < 2
    result = json.loads(output)
    assert result["error"]["code"] == "interrupted"
    assert f"Interrupted by {number.name}" in result["msg"]
    kept = result["error"]["bytes_kept"]
    assert f"{kept} bytes are kept" in result["msg"]
    assert simulator.counters()["open_sessions"] == 0
    # The next run brings the rest, and asks for a MiB again to compare it.
    again = good(fetch(simulator, tmp_path, guid))
    assert again["bytes_received"] == size - kept + min(kept, 2**20)
    assert again["sha256"] == simulator.content(guid)["sha256"]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in tmp_path.glob("[!.]*")}


@pytest.mark.matrix
def test_as_people_run_it(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    task = {FQCN: {"guid": guid, "dest": f"{tmp_path}/", "mode": "0640"}}
    defaults = {"group/storware.backup.storware": connect(simulator)}
    play = [{"hosts": "all", "gather_facts": False, "module_defaults": defaults, "tasks": [task]}]
    (first,) = ansible.playbook(play).ok().of(FQCN)
    assert first.changed
    assert first.result["sha256"] == simulator.content(guid)["sha256"]
    assert mode(pathlib.Path(first.result["path"])) == 0o640
    (second,) = ansible.playbook(play).ok().of(FQCN)
    assert not second.changed
    assert simulator.counters()["logins"] == 1
