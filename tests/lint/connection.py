# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of connection options that are written by hand are those of plugins/module_utils/_argspec.py."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from tests.harness import tree
from tests.lint import AGAIN
from tests.support import documentation

_TABLE: t.Final = "plugins/module_utils/_argspec.py"
_FRAGMENT: t.Final = "plugins/doc_fragments/connection.py"
_DOCUMENTED_BY: t.Final = "plugins/modules/cloud_download_info.py"  # any module with the fragment
_NOT_AN_OPTION: t.Final = "STORWARE_BACKUP_"  # of the collection's own processes


def problems() -> list[str]:
    """A sentence for each option that one of the lists lacks or has otherwise."""
    return [*_of_fragment(), *_of_role(), *_of_texts()]


def _of_fragment() -> list[str]:
    documented = documentation.plugins(tree.ROOT)[_DOCUMENTED_BY]
    found = []
    for option in _argspec.CONNECTION:
        about = documented.get(option.name, {})
        if (about.get("type"), about.get("default")) != (option.type, option.default):
            found.append(
                f"{_FRAGMENT}: the option {option.name} has not the type and the default of {_TABLE}: write "
                f"`type: {option.type}`{_default(option)}, {AGAIN}"
            )
        if f"E({option.environment})" not in str(about.get("description")):
            found.append(
                f"{_FRAGMENT}: the option {option.name} does not name its environment variable: write "
                f"E({option.environment}) into its description, {AGAIN}"
            )
    return found


def _default(option: _argspec.Option) -> str:
    return "" if option.default is None else f" and `default: {str(option.default).lower()}`"


def _of_role() -> list[str]:
    role = documentation.entry_points(tree.ROOT)["main"]["fetch_content_connection"]["options"]
    table = {option.name: (option.type, option.secret) for option in _argspec.CONNECTION}
    listed = {name: (about.get("type"), about.get("no_log", False)) for name, about in role.items()}
    return [
        f"{documentation.ROLE_SPECS}: the option {name} of fetch_content_connection is not what {_TABLE} has: write it "
        f"with the same type, and with no_log if it is secret, {AGAIN}"
        for name in sorted(table.keys() | listed.keys())
        if table.get(name) != listed.get(name)
    ]


def _of_texts() -> list[str]:
    """An option that got another name keeps no old one in pages and descriptions."""
    known = {option.environment for option in _argspec.CONNECTION}
    places = [*tree.ROOT.glob("*.md"), *(tree.ROOT / "docs").glob("*.md"), *(tree.ROOT / "plugins").rglob("*.py")]
    named = ((path, set(re.findall(r"\bSTORWARE_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))) for path in places)
    return [
        f"{path.relative_to(tree.ROOT)}: {name} is the environment variable of no option: correct it, {AGAIN}"
        for path, names in named
        for name in sorted(names - known)
        if not name.startswith(_NOT_AN_OPTION)
    ]
