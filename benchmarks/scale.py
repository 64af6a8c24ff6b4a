# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud_download costs when the server has very many downloads: calls and CPU, and how they grow.

A tenth of the downloads is wanted, by e-mail address, and all of it is there: what is measured is the plan alone.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t
from dataclasses import dataclass

from benchmarks import plot
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.modules import prepare

SIZES: t.Final = (100, 300, 1000, 3000, 10_000)
CPU: t.Final = 10.0  # seconds, for the largest
OTHER_CALLS: t.Final = 4  # besides pages

_PROGRAM: t.Final = """\
import json, pathlib, sys
from tests.support.modules import main
main("cloud_download", json.loads(pathlib.Path(sys.argv[1]).read_text()))
"""


@dataclass(frozen=True)
class Cost:
    """Of one run. cpu: seconds of the module's process, its start included."""

    downloads: int
    wanted: int
    pages: int
    calls: int
    cpu: float


def measure(downloads: int, work: pathlib.Path) -> Cost:
    """One run against a server with so many downloads. Raises AssertionError where the result is wrong."""
    with Simulator.start(speed=50, validate=False, content_size=1000) as simulator:
        simulator.seed(users=downloads, downloads=downloads)
        people = [user["email"] for user in simulator.entities("users") if user["email"].startswith("user-")]
        simulator.clear_log()
        options, told = work / "options.json", work / "told.json"
        wanted = people[:: len(people) * 10 // downloads]
        options.write_text(json.dumps(prepare(simulator, *wanted)), encoding="utf-8")
        cpu = _run(options, told)
        result = json.loads(told.read_text(encoding="utf-8"))
        assert not result["changed"], result
        assert len(result["cloud_downloads"]) == len(wanted), result
        pages = [any(name == "page" for name, _value in call["query"]) for call in simulator.requests()]
        return Cost(downloads, len(wanted), sum(pages), len(pages), cpu)


def _run(options: pathlib.Path, told: pathlib.Path) -> float:
    """CPU seconds of the module in a process of its own."""
    with told.open("wb") as output:
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", _PROGRAM, str(options)],
            {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tree.link(), tree.ROOT)))},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1)],
        )
        _pid, status, usage = os.wait4(child, 0)
    assert status == 0, told.read_text(encoding="utf-8")
    return usage.ru_utime + usage.ru_stime


def table(costs: t.Sequence[Cost]) -> str:
    """For readers."""
    lines = ["| downloads on the server | wanted | pages read | calls | CPU |", "|---:|---:|---:|---:|---:|"]
    lines += [f"| {c.downloads:,} | {c.wanted:,} | {c.pages} | {c.calls} | {c.cpu:.2f} s |" for c in costs]
    return "\n".join(lines)


def draw(costs: t.Sequence[Cost], path: pathlib.Path) -> None:
    """The picture of calls and CPU; both begin at zero, so that growth in proportion is a straight line."""
    panels = [
        plot.Panel("Calls to the server", [cost.calls for cost in costs]),
        plot.Panel("CPU time of the module in seconds", [cost.cpu for cost in costs], "{:.1f}"),
    ]
    label = "Calls and CPU time of one task, by the number of downloads on the server"
    path.write_text(
        plot.chart(label, "downloads on the server", [cost.downloads for cost in costs], panels), encoding="utf-8"
    )
