# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private partial: made anew, readable by nobody else, never through what somebody has planted."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import secrets
import stat
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import partial
from ansible_collections.storware.backup.plugins.module_utils._transfer.directory import Directory, fitted, kind_of
from ansible_collections.storware.backup.plugins.module_utils._transfer.partial import (
    Partial,
    partial_stem,
    remove_stale,
)

STEM = partial_stem("mail.zip", "https://server/api guid")


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


def stale(directory: Directory, token: str = "0123abcd") -> pathlib.Path:
    """Where a killed run has left its partial."""
    return pathlib.Path(directory.path_of(f"{STEM}{token}.part"))


def test_the_name_is_hidden_and_tells_downloads_apart(directory: Directory) -> None:
    assert STEM.startswith(".mail.zip.")
    assert partial_stem("mail.zip", "a") != partial_stem("mail.zip", "b")
    assert partial_stem("mail.zip", "a") == partial_stem("mail.zip", "a")
    with Partial(directory, STEM) as first, Partial(directory, STEM) as second:
        assert first.name != second.name
        assert all(made.name.startswith(STEM) and made.name.endswith(".part") for made in (first, second))


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_every_name_of_a_file_has_a_name_for_its_partial(name: str) -> None:
    made = partial_stem(name, "identity")
    assert len(os.fsencode(f"{made}01234567.part")) <= 255
    assert made != partial_stem(name[:-1] + ("x" if name[-1] != "x" else "y"), "identity")


def test_long_names_are_told_apart_and_stay_valid_utf_8() -> None:
    first, second = fitted("ü" * 127 + "1", ".part"), fitted("ü" * 127 + "2", ".part")
    assert first != second
    assert len(os.fsencode(first)) in (254, 255)
    first.encode()
    assert fitted("a" * 250, ".part") == "a" * 250 + ".part"


def test_it_is_private_whatever_the_umask(directory: Directory, umask: int) -> None:
    with Partial(directory, STEM) as made:
        assert mode_of(made.path) == 0o600
        assert not os.get_inheritable(made.fd)


def test_it_holds_what_was_written_and_goes_when_it_was_not_published(directory: Directory) -> None:
    with Partial(directory, STEM) as made:
        made.write(b"one")
        made.write(b"")
        made.write(b"two")
        made.sync()
        assert pathlib.Path(made.path).read_bytes() == b"onetwo"
    assert directory.names() == []
    made.close()


def test_it_goes_when_the_work_fails(directory: Directory) -> None:
    with pytest.raises(KeyboardInterrupt), Partial(directory, STEM):
        raise KeyboardInterrupt
    assert directory.names() == []


def test_short_writes_are_continued(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))
    with Partial(directory, STEM) as made:
        made.write(b"0123456789")
        assert pathlib.Path(made.path).read_bytes() == b"0123456789"


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o000])
def test_what_killed_runs_left_is_removed(directory: Directory, mode: int) -> None:
    for token in ("0123abcd", "fedcba98"):
        stale(directory, token).write_bytes(b"old bytes")
        stale(directory, token).chmod(mode)
    remove_stale(directory, STEM)
    assert directory.names() == []


def test_a_partial_at_work_is_left_alone(directory: Directory) -> None:
    with Partial(directory, STEM) as made:
        remove_stale(directory, STEM)
        assert made.is_in_place(made.name)


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF])
def test_without_locks_the_last_one_wins(directory: Directory, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def fail(fd: int, operation: int) -> t.NoReturn:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", fail)
    with Partial(directory, STEM) as first:
        remove_stale(directory, STEM)
        with Partial(directory, STEM) as second:
            assert not first.is_in_place(first.name)
            assert second.is_in_place(second.name)


def test_only_what_is_named_exactly_so_is_removed(directory: Directory) -> None:
    others = [
        partial_stem("mail.zip", "another server") + "0123abcd.part",
        partial_stem("mail.zi", "https://server/api guid") + "0123abcd.part",
        f"{STEM}0123abc.part", f"{STEM}0123abcde.part", f"{STEM}0123abcd.part.part", f"{STEM}0123abcX.part",
        STEM, "mail.zip", f"x{STEM}0123abcd.part",
    ]  # fmt: skip
    for name in others:
        pathlib.Path(directory.path_of(name)).touch()
    remove_stale(directory, STEM)
    assert directory.names() == sorted(others)


def test_a_name_is_no_pattern(directory: Directory) -> None:
    stem = partial_stem("a[b](c)*.+", "x")
    pathlib.Path(directory.path_of(f"{stem}0123abcd.part")).touch()
    remove_stale(directory, stem)
    assert directory.names() == []


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a socket", "a character device", "a symbolic link"])
def test_what_was_planted_is_not_touched(directory: Directory, tmp_path: pathlib.Path, kind: str) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    _make(kind, stale(directory))
    remove_stale(directory, STEM)
    with Partial(directory, STEM) as made:
        made.write(b"secret")
    assert kind_of(stale(directory).lstat().st_mode) == kind
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_hard_link_loses_its_name_and_nothing_else(directory: Directory, tmp_path: pathlib.Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    os.link(tmp_path / "precious", stale(directory))
    remove_stale(directory, STEM)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert directory.names() == ["precious"]


def _make(kind: str, path: pathlib.Path) -> None:
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif kind == "a symbolic link":
        path.symlink_to("precious")
    elif os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    else:
        pytest.skip("only root makes devices")


def test_a_name_that_is_taken_is_not_used(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is there, a link or a file that somebody reads: O_EXCL refuses it."""
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0123abcd")
    for plant in (lambda: stale(directory).symlink_to("nowhere"), lambda: stale(directory).write_bytes(b"planted")):
        plant()
        with pytest.raises(StorwareError, match="File exists"):
            Partial(directory, STEM)
        stale(directory).unlink()
    assert directory.names() == []


def test_only_its_own_file_is_removed(directory: Directory, tmp_path: pathlib.Path) -> None:
    with Partial(directory, STEM) as made:
        path = pathlib.Path(made.path)
        path.unlink()
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"


def test_the_directory_is_the_one_that_was_opened(tmp_path: pathlib.Path) -> None:
    """Exchanged for a symbolic link in the middle: nothing lands behind it."""
    real, elsewhere = tmp_path / "real", tmp_path / "elsewhere"
    real.mkdir()
    elsewhere.mkdir()
    with Directory(str(real)) as opened:
        real.rename(tmp_path / "moved")
        real.symlink_to(elsewhere)
        with Partial(opened, STEM) as made:
            made.write(b"secret")
            assert list(elsewhere.iterdir()) == []
            assert (tmp_path / "moved" / made.name).read_bytes() == b"secret"


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

    with Partial(directory, STEM) as made:
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
