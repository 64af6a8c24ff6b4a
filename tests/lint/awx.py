# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWX content is what the options make of it."""

from __future__ import annotations

import itertools

from tests import awx_content
from tests.harness import tree


def problems() -> list[str]:
    """A sentence for each file that is stale, or for the option that nobody has decided about."""
    try:
        wanted = awx_content.files()
    except awx_content.ContentError as undecided:
        return [str(undecided)]
    found = []
    for path, text in wanted.items():
        now = path.read_text(encoding="utf-8").splitlines()
        pairs = enumerate(itertools.zip_longest(now, text.splitlines(), fillvalue="nothing"), start=1)
        if differing := next(((line, new) for line, (old, new) in pairs if old != new), None):
            name, (line, new) = path.relative_to(tree.ROOT), differing
            found.append(
                f"{name}: line {line} is not what the options make of it, which is {new.strip()!r}: "
                "run `make awx-content`."
            )
    return found
