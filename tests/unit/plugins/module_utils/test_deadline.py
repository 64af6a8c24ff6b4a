# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time limits in every thread: what waits ends, what goes on is never hit."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _deadline
from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> t.Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def is_alive(pair: Pair) -> bool:
    pair[1].sendall(b"x")
    return pair[0].recv(1) == b"x"


def wait_until(condition: t.Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def limited(seconds: float, work: t.Callable[[], object]) -> None:
    with _deadline.limit(seconds):
        work()


def waits_for(pair: Pair) -> t.Callable[[], None]:
    """A block that waits for a connection on which nothing comes."""

    def work() -> None:
        _deadline.watch(pair[0])
        assert pair[0].recv(1) == b""

    return work


def wait_until_over() -> None:
    """Until the time of the block is over, in which nothing waits for a connection."""
    with contextlib.suppress(_deadline.Expired):
        while True:
            _deadline.check()
            time.sleep(0.001)


def in_thread(work: t.Callable[[], None]) -> None:
    """Raise what it raises."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("call", [lambda work: work(), in_thread], ids=["main thread", "another thread"])
def test_who_waits_for_a_connection_ends_with_the_block(pair: Pair, call: t.Callable[..., None]) -> None:
    with pytest.raises(_deadline.Expired):
        call(lambda: limited(0.05, waits_for(pair)))


def test_a_failure_that_the_end_has_caused_is_its(pair: Pair) -> None:
    def work() -> None:
        waits_for(pair)()
        raise OSError("the connection was closed")

    with pytest.raises(_deadline.Expired):
        limited(0.05, work)


def test_what_ends_in_time_is_never_shut_down(pair: Pair) -> None:
    for _time in range(200):
        with contextlib.suppress(_deadline.Expired), _deadline.limit(0.001):
            _deadline.watch(pair[0])
            _deadline.forget(pair[0])
            time.sleep(0.001)  # about the end of the block, before or after
    assert is_alive(pair)


def test_a_connection_that_was_forgotten_by_another_thread_is_left_alone(pair: Pair) -> None:
    def work() -> None:
        _deadline.watch(pair[0])
        in_thread(lambda: _deadline.forget(pair[0]))
        wait_until_over()

    with pytest.raises(_deadline.Expired):
        limited(0.2, work)
    assert is_alive(pair)


def test_a_connection_that_comes_too_late_ends_at_once(pair: Pair) -> None:
    def work() -> None:
        wait_until_over()
        waits_for(pair)()

    with pytest.raises(_deadline.Expired):
        limited(0.01, work)


def test_blocks_within_blocks_end_by_themselves(pair: Pair) -> None:
    with _deadline.limit(60):
        with pytest.raises(_deadline.Expired):
            limited(0.05, waits_for(pair))
        _deadline.check()  # the outer one has time


def test_an_error_of_the_block_is_raised_as_it_is_while_there_is_time() -> None:
    with pytest.raises(OSError, match="mine"), _deadline.limit(60):
        raise OSError("mine")


def test_an_interruption_is_raised_also_when_the_time_is_over() -> None:
    def work() -> None:
        wait_until_over()
        raise Interrupted("SIGTERM")

    with pytest.raises(Interrupted):
        limited(0.01, work)


def test_a_signal_handler_can_shorten_the_time(pair: Pair) -> None:
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: _deadline.shorten_timeout(0.05))
    try:
        threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1)).start()
        with pytest.raises(_deadline.Expired):
            limited(60, waits_for(pair))
        _deadline.shorten_timeout(0.01)  # nothing is limited, nothing happens
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_comes_while_a_block_begins_or_ends_does_no_harm() -> None:
    """Handlers interrupt the code that watches over blocks, and call it."""
    program = """if True:
        import signal
        from ansible_collections.storware.backup.plugins.module_utils import _deadline
        signal.signal(signal.SIGALRM, lambda _number, _frame: _deadline.shorten_timeout(30))
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)  # no sooner, or a slow machine never gets out of handlers
        for _time in range(20000):
            with _deadline.limit(60):
                pass
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    """
    assert said_by_process(program) == ""


@pytest.mark.slow
def test_an_interruption_while_a_block_begins_or_ends_leaves_the_limits_of_others_alone() -> None:
    """The session is still to be closed, and that needs an end as well."""
    program = """if True:
        import signal, socket
        from ansible_collections.storware.backup.plugins.module_utils import _deadline, _signals
        from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted
        _signals.ignore = lambda: signal.signal(signal.SIGALRM, lambda _number, _frame: None)
        def interrupted(seconds):
            _deadline._watchdog.__init__()  # as in a new process
            signal.signal(signal.SIGALRM, _signals.Signals()._interrupt)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            while True:
                with _deadline.limit(60):
                    for _step in range(10000):
                        pass
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        for time in range(25):
            try:
                interrupted(0.00002 + 0.00001 * time)
            except Interrupted:
                pass
            try:
                with _deadline.limit(0.01):
                    _deadline.watch(ours)
                    ours.recv(1)
            except _deadline.Expired:
                ours, theirs = socket.socketpair()
                ours.settimeout(10)
    """
    assert said_by_process(program) == ""


def said_by_process(program: str) -> str:
    """What a Python says that runs this, by itself: coverage takes locks that a signal handler would wait for."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_a_copy_of_the_process_has_limits_as_well(pair: Pair) -> None:
    with _deadline.limit(60):
        pass  # the thread of this process is there
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            try:
                with _deadline.limit(0.05):
                    _deadline.watch(pair[0])
                    pair[0].recv(1)
            except _deadline.Expired:
                os._exit(0)
        os._exit(1)
    pair[1].close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_work_that_nothing_can_end_is_left_alone(pair: Pair) -> None:
    going = threading.Event()

    def work() -> socket.socket:
        going.wait(60)
        return pair[0]

    with pytest.raises(_deadline.Expired), _deadline.limit(0.05):
        _deadline.abandonable(work)
    going.set()
    wait_until(lambda: pair[0].fileno() == -1)  # nobody else would close it


def test_what_goes_wrong_with_it_is_raised() -> None:
    def work() -> socket.socket:
        raise OSError("no such host")

    with pytest.raises(OSError, match="no such host"), _deadline.limit(60):
        _deadline.abandonable(work)


def test_the_end_of_a_process_does_not_wait_for_it() -> None:
    program = """if True:
        import ctypes
        from ansible_collections.storware.backup.plugins.module_utils import _deadline
        try:
            with _deadline.limit(0.1):
                _deadline.abandonable(lambda: ctypes.CDLL(None).sleep(300))  # C, as getaddrinfo() is
        except _deadline.Expired:
            print("over")
    """
    assert said_by_process(program) == "over\n"
