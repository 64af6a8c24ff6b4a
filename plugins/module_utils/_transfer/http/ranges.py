# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several connections at a time, each for one block of the file after the other.

Only with a strong entity tag, which every answer has to confirm. Blocks are handed out and counted in their order, so
that what an interruption leaves is the beginning of the file, as always.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t
from dataclasses import dataclass

from ..limits import RetryBudget, TransferInterrupted, TransferLimits
from ..store.writer import PartialWriter
from .body import BodyReader, Opener, Redact
from .resume import RangeMismatch, RangeRequest, parse_part_headers, range_error

BLOCK: t.Final = 16 * 1024 * 1024  # bytes
BUFFER: t.Final = 256 * 1024  # bytes, for each connection
_LAST_WAIT: t.Final = 1.0  # seconds for the threads to end; none of them writes any more by then


@dataclass
class _Block:
    """The bytes from start to end (not included) that are still to come."""

    start: int
    end: int


class Ranges:
    """The blocks behind the writer's offset, fetched by several threads and hashed by the one that calls ``run``."""

    def __init__(
        self,
        opener: Opener,
        writer: PartialWriter,
        limits: TransferLimits,
        buffers: t.Sequence[memoryview],
        redact: Redact,
    ) -> None:
        length = writer.metadata.length or 0
        self._blocks = [_Block(start, min(start + BLOCK, length)) for start in range(writer.offset, length, BLOCK)]
        self._opener = opener
        self._writer = writer
        self._limits = limits
        self._redact = redact
        self._buffers = buffers[: len(self._blocks)]  # one for each connection
        self._changed = threading.Condition()
        self._opening = threading.Lock()  # a session asks one thing at a time
        self._next = 0  # the block that is handed out next
        self._open: set[BodyReader] = set()
        self._failure: BaseException | None = None
        self._is_over = False

    def run(self) -> None:
        """Fetch all blocks. Raises the error that ended a connection, after the bytes before it are hashed."""
        # Daemons: a process that gets a signal to end does not wait for a server that is silent.
        threads = [threading.Thread(target=self._work, args=(buffer,), daemon=True) for buffer in self._buffers]
        for thread in threads:
            thread.start()
        try:
            self._count_blocks()
        finally:
            self._stop()
            until = self._limits.clock() + _LAST_WAIT
            for thread in threads:
                thread.join(max(0.0, until - self._limits.clock()))

    def _count_blocks(self) -> None:
        for block in self._blocks:
            with self._changed:
                while block.start < block.end and self._failure is None:
                    self._changed.wait()
                if block.start < block.end and self._failure:
                    raise self._failure
            self._writer.hash_up_to(block.end)

    def _stop(self) -> None:
        """From now on nothing is written."""
        with self._changed:
            self._is_over = True
            for source in self._open:
                source.abort()

    def _work(self, buffer: memoryview) -> None:
        limits = self._limits.share(len(self._buffers))
        try:
            while (block := self._take()) is not None:
                self._fetch(block, buffer, limits)
        except BaseException as error:  # noqa: BLE001  # raised by the thread that hashes
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()

    def _take(self) -> _Block | None:
        """The next block; None when there is nothing more to do."""
        with self._changed:
            if self._is_over or self._failure or self._next == len(self._blocks):
                return None
            self._next += 1
            return self._blocks[self._next - 1]

    def _fetch(self, block: _Block, buffer: memoryview, limits: TransferLimits) -> None:
        tries = RetryBudget(limits)
        while block.start < block.end:
            reached = block.start
            try:
                self._fetch_once(block, buffer, limits)
            except RangeMismatch:
                raise
            except TransferInterrupted as error:
                if self._is_over:
                    return
                tries.spend(error, progress=block.start > reached)

    def _fetch_once(self, block: _Block, buffer: memoryview, limits: TransferLimits) -> None:
        rest = RangeRequest(block.start, self._writer.metadata, block.end, overlap=0)
        with self._opening:
            response = rest.ask(self._opener, limits.deadline)
        with contextlib.closing(response):
            if response.status_code != 206:
                raise range_error(response, rest)
            if response.headers.get("ETag") != rest.metadata.validator:
                raise RangeMismatch("the file on the server is another one now")
            _claims, size = parse_part_headers(response, rest, self._redact)
            source = BodyReader(response, size, limits)
            with self._list(source):
                while got := source.fill(buffer):
                    self._put(block, buffer[:got])

    def _put(self, block: _Block, data: memoryview) -> None:
        with self._changed:
            if self._is_over:
                return
            self._writer.write_at(block.start, data)
            block.start += len(data)
            if block.start == block.end:
                self._changed.notify_all()

    @contextlib.contextmanager
    def _list(self, source: BodyReader) -> t.Iterator[None]:
        """While its bytes are read, ``_stop`` can end it."""
        with self._changed:
            self._open.add(source)
            if self._is_over:
                source.abort()
        try:
            yield
        finally:
            with self._changed:
                self._open.discard(source)
