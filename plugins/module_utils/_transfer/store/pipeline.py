# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write and hash what is read: one thread reads, another one writes, and a third one hashes."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import resource
import typing as t

from ..._errors import StorwareError
from ..http.body import BodyReader

BUFFER: t.Final = 1024 * 1024  # bytes
_BUFFERS: t.Final = 6  # read ahead of the disk

_Future = concurrent.futures.Future[None]


def has_address_limit() -> bool:
    """Whether threads are dear: each reserves some 70 MiB of address space, of which a limit may leave little."""
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


class _Equipment:
    """Buffers, a thread that writes, and one that hashes: for one pipeline at a time."""

    def __init__(self) -> None:
        # Before the threads, which may take what little address space there is.
        self.buffers = [memoryview(bytearray(BUFFER)) for _number in range(_BUFFERS)]
        self.disk = concurrent.futures.ThreadPoolExecutor(1)
        # With a limit, the thread that writes hashes as well.
        self.hasher = self.disk if has_address_limit() else concurrent.futures.ThreadPoolExecutor(1)

    def wait(self) -> None:
        """Wait until the threads are idle."""
        for thread in (self.disk, self.hasher):
            thread.submit(int).result()


_SPARE: t.Final[list[_Equipment]] = []  # of earlier responses: new threads and new pages cost time for each file
os.register_at_fork(after_in_child=_SPARE.clear)  # a child has no thread but its own


class Pipeline:
    """What was read from one response, on its way to the disk.

    write: is called with the offset and the bytes, in a thread. hash: with the bytes, in their order, after they were
    written, in another one. end: the offset behind what was read.
    """

    def __init__(
        self, write: t.Callable[[int, memoryview], None], hash: t.Callable[[memoryview], None], offset: int
    ) -> None:
        self.end = offset
        self._write = write
        self._hash = hash
        self._equipment = _SPARE.pop() if _SPARE else _Equipment()
        self._is_open = True
        self._pending: collections.deque[tuple[_Future, memoryview]] = collections.deque()
        self._failure: StorwareError | None = None

    def read(self, reader: BodyReader) -> None:
        """Read all bytes; ``finish`` waits until they are hashed. Raises as the reader, write and hash."""
        disk, hasher, spare = self._equipment.disk, self._equipment.hasher, list(self._equipment.buffers)
        while True:
            if spare:
                buffer = spare.pop()
            else:
                hashed, buffer = self._pending.popleft()
                hashed.result()
            size = reader.fill(buffer)
            if not size:
                return
            written = disk.submit(self._write, self.end, buffer[:size])
            self._pending.append((hasher.submit(self._hash_next, buffer[:size], written), buffer))
            self.end += size

    def finish(self) -> None:
        """Wait until all bytes are hashed. Raises as write and hash."""
        try:
            for hashed, _buffer in self._pending:
                hashed.result()
        finally:
            self.close()

    def close(self) -> None:
        """Wait for what is pending, also after an interruption: nothing that was read is lost."""
        if self._is_open:
            self._is_open = False
            self._equipment.wait()
            _SPARE.append(self._equipment)
        self._pending.clear()

    def _hash_next(self, data: memoryview, written: _Future) -> None:
        if self._failure:
            raise self._failure  # behind a hole nothing has its place
        try:
            written.result()
        except StorwareError as error:
            self._failure = error
            raise
        self._hash(data)
