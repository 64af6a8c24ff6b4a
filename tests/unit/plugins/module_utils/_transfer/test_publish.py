# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the partial to the final name: attributes never wider than asked, and an order that survives a crash."""

from __future__ import annotations

import datetime
import os
import pathlib
import stat
import struct
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import publish, receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.attributes import FileAttributes
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.part_file import PartialFile
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Receipt
from tests.unit.plugins.module_utils._transfer.material import GUID, OTHER_GUID, sha256

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
PLAIN = FileAttributes()
NEW, OLD = b"new content", b"old content"
NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    with Directory(str(tmp_path)) as opened:
        yield opened


def put_old(directory: Directory, *, mode: int = 0o640, uid: int = -1, gid: int = -1) -> os.stat_result:
    """A file that is there already, with its receipt."""
    path = pathlib.Path(directory.path_of("mail.zip"))
    path.write_bytes(OLD)
    os.chown(path, uid, gid)
    path.chmod(mode)
    note = Receipt("mail.zip", OTHER_GUID, len(OLD), sha256(OLD), "full")
    pathlib.Path(directory.path_of("mail.zip.sha256")).write_bytes(receipt.render(note, NOW))
    return path.stat()


def run(
    directory: Directory,
    old: os.stat_result | None = None,
    asked: FileAttributes = PLAIN,
    place: Directory | None = None,
) -> os.stat_result:
    """Publish the new content, from another place if one is given; returns what the file is then."""
    note = Receipt("mail.zip", GUID, len(NEW), sha256(NEW), "full")
    place = place or directory
    with PartialFile.create(place, ".mail.") as partial, PartialFile.create(place, ".note.") as note_partial:
        partial.write_at(0, NEW)
        note_partial.write_at(0, receipt.render(note, NOW))
        publish.publish(partial, note_partial, "mail.zip", directory, old, asked)
    assert pathlib.Path(directory.path_of("mail.zip")).read_bytes() == NEW
    assert receipt.beside(directory, "mail.zip") == note
    assert [name for name in directory.names() if name != "apart"] == ["mail.zip", "mail.zip.sha256"]
    return os.stat(directory.path_of("mail.zip"))


def mode(result: os.stat_result) -> int:
    return stat.S_IMODE(result.st_mode)


@pytest.mark.fault("F18")
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_new_file_is_for_its_owner_only(directory: Directory, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert mode(run(directory)) == 0o600
    finally:
        os.umask(before)
    assert mode(os.stat(directory.path_of("mail.zip.sha256"))) == 0o600


@pytest.mark.parametrize("old_mode", [0o600, 0o644, 0o640, 0o444, 0o400, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(directory: Directory, old_mode: int) -> None:
    assert mode(run(directory, put_old(directory, mode=old_mode))) == old_mode
    assert mode(os.stat(directory.path_of("mail.zip.sha256"))) == old_mode


def test_special_bits_are_not_kept(directory: Directory) -> None:
    assert mode(run(directory, put_old(directory, mode=0o6755))) == 0o755


@root_only
def test_the_group_is_kept(directory: Directory) -> None:
    result = run(directory, put_old(directory, gid=54322))
    assert (result.st_uid, result.st_gid, mode(result)) == (0, 54322, 0o640)


@root_only
def test_nothing_is_kept_of_a_file_that_another_user_may_have_put_there(directory: Directory) -> None:
    result = run(directory, put_old(directory, uid=54321, gid=54322, mode=0o666))
    assert (result.st_uid, result.st_gid, mode(result)) == (0, 0, 0o600)


@root_only
@pytest.mark.parametrize(("permissions", "kept"), [(0o755, 0o666), (0o775, 0o600), (0o757, 0o600)])
def test_nothing_is_kept_of_a_hard_link_that_others_may_have_made(
    directory: Directory, tmp_path: pathlib.Path, permissions: int, kept: int
) -> None:
    put_old(directory, mode=0o666)
    os.link(directory.path_of("mail.zip"), tmp_path / "apart")
    os.fchmod(directory.fd, permissions)
    assert mode(run(directory, os.stat(directory.path_of("mail.zip")))) == kept


@root_only
def test_what_is_asked_for_wins_over_what_was_there(directory: Directory) -> None:
    asked = FileAttributes(owner=5, mode=lambda _st_mode: 0o604)
    result = run(directory, put_old(directory, gid=54322, mode=0o666), asked)
    assert (result.st_uid, result.st_gid, mode(result)) == (5, 54322, 0o604)


@root_only
def test_the_owner_that_is_asked_for_is_trusted(tmp_path: pathlib.Path) -> None:
    with Directory(str(tmp_path), 54321) as directory:
        result = run(directory, put_old(directory, uid=54321, gid=54322, mode=0o660), FileAttributes(owner=54321))
    assert (result.st_uid, result.st_gid, mode(result)) == (54321, 54322, 0o660)


@root_only
def test_a_group_that_cannot_be_kept_gets_no_rights(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, uid: int, gid: int) -> t.NoReturn:
        raise PermissionError(1, "Operation not permitted")

    old = put_old(directory, gid=54322, mode=0o664)
    monkeypatch.setattr(os, "fchown", refuse)
    result = run(directory, old)
    assert (result.st_uid, result.st_gid, mode(result)) == (os.geteuid(), os.getegid(), 0o604)


@root_only
def test_a_group_that_is_asked_for_gets_the_rights_of_the_old_one(directory: Directory) -> None:
    result = run(directory, put_old(directory, gid=54322, mode=0o640), FileAttributes(group=7))
    assert (result.st_gid, mode(result)) == (7, 0o640)


# u::rw-, u:1:r--, g::---, m::r--, o::---, as the kernel writes it (acl(5), linux/posix_acl_xattr.h)
_ACL = struct.pack("<I" + 5 * "HHI", 2, 1, 6, 2**32 - 1, 2, 4, 1, 4, 0, 2**32 - 1, 16, 4, 2**32 - 1, 32, 0, 2**32 - 1)


def test_the_rights_of_named_users_do_not_become_those_of_the_group(directory: Directory) -> None:
    put_old(directory, mode=0o600)
    try:
        os.setxattr(directory.path_of("mail.zip"), "system.posix_acl_access", _ACL)
    except OSError:
        pytest.skip("no ACLs on this file system")
    old = os.stat(directory.path_of("mail.zip"))
    assert mode(old) == 0o640  # the mask; the group itself has no rights
    assert mode(run(directory, old)) == 0o600


Look = tuple[str, int, int, int]  # name, mode, uid, gid


@pytest.fixture
def seen(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> set[Look]:
    """All that was to be seen of partials, before and after every call that changes something."""
    looks: set[Look] = set()

    def inspect_again() -> None:
        with os.scandir(directory.path) as entries:
            stats = ((entry.name, entry.stat()) for entry in entries if entry.name.startswith("."))
            looks.update((name[:6], mode(result), result.st_uid, result.st_gid) for name, result in stats)

    def watched(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **options: t.Any) -> t.Any:
            inspect_again()
            result = real(*arguments, **options)
            inspect_again()
            return result

        return call

    for name in ("open", "pwrite", "fchmod", "chmod", "fchown", "chown", "rename", "unlink"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    return looks


@pytest.mark.fault("F18")
def test_a_mode_that_is_asked_for_is_never_exceeded(directory: Directory, seen: set[Look]) -> None:
    asked = FileAttributes(os.geteuid(), os.getegid(), lambda _st_mode: 0o640)
    run(directory, put_old(directory, mode=0o666), asked)
    assert {inspect_again[:2] for inspect_again in seen} == {
        (name, m) for name in (".mail.", ".note.") for m in (0o600, 0o640)
    }


@root_only
def test_a_mode_that_is_kept_comes_after_the_owner_it_is_meant_for(directory: Directory, seen: set[Look]) -> None:
    run(directory, put_old(directory, mode=0o664, gid=54322), FileAttributes(owner=54321))
    assert {inspect_again[1:] for inspect_again in seen if inspect_again[1] != 0o600} == {(0o664, 54321, 54322)}


# --- what goes wrong ---


def test_a_partial_that_was_exchanged_is_never_published(directory: Directory) -> None:
    def exchange(_st_mode: int) -> int:
        path = pathlib.Path(directory.path_of(".mail."))
        path.unlink()
        path.write_bytes(b"planted")
        return 0o644

    with pytest.raises(StorwareError) as caught:
        run(directory, put_old(directory), FileAttributes(mode=exchange))
    assert caught.value.code == "concurrent_change"
    assert pathlib.Path(directory.path_of("mail.zip")).read_bytes() == OLD


def test_a_partial_that_was_exchanged_gets_no_attributes(directory: Directory) -> None:
    """They may make it readable for others, or executable."""
    with PartialFile.create(directory, ".mail.") as partial:
        path = pathlib.Path(partial.path)
        path.unlink()
        path.write_bytes(b"planted")
        path.chmod(0o600)
        publish.apply_attributes(partial, "mail.zip", directory, None, FileAttributes(mode=lambda _st_mode: 0o644))
    assert mode(path.stat()) == 0o600


def test_a_partial_that_is_exchanged_while_it_is_brought_to_the_disk_is_never_published(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PartialFile.sync

    def sync(self: PartialFile) -> None:
        real(self)
        os.unlink(self.path)
        pathlib.Path(self.path).write_bytes(b"planted")

    old = put_old(directory)
    monkeypatch.setattr(PartialFile, "sync", sync)
    with pytest.raises(StorwareError) as caught:
        run(directory, old)
    assert caught.value.code == "concurrent_change"
    assert pathlib.Path(directory.path_of("mail.zip")).read_bytes() == OLD


def test_another_run_that_is_faster_is_noticed(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Directory.rename

    def rename(self: Directory, old: str, new: str, target: Directory | None = None) -> None:
        pathlib.Path(self.path_of("theirs")).write_bytes(b"theirs")
        real(self, "theirs", old)
        real(self, old, new, target)

    monkeypatch.setattr(Directory, "rename", rename)
    with pytest.raises(StorwareError) as caught:
        run(directory)
    assert caught.value.code == "concurrent_change"
    assert receipt.read(directory, "mail.zip") is None


def test_another_run_between_file_and_receipt_gets_no_receipt_of_ours(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Directory.rename

    def rename(self: Directory, old: str, new: str, target: Directory | None = None) -> None:
        if new.endswith(".sha256"):
            pathlib.Path(self.path_of("theirs")).write_bytes(b"theirs")
            real(self, "theirs", "mail.zip")
        real(self, old, new, target)

    monkeypatch.setattr(Directory, "rename", rename)
    with pytest.raises(StorwareError) as caught:
        run(directory)
    assert caught.value.code == "concurrent_change"
    assert directory.names() == ["mail.zip"]


class Crash(BaseException):
    """Ends the run as SIGKILL would: nothing of ours runs afterwards."""


# How often each call is made when a file with a receipt is replaced
_CALLS = {"fdatasync": 1, "fsync": 5, "rename": 2, "unlink": 1, "fchmod": 2, "fchown": 2}
_POINTS = [(name, number) for name, calls in _CALLS.items() for number in range(1, calls + 1)]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("name", "number"), _POINTS)
def test_a_crash_at_any_step_leaves_no_receipt_beside_other_bytes(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, name: str, number: int, after: bool
) -> None:
    old = put_old(directory)
    real, count = getattr(os, name), 0

    def call(*arguments: t.Any, **options: t.Any) -> None:
        nonlocal count
        count += 1
        if count == number and not after:
            raise Crash
        real(*arguments, **options)
        if count == number:
            raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(PartialFile, "close", lambda self: None)  # a killed process cleans nothing up
        patched.setattr(os, name, call)
        with pytest.raises(Crash):
            run(directory, old)
    content = pathlib.Path(directory.path_of("mail.zip")).read_bytes()
    assert content in (OLD, NEW)
    beside = receipt.read(directory, "mail.zip")
    assert beside is None or beside.sha256 == sha256(content)
    assert beside is None or beside.guid == (GUID if content == NEW else OTHER_GUID)


def test_the_order_of_the_steps(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    with monkeypatch.context() as patched:
        for name in ("fdatasync", "fsync", "rename", "unlink"):
            patched.setattr(os, name, _noting(steps, name))
        run(directory, put_old(directory))
    assert steps == [
        "fdatasync a file", "fsync a file", "fsync a file", "unlink mail.zip.sha256", "fsync the directory",
        "rename mail.zip", "fsync the directory", "rename mail.zip.sha256", "fsync the directory",
    ]  # fmt: skip


def test_from_another_directory_of_the_file_system(
    directory: Directory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The final directory is the one that has to be brought to the disk."""
    (tmp_path / "apart").mkdir()
    synced: list[os.stat_result] = []
    fsync = os.fsync

    def noting(fd: int) -> None:
        synced.append(os.fstat(fd))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noting)
    with Directory(str(tmp_path / "apart")) as place:
        run(directory, put_old(directory), place=place)
        assert place.names() == []
    directories = [found for found in synced if stat.S_ISDIR(found.st_mode)]
    assert len(directories) == 3
    assert all(os.path.samestat(found, tmp_path.stat()) for found in directories)


def _noting(steps: list[str], name: str) -> t.Callable[..., t.Any]:
    real = getattr(os, name)

    def call(*arguments: t.Any, **options: t.Any) -> t.Any:
        if name in ("fdatasync", "fsync"):
            is_directory = stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            steps.append(f"{name} {'the directory' if is_directory else 'a file'}")
        else:
            steps.append(f"{name} {arguments[-1]}")
        return real(*arguments, **options)

    return call
