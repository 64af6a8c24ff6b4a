# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's options: several connections, another place for partials, other runs, and how long it may take."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import threading
import time
import typing as t
import zipfile

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import inspection, receive
from ansible_collections.storware.backup.plugins.module_utils._transfer.download import Outcome
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import ranges
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import LimitSettings
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import writer
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.attributes import FileAttributes
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.lock import private_prefix
from tests.faults.replies import Resource, broken, serve
from tests.faults.script_server import (
    HangUp,
    Pause,
    Reply,
    Request,
    Script,
    ScriptServer,
    Sliced,
    head,
    reply,
    scripted,
    until_close,
)
from tests.unit.plugins.module_utils._transfer.fetching import AGAIN, job, reason, run
from tests.unit.plugins.module_utils._transfer.material import GUID, files_in, noise, open_below, sha256, zip_bytes

BLOCK = 200_000
FILE = Resource(zip_bytes({"a": noise(3 * BLOCK), "b": noise(3 * BLOCK, 2)}, method=zipfile.ZIP_STORED))
LENGTH = len(FILE.body)
OVERLAP = 2**20
STEM = private_prefix(GUID, f"server {GUID}")


def asked(server: ScriptServer) -> list[tuple[int, int | None] | None]:
    return [Request(request, 0).range for request in server.requests]


def fetched(dest: pathlib.Path, *replies: Reply, **wishes: t.Any) -> tuple[Outcome, ScriptServer]:
    wishes.setdefault("limit_settings", AGAIN)
    with scripted(*replies) as server:
        outcome = run(job(dest, server.url(), **wishes))[2]
    assert outcome is not None
    assert sha256(dest.read_bytes()) == outcome.file.sha256
    return outcome, server


def failed(dest: pathlib.Path, *replies: Reply, **wishes: t.Any) -> StorwareError:
    with scripted(*replies) as server, pytest.raises(StorwareError) as caught:
        run(job(dest, server.url(), **wishes))
    return caught.value


# --- several connections ---


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "BLOCK", BLOCK)
    monkeypatch.setattr(receive, "BLOCK", BLOCK)


@pytest.mark.usefixtures("small_blocks")
def test_a_probe_and_then_blocks(tmp_path: pathlib.Path) -> None:
    outcome, server = fetched(tmp_path / "x", serve(FILE), connections=4)
    assert (outcome.file.sha256, outcome.file.verified) == (sha256(FILE.body), "structure")
    first, *blocks = asked(server)
    assert first == (0, 511)
    assert sorted(start for start, _end in filter(None, blocks)) == list(range(0, LENGTH, BLOCK))
    assert outcome.received == LENGTH


_NAMED = "Content-Disposition: attachment; filename=mail.zip"


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "file",
    [
        dataclasses.replace(FILE, ranges=False),
        dataclasses.replace(FILE, etag=None),
        dataclasses.replace(FILE, etag='W/"1"'),
        dataclasses.replace(FILE, body=zip_bytes({"a": noise(1000)})),
    ],
    ids=["no ranges", "no tag", "a weak tag", "a small file"],
)
def test_where_nothing_is_won_one_connection_is_enough(tmp_path: pathlib.Path, file: Resource) -> None:
    outcome, server = fetched(tmp_path / "x", serve(file), connections=4)
    assert outcome.file.sha256 == sha256(file.body)
    assert asked(server) == [(0, 511), None]


@pytest.mark.usefixtures("small_blocks")
def test_in_a_directory_the_probe_gives_the_name(tmp_path: pathlib.Path) -> None:
    with scripted(serve(dataclasses.replace(FILE, fields=(_NAMED,)))) as server:
        file = run(job(tmp_path, server.url(), connections=2))[1]
    assert (file.path, file.sha256) == (str(tmp_path / "mail.zip"), sha256(FILE.body))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("file", "words"),
    [
        (dataclasses.replace(FILE, body=b"<html>" + FILE.body), "a web page"),
        (dataclasses.replace(FILE, fields=("Content-Encoding: gzip",)), "content coding gzip"),
        (dataclasses.replace(FILE, body=b"x" + FILE.body), "no ZIP file as mail.zip"),
    ],
)
def test_after_a_probe_without_a_file_the_whole_is_asked_for(
    tmp_path: pathlib.Path, file: Resource, words: str
) -> None:
    with scripted(serve(file)) as server:
        with pytest.raises(StorwareError, match=words) as caught:
            run(job(tmp_path / "mail.zip", server.url(), connections=4))
        assert [b"Range" in request for request in server.requests] == [True, False]
    assert caught.value.code == "unexpected_content"
    assert files_in(tmp_path) == {}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("connections", [1, 4])
def test_what_one_kind_of_run_has_left_the_other_one_continues(tmp_path: pathlib.Path, connections: int) -> None:
    late: set[int] = set()
    is_early_done = threading.Event()  # four connections ask for four late blocks only when they have the early ones

    def breaking(request: Request) -> Script:
        first = (request.range or (0, 0))[0]
        if first >= 3 * BLOCK:
            late.add(first)
            if len(late) == 4:
                is_early_done.set()
            return serve(FILE, broken(0, is_early_done, HangUp()))(request)
        is_whole = request.range is None or request.range == (0, None)
        return serve(FILE, broken(3 * BLOCK) if is_whole else None)(request)

    error = failed(tmp_path / "x", breaking, connections=5 - connections)
    assert (error.code, error.details["bytes_kept"]) == ("transfer_interrupted", 3 * BLOCK)
    outcome, server = fetched(tmp_path / "x", serve(FILE), connections=connections)
    assert outcome.file.sha256 == sha256(FILE.body)
    # With blocks, what is there is compared first; it is less than what is always asked for again.
    ranges_asked = [(0, 3 * BLOCK - 1), (3 * BLOCK, 4 * BLOCK - 1)] if connections > 1 else [(0, None)]
    assert sorted(filter(None, asked(server)))[:2] == ranges_asked
    assert set(files_in(tmp_path)) == {"x", "x.sha256"}


@pytest.mark.usefixtures("small_blocks")
def test_a_tag_that_changes_between_blocks_begins_anew(tmp_path: pathlib.Path) -> None:
    newer = dataclasses.replace(FILE, etag='"2"', body=zip_bytes({"a": noise(900_000, 5)}))
    count = 0

    def changing(request: Request) -> Script:
        nonlocal count
        count += 1
        return serve(FILE if count < 4 else newer)(request)

    outcome, _server = fetched(tmp_path / "x", changing, connections=2)
    assert outcome.file.sha256 == sha256(newer.body)


# --- another place for partials ---


@pytest.fixture
def apart(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "apart").mkdir()
    return tmp_path / "apart"


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest" / "x"


def test_the_bytes_lie_apart_until_they_are_proved(apart: pathlib.Path, dest: pathlib.Path) -> None:
    begun = threading.Event()
    script = [reply(FILE.body)[0], FILE.body[:100_000], begun, FILE.body[100_000:]]
    with scripted(script) as server:
        thread = threading.Thread(target=run, args=(job(dest, server.url(), tmp_dest=str(apart)),))
        thread.start()
        until = time.monotonic() + 20
        while not any(path.stat().st_size for path in apart.glob("*.part")):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert files_in(dest.parent) == {}
        begun.set()
        thread.join()
    assert dest.read_bytes() == FILE.body
    assert set(files_in(dest.parent)) == {"x", "x.sha256"}
    assert files_in(apart) == {}


def test_what_lies_apart_is_continued(apart: pathlib.Path, dest: pathlib.Path) -> None:
    error = failed(dest, serve(FILE, broken(-10)), serve(FILE, broken(0)), tmp_dest=str(apart))
    assert error.details["bytes_kept"] == LENGTH - 10
    assert sorted(path.suffix for path in apart.iterdir()) == [".part", ".state"]
    assert files_in(dest.parent) == {}
    outcome, server = fetched(dest, serve(FILE), tmp_dest=str(apart))
    assert (asked(server), outcome.file.sha256) == ([(LENGTH - 10 - OVERLAP, None)], sha256(FILE.body))
    assert files_in(apart) == {}


def test_attributes_are_rehearsed_where_the_file_will_be(apart: pathlib.Path, dest: pathlib.Path) -> None:
    places = (dest.parent, apart)
    seen: list[list[bool]] = []

    def mode(_st_mode: int) -> int:
        seen.append([any(place.glob(f".*.{kind}")) for place in places for kind in ("test", "part")])
        return 0o600

    fetched(dest, serve(FILE), tmp_dest=str(apart), attributes=FileAttributes(mode=mode))
    assert seen == [[True, False, False, True], [False, False, False, True], [False, False, False, True]]


def test_what_a_killed_run_left_in_either_place_is_removed(apart: pathlib.Path, dest: pathlib.Path) -> None:
    left = (dest.parent / f"{STEM}0123abcd.part", apart / f"{STEM}0123abcd.part", apart / f"{STEM}state")
    for path in left:
        path.write_bytes(b"left")
    fetched(dest, serve(FILE), tmp_dest=str(apart))
    assert (set(files_in(dest.parent)), files_in(apart)) == ({"x", "x.sha256"}, {})
    for path in left:
        path.write_bytes(b"left")
    run(job(dest, tmp_dest=str(apart)))  # unchanged
    assert (set(files_in(dest.parent)), files_in(apart)) == ({"x", "x.sha256"}, {})


@pytest.mark.parametrize(
    ("tmp_dest", "words"),
    [("nowhere", "does not exist"), ("file", "is no directory"), ("/proc/self/task", "directory of the kernel")],
)
def test_a_place_that_cannot_work_is_told_before_anything_is_sent(
    dest: pathlib.Path, tmp_path: pathlib.Path, tmp_dest: str, words: str
) -> None:
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with scripted(serve(FILE)) as server:
        with pytest.raises(OptionError, match=words) as caught:
            run(job(dest, server.url(), tmp_dest=str(tmp_path / tmp_dest)))
        assert server.requests == []
    assert caught.value.option == "tmp_dest"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_may_not_be_used_is_told(
    apart: pathlib.Path, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: t.Any, *arguments: t.Any, **options: t.Any) -> int:
        if path == str(apart):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OptionError, match="cannot be used: Permission denied") as caught:
        reason(job(dest, tmp_dest=str(apart)))
    assert caught.value.option == "tmp_dest"


def test_a_place_on_another_file_system_is_an_option_that_cannot_work(apart: pathlib.Path, dest: pathlib.Path) -> None:
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(apart)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not possible here")
    try:
        with scripted(serve(FILE)) as server:
            with pytest.raises(OptionError, match="on another file system than") as caught:
                run(job(dest, server.url(), tmp_dest=str(apart)))
            assert server.requests == []
    finally:
        subprocess.run(["umount", "-l", str(apart)], check=True)
    assert caught.value.option == "tmp_dest"
    assert "within a file system" in caught.value.hint


def test_a_place_whose_file_system_cannot_be_told_is_an_error_of_ours(
    apart: pathlib.Path, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstat

    def fail(fd: int) -> os.stat_result:
        if os.readlink(f"/proc/self/fd/{fd}") == str(apart):
            raise OSError(5, "Input/output error")
        return real(fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fail)
        with pytest.raises(StorwareError, match="Input/output error"):
            reason(job(dest, tmp_dest=str(apart)))
    assert open_below(dest.parent) + open_below(apart) == []


# --- other runs ---


@contextlib.contextmanager
def slow_run(dest: pathlib.Path, server: ScriptServer, **wishes: t.Any) -> t.Iterator[list[StorwareError]]:
    """Another run that has the claim; its errors."""
    errors: list[StorwareError] = []

    def work() -> None:
        try:
            run(job(dest, server.url(), **wishes))
        except StorwareError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + 20
    while not server.requests:
        assert time.monotonic() < until
        time.sleep(0.01)
    try:
        yield errors
    finally:
        thread.join()


def test_a_second_run_waits_and_finds_what_the_first_one_brought(tmp_path: pathlib.Path) -> None:
    done = threading.Event()
    with scripted([reply(FILE.body)[0], FILE.body[:1000], done, FILE.body[1000:]]) as server:
        with slow_run(tmp_path / "x", server) as errors:
            threading.Timer(0.5, done.set).start()
            why, file, outcome = run(job(tmp_path / "x", server.url()))
        assert len(server.requests) == 1
    assert errors == []
    assert (why, file.sha256, file.verified) == ("unchanged", sha256(FILE.body), "structure")
    assert outcome is not None
    assert (outcome.source, outcome.received) == (None, 0)
    assert set(files_in(tmp_path)) == {"x", "x.sha256"}


def test_in_a_directory_the_second_run_finds_the_name_of_the_first(tmp_path: pathlib.Path) -> None:
    done = threading.Event()
    with scripted([reply(FILE.body, _NAMED)[0], FILE.body[:1000], done, FILE.body[1000:]]) as server:
        with slow_run(tmp_path, server):
            threading.Timer(0.5, done.set).start()
            assert run(job(tmp_path, server.url()))[1].path == str(tmp_path / "mail.zip")
        assert len(server.requests) == 1


def test_a_second_run_goes_on_where_the_first_one_failed(tmp_path: pathlib.Path) -> None:
    done = threading.Event()
    first: Script = [head(f"Content-Length: {LENGTH}", 'ETag: "1"'), FILE.body[:-10], done]
    with scripted(first, serve(FILE, broken(0)), serve(FILE)) as server:
        with slow_run(tmp_path / "x", server, limit_settings=LimitSettings(retries=0)) as errors:
            threading.Timer(0.5, done.set).start()
            outcome = run(job(tmp_path / "x", server.url()))[2]
        assert asked(server) == [None, (LENGTH - 10 - OVERLAP, None), (LENGTH - 10 - OVERLAP, None)]
    assert [error.code for error in errors] == ["transfer_interrupted"]
    assert outcome is not None
    assert outcome.file.sha256 == sha256(FILE.body)


def test_a_run_that_is_waited_for_in_vain_is_told(tmp_path: pathlib.Path) -> None:
    done = threading.Event()
    with scripted([reply(FILE.body)[0], FILE.body[:1000], done, FILE.body[1000:]]) as server:
        with slow_run(tmp_path / "x", server):
            with pytest.raises(StorwareError) as caught:
                run(job(tmp_path / "x", server.url(), limit_settings=LimitSettings(lock_timeout=0.3)))
            done.set()
        assert len(server.requests) == 1
    assert (caught.value.code, caught.value.retryable, caught.value.details["bytes_kept"]) == ("locked", True, 0)
    assert (tmp_path / "x").read_bytes() == FILE.body


def test_who_is_overtaken_leaves_the_file_of_the_other(tmp_path: pathlib.Path) -> None:
    """A run on another machine without locks has exchanged the sidecar."""
    done = threading.Event()
    script = [reply(FILE.body)[0], FILE.body[:1000], done, FILE.body[1000:]]
    with scripted(script) as server, slow_run(tmp_path / "x", server) as errors:
        (tmp_path / "theirs").write_bytes(b"theirs")
        (tmp_path / "theirs").rename(tmp_path / f"{STEM}state")
        done.set()
    assert [error.code for error in errors] == ["concurrent_change"]
    assert files_in(tmp_path) == {f"{STEM}state": b"theirs"}


def test_a_directory_that_was_exchanged_is_told(tmp_path: pathlib.Path) -> None:
    done = threading.Event()
    (tmp_path / "dest").mkdir()
    script = [reply(FILE.body)[0], FILE.body[:1000], done, FILE.body[1000:]]
    with scripted(script) as server, slow_run(tmp_path / "dest" / "x", server) as errors:
        (tmp_path / "dest").rename(tmp_path / "moved")
        (tmp_path / "dest").mkdir()
        done.set()
    assert [error.code for error in errors] == ["concurrent_change"]
    assert files_in(tmp_path / "dest") == {}
    assert (tmp_path / "moved" / "x").read_bytes() == FILE.body


# --- how long it may take ---


def _dripping(body: bytes, size: int = 10) -> Script:
    return [head(f"Content-Length: {len(body)}", 'ETag: "1"'), body[:100_000], Sliced(body[100_000:], size, 0.05)]


def test_after_max_time_it_ends_and_keeps_what_came(tmp_path: pathlib.Path) -> None:
    started = time.monotonic()
    error = failed(tmp_path / "x", _dripping(FILE.body), limit_settings=LimitSettings(max_time=1.0))
    assert time.monotonic() - started < 15
    assert (error.code, error.retryable) == ("timeout", True)
    assert error.details["bytes_kept"] >= 100_000
    assert fetched(tmp_path / "x", serve(FILE))[0].file.sha256 == sha256(FILE.body)


def test_max_time_ends_a_silence_and_the_pauses_between_tries(tmp_path: pathlib.Path) -> None:
    silent: Script = [head(f"Content-Length: {LENGTH}", 'ETag: "1"'), FILE.body[:100_000], Pause(30)]
    for script in (silent, silent[:2]):
        started = time.monotonic()
        error = failed(
            tmp_path / "x", script, limit_settings=LimitSettings(max_time=0.5, first_pause=60, longest_pause=60)
        )
        assert error.code == "timeout"
        assert time.monotonic() - started < 15


def test_a_server_that_is_too_slow_is_asked_again_and_then_told(tmp_path: pathlib.Path) -> None:
    settings = dataclasses.replace(AGAIN, retries=1, min_rate=100_000, rate_window=0.3)
    with scripted(_dripping(FILE.body)) as server:
        with pytest.raises(StorwareError) as caught:
            run(job(tmp_path / "x", server.url(), limit_settings=settings))
        assert len(server.requests) >= 2
    assert caught.value.code == "below_min_rate"
    assert "min_rate" in caught.value.message
    assert caught.value.details["bytes_kept"] >= 100_000


def test_another_try_that_is_faster_goes_on(tmp_path: pathlib.Path) -> None:
    settings = dataclasses.replace(AGAIN, min_rate=100_000, rate_window=0.3)
    outcome, server = fetched(tmp_path / "x", _dripping(FILE.body), serve(FILE), limit_settings=settings)
    assert (len(server.requests), outcome.file.sha256) == (2, sha256(FILE.body))


def test_the_maximum_rate_is_kept(tmp_path: pathlib.Path) -> None:
    outcome, _server = fetched(
        tmp_path / "x", serve(FILE), limit_settings=dataclasses.replace(AGAIN, max_rate=1_500_000)
    )
    assert outcome.seconds > LENGTH / 1_500_000 - 0.3


# --- odd ends ---


def test_a_partial_that_does_not_fit_in_the_room_that_is_left_is_not_begun(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.statvfs", lambda fd: _Space(1, 1000, 100_000))
    error = failed(tmp_path / "x", serve(FILE))
    assert (error.code, error.details["needed"], error.details["free"]) == ("disk_full", LENGTH, 1000)
    assert files_in(tmp_path) == {}


class _Space(t.NamedTuple):
    f_frsize: int
    f_bavail: int
    f_blocks: int


def test_a_file_system_that_others_fill_meanwhile_keeps_its_reserve(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once as much has come as a record is made for; the next run goes on from there."""
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1)
    asked = iter([_Space(1, LENGTH + 10, 1000)])
    monkeypatch.setattr("os.statvfs", lambda fd: next(asked, _Space(1, 9, 1000)))
    error = failed(tmp_path / "x", serve(FILE))
    assert (error.code, error.details["free"]) == ("disk_full", 9)
    assert "of which 10 are left to others" in error.message
    assert 0 < error.details["bytes_kept"] <= LENGTH


def test_when_the_file_system_is_full_later_what_came_is_kept(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is not asked for when it does not fit."""
    failed(tmp_path / "x", serve(FILE, broken(-500)), serve(FILE, broken(0)))
    monkeypatch.setattr("os.statvfs", lambda fd: _Space(1, 509, 1000))
    with scripted(serve(FILE)) as server:
        with pytest.raises(StorwareError) as caught:
            run(job(tmp_path / "x", server.url()))
        assert server.requests == []
    assert (caught.value.code, caught.value.details["needed"]) == ("disk_full", 500)
    assert caught.value.details["bytes_kept"] == LENGTH - 500
    monkeypatch.setattr("os.statvfs", lambda fd: _Space(1, 510, 1000))
    assert fetched(tmp_path / "x", serve(FILE))[0].file.sha256 == sha256(FILE.body)


def test_a_dest_that_cannot_be_opened_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, owner: int | None) -> t.NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(inspection, "Directory", refuse)
    with pytest.raises(OptionError, match="cannot be used: Permission denied") as caught:
        reason(job(tmp_path / "x"))
    assert caught.value.option == "dest"


def test_what_has_no_length_and_ends_in_order_is_whole(tmp_path: pathlib.Path) -> None:
    assert fetched(tmp_path / "x", until_close(FILE.body))[0].file.verified == "structure"
