# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the steps of a check one after the other, with one readable line each. Standard library only."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import sys
import time
import typing as t
import xml.etree.ElementTree as ET

from tests.harness import tree

_LOGS = tree.BUILD / "logs"
# What a developer has set for other work, and what would lead a program to another installation of it
_NOT_INHERITED = ("ANSIBLE_", "COVERAGE_", "MYPY", "PYTEST_", "PYTHON", "STORWARE_", "VIRTUAL_ENV")
TIMEOUT = 1200  # seconds that a command may take; few take a quarter of it


class StepFailed(Exception):
    """A step found something; the log says what."""


class StepSkipped(Exception):
    """A step cannot run on this machine; the message says why."""


def inherited() -> dict[str, str]:
    """This process's environment, as far as it should reach the programs of a step."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}


@dataclasses.dataclass
class Log:
    """Where a step writes what its commands say, and how many tests it counted."""

    path: pathlib.Path
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = dataclasses.field(default_factory=list)  # of skipped tests
    note: str = ""  # ends the line of the step
    show: bool = False  # what was written, also when nothing failed
    telling: str = ""  # a regular expression for the lines that are shown after a failure

    def write(self, text: str) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    def text(self) -> str:
        """All that was written."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    def shown(self) -> str:
        """What people want to see of it."""
        return "".join(line for line in self.text().splitlines(keepends=True) if re.match(self.telling, line))

    def run(
        self,
        *command: str | os.PathLike[str],
        cwd: pathlib.Path = tree.ROOT,
        environment: t.Mapping[str, str] | None = None,
        longest: float = TIMEOUT,
    ) -> None:
        """Run a command, in the inherited environment or only in the given one; raise StepFailed when it fails."""
        self.write("$ " + " ".join(map(str, command)))
        with self.path.open("a", encoding="utf-8") as file:
            try:
                code = subprocess.run(
                    command,
                    cwd=cwd,
                    env=inherited() if environment is None else environment,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=longest,
                    check=False,
                ).returncode
            except (OSError, subprocess.TimeoutExpired) as error:
                raise StepFailed(str(error)) from error
        if code:
            raise StepFailed(f"exit status {code}")

    def count(self, junit: pathlib.Path) -> None:
        """Add what pytest counted, from the report it wrote."""
        for suite in ET.parse(junit).iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            self.failed += bad
            self.skipped += skipped
            self.passed += int(suite.get("tests", 0)) - bad - skipped
            self.reasons += [element.get("message", "") for element in suite.iter("skipped")]


@dataclasses.dataclass(frozen=True)
class Step:
    """A name for people, and what is done."""

    name: str
    action: t.Callable[[Log], None]
    needed: bool = False  # nothing after it makes sense when it fails
    beside: bool = False  # may run at the same time as the one before it


@dataclasses.dataclass
class Outcome:
    """How a step ended."""

    name: str
    status: str  # ok | FAILED | skipped
    log: Log
    reason: str = ""


def run(steps: t.Sequence[Step]) -> int:
    """Run all of them, also after a failure. The exit status."""
    _LOGS.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for batch in _batches(steps):
        alone = len(batch) == 1
        if alone:
            print(f"{batch[0].name:<46} ", end="", flush=True)  # what is waited for
        with concurrent.futures.ThreadPoolExecutor(len(batch)) as pool:
            outcomes += pool.map(functools.partial(_run_step, names_itself=not alone), batch)
        ended_badly = any(outcome.status == "FAILED" for outcome in outcomes[-len(batch) :])
        if ended_badly and any(step.needed for step in batch):
            break
    if len(steps) > 1:
        _summary(outcomes, not_run=[step.name for step in steps[len(outcomes) :]])
    return int(any(outcome.status == "FAILED" for outcome in outcomes))


def _batches(steps: t.Iterable[Step]) -> list[list[Step]]:
    """What runs at the same time."""
    batches: list[list[Step]] = []
    for step in steps:
        if step.beside and batches and not any(other.needed for other in batches[-1]):
            batches[-1].append(step)
        else:
            batches.append([step])
    return batches


def _run_step(step: Step, *, names_itself: bool) -> Outcome:
    log = Log(_LOGS / (re.sub(r"\W+", "-", step.name.lower()).strip("-") + ".log"))
    log.path.write_text("", encoding="utf-8")
    started = time.monotonic()
    outcome = Outcome(step.name, "ok", log)
    try:
        step.action(log)
    except StepSkipped as skip:
        outcome.status, outcome.reason = "skipped", str(skip)
    except StepFailed as failure:
        outcome.status, outcome.reason = "FAILED", str(failure)
    except Exception as error:  # noqa: BLE001  # a step that breaks must not keep the others from running
        outcome.status, outcome.reason = "FAILED", f"{type(error).__name__}: {error}"
    _count_the_step(outcome)
    said = ", ".join(filter(None, [log.note, outcome.reason]))
    lines = [f"{outcome.status:<8}{time.monotonic() - started:6.1f} s   {said}".rstrip()]
    if names_itself:
        lines[0] = f"{step.name:<46} {lines[0]}"
    if log.show and outcome.status == "ok":
        lines.append(log.shown())
    if outcome.status == "FAILED":
        place = log.path.relative_to(tree.ROOT)
        lines.append(f"{log.shown()}--- {step.name}: {outcome.reason} (all of it: {place})")
    print("\n".join(lines), flush=True)
    return outcome


def _count_the_step(outcome: Outcome) -> None:
    """A step without tests counts as one; so does one whose tests all passed although it failed."""
    log = outcome.log
    tests = log.passed + log.failed + log.skipped
    if tests:
        log.note = f"{log.passed} passed, {log.failed} failed, {log.skipped} skipped"
    if outcome.status == "FAILED" and not log.failed:
        log.failed = 1
    elif outcome.status == "skipped":
        log.skipped += 1
    elif not tests:
        log.passed = 1


def _summary(outcomes: list[Outcome], not_run: list[str]) -> None:
    passed, failed, skipped = (sum(getattr(o.log, kind) for o in outcomes) for kind in ("passed", "failed", "skipped"))
    sentences = [f"Passed: {', '.join(_names(outcomes, 'ok')) or 'nothing'}."]
    if bad := _names(outcomes, "FAILED"):
        sentences.append(f"FAILED: {', '.join(bad)}.")
    if not_run:
        sentences.append(f"Not run: {', '.join(not_run)}.")
    steps = [f"{o.name} ({o.reason})" for o in outcomes if o.status == "skipped"]
    tests = [f"tests in {o.name} ({'; '.join(sorted(set(o.log.reasons)))})" for o in outcomes if o.log.reasons]
    sentences.append(f"Skipped: {', '.join(steps + tests) or 'nothing'}.")
    print(f"total: {passed} passed, {failed} failed, {skipped + len(not_run)} skipped")
    print(" ".join(sentences))
    sys.stdout.flush()


def _names(outcomes: list[Outcome], status: str) -> list[str]:
    return [outcome.name for outcome in outcomes if outcome.status == status]
