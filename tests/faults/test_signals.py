# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""P5 to P7: signals at random moments, pipes that are closed, and what is sent again after kills."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import time
import typing as t
from dataclasses import dataclass

import pytest

from tests.faults import crash_runs
from tests.faults.crash_runs import OVERLAP, Program, partial_in, partial_size, wait_until
from tests.faults.crash_server import MIB, Content, Server, serving
from tests.faults.invariants import Run, Truth, check

NAME = "mailbox.zip"
PIECE = 1 * MIB  # the engine writes so much at a time


@dataclass(frozen=True)
class Size:
    """How much is transferred, and what is tried with it.

    rounds: of one kill each. again: the largest part of the size that one may cost. kills: in one transfer, which may
    cost total times the size.
    """

    content: Content
    rounds: int
    again: float
    kills: int
    total: float


# A kill costs two distances between checkpoints at most, as one may be under way, and some MiB that were read ahead. In
# the smaller one these weigh more.
SIZES = [
    pytest.param(Size(Content(96 * MIB), 2, 0.6, 3, 2.3), id="96 MiB", marks=pytest.mark.slow),
    pytest.param(Size(Content(1024 * MIB), 20, 0.065, 10, 1.7), id="1 GiB", marks=pytest.mark.long),
]


@pytest.fixture(scope="module", params=SIZES)
def size(request: pytest.FixtureRequest) -> Size:
    found: Size = request.param
    assert found.content.sha256
    return found


@pytest.fixture
def server(size: Size) -> t.Iterator[Server]:
    with serving(file=size.content) as running:
        yield running


def order(server: Server, directory: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    return {"urls": [server.url()], "dest": str(directory / NAME), "limits": {"first_pause": 0.01}, **more}


def truth_of(content: Content) -> Truth:
    return Truth(frozenset([content.sha256]), NAME, deadline=120)


@pytest.mark.fault("P5")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_p5_a_signal_at_a_random_moment(
    size: Size, server: Server, tmp_path: pathlib.Path, number: signal.Signals
) -> None:
    """What has come is recorded, it ends soon and not with success, and the next run goes on.

    Also when the signal comes right before a system call: Python alone would note it at the time-out, after a minute.
    """
    chance = random.Random(number)
    for _round in range(max(1, size.rounds // 5)):
        moment = chance.randrange(2 * PIECE, size.content.size - 2 * PIECE)
        before = server.count
        server.hold_at = moment
        with Program(order(server, tmp_path, timeout=60.0)) as program:
            wait_until(lambda: partial_size(tmp_path) >= moment - 2 * PIECE)  # noqa: B023
            program.process.send_signal(number)
            sent_at = time.monotonic()
            run = program.end()
            seconds = time.monotonic() - sent_at
        server.hold_at = None
        check(run, truth_of(size.content), tmp_path)
        assert run.told
        assert (run.told["code"], program.process.returncode) == ("interrupted", 1)
        assert seconds < 20, f"{seconds:.1f} s from the signal to the end"
        kept = partial_size(tmp_path)
        assert kept >= moment - 2 * PIECE
        assert f"{kept} bytes are kept" in run.told["hint"]
        check(crash_runs.run(order(server, tmp_path)), truth_of(size.content), tmp_path, last=True)
        assert server.count - before <= size.content.size + OVERLAP + 2 * PIECE
        (tmp_path / NAME).unlink()
        (tmp_path / f"{NAME}.sha256").unlink()


@pytest.mark.fault("P4")
def test_killed_at_a_random_moment_little_is_sent_again(size: Size, server: Server, tmp_path: pathlib.Path) -> None:
    """Each round is one transfer, killed once and run again."""
    chance = random.Random(size.content.size)
    again = []
    for number in range(size.rounds):
        directory = tmp_path / str(number)
        directory.mkdir()
        moment = chance.randrange(0, size.content.size)
        before = server.count
        with Program(order(server, directory)) as program:
            server.wait_for(before + moment)
            program.process.kill()
            killed = program.end()
        check(killed, truth_of(size.content), directory)
        check(crash_runs.run(order(server, directory)), truth_of(size.content), directory, last=True)
        again.append((server.count - before - size.content.size) / size.content.size)
        (directory / NAME).unlink()
    print(f"sent again after a kill: at most {max(again):.1%}, median {sorted(again)[len(again) // 2]:.1%}")
    assert max(again) < size.again, again


def test_killed_several_times_the_total_stays_bounded(size: Size, server: Server, tmp_path: pathlib.Path) -> None:
    """The kills are distributed over the transfer, at random distances from each other."""
    chance = random.Random(10)
    moments = sorted(chance.uniform(0.02, 0.98) for _kill in range(size.kills))
    for moment in moments:
        server.hold_at = None
        wanted = int(moment * size.content.size)
        with Program(order(server, tmp_path)) as program:
            # How far it is: at the offset that the newest answer has reached.
            wait_until(lambda: program.process.poll() is not None or _reached(server) >= wanted)  # noqa: B023
            program.process.kill()
            run = program.end()
        check(run, truth_of(size.content), tmp_path)
    check(crash_runs.run(order(server, tmp_path)), truth_of(size.content), tmp_path, last=True)
    print(f"sent with {size.kills} kills: {server.count / size.content.size:.2f} times the size")
    assert server.count < size.total * size.content.size


def _reached(server: Server) -> int:
    newest = server.sent[-1] if server.sent else None
    return (newest.asked or 0) + newest.count if newest else 0


# --- pipes and pauses: the size does not matter ---

SMALL = Content(8 * MIB)


@pytest.fixture
def small() -> t.Iterator[Server]:
    with serving(file=SMALL) as running:
        yield running


@pytest.mark.fault("P6")
@pytest.mark.parametrize("how", ["closed before", "closed by the reader"])
def test_p6_nobody_reads_what_is_told(small: Server, tmp_path: pathlib.Path, how: str) -> None:
    """The work is done and stays done; the next run finds it."""
    command = crash_runs.command(order(small, tmp_path))
    if how == "closed before":
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], env=crash_runs.environment(), check=False)
        assert done.returncode != 0 or (tmp_path / NAME).exists()
    else:
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            command, env=crash_runs.environment(), stdout=writing, stderr=subprocess.PIPE, check=False
        )
        os.close(writing)
    check(Run(None, 0.0), truth_of(SMALL), tmp_path)
    assert not list(tmp_path.glob(".*"))
    again = crash_runs.run(order(small, tmp_path))
    check(again, truth_of(SMALL), tmp_path, last=True)
    assert again.told
    assert again.told["reason"] == "unchanged"
    assert len(small.sent) == 1


@pytest.mark.fault("P7")
@pytest.mark.slow
def test_p7_stopped_for_longer_than_the_time_out_and_continued(small: Server, tmp_path: pathlib.Path) -> None:
    """The connection is gone meanwhile; it goes on with another one, and nothing is sent twice but the overlap."""
    small.hold_at = 4 * MIB
    with Program(order(small, tmp_path, timeout=1.0)) as program:
        wait_until(lambda: partial_size(tmp_path) >= 3 * MIB)
        program.process.send_signal(signal.SIGSTOP)
        small.drop()
        small.hold_at = None
        time.sleep(2.0)  # longer than the time-out: time itself is what is tested
        program.process.send_signal(signal.SIGCONT)
        run = program.end()
    check(run, truth_of(SMALL), tmp_path, last=True)
    assert [answer.status for answer in small.sent] == [200, 206]
    assert small.count <= SMALL.size + OVERLAP + PIECE


@pytest.mark.fault("P7")
def test_p7_stopped_while_the_server_waits_patiently(small: Server, tmp_path: pathlib.Path) -> None:
    small.hold_at = 4 * MIB
    with Program(order(small, tmp_path, timeout=1.0)) as program:
        wait_until(lambda: partial_size(tmp_path) >= 3 * MIB)
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(2.0)
        small.hold_at = None
        program.process.send_signal(signal.SIGCONT)
        run = program.end()
    check(run, truth_of(SMALL), tmp_path, last=True)


@pytest.mark.fault("P8")
def test_p8_a_killed_run_leaves_no_lock_behind(small: Server, tmp_path: pathlib.Path) -> None:
    """P8: the next run starts at once, whatever lies there."""
    small.hold_at = 4 * MIB
    with Program(order(small, tmp_path)) as program:
        wait_until(lambda: partial_size(tmp_path) >= 3 * MIB)
        program.process.kill()
        program.end()
    small.hold_at = None
    assert partial_in(tmp_path)
    run = crash_runs.run(order(small, tmp_path))
    check(run, truth_of(SMALL), tmp_path, last=True)
    assert run.seconds < 10
