# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a proved partial to the final name: attributes set and on the disk first, then named, then vouched for.

The order is made for a crash or power loss at any point: the old file's receipt goes before the old file does, and the
new receipt comes after the new file, so that no receipt ever stands beside bytes it does not describe. A file without
a receipt is merely fetched again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from ..._errors import OptionError, StorwareError
from .attributes import GROUP_BITS, PRIVATE, Access, FileAttributes, not_kept, set_label
from .directory import Directory, concurrent_change, lock, translate_os_errors, user_name
from .part_file import PartialFile
from .receipt import receipt_name


def publish(
    partial: PartialFile,
    note: PartialFile,
    name: str,
    directory: Directory,
    old: os.stat_result | None,
    asked: FileAttributes,
    *,
    is_new: bool = False,
) -> None:
    """Give the partial its name in the directory, and the note (its receipt, written) the name of the receipt.

    old: the file that is replaced. is_new: nothing is replaced. At no moment is anything readable beyond its mode, and
    never does a half-written file have the name. Raises StorwareError; ``name_conflict`` when it is new and
    another run has just given the name to a file of its own.
    """
    partial.sync_data()  # takes the most time, and a partial that is still plain can be continued by the next run
    apply_attributes(partial, name, directory, old, asked)
    apply_attributes(note, receipt_name(name), directory, old, asked)
    partial.sync()
    note.sync()
    lock(partial.fd)  # as long as it has no receipt: is_abandoned() asks
    if not is_new and directory.stat(receipt_name(name)) is not None:  # of a new name, it would be another run's
        with translate_os_errors(f"remove {directory.path_of(receipt_name(name))}"):
            directory.remove(receipt_name(name))
            directory.sync()
    _place(partial, name, directory, is_new=is_new)
    with translate_os_errors(f"sync {directory.path}"):
        directory.sync()  # not every file system keeps the order of two renames
    _place(note, receipt_name(name), directory)
    with translate_os_errors(f"sync {directory.path}"):
        if not partial.is_in_place(name, directory):  # another run came in between; its file stays, without our receipt
            directory.remove(receipt_name(name))
        directory.sync()
    _check_in_place(partial, name, directory)


def apply_attributes(
    partial: PartialFile, name: str, directory: Directory, old: os.stat_result | None, asked: FileAttributes
) -> None:
    """Give the partial the attributes of its final name in the directory: owner and group before any mode.

    What is not asked for comes from the file that is replaced, but from none that others may have put there. Raises
    OptionError for a file system that does not keep what was set.
    """
    with translate_os_errors(f"set the attributes of {partial.path}"):
        made = Access.of(partial.fd)
        if asked.owner is None and made.uid != os.geteuid():
            raise not_kept(directory, "owner", str(made.uid), str(os.geteuid()))
        wanted = asked.access(Access(made.uid, made.gid, PRIVATE))
        if old and directory.trusts_file(old):
            wanted = _inherit(partial, name, directory, old, asked, wanted)
        set_label(partial.fd, directory.path_of(name), asked, is_new=True)
        wanted.apply(partial.fd, directory.path_of(name))
        wanted.check(partial.fd, directory)


def _inherit(
    partial: PartialFile, name: str, directory: Directory, old: os.stat_result, asked: FileAttributes, wanted: Access
) -> Access:
    """What is wanted with group and mode of the old file, where they are not asked for."""
    gid, mode = wanted.gid, wanted.mode
    if asked.group is None:
        with contextlib.suppress(PermissionError):  # not permitted to everybody; the mode is narrowed then
            os.fchown(partial.fd, -1, old.st_gid)
        gid = os.fstat(partial.fd).st_gid
    if asked.mode is None:
        mode = stat.S_IMODE(old.st_mode) & 0o777
        other_group = asked.group is None and gid != old.st_gid
        if other_group or _may_have_acl(name, directory):
            mode &= ~GROUP_BITS  # with an ACL, these bits are the limit for named users and not the group's rights
    return Access(wanted.uid, gid, mode)


def _may_have_acl(name: str, directory: Directory) -> bool:
    try:
        with directory.reading(name) as fd:
            return "system.posix_acl_access" in os.listxattr(fd)
    except AttributeError:  # not on this system
        return False
    except OSError as error:  # not on this file system; or not for this user, who cannot know then
        return error.errno != errno.ENOTSUP


def check_replaceable(name: str, directory: Directory) -> None:
    """Raise OptionError for a file or receipt that only another user may replace, as in a directory like /tmp."""
    place = os.fstat(directory.fd)
    if not place.st_mode & stat.S_ISVTX or os.geteuid() in (0, place.st_uid):
        return
    for one in (name, receipt_name(name)):
        there = directory.stat(one)
        if there is not None and there.st_uid != os.geteuid():
            raise OptionError(
                "dest",
                f"{directory.path_of(one)} belongs to {user_name(there.st_uid)}; no other user may replace it there",
                hint="Remove the file as its owner or as root, or choose another dest.",
            )


def is_abandoned(fd: int, directory: Directory) -> bool:
    """Whether an open file without receipt is what a run of ours has left that died before it could write one."""
    return directory.trusts_file(os.fstat(fd)) and lock(fd, fcntl.LOCK_SH)


def _place(partial: PartialFile, name: str, directory: Directory, *, is_new: bool = False) -> None:
    _check_in_place(partial, partial.name, partial.directory)
    with translate_os_errors(f"put {directory.path_of(name)} in its place"):
        try:
            if is_new:
                partial.directory.rename_new(partial.name, name, directory)
            else:
                partial.directory.rename(partial.name, name, directory)
        except FileExistsError as error:
            raise StorwareError(f"{directory.path_of(name)} is there by now", code="name_conflict") from error
    _check_in_place(partial, name, directory)


def _check_in_place(partial: PartialFile, name: str, directory: Directory) -> None:
    if not partial.is_in_place(name, directory):
        raise concurrent_change(f"{directory.path_of(name)} was exchanged or removed by another process")
