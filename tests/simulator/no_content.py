# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers 204 that have a body and its length, as the vendor's page prints them; no HTTP library sends one."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class NoContentWithBody:
    """The ASGI layer that writes such an answer past the HTTP library, and leaves the connection to the client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def pass_on(message: Message) -> None:
            if message.get("status") == 204:
                held.append(message)
            elif not held:
                await send(message)
            elif message.get("body"):
                await self._write(held[0], message["body"], scope, receive)
            else:
                await send(held[0])
                await send(message)

        await self._app(scope, receive, pass_on)

    async def _write(self, start: Message, body: bytes, scope: Scope, receive: Receive) -> None:
        transport: asyncio.Transport = scope["state"]["transport"]
        head = b"".join(b"%s: %s\r\n" % (name, value) for name, value in start["headers"])
        transport.write(b"HTTP/1.1 204 No Content\r\n" + head + b"\r\n" + body)
        while (await receive())["type"] != "http.disconnect":
            pass  # only then does uvicorn not answer for us; it reads nothing more from this connection
