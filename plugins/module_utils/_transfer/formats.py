# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file formats that are known here, in one table: how a file begins, and what proves that it is whole."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from . import pst_check, zip_check
from .structure import CheckTime, Proof

HEAD: t.Final = 16  # bytes by which a format is told


@dataclass(frozen=True)
class Format:
    """name: as in results, and the extension of its files. starts: each of them begins with one of these.

    check: of a descriptor, the size in bytes, and whether contents are checked besides the structure. Raises Damaged,
    and StorwareError (``cannot_verify``) for contents that cannot be checked.
    covers_contents: whether a check of the contents covers every byte that belongs to the file's data.
    """

    name: str
    starts: tuple[bytes, ...]
    check: t.Callable[[int, int, bool, CheckTime], Proof]
    covers_contents: bool


_KNOWN: t.Final = (
    Format("zip", zip_check.STARTS, zip_check.check, covers_contents=True),
    Format("pst", (b"!BDN",), pst_check.check, covers_contents=False),
)
NAMES: t.Final = tuple(known.name for known in _KNOWN)


def detect(head: bytes) -> Format | None:
    """The format that a file with these first bytes (HEAD, or all that it has) has; None for an unknown one."""
    return next((known for known in _KNOWN if head.startswith(known.starts)), None)


def name_of(head: bytes) -> str | None:
    """The name of that format."""
    found = detect(head)
    return found.name if found else None
