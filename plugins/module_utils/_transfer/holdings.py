# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on a host, and whether it is still what the receipts say. No network, and nothing is written."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass

from .._errors import OptionError
from . import receipt, verify
from .directory import Directory, explaining, kind_of
from .receipt import Receipt

INTACT: t.Final = "intact"
CHANGED: t.Final = "changed"
MISSING: t.Final = "missing"
UNREADABLE: t.Final = "unreadable"

_BESIDE: t.Final = "The receipt of a file lies beside it, as NAME.sha256."


@dataclass(frozen=True)
class Held:
    """One file. path and receipt: None for a download of which nothing lies there.

    actual_size and actual_sha256: of a changed file; the digest only where the size is right.
    reason: why a file cannot be read.
    """

    guid: str
    state: str
    path: str | None = None
    receipt: Receipt | None = None
    actual_size: int | None = None
    actual_sha256: str | None = None
    reason: str | None = None


def survey(path: str, guids: t.Sequence[str] | None) -> list[Held]:
    """The files with receipts at path, a directory or one file, each read and compared; sorted by path.

    guids: only files of these downloads; those without any file come last. Raises OptionError for a path that cannot
    be looked at.
    """
    path = os.path.abspath(path)
    is_directory = os.path.isdir(path)
    place = path if is_directory else os.path.dirname(path)
    try:
        directory = Directory(place)
    except (ValueError, OSError) as error:  # ValueError: a NUL, or characters that the host's locale does not know
        raise OptionError("path", f"{place!r} cannot be looked into ({error})") from error
    with directory:
        receipts = _receipts(directory, None if is_directory else os.path.basename(path))
        if not receipts and guids is None:
            raise OptionError("path", f"no file with a receipt is there: {path!r}", hint=_BESIDE)
        wanted = None if guids is None else list(dict.fromkeys(guid.lower() for guid in guids))
        chosen = [found for found in receipts if wanted is None or found.guid in wanted]
        held = [_compare(directory, found) for found in sorted(chosen, key=lambda found: found.name)]
    present = {found.guid for found in chosen}
    return held + [Held(guid, MISSING) for guid in wanted or () if guid not in present]


def _receipts(directory: Directory, name: str | None) -> list[Receipt]:
    """Those of all files in the directory, or of the one with this name."""
    if name is None:
        with explaining(f"read {directory.path}"):
            return receipt.all_in(directory)
    with contextlib.suppress(ValueError):  # a NUL in the name
        found = receipt.read(directory, name)
        return [found] if found else []
    return []


def _compare(directory: Directory, said: Receipt) -> Held:
    path = directory.path_of(said.name)
    try:
        there = directory.stat(said.name)
        if there is None:
            return Held(said.guid, MISSING, path, said)
        if not stat.S_ISREG(there.st_mode):
            return Held(said.guid, UNREADABLE, path, said, reason=f"it is {kind_of(there.st_mode)}")
        with directory.reading(said.name) as fd:
            size = os.fstat(fd).st_size
            sha256 = verify.digest_of_file(fd, "sha256") if size == said.size else None
    except OSError as error:
        return Held(said.guid, UNREADABLE, path, said, reason=error.strerror or str(error))
    if sha256 == said.sha256:
        return Held(said.guid, INTACT, path, said)
    return Held(said.guid, CHANGED, path, said, actual_size=size, actual_sha256=sha256)
