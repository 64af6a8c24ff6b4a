# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One download's bytes become one verified file, or what was there stays as it was.

Carries out what ``inspection`` has decided. Knows nothing of Ansible and nothing of the server's API: bytes come from
openers, attributes from a function.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
import typing as t
from dataclasses import dataclass

from .._errors import StorwareError
from . import inspection, verification
from .inspection import File, Finding, Job, Standing
from .limits import Pace
from .receive import Transfer
from .store import filenames, lock, publish, receipt, writer
from .store.attributes import set_flags
from .store.checkpoint import Refusal
from .store.directory import Directory, explaining
from .store.lock import Claim
from .store.part_file import Partial
from .store.receipt import Receipt
from .store.writer import Sink
from .structure import Proof

_UNKNOWN: t.Final = "bin"  # the extension of a file of no known format

_MOST_REFUSALS: t.Final = 2  # of the same content


@dataclass(frozen=True)
class Outcome:
    """What has come of it.

    source: the label of the opener; None when another run has just fetched the file. received: bytes that came in this
    run. seconds: from the beginning to the last sync.
    """

    file: File
    source: str | None
    received: int
    seconds: float


def fetch(job: Job, finding: Finding) -> Outcome:
    """Fetch, prove and publish. Raises StorwareError; the file that was there is then as it was.

    A run that was interrupted is continued. While another run fetches the same, it is waited for, and what it brings is
    enough.
    """
    pace = job.pace
    started = pace.clock()
    kept = 0
    try:
        # What has no better words of its own, such as a directory that cannot be read any more
        with explaining(f"use {finding.directory.path}"), contextlib.ExitStack() as stack:
            place = stack.enter_context(workplace(job, finding))
            claimed = stack.enter_context(lock.acquire(place, stem_of(job), pace))
            if claimed.waited:
                inspection.look(job, finding)
                if not finding.needs_content:
                    return Outcome(inspection.describe(job, finding), None, 0, pace.clock() - started)
            _check_refusal(job, claimed.refusal)
            _rehearse(job, finding, claimed)
            target = Sink(
                claimed,
                job.checksum,
                allow_unverified=job.allow_unverified,
                max_size=job.max_size,
                on_growth=lambda grown: job.tell(lambda: _standing(job, finding, grown, inspection.RECEIVING)),
            )
            stack.callback(target.close)
            try:
                file, received = _fetch(job, finding, target, pace)
            except BaseException:
                kept = target.keep()
                raise
    except StorwareError as error:
        _complete(error, job, finding, kept)
        raise
    return Outcome(file, target.source, received, pace.clock() - started)


def tidy(job: Job, finding: Finding) -> None:
    """When there is nothing to fetch: remove what a run has left that was killed after it had published."""
    with explaining(f"use {finding.directory.path}"), workplace(job, finding) as place:
        lock.tidy(place, stem_of(job))
        if place is not finding.directory:
            lock.remove_left(finding.directory, stem_of(job))


def predict(job: Job, finding: Finding) -> None:
    """In check mode, in the place of ``fetch``: raise what it is certain to raise.

    OptionError where no file can be created; StorwareError (``corrupt``) for content that is not fetched again.
    """
    inspection.check_writable(finding.directory, "dest")
    with workplace(job, finding) as place:
        inspection.check_writable(place, "tmp_dest" if job.tmp_dest else "dest")
        try:
            _check_refusal(job, lock.refusal_in(place, stem_of(job)))
        except StorwareError as error:
            _complete(error, job, finding, 0)
            raise


def stem_of(job: Job) -> str:
    """What the names of all private files of this job start with."""
    # Not by the name of the file: in a directory that comes only with the answer.
    return lock.stem_of(job.guid.lower(), job.identity)


@contextlib.contextmanager
def workplace(job: Job, finding: Finding) -> t.Iterator[Directory]:
    """Where the partial lies: beside its final place, or in tmp_dest."""
    if job.tmp_dest is None:
        yield finding.directory
    else:
        with inspection.open_tmp_dest(job.tmp_dest, finding.directory) as place:
            yield place


def _rehearse(job: Job, finding: Finding, claimed: Claim) -> None:
    """Make an empty file with all attributes: what cannot be written or owned is found before anything is sent."""
    if job.tmp_dest is not None:
        lock.remove_left(finding.directory, stem_of(job))
    with Partial.create(finding.directory, claimed.name_of(lock.SCRATCH)) as scratch:
        publish.put_on(scratch, finding.name or job.guid, finding.directory, finding.old, job.attributes)


def _fetch(job: Job, finding: Finding, target: Sink, pace: Pace) -> tuple[File, int]:
    """The published file, and how many bytes came."""
    transfer = Transfer(job, finding.name, target, pace)
    job.tell(lambda: _standing(job, finding, target, inspection.READING))
    target.recover(pace.check)
    while True:
        transfer.receive()
        target.finish()
        job.tell(lambda: _standing(job, finding, target, inspection.VERIFYING))
        try:
            proof = _prove(job, target)
        except StorwareError as error:
            if not _may_be_mixed(error, job, target):
                target.spoil(error.code != "cannot_verify")
                _note_refusal(error, job, target)
                raise
            transfer.start_over(error)
        else:
            return _publish(job, finding, target, proof), transfer.received


def _check_refusal(job: Job, refusal: Refusal | None) -> None:
    """Raise StorwareError (``corrupt``) for content that was refused often enough for what is asked for now."""
    if refusal is None or refusal.times < _MOST_REFUSALS or refusal.level != job.level:
        return
    if job.checksum is None and job.overwrite != inspection.ALWAYS:
        raise StorwareError(
            f"the server has sent the same damaged content {refusal.times} times (SHA-256 {refusal.sha256}), "
            "so it is not fetched again",
            code="corrupt",
            hint=f"{_advice(refusal.sha256, is_announced=refusal.is_announced)} "
            "To fetch it all the same, set overwrite: always.",
            details=_digest_of(refusal.sha256),
        )


def _note_refusal(error: StorwareError, job: Job, target: Sink) -> None:
    """Remember damaged content, which may be all that the server will ever send, and say what can be done."""
    if error.code != "corrupt" or target.joined:
        return  # parts that were put together may be damaged by that
    sha256, before = target.digests.hex("sha256") or "", target.claim.refusal
    is_again = before is not None and (before.sha256, before.level) == (sha256, job.level)
    times = before.times + 1 if before and is_again else 1
    is_announced = target.claims.length is not None
    target.claim.refusal = Refusal(target.claim.stem, sha256, job.level, times, is_announced)
    first = "" if is_again else "Run the task again. If the same content comes: "
    error.hint = first + _advice(sha256, is_announced=is_announced)
    error.details = {**_digest_of(sha256), **error.details}


def _advice(sha256: str, *, is_announced: bool) -> str:
    """What can be done about content that the server always sends damaged."""
    # Without a length, verify=length checks the structure as well.
    accept = "verify: length" if is_announced else f"checksum: sha256:{sha256}"
    return (
        f"Prepare the download again with storware.backup.cloud_download, or, to have the file as it is, set {accept}."
    )


def _digest_of(sha256: str) -> dict[str, str]:
    return {"algorithm": "sha256", "got": sha256}


def _standing(job: Job, finding: Finding, target: Sink, stage: str) -> Standing:
    name = finding.name or filenames.safe_name(target.claims.name, job.guid)
    return Standing(name, stage, target.offset, target.claims.length)


def _prove(job: Job, target: Sink) -> Proof:
    """Check what has come."""
    partial = target.claim.partial
    # What was put together without a validator may be of two files: only the checksums of its entries tell.
    level = "full" if target.joined == writer.WEAK and target.shows_mixtures else job.level
    with explaining(f"read {partial.path}"):
        return verification.prove(
            partial.fd,
            target.offset,
            verification.Wanted(level, job.checksum, job.allow_unverified),
            announced=target.claims.length,
            digests=target.digests,
            claimed=target.claims.digest,
            format=target.format,
            check_time=job.pace.check,
        )


def _may_be_mixed(error: StorwareError, job: Job, target: Sink) -> bool:
    """Whether the content failed its proof for being put together, so that fetching it in one piece may help."""
    if error.code == "checksum_mismatch" or (error.code == "cannot_verify" and job.level != "full"):
        return target.joined == writer.WEAK
    return bool(target.joined) and error.code in ("corrupt", "digest_mismatch")


def _publish(job: Job, finding: Finding, target: Sink, proof: Proof) -> File:
    """Give the file its name: the one that it has, or in a directory the first that is free when it gets it."""
    partial, size = target.claim.partial, target.offset
    sha256 = target.digests.hex("sha256") or ""
    format = target.format.name if target.format else None
    is_chosen = finding.name is None
    wanted = finding.name or filenames.safe_name(target.claims.name, f"{job.guid.lower()}.{format or _UNKNOWN}")
    for name in filenames.names_for(wanted, job.guid.lower()) if is_chosen else [wanted]:
        is_new = is_chosen and not _is_left(job, finding.directory, name, size, sha256)
        if is_new and not _is_free(finding.directory, name):
            continue
        finding.name = name
        note = Receipt(name, job.guid.lower(), size, sha256, proof.level)
        with Partial.create(partial.directory, target.claim.name_of(lock.NOTE)) as note_partial:
            note_partial.write_at(0, receipt.render(note, datetime.datetime.now(datetime.timezone.utc)))
            target.claim.check()
            try:
                publish.publish(
                    partial, note_partial, name, finding.directory, finding.old, job.attributes, is_new=is_new
                )
            except publish.NameTaken:
                finding.name = None
                continue
        _check_path(finding, partial)
        with explaining(f"set the attributes of {finding.path}"):
            set_flags(partial.fd, finding.path, job.attributes)  # an immutable file could not get its name
        target.claim.refusal = None
        return File(finding.path, size, sha256, proof.level, format, proof.padding)
    raise StorwareError(
        f"all names for the file are taken by others, such as {finding.directory.path_of(wanted)}",
        code="name_conflict",
        hint="Give a file as dest.",
    )


def _check_path(finding: Finding, partial: Partial) -> None:
    """The path must lead to the file: somebody may have exchanged the directory during the run."""
    there = None
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        there = os.lstat(finding.path)
    if there is None or not os.path.samestat(there, os.fstat(partial.fd)):
        raise StorwareError(
            f"{finding.directory.path} is another directory now; the file is in the one that had this name before",
            code="concurrent_change",
            retryable=True,
        )


def _is_free(directory: Directory, name: str) -> bool:
    return directory.stat(name) is None and directory.stat(receipt.receipt_name(name)) is None


def _is_left(job: Job, directory: Directory, name: str, size: int, sha256: str) -> bool:
    """Whether the name holds these very bytes and no receipt: a run that died between its last two steps left them."""
    there = directory.stat(name)
    if there is None or not stat.S_ISREG(there.st_mode) or there.st_size != size:
        return False
    if directory.stat(receipt.receipt_name(name)) is not None:
        return False
    with contextlib.suppress(OSError), directory.reading(name) as fd:
        return (
            publish.is_abandoned(fd, directory) and verification.digest_of_file(fd, "sha256", job.pace.check) == sha256
        )
    return False


def _complete(error: StorwareError, job: Job, finding: Finding, kept: int) -> None:
    """Say what was tried, what is there now and what to do next."""
    error.message = f"Cannot fetch the cloud download {job.guid} to {finding.path}: {error.message}"
    error.hint = f"{_state(finding, kept)} {error.hint or 'Run the task again.'}"
    error.details = {"path": finding.path, "bytes_kept": kept, **error.details}


def _state(finding: Finding, kept: int) -> str:
    now = finding.directory.stat(finding.name) if finding.name else None
    is_old = now is not None and finding.old is not None and os.path.samestat(now, finding.old)
    told = []
    if now is not None:
        told.append("The file that was there is unchanged." if is_old else f"{finding.path} is a new file now.")
    if kept:
        told.append(f"{kept} bytes are kept; the next run goes on from there.")
    return " ".join(told) or "Nothing was kept."
