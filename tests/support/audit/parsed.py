# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiler of the part of Ansible that looks for imports, which keeps them."""

from __future__ import annotations

import ast
import pickle
import typing as t

Keep = t.Callable[[str, bytes, t.Callable[[], bytes]], bytes]


def compiler(keep: Keep) -> t.Callable[..., t.Any]:
    """Make a function like compile()."""

    def compile_once(source: str | bytes, filename: str, mode: str, flags: int = 0) -> t.Any:
        if flags != ast.PyCF_ONLY_AST:
            return compile(source, filename, mode, flags)
        text = source if isinstance(source, bytes) else source.encode()
        return pickle.loads(
            keep("imports", text, lambda: pickle.dumps(shorten(compile(source, filename, mode, flags))))
        )

    return compile_once


def shorten(tree: ast.Module) -> ast.Module:
    """Leave of functions and classes, which may be large, their imports only, which are optional ones anyway."""
    for position, statement in enumerate(tree.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            imports: list[ast.stmt] = [n for n in ast.walk(statement) if isinstance(n, (ast.Import, ast.ImportFrom))]
            tree.body[position] = ast.If(ast.Constant(True), imports, [])
    return tree
