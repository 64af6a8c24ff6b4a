# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bytes go: on the disk before they are recorded, and kept for the next run only when they are worth it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import errno
import hashlib
import os
import pathlib
import threading
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.metadata import ContentMetadata
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import (
    LimitSettings,
    TransferLimits,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import lock, writer
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.checkpoint import (
    Checkpoint,
    CheckpointFile,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.writer import PartialWriter
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum
from tests.unit.plugins.module_utils._transfer.material import noise, sha256, zip_bytes

PREFIX = ".mail.0123456789abcdef."
BODY = noise(5000)
STRONG = ContentMetadata(5000, "a.bin", None, '"1"')
LENGTH = ContentMetadata(5000, None, None, None)
NOTHING = ContentMetadata(None, None, None, None)


@contextlib.contextmanager
def opened(place: pathlib.Path, checksum: Checksum | None = None, **wishes: t.Any) -> t.Iterator[PartialWriter]:
    """What a run has between its start and its end, for good or bad."""
    with (
        Directory(str(place)) as directory,
        lock.acquire(directory, PREFIX, TransferLimits(LimitSettings(lock_timeout=0))) as taken,
    ):
        made = PartialWriter(taken, checksum, **wishes)
        try:
            made.resume()
            yield made
        finally:
            made.close()


def put(target: PartialWriter, data: bytes) -> None:
    target.write_at(target.offset, memoryview(data))
    target.hash_up_to(target.offset + len(data))


def recorded(target: PartialWriter) -> Checkpoint:
    record = target.lock.state.read()
    assert record
    return record


def leave(place: pathlib.Path, body: bytes = BODY[:3000], metadata: ContentMetadata = STRONG) -> pathlib.Path:
    """A run that was interrupted; returns its partial."""
    with opened(place) as target:
        target.begin("1", metadata)
        put(target, body)
        assert target.preserve()
        return pathlib.Path(target.lock.partial.path)


class Calls:
    """The calls that bring something to the disk, with what they are about; any of them can fail or wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.errors: dict[str, int] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Semaphore(0)
        for name in ("fdatasync", "fsync", "pwrite"):
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(fd: int, *arguments: t.Any) -> t.Any:
            called = f"{name} {os.readlink(f'/proc/self/fd/{fd}').rpartition('.')[2]}"
            self.names.append(called)
            if called == "fdatasync part":
                self.reached.release()
                assert self.gate.wait(20)
            if called in self.errors:
                raise OSError(self.errors[called], os.strerror(self.errors[called]))
            return real(fd, *arguments)

        return call


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


# --- bytes ---


def test_bytes_are_written_and_hashed_in_their_order(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path, Checksum("sha1", "")) as target:
        assert (target.offset, target.is_complete) == (0, False)
        target.begin("1", dataclasses.replace(STRONG, digest=Checksum("md5", "")))
        for start in range(0, 5000, 700):
            assert not target.is_complete
            put(target, BODY[start : start + 700])
        target.finish()
        assert target.is_complete
        assert pathlib.Path(target.lock.partial.path).read_bytes() == BODY
        for algorithm in ("sha256", "sha1", "md5"):
            assert target.digests.hex(algorithm) == hashlib.new(algorithm, BODY).hexdigest()


def test_bytes_that_are_there_already_are_counted(tmp_path: pathlib.Path) -> None:
    body = noise(600_000)
    with opened(tmp_path) as target:
        target.begin("1", dataclasses.replace(STRONG, length=len(body)))
        target.lock.partial.write_at(0, body)
        target.hash_up_to(300_001)
        assert target.digests.hex("sha256") == sha256(body[:300_001])
        target.hash_up_to(len(body))
        assert (target.is_complete, target.digests.hex("sha256")) == (True, sha256(body))
        target.lock.partial.truncate(10)
        with pytest.raises(StorwareError, match="became shorter") as caught:
            target.hash_up_to(len(body) + 1)
        assert caught.value.code == "concurrent_change"


def test_what_lies_behind_the_end_is_dropped(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY)
        target.lock.partial.write_at(9000, b"of another connection")
        target.finish()
        assert target.lock.partial.size == 5000


def test_a_new_beginning_forgets_what_was_there(tmp_path: pathlib.Path) -> None:
    leave(tmp_path)
    with opened(tmp_path) as target:
        assert target.offset == 3000
        target.begin("2", LENGTH)
        assert (target.offset, target.source, target.splice_evidence, target.metadata) == (0, "2", "", LENGTH)
        # What is recorded must not speak of bytes that are gone.
        assert (recorded(target).offset, target.lock.partial.size) == (0, 0)
        put(target, BODY)
        assert target.digests.hex("sha256") == sha256(BODY)


@pytest.mark.parametrize(
    ("metadata", "splice_evidence"),
    [
        ([STRONG], "strong"), ([LENGTH], "weak"), ([STRONG, STRONG], "strong"), ([LENGTH, STRONG], "weak"),
        ([STRONG, LENGTH], "weak"), ([], ""),
    ],
)  # fmt: skip
def test_how_parts_belong_together(
    tmp_path: pathlib.Path, metadata: list[ContentMetadata], splice_evidence: str
) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        for more in metadata:
            target.splice(more)
        assert target.splice_evidence == splice_evidence


# --- records ---


def test_the_bytes_are_on_the_disk_before_they_are_recorded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1000)
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        calls.names.clear()
        put(target, BODY[:1000])
        target.finish()
        first = list(calls.names)
        calls.names.clear()
        put(target, BODY[1000:2000])
        target.finish()
        # The checkpoint has its name when all of it is on the disk.
        record = ["fdatasync part", "pwrite state", "fsync state", f"fsync {tmp_path}"]
        assert first == calls.names == ["pwrite part", *record]
        assert recorded(target) == Checkpoint(
            target.lock.token, recorded(target).process, "1", '"1"', 5000, "a.bin", None, 2000, sha256(BODY[:2000])
        )


def test_a_record_is_made_after_so_long(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY[:10])
        target.finish()
        assert recorded(target).offset == 0
        monkeypatch.setattr(writer, "COMMIT_SECONDS", 0.0)
        put(target, BODY[10:20])
        target.finish()
        assert recorded(target).offset == 20


def test_a_disk_that_is_a_record_behind_is_waited_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    """Or a kill would cost all that it has not yet, however much that is."""
    monkeypatch.setattr(writer, "COMMIT_BYTES", 500)
    with opened(tmp_path) as target, concurrent.futures.ThreadPoolExecutor(1) as pump:
        target.begin("1", STRONG)
        calls.gate.clear()
        put(target, BODY[:500])
        assert calls.reached.acquire(timeout=20)
        put(target, BODY[500:999])  # this does not wait
        assert recorded(target).offset == 0
        waiting = pump.submit(put, target, BODY[999:1100])
        assert not concurrent.futures.wait([waiting], timeout=0.2).done
        calls.gate.set()
        waiting.result(20)
        # It speaks of what was there when it was begun, not of what came since.
        assert recorded(target).offset in (500, 1100)
        target.finish()
        assert (recorded(target).offset, recorded(target).sha256) == (1100, sha256(BODY[:1100]))
        assert calls.names.count("fdatasync part") == 2


def test_what_nothing_could_prove_is_not_recorded(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1)
    with opened(tmp_path) as target:
        target.begin("1", LENGTH)
        put(target, BODY[:100])
        target.finish()
        assert recorded(target).offset == 0


def test_a_run_that_is_overtaken_writes_no_record(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1)
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        (tmp_path / "theirs").write_bytes(b"theirs")
        (tmp_path / "theirs").rename(target.lock.state.directory.path_of(target.lock.state.name))
        put(target, BODY[:100])
        with pytest.raises(StorwareError) as caught:
            target.finish()
        assert caught.value.code == "concurrent_change"
        assert not target.preserve()
        assert recorded(target).offset == 0


# --- recovery ---


def test_what_was_left_is_continued(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, metadata=dataclasses.replace(STRONG, digest=Checksum("md5", "0" * 32)))
    with opened(tmp_path, Checksum("sha1", "0" * 40)) as target:
        assert (target.offset, target.source, target.splice_evidence) == (3000, "1", "")
        assert target.metadata == dataclasses.replace(STRONG, digest=Checksum("md5", "0" * 32))
        target.splice(target.metadata)
        put(target, BODY[3000:])
        for algorithm in ("sha256", "sha1", "md5"):
            assert target.digests.hex(algorithm) == hashlib.new(algorithm, BODY).hexdigest()
        assert pathlib.Path(target.lock.partial.path).read_bytes() == BODY


@pytest.mark.parametrize("place", [0, 1500, 2999])
def test_one_wrong_byte_and_nothing_is_continued(tmp_path: pathlib.Path, place: int) -> None:
    left = leave(tmp_path)
    damaged = bytearray(left.read_bytes())
    damaged[place] ^= 1
    left.write_bytes(damaged)
    with opened(tmp_path) as target:
        assert (target.offset, target.metadata, target.digests.hex("sha256")) == (0, NOTHING, sha256(b""))
        assert not target.can_be_continued


@pytest.mark.parametrize("size", [0, 2999])
def test_a_partial_that_is_too_short_is_not_continued(tmp_path: pathlib.Path, size: int) -> None:
    left = leave(tmp_path)
    os.truncate(left, size)
    with opened(tmp_path) as target:
        assert target.offset == 0


def test_bytes_behind_what_was_recorded_are_dropped(tmp_path: pathlib.Path) -> None:
    left = leave(tmp_path)
    with left.open("ab") as file:
        file.write(b"not recorded")
    with opened(tmp_path) as target:
        assert (target.offset, target.lock.partial.size) == (3000, 3000)


# --- what is kept ---


@pytest.mark.parametrize(
    ("metadata", "body", "wishes", "kept"),
    [
        (STRONG, BODY[:3000], {}, True),
        (dataclasses.replace(STRONG, length=None), BODY[:3000], {}, True),
        (LENGTH, BODY[:3000], {}, False),
        (LENGTH, b"!BDN" + BODY[:3000], {}, False),
        (LENGTH, zip_bytes()[:3000], {}, True),
        (LENGTH, BODY[:3000], {"checksum": Checksum("sha256", "0" * 64)}, True),
        (dataclasses.replace(LENGTH, digest=Checksum("md5", "0" * 32)), BODY[:3000], {}, True),
        (LENGTH, BODY[:3000], {"allow_unverified": True}, True),
        (NOTHING, zip_bytes()[:3000], {"allow_unverified": True}, False),
        (STRONG, b"", {}, False),
    ],
)
def test_only_what_can_be_continued_and_proved_is_kept(
    tmp_path: pathlib.Path, metadata: ContentMetadata, body: bytes, wishes: dict[str, t.Any], kept: bool
) -> None:
    with opened(tmp_path, **wishes) as target:
        target.begin("1", metadata)
        if body:
            put(target, body)
        assert target.can_be_continued is kept
        assert bool(target.preserve()) is kept
    assert bool(os.listdir(tmp_path)) is kept
    with opened(tmp_path, **wishes) as target:
        assert target.offset == (len(body) if kept else 0)


@pytest.mark.parametrize(
    "end", [StorwareError("max_time", code="timeout"), Interrupted("SIGTERM")], ids=["time", "signal"]
)
def test_without_the_time_to_read_it_what_was_left_stays_for_the_next_run(
    tmp_path: pathlib.Path, end: StorwareError
) -> None:
    def over() -> None:
        raise end

    leave(tmp_path)
    with (
        Directory(str(tmp_path)) as directory,
        lock.acquire(directory, PREFIX, TransferLimits(LimitSettings(lock_timeout=0))) as taken,
    ):
        target = PartialWriter(taken, None)
        with pytest.raises(type(end)):
            target.resume(over)
        assert target.preserve() == 3000
        target.close()
    with opened(tmp_path) as target:
        assert target.offset == 3000


def test_what_is_kept_is_recorded_as_it_is_and_belongs_to_nobody(tmp_path: pathlib.Path, calls: Calls) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY[:3000])
        target.lock.partial.write_at(4000, b"of another connection")
        calls.names.clear()
        assert target.preserve()
        assert calls.names[:3] == ["fdatasync part", "pwrite state", "fsync state"]
        record = recorded(target)
        assert (record.process, record.offset, record.sha256) == (None, 3000, sha256(BODY[:3000]))
        assert target.lock.partial.size == 3000


def test_a_full_disk_keeps_what_came_before(tmp_path: pathlib.Path, calls: Calls) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY[:3000])
        calls.errors["pwrite part"] = errno.ENOSPC
        with pytest.raises(StorwareError) as caught:
            put(target, BODY[3000:4000])
        assert caught.value.code == "disk_full"
        calls.errors.clear()
        assert target.offset == 3000
        assert target.preserve()
    with opened(tmp_path) as target:
        assert target.offset == 3000


def test_after_a_failed_sync_nothing_is_kept(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    """The system may have dropped the bytes and call the next sync a success: nobody knows what the disk has."""
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1000)
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY[:1000])
        target.finish()
        calls.errors["fdatasync part"] = errno.EIO
        put(target, BODY[1000:2000])
        with pytest.raises(StorwareError) as caught:
            target.finish()
        assert caught.value.details["errno"] == "EIO"
        calls.errors.clear()
        assert not target.preserve()
    assert os.listdir(tmp_path) == []


def test_a_failed_record_is_told_with_the_next_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1000)
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        calls.errors["pwrite state"] = errno.EIO
        put(target, BODY[:1000])
        with pytest.raises(StorwareError, match="Input/output error"):
            put(target, BODY[1000:2000])


def test_when_the_last_record_fails_the_one_before_counts(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1000)
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY[:1000])
        target.finish()
        monkeypatch.setattr(writer, "COMMIT_BYTES", 10**9)
        put(target, BODY[1000:2000])
        calls.errors["pwrite state"] = errno.EIO
        assert target.preserve()
        token, state = target.lock.token, target.lock.state
        left = (tmp_path / f"{PREFIX}{token}.part").read_bytes()
        calls.errors.clear()
        found = CheckpointFile.open(state.directory, state.name)
        record = found.read()
        found.close()
    assert record
    assert (record.offset, record.sha256) == (1000, sha256(BODY[:1000]))
    assert left[:1000] == BODY[:1000]


def test_when_no_record_could_be_made_nothing_is_kept(tmp_path: pathlib.Path, calls: Calls) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY[:2000])
        calls.errors["pwrite state"] = errno.EIO
        assert not target.preserve()
    assert os.listdir(tmp_path) == []


def test_what_is_worth_nothing_is_not_kept(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY)
        target.discard(False)
        assert target.can_be_continued
        target.discard()
        target.discard(False)
        assert not target.preserve()
    assert os.listdir(tmp_path) == []


def test_a_partial_that_was_exchanged_is_not_kept(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY)
        path = pathlib.Path(target.lock.partial.path)
        path.unlink()
        assert not target.preserve()
        path.write_bytes(b"theirs")
        assert not target.preserve()


def test_keeping_never_hides_what_went_wrong(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> t.NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    with opened(tmp_path) as target:
        target.begin("1", STRONG)
        put(target, BODY)
        with monkeypatch.context() as patched:
            patched.setattr(CheckpointFile, "is_in_place", fail)
            assert target.preserve() == 0
