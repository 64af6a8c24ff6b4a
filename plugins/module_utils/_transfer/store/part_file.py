# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private file: where bytes lie until they are proved, in the directory where they will go or in another one.

Readable by its owner only from its first instant, and under a name that no other run has: two runs never write into
one file, whether locks work or not. What an earlier run has left is taken over by giving it a new name, which can
succeed only once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..._errors import StorwareError
from .directory import Directory, close, translate_os_errors, write_all

SUFFIX: t.Final = ".part"


class PartialFile:
    """A private file that is removed at the end of the ``with`` block, unless it got its final name or is kept."""

    def __init__(self, directory: Directory, name: str, fd: int) -> None:
        self.directory = directory
        self.name = name
        self.path = directory.path_of(name)
        self.fd = fd
        self.is_doubtful = False  # after a failed sync it is unknown which bytes the disk has
        self._kept = False

    @classmethod
    def create(cls, directory: Directory, name: str) -> PartialFile:
        """A new and empty file."""
        with translate_os_errors(f"create {directory.path_of(name)}"):
            created = cls(directory, name, directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                created._make_private()
            except BaseException:
                created.close()
                raise
            return created

    @classmethod
    def adopt(cls, directory: Directory, old: str, name: str) -> PartialFile | None:
        """The file that an earlier run has left as old, renamed; None if it is not there or not such a file."""
        with contextlib.suppress(OSError):
            adopted = cls(directory, old, directory.open(old, os.O_RDWR))
            found = os.fstat(adopted.fd)
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1:
                with contextlib.suppress(OSError):
                    directory.rename(old, name)
                    adopted.name, adopted.path = name, directory.path_of(name)
                    if adopted.is_in_place(name):
                        adopted._make_private()  # it may have the attributes of its final name already
                        return adopted
            close(adopted.fd)
        return None

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes that it takes already."""
        return os.fstat(self.fd).st_size

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of it there."""
        with translate_os_errors(f"write {self.path}"):
            write_all(self.fd, data, offset)

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to size bytes; fewer only at the end of the file."""
        pieces = []
        with translate_os_errors(f"read {self.path}"):
            while size and (piece := os.pread(self.fd, size, offset)):
                pieces.append(piece)
                offset += len(piece)
                size -= len(piece)
        return b"".join(pieces)

    def truncate(self, size: int) -> None:
        """Drop all bytes behind size."""
        with translate_os_errors(f"truncate {self.path}"):
            os.ftruncate(self.fd, size)

    def sync_data(self) -> None:
        """Make the bytes durable, and as much of the attributes as reading them back needs."""
        self._sync_by(os.fdatasync)

    def sync(self) -> None:
        """Make the bytes and attributes durable."""
        self._sync_by(os.fsync)

    def _sync_by(self, call: t.Callable[[int], None]) -> None:
        with translate_os_errors(f"sync {self.path}"):
            try:
                call(self.fd)
            except OSError:
                self.is_doubtful = True
                raise

    def is_in_place(self, name: str, directory: Directory | None = None) -> bool:
        """Whether this very file has that name. Another run may have put its own there."""
        return (directory or self.directory).has(name, self.fd)

    def preserve(self) -> None:
        """Leave it where it is at the end, as private as it was made."""
        self._kept = True
        with contextlib.suppress(OSError):
            self._make_private()
            os.fchown(self.fd, os.geteuid(), os.getegid())

    def _make_private(self) -> None:
        """Take from others what they have: a rule of the directory may have given it."""
        if stat.S_IMODE(os.fstat(self.fd).st_mode) != 0o600:
            with contextlib.suppress(PermissionError):  # a file system without permissions; publish refuses that
                os.fchmod(self.fd, 0o600)

    def close(self) -> None:
        """Remove the file if it still has its first name and is not kept, and give the descriptor back."""
        if self.fd < 0:
            return
        try:
            if not self._kept and self.is_in_place(self.name):
                self.directory.remove(self.name)
        except OSError:
            pass  # what is left behind is private, and the next run replaces it
        finally:
            close(self.fd)
            self.fd = -1


def check_space(directory: Directory, size: int = 0) -> None:
    """Raise StorwareError (``disk_full``) if so many more bytes do not fit, or would leave less than the reserve."""
    with translate_os_errors(f"ask for the free space of {directory.path}"):
        space = directory.space()
    if space is None:
        return
    free, reserve = space
    if free - reserve < size:
        needs = f"the file needs {size} bytes" if size else "the file needs more"
        raise StorwareError(
            f"{needs}, and {directory.path} has {free} bytes free, of which {reserve} are left to others",
            code="disk_full",
            hint="Free some space or choose another dest.",
            details={"needed": size or None, "free": free, "errno": errno.errorcode[errno.ENOSPC]},
        )
