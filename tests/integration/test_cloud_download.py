# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud_download against the simulator: the laws of idempotence and prediction, and what goes over the wire."""

from __future__ import annotations

import typing as t
import uuid

import pytest

from tests.contract.client import Client
from tests.simulator.process import Simulator
from tests.support.modules import OTHER_KEYS, connect, prepare, run_module

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
NORA = "nobackup@example.com"
NOBODY = str(uuid.UUID(int=0))


def ensure(options: t.Mapping[str, t.Any], **settings: t.Any) -> dict[str, t.Any]:
    return run_module("cloud_download", options, **settings)


def guids(result: t.Mapping[str, t.Any]) -> list[str]:
    return [download["guid"] for download in result["cloud_downloads"]]


def writes(simulator: Simulator) -> list[tuple[str, str, t.Any]]:
    return [
        (request["method"], request["path"], request["body"])
        for request in simulator.requests()
        if request["method"] != "GET" and not request["path"].startswith("/session")
    ]


def user(simulator: Simulator, email: str) -> dict[str, t.Any]:
    return next(entity for entity in simulator.entities("users") if entity.get("email") == email)


# --- create and adopt ---


@pytest.mark.smoke
@pytest.mark.fault("U2")
def test_creates_once_and_adopts_ever_after(simulator: Simulator) -> None:
    first = ensure(prepare(simulator, ALICE, BOB))
    assert first["changed"]
    assert sorted(guids(first)) == sorted(first["created"]) == sorted(d["guid"] for d in simulator.downloads())
    assert [task["state"] for task in first["tasks"]] == ["FINISHED", "FINISHED"]

    simulator.clear_log()
    second = ensure(prepare(simulator, ALICE, BOB))
    assert not second["changed"]
    assert guids(second) == guids(first)
    assert second["created"] == second["tasks"] == []
    assert simulator.counters()["writes"] == 0


def test_only_what_is_missing_is_created(simulator: Simulator) -> None:
    first = ensure(prepare(simulator, ALICE))
    simulator.clear_log()
    both = ensure(prepare(simulator, ALICE, BOB))
    assert both["created"] == [guid for guid in guids(both) if guid not in guids(first)]
    bob = user(simulator, BOB)
    entity = {"guid": bob["guid"], "name": bob["name"], "type": {"name": "CLOUD_USER"}}
    body = {"protectedEntities": [entity], "mode": {"name": "CLOUD_DOWNLOAD"}}
    assert writes(simulator) == [("POST", "/cloud-download", body)]


def test_what_is_still_being_prepared_is_adopted_and_waited_for(simulator: Simulator) -> None:
    simulator.switch(queue_seconds=0, run_seconds=60)
    ensure(prepare(simulator, ALICE, wait=False))
    simulator.clear_log()
    result = ensure(prepare(simulator, ALICE))
    assert not result["changed"]
    assert len(guids(result)) == 1
    assert simulator.counters()["writes"] == 0


def test_without_waiting_the_tasks_are_returned(simulator: Simulator) -> None:
    simulator.speed(0)
    result = ensure(prepare(simulator, ALICE, wait=False))
    assert result["changed"]
    assert [task["state"] for task in result["tasks"]] == ["QUEUED"]


@pytest.mark.fault("U7")
def test_the_same_entity_named_in_three_ways_is_one_download(simulator: Simulator) -> None:
    alice = user(simulator, ALICE)
    result = ensure(prepare(simulator, ALICE, alice["name"], alice["guid"]))
    assert len(guids(result)) == 1
    assert len(simulator.downloads()) == 1


def test_guids_need_no_type_and_no_look_up(simulator: Simulator) -> None:
    guid = user(simulator, ALICE)["guid"]
    simulator.clear_log()
    result = ensure(connect(simulator, protected_entities=[guid], wait_interval=0.05))
    assert len(guids(result)) == 1
    assert not any("cloud-users" in call for call in simulator.counters()["calls"])


@pytest.mark.parametrize(
    ("kind", "entity_type"), [("sites", "CLOUD_SITE"), ("groups", "CLOUD_GROUP"), ("teams", "CLOUD_TEAMS")]
)
def test_sites_groups_and_teams(simulator: Simulator, kind: str, entity_type: str) -> None:
    inventory = simulator.entities("groups" if kind == "teams" else kind)
    entity = next(e for e in inventory if kind != "teams" or "team" in str(e).lower())
    result = ensure({**prepare(simulator, entity["name"]), "protected_entity_type": entity_type})
    assert result["cloud_downloads"][0]["protected_entity"]["guid"] == entity["guid"]


def test_the_other_mode_is_another_download(simulator: Simulator) -> None:
    first = ensure(prepare(simulator, ALICE))
    second = ensure(prepare(simulator, ALICE, mode="CLOUD_PST_DOWNLOAD"))
    assert second["changed"]
    assert second["cloud_downloads"][0]["mode"] == "CLOUD_PST_DOWNLOAD"
    assert not set(guids(first)) & set(guids(second))


@pytest.mark.long
@pytest.mark.fault("U7")
def test_300_entities_cost_one_login_one_post_and_one_loop(simulator: Simulator) -> None:
    simulator.seed(users=300)
    names = [entity["email"] for entity in simulator.entities("users")][-300:]
    simulator.clear_log()
    result = ensure({**prepare(simulator, *names), "wait_timeout": 120})
    assert len(guids(result)) == 300
    counters = simulator.counters()
    calls = counters["calls"]
    assert (counters["logins"], counters["logouts"], counters["writes"]) == (1, 1, 1)
    assert calls["GET /cloud-users"] == 1
    looks = calls["GET /tasks"] - 1
    # One list after the tasks; then what is ready, as soon as it may be.
    assert 2 <= calls["GET /cloud-download"] <= 1 + 2 * looks
    # Besides those the login, the entities, the request and the logout
    assert sum(calls.values()) == calls["GET /cloud-download"] + calls["GET /tasks"] + 4

    simulator.clear_log()
    assert not ensure(prepare(simulator, *names))["changed"]
    assert sum(simulator.counters()["calls"].values()) == 1 + 1 + 3 + 1


def test_a_backup_can_be_named_or_be_the_latest(simulator: Simulator) -> None:
    latest = ensure(prepare(simulator, ALICE, backup="latest"))
    newest = latest["cloud_downloads"][0]["backup"]
    assert newest["status"] == "SUCCESS"
    assert not ensure(prepare(simulator, ALICE, backup="latest"))["changed"]

    simulator.clear_log()
    named = ensure(prepare(simulator, ALICE, backup=newest["guid"]))
    assert not named["changed"]
    assert named["cloud_downloads"][0]["guid"] == latest["cloud_downloads"][0]["guid"]


def test_latest_for_many_takes_a_bounded_number_of_calls(simulator: Simulator) -> None:
    simulator.seed(users=50)
    names = [entity["email"] for entity in simulator.entities("users")][-50:]
    simulator.clear_log()
    result = ensure(prepare(simulator, *names, backup="latest"), check=True)
    assert len(result["cloud_downloads"]) == 50
    assert simulator.counters()["calls"]["GET /backups"] <= 3


def partial_is_newest(simulator: Simulator) -> dict[str, str]:
    """Each user has a newer backup that lacks something, of which Nora has no other; the GUIDs by e-mail address."""
    simulator.switch(newest_backup="PARTIAL_SUCCESS")
    client = Client(simulator)
    found = {backup["protectedEntity"]["guid"]: backup for backup in client.get("/backups").json()}
    assert {backup["status"]["name"] for backup in found.values()} == {"PARTIAL_SUCCESS"}
    return {entity["email"]: found[entity["guid"]]["guid"] for entity in simulator.entities("users")}


def test_a_partial_backup_is_the_latest_only_when_asked_for_and_told(simulator: Simulator) -> None:
    partial = partial_is_newest(simulator)
    good = ensure(prepare(simulator, ALICE, backup="latest"))
    assert [(found["status"], found["guid"]) for found in good["backups"]] == [
        ("SUCCESS", good["cloud_downloads"][0]["backup"]["guid"])
    ]
    assert "PARTIAL_SUCCESS" not in str(good)
    options = prepare(simulator, ALICE, NORA, backup="latest", backup_statuses=["SUCCESS", "PARTIAL_SUCCESS"])
    for check in (True, False):
        newest = ensure(options, check=check)
        assert newest["changed"]
        assert {found["protected_entity"]["name"]: found["guid"] for found in newest["backups"]} == {
            "Alice Archer": partial[ALICE],
            "Nora Nobackup": partial[NORA],
        }
        (warning,) = newest["warnings"]
        assert all(partial[name] in str(warning) for name in (ALICE, NORA))
    assert [found["backup"]["guid"] for found in newest["cloud_downloads"]] == [partial[ALICE], partial[NORA]]
    assert not ensure(options)["changed"]
    removed = ensure({**options, "state": "absent"})
    assert removed["deleted"] == guids(newest)
    assert guids(good) == [download["guid"] for download in simulator.downloads()]


def test_an_entity_without_a_backup_with_such_a_status_is_told(simulator: Simulator) -> None:
    partial_is_newest(simulator)
    result = ensure(prepare(simulator, NORA, backup="latest"))
    assert result["error"]["code"] == "prepare_failed"
    assert "no backup with status SUCCESS (backup_statuses=SUCCESS)" in result["msg"]
    assert simulator.counters()["writes"] == 0


def test_what_was_there_before_a_request_is_used_with_a_warning(simulator: Simulator) -> None:
    """The server keeps no note of what a download was made with."""
    first = ensure(prepare(simulator, ALICE, request={"node": None}))
    assert "warnings" not in first
    for check in (True, False):
        second = ensure(prepare(simulator, ALICE, BOB, request={"node": None}), check=check)
        (warning,) = second["warnings"]
        assert f"Alice Archer: {guids(first)[0]}" in str(warning)
        assert "state=absent" in str(warning)
        assert "Bob" not in str(warning)
    assert second["created"] == guids(second)[1:]
    assert "warnings" not in ensure(prepare(simulator, ALICE, BOB))


def test_what_others_are_having_prepared_is_used_under_a_request_with_a_warning(simulator: Simulator) -> None:
    simulator.speed(0)
    ensure(prepare(simulator, ALICE, wait=False))
    simulator.speed(50)
    result = ensure(prepare(simulator, ALICE, request={"node": None}))
    assert not result["changed"]
    assert guids(result)[0] in str(result["warnings"][-1])


def test_a_node_is_found_by_name(simulator: Simulator) -> None:
    result = ensure(prepare(simulator, ALICE, node="node-2"))
    assert result["cloud_downloads"][0]["node"]["name"] == "node-2"
    assert not ensure(prepare(simulator, ALICE, node="node-2"))["changed"]
    assert ensure(prepare(simulator, ALICE, node="node-1"), check=True)["changed"]


# --- the laws: check mode tells the truth, the second run changes nothing ---


def _partly(simulator: Simulator) -> None:
    ensure(prepare(simulator, ALICE))


def _both(simulator: Simulator) -> None:
    ensure(prepare(simulator, ALICE, BOB))


def _nothing(simulator: Simulator) -> None:
    pass


def _of_all(simulator: Simulator) -> list[str]:
    return [download["guid"] for download in simulator.downloads()]


@pytest.mark.fault("U1")
@pytest.mark.parametrize("start", [_nothing, _partly, _both])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(lambda sim: prepare(sim, ALICE, BOB), id="present"),
        pytest.param(lambda sim: prepare(sim, ALICE, BOB, backup="latest", node="node-1"), id="present-latest-node"),
        pytest.param(lambda sim: prepare(sim, ALICE, BOB, state="absent"), id="absent"),
        pytest.param(
            lambda sim: connect(sim, guid=[*_of_all(sim), NOBODY], state="absent", wait_interval=0.05), id="absent-guid"
        ),
    ],
)
def test_check_mode_predicts_and_the_second_run_changes_nothing(
    simulator: Simulator, start: t.Callable[[Simulator], None], options: t.Callable[[Simulator], dict[str, t.Any]]
) -> None:
    start(simulator)
    _law(simulator, options(simulator))


@pytest.mark.fault("U1")
@pytest.mark.parametrize("change", [{"status": "KEPT"}, {"update": {"description": "Case 7"}}, {}])
def test_check_mode_predicts_updates_too(simulator: Simulator, change: dict[str, t.Any]) -> None:
    _both(simulator)
    _law(simulator, connect(simulator, guid=_of_all(simulator), wait_interval=0.05, **change))


def _law(simulator: Simulator, options: dict[str, t.Any]) -> None:
    simulator.clear_log()
    predicted = ensure(options, check=True)
    assert simulator.counters()["writes"] == 0
    real = ensure(options)
    assert not real.get("failed"), real
    assert (predicted["changed"], predicted["diff"]) == (real["changed"], real["diff"])
    assert len(predicted["cloud_downloads"]) == len(real["cloud_downloads"])
    assert set(predicted) == set(real)

    simulator.clear_log()
    again = ensure(options)
    assert not again["changed"]
    assert again["diff"]["before"] == again["diff"]["after"]
    assert simulator.counters()["writes"] == 0


# --- over the wire ---


def test_request_reaches_the_wire_exactly_as_given(simulator: Simulator) -> None:
    simulator.switch(create_body=OTHER_KEYS)
    guid = user(simulator, ALICE)["guid"]
    request = {
        "protectedEntities": None,
        "mode": None,
        "objects": [{"guid": guid}],
        "downloadMode": {"name": "CLOUD_DOWNLOAD"},
    }
    result = ensure(prepare(simulator, ALICE, request=request))
    assert len(guids(result)) == 1
    assert writes(simulator) == [
        ("POST", "/cloud-download", {"objects": [{"guid": guid}], "downloadMode": {"name": "CLOUD_DOWNLOAD"}})
    ]


def test_update_reaches_the_wire_exactly_as_given(simulator: Simulator) -> None:
    guid = guids(ensure(prepare(simulator, ALICE)))[0]
    simulator.clear_log()
    body = {"description": "Fall 2026/114 – ü", "nested": {"list": [1, 2.5, True, "x"]}, "empty": ""}
    result = ensure(connect(simulator, guid=[guid], update=body))
    assert result["updated"] == [guid]
    assert writes(simulator) == [("PUT", f"/cloud-download/{guid}", body)]
    assert result["cloud_downloads"][0]["other"]["description"] == "Fall 2026/114 – ü"


def test_status_is_sent_under_the_assumed_key(simulator: Simulator) -> None:
    guid = guids(ensure(prepare(simulator, ALICE)))[0]
    simulator.clear_log()
    ensure(connect(simulator, guid=[guid], status="KEPT"))
    assert [sent for _method, _path, sent in writes(simulator)] == [{"state": {"name": "KEPT"}}]


# --- delete ---


@pytest.mark.fault("A11")
def test_absent_deletes_what_matches_and_nothing_else(simulator: Simulator) -> None:
    simulator.switch(list_prefiltered=False)
    ensure(prepare(simulator, ALICE, BOB))
    pst = guids(ensure(prepare(simulator, ALICE, mode="CLOUD_PST_DOWNLOAD")))
    bob = [d["guid"] for d in simulator.downloads() if BOB in str(d) or "Bob" in str(d)]
    result = ensure(prepare(simulator, ALICE, state="absent"))
    assert len(result["deleted"]) == 1
    left = {download["guid"] for download in simulator.downloads()}
    assert set(pst) <= left
    assert set(bob) <= left


@pytest.mark.fault("A11")
def test_a_mount_that_is_no_download_is_never_deleted(simulator: Simulator) -> None:
    simulator.switch(list_prefiltered=False)
    (mount,) = run_module("cloud_download_info", connect(simulator, mode="MANUAL"))["cloud_downloads"]
    simulator.clear_log()
    result = ensure(connect(simulator, guid=[mount["guid"]], state="absent"))
    assert not result["changed"]
    assert simulator.counters()["writes"] == 0


@pytest.mark.fault("P14")
def test_a_deletion_that_fails_on_the_server_fails_and_says_why(simulator: Simulator) -> None:
    both = guids(ensure(prepare(simulator, ALICE, BOB)))
    simulator.switch(fail_deletes=True)
    result = ensure(connect(simulator, guid=both, state="absent", wait_interval=0.05, wait_timeout=10))
    assert result["failed"]
    assert result["error"]["code"] == "delete_failed"
    assert {failure["guid"] for failure in result["failures"]} == set(both)
    assert "FAILED" in result["failures"][0]["reason"]


# --- partial failure and time ---


@pytest.mark.fault("A6")
def test_the_good_ones_are_returned_beside_the_bad(simulator: Simulator) -> None:
    result = ensure(prepare(simulator, ALICE, "nobackup@example.com"))
    assert result["failed"]
    assert result["changed"]
    assert result["error"]["code"] == "prepare_failed"
    assert [d["protected_entity"]["name"] for d in result["cloud_downloads"]] == ["Alice Archer"]
    assert result["created"] == guids(result)
    (failure,) = result["failures"]
    assert failure["name"] == "Nora Nobackup"
    assert "FAILED" in failure["reason"]
    assert "Nora Nobackup" in result["msg"]


@pytest.mark.fault("A6")
def test_an_entity_without_any_good_backup_is_told_and_the_rest_is_done(simulator: Simulator) -> None:
    options = prepare(simulator, ALICE, "nobackup@example.com", backup="latest")
    check, result = ensure(options, check=True), ensure(options)
    assert result["failed"]
    assert check["failed"]
    assert check["diff"] == result["diff"]
    assert len(result["cloud_downloads"]) == 1
    assert [failure["name"] for failure in result["failures"]] == ["Nora Nobackup"]


@pytest.mark.fault("A7")
def test_the_end_of_wait_timeout_keeps_what_is_ready(simulator: Simulator) -> None:
    ensure(prepare(simulator, ALICE))
    simulator.speed(0)
    result = ensure({**prepare(simulator, ALICE, BOB), "wait_timeout": 0.3})
    assert result["failed"]
    assert result["error"]["code"] == "wait_timeout"
    assert [d["protected_entity"]["name"] for d in result["cloud_downloads"]] == ["Alice Archer"]
    assert [failure["name"] for failure in result["failures"]] == ["Bob Baker"]
    assert [task["state"] for task in result["tasks"]] == ["QUEUED"]

    simulator.speed(50)
    again = ensure(prepare(simulator, ALICE, BOB))
    assert not again.get("failed")


# --- bad input: a clear error that names the option, and nothing sent ---


@pytest.mark.fault("A4", "U5", "U7")
@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({}, "protected_entities"),
        ({"protected_entities": [], "protected_entity_type": "CLOUD_USER"}, "protected_entities"),
        ({"protected_entities": [" "], "protected_entity_type": "CLOUD_USER"}, "protected_entities"),
        ({"protected_entities": [ALICE], "guid": [NOBODY]}, "guid"),
        ({"protected_entities": [ALICE]}, "protected_entity_type"),
        ({"guid": ["f8f73bf9"]}, "guid"),
        ({"guid": ["../session/logout"]}, "guid"),
        ({"guid": []}, "guid"),
        ({"protected_entities": [NOBODY], "mode": "MANUAL"}, "mode"),
        ({"protected_entities": [NOBODY], "backup": "yesterday"}, "backup"),
        ({"protected_entities": [NOBODY, str(uuid.UUID(int=1))], "backup": NOBODY}, "backup"),
        ({"protected_entities": [NOBODY], "backup": "latest", "backup_statuses": []}, "backup_statuses"),
        ({"protected_entities": [NOBODY], "backup": "latest", "backup_statuses": ["FAILED"]}, "backup_statuses"),
        ({"protected_entities": [NOBODY], "status": "X"}, "status"),
        ({"protected_entities": [NOBODY], "update": {"a": 1}}, "update"),
        ({"guid": [NOBODY], "request": {"a": 1}}, "request"),
        ({"guid": [NOBODY], "backup": "latest"}, "backup"),
        ({"guid": [NOBODY], "state": "absent", "update": {"a": 1}}, "update"),
        ({"protected_entities": [NOBODY], "state": "absent", "request": {}}, "request"),
        ({"protected_entities": [NOBODY], "wait_timeout": -1}, "wait_timeout"),
        ({"protected_entities": [NOBODY], "wait_interval": 0}, "wait_interval"),
        ({"protected_entities": [NOBODY], "wait_timeout": 1e12}, "wait_timeout"),
    ],
)
def test_bad_input_names_the_option_and_sends_nothing(
    simulator: Simulator, options: dict[str, t.Any], option: str
) -> None:
    result = ensure(connect(simulator, **options))
    assert result["failed"]
    assert option in result["msg"]
    assert simulator.requests() == []


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["Sam Smith"], ["Sam Smith", "sam.smith@example.com", "sam.smith2@example.com"]),
        (["alice"], ["'alice'", "alice@example.com"]),
        (["ALICE@EXAMPLE.COM"], ["upper and lower case", "alice@example.com"]),
        (["nobody@example.com", ALICE, "nowhere"], ["nobody@example.com", "nowhere"]),
        ([f"unknown-{number}" for number in range(40)], ["unknown-0", "30 more"]),
    ],
)
def test_unknown_and_ambiguous_names_list_the_candidates(
    simulator: Simulator, names: list[str], words: list[str]
) -> None:
    result = ensure(prepare(simulator, *names))
    assert result["failed"]
    assert result["error"]["option"] == "protected_entities"
    assert all(word in result["msg"] for word in words), result["msg"]
    assert simulator.counters()["writes"] == 0


def test_an_unknown_guid_or_node_is_told_before_anything_is_written(simulator: Simulator) -> None:
    unknown = ensure(connect(simulator, guid=[NOBODY], update={"a": 1}))
    assert unknown["error"]["option"] == "guid"
    node = ensure(prepare(simulator, ALICE, node="node-9"))
    assert node["error"]["option"] == "node"
    assert "node-1" in node["msg"]
    assert simulator.counters()["writes"] == 0


@pytest.mark.bad_requests
def test_the_servers_refusal_is_told_in_its_own_words(simulator: Simulator) -> None:
    simulator.switch(create_body=OTHER_KEYS)
    result = ensure(prepare(simulator, ALICE, profile={"create": {"visible_within": 1}}))
    assert result["failed"]
    assert (result["error"]["code"], result["changed"]) == ("request_not_understood", False)
    assert simulator.counters()["writes"] == 1
    assert "POST /cloud-download answered 400" in result["msg"]
