# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every call must pass before its handler: the server is up, the session is open, the operation is allowed."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.simulator.app import BASE, Api
from tests.simulator.problems import Problem, answer

LOGINS = ("/session/login", "/session/login-with-token")
_GUID_IN_PATH = re.compile(r"(?<=/)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/|$)")


def operation_of(method: str, path: str) -> str:
    """An operation as counters and switches name it: ``GET /cloud-download/{guid}``."""
    return f"{method} {_GUID_IN_PATH.sub('{guid}', path)}"


class Gate:
    """An ASGI layer around the application."""

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self._app = app
        self._api = api
        self.set_up()

    def set_up(self) -> None:
        """Start start_delay and drop_session_after again, from now."""
        self.restart_delay()
        self.recount_calls()

    def restart_delay(self) -> None:
        """The switch start_delay was set: its seconds count from now."""
        self._down_since = self._api.world.clock.now()

    def recount_calls(self) -> None:
        """The switch drop_session_after was set: its calls count from now."""
        self._calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            try:
                self._check(Request(scope))
            except Problem as problem:
                app = answer(problem, self._api.world.switches)
        await app(scope, receive, send)

    def _check(self, request: Request) -> None:
        world = self._api.world
        switches = world.switches
        if world.clock.now() < self._down_since + switches.number("start_delay"):
            raise Problem(int(switches.text("start_status")), "the server is starting")
        if self._calls == switches.count("drop_session_after") > 0:
            world.sessions.drop_all()
        self._calls += 1
        path = request.url.path.removeprefix(BASE)
        if path not in LOGINS and not world.sessions.use(self._api.session_of(request)):
            raise Problem(401, "no valid session")
        if operation_of(request.method, path) in switches.names("forbidden"):
            raise Problem(403, "the account lacks the privilege for this operation")
