# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role fetch_content, run by ansible-playbook on hosts that are this machine, each with a directory of its own."""

from __future__ import annotations

import pathlib
import re
import stat
import subprocess

import pytest
import yaml

from tests.simulator.process import Simulator
from tests.support.ansible import Run
from tests.support.fleet import ALICE, NAMES, PEOPLE, ROLE, THREE, Fleet, Json

# Tasks of the role
PREPARE = "Ensure that the downloads exist and are ready"
LOOK = "Compare the receipts of this host with what is wanted"
FETCH = "Fetch and verify the content of each download"
REMOVE = "Remove the downloads from the server"


def _changed(run: Run, task: str) -> set[str]:
    return {result.host for result in run.of(task) if result.changed}


def _secrets_in(run: Run, simulator: Simulator) -> list[str]:
    """The secrets that a run shows, whoever looks. The path of the CA happens to hold the word that is the password."""
    shown = (run.output + str(run.results)).replace(str(simulator.ca_path), "")
    return [secret for secret in (simulator.password, simulator.token) if secret in shown]


@pytest.mark.fault("U1", "U2")
@pytest.mark.matrix
@pytest.mark.newest
def test_story(fleet: Fleet) -> None:
    """Predicted, done and done again, with each ansible-core."""
    simulator = fleet.simulator

    predicted = fleet.mail("--check", "-vvvv", remove=True).ok()
    assert simulator.counters()["writes"] == 0
    assert len(_changed(predicted, PREPARE)) == 1  # once, on the controller
    assert not _changed(predicted, FETCH)
    assert "would be created first" in predicted.stdout
    assert "Alice Archer, Bob Baker" in predicted.stdout
    assert not _secrets_in(predicted, simulator)

    simulator.clear_log()
    done = fleet.mail().ok()
    assert len(simulator.downloads()) == len(PEOPLE)
    assert all(fleet.files(host) == fleet.expected() for host in NAMES)
    assert _changed(done, FETCH) == set(NAMES)
    assert len(_changed(done, PREPARE)) == 1
    assert fleet.calls().count("POST /cloud-download") == 1
    for host in NAMES:
        for path in (fleet.directory / host).iterdir():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        subprocess.run("sha256sum -c *.sha256", shell=True, cwd=fleet.directory / host, check=True)
        for name, digest in fleet.expected().items():
            (row,) = [line for line in done.stdout.splitlines() if f"/{host}/{name}" in line]
            assert re.search(rf"^\w+ \w+ <\w+@example.com> +{host}  97.7 KiB  fetched  /", row)
            assert digest not in done.stdout

    simulator.clear_log()
    again = fleet.mail().ok()
    assert not any(result.changed for result in again.results)
    assert simulator.counters()["writes"] == simulator.counters()["content_bytes_sent"] == 0


@pytest.mark.matrix
@pytest.mark.slow
def test_a_file_that_is_lost_is_predicted_repaired_and_its_download_removed(fleet: Fleet) -> None:
    simulator = fleet.simulator
    fleet.mail().ok()
    simulator.clear_log()
    lost = next(path for path in (fleet.directory / "host-2").iterdir() if path.suffix != ".sha256")
    lost.unlink()
    predicted = fleet.mail("--check", remove=True).ok()
    assert not lost.exists()
    assert simulator.counters()["writes"] == simulator.counters()["content_bytes_sent"] == 0
    repaired = fleet.mail(remove=True).ok()
    assert [_changed(run, FETCH) for run in (predicted, repaired)] == [{"host-2"}, {"host-2"}]
    assert [len(_changed(run, REMOVE)) for run in (predicted, repaired)] == [1, 1]
    assert lost.exists()
    assert simulator.downloads() == []


@pytest.mark.fault("P14")
@pytest.mark.matrix
@pytest.mark.long
def test_downloads_stay_until_every_host_has_its_files(fleet_of_three: Fleet) -> None:
    """One host is unreachable, one cannot store; the third is served, nothing is removed, and the next run mends it."""
    # The first host, which Ansible takes for what runs once; no temporary directory means unreachable.
    bad = {"host-1": {"ansible_remote_tmp": "/proc/nowhere"}, "host-2": {"fetch_content_dest": "/dev"}}

    broken = fleet_of_three.mail(remove=True, hosts=bad)
    assert broken.rc != 0
    assert {result.host: result.status for result in broken.of(LOOK)} == {
        "host-1": "unreachable",
        "host-2": "ok",
        "host-3": "ok",
    }
    assert fleet_of_three.files("host-3") == fleet_of_three.expected()
    assert len(fleet_of_three.simulator.downloads()) == len(PEOPLE)
    assert "Alice Archer, Bob Baker on host-1: " in broken.stdout
    assert "Alice Archer, Bob Baker on host-2: " in broken.stdout

    expected = fleet_of_three.expected()
    mended = fleet_of_three.mail(remove=True).ok()
    assert _changed(mended, FETCH) == {"host-1", "host-2"}
    assert all(fleet_of_three.files(host) == expected for host in THREE)
    assert fleet_of_three.simulator.downloads() == []


@pytest.mark.fault("P14", "U8")
@pytest.mark.long
@pytest.mark.parametrize("keywords", [{"serial": 1}, {"strategy": "free"}], ids=["serial", "free"])
def test_hosts_one_after_the_other_or_each_at_its_pace(fleet: Fleet, keywords: dict[str, Json]) -> None:
    """The downloads are made once. Removing them is refused at once: no host can know the files of the others."""
    refused = fleet.mail(people=ALICE, remove=True, keywords=keywords)
    assert refused.rc != 0
    assert re.search("fetch_content_remove is refused with serial|any strategy but linear", refused.output)
    assert fleet.calls() == []
    fleet.simulator.switch(list_lag=100)  # two real seconds in which a host would not see what another has created
    fleet.mail(people=ALICE, keywords=keywords).ok()
    assert fleet.calls().count("POST /cloud-download") == 1
    assert all(fleet.files(host) == fleet.expected() for host in NAMES)


def test_options_made_of_facts_that_an_earlier_part_has_left(lone_fleet: Fleet) -> None:
    """Ansible templates an option when it is used, which is after the role has reset its state."""

    def part(name: str, **options: Json) -> Json:
        variables = {f"fetch_content_{option}": value for option, value in options.items()}
        return {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": name}, "vars": variables}

    prepare = part("prepare", protected_entities=ALICE, protected_entity_type="CLOUD_USER")
    fetch = part("fetch", guids="{{ fetch_content_downloads | map(attribute='guid') }}")
    lone_fleet.run(keywords={"roles": [], "tasks": [prepare, fetch]}).ok()
    assert all(lone_fleet.files(host) == lone_fleet.expected() for host in lone_fleet.names)


def test_given_downloads_and_facts_for_later_tasks(lone_fleet: Fleet) -> None:
    """Downloads by guid, the role included, the connection from the play's module_defaults, files told as facts."""
    simulator = lone_fleet.simulator
    guids = simulator.seed(downloads=2, entity="carol@example.com")
    tell = {
        "name": "Tell",
        "ansible.builtin.debug": {"msg": ["{{ fetch_content_downloads }}", "{{ fetch_content_files }}"]},
    }
    connection = {"url": simulator.url, "ca_path": simulator.ca_path, "token": simulator.token}
    keywords = {
        "roles": [],
        "module_defaults": {"group/storware.backup.storware": connection},
        "tasks": [{"name": "Fetch", "ansible.builtin.include_role": {"name": ROLE}}, tell],
    }
    simulator.clear_log()
    run = lone_fleet.run("-vvvv", guids=guids, verify="full", keywords=keywords, environment={}).ok()
    assert simulator.counters()["writes"] == 0
    for told in run.of("Tell"):
        downloads, files = told.result["msg"]
        assert [download["guid"] for download in downloads] == guids
        assert [file["guid"] for file in files] == guids
        assert {pathlib.Path(file["path"]).name: file["sha256"] for file in files} == lone_fleet.files(told.host)
        assert {file["path"] for file in files} <= {str(p) for p in (lone_fleet.directory / told.host).iterdir()}
        assert {file["protected_entity"]["name"] for file in files} == {"Carol Carter"}
        assert {file["verified"] for file in files} == {"full"}
    assert run.of("Tell")
    assert not _secrets_in(run, simulator)


@pytest.mark.fault("U8")
def test_own_connection_and_the_controller_left_alone(fleet: Fleet) -> None:
    """fetch_content_connection adds to module_defaults; what is set for hosts does not reach the controller's tasks."""
    simulator, log = fleet.simulator, fleet.directory / "log"
    # In the place of Python and sudo on the hosts: both note the commands they were given.
    python, sudo = fleet.directory / "python", fleet.directory / "sudo"
    python.write_text(f'#!/bin/sh\necho "python $*" >> {log}\nexec {fleet.ansible.python} "$@"\n')
    sudo.write_text(f'#!/bin/sh\necho "sudo $*" >> {log}\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec "$@"\n')
    python.chmod(0o700)
    sudo.chmod(0o700)
    inventory = fleet.inventory()
    # In the inventory the controller is a host like others, and has all their variables.
    inventory["all"]["hosts"]["localhost"] = {"ansible_connection": "ssh", "ansible_port": 1}
    inventory["all"]["vars"] |= {
        "ansible_python_interpreter": str(python),
        "ansible_become": True,
        "ansible_become_exe": str(sudo),
        "fetch_content_protected_entities": ALICE,
        "fetch_content_protected_entity_type": "CLOUD_USER",
        "fetch_content_wait_interval": 0.1,
        "fetch_content_remove": True,
        "fetch_content_connection": {"username": simulator.username, "password": simulator.password},
    }
    defaults = {"group/storware.backup.storware": {"url": simulator.url, "ca_path": simulator.ca_path}}
    play = {"hosts": "host-*", "gather_facts": False, "become": True, "module_defaults": defaults, "roles": [ROLE]}
    files = {"inventory.yml": inventory, "playbook.yml": [play]}
    for name, content in files.items():
        (fleet.directory / name).write_text(yaml.safe_dump(content))
    # Not through playbook(), which sets the interpreter for everything.
    run = fleet.ansible.run(
        "ansible-playbook",
        "-vvvv",
        "-i",
        fleet.directory / "inventory.yml",
        fleet.directory / "playbook.yml",
        # The tests run as root already, which would make become needless.
        environment={"ANSIBLE_TRANSPORT": "local", "ANSIBLE_BECOME_ALLOW_SAME_USER": "1"},
    ).ok()
    modules = {
        line.split("AnsiballZ_")[1].split(".py")[0] for line in log.read_text().splitlines() if "AnsiballZ_" in line
    }
    assert modules == {"stat", "cloud_download_content", "cloud_download_content_info"}
    assert {line.split()[0] for line in log.read_text().splitlines()} == {"python", "sudo"}
    assert simulator.downloads() == []
    assert not _secrets_in(run, simulator)


@pytest.mark.fault("S5")
def test_bad_input(fleet: Fleet) -> None:
    """Each host has another fault, so that one run shows them all. Nothing is sent."""
    good = {"fetch_content_dest": "/tmp", "fetch_content_guids": ["f8f73bf9-2445-4bce-a7dd-753be3b40a67"]}
    faults: dict[str, tuple[dict[str, Json], str]] = {
        "both": ({"fetch_content_protected_entities": ["x"]}, "exactly one of fetch_content_prot"),
        "neither": ({"fetch_content_guids": []}, "exactly one of fetch_content_prot"),
        "no-dest": ({"fetch_content_dest": None}, "fetch_content_dest"),
        "backup": ({"fetch_content_backup": "latest"}, "fetch_content_backup"),
        "mode": ({"fetch_content_file_mode": 0o640}, "fetch_content_file_mode must be quoted"),
        "verify": ({"fetch_content_verify": "hardly"}, "fetch_content_verify"),
        "statuses": ({"fetch_content_backup_statuses": ["FAILED"]}, "fetch_content_backup_statuses"),
        "download-mode": ({"fetch_content_mode": "ISCSI"}, "fetch_content_mode"),
        "name": (
            {"fetch_content_guids": [], "fetch_content_protected_entities": [83]},
            "fetch_content_protected_entities must",
        ),
        "connection": ({"fetch_content_connection": {"pasword": "swordfish"}}, "fetch_content_connection"),
    }
    hosts = {
        name: {key: value for key, value in {**good, **fault}.items() if value is not None}
        for name, (fault, _message) in faults.items()
    }
    run = fleet.ansible.playbook(
        [{"hosts": "all", "gather_facts": False, "roles": [ROLE]}],
        inventory={"all": {"hosts": hosts}},
        environment=fleet.credentials(),
    )
    messages = {result.host: result.result["msg"] for result in run.results if result.status == "failed"}
    assert run.rc != 0
    assert set(messages) == set(faults)
    for name, (_fault, message) in faults.items():
        assert message in messages[name], messages[name]
    assert "pasword" in messages["connection"]
    assert "swordfish" not in run.output
    assert fleet.calls() == []
