# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An end for what has no time-out of its own: an answer that comes byte by byte never meets that of a socket."""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t

_AGAIN: t.Final = 1.0  # seconds; what is raised inside a destructor is lost, so that once might be never


class Expired(BaseException):
    """The time is over. Not an Exception, so that no library takes it for a fault of its own."""


@contextlib.contextmanager
def limit(seconds: float) -> t.Iterator[None]:
    """Raise Expired in the block after this time. Python can interrupt only the main thread: others go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _expire)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), _AGAIN)
        yield
    finally:
        # What comes meanwhile, or is set by hurry(), must meet neither our handler nor the system's, which kills.
        signal.signal(signal.SIGALRM, _ignore)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def hurry(seconds: float) -> None:
    """Let the block that is limited, if any, end in this time."""
    if signal.getsignal(signal.SIGALRM) is _expire:
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)


def _ignore(_number: int, _frame: object) -> None:
    pass


def _expire(_number: int, _frame: object) -> None:
    raise Expired
