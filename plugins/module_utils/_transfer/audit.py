# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on a host, and whether it is still what the receipts say. No network, and nothing is written."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t
from dataclasses import dataclass

from .._errors import OptionError
from . import verification
from .store import receipt
from .store.directory import Directory, kind_of, translate_os_errors, user_name
from .store.receipt import Receipt

INTACT: t.Final = "intact"
CHANGED: t.Final = "changed"
MISSING: t.Final = "missing"
UNREADABLE: t.Final = "unreadable"
FOREIGN: t.Final = "foreign"

_BESIDE: t.Final = "The receipt of a file is stored beside it, as NAME.sha256."


@dataclass(frozen=True)
class FileStatus:
    """One file. path and receipt: None for a download of which nothing lies there.

    actual_size and actual_sha256: of a changed file; the digest only where the size is right.
    reason: why a file cannot be read, or is foreign. owner: of the file.
    """

    guid: str
    state: str
    path: str | None = None
    receipt: Receipt | None = None
    actual_size: int | None = None
    actual_sha256: str | None = None
    reason: str | None = None
    owner: str | None = None


def audit_directory(
    path: str, guids: t.Sequence[str] | None, owner: int | None = None, *, reads: bool = True
) -> list[FileStatus]:
    """The files with receipts at path, a directory or one file, each compared; sorted by path.

    guids: only files of these downloads; those without any file come last. owner: the number of a user whose files
    and receipts count, besides those of this user and of root. reads: whether files are read to compare digests;
    otherwise their sizes alone decide. Raises OptionError for a path that cannot be read.
    """
    path = os.path.abspath(path)
    is_directory = os.path.isdir(path)
    place = path if is_directory else os.path.dirname(path)
    try:
        directory = Directory(place, owner)
    except (ValueError, OSError) as error:  # ValueError: a NUL, or characters that the host's locale does not know
        raise OptionError("path", f"{place!r} cannot be read ({error})") from error
    with directory:
        receipts = _receipts(directory, None if is_directory else os.path.basename(path))
        if not receipts and guids is None:
            raise OptionError("path", f"no file with a receipt is there: {path!r}", hint=_BESIDE)
        wanted = None if guids is None else list(dict.fromkeys(guid.lower() for guid in guids))
        chosen = [found for found in receipts if wanted is None or found.guid in wanted]
        statuses = [_compare(directory, found, reads) for found in sorted(chosen, key=lambda found: found.name)]
    present = {found.guid for found in chosen}
    return statuses + [FileStatus(guid, MISSING) for guid in wanted or () if guid not in present]


def _receipts(directory: Directory, name: str | None) -> list[Receipt]:
    """Those of all files in the directory, or of the one with this name."""
    if name is None:
        with translate_os_errors(f"read {directory.path}"):
            return list(receipt.all_in(directory))
    with contextlib.suppress(ValueError):  # a NUL in the name
        found = receipt.beside(directory, name)
        return [found] if found else []
    return []


def _compare(directory: Directory, said: Receipt, reads: bool) -> FileStatus:
    status = FileStatus(said.guid, MISSING, directory.path_of(said.name), said)
    try:
        there = directory.stat(said.name)
        if there is None:
            return status
        status = dataclasses.replace(status, owner=user_name(there.st_uid))
        if not stat.S_ISREG(there.st_mode):
            return dataclasses.replace(status, state=UNREADABLE, reason=f"it is {kind_of(there.st_mode)}")
        with directory.reading(said.name) as fd:
            return _compare_content(directory, said, status, fd, reads)
    except OSError as error:
        return dataclasses.replace(status, state=UNREADABLE, reason=error.strerror or str(error))


def _compare_content(directory: Directory, said: Receipt, status: FileStatus, fd: int, reads: bool) -> FileStatus:
    found = os.fstat(fd)
    for what, uid in (("the file", found.st_uid), ("the receipt", said.uid)):
        if uid is not None and not directory.trusts(uid):
            return dataclasses.replace(status, state=FOREIGN, reason=f"{what} belongs to {user_name(uid)}")
    has_size = found.st_size == said.size
    sha256 = verification.digest_of_file(fd, "sha256") if has_size and reads else None
    if sha256 == said.sha256 or (has_size and not reads):
        return dataclasses.replace(status, state=INTACT)
    return dataclasses.replace(status, state=CHANGED, actual_size=found.st_size, actual_sha256=sha256)
