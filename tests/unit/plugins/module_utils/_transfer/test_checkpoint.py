# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidecar: of two records in turn the newest good one counts, and nothing that is in it can break a run."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import pathlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._transfer.store import checkpoint
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.checkpoint import (
    Checkpoint,
    CheckpointFile,
    Refusal,
    UntrustedFile,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.process import ProcessIdentity
from tests.unit.plugins.module_utils._transfer.material import open_below, sha256
from tests.unit.plugins.module_utils._transfer.planting import KINDS, plant

NAME = ".mail.state"
PROCESS = ProcessIdentity(1234, "5678", "machine", "boot")
NEW = Checkpoint("0123abcd", PROCESS)
FULL = Checkpoint(
    "0123abcd", PROCESS, source="download", validator='"tag"', length=5000, name="Grüße €.zip",
    digest="sha256:" + "0" * 64, offset=4096, sha256=sha256(b"x"), splice_evidence="strong",
    refusal=Refusal(".guid.hash.", sha256(b"y"), "full", 2, True),
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    with Directory(str(tmp_path)) as opened:
        yield opened


def at(offset: int) -> Checkpoint:
    return dataclasses.replace(FULL, offset=offset, sha256=sha256(str(offset).encode()))


def written(directory: Directory, *records: Checkpoint) -> pathlib.Path:
    """A sidecar with these records, one after the other."""
    made = CheckpointFile.create(directory, NAME, NEW)
    for record in records:
        made.write(record)
    made.close()
    return pathlib.Path(directory.path_of(NAME))


def read(directory: Directory) -> Checkpoint | None:
    """What the next run finds."""
    found = CheckpointFile.open(directory, NAME)
    try:
        return found.read()
    finally:
        found.close()


# --- what is written is read ---


@pytest.mark.parametrize("record", [NEW, FULL, dataclasses.replace(FULL, process=None), at(0)])
def test_a_record_comes_back_as_it_was(directory: Directory, record: Checkpoint) -> None:
    written(directory, record)
    assert read(directory) == record


def test_it_is_private(directory: Directory) -> None:
    before = os.umask(0)
    try:
        path = written(directory, at(1))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_file_takes_the_place_of_the_old_one_when_it_is_on_the_disk(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash leaves one or the other; whoever has the old one open sees it as it was."""
    calls: list[str] = []
    made = CheckpointFile.create(directory, NAME, NEW)
    old = CheckpointFile.open(directory, NAME)
    with monkeypatch.context() as patched:
        for name in ("pwrite", "fsync", "rename"):
            patched.setattr(os, name, _noting(calls, name))
        made.write(at(1))
    assert calls == ["pwrite", "fsync", "rename", "fsync"]  # of the directory at last
    assert (made.read(), made.is_in_place(), directory.names()) == (at(1), True, [NAME])
    assert (old.read(), old.is_in_place()) == (NEW, False)
    old.close()
    made.close()


def _noting(calls: list[str], name: str) -> t.Callable[..., t.Any]:
    real = getattr(os, name)

    def call(*arguments: t.Any, **named: t.Any) -> t.Any:
        calls.append(name)
        return real(*arguments, **named)

    return call


def test_the_lock_goes_over_to_the_new_file(directory: Directory) -> None:
    made = CheckpointFile.create(directory, NAME, NEW)
    old = CheckpointFile.open(directory, NAME)
    assert not old.lock()
    made.write(at(1))
    new = CheckpointFile.open(directory, NAME)
    assert not new.lock()
    # The old one may be locked, and says itself that this is worth nothing.
    assert (old.lock(), old.is_in_place()) == (True, False)
    made.close()
    assert new.lock()
    old.close()
    new.close()


@pytest.mark.parametrize("call", ["pwrite", "fsync", "rename"])
def test_what_cannot_be_written_leaves_the_old_one(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_arguments: object, **_named: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    made = CheckpointFile.create(directory, NAME, at(1))
    before = open_below(directory.path)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space"):
            made.write(at(2))
    assert (made.read(), made.is_in_place(), directory.names()) == (at(1), True, [NAME])
    assert open_below(directory.path) == before
    made.write(at(3))
    assert made.read() == at(3)
    made.close()


def test_the_file_of_another_run_is_not_replaced(directory: Directory, tmp_path: pathlib.Path) -> None:
    made = CheckpointFile.create(directory, NAME, NEW)
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "theirs").rename(tmp_path / NAME)
    with pytest.raises(FileNotFoundError, match="another run"):
        made.write(at(1))
    made.close()
    assert (directory.names(), (tmp_path / NAME).read_bytes()) == ([NAME], b"theirs")


def test_a_name_that_others_take_before_is_no_way_to_stop_it(directory: Directory, tmp_path: pathlib.Path) -> None:
    """Whoever may add files to the directory knows the token of the run from the names that it has there."""
    made = CheckpointFile.create(directory, NAME, NEW)
    (tmp_path / f".mail.{FULL.token}.state").mkdir()
    made.write(FULL)
    assert made.read() == FULL
    made.close()


def test_a_checkpoint_that_is_written_in_parts_is_whole(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:100], offset))
        written(directory, at(1))
    assert read(directory) == at(1)


def test_the_longest_of_all_fields_fit(directory: Directory) -> None:
    """A file name of 200 bytes, each written as six characters; a tag of 256; every number as long as it can be."""
    record = dataclasses.replace(
        FULL, name="\x7f" * 200, validator='"' + "\xff" * 254 + '"', source="content_download", length=2**63 - 1,
        offset=2**63 - 1, digest="sha512:" + "f" * 128, process=ProcessIdentity(2**22, "9" * 20, "m" * 100, "b" * 80),
        refusal=Refusal("." * 56, "f" * 64, "structure", 2**31 - 1, False),
    )  # fmt: skip
    written(directory, record)
    assert read(directory) == record


# --- what others have written ---


def forged(directory: Directory, text: bytes) -> None:
    """A file with this text."""
    pathlib.Path(directory.path_of(NAME)).write_bytes(text)


def fields(**changes: t.Any) -> bytes:
    good = {"schema": 1, **dataclasses.asdict(FULL)}
    left = {name: value for name, value in {**good, **changes}.items() if value is not Ellipsis}
    return json.dumps(left).encode()


def test_what_is_forged_well_is_read(directory: Directory) -> None:
    """Otherwise the tests below prove nothing."""
    forged(directory, fields())
    assert read(directory) == FULL


def test_a_record_of_a_version_that_remembered_no_refusals(directory: Directory) -> None:
    forged(directory, fields(refusal=...))
    assert read(directory) == dataclasses.replace(FULL, refusal=None)


_PROCESS = dataclasses.asdict(PROCESS)
_REFUSAL = dataclasses.asdict(FULL)["refusal"]


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2}, {"schema": "1"}, {"schema": None}, {"schema": ...},
        {"more": 1}, {"token": ...}, {"token": 1}, {"token": ""},
        {"token": "../../x"}, {"token": "0123ABCD"}, {"token": "0123abcd\n"}, {"token": ["0123abcd"]},
        {"process": 5}, {"process": "me"}, {"process": ["a"]}, {"process": {"pid": 5}},
        {"process": {**_PROCESS, "more": 1}}, {"process": {**_PROCESS, "pid": "5"}},
        {"process": {**_PROCESS, "pid": 0}}, {"process": {**_PROCESS, "pid": -1}},
        {"process": {**_PROCESS, "pid": 2**40}}, {"process": {**_PROCESS, "pid": True}},
        {"process": {**_PROCESS, "started": 5}}, {"process": {**_PROCESS, "boot": None}},
        {"source": 5}, {"source": None}, {"validator": 5}, {"validator": '"x"\r\nX-Evil: 1'}, {"validator": '"€"'},
        {"length": "5000"}, {"length": -1}, {"length": 5000.0}, {"length": True}, {"length": {}},
        {"name": 5}, {"name": ["x"]}, {"digest": 5}, {"digest": "sha256"}, {"digest": "sha256:12"},
        {"digest": "rot13:0"},
        {"offset": "4096"}, {"offset": -1}, {"offset": 1.5}, {"offset": None}, {"offset": True},
        {"sha256": ""}, {"sha256": "0" * 63}, {"sha256": "G" * 64}, {"sha256": None}, {"sha256": 0},
        {"splice_evidence": None}, {"splice_evidence": "stronger"},
        {"refusal": 5}, {"refusal": ""}, {"refusal": {}}, {"refusal": {**_REFUSAL, "more": 1}},
        {"refusal": {**_REFUSAL, "prefix": 5}}, {"refusal": {**_REFUSAL, "sha256": "0" * 63}},
        {"refusal": {**_REFUSAL, "sha256": None}}, {"refusal": {**_REFUSAL, "level": "all"}},
        {"refusal": {**_REFUSAL, "level": ["full"]}}, {"refusal": {**_REFUSAL, "times": 0}},
        {"refusal": {**_REFUSAL, "times": True}}, {"refusal": {**_REFUSAL, "times": "2"}},
        {"refusal": {**_REFUSAL, "times": 2**31}}, {"refusal": {**_REFUSAL, "is_announced": 1}},
    ],
    ids=repr,
)  # fmt: skip
def test_what_no_run_has_written_is_no_record(directory: Directory, changes: dict[str, t.Any]) -> None:
    forged(directory, fields(**changes))
    assert read(directory) is None


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"5", b'"x"', b"{", b"\xff", b"[" * 16_000, b"{}", b'{"schema": 1}', b"1" * 3900]
)
def test_what_is_no_object_is_no_record(directory: Directory, text: bytes) -> None:
    forged(directory, text)
    assert read(directory) is None


@pytest.mark.parametrize("size", [0, 1, 4096, 10**6])
@pytest.mark.parametrize("byte", [b"\0", b" ", b"\xff"])
def test_a_sidecar_of_any_size_without_a_record(directory: Directory, size: int, byte: bytes) -> None:
    pathlib.Path(directory.path_of(NAME)).write_bytes(byte * size)
    assert read(directory) is None


@given(st.one_of(st.binary(max_size=300), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr)))
def test_nothing_can_break_the_reader(slot: bytes | str) -> None:
    text = slot if isinstance(slot, bytes) else slot.encode("utf-8", "surrogatepass")
    assert checkpoint._parse(text) is None


# --- whose it is ---


def test_a_name_that_is_taken_is_told(directory: Directory, tmp_path: pathlib.Path) -> None:
    for kind in KINDS:
        plant(kind, tmp_path / NAME)
        with pytest.raises(FileExistsError):
            CheckpointFile.create(directory, NAME, NEW)
        (tmp_path / NAME).rmdir() if kind == "a directory" else (tmp_path / NAME).unlink()
    with pytest.raises(FileNotFoundError):
        CheckpointFile.open(directory, NAME)


@pytest.mark.parametrize(
    ("kind", "words"), [(kind, kind) for kind in KINDS[2:]] + [("a hard link", "a file with other names")]
)
def test_what_was_planted_is_named_and_not_touched(
    directory: Directory, tmp_path: pathlib.Path, kind: str, words: str
) -> None:
    plant(kind, tmp_path / NAME)
    before = open_below(directory.path)
    with pytest.raises(UntrustedFile, match=f"^{words}$"):
        CheckpointFile.open(directory, NAME)
    assert open_below(directory.path) == before
    assert directory.stat(NAME) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_sidecar_of_somebody_else_is_planted(directory: Directory) -> None:
    os.chown(written(directory), 12345, -1)
    with pytest.raises(UntrustedFile, match="another user"):
        CheckpointFile.open(directory, NAME)


def test_one_that_may_not_be_opened_is_of_somebody_else(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    written(directory)

    def refuse(self: Directory, name: str, flags: int, mode: int = 0o600) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Directory, "open", refuse)
    with pytest.raises(UntrustedFile, match="another user"):
        CheckpointFile.open(directory, NAME)


def test_only_one_has_the_lock(directory: Directory) -> None:
    made = CheckpointFile.create(directory, NAME, NEW)
    other = CheckpointFile.open(directory, NAME)
    assert (made.lock(), other.lock()) == (True, False)
    made.close()
    assert other.lock()
    other.close()
    other.close()


@pytest.mark.parametrize("number", [9, 22, 37, 38, 95, 121])  # EBADF, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP, EREMOTEIO
def test_where_there_are_no_locks_nobody_has_one(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(fd: int, operation: int) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    made, other = CheckpointFile.create(directory, NAME, NEW), CheckpointFile.open(directory, NAME)
    assert (made.lock(), other.lock()) == (True, True)
    made.close()
    other.close()


def test_one_that_was_exchanged_while_it_was_made_is_not_ours(
    directory: Directory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchange(self: CheckpointFile) -> bool:
        (tmp_path / "theirs").write_bytes(b"theirs")
        (tmp_path / "theirs").rename(tmp_path / NAME)
        return True

    monkeypatch.setattr(CheckpointFile, "lock", exchange)
    with pytest.raises(FileExistsError):
        CheckpointFile.create(directory, NAME, NEW)
    assert (tmp_path / NAME).read_bytes() == b"theirs"


def test_a_sidecar_that_cannot_be_written_is_none(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fail)
    before = open_below(directory.path)
    with pytest.raises(OSError, match="No space"):
        CheckpointFile.create(directory, NAME, NEW)
    assert (directory.names(), open_below(directory.path)) == ([], before)


def test_what_is_closed_twice_closes_nothing_of_others(directory: Directory) -> None:
    made = CheckpointFile.create(directory, NAME, NEW)
    made.close()
    with open("/dev/zero", "rb") as other:  # gets the number that has become free
        made.close()
        assert other.read(1) == b"\0"


def test_only_its_own_file_is_removed(directory: Directory, tmp_path: pathlib.Path) -> None:
    made = CheckpointFile.create(directory, NAME, NEW)
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "theirs").rename(tmp_path / NAME)
    assert not made.is_in_place()
    made.remove()
    made.close()
    assert directory.names() == [NAME]
    (tmp_path / NAME).unlink()
    made = CheckpointFile.create(directory, NAME, NEW)
    made.remove()
    made.remove()
    made.close()
    assert directory.names() == []


# --- what it is good for ---


@pytest.mark.parametrize(
    ("changes", "can"),
    [
        ({}, True), ({"length": None}, True), ({"validator": None}, True),
        ({"length": None, "validator": None}, False), ({"offset": 0}, False), ({"length": 0, "validator": None}, True),
    ],
)  # fmt: skip
def test_whether_the_rest_can_be_asked_for(changes: dict[str, t.Any], can: bool) -> None:
    assert dataclasses.replace(FULL, **changes).can_be_continued is can
