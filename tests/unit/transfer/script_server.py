# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that says exactly what a script tells it, byte for byte: frameworks refuse to send broken HTTP."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Repeat:
    """The same bytes many times."""

    data: bytes
    times: int


@dataclass(frozen=True)
class Pause:
    """Silence, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """End the connection with RST instead of FIN."""


# An event is waited for, ten seconds at the most.
Script = t.Sequence["bytes | Repeat | Pause | Reset | threading.Event"]


def head(*fields: str, status: str = "200 OK") -> bytes:
    """Status line and header fields, as they are."""
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def reply(body: bytes, *fields: str, status: str = "200 OK", media_type: str = "application/octet-stream") -> Script:
    """A well-formed answer with a length."""
    return [head(f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *fields, status=status), body]


def chunked(body: bytes, *fields: str, size: int = 1000, end: bytes = b"0\r\n\r\n") -> Script:
    """A well-formed answer in chunks, but for its end where that is given."""
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return [head("Content-Type: application/octet-stream", "Transfer-Encoding: chunked", *fields), chunks + end]


def until_close(body: bytes, *fields: str) -> Script:
    """An answer whose end only the end of the connection shows."""
    return [head("Content-Type: application/octet-stream", "Connection: close", *fields), body]


@dataclass
class ScriptServer:
    """Plays one script for each request of a path, the last one for ever, and closes the connection after it."""

    scripts: t.Mapping[str, t.Sequence[Script]]
    requests: list[bytes] = field(default_factory=list)  # heads as they came
    port: int = 0

    def url(self, path: str = "/file") -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[ScriptServer]:
        """Serve until the end of the block, each connection in a thread of its own."""
        self._played: dict[str, int] = {}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
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
        with connection, contextlib.suppress(OSError):
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                data = connection.recv(65536)
                if not data:
                    return
                request += data
            self.requests.append(request)
            path = request.split(b" ")[1].decode()
            number = self._played.get(path, 0)
            self._played[path] = number + 1
            scripts = self.scripts[path]
            _play(connection, scripts[min(number, len(scripts) - 1)])


def _play(connection: socket.socket, script: Script) -> None:
    for step in script:
        if isinstance(step, bytes):
            connection.sendall(step)
        elif isinstance(step, Repeat):
            for _time in range(step.times):
                connection.sendall(step.data)
        elif isinstance(step, Pause):
            time.sleep(step.seconds)
        elif isinstance(step, threading.Event):
            step.wait(10)
        else:
            time.sleep(0.1)  # RST overtakes data that is under way; here it shall come after it
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
    # Closing with unread input would send RST.
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(5)
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


def scripted(*scripts: Script, **by_path: t.Sequence[Script]) -> contextlib.AbstractContextManager[ScriptServer]:
    """A running server: the scripts for /file, and others by path (``second=[...]`` for /second)."""
    paths = {f"/{name}": value for name, value in by_path.items()}
    return ScriptServer({"/file": scripts, **paths}).running()
