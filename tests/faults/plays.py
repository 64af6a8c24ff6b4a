# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine run twice against one case of the catalogue: with the fault, and with the fault gone."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import typing as t
from dataclasses import dataclass

from tests.faults import certificates
from tests.faults.cases import Case, Order
from tests.faults.files import PAGE
from tests.faults.invariants import Run, Truth, Watch, violations
from tests.faults.script_server import Reply, ScriptServer, reply
from tests.harness import tree

LIMITS: t.Final = {
    "retries": 2,
    "first_pause": 0.01,
    "longest_pause": 0.05,
    "max_time": 20.0,
    "min_rate": 1024,
    "rate_window": 1.0,
    "lock_timeout": 1.0,
}
USUAL: t.Final = {"timeout": 1.0, "tries": 1}
# Nothing in the environment may lead the engine away from the server, or to other certificates.
HOSTILE: t.Final[t.Mapping[str, str]] = {
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1"),
    "REQUESTS_CA_BUNDLE": os.devnull,
}
_OVERLAP: t.Final = 2**20 + 2000  # bytes that are asked for again, and a head
_KILLED_AFTER: t.Final = 30.0  # seconds beyond the deadline


class Interpreter:
    """A Python with its client library, started once; each run is a process of its own (see ``batch``)."""

    def __init__(self, python: pathlib.Path, variables: t.Mapping[str, str] | None = None) -> None:
        hostile = HOSTILE if variables is None else variables
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **hostile}
        self._process = subprocess.Popen(
            [python, "-m", "tests.faults.batch"],
            cwd=tree.ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def run(self, order: Order, longest: float, *watched: pathlib.Path) -> Run:
        """One run, watched; longest: seconds, after which it is killed."""
        assert self._process.stdin
        assert self._process.stdout
        request = {"order": dict(order), "seconds": longest}
        with Watch(*watched) as watch:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        return Run(answer["told"], answer["seconds"], watch.widest)


@dataclass
class Verdict:
    """What became of a case. problems: what is not as it should be."""

    case: Case
    first: Run
    second: Run
    problems: list[str]


def play(case: Case, interpreter: Interpreter, directory: pathlib.Path) -> Verdict:
    """Both runs in an empty directory, and all that is wrong with them."""
    dest = directory / case.filename
    if case.old is not None:
        dest.touch(0o600)
        dest.write_bytes(case.old)
    order = _order(case.order, str(directory) if case.into else str(dest))
    deadline = order["limits"]["max_time"]
    truth = Truth.of(*case.contents, name=case.filename, old=case.old, deadline=deadline)
    with serving(case, case.replies) as server:
        first = interpreter.run({**order, "urls": urls(case, server)}, deadline + _KILLED_AFTER, directory)
    problems = [*violations(first, truth, directory), *_unexpected(case, first, directory)]

    with serving(case, [case.healthy], healed=True) as server:
        order = _order({**case.order, **case.second}, order["dest"])
        second = interpreter.run({**order, "urls": [server.url()]}, deadline + _KILLED_AFTER, directory)
    if not first.ok:
        truth = Truth.of(case.file.body, name=case.filename, old=case.old, deadline=deadline)
    problems += [f"second run: {text}" for text in violations(second, truth, directory, last=True)]
    problems += _not_continued(case, first, second, server)
    return Verdict(case, first, second, problems)


def _order(own: Order, dest: str) -> dict[str, t.Any]:
    return {
        **USUAL,
        "ca_path": certificates.ca_path(),
        **own,
        "limits": {**LIMITS, **own.get("limits", {})},
        "dest": dest,
    }


@contextlib.contextmanager
def serving(case: Case, replies: t.Sequence[Reply], *, healed: bool = False) -> t.Iterator[ScriptServer]:
    """The server of a case. healed: with a good certificate, if any."""
    context = certificates.context("good" if healed else case.tls) if case.tls else None
    # What a redirect to a login ends at, for clients that follow it.
    scripts: dict[str, t.Sequence[Reply]] = {"/file": replies, "/login": [reply(PAGE, media_type="text/html")]}
    if case.backup:
        scripts["/second"] = case.backup
    with ScriptServer(scripts, context).running() as server:
        yield server


def urls(case: Case, server: ScriptServer) -> list[str]:
    """The addresses that the driver gets, in their order."""
    return [server.url(), *([server.url("/second")] if case.backup else [])]


def _unexpected(case: Case, run: Run, directory: pathlib.Path) -> t.Iterator[str]:
    """Where the first run did not end as the catalogue says."""
    if run.told is None:
        yield "it had to be killed"
        return
    expected = case.expected
    if expected.ok is not None and run.ok != expected.ok:
        yield f"{'success' if run.ok else 'a failure'} is not expected: {_shown(run)}"
        return
    if run.ok:
        return
    code = run.told.get("code")
    if code == "uncaught" or (expected.codes and code not in expected.codes):
        yield f"the code is {code}, not one of {', '.join(sorted(expected.codes)) or 'the known ones'}: {_shown(run)}"
    if not run.told.get("hint") and code != "invalid_option":  # what is wrong with an option says what to do
        yield f"no hint says what to do: {_shown(run)}"
    kept = {name for name in os.listdir(directory) if name.startswith(".")}
    if code == "corrupt":
        kept = {name for name in kept if not name.endswith(".state")}  # remembers what was refused, without its bytes
    if expected.kept is False and kept:
        yield f"left behind: {', '.join(sorted(kept))}"
    if expected.kept and not any(name.endswith(".part") for name in kept):
        yield "nothing was kept for the next run"


def _not_continued(case: Case, first: Run, second: Run, server: ScriptServer) -> t.Iterator[str]:
    """Where the second run moved bytes that were there already."""
    if first.ok and (server.requests or (second.told or {}).get("reason") != "unchanged"):
        yield f"second run: the file was there, and it says {_shown(second)} after {len(server.requests)} requests"
    if not case.expected.kept:
        return
    kept = int((first.told or {}).get("details", {}).get("bytes_kept", 0))
    if server.sent > len(case.file.body) - kept + _OVERLAP:
        yield f"second run: {kept} bytes were kept, and {server.sent} of {len(case.file.body)} sent"


def _shown(run: Run) -> str:
    told = run.told or {}
    return f"{told.get('code') or told.get('reason')} ({str(told.get('message', ''))[-200:]})"
