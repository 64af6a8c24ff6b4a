# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every server of tests/simulator/profiles but the hostile one: with its profile all stories pass, without code.

A file that is added there needs no test of its own.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils import _profile
from ansible_collections.storware.backup.plugins.module_utils._api import payloads
from ansible_collections.storware.backup.plugins.module_utils._api.models import Reference
from tests.simulator import bodies, profiles
from tests.simulator.clock import Clock
from tests.simulator.process import Simulator
from tests.simulator.state import World
from tests.simulator.switches import Switches
from tests.simulator.template_reader import NotUnderstood
from tests.support.ansible import Ansible, Run
from tests.support.modules import connect, prepare, run_module
from tests.support.use import calls, good, sha256
from tests.support.virtual import virtual_time

Json = t.Any

PEOPLE = ("alice@example.com", "bob@example.com")
CREATE, LOGIN = "POST /cloud-download", "POST /session/login"
AT_ONCE = 45  # seconds in which a body that is not understood is an error

FRIENDLY = [path for path in profiles.paths() if path.stem != "hostile"]
MOST_DIFFERENT = "quarkus"


def understands_the_defaults(path: pathlib.Path) -> bool:
    """Whether the server of this file acts on a request that is made without a server profile."""
    world = World(Clock(), Switches(profiles.switch_values(path)))
    entities = [Reference(entity.guid, entity.name, entity.type) for entity in world.kind("users")[: len(PEOPLE)]]
    body = payloads.create(_profile.Profile().create_body, entities, "CLOUD_DOWNLOAD", [], None, {})
    try:
        return bool(bodies.orders(body, world))
    except NotUnderstood:
        return False


OTHERS = [path for path in FRIENDLY if not understands_the_defaults(path)]


def name_of(path: pathlib.Path) -> str:
    return path.stem


def play(simulator: Simulator, path: pathlib.Path) -> Json:
    """Let the simulator answer like the server of this file; what its users give to the collection."""
    simulator.reset(content_size=10_000, **profiles.switch_values(path))
    return profiles.collection_profile(path)


def count(simulator: Simulator, call: str) -> int:
    return calls(simulator).get(call, 0)


@pytest.mark.parametrize("path", FRIENDLY, ids=name_of)
def test_the_story_by_names(simulator: Simulator, path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Create, wait, fetch, all of it again, and remove."""
    profile = play(simulator, path)
    people = prepare(simulator, *PEOPLE, profile=profile)
    team = prepare(simulator, "Rocket Team", profile=profile)
    team["protected_entity_type"] = "CLOUD_TEAMS"
    made = [guid for options in (people, team) for guid in good(run_module("cloud_download", options))["created"]]
    assert sorted(made) == sorted(download["guid"] for download in simulator.downloads())
    assert len(made) == 3
    fetch = connect(simulator, guid=made, dest=f"{tmp_path}/", profile=profile)
    fetched = good(run_module("cloud_download_content", fetch))
    assert {file["sha256"] for file in fetched["files"]} == {simulator.content(guid)["sha256"] for guid in made}

    simulator.clear_log()
    for module, options in {"cloud_download": people, "cloud_download_content": fetch}.items():
        assert not good(run_module(module, options))["changed"]
    assert count(simulator, CREATE) == 0

    for options in (people, team):
        good(run_module("cloud_download", {**options, "state": "absent"}))
        assert not good(run_module("cloud_download", {**options, "state": "absent"}))["changed"]
    assert simulator.downloads() == []


@pytest.mark.bad_requests
@pytest.mark.parametrize("path", OTHERS, ids=name_of)
def test_with_the_defaults_it_is_an_error_soon_and_nothing_is_made(simulator: Simulator, path: pathlib.Path) -> None:
    play(simulator, path)
    options = {**prepare(simulator, *PEOPLE), "wait_interval": 10, "wait_timeout": 3600}
    with virtual_time(simulator) as passed:
        result = run_module("cloud_download", options)
        assert passed() <= AT_ONCE
    assert result["error"]["code"] == "request_not_understood"
    assert not result["changed"]
    assert "protectedEntities" in result["msg"]
    assert count(simulator, CREATE) == 1
    simulator.step(600)
    assert simulator.downloads() == []


@pytest.mark.long
@pytest.mark.parametrize("path", FRIENDLY, ids=name_of)
def test_the_story_by_playbooks(
    ansible: Ansible, simulator: Simulator, path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """With the profile in the role's connection and in the environment of the controller."""
    given = tmp_path / "profile.yml"
    given.write_text(yaml.safe_dump(play(simulator, path)), encoding="utf-8")
    (tmp_path / "restore").mkdir()
    login = {
        "STORWARE_URL": simulator.url,
        "STORWARE_TOKEN": simulator.token,
        "STORWARE_CA_PATH": str(simulator.ca_path),
    }

    def run(playbook: str, environment: Json, **variables: Json) -> Run:
        return ansible.playbook(
            f"storware.backup.{playbook}",
            inventory={"all": {"hosts": {"files": {}}}},
            variables={f"{playbook}_{name}": value for name, value in variables.items()},
            environment=environment,
        ).ok()

    whose = {"protected_entities": list(PEOPLE), "protected_entity_type": "CLOUD_USER", "wait_interval": 0.1}
    run("fetch_content", login, connection={"profile": str(given)}, dest=str(tmp_path / "restore"), **whose)
    contents = {simulator.content(download["guid"])["sha256"] for download in simulator.downloads()}
    files = [path for path in (tmp_path / "restore").iterdir() if path.suffix != ".sha256"]
    assert {sha256(file) for file in files} == contents
    assert len(contents) == len(PEOPLE)

    login["STORWARE_PROFILE"] = str(given)
    listed = run("list_downloads", login)
    assert all(download["guid"] in listed.stdout for download in simulator.downloads())
    run("remove_downloads", login, **whose)
    assert simulator.downloads() == []


# --- One entity a request ---


def _many(simulator: Simulator, number: int) -> Json:
    """Options that ask for the downloads of so many users one after the other."""
    (path,) = (path for path in FRIENDLY if path.stem == MOST_DIFFERENT)
    profile = play(simulator, path)
    simulator.seed(users=number)
    users = [user["email"] for user in simulator.entities("users")][-number:]
    return {**prepare(simulator, *users, profile=profile), "wait_interval": 10, "wait_timeout": 3600}


@pytest.mark.parametrize("number", [60, pytest.param(300, marks=pytest.mark.long)])
def test_many_entities_are_as_many_requests_one_login_and_one_wait(simulator: Simulator, number: int) -> None:
    """The answer to one in the middle is lost, which is found out without asking for it again."""
    options = _many(simulator, number)
    simulator.clear_log()
    simulator.fault(CREATE, "lost_answer", after=number // 2)
    with virtual_time(simulator):
        result = good(run_module("cloud_download", options))
    assert len(result["created"]) == len(simulator.downloads()) == number
    assert count(simulator, CREATE) == number
    assert count(simulator, LOGIN) == 1
    assert sum(calls(simulator).values()) < number + 30


@pytest.mark.parametrize("how", ["lost_request", "cut_body", "untrue"])
def test_one_request_of_several_that_is_lost_makes_no_duplicate(simulator: Simulator, how: str) -> None:
    options = _many(simulator, 5)
    simulator.fault(CREATE, how, after=2, status=502)
    with virtual_time(simulator):
        result = good(run_module("cloud_download", options))
    assert len(result["created"]) == len(simulator.downloads()) == 5
    assert count(simulator, CREATE) == 5
