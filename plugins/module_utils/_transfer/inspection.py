# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inspect the destination and decide. No network, and nothing is written.

The decision itself is one pure function over facts; check mode is this file without ``download.fetch``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
import typing as t
from dataclasses import dataclass, field

from .._errors import OptionError, StorwareError
from . import formats, verification
from .http.body import Opener, Redact
from .limits import LimitSettings, TransferLimits
from .store import publish, receipt
from .store.attributes import FileAttributes
from .store.directory import Directory, kind_of, translate_os_errors, user_name
from .store.receipt import Origin, Receipt
from .structure import CheckTime, no_limit
from .verification import Checksum

# Reasons. The first group means that content has to be fetched.
MISSING: t.Final = "missing"
SIZE: t.Final = "size"
CHECKSUM: t.Final = "checksum"
GUID: t.Final = "guid"
FORCED: t.Final = "forced"
UNCHANGED: t.Final = "unchanged"
KEPT: t.Final = "kept"

# Stages.
COMPARING: t.Final = "comparing the existing file"
READING: t.Final = "reading the bytes of an earlier run"
CONNECTING: t.Final = "connecting"
RECEIVING: t.Final = "receiving"
VERIFYING: t.Final = "verifying"

NEVER: t.Final = "never"
DIFFERENT: t.Final = "different"
ALWAYS: t.Final = "always"

_PSEUDO: t.Final = re.compile(r"/(proc|sys|dev(?!/shm/))/")  # /dev/shm is the one place for files below /dev
_CREATE: t.Final = "Create the directory first; this module does not."


class TransferProgress(t.NamedTuple):
    """The progress of a transfer.

    name: of the file as far as it is known. stage: what is done. offset, size: bytes; size None while it is not known.
    received: bytes that came in this run. attempt: of the attempts that the request for the next byte may take.
    """

    name: str
    stage: str
    offset: int
    size: int | None
    received: int = 0
    attempt: int = 1
    attempts: int = 1


@dataclass
class Known:
    """What the files of a task have found out for each other, in the one directory that they go to.

    receipts: as ``receipt.find`` has read them. has_rehearsed: whether one has been given the attributes of new files.
    """

    receipts: receipt.Known = field(default_factory=dict)
    has_rehearsed: bool = False


@dataclass(frozen=True)
class Job:
    """One download and its destination.

    dest: a file, or a directory that exists. identity: tells this download from any other (server and guid).
    openers: who can send the content, by label; tried in this order while the answer is no file.
    level: how much of the content is verified: full, structure or length. overwrite: never, different or always.
    attributes: those that the file gets. tmp_dest: where bytes lie until they are proved; the directory of dest if
    None. connections: ranges at a time. max_size: bytes that the file may have; None: as many as are announced.
    origin: for the receipt. known: what the files of the task share. check_stop: raises StorwareError when the task is
    to end.
    redact: takes secrets out of a text. report_progress: is called now and then
    with a function that returns the progress, which any thread may call until the next one.
    """

    guid: str
    dest: str
    identity: str
    openers: t.Sequence[tuple[str, Opener]]
    attributes: FileAttributes = field(default_factory=FileAttributes)
    checksum: Checksum | None = None
    level: str = "structure"
    overwrite: str = DIFFERENT
    allow_unverified: bool = False
    tmp_dest: str | None = None
    connections: int = 1
    max_size: int | None = None
    origin: Origin = field(default_factory=Origin)
    known: Known = field(default_factory=Known)
    limit_settings: LimitSettings = field(default_factory=LimitSettings)
    check_stop: CheckTime = no_limit
    redact: Redact = str
    report_progress: t.Callable[[t.Callable[[], TransferProgress]], None] = lambda _progress: None

    @functools.cached_property
    def limits(self) -> TransferLimits:
        """The one clock of the whole job, which starts when it is asked for first: by ``inspect``."""
        return TransferLimits(self.limit_settings, check_stop=self.check_stop)


@dataclass(frozen=True)
class FileFacts:
    """The existing file. digest: reads the file and gives its digest in hex, by algorithm. is_trusted: whose it is."""

    exists: bool
    size: int | None
    receipt: Receipt | None
    digest: t.Callable[[str], str | None]
    is_trusted: bool = True


@dataclass(frozen=True)
class File:
    """The file as it is, or as it is known. Sizes in bytes; None: not known. Last three: as in ``structure.Proof``."""

    path: str
    size: int | None
    sha256: str | None
    verified: str
    format: str | None
    padding: int = 0
    # Known only where this task has read the structure
    entries: int | None = field(default=None, compare=False)
    unpacked_size: int | None = field(default=None, compare=False)


class Inspection:
    """The result of ``inspect``: what was found and decided; holds the directory open until ``close``.

    name: of the file; None while only the directory is known. is_directory: whether dest is one. old: the file that is
    there.
    """

    def __init__(self, directory: Directory, name: str | None) -> None:
        self.directory = directory
        self.is_directory = name is None
        self.name = name
        self.old: os.stat_result | None = None
        self.receipt: Receipt | None = None
        self.reason = MISSING

    def __enter__(self) -> Inspection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the directory back."""
        self.directory.close()

    def reading(self) -> contextlib.AbstractContextManager[int]:
        """A descriptor for reading the file that is there."""
        return self.directory.reading(self.name or "")

    @property
    def needs_content(self) -> bool:
        """Whether ``fetch`` has something to do."""
        return self.reason not in (UNCHANGED, KEPT)

    @property
    def path(self) -> str:
        """The path of the file; of the directory while the name is not known."""
        return self.directory.path if self.name is None else self.directory.path_of(self.name)


def decide(job: Job, facts: FileFacts) -> str:
    """Return the reason to fetch, or not to. Pure but for ``facts.digest``, called only where nothing else decides."""
    if not facts.exists:
        return MISSING
    if job.overwrite != DIFFERENT:
        return KEPT if job.overwrite == NEVER else FORCED
    if not facts.is_trusted:
        return GUID
    if job.checksum:
        return UNCHANGED if facts.digest(job.checksum.algorithm) == job.checksum.digest else CHECKSUM
    if facts.receipt is None or facts.receipt.guid != job.guid.lower():
        return GUID
    if facts.size != facts.receipt.size:
        return SIZE
    if job.level == "length" or facts.digest("sha256") == facts.receipt.sha256:
        return UNCHANGED
    return CHECKSUM


def inspect(job: Job) -> Inspection:
    """Inspect dest and decide. Sends nothing and writes nothing. The caller closes the inspection.

    Raises OptionError for a dest that cannot work.
    """
    inspected = locate(job)
    try:
        if job.tmp_dest is not None:
            open_tmp_dest(job.tmp_dest, inspected.directory).close()
        inspect_again(job, inspected)
    except BaseException:
        inspected.close()
        raise
    return inspected


def inspect_again(job: Job, inspected: Inspection) -> None:
    """Inspect the existing file and decide, for the first time or again."""
    with translate_os_errors(f"read {inspected.path}"):
        if inspected.is_directory:
            inspected.receipt = receipt.find(inspected.directory, job.guid, job.known.receipts)
            inspected.name = inspected.receipt.name if inspected.receipt else None
        if inspected.name is not None:
            _inspect_file(inspected, inspected.name)
        name = inspected.name or job.guid
        job.report_progress(
            lambda: TransferProgress(name, COMPARING, 0, inspected.old.st_size if inspected.old else None)
        )
        try:
            inspected.reason = decide(job, _facts(inspected, job.limits))
        except StorwareError as error:
            if error.code == "timeout":
                error.message = f"Cannot compare {inspected.path} with the cloud download {job.guid}: {error.message}"
            raise
        if inspected.needs_content and inspected.name is not None:
            publish.check_replaceable(inspected.name, inspected.directory)


def open_tmp_dest(path: str, directory: Directory) -> Directory:
    """The directory for partials. The caller closes it. Raises OptionError."""
    real = os.path.abspath(path)
    _check_parent(real, "tmp_dest")
    try:
        place = Directory(real)
    except OSError as error:
        raise OptionError("tmp_dest", f"the directory {real} cannot be used: {error.strerror}") from error
    try:
        with translate_os_errors(f"compare {real} with {directory.path}"):
            is_apart = os.fstat(place.fd).st_dev != os.fstat(directory.fd).st_dev
        if is_apart:
            raise OptionError(
                "tmp_dest",
                f"{real} is on another file system than {directory.path}",
                hint="A file gets its name in one step only within a file system.",
            )
    except BaseException:
        place.close()
        raise
    return place


def check_writable(directory: Directory, option: str) -> None:
    """Raise OptionError for the directory that this option names if the user of the task may not create files there."""
    if not directory.is_writable():
        raise OptionError(
            option,
            f"{user_name(os.geteuid())} may not create files in {directory.path}",
            hint="Choose another directory, or another user (become); or the file system is mounted read-only.",
        )


def describe(job: Job, inspected: Inspection) -> File:
    """The file that stays as it is, after ``inspect`` has found nothing to fetch."""
    known = inspected.receipt if inspected.reason == UNCHANGED else None
    sha256, verified = (known.sha256, known.verified) if known else (None, "none")
    if inspected.reason == UNCHANGED and job.checksum:
        verified = "digest"
        sha256 = job.checksum.digest if job.checksum.algorithm == "sha256" else None
    elif known and known.verified != "none" and job.level == "length":
        verified = "length"
    with translate_os_errors(f"read {inspected.path}"), inspected.reading() as fd:
        format = formats.name_of(os.pread(fd, formats.HEAD, 0))
        size = os.fstat(fd).st_size
    return File(inspected.path, size, sha256, verified, format)


def locate(job: Job) -> Inspection:
    """Which directory and, for a dest that is a file, which name; nothing is inspected yet. Raises OptionError."""
    if not job.dest:
        raise OptionError("dest", "must not be empty")
    path = os.path.abspath(job.dest)
    is_directory = os.path.isdir(path)
    if not is_directory:
        _check_file(path, job.dest)
    parent = path if is_directory else os.path.dirname(path)
    _check_parent(parent, "dest")
    try:
        directory = Directory(parent, job.attributes.owner)
    except OSError as error:
        raise OptionError("dest", f"the directory {parent} cannot be used: {error.strerror}") from error
    return Inspection(directory, None if is_directory else os.path.basename(path))


def _check_file(path: str, dest: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except (ValueError, OSError) as error:  # ValueError: a NUL, or characters that the host's locale does not know
        raise OptionError("dest", f"{dest!r} is no usable path ({error})") from error
    if not stat.S_ISREG(mode):
        raise OptionError("dest", f"{path} is {kind_of(mode)}; it must be a regular file or a directory")
    if dest.endswith("/"):
        raise OptionError("dest", f"{dest} is no directory that exists", hint=_CREATE)


def _check_parent(parent: str, option: str) -> None:
    if not os.path.isdir(parent):
        what = "is no directory" if os.path.lexists(parent) else "does not exist"
        raise OptionError(option, f"the directory {parent} {what}", hint=_CREATE)
    real = os.path.realpath(parent) + "/"
    if _PSEUDO.match(real):
        raise OptionError(option, f"{parent} is a directory of the kernel, not for files")


def _inspect_file(inspected: Inspection, name: str) -> None:
    inspected.old = inspected.directory.stat(name)
    if inspected.old and not stat.S_ISREG(inspected.old.st_mode):
        raise OptionError("dest", f"{inspected.path} is {kind_of(inspected.old.st_mode)}; it must be a regular file")
    beside = inspected.directory.stat(receipt.receipt_name(name))
    if beside and stat.S_ISDIR(beside.st_mode):
        raise OptionError(
            "dest", f"{inspected.directory.path_of(receipt.receipt_name(name))} is a directory in the way"
        )
    inspected.receipt = receipt.read(inspected.directory, name)


def _facts(inspected: Inspection, limits: TransferLimits) -> FileFacts:
    old = inspected.old

    def digest(algorithm: str) -> str | None:
        with inspected.reading() as fd:
            is_old = old is not None and os.path.samestat(os.fstat(fd), old)  # it may have been exchanged just now
            return verification.digest_of_file(fd, algorithm, limits.check) if is_old else None

    is_trusted = old is None or inspected.directory.trusts(old.st_uid)
    return FileFacts(old is not None, old.st_size if old else None, inspected.receipt, digest, is_trusted)
