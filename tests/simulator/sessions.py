# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: opened by a login, kept alive by calls, ended by a logout, by idleness or by a test."""

from __future__ import annotations

import secrets

from tests.simulator.clock import Clock
from tests.simulator.credentials import PASSWORD, TOKEN, USERNAME
from tests.simulator.problems import Problem
from tests.simulator.switches import Switches


class Sessions:
    """The open sessions and what is counted of them."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._last_use: dict[str, float] = {}
        self._bad_logins = 0
        self._token_logins = 0
        self.last_good_login: float | None = None
        self.last_bad_login: float | None = None

    def login(self, username: str, password: str) -> str:
        """Open a session; its id. Wrong credentials are a Problem."""
        if self._locked():
            raise Problem(403, "the account is locked after too many bad logins")
        if (username, password) != (USERNAME, PASSWORD):
            raise self._refused("wrong user name or password")
        return self._open()

    def login_with_token(self, token: str) -> str:
        """Open a session; its id. A wrong or used-up token is a Problem."""
        good_for = self._switches.count("token_logins")
        if token != TOKEN or (good_for and self._token_logins >= good_for):
            raise self._refused("wrong or expired token")
        session = self._open()
        self._token_logins += 1
        return session

    def use(self, session: str) -> bool:
        """Whether the session is open; if so its idle time starts again."""
        self._forget_idle()
        if session not in self._last_use:
            return False
        self._last_use[session] = self._clock.now()
        return True

    def logout(self, session: str) -> None:
        """End one session."""
        self._last_use.pop(session, None)

    def drop_all(self) -> None:
        """End every session now."""
        self._last_use.clear()

    def open_count(self) -> int:
        """How many sessions are open."""
        self._forget_idle()
        return len(self._last_use)

    def _locked(self) -> bool:
        limit = self._switches.count("lock_after")
        return bool(limit) and self._bad_logins >= limit

    def _refused(self, message: str) -> Problem:
        self._bad_logins += 1
        self.last_bad_login = self._clock.now()
        return Problem(int(self._switches.text("bad_login_status")), message)

    def _open(self) -> str:
        limit = self._switches.count("max_sessions")
        if limit and self.open_count() >= limit:
            raise Problem(503, "too many open sessions")
        session = secrets.token_hex(16)
        self._last_use[session] = self.last_good_login = self._clock.now()
        self._bad_logins = 0
        return session

    def _forget_idle(self) -> None:
        oldest = self._clock.now() - self._switches.number("session_timeout")
        for session in [key for key, last in self._last_use.items() if last < oldest]:
            del self._last_use[session]
