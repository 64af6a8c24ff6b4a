# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one connection into the sink: one thread reads, one writes and one hashes, in a few reused buffers."""

from __future__ import annotations

import collections
import concurrent.futures
import typing as t

from ..http.body import BodyReader
from .writer import PartialWriter

PIECE: t.Final = 1024 * 1024  # bytes
_PIECES: t.Final = 6  # buffers; what is read ahead of the disk


class Pump:
    """Moves what sources bring. One is enough for all tries of a transfer: its buffers are used again."""

    def __init__(self, writer: PartialWriter) -> None:
        self._writer = writer
        self._buffers = [memoryview(bytearray(PIECE)) for _number in range(_PIECES)]

    def run(self, source: BodyReader) -> None:
        """All bytes of the source into the sink. What has come before a failure is in the sink, too."""
        writer = self._writer
        offset = writer.offset
        spare = list(self._buffers)
        under_way: collections.deque[tuple[concurrent.futures.Future[None], memoryview]] = collections.deque()
        # The end of the block waits for what is under way, also after an interruption: nothing that came is lost.
        with concurrent.futures.ThreadPoolExecutor(1) as hasher, concurrent.futures.ThreadPoolExecutor(1) as disk:
            while True:
                if spare:
                    buffer = spare.pop()
                else:
                    counted, buffer = under_way.popleft()
                    counted.result()
                size = source.fill(buffer)
                if not size:
                    break
                written = disk.submit(writer.write, offset, buffer[:size])
                under_way.append((hasher.submit(writer.count, buffer[:size], written), buffer))
                offset += size
            for counted, _buffer in under_way:
                counted.result()
