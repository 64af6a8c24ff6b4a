# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of this repository, a nox session each: ``make test`` runs the gate, ``make NAME`` one session.

Programs and tests run in environments under .build that hold the versions pinned in tests/requirements.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import shutil
import sys
import typing as t

import antsibull_nox
import nox

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from tests.harness import archive as release
from tests.harness import sanity, tree
from tests.harness.sessions import OF_ANTSIBULL
from tests.lab import machine
from tests.site import build as site

# A developer's settings for other work, and variables that would lead a program to another installation of it
for _name in [
    name
    for name in os.environ
    if name.startswith(("ANSIBLE_", "COVERAGE_", "MYPY", "PYTEST_", "PYTHON", "STORWARE_", "VIRTUAL_ENV"))
]:
    del os.environ[_name]
# Interpreters of a version manager count as installed; its shims, which may not answer, do not.
_PYENV = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
os.environ["PATH"] = os.pathsep.join(
    [
        str(pathlib.Path(sys.executable).parent),  # uv
        *(folder for folder in os.environ["PATH"].split(os.pathsep) if "shims" not in folder),
        *map(str, sorted(_PYENV.glob("versions/*/bin"))),
    ]
)
os.environ.update(UV_SYSTEM_CERTS="true", UV_PYTHON_DOWNLOADS="never", UV_NO_CONFIG="1", UV_LINK_MODE="hardlink")
os.environ.update(sanity.uv_settings())

nox.options.envdir = ".build/nox-sessions"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.stop_on_first_error = False
nox.options.error_on_external_run = False
nox.options.sessions = ["quick"]

REQUIREMENTS = tree.ROOT / "tests" / "requirements"
MAIN = tree.BUILD / "venv" / "bin"
COVERAGE = tree.BUILD / "coverage"  # a file for each session
WORKERS = "2"
ONCE = "not long and (not matrix or slow) and not newest"  # other tests of real playbooks run with other ansible-cores
LEAST_LINES, LEAST_BRANCHES = 95, 90  # per cent


class Core(t.NamedTuple):
    """An ansible-core, the Python that runs it, and the Python that its modules run with."""

    version: str
    requirements: str
    python: str
    hosts: str


CORES = {
    "oldest": Core("2.16", "core-oldest", "3.10", "3.9"),
    "2.17": Core("2.17", "core-217", "3.10", "3.10"),
    "2.18": Core("2.18", "core-218", "3.11", "3.11"),
    "2.19": Core("2.19", "core-219", "3.12", "3.12"),
    "2.20": Core("2.20", "core-220", "3.13", "3.13"),
    "newest": Core("2.21", "core-newest", "3.13", "3.9"),
}
HOST_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

gate = nox.session(python=False, tags=["gate"])
part = nox.session(python=False, tags=["all"])
daily = nox.session(python=False, tags=["daily"])


# Environments


def environment(session: nox.Session, name: str, requirements: str, python: str = "") -> pathlib.Path:
    """The bin folder of the environment of this name with exactly these requirements; made where it is missing.

    python: a version; this process's own where it is empty. A version that is not installed skips the session.
    """
    wanted = find(session, python) if python else os.path.realpath(sys.executable)
    if not wanted:
        session.skip(f"there is no Python {python}")
    folder = tree.BUILD / name
    if os.path.realpath(folder / "bin" / "python") != os.path.realpath(wanted):
        session.run("uv", "venv", "--quiet", "--clear", "--python", wanted, folder)
    files = ("--python", folder / "bin" / "python", "-r", REQUIREMENTS / requirements)
    session.run("uv", "pip", "install", "--quiet", *files)
    return folder / "bin"


def find(session: nox.Session, python: str) -> str:
    """The path of an installed interpreter of this version, or nothing."""
    found = session.run("uv", "python", "find", python, silent=True, success_codes=[0, 1, 2], stderr=None, log=False)
    return str(found).strip() if found and os.path.isabs(str(found).strip()) else ""


def main_environment(session: nox.Session, requirements: str = "test.txt") -> None:
    """The environment of tools and tests, and the collection importable from it."""
    environment(session, "venv", requirements)
    tree.link()


def host_environment(session: nox.Session, python: str) -> pathlib.Path:
    """An environment as on a managed host with this Python; with the oldest one, the oldest requests as well."""
    requirements = "python39.txt" if python == HOST_PYTHONS[0] else "pythons.txt"
    return environment(session, f"python{python.replace('.', '')}", requirements, python)


def core_environment(session: nox.Session, core: Core) -> pathlib.Path:
    """An environment with this ansible-core."""
    return environment(session, core.requirements, f"{core.requirements}.txt", core.python)


def collection_awx(session: nox.Session) -> None:
    """The collection awx.awx for tests of configure_awx; programs are run from other environments."""
    environment(session, "awx", "awx.txt")


def packages_of_debian(session: nox.Session) -> str:
    """Install programs that tests need, as root on Debian; returns why they are not there, or nothing."""
    return machine.provide(functools.partial(session.run, silent=True))


def clean(collections: pathlib.Path) -> dict[str, str | None]:
    """The environment of a user who has set nothing. Variables that are not named here are removed."""
    return {
        **dict.fromkeys(os.environ),
        "PATH": f"{MAIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(sanity.home("venv")),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
    }


def pytest(
    session: nox.Session,
    *arguments: str | os.PathLike[str],
    variables: t.Mapping[str, str] | None = None,
    python: str | os.PathLike[str] = MAIN / "python",
    cover: bool = False,
    second: str = "",
) -> None:
    """Run tests and leave a report in .build/junit. Options of the command line (``-- -k name``) are added.

    second: begins with a plus and tells the report of another run in the same session from the first one.
    """
    name = session.name.translate({ord("("): "-", ord(")"): None}) + second
    added = {**(variables or {}), **({"COVERAGE_FILE": str(COVERAGE / name)} if cover else {})}
    session.run(
        *(python, "-m", "pytest", "-q", "-n", WORKERS, "--dist=worksteal"),
        f"--junitxml={tree.BUILD / 'junit' / f'{name}.xml'}",
        *(("--cov", "--cov-report=") if cover else ()),
        *(*arguments, *session.posargs),
        env=added,
    )


# The inner loop


@daily
def quick(session: nox.Session) -> None:
    """Style, types, fast unit tests and one smoke test of each module, role entry point and playbook."""
    main_environment(session)
    session.run(MAIN / "ruff", "check", "--no-cache", ".")
    session.run(MAIN / "ruff", "format", "--no-cache", "--diff", "--quiet", ".")
    mypy(session)
    pytest(session, "-m", "not slow and not long", "tests/unit")
    collection_awx(session)
    pytest(session, "-m", "smoke", "tests/integration", second="+smoke")


@daily
def env(session: nox.Session) -> None:
    """The environments of tools and tests, in .build."""
    main_environment(session)
    collection_awx(session)
    packages_of_debian(session)


@daily
def format(session: nox.Session) -> None:
    """Lay out the Python files."""
    main_environment(session)
    session.run(MAIN / "ruff", "check", "--fix", "--exit-zero", "--quiet", ".")
    session.run(MAIN / "ruff", "format", "--quiet", ".")


@nox.session(python=False, tags=["daily"], name="awx-content")
def awx_content(session: nox.Session) -> None:
    """Write extensions/awx anew from the options of the collection."""
    main_environment(session)
    session.run(MAIN / "python", "-m", "tests.awx_content")


@nox.session(python=False, tags=["daily"], name="error-codes")
def error_codes(session: nox.Session) -> None:
    """Write the return value error of each module anew from the registry of error codes."""
    main_environment(session)
    session.run(MAIN / "python", "-m", "tests.error_codes")


@daily
def demo(session: nox.Session) -> None:
    """The main job against the simulator, on this machine."""
    main_environment(session, "demo.txt")
    session.run(MAIN / "python", "demo/run.py", *session.posargs)


@daily
def simulator(session: nox.Session) -> None:
    """The simulator, until Ctrl-C; ``make simulator ARGS=--help`` shows its options."""
    main_environment(session, "demo.txt")
    session.run(MAIN / "python", "-m", "tests.simulator", *session.posargs)


# The gate


@gate
def integration(session: nox.Session) -> None:
    """Modules, role and playbooks against the simulator."""
    main_environment(session)
    collection_awx(session)
    pytest(session, "tests/integration", "-m", ONCE, cover=True)


@gate
@nox.parametrize("which", ["oldest", "newest"], ids=["oldest", "newest"])
def cores(session: nox.Session, which: str) -> None:
    """Real playbooks with the oldest ansible-core; the story, surveys and templates with the newest."""
    marks = {"oldest": "matrix and not slow", "newest": "newest"}
    playbooks(session, CORES[which], f"({marks[which]}) and not long")


def playbooks(session: nox.Session, core: Core, marks: str) -> None:
    """Run the tests with these marks, with an ansible-core and a Python of managed hosts of their own."""
    main_environment(session)
    collection_awx(session)
    variables = {
        "STORWARE_TEST_ANSIBLE_BIN": str(core_environment(session, core)),
        "STORWARE_TEST_TARGET_PYTHON": str(host_environment(session, core.hosts) / "python"),
    }
    pytest(session, "tests/integration", "tests/security", "-m", marks, variables=variables)


@nox.session(python=False, tags=["gate"], name="fleet-tests")
def fleet_once(session: nox.Session) -> None:
    """Three hosts over SSH in network namespaces, one of them cut off in the middle; needs root."""
    hosts(session, "not long")


def hosts(session: nox.Session, marks: str) -> None:
    """Tests with hosts in namespaces of their own; one after the other, because they share a network."""
    main_environment(session)
    if reason := packages_of_debian(session):
        session.skip(reason)
    tests = (
        "-m",
        "pytest",
        "-q",
        "-m",
        marks,
        f"--junitxml={tree.BUILD / 'junit' / f'{session.name}.xml'}",
        "tests/lab",
    )
    session.run(*machine.inside(MAIN / "python", *tests, *session.posargs))


@nox.session(python=False, tags=["gate"], name="sanity")
@nox.parametrize("which", ["oldest", "newest"], ids=["oldest", "newest"])
def sanity_tests(session: nox.Session, which: str) -> None:
    """ansible-test sanity, but for what other sessions check; with the oldest ansible-core what depends on it."""
    ansible_test_sanity(session, CORES[which], sanity.IN_THE_GATE if which == "newest" else sanity.OF_THE_CORE)


def ansible_test_sanity(session: nox.Session, core: Core, chosen: t.Sequence[str] = ()) -> None:
    """Run these sanity tests on these targets, or all on all, over a copy of the repository."""
    programs = core_environment(session, core)
    pythons = {version: path for version in (HOST_PYTHONS[0], core.python) if (path := find(session, version))}
    sanity.run(session, programs, core.requirements, pythons, chosen)


@nox.session(python=False, tags=["gate"], name="fault-tests")
def faults_once(session: nox.Session) -> None:
    """The transfer engine: each kind of fault of server, network, disk and process once."""
    main_environment(session)
    pytest(session, "tests/faults", "-n", "3")


@gate
def units(session: nox.Session) -> None:
    """Single layers, with the oldest Python and the oldest requests of a managed host."""
    main_environment(session)
    pytest(session, "tests/unit", python=host_environment(session, HOST_PYTHONS[0]) / "python", cover=True)


@gate
def security(session: nox.Session) -> None:
    """Attacks by servers, hosts, other users and variables."""
    main_environment(session)
    pytest(session, "tests/security", "-m", ONCE, cover=True)


@gate
def world(session: nox.Session) -> None:
    """Odd but real: files, replies, names and lists as the world's programs make them."""
    main_environment(session)
    pytest(session, "tests/world", "-m", ONCE, cover=True)


@nox.session(python=False, tags=["gate"], name="site")
def site_pages(session: nox.Session) -> None:
    """The documentation: of plugins, and the site in .build/site."""
    build_site(session)
    pytest(session, "tests/site", "-n", "0")


@part
def docs(session: nox.Session) -> None:
    """The same, and each page in a browser; pictures are in .build/site-pictures."""
    build_site(session)
    if reason := machine.provide_browser(functools.partial(session.run, silent=True)):
        session.log(f"The site is not opened in a browser: {reason}")
    axe = ("--no-deps", "--target", tree.BUILD / "axe", "-r", REQUIREMENTS / "axe.txt")
    session.run("uv", "pip", "install", "--quiet", "--python", MAIN / "python", *axe)
    pytest(session, "tests/site", "-m", "long or not long", "-n", "0")  # one browser shows all pages


def build_site(session: nox.Session) -> None:
    """Check the documentation of plugins, and build the site."""
    main_environment(session)
    collections = tree.COPIES / "docs"
    environ = clean(collections)
    options = ["--plugin-docs", "--validate-collection-refs=all", "--disallow-unknown-collection-refs"]
    with session.chdir(tree.copy_to(collections)):
        session.run(MAIN / "antsibull-docs", "lint-collection-docs", *options, ".", env=environ)
    site.build(session, environment(session, "site-tools", "site.txt"), environ)


@gate
def types(session: nox.Session) -> None:
    """mypy, strict."""
    main_environment(session)
    mypy(session)


def mypy(session: nox.Session) -> None:
    """Plugins as the oldest Python of a managed host sees them; the rest as developers' Python does."""
    session.run(MAIN / "mypy", "--python-version", HOST_PYTHONS[0], "-p", "ansible_collections.storware.backup.plugins")
    session.run(MAIN / "mypy", "noxfile.py", "tests", "demo", "benchmarks", "extensions")


@gate
def lint(session: nox.Session) -> None:
    """Style of Python, YAML and shell, change log, pinned versions, options that lack something."""
    main_environment(session)
    session.run(MAIN / "ruff", "check", "--no-cache", ".")
    session.run(MAIN / "ruff", "format", "--no-cache", "--diff", "--quiet", ".")
    session.run(MAIN / "yamllint", "--strict", ".")
    if shellcheck := shutil.which("shellcheck", path=f"{MAIN}:{os.environ['PATH']}"):
        session.run(shellcheck, *tree.shell_scripts())
    session.run(MAIN / "antsibull-changelog", "lint")
    wanted = [name for name, known in nox.registry.get().items() if {"gate", "all"} & set(known.tags)]
    session.run(MAIN / "python", "-m", "tests.lint", *wanted, *OF_ANTSIBULL)
    pytest(session, "tests/tooling/test_repository.py")


@gate
def archive(session: nox.Session) -> None:
    """The archive: built twice with the same bytes, complete, and imported as Galaxy does."""
    main_environment(session)
    collections = tree.COPIES / "archive"
    release.build(session, MAIN / "ansible-galaxy", tree.copy_to(collections), clean(collections))
    pytest(session, "tests/archive")
    release.check(session, environment(session, "importer", "importer.txt"), clean(collections))


@gate
def eda(session: nox.Session) -> None:
    """The event source under ansible-rulebook; needs Java."""
    if not shutil.which("java"):
        session.skip("ansible-rulebook needs Java, which is not installed")
    main_environment(session)
    programs = environment(session, "rulebook", "rulebook.txt")
    pytest(session, "tests/eda", variables={"STORWARE_TEST_RULEBOOK": str(programs)})


@nox.session(python=False, tags=["last"])
def coverage(session: nox.Session) -> None:
    """Lines and branches of plugins that the tests of the gate reach; runs after all others."""
    main_environment(session)
    combined = f"--data-file={tree.BUILD / 'coverage.combined'}"
    session.run(MAIN / "coverage", "combine", "--quiet", "--keep", combined, *sorted(COVERAGE.iterdir()))
    session.run(MAIN / "coverage", "report", combined)
    report = tree.BUILD / "coverage.json"
    session.run(MAIN / "coverage", "json", "--quiet", combined, "-o", report)
    totals = json.loads(report.read_text())["totals"]
    lines, branches = totals["percent_statements_covered"], totals["percent_branches_covered"]
    session.log(f"plugins: {lines:.1f} % of lines, {branches:.1f} % of branches")
    if lines < LEAST_LINES or branches < LEAST_BRANCHES:
        session.error(f"at least {LEAST_LINES} % of lines and {LEAST_BRANCHES} % of branches are wanted")


# Everything else: make test-all


@part
@nox.parametrize("which", list(CORES), ids=list(CORES))
def matrix(session: nox.Session, which: str) -> None:
    """Each ansible-core: playbooks, sanity, and unit tests, also by ansible-test, each with another Python."""
    core = CORES[which]
    playbooks(session, core, "matrix")
    ansible_test_sanity(session, core)
    pytest(session, "tests/unit", python=host_environment(session, core.hosts) / "python", second="+units")
    for requirements in (f"{core.requirements}.txt", "pythons.txt"):
        programs = environment(session, f"{core.requirements}-units", requirements, core.python)
    sanity.ansible_test_units(session, programs, core.requirements, core.python)


@nox.session(python=False, tags=["all"], name="property-tests")
def property_tests(session: nox.Session) -> None:
    """Generated tests with many more examples, other ones each time."""
    main_environment(session)
    files = sorted(path for path in (tree.ROOT / "tests").rglob("test_*.py") if "support.examples" in path.read_text())
    pytest(session, "-m", "not matrix", *files, variables={"STORWARE_TEST_LONG": "1"})


@nox.session(python=False, tags=["all"], name="secret-leaks")
@nox.parametrize("which", ["oldest", "newest"], ids=["oldest", "newest"])
def secret_leaks(session: nox.Session, which: str) -> None:
    """Every fault with every shape of secret in every encoding, in results, logs and playbooks.

    With the oldest ansible-core every fault in every style of output: shapes and encodings are masked by code of ours.
    """
    main_environment(session)
    programs = core_environment(session, CORES[which])
    few = ("--ignore=tests/secrets/test_faults.py", "-k", "not every_shape") if which == "oldest" else ()
    tests = ("-m", "long or not long", "tests/secrets", *few)
    pytest(session, *tests, variables={"STORWARE_TEST_ANSIBLE_BIN": str(programs)})


@part
def fleet(session: nox.Session) -> None:
    """Hosts over SSH with all transfer modes and failures, and 300 mailboxes on 4 hosts; needs root."""
    hosts(session, "long or not long")
    files = [f"tests/integration/test_role_{name}.py" for name in ("distribute", "requests")]
    legal_case = (*files, "-m", "long", "-k", "legal_case")
    pytest(session, *legal_case, variables={"STORWARE_TEST_LONG": "1"}, second="+300")


@part
def faults(session: nox.Session) -> None:
    """Each fault with three client libraries, beside other clients; ends with a table."""
    main_environment(session)
    libraries = {
        "requests 2.25.1": host_environment(session, HOST_PYTHONS[0]) / "python",
        "requests 2.31.0": environment(session, "requests231", "requests231.txt", "3.12") / "python",
        "requests, newest": MAIN / "python",
    }
    run = (MAIN / "python", "-m", "tests.faults")
    for name, python in libraries.items():
        session.run(*run, "engine", name, python)
    for name in ("requests 2.25.1", "requests, newest"):
        session.run(*run, "naive", name, libraries[name])
    for program in ("get_url", "curl -fL", "curl -C - --retry", "wget -c", "aria2c -c"):
        session.run(*run, "program", program)
    session.run(*run, "table")


@part
def crash(session: nox.Session) -> None:
    """Killed, and let down, at each system call; power loss, many writers, a file of 1 GiB."""
    main_environment(session)
    pytest(session, "-m", "long", "tests/faults")
    session.run(MAIN / "python", "-m", "tests.faults.crash")


@nox.session(python=False, tags=["all"], name="long-tests")
def long_tests(session: nox.Session) -> None:
    """More values, signals, hosts and pages of what the gate tests once; all attacks."""
    main_environment(session)
    collection_awx(session)
    others = (
        "--ignore=tests/integration/test_switches.py",
        "--deselect=tests/integration/test_role_distribute.py::test_what_a_legal_case_costs",
    )
    pytest(session, "-m", "long", "tests/unit", "tests/integration", "tests/security", *others)


@nox.session(python=False, tags=["all"], name="world-at-length")
def world_at_length(session: nox.Session) -> None:
    """All that the session world has a short form of."""
    main_environment(session)
    pytest(session, "-m", "long or not long", "tests/world")


@part
def switches(session: nox.Session) -> None:
    """The whole job with each single unknown of the server the other way round."""
    main_environment(session)
    pytest(session, "-m", "long", "tests/integration/test_switches.py")


@nox.session(python=False, tags=["all"], name="simulator-tests")
def simulator_contract(session: nox.Session) -> None:
    """The simulator: specification, faults, switches, command line. Run it when tests/simulator changes."""
    main_environment(session)
    pytest(session, "tests/contract")


@part
def tooling(session: nox.Session) -> None:
    """Tests of test tools. Run it when tests/harness, tests/faults or tests/secrets change."""
    main_environment(session)
    pytest(session, "tests/tooling")


@part
def mutation(session: nox.Session) -> None:
    """200 mutants of the engine and the API layer, a fixed sample: the gate's tests must notice most of them."""
    session.run(environment(session, "mutmut", "mutation.txt") / "python", "-m", "tests.mutation_sample")


@nox.session(python=False, tags=["all"], name="bench-short")
def bench_short(session: nox.Session) -> None:
    """Each benchmark once and small: whether it runs, not how fast it is."""
    main_environment(session)
    session.run(MAIN / "python", "-m", "benchmarks", "--quick")


@daily
def bench(session: nox.Session) -> None:
    """Downloads side by side with the programs that a user would pick instead; takes long."""
    main_environment(session)
    session.run(MAIN / "python", "-m", "benchmarks", *session.posargs)


# Sessions of antsibull-nox: ansible-lint, extra-checks and license-check, which are part of the gate
antsibull_nox.load_antsibull_nox_toml()
