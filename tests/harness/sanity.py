# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test where only the package index can be reached, and pip's settings for programs with another home."""

from __future__ import annotations

import ast
import configparser
import pathlib
import shutil
import subprocess
import sys
import typing as t

import nox

from tests.harness import tree

_HOMES: t.Final = tree.BUILD / "home"  # of programs that would write to the user's
# The pip that each ansible-test wants to download from a site of its own
_PIP: t.Final = {"core-oldest": "23.1.2", "core-217": "23.1.2", "core-218": "24.2", "core-219": "24.2"}
_NEWER_PIP: t.Final = "25.2"
# What users get; tests are checked by ruff and mypy in the gate, and by these as well in the matrix
_SHIPPED: t.Final = ("plugins/", "extensions/", "meta/", "roles/", "playbooks/", "changelogs/")
_OF_THE_CORE: t.Final = ("validate-modules", "ansible-doc")
# Sanity tests of what another ansible-core may read in another way. Plays with it import and run the code.
OF_THE_CORE: t.Final = (*(word for test in _OF_THE_CORE for word in ("--test", test)), *_SHIPPED)
# Those that sessions of the gate have another form of: ruff and mypy, yamllint, antsibull-changelog and the units.
_OF_OTHERS: t.Final = ("pep8", "pylint", "yamllint", "changelog", "compile")
IN_THE_GATE: t.Final = (*(word for test in _OF_OTHERS for word in ("--skip-test", test)), *_SHIPPED)


def _pip_settings() -> dict[str, str]:
    """Settings of pip on this machine, from its files and variables, such as ``index-url``."""
    command = (sys.executable, "-m", "pip", "config", "list")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = (line.split("=", 1) for line in listed.splitlines())
    return {key.rpartition(".")[2]: ast.literal_eval(value) for key, value in pairs}


def uv_settings() -> dict[str, str]:
    """The package index that pip uses, for uv, which does not read pip's settings."""
    index = _pip_settings().get("index-url")
    return {"UV_DEFAULT_INDEX": index} if index else {}


def home(name: str) -> pathlib.Path:
    """A home for programs that start pip in environments of their own, with pip's settings of this machine."""
    settings = configparser.RawConfigParser()
    settings["global"] = _pip_settings()
    file = _HOMES / name / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as stream:
        settings.write(stream)
    return _HOMES / name


def run(
    session: nox.Session, programs: pathlib.Path, core: str, pythons: t.Mapping[str, str], chosen: t.Sequence[str]
) -> None:
    """ansible-test sanity over a copy of the repository, with these Pythons of managed hosts.

    programs: the bin folder of an environment with ansible-core; core: its name; chosen: tests and targets as its
    arguments, all when empty.
    """
    collection, environment = _prepare(session, programs, core, pythons)
    with session.chdir(collection):
        session.run(programs / "ansible-test", "sanity", "--venv", "--color", "no", *chosen, env=environment)


def ansible_test_units(session: nox.Session, programs: pathlib.Path, core: str, version: str) -> None:
    """ansible-test units with the Python of ansible-core itself, in whose environment the tests' packages are."""
    collection, environment = _prepare(session, programs, core, {version: str(programs / "python")})
    with session.chdir(collection):
        session.run(programs / "ansible-test", "units", "--python", version, "--color", "no", env=environment)


def _prepare(
    session: nox.Session, programs: pathlib.Path, core: str, pythons: t.Mapping[str, str]
) -> tuple[pathlib.Path, dict[str, str | None]]:
    links = tree.BUILD / "pythons" / core  # before anything else in PATH, so that no other Python is found
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir(parents=True)
    for version, path in pythons.items():
        (links / f"python{version}").symlink_to(path)
    its_home = home(core)
    _provide_pip(session, _PIP.get(core, _NEWER_PIP), its_home)
    path = f"{links}:{programs}:/usr/local/bin:/usr/bin:/bin"
    environment = {**dict.fromkeys(session.env), "HOME": str(its_home), "LC_ALL": "C.UTF-8", "PATH": path}
    return tree.copy_to(tree.BUILD / f"sanity-{core}"), environment


def _provide_pip(session: nox.Session, version: str, its_home: pathlib.Path) -> None:
    """Put pip where ansible-test keeps what it downloads, so that it asks no other server than pip itself does.

    ansible-test runs the script of this name with each new interpreter to give it pip. Unpacking does it in a tenth of
    the time of an installation.
    """
    cache = its_home / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    session.run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", cache, f"pip=={version}")
    script.write_text(
        "import sysconfig, zipfile\n"
        f"with zipfile.ZipFile({str(cache / f'pip-{version}-py3-none-any.whl')!r}) as wheel:\n"
        "    wheel.extractall(sysconfig.get_path('purelib'))\n",
        encoding="utf-8",
    )
