# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that mean harm, byte by byte, and modules in processes of their own, whose time and memory are measured."""

from __future__ import annotations

import contextlib
import pathlib
import re
import socket
import subprocess
import threading
import time
import typing as t
from dataclasses import dataclass

from tests.support.modules import start_module, told_by

Json = t.Any
# Is given the connection and the request, with its body, and sends what it likes. The connection is closed when it
# raises, and else serves the next request.
Behaviour = t.Callable[[socket.socket, bytes], None]

SESSION: t.Final = "SID=open-sesame"
# Runs before the module. What is measured begins when all is imported: on a busy machine that alone takes seconds.
_MEASURING: t.Final = """
import atexit, pathlib, sys, time
import ansible.module_utils.basic, requests
from tests.support import modules
begin = time.monotonic()
def tell():
    status = pathlib.Path("/proc/self/status").read_text()
    sys.stderr.write(f"\\n{status}\\nseconds: {time.monotonic() - begin}\\n")
atexit.register(tell)
"""


def reply(body: bytes = b"", *fields: str, status: str = "200 OK") -> bytes:
    """A well-formed answer with a length."""
    return head(f"Content-Length: {len(body)}", *fields, status=status) + body


def head(*fields: str, status: str = "200 OK") -> bytes:
    """Status line and header fields, as they are."""
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def sending(data: bytes) -> Behaviour:
    """Answers every request with these bytes."""
    return lambda connection, _request: connection.sendall(data)


def endless(start: bytes, again: bytes, pause: float = 0.0) -> Behaviour:
    """Sends the start, and then the same bytes again and again, with so many seconds between two."""

    def behave(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(start)
        while True:  # until the client or the test ends
            connection.sendall(again)
            time.sleep(pause)

    return behave


def silent(connection: socket.socket, _request: bytes) -> None:
    """Keeps the connection and says nothing."""
    while connection.recv(65536):
        pass


_WELL_BEHAVED: t.Final[t.Mapping[str, Behaviour]] = {
    "/api/session/login": sending(reply(b"{}", f"Set-Cookie: {SESSION}; Path=/")),
    "/api/session/logout": sending(reply(status="204 No Content")),
    "/api/session": sending(reply(b"{}")),
    "/": sending(reply(b"{}", status="404 Not Found")),
}


class HostileServer:
    """Behaves as it is said, by the longest prefix of the path (``/api/cloud-download``); logins succeed otherwise.

    greet: is given each new connection before anything is read from it, to wrap it in TLS or to keep it for ever.
    requests: what was asked, as "METHOD /path?query".
    """

    def __init__(
        self,
        behaviours: t.Mapping[str, Behaviour],
        *,
        greet: t.Callable[[socket.socket], socket.socket] = lambda connection: connection,
        scheme: str = "http",
    ) -> None:
        self.requests: list[str] = []
        self._behaviours = {**_WELL_BEHAVED, **behaviours}
        self._greet = greet
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> HostileServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        for connection in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # whoever waits for it, or sends into it, ends
        self._listener.close()

    def options(self, **more: Json) -> Json:
        """Options of a module that logs in here."""
        return {
            "url": self.url,
            "allow_http": True,
            "username": "ali",
            "password": "sesame",
            "retries": 0,
            "timeout": 1,
            **more,
        }

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end
            while True:
                connection, _address = self._listener.accept()
                self._open.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with accepted, contextlib.suppress(OSError, ValueError):  # the client may go at any time
            connection = self._greet(accepted)
            while request := _request(connection):
                line = request.partition(b"\r\n")[0].decode("latin-1").split(" ")
                self.requests.append(" ".join(line[:2]))
                longest = max(filter(line[1].startswith, self._behaviours), key=len)
                self._behaviours[longest](connection, request)
        self._open.discard(accepted)


def _request(connection: socket.socket) -> bytes:
    """The next request with its body; nothing at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := connection.recv(65536))
        if not more:
            return b""
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", data)
    missing = int(length[1]) if length else 0
    while len(data.partition(b"\r\n\r\n")[2]) < missing:
        data += connection.recv(65536)
    return data


@dataclass(frozen=True)
class Measured:
    """How a module ended. result: empty when it had to be killed. peak_bytes: of its memory (VmHWM)."""

    result: Json
    seconds: float
    peak_bytes: int


def run_measured(
    module: str,
    options: t.Mapping[str, Json],
    seconds: float,
    *,
    environment: t.Mapping[str, str] | None = None,
    before: str = "",
) -> Measured:
    """Run a module in a process of its own, which is killed after so many seconds.

    before: Python that the process runs first.
    """
    started = time.monotonic()
    with start_module(module, options, environment, before=_MEASURING + before) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            process.kill()
            return Measured({}, time.monotonic() - started, _peak(status))
    told = errors.decode("utf-8", "replace")
    measured = re.search(r"^seconds: (.*)$", told, re.MULTILINE)
    assert measured, told
    return Measured(told_by(output), float(measured[1]), _peak(told))


def _peak(status: str) -> int:
    # Not getrusage or wait4: their number starts with the memory of the process that started this one.
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
