# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outermost layer: sees every request and its answer, for the log, the counters and the validation."""

from __future__ import annotations

import collections
import typing as t
import urllib.parse
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.simulator import strict_json
from tests.simulator.app import BASE
from tests.simulator.gate import LOGINS, operation_of

_SESSION_WRITES = {*LOGINS, "/session/logout"}
_CONTENT = ("GET /cloud-download/{guid}", "GET /cloud-download/{guid}/content-download")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; ``answer`` is None when it was a stream of content."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer_headers: dict[str, str]
    answer: bytes | None

    def json_body(self) -> t.Any:
        """The request's body as it was, None when it is not JSON."""
        try:
            return strict_json.loads(self.body)
        except ValueError:
            return None

    def record(self) -> dict[str, t.Any]:
        """The entry of the request log."""
        return {
            "method": self.method,
            "path": self.path,
            "query": [list(pair) for pair in urllib.parse.parse_qsl(self.query, keep_blank_values=True)],
            "headers": self.headers,
            "body": self.json_body(),
            "status": self.status,
        }


class Journal:
    """What was asked and answered since the last clearing."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again."""
        self.requests: list[dict[str, t.Any]] = []
        self.calls: collections.Counter[str] = collections.Counter()
        self.logins = 0
        self.logouts = 0
        self.writes = 0
        self.content_bytes = 0

    def add(self, exchange: Exchange) -> None:
        """Note an exchange. ``logins`` and ``logouts`` count those that succeeded."""
        self.requests.append(exchange.record())
        self.calls[operation_of(exchange.method, exchange.path)] += 1
        good = 200 <= exchange.status < 300
        self.logins += exchange.method == "POST" and exchange.path in LOGINS and good
        self.logouts += exchange.method == "POST" and exchange.path == "/session/logout" and good
        self.writes += exchange.method in ("POST", "PUT", "DELETE") and exchange.path not in _SESSION_WRITES


class Observer:
    """The ASGI layer. Journal and ``validate``, if given, learn of an exchange before the client has its last byte."""

    def __init__(self, app: ASGIApp, journal: Journal, validate: t.Callable[[Exchange], None] | None) -> None:
        self._app = app
        self._journal = journal
        self._validate = validate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _whole_body(receive)
        sender = _Sender(scope, body, send, self._observe, self._count)
        await self._app(scope, _replay(body, receive), sender)

    def _observe(self, exchange: Exchange) -> None:
        self._journal.add(exchange)
        if self._validate is not None:
            self._validate(exchange)

    def _count(self, length: int) -> None:
        self._journal.content_bytes += length


class _Sender:
    """Passes an answer on. A JSON answer is held back until it is whole, so that it can be observed first."""

    def __init__(
        self,
        scope: Scope,
        body: bytes,
        send: Send,
        observe: t.Callable[[Exchange], None],
        count: t.Callable[[int], None],
    ) -> None:
        self._scope = scope
        self._body = body
        self._send = send
        self._observe = observe
        self._count = count
        self._path = scope["path"].removeprefix(BASE)
        self._is_content = operation_of(scope["method"], self._path) in _CONTENT
        self._start: Message = {}
        self._held: bytearray | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            headers = _headers(message["headers"])
            streamed = self._is_content and message["status"] in (200, 206)
            if streamed and not headers.get("content-type", "").startswith("application/json"):
                self._tell(None)
                await self._send(message)
            else:
                self._held = bytearray()
        elif self._held is None:
            self._count(len(message.get("body", b"")))
            await self._send(message)
        else:
            self._held += message.get("body", b"")
            if not message.get("more_body", False):
                self._tell(bytes(self._held))
                await self._send(self._start)
                await self._send({"type": "http.response.body", "body": bytes(self._held)})

    def _tell(self, answer: bytes | None) -> None:
        self._observe(
            Exchange(
                method=self._scope["method"],
                path=self._path,
                query=self._scope["query_string"].decode("latin-1"),
                headers=_headers(self._scope["headers"]),
                body=self._body,
                status=self._start["status"],
                answer_headers=_headers(self._start["headers"]),
                answer=answer,
            )
        )


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _headers(raw: t.Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
