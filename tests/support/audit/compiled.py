# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what Ansible compiles anew for each task, by the source that it was compiled from.

For each module of each play the controller parses some 80 files to see what they import, and the host compiles all of
them again, because they come in an archive, for which Python has no cache. That was a third of the time of a play.
"""

from __future__ import annotations

import _imp
import contextlib
import functools
import marshal
import os
import sys
import types
import typing as t
import zipimport

VARIABLE: t.Final = "DIRECTORY_OF_COMPILED_FILES"
_LOOKS_FOR_IMPORTS: t.Final = "ansible.executor.module_common"


def install() -> None:
    """Take from the directory that the environment names what any process has compiled before."""
    if directory := os.environ.get(VARIABLE):
        keep = functools.partial(_keep, directory)
        zipimport._compile_source = _of_archives(keep, zipimport._compile_source)  # type: ignore[attr-defined]
        sys.meta_path.insert(0, _Finder(keep))


def _of_archives(
    keep: t.Callable[[str, bytes, t.Callable[[], bytes]], bytes],
    compile_source: t.Callable[[str, bytes], types.CodeType],
) -> t.Callable[[str, bytes], types.CodeType]:
    """Make a compiler whose code has the path of the archive that asks for it, as always."""

    def compile_once(path: str, source: bytes) -> types.CodeType:
        code: types.CodeType = marshal.loads(keep("code", source, lambda: marshal.dumps(compile_source(path, source))))
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
        return code

    return compile_once


class _Finder:
    """Gives one module of Ansible another compile(), and leaves."""

    def __init__(self, keep: t.Callable[[str, bytes, t.Callable[[], bytes]], bytes]) -> None:
        self._keep = keep

    def find_spec(self, name: str, path: t.Any, target: t.Any = None) -> t.Any:
        if name != _LOOKS_FOR_IMPORTS:
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next(spec for spec in found if spec and spec.loader)
        loader: t.Any = spec.loader
        execute = loader.exec_module

        def execute_and_replace(module: types.ModuleType) -> None:
            import parsed  # type: ignore[import-not-found]  # beside this file; a host needs none of it

            execute(module)
            module.compile = parsed.compiler(self._keep)  # type: ignore[attr-defined]

        loader.exec_module = execute_and_replace
        return spec


def _keep(directory: str, kind: str, source: bytes, make: t.Callable[[], bytes]) -> bytes:
    """Return what was made of the source, now or before."""
    digest = _imp.source_hash(0, source).hex()
    path = os.path.join(directory, f"{sys.implementation.cache_tag}-{kind}-{len(source)}-{digest}")
    with contextlib.suppress(OSError), open(path, "rb") as kept:
        return kept.read()
    made = make()
    with contextlib.suppress(OSError):  # a process of another user, which may not write there
        with open(f"{path}.{os.getpid()}", "xb") as file:
            file.write(made)
        os.replace(file.name, path)  # whole from the start
    return made
