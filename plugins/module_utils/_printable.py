# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control characters as escapes: a text of a server or a host must not act on the terminal that shows it."""

from __future__ import annotations

import functools
import typing as t

# Characters that act on a terminal, begin a line, reorder the text around them (Unicode TR36 3.1, Bidi_Control), or
# cannot be encoded: C0, DEL and C1, separators of lines, bidirectional controls, lone surrogates.
_CONTROLS: t.Final = (
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    *(0x200E, 0x200F),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),
)


def escape_controls(text: str, *, keep: str = "") -> str:
    r"""Return the text with its control characters as ``\n``, ``\x1b`` or ``\u202e``.

    Args:
        text: of any origin.
        keep: control characters that stay as they are, such as the line feeds of a traceback.
    """
    # isprintable is much faster than the table, and true of nearly everything.
    return text if text.isprintable() else text.translate(_escapes(keep))


@functools.lru_cache
def _escapes(keep: str) -> dict[int, str]:
    """The escape of each control character, by its number."""
    return {code: chr(code).encode("unicode_escape").decode("ascii") for code in _CONTROLS if chr(code) not in keep}
