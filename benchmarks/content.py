# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fetched: ZIP archives of random bytes, made once."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import typing as t
import zipfile
from dataclasses import dataclass

_ENTRY: t.Final = 1024 * 1024  # bytes; so many entries that checking the structure is work
_BLOCK: t.Final = 1024 * 1024


@dataclass(frozen=True)
class Content:
    """A file that the server has. shown: what a client has to print of it, where it is not to be kept in a file."""

    path: pathlib.Path
    size: int
    sha256: str
    shown: str = ""


def archive(path: pathlib.Path, size: int) -> Content:
    """A ZIP archive with about so many bytes of entries that are stored as they are; what is there is taken."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".new")
        with unfinished.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as made:
                for number, start in enumerate(range(0, size, _ENTRY)):
                    made.writestr(f"mail/{number:06}.eml", os.urandom(min(_ENTRY, size - start)))
            file.flush()
            os.fsync(file.fileno())  # or its writing back would be measured
        unfinished.rename(path)
    # Reading it also brings it to the page cache, from where the server shall send it.
    return Content(path, path.stat().st_size, digest(path))


def listing(path: pathlib.Path, guid: str) -> Content:
    """What the API says when it lists one download."""
    entity = {"guid": "4f6a5c1e-9f0b-4c5e-8a35-5b7c2a0d9e11", "name": "alice@example.com", "type": "CLOUD_USER"}
    record = {"guid": guid, "mode": "CLOUD_DOWNLOAD", "protectedEntity": entity, "expiration": 1795000000000}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([record]), encoding="utf-8")
    return Content(path, path.stat().st_size, digest(path), shown=entity["name"])


def digest(path: pathlib.Path) -> str:
    """SHA-256, in hex."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
    return sha256.hexdigest()
