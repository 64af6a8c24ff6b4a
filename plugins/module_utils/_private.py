# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories that no other user of the machine can have planted, on hosts and on the controller.

Trusted are this process's user, root, and a group that the owner of a directory lets write there. Everything is opened
first and checked through its descriptor, so that it cannot be exchanged in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import typing as t

_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A directory on the way need not be readable, where the system allows that.
_STEP: t.Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: t.Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO does not block
_MOST_LINKS: t.Final = 40  # on the way to a directory, as on Linux


class UntrustedError(OSError):
    """Another user has made this file or directory, or could change it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(errno.EPERM, why, name)


def open_directory(path: str, *, create: bool = False) -> int:
    """Open a directory; no symbolic link is followed that another user can have planted.

    path: absolute. create: with mode 0700, and all that is missing on the way, as Ansible does it. Raises OSError, also
    for a relative path (EINVAL), and UntrustedError.
    """
    if not os.path.isabs(path):  # such as the home directory of a user who has none
        raise OSError(errno.EINVAL, "Is no absolute path", path)
    place = os.open("/", _STEP)
    names = path.split("/")[::-1]
    links = 0
    try:
        while names:
            name = names.pop()
            if not name:
                continue
            target = _target(name, place)
            if target is None:
                place = _replace_descriptor(place, _step(name, place, create=create))
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                place = _replace_descriptor(place, os.open("/", _STEP))
            names.extend(target.split("/")[::-1])
        return os.open(".", _DIRECTORY, dir_fd=place)
    finally:
        os.close(place)


def _target(name: str, place: int) -> str | None:
    """Where a symbolic link leads; None for anything else, and for nothing. Raises UntrustedError."""
    try:
        found = os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return None
    directory = os.fstat(place)
    if not _keeps_names(directory) or (directory.st_mode & stat.S_IWOTH and not is_trusted(found.st_uid)):
        raise UntrustedError(name, "Is a symbolic link in a directory that other users can write to")
    return os.readlink(name, dir_fd=place)


def _step(name: str, place: int, *, create: bool) -> int:
    try:
        return os.open(name, _STEP, dir_fd=place)
    except FileNotFoundError:
        if not create:
            raise
    with contextlib.suppress(FileExistsError):  # another process was faster
        os.mkdir(name, 0o700, dir_fd=place)
    return os.open(name, _STEP, dir_fd=place)


def _replace_descriptor(old: int, new: int) -> int:
    os.close(old)
    return new


def check_directory(fd: int) -> None:
    """Raise UntrustedError if other users can replace what has a name in this directory."""
    if not _keeps_names(os.fstat(fd)):
        raise UntrustedError("directory", "Belongs to another user, or can be written to by everybody")


def _keeps_names(directory: os.stat_result) -> bool:
    """Whether other users can at most add names. With the sticky bit, a name stays with the owner of its file."""
    is_open = directory.st_mode & stat.S_IWOTH and not directory.st_mode & stat.S_ISVTX
    return is_trusted(directory.st_uid) and not is_open


def is_trusted(uid: int, *owners: int | None) -> bool:
    """Whether files of the user with this number count: this user's, root's, and those of the owners (user ids).

    Anybody else may have put his there to be believed.
    """
    return uid in (0, os.geteuid(), *owners)


def make_private(name: str, place: int) -> int:
    """Make and open a directory of mode 0700. Raises FileExistsError, OSError, UntrustedError."""
    os.mkdir(name, 0o700, dir_fd=place)
    try:
        return open_private(name, place)
    except UntrustedError:  # a file system without owners and modes
        os.rmdir(name, dir_fd=place)
        raise


def open_private(name: str, place: int) -> int:
    """Open a directory that is this user's own, with mode 0700. Raises OSError, UntrustedError."""
    fd = os.open(name, _DIRECTORY, dir_fd=place)
    found = os.fstat(fd)
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        os.close(fd)
        raise UntrustedError(name, "Is no private directory of this user")
    return fd


def create_file(name: str, place: int) -> int:
    """Open a new file of mode 0600 for writing. Raises FileExistsError, OSError."""
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=place)


def open_file(name: str, place: int, *owners: int) -> int:
    """Open a regular file of this user, of root or of one of these owners (user ids) for reading.

    Raises OSError, UntrustedError.
    """
    fd = os.open(name, os.O_RDONLY | _FILE, dir_fd=place)
    found = os.fstat(fd)
    is_file = stat.S_ISREG(found.st_mode)
    if is_file and is_trusted(found.st_uid, *owners):
        return fd
    os.close(fd)
    raise UntrustedError(name, "Belongs to another user" if is_file else "Is not a regular file")


def read_file(name: str, place: int, limit: int) -> bytes:
    """The content of a regular file that only this user and root can have written.

    Raises OSError, also for more than limit bytes (EFBIG), and UntrustedError.
    """
    with open(open_file(name, place), "rb") as file:
        if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
            raise UntrustedError(name, "Can be written to by everybody")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
    return data


def replace_file(name: str, place: int, data: bytes) -> None:
    """Write a file of mode 0600 in one step, in the place of whatever has this name. Raises OSError.

    Nothing is inherited from the old one. A crash leaves the old one or the new one.
    """
    temporary = f".{secrets.token_hex(8)}.new"
    fd = create_file(temporary, place)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, name, src_dir_fd=place, dst_dir_fd=place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=place)
        raise
