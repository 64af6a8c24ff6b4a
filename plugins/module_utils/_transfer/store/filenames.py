# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for files: one safe path component out of whatever a server sends (RFC 6266 4.3). No I/O."""

from __future__ import annotations

import os
import re
import sys
import typing as t
import unicodedata

# Bytes. Leaves room for a guid, the receipt's suffix, and what users like to append.
_LONGEST: t.Final = 200
_LONGEST_EXTENSION: t.Final = 16
_RECEIPT_SUFFIX: t.Final = ".sha256"
# Categories of characters that show nothing or reorder what is shown: control, format, halves, separators of lines.
_INVISIBLE: t.Final = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Some servers leave a quote character around the name, or the underscore that replaced one.
_AROUND: t.Final = " _'\"`\t"
# Not allowed on the systems that restored mail is often copied to.
_FORBIDDEN: t.Final = re.compile(r'[<>:"|?*]')
_DEVICE: t.Final = re.compile(r"(?i)(con(in\$|out\$)?|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?")


def safe_name(name: str | None, fallback: str) -> str:
    """The last path component of a name that a server sent, harmless; fallback where nothing is left of it."""
    clean = "".join(character for character in name or "" if unicodedata.category(character) not in _INVISIBLE)
    clean = unicodedata.normalize("NFC", clean)  # of what is left: an invisible character keeps accents off
    encoding = sys.getfilesystemencoding()
    clean = clean.encode(encoding, "ignore").decode(encoding)  # a host's locale need not know all characters
    clean = re.split(r"[/\\]", clean)[-1]
    clean = _strip(_FORBIDDEN.sub("_", clean))
    clean = _strip(_shorten(clean))
    if clean.lower().endswith(_RECEIPT_SUFFIX):
        clean += ".bin"  # or it could pass for the receipt of another file
    return fallback if not clean or _DEVICE.fullmatch(clean) else clean


def names_for(name: str, guid: str) -> list[str]:
    """The names to try for a download, in this order: a name that is taken by another one is never used."""
    stem, extension = _split(name)
    return [name, f"{stem}-{guid[:8]}{extension}", f"{stem}-{guid}{extension}"]


def extension_of(name: str) -> str:
    """The extension in lower case, without its dot; empty if there is none."""
    return _split(name)[1][1:].lower()


def _strip(name: str) -> str:
    """Without what hides a file, makes it look like an option, or is dropped elsewhere."""
    return name.lstrip(_AROUND + ".-~").rstrip(_AROUND + ".")


def _shorten(name: str) -> str:
    stem, extension = _split(name)
    room = _LONGEST - len(os.fsencode(extension))
    return os.fsencode(stem)[:room].decode("utf-8", "ignore") + extension


def _split(name: str) -> tuple[str, str]:
    stem, extension = os.path.splitext(name)
    return (stem, extension) if len(os.fsencode(extension)) <= _LONGEST_EXTENSION else (name, "")
