# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An open file, read in blocks at any offset."""

from __future__ import annotations

import os
import typing as t

from .structure import CheckTime, corrupt


class BlockReader:
    """Reads through one buffer of a block, so that neighbours cost no further system call.

    Raises StorwareError (``corrupt``) for bytes that are not there.
    """

    def __init__(self, fd: int, size: int, block: int) -> None:
        self.size = size
        self._fd = fd
        self._block = block
        self._start = 0
        self._buffer = b""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""
        if offset < 0 or offset + length > self.size:
            raise corrupt(f"its records point to byte {offset + length}, but it is {self.size} bytes long")
        if not self._start <= offset or offset + length > self._start + len(self._buffer):
            self._start, self._buffer = offset, self._pread(max(length, self._block), offset)
        begin = offset - self._start
        return self._buffer[begin : begin + length]

    def pieces(self, offset: int, length: int) -> t.Iterator[bytes]:
        """These bytes, at most a block at a time."""
        while length:
            piece = self._pread(min(length, self._block), offset)
            if not piece:
                raise corrupt("it became shorter while it was read")
            yield piece
            offset += len(piece)
            length -= len(piece)

    def has_zeros(self, start: int, end: int, check_time: CheckTime) -> bool:
        """Whether all bytes from start up to end are zero."""
        while start < end:
            check_time()
            piece = self.read(start, min(self._block, end - start))
            if piece.count(0) != len(piece):
                return False
            start += len(piece)
        return True

    def _pread(self, length: int, offset: int) -> bytes:
        """Up to length bytes; fewer only at the end of the file."""
        piece = os.pread(self._fd, length, offset)
        while piece and len(piece) < length:
            more = os.pread(self._fd, length - len(piece), offset + len(piece))
            if not more:
                break
            piece += more
        return piece
