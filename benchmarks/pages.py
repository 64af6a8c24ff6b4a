# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation shows of real runs: made again by the benchmark, never by hand."""

from __future__ import annotations

import pathlib
import re
import tempfile
import typing as t

from benchmarks import by_hand, rows, scale
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support import marks, recordings
from tests.support.ansible import Ansible
from tests.support.fleet import Fleet

PAGE: t.Final = tree.ROOT / "docs" / "performance.md"
GUIDE: t.Final = tree.ROOT / "docs" / "fleet.md"

_MIB: t.Final = 1024 * 1024


def write_scale(work: pathlib.Path) -> str:
    """The table and the plot of the cost by the number of downloads; the table is returned, too."""
    with tempfile.TemporaryDirectory(dir=work) as directory:
        costs = [scale.measure(size, pathlib.Path(directory)) for size in scale.SIZES]
    largest = costs[-1]
    assert largest.calls <= largest.pages + scale.OTHER_CALLS, largest
    assert largest.cpu <= scale.CPU, largest
    scale.draw(costs, PAGE.with_name("scale.svg"))
    table = scale.table(costs)
    marks.insert(PAGE, "scale", table)
    return table


def write_rows(work: pathlib.Path) -> str:
    """Write the table of the cost of summary and reports; it is returned, too."""
    costs = []
    for size in rows.SIZES:
        with tempfile.TemporaryDirectory(dir=work) as directory:
            costs.append(rows.measure(size, pathlib.Path(directory)))
    table = rows.table(costs)
    marks.insert(PAGE, "rows", table)
    return table


def write_by_hand(work: pathlib.Path) -> str:
    """The table of the role beside the playbook by hand; it is returned, too."""
    costs = by_hand.measure(work)
    table = by_hand.table(costs)
    marks.insert(PAGE, "by hand", table)
    return table


def write_recording(work: pathlib.Path) -> str:
    """The output of a run that takes half a minute, on two hosts; it is returned, too."""
    with tempfile.TemporaryDirectory(dir=work) as directory, Simulator.start(speed=1) as simulator:
        simulator.switch(content_size=200 * _MIB, queue_seconds=2, run_seconds=14)
        places = pathlib.Path(directory)
        (places / "home").mkdir()
        fleet = Fleet(Ansible(places / "home"), simulator, places, names=("files-1", "files-2"))
        run = fleet.mail(progress_interval=5, wait_interval=1, distribute=True, max_rate="20M").ok()
        shown = re.sub(rf"{re.escape(directory)}/files-[12]", "/srv/restore", run.stdout)
    kept = "\n".join(_kept(shown))
    marks.insert(GUIDE, "recording", f"```text\n{kept}\n```")
    return kept


def write_pictures(work: pathlib.Path) -> str:
    """Draw the terminals of docs/recording-*.svg; their outputs are returned, too."""
    shown = []
    for name, run in recordings.RUNS.items():
        with tempfile.TemporaryDirectory(dir=work) as directory, Simulator.start(speed=20) as simulator:
            places = pathlib.Path(directory)
            (places / "home").mkdir()
            output = run(Ansible(places / "home"), simulator, places)
        recordings.path_of(name).write_text(recordings.draw(output, name), encoding="utf-8")
        shown.append(output)
    return "\n".join(shown)


def _kept(output: str) -> t.Iterator[str]:
    """The tasks that take long, and the end."""
    blocks = re.split(r"\n\n+", output.strip())
    names = ("Ensure that the downloads exist", "Fetch and verify", "Show and report the files", "PLAY RECAP")
    for block in blocks:
        if any(name in block.splitlines()[0] for name in names):
            yield from (re.sub(r"\*{4,}$", "***", line).rstrip() for line in block.splitlines())
            yield ""
