# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and rates: on a clock that the test turns."""

from __future__ import annotations

import random
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.pace import (
    DeadlinePassed,
    Limits,
    Pace,
    TooSlow,
    TransferInterrupted,
    Tries,
)


class Clock:
    """Time passes only in sleep, which is recorded."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paced(clock: Clock, **limits: t.Any) -> Pace:
    return Pace(Limits(**limits), clock=lambda: clock.now, sleep=clock.sleep)


# --- the deadline ---


def test_the_deadline_passes_at_max_time(clock: Clock) -> None:
    pace = paced(clock, max_time=10)
    clock.now += 9.9
    pace.check()
    clock.now = 1010.0
    with pytest.raises(DeadlinePassed) as caught:
        pace.check()
    assert caught.value.code == "deadline"
    assert caught.value.retryable
    assert "max_time (10 seconds)" in caught.value.message


def test_without_max_time_there_is_no_deadline(clock: Clock) -> None:
    pace = paced(clock)
    clock.now += 10**9
    pace.check()
    assert pace.deadline is None


def test_a_sleep_ends_at_the_deadline(clock: Clock) -> None:
    pace = paced(clock, max_time=10)
    pace.sleep(9)
    with pytest.raises(DeadlinePassed):
        pace.sleep(9)
    assert clock.slept == [9, 1]
    with pytest.raises(DeadlinePassed):
        pace.sleep(9)
    assert clock.slept == [9, 1, 0]


def test_no_longer_silence_than_the_window_of_the_minimum_rate_and_the_time_that_is_left(clock: Clock) -> None:
    assert paced(clock, rate_window=60).longest_silence == 60
    assert paced(clock, rate_window=60, min_rate=0).longest_silence == float("inf")
    pace = paced(clock, rate_window=60, max_time=10)
    assert pace.longest_silence == 10
    clock.now += 20
    assert 0 < pace.longest_silence < 0.1
    assert paced(clock, rate_window=60, min_rate=0, max_time=100).longest_silence == 100
    assert paced(clock, min_rate=0.5).longest_silence == 60


# --- the minimum rate ---


def test_a_server_that_drips_is_too_slow_after_the_window(clock: Clock) -> None:
    pace = paced(clock, min_rate=100, rate_window=10)
    for _second in range(9):
        pace.note(99, 1)
    with pytest.raises(TooSlow) as caught:
        pace.note(99, 1)
    assert caught.value.code == "too_slow"
    assert caught.value.retryable
    assert "only 99 bytes per second" in caught.value.message
    assert isinstance(caught.value, TransferInterrupted)


def test_a_server_that_is_just_fast_enough_may_go_on_for_ever(clock: Clock) -> None:
    pace = paced(clock, min_rate=100, rate_window=10)
    for _second in range(100):
        pace.note(100, 1)


def test_what_came_long_ago_does_not_help_now(clock: Clock) -> None:
    pace = paced(clock, min_rate=100, rate_window=10)
    pace.note(10**9, 10)
    with pytest.raises(TooSlow):
        pace.note(1, 10)


def test_time_that_is_not_spent_waiting_for_the_server_does_not_count(clock: Clock) -> None:
    pace = paced(clock, min_rate=100, rate_window=10)
    for _piece in range(100):
        clock.now += 60  # a slow disk
        pace.note(1, 0.001)


def test_a_new_connection_starts_a_new_window(clock: Clock) -> None:
    pace = paced(clock, min_rate=100, rate_window=10)
    pace.note(0, 9)
    pace.restart()
    pace.note(0, 9)
    pace.restart()
    pace.note(10**9, 0)
    pace.restart()
    with pytest.raises(TooSlow):
        pace.note(1, 10)


def test_noting_bytes_minds_the_deadline(clock: Clock) -> None:
    pace = paced(clock, max_time=10)
    clock.now += 10
    with pytest.raises(DeadlinePassed):
        pace.note(1, 0)


# --- the maximum rate ---


def test_the_maximum_rate_is_kept_and_reached(clock: Clock) -> None:
    pace = paced(clock, max_rate=1000)
    for _piece in range(100):
        pace.note(500, 0)
    assert 49 <= clock.now - 1000 <= 50


def test_sleeps_for_the_maximum_rate_are_short_so_that_nothing_waits_for_long(clock: Clock) -> None:
    paced(clock, max_rate=1000).note(10_000, 0)
    assert max(clock.slept) <= 0.25
    assert 9.5 <= sum(clock.slept) <= 10


def test_a_slow_stretch_is_not_made_up_for(clock: Clock) -> None:
    pace = paced(clock, max_rate=1000)
    pace.note(1000, 0)
    clock.now += 3600
    before = clock.now
    pace.note(5000, 0)
    assert 4.7 <= clock.now - before <= 5


def test_no_maximum_rate_means_no_sleep(clock: Clock) -> None:
    paced(clock).note(10**12, 0)
    assert clock.slept == []


def test_connections_share_the_maximum_rate_and_the_deadline(clock: Clock) -> None:
    pace = paced(clock, max_rate=1000, max_time=100)
    clock.now += 1
    shared = pace.share(4)
    assert shared.deadline == pace.deadline == 1100
    shared.note(1000, 0)
    assert 3.7 <= clock.now - 1001 <= 4
    assert paced(clock).share(4).limits == Limits()


# --- pauses and tries ---


@pytest.fixture
def longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jitter always takes the most."""

    def most(least: float, most: float) -> float:
        assert least == 0
        return most

    monkeypatch.setattr(random, "uniform", most)


@pytest.mark.usefixtures("longest_pauses")
def test_pauses_double_up_to_the_longest(clock: Clock) -> None:
    pace = paced(clock, first_pause=1, longest_pause=10)
    for number in range(6):
        pace.pause(number)
    assert clock.slept == [1, 2, 4, 8, 10, 10]


def test_pauses_differ_so_that_many_hosts_do_not_come_back_at_once(clock: Clock) -> None:
    pace = paced(clock, first_pause=8, longest_pause=8)
    for _number in range(50):
        pace.pause(0)
    assert all(0 <= pause <= 8 for pause in clock.slept)
    assert len({round(pause, 1) for pause in clock.slept}) > 10


def test_after_the_deadline_there_is_no_pause(clock: Clock) -> None:
    pace = paced(clock, max_time=1)
    clock.now += 1
    with pytest.raises(DeadlinePassed):
        pace.pause(0)
    assert clock.slept == []


@pytest.mark.usefixtures("longest_pauses")
def test_tries_that_bring_nothing_are_counted_and_any_new_byte_starts_anew(clock: Clock) -> None:
    tries = Tries(paced(clock, retries=2, first_pause=1))
    broken = StorwareError("broken", code="x")
    for progress in (False, False, True, False, False):
        tries.failed(broken, progress=progress)
    assert clock.slept == [1, 2, 1, 1, 2]
    with pytest.raises(StorwareError) as caught:
        tries.failed(broken, progress=False)
    assert caught.value is broken


def test_without_retries_the_first_failure_is_the_last(clock: Clock) -> None:
    with pytest.raises(StorwareError):
        Tries(paced(clock, retries=0)).failed(StorwareError("broken", code="x"), progress=False)
    assert clock.slept == []
