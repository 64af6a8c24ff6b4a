# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server for faults that hold secrets: it sends any bytes, well-formed or not, and one port serves all faults.

The first part of a path selects a script, so that a task chooses its fault by its url alone.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socketserver
import ssl
import threading
import typing as t
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """The bytes of an answer, and whether the connection ends with it."""

    data: bytes
    close: bool = False


@dataclass(frozen=True)
class Request:
    """A request as it came in. path: below the script's own part, without query. peer: the client's port."""

    method: str
    path: str
    headers: t.Mapping[str, str]
    body: bytes
    peer: int


Script = t.Callable[[Request], Reply]


def reply(status: int, body: str | bytes = b"", headers: t.Mapping[str, str] | None = None) -> Reply:
    """A well-formed answer; text is sent as UTF-8, also in header fields."""
    data = body.encode() if isinstance(body, str) else body
    fields = {"Content-Length": str(len(data)), **(headers or {})} if status != 204 else dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return Reply(f"HTTP/1.1 {status} Some Reason\r\n{head}\r\n".encode() + data)


def json_reply(value: t.Any, status: int = 200) -> Reply:
    """An answer as the API gives it."""
    return reply(status, json.dumps(value, ensure_ascii=False), {"Content-Type": "application/json"})


class Server:
    """Serves scripts under ``url(name)`` on one port of loopback. A request to another host is one to a proxy."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.scripts: dict[str, Script] = {}
        self._scheme = "https" if tls else "http"
        self._server = _TcpServer(("127.0.0.1", 0), self._handler())
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, name: str) -> str:
        """The address under which a script answers."""
        return f"{self._scheme}://{self.address}/{name}"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[Server]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _answer(self, method: str, target: str, headers: t.Mapping[str, str], body: bytes, peer: int) -> Reply:
        parts = urllib.parse.urlsplit(target)
        name, _separator, path = parts.path.lstrip("/").partition("/api")
        script = self.scripts.get(name)
        if script is None:
            return Reply(reply(404, f"nothing is prepared under {name}").data, close=True)
        return script(Request(method, path, headers, body, peer))

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                    while self._exchange():
                        pass

            def _exchange(self) -> bool:
                line = self.rfile.readline(65536).decode("latin-1").split()
                if len(line) != 3:
                    return False
                headers = dict(http.client.parse_headers(self.rfile).items())
                body = self.rfile.read(int(headers.get("Content-Length", 0)))
                answer = server._answer(line[0], line[1], headers, body, self.client_address[1])
                self.wfile.write(answer.data)
                return not answer.close

        return Handler


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: clients that refuse a certificate or break off are what is wanted."""
