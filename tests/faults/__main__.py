# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole catalogue: ``python -m tests.faults engine NAME PYTHON | naive NAME PYTHON | program NAME | table``.

engine: our engine with the client library of a Python. naive: a plain loop with it. program: what users would pick
instead. table: side by side, from what the others have left in .build/faults. The exit status tells whether all is as
it has to be.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import queue
import sys
import tempfile
import typing as t

from tests.harness import tree

tree.make_importable()

from tests.faults import plays, subjects  # noqa: E402
from tests.faults.cases import Case  # noqa: E402
from tests.faults.catalogue import CASES  # noqa: E402
from tests.faults.subjects import Outcome  # noqa: E402

_RESULTS: t.Final = tree.BUILD / "faults"
_AT_A_TIME: t.Final = 4  # much of the time is waiting
_NAIVE_FAILS: t.Final = 100  # cases at least, or the suite does not bite
_GENERIC: t.Final = tuple(case for case in CASES if not case.ours)  # what other clients can be asked, too
_T = t.TypeVar("_T")


class Pool(t.Protocol):
    """Gives an action an interpreter of its own for a while."""

    def __call__(self, action: t.Callable[[plays.Interpreter], _T]) -> _T:
        """What the action returns."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One client in the table: how many cases ended how, and what is wrong with that (ours only)."""

    name: str
    cases: int
    right: int
    at_once: int
    wrong: int
    broken: int
    needs_a_hand: int
    problems: list[str]


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Run the catalogue of faults.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("engine", "naive"):
        parts = commands.add_parser(command)
        parts.add_argument("name")
        parts.add_argument("python", type=pathlib.Path)
    commands.add_parser("program").add_argument("name", choices=subjects.PROGRAMS)
    commands.add_parser("table")
    arguments = parser.parse_args()
    _RESULTS.mkdir(parents=True, exist_ok=True)
    if arguments.command == "table":
        return _table()
    if arguments.command == "program":
        return _program(arguments.name)
    is_ours = arguments.command == "engine"
    with _interpreters(arguments.python, plays.HOSTILE if is_ours else {}) as interpreters:
        return (_engine if is_ours else _naive)(arguments.name, interpreters)


def _engine(name: str, interpreters: Pool) -> int:
    verdicts = _all(CASES, lambda case, directory: interpreters(lambda one: plays.play(case, one, directory)))
    problems = [f"{verdict.case}: {problem}" for verdict in verdicts for problem in verdict.problems]
    _keep(_row(f"ours, {name}", [_outcome(verdict) for verdict in verdicts], problems))
    print("\n".join(problems))
    return int(bool(problems))


def _naive(name: str, interpreters: Pool) -> int:
    def attempt(case: Case, directory: pathlib.Path) -> Outcome:
        return interpreters(lambda one: subjects.try_on(subjects.naive(one), case, directory))

    _keep(_row(f"loop, {name}", _all(_GENERIC, attempt), []))
    return 0


def _program(name: str) -> int:
    fetch = subjects.program(name)
    if fetch is None:
        print(f"{name} is not installed")
        return 0
    _keep(_row(name, _all(_GENERIC, lambda case, directory: subjects.try_on(fetch, case, directory)), []))
    return 0


@contextlib.contextmanager
def _interpreters(python: pathlib.Path, variables: t.Mapping[str, str]) -> t.Iterator[Pool]:
    """Lends one of several interpreters to an action."""
    free: queue.SimpleQueue[plays.Interpreter] = queue.SimpleQueue()

    def lend(action: t.Callable[[plays.Interpreter], _T]) -> _T:
        interpreter = free.get()
        try:
            return action(interpreter)
        finally:
            free.put(interpreter)

    with contextlib.ExitStack() as stack:
        for _number in range(_AT_A_TIME):
            free.put(stack.enter_context(plays.Interpreter(python, variables)))
        yield lend


def _outcome(verdict: plays.Verdict) -> Outcome:
    wrong = any("I2" in problem for problem in verdict.problems)
    broken = any("I1" in problem for problem in verdict.problems) and not wrong
    return Outcome(wrong, broken, at_once=verdict.first.ok and not wrong, right=verdict.second.ok and not wrong)


def _all(cases: t.Sequence[Case], action: t.Callable[[Case, pathlib.Path], _T]) -> list[_T]:
    """The action on all of them, each in a directory of its own, in their order."""

    def one(case: Case) -> _T:
        with tempfile.TemporaryDirectory(prefix="storware-faults-") as directory:
            return action(case, pathlib.Path(directory))

    with concurrent.futures.ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(one, cases))


def _row(name: str, outcomes: t.Sequence[Outcome], problems: list[str]) -> Row:
    """Each case counts once, for the worst that came of it."""
    counts = collections.Counter(
        "wrong" if o.wrong else "broken" if o.broken else "right" if o.right else "needs_a_hand" for o in outcomes
    )
    at_once = sum(o.at_once and not o.wrong for o in outcomes)
    kinds = {kind: counts[kind] for kind in ("right", "wrong", "broken", "needs_a_hand")}
    return Row(name, len(outcomes), at_once=at_once, problems=problems, **kinds)


def _keep(row: Row) -> None:
    path = _RESULTS / f"{row.name}.json"
    path.write_text(json.dumps(dataclasses.asdict(row)), encoding="utf-8")


def _table() -> int:
    rows = [Row(**json.loads(path.read_text(encoding="utf-8"))) for path in _RESULTS.glob("*.json")]
    rows.sort(key=lambda row: (-row.right, row.name))
    ours = [row for row in rows if row.name.startswith("ours")]
    print("| client | cases | right | of these at once | success, wrong bytes | broken file | needs a hand |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        counts = (row.cases, row.right, row.at_once, row.wrong, row.broken, row.needs_a_hand)
        print(f"| {row.name} | {' | '.join(map(str, counts))} |")
    naive = [row for row in rows if row.name.startswith("loop")]
    bites = bool(naive) and all(row.wrong + row.broken >= _NAIVE_FAILS for row in naive)
    wrong, broken, stuck = (sum(getattr(row, kind) for row in ours) for kind in ("wrong", "broken", "needs_a_hand"))
    other = sum(len(row.problems) for row in ours)
    runs = sum(2 * row.cases for row in ours)
    print(
        f"faults: {len(CASES)} scripts, {len(ours)} client libraries, {runs} runs: success with wrong bytes {wrong}, "
        f"broken files {broken}, in need of a hand {stuck}, all problems {other}"
        + ("" if bites else f"; a naive loop does well in all but fewer than {_NAIVE_FAILS} cases: the suite is broken")
    )
    return int(bool(wrong or broken or stuck or other or not bites or not ours))


if __name__ == "__main__":
    sys.exit(main())
