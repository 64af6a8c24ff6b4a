# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control characters as escapes: a text of a server or a host must not act on the terminal that shows it."""

from __future__ import annotations

import re
import typing as t

# Characters that act on a terminal, begin a line, reorder the text around them (Unicode TR36 3.1, Bidi_Control), or
# cannot be encoded: C0, DEL and C1, separators of lines, bidirectional controls, lone surrogates.
_CONTROLS: t.Final = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_controls(text: str, *, keep: str = "") -> str:
    r"""Return the text with its control characters as ``\n``, ``\x1b`` or ``\u202e``.

    Args:
        text: of any origin.
        keep: control characters that stay as they are, such as the line feeds of a traceback.
    """
    # isprintable is much faster than the pattern, and true of nearly everything.
    return text if text.isprintable() else _CONTROLS.sub(lambda found: _escape(found[0], keep), text)


def _escape(character: str, keep: str) -> str:
    return character if character in keep else character.encode("unicode_escape").decode("ascii")
