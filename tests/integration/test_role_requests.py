# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role fetch_content where hosts ask for different downloads: each gets its own, in one run with one login."""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from tests.integration.test_role_distribute import crowd
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.examples import count
from tests.support.fleet import ROLE, THREE, Fleet, Json
from tests.support.neighbour import Neighbour
from tests.support.use import content_calls

USERS = {"fetch_content_protected_entity_type": "CLOUD_USER"}


@pytest.fixture
def fleet(fleet_of_three: Fleet) -> Fleet:
    return fleet_of_three


def lists(**people: Json) -> dict[str, Json]:
    """Variables of hosts, each with its own people; host_1 is host-1."""
    return {
        name.replace("_", "-"): {"fetch_content_protected_entities": given, **USERS} for name, given in people.items()
    }


def entities(fleet: Fleet, host: str) -> set[str]:
    """The entities whose files a host has, by the names of the files, which have them in it."""
    names = {
        fleet.simulator.content(download["guid"])["name"]: download["backup"]["protectedEntity"]["name"]
        for download in fleet.simulator.downloads()
    }
    return {names[file] for file in fleet.files(host)}


def logins_and_requests(fleet: Fleet) -> tuple[int, int]:
    """How often somebody has logged in, and asked for new downloads. Nothing else is sent by POST."""
    posts = [call for call in fleet.calls() if call.startswith("POST")]
    assert set(posts) <= {"POST /session/login", "POST /session/logout", "POST /cloud-download"}
    return posts.count("POST /session/login"), posts.count("POST /cloud-download")


@pytest.mark.long
def test_each_host_gets_what_its_own_variables_ask_for(fleet: Fleet) -> None:
    """Two share a request, in another order; all of them log in once, and a second run changes nothing."""
    hosts = lists(
        host_1=["alice@example.com", "bob@example.com"],
        host_2="carol@example.com\nbob@example.com",
        host_3="\nbob@example.com\nalice@example.com\n",
    )
    fleet.run(hosts=hosts).ok()
    assert logins_and_requests(fleet) == (1, 2)
    assert len(fleet.simulator.downloads()) == 3  # Bob's is there for both requests
    assert entities(fleet, "host-1") == entities(fleet, "host-3") == {"Alice Archer", "Bob Baker"}
    assert entities(fleet, "host-2") == {"Bob Baker", "Carol Carter"}
    again = fleet.run(hosts=hosts).ok()
    assert not any(result.changed for result in again.results)


@pytest.mark.long
def test_a_download_goes_when_every_host_that_was_to_get_it_proves_it(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    """One request fails as a whole: its host fails, the others are served, and nothing is removed."""
    hosts = lists(host_1="alice@example.com", host_2="nobody@example.com", host_3="carol@example.com")
    report = tmp_path / "report.json"
    broken = fleet.run(hosts=hosts, remove=True, report=str(report))
    assert broken.rc != 0
    assert {result.host for result in broken.results if result.status == "failed"} >= {"host-2"}
    assert "No download is removed from the server" in broken.stdout
    assert len(fleet.simulator.downloads()) == 2
    assert entities(fleet, "host-1") == {"Alice Archer"}
    assert entities(fleet, "host-3") == {"Carol Carter"}
    told = json.loads(report.read_text())
    assert not told["complete"]
    assert {(row["entity"], row["host"], row["result"]) for row in told["files"]} == {
        ("Alice Archer", "host-1", "fetched"),
        ("Carol Carter", "host-3", "fetched"),
        ("nobody@example.com", None, "not prepared"),
    }
    hosts["host-2"]["fetch_content_protected_entities"] = "bob@example.com"
    fleet.run(hosts=hosts, remove=True).ok()
    assert fleet.simulator.downloads() == []


@pytest.mark.long
def test_hosts_may_differ_in_the_backups_that_they_take(fleet: Fleet) -> None:
    """The newest is a partial one. What is found under a request is told."""
    fleet.simulator.switch(newest_backup="PARTIAL_SUCCESS")
    hosts = lists(host_1="alice@example.com", host_2="alice@example.com", host_3="alice@example.com")
    hosts["host-2"]["fetch_content_backup_statuses"] = ["SUCCESS", "PARTIAL_SUCCESS"]
    settings: dict[str, Json] = {"hosts": hosts, "backup": "latest", "request": {"node": None}}
    first = fleet.run(**settings).ok()
    assert logins_and_requests(fleet) == (1, 2)
    assert fleet.files("host-1") == fleet.files("host-3") != fleet.files("host-2")
    assert {**fleet.files("host-1"), **fleet.files("host-2")} == fleet.expected()
    output = " ".join(first.output.split())
    assert "objects may be missing" in output
    assert "there before" not in output
    again = fleet.run(**settings).ok()
    assert not any(result.changed for result in again.results)
    assert "there before" in " ".join(again.output.split())


@pytest.mark.long
def test_hosts_that_spread_share_with_those_that_ask_for_the_same(fleet: Fleet) -> None:
    people = crowd(fleet, 4)
    hosts = lists(host_1=people, host_2="alice@example.com", host_3=people[::-1])
    fleet.run(hosts=hosts, distribute=True).ok()
    assert entities(fleet, "host-2") == {"Alice Archer"}
    assert [len(fleet.files(name)) for name in THREE] == [2, 1, 2]
    assert not entities(fleet, "host-1") & entities(fleet, "host-3")


@pytest.mark.long
@pytest.mark.parametrize("keywords", [{"serial": 1}, {"serial": 2}, {"strategy": "free"}])
def test_hosts_in_another_order(fleet: Fleet, keywords: dict[str, Json]) -> None:
    hosts = lists(host_1="alice@example.com", host_2="bob@example.com", host_3="alice@example.com\n")
    fleet.run(hosts=hosts, throttle=1, keywords=keywords).ok()
    assert [entities(fleet, name) for name in THREE] == [{"Alice Archer"}, {"Bob Baker"}, {"Alice Archer"}]
    assert len(fleet.simulator.downloads()) == 2


@pytest.mark.long
@pytest.mark.parametrize("keywords", [{"serial": 1}, {"strategy": "free"}])
def test_hosts_that_cannot_know_of_each_other_spread_one_request_only(fleet: Fleet, keywords: dict[str, Json]) -> None:
    people = crowd(fleet, 4)
    fleet.run(hosts=lists(host_1=people, host_2=people, host_3=people), distribute=True, keywords=keywords).ok()
    assert sorted(len(fleet.files(name)) for name in THREE) == [1, 1, 2]
    hosts = lists(host_1=people[:2], host_2=people[2:], host_3=people[:2])
    refused = fleet.run("--forks", "1", hosts=hosts, distribute=True, keywords=keywords)
    assert refused.rc != 0
    assert "is for hosts that all ask for the same downloads" in refused.output


@pytest.mark.long
def test_the_role_twice_and_then_for_some_hosts_only(fleet: Fleet) -> None:
    """What a host has left from before is nobody's request now."""
    hosts = lists(host_1="alice@example.com", host_2="bob@example.com", host_3="alice@example.com\n")

    def role(**more: Json) -> Json:
        return {"ansible.builtin.include_role": {"name": ROLE}, **more}

    lose = {"ansible.builtin.shell": f"rm -f {fleet.directory}/*/*"}
    tasks = [role(), lose, role(when="inventory_hostname == 'host-3'")]
    fleet.run(hosts=hosts, keywords={"roles": [], "tasks": tasks}).ok()
    assert [entities(fleet, name) for name in THREE] == [set(), set(), {"Alice Archer"}]


@pytest.mark.long
def test_the_controller_hands_on_what_each_host_asks_for(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    (tmp_path / "spool").mkdir()
    hosts = lists(host_1="alice@example.com", host_2="bob@example.com", host_3="alice@example.com\n")
    fleet.run(hosts=hosts, via="controller", spool=str(tmp_path / "spool")).ok()
    assert [entities(fleet, name) for name in THREE] == [{"Alice Archer"}, {"Bob Baker"}, {"Alice Archer"}]
    assert len(content_calls(fleet.simulator)) == 2


@pytest.mark.long
def test_entry_points_with_different_requests(fleet: Fleet) -> None:
    hosts = lists(host_1="alice@example.com", host_2="bob@example.com", host_3="alice@example.com\n")
    for step in ("prepare", "fetch", "remove"):
        include = {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": step}}
        fleet.run(hosts=hosts, keywords={"roles": [], "tasks": [include]}).ok()
        if step == "fetch":
            found = [entities(fleet, name) for name in THREE]
            assert found == [{"Alice Archer"}, {"Bob Baker"}, {"Alice Archer"}]
    assert fleet.simulator.downloads() == []


@pytest.mark.long
def test_a_legal_case_with_a_list_for_each_host(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """Each file on its host only, one login, a request for each list, and a second run that changes nothing."""
    number = count(12, 300)
    simulator.switch(content_size=20_000)
    fleet = Fleet(ansible, simulator, tmp_path, names=("files-1", "files-2", "files-3", "files-4"))
    people = crowd(fleet, number)
    share = number // 4
    hosts = lists(**{f"files_{at + 1}": people[at * share : (at + 1) * share] for at in range(4)})
    simulator.clear_log()
    fleet.run(hosts=hosts, wait_interval=1).ok()
    assert logins_and_requests(fleet) == (1, 4)
    expected = fleet.expected()
    found = [fleet.files(name) for name in fleet.names]
    assert [len(files) for files in found] == [share] * 4
    assert {name: digest for files in found for name, digest in files.items()} == expected
    assert len(expected) == number
    emails = {user["name"]: user["email"] for user in simulator.entities("users")}
    for name in fleet.names:
        assert {emails[entity] for entity in entities(fleet, name)} == set(
            hosts[name]["fetch_content_protected_entities"]
        )
    again = fleet.run(hosts=hosts).ok()
    assert not any(result.changed for result in again.results)


@pytest.mark.long
def test_the_rate_of_the_run_is_for_those_who_fetch(
    ansible: Ansible, simulator: Simulator, neighbour: Neighbour, tmp_path: pathlib.Path
) -> None:
    """Two relays of four hosts have half of it each, and so have their two neighbours afterwards."""
    (tmp_path / "hosts").mkdir()
    simulator.switch(content_size=100_000)
    fleet = Fleet(ansible, simulator, tmp_path / "hosts", names=("a-1", "a-2", "b-1", "b-2"))
    inventory = fleet.inventory()
    inventory["all"]["children"] = {"a": {"hosts": {"a-1": {}, "a-2": {}}}, "b": {"hosts": {"b-1": {}, "b-2": {}}}}
    run = ansible.playbook(
        [{"hosts": "all", "gather_facts": False, "roles": [{"role": ROLE}]}],
        "--forks",
        "10",
        inventory=inventory,
        variables={
            "fetch_content_protected_entities": "alice@example.com",
            "fetch_content_wait_interval": 0.1,
            "fetch_content_via": "relay",
            "fetch_content_relay_groups": "a\nb",
            "fetch_content_max_rate": "4M",
            **USERS,
        },
        environment={**fleet.credentials(), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
    ).ok()
    for task in ("Fetch and verify the content of each download", "Copy and verify the content of each download"):
        rates = [r.result["invocation"]["module_args"]["max_rate"] for r in run.of(task) if r.status == "ok"]
        assert [int(rate) for rate in rates] == [2 * 1024**2] * 2
    assert all(fleet.files(name) == fleet.expected() for name in fleet.names)
