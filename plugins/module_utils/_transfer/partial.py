# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private partial: where the bytes lie until they are proved, beside the place where they will go.

Readable by its owner only from its first instant, and made anew under a name that no other run has: two runs never
write into one file, whether locks work or not. A lock only tells a partial at work from one that was left behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import typing as t

from .._errors import StorwareError
from .directory import Directory, digest_of, explaining, fitted

_SUFFIX: t.Final = ".part"
_TOKEN_SIZE: t.Final = 4  # bytes; twice as many hex digits


def partial_stem(name: str, identity: str) -> str:
    """``.NAME.HASH.``: what the names of all partials of a download for NAME start with.

    identity tells downloads apart (server and guid), also where NAME has to be shortened.
    """
    rest = "0" * 2 * _TOKEN_SIZE + _SUFFIX
    return fitted(name, f".{digest_of(identity, 16)}.{rest}", prefix=".").removesuffix(rest)


def remove_stale(directory: Directory, stem: str) -> None:
    """Remove what killed runs have left. Anything but a plain file is neither used nor touched."""
    pattern = re.compile(f"{re.escape(stem)}[0-9a-f]{{{2 * _TOKEN_SIZE}}}{re.escape(_SUFFIX)}")
    for name in filter(pattern.fullmatch, directory.names()):
        with contextlib.suppress(OSError), directory.reading(name) as fd:
            if _lock(fd):
                directory.remove(name)


def _lock(fd: int) -> bool:
    """Whether nobody else holds this file. Where there are no locks, nobody can."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have none, or only for writers
        return True
    return True


class Partial:
    """A new file that is removed at the end of the ``with`` block, unless it was given its final name by then."""

    def __init__(self, directory: Directory, stem: str) -> None:
        self.directory = directory
        self.name = stem + secrets.token_hex(_TOKEN_SIZE) + _SUFFIX
        self.path = directory.path_of(self.name)
        with explaining(f"create {self.path}"):
            self.fd = directory.open(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            _lock(self.fd)

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
        """Make the bytes and attributes durable. After a failure they are not to be trusted."""
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
