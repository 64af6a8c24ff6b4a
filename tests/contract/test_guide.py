# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/simulator.md: its examples are run, and its tables have every call, kind of fault, option and profile."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

from tests.harness import tree
from tests.simulator import profiles
from tests.simulator.faults import HOWS
from tests.simulator.process import Simulator
from tests.support import reader
from tests.support.reader import Reader

PAGE = (tree.ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
CONTROL = tree.ROOT / "tests" / "simulator" / "control.py"


def _first_cells(header: str) -> list[str]:
    """The code in the first cells of the table with this header."""
    table = PAGE.partition(f"\n| {header} |")[2].partition("\n\n")[0]
    rows = table.splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_the_examples_print_what_the_page_shows(tmp_path: pathlib.Path) -> None:
    with reader.served([sys.executable, "-m", "tests.simulator", "--speed", "50"], tree.ROOT) as told:
        Reader(tmp_path, tmp_path).follow(PAGE, reader.to_paste(told)[0])


def test_the_table_of_calls_has_all_of_them() -> None:
    routes = re.findall(r'Route\("([^"]+)", \S+, methods=\["(\w+)"\]\)', CONTROL.read_text(encoding="utf-8"))
    assert sorted(_first_cells("call")) == sorted(f"{method} {path}" for path, method in routes)


def test_the_table_of_faults_has_all_of_them() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (the (?:connection|server) .*) \|$", PAGE, re.M))
    assert rows == HOWS


def test_the_table_of_options_has_all_of_them() -> None:
    command = [sys.executable, "-m", "tests.simulator", "--help"]
    told = subprocess.run(command, cwd=tree.ROOT, check=True, capture_output=True, text=True).stdout
    options = set(re.findall(r"^  (--[a-z-]+)", told, re.M))
    for_programs = {"--print-json", "--until-stdin-closes"}
    in_examples = {"--list-switches"}
    named = {option.split()[0] for option in _first_cells("option")}
    assert named == options - for_programs - in_examples


def test_the_table_of_profiles_has_all_of_them() -> None:
    assert set(_first_cells("profile")) == {path.name for path in profiles.paths()}


def test_the_inventory_is_the_one_of_the_page(sim: Simulator) -> None:
    assert (len(sim.entities("users")), len(sim.entities("sites")), len(sim.entities("groups"))) == (11, 3, 3)
    assert [user["name"] for user in sim.entities("users")].count("Sam Smith") == 2
