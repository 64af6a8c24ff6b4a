# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that somebody brings in pieces: each is put behind the ones before it, in the partial of an ordinary transfer.

Once all pieces are there, ``engine`` finds nothing to ask for; it reads, proves and publishes what has come.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, replace

from ..._errors import StorwareError
from .. import download
from ..http import content_disposition
from ..http.body import Opener, Response
from ..inspection import Inspection, Job
from ..store import lock
from ..store.checkpoint import Checkpoint
from ..store.directory import translate_os_errors
from ..store.lock import PartialLock
from ..store.part_file import check_space
from ..store.receipt import Receipt

LABEL: t.Final = "controller"

_BLOCK: t.Final = 1024 * 1024


@dataclass(frozen=True)
class Chunk:
    """Bytes from offset on, as far as file has them; sha256 is that of everything up to their end."""

    offset: int
    file: t.BinaryIO
    sha256: str


def receive_chunk(job: Job, inspected: Inspection, whole: Receipt, chunk: Chunk | None) -> int:
    """Put the piece behind what is there, if it belongs there; returns how many bytes of the whole are there then.

    piece: None only to ask. Raises StorwareError; what was there before is kept.
    """
    with _locked(job, inspected, whole) as (partial_lock, kept):
        offset = kept.offset if kept else 0
        try:
            if chunk is not None and chunk.offset == offset:
                check_space(partial_lock.partial.directory, whole.size - offset)
                kept = _write(partial_lock, whole, chunk)
        finally:
            if kept is not None:
                _preserve(partial_lock, kept)
        return kept.offset if kept else 0


def nothing_more_opener(whole: Receipt) -> Opener:
    """For the run of the engine that proves what has come."""

    def open_nothing(_headers: t.Mapping[str, str], _deadline: float | None) -> Response:
        if whole.size == 0:
            return _Empty(whole)
        raise StorwareError(
            "what was handed over has changed on the disk",
            code="corrupt",
            hint="It was dropped. Run the task again.",
            retryable=True,
        )

    return open_nothing


class _Empty:
    """The answer for a file without content, for which there are no pieces."""

    status_code = 200

    def __init__(self, whole: Receipt) -> None:
        self.headers: t.Mapping[str, str] = {
            "Content-Length": "0",
            "Content-Disposition": content_disposition.format_field(whole.name),
        }
        self.raw = self

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """The end."""
        return b""

    def close(self) -> None:
        """Nothing is open."""


@contextlib.contextmanager
def _locked(job: Job, inspected: Inspection, whole: Receipt) -> t.Iterator[tuple[PartialLock, Checkpoint | None]]:
    """The partial, and what is recorded about it if it is of this very file."""
    with translate_os_errors(f"use {inspected.directory.path}"), contextlib.ExitStack() as stack:
        place = stack.enter_context(download.workplace(job, inspected))
        partial_lock = stack.enter_context(lock.acquire(place, download.private_prefix(job), job.limits))
        left = partial_lock.checkpoint
        yield partial_lock, left if left and left.digest == f"sha256:{whole.sha256}" else None


def _write(partial_lock: PartialLock, whole: Receipt, chunk: Chunk) -> Checkpoint:
    partial, offset = partial_lock.partial, chunk.offset
    partial.truncate(offset)
    with translate_os_errors("read what was handed over"):
        while data := chunk.file.read(_BLOCK):
            partial.write_at(offset, data)
            offset += len(data)
    partial.sync_data()
    return Checkpoint(
        partial_lock.token,
        None,
        source=LABEL,
        length=whole.size,
        name=whole.name,
        digest=f"sha256:{whole.sha256}",
        offset=offset,
        sha256=chunk.sha256,
    )


def _preserve(partial_lock: PartialLock, record: Checkpoint) -> None:
    """Leave it to the next run, which no writer has any more."""
    with translate_os_errors(f"write {partial_lock.state.directory.path_of(partial_lock.state.name)}"):
        partial_lock.state.write(replace(record, token=partial_lock.token, process=None))
    partial_lock.preserve()
