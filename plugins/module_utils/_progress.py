# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the files of a task are, in one line for people."""

from __future__ import annotations

import collections
import time
import typing as t

from ._batch import BatchItem
from ._transfer.inspection import CONNECTING, RECEIVING, TransferProgress

WINDOW: t.Final = 10.0  # seconds that the rate is measured over
STALL: t.Final = 5.0  # seconds without a byte from which on there is no rate

_UNITS: t.Final = ("bytes", "KiB", "MiB", "GiB", "TiB")

FormatLine = t.Callable[[BatchItem, TransferProgress], str]


def line_formatter(stall: float = STALL, clock: t.Callable[[], float] = time.monotonic) -> FormatLine:
    """Return a function that formats the progress of a task. Rate and stalls are measured from one call to the next.

    A line is such as ``mailbox.zip: receiving, 41 %, 1.9 of 4.6 GiB, 118 MiB/s, about 24 s left``, and of several files
    ``46 of 300 files, 3.1 of about 20 GiB, 118 MiB/s, about 2 min left; mailbox.zip: receiving, 41 %``.
    """
    samples: collections.deque[tuple[float, int]] = collections.deque()
    last: tuple[t.Any, float] = (None, 0.0)  # what changes with each byte, and since when it is so

    def measure(turn: BatchItem, progress: TransferProgress) -> tuple[float, float]:
        """Return the bytes per second, and the seconds since the last byte. The rate is 0 where it is unknown."""
        nonlocal last
        now, received = clock(), turn.sums().received + progress.received
        if samples and received < samples[-1][1]:
            samples.clear()  # a file failed, whose bytes do not count any more
        samples.append((now, received))
        while len(samples) > 2 and now - samples[1][0] >= WINDOW:
            samples.popleft()
        state = (turn.number, progress.received, progress.stage in (CONNECTING, RECEIVING))
        if state != last[0]:
            last = (state, now)
        since, reached = samples[0]
        silence = now - last[1]
        return ((received - reached) / (now - since) if now > since and silence < stall else 0.0), silence

    def format_line(turn: BatchItem, progress: TransferProgress) -> str:
        rate, silence = measure(turn, progress)
        state = f"{progress.name}: {_state(progress, silence, stall)}"
        if turn.of == 1:
            is_transfer = progress.stage == RECEIVING or (progress.stage == CONNECTING and progress.offset)
            return ", ".join([state, *(_amounts(progress.offset, progress.size, False, rate) if is_transfer else [])])
        return "; ".join([", ".join(_overall(turn, progress, rate)), state])

    return format_line


def describe_silence(seconds: float, attempt: int, attempts: int) -> str:
    """Return the text for a server that does not answer."""
    return f"no answer for {_duration(seconds)}, attempt {attempt} of {attempts}"


def _state(progress: TransferProgress, silence: float, stall: float) -> str:
    """What is done to one file."""
    if progress.stage == CONNECTING:
        if progress.attempt > 1 or silence >= stall:
            return describe_silence(silence, progress.attempt, progress.attempts)
        return CONNECTING
    if progress.stage != RECEIVING:
        return progress.stage
    stage = f"stalled for {_duration(silence)}" if silence >= stall else RECEIVING
    return f"{stage}, {100 * progress.offset // progress.size} %" if progress.size else stage


def _overall(turn: BatchItem, progress: TransferProgress, rate: float) -> list[str]:
    """How far all files are. The sizes of those to come are unknown: they count as much as the others on average."""
    sums = turn.sums()
    parts = [f"{sums.complete} of {turn.of} files", *([f"{sums.failed} failed"] if sums.failed else [])]
    size, is_estimate = None, turn.number < turn.of or progress.size is None
    before = turn.number - 1 - sums.failed  # the one that is being finished included
    if before or not is_estimate:
        known = sums.size + (progress.size or 0)
        size = known if not is_estimate else known * (turn.of - sums.failed) // (before + (progress.size is not None))
    return parts + _amounts(sums.size + progress.offset, size, is_estimate, rate)


def _amounts(offset: int, size: int | None, is_estimate: bool, rate: float) -> list[str]:
    """Bytes, rate and remaining time, as far as they are known. size: estimated or known; None if neither."""
    parts = [format_amount(offset, None if size is None else max(size, offset), "about " if is_estimate else "")]
    if rate:
        parts.append(f"{format_amount(round(rate))}/s")
        if size is not None:
            parts.append(f"about {_duration(max(0, size - offset) / rate)} left")
    return parts


def format_amount(size: int, whole: int | None = None, about: str = "") -> str:
    """A number of bytes, in the unit of the whole where that is given."""
    larger = float(max(size, whole or 0))
    power = 0
    while round(larger) >= 1024 and power < len(_UNITS) - 1:
        larger, power = larger / 1024, power + 1
    shown = [_rounded(number / 1024**power) for number in (size, whole) if number is not None]
    return f"{f' of {about}'.join(shown)} {_UNITS[power]}"


def _rounded(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 100 else f"{number:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
