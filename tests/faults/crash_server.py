# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An honest server for runs that are killed, starved or disturbed from outside: whole files and ranges, and it counts.

Nothing it serves has to lie on a disk: contents are made from their offsets.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import random
import re
import socket
import struct
import threading
import time
import typing as t
import zlib
from dataclasses import dataclass, field

MIB: t.Final = 1024 * 1024

_ENTRY: t.Final = b"mailbox.mbox"
_RANGE: t.Final = re.compile(r"bytes=(\d+)-(\d*)")
_HELD: t.Final = 64 * MIB  # what is sent thousands of times is made once
_SEND_BUFFER: t.Final = 256 * 1024  # small, so that what was sent is nearly what arrived


class Content:
    """A ZIP archive of this many bytes with one stored entry. No two blocks are alike, nor any two with other seeds."""

    def __init__(self, size: int, seed: int = 1, *, is_zip: bool = True, etag: str | None = None) -> None:
        self.size = size
        self.etag = f'"{seed}-{size:x}"' if etag is None else etag  # empty: none is sent
        self._noise = random.Random(seed).randbytes(MIB)
        self._seed = seed
        self._is_zip = is_zip

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from start to before stop."""
        head, tail = self._frame
        tail_at = self.size - len(tail)
        pieces = [head[start:stop]]
        pieces += self._entry(max(0, start - len(head)), min(stop, tail_at) - len(head))
        pieces += [tail[max(0, start - tail_at) : max(0, stop - tail_at)]]
        return b"".join(pieces)

    def pieces(self, start: int = 0, stop: int | None = None) -> t.Iterator[bytes | memoryview]:
        """The same, in pieces that are easy to hold."""
        stop = self.size if stop is None else stop
        whole = memoryview(self._whole) if self.size <= _HELD else None
        for at in range(start, stop, MIB):
            end = min(stop, at + MIB)
            yield self.read(at, end) if whole is None else whole[at:end]

    @functools.cached_property
    def _whole(self) -> bytes:
        return self.read(0, self.size)

    @functools.cached_property
    def sha256(self) -> str:
        """The digest as hex."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    @functools.cached_property
    def _frame(self) -> tuple[bytes, bytes]:
        """What stands before and after the entry: local header; central directory and its end."""
        if not self._is_zip:
            return b"", b""
        head, central, end = 30 + len(_ENTRY), 46 + len(_ENTRY), 22
        size = self.size - head - central - end
        crc = 0
        for at in range(0, size, MIB):
            crc = zlib.crc32(b"".join(self._entry(at, min(size, at + MIB))), crc)
        common = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, crc, size, size, len(_ENTRY), 0)
        local = b"PK\x03\x04" + common + _ENTRY
        entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + _ENTRY
        return local, entry + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), head + size, 0)

    def _entry(self, start: int, stop: int) -> t.Iterator[bytes]:
        for number in range(start // MIB, -(-stop // MIB) if stop > start else 0):
            block = struct.pack("<QQ", number, self._seed) + self._noise[16:]
            yield block[max(0, start - number * MIB) : stop - number * MIB]


@dataclass
class Sent:
    """One answer. asked: the first byte that was asked for (None: no range). count: how many bytes went out."""

    path: str
    asked: int | None
    status: int
    count: int = 0


@dataclass
class Server:
    """Serves contents by path. rate: bytes per second of each connection. name: what it calls every file.

    hold_at: an answer stops at this offset of the content, until this is set to None.
    """

    contents: dict[str, Content]
    rate: float | None = None
    name: str = ""
    hold_at: int | None = None
    sent: list[Sent] = field(default_factory=list)
    port: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def url(self, path: str = "/file") -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def count(self) -> int:
        """How many bytes of contents went out in all."""
        return sum(answer.count for answer in self.sent)

    def drop(self) -> None:
        """Break off all answers that are under way."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Return when so many bytes have gone out."""
        ends = time.monotonic() + seconds
        while self.count < count:
            assert time.monotonic() < ends, f"{self.count} of {count} bytes were asked for in {seconds} s"
            time.sleep(0.002)

    @contextlib.contextmanager
    def running(self) -> t.Iterator[Server]:
        """Serve until the end of the block, each connection in a thread of its own."""
        server = _Listener(("127.0.0.1", 0), self._handler())
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        content = self.contents[handler.path]
        start, stop = _span(content, handler.headers)
        status = 200 if start is None else 206 if start < content.size else 416
        answer = Sent(handler.path, start, status)
        self.sent.append(answer)
        handler.send_response(status)
        handler.send_header("Accept-Ranges", "bytes")
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{content.size}")
        if status == 416:
            handler.send_header("Content-Range", f"bytes */{content.size}")
        length = 0 if status == 416 else stop - (start or 0)
        handler.send_header("Content-Length", str(length))
        handler.send_header("Content-Type", "application/octet-stream")
        if content.etag:
            handler.send_header("ETag", content.etag)
        if self.name:
            handler.send_header("Content-Disposition", f'attachment; filename="{self.name}"')
        with contextlib.suppress(OSError):
            handler.end_headers()
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            self._open.append(handler.connection)
            if length:
                self._send(handler.connection, content.pieces(start or 0, stop), answer)
            return
        handler.close_connection = True  # the client has gone

    def _send(self, connection: socket.socket, pieces: t.Iterable[bytes | memoryview], answer: Sent) -> None:
        started, first = time.monotonic(), answer.asked or 0
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                while (room := self._room(first + answer.count)) == 0:
                    time.sleep(0.002)
                    if _has_gone(connection):
                        return
                count = connection.send(rest[:room])
                answer.count += count
                rest = rest[count:]
                if self.rate:
                    time.sleep(max(0.0, started + answer.count / self.rate - time.monotonic()))

    def _room(self, at: int) -> int | None:
        """How many bytes may be sent from this offset on."""
        hold_at = self.hold_at
        return None if hold_at is None else max(0, hold_at - at)


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, *connection: object) -> None:
        """A client that was killed is no error."""


def _has_gone(connection: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    return False


def _span(content: Content, headers: t.Any) -> tuple[int | None, int]:
    """First byte (None: no range, or not of this content) and the one after the last."""
    match = _RANGE.fullmatch(headers.get("Range", ""))
    condition = headers.get("If-Range")
    if not match or (condition is not None and condition != content.etag):
        return None, content.size
    return int(match.group(1)), min(content.size, int(match.group(2)) + 1) if match.group(2) else content.size


def serving(**contents: Content) -> contextlib.AbstractContextManager[Server]:
    """A running server: ``serving(file=content)`` has it at ``url("/file")``."""
    return Server({f"/{path}": content for path, content in contents.items()}).running()
