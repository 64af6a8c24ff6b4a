# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of downloads as options of modules that compare files."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _records
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from ansible_collections.storware.backup.plugins.module_utils._transfer.matching import Wanted
from tests.support.stored import ALICE, SERVER, guid_of, origin, record_of


def test_only_some_fields_of_a_record_count() -> None:
    given = record_of(guid_of(1).upper(), backup=guid_of(9), request="0" * 64, status={"name": "any"})
    bare = {"protected_entity": {"guid": ALICE}, "mode": "CLOUD_DOWNLOAD"}
    assert _records.wanted_files(SERVER + "/", [given, bare]) == [
        Wanted(guid_of(1), origin(backup=guid_of(9), request="0" * 64)),
        Wanted(None, origin()),
    ]


def test_a_long_address_of_a_server_is_the_one_that_receipts_have() -> None:
    ((_guid, found),) = _records.wanted_files("https://" + "x" * 300, [record_of()])
    assert found.server == "https://" + "x" * 192


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"guid": "x"}, "guid of entry 2"),
        ({"guid": 1}, "guid of entry 2"),
        ({"protected_entity": None}, "entry 2 has no protected_entity.guid"),
        ({"protected_entity": ALICE}, "protected_entity of entry 2"),
        ({"protected_entity": {"guid": None}}, "entry 2 has no protected_entity.guid"),
        ({"protected_entity": {"guid": ALICE[1:]}}, "guid of protected_entity of entry 2"),
        ({"mode": None}, "entry 2 has no mode"),
        ({"mode": ["CLOUD_DOWNLOAD"]}, "mode of entry 2"),
        ({"backup": guid_of(9)}, "backup of entry 2"),
        ({"backup": {"guid": "latest"}}, "guid of backup of entry 2"),
        ({"request": {"node": 1}}, "request of entry 2"),
    ],
)
def test_a_bad_record_is_named_by_its_number(bad: dict[str, t.Any], words: str) -> None:
    with pytest.raises(OptionError, match=f"^records: {words}") as raised:
        _records.wanted_files(SERVER, [record_of(), {**record_of(), **bad}])
    assert raised.value.option == "records"


def test_sizes_of_backups_are_those_that_are_known() -> None:
    records: list[dict[str, t.Any]] = [
        {"guid": guid_of(1).upper(), "backup": {"size": 2**40}},
        record_of(guid_of(2), backup=guid_of(9)),
        {"guid": guid_of(3), "backup": {"size": -1}},
    ]
    assert _records.sizes(records) == {guid_of(1): 2**40}


@pytest.mark.parametrize("bad", [1.5, "1 GiB", True, [1]])
def test_a_bad_size_is_named_by_its_number(bad: t.Any) -> None:
    with pytest.raises(OptionError, match="records: size of the backup of entry 2 is no number"):
        _records.sizes([record_of(), {**record_of(), "backup": {"size": bad}}])
