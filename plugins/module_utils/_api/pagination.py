# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists, found page by page so that nothing is missing and no server can make it go on for ever."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from .._errors import StorwareError
from .._profile import Profile
from . import decoding, models, names, payloads
from .client import Client
from .transport import MAX_BODY, JsonResponse

MAX_PAGES: t.Final = 10_000
# All answers for a list are held at a time, so that they have bounds together, too. A list of 100,000 records has some
# 100 MiB and three million values.
MAX_BYTES: t.Final = 4 * MAX_BODY
MAX_VALUES: t.Final = 10 * decoding.MAX_VALUES
MAX_PASSES: t.Final = 3  # a list that changed while it was read is read again


@dataclass(frozen=True)
class Within:
    """Reads that end at a deadline of ``time.monotonic()``, which is asked for at each of them."""

    client: Client
    deadline: t.Callable[[], float]

    @property
    def profile(self) -> Profile:
        """How the server answers."""
        return self.client.profile

    @property
    def patience(self) -> float:
        """Seconds that a whole list may take."""
        return self.client.patience

    def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
        """Read."""
        limit = self.deadline()
        return self.client.get(path, query, doing, min(limit, deadline or limit))


Reader = t.Union[Client, Within]


def _incomplete(doing: str, why: str, hint: str, *, retryable: bool = False) -> StorwareError:
    """Return the error for a list of which the server shows less than it counts, or whose pages have no end."""
    return StorwareError(f"Cannot {doing}: {why}", code="incomplete_list", hint=hint, retryable=retryable)


@dataclass
class _Pass:
    """One pass over all pages."""

    records: dict[str, decoding.Json] = field(default_factory=dict)  # by guid: a record seen twice is one record
    totals: list[int] = field(default_factory=list)  # what the server counted, page by page
    pages: int = 0  # that had new records

    def add(self, page: list[decoding.Json], path: str) -> int:
        """Take the page in; returns how many of its records are new."""
        before = len(self.records)
        for index, record in enumerate(page):
            self.records[models.decode_guid(record, f"GET {path}: [{index}]")] = record
        new = len(self.records) - before
        self.pages += bool(new)
        return new

    @property
    def least(self) -> int:
        """Return how many records must have been seen: all counted at the beginning, less those deleted since.

        What came meanwhile may be on a page that was read before. Without a count there is no contradiction.
        """
        return min(self.totals[0], self.totals[-1]) if self.totals else 0

    def is_stable(self, previous: _Pass | None) -> bool:
        """Return whether no record can have slipped from one page to another unseen.

        The count stayed the same and is reached; where the server gives none, a second pass found the same.
        """
        if self.totals:
            return len(set(self.totals)) == 1 and len(self.records) >= self.totals[0]
        return self.pages <= 1 or (previous is not None and previous.records.keys() == self.records.keys())


def list_all(
    reader: Reader, path: str, query: payloads.Query, doing: str, size: int | None = None
) -> list[decoding.Json]:
    """All records of a list, each guid once, in the server's order.

    size: records of a page, those of the server profile unless given. Works with and without X-Total-Count, with a
    server that caps or ignores ``size``, and with pages that repeat.
    A list that changes while it is read is read again, MAX_PASSES times at most. If it never stands still, the result
    is all that any pass has seen, some of what came or went included, when that is no less than what was counted at the
    beginning of the last pass and has not gone since. Raises StorwareError with the code ``incomplete_list`` or
    ``invalid_response``, and ApiError.
    """
    size = size or reader.profile.page_size
    passes: list[_Pass] = []
    read_page = _page_reader(reader, path, query, doing, size)
    for _attempt in range(MAX_PASSES):
        found = _read_pass(read_page, path, size)
        if found.is_stable(passes[-1] if passes else None):
            return list(found.records.values())
        passes.append(found)
    seen = {guid: record for each in passes for guid, record in each.records.items()}
    least = passes[-1].least
    if len(seen) >= least:
        return list(seen.values())
    why = f"GET {path} counts {least} records and shows {len(seen)}"
    hint = f"Run the task again; if it stays so, the server's {names.TOTAL_COUNT} does not fit its list."
    raise _incomplete(doing, why, hint, retryable=True)


def page(
    reader: Reader, path: str, query: payloads.Query, doing: str, deadline: float | None = None
) -> tuple[list[decoding.Json], JsonResponse]:
    """One call: the records, and the answer that they are in."""
    answer = reader.get(path, query, doing, deadline)
    records = [] if answer.body is None else answer.body  # 204 stands for an empty list
    if not isinstance(records, list):
        raise models.malformed(f"GET {path}", "a list", records)
    return records, answer


def _page_reader(
    reader: Reader, path: str, query: payloads.Query, doing: str, size: int
) -> t.Callable[[int], tuple[list[decoding.Json], int | None]]:
    """Return a function from the number of a page to its records and the server's count of all records, if any.

    It raises StorwareError when all pages together take too long or hold too much.
    """
    deadline = time.monotonic() + reader.patience
    held_bytes = held_values = 0

    def read_page(number: int) -> tuple[list[decoding.Json], int | None]:
        nonlocal held_bytes, held_values
        if time.monotonic() >= deadline:
            raise StorwareError(
                f"Cannot {doing}: GET {path} shows new records on page {number} after {reader.patience:g} seconds",
                code="timeout",
                hint="Narrow the list down with a filter, or set a larger timeout: a list may take 20 times as long.",
                retryable=True,
            )
        if number >= MAX_PAGES:
            hint = "Narrow the list down with a filter; if it stays so, the server's pages have no end."
            raise _incomplete(doing, f"GET {path} still shows new records on page {number}", hint)
        asked = [*query, (names.PAGE, str(number)), (names.SIZE, str(size))]
        records, answer = page(reader, path, asked, doing, deadline)
        held_bytes += answer.size
        held_values += answer.values
        if held_bytes > MAX_BYTES or held_values > MAX_VALUES:
            why = f"the pages of GET {path} have more than {MAX_BYTES} bytes or {MAX_VALUES} values"
            raise _incomplete(doing, why, "Narrow the list down with a filter.")
        return records, answer.total

    return read_page


def _read_pass(read_page: t.Callable[[int], tuple[list[decoding.Json], int | None]], path: str, size: int) -> _Pass:
    found = _Pass()
    number, fruitless = 0, 0
    while True:
        records, total = read_page(number)
        if total is not None:
            found.totals.append(total)
        new = found.add(records, path)
        fruitless = 0 if new else fruitless + 1
        # A short page proves nothing: the server may cap the size. An empty one, a reached count, a page larger
        # than asked (paging is ignored) or a page that has nothing new even when asked for again do.
        reached = total is not None and len(found.records) >= total
        if not records or reached or len(records) > size or fruitless == 2:
            return found
        number += 1 if new else 0
