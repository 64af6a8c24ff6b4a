# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that the controller sends in chunks: each is appended to the partial file of an ordinary transfer.

Once all chunks are there, ``download`` finds nothing to request; it reads, verifies and publishes the file.
"""

from __future__ import annotations

import contextlib
import types
import typing as t

from ..._errors import StorwareError
from .. import download
from ..http import content_disposition
from ..http.body import Opener, Response
from ..inspection import Inspection, Job
from ..store import lock
from ..store.checkpoint import Checkpoint
from ..store.directory import translate_os_errors
from ..store.part_file import check_space
from ..store.receipt import Receipt
from ..store.writer import PartialWriter

LABEL: t.Final = "controller"


def receive_chunk(job: Job, inspected: Inspection, whole: Receipt, chunk: t.BinaryIO, offset: int, sha256: str) -> int:
    """Put the chunk behind the bytes that are there, if it belongs there; return how many bytes of the whole are there.

    offset: of the chunk in the whole. sha256: of everything up to its end; empty only to ask how many bytes are there.
    Raises StorwareError; what was there before is kept.
    """
    digest = f"sha256:{whole.sha256}"
    with translate_os_errors(f"use {inspected.directory.path}"), contextlib.ExitStack() as stack:
        place = stack.enter_context(download.workplace(job, inspected))
        partial_lock = stack.enter_context(lock.acquire(place, download.private_prefix(job), job.limits))
        writer = stack.enter_context(contextlib.closing(PartialWriter(partial_lock, None)))
        left = partial_lock.checkpoint
        writer.unhashed = left if left and left.digest == digest else None  # of this very file
        try:
            if sha256 and offset == (writer.unhashed.offset if writer.unhashed else 0):
                check_space(place, whole.size - offset)
                writer.append_chunk(
                    chunk,
                    Checkpoint(partial_lock.token, None, LABEL, None, whole.size, whole.name, digest, sha256=sha256),
                )
        finally:
            kept = writer.preserve()
        return kept


def nothing_more_opener(whole: Receipt) -> Opener:
    """Return the opener for the run that verifies the chunks."""

    def open_nothing(_headers: t.Mapping[str, str], _deadline: float | None) -> Response:
        if whole.size == 0:
            headers = {
                "Content-Length": "0",
                "Content-Disposition": content_disposition.format_field(whole.name),
            }
            raw = types.SimpleNamespace(read=lambda _amount, decode_content: b"")
            return types.SimpleNamespace(status_code=200, headers=headers, raw=raw, close=lambda: None)
        raise StorwareError(
            "the chunks have changed on the disk",
            code="corrupt",
            hint="It was dropped. Run the task again.",
            retryable=True,
        )

    return open_nothing
