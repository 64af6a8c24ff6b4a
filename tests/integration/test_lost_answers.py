# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to POST and DELETE that get lost or lie: in the end the server has exactly what was asked for."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import create
from ansible_collections.storware.backup.plugins.module_utils._api.cloud_downloads import DownloadSpec
from ansible_collections.storware.backup.plugins.module_utils._api.create import Creator
from ansible_collections.storware.backup.plugins.module_utils._api.models import Task
from tests.contract.client import Client
from tests.simulator.process import Simulator
from tests.support.modules import connect, prepare, run_module

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
CREATE = "POST /cloud-download"
VISIBILITY_TIMEOUT = 1.5  # real seconds; the simulator's clock makes 75 out of them


@pytest.fixture(autouse=True)
def _quick_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "VISIBILITY_TIMEOUT", VISIBILITY_TIMEOUT)


def ensure(options: t.Mapping[str, t.Any], **settings: t.Any) -> dict[str, t.Any]:
    return run_module("cloud_download", options, **settings)


def good(result: dict[str, t.Any]) -> dict[str, t.Any]:
    assert not result.get("failed"), result
    return result


def guids(result: t.Mapping[str, t.Any]) -> list[str]:
    return sorted(download["guid"] for download in result["cloud_downloads"])


def on_server(simulator: Simulator) -> list[str]:
    simulator.step(600)
    return sorted(download["guid"] for download in simulator.downloads())


def creates(simulator: Simulator) -> int:
    """How many creates the server has acted on."""
    return int(simulator.counters()["calls"].get(CREATE, 0))


def before_the_create(monkeypatch: pytest.MonkeyPatch, action: t.Callable[[], object]) -> None:
    """Do this once, between what the module has read and its first POST."""
    post = Creator._post

    def after_action(creator: Creator, wanted: t.Sequence[DownloadSpec]) -> dict[str, Task]:
        monkeypatch.setattr(Creator, "_post", post)
        action()
        return post(creator, wanted)

    monkeypatch.setattr(Creator, "_post", after_action)


# --- POST: H11 to H14 ---


@pytest.mark.fault("H11", "H13", "H14")
@pytest.mark.parametrize("lag", [0, 30])
@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("lost_answer", 0),
        ("cut_headers", 0),
        ("cut_body", 0),
        ("untrue", 500),
        ("untrue", 502),
        ("untrue", 503),
        ("untrue", 504),
        ("untrue", 409),
    ],
)
def test_a_create_whose_answer_is_lost_after_the_server_acted_is_found(
    simulator: Simulator, how: str, status: int, lag: int
) -> None:
    simulator.switch(list_lag=lag)
    simulator.fault(CREATE, how, status=status)
    result = good(ensure(prepare(simulator, ALICE, BOB)))
    assert result["changed"]
    assert guids(result) == sorted(result["created"]) == on_server(simulator)
    assert len(result["created"]) == 2
    assert simulator.counters()["faults"] == creates(simulator) == 1
    assert not good(ensure(prepare(simulator, ALICE, BOB)))["changed"]


@pytest.mark.fault("H12")
@pytest.mark.parametrize(("how", "status"), [("lost_request", 0), ("refused", 502), ("refused", 503), ("refused", 504)])
def test_a_create_that_is_lost_before_the_server_acted_is_sent_once_more(
    simulator: Simulator, how: str, status: int
) -> None:
    simulator.fault(CREATE, how, status=status)
    result = good(ensure(prepare(simulator, ALICE, BOB)))
    assert guids(result) == sorted(result["created"]) == on_server(simulator)
    assert len(result["created"]) == 2


@pytest.mark.fault("H12")
def test_a_second_lost_create_is_found_as_well(simulator: Simulator) -> None:
    simulator.fault(CREATE, "lost_request")
    simulator.fault(CREATE, "lost_answer")
    result = good(ensure(prepare(simulator, ALICE)))
    assert guids(result) == result["created"] == on_server(simulator)


@pytest.mark.fault("H12")
def test_a_create_is_never_sent_a_third_time(simulator: Simulator) -> None:
    simulator.fault(CREATE, "lost_request", times=9)
    result = ensure(prepare(simulator, ALICE))
    assert (result["failed"], result["changed"]) == (True, False)
    assert (result["error"]["code"], result["error"]["retryable"]) == ("response_lost", True)
    assert simulator.counters()["faults"] == 2
    assert on_server(simulator) == []


@pytest.mark.fault("H14")
@pytest.mark.parametrize("status", [409, 500])
def test_what_the_server_itself_refuses_is_told_and_not_sent_again(simulator: Simulator, status: int) -> None:
    simulator.fault(CREATE, "refused", status=status)
    result = ensure(prepare(simulator, ALICE, profile={"create": {"visible_within": 1}}))
    assert result["failed"]
    assert (result["error"]["status"], result["error"]["server_message"]) == (status, "a fault on demand")
    assert simulator.counters()["faults"] == 1
    assert creates(simulator) == 0


@pytest.mark.fault("H12")
def test_a_create_that_never_arrived_is_sent_again_however_short_wait_timeout_is(simulator: Simulator) -> None:
    simulator.fault(CREATE, "lost_request")
    result = good(ensure({**prepare(simulator, ALICE, wait=False), "wait_timeout": 0.3}))
    assert result["changed"]
    assert creates(simulator) == len(on_server(simulator)) == 1


@pytest.mark.fault("H12")
def test_a_server_that_does_not_come_back_is_not_sent_anything_again(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.fault(CREATE, "lost_request")

    def away() -> None:
        simulator.fault("GET /cloud-download", "refused", times=10**6, status=503)

    before_the_create(monkeypatch, away)
    result = ensure({**prepare(simulator, ALICE, retries=0), "wait_timeout": 0.3})
    assert result["error"]["code"] == "response_lost"
    assert creates(simulator) == 0


@pytest.mark.fault("H11")
def test_a_lost_create_is_found_although_the_server_is_away_at_first(simulator: Simulator) -> None:
    simulator.fault(CREATE, "lost_answer")
    simulator.fault("GET /tasks", "refused", after=1, times=4, status=503)
    result = good(ensure(prepare(simulator, ALICE, retries=0)))
    assert guids(result) == result["created"] == on_server(simulator)


@pytest.mark.fault("H11")
@pytest.mark.parametrize("switches", [{"task_per_entity": False}, {"backup_in_record": "never"}, {"purge_after": 0}])
def test_a_lost_create_is_found_with(simulator: Simulator, switches: dict[str, t.Any]) -> None:
    simulator.switch(**switches)
    simulator.fault(CREATE, "lost_answer")
    result = good(ensure(prepare(simulator, ALICE, BOB)))
    assert guids(result) == sorted(result["created"]) == on_server(simulator)
    assert creates(simulator) == 1


def test_a_lost_create_without_waiting_returns_its_tasks(simulator: Simulator) -> None:
    simulator.speed(0)
    simulator.fault(CREATE, "lost_answer")
    result = good(ensure(prepare(simulator, ALICE, wait=False)))
    assert result["changed"]
    assert [task["state"] for task in result["tasks"]] == ["QUEUED"]


@pytest.mark.fault("H13")
def test_only_what_is_missing_is_asked_for_again(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator.fault(CREATE, "lost_request", after=1)
    before_the_create(monkeypatch, lambda: Client(simulator).order(ALICE))
    result = good(ensure(prepare(simulator, ALICE, BOB)))
    assert guids(result) == on_server(simulator)
    assert len(guids(result)) == 2
    bodies = [request["body"] for request in simulator.requests() if request["path"] == "/cloud-download"]
    assert [len(body["protectedEntities"]) for body in bodies if body] == [1, 1]


# --- one who comes second (P12) ---


@pytest.mark.fault("H13", "P12")
@pytest.mark.parametrize("wait", [True, False])
def test_what_waits_in_the_queue_is_not_made_again(simulator: Simulator, wait: bool) -> None:
    simulator.speed(0)
    first = good(ensure(prepare(simulator, ALICE, wait=False)))
    assert first["cloud_downloads"] == []
    if wait:
        simulator.speed(50)
    second = good(ensure(prepare(simulator, ALICE, wait=wait)))
    assert (second["changed"], second["created"], second["tasks"]) == (False, [], [])
    assert creates(simulator) == 1
    if wait:
        assert guids(second) == on_server(simulator)
    else:
        assert first["tasks"][0]["guid"] in str(second["warnings"][-1])
        simulator.speed(50)
    assert guids(good(ensure(prepare(simulator, ALICE)))) == on_server(simulator)


def test_check_mode_counts_what_waits_in_the_queue_as_being_prepared(simulator: Simulator) -> None:
    simulator.speed(0)
    ensure(prepare(simulator, ALICE, wait=False))
    predicted = good(ensure(prepare(simulator, ALICE), check=True))
    assert not predicted["changed"]
    simulator.speed(50)
    real = good(ensure(prepare(simulator, ALICE)))
    assert (predicted["changed"], predicted["diff"]) == (real["changed"], real["diff"])


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING"])
@pytest.mark.parametrize("type_", ["EXPORT", "STORE", "UNMOUNT"])
def test_a_task_that_is_documented_as_something_else_does_not_matter(
    simulator: Simulator, type_: str, state: str
) -> None:
    simulator.add_task(ALICE, type=type_, queue_seconds=0 if state == "RUNNING" else 9999, run_seconds=9999)
    result = good(ensure(prepare(simulator, ALICE)))
    assert len(result["created"]) == len(on_server(simulator)) == 1


def test_a_restore_of_the_same_mailbox_delays_but_does_not_replace_its_download(simulator: Simulator) -> None:
    simulator.add_task(ALICE, type="RESTORE", queue_seconds=20, run_seconds=99999)
    result = good(ensure(prepare(simulator, ALICE)))
    assert (result["changed"], len(result["created"]), len(on_server(simulator))) == (True, 1, 1)
    assert result["diff"]["before"] == {"cloud_downloads": []}


def test_a_restore_that_waits_for_ever_is_named_when_the_time_is_over(simulator: Simulator) -> None:
    simulator.add_task(ALICE, type="RESTORE", queue_seconds=99999)
    result = ensure({**prepare(simulator, ALICE, BOB), "wait_timeout": 1})
    assert result["error"]["code"] == "wait_timeout"
    assert [download["protected_entity"]["name"] for download in result["cloud_downloads"]] == ["Bob Baker"]
    assert "not asked for" in result["failures"][0]["reason"]
    assert "(RESTORE, QUEUED)" in result["failures"][0]["reason"]


def test_the_other_kind_of_the_same_mailbox_is_made_as_well(simulator: Simulator) -> None:
    simulator.speed(0)
    good(ensure(prepare(simulator, ALICE, wait=False)))
    simulator.speed(50)
    simulator.switch(queue_seconds=0)
    other = good(ensure(prepare(simulator, ALICE, mode="CLOUD_PST_DOWNLOAD")))
    assert len(other["created"]) == 1
    simulator.step(60)
    assert sorted(d["mode"]["name"] for d in simulator.downloads()) == ["CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD"]


@pytest.mark.fault("H11")
def test_two_new_downloads_after_a_lost_answer_are_told_and_the_next_run_uses_one(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.speed(0)  # tasks that end before they are listed are no traces
    simulator.fault(CREATE, "lost_answer", after=1)
    before_the_create(monkeypatch, lambda: Client(simulator).order(ALICE))
    result = ensure(prepare(simulator, ALICE))
    assert (result["failed"], result["error"]["code"]) == (True, "ambiguous_create")
    (failure,) = result["failures"]
    assert failure["name"] == "Alice Archer"
    assert result["tasks"][0]["guid"] in failure["reason"]
    simulator.step(60)
    simulator.speed(50)
    again = good(ensure(prepare(simulator, ALICE)))
    assert not again["changed"]
    assert guids(again)[0] in on_server(simulator)


# --- DELETE: H15, H16 ---


def remove(simulator: Simulator, **options: t.Any) -> dict[str, t.Any]:
    return ensure(prepare(simulator, ALICE, state="absent", **options))


@pytest.mark.fault("H15")
@pytest.mark.parametrize("seconds", [0, 10])
@pytest.mark.parametrize(
    ("how", "status"),
    [("lost_request", 0), ("lost_answer", 0), ("cut_headers", 0), ("cut_body", 0), ("untrue", 500), ("untrue", 504)],
)
def test_a_delete_whose_answer_is_lost_is_repeated(simulator: Simulator, how: str, status: int, seconds: int) -> None:
    simulator.switch(delete_seconds=seconds, queue_seconds=0)
    made = good(ensure(prepare(simulator, ALICE)))
    simulator.fault("DELETE /cloud-download/{guid}", how, status=status)
    result = good(remove(simulator))
    assert (result["changed"], result["deleted"]) == (True, made["created"])
    assert on_server(simulator) == []
    assert not good(remove(simulator))["changed"]


@pytest.mark.fault("H16")
@pytest.mark.parametrize("answer", ["body", "empty", "accepted"])
@pytest.mark.parametrize("lag", [0, 20])
def test_a_delete_is_done_when_the_list_agrees(simulator: Simulator, answer: str, lag: int) -> None:
    made = good(ensure(prepare(simulator, ALICE)))
    simulator.step(lag)
    simulator.switch(delete_answer=answer, list_lag=lag)
    result = good(remove(simulator))
    assert result["deleted"] == made["created"]
    assert run_module("cloud_download_info", connect(simulator))["cloud_downloads"] == []


@pytest.mark.fault("H15")
def test_a_delete_that_failed_although_it_was_done_is_done(simulator: Simulator) -> None:
    made = good(ensure(prepare(simulator, ALICE)))
    simulator.switch(delete_seconds=0, queue_seconds=0)
    simulator.fault("DELETE /cloud-download/{guid}", "untrue", status=409)
    result = good(remove(simulator))
    assert (result["changed"], result["deleted"]) == (True, made["created"])


@pytest.mark.fault("H16")
def test_a_delete_task_that_fails_is_told_in_the_servers_words(simulator: Simulator) -> None:
    made = good(ensure(prepare(simulator, ALICE)))
    simulator.switch(fail_deletes=True)
    result = remove(simulator)
    assert (result["failed"], result["changed"], result["deleted"]) == (True, False, [])
    (failure,) = result["failures"]
    assert failure["guid"] == made["created"][0]
    assert "The node could not remove the files" in failure["reason"]


# --- GET: a list that breaks off is no short list ---


@pytest.mark.parametrize("how", ["lost_answer", "cut_headers", "cut_body"])
@pytest.mark.parametrize("after", range(4))
def test_a_list_that_breaks_off_is_read_again(simulator: Simulator, how: str, after: int) -> None:
    made = good(ensure(prepare(simulator, ALICE)))
    simulator.fault("GET /cloud-download", how, after=after)
    result = good(ensure(prepare(simulator, ALICE, BOB)))
    assert set(made["created"]) < set(guids(result))
    assert guids(result) == on_server(simulator)
    assert len(guids(result)) == 2
