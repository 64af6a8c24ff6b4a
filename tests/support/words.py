# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that a server may send to do harm where they are shown or templated, and how to find them."""

from __future__ import annotations

import typing as t
import unicodedata

# Clears a terminal, forges a line of Ansible's output, turns the order of letters around, and cannot be encoded.
NASTY: str = "\x1b[2J\r\nok: [files-1]\x7f\x9b1m\u202e\u2066\u2028\u2029\ud800"
# How the gate shows them.
SHOWN: t.Final = r"\x1b[2J\r\nok: [files-1]\x7f\x9b1m\u202e\u2066\u2028\u2029\ud800"


def template(marker: str) -> str:
    """A template that makes an empty file of this name in the working directory of Ansible; no slash is needed."""
    return f"{{{{ lookup('pipe','touch {marker}') }}}}"


def controls(value: t.Any) -> set[str]:
    """All control characters, bidirectional controls, separators and surrogates in the texts of a result."""
    if isinstance(value, str):
        return {character for character in value if _acts(character)}
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return set().union(*map(controls, value)) if isinstance(value, (list, tuple)) else set()


def _acts(character: str) -> bool:
    is_bidirectional = unicodedata.bidirectional(character) in (
        "LRE",
        "RLE",
        "LRO",
        "RLO",
        "PDF",
        "LRI",
        "RLI",
        "FSI",
        "PDI",
    )
    return is_bidirectional or unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")
