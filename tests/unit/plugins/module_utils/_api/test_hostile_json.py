# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever JSON a server sends: a result or an error that is meant for people, and only the calls that were meant."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _cloud_download
from ansible_collections.storware.backup.plugins.module_utils._api import (
    backups,
    create,
    models,
    names,
    payloads,
    protected_entities,
)
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.polling import Poller, Report
from ansible_collections.storware.backup.plugins.module_utils._api.transport import JsonResponse
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._profile import Profile
from tests.support.examples import count
from tests.unit.plugins.module_utils._api.hostile import GUIDS, Hostile

Json = t.Any
LISTS = ("cloud-download", "tasks", "backups", "cloud-users", "cloud-sites", "cloud-groups", "nodes")
CALLS = re.compile(rf"GET /({'|'.join(LISTS)})|POST /cloud-download|(DELETE|PUT) /cloud-download/[0-9a-f-]{{36}}")


@pytest.mark.fault("A1", "A2")
def test_every_json_becomes_a_record_or_an_error_that_names_the_field() -> None:
    for seed in range(count(3000, 100_000)):
        hostile = Hostile(seed)
        decoders: list[tuple[t.Callable[[Json, str], t.Any], t.Callable[[], Json]]] = [
            (models.decode_cloud_download, hostile.download),
            (models.decode_backup, hostile.backup),
            (models.decode_task, hostile.task),
            (models.decode_entity, hostile.entity),
            (models.decode_reference, hostile.reference),
        ]
        decode, record = hostile.random.choice(decoders)
        try:
            decoded = decode(record(), "GET /here: [0]")
        except StorwareError as error:
            assert "unexpected shape: GET /here: [0]" in error.message, seed  # noqa: PT017
        else:
            assert isinstance(decoded.guid, str), seed
            result = decoded.to_result(None) if isinstance(decoded, models.Entity) else decoded.to_result()
            json.dumps(result, allow_nan=False)


class _HostileClient:
    """Answers anything, and notes what it was asked."""

    def __init__(self, hostile: Hostile) -> None:
        self._hostile = hostile
        self.calls: list[str] = []

    patience = 60.0  # seconds
    profile = Profile()

    def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in query)
        # Page after page of something else would be a list without end
        return self._answer(f"GET {path}") if ("page", "0") in query else JsonResponse(200, [])

    def post(self, path: str, body: Json, doing: str, deadline: float | None = None) -> JsonResponse:
        json.dumps(body)
        return self._answer(f"POST {path}")

    def put(self, path: str, body: Json, doing: str, deadline: float | None = None) -> JsonResponse:
        return self._answer(f"PUT {path}")

    def delete(self, path: str, doing: str, deadline: float | None = None) -> JsonResponse:
        return self._answer(f"DELETE {path}")

    def _answer(self, call: str) -> JsonResponse:
        self.calls.append(call)
        return JsonResponse(200, self._hostile.body(call))


def _wish(hostile: Hostile) -> dict[str, Json]:
    pick = hostile.random.choice
    options: dict[str, Json] = dict.fromkeys(
        ("protected_entities", "protected_entity_type", "guid", "backup", "node", "status", "update", "request")
    )
    options.update(state=pick(["present", "absent"]), mode=pick(names.DOWNLOAD_MODES), wait=pick([True, False]))
    if hostile.one_in(3):
        return {**options, "guid": list(GUIDS), "status": pick([None, "KEPT"])}
    known = [*GUIDS] if hostile.one_in(2) else [*GUIDS, "Alice", hostile.text() or "x"]
    wanted = [pick(known) for _name in range(hostile.random.randrange(1, 4))]
    return {
        **options,
        "protected_entities": wanted,
        "protected_entity_type": pick([None, *protected_entities.DOWNLOADABLE_TYPES]),
        "backup": pick([None, None, "latest"]),
        "backup_statuses": pick([["SUCCESS"], list(names.BACKUP_STATUSES)]),
        "node": pick([None, None, None, "node-1", GUIDS[0], hostile.text() or "x"]),
    }


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(params: t.Mapping[str, t.Any], tell: Report) -> Poller:
        now = [0.0]
        return Poller(30, 10, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + max(seconds, 1)))

    monkeypatch.setattr(_cloud_download, "_waiting", waiting)
    monkeypatch.setattr(create, "VISIBILITY_TIMEOUT", 15)


@pytest.mark.fault("A4")
def test_cloud_download_survives_every_server_and_calls_nothing_else() -> None:
    ends = {"ok": 0, "error": 0}
    called = set()
    for seed in range(count(3000, 100_000)):
        hostile = Hostile(seed)
        client = _HostileClient(hostile)
        check = hostile.one_in(4)
        try:
            result = _cloud_download.ensure(
                t.cast(Client, client), _wish(hostile), check, lambda warning: None, lambda text: None
            )
            json.dumps(result, allow_nan=False)
            ends["ok"] += 1
        except StorwareError as error:
            json.dumps([error.message, error.hint, error.details, error.results], allow_nan=False)
            ends["error"] += 1
        for call in client.calls:
            assert CALLS.fullmatch(call), (seed, call)
            assert not check or call.startswith("GET "), (seed, call)
        assert client.calls.count("POST /cloud-download") <= 2, seed
        called |= {call.split("/")[0] for call in client.calls}
    # The generated servers are not so bad that nothing is ever done
    assert min(ends.values()) > 100
    assert called == {"GET ", "POST ", "PUT ", "DELETE "}


@pytest.mark.fault("A2")
def test_the_inventory_survives_every_server() -> None:
    for seed in range(count(1000, 100_000)):
        hostile = Hostile(seed)
        fake = _HostileClient(hostile)
        client = t.cast(Client, fake)
        types = hostile.random.sample(protected_entities.DOWNLOADABLE_TYPES, hostile.random.randrange(1, 5))
        with contextlib.suppress(StorwareError):
            found = protected_entities.list_all(client, types, {})
            unique = protected_entities.unique_names(found)
            assert len(unique) == len(set(unique)) == len(found), seed
            latest = backups.latest(client, [entity.guid for entity in found], types, ["SUCCESS"])
            json.dumps([entity.to_result(latest.get(entity.guid)) for entity in found], allow_nan=False)
        assert all(CALLS.fullmatch(call) for call in fake.calls), seed
