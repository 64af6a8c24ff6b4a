# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests can notice a change: those that run the changed line, or that use the changed constant."""

from __future__ import annotations

import ast
import hashlib
import json
import pathlib
import typing as t

from tests.harness import tree
from tests.mutation.jobs import Result
from tests.mutation.mutants import Mutant
from tests.mutation.workshop import FOLDER, Workshop


class Reach:
    """What tests run, and how long each takes."""

    def __init__(self, measured: t.Iterable[Result], sources: t.Mapping[str, str]) -> None:
        self.seconds: dict[str, float] = {}
        self._lines: dict[str, dict[int, set[str]]] = {path: {} for path in sources}
        for result in measured:
            self.seconds.update(result["seconds"])
            for path in sources:
                for line, tests in result["lines"].get(path, {}).items():
                    self._lines[path].setdefault(int(line), set()).update(tests)
        self._uses = {path: _uses(text) for path, text in sources.items()}

    def tests(self, path: str, mutant: Mutant) -> list[str]:
        """The tests that can notice this change, the fastest first."""
        if mutant.function:
            found = self._run(path, range(mutant.first_line, mutant.last_line + 1))
        else:
            found = self._using(mutant.defines) or self._run(path, self._lines[path])
        return sorted(found, key=lambda test: (self.seconds[test], test))

    def _run(self, path: str, lines: t.Iterable[int]) -> set[str]:
        return {test for line in lines for test in self._lines[path].get(line, ())}

    def _using(self, name: str) -> set[str]:
        """The tests that run a line with this name, or with a name that is made from it."""
        names, found = [name], set[str]()
        for used in names:
            for path, uses in self._uses.items():
                found |= self._run(path, uses.lines.get(used, ()))
                names += [other for other in uses.makes.get(used, ()) if other not in names]
        return found


class _Uses(t.NamedTuple):
    lines: dict[str, set[int]]  # of functions that hold the name
    makes: dict[str, set[str]]  # names of the module or of a class that are made from it


def _uses(source: str) -> _Uses:
    uses = _Uses({}, {})

    def walk(node: ast.AST, in_function: bool, defines: str) -> None:
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name and in_function:
            uses.lines.setdefault(name, set()).add(t.cast(ast.expr, node).lineno)
        elif name and defines and name != defines:
            uses.makes.setdefault(name, set()).add(defines)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and not in_function:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            defines = target.id if isinstance(target, ast.Name) else ""
        for child in ast.iter_child_nodes(node):
            walk(child, in_function or isinstance(node, ast.FunctionDef), defines)

    walk(ast.parse(source), in_function=False, defines="")
    return uses


def measure(workshop: Workshop, test_file: str) -> Result:
    """Run the tests of one file on unchanged code; what an earlier run measured is taken where no file is another."""
    digest = _digest(test_file)
    kept = FOLDER / "reach" / f"{test_file.replace('/', '-')}.json"
    if kept.exists():
        known = json.loads(kept.read_text())
        if known["digest"] == digest:
            result: Result = known["result"]
            return result
    result = workshop.run({"files": [test_file], "tests": None})
    if result["status"] != "passed":
        raise SystemExit(f"{test_file} does not pass on unchanged code:\n{workshop.log.read_text()}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"digest": digest, "result": result}))
    return result


def _digest(test_file: str) -> str:
    """Of all that the tests of one file can depend on in this repository."""
    hashed = hashlib.sha256()
    for name in tree.tracked_and_new():
        other_test = name.name.startswith("test_") and str(name) != test_file
        if name.suffix == ".py" and name.parts[0] in ("plugins", "tests") and not other_test:
            hashed.update(f"{name}\0".encode() + pathlib.Path(tree.ROOT, name).read_bytes())
    return hashed.hexdigest()
