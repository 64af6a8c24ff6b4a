# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fails each test in which code of the collection opened a file for writing that somebody could have planted."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import typing as t

import pytest

from tests.harness import tree

from . import compiled, sitecustomize

DIRECTORY: t.Final = pathlib.Path(__file__).resolve().parent
_COMPILED: t.Final = tree.BUILD / "compiled"


def begin() -> None:
    """Watch this process and those that it starts with its environment and sys.path."""
    descriptor, path = tempfile.mkstemp(prefix="audit-")
    os.close(descriptor)
    os.environ[sitecustomize.VARIABLE] = path
    _COMPILED.mkdir(parents=True, exist_ok=True)
    sys.path.append(str(DIRECTORY))
    sitecustomize.install()


def environment() -> dict[str, str]:
    """For programs that are started with an environment of their own. Benchmarks are not watched."""
    if sitecustomize.VARIABLE not in os.environ:
        return {}
    return {
        sitecustomize.VARIABLE: os.environ[sitecustomize.VARIABLE],
        compiled.VARIABLE: str(_COMPILED),
        "PYTHONPATH": str(DIRECTORY),
    }


@pytest.fixture(autouse=True)
def audited() -> t.Iterator[pathlib.Path]:
    """The file with what was noted, which is empty at the end."""
    path = pathlib.Path(os.environ[sitecustomize.VARIABLE])
    yield path
    if noted := path.read_text("utf-8"):
        os.truncate(path, 0)
        pytest.fail(noted)


def end() -> None:
    """Remove the file with what was noted."""
    os.unlink(os.environ.pop(sitecustomize.VARIABLE))
