# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a transfer is, in one line for people."""

from __future__ import annotations

import collections
import time
import typing as t

WINDOW: t.Final = 10.0  # seconds that the rate is measured over

_UNITS: t.Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Meter:
    """Makes the line of one transfer, and measures its rate from one line to the next."""

    def __init__(self, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: collections.deque[tuple[float, int]] = collections.deque()

    def line(self, name: str, offset: int, size: int | None) -> str:
        """Such as ``mailbox.zip 41 % 1.9 of 4.6 GiB 118 MiB/s 24 s left``. Sizes are bytes; None: not known."""
        rate = self._rate(offset)
        parts = [name]
        if size:
            parts.append(f"{100 * offset // size} %")
        parts.append(_amount(offset, size))
        if rate:
            parts.append(f"{_amount(round(rate))}/s")
        if rate and size is not None:
            parts.append(f"{_duration((size - offset) / rate)} left")
        return " ".join(parts)

    def _rate(self, offset: int) -> float:
        """Bytes per second, 0 as long as it is not known."""
        now = self._clock()
        if self._samples and offset < self._samples[-1][1]:
            self._samples.clear()  # it has begun anew
        self._samples.append((now, offset))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()
        since, reached = self._samples[0]
        return (offset - reached) / (now - since) if now > since else 0.0


def _amount(size: int, whole: int | None = None) -> str:
    """A number of bytes, in the unit of the whole where that is given."""
    larger = float(max(size, whole or 0))
    power = 0
    while round(larger) >= 1024 and power < len(_UNITS) - 1:
        larger, power = larger / 1024, power + 1
    told = [_rounded(number / 1024**power) for number in (size, whole) if number is not None]
    return f"{' of '.join(told)} {_UNITS[power]}"


def _rounded(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 100 else f"{number:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
