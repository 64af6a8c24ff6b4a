# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidecar of a partial: whose it is, what it is a part of, and how far it can be trusted.

Two records in turn, each with its own checksum: one that was torn by a crash leaves the other one. Both have their
place on the disk from the beginning, so that a record can be written on a disk that is full.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import stat
import typing as t
from dataclasses import dataclass

from ..._errors import OptionError
from ..verification import LEVELS, Checksum
from .directory import Directory, close, kind_of, lock, write_all
from .process import ProcessIdentity

_SLOT: t.Final = 4096  # bytes; written in one piece by the usual file systems
_SCHEMA: t.Final = 1
_DIGEST: t.Final = re.compile(r"[0-9a-f]{64}")
_MOST_TIMES: t.Final = 2**31
_FIELD: t.Final = re.compile(r"[\x20-\x7e\x80-\xff]*")  # what a header field may hold
TOKEN: t.Final = re.compile(r"[0-9a-f]{8}")


class UntrustedFile(Exception):
    """What has the name of a sidecar is none that this module has made; the text says what it is."""

    def __init__(self, what: str, found: os.stat_result) -> None:
        super().__init__(what)
        self.found = found


@dataclass(frozen=True)
class Refusal:
    """Content that came whole and was refused as damaged.

    stem: of the transfer; whoever may rename files in the directory could otherwise give it to another one. level: that
    was asked for. times: that the content with this digest came in a row. is_announced: whether its length was.
    """

    prefix: str
    sha256: str
    level: str
    times: int
    is_announced: bool


@dataclass(frozen=True)
class Checkpoint:
    """token: of the run whose partial this is about. writer: that run's process; None once it has ended in order.

    What is known of the content on the server: source (which address sends it), validator (a strong one, for
    If-Range), length, name, digest (``algorithm:hex``). The first offset bytes are on the disk and have the digest
    sha256. joined: how the parts of several answers were proved to belong together (empty, strong or weak).
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
    """An open sidecar. Made by ``create`` or ``open``; the caller closes it."""

    def __init__(self, directory: Directory, name: str, fd: int) -> None:
        self.directory = directory
        self.name = name
        self.fd = fd
        self._sequence = 0

    @classmethod
    def create(cls, directory: Directory, name: str, record: Checkpoint) -> CheckpointFile:
        """A new sidecar, locked. Raises FileExistsError, also when another run takes it before it is locked."""
        made = cls(directory, name, directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if not made.lock() or not made.is_in_place():
            made.close()
            raise FileExistsError(name)
        try:
            os.pwrite(made.fd, bytes(2 * _SLOT), 0)
            made.write(record, durable=False)
        except BaseException:
            made.close()
            directory.remove(name)
            raise
        return made

    @classmethod
    def open(cls, directory: Directory, name: str) -> CheckpointFile:
        """A sidecar that is there. Raises FileNotFoundError, UntrustedFile, OSError."""
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
        """Whether nobody else holds this sidecar. Where there are no locks, nobody can."""
        return lock(self.fd)

    def read(self) -> Checkpoint | None:
        """The newest good record; None if there is none."""
        found = [_parse(os.pread(self.fd, _SLOT, place * _SLOT)) for place in (0, 1)]
        numbered = [pair for pair in found if pair is not None]
        if not numbered:
            return None
        self._sequence, record = max(numbered, key=lambda pair: pair[0])
        return record

    def write(self, record: Checkpoint, *, durable: bool = True) -> None:
        """Make this the newest record, in the place of the older one of the two."""
        self._sequence += 1
        write_all(self.fd, _render(self._sequence, record), self._sequence % 2 * _SLOT)
        if durable:
            os.fdatasync(self.fd)

    def rename(self, name: str) -> None:
        """Give it another name, in place of what has that name."""
        self.directory.rename(self.name, name)
        self.name = name

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


def _render(sequence: int, record: Checkpoint) -> bytes:
    fields = {"schema": _SCHEMA, "sequence": sequence, **dataclasses.asdict(record)}
    text = json.dumps(fields).encode("ascii")
    line = hashlib.sha256(text).hexdigest().encode() + b" " + text
    if len(line) >= _SLOT:
        raise ValueError("a record is too long")
    return line.ljust(_SLOT - 1) + b"\n"


def _parse(slot: bytes) -> tuple[int, Checkpoint] | None:
    checksum, _space, text = slot.strip().partition(b" ")
    if hashlib.sha256(text).hexdigest().encode() != checksum:
        return None
    with contextlib.suppress(AttributeError, ValueError, TypeError, KeyError, RecursionError, OptionError):
        fields = json.loads(text)
        if fields.pop("schema") == _SCHEMA:
            return _typed(fields.pop("sequence"), int), _record(fields)
    return None


def _record(fields: dict[str, t.Any]) -> Checkpoint:
    """Raises ValueError, TypeError, KeyError or OptionError for what no run of this version has written."""
    process, refusal = fields.pop("process"), fields.pop("refusal", None)
    record = Checkpoint(
        process=_process(**process) if process else None,
        refusal=None if refusal is None else _refusal(**refusal),
        **fields,
    )
    for name in ("token", "source", "sha256", "splice_evidence"):
        _typed(getattr(record, name), str)
    for name in ("validator", "name", "digest"):
        _typed(getattr(record, name), str, type(None))
    if record.digest is not None:
        Checksum.parse(record.digest)
    has_digest = _typed(record.offset, int) == 0 or _DIGEST.fullmatch(record.sha256)
    fits = record.offset >= 0 and (_typed(record.length, int, type(None)) or 0) >= 0
    if not TOKEN.fullmatch(record.token) or not _FIELD.fullmatch(record.validator or "") or not has_digest or not fits:
        raise ValueError("no record")
    return record


def _process(pid: t.Any, **names: t.Any) -> ProcessIdentity:
    if not 0 < _typed(pid, int) < 2**31:  # others mean several processes, or none
        raise ValueError("no process")
    return ProcessIdentity(pid, **{name: _typed(value, str) for name, value in names.items()})


def _refusal(**fields: t.Any) -> Refusal:
    refusal = Refusal(**fields)
    _typed(refusal.prefix, str)
    _typed(refusal.is_announced, bool)
    is_digest = _DIGEST.fullmatch(_typed(refusal.sha256, str))
    if not is_digest or _typed(refusal.level, str) not in LEVELS or not 0 < _typed(refusal.times, int) < _MOST_TIMES:
        raise ValueError("no refusal")
    return refusal


def _typed(value: t.Any, *types: type) -> t.Any:
    if type(value) not in types:  # not isinstance: true is an int, too
        raise TypeError(type(value))
    return value
