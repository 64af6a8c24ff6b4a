# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkpoint of a partial file: whose it is, what it is a part of, and how far it can be trusted.

Each checkpoint is a new file that replaces the one before: a crash or power loss leaves one or the other, whole. The
lock of the transfer lies on this file and goes over to the new one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import re
import secrets
import stat
import typing as t
from dataclasses import dataclass

from ..._errors import OptionError
from ..verification import LEVELS, Checksum
from .directory import Directory, close, kind_of, lock, write_all
from .process import ProcessIdentity

STATE: t.Final = "state"  # what the name of every such file ends with
STRONG: t.Final = "strong"
WEAK: t.Final = "weak"
_LARGEST: t.Final = 16 * 1024  # bytes; the longest of all fields make some 3,000
_SCHEMA: t.Final = 1
_NO_ROOM: t.Final = (errno.ENOSPC, errno.EDQUOT)
_DIGEST: t.Final = re.compile(r"[0-9a-f]{64}")
_MOST_TIMES: t.Final = 2**31
_FIELD: t.Final = re.compile(r"[\x20-\x7e\x80-\xff]*")  # what a header field may hold
TOKEN: t.Final = re.compile(r"[0-9a-f]{8}")


class UntrustedFile(Exception):
    """The file with the name of a checkpoint is not of this module's making; the text says what it is."""

    def __init__(self, what: str, found: os.stat_result) -> None:
        super().__init__(what)
        self.found = found


@dataclass(frozen=True)
class Refusal:
    """Content that came whole and was refused as damaged.

    prefix: of the transfer; a user who may rename files in the directory could otherwise give it to another one. level:
    that was asked for. times: that the content with this digest came in a row. is_announced: whether its length was.
    """

    prefix: str
    sha256: str
    level: str
    times: int
    is_announced: bool


@dataclass(frozen=True)
class Checkpoint:
    """token: of the run whose partial this is about. process: that run's; None once it has ended in order.

    What is known of the content on the server: source (which address sends it), validator (a strong one, for
    If-Range), length, name, digest (``algorithm:hex``). The first offset bytes are on the disk and have the digest
    sha256. splice_evidence: how the parts of several answers were proved to belong together (empty, strong or weak).
    refusal: of the content that an earlier run has fetched.
    """

    token: str
    process: ProcessIdentity | None
    source: str = ""
    validator: str | None = None
    length: int | None = None
    name: str | None = None
    digest: str | None = None
    offset: int = 0
    sha256: str = ""
    splice_evidence: str = ""
    refusal: Refusal | None = None

    @property
    def can_be_continued(self) -> bool:
        """Whether the rest can be asked for, and proved to be the rest of the same content."""
        return self.offset > 0 and (self.length is not None or self.validator is not None)


class CheckpointFile:
    """An open checkpoint file. Opened by ``create`` or ``open``; the caller closes it."""

    def __init__(self, directory: Directory, name: str, fd: int) -> None:
        self.directory = directory
        self.name = name
        self.fd = fd

    @classmethod
    def create(cls, directory: Directory, name: str, checkpoint: Checkpoint) -> CheckpointFile:
        """Create a locked file. Raises FileExistsError, also when another run takes it before it is locked."""
        created = cls(directory, name, directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if not created.lock() or not created.is_in_place():
            created.close()
            raise FileExistsError(name)
        try:
            write_all(created.fd, _render(checkpoint), 0)
        except BaseException:
            created.close()
            directory.remove(name)
            raise
        return created

    @classmethod
    def open(cls, directory: Directory, name: str) -> CheckpointFile:
        """Open the file that is there. Raises FileNotFoundError, UntrustedFile, OSError."""
        there = directory.stat(name)
        if there is None:
            raise FileNotFoundError(name)
        if not stat.S_ISREG(there.st_mode):
            raise UntrustedFile(kind_of(there.st_mode), there)
        try:
            fd = directory.open(name, os.O_RDWR)
        except PermissionError as error:
            raise UntrustedFile("a file of another user", there) from error
        found = cls(directory, name, fd)
        try:
            _check_own(os.fstat(fd))
        except (UntrustedFile, FileNotFoundError):
            found.close()
            raise
        return found

    def lock(self) -> bool:
        """Lock the file; return whether no other process holds it. Where there are no locks, none can."""
        return lock(self.fd)

    def read(self) -> Checkpoint | None:
        """The checkpoint; None if the file holds no good one."""
        return _parse(os.pread(self.fd, _LARGEST, 0))

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the file by a new one, which is on the disk before it gets the name.

        A run that still has the old file open cannot write into the new one. A full disk has no room for a new file, so
        the block of the old one is written over: a power loss in between costs the kept bytes, whose digest would not
        match. Raises FileNotFoundError when the name is another file's by now, and OSError.
        """
        # Random: others who read the directory cannot take the name first.
        name = f"{self.name.removesuffix(STATE)}{secrets.token_hex(4)}.{STATE}"
        try:
            new = CheckpointFile.create(self.directory, name, checkpoint)
        except OSError as error:
            if error.errno not in _NO_ROOM or not self.is_in_place():
                raise
            write_all(self.fd, _render(checkpoint).ljust(os.fstat(self.fd).st_size), 0)
            os.fsync(self.fd)
            return
        try:
            os.fsync(new.fd)
            if not self.is_in_place():
                raise FileNotFoundError(errno.ENOENT, "another run has taken it over", self.name)
            self.directory.rename(name, self.name)
        except BaseException:
            new.remove()
            new.close()
            raise
        self.fd, new.fd = new.fd, self.fd
        new.close()
        self.directory.sync()

    def is_in_place(self) -> bool:
        """Whether the name is still this file's."""
        return self.directory.has(self.name, self.fd)

    def remove(self) -> None:
        """Remove it, unless the name is another file's by now."""
        if self.is_in_place():
            self.directory.remove(self.name)

    def close(self) -> None:
        """Give the descriptor and the lock back. May be called twice."""
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1


def _check_own(found: os.stat_result) -> None:
    """Raise UntrustedFile for a file that others can change, too."""
    if found.st_nlink == 0:
        raise FileNotFoundError("another run has just exchanged it")
    if found.st_uid != os.geteuid():
        raise UntrustedFile("a file of another user", found)
    if found.st_nlink > 1:
        raise UntrustedFile("a file with other names", found)


def _render(checkpoint: Checkpoint) -> bytes:
    return json.dumps({"schema": _SCHEMA, **dataclasses.asdict(checkpoint)}).encode("ascii")


def _parse(text: bytes) -> Checkpoint | None:
    with contextlib.suppress(AttributeError, ValueError, TypeError, KeyError, RecursionError, OptionError):
        fields = json.loads(text)
        if fields.pop("schema") == _SCHEMA:
            return _checkpoint(fields)
    return None


def _checkpoint(fields: dict[str, t.Any]) -> Checkpoint:
    """Raises ValueError, TypeError, KeyError or OptionError for what no run of this version has written."""
    process, refusal = fields.pop("process"), fields.pop("refusal", None)
    checkpoint = Checkpoint(
        process=_process(**process) if process else None,
        refusal=None if refusal is None else _refusal(**refusal),
        **fields,
    )
    for name in ("token", "source", "sha256", "splice_evidence"):
        _check_type(getattr(checkpoint, name), str)
    for name in ("validator", "name", "digest"):
        _check_type(getattr(checkpoint, name), str, type(None))
    if checkpoint.digest is not None:
        Checksum.parse(checkpoint.digest)
    has_digest = _check_type(checkpoint.offset, int) == 0 or _DIGEST.fullmatch(checkpoint.sha256)
    if checkpoint.splice_evidence not in ("", WEAK, STRONG):
        raise ValueError("no evidence")
    fits = checkpoint.offset >= 0 and (_check_type(checkpoint.length, int, type(None)) or 0) >= 0
    if (
        not TOKEN.fullmatch(checkpoint.token)
        or not _FIELD.fullmatch(checkpoint.validator or "")
        or not has_digest
        or not fits
    ):
        raise ValueError("no checkpoint")
    return checkpoint


def _process(pid: t.Any, **names: t.Any) -> ProcessIdentity:
    if not 0 < _check_type(pid, int) < 2**31:  # others mean several processes, or none
        raise ValueError("no process")
    return ProcessIdentity(pid, **{name: _check_type(value, str) for name, value in names.items()})


def _refusal(**fields: t.Any) -> Refusal:
    refusal = Refusal(**fields)
    _check_type(refusal.prefix, str)
    _check_type(refusal.is_announced, bool)
    is_digest = _DIGEST.fullmatch(_check_type(refusal.sha256, str))
    if (
        not is_digest
        or _check_type(refusal.level, str) not in LEVELS
        or not 0 < _check_type(refusal.times, int) < _MOST_TIMES
    ):
        raise ValueError("no refusal")
    return refusal


def _check_type(value: t.Any, *types: type) -> t.Any:
    if type(value) not in types:  # not isinstance: true is an int, too
        raise TypeError(type(value))
    return value
