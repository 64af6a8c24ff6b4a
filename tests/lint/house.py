# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count files, lines, classes and functions of the plugins, from their sources alone."""

from __future__ import annotations

import ast
import pathlib
import typing as t

_COLUMNS: t.Final = ("files", "lines", "code", "longest", "classes", "functions", "names")


def table(root: pathlib.Path) -> str:
    """Return a table with a row for each folder of plugins/, their sum, and names per module.

    ``code`` is lines without the YAML blocks of documentation, ``longest`` the code of the longest file, ``names`` the
    sum of classes and functions, methods included.

    Args:
        root: A work tree of the collection, at any commit. Its files are read and never imported.
    """
    plugins = root / "plugins"
    folders: dict[str, list[dict[str, int]]] = {}
    for path in sorted(plugins.rglob("*.py")):
        folders.setdefault(path.parent.relative_to(root).as_posix(), []).append(_count(path))
    everything = [counts for folder in folders.values() for counts in folder]
    modules = len(list((plugins / "modules").glob("[!_]*.py")))
    rows = [_row(name, counts) for name, counts in folders.items()] + [_row("plugins, all", everything)]
    names, classes = (sum(counts[name] for counts in everything) for name in ("names", "classes"))
    head = f"{'':36}" + "".join(f"{name:>10}" for name in _COLUMNS)
    last = f"{names / modules:.0f} names and {classes / modules:.1f} classes for each of {modules} modules"
    return "\n".join([head, *rows, last])


def _row(name: str, files: list[dict[str, int]]) -> str:
    values = [
        max(counts[column] for counts in files) if column == "longest" else sum(counts[column] for counts in files)
        for column in _COLUMNS
    ]
    return f"{name:36}" + "".join(f"{value:10,}" for value in values)


def _count(path: pathlib.Path) -> dict[str, int]:
    source = path.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    lines = source.count("\n")
    blocks = [block for node in nodes if (block := documentation_block(node))]
    code = lines - sum((block.end_lineno or block.lineno) - block.lineno + 1 for block in blocks)
    classes = sum(isinstance(node, ast.ClassDef) for node in nodes)
    functions = sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)
    values = (1, lines, code, code, classes, functions, classes + functions)
    return dict(zip(_COLUMNS, values, strict=True))


def documentation_block(node: ast.AST) -> ast.Constant | None:
    """Return the string of DOCUMENTATION, EXAMPLES or RETURN, or of a part of a doc fragment, if the node assigns one.

    Source: ansible-core finds them in the same way, as constants in capitals that hold YAML.
    """
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str() as text) as value):
            return value if name.isupper() and "\n" in text and not name.startswith("_") else None
    return None
