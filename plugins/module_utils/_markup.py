# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a web page that came in the place of something else."""

from __future__ import annotations

import html
import re
import typing as t

# Ends at the next tag, so that no text is looked at twice.
_TAG: t.Final = re.compile(r"<[^<>]*>")
_UNSHOWN: t.Final = re.compile(r"<(/?)(script|style)\b", re.IGNORECASE)


def without_markup(text: str) -> str:
    """The text without tags, scripts and styles, in time that grows with its length, whatever it is."""
    words: list[str] = []
    end, inside = 0, ""  # inside: the element whose content is not shown
    for tag in _TAG.finditer(text):
        if not inside:
            words.append(text[end : tag.start()])
        end = tag.end()
        unshown = _UNSHOWN.match(tag.group())
        if unshown:
            is_end, name = unshown.group(1), unshown.group(2).lower()
            inside = inside or name if not is_end else "" if name == inside else inside
    if not inside:
        words.append(text[end:])
    return " ".join(words)


def unescape(text: str) -> str:
    """The text with characters in place of their references, unless one is a number without end."""
    try:
        return html.unescape(text)
    except ValueError:
        return text
