# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where no host has a file, everything is prepared at once; a single receipt leads to a search on the server."""

from __future__ import annotations

import os
import pathlib
import re
import typing as t

import pytest

from tests.support.ansible import Run
from tests.support.fleet import ALICE, NAMES, PEOPLE, ROLE, THREE, Fleet, Json
from tests.support.neighbour import Neighbour

SEARCH: t.Final = "Find the downloads on the server"
WAYS: t.Final = ("direct", "controller", "relay", "distributed")
LOG_IN: t.Final = "POST /session/login"
LOG_OUT: t.Final = "POST /session/logout"


def way(fleet: Fleet, name: str) -> Json:
    """The options of a way; a program in the place of ssh reaches the relay."""
    if name == "relay":
        (fleet.directory / "bin").mkdir()
        Neighbour(fleet.directory / "bin")
        path = f"{fleet.directory}/bin:{fleet.ansible.environment()['PATH']}"
        return {"via": name, "environment": {**fleet.credentials(), "PATH": path}}
    if name == "controller":
        (fleet.directory / "spool").mkdir()
        return {"via": name, "spool": str(fleet.directory / "spool")}
    return {"distribute": True} if name == "distributed" else {"via": name}


def searched(run: Run) -> set[str]:
    """The hosts that have searched on the server."""
    return {result.host for result in run.of(SEARCH) if result.status != "skipped"}


def kinds(fleet: Fleet) -> list[str]:
    """The calls since the log was cleared, without those for content."""
    return [call for call in fleet.calls() if not re.match(r"GET /cloud-download/[^/]+$", call)]


def look_up(fleet: Fleet) -> int:
    """Number of calls that look up these people once."""
    fleet.simulator.clear_log()
    task = {"protected_entities": PEOPLE, "protected_entity_type": "CLOUD_USER", "wait": False}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"storware.backup.cloud_download": task}]}
    fleet.ansible.playbook([play], "--check", environment=fleet.credentials()).ok()
    number = fleet.calls().count("GET /cloud-users")
    fleet.simulator.clear_log()
    return number


@pytest.mark.parametrize("name", [WAYS[0], *(pytest.param(name, marks=pytest.mark.long) for name in WAYS[1:])])
def test_a_first_run_asks_for_everything_once(fleet_of_three: Fleet, name: str) -> None:
    fleet, options = fleet_of_three, way(fleet_of_three, name)
    once = look_up(fleet)
    run = fleet.mail(**options).ok()
    calls = kinds(fleet)
    assert not searched(run)
    before = [LOG_IN, *["GET /cloud-users"] * once, "GET /tasks", "GET /cloud-download", "POST /cloud-download"]
    assert [calls[: len(before)], calls[-1]] == [before, LOG_OUT]
    assert set(calls[len(before) : -1]) <= {"GET /tasks", "GET /cloud-download"}
    expected = fleet.expected()
    found = [fleet.files(host) for host in THREE]
    if name == "distributed":
        assert sorted(file for files in found for file in files) == sorted(expected)
    else:
        assert found == [expected] * len(THREE)

    fleet.simulator.clear_log()
    again = fleet.mail(**options).ok()
    assert searched(again) == {THREE[0]}
    assert not [result for result in again.results if result.changed]
    lists = ["GET /tasks", "GET /cloud-download", "GET /cloud-download"]
    assert fleet.calls() == [LOG_IN, *["GET /cloud-users"] * once, *lists, LOG_OUT]


def receipt_as_directory(path: pathlib.Path) -> None:
    path.mkdir()


def receipt_as_link(path: pathlib.Path) -> None:
    path.symlink_to("/nonexistent")


@pytest.mark.long
@pytest.mark.parametrize(
    "plant", [pathlib.Path.touch, receipt_as_directory, receipt_as_link, os.mkfifo], ids=["file", "dir", "link", "fifo"]
)
def test_anything_that_is_named_like_a_receipt_leads_to_a_search(
    fleet: Fleet, plant: t.Callable[[pathlib.Path], None]
) -> None:
    """On one host, and all with the same request get their files."""
    plant(fleet.directory / NAMES[1] / "x.sha256")
    run = fleet.mail(people=ALICE).ok()
    assert searched(run) == {NAMES[0]}
    assert [fleet.files(host) for host in NAMES] == [fleet.expected()] * 2


@pytest.mark.long
def test_each_request_of_a_play_and_each_use_of_the_role_decides_for_itself(fleet: Fleet) -> None:
    """The second host asks for something else, and the second use finds the files of the first one."""
    bob = {NAMES[1]: {"fetch_content_protected_entities": PEOPLE[1:]}}
    (fleet.directory / NAMES[1] / "x.sha256").touch()
    inventory = fleet.inventory(bob)
    inventory["all"]["vars"] |= {"fetch_content_protected_entity_type": "CLOUD_USER"}
    inventory["all"]["hosts"][NAMES[0]]["fetch_content_protected_entities"] = ALICE
    uses = [{"ansible.builtin.include_role": {"name": ROLE}} for _use in range(2)]
    run = fleet.ansible.playbook(
        [{"hosts": "all", "gather_facts": False, "tasks": uses}],
        inventory=inventory,
        variables={"fetch_content_wait_interval": 0.1},
        environment=fleet.credentials(),
    ).ok()
    done = [result for result in run.of(SEARCH) if result.status != "skipped"]
    assert [result.host for result in done] == [NAMES[1], NAMES[0], NAMES[1]]
    assert fleet.calls().count("POST /cloud-download") == 2
    assert [len(fleet.files(host)) for host in NAMES] == [1, 1]


@pytest.mark.long
def test_with_the_strategy_free_each_host_decides_for_itself(fleet: Fleet) -> None:
    fleet.mail("--limit", NAMES[1], people=ALICE).ok()
    run = fleet.mail(people=ALICE, keywords={"strategy": "free"}).ok()
    assert searched(run) == {NAMES[1]}
    assert [fleet.files(host) for host in NAMES] == [fleet.expected()] * 2
    assert fleet.calls().count("POST /cloud-download") == 1


@pytest.mark.long
def test_with_serial_a_later_batch_finds_the_downloads_of_the_first_one(fleet: Fleet) -> None:
    run = fleet.mail(people=ALICE, keywords={"serial": 1}).ok()
    assert not searched(run)
    assert fleet.calls().count("POST /cloud-download") == 1
    assert [fleet.files(host) for host in NAMES] == [fleet.expected()] * 2


@pytest.mark.parametrize(
    ("settings", "prediction"),
    [
        ({"backup": "latest"}, False),
        pytest.param({}, True, marks=pytest.mark.long),
    ],
    ids=["backup", "check"],
)
def test_sizes_and_predictions_are_made_of_a_search(lone_fleet: Fleet, settings: Json, prediction: bool) -> None:
    run = lone_fleet.mail(*(["--check"] if prediction else []), people=ALICE, **settings).ok()
    assert searched(run) == {NAMES[0]}
    assert not run.of("Count the receipts on this host")


@pytest.mark.long
def test_an_entity_that_cannot_be_prepared_stops_no_other(fleet: Fleet) -> None:
    (bob,) = [user["guid"] for user in fleet.simulator.entities("users") if user["email"] == PEOPLE[1]]
    fleet.simulator.switch(fail_entities=[bob])
    run = fleet.mail(remove=True)
    assert run.rc != 0
    assert not searched(run)
    assert [len(fleet.files(host)) for host in NAMES] == [1, 1]
    assert len(fleet.simulator.downloads()) == 1  # nothing is removed
    failed = {r.host: r.result["error"]["code"] for r in run.results if r.status == "failed" and "error" in r.result}
    assert set(failed) == {*NAMES}
    assert re.search(r"^Bob Baker .*not prepared", run.stdout, re.M), run.stdout


@pytest.mark.parametrize("strategy", ["linear", pytest.param("free", marks=pytest.mark.long)])
def test_a_request_that_fails_as_a_whole_fails_for_each_host(fleet: Fleet, strategy: str) -> None:
    """Not even a play that ignores errors goes on."""
    after = [{"ansible.builtin.debug": {"msg": "gone on"}}]
    keywords = {"strategy": strategy, "ignore_errors": True, "post_tasks": after}
    run = fleet.mail(people=["nobody@example.com"], keywords=keywords)
    assert run.rc != 0
    assert not searched(run)
    assert "gone on" not in run.stdout
    messages = {
        result.host: result.result["msg"]
        for result in run.results
        if result.status == "failed" and result.task.startswith("Plan the transfers")
    }
    assert set(messages) == {*NAMES}
    assert all("nobody@example.com" in message for message in messages.values())
    assert fleet.simulator.counters()["open_sessions"] == 0


@pytest.mark.long
def test_a_run_that_was_cancelled_while_waiting_is_repeated_without_a_second_request(fleet: Fleet) -> None:
    fleet.simulator.speed(0)
    assert fleet.mail(people=ALICE, wait_timeout=1).rc != 0
    fleet.simulator.speed(50)
    run = fleet.mail(people=ALICE).ok()
    assert not searched(run)
    assert fleet.calls().count("POST /cloud-download") == 1
    assert [fleet.files(host) for host in NAMES] == [fleet.expected()] * 2
