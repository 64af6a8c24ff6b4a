# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is trusted, as root with a second user; and what everybody may do with his own files."""

from __future__ import annotations

import errno
import os
import pathlib
import stat

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _private
from ansible_collections.storware.backup.plugins.module_utils._private import UntrustedError
from tests.support.stranger import UID, needs_two_users, run_as_stranger, shared

__all__ = ["shared"]  # a fixture


def opened(path: pathlib.Path, *, create: bool = False) -> pathlib.Path:
    """Where the directory that is opened really is."""
    fd = _private.open_directory(str(path), create=create)
    try:
        return pathlib.Path(os.readlink(f"/proc/self/fd/{fd}"))
    finally:
        os.close(fd)


def test_a_directory_is_opened_through_links_of_ours(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "up").symlink_to("../a/./b")
    (tmp_path / "absolute").symlink_to(tmp_path / "a" / "up")
    assert opened(tmp_path / "absolute") == tmp_path / "a" / "b"
    assert opened(tmp_path / "absolute" / ".." / "..") == tmp_path
    monkeypatch.chdir(tmp_path)
    assert opened(pathlib.Path("a/b")) == tmp_path / "a" / "b"


def test_links_that_lead_nowhere_or_in_a_circle_are_errors(tmp_path: pathlib.Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "file").touch()
    expected = {"circle": errno.ELOOP, "nowhere": errno.ENOENT, "missing": errno.ENOENT, "file": errno.ENOTDIR}
    for name, number in expected.items():
        with pytest.raises(OSError) as error:
            opened(tmp_path / name)
        assert error.value.errno == number, name


def test_what_is_missing_is_made_for_this_user_alone(tmp_path: pathlib.Path) -> None:
    made = opened(tmp_path / "a" / "b", create=True)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (made, made.parent)] == [0o700, 0o700]
    assert opened(made, create=True) == made


@needs_two_users
def test_no_link_is_followed_that_others_can_have_made_or_could_exchange(
    tmp_path: pathlib.Path, shared: pathlib.Path
) -> None:
    (shared / "ours").symlink_to(tmp_path)
    assert opened(shared / "ours") == tmp_path
    run_as_stranger('ln -s "$1" "$2"; mkdir "$3"', tmp_path, shared / "theirs", shared / "directory")
    (shared / "directory" / "ours").symlink_to(tmp_path)
    for link in (shared / "theirs", shared / "directory" / "ours"):
        with pytest.raises(UntrustedError):
            opened(link)
    shared.chmod(0o777)
    with pytest.raises(UntrustedError):
        opened(shared / "ours")
    os.lchown(shared / "ours", UID, UID)
    shared.chmod(0o755)
    assert opened(shared / "ours") == tmp_path, "only who can write to a directory can have put it there"


@pytest.mark.parametrize(
    ("mode", "is_good"), [(0o700, True), (0o755, True), (0o770, True), (0o1777, True), (0o777, False), (0o702, False)]
)
def test_a_directory_keeps_names_where_others_cannot_exchange_them(
    tmp_path: pathlib.Path, mode: int, is_good: bool
) -> None:
    tmp_path.chmod(mode)
    place = _private.open_directory(str(tmp_path))
    try:
        if is_good:
            _private.check_directory(place)
        else:
            with pytest.raises(UntrustedError):
                _private.check_directory(place)
    finally:
        os.close(place)


@pytest.fixture
def place(tmp_path: pathlib.Path) -> int:
    """The descriptor of tmp_path, which stays open."""
    return _private.open_directory(str(tmp_path))


def test_a_private_directory_is_made_once_and_found_again(tmp_path: pathlib.Path, place: int) -> None:
    os.close(_private.make_private("state", place))
    os.close(_private.open_private("state", place))
    with pytest.raises(FileExistsError):
        _private.make_private("state", place)
    (tmp_path / "state").chmod(0o750)
    with pytest.raises(UntrustedError):
        _private.open_private("state", place)
    (tmp_path / "link").symlink_to("state")
    with pytest.raises(OSError):
        _private.open_private("link", place)


def test_where_modes_mean_nothing_there_is_no_private_directory(
    tmp_path: pathlib.Path, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on exFAT; nothing stays behind."""
    real = os.mkdir

    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        real(name, mode, dir_fd=dir_fd)
        (tmp_path / name).chmod(0o777)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(UntrustedError):
        _private.make_private("state", place)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_read_up_to_its_limit(tmp_path: pathlib.Path, place: int) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert _private.read_file("file", place, 5) == b"12345"
    with pytest.raises(OSError) as error:
        _private.read_file("file", place, 4)
    assert error.value.errno == errno.EFBIG


@pytest.mark.parametrize("way", ["link", "fifo", "directory", "everybody's"])
def test_what_is_no_file_of_ours_is_not_read(tmp_path: pathlib.Path, place: int, way: str) -> None:
    path = tmp_path / "file"
    if way == "link":
        (tmp_path / "other").touch()
        path.symlink_to("other")
    elif way == "fifo":
        os.mkfifo(path)
    elif way == "directory":
        path.mkdir()
    else:
        path.touch()
        path.chmod(0o606)
    with pytest.raises(OSError):
        _private.read_file("file", place, 5)


def test_what_everybody_can_write_is_opened_only_where_something_else_proves_it(
    tmp_path: pathlib.Path, place: int
) -> None:
    """Such as a digest. On some file systems every file is like that."""
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o777)
    os.close(_private.open_file("file", place))


def test_a_file_is_replaced_in_one_step_and_is_private(tmp_path: pathlib.Path, place: int) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o666)
    _private.replace_file("file", place, b"new")
    assert (tmp_path / "file").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    (tmp_path / "directory").mkdir()
    with pytest.raises(OSError):
        _private.replace_file("directory", place, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "file"]
