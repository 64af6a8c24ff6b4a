# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator plays profiles: it takes the bodies that the collection fills, and sends what the profile says."""

from __future__ import annotations

import itertools
import pathlib
import re
import subprocess
import sys
import typing as t

import hypothesis
import pytest
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils import _profile
from tests.contract.client import Client
from tests.simulator import profiles, template_reader, templates
from tests.simulator.process import Simulator, SimulatorError
from tests.simulator.switches import Switches

PATHS = profiles.paths()
FRIENDLY = [path for path in PATHS if path.stem != "hostile"]
PEOPLE = ("alice@example.com", "bob@example.com")
MODE = "CLOUD_DOWNLOAD"


def name_of(path: pathlib.Path) -> str:
    return path.stem


every_profile = pytest.mark.parametrize("path", PATHS, ids=name_of)
friendly_profile = pytest.mark.parametrize("path", FRIENDLY, ids=name_of)


def values(entities: t.Sequence[str], backup: str | None = None, node: str | None = None) -> dict[str, t.Any]:
    """What the collection fills into a body."""
    references = [{"guid": guid, "name": "A name", "type": "CLOUD_USER"} for guid in entities]
    return {
        "entities": references,
        "entity": references[0],
        "entity_guids": list(entities),
        "entity_guid": entities[0],
        "mode": {"name": MODE},
        "mode_name": MODE,
        "backups": [{"guid": backup}] if backup else None,
        "backup_guid": backup,
        "node": {"guid": node} if node else None,
        "node_guid": node,
    }


class Story:
    """The calls of a client that believes in a profile."""

    def __init__(self, sim: Simulator, path: pathlib.Path) -> None:
        self.profile = _profile.parse(profiles.collection_profile(path))
        sim.reset(**profiles.switch_values(path))
        self.client = Client(sim)

    def create(self, **chosen: str) -> list[str]:
        """Ask for the downloads of two people; the GUIDs of the tasks."""
        guids = [self.client.guid_of(person) for person in PEOPLE]
        tasks = []
        for batch in [[guid] for guid in guids] if self.profile.batch == _profile.ONE else [guids]:
            body = _profile.fill(self.profile.create_body, values(batch, **chosen))
            answer = self.client.call("POST", "/cloud-download", json=body)
            assert answer.ok, answer.text
            tasks += [task["guid"] for task in answer.json()]
        return tasks

    def are_ready(self, tasks: list[str]) -> bool:
        """Whether the downloads are ready, as the profile recognises it."""
        if self.profile.ready == _profile.TASK:
            states = [self.client.get(f"/tasks/{guid}").json()["state"] for guid in tasks]
            return {text(state) for state in states} == {"FINISHED"}
        query = "?finished-mount=true" if self.profile.ready == _profile.FINISHED_MOUNT else ""
        records = self.client.get(f"/cloud-download{query}").json()
        if self.profile.ready.startswith(_profile.STATE):
            wanted = self.profile.ready.removeprefix(_profile.STATE)
            records = [record for record in records if text(record["state"]) == wanted]
        return len(records) == len(PEOPLE)

    def content(self, guid: str) -> bytes:
        """What the address of the profile sends."""
        path = "/content-download" if self.profile.source == "content_download" else ""
        return self.client.get(f"/cloud-download/{guid}{path}").content


def text(enum: t.Any) -> str:
    return str(enum["name"] if isinstance(enum, dict) else enum)


def test_five_profiles_are_there_and_more_may_come() -> None:
    assert {"hostile", "minimal", "payara", "quarkus", "vendor-page"} <= {path.stem for path in PATHS}


@every_profile
def test_a_file_first_says_what_is_assumed(path: pathlib.Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = list(itertools.takewhile(lambda line: line.startswith("#"), lines[1:]))
    assert re.search("[Aa]ssumed", "\n".join(head[4:]))


@every_profile
def test_without_the_switches_it_is_a_profile_of_the_collection(path: pathlib.Path) -> None:
    document = profiles.collection_profile(path)
    assert "simulator" not in document
    _profile.parse(document)


def test_the_vendors_page_has_the_defaults_of_the_collection() -> None:
    (path,) = (path for path in PATHS if path.stem == "vendor-page")
    document = profiles.collection_profile(path)
    assert _profile.parse(document) == _profile.parse(None)
    assert set(document) == {"create", "update", "content", "lists", "ready"}


@friendly_profile
def test_the_story_is_possible(sim: Simulator, path: pathlib.Path) -> None:
    story = Story(sim, path)
    tasks = story.create()
    assert len(tasks) == len(PEOPLE)
    sim.step(3)
    assert not story.are_ready(tasks)
    sim.step(20)
    assert story.are_ready(tasks)
    for guid, person in zip([record["guid"] for record in sim.downloads()], PEOPLE, strict=True):
        assert len(story.content(guid)) == sim.content(guid, digest=False)["size"]
        entity = story.client.guid_of(person)
        (shown,) = story.client.get(f"/cloud-download?protected-entity={entity}").json()
        assert shown["guid"] == guid
        assert story.client.call("DELETE", f"/cloud-download/{guid}", stream=True).ok
        story.client.session.close()
    sim.step(20)
    assert story.client.get("/cloud-download").json() == sim.downloads() == []
    assert sim.violations()["request"] == []


@friendly_profile
def test_the_other_body_of_the_profile_is_accepted_too(sim: Simulator, path: pathlib.Path) -> None:
    story = Story(sim, path)
    (guid,) = sim.seed(downloads=1)
    body = _profile.fill(story.profile.update_body, {"status": "CLOSED"})
    answer = story.client.call("PUT", f"/cloud-download/{guid}", json=body, stream=True)
    assert answer.ok
    story.client.session.close()
    assert "CLOSED" in story.client.get(f"/mounted-backups/{guid}").text or "record_fields" in profiles.switch_values(
        path
    )
    assert sim.violations()["request"] == []


@pytest.mark.parametrize(("name", "status"), [("minimal", 400), ("payara", 400), ("quarkus", 200)])
def test_the_default_body_makes_nothing_on_other_servers(sim: Simulator, name: str, status: int) -> None:
    story = Story(sim, next(path for path in PATHS if path.stem == name))
    body = _profile.fill(_profile.parse(None).create_body, values([story.client.guid_of(PEOPLE[0])]))
    answer = story.client.call("POST", "/cloud-download", json=body)
    assert answer.status_code == status
    assert not answer.ok or answer.json() == []
    sim.step(20)
    assert (sim.downloads(), story.client.get("/tasks").json()) == ([], [])


def test_backup_and_node_are_read_from_where_they_stand(sim: Simulator) -> None:
    path = next(path for path in PATHS if path.stem == "quarkus")
    story = Story(sim, path)
    alice, bob = (story.client.guid_of(person) for person in PEOPLE)
    oldest = story.client.get(f"/backups?protected-entity={alice}&orderBy=snapshotTime").json()[0]["guid"]
    node = story.client.get("/nodes").json()[1]["guid"]
    body = _profile.fill(story.profile.create_body, values([alice], oldest, node))
    assert story.client.call("POST", "/cloud-download", json=body).ok
    sim.step(20)
    (made,) = sim.downloads()
    assert (made["backup"]["guid"], made["node"]["guid"]) == (oldest, node)
    body = _profile.fill(story.profile.create_body, values([bob], oldest))
    assert story.client.call("POST", "/cloud-download", json=body).status_code == 400


def test_the_hostile_server_shows_no_guid_and_heeds_nothing(sim: Simulator) -> None:
    story = Story(sim, next(path for path in PATHS if path.stem == "hostile"))
    story.create()
    sim.step(20)
    impossible = "4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65"
    listed = story.client.get(f"/cloud-download?protected-entity={impossible}&mode=CLOUD_PST_DOWNLOAD&size=1").json()
    assert len(listed) == 1 + len(PEOPLE)  # with a mount that is no download
    assert not any({"backup", "protectedEntity"} & set(record) for record in listed)
    assert {record["guid"].partition("/")[0] for record in listed} == {".."}
    sim.reset()  # such answers are not those of openapi.yaml


# --- templates ---

PARTS = st.recursive(
    st.sampled_from([*(f"${name}" for name in _profile.CREATE_NAMES), "$$text", "text", 5, True, None]),
    lambda part: st.dictionaries(st.sampled_from("abc"), part, max_size=3) | st.lists(part, max_size=3),
    max_leaves=8,
)
ENTITIES = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"]
BACKUP, NODE = "00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000004"


@hypothesis.given(st.dictionaries(st.sampled_from("abcd"), PARTS), st.sampled_from([None, BACKUP]), st.booleans())
def test_whatever_the_collection_fills_is_read_back(
    template: dict[str, t.Any], backup: str | None, drops_unknown: bool
) -> None:
    used = _profile.placeholders(template)
    entities = ENTITIES[: 1 if used & {"entity", "entity_guid"} else 2]
    given = values(entities, backup, NODE if backup else None)
    body = _profile.fill(template, given)
    found, known = template_reader.read(template, body, drops_unknown=drops_unknown)
    assert known == body
    expected = {
        "entities": (entities, "entities entity entity_guids entity_guid"),
        "mode": ([MODE], "mode mode_name"),
        "backups": ([backup], "backups backup_guid"),
        "node": ([NODE], "node node_guid"),
    }
    wanted = {key: value for key, (value, names) in expected.items() if used & set(names.split())}
    assert found == {key: value for key, value in wanted.items() if backup or key in ("entities", "mode")}
    assert templates.is_known(template)


@pytest.mark.parametrize(
    ("template", "body", "named"),
    [
        ({"a": {"b": "$node_guid"}}, {"a": 5}, "'a' must be an object"),
        ({"a": {"b": "$entity_guid"}}, {"a": {}}, "'a.b' is missing"),
        ({"a": {"b": "$entity_guid"}}, {"a": {"b": "x"}}, "'a.b': 'x' is not a guid"),
        ({"a": {"b": "$entity_guid"}}, {"a": {"b": NODE, "c": 1}}, "'a': unknown key 'c'"),
        ({"a": ["$entity"]}, {"a": []}, "'a' must be a list of 1"),
        ({"a": ["$entity"]}, {"a": [{"guid": NODE}] * 2}, "'a' must be a list of 1"),
        ({"a": "$entity", "b": "$entity_guid"}, {"a": {"guid": NODE}, "b": BACKUP}, "'b' contradicts another key"),
        ({"a": "$$x"}, {"a": "x"}, "'a' must be \"$x\""),
        ({"a": True}, {"a": 1}, "'a' must be true"),
        ({"a": "$mode_name"}, {"a": {"name": MODE}}, "'a' must hold a text"),
        ({"a": "$status"}, {"a": ""}, "'a' must hold a text"),
    ],
)
def test_another_shape_is_named(template: dict[str, t.Any], body: dict[str, t.Any], named: str) -> None:
    with pytest.raises(template_reader.NotUnderstood) as refused:
        template_reader.read(template, body, drops_unknown=False)
    assert named in refused.value.message


# --- the command line ---


def test_a_profile_at_start_up(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "own.yml"
    path.write_text(
        "create: {body: {objects: $entity_guids}, batch: one, visible_within: 60}\n"
        "content: {source: download}\n"
        "lists: {page_size: 7, teams: cloud-protected-entities}\n"
        "ready: state:ON LINE\n"
        "simulator: {post_status: 200, ignored_filters: [mode]}\n"
    )
    with Simulator.start(http=True, validate=False, profile=path, post_status=201) as sim:
        changed = {name: value for name, value in sim.switches().items() if value != Switches().values()[name]}
    assert changed == {
        "create_body": {"objects": "$entity_guids"},
        "create_batch": "one",
        "content_download": "object",
        "max_page_size": 7,
        "teams": "cloud-protected-entities",
        "ready_state": "ON LINE",
        "ignored_filters": ["mode", "finished-mount"],
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "a mapping is expected"),
        ("{", "is not YAML"),
        ("creat: {}", "unknown profile key creat; known: content, create, "),
        ("create: {bodi: {}}", "unknown profile key create.bodi; known: batch, body, "),
        ("create: 5", "profile key create: a mapping is expected"),
        (
            "create: {body: {a: $entitys}}",
            "switch create_body: {'a': '$entitys'} is not allowed, expected a JSON object",
        ),
        (
            "content: {source: disk}",
            "profile key content.source: 'disk' is not one of auto, download, content_download",
        ),
        ("ready: soon", "profile key ready: 'soon' is not finished_mount, task or state:NAME"),
        ("simulator: {colour: red}", "unknown switch 'colour'"),
    ],
)
def test_a_profile_that_is_none_is_named(tmp_path: pathlib.Path, content: str, said: str) -> None:
    path = tmp_path / "own.yml"
    path.write_text(content)
    with pytest.raises(ValueError, match=re.escape(said)):
        Switches(profiles.switch_values(path))


def test_start_up_names_a_profile_that_is_not_there() -> None:
    with pytest.raises(SimulatorError, match=r"No such file or directory: 'nowhere\.yml'"):
        Simulator.start(profile=pathlib.Path("nowhere.yml"))


def test_the_help_groups_the_switches() -> None:
    command = [sys.executable, "-m", "tests.simulator", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--profile FILE" in shown
    assert re.search("Request bodies: create_body, create_batch, .*Lists: list_prefiltered, ", shown, re.DOTALL)
