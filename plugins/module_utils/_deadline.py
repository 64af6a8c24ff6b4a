# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An end for whatever waits for the network, in every thread: a server that drips never meets a socket's time-out.

A block has a time limit. When it expires, a thread shuts down the connections that the block waits for, so that the
call that waits returns at once, whatever library it is in.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import queue
import socket
import threading
import time
import types
import typing as t

from ._errors import StorwareError

_ABANDON_CHECK: t.Final = 0.1  # seconds between two looks of who waits for work that nothing can end

_NEVER: t.Final = float("inf")

Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])
# In a process that uses a lock of Python's own, a signal handler that raises an exception may leave it held for ever.
_INDIVISIBLE: t.Final = {concurrent.futures.ThreadPoolExecutor.submit.__code__}


def indivisible(function: Function) -> Function:
    """Mark a function that no signal handler may interrupt with an exception. It has to be short."""
    _INDIVISIBLE.add(function.__code__)
    return function


def is_interruptible(frame: types.FrameType | None) -> bool:
    """Whether a signal handler that interrupts this frame may raise an exception; if not, in a moment it may."""
    while frame is not None:
        if frame.f_code in _INDIVISIBLE:
            return False
        frame = frame.f_back
    return True


class Expired(Exception):
    """The time limit of the block has expired."""


class _Block:
    """Code with a time limit. end: instant of the monotonic clock. connections: which it waits for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.end = _NEVER
        self.connections: set[t.Any] = set()
        self.has_expired = False

    # Not a generator with a decorator: between two frames of contextlib a signal would leave it half begun.
    @indivisible
    def __enter__(self) -> None:
        self.end = time.monotonic() + self._seconds
        _watchdog.add(self)
        _blocks().append(self)

    @indivisible
    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        _watchdog.discard(self)
        _blocks().remove(self)
        # The end of a connection can look like the end of an answer, so an expired block that ends well has expired.
        may_be_the_end = error is None or (isinstance(error, Exception) and not isinstance(error, StorwareError))
        if self.has_expired and may_be_the_end:
            raise Expired from error


class _Watchdog:
    """The blocks of all threads, and the thread that ends them."""

    def __init__(self) -> None:
        # Reentrant, and so is the queue: signal handlers call shorten_timeout() and may interrupt their own thread.
        self._lock = threading.RLock()
        self._changes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._blocks: set[_Block] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0

    def add(self, block: _Block) -> None:
        """Begin to watch over a block."""
        with self._lock:
            self._blocks.add(block)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._wake(block)

    def discard(self, block: _Block) -> None:
        """From now on nothing is done to the connections of the block."""
        with self._lock:
            self._blocks.discard(block)

    def shorten(self, block: _Block, end: float) -> None:
        """Let the block end at this instant, if it would end later."""
        with self._lock:
            block.end = min(block.end, end)
            self._wake(block)

    @indivisible
    def watch(self, block: _Block, connection: t.Any) -> None:
        """Shut the connection down when the block expires, which may have happened already."""
        with self._lock:
            if block.has_expired:
                shut_down(connection)
            block.connections.add(connection)

    @indivisible
    def forget(self, connection: t.Any) -> None:
        """No block shuts this connection down any more."""
        with self._lock:
            for block in self._blocks:
                block.connections.discard(connection)

    def _wake(self, block: _Block) -> None:
        if block.end < self._wakes_at:  # most blocks end later than another one, and need no wake-up
            self._changes.put(None)

    def _run(self) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                for block in self._blocks:
                    if block.end <= now and not block.has_expired:
                        block.has_expired = True
                        for connection in block.connections:
                            shut_down(connection)
                self._wakes_at = min((block.end for block in self._blocks if not block.has_expired), default=_NEVER)
            timeout = None if self._wakes_at == _NEVER else max(0.0, self._wakes_at - time.monotonic())
            with contextlib.suppress(queue.Empty):
                self._changes.get(timeout=timeout)


_watchdog = _Watchdog()
os.register_at_fork(after_in_child=_watchdog.__init__)  # type: ignore[misc]  # threads do not survive a fork
_of_thread = threading.local()


def limit(seconds: float) -> t.ContextManager[None]:
    """A block that raises Expired when it does not end within this time.

    The block ends with the next call that waits for a connection (see ``watch``) or calls ``check``. An error of our
    own, such as an interruption by a signal, is raised as it is.
    """
    return _Block(seconds)


def check() -> None:
    """Raise Expired in a block of this thread whose time is over: for loops that a server can feed for ever."""
    if any(block.has_expired for block in _blocks()):
        raise Expired


def shorten_timeout(seconds: float) -> None:
    """Let the blocks of this thread, if any, end within this time. Signal handlers may call it."""
    for block in _blocks():
        _watchdog.shorten(block, time.monotonic() + seconds)


def watch(connection: t.Any) -> None:
    """Let the blocks of this thread end what waits for this connection: a socket, a TLS socket, or None."""
    if connection is not None:
        for block in _blocks():
            _watchdog.watch(block, connection)


def forget(connection: t.Any) -> None:
    """Let no block, of any thread, shut this connection down: it is about to serve another one."""
    _watchdog.forget(connection)


def shut_down(connection: t.Any) -> None:
    """End a connection; a thread that waits for it gets its end or an error."""
    # TLS within TLS is no socket, but has one.
    plain = connection if isinstance(connection, socket.socket) else connection.socket
    with contextlib.suppress(OSError):
        # Not SSLSocket's own: it takes away what its reader is using.
        socket.socket.shutdown(plain, socket.SHUT_RDWR)


def connection_of(response: t.Any) -> t.Any:
    """The connection of a ``requests.Response`` whose body is unread; None where the HTTP library hides it."""
    body = getattr(getattr(response.raw, "_fp", None), "fp", None)
    return getattr(getattr(body, "raw", None), "_sock", None)


def abandonable(work: t.Callable[[], socket.socket]) -> socket.socket:
    """The socket that this work makes, for work that nothing can end, such as getaddrinfo().

    It runs in a thread that is left alone when a block of this thread expires; what it makes then is closed.
    """
    outcome: concurrent.futures.Future[socket.socket] = concurrent.futures.Future()

    def run() -> None:
        try:
            made = work()
        except BaseException as error:  # noqa: BLE001  # raised by the thread that waits
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                outcome.set_exception(error)
            return
        try:
            outcome.set_result(made)
        except concurrent.futures.InvalidStateError:
            made.close()

    # A daemon, so that the end of the process does not wait for it.
    threading.Thread(target=run, daemon=True).start()
    try:
        while not concurrent.futures.wait([outcome], _ABANDON_CHECK).done:
            check()
        return outcome.result()
    finally:
        outcome.cancel()


def _blocks() -> list[_Block]:
    """Those that this thread is in, the outermost first."""
    found: list[_Block] = _of_thread.__dict__.setdefault("blocks", [])
    return found
