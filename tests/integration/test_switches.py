# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole story under everything that is unknown about the real server: one doubt at a time, and all at once."""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

import pytest

from tests.simulator.process import Simulator
from tests.simulator.switches import TABLE
from tests.support.ansible import Ansible
from tests.support.modules import OTHER_KEYS, connect, prepare, run_module

PEOPLE = ("alice@example.com", "bob@example.com", "carol@example.com")

# What the free switches are flipped to; choices and flags take each of their other values.
OTHER_VALUES: dict[str, list[t.Any]] = {
    "expire_downloads": [3600],
    "list_lag": [40],
    "purge_after": [0],
    "queue_seconds": [0, 20],
    "run_seconds": [0, 20],
    "delete_seconds": [0, 20],
    "window_seconds": [60],
    "max_page_size": [2],
    "default_page_size": [2],
    "create_body": [OTHER_KEYS],
    "update_body": [{"state": "$status"}],
    "ready_state": ["MOUNTED", "absent"],
    "content_size": [22, 3_000_000],
    "expired_entities": ["alice@example.com"],
    "cookie_name": ["SID"],
    "session_timeout": [10],
    "max_sessions": [1],
    "drop_session_after": [4, 7],
    "lock_after": [3],
    "token_logins": [1],
    "start_delay": [40],
}
# These make the story fail, as they should; test_what_must_fail_fails_well has them.
FAILING = {"fail_entities", "fail_deletes", "forbidden"}
# With these the story needs a server profile or, where the server cannot be trusted, fails.
FAILING |= {"create_batch", "finished_mount", "guid_style", "ignored_filters"}


def _flips() -> list[t.Any]:
    flips = []
    for switch in TABLE:
        if switch.name in FAILING:
            continue
        values = OTHER_VALUES.get(switch.name) or list(switch.allowed[1:])
        assert values, f"no other value is known for the switch {switch.name}: add one to OTHER_VALUES"
        flips += [
            pytest.param({switch.name: value}, id=f"{switch.name}={value}", marks=pytest.mark.long) for value in values
        ]
    return flips


ALL_FLIPPED: dict[str, t.Any] = {
    **{switch.name: switch.allowed[-1] for switch in TABLE if switch.allowed and switch.name not in FAILING},
    **{name: values[-1] for name, values in OTHER_VALUES.items()},
    "content_download": "bytes",  # with "download" flipped as well there would be no content at all
}


@pytest.mark.parametrize("flipped", [pytest.param({}, id="defaults"), *_flips(), pytest.param(ALL_FLIPPED, id="all")])
def test_the_story_passes_with(simulator: Simulator, tmp_path: pathlib.Path, flipped: dict[str, t.Any]) -> None:
    simulator.switch(**flipped)
    options = prepare(simulator, *PEOPLE, retries=30, request=_request(simulator, flipped))

    predicted = run_module("cloud_download", options, check=True)
    assert simulator.counters()["writes"] == 0
    made = run_module("cloud_download", options)
    assert not made.get("failed"), made["msg"]
    assert (predicted["changed"], predicted["diff"]) == (made["changed"], made["diff"])
    assert len(made["cloud_downloads"]) == len(made["created"]) == len(PEOPLE)

    simulator.clear_log()
    again = run_module("cloud_download", options)
    assert not again["changed"], again
    assert again["cloud_downloads"] == made["cloud_downloads"]

    for download in made["cloud_downloads"]:
        _fetch_twice(simulator, download["guid"], tmp_path)
    assert simulator.counters()["writes"] == 0

    selected = connect(simulator, guid=made["created"], state="absent", wait_interval=0.05, wait_timeout=30, retries=30)
    assert sorted(run_module("cloud_download", selected)["deleted"]) == sorted(made["created"])
    assert not run_module("cloud_download", selected)["changed"]
    assert simulator.counters()["open_sessions"] == 0


def test_no_content_with_a_body_is_done_once(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """As the vendor prints the answers to PUT and DELETE. The body stands in no one's way."""
    simulator.switch(put_answer="204_with_body", delete_answer="204_with_body")
    made = run_module("cloud_download", prepare(simulator, *PEOPLE))["created"]
    assert len(made) == len(PEOPLE)
    for guid in made:
        _fetch_twice(simulator, guid, tmp_path)
    noted = run_module("cloud_download", connect(simulator, guid=made, update={"note": "case 7"}))
    assert sorted(noted["updated"]) == sorted(made)
    assert {found["other"]["note"] for found in noted["cloud_downloads"]} == {"case 7"}
    selected = connect(simulator, guid=made, state="absent", wait_interval=0.05, wait_timeout=30)
    assert sorted(run_module("cloud_download", selected)["deleted"]) == sorted(made)
    calls = simulator.counters()["calls"]
    assert (calls["PUT /cloud-download/{guid}"], calls["DELETE /cloud-download/{guid}"]) == (len(made), len(made))
    assert simulator.downloads() == []


@pytest.mark.long
def test_the_role_passes_with_every_doubt_at_once(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    simulator.switch(**ALL_FLIPPED)
    variables = {
        "fetch_content_protected_entities": list(PEOPLE),
        "fetch_content_protected_entity_type": "CLOUD_USER",
        "fetch_content_request": _request(simulator, ALL_FLIPPED),
        "fetch_content_connection": connect(simulator, retries=30),
        "fetch_content_wait_interval": 0.1,
        "fetch_content_dest": str(tmp_path),
        "fetch_content_remove": True,
    }
    play = {"hosts": "all", "gather_facts": False, "roles": [{"role": "storware.backup.fetch_content"}]}
    ansible.playbook([play], variables=variables).ok()
    fetched = [path for path in tmp_path.iterdir() if path.suffix != ".sha256"]
    assert sorted(path.stat().st_size for path in fetched) == [ALL_FLIPPED["content_size"]] * len(PEOPLE)
    assert simulator.downloads() == []
    assert simulator.counters()["open_sessions"] == 0


def _fetch_twice(simulator: Simulator, guid: str, directory: pathlib.Path) -> None:
    options = connect(simulator, guid=guid, dest=str(directory), retries=30)
    predicted = run_module("cloud_download_content", options, check=True)
    fetched = run_module("cloud_download_content", options)
    assert not fetched.get("failed"), fetched["msg"]
    assert (predicted["changed"], predicted["diff"]) == (fetched["changed"], fetched["diff"])
    truth = simulator.content(guid)
    content = pathlib.Path(fetched["path"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (truth["size"], truth["sha256"])
    assert (fetched["size"], fetched["sha256"]) == (truth["size"], truth["sha256"])

    sent = simulator.counters()["content_bytes_sent"]
    again = run_module("cloud_download_content", options)
    assert not again["changed"]
    assert again["reason"] == "unchanged"
    assert simulator.counters()["content_bytes_sent"] == sent


def _request(simulator: Simulator, flipped: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What a user whose server wants other keys puts into his playbook."""
    if "create_body" not in flipped:
        return None
    guids = {entity.get("email"): entity["guid"] for entity in simulator.entities("users")}
    return {
        "protectedEntities": None,
        "mode": None,
        "objects": [{"guid": guids[person]} for person in PEOPLE],
        "downloadMode": {"name": "CLOUD_DOWNLOAD"},
    }


@pytest.mark.parametrize(
    "switches", [{"task_per_entity": True}, {"task_per_entity": False}, {"failed_download": "kept"}]
)
def test_what_must_fail_fails_well(simulator: Simulator, switches: dict[str, t.Any]) -> None:
    simulator.switch(fail_entities=["bob@example.com"], **switches)
    result = run_module("cloud_download", prepare(simulator, *PEOPLE))
    assert result["failed"]
    assert result["error"]["code"] == "prepare_failed"
    assert "Bob Baker" in {failure["name"] for failure in result["failures"]}
    good = {download["protected_entity"]["name"] for download in result["cloud_downloads"]}
    assert "Bob Baker" not in good
    assert good | {failure["name"] for failure in result["failures"]} == {"Alice Archer", "Bob Baker", "Carol Carter"}


@pytest.mark.fault("H7")
@pytest.mark.parametrize("call", ["POST /cloud-download", "GET /cloud-download", "GET /tasks", "GET /cloud-users"])
def test_a_missing_privilege_is_told_at_once(simulator: Simulator, call: str) -> None:
    simulator.switch(forbidden=[call])
    result = run_module("cloud_download", prepare(simulator, *PEOPLE))
    assert result["error"]["code"] == "forbidden"
    assert "privilege" in result["msg"]
    assert simulator.counters()["calls"][call] == 1
    assert simulator.counters()["open_sessions"] == 0


def test_a_failure_half_way_still_returns_what_was_done(simulator: Simulator) -> None:
    simulator.fault("GET /tasks", "refused", after=1, status=403)
    made = run_module("cloud_download", prepare(simulator, *PEOPLE))
    assert made["failed"]
    assert made["changed"]
    assert len(made["tasks"]) == len(PEOPLE)

    guids = [d["guid"] for d in run_module("cloud_download", prepare(simulator, *PEOPLE))["cloud_downloads"]]
    assert len(simulator.downloads()) == len(PEOPLE)
    simulator.switch(forbidden=["GET /tasks"], delete_seconds=60)
    removed = run_module("cloud_download", connect(simulator, guid=guids, state="absent", wait_interval=0.05))
    assert removed["failed"]
    assert removed["deleted"] == guids
