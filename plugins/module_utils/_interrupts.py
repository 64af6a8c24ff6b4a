# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that ask a module to end: an orderly end, once."""

from __future__ import annotations

import contextlib
import signal
import typing as t

from ._api import alarm
from ._errors import Interrupted, StorwareError

_SIGNALS: t.Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PATIENCE: t.Final = 1.0  # seconds that an answer may take which holds a signal back


class Interrupts:
    """Turns the first signal into an exception, so that the session is closed and files are left in order.

    The ones after it are ignored: they would interrupt the cleaning up.
    """

    def __init__(self) -> None:
        self._held_back = False
        self._waiting: StorwareError | None = None
        for number in _SIGNALS:
            signal.signal(number, self._interrupt)

    @staticmethod
    def ignore() -> None:
        """From now on no signal ends the module."""
        for number in _SIGNALS:
            signal.signal(number, _ignore)

    @contextlib.contextmanager
    def held_back(self) -> t.Iterator[None]:
        """Raise what comes in the block after it."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False
            if self._waiting is not None:
                raise self._waiting

    def _interrupt(self, number: int, _frame: object) -> None:
        self.ignore()
        name = signal.Signals(number).name
        error = Interrupted(f"Interrupted by {name}", hint="Run the task again.", retryable=True)
        if not self._held_back:
            raise error
        self._waiting = error
        alarm.hurry(_PATIENCE)


def _ignore(_number: int, _frame: object) -> None:
    # Not SIG_IGN, of which Python complains when a second signal is on its way already.
    pass
