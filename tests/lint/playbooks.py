# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comment at the top of a playbook names the variables that it takes from its user."""

from __future__ import annotations

import re
import typing as t

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
        stem, read = path.stem, documentation.playbook_options(path).keys()
        files = [path, *sorted(path.parent.glob(f"tasks/{stem}_*.yml"))]
        plays = str([yaml.safe_load(one.read_text(encoding="utf-8")) for one in files])  # without comments
        defaulted = set(re.findall(rf"\b({stem}_\w+) \| default\(", plays))
        # Others are set in the playbook itself.
        taken = read | {name for name in defaulted if f"'{name}': " not in plays}
        # What is read has another name from then on.
        used = {f"{stem}_{name}" for name in re.findall(rf"\b{stem}_options\.(\w+)", plays)}
        used |= {name for name in named if re.search(rf"\b{name}\b", plays)}
        unused = (named | read) - of_role - used
        found += [
            f"{file}: the variable {name} is used and not described: name it in the comment at the top, {AGAIN}"
            for name in sorted(taken - named)
        ]
        found += [
            f"{file}: the variable {name} is described and not used: use it, or remove it from the comment, {AGAIN}"
            for name in sorted(unused)
        ]
        found += _of_types(file, stem)
    return found


def _of_types(file: str, stem: str) -> t.Iterator[str]:
    """What a playbook takes for a text must not be a number for the module that it is handed to."""
    modules = documentation.plugins(tree.ROOT)
    read = documentation.playbook_options(tree.ROOT / file)
    for module, option, name in documentation.playbook_uses(tree.ROOT / file):
        ours = read.get(f"{stem}_{name}", {}).get("type")
        theirs = modules[f"plugins/modules/{module}.py"].get(option, {}).get("type", "str")
        if ours != theirs:
            yield (
                f"{file}: {stem}_{name} has the type {ours}, and the option {option} of {module}, which it is handed "
                f"to, has {theirs}: write the same in both, {AGAIN}"
            )
