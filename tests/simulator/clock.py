# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated time: real elapsed time multiplied by a speed, plus steps. Everything on the server happens by it."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch that start at the real time and then go as fast as the tests want. They never go back."""

    def __init__(self, speed: float = 1.0) -> None:
        self._base = time.time()
        self._since = time.monotonic()
        self._speed = speed

    @property
    def speed(self) -> float:
        """Simulated seconds in one real second."""
        return self._speed

    def now(self) -> float:
        """The simulated time in seconds since the epoch."""
        return self._base + (time.monotonic() - self._since) * self._speed

    def step(self, seconds: float) -> None:
        """Jump ahead."""
        if seconds < 0:
            raise ValueError("the clock does not go back")
        self._base += seconds

    def set_speed(self, speed: float) -> None:
        """Go on at another speed; 0 stops the clock so that only steps move it."""
        if speed < 0:
            raise ValueError("the clock does not go back")
        self._base = self.now()
        self._since = time.monotonic()
        self._speed = speed


def milliseconds(seconds: float | None) -> int | None:
    """A time as the API writes it; None when there is none."""
    return None if seconds is None else int(seconds * 1000)
