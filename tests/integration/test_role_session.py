# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role works in one session, whatever happens; and what opens sessions stays on the controller."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.fleet import ALICE, Fleet, Json
from tests.support.modules import connect, run_module

LOOK = "Compare the receipts of this host with what is wanted"

# Hosts that Ansible takes for other machines: commands and files go through this in the place of ssh, which notes them.
# Nothing of the controller's environment is known there.
SSH = """#!/bin/sh
for last; do :; done
echo "$last" >> {log}
elsewhere='env -i PATH=/usr/bin:/bin HOME=/nonexistent /bin/sh -c'
case "$last" in
*"dd of="*) tee -a {log} | $elsewhere "$last" ;;
*) exec $elsewhere "$last" ;;
esac
"""


@pytest.fixture
def remote(fleet: Fleet) -> dict[str, str]:
    """The environment in which all hosts are other machines; what they get is in the file log."""
    ssh = fleet.ansible.home / "ssh"
    ssh.write_text(SSH.format(log=log_of(fleet)))
    ssh.chmod(0o700)
    return {"ANSIBLE_TRANSPORT": "ssh", "ANSIBLE_SSH_EXECUTABLE": str(ssh), "ANSIBLE_SSH_TRANSFER_METHOD": "piped"}


def log_of(fleet: Fleet) -> pathlib.Path:
    return fleet.ansible.home / "log"


def by_token(simulator: Simulator) -> dict[str, str]:
    """The token can be told from everything else; the password is in the path of the CA, too."""
    return {"url": simulator.url, "ca_path": str(simulator.ca_path), "token": simulator.token}


def sessions(simulator: Simulator) -> tuple[int, int, int]:
    """Logins, logouts and open sessions since the log was cleared."""
    counters = simulator.counters()
    return counters["logins"], counters["logouts"], counters["open_sessions"]


WAYS: dict[str, t.Callable[[Simulator], dict[str, Json]]] = {
    "environment": lambda simulator: {
        "environment": {f"STORWARE_{name.upper()}": value for name, value in by_token(simulator).items()}
    },
    "play": lambda simulator: {
        "keywords": {"module_defaults": {"group/storware.backup.storware": by_token(simulator)}}
    },
    "role": lambda simulator: {"connection": by_token(simulator)},
}


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.parametrize("way", ["environment", *(pytest.param(w, marks=pytest.mark.long) for w in ("play", "role"))])
def test_hosts_get_the_session_and_nothing_that_opens_one(fleet: Fleet, remote: dict[str, str], way: str) -> None:
    settings = WAYS[way](fleet.simulator)
    environment = {**remote, **settings.pop("environment", {})}
    fleet.mail("-vvvv", people=ALICE, remove=True, environment=environment, **settings).ok()
    assert all(len(fleet.files(host)) == 1 for host in fleet.names)
    assert sessions(fleet.simulator) == (1, 1, 0)
    received = log_of(fleet).read_bytes()
    assert b"AnsiballZ_cloud_download_content" in received
    assert b"JSESSIONID=" in received  # what they do get can be seen there
    assert fleet.simulator.token.encode() not in received


def test_without_a_session_the_token_would_have_been_seen(fleet: Fleet, remote: dict[str, str]) -> None:
    """That the log of the test above is no blind witness."""
    task = {"storware.backup.cloud_download_info": by_token(fleet.simulator)}
    play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    fleet.ansible.playbook([play], inventory="elsewhere,", environment=remote).ok()
    assert fleet.simulator.token.encode() in log_of(fleet).read_bytes()


@pytest.mark.long
@pytest.mark.fault("S13")
def test_the_session_is_closed_when_every_host_is_lost(fleet: Fleet) -> None:
    """No host is left that could run another task."""
    hosts = {name: {"ansible_remote_tmp": "/proc/nowhere"} for name in fleet.names}
    run = fleet.mail(people=ALICE, hosts=hosts)
    assert run.rc != 0
    assert {result.status for result in run.of(LOOK)} == {"unreachable"}
    assert sessions(fleet.simulator) == (1, 1, 0)


def test_a_play_that_ends_at_its_first_error_closes_the_session(fleet: Fleet) -> None:
    hosts = {"host-1": {"fetch_content_dest": "/dev"}}  # refused by the module, and not before
    run = fleet.mail(people=ALICE, hosts=hosts, keywords={"any_errors_fatal": True})
    assert run.rc != 0
    assert "1 is missing: host-1 1." in run.stdout  # the others have everything
    assert sessions(fleet.simulator) == (1, 1, 0)


@pytest.mark.parametrize("way", ["environment", pytest.param("role", marks=pytest.mark.long)])
def test_a_given_session_is_used_and_left_open(lone_fleet: Fleet, way: str) -> None:
    simulator = lone_fleet.simulator
    session = run_module("session", connect(simulator))["session"]
    simulator.clear_log()
    environment = {"STORWARE_URL": simulator.url, "STORWARE_CA_PATH": str(simulator.ca_path)}
    if way == "environment":
        run = lone_fleet.mail("-vvvv", people=ALICE, environment={**environment, "STORWARE_SESSION": session})
    else:
        run = lone_fleet.mail("-vvvv", people=ALICE, environment=environment, connection={"session": session})
    run.ok()
    assert sessions(simulator) == (0, 0, 1)
    # Extra vars are shown as they were given.
    given = "\n".join(line for line in run.output.splitlines() if "--extra-vars" not in line)
    assert way == "role" or session.partition("=")[2] not in given


@pytest.mark.long
def test_sessions_of_hosts_at_their_own_pace(fleet: Fleet) -> None:
    """The strategy free runs everything on each host."""
    fleet.mail(people=ALICE, keywords={"strategy": "free"}).ok()
    logins, logouts, still_open = sessions(fleet.simulator)
    assert 1 <= logins <= len(fleet.names)  # more than one when hosts do not know yet of each other
    assert logouts >= logins
    assert still_open == 0


@pytest.mark.long
def test_hosts_one_after_the_other_share_nothing_that_has_ended(fleet: Fleet) -> None:
    fleet.mail(people=ALICE, keywords={"serial": 1}).ok()
    assert sessions(fleet.simulator) == (2, 2, 0)


@pytest.mark.fault("H5")
@pytest.mark.long
def test_a_session_that_ends_in_the_middle(fleet: Fleet, remote: dict[str, str]) -> None:
    """The controller opens a new one; hosts cannot, and go on with the next run."""
    simulator = fleet.simulator
    environment = {**remote, **fleet.credentials()}
    fleet.mail(people=ALICE, environment=environment).ok()
    content = next(number for number, call in enumerate(fleet.calls()) if call.startswith("GET /cloud-download/"))
    for name in fleet.names:
        for path in (fleet.directory / name).iterdir():
            path.unlink()
    simulator.reset(content_size=100_000)
    simulator.switch(drop_session_after=content)
    broken = fleet.mail(people=ALICE, environment=environment)
    assert broken.rc != 0
    failures = [result.result for result in broken.results if "error" in result.result]
    assert {failure["error"]["code"] for failure in failures} == {"unauthorized"}
    assert all("session has ended" in failure["msg"] for failure in failures)
    assert simulator.counters()["open_sessions"] == 0
    fleet.mail(people=ALICE, environment=environment).ok()
    assert all(len(fleet.files(host)) == 1 for host in fleet.names)
    assert len(simulator.downloads()) == 1


@pytest.mark.fault("P11")
@pytest.mark.slow
@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param(25, marks=pytest.mark.long),
        pytest.param(200, marks=pytest.mark.long),
    ],
)
def test_ten_sessions_are_enough_for_any_number_of_hosts(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, hosts: int
) -> None:
    """One login and one logout for all of them."""
    # The server's clock runs fast: half an hour of it is soon over between the last file and the end of the play.
    simulator.switch(content_size=10_000, max_sessions=10, session_timeout=86_400)
    fleet = Fleet(ansible, simulator, tmp_path, [f"host-{number}" for number in range(hosts)])
    environment = {**fleet.credentials(), "ANSIBLE_PIPELINING": "1"}
    fleet.mail("--forks", "10", people=ALICE, environment=environment, timeout=1800).ok()
    assert all(len(fleet.files(host)) == 1 for host in fleet.names)
    assert sessions(simulator) == (1, 1, 0)
