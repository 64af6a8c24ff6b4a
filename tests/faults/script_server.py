# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that says exactly what a script tells it, byte for byte: frameworks refuse to send broken HTTP."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Repeat:
    """The same bytes many times."""

    data: bytes
    times: int


@dataclass(frozen=True)
class Sliced:
    """Bytes in pieces, each in a segment of its own, with a pause in seconds after each."""

    data: bytes
    size: int
    pause: float = 0.0


@dataclass(frozen=True)
class Pause:
    """Silence, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """End the connection with RST instead of FIN."""


@dataclass(frozen=True)
class HangUp:
    """End the connection with FIN, and over TLS without its goodbye."""


@dataclass(frozen=True)
class Stay:
    """Keep the connection for the next request."""


# An event is waited for, ten seconds at the most.
Step = t.Union[bytes, Repeat, Sliced, Pause, Reset, HangUp, Stay, threading.Event]
Script = t.Sequence[Step]


@dataclass(frozen=True)
class Request:
    """A request as it came, with its body, if any. number: how many there were before it for its path."""

    head: bytes
    number: int

    @property
    def path(self) -> str:
        """What is asked for."""
        return self.head.split(b" ")[1].decode()

    def field(self, name: str) -> str | None:
        """The value of a header field."""
        found = re.search(rb"(?im)^%s:[ \t]*(.*?)[ \t]*\r$" % re.escape(name.encode()), self.head)
        return found.group(1).decode("latin-1") if found else None

    @property
    def range(self) -> tuple[int, int | None] | None:
        """The first and the last byte asked for; the last is None for all the rest. None: there is no Range."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.field("Range") or "")
        return (int(found.group(1)), int(found.group(2)) if found.group(2) else None) if found else None


# What is played for a request: always the same, or what fits it.
Reply = t.Union[Script, t.Callable[[Request], Script]]


def head(*fields: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    """Status line and header fields, as they are."""
    return "\r\n".join([f"{version} {status}", *fields, "", ""]).encode("latin-1")


def reply(body: bytes, *fields: str, status: str = "200 OK", media_type: str = "application/octet-stream") -> Script:
    """A well-formed answer with a length."""
    return [head(f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *fields, status=status), body]


def chunked(body: bytes, *fields: str, size: int = 1000, end: bytes = b"0\r\n\r\n") -> Script:
    """A well-formed answer in chunks, but for its end where that is given."""
    return [
        head("Content-Type: application/octet-stream", "Transfer-Encoding: chunked", *fields),
        in_chunks(body, size) + end,
    ]


def in_chunks(body: bytes, size: int = 1000) -> bytes:
    """The chunks without the last, empty one."""
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def until_close(body: bytes, *fields: str) -> Script:
    """An answer whose end only the end of the connection shows."""
    return [head("Content-Type: application/octet-stream", "Connection: close", *fields), body]


@dataclass
class ScriptServer:
    """Plays one reply for each request of a path, the last one for ever, and closes the connection after it.

    tls: the context when it shall speak https. requests: the heads as they came. sent: all bytes of the answers.
    """

    scripts: t.Mapping[str, t.Sequence[Reply]]
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0
    port: int = 0

    def url(self, path: str = "/file") -> str:
        """The address of a path."""
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}{path}"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[ScriptServer]:
        """Serve until the end of the block, each connection in a thread of its own."""
        self._played: dict[str, int] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        with socket.create_server((self.host, self.port), backlog=128) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self._over.set()
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                connection = stack.enter_context(self.tls.wrap_socket(connection, server_side=True))
            while True:
                script = self._script(connection)
                if script is None or not self._play(connection, script):
                    return

    def _script(self, connection: socket.socket) -> Script | None:
        """The script for the next request on a connection; None when there is no next one."""
        received = b""
        missing = 1
        while missing > 0:
            data = connection.recv(65536)
            if not data:
                return None
            received += data
            start, end, body = received.partition(b"\r\n\r\n")
            missing = int(Request(start + end, 0).field("Content-Length") or 0) - len(body) if end else 1
        path = Request(received, 0).path
        with self._lock:
            number = self._played.get(path, 0)
            self._played[path] = number + 1
            self.requests.append(received)
        replies = self.scripts[path]
        chosen = replies[min(number, len(replies) - 1)]
        return chosen(Request(received, number)) if callable(chosen) else chosen

    def _play(self, connection: socket.socket, script: Script) -> bool:
        """Whether the connection stays."""
        for step in script:
            if isinstance(step, Pause):
                self._over.wait(step.seconds)
            elif isinstance(step, threading.Event):
                step.wait(10)
            elif isinstance(step, Stay):
                return True
            elif isinstance(step, Reset):
                self._over.wait(0.1)  # RST overtakes data that is under way; here it shall come after it
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            elif isinstance(step, HangUp):
                break
            else:
                self._send(connection, step)
        else:
            self._say_goodbye(connection)
        # Closing with unread input would send RST.
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass
        return False

    def _say_goodbye(self, connection: socket.socket) -> None:
        """Over TLS; it does not matter whether the other side answers."""
        if isinstance(connection, ssl.SSLSocket):
            connection.settimeout(0)
            with contextlib.suppress(OSError):
                connection.unwrap()
            connection.settimeout(None)

    def _send(self, connection: socket.socket, step: bytes | Repeat | Sliced) -> None:
        if isinstance(step, Sliced):
            for start in range(0, len(step.data), step.size):
                self._send(connection, step.data[start : start + step.size])
                if step.pause and self._over.wait(step.pause):
                    return
            return
        data, times = (step.data, step.times) if isinstance(step, Repeat) else (step, 1)
        for _time in range(times):
            connection.sendall(data)
            with self._lock:
                self.sent += len(data)


def scripted(*replies: Reply, **by_path: t.Sequence[Reply]) -> contextlib.AbstractContextManager[ScriptServer]:
    """A running server: the replies for /file, and others by path (``second=[...]`` for /second)."""
    paths = {f"/{name}": value for name, value in by_path.items()}
    return ScriptServer({"/file": replies, **paths}).running()
