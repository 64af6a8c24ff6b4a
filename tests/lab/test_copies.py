# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that come to hosts from the controller, or from a neighbour."""

from __future__ import annotations

import collections
import json
import pathlib
import shlex
import typing as t

import pytest
import yaml

from tests.harness import tree
from tests.lab.fleet import Fleet
from tests.lab.network import CONTROLLER, OTHER
from tests.support import marks
from tests.support.use import MIB, content_calls

Json = t.Any


@pytest.fixture
def spool(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "spool"
    path.mkdir()
    return path


# The gate shows the controller's way in tests/integration, to hosts that are this machine.
@pytest.fixture(params=[pytest.param("controller", marks=pytest.mark.long), "relay"])
def way(request: pytest.FixtureRequest, spool: pathlib.Path) -> Json:
    """The options for it."""
    if request.param == "relay":
        return {"via": "relay", "relay_key": "/home/ansible/.ssh/id"}
    return {"via": "controller", "spool": str(spool)}


@pytest.mark.parametrize(
    "keywords",
    [pytest.param({}, id="unprivileged"), pytest.param({"become": True}, marks=pytest.mark.long, id="become")],
)
def test_each_file_leaves_the_server_once_and_comes_to_all_hosts(fleet: Fleet, way: Json, keywords: Json) -> None:
    """Also a second run, which changes nothing and copies nothing."""
    owner = {"owner": "ansible"} if keywords else {}  # whom neighbours log in as
    run = fleet.mail(keywords=keywords, **way, **owner).ok()
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()
        assert {path.stat().st_uid for path in (host.srv / "restore").iterdir()} == {2001}
        assert {path.stat().st_mode & 0o777 for path in (host.srv / "restore").iterdir()} == {0o600}
    assert len(content_calls(fleet.simulator)) == 2
    assert run.output.count("  fetched  ") == 6
    again = fleet.mail(keywords=keywords, **way, **owner).ok()
    assert not any(result.changed for result in again.results)
    assert len(content_calls(fleet.simulator)) == 2


@pytest.mark.long
def test_a_host_that_is_cut_off_and_healed_gets_its_copy_in_the_same_run(fleet: Fleet, way: Json) -> None:
    """In the middle of a file of two pieces; what it had is not sent again."""
    fleet.simulator.switch(content_size=300 * MIB)
    cut = fleet.network["host-3"]
    cut.slow("400mbit")
    try:
        with fleet.cut_off(cut, 12):
            run = fleet.mail(people=["alice@example.com"], progress_interval=1, **way).ok()
    finally:
        cut.fast()
    assert "connection lost, trying again" in run.output
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()
    assert len(content_calls(fleet.simulator)) == 1


@pytest.mark.long
def test_hosts_need_no_way_to_the_server(fleet: Fleet, spool: pathlib.Path) -> None:
    port = fleet.simulator.url.rsplit(":", 1)[1]
    hosts = fleet.network.hosts
    rule = f"to {CONTROLLER}/32 ipproto tcp dport {port} prohibit"
    for host in hosts:
        host.sh(f"ip rule add {rule}")
    try:
        assert fleet.mail().rc != 0
        fleet.mail(via="controller", spool=str(spool)).ok()
    finally:
        for host in hosts:
            host.sh(f"ip rule del {rule}")
    for host in hosts:
        assert set(fleet.files(host).values()) == fleet.expected()


@pytest.mark.long
def test_a_relay_that_is_away_is_replaced(fleet: Fleet) -> None:
    away = fleet.network["host-1"]
    away.cut()
    try:
        run = fleet.mail(via="relay", relay_key="/home/ansible/.ssh/id")
    finally:
        away.heal()
    assert run.rc != 0
    assert len(content_calls(fleet.simulator)) == 2
    for name in ("host-2", "host-3"):
        assert set(fleet.files(fleet.network[name]).values()) == fleet.expected()
    assert "4 of 6 files are complete" in run.output
    assert "2 are missing: host-1 2." in run.output
    assert fleet.mail(via="relay", relay_key="/home/ansible/.ssh/id").ok()
    assert set(fleet.files(away).values()) == fleet.expected()


@pytest.mark.long
def test_a_file_that_is_broken_on_the_way_is_not_put_in_place(fleet: Fleet, spool: pathlib.Path) -> None:
    """Somebody has changed it on the controller, but not its receipt; the other file comes."""
    fleet.mail(via="controller", spool=str(spool), people=["alice@example.com"]).ok()
    for host in fleet.network.hosts:
        host.sh("rm /srv/restore/*")
    (file,) = spool.glob("*.zip")
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)
    run = fleet.mail(via="controller", spool=str(spool))
    assert run.rc != 0
    assert "Run the play with fetch_content_verify=full" in run.output
    for host in fleet.network.hosts:
        assert len(fleet.files(host)) == 1
        assert set(fleet.files(host).values()) < fleet.expected()
        assert not list((host.srv / "restore").glob(".*"))
    fleet.mail(via="controller", spool=str(spool), verify="full").ok()
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()


@pytest.mark.long
def test_a_second_run_over_a_relay_does_nothing_and_a_lost_neighbour_needs_no_server(fleet: Fleet) -> None:
    relay: Json = {"via": "relay", "relay_key": "/home/ansible/.ssh/id", "remove": True, "backup": "latest", "keep": 1}
    fleet.mail(**relay).ok()
    expected = {host.name: fleet.files(host) for host in fleet.network.hosts}
    fleet.simulator.clear_log()
    again = fleet.mail(**relay).ok()
    assert not any(result.changed for result in again.results)
    fleet.network["host-3"].sh("rm /srv/restore/*")
    fleet.mail(**relay).ok()
    assert {host.name: fleet.files(host) for host in fleet.network.hosts} == expected
    assert (fleet.simulator.counters()["writes"], len(content_calls(fleet.simulator))) == (0, 0)
    fleet.simulator.back_up()
    fleet.mail(**relay).ok()
    assert all(len(fleet.files(host)) == 2 for host in fleet.network.hosts)
    assert all(set(fleet.files(host)).isdisjoint(expected[host.name]) for host in fleet.network.hosts)
    assert len(content_calls(fleet.simulator)) == 2


@pytest.mark.long
def test_several_groups_have_a_relay_each(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    """By the playbook of docs/relay.md, after its command."""
    page = (tree.ROOT / "docs" / "relay.md").read_text(encoding="utf-8")
    blocks = {b.name: b.text.replace("~/.ssh/relay", "/home/ansible/.ssh/id") for b in marks.blocks(page)}
    inventory = fleet.inventory()
    groups = {"north": ("host-1", "host-2"), "south": ("host-3",)}
    inventory["all"]["children"] = {name: {"hosts": {host: {} for host in hosts}} for name, hosts in groups.items()}
    (tmp_path / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
    login = blocks["login"].replace("inventory.ini", str(tmp_path / "inventory.yml"))
    login = login.replace("files-2.example.com", "host-2").replace(
        "files-1.example.com", fleet.network["host-1"].address
    )
    program, *arguments = shlex.split(login)
    fleet.ansible.run(program, *arguments, environment=fleet.environment()).ok()
    fleet.ansible.playbook(
        yaml.safe_load(blocks["relay.yml"]),
        inventory=inventory,
        variables={"ansible_python_interpreter": "/usr/bin/python3", "fetch_content_wait_interval": 0.1},
        environment=fleet.environment(),
    ).ok()
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()
    asked = collections.Counter(content_calls(fleet.simulator))
    assert set(asked.values()) == {2}


@pytest.mark.long
def test_files_belong_to_another_user(fleet: Fleet, spool: pathlib.Path) -> None:
    """become to a user who is not root: what the controller hands over has to be readable for that one."""
    for host in fleet.network.hosts:
        host.sh(f"chown {OTHER} /srv/restore")
    fleet.mail(via="controller", spool=str(spool), keywords={"become": True, "become_user": OTHER}).ok()
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()
        assert {path.stat().st_uid for path in (host.srv / "restore").iterdir()} == {2002}
