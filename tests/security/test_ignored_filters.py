# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that ignores a filter, and whose records do not show what they are: nothing of others is touched."""

from __future__ import annotations

import typing as t

import pytest

from tests.simulator.process import Simulator
from tests.support.answers import Answer, Answers, Request, answering
from tests.support.guids import guid
from tests.support.modules import GUID_FILTERS, connect, prepare, run_module
from tests.support.use import good, login_to

MAIL = "CLOUD_DOWNLOAD"
ALICE, BOB, BACKUP, NODE = map(guid, ("alice", "bob", "backup", "node"))
LIST = "GET /api/cloud-download"
NOTHING = Answer.json([])


@pytest.fixture
def strangers(simulator: Simulator) -> list[str]:
    """Downloads of Bob and Carol, on a server that prints guid and mode only and lists everything for everybody."""
    good(run_module("cloud_download", prepare(simulator, "bob@example.com", "carol@example.com")))
    simulator.switch(record_fields="guid_and_mode", ignored_filters=GUID_FILTERS)
    simulator.clear_log()
    return _guids(simulator)


def _guids(simulator: Simulator) -> list[str]:
    return sorted(download["guid"] for download in simulator.downloads())


def _refused(result: dict[str, t.Any], name: str) -> None:
    assert result.get("failed"), result
    assert result["error"]["code"] == "filter_ignored"
    assert f"ignores the filter {name}" in result["msg"]
    assert "option guid" in result["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_absent_for_alice_deletes_nobody_elses(simulator: Simulator, strangers: list[str], check: bool) -> None:
    result = run_module("cloud_download", prepare(simulator, "alice@example.com", state="absent"), check=check)
    _refused(result, "protected-entity")
    assert _guids(simulator) == strangers
    assert simulator.counters()["writes"] == 0


def test_present_for_alice_adopts_no_strangers(simulator: Simulator, strangers: list[str]) -> None:
    _refused(run_module("cloud_download", prepare(simulator, "alice@example.com")), "protected-entity")
    assert _guids(simulator) == strangers
    assert simulator.counters()["writes"] == 0


def test_a_strangers_download_is_not_taken_for_what_came_of_a_lost_answer() -> None:
    """Nothing was there before, so that nothing could be proved: Bob's turns up while Alice's is looked for."""
    asked: list[Request] = []

    def create(request: Request) -> Answer:
        asked.append(request)
        return Answer(silent=True)

    def downloads(_request: Request) -> Answer:
        return Answer.json([{"guid": BOB, "mode": MAIL}] if asked else [])

    answers: dict[str, Answers] = {LIST: downloads, "POST /api/cloud-download": create, "GET /api/tasks": NOTHING}
    with answering(answers) as server:
        options = {"protected_entities": [ALICE], "wait_interval": 0.01, "wait_timeout": 5}
        result = run_module("cloud_download", login_to(server, **options))
    _refused(result, "protected-entity")
    assert (result["created"], len(asked)) == ([], 1)


def test_the_list_for_alice_has_nobody_elses(simulator: Simulator, strangers: list[str]) -> None:
    """A playbook deletes or fetches what it lists."""
    result = run_module("cloud_download_info", connect(simulator, protected_entity=ALICE))
    _refused(result, "protected-entity")
    page = run_module("cloud_download_info", connect(simulator, protected_entity=ALICE, page=0, size=1))
    _refused(page, "protected-entity")


def _serve(record: dict[str, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
    """What ``absent`` for Alice, this backup and this node makes of a list that always has this record; the deletes."""
    listed = Answer.json([record])
    options = {"protected_entities": [ALICE], "backup": BACKUP, "node": NODE, "state": "absent", "wait": False}
    with answering(
        {LIST: listed, "GET /api/tasks": NOTHING, f"DELETE /api/cloud-download/{BOB}": Answer(204)}
    ) as server:
        result = run_module("cloud_download", login_to(server, **options))
        return result, [call for call in server.calls() if call.startswith("DELETE")]


@pytest.mark.parametrize(
    ("left_out", "name"), [("protectedEntity", "protected-entity"), ("backup", "backup"), ("node", "node")]
)
def test_each_filter_that_is_the_only_evidence_is_proved(left_out: str, name: str) -> None:
    record = {
        "guid": BOB,
        "mode": MAIL,
        "protectedEntity": {"guid": ALICE},
        "backup": {"guid": BACKUP},
        "node": {"guid": NODE},
    }
    del record[left_out]
    result, deletes = _serve(record)
    _refused(result, name)
    assert deletes == []


def test_what_the_record_says_outranks_the_filter() -> None:
    result, deletes = _serve({"guid": BOB, "mode": MAIL, "protectedEntity": {"guid": BOB}})
    assert not result.get("failed"), result
    assert (result["deleted"], deletes) == ([], [])


@pytest.mark.parametrize("state", ["absent", "present"])
def test_a_server_that_heeds_the_filter_is_asked_once_more_and_believed(simulator: Simulator, state: str) -> None:
    good(run_module("cloud_download", prepare(simulator, "alice@example.com", "bob@example.com")))
    mine = {download["protected_entity"]["name"]: download["guid"] for download in _shown(simulator)}
    simulator.switch(record_fields="guid_and_mode")
    simulator.clear_log()
    done = good(run_module("cloud_download", prepare(simulator, "alice@example.com", state=state, wait=False)))
    assert [download["guid"] for download in done["cloud_downloads"]] == [mine["Alice Archer"]]
    asked = [dict(request["query"]).get("protected-entity") for request in simulator.requests()]
    assert len(set(asked) - {None}) == 2  # Alice's, and that of nobody


def _shown(simulator: Simulator) -> list[dict[str, t.Any]]:
    return list(good(run_module("cloud_download_info", connect(simulator)))["cloud_downloads"])


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_server_that_refuses_a_guid_nobody_has_heeds_the_filter(status: int) -> None:
    def downloads(request: Request) -> Answer:
        is_unknown = "protected-entity=" in request.path and ALICE not in request.path
        return Answer.json({"message": "no such entity"}, status) if is_unknown else Answer.json([{"guid": BOB}])

    with answering({LIST: downloads}) as server:
        result = run_module("cloud_download_info", login_to(server, protected_entity=ALICE))
    assert [download["guid"] for download in good(result)["cloud_downloads"]] == [BOB]


def test_a_group_is_not_taken_for_the_team_that_was_asked_for() -> None:
    """The server ignores teams-group: what the record says of its type decides."""
    group = Answer.json([{"guid": BOB, "name": "Sales", "type": {"name": "CLOUD_GROUP"}}])
    options = {"protected_entities": ["Sales"], "protected_entity_type": "CLOUD_TEAMS", "state": "absent"}
    with answering({"GET /api/cloud-groups": group, LIST: NOTHING}) as server:
        result = run_module("cloud_download", login_to(server, **options))
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", "protected_entities")
