# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that change while they are read, and counts that do not fit: nothing is lost unseen."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import pagination, payloads
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.transport import JsonResponse
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from tests.support.guids import guid, word

Json = t.Any
Page = tuple[t.Sequence[str], "int | None"]  # words of guids, and what the server says that there are


class Lists:
    """Answers a list page by page; of several passes each has its own pages, the last one stays."""

    patience = 60.0  # seconds

    def __init__(self, *passes: t.Sequence[Page]) -> None:
        self._passes = passes
        self.asked: list[int] = []  # the pages

    def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
        number = int(dict(query)["page"])
        self.asked.append(number)
        pages = self._passes[min(self.asked.count(0), len(self._passes)) - 1]
        letters, total = pages[number] if number < len(pages) else ((), pages[-1][1])
        return JsonResponse(200, [{"guid": guid(letter)} for letter in letters], total=total)

    def drain(self, size: int = 2) -> list[str]:
        client = t.cast(Client, self)
        return [word(record["guid"]) for record in pagination.list_all(client, "/things", [], "list the things", size)]


@pytest.mark.parametrize("total", [4, None])
def test_a_list_that_stands_still_is_read_once_when_it_is_counted(total: int | None) -> None:
    lists = Lists([("ab", total), ("cd", total)])
    assert lists.drain() == ["a", "b", "c", "d"]
    assert lists.asked.count(0) == (1 if total else 2)


def test_what_slips_from_page_to_page_is_found_by_reading_again() -> None:
    """Between the two pages b was deleted, so that c moved to the first one and was not seen."""
    lists = Lists([("ab", 4), ("d", 3)], [("ac", 3), ("d", 3)])
    assert lists.drain() == ["a", "c", "d"]


def test_a_list_that_never_stands_still_is_taken_when_nothing_that_is_counted_is_missing() -> None:
    """Another one came and went between the pages, each time: what any pass has seen is there."""
    lists = Lists([("ab", 4), ("c", 3)], [("ab", 4), ("d", 3)], [("ab", 4), ("c", 3)])
    assert lists.drain() == ["a", "b", "c", "d"]
    assert lists.asked.count(0) == pagination.MAX_PASSES


def test_what_comes_while_a_list_is_read_may_be_missing() -> None:
    """The newest stands first, on a page that was read before, and moves the others to a page that is read later."""
    lists = Lists([("ab", 3), ("bc", 4), ((), 5)], [("yx", 5), ("xa", 6), ("bc", 7), ((), 8)])
    assert lists.drain() == ["a", "b", "c", "y", "x"]
    assert lists.asked.count(0) == pagination.MAX_PASSES


def test_what_has_gone_while_a_list_is_read_is_not_asked_for() -> None:
    lists = Lists([("ab", 4), ("d", 3)], [("bd", 3), ("", 2)])
    assert set(lists.drain()) >= {"b", "d"}


def test_a_list_that_moves_and_stays_short_is_told() -> None:
    lists = Lists([("ab", 9), ("c", 10), ((), 11)])
    with pytest.raises(StorwareError, match="counts 9 records and shows 3"):
        lists.drain()


def test_a_count_that_is_never_reached_is_told() -> None:
    lists = Lists([("ab", 9), ("c", 9)])
    with pytest.raises(StorwareError, match="Cannot list the things: GET /things counts 9 records and shows 3") as told:
        lists.drain()
    assert told.value.code == "incomplete_list"
    assert told.value.retryable
    assert "X-Total-Count" in told.value.hint
    assert lists.asked.count(0) == pagination.MAX_PASSES


def test_without_a_count_two_passes_must_find_the_same() -> None:
    lists = Lists([("ab", None), ("c", None)], [("ab", None), ("cd", None)], [("ab", None), ("cd", None)])
    assert lists.drain() == ["a", "b", "c", "d"]
    assert lists.asked.count(0) == 3


def test_one_page_without_a_count_needs_no_second_pass() -> None:
    lists = Lists([("a", None)])
    assert lists.drain() == ["a"]
    assert lists.asked.count(0) == 1


@pytest.mark.parametrize("record", ["a", {"name": "a"}, {"guid": 7}, {"guid": "a"}, None])
def test_what_is_no_record_is_told_with_its_place(record: Json) -> None:
    class Odd(Lists):
        def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
            return JsonResponse(200, [{"guid": guid("a")}, record], total=2)

    with pytest.raises(StorwareError, match=r"GET /things: \[1\]"):
        Odd().drain()


def test_a_list_has_a_time_limit_however_many_pages_it_has() -> None:
    class Slow(Lists):
        patience = 0.05

        def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
            assert deadline is not None
            assert deadline - time.monotonic() <= self.patience
            time.sleep(0.02)
            return super().get(path, query, doing, deadline)

    pages: list[Page] = [((f"{number}",), None) for number in range(1000)]
    with pytest.raises(StorwareError, match=r"GET /things shows new records on page \d+ after 0.05 seconds") as caught:
        Slow(pages).drain()
    assert caught.value.code == "timeout"


def test_a_list_within_a_deadline_ends_with_the_earlier_of_the_two() -> None:
    class Noting:
        patience = 10.0
        deadline: float | None = None

        def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
            self.deadline = deadline
            return JsonResponse(200, [])

    client = Noting()
    reader = pagination.Within(t.cast(Client, client), lambda: 5.0)
    for asked, used in ((None, 5.0), (3.0, 3.0), (7.0, 5.0)):
        reader.get("/things", [], "list", asked)
        assert client.deadline == used
