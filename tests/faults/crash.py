# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed or let down at every system call that touches the destination: ``python -m tests.faults.crash``.

A run that nothing disturbs is traced first. Each call in it that concerns the directory, the partial, its state, the
file or the receipt is a point, told by its name and its number in its thread. Then, for each point, a run is killed
right before that call, and for each error that the call can return, a run gets that error. What must hold is
checked after each (``invariants``), and again after one plain run, which has to succeed and to leave nothing over.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import pathlib
import shutil
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass, field

from tests.faults import crash_trace, invariants
from tests.faults.crash_runs import UNCAUGHT, Copies
from tests.faults.crash_server import MIB, Content, Server
from tests.faults.crash_trace import Call
from tests.faults.invariants import Run, Truth

KILL: t.Final = "KILL"
NAME: t.Final = "mailbox.zip"
SIZE: t.Final = 64 * MIB
OLD: t.Final = Content(MIB, 9)
OLD_GUID: t.Final = "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"
_OLD_MODE: t.Final = 0o640
_BEGUN: t.Final = 45  # writes after which the run that is to be resumed was killed; later than the first commit
_JOBS: t.Final = 2
_ALIKE: t.Final = 12  # points with the same error at the same call on the same kind of file, in one situation

_READ: t.Final = ("EIO", "EINTR")
_LOOK: t.Final = ("EIO", "EPERM")
_WRITE: t.Final = ("ENOSPC", "EIO", "EDQUOT", "EINTR", "EPERM")
_NAME: t.Final = ("ENOSPC", "EIO", "EDQUOT", "EPERM")
# What calls can return, as their manual pages tell.
_ERRORS: t.Final[t.Mapping[str, t.Sequence[str]]] = {
    "openat": (*_NAME, "EINTR"),
    **dict.fromkeys(("write", "pwrite64", "pwritev", "writev", "fallocate"), _WRITE),
    "ftruncate": ("EIO", "EINTR", "EPERM"),
    **dict.fromkeys(("fsync", "fdatasync", "sync_file_range"), ("ENOSPC", "EIO", "EDQUOT", "EINTR")),
    **dict.fromkeys(("rename", "renameat", "renameat2", "link", "linkat"), _NAME),
    **dict.fromkeys(("unlink", "unlinkat"), _LOOK),
    **dict.fromkeys(("fchmod", "fchmodat", "chmod", "fchown", "fchownat", "chown"), _LOOK),
    **dict.fromkeys(("read", "pread64", "readv", "preadv"), _READ),
    "close": ("EIO", "EINTR", "ENOSPC", "EDQUOT"),
    "flock": ("EINTR", "ENOLCK"),
    "fcntl": ("EINTR", "ENOLCK"),
    **dict.fromkeys(("newfstatat", "fstat", "lstat", "stat", "statx", "readlink", "readlinkat"), ("EIO",)),
    **dict.fromkeys(("fstatfs", "statfs"), ("EIO", "EINTR")),
    **dict.fromkeys(("getdents64", "lseek", "listxattr", "llistxattr", "flistxattr", "fgetxattr"), ("EIO",)),
}


@dataclass(frozen=True)
class Situation:
    """What the run finds, and how it is asked. order: of the driver. setup: of the copy.

    old: another file has the name. begun: a killed run has left what it had. path: on the server.
    """

    name: str
    order: t.Mapping[str, t.Any] = field(default_factory=dict)
    setup: t.Mapping[str, t.Any] = field(default_factory=dict)
    path: str = "/file"
    old: bool = False
    begun: bool = False
    into_directory: bool = False
    apart: bool = False  # partials lie in another directory


SITUATIONS: t.Final = (
    Situation("new file"),
    Situation("old file", old=True),
    Situation("begun", begun=True),
    Situation("begun, old file", begun=True, old=True),
    Situation("begun, no validator", begun=True, path="/unnamed"),
    Situation("directory", into_directory=True),
    Situation("4 connections", order={"connections": 4}),
    Situation("tmp_dest", apart=True, old=True),
)


@dataclass(frozen=True)
class Point:
    """One call of one situation, and what happens there: KILL or the name of an error. kind: of what it concerns."""

    situation: str
    call: str
    nth: int
    kind: str
    fault: str


@dataclass(frozen=True)
class Outcome:
    """How the run at a point ended (killed, failed, ok, not reached), and what did not hold."""

    point: Point
    ended: str
    violations: t.Sequence[str]


class Bench:
    """A server, the process that is copied, and a place in memory for directories. Use it as a context manager."""

    def __init__(self, size: int = SIZE) -> None:
        self.content = Content(size)
        unnamed = Content(size, etag="")
        self._server = Server({"/file": self.content, "/unnamed": unnamed}, name=NAME)

    def __enter__(self) -> Bench:
        with contextlib.ExitStack() as stack:
            memory = pathlib.Path("/dev/shm")
            root = tempfile.mkdtemp(prefix="crash-", dir=memory if memory.is_dir() else None)
            stack.callback(shutil.rmtree, root)
            self._root = pathlib.Path(root)
            stack.enter_context(self._server.running())
            self._copies = stack.enter_context(Copies())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def calls(self, situation: Situation) -> list[tuple[Call, str]]:
        """The calls that touch the directories in a run that nothing disturbs, each with what it concerns."""
        with self._laid(situation) as (directory, apart):
            trace = directory.parent / "trace"
            order = self._order(situation, directory, apart)
            run = self._copies.run_under(order, "-y", "-o", str(trace), **situation.setup)
            invariants.check(run, self._truth(situation, apart), directory, last=True)
            touching = [call for call in crash_trace.calls(trace) if call.touches(directory, apart)]
            return [(call, call.kind(directory)) for call in touching]

    def points(self, situation: Situation) -> list[Point]:
        """Each call of a situation to be killed at, and its errors, in the order of the run.

        Of errors that are alike no more than ``_ALIKE`` are taken, evenly from all.
        """
        kinds: dict[tuple[str, int], str] = {}
        for call, kind in self.calls(situation):
            kinds.setdefault((call.name, call.nth), kind)
        points = [
            Point(situation.name, name, nth, kind, fault)
            for (name, nth), kind in kinds.items()
            for fault in (KILL, *_ERRORS.get(name, ()))
        ]
        alike: dict[tuple[str, ...], list[Point]] = collections.defaultdict(list)
        for point in points:
            alike[point.call, point.kind, point.fault].append(point)
        left_out = {
            point
            for group in alike.values()
            if group[0].fault != KILL
            for point in set(group) - {*_some(group, _ALIKE)}
        }
        return [point for point in points if point not in left_out]

    def outcome(self, point: Point) -> Outcome:
        """Let the fault happen, look, run once more, look again."""
        situation = _named(point.situation)
        with self._laid(situation) as (directory, apart):
            truth = self._truth(situation, apart)
            order = self._order(situation, directory, apart)
            disturbed, reached = self._disturbed(point, order, situation)
            found = [*_uncaught(disturbed), *invariants.violations(disturbed, truth, directory)]
            plain = self._copies.run(order, **situation.setup)
            found += invariants.violations(plain, truth, directory, last=True)
        return Outcome(point, _end_of(disturbed, reached), found)

    def _disturbed(self, point: Point, order: dict[str, t.Any], situation: Situation) -> tuple[Run, bool]:
        trace = self._root / "trace"
        what = "signal=KILL" if point.fault == KILL else f"error={point.fault}"
        inject = f"inject={point.call}:{what}:when={point.nth}"
        strace = ("-o", str(trace), "-e", f"trace={point.call}", "-e", inject)
        run = self._copies.run_under(order, *strace, **situation.setup)
        return run, run.told is None or "(INJECTED)" in trace.read_text(errors="replace")

    @contextlib.contextmanager
    def _laid(self, situation: Situation) -> t.Iterator[tuple[pathlib.Path, pathlib.Path]]:
        """A directory as the situation finds it, and the one for partials."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self._root))
        directory, apart = place / "dest", place / "apart"
        directory.mkdir()
        apart.mkdir()
        try:
            if situation.begun:
                for left in self._left_by_a_killed_run(situation.path).iterdir():
                    shutil.copy2(left, directory)
            if situation.old:
                _put_old(directory)
            yield directory, apart
        finally:
            shutil.rmtree(place)

    @functools.lru_cache(maxsize=64)  # noqa: B019, a bench lives as long as its process
    def _left_by_a_killed_run(self, path: str) -> pathlib.Path:
        situation = dataclasses.replace(SITUATIONS[0], path=path)
        writes = [call for call, kind in self.calls(situation) if "write" in call.name and kind == "partial"]
        last = writes[min(_BEGUN, len(writes)) - 1]
        with self._laid(situation) as (directory, apart):
            point = Point(situation.name, last.name, last.nth, "partial", KILL)
            run, _reached = self._disturbed(point, self._order(situation, directory, apart), situation)
            assert run.told is None, run.told
            return pathlib.Path(shutil.copytree(directory, self._root / f"left-{len(list(self._root.iterdir()))}"))

    def _order(self, situation: Situation, directory: pathlib.Path, apart: pathlib.Path) -> dict[str, t.Any]:
        order = {
            "urls": [self._server.url(situation.path)],
            "dest": str(directory if situation.into_directory else directory / NAME),
            "limits": {"first_pause": 0.01, "lock_timeout": 5.0},
            **situation.order,
        }
        return {**order, "tmp_dest": str(apart)} if situation.apart else order

    def _truth(self, situation: Situation, apart: pathlib.Path) -> Truth:
        old = OLD.sha256 if situation.old else None
        mode = _OLD_MODE if situation.old else invariants.PRIVATE
        return Truth(frozenset([self.content.sha256]), NAME, old, mode, deadline=30.0, tmp_dest=apart)


def _put_old(directory: pathlib.Path) -> None:
    for name, data in (
        (NAME, OLD.read(0, OLD.size)),
        (f"{NAME}.sha256", f"# guid: {OLD_GUID}\n# size: {OLD.size}\n{OLD.sha256}  {NAME}\n".encode()),
    ):
        (directory / name).write_bytes(data)
        (directory / name).chmod(_OLD_MODE)


def _named(name: str) -> Situation:
    return next(situation for situation in SITUATIONS if situation.name == name)


def _uncaught(run: Run) -> t.Iterator[str]:
    if run.told and run.told.get("code") == UNCAUGHT:
        lines = run.told["message"].strip().splitlines()
        where = [line.strip() for line in lines if "/plugins/" in line]
        yield f"no error of ours, but {lines[-1]} ({' < '.join(reversed(where))})"


def _end_of(run: Run, reached: bool) -> str:
    if not reached:
        return "not reached"
    return "killed" if run.told is None else "ok" if run.ok else "failed"


def sample(points: t.Sequence[Point], count: int) -> list[Point]:
    """Some of the points, always the same ones: of what is alike only the first and the last, and evenly from those.

    Alike are points of one situation with the same call on the same kind of file, killed or given an error.
    """
    alike: dict[tuple[str, ...], list[Point]] = collections.defaultdict(list)
    for point in points:
        alike[point.situation, point.call, point.kind, str(point.fault == KILL)].append(point)
    ends = [point for group in alike.values() for point in dict.fromkeys((group[0], group[-1]))]
    ends.sort(key=points.index)
    return _some(ends, count)


def _some(points: t.Sequence[Point], count: int) -> list[Point]:
    """So many, evenly from all."""
    count = min(count, len(points))
    return [points[number * len(points) // count] for number in range(count)]


def work(points: t.Sequence[Point]) -> list[Outcome]:
    """The outcomes of these points."""
    outcomes = []
    with Bench() as bench:
        for number, point in enumerate(points, 1):
            outcomes.append(bench.outcome(point))
            if number % 200 == 0:
                print(f"{number} of {len(points)} points of this process", file=sys.stderr, flush=True)
    return outcomes


def report(outcomes: t.Sequence[Outcome]) -> str:
    """A line for each situation and call, the sums, and all violations."""
    ends = ("killed", "failed", "ok", "not reached")
    lines = [f"{'situation':22}{'call':12}{'points':>7}" + "".join(f"{title:>12}" for title in (*ends, "violations"))]
    rows: dict[tuple[str, str], list[Outcome]] = collections.defaultdict(list)
    for outcome in outcomes:
        rows[outcome.point.situation, outcome.point.call].append(outcome)
    kills = [outcome for outcome in outcomes if outcome.point.fault == KILL]
    errors = [outcome for outcome in outcomes if outcome.point.fault != KILL]
    sums = {("all", "SIGKILL"): kills, ("all", "errors"): errors}
    for (situation, call), row in itertools.chain(rows.items(), sums.items()):
        counts = collections.Counter(outcome.ended for outcome in row)
        bad = sum(bool(outcome.violations) for outcome in row)
        numbers = "".join(f"{counts[end]:12}" for end in ends)
        lines.append(f"{situation:22}{call:12}{len(row):7}{numbers}{bad:12}")
    lines += [f"{outcome.point}: {text}" for outcome in outcomes for text in outcome.violations]
    return "\n".join(lines)


def main() -> int:
    """All points, in several processes."""
    parser = argparse.ArgumentParser(description="Kill or disturb a fetch at every system call.")
    parser.add_argument("--jobs", type=int, default=_JOBS)
    parser.add_argument("--situation", help="only this one")
    parser.add_argument("--count", action="store_true", help="only count the points")
    wishes = parser.parse_args()
    started = time.monotonic()
    with Bench() as bench:
        points = [
            point
            for situation in SITUATIONS
            if wishes.situation in (None, situation.name)
            for point in bench.points(situation)
        ]
    if wishes.count:
        print(collections.Counter((point.situation, point.fault == KILL) for point in points))
        return 0
    with concurrent.futures.ProcessPoolExecutor(wishes.jobs) as pool:
        parts = pool.map(work, [points[number :: wishes.jobs] for number in range(wishes.jobs)])
        outcomes = sorted(itertools.chain.from_iterable(parts), key=lambda outcome: points.index(outcome.point))
    print(report(outcomes))
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if any(outcome.violations for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
