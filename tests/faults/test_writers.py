# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""P1 to P3, P8 to P10: several writers of one destination, with locks that work and with locks that do nothing."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import time
import typing as t

import pytest

from tests.faults import crash_runs
from tests.faults.crash_runs import Copies, Copy, partial_size, wait_until
from tests.faults.crash_server import MIB, Content, Server
from tests.faults.invariants import Run, Truth, check, violations

NAME = "mailbox.zip"
SIZE = 4 * MIB
MOST = 8  # writers
# Each writer's server sends other bytes, of the same length; half of them say nothing that tells them apart.
CONTENTS = {f"/{number}": Content(SIZE, number, etag=None if number % 2 else "") for number in range(MOST)}
DIGESTS = frozenset(content.sha256 for content in CONTENTS.values())
TRUTH = Truth(DIGESTS, NAME)
# All that a writer may be told who did not win.
LOSERS = ("locked", "concurrent_change")

# How well two writers know of each other. elsewhere: on another host, where process numbers mean nothing.
LOCKS: dict[str, dict[str, t.Any]] = {
    "locks": {},
    "no locks": {"lying_locks": True},
    "no locks, other hosts": {"lying_locks": True, "elsewhere": True},
}
if os.geteuid() != 0:
    del LOCKS["no locks, other hosts"]  # another name for the host needs root


@pytest.fixture(scope="module")
def copies() -> t.Iterator[Copies]:
    with Copies() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with Server(dict(CONTENTS)).running() as running:
        yield running


def order(server: Server, directory: pathlib.Path, number: int, lock_timeout: float = 20.0) -> dict[str, t.Any]:
    limits = {"first_pause": 0.01, "lock_timeout": lock_timeout, "retries": 2}
    return {"urls": [server.url(f"/{number}")], "dest": str(directory / NAME), "limits": limits}


def setup_of(locks: str, number: int) -> dict[str, t.Any]:
    wishes = dict(LOCKS[locks])
    if wishes.pop("elsewhere", False):
        wishes["host"] = f"host{number}"
    return wishes


def _code(run: Run) -> str:
    return "killed" if run.told is None else str(run.told.get("code", "ok"))


def _said(runs: t.Sequence[Run]) -> str:
    return "\n".join(f"{_code(run)}: {(run.told or {}).get('message')}" for run in runs)


class Round:
    """Writers at once, one of them killed at some moment if the chance says so."""

    def __init__(self, copies: Copies, server: Server, directory: pathlib.Path, locks: str, chance: random.Random):
        self.killed = chance.random() < 0.5
        timeout = chance.choice([0.1, 20.0])
        writers = range(chance.randint(2, MOST))
        started = [
            copies.start(order(server, directory, number, timeout), **setup_of(locks, number)) for number in writers
        ]
        for copy in started:
            copy.go()
        if self.killed:
            self._kill(chance.choice(started), server, chance)
        self.runs = [copy.end() for copy in started]
        self.has_time = timeout > 1

    @staticmethod
    def _kill(victim: Copy, server: Server, chance: random.Random) -> None:
        before, more = server.count, chance.randrange(SIZE)
        ends = time.monotonic() + 1
        while server.count < before + more and time.monotonic() < ends:
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.kill(victim.pid, signal.SIGKILL)


@pytest.mark.fault("P1", "P2")
@pytest.mark.parametrize("locks", LOCKS)
@pytest.mark.parametrize("rounds", [pytest.param(5, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.long)])
def test_p1_p2_writers_at_once_never_mix(
    copies: Copies, server: Server, tmp_path: pathlib.Path, locks: str, rounds: int
) -> None:
    """The file is always one writer's, somebody wins each round, nothing is left that needs a hand."""
    chance = random.Random(f"{locks} {rounds}")
    won = 0
    for number in range(rounds):
        directory = tmp_path / str(number)
        directory.mkdir()
        done = Round(copies, server, directory, locks, chance)
        codes = [_code(run) for run in done.runs]
        assert set(codes) <= {"ok", "killed", *LOSERS}, _said(done.runs)
        for run in done.runs:
            assert not run.told or not run.ok or run.told["sha256"] in DIGESTS, run.told
        assert violations(Run(None, 0.0), TRUTH, directory) == [], codes
        # A killed writer that had the place leaves no winner where the others have given up by then. Without locks, one
        # gives up whose sidecar was taken over before it held a record.
        gives_up = (
            not done.has_time
            or locks == "no locks, other hosts"
            or (locks == "no locks" and "concurrent_change" in codes)
        )
        assert "ok" in codes or (done.killed and gives_up), _said(done.runs)
        won += "ok" in codes
        check(copies.run(order(server, directory, 0)), TRUTH, directory, last=True)
    print(f"{locks}: {rounds} rounds, {won} with a winner")


def _hold(copies: Copies, server: Server, directory: pathlib.Path, number: int, locks: str) -> Copy:
    """A writer that is in the middle of its work."""
    server.hold_at = SIZE // 2 + MIB
    copy = copies.start(order(server, directory, number), **setup_of(locks, number))
    copy.go()
    wait_until(lambda: partial_size(directory) >= SIZE // 2)
    return copy


@pytest.mark.fault("P1")
def test_p1_the_second_waits_and_then_finds_all_done(copies: Copies, server: Server, tmp_path: pathlib.Path) -> None:
    first = _hold(copies, server, tmp_path, 1, "locks")
    second = copies.start(order(server, tmp_path, 2))
    second.go()
    before = len(server.sent)
    time.sleep(0.5)  # it has the time to do something wrong
    assert len(server.sent) == before
    server.hold_at = None
    check(first.end(), TRUTH, tmp_path)
    run = second.end()
    check(run, TRUTH, tmp_path, last=True)
    assert run.told
    assert run.told["sha256"] == CONTENTS["/1"].sha256
    assert len(server.sent) == before


@pytest.mark.fault("P1", "P3")
@pytest.mark.parametrize("locks", ["locks", "no locks"])
def test_p3_the_second_is_told_who_is_at_work_when_it_has_waited_enough(
    copies: Copies, server: Server, tmp_path: pathlib.Path, locks: str
) -> None:
    """P7, too: the first is stopped, which is no reason to take anything from it."""
    first = _hold(copies, server, tmp_path, 1, locks)
    os.kill(first.pid, signal.SIGSTOP)
    run = copies.run(order(server, tmp_path, 2, 0.3), **setup_of(locks, 2))
    check(run, TRUTH, tmp_path)
    assert run.told
    assert run.told["code"] == "locked"
    assert str(first.pid) in run.told["message"]
    server.hold_at = None
    os.kill(first.pid, signal.SIGCONT)
    check(first.end(), TRUTH, tmp_path, last=True)


@pytest.mark.fault("P2")
@pytest.mark.skipif(os.geteuid() != 0, reason="another name for the host needs root")
def test_p2_who_is_overtaken_notices_it_and_stops(copies: Copies, server: Server, tmp_path: pathlib.Path) -> None:
    """On another host and without locks the second cannot know of the first; the first finds the claim gone."""
    locks = "no locks, other hosts"
    first = _hold(copies, server, tmp_path, 1, locks)
    os.kill(first.pid, signal.SIGSTOP)
    server.hold_at = None
    second = copies.run(order(server, tmp_path, 2), **setup_of(locks, 2))
    check(second, TRUTH, tmp_path)
    assert second.ok
    os.kill(first.pid, signal.SIGCONT)
    run = first.end()
    assert _code(run) == "concurrent_change", run.told
    assert crash_runs.partial_in(tmp_path) is None
    check(copies.run(order(server, tmp_path, 2)), Truth(frozenset([CONTENTS["/2"].sha256]), NAME), tmp_path, last=True)


@pytest.mark.fault("P8")
@pytest.mark.parametrize("locks", ["locks", "no locks"])
def test_p8_the_successor_of_a_killed_writer_goes_on(
    copies: Copies, server: Server, tmp_path: pathlib.Path, locks: str
) -> None:
    """P8, P3: no lock is left, and what the killed one had recorded is not sent again."""
    setup = {**setup_of(locks, 1), "constants": {"store.writer.COMMIT_BYTES": MIB}}
    server.hold_at = 3 * MIB + MIB // 2
    first = copies.start(order(server, tmp_path, 1), **setup)
    first.go()
    wait_until(lambda: partial_size(tmp_path) >= 3 * MIB)
    state = next(tmp_path.glob(".*.????????????????.state"))
    wait_until(lambda: b'"offset": 0' not in state.read_bytes())
    os.kill(first.pid, signal.SIGKILL)
    assert first.end().told is None
    server.hold_at = None
    before = len(server.sent)
    run = copies.run(order(server, tmp_path, 1, 0.0), **setup)
    check(run, Truth(frozenset([CONTENTS["/1"].sha256]), NAME), tmp_path, last=True)
    assert [answer.status for answer in server.sent[before:]] == [206]


@pytest.mark.fault("P9")
@pytest.mark.parametrize("locks", LOCKS)
def test_p9_a_sidecar_that_is_removed_and_made_anew_all_the_time(
    copies: Copies, server: Server, tmp_path: pathlib.Path, locks: str
) -> None:
    """What somebody does to the sidecar costs a run at the worst, and never a wrong byte."""
    first = _hold(copies, server, tmp_path, 1, locks)
    next(tmp_path.glob(".*.????????????????.state")).unlink()
    server.hold_at = None
    second = copies.run(order(server, tmp_path, 2), **setup_of(locks, 2))
    check(second, TRUTH, tmp_path)
    runs = [first.end(), second]
    assert "ok" in map(_code, runs), _said(runs)
    assert {_code(run) for run in runs} <= {"ok", *LOSERS}
    check(Run(None, 0.0), TRUTH, tmp_path)
    check(copies.run(order(server, tmp_path, 2)), TRUTH, tmp_path, last=True)
