# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest and the newest ansible-core this machine can run, and ansible-test with them. Standard library only."""

from __future__ import annotations

import dataclasses
import pathlib

from tests.harness import pythons, tree
from tests.harness.runner import Log, StepFailed, StepSkipped

MODULE_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


@dataclasses.dataclass(frozen=True)
class Core:
    """An ansible-core: who can run it, what it is installed from, which pip its ansible-test wants."""

    version: str
    name: str  # of its environment, and of its requirements
    pythons: tuple[str, ...]  # the first that is there is taken
    pip: str
    host: str  # the Python that modules run with
    shortfall: str = ""  # why this one is not what was wanted


OLDEST = (Core("2.16", "core-oldest", ("3.10", "3.11", "3.12"), "23.1.2", "3.9"),)
NEWEST = (
    Core("2.21", "core-newest", ("3.14", "3.13", "3.12"), "25.2", "3.9"),
    Core("2.19", "core-newest-python311", ("3.11",), "24.2", "3.9", "core 2.21 needs Python 3.12: 2.19 was used"),
)

# Every one since the oldest, for the matrix.
ALL = (
    OLDEST,
    (Core("2.17", "core-217", ("3.10", "3.11", "3.12"), "23.1.2", "3.10"),),
    (Core("2.18", "core-218", ("3.11", "3.12", "3.13"), "24.2", "3.11"),),
    (Core("2.19", "core-219", ("3.12", "3.13", "3.11"), "24.2", "3.12"),),
    (Core("2.20", "core-220", ("3.13", "3.12", "3.14"), "25.2", "3.13"),),
    NEWEST,
)


def choose(cores: tuple[Core, ...]) -> tuple[Core, str]:
    """The first of these that some Python of this machine can run, and that Python's version."""
    found = pythons.find()
    for core in cores:
        for version in core.pythons:
            if version in found:
                return core, version
    raise StepSkipped(f"ansible-core {cores[0].version} needs one of Python {', '.join(cores[0].pythons)}")


def install(core: Core, version: str, log: Log) -> pathlib.Path:
    """The bin folder of an environment with this ansible-core."""
    log.note = f"ansible-core {core.version}, Python {version}"
    if core.shortfall:
        log.reasons.append(core.shortfall)
    return pythons.environment(core.name, f"{core.name}.txt", pythons.find()[version], log.run)


def host(version: str, log: Log) -> pathlib.Path:
    """The bin folder of an environment with what a managed host of this Python has, and what unit tests need."""
    python = pythons.find().get(version)
    if python is None:
        raise StepSkipped(f"there is no Python {version}")
    requirements = "python39.txt" if version == MODULE_PYTHONS[0] else "pythons.txt"
    return pythons.environment(f"python{version.replace('.', '')}", requirements, python, log.run)


def sanity(cores: tuple[Core, ...], log: Log) -> None:
    """ansible-test sanity over a copy of the repository, for Pythons of managed hosts that are here.

    With the newest core these are all of them, with others its own and the oldest only: each takes a while.
    """
    core, version = choose(cores)
    programs = install(core, version, log)
    home = pythons.home(programs)
    _provide_pip(core.pip, programs, home, log)
    wanted = MODULE_PYTHONS if cores is NEWEST else (MODULE_PYTHONS[0], version)
    here = {name: path for name, path in pythons.find().items() if name in wanted}
    if MODULE_PYTHONS[0] not in here:
        log.reasons.append(f"no Python {MODULE_PYTHONS[0]} to import modules with")
    log.note += f", modules on {', '.join(sorted(here, key=MODULE_PYTHONS.index))}"
    collection = tree.copy_to(tree.BUILD / f"sanity-{core.name}")
    environment = {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{pythons.links(core.name, here)}:{programs}:/usr/local/bin:/usr/bin:/bin",
    }
    log.telling = "ERROR|FATAL|WARNING: (?!Location)"
    log.run(programs / "ansible-test", "sanity", "--venv", "--color", "no", cwd=collection, environment=environment)
    if "All targets skipped" in log.text():
        raise StepFailed("it did not find the files")


def _provide_pip(version: str, programs: pathlib.Path, home: pathlib.Path, log: Log) -> None:
    """Put pip where ansible-test keeps what it downloads, so that it asks no other server than pip itself does.

    ansible-test runs the script of this name with a new interpreter to give it pip, and adds options of the
    original script that pip does not know.
    """
    cache = home / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    log.run(programs / "pip", "download", "--quiet", "--no-deps", "--dest", cache, f"pip=={version}")
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(cache / f'pip-{version}-py3-none-any.whl')!r})\n"
        "from pip._internal.cli.main import main\n"
        "options = [a for a in sys.argv[1:] if a not in ('--no-setuptools', '--no-wheel')]\n"
        "sys.exit(main(['install', *options]))\n",
        encoding="utf-8",
    )
