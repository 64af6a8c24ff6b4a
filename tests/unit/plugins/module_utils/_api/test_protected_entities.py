# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From names to guids and back: each name means one entity, and each node is the one that was meant."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import backups, models, protected_entities
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from tests.support.answers import Answer, Request, answering
from tests.support.guids import guid
from tests.unit.plugins.module_utils._api.test_client import client

GUIDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(8)]


def entity(guid: str, name: str | None = None, email: str | None = None) -> models.Entity:
    return models.decode_entity({"guid": guid, "name": name, "email": email}, "here")


def test_what_names_an_entity_is_nobody_elses_name_or_guid() -> None:
    found = [
        entity(GUIDS[0], "Ann", "ann@example.com"),
        entity(GUIDS[1], "Ben"),
        entity(GUIDS[2], "Ben"),
        entity(GUIDS[3], GUIDS[0]),
        entity(GUIDS[4], "Cy", "ann@example.com"),
        entity(GUIDS[5]),
    ]
    assert protected_entities.unique_names(found) == ["Ann", GUIDS[1], GUIDS[2], GUIDS[3], "Cy", GUIDS[5]]


def node(nodes: list[dict[str, t.Any]], wanted: str) -> str:
    with answering({"GET /api/nodes": Answer.json(nodes)}) as server, client(server.url) as session:
        return protected_entities.resolve_node(session, wanted)


def test_a_node_is_sent_as_the_server_writes_it() -> None:
    guid = "ABCDEF00-0000-4000-8000-000000000000"
    nodes = [{"guid": guid.lower(), "name": "n1"}, {"guid": GUIDS[0], "name": "n2"}]
    assert node(nodes, guid) == guid.lower()
    assert node(nodes, "n2") == GUIDS[0]


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([], "The server's nodes: none."),
        ([{"guid": GUIDS[1], "name": "b"}, {"guid": GUIDS[0]}], f"The server's nodes: {GUIDS[0]}, b."),
    ],
)
def test_an_unknown_node_lists_those_there_are(nodes: list[dict[str, t.Any]], told: str) -> None:
    with pytest.raises(OptionError) as caught:
        node(nodes, "elsewhere")
    assert told in caught.value.hint


def _backup_of(guid: str) -> str:
    return f"b{guid[1:]}"


@pytest.mark.parametrize(
    ("number", "asked"),
    [(5, [f"protected-entity={guid}" for guid in GUIDS[:5]]), (6, ["protected-entity-type=CLOUD_USER"])],
)
def test_a_few_entities_are_asked_for_one_by_one_and_more_all_at_once(number: int, asked: list[str]) -> None:
    def listed(request: Request) -> Answer:
        backed_up = [guid for guid in GUIDS if f"protected-entity={guid}" in request.path] or GUIDS
        return Answer.json(
            [
                {"guid": _backup_of(guid), "protectedEntity": {"guid": guid}, "status": {"name": "SUCCESS"}}
                for guid in backed_up
            ]
        )

    with answering({"GET /api/backups": listed}) as server, client(server.url) as session:
        found = backups.latest(session, GUIDS[:number], ["CLOUD_USER"], ["SUCCESS"])
    assert {guid: backup.guid for guid, backup in found.items()} == {guid: _backup_of(guid) for guid in GUIDS[:number]}
    queries = [part for call in server.calls() for part in call.partition("?")[2].split("&")]
    assert sorted({part for part in queries if part.startswith("protected-entity")}) == asked


@pytest.mark.parametrize(
    ("statuses", "taken"),
    [
        (["SUCCESS"], "newest"),
        (["SUCCESS", "PARTIAL_SUCCESS"], "partial"),
        (["PARTIAL_SUCCESS"], "partial"),
    ],
)
def test_of_several_backups_the_newest_one_with_such_a_status_is_the_latest(statuses: list[str], taken: str) -> None:
    def backup(name: str, taken: int | None, status: str = "SUCCESS") -> dict[str, t.Any]:
        return {
            "guid": guid(name),
            "protectedEntity": {"guid": GUIDS[0]},
            "status": {"name": status},
            "snapshotTime": taken,
        }

    records = [
        backup("old", 1_700_000_000_000),
        backup("newest", 1_760_000_000_000),
        backup("between", 1_750_000_000_000),
        backup("of no time", None),
        backup("partial", 1_765_000_000_000, "PARTIAL_SUCCESS"),
        backup("failed", 1_770_000_000_000, "FAILED"),
    ]
    with answering({"GET /api/backups": Answer.json(records)}) as server, client(server.url) as session:
        found = backups.latest(session, [GUIDS[0]], ["CLOUD_USER"], statuses)
    assert found[GUIDS[0]].guid == guid(taken)
    (call,) = (call for call in server.calls() if "/backups" in call and "page=0" in call)
    assert all(f"status={status}" in call for status in statuses)


def unknown(*names: str) -> OptionError:
    """What is said of these names to somebody who looks for sites, of which there are two."""
    sites = [{"guid": GUIDS[0], "name": "Legal Archive"}, {"guid": GUIDS[1], "email": "press@example.com"}]
    with (
        answering({"GET /api/cloud-sites": Answer.json(sites)}) as server,
        client(server.url) as session,
        pytest.raises(OptionError) as caught,
    ):
        protected_entities.resolve(session, names, "CLOUD_SITE")
    return caught.value


def test_similar_names_and_addresses_are_shown() -> None:
    assert f"Similar: Legal Archive ({GUIDS[0]})." in unknown("legal").hint
    assert f"Similar: <press@example.com> ({GUIDS[1]})." in unknown("Press").hint
    assert "Similar" not in unknown("finance").hint


@pytest.mark.parametrize("name", ["pres@example.com", "press@exmaple.com", "perss@example.com", "PRESS@example.org"])
def test_typing_errors_are_similar(name: str) -> None:
    assert f"Similar: <press@example.com> ({GUIDS[1]})." in unknown(name).hint


def test_in_more_names_than_can_be_compared_only_parts_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protected_entities, "_MOST_COMPARED", 1)
    assert "Similar" not in unknown("pres@example.com").hint
    assert "Similar: Legal Archive" in unknown("legal").hint


@pytest.mark.parametrize(("number", "ending"), [(10, "'name 9'"), (11, "'name 9' and 1 more")])
def test_of_many_names_the_first_are_shown(number: int, ending: str) -> None:
    assert unknown(*(f"name {place}" for place in range(number))).message.endswith(ending)
