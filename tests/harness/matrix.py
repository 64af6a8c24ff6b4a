# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that depends on a version, with every version there is: ``make matrix``. Writes the table of the README.

Real playbooks (each time with another Python on the hosts) and the sanity tests with each ansible-core, unit tests with
each Python of managed hosts.
"""

from __future__ import annotations

import functools
import typing as t

from tests.harness import cores, marks, pythons, tree
from tests.harness.runner import Log, Step, StepSkipped

_README: t.Final = tree.ROOT / "README.md"

Playbooks = t.Callable[[tuple[cores.Core, ...], Log], None]
UnitTests = t.Callable[[str, Log], None]


class Matrix:
    """The steps, and what has become of them."""

    def __init__(self, playbooks: Playbooks, unit_tests: UnitTests) -> None:
        """playbooks: runs them with an ansible-core. unit_tests: runs them with a Python of hosts."""
        self._playbooks = playbooks
        self._unit_tests = unit_tests
        self._passed: dict[str, set[str]] = {}  # of each row, the columns
        self._with: dict[str, str] = {}  # the Pythons of each ansible-core

    def steps(self) -> list[Step]:
        """One for each cell, and one that writes the table."""
        found = []
        for which in cores.ALL:
            name = f"ansible-core {which[0].version}"
            found.append(Step(f"{name}: playbooks", functools.partial(self._cell, name, "playbooks", which)))
            found.append(Step(f"{name}: sanity", functools.partial(self._cell, name, "sanity", which)))
        found += [
            Step(f"Python {version}: modules", functools.partial(self._modules, version))
            for version in cores.MODULE_PYTHONS
        ]
        return [*found, Step("table of versions", self._write)]

    def _cell(self, row: str, column: str, which: tuple[cores.Core, ...], log: Log) -> None:
        core, version = cores.choose(which)
        if core.shortfall:
            raise StepSkipped(core.shortfall)
        self._with[row] = f"{version} | {core.host if core.host in pythons.find() else '-'}"
        if column == "sanity":
            cores.sanity(which, log)
        else:
            self._playbooks(which, log)
        self._passed.setdefault(row, set()).add(column)

    def _modules(self, version: str, log: Log) -> None:
        self._unit_tests(version, log)
        self._passed.setdefault(f"Python {version}", set()).add("modules")

    def _write(self, log: Log) -> None:
        log.write("\n" + self.table())
        log.telling, log.show = r"\||$", True
        marks.insert(_README, "matrix", self.table())

    def table(self) -> str:
        """In Markdown: what has passed."""
        lines = ["| | Python of the controller | of the hosts | playbooks | `ansible-test sanity` | unit tests |"]
        lines.append("|---|---|---|---|---|---|")
        for which in cores.ALL:
            row = f"ansible-core {which[0].version}"
            cells = [self._with.get(row, "- | -"), self._told(row, "playbooks"), self._told(row, "sanity"), ""]
            lines.append(f"| {' | '.join([row, *cells]).rstrip()} |")
        for version in cores.MODULE_PYTHONS:
            row = f"Python {version}"
            lines.append(f"| {row} of a managed host | | | | | {self._told(row, 'modules')} |")
        return "\n".join(lines)

    def _told(self, row: str, column: str) -> str:
        return "passed" if column in self._passed.get(row, set()) else "not tested"
