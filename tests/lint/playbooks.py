# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comment at the top of a playbook names the variables that it takes from its user."""

from __future__ import annotations

import re

import yaml

from tests.harness import tree
from tests.lint import AGAIN
from tests.support import documentation


def problems() -> list[str]:
    """A sentence for each variable that is on one side only."""
    of_role = {name for options in documentation.entry_points(tree.ROOT).values() for name in options}
    found = []
    for file, named in documentation.playbooks(tree.ROOT).items():
        path = tree.ROOT / file
        files = [path, *sorted(path.parent.glob(f"tasks/{path.stem}_*.yml"))]
        plays = str([yaml.safe_load(one.read_text(encoding="utf-8")) for one in files])  # without comments
        defaulted = set(re.findall(rf"\b({path.stem}_\w+) \| default\(", plays))
        taken = {name for name in defaulted if f"'{name}': " not in plays}  # others are set in the playbook itself
        unused = {name for name in named - of_role if not re.search(rf"\b{name}\b", plays)}
        found += [
            f"{file}: the variable {name} is used and not described: name it in the comment at the top, {AGAIN}"
            for name in sorted(taken - named)
        ]
        found += [
            f"{file}: the variable {name} is described and not used: use it, or remove it from the comment, {AGAIN}"
            for name in sorted(unused)
        ]
    return found
