# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs nox sessions and sums up: ``python -m tests.harness.sessions gate`` (``make test``) or ``all [PART ...]``.

The gate runs two sessions at a time, one a core of a small machine, in the order of noxfile.py: the longest first.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import fcntl
import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

from tests.harness import tree

NOX = (sys.executable, "-m", "nox", "--no-error-on-missing-interpreters")
LOGS, REPORTS = tree.BUILD / "logs", tree.BUILD / "junit"
OF_ANTSIBULL = ("ansible-lint", "extra-checks", "license-check")  # whose tags cannot be set
LINES = 60  # of a failed session that are shown
TOGETHER = {"gate": 2, "all": 1}  # parts of `all` use both cores themselves


@dataclasses.dataclass
class Outcome:
    """How a session ended, and what its tests counted."""

    session: str
    failed: bool = False
    reasons: list[str] = dataclasses.field(default_factory=list)  # of skipped tests, or of the session
    counts: dict[str, int] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(("passed", "failed", "skipped"), 0)
    )


def names(tag: str) -> list[str]:
    """The sessions with this tag, in the order of noxfile.py."""
    listed = subprocess.run((*NOX, "--list", "--json", "-t", tag), capture_output=True, text=True, check=True).stdout
    return [entry["session"] for entry in json.loads(listed)]


def run(session: str) -> Outcome:
    """Run a session, print one line, and the end of its log when it failed."""
    name = re.sub(r"[^\w.]+", "-", session).strip("-")
    log, started, outcome = LOGS / f"{name}.log", time.time(), Outcome(session)
    with log.open("w", encoding="utf-8") as file:
        command = (*NOX, "--non-interactive", "-s", session)
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False)
    text = log.read_text(encoding="utf-8", errors="replace")
    _count(outcome, started, name)
    outcome.failed = status.returncode != 0
    outcome.reasons += re.findall(r"Session \S+ skipped: (.*)\.$", text, re.M)
    tests = (
        ", ".join(f"{count} {kind}" for kind, count in outcome.counts.items()) if any(outcome.counts.values()) else ""
    )
    how = "FAILED" if outcome.failed else "skipped" if f"Session {session} skipped" in text else "ok"
    print(f"{session:<28}{how:<8}{time.time() - started:6.0f} s   {tests}".rstrip(), flush=True)
    if outcome.failed:
        print("".join(text.splitlines(keepends=True)[-LINES:]), f"--- all of it: {log.relative_to(tree.ROOT)}", sep="")
    return outcome


def _count(outcome: Outcome, started: float, name: str) -> None:
    """Add the counts of the reports that pytest has left for this session."""
    for report in REPORTS.glob("*.xml"):
        if report.stem.split("+")[0] != name or report.stat().st_mtime < started:
            continue
        for suite in ET.parse(report).iter("testsuite"):
            bad, skipped = int(suite.get("failures", 0)) + int(suite.get("errors", 0)), int(suite.get("skipped", 0))
            outcome.counts["failed"] += bad
            outcome.counts["skipped"] += skipped
            outcome.counts["passed"] += int(suite.get("tests", 0)) - bad - skipped
            outcome.reasons += [element.get("message", "") for element in suite.iter("skipped")]


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """Sessions that failed, everything that was skipped with its reason, and how many tests passed."""
    lines = [f"FAILED: {outcome.session}" for outcome in outcomes if outcome.failed]
    for outcome in outcomes:
        for reason in sorted(set(outcome.reasons)):
            times = outcome.reasons.count(reason)
            lines.append(f"skipped in {outcome.session}: {reason}" + (f" ({times} times)" if times > 1 else ""))
    sums = [f"{sum(outcome.counts[kind] for outcome in outcomes)} {kind}" for kind in ("passed", "failed", "skipped")]
    good = sum(not outcome.failed for outcome in outcomes)
    lines += [
        f"{good} of {len(outcomes)} sessions are good, after {seconds / 60:.1f} minutes",
        f"tests: {', '.join(sums)}",
    ]
    return "\n".join(lines)


def main() -> int:
    """The exit status: 1 when a session failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag", choices=TOGETHER)
    parser.add_argument("parts", nargs="*", help="run only these")
    options = parser.parse_args()
    for folder in (LOGS, REPORTS, tree.BUILD / "coverage"):
        folder.mkdir(parents=True, exist_ok=True)
    with (tree.BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs in one work tree would take each other's copies away
        return _run_all(options.tag, options.parts)


def _run_all(tag: str, parts: list[str]) -> int:
    started = time.monotonic()
    outcomes = [run("env")]
    if outcomes[0].failed:
        return 1
    wanted = [name for name in names(tag) if not parts or name.partition("(")[0] in parts]
    if tag == "gate":
        for old in (tree.BUILD / "coverage").iterdir():
            old.unlink()
        wanted += OF_ANTSIBULL
    else:
        parts = list(dict.fromkeys(name.partition("(")[0] for name in wanted))
        print(f"Parts, each of which runs alone with PART=NAME: {', '.join(parts)}")
    with concurrent.futures.ThreadPoolExecutor(TOGETHER[tag]) as pool:
        outcomes += pool.map(run, wanted)
    if tag == "gate":
        outcomes += map(run, names("last"))
    print(summary(outcomes, time.monotonic() - started), flush=True)
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
