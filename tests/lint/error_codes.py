# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of error codes is what their registry makes of it, and every code that is raised is registered."""

from __future__ import annotations

import ast
import typing as t

from ansible_collections.storware.backup.plugins.module_utils._errors import CODES
from tests import error_codes
from tests.harness import tree
from tests.lint import AGAIN


def problems() -> list[str]:
    """A sentence for each file that is stale, and for each code that is on one side only."""
    stale = [
        f"{path.relative_to(tree.ROOT)}: the return value error does not follow from CODES of _errors.py: "
        + error_codes.AGAIN
        for path, wanted in error_codes.files().items()
        if path.read_text(encoding="utf-8") != wanted
    ]
    return [*stale, *[f"{problem}, {AGAIN}" for problem in error_codes.problems_of_page()], *_unregistered()]


def _unregistered() -> list[str]:
    found = []
    for path in sorted((tree.ROOT / "plugins").rglob("*.py")):
        for line, code in _raised(ast.parse(path.read_text(encoding="utf-8"))):
            if code not in CODES:
                found.append(
                    f"{path.relative_to(tree.ROOT)}:{line}: the error code {code} is not registered: add it to CODES "
                    f"of plugins/module_utils/_errors.py, {AGAIN}"
                )
    return found


def _raised(module: ast.Module) -> t.Iterator[tuple[int, str]]:
    """The constants that are given as ``code=``, or assigned to a name, attribute or class variable ``code``."""
    for node in ast.walk(module):
        value: ast.expr | None = None
        if isinstance(node, ast.keyword) and node.arg == "code":
            value = node.value
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [getattr(target, "attr", getattr(target, "id", "")) for target in targets]
            value = node.value if "code" in names else None
        values = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
        for each in values:
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value:
                yield each.lineno, each.value
