# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The right to fetch: one run at a time, what was left is continued exactly once, nothing that was planted helps."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import subprocess
import sys
import threading
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import (
    LimitSettings,
    TransferLimits,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import checkpoint
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import lock as partial_lock
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import process as identity
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.checkpoint import (
    Checkpoint,
    CheckpointFile,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.lock import PartialLock
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.part_file import PartialFile
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.process import ProcessIdentity
from tests.unit.plugins.module_utils._transfer.material import GUID, files_in, open_below, sha256
from tests.unit.plugins.module_utils._transfer.planting import KINDS, plant

PREFIX = partial_lock.private_prefix(GUID, "https://server guid")
STATE = f"{PREFIX}state"
ELSEWHERE = partial_lock.private_prefix(GUID, "another server")
OLD, OTHER = "0123abcd", "fedcba98"
HALF = b"half a file"
GONE = dataclasses.replace(ProcessIdentity.current(), started="1")
UNKNOWN = dataclasses.replace(ProcessIdentity.current(), machine="another")


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    with Directory(str(tmp_path)) as opened:
        yield opened


def acquire(directory: Directory, **limits: t.Any) -> PartialLock:
    return partial_lock.acquire(directory, PREFIX, TransferLimits(LimitSettings(**{"lock_timeout": 0, **limits})))


def part(directory: Directory, token: str) -> pathlib.Path:
    return pathlib.Path(directory.path_of(f"{PREFIX}{token}.part"))


def left(directory: Directory, process: ProcessIdentity | None, token: str = OLD, **changes: t.Any) -> Checkpoint:
    """What an earlier run has left."""
    record = Checkpoint(token, process, length=5000, offset=len(HALF), sha256=sha256(HALF))
    record = dataclasses.replace(record, **changes)
    made = CheckpointFile.create(directory, STATE, record)
    made.close()
    part(directory, token).write_bytes(HALF)
    return record


def test_names_tell_downloads_and_servers_apart() -> None:
    assert PREFIX.startswith(f".{GUID}.")
    prefixes = {partial_lock.private_prefix(guid, identity) for guid in ("a", "b") for identity in ("x", "y")}
    assert len(prefixes) == 4
    assert partial_lock.private_prefix("a", "x") == partial_lock.private_prefix("a", "x")


# --- a new one ---


def test_a_new_claim_has_a_private_partial_and_a_sidecar_and_takes_both_away(directory: Directory) -> None:
    with acquire(directory) as made:
        assert directory.names() == sorted([STATE, f"{PREFIX}{made.token}.part"])
        assert {os.stat(directory.path_of(name)).st_mode & 0o777 for name in directory.names()} == {0o600}
        assert (made.checkpoint, made.waited) == (None, False)
        assert made.state.read() == Checkpoint(made.token, ProcessIdentity.current())
        made.check()
    assert directory.names() == []


def test_each_run_has_a_name_of_its_own(directory: Directory) -> None:
    tokens = set()
    for _time in range(20):
        with acquire(directory) as made:
            tokens.add(made.token)
    assert len(tokens) == 20


def test_what_is_kept_stays(directory: Directory) -> None:
    with acquire(directory) as made:
        made.partial.write_at(0, HALF)
        made.preserve()
    assert directory.names() == sorted([STATE, f"{PREFIX}{made.token}.part"])


def test_other_downloads_are_left_alone(directory: Directory, tmp_path: pathlib.Path) -> None:
    others = [
        f"{ELSEWHERE}{OLD}.part", f"{ELSEWHERE}state",
        f"{PREFIX}{OLD}", f"{PREFIX}{OLD[1:]}.part", f"{PREFIX}{OLD}0.part", f"{PREFIX}{OLD}.part.part",
        f"{PREFIX}0123ABCD.part",
        f"x{PREFIX}{OLD}.part", f"{PREFIX}state.part", f"{PREFIX}.part", "mail.zip", "mail.zip.sha256",
    ]  # fmt: skip
    for name in others:
        (tmp_path / name).touch()
    with acquire(directory):
        pass
    partial_lock.remove_stale(directory, PREFIX)
    assert directory.names() == sorted(others)


# --- taken over ---


@pytest.mark.parametrize("process", [None, GONE], ids=["ended in order", "dead"])
def test_what_an_ended_run_has_left_is_continued(directory: Directory, process: ProcessIdentity | None) -> None:
    record = left(directory, process)
    with acquire(directory) as made:
        assert made.checkpoint == dataclasses.replace(record, token=made.token, process=ProcessIdentity.current())
        assert made.state.read() == made.checkpoint
        assert made.partial.read_at(0, 100) == HALF
        assert made.token != OLD
        assert directory.names() == sorted([STATE, f"{PREFIX}{made.token}.part"])


def test_what_a_run_has_left_of_which_nothing_is_known_is_not_continued(directory: Directory) -> None:
    """On another machine it may still write: its partial keeps its inode and loses its name."""
    left(directory, UNKNOWN)
    with part(directory, OLD).open("rb") as theirs:
        with acquire(directory) as made:
            assert (made.checkpoint, made.partial.size) == (None, 0)
            assert directory.names() == sorted([STATE, f"{PREFIX}{made.token}.part"])
        assert theirs.read() == HALF


@pytest.mark.parametrize("changes", [{"offset": 0}, {"length": None}])
def test_what_cannot_be_continued_is_begun_anew(directory: Directory, changes: dict[str, t.Any]) -> None:
    left(directory, None, **changes)
    with acquire(directory) as made:
        assert (made.checkpoint, made.partial.size) == (None, 0)
        assert len(directory.names()) == 2


def test_a_sidecar_without_its_partial_is_begun_anew(directory: Directory) -> None:
    left(directory, None)
    part(directory, OLD).unlink()
    with acquire(directory) as made:
        assert (made.checkpoint, made.partial.size) == (None, 0)


def test_a_partial_without_a_sidecar_is_removed(directory: Directory) -> None:
    part(directory, OLD).write_bytes(HALF)
    with acquire(directory) as made:
        assert (made.checkpoint, made.partial.size) == (None, 0)
        assert not part(directory, OLD).exists()


@pytest.mark.parametrize("content", [b"", b"damaged" * 2000])
def test_a_damaged_sidecar_is_begun_anew(directory: Directory, tmp_path: pathlib.Path, content: bytes) -> None:
    left(directory, None)
    (tmp_path / STATE).write_bytes(content)
    with acquire(directory) as made:
        assert (made.checkpoint, made.partial.size) == (None, 0)
        assert len(directory.names()) == 2


def test_a_run_that_died_while_it_took_over_is_taken_over_itself(directory: Directory) -> None:
    """The sidecar names the new run already, and the partial still has the name of the old one."""
    record = left(directory, GONE, OTHER)
    part(directory, OTHER).rename(part(directory, OLD))
    with acquire(directory) as made:
        assert made.partial.read_at(0, 100) == HALF
        assert made.checkpoint
        assert made.checkpoint.offset == record.offset
        assert len(directory.names()) == 2


def test_of_several_partials_its_own_comes_first(directory: Directory) -> None:
    left(directory, None, OTHER)
    part(directory, OLD).write_bytes(b"another one")
    with acquire(directory) as made:
        assert made.partial.read_at(0, 100) == HALF
        assert len(directory.names()) == 2


def test_of_many_at_once_exactly_one_continues(directory: Directory) -> None:
    for _time in range(20):
        left(directory, None)
        taken: list[PartialLock] = []
        busy: list[str] = []
        start, end = threading.Barrier(4), threading.Barrier(4)

        def work(taken: list[PartialLock], busy: list[str], start: threading.Barrier, end: threading.Barrier) -> None:
            start.wait()
            with contextlib.ExitStack() as stack:
                own = stack.enter_context(Directory(directory.path))  # as each process has
                try:
                    taken.append(stack.enter_context(acquire(own)))
                except StorwareError as error:
                    busy.append(error.code)
                end.wait()

        threads = [threading.Thread(target=work, args=(taken, busy, start, end)) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(taken), busy) == (1, ["locked"] * 3)
        assert taken[0].checkpoint
        assert directory.names() == []


# --- waiting ---


@contextlib.contextmanager
def another_run(directory: Directory, *, lock: bool = True) -> t.Iterator[tuple[subprocess.Popen[str], Checkpoint]]:
    """A live process that has the claim, until its input ends."""
    program = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); " + "fcntl.flock(f, fcntl.LOCK_EX); " * lock
    program += "print(flush=True); input()"
    made = CheckpointFile.create(directory, STATE, Checkpoint(OLD, ProcessIdentity.current()))
    made.close()
    part(directory, OLD).write_bytes(HALF)
    command = [sys.executable, "-c", program, directory.path_of(STATE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout
            child.stdout.readline()
            process = dataclasses.replace(
                ProcessIdentity.current(), pid=child.pid, started=identity._stat(child.pid)[1]
            )
            record = Checkpoint(OLD, process, length=5000, offset=len(HALF), sha256=sha256(HALF))
            pathlib.Path(directory.path_of(STATE)).write_bytes(checkpoint._render(record))  # the child has it locked
            yield child, record
        finally:
            child.kill()


@pytest.mark.parametrize("lock", [True, False], ids=["with its lock", "without locks"])
def test_a_live_run_is_waited_for_and_then_named(directory: Directory, tmp_path: pathlib.Path, lock: bool) -> None:
    with another_run(directory, lock=lock) as (process, _record):
        before = files_in(tmp_path)
        started = time.monotonic()
        with pytest.raises(StorwareError) as caught:
            acquire(directory, lock_timeout=0.5)
        assert time.monotonic() - started >= 0.5
        assert (caught.value.code, caught.value.retryable) == ("locked", True)
        assert f"process {process.pid} is still fetching this download to {tmp_path}" in caught.value.message
        assert caught.value.hint
        assert files_in(tmp_path) == before
        partial_lock.remove_stale(directory, PREFIX)
        assert files_in(tmp_path) == before


@pytest.mark.parametrize("lock", [True, False], ids=["with its lock", "without locks"])
def test_what_a_live_run_leaves_when_it_dies_is_continued(directory: Directory, lock: bool) -> None:
    with another_run(directory, lock=lock) as (process, record):
        threading.Timer(0.3, process.kill).start()
        threading.Timer(0.3, process.wait).start()
        with acquire(directory, lock_timeout=30) as made:
            assert made.waited
            assert made.checkpoint == dataclasses.replace(record, token=made.token, process=ProcessIdentity.current())


def test_the_lock_counts_also_where_the_record_is_damaged(directory: Directory, tmp_path: pathlib.Path) -> None:
    with another_run(directory):
        (tmp_path / STATE).write_bytes(b"damaged")
        with pytest.raises(StorwareError, match=r"^another process is still fetching") as caught:
            acquire(directory)
    assert caught.value.code == "locked"


def test_the_deadline_ends_the_waiting(directory: Directory) -> None:
    with another_run(directory), pytest.raises(StorwareError, match="max_time"):
        acquire(directory, lock_timeout=60, max_time=0.3)


def test_a_run_that_has_ended_in_the_meantime_is_no_error(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sidecar is there when a new one is made, and is gone when it is opened."""
    left(directory, None)
    opened = CheckpointFile.open
    calls: list[str] = []

    def open_late(directory: Directory, name: str) -> CheckpointFile:
        if not calls:
            directory.remove(name)
        calls.append(name)
        return opened(directory, name)

    monkeypatch.setattr(CheckpointFile, "open", open_late)
    with acquire(directory) as made:
        assert made.checkpoint is None
    assert directory.names() == []


@pytest.mark.fault("P9")
def test_a_sidecar_that_was_exchanged_before_it_was_locked_is_looked_at_again(
    directory: Directory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(directory, None)
    lock = CheckpointFile.lock
    calls: list[str] = []

    def lock_late(self: CheckpointFile) -> bool:
        calls.append(self.name)
        if len(calls) == 1:
            (tmp_path / STATE).unlink()
            left(directory, UNKNOWN, OTHER)
        return lock(self)

    monkeypatch.setattr(CheckpointFile, "lock", lock_late)
    with acquire(directory) as made:
        assert made.checkpoint is None  # what the second one says counts


# --- planted ---


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("a regular file", "a directory")])
def test_what_was_planted_instead_of_a_sidecar_is_removed_and_not_followed(
    directory: Directory, tmp_path: pathlib.Path, kind: str
) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    plant(kind, tmp_path / STATE)
    part(directory, OLD).write_bytes(HALF)
    with acquire(directory) as made:
        assert (made.checkpoint, made.partial.size) == (None, 0)
    assert files_in(tmp_path) == {"precious": b"precious"}


def test_a_directory_in_the_way_is_told(directory: Directory, tmp_path: pathlib.Path) -> None:
    plant("a directory", tmp_path / STATE)
    with pytest.raises(StorwareError) as caught:
        acquire(directory)
    assert caught.value.code == "file_system"
    assert f"{tmp_path / STATE} is a directory, is in the way and cannot be removed" in caught.value.message
    assert "owner" in caught.value.hint
    assert directory.names() == [STATE]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_sidecar_of_somebody_else_is_not_believed(directory: Directory, tmp_path: pathlib.Path) -> None:
    left(directory, None)
    os.chown(tmp_path / STATE, 12345, -1)
    with acquire(directory) as made:
        assert (made.checkpoint, made.partial.size) == (None, 0)
        assert (tmp_path / STATE).stat().st_uid == os.geteuid()
        assert len(directory.names()) == 2


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("a regular file", "a directory")])
def test_a_partial_that_was_planted_is_not_continued(directory: Directory, tmp_path: pathlib.Path, kind: str) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    left(directory, None)
    part(directory, OLD).unlink()
    plant(kind, part(directory, OLD))
    with acquire(directory) as made:
        assert (made.checkpoint, made.partial.size) == (None, 0)
        made.partial.write_at(0, b"secret")
    assert files_in(tmp_path) == {"precious": b"precious"}


# --- without locks ---


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)


@pytest.mark.fault("P2")
@pytest.mark.usefixtures("lying")
def test_where_locks_lie_a_live_process_is_waited_for(directory: Directory) -> None:
    with acquire(directory) as made, pytest.raises(StorwareError) as caught:
        acquire(directory, lock_timeout=0.3)
    assert caught.value.code == "locked"
    assert f"process {os.getpid()}" in caught.value.message
    assert made.checkpoint is None


@pytest.mark.fault("P2")
@pytest.mark.usefixtures("lying")
def test_who_is_overtaken_notices_it_and_takes_nothing_away(directory: Directory, tmp_path: pathlib.Path) -> None:
    with acquire(directory) as first:
        first.state.write(Checkpoint(first.token, UNKNOWN))  # as a run on another machine looks like
        with acquire(directory) as second:
            second.partial.write_at(0, HALF)
            with pytest.raises(StorwareError) as caught:
                first.check()
            assert (caught.value.code, caught.value.retryable) == ("concurrent_change", True)
            first.__exit__()
            second.check()
            assert second.partial.is_in_place(second.partial.name)
            assert directory.names() == sorted([STATE, second.partial.name])
    assert directory.names() == []


@pytest.mark.usefixtures("lying")
def test_what_one_still_writes_does_not_reach_the_sidecar_of_another(directory: Directory) -> None:
    with acquire(directory) as first:
        first.state.write(Checkpoint(first.token, UNKNOWN))
        with acquire(directory) as second:
            with pytest.raises(FileNotFoundError):
                first.state.write(Checkpoint(OLD, None, length=5, offset=1, sha256=sha256(b"x")))
            assert second.state.read() == Checkpoint(second.token, ProcessIdentity.current())


# --- what is left behind ---


@pytest.mark.parametrize("process", [None, GONE, UNKNOWN], ids=["ended in order", "dead", "unknown"])
def test_tidying_removes_what_is_nobodys(
    directory: Directory, tmp_path: pathlib.Path, process: ProcessIdentity | None
) -> None:
    left(directory, process)
    part(directory, OTHER).write_bytes(HALF)
    (tmp_path / f"{PREFIX}{OTHER}.state").write_bytes(b"")
    partial_lock.remove_stale(directory, PREFIX)
    assert directory.names() == []


def test_tidying_where_nothing_is_makes_nothing(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Directory, name: str, flags: int, mode: int = 0o600) -> int:
        raise AssertionError(name)

    monkeypatch.setattr(Directory, "open", refuse)
    partial_lock.remove_stale(directory, PREFIX)


@pytest.mark.parametrize(
    ("what", "call"),
    [(Directory, "rename"), (PartialFile, "adopt"), (Directory, "remove")],
    ids=["exchanging", "adopting", "tidying"],
)
def test_a_claim_that_cannot_be_made_takes_nothing_away(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, what: type, call: str
) -> None:
    record = left(directory, None)
    part(directory, OTHER).write_bytes(b"of nobody")
    before = open_below(directory.path)

    def fail(_self: object, name: str, *_arguments: object) -> None:
        if call != "remove" or OTHER in name:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(what, call, fail)
        with pytest.raises(StorwareError, match="Input/output error"):
            acquire(directory)
    assert open_below(directory.path) == before
    with acquire(directory) as made:
        assert made.checkpoint
        assert made.checkpoint.offset == record.offset
        assert made.partial.read_at(0, 100) == HALF
        assert len(directory.names()) == 2
