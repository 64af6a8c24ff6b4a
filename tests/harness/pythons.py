# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interpreters of this machine, and virtual environments made with them. Standard library only."""

from __future__ import annotations

import ast
import configparser
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import typing as t

from tests.harness import tree

REQUIREMENTS = tree.ROOT / "tests" / "requirements"
HOME = tree.BUILD / "home"  # of programs that would write to the user's
_LINKS = tree.BUILD / "pythons"
# A shim of a version manager is found, too, but does not answer; Debian's python3 may lack what venv needs.
_QUESTION = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2], sys.executable)"

Run = t.Callable[..., None]  # of a command; raises when it fails


def find() -> dict[str, pathlib.Path]:
    """Each version, such as "3.12", with an interpreter that works and can make virtual environments."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    folders = [*map(pathlib.Path, os.environ["PATH"].split(os.pathsep)), *sorted(pyenv.glob("versions/*/bin"))]
    found: dict[str, pathlib.Path] = {}
    for folder in folders:
        for program in sorted(folder.glob("python3.*")):
            if re.fullmatch(r"python3\.\d+", program.name) and "shims" not in folder.parts:
                version, path = _ask(program)
                found.setdefault(version, path)
    found.pop("", None)
    return found


def _ask(program: pathlib.Path) -> tuple[str, pathlib.Path]:
    """Version and place of an interpreter; an empty version when it is of no use."""
    command = (str(program), "-I", "-c", _QUESTION)
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode:
        return "", program
    version, path = answer.stdout.rstrip("\n").split(" ", 1)
    return version, pathlib.Path(path)


def links(name: str, pythons: dict[str, pathlib.Path]) -> pathlib.Path:
    """A folder that holds nothing but these interpreters, to stand in PATH before anything else."""
    folder = _LINKS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for version, path in pythons.items():
        (folder / f"python{version}").symlink_to(path)
    return folder


def environment(name: str, requirements: str, python: pathlib.Path, run: Run) -> pathlib.Path:
    """The bin folder of the virtual environment of this name, made anew when its requirements or its Python changed.

    What is installed already is kept when requirements only grow, as from `make demo` to `make test`.
    """
    folder = tree.BUILD / name
    stamp = folder / f"{requirements}.sha256"
    wanted = _digest(str(python))
    if not stamp.exists() or stamp.read_text() != wanted:
        if not (folder / "bin" / "python").exists() or _other_python(folder, python):
            run(python, "-m", "venv", "--clear", folder)
        run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS / requirements)
        stamp.write_text(wanted)
    return folder / "bin"


def unpinned(bin_folder: pathlib.Path) -> list[str]:
    """What is installed in an environment, such as "idna==3.20", and stands in no list of requirements."""
    frozen = subprocess.run([bin_folder / "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    lines = (line for file in REQUIREMENTS.glob("*.txt") for line in file.read_text(encoding="utf-8").splitlines())
    pinned = {line.partition(";")[0].strip() for line in lines}
    return [name for name in frozen.splitlines() if name not in pinned]


def _digest(python: str) -> str:
    files = sorted(REQUIREMENTS.glob("*.txt"))
    return hashlib.sha256(b"\0".join([python.encode(), *(file.read_bytes() for file in files)])).hexdigest()


def _other_python(folder: pathlib.Path, python: pathlib.Path) -> bool:
    return (folder / "bin" / "python").resolve() != python.resolve()


def home(bin_folder: pathlib.Path) -> pathlib.Path:
    """A home for programs of this environment that start pip themselves in environments of their own.

    How this machine configures pip, in files or in variables, is written down there.
    """
    listed = subprocess.run([bin_folder / "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    settings = configparser.RawConfigParser()
    settings.add_section("global")
    for line in listed.splitlines():
        key, value = line.split("=", 1)
        settings.set("global", key.rpartition(".")[2], ast.literal_eval(value))
    folder = HOME / bin_folder.parent.name
    file = folder / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as stream:
        settings.write(stream)
    return folder
