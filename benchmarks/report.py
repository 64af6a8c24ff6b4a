# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for readers, data for programs, and whether the targets are met."""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
import subprocess
import typing as t
from dataclasses import dataclass

from benchmarks import cases, clients
from benchmarks.cases import GIB, MIB, Sizes
from benchmarks.clients import Client
from benchmarks.runner import Measured, Result
from benchmarks.server import find

MET: t.Final = "met"
MISSED: t.Final = "MISSED"

_PEAK: t.Final = 48  # MiB


@dataclass(frozen=True)
class Target:
    """A figure that shall stay below a bound; measured is None where there is nothing to judge."""

    text: str
    bound: float
    measured: float | None

    @property
    def verdict(self) -> str:
        """Whether it does."""
        if self.measured is None:
            return "not measured"
        return MET if self.measured <= self.bound else MISSED


def heading(sizes: Sizes, rounds: int) -> str:
    """What was measured where."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    lines = [
        f"one file: {sizes.one // MIB} MiB, many: {sizes.many} of {sizes.small / MIB:g} MiB, rounds: {rounds}",
        f"cores: {cores}, load: {load:.1f}",
        *(f"{name}: {version}" for name, version in _versions().items()),
    ]
    if load > cores / 4:
        lines.append("The machine is busy: figures are too large, and ratios vary.")
    return "\n".join(lines)


def table(result: Result) -> str:
    """One case: medians over the rounds; ratios are medians of the ratios in each round."""
    case = result.case
    files = f"{result.files} files, " if result.files > 1 else ""
    size = f"{result.size / MIB:.0f} MiB" if result.size >= MIB else f"{result.size} bytes"
    lines = [
        f"\n{case.title} ({files}{size})\n",
        f"| client | wall s | from - to | CPU s | peak MiB | wall / {case.reference.name} | CPU / the same |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, runs in result.runs.items():
        walls = [run.wall for run in runs]
        cells = (
            name,
            f"{statistics.median(walls):.2f}",
            f"{min(walls):.2f} - {max(walls):.2f}",
            f"{statistics.median(run.cpu for run in runs):.2f}",
            f"{max(run.peak_mib for run in runs):.0f}",
            _number(_ratio(result, name, case.reference.name)),
            _number(_ratio(result, name, case.reference.name, lambda run: run.cpu)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [f"\n{name}: left out, {why}" for name, why in result.left_out.items()]
    for name, runs in result.runs.items():
        if engine := [run.engine for run in runs if run.engine is not None]:
            lines.append(f"\n{name}: {statistics.median(engine):.2f} s in the engine, the rest is Python's own start")
    return "\n".join(lines)


def judge(results: t.Sequence[Result], sizes: Sizes) -> list[Target]:
    """The targets, as far as they were measured; they are about 1 GiB, with another size none is judged."""
    by_case = {result.case.title: result for result in results} if sizes.one == GIB else {}
    found = {name: by_case[case.title] for name, case in cases.CASES.items() if case.title in by_case}

    def ratio(case: str, client: Client, reference: Client) -> float | None:
        return _ratio(found[case], client.name, reference.name) if case in found else None

    def engine_ratio(case: str) -> float | None:
        """Without Python's own start, which the whole task is judged with."""
        if case not in found:
            return None
        return _ratio(found[case], clients.OURS.name, clients.CURL.name, lambda run: run.engine or run.wall)

    def cpu_per_gib(case: str) -> float | None:
        runs = found[case].runs.get(clients.OURS.name) if case in found else None
        return statistics.median(run.cpu for run in runs) / (found[case].size / GIB) if runs else None

    ours, summed = clients.OURS, clients.CURL_SUM
    module, get_url = clients.MODULE, clients.GET_URL_CHECKSUM
    return [
        Target("https to memory, engine / curl", 1.0, engine_ratio("tmpfs-https")),
        Target("http to memory, engine / curl", 1.2, engine_ratio("tmpfs-http")),
        Target("http to disk, wall / curl then sha256sum", 0.5, ratio("disk-http", ours, summed)),
        Target("https to disk, wall / curl then sha256sum", 0.5, ratio("disk-https", ours, summed)),
        Target("http to memory, CPU seconds a GiB", 1.5, cpu_per_gib("tmpfs-http")),
        Target("http to disk, CPU seconds a GiB", 1.5, cpu_per_gib("disk-http")),
        Target("the whole task, wall / get_url with checksum", 0.55, ratio("task", module, get_url)),
        Target(
            "many files in one task, wall / one file", 1.15, ratio("batch", clients.MODULE_MANY, clients.MODULE_WHOLE)
        ),
        Target("the list, wall / uri", 1.2, ratio("list", clients.INFO, clients.URI)),
        Target("peak memory of the engine, MiB", _PEAK, _peak(found.values())),
    ]


def targets_table(targets: t.Sequence[Target]) -> str:
    """For readers."""
    rows = (
        f"| {target.text} | {target.bound:g} | {_number(target.measured)} | {target.verdict} |" for target in targets
    )
    return "\n".join(["\nTargets\n", "| what | at most | measured | |", "|---|---:|---:|---|", *rows, ""])


def as_data(results: t.Sequence[Result], targets: t.Sequence[Target], sizes: Sizes) -> dict[str, t.Any]:
    """All runs and verdicts, for programs."""
    return {
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "kernel": platform.release()},
        "versions": _versions(),
        "sizes": dataclasses.asdict(sizes),
        "cases": [
            {
                "title": result.case.title,
                "bytes": result.size,
                "files": result.files,
                "reference": result.case.reference.name,
                "left_out": result.left_out,
                "runs": {name: [dataclasses.asdict(run) for run in runs] for name, runs in result.runs.items()},
            }
            for result in results
        ],
        "targets": [{**dataclasses.asdict(target), "verdict": target.verdict} for target in targets],
    }


def _ratio(
    result: Result, name: str, reference: str, figure: t.Callable[[Measured], float] = lambda run: run.wall
) -> float | None:
    """The median of what a client has in proportion to the reference in the same round."""
    pairs = list(zip(result.runs.get(name, []), result.runs.get(reference, []), strict=False))
    return statistics.median(figure(one) / figure(other) for one, other in pairs) if pairs else None


def _peak(results: t.Iterable[Result]) -> float | None:
    ours = {client.name for client in (clients.OURS, clients.OURS_4, clients.OURS_MANY)}
    peaks = [run.peak_mib for result in results for name in ours for run in result.runs.get(name, [])]
    return max(peaks, default=None)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name, option in (("nginx", "-v"), ("curl", "--version"), ("aria2c", "--version")):
        if program := find(name):
            said = subprocess.run([program, option], capture_output=True, text=True, check=False)
            found[name] = " ".join((said.stdout or said.stderr).split()[:3])
    return found


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
