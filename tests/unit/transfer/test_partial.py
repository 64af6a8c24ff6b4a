# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private partial: made anew, readable by nobody else, never through what somebody has planted (F12)."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import partial
from ansible_collections.storware.backup.plugins.module_utils._transfer.directory import Directory, fitted
from ansible_collections.storware.backup.plugins.module_utils._transfer.partial import Partial, partial_name

NAME = partial_name("mail.zip", "https://server/api guid")


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    with Directory(str(tmp_path)) as opened:
        yield opened


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> t.Iterator[int]:
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def refused(directory: Directory) -> str:
    with pytest.raises(StorwareError) as caught:
        Partial(directory, NAME)
    assert caught.value.code == "partial_refused"
    return caught.value.message


def test_the_name_is_hidden_and_tells_downloads_apart() -> None:
    assert NAME.startswith(".mail.zip.")
    assert NAME.endswith(".part")
    assert partial_name("mail.zip", "a") != partial_name("mail.zip", "b")
    assert partial_name("mail.zip", "a") == partial_name("mail.zip", "a")


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_every_name_of_a_file_has_a_name_for_its_partial(name: str) -> None:
    made = partial_name(name, "identity")
    assert len(os.fsencode(made)) <= 255
    assert made != partial_name(name[:-1] + ("x" if name[-1] != "x" else "y"), "identity")


def test_long_names_are_told_apart_and_stay_valid_utf_8() -> None:
    first, second = fitted("ü" * 127 + "1", ".part"), fitted("ü" * 127 + "2", ".part")
    assert first != second
    assert len(os.fsencode(first)) in (254, 255)
    first.encode()
    assert fitted("a" * 250, ".part") == "a" * 250 + ".part"


def test_it_is_private_whatever_the_umask(directory: Directory, umask: int) -> None:
    with Partial(directory, NAME) as made:
        assert mode_of(made.path) == 0o600
        assert not os.get_inheritable(made.fd)


def test_it_holds_what_was_written_and_goes_when_it_was_not_published(directory: Directory) -> None:
    with Partial(directory, NAME) as made:
        made.write(b"one")
        made.write(b"")
        made.write(b"two")
        made.sync()
        assert pathlib.Path(made.path).read_bytes() == b"onetwo"
    assert directory.names() == []
    made.close()


def test_it_goes_when_the_work_fails(directory: Directory) -> None:
    with pytest.raises(KeyboardInterrupt), Partial(directory, NAME):
        raise KeyboardInterrupt
    assert directory.names() == []


def test_short_writes_are_continued(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))
    with Partial(directory, NAME) as made:
        made.write(b"0123456789")
        assert pathlib.Path(made.path).read_bytes() == b"0123456789"


def test_what_an_earlier_run_left_is_replaced_by_a_new_file(directory: Directory) -> None:
    left = pathlib.Path(directory.path_of(NAME))
    left.write_bytes(b"old bytes")
    left.chmod(0o666)
    with open(left, "rb") as eavesdropper, Partial(directory, NAME) as made:
        made.write(b"secret")
        assert mode_of(made.path) == 0o600
        assert eavesdropper.read() == b"old bytes"
        assert left.read_bytes() == b"secret"


def test_a_symbolic_link_is_refused(directory: Directory, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / NAME).symlink_to(target)
    assert "symbolic link" in refused(directory)
    assert target.read_bytes() == b"precious"
    target.unlink()
    assert "symbolic link" in refused(directory)
    assert not target.exists()


def test_a_hard_link_is_refused(directory: Directory, tmp_path: pathlib.Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    os.link(tmp_path / "precious", tmp_path / NAME)
    assert "hard link" in refused(directory)
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a socket", "a character device"])
def test_what_is_no_file_is_refused(directory: Directory, tmp_path: pathlib.Path, kind: str) -> None:
    _make(kind, tmp_path / NAME)
    assert kind in refused(directory)


def _make(kind: str, path: pathlib.Path) -> None:
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    else:
        pytest.skip("only root makes devices")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("uid", "owner"), [(54321, "the user with the number 54321"), (1, "the user daemon")])
def test_the_file_of_another_user_is_refused(
    directory: Directory, tmp_path: pathlib.Path, uid: int, owner: str
) -> None:
    (tmp_path / NAME).write_bytes(b"theirs")
    os.chown(tmp_path / NAME, uid, -1)
    assert owner in refused(directory)
    assert (tmp_path / NAME).read_bytes() == b"theirs"


def test_what_appears_in_between_is_not_used(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the making somebody plants a file: O_EXCL refuses it."""
    (pathlib.Path(directory.path) / NAME).write_bytes(b"planted")
    monkeypatch.setattr(partial, "_remove_stale", lambda directory, name: None)
    assert "another run" in refused(directory)


def test_a_file_of_another_run_is_not_removed(directory: Directory) -> None:
    with Partial(directory, NAME) as first:
        with Partial(directory, NAME) as second:
            assert not first.is_in_place(NAME)
            assert second.is_in_place(NAME)
            first.close()
            assert second.is_in_place(NAME)
        assert directory.names() == []


def test_the_directory_is_the_one_that_was_opened(tmp_path: pathlib.Path) -> None:
    """Exchanged for a symbolic link in the middle: nothing lands behind it (F14)."""
    real, elsewhere = tmp_path / "real", tmp_path / "elsewhere"
    real.mkdir()
    elsewhere.mkdir()
    with Directory(str(real)) as opened:
        real.rename(tmp_path / "moved")
        real.symlink_to(elsewhere)
        with Partial(opened, NAME) as made:
            made.write(b"secret")
            assert list(elsewhere.iterdir()) == []
            assert (tmp_path / "moved" / NAME).read_bytes() == b"secret"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "file_system"),
        (errno.EIO, "file_system"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_errors_name_the_file_and_the_reason(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    def fail(*_arguments: object) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    with Partial(directory, NAME) as made:
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(StorwareError) as caught:
            made.sync() if call == "fsync" else made.write(b"x")
        monkeypatch.undo()
    assert caught.value.code == code
    assert caught.value.hint
    assert caught.value.details == {"errno": errno.errorcode[number]}
    assert made.path in caught.value.message
    assert directory.names() == []


def test_space_is_checked(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Directory, "free", lambda self: 1000)
    partial.check_space(directory, 1000)
    with pytest.raises(StorwareError) as caught:
        partial.check_space(directory, 1001)
    assert caught.value.code == "disk_full"
    assert "needs 1001 bytes" in caught.value.message
    assert "1000 bytes free" in caught.value.message
    monkeypatch.setattr(Directory, "free", lambda self: None)
    partial.check_space(directory, 2**62)


def test_the_free_space_is_that_of_the_file_system(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    free = directory.free()
    assert free is not None
    assert 0 < free < 2**60
    real = os.statvfs(directory.path)
    unknown = os.statvfs_result((real.f_bsize, real.f_frsize, 0, 0, 0, *tuple(real)[5:]))
    monkeypatch.setattr(os, "statvfs", lambda fd: unknown)
    assert directory.free() is None


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a character device"])
def test_only_regular_files_are_read(directory: Directory, tmp_path: pathlib.Path, kind: str) -> None:
    _make(kind, tmp_path / "x")
    with pytest.raises(OSError, match="not a regular file"), directory.reading("x"):
        pass


@pytest.mark.parametrize(("number", "fine"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_a_directory_that_cannot_be_synced(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, number: int, fine: bool
) -> None:
    def fail(fd: int) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    if fine:
        directory.sync()
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            directory.sync()
