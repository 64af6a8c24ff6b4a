# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: answers that get lost on the way, and answers that are not true, for the calls a test names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.simulator.app import BASE, Api
from tests.simulator.gate import operation_of
from tests.simulator.problems import Problem, answer

HOWS = {
    "lost_request": "the connection breaks before the server has acted",
    "lost_answer": "the server acts, and the connection breaks before the first byte of its answer",
    "cut_headers": "the server acts, and the connection breaks in the headers of its answer",
    "cut_body": "the server acts, and the connection breaks in the body of its answer",
    "refused": "the server does not act and answers with the status",
    "untrue": "the server acts and answers with the status all the same",
}


@dataclass
class Fault:
    """What happens to some calls of one operation: ``after`` are let through first, then ``times`` are met."""

    call: str
    how: str
    after: int = 0
    times: int = 1
    status: int = 500
    retry_after: str = ""

    def __post_init__(self) -> None:
        if self.how not in HOWS:
            raise ValueError(f"no fault {self.how!r}; known: {', '.join(HOWS)}")

    def meets(self, call: str) -> bool:
        """Whether this call is met; counts it."""
        if self.times == 0 or call != self.call:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


class Protocol(H11Protocol):
    """uvicorn's, which lets the application break the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Faults:
    """The ASGI layer around everything: what it does happens on the way, so the journal does not know of it."""

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self._app = app
        self._api = api
        self.clear()

    def clear(self) -> None:
        """From now on everything arrives."""
        self.planned: list[Fault] = []
        self.met = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = operation_of(scope["method"], scope["path"].removeprefix(BASE)) if scope["type"] == "http" else ""
        fault = next((fault for fault in self.planned if fault.meets(call)), None)
        if fault is None:
            await self._app(scope, receive, send)
            return
        self.met += 1
        await self._disturb(fault, scope, receive, send)

    async def _disturb(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        answered: list[Message] = []

        async def keep(message: Message) -> None:
            answered.append(message)

        if fault.how not in ("lost_request", "refused"):
            await self._app(scope, receive, keep)
        if fault.how in ("refused", "untrue"):
            told = answer(Problem(fault.status, "a fault on demand"), self._api.world.switches)
            if fault.retry_after:
                told.headers["Retry-After"] = fault.retry_after
            await told(scope, receive, send)
            return
        if fault.how == "cut_body":
            await send(answered[0])
            body = b"".join(message.get("body", b"") for message in answered[1:])
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport: asyncio.Transport = scope["state"]["transport"]
        if fault.how == "cut_headers":
            transport.write(b"HTTP/1.1 %d Created\r\nContent-Type: application/js" % answered[0]["status"])
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass  # only then does uvicorn not answer for us
