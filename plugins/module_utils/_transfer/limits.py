# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of a transfer: its deadline, its minimum and maximum rate, its pauses between two tries.

Every time is of the monotonic clock, in seconds: no wall clock, neither ours nor the server's, decides anything.
"""

from __future__ import annotations

import random
import time
import typing as t
from dataclasses import dataclass, replace

from .._errors import StorwareError
from .structure import CheckTime, no_limit

_SLEEP_STEP: t.Final = 0.25  # the longest sleep at a time while a rate is kept


@dataclass(frozen=True)
class LimitSettings:
    """The settings of a transfer. Times in seconds, rates in bytes per second; None: no limit.

    retries: how often the content is requested again without a new byte. first_pause, longest_pause: between two tries
    (full jitter, doubled each time). max_time: for everything. min_rate: measured over rate_window. lock_timeout: how
    long another run that fetches the same is waited for.
    """

    retries: int = 5
    first_pause: float = 1.0
    longest_pause: float = 30.0
    max_time: float | None = None
    min_rate: float = 1024.0
    rate_window: float = 60.0
    max_rate: float | None = None
    lock_timeout: float = 60.0


class TransferInterrupted(StorwareError):
    """The transfer broke off. Trying again may help."""

    code = "transfer_interrupted"


class TransferLimits:
    """One transfer's clock, or that of one of its connections.

    check_stop: raises StorwareError when the task is to end.
    """

    def __init__(
        self,
        settings: LimitSettings,
        *,
        check_stop: CheckTime = no_limit,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.attempt = 1  # of the request that is made now or next
        self.clock = clock
        self._check_stop = check_stop
        self._sleep = sleep
        self.deadline = None if settings.max_time is None else clock() + settings.max_time
        self._read_bytes = 0  # in the window of the minimum rate
        self._read_seconds = 0.0
        self._due = 0.0  # when the next byte may be read without exceeding the maximum rate

    def share(self, connections: int) -> TransferLimits:
        """The clock for one of several connections that keep the maximum rate together."""
        settings = self.settings
        rate = None if settings.max_rate is None else settings.max_rate / connections
        shared = TransferLimits(
            replace(settings, max_rate=rate), check_stop=self._check_stop, clock=self.clock, sleep=self._sleep
        )
        shared.deadline = self.deadline
        return shared

    def restart(self) -> None:
        """A new connection: what came through the last one says nothing about it."""
        self._read_bytes, self._read_seconds = 0, 0.0

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, infinite without one."""
        return float("inf") if self.deadline is None else max(0.001, self.deadline - self.clock())

    @property
    def read_timeout(self) -> float:
        """How long a read may wait for its first byte."""
        return min(self.settings.rate_window if self.settings.min_rate > 0 else float("inf"), self.remaining)

    def check(self) -> None:
        """Raise StorwareError when no time remains (``timeout``) or the task is to end."""
        self._check_stop()
        if self.deadline is not None and self.clock() >= self.deadline:
            raise StorwareError(
                f"the transfer did not finish within max_time ({self.settings.max_time:g} seconds)",
                code="timeout",
                hint="Run the task again, or with a larger max_time.",
                retryable=True,
            )

    def record(self, size: int, seconds: float) -> None:
        """Record so many bytes within so many seconds of waiting for them.

        Raises TransferInterrupted (``below_min_rate``) and StorwareError (``timeout``).
        """
        self.check()
        self._read_bytes += size
        self._read_seconds += seconds
        if self._read_seconds >= self.settings.rate_window:
            rate = self._read_bytes / self._read_seconds
            self.restart()
            if rate < self.settings.min_rate:
                raise TransferInterrupted(
                    f"the rate was {rate:.0f} bytes per second, below min_rate ({self.settings.min_rate:g})",
                    code="below_min_rate",
                    retryable=True,
                )
        if self.settings.max_rate:
            self._slow_down(size / self.settings.max_rate)

    def pause(self, number: int) -> None:
        """Wait before the next try. number: of tries without a new byte. Raises StorwareError (``timeout``)."""
        self.check()
        ceiling = min(self.settings.longest_pause, self.settings.first_pause * 2**number)
        self.sleep(random.uniform(0, ceiling))

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the deadline. Raises StorwareError (``timeout``) at its end."""
        remaining = seconds if self.deadline is None else min(seconds, self.deadline - self.clock())
        self._sleep(max(0.0, remaining))
        self.check()

    def _slow_down(self, seconds: float) -> None:
        # A connection that was slow for a while does not get to make up for it.
        self._due = max(self._due, self.clock() - _SLEEP_STEP) + seconds
        while (wait := self._due - self.clock()) > 0:
            self.sleep(min(wait, _SLEEP_STEP))


class RetryBudget:
    """Counts the requests in a row that gained no byte."""

    def __init__(self, limits: TransferLimits) -> None:
        self._limits = limits
        self._fruitless = 0

    def spend(self, error: StorwareError, *, progress: bool) -> None:
        """Wait before the next try, or raise the error when there have been enough. progress: whether bytes came."""
        self._fruitless = 0 if progress else self._fruitless + 1
        self._limits.attempt = self._fruitless + 1
        if self._fruitless > self._limits.settings.retries:
            raise error
        self._limits.pause(max(0, self._fruitless - 1))
