# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The right to fetch one download into one directory: one run at a time, and the next one goes on where it stopped.

What is right never rests on locks, which do nothing on some file systems. Names are made exclusively and exchanged at
once, each run writes into a file of its own, and what a run has left is only continued when its process is surely
gone or has ended in order. A lock and the process number merely say which run to wait for. A run that is
overtaken all the same notices it at the next checkpoint (``PartialLock.check``) and stops.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import typing as t

from ..._errors import StorwareError
from ..limits import TransferLimits
from .checkpoint import STATE, TOKEN, Checkpoint, CheckpointFile, Refusal, UntrustedFile
from .directory import Directory, concurrent_change, digest_of, translate_os_errors
from .part_file import SUFFIX, PartialFile
from .process import ProcessIdentity

SCRATCH: t.Final = "test"
NOTE: t.Final = "note"
_KINDS: t.Final = (SCRATCH, NOTE)
# A name behind the prefix
_PRIVATE: t.Final = re.compile(rf"({TOKEN.pattern})\.({SUFFIX[1:]}|{STATE}|{'|'.join(_KINDS)})")
_POLL_INTERVAL: t.Final = 0.2  # seconds between two checks of another run
_RACES: t.Final = 100  # lost in a row before that


class PartialLock:
    """A locked checkpoint file and, in the ``with`` block, its partial file.

    checkpoint: of an earlier run, about the bytes in the partial; None when it is new. waited: whether another
    run had the lock before, and may have changed everything. refusal: what is to be remembered for the next run about
    content that is damaged.
    """

    def __init__(
        self,
        prefix: str,
        state: CheckpointFile,
        partial: PartialFile,
        checkpoint: Checkpoint | None,
        refusal: Refusal | None,
    ) -> None:
        self.prefix = prefix
        self.state = state
        self.partial = partial
        self.checkpoint = checkpoint
        self.refusal = refusal
        self.waited = False
        self.token = partial.name.removesuffix(SUFFIX).rpartition(".")[2]
        self._kept = False

    def __enter__(self) -> PartialLock:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Remove both files, unless they are kept for the next run; a refusal is kept without a partial."""
        self.partial.close()
        try:
            if not self._kept:
                for kind in _KINDS:
                    self.state.directory.remove(self.name_of(kind))
                _put_down(self.state, Checkpoint(self.token, None, refusal=self.refusal))
        finally:
            self.state.close()

    def name_of(self, kind: str) -> str:
        """The name of a further file of this run, which is removed with the lock at the latest."""
        return f"{self.prefix}{self.token}.{kind}"

    def preserve(self) -> None:
        """Leave the partial and its checkpoint for the next run."""
        self._kept = True
        self.partial.preserve()

    def check(self) -> None:
        """Raise StorwareError (``concurrent_change``) when another run has taken over."""
        if not self.state.is_in_place():
            raise concurrent_change(f"another run has taken over {self.state.directory.path_of(self.state.name)}")


def private_prefix(guid: str, identity: str) -> str:
    """``.GUID.HASH.``: what the names of all files of a transfer start with. identity: server and guid."""
    return f".{guid}.{digest_of(identity, 16)}."


def acquire(directory: Directory, prefix: str, limits: TransferLimits) -> PartialLock:
    """Return the lock, after waiting for a run that has it. Raises StorwareError (``locked``, ``timeout``)."""
    token = secrets.token_hex(4)
    give_up = limits.clock() + limits.settings.lock_timeout
    waited = False
    while True:
        with translate_os_errors(f"use {directory.path_of(prefix + STATE)}"):
            holder = _take(directory, prefix, token)
        if isinstance(holder, PartialLock):
            holder.waited = waited
            return holder
        if limits.clock() >= give_up:
            raise _busy(directory, holder)
        waited = True
        limits.sleep(_POLL_INTERVAL)


def refusal_in(directory: Directory, prefix: str) -> Refusal | None:
    """Return the refusal that earlier runs have recorded, without taking the lock."""
    with contextlib.suppress(OSError, UntrustedFile):
        found = CheckpointFile.open(directory, prefix + STATE)
        try:
            return _refusal_of(found.read(), prefix)
        finally:
            found.close()
    return None


def _refusal_of(record: Checkpoint | None, prefix: str) -> Refusal | None:
    return record.refusal if record and record.refusal and record.refusal.prefix == prefix else None


def kept_bytes(directory: Directory, prefix: str) -> int:
    """Bytes that earlier runs have left, from which the next run may go on."""
    left = (directory.stat(name) for name in _others(directory, prefix, "") if name.endswith(SUFFIX))
    return sum(there.st_size for there in left if there)


def remove_stale(directory: Directory, prefix: str) -> None:
    """Remove the files of a run that ended just before it could do so itself."""
    if directory.stat(prefix + STATE) is None and not _others(directory, prefix, ""):
        return
    with translate_os_errors(f"use {directory.path_of(prefix + STATE)}"):
        lock = _take(directory, prefix, secrets.token_hex(4))
    if isinstance(lock, PartialLock):
        with lock:
            lock.refusal = None  # the file is there


def _take(directory: Directory, prefix: str, token: str) -> PartialLock | Checkpoint | None:
    """Return the lock or, when another run has it, that run's checkpoint; None as well where others always win."""
    for _try in range(_RACES):
        fresh = Checkpoint(token, ProcessIdentity.current())
        # Listed before the lock is ours: a run that takes it from us, where locks do nothing, makes files later.
        others = _others(directory, prefix, token)
        try:
            return _begin(CheckpointFile.create(directory, prefix + STATE, fresh), prefix, fresh, others)
        except FileExistsError:
            pass
        try:
            found = CheckpointFile.open(directory, prefix + STATE)
        except FileNotFoundError:
            continue  # its run has just ended
        except UntrustedFile as what:
            _remove_planted(directory, prefix + STATE, what)
            continue
        with contextlib.suppress(FileNotFoundError, FileExistsError), contextlib.ExitStack() as stack:
            stack.callback(found.close)
            has_lock, record = found.lock(), found.read()
            if not found.is_in_place():
                continue  # it was replaced before it was locked
            if not has_lock or (record and record.process and record.process.is_alive):
                return record
            fresh = dataclasses.replace(fresh, refusal=_refusal_of(record, prefix))
            if record and (record.process is None or record.process.is_gone):
                fresh = dataclasses.replace(record, token=token, process=fresh.process, refusal=fresh.refusal)
            if record:
                others.sort(key=lambda name: record.token not in name)
            found.write(fresh)
            stack.pop_all()
            return _begin(found, prefix, fresh, others)
        # Where locks do nothing, another run was faster and has taken the file over.
    return None


def _begin(state: CheckpointFile, prefix: str, record: Checkpoint, others: t.Sequence[str]) -> PartialLock:
    """Return the lock with its partial: one of the others, likeliest first, if it may be continued, or a new one."""
    directory, name = state.directory, prefix + record.token + SUFFIX
    adopted = None
    try:
        if record.can_be_continued:
            # A run that ended while it took over from another may have left the partial under that one's name.
            theirs = (other for other in others if other.endswith(SUFFIX))
            adopted = next((p for p in (PartialFile.adopt(directory, other, name) for other in theirs) if p), None)
        for other in others:
            directory.remove(other)
        partial = adopted or PartialFile.create(directory, name)
        return PartialLock(prefix, state, partial, record if adopted else None, record.refusal)
    except BaseException:
        if adopted:
            adopted.preserve()
            adopted.close()
        _give_up(state, record)
        raise


def _give_up(state: CheckpointFile, record: Checkpoint) -> None:
    """Leave the checkpoint of bytes that can be continued to the next run, in this process or in another one."""
    try:
        _put_down(state, dataclasses.replace(record, process=None))
    finally:
        state.close()


def _put_down(state: CheckpointFile, record: Checkpoint) -> None:
    """Leave the checkpoint where the next run can use it, and no file otherwise."""
    if not record.can_be_continued and record.refusal is None:
        state.remove()
    elif state.is_in_place():
        with contextlib.suppress(OSError):  # the error that ends the run is more important
            state.write(record)


def remove_leftovers(directory: Directory, prefix: str) -> None:
    """Remove what runs have left in a directory in which they hold no lock."""
    for name in _others(directory, prefix, ""):
        directory.remove(name)


def _others(directory: Directory, prefix: str, token: str) -> list[str]:
    """The names of what runs other than the one with this token have left."""
    matches = ((name, _PRIVATE.fullmatch(name, len(prefix))) for name in directory.names() if name.startswith(prefix))
    return [name for name, match in matches if match and match.group(1) != token]


def _remove_planted(directory: Directory, name: str, what: UntrustedFile) -> None:
    there = directory.stat(name)
    if there is None or not os.path.samestat(there, what.found):
        return  # it is something else by now
    try:
        directory.remove(name)
    except OSError as error:
        raise StorwareError(
            f"{directory.path_of(name)} is {what}, is in the way and cannot be removed ({error.strerror})",
            code="file_system",
            hint="Remove it, or let its owner run the task.",
        ) from error


def _busy(directory: Directory, holder: Checkpoint | None) -> StorwareError:
    who = f"process {holder.process.pid}" if holder and holder.process else "another process"
    return StorwareError(
        f"{who} is still fetching this download to {directory.path} after lock_timeout expired",
        code="locked",
        hint="Wait for that process or end it; then run the task again, which resumes the transfer.",
        retryable=True,
    )
