# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F24: clocks that jump. F20: disks that are slow. Nothing but the monotonic clock decides."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from tests.faults import crash_runs
from tests.faults.crash_runs import Program, partial_size, wait_until
from tests.faults.crash_server import MIB, Content, serving
from tests.faults.invariants import Truth, check

NAME = "mailbox.zip"
CONTENT = Content(6 * MIB)
TRUTH = Truth(frozenset([CONTENT.sha256]), NAME, deadline=30)
FAKETIME = next(
    (str(path) for path in pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
    "no libfaketime on this machine",
)

needs_faketime = pytest.mark.skipif(not FAKETIME.startswith("/"), reason=FAKETIME)
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")


@needs_faketime
@pytest.mark.parametrize("jump", ["-1d", "+1d", "+20y"])
def test_f24_the_wall_clock_jumps_in_the_middle(tmp_path: pathlib.Path, jump: str) -> None:
    """Neither a time-out nor a limit of time is due because of it, nor is what lies there judged by its date."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    dest = tmp_path / "dest"
    dest.mkdir()
    limits = {"first_pause": 0.01, "max_time": 25.0, "rate_window": 5.0, "retries": 0}
    with serving(file=CONTENT) as server:
        server.hold_at = 3 * MIB
        order = {"urls": [server.url()], "dest": str(dest / NAME), "limits": limits}
        fake = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with Program(order, variables=fake) as program:
            wait_until(lambda: partial_size(dest) >= 2 * MIB)
            clock.write_text(jump)
            server.hold_at = None
            run = program.end()
        check(run, TRUTH, dest, last=True)
        assert len(server.sent) == 1
        clock.write_text("+0")
        again = crash_runs.run(order, variables=fake)
    assert again.told
    assert again.told["reason"] == "unchanged"


@needs_faketime
@pytest.mark.parametrize("jump", ["-1d", "+1d"])
def test_f24_what_was_left_is_continued_whatever_its_date(tmp_path: pathlib.Path, jump: str) -> None:
    with serving(file=CONTENT) as server:
        order = {"urls": [server.url()], "dest": str(tmp_path / NAME), "limits": {"first_pause": 0.01}}
        crash_runs.interrupt_after(3 * MIB, server, order, tmp_path)
        kept = partial_size(tmp_path)
        fake = {"LD_PRELOAD": FAKETIME, "FAKETIME": jump, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        run = crash_runs.run(order, variables=fake)
        assert server.sent[-1].asked == kept - crash_runs.OVERLAP
    check(run, TRUTH, tmp_path, last=True)


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "milliseconds"),
    [
        ("pwrite64", 300),
        pytest.param("fdatasync", 3000, marks=pytest.mark.long),
        pytest.param("fsync", 1500, marks=pytest.mark.long),
    ],
    ids=["each write", "each record", "each file's end"],
)
def test_f20_a_slow_disk_is_no_silence_of_the_server(tmp_path: pathlib.Path, call: str, milliseconds: int) -> None:
    """While the disk is slow nothing is read ahead without bound, and no time-out of the network is due."""
    with serving(file=CONTENT) as server:
        limits = {"first_pause": 0.01, "retries": 0, "rate_window": 2.0, "min_rate": 1_000_000.0}
        order = {"urls": [server.url()], "dest": str(tmp_path / NAME), "limits": limits, "timeout": 1.0}
        delay = f"inject={call}:delay_enter={milliseconds}000"
        run = crash_runs.run(order, "strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e", delay)
        assert len(server.sent) == 1
    check(run, TRUTH, tmp_path, last=True)
    assert run.seconds > milliseconds / 1000
