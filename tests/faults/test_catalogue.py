# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of the catalogue once, with the newest client library: a fault, and then the same task again."""

from __future__ import annotations

import pathlib
import sys
import typing as t

import pytest

from tests.faults.cases import Case
from tests.faults.catalogue import CASES
from tests.faults.plays import Interpreter, play


@pytest.fixture(scope="module")
def interpreter() -> t.Iterator[Interpreter]:
    with Interpreter(pathlib.Path(sys.executable)) as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, interpreter: Interpreter, tmp_path: pathlib.Path) -> None:
    assert play(case, interpreter, tmp_path).problems == []
