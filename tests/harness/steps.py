# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks of this repository: `python3 -m tests.harness.steps GROUP ...`, as the Makefile calls it.

Standard library only: it makes the environments that everything else runs in.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import os
import pathlib
import re
import shutil
import sys
import typing as t

from tests.harness import archive, cores, pythons, tree
from tests.harness.runner import Log, Step, StepFailed, StepSkipped, inherited, run

_PROGRAMS = tree.BUILD / "venv" / "bin"
_PYTHON = _PROGRAMS / "python"
_COPIES = tree.BUILD / "copy"
_COVERAGE = tree.BUILD / "coverage"  # a file for each kind of tests
_OLDEST_PYTHON = "3.9"  # on a managed host
_LEAST_PYTHON = (3, 11)  # of those who develop
_WORKERS = "2"


def _environment(requirements: str, log: Log) -> None:
    if sys.version_info[:2] < _LEAST_PYTHON:
        raise StepFailed("Python 3.11 or later is needed: make PYTHON=python3.12 ...")
    pythons.environment("venv", requirements, pathlib.Path(sys.executable), log.run)
    tree.link()


def _pins(log: Log) -> None:
    if unpinned := pythons.unpinned(_PROGRAMS):
        log.write("\n".join(unpinned))
        raise StepFailed("tests/requirements does not say which version of these is meant")


def _ruff(log: Log) -> None:
    log.run(_PROGRAMS / "ruff", "check", "--no-cache", ".")


def _format(log: Log) -> None:
    log.run(_PROGRAMS / "ruff", "format", "--no-cache", "--diff", ".")


def _yamllint(log: Log) -> None:
    log.run(_PROGRAMS / "yamllint", "--strict", ".")


def _shellcheck(log: Log) -> None:
    program = shutil.which("shellcheck", path=f"{_PROGRAMS}:{os.environ['PATH']}")
    if not program:
        raise StepSkipped("shellcheck is not installed")
    log.run(program, *(name for name in tree.tracked_and_new() if _is_shell(name)))


def _is_shell(name: pathlib.PurePosixPath) -> bool:
    with (tree.ROOT / name).open("rb") as file:
        return re.match(rb"#!.*\b(ba|da)?sh\b", file.readline()) is not None


def _licences(log: Log) -> None:
    log.run(_PROGRAMS / "reuse", "lint")


def _change_log(log: Log) -> None:
    log.run(_PROGRAMS / "antsibull-changelog", "lint")


def _ansible_lint(log: Log) -> None:
    collection = tree.copy_to(_COPIES)
    log.run(_PROGRAMS / "ansible-lint", "--offline", "--nocolor", cwd=collection, environment=_clean())
    if not re.search(r"Passed: 0 failure\(s\), 0 warning\(s\) in [1-9]\d+ files", log.text()):
        raise StepFailed("it did not look at the files, or warned")


def _documentation(log: Log) -> None:
    options = ["--plugin-docs", "--validate-collection-refs=all", "--disallow-unknown-collection-refs"]
    collection = tree.copy_to(_COPIES)
    log.run(_PROGRAMS / "antsibull-docs", "lint-collection-docs", *options, ".", cwd=collection, environment=_clean())


def _archive(log: Log) -> None:
    collection = tree.copy_to(_COPIES)
    target = tree.BUILD / "archive"
    shutil.rmtree(target, ignore_errors=True)
    build = (_PROGRAMS / "ansible-galaxy", "collection", "build", "--output-path", target, ".")
    log.run(*build, cwd=collection, environment=_clean())
    (built,) = target.iterdir()
    if problems := archive.problems(built, collection):
        log.write("\n".join(problems))
        raise StepFailed("galaxy.yml does not fit the files")


def _types_of_plugins(log: Log) -> None:
    log.run(_PROGRAMS / "mypy", "--python-version", _OLDEST_PYTHON, "-p", "ansible_collections.storware.backup.plugins")


def _types_of_tests(log: Log) -> None:
    log.run(_PROGRAMS / "mypy", *(name for name in ("tests", "demo") if (tree.ROOT / name).is_dir()))


def _contract(log: Log) -> None:
    _pytest(log, "contract", "tests/contract")


def _covering(name: str, log: Log) -> None:
    """Tests that run the plugins in their own process, so that what they reach can be measured."""
    _pytest(log, name, f"tests/{name}", "--cov", "--cov-report=", COVERAGE_FILE=str(_COVERAGE / name))


def _pytest(log: Log, name: str, *arguments: str, **variables: str) -> None:
    report = tree.BUILD / "junit" / f"{name}.xml"
    report.unlink(missing_ok=True)
    _COVERAGE.mkdir(exist_ok=True)
    pytest = (_PYTHON, "-m", "pytest", "-q", "-n", _WORKERS, f"--junitxml={report}")
    try:
        log.run(*pytest, *arguments, environment={**inherited(), **variables})
    finally:
        if report.exists():
            log.count(report)


def _laws(log: Log) -> None:
    """The generated tests with many more examples, other ones each time."""
    files = sorted(
        str(path) for path in (tree.ROOT / "tests").rglob("test_*.py") if "harness.examples" in path.read_text()
    )
    _pytest(log, "laws", *files, STORWARE_TEST_LONG="1")


def _coverage(log: Log) -> None:
    files = sorted(_COVERAGE.glob("[a-z]*"))
    combined = tree.BUILD / "coverage.combined"
    log.run(_PROGRAMS / "coverage", "combine", "--quiet", "--keep", f"--data-file={combined}", *files)
    log.run(_PROGRAMS / "coverage", "report", f"--data-file={combined}")
    log.telling = "Name|-|plugins|TOTAL"
    log.show = True


def _matrix(which: tuple[cores.Core, ...], log: Log) -> None:
    """Real playbooks with another ansible-core; with the oldest one, modules on the oldest Python, too."""
    core, version = cores.choose(which)
    programs = cores.install(core, version, log)
    variables = {"STORWARE_TEST_ANSIBLE_BIN": str(programs)}
    oldest_python = pythons.find().get(_OLDEST_PYTHON)
    if which is cores.OLDEST and oldest_python:
        target = pythons.environment("python39", "python39.txt", oldest_python, log.run)
        variables["STORWARE_TEST_TARGET_PYTHON"] = str(target / "python")
        log.note += f", modules on {_OLDEST_PYTHON}"
    _pytest(log, core.name, "-m", "matrix", "tests/integration", **variables)


def _oldest_python(log: Log) -> None:
    """What managed hosts run, with the oldest Python and the oldest requests."""
    oldest_python = pythons.find().get(_OLDEST_PYTHON)
    if not oldest_python:
        raise StepSkipped(f"there is no Python {_OLDEST_PYTHON}")
    programs = pythons.environment("python39", "python39.txt", oldest_python, log.run)
    report = tree.BUILD / "junit" / "python39.xml"
    report.unlink(missing_ok=True)
    try:
        log.run(programs / "python", "-m", "pytest", "-q", f"--junitxml={report}", "tests/unit")
    finally:
        if report.exists():
            log.count(report)


def _clean() -> dict[str, str]:
    """An environment without this machine's settings: what users have, not what the developer has."""
    return {
        "PATH": f"{_PROGRAMS}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(pythons.home(_PROGRAMS)),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(_COPIES),
    }


_GROUPS = {
    "lint": [
        Step("versions of tools are pinned", _pins),
        Step("ruff: rules", _ruff),
        Step("ruff: format", _format),
        Step("yamllint", _yamllint),
        Step("shellcheck", _shellcheck),
        Step("reuse: licences", _licences),
        Step("antsibull-changelog", _change_log),
        Step("ansible-lint", _ansible_lint),
        Step("collection archive", _archive),
    ],
    "types": [Step("mypy: plugins", _types_of_plugins), Step("mypy: tests", _types_of_tests)],
    "docs-lint": [Step("antsibull-docs", _documentation)],
    "unit": [
        Step("tests: unit", functools.partial(_covering, "unit")),
        Step("tests: unit, Python 3.9 and requests 2.25.1", _oldest_python),
    ],
    "integration": [
        Step("tests: simulator's contract", _contract),
        Step("tests: integration", functools.partial(_covering, "integration")),
        Step("tests: oldest ansible-core", functools.partial(_matrix, cores.OLDEST)),
        Step("tests: newest ansible-core", functools.partial(_matrix, cores.NEWEST)),
    ],
    "laws": [Step("tests: laws, at length", _laws)],
    "coverage": [Step("coverage of plugins", _coverage)],
    "sanity": [
        Step("ansible-test sanity: oldest core", functools.partial(cores.sanity, cores.OLDEST)),
        Step("ansible-test sanity: newest core", functools.partial(cores.sanity, cores.NEWEST)),
    ],
}


def main() -> int:
    """Run the groups named on the command line, after the environment they need."""
    parser = argparse.ArgumentParser(description="Run checks of this repository.")
    parser.add_argument("groups", nargs="+", choices=["env", "demo-env", "test", *_GROUPS])
    groups = parser.parse_args().groups
    requirements = "demo.txt" if groups == ["demo-env"] else "test.txt"
    steps = [Step("environment", functools.partial(_environment, requirements), needed=True)]
    for name in [name for name in _GROUPS if name != "laws"] if "test" in groups else groups:
        steps += _GROUPS.get(name, [])
    with _alone():
        return run(steps)


@contextlib.contextmanager
def _alone() -> t.Iterator[None]:
    """Two runs in one work tree would take each other's copies away: the second waits."""
    tree.BUILD.mkdir(exist_ok=True)
    with (tree.BUILD / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another run in this work tree ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
