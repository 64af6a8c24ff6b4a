# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed or let down at system calls: a sample of what ``crash`` does in full (``make crash``)."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

import pytest

from tests.faults import crash
from tests.faults.crash import KILL, Bench, Outcome, Point

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")

_SAMPLE = 8  # points of each situation


@pytest.fixture(scope="module")
def bench() -> t.Iterator[Bench]:
    with Bench() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    "situation",
    [crash.SITUATIONS[0], *(pytest.param(situation, marks=pytest.mark.long) for situation in crash.SITUATIONS[1:])],
    ids=lambda situation: situation.name,
)
def test_killed_or_let_down_at_a_system_call(bench: Bench, situation: crash.Situation) -> None:
    """F4, F8, F10: whatever fails, and wherever it is killed, nothing wrong is left and one plain run ends well."""
    points = crash.sample(bench.points(situation), _SAMPLE)
    outcomes = [bench.outcome(point) for point in points]
    assert not any(outcome.violations for outcome in outcomes), crash.report(outcomes)
    assert sum(outcome.ended != "not reached" for outcome in outcomes) >= _SAMPLE - 2, crash.report(outcomes)
    assert {"killed"} <= {outcome.ended for outcome in outcomes}


def test_the_sample_has_the_first_and_the_last_of_what_is_alike() -> None:
    points = [Point("a", "write", nth, "partial", fault) for nth in range(1, 65) for fault in (KILL, "EIO", "ENOSPC")]
    points.append(Point("a", "renameat", 1, "partial", KILL))
    assert crash.sample(points, 100) == [points[0], points[1], points[-4], points[-2], points[-1]]
    assert crash.sample(points, 2) == [points[0], points[-4]]


def test_the_report_counts_and_shows_what_does_not_hold() -> None:
    point = Point("new file", "fsync", 1, "partial", "EIO")
    lines = crash.report([Outcome(point, "failed", []), Outcome(point, "ok", ["I2: wrong"])]).splitlines()
    assert lines[1].split() == ["new", "file", "fsync", "2", "0", "1", "1", "0", "1"]
    assert lines[3].split() == ["all", "errors", "2", "0", "1", "1", "0", "1"]
    assert lines[-1].endswith("I2: wrong")


def test_a_violation_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """The judge is awake: with another file as the truth, no outcome is good."""
    monkeypatch.setattr(bench, "content", crash.OLD)
    point = Point("new file", "renameat", 1, "partial", KILL)
    assert [text[:2] for text in bench.outcome(point).violations] == ["I1", "I2"]
