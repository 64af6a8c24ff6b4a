# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long and how fast: with a clock that the test moves, so that nothing depends on this machine."""

from __future__ import annotations

import dataclasses
import random
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import (
    LimitSettings,
    RetryBudget,
    TransferInterrupted,
    TransferLimits,
)


class Clock:
    """Time passes only while somebody sleeps, or when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.naps.append(seconds)
        self.now += seconds

    def limits(self, **limits: t.Any) -> TransferLimits:
        return TransferLimits(dataclasses.replace(LimitSettings(), **limits), clock=self, sleep=self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- the deadline ---


def test_without_a_limit_there_is_no_deadline(clock: Clock) -> None:
    limits = clock.limits()
    clock.now += 1e9
    limits.check()
    assert limits.deadline is None


def test_the_deadline_is_reached(clock: Clock) -> None:
    limits = clock.limits(max_time=60)
    assert limits.deadline == 1060
    clock.now = 1059.9
    limits.check()
    for when in (1060, 1e9):
        clock.now = when
        for use in (limits.check, lambda: limits.record(1, 0.1), lambda: limits.pause(0), lambda: limits.sleep(0)):
            with pytest.raises(StorwareError, match="max_time") as caught:
                use()
            assert (caught.value.code, caught.value.retryable) == ("timeout", True)
            assert "max_time (60 seconds)" in caught.value.message
            assert caught.value.hint


def test_nobody_sleeps_beyond_the_deadline(clock: Clock) -> None:
    limits = clock.limits(max_time=10)
    limits.sleep(7)
    with pytest.raises(StorwareError, match="max_time"):
        limits.sleep(7)
    assert clock.naps == [7, 3]


# --- the minimum ---


def test_the_minimum_rate_is_measured_over_its_window(clock: Clock) -> None:
    limits = clock.limits(min_rate=100, rate_window=10)
    for _second in range(9):
        limits.record(1, 1)
    with pytest.raises(TransferInterrupted, match="min_rate") as caught:
        limits.record(1, 1)
    assert caught.value.code == "below_min_rate"
    assert caught.value.retryable
    assert isinstance(caught.value, TransferInterrupted)
    assert "the rate was 1 bytes per second" in caught.value.message
    for _time in range(100):
        limits.record(1000, 10)  # exactly as fast as it has to be


def test_each_window_counts_for_itself(clock: Clock) -> None:
    limits = clock.limits(min_rate=100, rate_window=10)
    limits.record(10**9, 10)
    with pytest.raises(TransferInterrupted, match="min_rate"):
        limits.record(999, 10)


def test_only_the_time_of_reading_counts(clock: Clock) -> None:
    """A slow disk, or a pause because of the maximum rate, is not the server's fault."""
    limits = clock.limits(min_rate=100, rate_window=10)
    for _time in range(1000):
        clock.now += 100
        limits.record(1, 0.001)


def test_a_new_connection_has_a_new_window(clock: Clock) -> None:
    limits = clock.limits(min_rate=100, rate_window=10)
    limits.record(1, 9)
    limits.restart()
    limits.record(1, 9)
    with pytest.raises(TransferInterrupted, match="min_rate"):
        limits.record(1, 1)


def test_without_a_minimum_nothing_is_too_slow(clock: Clock) -> None:
    clock.limits(min_rate=0, rate_window=1).record(0, 1e6)


@pytest.mark.parametrize(
    ("limits", "silence"),
    [
        ({}, 60), ({"rate_window": 5}, 5), ({"min_rate": 0}, float("inf")), ({"max_time": 7}, 7),
        ({"min_rate": 0, "max_time": 7}, 7), ({"max_time": 100}, 60), ({"max_time": 0}, 0.001),
    ],
)  # fmt: skip
def test_how_long_a_silence_may_be(clock: Clock, limits: dict[str, float], silence: float) -> None:
    assert clock.limits(**limits).read_timeout == silence


# --- the maximum ---


@pytest.mark.parametrize("piece", [100, 1000, 64 * 1024, 2**20])
def test_the_maximum_rate_is_kept(clock: Clock, piece: int) -> None:
    limits = clock.limits(max_rate=100_000)
    total = 0
    while total < 5_000_000:
        limits.record(piece, 0)
        total += piece
    rate = total / (clock.now - 1000)
    assert 99_000 < rate < 101_000
    assert max(clock.naps) <= 0.25  # so that it can be interrupted


def test_reading_takes_its_share_of_the_time(clock: Clock) -> None:
    limits = clock.limits(max_rate=100_000)
    for _time in range(100):
        clock.now += 0.05
        limits.record(10_000, 0.05)
    assert clock.now - 1000 == pytest.approx(10, rel=0.05)


def test_who_was_slow_does_not_make_up_for_it(clock: Clock) -> None:
    limits = clock.limits(max_rate=1000)
    limits.record(1000, 0)
    clock.now += 3600
    began = clock.now
    for _time in range(10):
        limits.record(1000, 0)
    assert clock.now - began == pytest.approx(10, abs=0.3)


def test_without_a_maximum_nobody_sleeps(clock: Clock) -> None:
    clock.limits().record(10**12, 0)
    assert clock.naps == []


def test_a_pause_for_the_maximum_ends_at_the_deadline(clock: Clock) -> None:
    limits = clock.limits(max_rate=1, max_time=3)
    with pytest.raises(StorwareError, match="max_time"):
        limits.record(1000, 0)
    assert clock.now == 1003


def test_connections_share_the_maximum_and_the_deadline(clock: Clock) -> None:
    limits = clock.limits(max_rate=100_000, max_time=50)
    clock.now += 10
    shared = limits.share(4)
    assert shared.deadline == limits.deadline == 1050
    assert shared.settings == dataclasses.replace(limits.settings, max_rate=25_000)
    shared.record(25_000, 0)
    assert clock.now == pytest.approx(1010.75, abs=0.1)
    assert clock.limits().share(4).settings.max_rate is None


def test_a_share_measures_its_own_reading(clock: Clock) -> None:
    limits = clock.limits(min_rate=100, rate_window=10)
    first, second = limits.share(2), limits.share(2)
    first.record(1, 9)
    second.record(1, 9)
    with pytest.raises(TransferInterrupted, match="min_rate"):
        first.record(1, 1)


# --- tries ---


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_so_many_tries_may_bring_nothing(clock: Clock, retries: int) -> None:
    tries = RetryBudget(clock.limits(retries=retries))
    error = StorwareError("broken")
    for _time in range(retries):
        tries.spend(error, progress=False)
    with pytest.raises(StorwareError) as caught:
        tries.spend(error, progress=False)
    assert caught.value is error
    assert len(clock.naps) == retries


def test_a_try_that_brought_something_counts_anew(clock: Clock) -> None:
    tries = RetryBudget(clock.limits(retries=2))
    error = StorwareError("broken")
    for _time in range(20):
        tries.spend(error, progress=False)
        tries.spend(error, progress=False)
        tries.spend(error, progress=True)
    tries.spend(error, progress=False)
    tries.spend(error, progress=False)
    with pytest.raises(StorwareError):
        tries.spend(error, progress=False)


def test_pauses_grow_to_their_limit_and_are_spread(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full jitter: a thousand hosts that were cut off together do not come back together."""
    distributed: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        distributed.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    tries = RetryBudget(clock.limits(retries=7, first_pause=1, longest_pause=30))
    for _time in range(7):
        tries.spend(StorwareError("broken"), progress=False)
    assert distributed == [(0, pause) for pause in (1, 2, 4, 8, 16, 30, 30)]
    assert clock.naps == [1, 2, 4, 8, 16, 30, 30]
    tries.spend(StorwareError("broken"), progress=True)
    assert clock.naps[-1] == 1


def test_a_pause_ends_at_the_deadline(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    tries = RetryBudget(clock.limits(first_pause=30, max_time=5))
    with pytest.raises(StorwareError, match="max_time"):
        tries.spend(StorwareError("broken"), progress=False)
    assert clock.now == 1005
