# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Older files of the same content: which ones go, and their removal. No network.

Other users may write to the directory. A name is removed and never followed, and nobody can have more removed than he
could remove himself: a receipt counts only if it belongs to a trusted user, and a file only if it does, too.
"""

from __future__ import annotations

import collections
import contextlib
import typing as t
from dataclasses import dataclass

from .._errors import Interrupted, StorwareError
from . import matching
from .matching import Index, Wanted
from .store import receipt
from .store.directory import Directory, translate_os_errors
from .store.receipt import Receipt


@dataclass(frozen=True)
class Plan:
    """here: files of the records. before: names of all files of their content, sorted. to_remove: in order."""

    here: list[Receipt]
    before: list[str]
    to_remove: list[Receipt]


def plan(directory: Directory, wanted: t.Sequence[Wanted], keep: int | None, *, predicts: bool) -> Plan:
    """Decide which files stay and which are removed. Raises StorwareError.

    keep: how many files of each content stay, those of the records included; None: all. predicts: whether the files of
    all records count as if they were there. Otherwise nothing is removed of a content of which one is missing.
    """
    with translate_os_errors(f"read {directory.path}"):
        trusted = (one for one in receipt.all_in(directory, most_foreign=0) if receipt.is_trusted(directory, one))
        index = Index(matching.select(wanted, trusted))
        own = {one.name: one for record in wanted for one in index.of_download(record)}
        here = {one.name: one for one in _files(directory, own.values())}
        before, to_remove = set(here), []
        for records in _by_content(wanted):
            series = index.series(records[0])
            before.update(one.name for one in _files(directory, series))
            if keep is not None and (predicts or all(_is_complete(one, index, here) for one in records)):
                others = keep - len({record.guid or record for record in records})
                found = matching.excess(series, own, others, lambda one: bool(receipt.file_of(directory, one)))
                to_remove += [one for one in found if _is_removable(directory, one)]
    return Plan(list(here.values()), sorted(before), to_remove)


def remove(directory: Directory, to_remove: t.Iterable[Receipt], removed: list[Receipt]) -> list[StorwareError]:
    """Remove files and then their receipts; return the failures, after which the others were still removed.

    removed: receives each receipt whose file is gone, also when a signal ends the removal. A receipt without its file
    is left then, which the next run removes: a file without a receipt would stay for ever.
    """
    failures: list[StorwareError] = []
    for one in to_remove:
        with _collecting(failures, f"remove {directory.path_of(one.name)}"):
            # Once more: the file of another download may have the name by now.
            if receipt.read(directory, one.name) == one and _is_removable(directory, one):
                directory.remove(one.name)
                removed.append(one)
    with _collecting(failures, f"sync {directory.path}"):
        directory.sync()  # not every file system keeps the order of two removals
        for one in removed:
            with _collecting(failures, f"remove {directory.path_of(receipt.receipt_name(one.name))}"):
                if receipt.read(directory, one.name) == one:
                    directory.remove(receipt.receipt_name(one.name))
        directory.sync()
    return failures


@contextlib.contextmanager
def _collecting(failures: list[StorwareError], doing: str) -> t.Iterator[None]:
    """Add a failure in the block to the list. doing: completes "Cannot ..."."""
    try:
        with translate_os_errors(doing):
            yield
    except Interrupted:
        raise
    except StorwareError as error:
        failures.append(error)


def _by_content(wanted: t.Iterable[Wanted]) -> t.Iterable[list[Wanted]]:
    found = collections.defaultdict(list)
    for one in wanted:
        found[matching.series_of(one.origin)].append(one)
    return found.values()


def _is_complete(wanted: Wanted, index: Index, here: t.Collection[str]) -> bool:
    """Whether the file of a record is there. An old receipt does not say of which content it is; others have to."""
    contents = (None, matching.series_of(wanted.origin))
    return any(one.name in here and matching.series_of(one.origin) in contents for one in index.of_download(wanted))


def _files(directory: Directory, receipts: t.Iterable[Receipt]) -> t.Iterator[Receipt]:
    return (one for one in receipts if receipt.file_of(directory, one))


def _is_removable(directory: Directory, one: Receipt) -> bool:
    """Whether the file is as its receipt says, or gone.

    Where others can give files further names, one with several may be any file of a trusted user.
    """
    if directory.stat(one.name) is None:
        return True
    found = receipt.file_of(directory, one)
    return found is not None and directory.trusts_file(found)
