# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that ask a module to end: an orderly end, once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import types
import typing as t

from . import _deadline
from ._errors import Interrupted, StorwareError

_SIGNALS: t.Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DEFER_TIMEOUT: t.Final = 1.0  # seconds that a response may take while a signal is deferred
_INSIST: t.Final = 0.1  # seconds after which a signal that was not noticed is sent again


class Signals:
    """Turns the first signal into an exception, so that the session is closed and files are left in order.

    The ones after it are ignored: they would interrupt the cleaning up.
    """

    def __init__(self) -> None:
        self._is_deferred = False
        self._pending: StorwareError | None = None
        for number in _SIGNALS:
            signal.signal(number, self._interrupt)
        # Python notices a signal that comes right before a system call only when that call has ended, which may be
        # never: a thread that learns of each signal sends it again, so that it ends the call.
        reading = _learn_of_signals()
        threading.Thread(target=self._insist, args=(reading,), daemon=True).start()

    @contextlib.contextmanager
    def deferred(self) -> t.Iterator[None]:
        """Raise the exception for a signal that comes in the block at its end."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
            if self._pending is not None:
                raise self._pending

    def _interrupt(self, number: int, frame: types.FrameType | None) -> None:
        if not _deadline.is_interruptible(frame):
            return  # it is sent again
        ignore()
        name = signal.Signals(number).name
        error = Interrupted(f"Interrupted by {name}", hint="Run the task again.", retryable=True)
        if not self._is_deferred:
            raise error
        self._pending = error
        _deadline.shorten_timeout(_DEFER_TIMEOUT)

    def _insist(self, reading: int) -> None:
        """Send signals again that have not been noticed, as long as none has been: only then this is their handler."""
        main = threading.main_thread().ident or 0
        with open(reading, "rb", buffering=0) as learned:
            while number := learned.read(1):
                time.sleep(_INSIST)
                while signal.getsignal(number[0]) == self._interrupt:
                    signal.pthread_kill(main, number[0])
                    time.sleep(_INSIST)


def ignore() -> None:
    """Let no signal end the module from now on."""
    for number in _SIGNALS:
        signal.signal(number, _ignore)


def _ignore(_number: int, _frame: object) -> None:
    # Not SIG_IGN, of which Python complains when a second signal is on its way already.
    pass


_writing: list[int] = []  # the end of the pipe by which the newest thread learns of signals


def _learn_of_signals() -> int:
    """Return a descriptor from which the number of each signal can be read from now on, and from no other any more.

    A process has one module. Tests have many, and what was sent to one of them must not be sent to the next one.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for before in _writing:
        os.close(before)
    _writing[:] = [writing]
    return reading
