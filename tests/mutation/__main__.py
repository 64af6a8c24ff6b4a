# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation testing: ``make mutation``. Breaks one thing at a time, in a copy, and asks whether some test fails.

What no test notices is printed as it is found; at the end comes a table, and all results are in .build/mutation.
"""

from __future__ import annotations

import argparse
import difflib
import json
import random
import sys
import typing as t

from tests.harness import tree
from tests.mutation.jobs import Result
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.reach import Reach, measure
from tests.mutation.workshop import FOLDER, Workshop

_LEAST: t.Final = 85  # per cent of the mutants of a group that tests must notice


class _Group(t.NamedTuple):
    """Files that are judged together, and the tests that must notice what breaks in them."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


_UNIT: t.Final = "tests/unit/plugins/module_utils"
_GROUPS: t.Final = (
    _Group(
        "_transfer", ("plugins/module_utils/_transfer/*.py",), ("tests/unit/plugins/module_utils/_transfer/test_*.py",)
    ),
    _Group(
        "_api and _plan",
        ("plugins/module_utils/_api/*.py", "plugins/module_utils/_plan.py"),
        (
            f"{_UNIT}/_api/test_*.py",
            f"{_UNIT}/test_plan.py",
            "tests/integration/test_cloud_download.py",
            "tests/integration/test_cloud_download_info.py",
            "tests/integration/test_hostile_answers.py",
            "tests/integration/test_lost_answers.py",
            "tests/integration/test_protected_entity_info.py",
            "tests/integration/test_session.py",
            "tests/integration/test_waiting.py",
        ),
    ),
)


class _Case(t.NamedTuple):
    path: str
    mutant: Mutant


class _Verdict(t.NamedTuple):
    path: str
    mutant: Mutant
    status: str  # killed, survived or timeout
    test: str  # that noticed it


def _found(patterns: t.Iterable[str], only: t.Sequence[str]) -> list[str]:
    paths = [path for pattern in patterns for path in tree.ROOT.glob(pattern)]
    names = sorted(path.relative_to(tree.ROOT).as_posix() for path in paths)
    return [name for name in names if not only or any(name.endswith(end) for end in only)]


class _Run:
    """The mutants of one group against its tests."""

    def __init__(self, workshop: Workshop, sources: t.Mapping[str, str], test_files: t.Sequence[str]) -> None:
        self._workshop = workshop
        self._sources = sources
        self._reach = Reach([measure(workshop, name) for name in test_files], sources)

    def control(self, cases: t.Iterable[_Case]) -> None:
        """Unchanged code must not be noticed by the tests, or what they notice later means nothing."""
        tests = {test for case in cases for test in self._reach.tests(*case)}
        if tests and self._result(sorted(tests, key=self._reach.seconds.__getitem__))["status"] != "passed":
            raise SystemExit(f"Tests do not pass on unchanged code:\n{self._workshop.log.read_text()}")

    def verdict(self, case: _Case) -> _Verdict:
        """Change the code and run the tests that can notice it."""
        tests = self._reach.tests(*case)
        if not tests:
            return _Verdict(*case, "survived", "")
        with self._workshop.changed(case.path, case.mutant.applied(self._sources[case.path])):
            result = self._result(tests)
        if result["status"] == "passed":
            return _Verdict(*case, "survived", "")
        return _Verdict(*case, "timeout" if result["status"] == "timeout" else "killed", result["test"])

    def told(self, survivor: _Verdict) -> str:
        """What people should know about it."""
        path, mutant, _status, _test = survivor
        source = self._sources[path]
        diff = difflib.unified_diff(source.splitlines(), mutant.applied(source).splitlines(), lineterm="", n=1)
        note = "" if self._reach.tests(path, mutant) else " (no test runs it)"
        return "\n    ".join([f"{path}:{mutant.line} survived: {mutant.kind}{note}", *list(diff)[2:]])

    def _result(self, tests: t.Sequence[str]) -> Result:
        files = sorted({test.partition("::")[0] for test in tests})
        # The machine may be much busier than it was when the tests were measured.
        limits = {test: 10 + 10 * self._reach.seconds[test] for test in tests}
        return self._workshop.run({"files": files, "tests": limits})


def _table(verdicts: t.Sequence[_Verdict]) -> str:
    rows = [("", "mutants", "killed", "survived", "timeout", "score")]
    for path in [*sorted({verdict.path for verdict in verdicts}), "together"]:
        statuses = [verdict.status for verdict in verdicts if path in ("together", verdict.path)]
        killed, survived, timeout = (str(statuses.count(status)) for status in ("killed", "survived", "timeout"))
        rows.append((path, str(len(statuses)), killed, survived, timeout, f"{_score(statuses):.1f} %"))
    return "\n".join(f"{row[0]:<52}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows)


def _score(statuses: t.Sequence[str]) -> float:
    return 100 * (1 - statuses.count("survived") / len(statuses)) if statuses else 100.0


def _cases(options: argparse.Namespace) -> dict[_Group, list[_Case]]:
    """What is asked for, by group."""
    cases = [
        (group, _Case(path, mutant))
        for group in _GROUPS
        for path in _found(group.files, options.only)
        for mutant in mutants((tree.ROOT / path).read_text(encoding="utf-8"))
    ]
    if options.sample and options.sample < len(cases):
        chosen = random.Random(options.seed).sample(range(len(cases)), options.sample)
        cases = [cases[index] for index in sorted(chosen)]
    return {group: [case for its, case in cases if its is group] for group in _GROUPS}


def _test_group(group: _Group, cases: list[_Case], only_tests: list[str]) -> list[_Verdict]:
    test_files = _found(group.tests, only_tests)
    sources = {path: (tree.ROOT / path).read_text(encoding="utf-8") for path in _found(group.files, [])}
    print(f"{group.name}: {len(cases)} mutants, {len(test_files)} files of tests", flush=True)
    verdicts = []
    with Workshop.open(test_files) as workshop:
        run = _Run(workshop, sources, test_files)
        run.control(cases)
        for case in cases:
            verdicts.append(run.verdict(case))
            if verdicts[-1].status == "survived":
                print(run.told(verdicts[-1]), flush=True)
    print(_table(verdicts), flush=True)
    return verdicts


def main() -> int:
    """The exit status: 1 when tests notice too little of a group, or of the sample."""
    parser = argparse.ArgumentParser(prog="make mutation ARGS=...", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="FILE", help="ends of paths, as _transfer/verify.py")
    parser.add_argument("--tests", nargs="+", default=[], metavar="FILE", help="use only these files of tests")
    parser.add_argument("--sample", type=int, metavar="N", help="only so many mutants, judged together")
    parser.add_argument("--seed", type=int, default=1, help="which sample")
    options = parser.parse_args()
    groups = [_test_group(group, cases, options.tests) for group, cases in _cases(options).items() if cases]
    verdicts = [verdict for group in groups for verdict in group]
    told = [
        {"path": verdict.path, "status": verdict.status, "test": verdict.test, **verdict.mutant._asdict()}
        for verdict in verdicts
    ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "results.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    judged = [verdicts] if options.sample else groups
    return int(any(_score([verdict.status for verdict in some]) < _LEAST for some in judged))


if __name__ == "__main__":
    sys.exit(main())
