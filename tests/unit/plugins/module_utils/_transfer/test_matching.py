# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which receipts a record asks for, and in which order."""

from __future__ import annotations

import dataclasses
import random
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer import matching
from ansible_collections.storware.backup.plugins.module_utils._transfer.matching import Index, Wanted
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Origin, Receipt
from tests.support.stored import ALICE, BOB, MODE, SERVER, guid_of, origin


def note(name: str, number: int, of: Origin, time: str = "2026-01-01T00:00:00Z", mtime_ns: int = 0) -> Receipt:
    return Receipt(name, guid_of(number), 1, "0" * 64, "structure", of, time, 0, mtime_ns)


def names(receipts: t.Iterable[Receipt]) -> list[str]:
    return [one.name for one in receipts]


def test_the_file_of_the_download_is_first_and_then_the_one_that_was_fetched_last() -> None:
    receipts = [
        note("own", 1, origin()),
        note("older", 2, origin(), "2026-01-02T00:00:00Z", 9),
        note("same second, written later", 3, origin(), "2026-01-03T00:00:00Z", 2),
        note("same second, a", 4, origin(), "2026-01-03T00:00:00Z", 1),
        note("same second, b", 5, origin(), "2026-01-03T00:00:00Z", 1),
    ]
    random.Random(1).shuffle(receipts)
    index = Index(receipts)
    newest_first = ["same second, written later", "same second, b", "same second, a", "older"]
    assert names(index.candidates(Wanted(guid_of(1), origin()))) == ["own", *newest_first]
    assert names(index.candidates(Wanted(None, origin()))) == [*newest_first, "own"]
    assert names(index.series(Wanted(guid_of(1), origin()))) == [*newest_first, "own"]


@pytest.mark.parametrize(
    "other",
    [
        origin(BOB),
        origin(server="https://other.example.com/api"),
        origin(server=SERVER.upper()),
        origin(mode="CLOUD_PST_DOWNLOAD"),
        origin(request="1" * 64),
        origin(entity_name="Alice", entity=None),
        Origin(),
    ],
)
def test_a_file_of_other_content_is_none(other: Origin) -> None:
    wanted = Wanted(None, origin())
    assert not list(matching.select([wanted], [note("other", 1, other)]))
    assert not Index([note("other", 1, other)]).candidates(wanted)
    assert not Index([note("plain", 1, origin())]).candidates(Wanted(None, dataclasses.replace(other, backup=None)))


def test_case_of_guids_and_the_slash_at_the_end_of_a_server_do_not_count() -> None:
    found = note("mail", 1, Origin(SERVER + "/", entity=ALICE.upper(), mode=MODE, backup=BOB.upper()))
    wanted = Wanted(None, origin(backup=BOB))
    assert list(matching.select([wanted], [found])) == [found]
    assert Index([found]).candidates(wanted) == [found]


def test_a_backup_counts_if_the_record_names_one() -> None:
    receipts = [note("monday", 1, origin(backup=guid_of(100))), note("unknown", 2, origin())]
    index = Index(receipts)
    assert names(index.candidates(Wanted(None, origin(backup=guid_of(100))))) == ["monday"]
    assert not index.candidates(Wanted(None, origin(backup=guid_of(101))))
    assert len(index.candidates(Wanted(None, origin()))) == 2
    assert len(index.series(Wanted(None, origin(backup=guid_of(101))))) == 2


def test_an_old_receipt_is_known_by_its_download_alone() -> None:
    old = note("old", 1, Origin())
    assert list(matching.select([Wanted(guid_of(1), origin())], [old])) == [old]
    assert Index([old]).candidates(Wanted(guid_of(1), origin())) == [old]
    assert not Index([old]).candidates(Wanted(None, Origin()))


@pytest.mark.parametrize(
    ("keep", "staying", "gone", "expected"),
    [
        (0, "e", "", "abcd"),
        (1, "e", "", "abc"),
        (4, "e", "", ""),
        (-1, "de", "", "abc"),
        (1, "a", "", "bcd"),  # the wanted file is the oldest
        (1, "e", "d", "ab"),  # a file that is gone takes the place of none
        (0, "e", "d", "abcd"),
        (1, "e", "bcd", ""),
        (2, "", "", "abc"),
    ],
)
def test_the_oldest_go_first_and_the_wanted_ones_never(keep: int, staying: str, gone: str, expected: str) -> None:
    series = [note(name, number, origin()) for number, name in enumerate("edcba")]
    found = matching.excess(series, staying, keep, lambda one: one.name not in gone)
    assert names(found) == list(expected)
