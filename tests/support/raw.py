# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that treats each connection as a test says, byte by byte: for what concerns connections, not answers."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import typing as t
from dataclasses import dataclass, field

Conversation = t.Callable[["RawServer", socket.socket], None]


@dataclass
class RawServer:
    """A listening socket. Each connection goes through the next conversation, the last one for ever."""

    port: int
    requests: list[tuple[int, str]] = field(default_factory=list)  # number of the connection, "METHOD /path"
    over: threading.Event = field(default_factory=threading.Event)  # the test has ended

    @property
    def url(self) -> str:
        """Base address without path."""
        return f"http://127.0.0.1:{self.port}"

    def calls(self) -> list[str]:
        """What was asked, in order."""
        return [call for _connection, call in self.requests]


def reply(body: bytes = b"[]", *fields: str, status: str = "200 OK") -> bytes:
    """A whole answer that leaves the connection open."""
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]).encode() + body


LOGIN = reply(b"{}", "Set-Cookie: SID=open-sesame; Path=/")


@contextlib.contextmanager
def talking(*conversations: Conversation) -> t.Iterator[RawServer]:
    """A server for the time of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(server, listener, list(conversations)), daemon=True).start()
        try:
            yield server
        finally:
            server.over.set()


def next_request(server: RawServer, connection: socket.socket) -> str:
    """Read one request, note it; "METHOD /path", or an empty text when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return ""
        data += piece
    head, _blank, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    call = " ".join(head.split(b"\r\n")[0].decode().split()[:2])
    server.requests.append((connection.getpeername()[1], call))
    return call


def saying(*answers: bytes) -> Conversation:
    """A conversation: one request, one answer, and so on; then the connection is closed."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        for answer in answers:
            if not next_request(server, connection):
                return
            connection.sendall(answer)

    return talk


def dripping(answer: bytes, pause: float) -> Conversation:
    """A conversation in which the answer comes byte by byte, with this many seconds between two."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        next_request(server, connection)
        for position in range(len(answer)):
            connection.sendall(answer[position : position + 1])
            if server.over.wait(pause):
                return

    return talk


def silent(server: RawServer, connection: socket.socket) -> None:
    """A conversation in which nothing is ever answered."""
    next_request(server, connection)
    server.over.wait(60)


def _accept(server: RawServer, listener: socket.socket, conversations: list[Conversation]) -> None:
    with contextlib.suppress(OSError):  # the listener is closed at the end
        while True:
            connection, _address = listener.accept()
            talk = conversations.pop(0) if len(conversations) > 1 else conversations[0]
            threading.Thread(target=_serve, args=(server, connection, talk), daemon=True).start()


def _serve(server: RawServer, connection: socket.socket, talk: Conversation) -> None:
    with connection, contextlib.suppress(OSError):  # a client may go at any time
        talk(server, connection)
