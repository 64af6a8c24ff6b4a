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
from ..inspection import Finding, Job
from ..store import lock
from ..store.checkpoint import Record
from ..store.directory import explaining
from ..store.lock import Claim
from ..store.part_file import check_space
from ..store.receipt import Receipt

LABEL: t.Final = "controller"

_BLOCK: t.Final = 1024 * 1024


@dataclass(frozen=True)
class Piece:
    """Bytes from offset on, as far as file has them; sha256 is that of everything up to their end."""

    offset: int
    file: t.BinaryIO
    sha256: str


def take(job: Job, finding: Finding, whole: Receipt, piece: Piece | None) -> int:
    """Put the piece behind what is there, if it belongs there; returns how many bytes of the whole are there then.

    piece: None only to ask. Raises StorwareError; what was there before is kept.
    """
    with _claimed(job, finding, whole) as (claimed, kept):
        offset = kept.offset if kept else 0
        try:
            if piece is not None and piece.offset == offset:
                check_space(claimed.partial.directory, whole.size - offset)
                kept = _written(claimed, whole, piece)
        finally:
            if kept is not None:
                _keep(claimed, kept)
        return kept.offset if kept else 0


def nothing_more(whole: Receipt) -> Opener:
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
def _claimed(job: Job, finding: Finding, whole: Receipt) -> t.Iterator[tuple[Claim, Record | None]]:
    """The partial, and what is recorded about it if it is of this very file."""
    with explaining(f"use {finding.directory.path}"), contextlib.ExitStack() as stack:
        place = stack.enter_context(download.workplace(job, finding))
        claimed = stack.enter_context(lock.acquire(place, download.stem_of(job), job.pace))
        left = claimed.left
        yield claimed, left if left and left.digest == f"sha256:{whole.sha256}" else None


def _written(claimed: Claim, whole: Receipt, piece: Piece) -> Record:
    partial, offset = claimed.partial, piece.offset
    partial.truncate(offset)
    with explaining("read what was handed over"):
        while data := piece.file.read(_BLOCK):
            partial.write_at(offset, data)
            offset += len(data)
    partial.sync_data()
    return Record(
        claimed.token,
        None,
        source=LABEL,
        length=whole.size,
        name=whole.name,
        digest=f"sha256:{whole.sha256}",
        offset=offset,
        sha256=piece.sha256,
    )


def _keep(claimed: Claim, record: Record) -> None:
    """Leave it to the next run, which no writer has any more."""
    with explaining(f"write {claimed.state.directory.path_of(claimed.state.name)}"):
        claimed.state.write(replace(record, token=claimed.token, writer=None))
    claimed.keep()
