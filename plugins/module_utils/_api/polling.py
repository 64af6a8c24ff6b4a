# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that waits: for a state of the server, on the monotonic clock."""

from __future__ import annotations

import random
import time
import typing as t

from .errors import ApiError

LAST_CHECK: t.Final = 4.0  # seconds; the last poll begins at the deadline, and no call goes on for longer than this
LONGEST_INTERVAL: t.Final = 60.0  # seconds, for a server that asks for fewer polls, or whose tasks take longer
# An estimate is good for so many times the time behind it: the first percent after a queue stands for much too long.
_TRUST: t.Final = 3

Report = t.Callable[[t.Callable[[], str]], None]


class Poller:
    """How long to wait, counted from now or from the newest progress, and how often to poll; seconds.

    clock is monotonic: no wall clock decides anything. report: is called with a function that returns the progress.
    """

    def __init__(
        self,
        timeout: float,
        interval: float,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
        report: Report = lambda _text: None,
    ) -> None:
        self.clock = clock
        self.report = report
        self._timeout = timeout
        self.restart()
        self._reached: float | None = None
        self.interval = interval
        self._pause = 0.0  # until the next poll, where that is longer
        self._sleep = sleep

    def restart(self) -> None:
        """Count the time from now."""
        self.deadline = self.clock() + self._timeout

    def at_least(self, seconds: float) -> None:
        """Wait no less than this from now."""
        self.deadline = max(self.deadline, self.clock() + seconds)

    def within(self, seconds: float) -> Poller:
        """Return one that waits so long from now, and polls often enough to see a change in that time."""
        return Poller(seconds, min(self.interval, seconds / 5), self.clock, self._sleep, self.report)

    def limit(self) -> float:
        """The instant until which a call may go on."""
        return self.deadline + LAST_CHECK

    def advance(self, reached: float) -> None:
        """Say how far it is. More than ever before is progress, from which on the time is counted again.

        The caller counts something that has an end, so that the waiting has one, whatever a server returns.
        """
        if self._reached is not None and reached > self._reached:
            self.deadline = self.clock() + self._timeout
        self._reached = reached if self._reached is None else max(reached, self._reached)

    def expect(self, left: float, elapsed: float) -> bool:
        """Put the next poll off, because the end is expected after so many seconds. Return whether it may come by then.

        elapsed: seconds on which the estimate is based.
        """
        # Half of the time: if that poll fails, there is another one before the deadline.
        limit = min(LONGEST_INTERVAL, _TRUST * elapsed, (self.deadline - self.clock()) / 2)
        self._pause = pause_before(left, self.interval, limit)
        return left < self._pause + self.interval

    def until(self, done: t.Callable[[], bool]) -> ApiError | bool:
        """Call ``done`` now and then until it returns true.

        Returns True when it did; at the end of the time False, or the error of the last poll. A server that
        is away for a while does not end the waiting; an error that a retry cannot fix does, by being raised.
        """
        while True:
            result: ApiError | bool
            self._pause = 0.0
            try:
                result = done()
            except ApiError as error:
                if not error.retryable and not _is_starting(error):
                    raise
                result = error
                if error.status == 429:
                    self.interval = max(self.interval, min(2 * self.interval, LONGEST_INTERVAL))
            if result is True:
                return True
            left = self.deadline - self.clock()
            if left <= 0:
                return result
            # A little jitter keeps many controllers from asking in step.
            self._sleep(min(left, max(self.interval, self._pause) * random.uniform(0.9, 1.1)))


def estimate_left(running: t.Iterable[tuple[float, float | None]]) -> float | None:
    """Return the seconds until the slowest has ended if all go on as so far; None if one does not say how far it is.

    running: of each, the seconds since it was asked for, and its percent.
    """
    left = 0.0
    for elapsed, percent in running:
        if percent is None or not 0 < percent < 100:
            return None
        left = max(left, elapsed * (100 - percent) / percent)
    return left


def pause_before(end: float, interval: float, limit: float) -> float:
    """Return the last whole multiple of the interval before the end and the limit, and at least one; all in seconds."""
    return max(interval, min(end, limit) // interval * interval)


def _is_starting(error: ApiError) -> bool:
    """Return whether a list is not found because the server is starting: it was there before the waiting began."""
    return error.status == 404 and error.details["method"] == "GET"
