# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of pages that have a mark: those that a run makes, and blocks that a test runs. Standard library only."""

from __future__ import annotations

import pathlib
import re
import textwrap
import typing as t

_BLOCK: t.Final = re.compile(
    r"(?:<!-- test: (?P<how>run|output|make|file|shown) ?(?P<name>\S*) -->\n)?^ *```\w+\n(?P<text>.*?)^ *```$",
    re.M | re.S,
)


class Block(t.NamedTuple):
    """A block of code. ``how`` a test uses it, None without a mark; ``name`` of the file that it is, if any."""

    how: str | None
    name: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page in Markdown, without their indentation."""
    return [Block(found["how"], found["name"], textwrap.dedent(found["text"])) for found in _BLOCK.finditer(page)]


def insert(page: pathlib.Path, mark: str, text: str) -> None:
    """Put the text between the marks of this name. Raises ValueError when the page has none."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    before, found_begin, rest = page.read_text(encoding="utf-8").partition(begin)
    _old, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{page} has no place for {mark}")
    page.write_text(f"{before}{begin}{text}\n{end}{after}", encoding="utf-8")
