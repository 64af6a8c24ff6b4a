# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Side by side with what a user would pick instead: ``python -m benchmarks``, or ``make bench``; see README.md here."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import typing as t

from benchmarks import cases, pages, report, runner
from benchmarks.cases import MIB, Sizes
from benchmarks.runner import BenchmarkError
from benchmarks.server import Nginx, ServerMissing
from tests.harness import tree

_QUICK: t.Final = 64  # MiB
# Parts of docs/performance.md and docs/fleet.md, and pictures of terminals
_PAGES: t.Final = {
    "scale": pages.write_scale,
    "rows": pages.write_rows,
    "recording": pages.write_recording,
    "pictures": pages.write_pictures,
    "by-hand": pages.write_by_hand,
}


def main() -> int:
    """Run what the command line asks for. 0 when all results were right, and with --strict all targets were met."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or nothing would be tidied up
    work = pathlib.Path(options.work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    sizes = Sizes.of((_QUICK if options.quick else options.size) * MIB, many=8 if options.quick else 200)
    rounds = 1 if options.quick else options.rounds
    names = options.cases or (cases.QUICK if options.quick else [*_PAGES, *cases.CASES])
    for name in [name for name in names if name in _PAGES]:
        print(f"{name}, written to docs:\n{_PAGES[name](work)}\n", flush=True)
    names = [name for name in names if name not in _PAGES]
    if not names:
        return 0
    print(report.heading(sizes, rounds), flush=True)
    try:
        results = list(_results(names, sizes, rounds, work))
    except (BenchmarkError, ServerMissing) as error:
        print(f"Cannot compare: {error}", file=sys.stderr)
        return 2
    targets = report.judge(results, sizes)
    print(report.targets_table(targets), flush=True)
    (work / "result.json").write_text(json.dumps(report.as_data(results, targets, sizes), indent=1), encoding="utf-8")
    print(f"All files were right. Every run by itself: {work / 'result.json'}")
    return 1 if options.strict and any(target.verdict == report.MISSED for target in targets) else 0


def _results(names: t.Sequence[str], sizes: Sizes, rounds: int, work: pathlib.Path) -> t.Iterator[runner.Result]:
    with contextlib.ExitStack() as stack:
        scratch = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storware-bench-")))
        # Made once and kept: random bytes take longer than most of what is measured.
        server = stack.enter_context(Nginx(scratch, work / "content"))
        for name in names:
            result = runner.run(cases.CASES[name], sizes, rounds, server, work)
            print(report.table(result), flush=True)
            yield result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare downloads side by side.")
    known = ", ".join((*_PAGES, *cases.CASES))
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of: {known} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is run (default: 5)")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of the one file (default: 1024)")
    parser.add_argument("--quick", action="store_true", help=f"one round with {_QUICK} MiB: only whether all works")
    parser.add_argument("--strict", action="store_true", help="fail when a target is missed")
    parser.add_argument("--work", default=os.fspath(tree.BUILD / "bench"), help="where files and result.json lie")
    options = parser.parse_args()
    if unknown := set(options.cases) - {*_PAGES, *cases.CASES}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are: {known}")
    if options.rounds < 1 or options.size < 1:
        parser.error("--rounds and --size must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
