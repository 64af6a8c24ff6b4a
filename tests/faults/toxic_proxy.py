# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy between a client and a real server, with toxiproxy's vocabulary, exact to the byte.

What a toxic does, it does to the answers, for each connection anew; requests pass as they are. The list of toxics may
be changed while bytes flow: ``proxy.toxics = [Stop()]`` is a partition, ``proxy.toxics = []`` heals it. Without a
toxic that slows them down, bytes pass as fast as two threads can copy; up to BUFFER wait in between, so that a
``Latency`` delays them without limiting the bandwidth.
"""

from __future__ import annotations

import collections
import contextlib
import socket
import struct
import threading
import time
import typing as t
from dataclasses import dataclass

BUFFER: t.Final = 64 * 1024 * 1024  # bytes of each connection
_PIECE: t.Final = 256 * 1024
_SLOWLY: t.Final = 0.05  # seconds between two pieces of a limited bandwidth


@dataclass(frozen=True)
class Latency:
    """Every byte comes so many seconds later."""

    seconds: float


@dataclass(frozen=True)
class Bandwidth:
    """At most so many bytes per second."""

    rate: float


@dataclass(frozen=True)
class SlowClose:
    """The end of the connection comes so many seconds late."""

    seconds: float


@dataclass(frozen=True)
class Stop:
    """Nothing comes through (toxiproxy: timeout). seconds: then the connection is closed; None: it stays."""

    seconds: float | None = None


@dataclass(frozen=True)
class ResetPeer:
    """RST, so many seconds after the first byte of the answer."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Slicer:
    """In pieces of so many bytes, with a pause in seconds after each."""

    size: int
    pause: float = 0.0


@dataclass(frozen=True)
class LimitData:
    """So many bytes, then the end: FIN, or RST."""

    count: int
    reset: bool = False


@dataclass(frozen=True)
class FlipBit:
    """One bit of the byte with this number is another one."""

    at: int


Toxic = Latency | Bandwidth | SlowClose | Stop | ResetPeer | Slicer | LimitData | FlipBit
_T = t.TypeVar("_T")


class _Ended(Exception):
    """This connection is over. reset: with RST."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class ToxicProxy:
    """Passes connections on to the server until the end of the ``with`` block."""

    def __init__(self, server: tuple[str, int], toxics: t.Sequence[Toxic] = ()) -> None:
        self.toxics = toxics
        self.connections = 0  # that have been made
        self.port = 0
        self._server = server
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    def __enter__(self) -> ToxicProxy:
        self.up()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self.down()

    def up(self) -> None:
        """Listen, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and reset those there are."""
        listener, self._listener = self._listener, None
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for connection in self._open:
                _reset(connection)

    def find(self, kind: type[_T]) -> _T | None:
        """The toxic of this kind, if there is one."""
        return next((toxic for toxic in self.toxics if isinstance(toxic, kind)), None)

    def is_over(self, seconds: float) -> bool:
        """Wait so long; whether the proxy has ended."""
        return self._over.wait(seconds)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._server) as server:
            both = {client, server}
            for end in both:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= both
            requests = threading.Thread(target=_copy, args=(client, server), daemon=True)
            requests.start()
            try:
                _Answers(self, server, client).pass_on()
            except _Ended as end_of_it:
                if end_of_it.reset:
                    _reset(client)
                else:
                    client.shutdown(socket.SHUT_RDWR)
            finally:
                with self._lock:
                    self._open -= both
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)


class _Answers:
    """The bytes from the server to the client on one connection."""

    def __init__(self, proxy: ToxicProxy, server: socket.socket, client: socket.socket) -> None:
        self._proxy = proxy
        self._server = server
        self._client = client
        self._passed = 0
        self._first: float | None = None  # when the first byte came
        self._waiting: collections.deque[tuple[float, bytes]] = collections.deque()
        self._size = 0
        self._changed = threading.Condition()

    def pass_on(self) -> None:
        """Until the server ends, or a toxic does."""
        threading.Thread(target=self._receive, daemon=True).start()
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                came, data = self._waiting.popleft()
                self._size -= len(data)
                self._changed.notify()
            if not data:
                slow = self._proxy.find(SlowClose)
                self._proxy.is_over(slow.seconds if slow else 0)
                self._client.shutdown(socket.SHUT_WR)
                return
            self._deliver(came, data)

    def _receive(self) -> None:
        while True:
            try:
                data = self._server.recv(_PIECE)
            except OSError:
                data = b""
            with self._changed:
                while self._size > BUFFER:
                    self._changed.wait()
                self._waiting.append((time.monotonic(), data))
                self._size += len(data)
                self._changed.notify()
            if not data:
                return

    def _deliver(self, came: float, data: bytes) -> None:
        self._first = self._first or came
        latency = self._proxy.find(Latency)
        if latency:
            self._proxy.is_over(max(0.0, came + latency.seconds - time.monotonic()))
        for piece, pause in self._sliced(data):
            self._stopped()
            self._send(piece)
            if pause:
                self._proxy.is_over(pause)

    def _sliced(self, data: bytes) -> t.Iterator[tuple[bytes, float]]:
        """Pieces, and how long to wait after each; what the toxics say is asked for each anew."""
        start = 0
        while start < len(data):
            slicer, bandwidth = self._proxy.find(Slicer), self._proxy.find(Bandwidth)
            size, pause = (slicer.size, slicer.pause) if slicer else (len(data), 0.0)
            if bandwidth:
                size = min(size, max(1, int(bandwidth.rate * _SLOWLY)))
            piece = data[start : start + size]
            start += len(piece)
            yield piece, max(pause, len(piece) / bandwidth.rate if bandwidth else 0.0)

    def _stopped(self) -> None:
        """Wait as long as nothing may pass."""
        since = time.monotonic()
        while stop := self._proxy.find(Stop):
            if self._proxy.is_over(0.01) or (stop.seconds is not None and time.monotonic() > since + stop.seconds):
                raise _Ended(reset=False)

    def _send(self, data: bytes) -> None:
        reset = self._proxy.find(ResetPeer)
        if reset and time.monotonic() >= (self._first or 0.0) + reset.seconds:
            raise _Ended(reset=True)
        flip = self._proxy.find(FlipBit)
        if flip and self._passed <= flip.at < self._passed + len(data):
            changed = bytearray(data)
            changed[flip.at - self._passed] ^= 0x10
            data = bytes(changed)
        limit = self._proxy.find(LimitData)
        if limit and self._passed + len(data) >= limit.count:
            self._client.sendall(data[: limit.count - self._passed])
            self._proxy.is_over(0.1 if limit.reset else 0)  # RST overtakes data that is under way
            raise _Ended(reset=limit.reset)
        self._client.sendall(data)
        self._passed += len(data)


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Requests, as they are."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The other thread still reads from it: closing the descriptor alone would not end the connection.
        connection.shutdown(socket.SHUT_RD)
        connection.close()
