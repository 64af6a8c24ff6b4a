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
LONGEST_INTERVAL: t.Final = 60.0  # seconds, for a server that asks for fewer polls

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
        self._interval = interval
        self._sleep = sleep

    def restart(self) -> None:
        """Count the time from now."""
        self.deadline = self.clock() + self._timeout

    def at_least(self, seconds: float) -> None:
        """Wait no less than this from now."""
        self.deadline = max(self.deadline, self.clock() + seconds)

    def within(self, seconds: float) -> Poller:
        """Return one that waits so long from now, and polls often enough to see a change in that time."""
        return Poller(seconds, min(self._interval, seconds / 5), self.clock, self._sleep, self.report)

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

    def until(self, done: t.Callable[[], bool]) -> ApiError | bool:
        """Call ``done`` now and then until it returns true.

        Returns True when it did; at the end of the time False, or the error of the last poll. A server that
        is away for a while does not end the waiting; an error that a retry cannot fix does, by being raised.
        """
        while True:
            result: ApiError | bool
            try:
                result = done()
            except ApiError as error:
                if not error.retryable and not _is_starting(error):
                    raise
                result = error
                if error.status == 429:
                    self._interval = max(self._interval, min(2 * self._interval, LONGEST_INTERVAL))
            if result is True:
                return True
            left = self.deadline - self.clock()
            if left <= 0:
                return result
            # A little jitter keeps many controllers from asking in step.
            self._sleep(min(left, self._interval * random.uniform(0.9, 1.1)))


def _is_starting(error: ApiError) -> bool:
    """Return whether a list is not found because the server is starting: it was there before the waiting began."""
    return error.status == 404 and error.details["method"] == "GET"
