# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that waits: for a state of the server, on the monotonic clock."""

from __future__ import annotations

import random
import time
import typing as t
from dataclasses import dataclass

from .failures import ApiError


@dataclass(frozen=True)
class Waiting:
    """How long to wait and how often to look; seconds. clock is monotonic: no wall clock decides anything."""

    timeout: float
    interval: float
    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep

    def until(self, done: t.Callable[[], bool]) -> ApiError | bool:
        """Call ``done`` now and then until it returns true.

        Returns True when it did; at the end of the time False, or the error that the last look met. A server that
        is away for a while does not end the waiting; an error that trying again cannot mend does, by being raised.
        """
        deadline = self.clock() + self.timeout
        while True:
            result: ApiError | bool
            try:
                result = done()
            except ApiError as error:
                if not error.retryable:
                    raise
                result = error
            if result is True:
                return True
            left = deadline - self.clock()
            if left <= 0:
                return result
            # A little jitter keeps many controllers from asking in step.
            self.sleep(min(left, self.interval * random.uniform(0.9, 1.1)))
