# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark compares what it says, tells when a client is wrong, and judges as its tables say."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest

from benchmarks import cases, clients, plot, report, runner
from benchmarks.cases import GIB, MIB, Case, Sizes
from benchmarks.clients import Client
from benchmarks.runner import BenchmarkError, Measured, Result
from benchmarks.server import Nginx, find
from tests.harness import tree

needs_nginx = pytest.mark.skipif(not find("nginx"), reason="nginx is not installed")


@needs_nginx
@pytest.mark.long
def test_a_quick_run_compares_all_clients(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--work", str(tmp_path)]
    ended = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [case["title"] for case in result["cases"]] == [cases.CASES[name].title for name in cases.QUICK]
    for name, case in zip(cases.QUICK, result["cases"], strict=True):
        expected = {client.name for client in cases.CASES[name].clients}
        assert case["runs"].keys() | case["left_out"].keys() == expected
        assert all(why.endswith("is not installed") for why in case["left_out"].values())
        assert all(run["wall"] > 0 and run["cpu"] > 0 for runs in case["runs"].values() for run in runs)
        assert all(f"| {client} | " in ended.stdout for client in case["runs"])
    assert {target["verdict"] for target in result["targets"]} == {"not measured"}  # they are about 1 GiB
    assert {path.name for path in tmp_path.iterdir()} == {"content", "result.json"}


@needs_nginx
def test_a_run_that_is_told_to_end_leaves_nothing(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "disk-https", "--size", "16", "--rounds", "1000"]
    (tmp_path / "scratch").mkdir()
    running = subprocess.Popen(
        [*command, "--work", str(tmp_path)],
        cwd=tree.ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path / "scratch")},
        stdout=subprocess.DEVNULL,
    )
    try:
        assert waited(lambda: any(tmp_path.glob("tmp*/files")))
        assert commands_with(tmp_path)
        running.terminate()
        assert running.wait(60) == 143
    finally:
        running.kill()
        running.wait()
    assert {path.name for path in tmp_path.iterdir()} == {"content", "scratch"}
    assert not list((tmp_path / "scratch").iterdir())
    assert waited(lambda: not commands_with(tmp_path))  # the kernel still buries those that were killed


def waited(condition: t.Callable[[], bool]) -> bool:
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def commands_with(text: object) -> list[str]:
    """Command lines of the processes that mention it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().decode(errors="replace"))
    return [command for command in found if str(text) in command]


def run_one(client: Client, tmp_path: pathlib.Path, files: str = "one") -> Result:
    case = Case("One", "https", files, True, (client,), client)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Nginx(scratch, tmp_path / "content") as server:
        return runner.run(case, Sizes.of(2 * MIB, 1), 2, server, tmp_path)


@needs_nginx
def test_cpu_and_memory_are_those_of_the_command_and_its_children(tmp_path: pathlib.Path) -> None:
    def command(fetch: clients.Fetch) -> t.Sequence[str]:
        work = "x = b'x' * 2**28\nimport time\nwhile time.process_time() < 0.5: pass"
        return ["sh", "-ec", '"$0" -c "$1"; shift; exec "$@"', sys.executable, work, *clients.CURL.command(fetch)]

    (first, second) = run_one(Client("busy", command, "curl"), tmp_path).runs["busy"]
    for run in (first, second):
        assert 0.5 <= run.cpu <= run.wall * 2
        assert 256 <= run.peak_mib < 512


@needs_nginx
@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo wrong >", "is not what the server has"),
        (": ", "there is no one.zip"),
        ("exit 3; :", "liar ended with status 3"),
    ],
)
def test_a_client_that_fails_or_lies_ends_the_comparison(script: str, complaint: str, tmp_path: pathlib.Path) -> None:
    liar = Client("liar", lambda fetch: ["sh", "-c", f'{script} "$0"', str(fetch.path)])
    with pytest.raises(BenchmarkError, match=complaint):
        run_one(liar, tmp_path)
    assert not list(tmp_path.glob("tmp*"))


@needs_nginx
def test_a_client_that_does_not_show_the_list_ends_the_comparison(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BenchmarkError, match="silent does not show what is in list"):
        run_one(Client("silent", lambda fetch: ["true"]), tmp_path, "list")


def measured(*walls: float, cpu: float = 1.0, peak_mib: float = 30.0) -> list[Measured]:
    return [Measured(wall, cpu, peak_mib, None) for wall in walls]


def test_ratios_are_those_within_a_round() -> None:
    runs = {"ours": measured(1.0, 4.0, 30.0), "curl": measured(1.0, 2.0, 10.0)}  # 1, 2 and 3 times as long
    result = Result(cases.CASES["tmpfs-https"], GIB, 1, runs)
    assert "| ours | 4.00 | 1.00 - 30.00 | 1.00 | 30 | 2.00 | 1.00 |" in report.table(result)


def test_targets_are_met_or_missed_by_what_was_measured() -> None:
    result = Result(
        cases.CASES["tmpfs-http"], GIB, 1, {"ours": measured(1.3, cpu=1.4, peak_mib=49), "curl": measured(1)}
    )
    verdicts = {target.text: target.verdict for target in report.judge([result], Sizes.of(GIB, 200))}
    assert verdicts["http to memory, engine / curl"] == report.MISSED
    assert verdicts["http to memory, CPU seconds a GiB"] == report.MET
    assert verdicts["peak memory of the engine, MiB"] == report.MISSED
    assert verdicts["https to memory, engine / curl"] == "not measured"


def test_the_engine_is_judged_without_the_start_of_python() -> None:
    runs = {"ours": [Measured(1.5, 1.0, 30.0, 1.1)], "curl": measured(1)}
    result = Result(cases.CASES["tmpfs-http"], GIB, 1, runs)
    targets = {target.text: target for target in report.judge([result], Sizes.of(GIB, 200))}
    assert targets["http to memory, engine / curl"].measured == pytest.approx(1.1)
    assert "| ours | 1.50 | 1.50 - 1.50 | 1.00 | 30 | 1.50 | 1.00 |" in report.table(result)


@pytest.mark.parametrize(
    ("largest", "ticks"),
    [
        (63, [0, 20, 40, 60, 80]),
        (1.93, [0, 0.5, 1, 1.5, 2]),
        (10_000, [0, 2000, 4000, 6000, 8000, 10_000]),
        (5, [*range(6)]),
    ],
)
def test_ticks_of_a_chart_are_round(largest: float, ticks: list[float]) -> None:
    assert plot.ticks(largest) == pytest.approx(ticks)
