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
from . import matching, verification
from .store import receipt
from .store.directory import Directory, kind_of, open_existing, translate_os_errors, user_name
from .store.receipt import Receipt

INTACT: t.Final = "intact"
CHANGED: t.Final = "changed"
MISSING: t.Final = "missing"
UNREADABLE: t.Final = "unreadable"
FOREIGN: t.Final = "foreign"

_BESIDE: t.Final = "The receipt of a file is stored beside it, as NAME.sha256."
_MOST_FOREIGN: t.Final = 1000  # receipts of other users that are read to find one that a record asks for


@dataclass(frozen=True)
class FileStatus:
    """One file. path and receipt: None for a download of which nothing lies there.

    actual_size and actual_sha256: of a changed file; the digest only where the size is right.
    reason: why a file cannot be read, or is foreign. owner: of the file. predecessor: when the newest other file of the
    same content was fetched, for a record; ISO 8601 in UTC.
    """

    guid: str | None
    state: str
    path: str | None = None
    receipt: Receipt | None = None
    actual_size: int | None = None
    actual_sha256: str | None = None
    reason: str | None = None
    owner: str | None = None
    predecessor: str | None = None


OnRead = t.Callable[[str, int], None]  # takes the name of a file and its size in bytes
Read = t.Callable[[Receipt, int], t.Optional[str]]


def _ignore(_name: str, _size: int) -> None:
    """Take no notice of a file."""


def _digest(on_read: OnRead) -> Read:
    """Return a function that reads the open file of a receipt, and returns its SHA-256."""

    def read(said: Receipt, fd: int) -> str | None:
        on_read(said.name, said.size)
        return verification.digest_of_file(fd, "sha256")

    return read


class Audit(t.NamedTuple):
    """files: in order. free: bytes that are free for this user in the file system; None if that is not known.

    receipts: names in the directory that are those of receipts, whatever has them.
    """

    files: list[FileStatus]
    free: int | None
    receipts: int


def audit_directory(
    path: str, guids: t.Sequence[str] | None, owner: int | None = None, *, reads: bool = True, on_read: OnRead = _ignore
) -> Audit:
    """The files with receipts at path, a directory or one file, each compared; sorted by path.

    guids: only files of these downloads; those without any file come last. owner: the number of a user whose files
    and receipts count, besides those of this user and of root. reads: whether files are read to compare digests;
    otherwise their sizes alone decide. on_read: called before a file is read. Raises OptionError for a path that cannot
    be read.
    """
    path = os.path.abspath(path)
    is_directory = os.path.isdir(path)
    place = path if is_directory else os.path.dirname(path)
    with open_existing(place, owner) as directory:
        read = _digest(on_read) if reads else None
        receipts = _receipts(directory, None if is_directory else os.path.basename(path))
        if not receipts and guids is None:
            raise OptionError("path", f"no file with a receipt is there: {path!r}", hint=_BESIDE)
        wanted = None if guids is None else list(dict.fromkeys(guid.lower() for guid in guids))
        chosen = [found for found in receipts if wanted is None or found.guid in wanted]
        statuses = [_compare(directory, found, read) for found in sorted(chosen, key=lambda found: found.name)]
        free, number = _free(directory), _number_of_receipts(directory)
    present = {found.guid for found in chosen}
    return Audit(statuses + [FileStatus(guid, MISSING) for guid in wanted or () if guid not in present], free, number)


def audit_records(
    path: str,
    wanted: t.Sequence[matching.Wanted],
    owner: int | None = None,
    *,
    reads: bool = True,
    on_read: OnRead = _ignore,
) -> Audit:
    """The file in the directory for each record, in their order; only files that may be one of them are read.

    Without records, no receipt is read either.

    owner, reads, on_read: as above. Raises OptionError for a path that is no directory.
    """
    with open_existing(os.path.abspath(path), owner) as directory:
        with translate_os_errors(f"read {directory.path}"):
            receipts = receipt.all_in(directory, most_foreign=_MOST_FOREIGN) if wanted else ()
            found = list(matching.select(wanted, receipts))
        ours = matching.Index(one for one in found if receipt.is_trusted(directory, one))
        others = matching.Index(one for one in found if not receipt.is_trusted(directory, one))
        read = _digest(on_read) if reads else None
        files = [_find(directory, one, ours, others, read) for one in wanted]
        return Audit(files, _free(directory), _number_of_receipts(directory))


def _find(
    directory: Directory, wanted: matching.Wanted, ours: matching.Index, others: matching.Index, read: Read | None
) -> FileStatus:
    """The first intact file among the candidates, or else the first of them. Those of others never hide ours."""
    candidates = ours.candidates(wanted) or others.candidates(wanted)[:1]
    status = None
    for one in candidates:
        compared = _compare(directory, one, read)
        status = compared if status is None or compared.state == INTACT else status
        if compared.state == INTACT:
            break
    status = status or FileStatus(wanted.guid, MISSING)
    own = status.receipt.name if status.receipt else None
    before = (one for one in ours.series(wanted) if one.name != own and receipt.file_of(directory, one))
    return dataclasses.replace(status, predecessor=next((one.time for one in before), None))


def _free(directory: Directory) -> int | None:
    with translate_os_errors(f"read {directory.path}"):
        space = directory.space()
    return space[0] if space else None


def _number_of_receipts(directory: Directory) -> int:
    with translate_os_errors(f"read {directory.path}"):
        return receipt.count(directory)


def _receipts(directory: Directory, name: str | None) -> list[Receipt]:
    """Those of all files in the directory, or of the one with this name."""
    if name is None:
        with translate_os_errors(f"read {directory.path}"):
            return list(receipt.all_in(directory))
    with contextlib.suppress(ValueError):  # a NUL in the name
        found = receipt.beside(directory, name)
        return [found] if found else []
    return []


def _compare(directory: Directory, said: Receipt, read: Read | None) -> FileStatus:
    status = FileStatus(said.guid, MISSING, directory.path_of(said.name), said)
    try:
        there = directory.stat(said.name)
        if there is None:
            return status
        status = dataclasses.replace(status, owner=user_name(there.st_uid))
        if not stat.S_ISREG(there.st_mode):
            return dataclasses.replace(status, state=UNREADABLE, reason=f"it is {kind_of(there.st_mode)}")
        with directory.reading(said.name) as fd:
            return _compare_content(directory, said, status, fd, read)
    except OSError as error:
        return dataclasses.replace(status, state=UNREADABLE, reason=error.strerror or str(error))


def _compare_content(directory: Directory, said: Receipt, status: FileStatus, fd: int, read: Read | None) -> FileStatus:
    found = os.fstat(fd)
    for what, uid in (("the file", found.st_uid), ("the receipt", said.uid)):
        if uid is not None and not directory.trusts(uid):
            return dataclasses.replace(status, state=FOREIGN, reason=f"{what} belongs to {user_name(uid)}")
    has_size = found.st_size == said.size
    sha256 = read(said, fd) if has_size and read else None
    if sha256 == said.sha256 or (has_size and not read):
        return dataclasses.replace(status, state=INTACT)
    return dataclasses.replace(status, state=CHANGED, actual_size=found.st_size, actual_sha256=sha256)
