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


def line_formatter(clock: t.Callable[[], float] = time.monotonic) -> t.Callable[[str, int, int | None], str]:
    """Return a function that formats the progress of one transfer from its name, offset and size.

    A line is such as ``mailbox.zip 41 % 1.9 of 4.6 GiB 118 MiB/s 24 s left``. Sizes are bytes, None if unknown. The
    rate is measured from one call to the next.
    """
    samples: collections.deque[tuple[float, int]] = collections.deque()

    def measure_rate(offset: int) -> float:
        """Return bytes per second, 0 as long as the rate is unknown."""
        now = clock()
        if samples and offset < samples[-1][1]:
            samples.clear()  # the transfer has begun anew
        samples.append((now, offset))
        while len(samples) > 2 and now - samples[1][0] >= WINDOW:
            samples.popleft()
        since, reached = samples[0]
        return (offset - reached) / (now - since) if now > since else 0.0

    def format_line(name: str, offset: int, size: int | None) -> str:
        rate = measure_rate(offset)
        parts = [name, f"{100 * offset // size} %"] if size else [name]
        parts.append(_amount(offset, size))
        if rate:
            parts.append(f"{_amount(round(rate))}/s")
        if rate and size is not None:
            parts.append(f"{_duration((size - offset) / rate)} left")
        return " ".join(parts)

    return format_line


def _amount(size: int, whole: int | None = None) -> str:
    """A number of bytes, in the unit of the whole where that is given."""
    larger = float(max(size, whole or 0))
    power = 0
    while round(larger) >= 1024 and power < len(_UNITS) - 1:
        larger, power = larger / 1024, power + 1
    shown = [_rounded(number / 1024**power) for number in (size, whole) if number is not None]
    return f"{' of '.join(shown)} {_UNITS[power]}"


def _rounded(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 100 else f"{number:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
