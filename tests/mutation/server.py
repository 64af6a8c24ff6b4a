# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tests again and again in fresh processes that start fast: ``python -m tests.mutation.server TESTS``.

It imports pytest and all libraries once, forgets the collection and the tests again, and forks for each job it reads
(a line of JSON on standard input): each job imports the collection as it lies on the disk at that moment.
Started in a copy of the repository, never in the work tree.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pathlib
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import typing as t

import coverage
import hypothesis.strategies
import pytest

from tests.harness import tree
from tests.mutation.jobs import Job, Result

LOG: t.Final = tree.BUILD / "job.log"  # what pytest said in the last job
_OUTCOME: t.Final = tree.BUILD / "outcome.json"
_REACH: t.Final = tree.BUILD / "reach"
_START: t.Final = 120.0  # seconds in which the first test must start
_UNKNOWN: t.Final = 600.0  # seconds that a test may take where no limit is given
_MEMORY: t.Final = 4 * 2**30  # bytes; a mutant may ask for all there is
_NOW: t.Final = "MUTATION_TEST"  # the environment variable that names the test to programs it starts


class _Plugin:
    """Chooses and orders the tests, and says when each starts."""

    def __init__(self, job: Job, pipe: int, measured: coverage.Coverage | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._places = {test: place for place, test in enumerate(job["tests"] or ())}
        self._pipe = pipe
        self._measured = measured

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._measured is None:
            items[:] = [item for item in items if item.nodeid in self._places]
            items.sort(key=lambda item: self._places[item.nodeid])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> t.Generator[None, object, object]:
        os.write(self._pipe, f"{item.nodeid}\n".encode())
        if self._measured:
            os.environ[_NOW] = item.nodeid
            self._measured.switch_context(item.nodeid)
        started = time.monotonic()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.monotonic() - started


def _run(job: Job, pipe: int, scratch: pathlib.Path) -> int:
    """Run the tests in this process; pytest's exit status."""
    options = ["-q", "-x", "--tb=short", f"--basetemp={scratch / 'tests'}", *job["files"]]
    if job["tests"] is None:
        return _measure(job, options, pipe)
    return int(pytest.main(options, plugins=[_Plugin(job, pipe)]))


def _measure(job: Job, options: list[str], pipe: int) -> int:
    """Run all tests and note which lines each of them runs, also in programs that it starts."""
    shutil.rmtree(_REACH, ignore_errors=True)
    _REACH.mkdir()
    plugins, data = str(tree.ROOT / "plugins"), str(_REACH / "data")
    settings = _REACH / "coveragerc"
    settings.write_text(
        f"[run]\nsource = {plugins}\ndata_file = {data}\nparallel = true\nsigterm = true\ncontext = ${{{_NOW}-}}\n"
    )
    os.environ["COVERAGE_PROCESS_START"] = str(settings)
    measured = coverage.Coverage(data_file=data, data_suffix=True, source=[plugins], config_file=False)
    plugin = _Plugin(job, pipe, measured)
    measured.start()
    try:
        status = int(pytest.main(options, plugins=[plugin]))
    finally:
        measured.stop()
        measured.save()
    combined = coverage.Coverage(data_file=data, config_file=False)
    combined.combine([str(_REACH)])
    _OUTCOME.write_text(json.dumps({"seconds": plugin.seconds, "lines": _lines(combined.get_data())}))
    return status


def _lines(data: coverage.CoverageData) -> dict[str, dict[int, list[str]]]:
    """By path under the root, whichever way a file was reached."""
    found: dict[str, dict[int, list[str]]] = {}
    for path in data.measured_files():
        lines = found.setdefault(str(pathlib.Path(path).resolve().relative_to(tree.ROOT)), {})
        for line, tests in data.contexts_by_lineno(path).items():
            lines[line] = sorted({*lines.get(line, []), *tests} - {""})
    return found


def _fork(job: Job, scratch: pathlib.Path) -> Result:
    """Do the job in a process of its own."""
    _OUTCOME.unlink(missing_ok=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 70
        with contextlib.suppress(BaseException):
            os.setsid()
            log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream, target in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
                os.dup2(target, stream)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            status = _run(job, writing, scratch)
            sys.stdout.flush()
        os._exit(status)
    os.close(writing)
    in_time, test = _watch(reading, job["tests"] or {})
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):  # and what tests of a broken program have left behind
        os.killpg(child, signal.SIGKILL)
    passed = os.waitpid(child, 0)[1] == 0
    result: Result = {"status": "failed", "test": test, "seconds": {}, "lines": {}}
    if not in_time:
        result["status"] = "timeout"
    elif passed:
        result["status"] = "passed"
    if _OUTCOME.exists():
        result.update(json.loads(_OUTCOME.read_text()))
    return result


def _watch(pipe: int, limits: t.Mapping[str, float]) -> tuple[bool, str]:
    """Follow the tests until their process ends: whether each ended in time, and the last that was started."""
    test = ""
    deadline = time.monotonic() + _START
    while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
        started = os.read(pipe, 65536).decode().splitlines()
        if not started:
            return True, test
        test = started[-1]
        deadline = time.monotonic() + limits.get(test, _UNKNOWN)
    return False, test


def main(tests: list[str]) -> None:
    """Answer jobs until the input ends. tests: what is imported beforehand."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["COVERAGE_CORE"] = "ctrace"  # the one that can tell tests apart
    pytest.main(["--collect-only", "-qq", *tests])
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "ansible_collections")]:
        del sys.modules[name]
    # Two mutants of one size within a second would pass for the same file.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    hypothesis.strategies.text().validate()  # or each fork would look at all of Unicode first
    gc.collect()
    gc.freeze()  # or each fork would look through, and so copy, the memory of all libraries
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        for line in sys.stdin:
            print(json.dumps(_fork(json.loads(line), pathlib.Path(scratch))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
