# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers whose records do not show of which backup a download is: no download is lost track of, none is made twice."""

from __future__ import annotations

import typing as t

import pytest

from tests.contract.client import Client
from tests.integration.test_lost_answers import before_the_create, creates, ensure, good, guids, on_server
from tests.simulator.process import Simulator
from tests.support.fleet import ALICE as ONE
from tests.support.fleet import Fleet
from tests.support.modules import GUID_FILTERS, prepare
from tests.support.virtual import virtual_time

ALICE, BOB = "alice@example.com", "bob@example.com"
NEW_ONE = "To have a new one, delete it first, with state=absent and its GUID"


@pytest.fixture(autouse=True)
def _no_time_passes(simulator: Simulator) -> t.Iterator[None]:
    simulator.switch(backup_link="none")
    with virtual_time(simulator):
        yield


def latest(simulator: Simulator, *people: str, **options: t.Any) -> dict[str, t.Any]:
    return {**prepare(simulator, *people, backup="latest", **options), "wait_timeout": 600, "wait_interval": 1}


def warnings(result: t.Mapping[str, t.Any]) -> str:
    return " ".join(map(str, result.get("warnings", [])))


def older_backup(simulator: Simulator, name: str = ALICE) -> str:
    """The GUID of the oldest backup, which is not the latest one."""
    client = Client(simulator)
    found = client.get(f"/backups?protected-entity={client.guid_of(name)}&orderBy=snapshotTime").json()
    return str(found[0]["guid"])


def older(simulator: Simulator, name: str) -> dict[str, t.Any]:
    return {**latest(simulator, name), "backup": older_backup(simulator, name)}


@pytest.mark.parametrize("ignored", [[], GUID_FILTERS], ids=["heeded", "ignored"])
def test_what_our_own_tasks_made_is_taken_and_found_again(simulator: Simulator, ignored: list[str]) -> None:
    simulator.switch(ignored_filters=ignored)
    made = good(ensure(latest(simulator, ALICE, BOB)))
    assert guids(made) == sorted(made["created"]) == on_server(simulator)
    assert simulator.counters()["calls"]["GET /tasks"] < 30  # one each second: not two minutes of doubt
    assert [download["backup"] for download in made["cloud_downloads"]] == [None, None]  # as the server says it
    assert NEW_ONE not in warnings(made)
    for check in (True, False):
        again = good(ensure(latest(simulator, ALICE, BOB), check=check))
        assert not again["changed"]
        assert guids(again) == guids(made)
        assert all(guid in warnings(again) for guid in guids(made))
        assert NEW_ONE in warnings(again)
    assert creates(simulator) == 1


def test_what_is_still_being_prepared_is_waited_for(simulator: Simulator) -> None:
    first = good(ensure(latest(simulator, ALICE, wait=False)))
    simulator.step(5)  # it runs, and is listed
    second = good(ensure(latest(simulator, ALICE)))
    assert (first["changed"], second["changed"]) == (True, False)
    assert guids(second) == on_server(simulator)
    assert creates(simulator) == 1


def test_a_lost_create_is_found(simulator: Simulator) -> None:
    simulator.switch(queue_seconds=0, run_seconds=0)  # its task is over before anybody can look for it
    simulator.fault("POST /cloud-download", "lost_answer")
    result = good(ensure(latest(simulator, ALICE)))
    assert guids(result) == result["created"] == on_server(simulator)
    assert creates(simulator) == 1


def test_of_two_new_ones_the_one_that_our_task_names_is_ours(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.switch(task_link="mounted_backup")
    before_the_create(monkeypatch, lambda: Client(simulator).order(ALICE))
    result = good(ensure(latest(simulator, ALICE)))
    others = set(on_server(simulator)) - set(result["created"])
    assert (len(result["created"]), len(others)) == (1, 1)
    named = Client(simulator).get("/tasks").json()[-1]["mountedBackup"]["guid"]
    assert guids(result) == [named]


def test_of_two_new_ones_none_is_taken_when_nothing_says_which_is_ours(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_create(monkeypatch, lambda: Client(simulator).order(ALICE))
    result = ensure(latest(simulator, ALICE))
    assert result["error"]["code"] == "prepare_failed"
    (failure,) = result["failures"]
    assert all(guid in failure["reason"] for guid in on_server(simulator))
    assert "does not say of which backup" in failure["reason"]


def test_a_server_whose_filter_knows_the_backup_is_asked(simulator: Simulator) -> None:
    """An older download is not taken for one of the latest backup, although its record does not say so."""
    simulator.switch(backup_link="filtered")
    old = good(ensure({**latest(simulator, ALICE), "backup": older_backup(simulator)}))
    new = good(ensure(latest(simulator, ALICE)))
    assert new["changed"]
    assert not set(guids(old)) & set(guids(new))
    for result in (old, new):
        assert NEW_ONE not in warnings(result)
    assert not good(ensure(latest(simulator, ALICE)))["changed"]
    assert len(on_server(simulator)) == 2


def test_a_backup_that_is_removed_says_nothing_about_the_filter(simulator: Simulator) -> None:
    """Alice's older download is found by no backup that is listed; Bob's older one shows that the server knows."""
    simulator.switch(backup_link="filtered")
    old = [guids(good(ensure(older(simulator, name)))) for name in (ALICE, BOB)]
    simulator.switch(expired_entities=[ALICE])
    new = good(ensure(latest(simulator, ALICE, BOB)))
    assert len(new["created"]) == 2
    assert not {guid for each in old for guid in each} & set(guids(new))
    assert NEW_ONE not in warnings(new)


def test_a_download_of_another_backup_than_asked_for_is_not_taken_for_ours(simulator: Simulator) -> None:
    """The server drops the key that it does not know, and chooses the backup itself."""
    simulator.switch(backup_link="filtered")
    result = ensure({**latest(simulator, ALICE), "backup": older_backup(simulator), "request": {"backups": None}})
    assert result["error"]["code"] == "prepare_failed"
    assert result["cloud_downloads"] == []


@pytest.mark.parametrize("ignored", [[], GUID_FILTERS], ids=["heeded", "ignored"])
def test_nothing_is_deleted_that_may_be_of_another_backup(simulator: Simulator, ignored: list[str]) -> None:
    made = good(ensure(latest(simulator, ALICE)))
    simulator.switch(ignored_filters=ignored)
    result = ensure(latest(simulator, ALICE, state="absent"))
    assert on_server(simulator) == guids(made)
    if not ignored:
        assert not good(result)["changed"]
        assert f"{made['created'][0]} is left" in warnings(result)
    else:
        assert result["error"]["code"] == "filter_ignored"


@pytest.mark.long
def test_the_role_makes_fetches_finds_and_removes_them(lone_fleet: Fleet) -> None:
    lone_fleet.simulator.speed(50)
    lone_fleet.mail(people=ONE, backup="latest").ok()
    again = lone_fleet.mail(people=ONE, backup="latest").ok()
    assert not any(result.changed for result in again.results)
    assert lone_fleet.files("host-1") == lone_fleet.expected()
    lone_fleet.mail(people=ONE, backup="latest", remove=True).ok()
    assert lone_fleet.simulator.downloads() == []
    assert lone_fleet.calls().count("POST /cloud-download") == 1
