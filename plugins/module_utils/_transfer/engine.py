# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One download's bytes become one verified file, or nothing happens.

Carries out what ``inspection`` has decided. Knows nothing of Ansible and nothing of the server's API: bytes come from
openers, attributes from a function.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
import time
import typing as t
from dataclasses import dataclass

from .._errors import StorwareError
from . import names, publish, receipt, source, verify
from .directory import Directory, explaining
from .inspection import File, Finding, Job
from .partial import Partial, check_space, partial_stem, remove_stale
from .receipt import Receipt
from .source import NotAFile, Opener, Source
from .verify import Digests

_EXTENSIONS: t.Final = {"zip": ".zip", "pst": ".pst", None: ".bin"}


@dataclass(frozen=True)
class Outcome:
    """What was fetched. source: the label of the opener. seconds: from the request to the last sync."""

    file: File
    source: str
    seconds: float


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
    response = opener(source.REQUEST_HEADERS, None)
    try:
        answer = source.judge(response)
        _check_format(answer, finding.name or names.safe_name(answer.claims.name, ""))
    except BaseException:
        response.close()
        raise
    return answer


def _check_format(answer: Source, name: str) -> None:
    """A file whose name promises a known format must start like one."""
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
    """Say what was tried, what is there now and what to do next."""
    error.message = f"Cannot fetch the cloud download {job.guid} to {finding.path}: {error.message}"
    error.hint = f"{_state(finding)} {error.hint or 'Run the task again.'}"
    error.details = {"path": finding.path, **error.details}


def _state(finding: Finding) -> str:
    now = finding.directory.stat(finding.name) if finding.name else None
    if now is None:
        return "Nothing was kept."
    is_old = finding.old is not None and os.path.samestat(now, finding.old)
    return "The file that was there is unchanged." if is_old else f"{finding.path} is a new file now."
