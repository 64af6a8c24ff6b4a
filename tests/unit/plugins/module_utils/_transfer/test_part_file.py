# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private partial: made anew or taken over once, readable by nobody else, never through what somebody planted."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import threading
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import part_file
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory, kind_of
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.part_file import PartialFile
from tests.unit.plugins.module_utils._transfer.planting import KINDS, plant

NAME = ".mail.0123abcd.part"
OLD = ".mail.fedcba98.part"


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    with Directory(str(tmp_path)) as opened:
        yield opened


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


# --- made anew ---


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_it_is_private_whatever_the_umask(directory: Directory, umask: int) -> None:
    before = os.umask(umask)
    try:
        with PartialFile.create(directory, NAME) as made:
            assert mode_of(made.path) == 0o600
            assert not os.get_inheritable(made.fd)
    finally:
        os.umask(before)


def test_it_holds_what_was_written_and_goes_when_it_was_not_published(directory: Directory) -> None:
    with PartialFile.create(directory, NAME) as made:
        made.write_at(3, b"two")
        made.write_at(0, memoryview(b"one"))
        made.write_at(6, b"")
        made.sync_data()
        made.sync()
        assert pathlib.Path(made.path).read_bytes() == b"onetwo"
        assert made.size == 6
        assert [made.read_at(2, 3), made.read_at(4, 100), made.read_at(6, 1)] == [b"etw", b"wo", b""]
        made.truncate(4)
        assert made.read_at(0, 10) == b"onet"
    assert directory.names() == []
    made.close()


def test_it_goes_when_the_work_fails(directory: Directory) -> None:
    with pytest.raises(KeyboardInterrupt), PartialFile.create(directory, NAME):
        raise KeyboardInterrupt
    assert directory.names() == []


def test_it_stays_when_it_is_kept_and_is_private_then(directory: Directory) -> None:
    with PartialFile.create(directory, NAME) as made:
        made.write_at(0, b"one")
        os.fchmod(made.fd, 0o644)  # it was dressed for its final name already
        made.preserve()
    assert directory.names() == [NAME]
    assert mode_of(made.path) == 0o600


def test_short_writes_and_reads_are_continued(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    write, read = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: write(fd, bytes(data[:3]), offset))
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: read(fd, min(size, 3), offset))
    with PartialFile.create(directory, NAME) as made:
        made.write_at(0, b"0123456789")
        assert made.read_at(1, 8) == b"12345678"
        assert pathlib.Path(made.path).read_bytes() == b"0123456789"


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_is_taken_is_not_used(directory: Directory, tmp_path: pathlib.Path, kind: str) -> None:
    """Whatever is there, a link or a file that somebody reads: O_EXCL refuses it."""
    plant(kind, tmp_path / NAME)
    before = directory.names()
    with pytest.raises(StorwareError, match="File exists"):
        PartialFile.create(directory, NAME)
    assert directory.names() == before


def test_only_its_own_file_is_removed(directory: Directory) -> None:
    with PartialFile.create(directory, NAME) as made:
        path = pathlib.Path(made.path)
        path.unlink()
        path.write_bytes(b"theirs")
        assert not made.is_in_place(NAME)
    assert path.read_bytes() == b"theirs"


def test_what_is_closed_twice_closes_nothing_of_others(directory: Directory) -> None:
    made = PartialFile.create(directory, NAME)
    made.close()
    with open("/dev/zero", "rb") as other:  # gets the number that has become free
        made.close()
        assert other.read(1) == b"\0"


def test_the_directory_is_the_one_that_was_opened(tmp_path: pathlib.Path) -> None:
    """Exchanged for a symbolic link in the middle: nothing lands behind it."""
    real, elsewhere = tmp_path / "real", tmp_path / "elsewhere"
    real.mkdir()
    elsewhere.mkdir()
    with Directory(str(real)) as opened:
        real.rename(tmp_path / "moved")
        real.symlink_to(elsewhere)
        with PartialFile.create(opened, NAME) as made:
            made.write_at(0, b"secret")
            assert list(elsewhere.iterdir()) == []
            assert (tmp_path / "moved" / NAME).read_bytes() == b"secret"


def test_its_place_may_be_looked_for_in_another_directory(directory: Directory, tmp_path: pathlib.Path) -> None:
    (tmp_path / "final").mkdir()
    with Directory(str(tmp_path / "final")) as final, PartialFile.create(directory, NAME) as made:
        assert (made.is_in_place(NAME), made.is_in_place(NAME, final)) == (True, False)
        directory.rename(NAME, "mail.zip", final)
        assert (made.is_in_place(NAME), made.is_in_place("mail.zip", final)) == (False, True)
    assert (tmp_path / "final" / "mail.zip").exists()


# --- taken over ---


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_what_a_run_has_left_gets_a_new_name(directory: Directory, tmp_path: pathlib.Path, mode: int) -> None:
    (tmp_path / OLD).write_bytes(b"half")
    (tmp_path / OLD).chmod(mode)
    adopted = PartialFile.adopt(directory, OLD, NAME)
    assert adopted
    with adopted:
        assert directory.names() == [NAME]
        assert (adopted.read_at(0, 10), mode_of(adopted.path)) == (b"half", 0o600)
        assert not os.get_inheritable(adopted.fd)
        adopted.write_at(4, b" and half")
        assert adopted.size == 13
    assert directory.names() == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a regular file"])
def test_what_was_planted_is_not_taken_over(directory: Directory, tmp_path: pathlib.Path, kind: str) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    plant(kind, tmp_path / OLD)
    before = directory.names()
    assert PartialFile.adopt(directory, OLD, NAME) is None
    assert directory.names() == before
    assert (tmp_path / "precious").read_bytes() == b"precious"
    if kind != "a hard link":
        assert kind_of((tmp_path / OLD).lstat().st_mode) == kind


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_not_taken_over(directory: Directory, tmp_path: pathlib.Path) -> None:
    (tmp_path / OLD).write_bytes(b"theirs")
    os.chown(tmp_path / OLD, 12345, -1)
    assert PartialFile.adopt(directory, OLD, NAME) is None
    assert directory.names() == [OLD]


def test_nothing_is_taken_over_where_nothing_is(directory: Directory) -> None:
    assert PartialFile.adopt(directory, OLD, NAME) is None


def test_of_many_at_once_exactly_one_takes_it_over(directory: Directory, tmp_path: pathlib.Path) -> None:
    for _time in range(30):
        (tmp_path / OLD).write_bytes(b"half")
        names = [f".mail.{number:08x}.part" for number in range(4)]
        found: list[PartialFile | None] = []
        start = threading.Barrier(len(names))

        def adopt(name: str, start: threading.Barrier, found: list[PartialFile | None]) -> None:
            start.wait()
            found.append(PartialFile.adopt(directory, OLD, name))

        threads = [threading.Thread(target=adopt, args=(name, start, found)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (adopted,) = [one for one in found if one]
        assert directory.names() == [adopted.name]
        adopted.close()


def test_no_descriptor_stays_open_where_nothing_is_taken_over(directory: Directory, tmp_path: pathlib.Path) -> None:
    (tmp_path / "precious").touch()
    os.link(tmp_path / "precious", tmp_path / OLD)
    os.mkfifo(tmp_path / ".mail.11111111.part")
    before = os.listdir("/proc/self/fd")
    assert PartialFile.adopt(directory, OLD, NAME) is None
    assert PartialFile.adopt(directory, ".mail.11111111.part", NAME) is None
    assert os.listdir("/proc/self/fd") == before


# --- errors ---


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "file_system"),
        (errno.EIO, "file_system"),
    ],
)
@pytest.mark.parametrize("call", ["pwrite", "pread", "fsync", "fdatasync", "ftruncate"])
def test_errors_name_the_file_and_the_reason(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    def fail(*_arguments: object) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    with PartialFile.create(directory, NAME) as made:
        actions: dict[str, t.Callable[[], object]] = {
            "pwrite": lambda: made.write_at(0, b"x"),
            "pread": lambda: made.read_at(0, 1),
            "fsync": made.sync,
            "fdatasync": made.sync_data,
            "ftruncate": lambda: made.truncate(0),
        }
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(StorwareError) as caught:
            actions[call]()
        monkeypatch.undo()
    assert caught.value.code == code
    assert caught.value.hint
    assert caught.value.details == {"errno": errno.errorcode[number]}
    assert made.path in caught.value.message
    assert directory.names() == []


def test_a_partial_that_cannot_be_removed_is_no_further_error(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> t.NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = os.listdir("/proc/self/fd")
    with PartialFile.create(directory, NAME):
        monkeypatch.setattr(os, "unlink", fail)
    assert os.listdir("/proc/self/fd") == before
    assert directory.names() == [NAME]


def test_space_is_checked(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Directory, "space", lambda self: (1100, 100))
    part_file.check_space(directory, 1000)
    part_file.check_space(directory, -5)
    part_file.check_space(directory)
    with pytest.raises(StorwareError) as caught:
        part_file.check_space(directory, 1001)
    assert caught.value.code == "disk_full"
    assert "needs 1001 bytes" in caught.value.message
    assert "1100 bytes free, of which 100 are left to others" in caught.value.message
    assert caught.value.details == {"needed": 1001, "free": 1100, "errno": "ENOSPC"}
    monkeypatch.setattr(Directory, "space", lambda self: (99, 100))
    with pytest.raises(StorwareError) as caught:
        part_file.check_space(directory)
    assert caught.value.details == {"needed": None, "free": 99, "errno": "ENOSPC"}
    monkeypatch.setattr(Directory, "space", lambda self: None)
    part_file.check_space(directory, 2**62)
