# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tolerant in, strict out: the server's JSON becomes records, options become JSON."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._api import models, names, payloads
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._profile import Profile
from tests.support.guids import guid

FULL = {
    "guid": "f8f73bf9-2445-4bce-a7dd-753be3b40a67",
    "mode": {"name": "CLOUD_DOWNLOAD", "description": "Cloud download"},
    "state": {"name": "MOUNTED", "description": "Mounted"},
    "backup": {
        "guid": guid("b"),
        "size": 73400320,
        "status": "SUCCESS",
        "type": {"name": "FULL"},
        "backupTime": 1451649601000,
        "snapshotTime": 1451649600999,
        "protectedEntity": {"guid": guid("e"), "name": "Alice", "type": {"name": "CLOUD_USER"}},
    },
    "node": {"guid": guid("n"), "name": "node-1"},
    "mountedFileCount": 1,
    "expires": 99,
}


def test_a_full_record_becomes_what_modules_return() -> None:
    assert models.decode_cloud_download(FULL, "here").to_result() == {
        "guid": "f8f73bf9-2445-4bce-a7dd-753be3b40a67",
        "mode": "CLOUD_DOWNLOAD",
        "state": "MOUNTED",
        "protected_entity": {"guid": guid("e"), "name": "Alice", "type": "CLOUD_USER"},
        "backup": {
            "guid": guid("b"),
            "status": "SUCCESS",
            "type": "FULL",
            "size": 73400320,
            "backup_time": "2016-01-01T12:00:01Z",
            "snapshot_time": "2016-01-01T12:00:00Z",
        },
        "node": {"guid": guid("n"), "name": "node-1"},
        "mounted_file_count": 1,
        "mounted_file_system_count": None,
        "other": {"expires": 99},
    }


@pytest.mark.fault("A1")
@pytest.mark.parametrize(
    ("value", "expected"),
    [({"name": "X", "description": "y"}, "X"), ("X", "X"), (None, None), ({}, None), (3, None), ({"name": 3}, None)],
)
def test_enums_come_as_objects_or_strings(value: t.Any, expected: str | None) -> None:
    assert models.decode_enum(value) == expected


@pytest.mark.fault("A10")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1451649601000, "2016-01-01T12:00:01Z"),
        ("1451649601000", "2016-01-01T12:00:01Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1000, "1969-12-31T23:59:59Z"),
        (-30641760000000, "0999-01-01T00:00:00Z"),
        (10**30, None),
        ("soon", None),
        (None, None),
        (True, None),
        (float("nan"), None),
    ],
)
def test_times_are_iso_8601_in_utc_or_nothing(value: t.Any, expected: str | None) -> None:
    assert models.decode_time(value) == expected


def test_a_full_task_becomes_what_modules_return() -> None:
    record = {
        "guid": guid("t1"),
        "state": {"name": "RUNNING"},
        "type": "RESTORE",
        "statusInfo": "half of it",
        "progress": 66.5,
        "creationTime": 1451649601000,
        "finishTime": 1451677502000,
        "protectedEntity": {"guid": guid("e1"), "name": "Alice", "type": "CLOUD_USER"},
        "mountedBackup": {"guid": guid("m1")},
    }
    task = models.decode_task(record, "")
    assert task.mounted_backup == models.Reference(guid("m1"))
    assert task.to_result() == {
        "guid": guid("t1"),
        "state": "RUNNING",
        "type": "RESTORE",
        "status_info": "half of it",
        "progress": 66.5,
        "creation_time": "2016-01-01T12:00:01Z",
        "finish_time": "2016-01-01T19:45:02Z",
        "protected_entity": {"guid": guid("e1"), "name": "Alice", "type": "CLOUD_USER"},
    }


def test_a_full_entity_becomes_what_modules_return_and_only_the_rest_is_other() -> None:
    record = {
        "guid": guid("e1"),
        "name": "Alice",
        "email": "alice@example.com",
        "type": {"name": "CLOUD_USER"},
        "present": True,
        "restorable": False,
        "backupUpToDate": True,
        "lastBackup": 1451649601000,
        "policy": {"guid": guid("p1"), "name": "daily"},
        "cloudServiceProvider": {"guid": guid("c1"), "name": "tenant"},
        "userPurpose": "USER",
    }
    assert models.decode_entity(record, "").to_result(models.Backup(guid("b1"))) == {
        "guid": guid("e1"),
        "name": "Alice",
        "email": "alice@example.com",
        "type": "CLOUD_USER",
        "present": True,
        "restorable": False,
        "backup_up_to_date": True,
        "last_backup": "2016-01-01T12:00:01Z",
        "policy": {"guid": guid("p1"), "name": "daily"},
        "cloud_service_provider": {"guid": guid("c1"), "name": "tenant"},
        "latest_backup": models.Backup(guid("b1")).to_result(),
        "other": {"userPurpose": "USER"},
    }


def test_the_entity_beside_the_backup_is_understood_too() -> None:
    record = {"guid": guid("1"), "protectedEntity": {"guid": guid("e"), "name": "Alice"}}
    entity = models.decode_cloud_download(record, "here").protected_entity
    assert entity == models.Reference(guid("e"), "Alice")


@pytest.mark.fault("A2")
@pytest.mark.parametrize(
    ("record", "where"),
    [
        ([], "here should be an object, not a list"),
        (None, "here should be an object, not null"),
        ({}, "here.guid should be a GUID of 36 characters, not null"),
        ({"guid": 5}, "here.guid should be a GUID of 36 characters, not a number"),
        ({"guid": guid("1"), "backup": "b"}, "here.backup should be an object, not a string of 1 characters"),
        ({"guid": guid("1"), "node": [1]}, "here.node should be an object, not a list"),
    ],
)
def test_a_wrong_shape_names_the_field(record: t.Any, where: str) -> None:
    with pytest.raises(StorwareError, match=where.replace(".", r"\.")):
        models.decode_cloud_download(record, "here")


def test_large_sizes_keep_every_digit() -> None:
    record = {"guid": guid("b"), "size": 2**63 - 1}
    assert models.decode_backup(record, "here").size == 2**63 - 1


@pytest.mark.fault("A16")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "no"}, "no"),
        ({"error": {"message": "nested"}, "message": "outer"}, "nested"),
        ({"error": "text", "message": "outer"}, "outer"),
        ({"error": {}}, None),
        ([], None),
        ("text", None),
    ],
)
def test_the_servers_words_are_found(body: t.Any, message: str | None) -> None:
    assert models.decode_message(body) == message


def test_request_is_merged_and_null_removes() -> None:
    entities = [models.Reference("e1", "Alice", "CLOUD_USER"), models.Reference("e2")]
    request = {"mode": None, "x": "$entity_guids", "node": {"name": "y"}}
    body = payloads.create(Profile().create_body, entities, "CLOUD_DOWNLOAD", ["b"], "n", request)
    assert body == {
        "protectedEntities": [{"guid": "e1", "name": "Alice", "type": {"name": "CLOUD_USER"}}, {"guid": "e2"}],
        "backups": [{"guid": "b"}],
        "node": {"name": "y"},
        "x": ["e1", "e2"],
    }


def test_without_backup_and_node_the_body_says_nothing_of_them() -> None:
    entities = [models.Reference("e")]
    assert payloads.create(Profile().create_body, entities, "CLOUD_PST_DOWNLOAD", [], None, {}) == {
        "protectedEntities": [{"guid": "e"}],
        "mode": {"name": "CLOUD_PST_DOWNLOAD"},
    }


def test_update_is_sent_as_it_is() -> None:
    template = Profile().update_body
    assert payloads.update(template, "DONE", {}) == {"state": {"name": "DONE"}}
    wanted = {"state": "X", "deep": {"a": [None, "$status"]}}
    assert payloads.update(template, "DONE", wanted) == wanted
    assert payloads.update(template, None, {}) == {}


@pytest.mark.parametrize(
    ("current", "wanted", "same"),
    [
        ({"name": "A", "description": "d"}, {"name": "A"}, True),
        ({"name": "A"}, "A", True),
        ("A", {"name": "A"}, True),
        ("A", {"name": "B"}, False),
        (1, True, False),
        (1, 1, True),
        (1, 1.0, False),
        ([1, 2], [1, 2], True),
        ([2, 1], [1, 2], False),
        (None, None, True),
        (None, "A", False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
    ],
)
def test_what_counts_as_a_change(current: t.Any, wanted: t.Any, same: bool) -> None:
    assert (payloads.differences({"key": current}, {"key": wanted}) == {}) is same


def test_all_13_query_parameters_have_the_vendors_spelling() -> None:
    filters = {option: index for index, option in enumerate(names.DOWNLOAD_FILTERS)}
    assert [key for key, _value in payloads.query(filters, names.DOWNLOAD_FILTERS)] == [
        "backup", "direction", "filter", "finished-mount", "mode", "nameLike", "node", "orderBy", "page",
        "project-uuid", "protected-entity", "protected-entity-type", "size",
    ]  # fmt: skip
    assert payloads.query({"finished_mount": False, "page": 0, "mode": None}, names.DOWNLOAD_FILTERS) == [
        ("finished-mount", "false"),
        ("page", "0"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = sorted(
    {*FULL, *t.cast(dict[str, t.Any], FULL["backup"]), "statusInfo", "progress", "mountedBackup", "name", "email"}
)


@pytest.mark.fault("A2")
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8) | JSON)
def test_no_json_crashes_a_decoder(record: t.Any) -> None:
    for decode in (
        models.decode_cloud_download,
        models.decode_backup,
        models.decode_task,
        models.decode_entity,
        models.decode_reference,
    ):
        with contextlib.suppress(StorwareError):
            decode(record, "here")
