# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a proved partial to the final name: dressed and on the disk first, then named, then vouched for.

The order is made for a crash or power loss at any point: the old file's receipt goes before the old file does, and the
new receipt comes after the new file, so that no receipt ever stands beside bytes it does not describe. A file without
a receipt is merely fetched again.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass

from .directory import Directory, explaining, overtaken
from .partial import Partial
from .receipt import receipt_name

_GROUP_BITS: t.Final = 0o070


@dataclass(frozen=True)
class Dress:
    """The attributes a file shall have.

    given: those that the user asked for, of owner, group and mode. Others are kept from the file that is replaced.
    apply: sets what was asked for on the file at a path, for its final path.
    """

    given: t.Collection[str]
    apply: t.Callable[[str, str], None]


def publish(
    partial: Partial, note: Partial, name: str, directory: Directory, old: os.stat_result | None, dress: Dress
) -> None:
    """Give the partial its name in the directory, and the note (its receipt, written) the name of the receipt.

    old: the file that is replaced. At no moment is anything readable beyond its mode, and never does a
    half-written file have the name. Raises StorwareError.
    """
    partial.sync_data()  # takes the most time, and a partial that is still plain can be continued by the next run
    put_on(partial, name, directory, old, dress)
    put_on(note, receipt_name(name), directory, old, dress)
    partial.sync()
    note.sync()
    if directory.stat(receipt_name(name)) is not None:
        with explaining(f"remove {directory.path_of(receipt_name(name))}"):
            directory.remove(receipt_name(name))
            directory.sync()
    _place(partial, name, directory)
    with explaining(f"bring {directory.path} to the disk"):
        directory.sync()  # not every file system keeps the order of two renames
    _place(note, receipt_name(name), directory)
    with explaining(f"bring {directory.path} to the disk"):
        if not partial.is_in_place(name, directory):  # another run came in between; its file stays, without our receipt
            directory.remove(receipt_name(name))
        directory.sync()
    _check_in_place(partial, name, directory)


def put_on(partial: Partial, name: str, directory: Directory, old: os.stat_result | None, dress: Dress) -> None:
    """Give the partial the attributes of its final name in the directory: owner and group before any mode."""
    _check_in_place(partial, partial.name, partial.directory)
    with explaining(f"set the attributes of {partial.path}"):
        if old:
            _keep_owner(partial, old, dress.given)
        dress.apply(partial.path, directory.path_of(name))
        if old and "mode" not in dress.given:
            _keep_mode(partial, directory.path_of(name), old, dress.given)
    _check_in_place(partial, partial.name, partial.directory)


def _keep_owner(partial: Partial, old: os.stat_result, given: t.Collection[str]) -> None:
    # Not permitted to everybody; the mode is narrowed then.
    if "owner" not in given:
        with contextlib.suppress(PermissionError):
            os.fchown(partial.fd, old.st_uid, -1)
    if "group" not in given:
        with contextlib.suppress(PermissionError):
            os.fchown(partial.fd, -1, old.st_gid)


def _keep_mode(partial: Partial, path: str, old: os.stat_result, given: t.Collection[str]) -> None:
    mode = stat.S_IMODE(old.st_mode) & 0o777
    other_group = "group" not in given and os.fstat(partial.fd).st_gid != old.st_gid
    if other_group or _has_acl(path):
        mode &= ~_GROUP_BITS  # with an ACL, these bits are the limit for named users and not the group's rights
    os.fchmod(partial.fd, mode)


def _has_acl(path: str) -> bool:
    try:
        return "system.posix_acl_access" in os.listxattr(path, follow_symlinks=False)
    except (AttributeError, OSError):  # not on this system, or not on this file system
        return False


def _place(partial: Partial, name: str, directory: Directory) -> None:
    _check_in_place(partial, partial.name, partial.directory)
    with explaining(f"put {directory.path_of(name)} in its place"):
        partial.directory.rename(partial.name, name, directory)
    _check_in_place(partial, name, directory)


def _check_in_place(partial: Partial, name: str, directory: Directory) -> None:
    if not partial.is_in_place(name, directory):
        raise overtaken(f"{directory.path_of(name)} was exchanged or removed, by another run or by somebody else")
