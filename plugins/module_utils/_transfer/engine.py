# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One download's bytes become one verified file, or nothing happens.

``inspect`` looks at what is there (no network) and decides; ``fetch`` carries it out. Check mode is the first alone.
Knows nothing of Ansible and nothing of the server's API: bytes come from openers, attributes from a function.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import stat
import time
import typing as t
from dataclasses import dataclass, field

from .._errors import OptionError, StorwareError
from . import names, publish, receipt, source, verify
from .directory import Directory, explaining, kind_of
from .partial import Partial, check_space, partial_stem, remove_stale
from .publish import Dress
from .receipt import Receipt
from .source import NotAFile, Opener, Source
from .verify import Checksum, Digests

# Reasons. The first group means that content has to be fetched.
MISSING: t.Final = "missing"
SIZE: t.Final = "size"
CHECKSUM: t.Final = "checksum"
GUID: t.Final = "guid"
FORCED: t.Final = "forced"
UNCHANGED: t.Final = "unchanged"
KEPT: t.Final = "kept"

NEVER: t.Final = "never"
DIFFERENT: t.Final = "different"
ALWAYS: t.Final = "always"

_PSEUDO: t.Final = re.compile(r"/(proc|sys|dev(?!/shm/))/")  # /dev/shm is the one place for files below /dev
_CREATE: t.Final = "Create the directory first; this module does not."
_EXTENSIONS: t.Final = {"zip": ".zip", "pst": ".pst", None: ".bin"}


@dataclass(frozen=True)
class Job:
    """One download and where it shall go.

    dest: a file, or a directory that exists. identity: tells this download from any other (server and guid).
    openers: who can send the content, by label; tried in this order while the answer is no file.
    level: how much of the content is verified: full, structure or length. overwrite: never, different or always.
    """

    guid: str
    dest: str
    identity: str
    openers: t.Sequence[tuple[str, Opener]]
    dress: Dress = field(default_factory=lambda: Dress((), lambda path, dest: None))
    checksum: Checksum | None = None
    level: str = "structure"
    overwrite: str = DIFFERENT
    allow_unverified: bool = False


@dataclass(frozen=True)
class Facts:
    """What is there. digest: reads the file and gives its digest in hex, by algorithm."""

    exists: bool
    size: int | None
    receipt: Receipt | None
    digest: t.Callable[[str], str | None]


@dataclass(frozen=True)
class File:
    """The file as it is, or as it is known. Sizes in bytes; None: not known."""

    path: str
    size: int | None
    sha256: str | None
    verified: str
    format: str | None


@dataclass(frozen=True)
class Outcome:
    """What was fetched. source: the label of the opener. seconds: from the request to the last sync."""

    file: File
    source: str
    seconds: float


class Finding:
    """What ``inspect`` has found and decided; holds the directory open until ``close``.

    name: of the file; None while only the directory is known. old: the file that is there.
    """

    def __init__(self, directory: Directory, name: str | None) -> None:
        self.directory = directory
        self.name = name
        self.old: os.stat_result | None = None
        self.receipt: Receipt | None = None
        self.reason = MISSING

    def __enter__(self) -> Finding:
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


def decide(job: Job, facts: Facts) -> str:
    """The reason to fetch, or not to. Pure but for ``facts.digest``, which is asked only where nothing else tells."""
    if not facts.exists:
        return MISSING
    if job.overwrite != DIFFERENT:
        return KEPT if job.overwrite == NEVER else FORCED
    if job.checksum:
        return UNCHANGED if facts.digest(job.checksum.algorithm) == job.checksum.digest else CHECKSUM
    if facts.receipt is None or facts.receipt.guid != job.guid.lower():
        return GUID
    if facts.size != facts.receipt.size:
        return SIZE
    if job.level == "length" or facts.digest("sha256") == facts.receipt.sha256:
        return UNCHANGED
    return CHECKSUM


def inspect(job: Job) -> Finding:
    """Look at dest and decide. Sends nothing and writes nothing. The caller closes the finding.

    Raises OptionError for a dest that cannot work.
    """
    finding = _locate(job)
    try:
        with explaining(f"read {finding.path}"):
            if finding.name is None:
                finding.receipt = receipt.find(finding.directory, job.guid)
                finding.name = finding.receipt.name if finding.receipt else None
            if finding.name is not None:
                _look(finding, finding.name)
            finding.reason = decide(job, _facts(finding))
    except BaseException:
        finding.close()
        raise
    return finding


def describe(job: Job, finding: Finding) -> File:
    """The file that stays as it is, after ``inspect`` has found nothing to fetch."""
    known = finding.receipt if finding.reason == UNCHANGED else None
    sha256, verified = (known.sha256, known.verified) if known else (None, "none")
    if finding.reason == UNCHANGED and job.checksum:
        verified = "digest"
        sha256 = job.checksum.digest if job.checksum.algorithm == "sha256" else None
    elif known and job.level == "length":
        verified = "length"
    with explaining(f"read {finding.path}"), finding.reading() as fd:
        format = verify.detect(os.pread(fd, 16, 0))
        size = os.fstat(fd).st_size
    return File(finding.path, size, sha256, verified, format)


def fetch(job: Job, finding: Finding) -> Outcome:
    """Fetch, prove and publish. Raises StorwareError; the file that was there is then as it was."""
    started = time.monotonic()
    stem = _stem(job, finding)
    try:
        _rehearse(job, finding, stem)
        label, answer = _first_file(job, finding)
        with answer:
            file = _receive(job, finding, answer, stem)
    except StorwareError as error:
        _complete(error, job, finding)
        raise
    return Outcome(file, label, time.monotonic() - started)


def _locate(job: Job) -> Finding:
    """Which directory and, for a dest that is a file, which name."""
    if not job.dest:
        raise OptionError("dest", "must not be empty")
    path = os.path.abspath(job.dest)
    is_directory = os.path.isdir(path)
    if not is_directory:
        _check_file(path, job.dest)
    parent = path if is_directory else os.path.dirname(path)
    _check_parent(parent)
    try:
        directory = Directory(parent)
    except OSError as error:
        raise OptionError("dest", f"the directory {parent} cannot be used: {error.strerror}") from error
    return Finding(directory, None if is_directory else os.path.basename(path))


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


def _check_parent(parent: str) -> None:
    if not os.path.isdir(parent):
        what = "is no directory" if os.path.lexists(parent) else "does not exist"
        raise OptionError("dest", f"the directory {parent} {what}", hint=_CREATE)
    real = os.path.realpath(parent) + "/"
    if _PSEUDO.match(real):
        raise OptionError("dest", f"{parent} is a directory of the kernel, not for files")


def _look(finding: Finding, name: str) -> None:
    finding.old = finding.directory.stat(name)
    if finding.old and not stat.S_ISREG(finding.old.st_mode):
        raise OptionError("dest", f"{finding.path} is {kind_of(finding.old.st_mode)}; it must be a regular file")
    beside = finding.directory.stat(receipt.receipt_name(name))
    if beside and stat.S_ISDIR(beside.st_mode):
        raise OptionError("dest", f"{finding.directory.path_of(receipt.receipt_name(name))} is a directory in the way")
    finding.receipt = receipt.read(finding.directory, name)


def _facts(finding: Finding) -> Facts:
    def digest(algorithm: str) -> str | None:
        with finding.reading() as fd:
            return verify.digest_of_file(fd, algorithm)

    old = finding.old
    return Facts(old is not None, old.st_size if old else None, finding.receipt, digest)


def _stem(job: Job, finding: Finding) -> str:
    # In a directory the server's name comes only with the answer; what was left has to be found before that.
    return partial_stem(finding.name or job.guid.lower(), job.identity)


def _rehearse(job: Job, finding: Finding, stem: str) -> None:
    """Make and dress an empty partial: what cannot be written or owned is found before anything is sent."""
    with explaining(f"read {finding.directory.path}"):
        remove_stale(finding.directory, stem)
    with Partial(finding.directory, stem) as scratch:
        publish.put_on(scratch, finding.name or job.guid, finding.old, job.dress)


def _first_file(job: Job, finding: Finding) -> tuple[str, Source]:
    """The first answer that is a file. Raises NotAFile with what each of them was."""
    answers: dict[str, NotAFile] = {}
    for label, opener in job.openers:
        try:
            return label, _opened(opener, finding)
        except NotAFile as error:
            answers[label] = error
    raise NotAFile(
        "; ".join(f"{label} {error.message}" for label, error in answers.items()),
        hint="See whether storware.backup.cloud_download_info lists the download with finished_mount=true.",
        details={"answers": {label: error.message for label, error in answers.items()}},
    )


def _opened(opener: Opener, finding: Finding) -> Source:
    response = opener(source.REQUEST_HEADERS)
    try:
        answer = source.judge(response)
        _check_format(answer, finding.name or names.safe_name(answer.claims.name, ""))
    except BaseException:
        response.close()
        raise
    return answer


def _check_format(answer: Source, name: str) -> None:
    """A file whose name promises a known format must start like one (C5)."""
    promised = names.extension_of(name)
    if answer.head and promised in ("zip", "pst") and verify.detect(answer.head) != promised:
        start = answer.head[:8]
        raise NotAFile(f"sent something that is no {promised.upper()} file as {name} (it starts with {start!r})")


def _receive(job: Job, finding: Finding, answer: Source, stem: str) -> File:
    if answer.claims.length is not None:
        check_space(finding.directory, answer.claims.length)
    format = verify.detect(answer.head)
    algorithms = [checksum.algorithm for checksum in (job.checksum, answer.claims.digest) if checksum]
    digests = Digests(algorithms)
    with Partial(finding.directory, stem) as partial:
        _copy(answer, partial, digests)
        with explaining(f"read {partial.path}"):
            verified = verify.prove(
                partial.fd,
                answer.count,
                verify.Wanted(job.level, job.checksum, job.allow_unverified),
                announced=answer.claims.length,
                digests=digests,
                claimed=answer.claims.digest,
                format=format,
            )
        sha256 = digests.hex("sha256") or ""
        finding.name = name = finding.name or _free_name(job, finding, answer, sha256)
        note = Receipt(name, job.guid.lower(), answer.count, sha256, verified)
        with Partial(finding.directory, stem) as note_partial:
            note_partial.write(receipt.render(note, datetime.datetime.now(datetime.timezone.utc)))
            publish.publish(partial, note_partial, name, finding.old, job.dress)
    return File(finding.path, answer.count, sha256, verified, format)


def _copy(answer: Source, partial: Partial, digests: Digests) -> None:
    """Read, hash, write: the one loop that all bytes pass."""
    for piece in answer.pieces():
        digests.update(piece)
        partial.write(piece)


def _free_name(job: Job, finding: Finding, answer: Source, sha256: str) -> str:
    """The name for a file in a directory, chosen when it is published: never that of anything else."""
    fallback = job.guid.lower() + _EXTENSIONS[verify.detect(answer.head)]
    wanted = names.safe_name(answer.claims.name, fallback)
    for name in names.names_for(wanted, job.guid.lower()):
        if _is_free(finding.directory, name) or _holds(finding.directory, name, answer.count, sha256):
            return name
    raise StorwareError(
        f"all names for the file are taken by others, such as {finding.directory.path_of(wanted)}",
        code="name_taken",
        hint="Give a file as dest.",
    )


def _is_free(directory: Directory, name: str) -> bool:
    return directory.stat(name) is None and directory.stat(receipt.receipt_name(name)) is None


def _holds(directory: Directory, name: str, size: int, sha256: str) -> bool:
    """Whether the name holds these very bytes and no receipt: a run that died between its last two steps left them."""
    there = directory.stat(name)
    if there is None or not stat.S_ISREG(there.st_mode) or there.st_size != size:
        return False
    if directory.stat(receipt.receipt_name(name)) is not None:
        return False
    with contextlib.suppress(OSError), directory.reading(name) as fd:
        return verify.digest_of_file(fd, "sha256") == sha256
    return False


def _complete(error: StorwareError, job: Job, finding: Finding) -> None:
    """Say what was tried, what is there now and what to do next (I10)."""
    error.message = f"Cannot fetch the cloud download {job.guid} to {finding.path}: {error.message}"
    error.hint = f"{_state(finding)} {error.hint or 'Run the task again.'}"
    error.details = {"path": finding.path, **error.details}


def _state(finding: Finding) -> str:
    now = finding.directory.stat(finding.name) if finding.name else None
    if now is None:
        return "Nothing was kept."
    is_old = finding.old is not None and os.path.samestat(now, finding.old)
    return "The file that was there is unchanged." if is_old else f"{finding.path} is a new file now."
