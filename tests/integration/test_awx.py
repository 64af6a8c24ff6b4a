# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWX content: its job templates run as AWX runs them."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from tests.simulator.credentials import TOKEN
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.awx import Awx, Job, generated
from tests.support.use import OVERALL, WAITING

Json = t.Any

PEOPLE: Json = {"fetch_content_protected_entities": "alice@example.com\n\n bob@example.com \n"}


def test_the_credential_has_every_option_of_a_connection_that_lasts() -> None:
    credential = generated("credential_type.yml")
    fields = {field["id"]: field for field in credential["inputs"]["fields"]}
    assert fields.keys() == {option.name for option in _argspec.CONNECTION} - {"session"}
    assert {name for name, field in fields.items() if field.get("secret")} == {"password", "token"}
    assert credential["injectors"]["env"].keys() == {
        option.environment for option in _argspec.CONNECTION if option.name != "session"
    }


def test_a_survey_asks_for_nothing_twice_and_offers_its_own_choices() -> None:
    for asked in [*generated("job_templates.yml"), generated("workflow.yml")]:
        questions = asked["survey_spec"]["spec"]
        variables = [question["variable"] for question in questions]
        assert len(set(variables)) == len(variables)
        for question in questions:
            assert question["question_name"]
            if question["type"] == "multiplechoice":
                assert question["default"] in ("", *question["choices"])


# --- As AWX runs them ---


@pytest.fixture
def awx(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Awx:
    (tmp_path / "restore").mkdir()
    inputs = {
        "url": simulator.url,
        "token": TOKEN,
        "ca_path": str(simulator.ca_path),
        "profile": "lists:\n  page_size: 9\n",
    }
    return Awx(ansible, tmp_path / "jobs", inputs, {"files-1": {"ansible_connection": "local"}})


@pytest.mark.slow
@pytest.mark.long
def test_every_job_template_runs_as_awx_runs_it(awx: Awx, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """The steps of the workflow one after the other, then the templates that stand by themselves."""
    simulator.switch(content_size=8_000_000, queue_seconds=60, run_seconds=120)  # 50 times faster
    dest: Json = {"fetch_content_dest": str(tmp_path / "restore")}
    quick: Json = {"fetch_content_progress_interval": 1, "fetch_content_wait_interval": 0.2}
    templates = {found["name"].removeprefix("Storware: "): found["name"] for found in generated("job_templates.yml")}
    jobs = []

    def launch(name: str, given: Json, **more: Json) -> Json:
        job = awx.launch(templates.pop(name), given, **more)
        assert job.status == "successful", job.output
        jobs.append(job)
        return job

    prepared = launch("prepare downloads", PEOPLE, **quick)
    assert re.search(rf"^\[localhost\] {WAITING}", prepared.output, re.M)
    assert len(simulator.downloads()) == 2

    fetched = launch("fetch content", {**PEOPLE, **dest, "fetch_content_max_rate": "4M"}, **quick)
    assert re.search(rf"^\[files-1\] {OVERALL}; \S+[.]zip: receiving", fetched.output, re.M)
    report = fetched.artifacts["fetch_content_result"]
    assert report["complete"]
    expected = {simulator.content(download["guid"])["sha256"] for download in simulator.downloads()}
    assert {row["sha256"] for row in report["files"]} == expected

    verified = launch("verify content", dest)
    assert "2 of 2 files are intact, on 1 of 1 hosts." in verified.output
    for sha256 in expected:
        assert re.search(rf"files-1 +[\d.]+ \w+ +{sha256} +intact +{tmp_path}/restore/", verified.output)
    assert set(verified.artifacts["fetch_content_verified"]["guids"]) == {d["guid"] for d in simulator.downloads()}
    listed = launch("list downloads", {"list_downloads_mode": "CLOUD_DOWNLOAD"})
    assert "Alice Archer" in listed.output
    assert "Bob Baker" in listed.output
    checked = launch("check server", {"check_server_strict": "true"})
    assert re.search("content_source +holds", checked.output)

    bob = {"fetch_content_protected_entities": "bob@example.com", **dest}
    launch("remove fetched downloads", bob, **quick, **verified.artifacts)
    assert [download["protected_entity"] for download in _entities(simulator)] == ["Alice Archer"]
    (left,) = simulator.downloads()
    launch("remove downloads", {"remove_downloads_guids": left["guid"]})
    assert simulator.downloads() == []

    assert not templates
    assert simulator.counters()["open_sessions"] == 0
    for job in jobs:
        kept = job.shown()
        assert TOKEN not in kept
        assert not re.search("JSESSIONID=[0-9a-f]", kept)


@pytest.mark.slow
@pytest.mark.long
def test_the_last_node_removes_what_it_proves_itself_and_what_was_verified(
    awx: Awx, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """Days may lie between the verification and the approval. The artifact narrows, and proves nothing."""
    (guid,) = simulator.seed(users=1, downloads=1)
    (entity,) = [download["backup"]["protectedEntity"]["guid"] for download in simulator.downloads()]
    dest = tmp_path / "restore"

    def remove(verified: list[str]) -> Job:
        given = {"fetch_content_protected_entities": entity, "fetch_content_dest": str(dest)}
        return awx.launch("Storware: remove fetched downloads", given, fetch_content_verified={"guids": verified})

    dest.rmdir()
    lost = remove([guid])
    assert lost.status == "failed"
    assert [download["guid"] for download in simulator.downloads()] == [guid]

    dest.mkdir()
    another = remove([])
    assert another.status == "failed"
    assert "the earlier check found no intact file of it (fetch_content_verified)" in another.output
    assert [download["guid"] for download in simulator.downloads()] == [guid]

    assert remove([guid]).status == "successful"
    assert simulator.downloads() == []


@pytest.mark.slow
@pytest.mark.long
def test_the_last_node_launched_again_does_nothing(awx: Awx, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """The downloads are gone by then, and receipts say whose files are there."""
    simulator.seed(users=2, downloads=1)
    (download,) = simulator.downloads()
    entity = download["backup"]["protectedEntity"]["guid"]
    given = {"fetch_content_protected_entities": entity, "fetch_content_dest": str(tmp_path / "restore")}
    verified = {"fetch_content_verified": {"guids": [download["guid"]]}}
    node = "Storware: remove fetched downloads"
    assert awx.launch(node, given, **verified).status == "successful"
    assert simulator.downloads() == []
    simulator.clear_log()
    again = awx.launch(node, given, **verified)
    assert again.status == "successful"
    assert simulator.counters()["writes"] == 0
    assert simulator.counters()["open_sessions"] == 0


def _entities(simulator: Simulator) -> list[Json]:
    return [{"protected_entity": download["backup"]["protectedEntity"]["name"]} for download in simulator.downloads()]


def test_a_job_that_fails_says_why_keeps_no_secret_and_has_the_profile_of_its_credential(
    awx: Awx, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    job = awx.launch(
        "Storware: fetch content",
        {"fetch_content_protected_entities": "nobody@example.com", "fetch_content_dest": str(tmp_path / "restore")},
    )
    assert job.status == "failed"
    assert "nobody@example.com" in job.output
    assert TOKEN not in job.shown()
    lists = [dict(request["query"]) for request in simulator.requests() if request["path"] == "/cloud-users"]
    assert {query["size"] for query in lists} == {"9"}


def test_the_steps_of_the_workflow_are_job_templates_and_the_removal_waits_for_somebody() -> None:
    workflow = generated("workflow.yml")
    names = {found["name"] for found in generated("job_templates.yml")}
    nodes = {node["identifier"]: node for node in workflow["schema"]}
    order = ["prepare", "fetch", "verify", "approve", "remove"]
    assert list(nodes) == order
    for identifier, following in zip(order, [*order[1:], None], strict=True):
        then = [node["identifier"] for node in nodes[identifier]["related"]["success_nodes"]]
        assert then == ([following] if following else [])
        job = nodes[identifier]["unified_job_template"]
        assert job["type"] == ("workflow_approval" if identifier == "approve" else "job_template")
        assert identifier == "approve" or job["name"] in names
