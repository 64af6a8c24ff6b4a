# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory, opened once: every file in it is reached through its descriptor and never through a symbolic link.

A user who exchanges the directory or a name in it during the run cannot redirect what is written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import pwd
import stat
import typing as t

from ... import _private
from ..._errors import OptionError, StorwareError

NAME_LIMIT: t.Final = 255  # bytes of one file name (NAME_MAX of the usual file systems)

_RESERVED_SHARE: t.Final = 100  # one percent of a file system stays free,
_LARGEST_RESERVE: t.Final = 256 * 1024 * 1024  # but no more bytes

_NO_SYNC: t.Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
# How file systems say that they have no hard links (AFS: from another directory), or a policy that one may not be made
_NO_LINKS: t.Final = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EMLINK, errno.EXDEV)


class Directory:
    """An open directory. Use it as a context manager, or call ``close``. All names are single path components.

    owner: the number of the user whose files are trusted besides those of this user and of root; None: no other user's.
    """

    def __init__(self, path: str, owner: int | None = None) -> None:
        self.path = path
        self.owner = owner
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back. May be called twice."""
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def path_of(self, name: str) -> str:
        """The full path of a name, for messages and for functions that want a path."""
        return os.path.join(self.path, name)

    def names(self) -> list[str]:
        """What is in the directory, sorted."""
        return sorted(os.listdir(self.fd))

    def entries(self) -> list[tuple[str, int]]:
        """The name and the number of all that is in the directory."""
        with os.scandir(self.fd) as found:
            return [(entry.name, entry.inode()) for entry in found]

    def stat(self, name: str) -> os.stat_result | None:
        """What the name itself is; None when there is nothing."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def trusts(self, uid: int) -> bool:
        """Whether files of the user with this number count here."""
        return _private.is_trusted(uid, self.owner)

    def trusts_file(self, found: os.stat_result) -> bool:
        """Whether a file here counts: also none that another user can have given a further name here."""
        return self.trusts(found.st_uid) and (found.st_nlink == 1 or not self._is_shared)

    @property
    def _is_shared(self) -> bool:
        """Whether other users may add names."""
        found = os.fstat(self.fd)
        return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) or not self.trusts(found.st_uid)

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """A descriptor of the name; a symbolic link is an error, a FIFO does not block."""
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode, dir_fd=self.fd)

    @contextlib.contextmanager
    def reading(self, name: str) -> t.Iterator[int]:
        """A descriptor for reading a regular file. OSError (EINVAL) for anything else."""
        fd = self.open(name, os.O_RDONLY)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            yield fd
        finally:
            close(fd)

    def remove(self, name: str) -> None:
        """Remove the name; fine if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)

    def rename(self, old: str, new: str, target: Directory | None = None) -> None:
        """Give a file another name at once, here or in another directory, in place of what has that name."""
        os.rename(old, new, src_dir_fd=self.fd, dst_dir_fd=(target or self).fd)

    def rename_new(self, old: str, new: str, target: Directory) -> None:
        """Give a file another name that nothing has yet. Raises FileExistsError; several runs may try at a time."""
        try:
            os.link(old, new, src_dir_fd=self.fd, dst_dir_fd=target.fd, follow_symlinks=False)
        except FileExistsError:
            there, ours = target.stat(new), self.stat(old)
            if there is None or ours is None or not os.path.samestat(there, ours):
                raise  # or else NFS has repeated a request of which the answer was lost
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return target._rename_to_reserved(self, old, new)
        return self.remove(old)

    def _rename_to_reserved(self, source: Directory, old: str, new: str) -> None:
        """The same where there are no hard links. A kill in between leaves an empty file."""
        reserved = self.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            if not self.has(new, reserved):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
            source.rename(old, new, self)
        except BaseException:
            if self.has(new, reserved):
                self.remove(new)
            raise
        finally:
            close(reserved)

    def has(self, name: str, fd: int) -> bool:
        """Whether the name is that of this open file. Others may have put their own there."""
        there = self.stat(name)
        return there is not None and os.path.samestat(there, os.fstat(fd))

    def is_writable(self) -> bool:
        """Whether this user may create files here, as far as the system says so without a try."""
        return os.access(".", os.W_OK | os.X_OK, dir_fd=self.fd)

    def sync(self) -> None:
        """Make names durable, where the file system can (some network and FUSE file systems cannot)."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise

    def space(self) -> tuple[int, int] | None:
        """Bytes that are free for this user, and those of them that a download leaves to others; None: not known."""
        found = os.statvfs(self.fd)
        if not found.f_blocks:
            return None
        reserve = min(found.f_blocks * found.f_frsize // _RESERVED_SHARE, _LARGEST_RESERVE)
        return found.f_bavail * found.f_frsize, reserve


def open_existing(path: str, owner: int | None) -> Directory:
    """The directory that the option ``path`` names. owner: a further trusted user. Raises OptionError."""
    try:
        return Directory(path, owner)
    except (ValueError, OSError) as error:  # ValueError: a NUL, or characters that the host's locale does not know
        raise OptionError("path", f"{path!r} cannot be read ({error})") from error


def write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of it there, however little the system takes at a time."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest = rest[written:]
        offset += written


def close(fd: int) -> None:
    """Give a descriptor back. An error says nothing then: the bytes that matter were synced before."""
    with contextlib.suppress(OSError):
        os.close(fd)


def lock(fd: int, operation: int = fcntl.LOCK_EX) -> bool:
    """Lock a file until it is closed; return whether no other process has it. Where there are no locks, none can."""
    # Not lockf as well: both are one kind of lock on NFS, and would exclude each other.
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def translate_os_errors(doing: str) -> t.Iterator[None]:
    """Turn an error of the operating system into one that users understand; doing completes "Cannot ..."."""
    try:
        yield
    except OSError as error:
        raise _failure(error, doing) from error


def _failure(error: OSError, doing: str) -> StorwareError:
    number = error.errno or 0
    code = _CODES.get(number, "file_system")
    return StorwareError(
        f"Cannot {doing}: {error.strerror or error}",
        code=code,
        hint=HINTS.get(number, ""),
        retryable=code == "concurrent_change",
        details={"errno": errno.errorcode.get(number, "")},
    )


_ONE_AT_A_TIME: t.Final = "Let one task at a time fetch to a dest, and run it again."
_GONE: t.Final = f"Another process has removed it. {_ONE_AT_A_TIME}"
_CODES: t.Final = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.ENOENT: "concurrent_change",
    errno.ESTALE: "concurrent_change",  # NFS
}
HINTS: t.Final = {
    errno.ENOENT: _GONE,
    errno.ESTALE: _GONE,
    errno.ENOSPC: "Free some space or choose another dest.",
    errno.EDQUOT: "The quota is used up; free some space or choose another dest.",
    errno.EFBIG: "The limit for the size of a file is reached (ulimit, or the file system's own).",
    errno.EACCES: "The user that the task runs as may not write there; see become.",
    errno.EPERM: "The user that the task runs as may not do that, or the file is immutable (lsattr).",
    errno.EROFS: "The file system is mounted read-only.",
    errno.EIO: "The disk or the network file system has a fault; see the system's log.",
}


def concurrent_change(what: str) -> StorwareError:
    """The error of a run whose files are another one's by now; what says how that was noticed."""
    return StorwareError(what, code="concurrent_change", hint=_ONE_AT_A_TIME, retryable=True)


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


def user_name(uid: int) -> str:
    """The name of the user with this number, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def truncate_name(name: str, suffix: str, prefix: str = "") -> str:
    """prefix + name + suffix, the name shortened and marked with a digest where the whole would be too long."""
    whole = prefix + name + suffix
    if len(os.fsencode(whole)) <= NAME_LIMIT:
        return whole
    mark = "~" + digest_of(name, 8)
    room = NAME_LIMIT - len(os.fsencode(prefix + mark + suffix))
    # A character that is cut in two would be no valid name on some file systems.
    short = os.fsencode(name)[:room].decode("utf-8", "ignore")
    return prefix + short + mark + suffix


def digest_of(text: str, length: int) -> str:
    """The first hex digits of the text's SHA-256."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:length]
