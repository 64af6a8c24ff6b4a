# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/troubleshooting.md explains every code that a module documents, and no other."""

from __future__ import annotations

import importlib
import re

import yaml

from tests.harness import tree

_PAGE = (tree.ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def test_every_code_is_explained_once() -> None:
    documented = set()
    for path in (tree.ROOT / "plugins" / "modules").glob("[a-z]*.py"):
        module = importlib.import_module(f"ansible_collections.storware.backup.plugins.modules.{path.stem}")
        code = yaml.safe_load(module.RETURN)["error"]["contains"]["code"]["description"]
        documented |= set(re.findall(r"\bV\((\w+)\)", str(code)))
    explained = re.findall(r"^\| `(\w+)` \|", _PAGE, re.M)
    assert sorted(explained) == sorted(documented)


def test_every_explanation_says_what_to_do() -> None:
    for row in re.findall(r"^\| `\w+` \|.*$", _PAGE, re.M):
        _code, what, then = (cell.strip() for cell in row.strip("|").split("|"))
        assert len(what) > 10, row
        assert len(then) > 5, row
