# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: the deadline, the rhythm, and a server that is away for a while."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError, Attempt
from ansible_collections.storware.backup.plugins.module_utils._api.polling import Poller, estimate_left, pause_before

ATTEMPT = Attempt("list tasks", "GET", "/tasks", "https://h/api")


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def waiting(clock: Clock, timeout: float = 100, interval: float = 10) -> Poller:
    return Poller(timeout=timeout, interval=interval, clock=clock, sleep=clock.sleep)


def test_what_is_done_already_costs_no_sleep() -> None:
    clock = Clock()
    assert waiting(clock).until(lambda: True) is True
    assert clock.sleeps == []


def test_the_deadline_holds_and_the_last_look_is_at_its_end() -> None:
    clock = Clock()
    looks: list[float] = []
    assert waiting(clock).until(lambda: looks.append(clock.now) or False) is False  # type: ignore[func-returns-value]
    assert looks[-1] == pytest.approx(1100)
    assert clock.now <= 1100.001


@pytest.mark.fault("P11")
def test_looks_keep_their_rhythm_with_a_little_jitter() -> None:
    clock = Clock()
    waiting(clock).until(lambda: False)
    assert all(8.9 <= pause <= 11.1 for pause in clock.sleeps[:-1])
    assert len(set(clock.sleeps)) > 1


def test_timeout_zero_looks_once() -> None:
    clock = Clock()
    assert waiting(clock, timeout=0).until(lambda: False) is False
    assert clock.sleeps == []


@pytest.mark.fault("H1")
def test_a_server_that_is_away_for_a_while_does_not_end_the_waiting() -> None:
    clock = Clock()

    def done() -> bool:
        if clock.now < 1050:
            raise ApiError(ATTEMPT, "answered 503", code="server_error", status=503, retryable=True)
        return True

    assert waiting(clock).until(done) is True


def test_the_error_of_the_last_look_is_told() -> None:
    clock = Clock()

    def done() -> bool:
        raise ApiError(ATTEMPT, "answered 503", code="server_error", status=503, retryable=True)

    result = waiting(clock).until(done)
    assert isinstance(result, ApiError)
    assert result.status == 503


def test_an_error_that_waiting_cannot_mend_ends_it_at_once() -> None:
    clock = Clock()

    def done() -> bool:
        raise ApiError(ATTEMPT, "answered 403", code="forbidden", status=403)

    with pytest.raises(ApiError):
        waiting(clock).until(done)
    assert clock.sleeps == []


def test_progress_begins_the_time_anew_and_its_absence_ends_it() -> None:
    """Nine steps of 90 seconds each, with a limit of 100; then nothing more."""
    clock = Clock()
    wait = waiting(clock)

    def done() -> bool:
        wait.advance(min((clock.now - 1000) // 90, 9))
        return False

    assert wait.until(done) is False
    assert clock.now == pytest.approx(1000 + 9 * 90 + 100, abs=15)
    assert wait.limit() > clock.now


def test_going_back_and_forth_is_no_progress() -> None:
    clock = Clock()
    wait = waiting(clock)
    values = itertools.cycle([5, 1, 4])

    def done() -> bool:
        wait.advance(next(values))
        return False

    assert wait.until(done) is False
    assert clock.now == pytest.approx(1100)


@pytest.mark.parametrize(
    ("running", "left"),
    [
        ([(10.0, 50.0)], 10.0),
        ([(10.0, 50.0), (30.0, 20.0), (5.0, 99.0)], 120.0),  # the slowest
        ([(10.0, 50.0), (10.0, None)], None),
        ([(0.0, 50.0)], 0.0),  # a clock that stands still
        ([(1e7, 1e-300)], float("inf")),
        *[([(10.0, percent)], None) for percent in (None, 0.0, 100.0, 101.0, -5.0, 1e300, float("nan"))],
    ],
)
def test_the_end_is_estimated_by_the_progress_so_far(
    running: list[tuple[float, float | None]], left: float | None
) -> None:
    assert estimate_left(running) == left


@pytest.mark.parametrize(
    ("end", "limit", "pause"),
    [
        (11.7, 60, 10),
        (10, 60, 10),
        (9.9, 60, 5),
        (0, 60, 5),
        (1e9, 60, 60),
        (float("inf"), 58, 55),
        (50, 3, 5),
        (50, -7, 5),
    ],
)
def test_the_pause_is_whole_intervals_before_the_end(end: float, limit: float, pause: float) -> None:
    assert pause_before(end, 5, limit) == pause


def test_a_poll_is_put_off_once_and_not_beyond_half_of_the_time_that_is_left() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=100)
    expected = iter([True, False])

    def done() -> bool:
        if next(expected, False):
            assert wait.expect(75, 100) is False  # not before the end
        return False

    wait.until(done)
    assert clock.sleeps[0] == pytest.approx(50, abs=5)
    assert all(pause <= 11 for pause in clock.sleeps[1:])


def test_an_interval_beyond_the_longest_is_kept() -> None:
    clock = Clock()
    wait = waiting(clock, timeout=1000, interval=300)
    assert wait.expect(250, 1000) is True
    assert wait.expect(10_000, 1000) is False
