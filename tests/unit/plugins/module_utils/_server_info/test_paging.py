# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of servers that are stricter, or count otherwise, than the simulator can."""

from __future__ import annotations

import typing as t
import urllib.parse

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._server_info import paging
from ansible_collections.storware.backup.plugins.module_utils._server_info.findings import Finding
from ansible_collections.storware.backup.plugins.module_utils._server_info.reading import Reading
from tests.support.answers import Answer, Request, answering
from tests.support.guids import guid

RECORDS = [{"guid": guid(f"user {number}")} for number in range(30)]


def findings(users: t.Callable[[int, int], Answer]) -> dict[str, Finding]:
    """What is found if this is the only list. users: the answer for a page and a size."""

    def answer(request: Request) -> Answer:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.path).query))
        return users(int(query.get("page", -1)), int(query.get("size", 1000)))

    with answering({"GET /api/cloud-users": answer}) as server:
        options = {option.name: option.default for option in _argspec.CONNECTION}
        own = {"url": server.url, "username": "ali", "password": "sesame", "allow_http": True, "retries": 0}
        with Client(_argspec.connection({**options, **own})) as client:
            return {finding.id: finding for finding in paging.check(Reading(client, str))}


def page(number: int, size: int) -> Answer:
    return Answer.json(RECORDS[number * size : (number + 1) * size] if number >= 0 else RECORDS)


def test_the_largest_size_that_is_not_refused_is_found() -> None:
    found = findings(lambda number, size: page(number, size) if size in (1, 10, 50, 1000) else Answer(400))
    assert (found["page_size"].holds, found["page_size"].value) == (False, 50)


@pytest.mark.parametrize(
    ("users", "text", "holds"),
    [
        (page, "start at 0", True),
        (lambda number, size: page(number - 1, size) if number else Answer(400), "page 0 is refused", False),
        (lambda number, size: page(max(number - 1, 0), size), "page 0 is page 1", False),
        (lambda _number, size: page(0, size), "page is ignored", False),
        (lambda _number, _size: Answer.json(RECORDS), "page and size are ignored", True),
        (lambda _number, _size: Answer.json(RECORDS[:1]), "two records would be needed", None),
    ],
)
def test_the_number_of_the_first_page_is_found(
    users: t.Callable[[int, int], Answer], text: str, holds: bool | None
) -> None:
    found = findings(users)["pages"]
    assert text in found.found
    assert found.holds is holds


def test_a_list_that_cannot_be_read_shows_nothing() -> None:
    found = findings(lambda _number, _size: Answer(403))
    assert [(finding.id, finding.holds) for finding in found.values()] == [("page_size", None)]
