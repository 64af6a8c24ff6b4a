# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mutation testing changes, and which tests it asks about a change. `make mutation` does the rest."""

from __future__ import annotations

import pytest

from tests.mutation.jobs import Result
from tests.mutation.mutants import mutants
from tests.mutation.reach import Reach


def changes(body: str) -> set[str]:
    """What becomes of the one line of a function."""
    source = f"def f():\n    {body}\n"
    return {mutant.applied(source).removeprefix("def f():\n    ").removesuffix("\n") for mutant in mutants(source)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a < b", {"return None", "return (a <= b)"}),
        ("return 'ü', a is b", {"return None", "return '', a is b", "return 'ü', (a is not b)"}),
        ("x = a and b and c", {"x = (b and c)", "x = (a and c)", "x = (a and b)"}),
        ("x = not a", {"x = a"}),
        ("x = [a for a in b if a]", {"x = [a for a in b if True]"}),
        ("x = a if b else c", {"x = a if (not b) else c"}),
        ("x = a + b * 2", {"x = (a - b * 2)", "x = a + (b // 2)", "x = a + b * 3"}),
        ("x += y", {"pass", "x -= y"}),
        ("x = a[b:c]", {"x = a[:c]", "x = a[b:]"}),
        ("x.y = z", {"pass"}),
        ("x()", {"pass"}),
        ("x = f(a, b=c)", {"x = f(a)"}),
        ("x = min(a)", {"x = max(a)"}),
        ("x = a.lstrip()", {"x = a.rstrip()"}),
        ("x = True", {"x = False"}),
        ("raise E", {"pass"}),
        ("while a: break", {"while (not a): break", "while a: continue"}),
    ],
)
def test_what_is_changed(body: str, expected: set[str]) -> None:
    assert changes(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        '"""Words."""',
        "x = 'text for people'",
        "x = f'{y}text'",
        "x: t.Final[list] = y",
        "x = t.cast('X', y)",
        "raise AssertionError",
        "x = f(hint='word')",
    ],
)
def test_what_nobody_would_notice_is_left_alone(body: str) -> None:
    assert changes(body) == set()


def test_one_of_the_exceptions_is_no_longer_caught() -> None:
    source = "try:\n    x\nexcept (A, B):\n    y\n"
    assert {"except ((A,)):", "except ((B,)):"} <= {
        line for mutant in mutants(source) for line in mutant.applied(source).splitlines()
    }


def test_the_tests_that_run_a_line_or_use_a_constant_are_asked_the_fastest_first() -> None:
    source = "A = 5\nB = A\n\ndef f(x):\n    return x\n\ndef g(y):\n    return y + B\n"
    lines = {"m.py": {"5": ["one", "two"], "8": ["two", "three"]}}
    measured: Result = {"status": "", "test": "", "seconds": {"one": 3, "two": 2, "three": 1}, "lines": lines}
    reach = Reach([measured], {"m.py": source})
    asked = {mutant.replacement: reach.tests("m.py", mutant) for mutant in mutants(source) if mutant.kind != "operator"}
    in_f, in_g = mutants(source)[1:3]
    assert reach.tests("m.py", in_f) == ["two", "one"]
    assert reach.tests("m.py", in_g) == ["three", "two"]
    assert asked["6"] == ["three", "two"]
