# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private partial: where the bytes lie until they are proved, beside the place where they will go.

Readable by its owner only from its first instant, made anew and never through a link (R9).
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
import typing as t

from .._errors import StorwareError
from .directory import Directory, digest_of, explaining, fitted

_SUFFIX: t.Final = ".part"


def partial_name(name: str, identity: str) -> str:
    """``.NAME.HASH.part``; identity tells downloads apart (server and guid), also where NAME has to be shortened."""
    return fitted(name, f".{digest_of(identity, 16)}{_SUFFIX}", prefix=".")


class Partial:
    """A new file that is removed at the end of the ``with`` block, unless it was given its final name by then."""

    def __init__(self, directory: Directory, name: str) -> None:
        self.directory = directory
        self.name = name
        self.path = directory.path_of(name)
        with explaining(f"create {self.path}"):
            self.fd = _create(directory, name)

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        """Append all of it."""
        rest = memoryview(data)
        with explaining(f"write {self.path}"):
            while rest:
                rest = rest[os.write(self.fd, rest) :]

    def sync(self) -> None:
        """Make the bytes and attributes durable. After a failure they are not to be trusted (R14)."""
        with explaining(f"bring {self.path} to the disk"):
            os.fsync(self.fd)

    def is_in_place(self, name: str) -> bool:
        """Whether this very file has that name. Another run may have put its own there."""
        there = self.directory.stat(name)
        return there is not None and os.path.samestat(there, os.fstat(self.fd))

    def close(self) -> None:
        """Remove the file if it still has its first name, and give the descriptor back. May be called twice."""
        if self.fd < 0:
            return
        try:
            if self.is_in_place(self.name):
                self.directory.remove(self.name)
        except OSError:
            pass  # what is left behind is private, and the next run replaces it
        finally:
            os.close(self.fd)
            self.fd = -1


def _create(directory: Directory, name: str) -> int:
    _remove_stale(directory, name)
    try:
        return directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _refused(directory, name, "another run is making it right now") from None


def _remove_stale(directory: Directory, name: str) -> None:
    """Remove what an earlier run has left. Anything that no run of ours can have made is refused (F12)."""
    there = directory.stat(name)
    if there is None:
        return
    if not stat.S_ISREG(there.st_mode):
        raise _refused(directory, name, f"it is {kind_of(there.st_mode)}")
    if there.st_uid != os.geteuid():
        raise _refused(directory, name, f"it belongs to {_user(there.st_uid)}")
    if there.st_nlink != 1:
        raise _refused(directory, name, "it has another name elsewhere (a hard link)")
    directory.remove(name)


def check_space(directory: Directory, size: int) -> None:
    """Raise StorwareError (``disk_full``) if so many bytes do not fit."""
    with explaining(f"ask for the free space of {directory.path}"):
        free = directory.free()
    if free is not None and free < size:
        raise StorwareError(
            f"the file needs {size} bytes, and {directory.path} has {free} bytes free",
            code="disk_full",
            hint="Free some space or choose another dest.",
            details={"needed": size, "free": free, "errno": errno.errorcode[errno.ENOSPC]},
        )


def kind_of(mode: int) -> str:
    """What a file is, in words."""
    kinds = (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISCHR, "a character device"),
    )
    return next((words for matches, words in kinds if matches(mode)), "a regular file")


def _refused(directory: Directory, name: str, why: str) -> StorwareError:
    return StorwareError(
        f"Refusing to use {directory.path_of(name)}: {why}",
        code="partial_refused",
        hint="If no other run is at work, remove it by hand and find out who made it.",
    )


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with the number {uid}"
