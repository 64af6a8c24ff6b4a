# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold after every run of the engine, whatever went wrong: one place for all fault tests.

A test says what is right (``Truth``), watches the directory while the engine runs (``Watch``), puts down how the run
ended (``Run``) and calls ``check``, once after each run; ``last=True`` after the run for which the fault was gone::

    truth = Truth.of(new_bytes, name="a.zip", old=old_bytes, deadline=30)
    with Watch(directory) as watch:
        ...  # the driver, in a process of its own
    check(Run(told, seconds, watch.widest), truth, directory)

I1  The destination is absent, or the old file bit for bit, or a complete new one; no other file shows up.
I2  Success is never told without the right bytes under the final name.
I3  (last) One plain run with the fault gone succeeds, and leaves the file and its receipt and nothing else.
I7  Nothing is readable beyond the mode that was asked for, at any moment that was seen.
I8  The memory of the process stays under 48 MiB.
I9  The run ended by its deadline, give or take 5 seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import stat
import threading
import typing as t
from dataclasses import dataclass, field

MEMORY: t.Final = 48.0  # MiB
GRACE: t.Final = 5.0  # seconds
PRIVATE: t.Final = 0o600
_EVERY: t.Final = 0.01  # seconds between two looks at a directory


@dataclass(frozen=True)
class Run:
    """How a run ended. told: what the driver printed; None: it was killed before it could.

    widest: all mode bits that were seen, by name (``Watch.widest``).
    """

    told: t.Mapping[str, t.Any] | None
    seconds: float
    widest: t.Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether success was told."""
        return self.told is not None and bool(self.told["ok"])


@dataclass(frozen=True)
class Truth:
    """What is right. new, old: SHA-256 in hex; several new ones where the file on the server changes meanwhile.

    name: of the file in the directory. mode: what it may be read by (with an old file: that one's, if wider).
    deadline: seconds that a run may take. others: names that were in the directory before, and stay.
    tmp_dest: where partials lie, when not beside the file.
    """

    new: frozenset[str]
    name: str
    old: str | None = None
    mode: int = PRIVATE
    deadline: float = 60.0
    others: frozenset[str] = frozenset()
    tmp_dest: pathlib.Path | None = None

    @classmethod
    def of(cls, *new: bytes, name: str, old: bytes | None = None, **rest: t.Any) -> Truth:
        """The truth about these bytes."""
        digests = frozenset(hashlib.sha256(body).hexdigest() for body in new)
        return cls(digests, name, None if old is None else hashlib.sha256(old).hexdigest(), **rest)

    @property
    def receipt(self) -> str:
        """The name of the receipt."""
        return f"{self.name}.sha256"


class Watch:
    """Looks at directories all the time, in a thread: which mode bits had any file in them?"""

    def __init__(self, *directories: pathlib.Path) -> None:
        self.widest: dict[str, int] = {}
        self._directories = directories
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._done.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        for directory in self._directories:
            for name, mode in modes_in(directory).items():
                self.widest[name] = self.widest.get(name, 0) | mode


def modes_in(directory: pathlib.Path) -> dict[str, int]:
    """The mode bits of all files in a directory."""
    found = {}
    for name in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # renamed or removed just now
            found[name] = stat.S_IMODE(os.lstat(directory / name).st_mode)
    return found


def check(run: Run, truth: Truth, directory: pathlib.Path, *, last: bool = False) -> None:
    """Raise AssertionError with everything that does not hold. last: the fault was gone in this run (I3)."""
    found = violations(run, truth, directory, last=last)
    assert not found, "\n".join([*found, f"told: {run.told}", f"there: {sorted(os.listdir(directory))}"])


def violations(run: Run, truth: Truth, directory: pathlib.Path, *, last: bool = False) -> list[str]:
    """Everything that does not hold, each with the name of its invariant."""
    there = _digest(directory / truth.name)
    found = [
        *_destination(run, truth, directory, there),
        *_privacy(run, truth, directory),
        *_resources(run, truth),
    ]
    return found + (_recovery(run, truth, directory) if last else [])


def _destination(run: Run, truth: Truth, directory: pathlib.Path, there: str | None) -> t.Iterator[str]:
    if there != truth.old and there not in truth.new:
        yield f"I1: {truth.name} is {'gone' if there is None else 'neither the old file nor the new one'}"
    if run.ok and there not in truth.new:
        yield f"I2: success, and {truth.name} does not hold the right bytes"
    if run.ok and run.told and run.told.get("sha256") not in (None, there):
        yield f"I2: success with a digest that {truth.name} does not have"
    for name in sorted(_visible(directory) - truth.others - {truth.name, truth.receipt}):
        yield f"I1: {name} has shown up"
    vouched = _vouched(directory / truth.receipt)
    if there is not None and vouched not in (None, there):
        yield f"I1: {truth.receipt} vouches for other bytes"


def _recovery(run: Run, truth: Truth, directory: pathlib.Path) -> list[str]:
    found = [] if run.ok else [f"I3: the fault is gone, and the run fails: {_failure(run)}"]
    left = set(os.listdir(directory)) - truth.others - {truth.name, truth.receipt}
    if truth.tmp_dest:
        left |= set(os.listdir(truth.tmp_dest))
    if left:
        found.append(f"I3: left over: {', '.join(sorted(left))}")
    if run.ok and _vouched(directory / truth.receipt) is None:
        found.append(f"I3: {truth.receipt} is missing or unreadable")
    return found


def _failure(run: Run) -> str:
    return f"{run.told.get('code')} ({run.told.get('message')})" if run.told else "killed"


def _privacy(run: Run, truth: Truth, directory: pathlib.Path) -> t.Iterator[str]:
    now = modes_in(directory)
    for name in sorted({*now, *run.widest} - truth.others):
        mode = now.get(name, 0) | run.widest.get(name, 0)
        # A partial is dressed for its final name before it gets it.
        if mode & ~truth.mode:
            yield f"I7: {name} had the mode bits {mode:04o}, and {truth.mode:04o} are allowed"


def _resources(run: Run, truth: Truth) -> t.Iterator[str]:
    peak = run.told.get("peak_mib", 0) if run.told else 0
    if peak > MEMORY:
        yield f"I8: {peak:.1f} MiB of memory"
    if run.seconds > truth.deadline + GRACE:
        yield f"I9: {run.seconds:.1f} s, and {truth.deadline:.1f} s were allowed"


def _visible(directory: pathlib.Path) -> set[str]:
    """Partials and sidecars are hidden files."""
    return {name for name in os.listdir(directory) if not name.startswith(".")}


def _digest(path: pathlib.Path) -> str | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1024 * 1024):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def _vouched(receipt: pathlib.Path) -> str | None:
    """The digest in a receipt, as ``sha256sum -c`` reads it."""
    try:
        lines = receipt.read_bytes().splitlines()
    except FileNotFoundError:
        return None
    return next((line.lstrip(b"\\")[:64].decode() for line in lines if line and not line.startswith(b"#")), None)
