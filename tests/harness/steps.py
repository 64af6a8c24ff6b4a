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
import types
import typing as t

from tests.harness import cores, matrix, publishing, pythons, site, tree
from tests.harness.runner import TIMEOUT, Log, Step, StepFailed, StepSkipped, inherited, run
from tests.lab import machine

_PROGRAMS = tree.BUILD / "venv" / "bin"
_PYTHON = _PROGRAMS / "python"
_COPIES = tree.BUILD / "copy"
_COVERAGE = tree.BUILD / "coverage"  # a file for each kind of tests
_OLDEST_PYTHON = "3.9"  # on a managed host
_LEAST_PYTHON = (3, 11)  # of those who develop
_WORKERS = "2"
_LONGEST = 3 * 3600  # seconds that a step of those that take long may have, also on a busy machine
# Of the fault suite: a name, what is installed, and the Pythons to choose from. Nothing: the main environment.
_CLIENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("requests 2.25.1", "python39.txt", (_OLDEST_PYTHON,)),
    ("requests 2.31.0", "requests231.txt", ("3.12", "3.11", "3.13", "3.10")),
    ("requests, newest", "", ()),
)


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
    publishing.build(_PROGRAMS / "ansible-galaxy", tree.copy_to(_COPIES), _clean(), log)


def _importer(log: Log) -> None:
    publishing.check(_clean(), log)


def _site(log: Log) -> None:
    tree.copy_to(_COPIES)
    site.build(_clean(), log)


def _types_of_plugins(log: Log) -> None:
    log.run(_PROGRAMS / "mypy", "--python-version", _OLDEST_PYTHON, "-p", "ansible_collections.storware.backup.plugins")


def _types_of_tests(log: Log) -> None:
    log.run(
        _PROGRAMS / "mypy",
        *(name for name in ("tests", "demo", "benchmarks", "extensions") if (tree.ROOT / name).is_dir()),
    )


def _contract(log: Log) -> None:
    _pytest(log, "contract", "tests/contract")


def _covering(name: str, log: Log, *options: str) -> None:
    """Tests that run the plugins in their own process, so that what they reach can be measured."""
    command = (f"tests/{name}", "--cov", "--cov-report=", *options)
    _pytest(log, name, *command, variables={"COVERAGE_FILE": str(_COVERAGE / name)})


def _integration(log: Log) -> None:
    """All but what the oldest and the newest ansible-core are asked for anyway."""
    _covering("integration", log, "-m", "not matrix and not full")


def _security(log: Log) -> None:
    """Attacks that once succeeded."""
    _covering("security", log, "-m", "not matrix and not full")


def _secrets(log: Log) -> None:
    """That the scanner of the secrets canary finds what it looks for, and that ids are never damaged."""
    _pytest(log, "secrets", "tests/secrets/test_scanner.py", "tests/secrets/test_ids.py")


def _canary_of_results(log: Log) -> None:
    """Every fault with every shape of secret in every encoding: what the modules say and log."""
    _pytest(
        log, "canary", "tests/secrets", "--ignore=tests/secrets/test_playbooks.py", "-m", "not matrix", longest=_LONGEST
    )


def _canary(which: tuple[cores.Core, ...], log: Log) -> None:
    """The whole secrets canary with real playbooks."""
    core, version = cores.choose(which)
    variables = {"STORWARE_TEST_ANSIBLE_BIN": str(cores.install(core, version, log))}
    tests = ("tests/secrets", "--ignore=tests/secrets/test_faults.py")
    _pytest(log, f"canary-{core.name}", "-m", "canary or matrix", *tests, longest=_LONGEST, variables=variables)


def _pytest(
    log: Log,
    name: str,
    *arguments: str,
    longest: float = TIMEOUT,
    variables: t.Mapping[str, str] = types.MappingProxyType({}),
) -> None:
    _COVERAGE.mkdir(exist_ok=True)
    pytest = (_PYTHON, "-m", "pytest", "-q", "-n", _WORKERS)
    _junit(log, name, *pytest, *arguments, environment={**inherited(), **variables}, longest=longest)


def _junit(log: Log, name: str, *command: str | os.PathLike[str], **settings: t.Any) -> None:
    """Run a command of pytest's, and count what it reports."""
    report = tree.BUILD / "junit" / f"{name}.xml"
    report.unlink(missing_ok=True)
    try:
        log.run(*command, f"--junitxml={report}", **settings)
    finally:
        if report.exists():
            log.count(report)


def _mutation_sample(log: Log) -> None:
    """Some mutants of files whose tests are fast; `make mutation` takes all of all files, which takes an hour."""
    only = ("_transfer/names.py", "_transfer/receipt.py", "_transfer/verify.py")
    tests = ("test_names.py", "test_receipt.py", "test_verify.py")
    log.run(_PYTHON, "-m", "tests.mutation", "--sample", "25", "--only", *only, "--tests", *tests)


def _legal_case(log: Log) -> None:
    tests = ("tests/integration/test_role_spread.py", "-k", "legal_case")
    _pytest(log, "legal-case", *tests, longest=_LONGEST, variables={"STORWARE_TEST_LONG": "1"})


def _laws(log: Log) -> None:
    """The generated tests with many more examples, other ones each time."""
    files = sorted(
        str(path) for path in (tree.ROOT / "tests").rglob("test_*.py") if "support.examples" in path.read_text()
    )
    _pytest(log, "laws", *files, longest=_LONGEST, variables={"STORWARE_TEST_LONG": "1"})


def _fleet_tests(marks: str, log: Log) -> None:
    """Hosts over SSH, in namespaces of their own; one after the other, because they share a network."""
    try:
        reason = machine.provide(log.run)
    except StepFailed as failure:
        reason = f"what hosts need cannot be installed ({failure})"
    if reason:
        raise StepSkipped(reason)
    tests = machine.inside(_PYTHON, "-m", "pytest", "-q", "-m", marks, "tests/lab")
    _junit(log, "lab", *tests, longest=_LONGEST)


def _eda_tests(log: Log) -> None:
    """Rulebooks, with an environment of their own."""
    if not shutil.which("java"):
        raise StepSkipped("ansible-rulebook needs Java, which is not installed")
    programs = pythons.environment("rulebook", "rulebook.txt", pathlib.Path(sys.executable), log.run)
    _pytest(log, "eda", "tests/eda", variables={"STORWARE_TEST_RULEBOOK": str(programs)})


def _coverage(log: Log) -> None:
    files = sorted(_COVERAGE.glob("[a-z]*"))
    combined = tree.BUILD / "coverage.combined"
    log.run(_PROGRAMS / "coverage", "combine", "--quiet", "--keep", f"--data-file={combined}", *files)
    log.run(_PROGRAMS / "coverage", "report", f"--data-file={combined}")
    log.telling = "Name|-|plugins|TOTAL"
    log.show = True


def _matrix(which: tuple[cores.Core, ...], log: Log) -> None:
    """Real playbooks with another ansible-core, whose modules run with another Python."""
    core, version = cores.choose(which)
    variables = {"STORWARE_TEST_ANSIBLE_BIN": str(cores.install(core, version, log))}
    try:
        variables["STORWARE_TEST_TARGET_PYTHON"] = str(cores.host(core.host, log) / "python")
        log.note += f", modules on {core.host}"
    except StepSkipped as missing:
        log.reasons.append(f"{missing} for modules")
    _pytest(log, core.name, "-m", "matrix", "tests/integration", "tests/security", variables=variables)


def _unit_tests(version: str, log: Log) -> None:
    """What managed hosts run, with a Python of theirs; with the oldest one, the oldest requests as well."""
    programs = cores.host(version, log)
    name = f"python{version.replace('.', '')}"
    _junit(log, name, programs / "python", "-m", "pytest", "-q", "-n", _WORKERS, "tests/unit")


def _fault_tests(log: Log) -> None:
    # Twice as many at a time as elsewhere: they wait most of their time.
    _pytest(log, "faults", "-n", "4", "tests/faults")


def _full_fault_tests(log: Log) -> None:
    _pytest(log, "faults-full", "-m", "full", "tests/faults", "tests/integration", "tests/unit", longest=_LONGEST)


def _crash(log: Log) -> None:
    """Killed, and let down, at each system call that touches the destination."""
    log.telling = r"situation|all +(SIGKILL|errors)|Point|Terminated"
    log.show = True
    log.run(_PYTHON, "-m", "tests.faults.crash", longest=_LONGEST)


def _faults(name: str, requirements: str, versions: tuple[str, ...], log: Log) -> None:
    """The catalogue of faults with one client library, in the first of these Pythons that is there."""
    python = _PYTHON if not requirements else _client(requirements, versions, log) / "python"
    _faulty(log, "engine", name, str(python))


def _client(requirements: str, versions: tuple[str, ...], log: Log) -> pathlib.Path:
    found = pythons.find()
    version = next((version for version in versions if version in found), None)
    if version is None:
        raise StepSkipped(f"there is no Python {' or '.join(versions)}")
    log.note = f"Python {version}"
    return pythons.environment(requirements.removesuffix(".txt"), requirements, found[version], log.run)


def _other_clients(log: Log) -> None:
    """What users would pick instead; those that are not installed are left out."""
    for name, requirements, versions in (_CLIENTS[0], _CLIENTS[-1]):
        with contextlib.suppress(StepSkipped):
            python = _client(requirements, versions, log) / "python" if requirements else _PYTHON
            _faulty(log, "naive", name, str(python))
    for program in ("get_url", "curl -fL", "curl -C - --retry", "wget -c", "aria2c -c"):
        _faulty(log, "program", program)
    log.note = ""


def _fault_table(log: Log) -> None:
    log.telling = r"\||faults:"
    log.show = True
    _faulty(log, "table")


def _faulty(log: Log, *arguments: str) -> None:
    log.run(_PYTHON, "-m", "tests.faults", *arguments, longest=_LONGEST)


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
        Step("galaxy-importer", _importer),
    ],
    "types": [Step("mypy: plugins", _types_of_plugins), Step("mypy: tests", _types_of_tests)],
    "docs-lint": [Step("antsibull-docs", _documentation)],
    "docs": [Step("documentation site", _site), Step("documentation site, in a browser", site.look)],
    "unit": [
        Step("tests: unit", functools.partial(_covering, "unit")),
        Step("tests: unit, Python 3.9 and requests 2.25.1", functools.partial(_unit_tests, _OLDEST_PYTHON)),
    ],
    "fault-tests": [Step("tests: faults", _fault_tests)],
    "integration": [
        Step("tests: simulator's contract", _contract),
        Step("tests: integration", _integration),
        Step("tests: security", _security),
        Step("tests: secrets", _secrets),
        Step("tests: oldest ansible-core", functools.partial(_matrix, cores.OLDEST)),
        Step("tests: newest ansible-core", functools.partial(_matrix, cores.NEWEST)),
    ],
    "eda-tests": [Step("tests: event-driven", _eda_tests)],
    # Both wait for most of their time.
    "fleet-tests": [Step("tests: hosts over SSH", functools.partial(_fleet_tests, "not full"), beside=True)],
    "coverage": [Step("coverage of plugins", _coverage)],
    "mutation-sample": [Step("mutation testing, a sample", _mutation_sample)],
    "sanity": [
        Step("ansible-test sanity: oldest core", functools.partial(cores.sanity, cores.OLDEST)),
        Step("ansible-test sanity: newest core", functools.partial(cores.sanity, cores.NEWEST), beside=True),
    ],
}

_CRASH = [
    Step("faults: those that take minutes", _full_fault_tests),
    Step("faults: at every system call", _crash),
]

# Not part of `make test`: these take long.
_LONG_GROUPS = {
    "fleet": [
        Step("tests: hosts over SSH", functools.partial(_fleet_tests, "full or not full")),
        Step("tests: 300 mailboxes to 4 hosts", _legal_case),
    ],
    "laws": [Step("tests: laws, at length", _laws)],
    "faults": [
        Step("faults: Python 3.9 and requests 2.25.1", functools.partial(_faults, *_CLIENTS[0])),
        Step("faults: requests 2.31.0 and urllib3 2.0.7", functools.partial(_faults, *_CLIENTS[1])),
        Step("faults: newest client library", functools.partial(_faults, *_CLIENTS[2])),
        Step("faults: other clients", _other_clients),
        Step("faults: side by side", _fault_table),
        *_CRASH,
    ],
    "crash": _CRASH,
    "matrix": matrix.Matrix(_matrix, _unit_tests).steps(),
    "canary": [
        Step("secrets canary: results", _canary_of_results),
        Step("secrets canary: oldest ansible-core", functools.partial(_canary, cores.OLDEST)),
        Step("secrets canary: newest ansible-core", functools.partial(_canary, cores.NEWEST)),
    ],
}


def main() -> int:
    """Run the groups named on the command line, after the environment they need."""
    parser = argparse.ArgumentParser(description="Run checks of this repository.")
    parser.add_argument("groups", nargs="+", choices=["env", "demo-env", "test", *_GROUPS, *_LONG_GROUPS])
    groups = parser.parse_args().groups
    requirements = "demo.txt" if groups == ["demo-env"] else "test.txt"
    steps = [Step("environment", functools.partial(_environment, requirements), needed=True)]
    for name in _GROUPS if "test" in groups else groups:
        steps += {**_GROUPS, **_LONG_GROUPS}.get(name, [])
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
