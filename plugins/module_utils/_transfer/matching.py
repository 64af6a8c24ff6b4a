# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a host that records of downloads ask for: receipts in, choice out. No input or output."""

from __future__ import annotations

import collections
import typing as t

from .store.receipt import Origin, Receipt

# The content of which each file is one state: server, protected entity, mode and request
Series = tuple[str, str, str, t.Optional[str]]


class Wanted(t.NamedTuple):
    """The file that a record asks for.

    guid: of the download; None if there is none yet. origin: of the content, as receipts have it. Without a backup, it
    is that of any backup.
    """

    guid: str | None
    origin: Origin


def series_of(origin: Origin) -> Series | None:
    """The content that an origin describes; None if it does not say enough, as in old receipts."""
    if not (origin.server and origin.entity and origin.mode):
        return None
    return origin.server.rstrip("/"), origin.entity.lower(), origin.mode, origin.request


def select(wanted: t.Iterable[Wanted], receipts: t.Iterable[Receipt]) -> t.Iterator[Receipt]:
    """The receipts of these downloads, and those of the same content."""
    guids, contents = set(), set()
    for one in wanted:
        guids.add(one.guid)
        contents.add(series_of(one.origin))
    for receipt in receipts:
        series = series_of(receipt.origin)
        if receipt.guid in guids or (series and series in contents):
            yield receipt


class Index:
    """Receipts by download and by content, the one whose file was fetched last first."""

    def __init__(self, receipts: t.Iterable[Receipt]) -> None:
        self._by_guid: dict[str | None, list[Receipt]] = collections.defaultdict(list)
        self._by_series: dict[Series | None, list[Receipt]] = collections.defaultdict(list)
        for receipt in sorted(receipts, key=lambda one: one.fetch_order, reverse=True):
            self._by_guid[receipt.guid].append(receipt)
            if series := series_of(receipt.origin):
                self._by_series[series].append(receipt)

    def of_download(self, wanted: Wanted) -> t.Sequence[Receipt]:
        """The receipts of the download of a record."""
        return self._by_guid.get(wanted.guid, ())

    def series(self, wanted: Wanted) -> t.Sequence[Receipt]:
        """The receipts of the same content, of all backups."""
        return self._by_series.get(series_of(wanted.origin), ())

    def candidates(self, wanted: Wanted) -> list[Receipt]:
        """The receipts of the files that may be the wanted one: first those of its download."""
        backup = (wanted.origin.backup or "").lower()
        same = [one for one in self.series(wanted) if not backup or (one.origin.backup or "").lower() == backup]
        return list(dict.fromkeys([*self.of_download(wanted), *same]))


def excess(
    series: t.Iterable[Receipt], staying: t.Collection[str], keep: int, counts: t.Callable[[Receipt], bool]
) -> list[Receipt]:
    """The receipts whose turn it is to go, the oldest first.

    series: the newest first. staying: names of files that stay in any case. keep: how many of the others stay, of
    those that count: a file that is gone or that somebody has changed takes the place of none.
    """
    kept, found = 0, []
    for one in (receipt for receipt in series if receipt.name not in staying):
        if kept >= keep:
            found.append(one)
        elif counts(one):
            kept += 1
    return found[::-1]
