# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of opened files finds what another user could have planted, and nothing else."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

from tests.harness import tree
from tests.support.audit import compiled, parsed, plugin, sitecustomize
from tests.support.stranger import shared

__all__ = ["shared"]  # a fixture

# As functions of the collection would do it; each is called with a path.
_CODE = """
import os, tempfile
def by_name(path): open(path, "w").close()
def appended(path): open(path, "ab").close()
def not_followed(path): os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW))
def in_a_directory(path):
    place = os.open(os.path.dirname(path), os.O_RDONLY)
    os.close(os.open(os.path.basename(path), os.O_RDWR, dir_fd=place))
def read(path): open(path).close()
def new(path): os.unlink(path); open(path, "x").close()
def temporary(path): tempfile.NamedTemporaryFile(dir=os.path.dirname(path)).close()
"""


def _noted(audited: pathlib.Path, directory: pathlib.Path, target: pathlib.Path, function: str) -> str:
    """What is noted of one call, in this process and in one that it starts."""
    program = directory / "storware" / "backup" / "plugins" / "planted.py"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"{_CODE}\n{function}({str(target)!r})\n")
    target.touch()
    exec(compile(program.read_text(), str(program), "exec"), {})
    here = audited.read_text()
    subprocess.run([sys.executable, str(program)], env={**os.environ, **plugin.environment()}, check=True)
    both = audited.read_text()
    os.truncate(audited, 0)
    assert both == 2 * here
    return here


@pytest.mark.parametrize("function", ["by_name", "appended", "not_followed", "in_a_directory"])
def test_what_can_be_planted_is_found(
    audited: pathlib.Path, tmp_path: pathlib.Path, shared: pathlib.Path, function: str
) -> None:
    noted = _noted(audited, tmp_path, shared / "file", function)
    assert re.fullmatch(rf"'file' is opened with flags .* of mode 0o41777 by \('.*planted.py', '{function}'\)\n", noted)
    assert _noted(audited, tmp_path, tmp_path / "file", function) == ""


@pytest.mark.parametrize("function", ["read", "new", "temporary"])
def test_what_cannot_be_planted_is_none_of_it(
    audited: pathlib.Path, tmp_path: pathlib.Path, shared: pathlib.Path, function: str
) -> None:
    assert _noted(audited, tmp_path, shared / "file", function) == ""


def test_every_directory_that_the_collection_opens_files_in_is_known() -> None:
    """And every function that is said to look at the owner exists."""
    files = {path: path.read_text("utf-8") for path in (tree.ROOT / "plugins").rglob("*.py")}
    given = {
        found
        for text in files.values()
        for call in re.findall(r"os\.open\(.*dir_fd=.*", text)
        for found in re.findall(r"dir_fd=([\w.]+)", call)
    }
    assert given == {"place", "self.fd"}
    for end, function in sitecustomize.CHECKED:
        (text,) = (text for path, text in files.items() if path.as_posix().endswith(end))
        assert re.search(rf"def {function}\(.*?st_uid", text, re.S)


def test_code_of_archives_is_kept_by_its_source(tmp_path: pathlib.Path) -> None:
    """Wherever the archive lies, which is what a traceback names; a source that has changed is compiled anew."""
    kept = tmp_path / "kept"
    kept.mkdir()
    environment = {**os.environ, **plugin.environment(), compiled.VARIABLE: str(kept)}

    def printed(place: str, source: str) -> str:
        archive = tmp_path / f"{place}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("packed.py", source)
        program = f"import sys; sys.path.insert(0, {str(archive)!r}); import packed; packed.show()"
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, text=True, capture_output=True
        ).stdout

    source = "def show():\n    print(show.__code__.co_filename, {})\n"
    for place, value in (("first", 1), ("second", 1), ("second", 2)):
        assert printed(place, source.format(value)) == f"{tmp_path}/{place}.zip/packed.py {value}\n"
    assert len(list(kept.iterdir())) == 2


def _imports(tree: ast.Module) -> set[tuple[str, bool]]:
    """All imports, and whether each is one of the file itself, without which it cannot be used."""
    found = (node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {(ast.dump(node), node in tree.body) for node in found}


def test_a_shortened_tree_has_all_imports() -> None:
    for path in (tree.ROOT / "plugins").rglob("*.py"):
        whole, short = (ast.parse(path.read_text("utf-8")) for _time in range(2))
        assert _imports(parsed.shorten(short)) == _imports(whole), path
