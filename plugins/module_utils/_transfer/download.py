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
from .._steps import Amount, Steps
from . import formats, inspection, verification
from .inspection import File, Inspection, Job, TransferProgress
from .limits import TransferLimits
from .receive import Transfer
from .store import filenames, lock, publish, receipt
from .store.attributes import set_flags
from .store.checkpoint import WEAK, Refusal
from .store.directory import Directory, translate_os_errors
from .store.lock import PartialLock
from .store.part_file import PartialFile
from .store.receipt import Receipt
from .store.writer import PartialWriter
from .structure import Proof

_MOST_REFUSALS: t.Final = 2  # of the same content
_SAY_NOTHING: t.Final = ("cannot_verify", "interrupted", "timeout")  # about the content


@dataclass(frozen=True)
class Outcome:
    """The result of ``fetch``.

    source: the label of the opener; None when another run has just fetched the file. received: bytes that came in this
    run. seconds: from the beginning to the last sync.
    """

    file: File
    source: str | None
    received: int
    seconds: float


def fetch(job: Job, inspected: Inspection) -> Steps[Outcome]:
    """Fetch, verify and publish. Raises StorwareError; the file that was there is then as it was.

    The first step receives, and the second one, which needs no network, proves and publishes what has come. If that is
    a mixture, there are two more.

    A run that was interrupted is continued. While another run fetches the same, it is waited for, and its file is
    enough.
    """
    limits = job.limits
    started = limits.clock()
    kept = 0
    try:
        # What has no better words of its own, such as a directory that cannot be read any more
        with translate_os_errors(f"use {inspected.directory.path}"), contextlib.ExitStack() as stack:
            place = stack.enter_context(workplace(job, inspected))
            partial_lock = stack.enter_context(lock.acquire(place, private_prefix(job), limits))
            if partial_lock.waited:
                inspection.inspect_again(job, inspected)
                if not inspected.needs_content:
                    return Outcome(inspection.describe(job, inspected), None, 0, limits.clock() - started)
            _check_refusal(job, partial_lock.refusal)
            _preflight(job, inspected, partial_lock)
            writer = PartialWriter(
                partial_lock,
                job.checksum,
                allow_unverified=job.allow_unverified,
                max_size=job.max_size,
                on_growth=lambda grown: _report_growth(job, inspected, grown),
            )
            stack.callback(writer.close)
            try:
                file, received = yield from _fetch(job, inspected, writer, limits)
            except BaseException:
                kept = writer.preserve()
                raise
    except StorwareError as error:
        _complete(error, job, inspected, kept)
        raise
    return Outcome(file, writer.source, received, limits.clock() - started)


def remove_stale(job: Job, inspected: Inspection) -> None:
    """When there is nothing to fetch: remove what a run has left that was killed after it had published."""
    with translate_os_errors(f"use {inspected.directory.path}"), workplace(job, inspected) as place:
        lock.remove_stale(place, private_prefix(job))
        if place is not inspected.directory:
            lock.remove_leftovers(inspected.directory, private_prefix(job))


def predict(job: Job, inspected: Inspection) -> None:
    """In check mode, in the place of ``fetch``: raise what it is certain to raise.

    OptionError where no file can be created; StorwareError (``corrupt``) for content that is not fetched again.
    """
    inspection.check_writable(inspected.directory, "dest")
    with workplace(job, inspected) as place:
        inspection.check_writable(place, "tmp_dest" if job.tmp_dest else "dest")
        try:
            _check_refusal(job, lock.refusal_in(place, private_prefix(job)))
        except StorwareError as error:
            _complete(error, job, inspected, 0)
            raise


def private_prefix(job: Job) -> str:
    """What the names of all private files of this job start with."""
    # Not by the name of the file: in a directory that comes only with the answer.
    return lock.private_prefix(job.guid.lower(), job.identity)


@contextlib.contextmanager
def workplace(job: Job, inspected: Inspection) -> t.Iterator[Directory]:
    """Where the partial lies: beside its final place, or in tmp_dest."""
    if job.tmp_dest is None:
        yield inspected.directory
    else:
        with inspection.open_tmp_dest(job.tmp_dest, inspected.directory) as place:
            yield place


def _preflight(job: Job, inspected: Inspection, partial_lock: PartialLock) -> None:
    """Make an empty file with all attributes: what cannot be written or owned is found before anything is sent.

    New files of a task get the same attributes, so that one of them shows it for all.
    """
    if job.tmp_dest is not None:
        lock.remove_leftovers(inspected.directory, private_prefix(job))
    if inspected.old is None and job.known.has_rehearsed:
        return
    with PartialFile.create(inspected.directory, partial_lock.name_of(lock.SCRATCH)) as scratch:
        publish.apply_attributes(
            scratch, inspected.name or job.guid, inspected.directory, inspected.old, job.attributes
        )
    if inspected.old is None:
        job.known.has_rehearsed = True


def _fetch(job: Job, inspected: Inspection, writer: PartialWriter, limits: TransferLimits) -> Steps[tuple[File, int]]:
    """The published file, and how many bytes came."""

    def report(stage: str) -> None:
        job.report_progress(lambda: _progress(job, inspected, writer, stage))

    transfer = Transfer(job, inspected.name, writer, limits, lambda: report(inspection.CONNECTING))
    report(inspection.READING)
    writer.resume(limits.check)
    while True:
        transfer.receive()
        report(inspection.VERIFYING)
        yield Amount(writer.reached, transfer.received)
        writer.finish()
        try:
            proof = _prove(job, writer)
        except StorwareError as error:
            if not _may_be_mixed(error, job, writer):
                writer.discard(error.code not in _SAY_NOTHING)
                _note_refusal(error, job, writer)
                raise
            transfer.start_over(error)
            yield Amount(0, transfer.received)
        else:
            return _publish(job, inspected, writer, proof), transfer.received


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


def _note_refusal(error: StorwareError, job: Job, writer: PartialWriter) -> None:
    """Remember damaged content, which may be all that the server will ever send, and say what can be done."""
    if error.code != "corrupt" or writer.splice_evidence:
        return  # parts that were put together may be damaged by that
    sha256, before = writer.digests.hex("sha256") or "", writer.lock.refusal
    is_again = before is not None and (before.sha256, before.level) == (sha256, job.level)
    times = before.times + 1 if before and is_again else 1
    is_announced = writer.metadata.length is not None
    writer.lock.refusal = Refusal(writer.lock.prefix, sha256, job.level, times, is_announced)
    first = "" if is_again else "Run the task again. If the same content arrives: "
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


def _report_growth(job: Job, inspected: Inspection, writer: PartialWriter) -> None:
    """Unless all has come: the progress is that of the next file by then."""
    if not writer.is_complete:
        # It may be complete when the progress is asked for.
        job.report_progress(
            lambda: _progress(
                job, inspected, writer, inspection.VERIFYING if writer.is_complete else inspection.RECEIVING
            )
        )


def _progress(job: Job, inspected: Inspection, writer: PartialWriter, stage: str) -> TransferProgress:
    name = inspected.name or filenames.safe_name(writer.metadata.name, job.guid)
    limits = job.limits
    return TransferProgress(
        name, stage, writer.offset, writer.metadata.length, writer.received, limits.attempt, limits.settings.retries + 1
    )


def _prove(job: Job, writer: PartialWriter) -> Proof:
    """Check what has come."""
    partial = writer.lock.partial
    # What was put together without a validator may be of two files: only the checksums of its entries show it.
    level = "full" if writer.splice_evidence == WEAK and writer.shows_mixtures else job.level
    with translate_os_errors(f"read {partial.path}"):
        return verification.prove(
            partial.fd,
            writer.offset,
            level=level,
            checksum=job.checksum,
            allow_unverified=job.allow_unverified,
            announced=writer.metadata.length,
            digests=writer.digests,
            claimed=writer.metadata.digest,
            format=writer.format,
            check_time=job.limits.check,
        )


def _may_be_mixed(error: StorwareError, job: Job, writer: PartialWriter) -> bool:
    """Whether the content failed its proof for being put together, so that fetching it in one piece may help."""
    if error.code == "checksum_mismatch" or (error.code == "cannot_verify" and job.level != "full"):
        return writer.splice_evidence == WEAK
    return bool(writer.splice_evidence) and error.code in ("corrupt", "digest_mismatch")


def _publish(job: Job, inspected: Inspection, writer: PartialWriter, proof: Proof) -> File:
    """Give the file its name: the one that it has, or in a directory the first that is free when it gets it."""
    partial, size = writer.lock.partial, writer.offset
    sha256 = writer.digests.hex("sha256") or ""
    format = writer.format
    is_chosen = inspected.name is None
    fallback = f"{job.guid.lower()}.{formats.extension_for(format)}"
    wanted = inspected.name or filenames.safe_name(writer.metadata.name, fallback)
    for name in filenames.names_for(wanted, job.guid.lower()) if is_chosen else [wanted]:
        is_new = is_chosen and not _is_left(job, inspected.directory, name, size, sha256)
        if is_new and not _is_free(inspected.directory, name):
            continue
        inspected.name = name
        note = Receipt(name, job.guid.lower(), size, sha256, proof.level, job.origin)
        with PartialFile.create(partial.directory, writer.lock.name_of(lock.NOTE)) as note_partial:
            note_partial.write_at(0, receipt.render(note, datetime.datetime.now(datetime.timezone.utc)))
            writer.lock.check()
            try:
                publish.publish(
                    partial, note_partial, name, inspected.directory, inspected.old, job.attributes, is_new=is_new
                )
            except StorwareError as error:
                if error.code != "name_conflict":
                    raise
                inspected.name = None
                continue
        _check_path(inspected, partial)
        with translate_os_errors(f"set the attributes of {inspected.path}"):
            set_flags(partial.fd, inspected.path, job.attributes)  # an immutable file could not get its name
        writer.lock.refusal = None
        kind = format.name if format else None
        return File(inspected.path, size, sha256, proof.level, kind, *proof[1:])
    raise StorwareError(
        f"all names for the file are taken by others, such as {inspected.directory.path_of(wanted)}",
        code="name_conflict",
        hint="Give a file as dest.",
    )


def _check_path(inspected: Inspection, partial: PartialFile) -> None:
    """The path must lead to the file: another process may have exchanged the directory during the run."""
    there = None
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        there = os.lstat(inspected.path)
    if there is None or not os.path.samestat(there, os.fstat(partial.fd)):
        raise StorwareError(
            f"{inspected.directory.path} is another directory now; the file is in the one that had this name before",
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
            publish.is_abandoned(fd, directory)
            and verification.digest_of_file(fd, "sha256", job.limits.check) == sha256
        )
    return False


def _complete(error: StorwareError, job: Job, inspected: Inspection, kept: int) -> None:
    """Say what was tried, what is there now and what to do next."""
    error.message = f"Cannot fetch the cloud download {job.guid} to {inspected.path}: {error.message}"
    error.advice = error.hint
    error.hint = f"{_state(inspected, kept)} {error.hint or 'Run the task again.'}"
    error.details = {"path": inspected.path, "bytes_kept": kept, **error.details}


def _state(inspected: Inspection, kept: int) -> str:
    now = inspected.directory.stat(inspected.name) if inspected.name else None
    is_old = now is not None and inspected.old is not None and os.path.samestat(now, inspected.old)
    sentences = []
    if now is not None:
        sentences.append("The file that was there is unchanged." if is_old else f"{inspected.path} is a new file now.")
    if kept:
        sentences.append(f"{kept} bytes are kept; the next run resumes from there.")
    return " ".join(sentences) or "Nothing was kept."
