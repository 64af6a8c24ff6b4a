# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the bytecode of modules in archives, for which Python itself has no cache.

Ansible sends a module with all that it imports as an archive, so that each task of each play would compile it anew.
"""

from __future__ import annotations

import _imp
import contextlib
import marshal
import os
import sys
import types
import typing as t
import zipimport

VARIABLE: t.Final = "BYTECODE_OF_ARCHIVES"  # path of the directory for it


def install() -> None:
    """Take from the directory that the environment names what any process has compiled before."""
    if directory := os.environ.get(VARIABLE):
        zipimport._compile_source = _cached(directory, zipimport._compile_source)  # type: ignore[attr-defined]


def _cached(
    directory: str, compile_source: t.Callable[[str, bytes], types.CodeType]
) -> t.Callable[[str, bytes], types.CodeType]:
    def cached(path: str, source: bytes) -> types.CodeType:
        name = f"{sys.implementation.cache_tag}-{len(source)}-{_imp.source_hash(0, source).hex()}"
        kept = os.path.join(directory, name)
        try:
            with open(kept, "rb") as file:
                code: types.CodeType = marshal.load(file)
        except OSError:
            code = compile_source(path, source)
            with contextlib.suppress(OSError):  # a process of another user, which may not write there
                _keep(kept, marshal.dumps(code))
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
        return code

    return cached


def _keep(path: str, data: bytes) -> None:
    """Write a file that nobody sees before it is whole."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "xb") as file:
        file.write(data)
    os.replace(temporary, path)
