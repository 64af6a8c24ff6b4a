# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""protected_entity_info against the simulator: every filter, every page, and latest backups for few calls."""

from __future__ import annotations

import typing as t

import pytest

from tests.simulator.process import Simulator
from tests.support.modules import connect, run_module

GUID = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"


def info(simulator: Simulator, **options: t.Any) -> dict[str, t.Any]:
    result = run_module("protected_entity_info", connect(simulator, **options))
    assert not result.get("failed"), result
    assert not result["changed"]
    return result


def names(result: dict[str, t.Any]) -> list[str]:
    return [entity["name"] for entity in result["protected_entities"]]


@pytest.mark.parametrize("groups", ["all", "plain"])
def test_everything_is_listed_once_whatever_groups_hold(simulator: Simulator, groups: str) -> None:
    simulator.switch(teams_group_absent=groups)
    result = info(simulator)
    known = [entity["guid"] for kind in ("users", "sites", "groups") for entity in simulator.entities(kind)]
    assert sorted(entity["guid"] for entity in result["protected_entities"]) == sorted(known)
    assert {entity["type"] for entity in result["protected_entities"]} == {
        "CLOUD_USER",
        "CLOUD_SITE",
        "CLOUD_GROUP",
        "CLOUD_TEAMS",
    }


@pytest.mark.parametrize("groups", ["all", "plain"])
@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("CLOUD_SITE", ["Marketing Site", "Finance Site", "Project Site"]),
        ("CLOUD_GROUP", ["All Staff", "Board"]),
        ("CLOUD_TEAMS", ["Rocket Team"]),
        (["CLOUD_TEAMS", "CLOUD_GROUP", "CLOUD_TEAMS"], ["Rocket Team", "All Staff", "Board"]),
    ],
)
def test_only_the_types_asked_for(simulator: Simulator, groups: str, types: t.Any, expected: list[str]) -> None:
    simulator.switch(teams_group_absent=groups)
    assert names(info(simulator, protected_entity_type=types)) == expected


@pytest.mark.parametrize(
    ("option", "value", "sent"),
    [
        ("name_like", "Ärger/50% & more", [["nameLike", "Ärger/50% & more"]]),
        ("filter", "Sales", [["filter", "Sales"]]),
        ("backup_status", "IS_PROTECTED", [["backupStatus", "IS_PROTECTED"]]),
        (
            "backup_status",
            ["NO_SCHEDULE", "IS_PROTECTED"],
            [["backupStatus", "NO_SCHEDULE"], ["backupStatus", "IS_PROTECTED"]],
        ),
        ("policy", [GUID], [["policy", GUID]]),
        ("cloud_service_provider", GUID, [["cloud-service-provider", GUID]]),
        ("order_by", "name", [["orderBy", "name"]]),
        ("direction", "desc", [["direction", "desc"]]),
    ],
)
def test_each_filter_goes_over_the_wire_as_its_query_parameter(
    simulator: Simulator, option: str, value: t.Any, sent: list[list[str]]
) -> None:
    info(simulator, latest_backup=False, **{option: value})
    asked = [request for request in simulator.requests() if request["path"].startswith("/cloud-")]
    assert {request["path"] for request in asked} == {"/cloud-users", "/cloud-sites", "/cloud-groups"}
    for request in asked:
        own = [pair for pair in request["query"] if pair[0] not in ("page", "size", "teams-group")]
        assert own == sent


@pytest.mark.smoke
def test_the_record_says_what_the_server_says(simulator: Simulator) -> None:
    (alice,) = info(simulator, name_like="Alice")["protected_entities"]
    backup = alice.pop("latest_backup")
    assert alice == {
        "guid": alice["guid"],
        "name": "Alice Archer",
        "email": "alice@example.com",
        "type": "CLOUD_USER",
        "present": True,
        "restorable": True,
        "backup_up_to_date": True,
        "last_backup": "2026-01-09T00:00:00Z",
        "policy": None,
        "cloud_service_provider": {"guid": alice["cloud_service_provider"]["guid"], "name": "Example tenant"},
        "other": alice["other"],
    }
    assert alice["other"]["lastSuccessfulBackupSize"] == 100_000_000
    assert (backup["status"], backup["size"], backup["backup_time"]) == ("SUCCESS", 100_000_000, "2026-01-09T00:00:00Z")


def test_without_a_good_backup_there_is_none(simulator: Simulator) -> None:
    (nora,) = info(simulator, name_like="Nora")["protected_entities"]
    assert nora["latest_backup"] is None
    assert nora["restorable"] is False


def test_the_latest_backup_may_be_a_partial_one_when_asked_for(simulator: Simulator) -> None:
    simulator.switch(newest_backup="PARTIAL_SUCCESS")
    for statuses, found in (
        (["SUCCESS"], {"SUCCESS", None}),
        (["SUCCESS", "PARTIAL_SUCCESS"], {"PARTIAL_SUCCESS"}),
    ):
        entities = info(simulator, backup_statuses=statuses)["protected_entities"]
        assert {(entity["latest_backup"] or {}).get("status") for entity in entities} == found


def test_without_latest_backup_no_backup_is_asked_for(simulator: Simulator) -> None:
    result = info(simulator, latest_backup=False)
    assert {entity["latest_backup"] for entity in result["protected_entities"]} == {None}
    assert not any("/backups" in call for call in simulator.counters()["calls"])


def test_names_mean_one_entity_each_and_are_what_cloud_download_takes(simulator: Simulator) -> None:
    result = info(simulator, name_like="Sa")  # two people are called Sam Smith
    assert "sam.smith2@example.com" in result["names"]
    sites = info(simulator, protected_entity_type="CLOUD_SITE")
    assert sites["names"] == names(sites)
    options = connect(
        simulator, protected_entities=sites["names"], protected_entity_type="CLOUD_SITE", wait_interval=0.05
    )
    made = run_module("cloud_download", options)
    assert len(made["created"]) == 3


def test_the_number_of_calls_does_not_grow_with_the_entities(simulator: Simulator) -> None:
    simulator.seed(users=900)
    result = info(simulator)
    assert len(result["protected_entities"]) == 900 + 17
    assert all(entity["latest_backup"] for entity in result["protected_entities"] if "Nora" not in entity["name"])
    calls = simulator.counters()["calls"]
    # 911 users are two pages, their 1820 good backups four
    assert calls["GET /cloud-users"] == 2
    assert calls["GET /backups"] == 4 + 1 + 1 + 1
    assert sum(calls.values()) == 1 + 2 + 1 + 2 + 7 + 1


@pytest.mark.parametrize("given", ["addresses", "guids"])
def test_the_latest_backups_of_many_downloads_cost_few_calls(simulator: Simulator, given: str) -> None:
    simulator.seed(users=300)
    users = [entity for entity in simulator.entities("users") if entity["name"].startswith("User ")]
    selected = (
        {"protected_entities": [entity["email"] for entity in users], "protected_entity_type": "CLOUD_USER"}
        if given == "addresses"
        else {"protected_entities": [entity["guid"] for entity in users]}
    )
    simulator.clear_log()
    result = run_module("cloud_download", connect(simulator, backup="latest", **selected), check=True)
    assert len([download for download in result["cloud_downloads"] if download["backup"]["guid"]]) == 300
    assert simulator.counters()["calls"]["GET /backups"] == 2  # 620 of users: two pages


def test_guids_of_all_types_have_their_latest_backups_found(simulator: Simulator) -> None:
    guids = [entity["guid"] for kind in ("users", "sites", "groups") for entity in simulator.entities(kind)]
    result = run_module("cloud_download", connect(simulator, protected_entities=guids, backup="latest"), check=True)
    assert [failure["protected_entity"] for failure in result["failures"]] == [
        entity["guid"] for entity in simulator.entities("users") if "Nora" in entity["name"]
    ]
    assert simulator.counters()["calls"]["GET /backups"] == 4


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"policy": ["daily"]}, "policy"),
        ({"cloud_service_provider": "../session"}, "cloud_service_provider"),
        ({"cloud_service_provider": ""}, "cloud_service_provider"),
        ({"protected_entity_type": ["VM"]}, "protected_entity_type"),
        ({"backup_status": ["FINE"]}, "backup_status"),
    ],
)
def test_bad_input_names_the_option_and_sends_nothing(
    simulator: Simulator, options: dict[str, t.Any], option: str
) -> None:
    result = run_module("protected_entity_info", connect(simulator, **options))
    assert result["failed"]
    assert option in result["msg"]
    assert simulator.requests() == []
