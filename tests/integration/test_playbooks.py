# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, called by name with variables only, as a job template calls them."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.planted import PEOPLE, PlantedServer

CHECK = "storware.backup.check_server"
LIST = "storware.backup.list_downloads"
REMOVE = "storware.backup.remove_downloads"

Json = t.Any


def _environment(simulator: Simulator) -> dict[str, str]:
    """What a credential sets: here with a token."""
    return {
        "STORWARE_URL": simulator.url,
        "STORWARE_CA_PATH": str(simulator.ca_path),
        "STORWARE_TOKEN": simulator.token,
    }


def _shown(run: Run, task: str) -> list[str]:
    """The lines that a task prints."""
    return [line for result in run.of(task) for line in result.result["msg"]]


@pytest.mark.smoke
@pytest.mark.matrix
@pytest.mark.slow
def test_fetch_to_some_hosts(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """Entities as a text with one in each line, as a survey gives them, and hosts by pattern."""
    for host in ("web", "files"):
        (tmp_path / host).mkdir()
    run = ansible.playbook(
        "storware.backup.fetch_content",
        inventory={"all": {"hosts": {"web": {}, "files": {}}}},
        variables={
            "fetch_content_hosts": "files",
            "fetch_content_protected_entities": "alice@example.com\nbob@example.com",
            "fetch_content_protected_entity_type": "CLOUD_USER",
            "fetch_content_backup": "",
            "fetch_content_dest": f"{tmp_path}/{{{{ inventory_hostname }}}}",
            "fetch_content_wait_interval": "0.1",
            "fetch_content_remove": "true",
        },
        environment=_environment(simulator),
    ).ok()
    assert len(list((tmp_path / "files").glob("*.sha256"))) == 2
    assert not list((tmp_path / "web").iterdir())
    assert simulator.downloads() == []  # web is not of the play
    assert {result.host for result in run.results} == {"files", "localhost"}


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("pattern", "arguments"),
    [("nobody", ()), ("files", ("--limit", "web")), (["nobody", "files:!db"], ())],
    ids=["nobody", "limit", "list"],
)
def test_a_run_without_a_host_fails(ansible: Ansible, pattern: str | list[str], arguments: tuple[str, ...]) -> None:
    """Hosts that match nothing, or that a limit leaves out: nothing is proved, so that nothing ends well."""
    run = ansible.playbook(
        "storware.backup.fetch_content",
        *arguments,
        inventory={"all": {"hosts": {"web": {}}, "children": {"files": {"hosts": {"db": {}}}}}},
        variables={"fetch_content_hosts": pattern, "fetch_content_step": "verify", "fetch_content_dest": "/srv"},
    )
    assert run.rc != 0
    shown = ",".join(pattern) if isinstance(pattern, list) else pattern
    assert f"No host of this run matches fetch_content_hosts={shown}, " in run.output


def test_a_run_without_an_inventory_fails(ansible: Ansible) -> None:
    run = ansible.playbook("storware.backup.fetch_content", inventory={"all": {}})
    assert run.rc != 0
    assert "No host of this run matches fetch_content_hosts=all" in run.output


@pytest.mark.smoke
@pytest.mark.matrix
@pytest.mark.slow
def test_list(ansible: Ansible, simulator: Simulator) -> None:
    """Every variable is the query parameter of the same name; an empty one is not sent."""
    guid = "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"
    filters = {
        "backup": guid,
        "direction": "desc",
        "finished_mount": True,
        "mode": "CLOUD_DOWNLOAD",
        "name_like": "alice",
        "node": guid,
        "order_by": "guid",
        "page": 0,
        "project_uuid": guid,
        "protected_entity": guid,
        "protected_entity_type": "CLOUD_USER",
        "size": 1,
    }
    for variables in ({**filters, "filter": "archer"}, {**filters, "filter": ""}):
        simulator.clear_log()
        run = ansible.playbook(
            LIST,
            variables={f"list_downloads_{name}": value for name, value in variables.items()},
            environment=_environment(simulator),
        ).ok()
        (request,) = [request for request in simulator.requests() if request["path"] == "/cloud-download"]
        assert dict(request["query"]) == {
            "backup": guid,
            "direction": "desc",
            "finished-mount": "true",
            "mode": "CLOUD_DOWNLOAD",
            "nameLike": "alice",
            "node": guid,
            "orderBy": "guid",
            "page": "0",
            "project-uuid": guid,
            "protected-entity": guid,
            "protected-entity-type": "CLOUD_USER",
            "size": "1",
            **({"filter": "archer"} if variables["filter"] else {}),
        }
        assert _shown(run, "Show the downloads")[-1] == "Downloads: 0"
        assert simulator.counters()["writes"] == 0


@pytest.mark.smoke
@pytest.mark.fault("U1")
@pytest.mark.matrix
@pytest.mark.slow
def test_remove(ansible: Ansible, simulator: Simulator) -> None:
    """By entity and by guid, predicted and done; nothing else goes."""
    alice, bob, carol = (
        simulator.seed(downloads=1, entity=f"{name}@example.com") for name in ("alice", "bob", "carol")
    )

    def remove(*arguments: str, **variables: Json) -> Run:
        variables = {"wait_interval": 0.1, **variables}
        return ansible.playbook(
            REMOVE,
            *arguments,
            variables={f"remove_downloads_{name}": value for name, value in variables.items()},
            environment=_environment(simulator),
        )

    simulator.clear_log()
    people = {"protected_entities": ["alice@example.com"], "protected_entity_type": "CLOUD_USER"}
    predicted = remove("--check", **people).ok()
    assert simulator.counters()["writes"] == 0
    done = remove(**people).ok()
    for run in (predicted, done):
        assert [result.changed for result in run.of("Remove the downloads")] == [True]
        assert [line.split()[0] for line in _shown(run, "Show what was removed")[1:-1]] == alice
    assert {download["guid"] for download in simulator.downloads()} == {*bob, *carol}

    remove(guids=bob).ok()
    assert [download["guid"] for download in simulator.downloads()] == carol

    simulator.clear_log()
    for wrong in ({}, {"guids": carol, **people}):
        refused = remove(**wrong)
        assert refused.rc != 0
        assert "Set exactly one of remove_downloads_guids and remove_downloads_protected_entities" in refused.output
    assert simulator.requests() == []


def test_own_connection(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """Without a credential in the environment, the connection is a variable; its secrets are not shown."""
    (guid,) = simulator.seed(downloads=1, entity="alice@example.com")
    connection = {"url": simulator.url, "ca_path": simulator.ca_path, "token": simulator.token}
    variables = {"list_downloads_connection": connection, "remove_downloads_connection": connection}
    # A file, because Ansible itself shows its command line.
    (tmp_path / "variables.json").write_text(json.dumps(variables), encoding="utf-8")
    given = ["-vvvv", "--extra-vars", f"@{tmp_path}/variables.json"]

    listed = ansible.playbook(LIST, *given).ok()
    removal = {"remove_downloads_guids": [guid], "remove_downloads_wait_interval": 0.1}
    removed = ansible.playbook(REMOVE, *given, variables=removal).ok()
    for run, task in ((listed, "Show the downloads"), (removed, "Show what was removed")):
        header, row, total = _shown(run, task)
        assert header.split() == ["DOWNLOAD", "MODE", "STATE", "DATA", "OF", "ENTITY"]
        assert row.split()[:2] == [guid, "CLOUD_DOWNLOAD"]
        assert row.endswith("Alice Archer")
        assert total == "Downloads: 1"
        assert simulator.token not in run.output + str(run.results)
    assert simulator.downloads() == []


@pytest.mark.smoke
@pytest.mark.matrix
@pytest.mark.slow
def test_check(ansible: Ansible, simulator: Simulator) -> None:
    """The findings are a table and a file. No output repeats anything personal that the server says."""
    simulator.seed(downloads=3, entity="alice@example.com")
    simulator.switch(download="object")
    server = PlantedServer(simulator)
    with server.running():
        connection = {"url": server.url, "allow_http": True, "username": simulator.username}
        (ansible.home / "connection.json").write_text(
            json.dumps({"check_server_connection": {**connection, "password": simulator.password}}), encoding="utf-8"
        )
        variables = {"check_server_save": "profile.yml", "check_server_strict": "", "check_server_trial": ""}
        given = ["-vvvv", "--extra-vars", "@connection.json"]
        run = ansible.playbook(CHECK, *given, variables=variables).ok()
        assert server.planted == set(PEOPLE)
    assert {request.method for request in server.requests} == {"GET", "POST"}
    assert simulator.counters()["writes"] == 0
    header, *rows = _shown(run, "Show the findings")
    assert header.split() == ["FINDING", "DEFAULT", "PROFILE", "FOUND"]
    assert any(
        row.split() == ["content_source", "differs", "content.source", "content_download", "only"] for row in rows
    )
    saved = ansible.home / "profile.yml"  # where the program was started
    assert saved.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(saved.read_text(encoding="utf-8"))["content"] == {"source": "content_download"}
    assert [person for person in PEOPLE if person in run.output + str(run.results)] == []
    assert simulator.password not in run.output + str(run.results)


@pytest.mark.long
def test_check_strictly(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """A difference fails a strict check until the saved profile is given; a given profile is merged."""
    simulator.seed(downloads=1, entity="alice@example.com")
    simulator.switch(download="object")
    path = tmp_path / "profile.yml"
    path.write_text("create: {batch: one}\n", encoding="utf-8")

    def check(**more: str) -> Run:
        variables = {"check_server_strict": True, "check_server_save": str(path)}
        return ansible.playbook(CHECK, variables=variables, environment={**_environment(simulator), **more})

    refused = check(STORWARE_PROFILE=str(path))
    assert refused.rc != 0
    assert "The server differs in content_source." in refused.output
    assert "[server_differs]" in refused.output
    assert yaml.safe_load(path.read_text()) == {"create": {"batch": "one"}, "content": {"source": "content_download"}}
    covered = check(STORWARE_PROFILE=str(path)).ok()
    assert [result.changed for result in covered.of("Save the profile")] == [False]


@pytest.mark.long
def test_check_with_a_trial(ansible: Ansible, simulator: Simulator) -> None:
    variables = {
        "check_server_trial": "true",
        "check_server_protected_entity": "carol@example.com",
        "check_server_protected_entity_type": "CLOUD_USER",
        "check_server_wait_interval": "0.1",
    }
    announced = "[localhost] The trial creates a cloud download of protected_entity"
    predicted = ansible.playbook(CHECK, "--check", variables=variables, environment=_environment(simulator)).ok()
    assert simulator.counters()["writes"] == 0
    assert announced not in predicted.output
    done = ansible.playbook(CHECK, variables=variables, environment=_environment(simulator)).ok()
    assert announced in done.output
    assert any(row.split()[:2] == ["create_body", "holds"] for row in _shown(done, "Show the findings"))
    assert simulator.downloads() == []
