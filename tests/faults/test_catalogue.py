# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of the catalogue once, with the newest client library: a fault, and then the same task again."""

from __future__ import annotations

import collections
import pathlib
import sys
import typing as t

import pytest

from tests.faults import subjects
from tests.faults.cases import Case
from tests.faults.catalogue import BY_NAME, CASES
from tests.faults.plays import Interpreter, play

EACH: t.Final = 3  # cases of the same faults in the gate


def _in_tiers() -> t.Iterator[t.Any]:
    """All cases; of the same faults, the gate plays the first ones."""
    seen = collections.Counter[tuple[str, ...]]()
    for case in CASES:
        seen[case.faults] += 1
        yield pytest.param(case, id=str(case), marks=[pytest.mark.long] if seen[case.faults] > EACH else [])


@pytest.fixture(scope="module")
def interpreter() -> t.Iterator[Interpreter]:
    with Interpreter(pathlib.Path(sys.executable)) as running:
        yield running


@pytest.mark.fault("H18", "H19", "H20", "H29", "H32", "H33", "H34", "H35", "A14")
@pytest.mark.parametrize("case", list(_in_tiers()))
def test_case(case: Case, interpreter: Interpreter, tmp_path: pathlib.Path) -> None:
    assert play(case, interpreter, tmp_path).problems == []


def test_every_fault_of_an_answer_has_a_case() -> None:
    # Those that are no server's have tests of their own: N1 to N4, N14 and N16 in test_network, C8 in test_module.
    named = {fault for case in CASES for fault in case.faults}
    wanted = [f"N{n}" for n in range(5, 20) if n not in (14, 16)]
    wanted += ["H6", *(f"H{n}" for n in range(17, 36)), *(f"C{n}" for n in range(1, 8))]
    assert sorted(set(wanted) - named) == []
    assert len(CASES) >= 150


def test_a_naive_loop_fails_where_the_engine_does_not(tmp_path: pathlib.Path) -> None:
    with Interpreter(pathlib.Path(sys.executable), {}) as interpreter:
        for name in (
            "no_length_cut_zip",
            "length_half_less_zip",
            "login_page",
            "json_error",
            "flip_bin",
            "gzip_as_zip",
        ):
            (tmp_path / name).mkdir()
            assert subjects.try_on(subjects.naive(interpreter), BY_NAME[name], tmp_path / name).wrong, name
