# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request and answer against openapi.yaml, by openapi-core. Findings are kept for the tests to read."""

from __future__ import annotations

from tests.simulator.exchange import Exchange

# An answer that says "this request should never have been sent"
_CLIENT_FAULTS = (400, 405, 406, 415)


class Violations:
    """What was found since the last clearing."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again."""
        self.request: list[str] = []
        self.response: list[str] = []

    def found(self) -> dict[str, list[str]]:
        """All of it."""
        return {"request": self.request, "response": self.response}


class Validator:
    """Checks exchanges."""

    def __init__(self, violations: Violations) -> None:
        self._violations = violations

    def check(self, exchange: Exchange) -> None:
        """Note what is wrong with an exchange."""
