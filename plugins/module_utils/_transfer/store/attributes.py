# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group, permissions, security context and flags of a file: set through its descriptor, and read back.

Where others may write to a directory, a path can lead to another file at any moment; a descriptor cannot.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import platform
import stat
import struct
import typing as t
from dataclasses import dataclass

from ..._errors import OptionError
from . import receipt
from .directory import HINTS, Directory, concurrent_change, translate_os_errors, user_name

PRIVATE: t.Final = 0o600

GROUP_BITS: t.Final = 0o070
_OTHERS: t.Final = 0o077  # the permissions of everybody but the owner
_LABEL: t.Final = "security.selinux"  # the extended attribute with the security context
_NO_LABEL: t.Final = (errno.ENODATA, errno.ENOTSUP)
# How systems refuse an attribute: to this user, for this file, or with this value
_REFUSALS: t.Final = (errno.EPERM, errno.EACCES, errno.EROFS, errno.EINVAL, errno.ENOTSUP, errno.ENOTTY)
_MAY: t.Final = {
    "owner": "Only root may give a file to another user.",
    "group": "The owner of a file may give it to groups that they are a member of, and root to any.",
    "mode": "Only its owner and root may set the permissions of a file.",
}

# FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of linux/fs.h; some processors have the two bits for the direction the other way.
_READ, _WRITE = (2, 1) if not platform.machine().startswith(("ppc", "mips", "sparc", "alpha")) else (1, 2)
_GET_FLAGS: t.Final = _READ << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | 1
_SET_FLAGS: t.Final = _WRITE << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | 2
# The letters of chattr(1), and their bits in linux/fs.h
_FLAGS: t.Final[t.Mapping[str, int]] = {
    "s": 0x1, "u": 0x2, "c": 0x4, "S": 0x8, "i": 0x10, "a": 0x20, "d": 0x40, "A": 0x80, "m": 0x400, "j": 0x4000,
    "t": 0x8000, "D": 0x10000, "T": 0x20000, "C": 0x800000, "x": 0x2000000, "P": 0x20000000, "F": 0x40000000,
}  # fmt: skip
_EXTENTS: t.Final = "e"  # shown by lsattr(1), and not for users to change


@dataclass(frozen=True)
class Access:
    """The access to a file: the numbers of its owner and group, and its permission bits."""

    uid: int
    gid: int
    mode: int

    @classmethod
    def of(cls, fd: int) -> Access:
        """That of an open file."""
        found = os.fstat(fd)
        return cls(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))

    def apply(self, fd: int, path: str) -> None:
        """Set it where it differs. At no moment does anybody get more than before or after.

        path: for messages. Raises OptionError, for the attribute that the system refuses, and OSError.
        """
        now = Access.of(fd)
        if (now.uid, now.gid) != (self.uid, self.gid):
            option, value = ("group", self.gid) if now.uid == self.uid else ("owner", self.uid)
            with _setting(option, str(value), path):
                if now.mode & ~self.mode & _OTHERS:
                    os.fchmod(fd, now.mode & self.mode)
                os.fchown(fd, -1 if now.uid == self.uid else self.uid, -1 if now.gid == self.gid else self.gid)
        with _setting("mode", f"{self.mode:04o}", path):
            _set_mode(fd, self.mode)

    def check(self, fd: int, directory: Directory) -> None:
        """Raise OptionError for a file in the directory that has another owner or group, or gives others more."""
        left = Access.of(fd)
        for option, has, asked in (("owner", left.uid, self.uid), ("group", left.gid, self.gid)):
            if has != asked:
                raise not_kept(directory, option, str(has), str(asked))
        if left.mode & ~self.mode & _OTHERS:
            raise not_kept(directory, "mode", f"{left.mode:04o}", f"{self.mode:04o}")


@dataclass(frozen=True)
class FileAttributes:
    """The attributes that the user asks for; None for any that he does not.

    owner, group: numbers. mode: gives the permission bits, for the ``st_mode`` of the file as it is. label: gives the
    security context, for the final path of a file, the context that it has, and whether the file is new. flags: as
    chattr(1) takes them.
    """

    owner: int | None = None
    group: int | None = None
    mode: t.Callable[[int], int] | None = None
    label: t.Callable[[str, str, bool], str] | None = None
    flags: str | None = None

    @property
    def has_access(self) -> bool:
        """Whether owner, group or mode are asked for."""
        return (self.owner, self.group, self.mode) != (None, None, None)

    def access(self, now: Access) -> Access:
        """What is asked for, of a file that has that now."""
        return Access(
            now.uid if self.owner is None else self.owner,
            now.gid if self.group is None else self.group,
            now.mode if self.mode is None else self.mode(stat.S_IFREG | now.mode),
        )


def ensure_attributes(
    directory: Directory,
    name: str,
    found: os.stat_result,
    asked: FileAttributes,
    *,
    check_mode: bool,
    option: str = "dest",
) -> bool:
    """Bring an existing file to what is asked for, and its receipt to the same owner, group and mode.

    Returns whether they differ(ed). found: the file that was found there. check_mode: nothing is changed. Raises
    StorwareError; OptionError, for the option that names the place, for a file that differs and belongs to another user
    or has other names: it may be anything that another user has put there.
    """
    beside = receipt.receipt_name(name)
    with translate_os_errors(f"set the attributes of {directory.path_of(name)}"):
        with directory.reading(name) as file:
            if not os.path.samestat(os.fstat(file), found):
                raise concurrent_change(f"{directory.path_of(name)} was exchanged by another process")
            access = asked.access(Access.of(file))
            changed = _ensure(file, directory, name, access, asked, check_mode=check_mode, option=option)
        if asked.has_access and receipt.read(directory, name):
            with directory.reading(beside) as note:
                # Not just any file of ours, to which another user has given this name.
                known = receipt.in_file(note)
                if known is not None and known.name == name:
                    access = _permit(access, Access.of(note), asked)
                    rest = dataclasses.replace(asked, flags=None)
                    changed |= _ensure(note, directory, beside, access, rest, check_mode=check_mode, option=option)
        return changed


def _permit(access: Access, now: Access, asked: FileAttributes) -> Access:
    """What a receipt gets that has the access now: that of its file, less an owner or group that only root could give.

    Another user has given the file such a one; the task does not ask for it.
    """
    if os.geteuid() == 0:
        return access
    uid = now.uid if asked.owner is None else access.uid
    if asked.group is not None or access.gid in (now.gid, os.getegid(), *os.getgroups()):
        return Access(uid, access.gid, access.mode)
    return Access(uid, now.gid, access.mode & ~GROUP_BITS)


def _ensure(
    fd: int, directory: Directory, name: str, access: Access, asked: FileAttributes, *, check_mode: bool, option: str
) -> bool:
    """The same for one open file; access: what it should have."""
    path = directory.path_of(name)
    before = _access, now_label, now_flags = _state(fd, path, asked)
    label = asked.label(path, now_label, False) if asked.label and now_label else now_label
    if before == (access, label, flags_after(asked.flags, now_flags)):
        return False
    _check_ours(fd, directory, name, option)
    if check_mode:
        return True
    set_label(fd, path, asked, is_new=False)
    access.apply(fd, path)
    access.check(fd, directory)
    set_flags(fd, path, asked)
    return _state(fd, path, asked) != before


def _state(fd: int, path: str, asked: FileAttributes) -> tuple[Access, str, int]:
    """Access, label and flags of a file; empty and 0 for what is not asked for, or not there."""
    with _setting("attributes", asked.flags or "", path):
        flags = _flags_of(fd) if asked.flags else 0
    return Access.of(fd), _label_of(fd) if asked.label else "", flags


@contextlib.contextmanager
def _setting(option: str, value: str, path: str) -> t.Iterator[None]:
    """Turn the system's refusal of an attribute into an OptionError. A fault, such as a full disk, stays an OSError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        rule = _MAY.get(option, "") if error.errno in (errno.EPERM, errno.EACCES) else ""
        refused = OptionError(
            option,
            f"{value} cannot be set for {path}: {error.strerror}",
            hint=f"{rule} {HINTS.get(error.errno, '')}".strip(),
        )
        refused.details["errno"] = errno.errorcode[error.errno]
        raise refused from error


def _check_ours(fd: int, directory: Directory, name: str, option: str) -> None:
    found = os.fstat(fd)
    if not directory.trusts(found.st_uid):
        raise OptionError(
            option,
            f"{directory.path_of(name)} belongs to {user_name(found.st_uid)}; its attributes are left as they are",
            hint="Remove the file, or give it to the owner that the task asks for.",
        )
    if not directory.trusts_file(found):
        raise OptionError(
            option,
            f"{directory.path_of(name)} has other names (hard links); its attributes are left as they are",
            hint="Remove the file, or those names; or let no other user write to the directory.",
        )


def _set_mode(fd: int, mode: int) -> None:
    found = os.fstat(fd)
    if stat.S_IMODE(found.st_mode) == mode:
        return
    try:
        os.fchmod(fd, mode)
    except PermissionError:
        # A file system without permissions refuses it, too. All that matters there is what others get, which check()
        # reads back.
        if os.geteuid() not in (0, found.st_uid) or mode & ~found.st_mode & _OTHERS:
            raise


def not_kept(directory: Directory, option: str, has: str, asked: str) -> OptionError:
    """The error for a directory in which files have an attribute of the file system's choice. has: its value there."""
    return OptionError(
        option,
        f"a file in {directory.path} has {option} {has} there, and not {asked}: the file system has its own rules",
        hint=f"Set {option} to '{has}' to accept that, mount the file system otherwise, or choose another dest.",
    )


def set_label(fd: int, path: str, asked: FileAttributes, *, is_new: bool) -> None:
    """Give a file that has, or will have, this path its security context. Raises OSError."""
    current = _label_of(fd) if asked.label else ""
    if asked.label and current and (wanted := asked.label(path, current, is_new)) != current:
        os.setxattr(fd, _LABEL, wanted.encode() + b"\0")


def _label_of(fd: int) -> str:
    """The security context; empty where files have none."""
    try:
        return os.getxattr(fd, _LABEL).rstrip(b"\0").decode()
    except OSError as error:
        if error.errno not in _NO_LABEL:
            raise
        return ""


def set_flags(fd: int, path: str, asked: FileAttributes) -> None:
    """Set or remove flags (``attributes``) as chattr(1) does. path: for messages. Raises OptionError, OSError."""
    # Not chattr itself, which takes a path, and no symbolic link such as /proc/self/fd/3.
    if asked.flags:
        with _setting("attributes", asked.flags, path):
            now = _flags_of(fd)
            wanted = flags_after(asked.flags, now)
            if wanted != now:
                fcntl.ioctl(fd, _SET_FLAGS, struct.pack("i4x", wanted))


def flags_after(text: str | None, now: int) -> int:
    """The flags that a file with flags has after ``chattr`` with this text: letters after ``+``, ``-`` or ``=``."""
    if not text:
        return now
    operation, letters = (text[0], text[1:]) if text[0] in "+-=" else ("=", text)
    unknown = set(letters) - {*_FLAGS, _EXTENTS}
    if unknown:
        raise OptionError("attributes", f"unknown letters in {text!r}: {', '.join(sorted(unknown))}")
    bits = sum(_FLAGS[letter] for letter in set(letters) - {_EXTENTS})
    if operation == "-":
        return now & ~bits
    return bits | (now if operation == "+" else now & ~sum(_FLAGS.values()))


def _flags_of(fd: int) -> int:
    flags: int = struct.unpack("i4x", fcntl.ioctl(fd, _GET_FLAGS, bytes(8)))[0]
    return flags
