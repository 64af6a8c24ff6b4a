# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages: their size, the number of the first one, their overlap, and the count of all records."""

from __future__ import annotations

import itertools
import typing as t

from .. import _profile
from .._api import names
from .._api.transport import Observation
from .findings import Finding
from .reading import Reading, guids_of, is_list, total_of

_DEFAULT: t.Final = _profile.Profile().page_size
_SMALLER: t.Final = (100, 50, 20, 10)  # sizes for a server that refuses the default
_LISTS: t.Final = (names.CLOUD_USERS, names.BACKUPS, names.TASKS, names.CLOUD_DOWNLOADS)
_MOST_UNPAGED: t.Final = 5000  # records of a list that is read without pages


def check(reading: Reading) -> list[Finding]:
    """Return the findings about pages. The size that the server takes is used from then on."""
    path, first = _longest_list(reading)
    if first is None or not is_list(first):
        return [Finding("page_size", "no list can be read", seen=first)]
    return [
        _check_size(reading, path, first),
        _check_numbers(reading, path, first),
        *_check_unpaged(reading, path, first),
    ]


def _longest_list(reading: Reading) -> tuple[str, Observation | None]:
    """Return the list that shows most about pages, and its first page of the largest size that is not refused."""
    pages: dict[str, Observation | None] = {}
    for number, size in itertools.product((0, 1), (_DEFAULT, *_SMALLER)):
        reading.size = size
        pages = {path: reading.page(path, number, size) for path in _LISTS}
        if any(map(is_list, pages.values())):
            break
    path = max(_LISTS, key=lambda path: (is_list(pages[path]), len(guids_of(pages[path]))))
    return path, pages[path]


def _check_size(reading: Reading, path: str, first: Observation) -> Finding:
    asked, count, total = reading.size, len(guids_of(first)), total_of(first)
    if count > asked:
        return Finding("page_size", "size is ignored, and pages are larger", True, seen=first)
    if count == asked:
        found = f"a page has {count} records"
        return Finding("page_size", found, asked == _DEFAULT, None if asked == _DEFAULT else asked, first)
    if total is None:
        second = reading.page(path, 1, asked)
        has_more = bool(set(guids_of(second)) - set(guids_of(first)))
    else:
        has_more = total > count
    if count and has_more:
        reading.size = count
        return Finding("page_size", f"a page has {count} records, also if more are requested", False, count, first)
    if asked != _DEFAULT:
        return Finding("page_size", f"a size of more than {asked} is refused", False, asked, first)
    return Finding("page_size", f"the longest list that was read has {count} records in one page", seen=first)


def _check_numbers(reading: Reading, path: str, longest: Observation) -> Finding:
    """Compare pages of one record, because every server takes a size of 1."""
    if max(len(guids_of(longest)), total_of(longest) or 0) < 2:
        return Finding("pages", "a list with two records would be needed", seen=longest)
    zero, one, two = (reading.page(path, number, 1) for number in (0, 1, 2))
    first, second, third = (guids_of(page)[:1] for page in (zero, one, two))
    if len(guids_of(zero)) > 1:
        return Finding("pages", "page and size are ignored: a page has all records", True, seen=zero)
    if not is_list(zero) and is_list(one):
        return Finding("pages", "page 0 is refused, and page 1 is not", False, seen=zero)
    if not first or not second:
        return Finding("pages", "pages of one record cannot be read", seen=zero)
    if first != second:
        return Finding("pages", "pages start at 0, and do not overlap", True, seen=zero)
    if guids_of(reading.page(path, 1, 1))[:1] != first:
        return Finding("pages", "a page was repeated once; it is read again", True, seen=one)
    if third and third != second:
        return Finding("pages", "pages start at 1: page 0 is page 1", False, seen=zero)
    return Finding("pages", "page is ignored: all pages have the first records", False, seen=one)


def _check_unpaged(reading: Reading, path: str, first: Observation) -> list[Finding]:
    count, total = len(guids_of(first)), total_of(first)
    if (total or count) > _MOST_UNPAGED:
        return [Finding("total_count", _where_counted(first, None), True, seen=first)]
    unpaged = reading.get(path)
    findings = [Finding("total_count", _where_counted(first, unpaged), True, seen=first)]
    if is_list(unpaged):
        known = max(count, total or 0)
        shown = len(guids_of(unpaged))
        found = "it has all records" if shown >= known else f"it has {shown} records, and the list has more"
        findings.append(Finding("unpaged_lists", found, True, seen=unpaged))
    return findings


def _where_counted(paged: Observation, unpaged: Observation | None) -> str:
    counted = [name for name, seen in (("paged", paged), ("unpaged", unpaged)) if total_of(seen) is not None]
    return f"{' and '.join(counted)} lists have it" if counted else "no list has it"
