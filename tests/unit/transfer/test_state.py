# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidecar: read as written, one good record whatever a crash tore, and nothing believed that no run has written."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import stat
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._transfer import state
from ansible_collections.storware.backup.plugins.module_utils._transfer.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.life import Writer
from ansible_collections.storware.backup.plugins.module_utils._transfer.state import Planted, Record, StateFile
from tests.unit.transfer.material import sha256
from tests.unit.transfer.planting import plant

NAME = ".x.state"
RECORD = Record(
    "0123abcd",
    Writer(4711, "123456", "machine host", "boot pid:[4026531836]"),
    source="download",
    validator='"v1"',
    length=10_000,
    name="mail.zip",
    digest="sha256:" + sha256(b"all"),
    offset=5000,
    sha256=sha256(b"half"),
    joined="strong",
)
BARE = Record("0123abcd", None)


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    with Directory(str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def made(directory: Directory) -> t.Iterator[StateFile]:
    file = StateFile.create(directory, NAME, BARE)
    yield file
    file.close()


def written(directory: Directory, record: Record) -> Record | None:
    """What the next run reads."""
    file = StateFile.create(directory, NAME, record)
    file.close()
    return read(directory)


def read(directory: Directory) -> Record | None:
    file = StateFile.open(directory, NAME)
    try:
        return file.read()
    finally:
        file.close()


# --- records ---


@pytest.mark.parametrize("record", [RECORD, BARE, dataclasses.replace(BARE, length=0, validator="W/\xff")])
def test_a_record_is_read_as_it_was_written(directory: Directory, record: Record) -> None:
    assert written(directory, record) == record


def test_the_newest_record_counts_however_many_there_were(directory: Directory, made: StateFile) -> None:
    for offset in range(1, 6):
        newest = dataclasses.replace(RECORD, offset=offset)
        made.write(newest)
        assert made.read() == newest
        assert read(directory) == newest


def test_a_sidecar_that_is_opened_goes_on_counting(directory: Directory, made: StateFile) -> None:
    made.write(RECORD)
    made.write(RECORD)
    other = StateFile.open(directory, NAME)
    other.read()
    other.write(BARE)
    other.close()
    assert read(directory) == BARE


def torn(slot: bytes) -> bytes:
    return slot[:512].ljust(4096, b"\0")


def flipped(slot: bytes) -> bytes:
    return slot[:100] + bytes([slot[100] ^ 1]) + slot[101:]


def emptied(_slot: bytes) -> bytes:
    return bytes(4096)


@pytest.mark.parametrize("damage", [torn, flipped, emptied])
def test_of_two_records_one_survives_what_a_crash_does_to_the_other(
    directory: Directory, made: StateFile, tmp_path: pathlib.Path, damage: t.Callable[[bytes], bytes]
) -> None:
    records = [dataclasses.replace(RECORD, offset=offset) for offset in (5000, 6000, 7000)]
    made.write(records[0])
    for older, newer in ((records[0], records[1]), (records[1], records[2])):
        before = (tmp_path / NAME).read_bytes()
        made.write(newer)
        slots = [(tmp_path / NAME).read_bytes()[at : at + 4096] for at in (0, 4096)]
        place = 0 if before.endswith(slots[1]) else 1
        spoiled = list(slots)
        spoiled[place] = damage(slots[place])
        (tmp_path / NAME).write_bytes(b"".join(spoiled))
        assert read(directory) == older
        (tmp_path / NAME).write_bytes(damage(slots[0]) + damage(slots[1]))
        assert read(directory) is None
        (tmp_path / NAME).write_bytes(b"".join(slots))


def test_a_record_takes_no_new_room_on_the_disk(made: StateFile, tmp_path: pathlib.Path) -> None:
    """Or a disk that is full could not hold how far the bytes on it go."""
    before = (tmp_path / NAME).stat()
    for offset in range(3):
        made.write(dataclasses.replace(RECORD, offset=offset + 1))
    after = (tmp_path / NAME).stat()
    assert (before.st_size, before.st_blocks) == (after.st_size, after.st_blocks)
    assert before.st_size == 8192


def test_a_record_that_does_not_fit_is_refused_before_anything_is_written(
    directory: Directory, made: StateFile
) -> None:
    made.write(RECORD)
    with pytest.raises(ValueError, match="too long"):
        made.write(dataclasses.replace(RECORD, validator="x" * 4096))
    made.write(dataclasses.replace(RECORD, validator="x" * 3000))
    assert read(directory) == dataclasses.replace(RECORD, validator="x" * 3000)


@pytest.mark.parametrize(
    ("changes", "continued"),
    [
        ({}, True),
        ({"validator": None}, True),
        ({"length": None}, True),
        ({"length": None, "validator": None}, False),
        ({"offset": 0}, False),
        ({"offset": 1}, True),
    ],
)
def test_what_can_be_continued(changes: dict[str, t.Any], continued: bool) -> None:
    assert dataclasses.replace(RECORD, **changes).can_be_continued is continued


# --- what is not believed ---


def put(tmp_path: pathlib.Path, fields: t.Any) -> None:
    """A sidecar with these fields and a good checksum."""
    text = json.dumps(fields).encode()
    line = hashlib.sha256(text).hexdigest().encode() + b" " + text
    (tmp_path / NAME).write_bytes((line.ljust(4095) + b"\n").ljust(8192, b"\0"))


FIELDS: dict[str, t.Any] = {"schema": 1, "sequence": 1, **dataclasses.asdict(RECORD)}


def test_the_fields_are_these(directory: Directory, tmp_path: pathlib.Path) -> None:
    put(tmp_path, FIELDS)
    assert read(directory) == RECORD


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"sequence": "1"},
        {"sequence": True},
        {"unknown": 1},
        {"token": "0123ABCD"},
        {"token": "0123abcd0"},
        {"token": "../../xx"},
        {"token": 1},
        {"writer": {"pid": 1}},
        {"writer": {**FIELDS["writer"], "pid": 0}},
        {"writer": {**FIELDS["writer"], "pid": -1}},
        {"writer": {**FIELDS["writer"], "pid": 2**31}},
        {"writer": {**FIELDS["writer"], "pid": True}},
        {"writer": {**FIELDS["writer"], "pid": "1"}},
        {"writer": {**FIELDS["writer"], "boot": 1}},
        {"writer": [1]},
        {"source": None},
        {"validator": 1},
        {"validator": "a\r\nEvil: 1"},
        {"length": -1},
        {"length": "10000"},
        {"length": 1.5},
        {"name": 1},
        {"digest": 1},
        {"digest": "sha256:12"},
        {"digest": "crc32:12345678"},
        {"offset": -1},
        {"offset": True},
        {"offset": None},
        {"sha256": ""},
        {"sha256": "g" * 64},
        {"sha256": 1},
        {"joined": None},
    ],
)
def test_a_record_that_no_run_has_written_is_none(
    directory: Directory, tmp_path: pathlib.Path, changes: dict[str, t.Any]
) -> None:
    put(tmp_path, {**FIELDS, **changes})
    assert read(directory) is None


@pytest.mark.parametrize("missing", ["schema", "sequence", "token", "writer"])
def test_a_record_without_what_every_record_has_is_none(
    directory: Directory, tmp_path: pathlib.Path, missing: str
) -> None:
    put(tmp_path, {name: value for name, value in FIELDS.items() if name != missing})
    assert read(directory) is None


def test_a_list_is_no_record(directory: Directory, tmp_path: pathlib.Path) -> None:
    put(tmp_path, [FIELDS])
    assert read(directory) is None


def test_the_largest_process_number_is_one(directory: Directory, tmp_path: pathlib.Path) -> None:
    for pid in (1, 2**31 - 1):
        put(tmp_path, {**FIELDS, "writer": {**FIELDS["writer"], "pid": pid}})
        found = read(directory)
        assert found
        assert found.writer
        assert found.writer.pid == pid


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_no_bytes_can_break_the_reader(data: bytes) -> None:
    good = state._render(1, RECORD)
    assert state._parse(data) is None
    line = hashlib.sha256(data).hexdigest().encode() + b" " + data
    state._parse(line)
    assert state._parse(good) == (1, RECORD)


# --- files ---


def test_a_sidecar_is_for_its_owner_only(made: StateFile, tmp_path: pathlib.Path) -> None:
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_a_sidecar_that_is_there_is_not_made_anew(directory: Directory, made: StateFile) -> None:
    made.write(RECORD)
    with pytest.raises(FileExistsError):
        StateFile.create(directory, NAME, BARE)
    assert read(directory) == RECORD


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("a symbolic link", "a symbolic link"),
        ("a FIFO", "a FIFO"),
        ("a directory", "a directory"),
        ("a hard link", "other names"),
    ],
)
def test_what_somebody_has_planted_is_not_opened(
    directory: Directory, tmp_path: pathlib.Path, kind: str, told: str
) -> None:
    plant(kind, tmp_path / NAME)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(Planted, match=told):
        StateFile.open(directory, NAME)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make files of others")
def test_a_file_of_another_user_is_not_believed(directory: Directory, made: StateFile, tmp_path: pathlib.Path) -> None:
    os.chown(tmp_path / NAME, 65534, -1)
    with pytest.raises(Planted, match="another user"):
        StateFile.open(directory, NAME)


def test_a_sidecar_that_is_not_there(directory: Directory) -> None:
    with pytest.raises(FileNotFoundError):
        StateFile.open(directory, NAME)


def test_one_holds_the_lock_until_it_is_closed(directory: Directory, made: StateFile) -> None:
    other = StateFile.open(directory, NAME)
    assert not other.lock()
    made.close()
    assert other.lock()
    other.close()
    other.close()


def test_where_there_are_no_locks_nobody_is_kept_out(
    directory: Directory, made: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_fd: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    other = StateFile.open(directory, NAME)
    assert other.lock()
    other.close()


def test_a_name_that_is_another_files_by_now_is_not_removed(
    directory: Directory, made: StateFile, tmp_path: pathlib.Path
) -> None:
    assert made.is_in_place()
    (tmp_path / "new").write_bytes(b"another run's")
    (tmp_path / "new").rename(tmp_path / NAME)
    assert not made.is_in_place()
    made.remove()
    assert (tmp_path / NAME).read_bytes() == b"another run's"
    (tmp_path / NAME).unlink()
    assert not made.is_in_place()
    made.remove()


def test_a_sidecar_that_got_another_name_is_removed_under_that_one(
    directory: Directory, made: StateFile, tmp_path: pathlib.Path
) -> None:
    made.rename(".y.state")
    assert made.name == ".y.state"
    assert made.is_in_place()
    assert os.listdir(tmp_path) == [".y.state"]
    made.remove()
    assert os.listdir(tmp_path) == []


def test_a_sidecar_that_cannot_be_written_is_not_left_behind(directory: Directory, tmp_path: pathlib.Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ValueError, match="too long"):
        StateFile.create(directory, NAME, dataclasses.replace(RECORD, source="x" * 5000))
    assert os.listdir(tmp_path) == []
    assert os.listdir("/proc/self/fd") == before
