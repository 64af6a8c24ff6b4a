# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records survive the way over the wire in every form the server may choose, and what was sent counts as said."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._api import decoding, models, payloads
from ansible_collections.storware.backup.plugins.module_utils._profile import Profile
from tests.support.examples import examples

Json = t.Any

_TEXT = st.text(min_size=1, max_size=10)
_KEY = st.text("abcXYZ-_ä", max_size=5)
_GUID = st.uuids().map(str)
_CONSTANT = st.none() | _TEXT
_COUNT = st.none() | st.integers(0, 2**63 - 1)
_TIME = st.none() | st.datetimes(timezones=st.timezones()).map(
    lambda moment: models.decode_time(int(moment.timestamp()) * 1000)
)
_REFERENCE = st.builds(models.Reference, guid=_GUID, name=st.none() | _TEXT, type=_CONSTANT)
_NAMED = st.builds(models.Reference, guid=_GUID, name=st.none() | _TEXT)
_BACKUP = st.builds(
    models.Backup,
    guid=_GUID,
    status=_CONSTANT,
    type=_CONSTANT,
    size=_COUNT,
    backup_time=_TIME,
    snapshot_time=_TIME,
    protected_entity=st.none() | _REFERENCE,
)
_DOWNLOAD = st.builds(
    models.CloudDownload,
    guid=_GUID,
    mode=_CONSTANT,
    state=_CONSTANT,
    backup=st.none() | _BACKUP,
    node=st.none() | _NAMED,
    mounted_file_count=_COUNT,
    mounted_file_system_count=_COUNT,
)
_JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEY, inner, max_size=3),
    max_leaves=6,
)


class _Server:
    """Writes records as the server may: enums as objects or texts, what is missing as null or not at all."""

    def __init__(self, objects: bool, nulls: bool) -> None:
        self._objects = objects
        self._nulls = nulls

    def enum(self, name: str | None) -> Json:
        return {"name": name, "description": "some words"} if self._objects and name is not None else name

    def time(self, moment: str | None) -> Json:
        if moment is None:
            return None
        seconds = datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        return int(seconds.timestamp()) * 1000 + 999  # a part of a second is no part of what is kept

    def reference(self, thing: models.Reference | None) -> Json:
        if thing is None:
            return None
        return self.finish({"guid": thing.guid, "name": thing.name, "type": self.enum(thing.type)})

    def backup(self, backup: models.Backup | None) -> Json:
        if backup is None:
            return None
        return self.finish(
            {
                "guid": backup.guid,
                "status": self.enum(backup.status),
                "type": self.enum(backup.type),
                "size": backup.size,
                "backupTime": self.time(backup.backup_time),
                "snapshotTime": self.time(backup.snapshot_time),
                "protectedEntity": self.reference(backup.protected_entity),
            }
        )

    def download(self, download: models.CloudDownload) -> Json:
        return self.finish(
            {
                "guid": download.guid,
                "mode": self.enum(download.mode),
                "state": self.enum(download.state),
                "backup": self.backup(download.backup),
                "node": self.reference(download.node),
                "mountedFileCount": download.mounted_file_count,
                "mountedFileSystemCount": download.mounted_file_system_count,
            }
        )

    def finish(self, record: dict[str, Json]) -> dict[str, Json]:
        return record if self._nulls else {key: value for key, value in record.items() if value is not None}


_SERVERS = st.builds(_Server, st.booleans(), st.booleans())


def _over_the_wire(value: Json) -> Json:
    return json.loads(json.dumps(value))


@pytest.mark.fault("A1")
@examples(300, 20_000)
@given(_DOWNLOAD, _SERVERS)
def test_a_download_survives(download: models.CloudDownload, server: _Server) -> None:
    found = models.decode_cloud_download(_over_the_wire(server.download(download)), "here")
    entity = download.backup.protected_entity if download.backup else None
    assert found == dataclasses.replace(download, protected_entity=entity)
    assert found.to_result()["other"] == {}
    assert _over_the_wire(found.to_result()) == found.to_result()


@examples(300, 20_000)
@given(
    record=st.dictionaries(_KEY, _JSON, max_size=4),
    update=st.dictionaries(_KEY, _JSON, max_size=3),
    status=st.none() | _TEXT,
    server=_SERVERS,
)
def test_what_was_sent_counts_as_said_afterwards(
    record: dict[str, Json], update: dict[str, Json], status: str | None, server: _Server
) -> None:
    body = payloads.update(Profile().update_body, status, update)
    shown = {**body, "state": server.enum(status)} if status and "state" not in update else body
    said = decoding.decode(json.dumps({**record, **shown}).encode(), str)
    assert payloads.differences(said, body) == {}
