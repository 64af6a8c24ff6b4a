# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the validation notes what it finds, for the tests to read."""

from __future__ import annotations


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
