# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of the catalogue has tests, and each test that it names is there."""

from __future__ import annotations

import ast
import functools
import typing as t

import pytest
import yaml

from tests.harness import tree

TESTS = tree.ROOT / "tests"
CATALOGUE: dict[str, dict[str, t.Any]] = yaml.safe_load((TESTS / "integration" / "catalogue.yml").read_text())

# H17 and H21 to H31 are about the bytes of a file alone, but for H29: tests/faults/test_catalogue.py counts those.
HTTP = [*range(1, 17), 18, 19, 20, 29, *range(32, 39)]
GROUPS = {"A": range(1, 17), "F": [18], "H": HTTP, "P": range(1, 18), "S": range(1, 19), "U": range(1, 13)}


@functools.cache
def _tests_of(path: str) -> set[str]:
    """The names of the test functions of a file under tests/."""
    parsed = ast.parse((TESTS / path).read_text())
    return {node.name for node in parsed.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_no_fault_is_forgotten() -> None:
    assert sorted(CATALOGUE) == sorted(f"{group}{number}" for group, numbers in GROUPS.items() for number in numbers)


@pytest.mark.parametrize("fault", CATALOGUE)
def test_a_fault_has_tests(fault: str) -> None:
    entry = CATALOGUE[fault]
    assert entry["fault"]
    assert entry["tests"]
    missing = [name for name in entry["tests"] if name.partition("::")[2] not in _tests_of(name.partition("::")[0])]
    assert missing == []
