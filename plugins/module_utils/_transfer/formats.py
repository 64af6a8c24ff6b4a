# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of file formats: whatever differs between them is one row here."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from . import pst_check, zip_check
from .structure import CheckTime, Proof

HEAD: t.Final = 16  # bytes by which a format is recognised

_UNKNOWN: t.Final = "bin"  # the extension of a file of no known format


@dataclass(frozen=True)
class Format:
    """A row of the table.

    name: as in results, and the extension of its files. starts: each file begins with one of these.
    check: verifies a descriptor, given the size in bytes, whether contents are checked besides the structure, and
    CheckTime. Raises StorwareError: ``corrupt``, and ``cannot_verify`` for contents that cannot be checked.
    covers_contents: whether a check of the contents covers every byte that belongs to the file's data, and so shows
    that parts of two files were put together.
    """

    name: str
    starts: tuple[bytes, ...]
    check: t.Callable[[int, int, bool, CheckTime], Proof]
    covers_contents: bool


FORMATS: t.Final = [
    Format(
        "zip",
        # Also with the marker of a split archive, and of one that fits into a single volume (APPNOTE.TXT 8.5.4, 8.5.5).
        tuple(marker + start for marker in (b"", *zip_check.MARKERS) for start in (b"PK\3\4", b"PK\5\6")),
        zip_check.check,
        covers_contents=True,
    ),
    Format("pst", (b"!BDN",), pst_check.check, covers_contents=False),
]


def detect(head: bytes) -> Format | None:
    """Return the format of a file with these first bytes (HEAD, or all that it has); None for an unknown one."""
    return next((known for known in FORMATS if head.startswith(known.starts)), None)


def name_of(head: bytes) -> str | None:
    """Return the name of that format."""
    found = detect(head)
    return found.name if found else None


def extension_for(format: Format | None) -> str:
    """Return the extension for a file of this format, without a dot."""
    return format.name if format else _UNKNOWN


def contradicts(extension: str, head: bytes) -> bool:
    """Whether a file with this extension (lower case, no dot) promises a format that its first bytes are not of."""
    return extension in (known.name for known in FORMATS) and name_of(head) != extension
