# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes through a descriptor: never more for anybody than before and after, and read back."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import pathlib
import stat
import subprocess
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import attributes, receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.attributes import (
    Access,
    FileAttributes,
    ensure_attributes,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from tests.unit.plugins.module_utils._transfer.material import GUID

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
LABEL: t.Final = "system_u:object_r:var_t:s0"


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    (tmp_path / "mail.zip").write_bytes(b"content")
    (tmp_path / "mail.zip").chmod(0o600)
    with Directory(str(tmp_path)) as opened:
        yield opened


def ensure(directory: Directory, asked: FileAttributes, *, check_mode: bool = False) -> bool:
    found = directory.stat("mail.zip")
    assert found is not None
    return ensure_attributes(directory, "mail.zip", found, asked, check_mode=check_mode)


def mode(value: int) -> t.Callable[[int], int]:
    return lambda _st_mode: value


@root_only
def test_a_group_that_only_root_can_give_is_no_reason_to_fail(
    directory: Directory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator has given the file one, and the task asks for a mode only: its receipt is not for that group."""
    note = tmp_path / receipt.receipt_name("mail.zip")
    known = receipt.Receipt("mail.zip", GUID, 7, "0" * 64, "full")
    note.write_bytes(receipt.render(known, datetime.datetime.now(datetime.timezone.utc)))
    for path, group in ((tmp_path / "mail.zip", 54321), (note, 54322)):
        os.chown(path, 65534, group)
        path.chmod(0o640)
    os.chown(tmp_path, 65534, -1)
    asked = FileAttributes(mode=mode(0o640))
    monkeypatch.setattr(os, "getgroups", lambda: [54322])
    os.setegid(54322)
    os.seteuid(65534)
    try:
        assert ensure(directory, asked)
        assert not ensure(directory, asked)
    finally:
        os.seteuid(0)
        os.setegid(0)
    assert (note.stat().st_gid, stat.S_IMODE(note.stat().st_mode)) == (54322, 0o600)


@root_only
@pytest.mark.parametrize("before", [0o640, 0o600, 0o666])
@pytest.mark.parametrize("after", [0o640, 0o600, 0o604])
def test_neither_the_old_group_nor_the_new_one_gets_the_rights_of_the_other(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    path = tmp_path / "x"
    path.touch()
    path.chmod(before)
    seen: list[tuple[int, int]] = []
    for name in ("fchmod", "fchown"):
        real = getattr(os, name)

        def call(fd: int, *values: int, real: t.Callable[..., None] = real) -> None:
            real(fd, *values)
            seen.append((os.fstat(fd).st_gid, stat.S_IMODE(os.fstat(fd).st_mode)))

        monkeypatch.setattr(os, name, call)
    with path.open() as file:
        Access(5, 7, after).apply(file.fileno(), "file")
    assert seen[-1] == (7, after)
    assert all(bits & ~(before if gid == 0 else after) & 0o077 == 0 for gid, bits in seen)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_difference_is_told_and_made_once(directory: Directory, check_mode: bool) -> None:
    asked = FileAttributes(mode=mode(0o640))
    assert ensure(directory, asked, check_mode=check_mode)
    bits = stat.S_IMODE(os.stat(directory.path_of("mail.zip")).st_mode)
    assert bits == (0o600 if check_mode else 0o640)
    assert ensure(directory, asked) == check_mode


def test_another_file_in_its_place_gets_nothing(directory: Directory) -> None:
    found = os.stat(directory.path_of("mail.zip"))
    path = pathlib.Path(directory.path_of("mail.zip"))
    path.rename(path.with_name("away"))
    path.touch(mode=0o600)
    with pytest.raises(StorwareError) as caught:
        ensure_attributes(directory, "mail.zip", found, FileAttributes(mode=mode(0o644)), check_mode=False)
    assert caught.value.code == "concurrent_change"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- security context ---


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """As on a host with SELinux: the label of each open file, by its path."""
    kept: dict[str, bytes] = {}

    def path_of(fd: int) -> str:
        return os.readlink(f"/proc/self/fd/{fd}")

    monkeypatch.setattr(os, "getxattr", lambda fd, name: kept.get(path_of(fd), f"{LABEL}\0".encode()))
    monkeypatch.setattr(os, "setxattr", lambda fd, name, value: kept.update({path_of(fd): value}))
    return kept


def test_a_label_is_set_where_it_differs(directory: Directory, labels: dict[str, bytes]) -> None:
    asked = FileAttributes(label=lambda path, current, is_new: current.replace("var_t", "mail_t"))
    assert ensure(directory, asked)
    assert labels == {directory.path_of("mail.zip"): b"system_u:object_r:mail_t:s0\0"}
    assert not ensure(directory, asked)


@pytest.mark.parametrize("number", [errno.ENODATA, errno.ENOTSUP])
def test_a_file_without_a_label_gets_none(directory: Directory, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(fd: int, name: str) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "getxattr", refuse)
    assert not ensure(directory, FileAttributes(label=lambda path, current, is_new: "other"))


# --- flags ---


@pytest.mark.parametrize(
    ("text", "now", "after"),
    [
        (None, 0x10, 0x10),
        ("i", 0, 0x10),
        ("=i", 0x40, 0x10),
        ("+d", 0x10, 0x50),
        ("-i", 0x50, 0x40),
        ("di", 0x80000, 0x80050),  # extents stay: they are the file system's
        ("ie", 0x80000, 0x80010),
        ("=", 0x50, 0),
    ],
)
def test_flags_are_those_of_chattr(text: str | None, now: int, after: int) -> None:
    assert attributes.flags_after(text, now) == after


def test_an_unknown_flag_is_an_error(directory: Directory) -> None:
    with pytest.raises(OptionError, match="unknown letters in '\\+iZ': Z") as caught:
        attributes.flags_after("+iZ", 0)
    assert caught.value.option == "attributes"


def test_flags_are_set_as_lsattr_shows_them(directory: Directory) -> None:
    """No dump, which any owner may set, on a file system that has flags."""
    path = directory.path_of("mail.zip")
    with contextlib.suppress(StorwareError, FileNotFoundError):
        assert ensure(directory, FileAttributes(flags="+d"))
        assert "d" in subprocess.run(["lsattr", "-d", path], check=True, capture_output=True).stdout.decode().split()[0]
        assert not ensure(directory, FileAttributes(flags="+d"))
        assert ensure(directory, FileAttributes(flags="-d"))
        return
    pytest.skip("no flags on this file system, or no lsattr")
