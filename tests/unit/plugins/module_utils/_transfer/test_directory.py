# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory that is opened once: what is done goes there and nowhere else, and nothing is left open."""

from __future__ import annotations

import errno
import functools
import os
import pathlib
import stat
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import (
    Directory,
    kind_of,
    translate_os_errors,
    truncate_name,
)


def test_what_is_no_directory_cannot_be_opened_as_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Directory(str(tmp_path / "file"))


def test_a_directory_that_is_exchanged_meanwhile_is_not_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "victim").write_text("theirs")
    with Directory(str(tmp_path / "ours")) as directory:
        (tmp_path / "ours").rename(tmp_path / "moved")
        (tmp_path / "ours").symlink_to(tmp_path / "theirs")
        os.close(directory.open("new", os.O_CREAT | os.O_WRONLY))
        assert directory.names() == ["new"]
        assert directory.stat("victim") is None
        directory.rename("new", "renamed")
        directory.remove("victim")
    assert os.listdir(tmp_path / "theirs") == ["victim"]
    assert os.listdir(tmp_path / "moved") == ["renamed"]


def test_links_are_looked_at_and_never_through(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to("secret")
    with Directory(str(tmp_path)) as directory:
        found = directory.stat("link")
        assert found
        assert stat.S_ISLNK(found.st_mode)
        with pytest.raises(OSError, match="symbolic link"), directory.reading("link"):
            pass


def test_nothing_is_left_open(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    before = os.listdir("/proc/self/fd")
    with Directory(str(tmp_path)) as directory:
        with directory.reading("file"):
            pass
        with pytest.raises(OSError, match="not a regular file") as caught, directory.reading("fifo"):
            pass
        assert caught.value.errno == errno.EINVAL
    assert os.listdir("/proc/self/fd") == before


def test_closing_it_twice_closes_nothing_else(tmp_path: pathlib.Path) -> None:
    directory = Directory(str(tmp_path))
    number = directory.fd
    directory.close()
    with open(tmp_path / "file", "w") as file:
        assert file.fileno() == number  # the next file gets the descriptor that was given back
        directory.close()
        file.write("content")
    assert (tmp_path / "file").read_text() == "content"


def test_a_new_file_is_for_its_owner_only(tmp_path: pathlib.Path) -> None:
    before = os.umask(0)
    try:
        with Directory(str(tmp_path)) as directory:
            os.close(directory.open("file", os.O_CREAT | os.O_WRONLY))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_what_is_not_there_can_be_removed(tmp_path: pathlib.Path) -> None:
    with Directory(str(tmp_path)) as directory:
        directory.remove("nothing")


def test_names_are_sorted(tmp_path: pathlib.Path) -> None:
    for name in ("b", "c", "a"):
        (tmp_path / name).touch()
    with Directory(str(tmp_path)) as directory:
        assert directory.names() == ["a", "b", "c"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_directories_is_no_fault(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(_fd: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with Directory(str(tmp_path)) as directory:
        directory.sync()
        number = errno.EIO
        with pytest.raises(OSError, match="Input/output error"):
            directory.sync()


def test_free_space_is_what_a_user_may_write(tmp_path: pathlib.Path) -> None:
    space = os.statvfs(tmp_path)
    with Directory(str(tmp_path)) as directory:
        found = directory.space()
    assert found is not None
    free, reserve = found
    assert reserve == min(space.f_blocks * space.f_frsize // 100, 2**28)
    assert abs(free - space.f_bavail * space.f_frsize) < 2**30  # others write, too


def test_a_file_system_without_a_size_tells_no_free_space() -> None:
    with Directory("/proc/self") as directory:
        assert directory.space() is None


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ENOSPC, "disk_full", "Free some space"),
        (errno.EDQUOT, "disk_full", "quota"),
        (errno.EACCES, "file_system", "become"),
        (errno.EROFS, "file_system", "read-only"),
        (errno.ENOENT, "concurrent_change", "Let one task at a time"),
        (errno.ESTALE, "concurrent_change", "Let one task at a time"),
        (errno.ENODEV, "file_system", ""),
    ],
)
def test_an_error_of_the_system_is_explained(number: int, code: str, words: str) -> None:
    with pytest.raises(StorwareError) as caught, translate_os_errors("write x"):
        raise OSError(number, os.strerror(number))
    assert caught.value.message == f"Cannot write x: {os.strerror(number)}"
    assert caught.value.code == code
    assert words in caught.value.hint
    assert bool(words) == bool(caught.value.hint)
    assert caught.value.details == {"errno": errno.errorcode[number]}


def test_an_error_without_a_number_is_explained_by_its_words() -> None:
    with pytest.raises(StorwareError) as caught, translate_os_errors("write x"):
        raise OSError("cannot read from timed out object")
    assert caught.value.message == "Cannot write x: cannot read from timed out object"
    assert caught.value.details == {"errno": ""}


def test_kinds_of_files_are_told_in_words(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    paths = {"file": "a regular file", "link": "a symbolic link", "fifo": "a FIFO", ".": "a directory"}
    assert {name: kind_of((tmp_path / name).lstat().st_mode) for name in paths} == paths
    assert kind_of(os.stat("/dev/null").st_mode) == "a character device"
    assert kind_of(stat.S_IFBLK) == "a block device"
    assert kind_of(stat.S_IFSOCK) == "a socket"


def test_a_name_that_is_too_long_with_its_suffix_is_told_apart_by_a_digest() -> None:
    assert truncate_name("a" * 248, ".sha256") == "a" * 248 + ".sha256"
    first, second = truncate_name("a" * 249, ".sha256", "."), truncate_name("a" * 248 + "b", ".sha256", ".")
    assert first != second
    for name in (first, second):
        assert len(name) == 255
        assert name.startswith("." + "a" * 238 + "~")
        assert name.endswith(".sha256")
    assert len(os.fsencode(truncate_name("ü" * 200, ".sha256"))) in (254, 255)


@pytest.mark.parametrize("refusal", [0, errno.EPERM, errno.ENOSYS, errno.EXDEV])
def test_a_new_name_is_taken_only_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    """Also where there are no hard links or, as with AFS, none in another directory."""
    if refusal:
        monkeypatch.setattr(os, "link", functools.partial(_refuse, number=refusal))
    with Directory(str(tmp_path)) as directory:
        for name in ("one", "two"):
            (tmp_path / name).write_text(name)
        directory.rename_new("one", "new", directory)
        with pytest.raises(FileExistsError):
            directory.rename_new("two", "new", directory)
        assert directory.names() == ["new", "two"]
    assert (tmp_path / "new").read_text() == "one"
    assert (tmp_path / "new").stat().st_nlink == 1


def test_a_request_that_was_repeated_after_it_was_carried_out_is_no_failure(tmp_path: pathlib.Path) -> None:
    """As NFS does where an answer is lost."""
    (tmp_path / "one").touch()
    os.link(tmp_path / "one", tmp_path / "new")
    with Directory(str(tmp_path)) as directory:
        directory.rename_new("one", "new", directory)
        assert directory.names() == ["new"]


def test_a_reserved_name_is_given_back(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _refuse)
    with Directory(str(tmp_path)) as directory:
        with pytest.raises(FileNotFoundError):
            directory.rename_new("nothing", "new", directory)
        assert directory.names() == []


def _refuse(*_arguments: object, number: int = errno.EPERM, **_options: object) -> t.NoReturn:
    raise OSError(number, os.strerror(number))
