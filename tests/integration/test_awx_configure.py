# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook configure_awx, with the collection awx.awx, against a stand-in for AWX."""

from __future__ import annotations

import copy
import pathlib
import shutil
import subprocess
import typing as t

import pytest
import yaml

from tests.harness import tree
from tests.support import awx_api, marks
from tests.support.ansible import Ansible, Run
from tests.support.awx import collection_awx, generated

Json = t.Any

INPUTS: t.Final = {"url": "https://backup.example.com:8181", "username": "awx", "password": "wonderland"}
PLAYBOOK: t.Final = "storware.backup.configure_awx"
NAMES: t.Final[Json] = {"configure_awx_project": "Storware", "configure_awx_inventory": "File servers"}
WHOLE: t.Final[Json] = {
    **NAMES,
    "configure_awx_machine_credential": "File servers",
    "configure_awx_credential_inputs": INPUTS,
}


@pytest.fixture
def api() -> t.Iterator[awx_api.AwxApi]:
    """An AWX in which nothing has been set up yet."""
    with awx_api.running() as api:
        yield api


def configure(ansible: Ansible, api: awx_api.AwxApi, variables: Json, *arguments: str, playbook: str = PLAYBOOK) -> Run:
    """Run the playbook. No token of it is left."""
    paths = f"{ansible.environment()['ANSIBLE_COLLECTIONS_PATH']}:{collection_awx()}"
    environment = {"ANSIBLE_COLLECTIONS_PATH": paths, "ANSIBLE_PIPELINING": "1", **api.environment()}
    run = ansible.playbook(playbook, *arguments, variables=variables, environment=environment).ok()
    assert api.records["tokens"] == {}
    assert "wonderland" not in run.output
    return run


def changes(run: Run) -> list[str]:
    """The tasks that report a change."""
    return [result.task for result in run.results if result.changed and not result.item]


def credentials_of(api: awx_api.AwxApi, template: str) -> set[str]:
    """The names of the credentials of a job template, each with its type."""
    found = [api.records["credentials"][one] for one in api.of("job_templates", template)["credentials"]]
    return {f"{one['name']}: {api.records['credential_types'][one['credential_type']]['name']}" for one in found}


@pytest.mark.smoke
@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.long
def test_a_playbook_sets_awx_up_with_the_content(ansible: Ansible, api: awx_api.AwxApi) -> None:
    configure(ansible, api, WHOLE)
    wanted = generated("credential_type.yml")
    made = api.of("credential_types", wanted["name"])
    assert {key: made[key] for key in wanted} == wanted
    assert api.of("credentials", "Storware")["inputs"] == INPUTS
    for template in generated("job_templates.yml"):
        made = api.of("job_templates", template["name"])
        assert made["survey_spec"] == template["survey_spec"]
        assert made["playbook"] == template["playbook"]
        assert yaml.safe_load(made["extra_vars"] or "{}") == (yaml.safe_load(template["extra_vars"]) or {})
        assert made["job_slice_count"] == 1
        assert credentials_of(api, template["name"]) == {f"Storware: {wanted['name']}", "File servers: Machine"}
    workflow = generated("workflow.yml")
    assert api.of("workflow_job_templates", workflow["name"])["survey_spec"] == workflow["survey_spec"]
    nodes = api.records["workflow_job_template_nodes"]
    for wanted in workflow["schema"]:
        node = api.of("workflow_job_template_nodes", wanted["identifier"])
        templates = api.records["job_templates"] | api.records["workflow_approval_templates"]
        assert templates[node["unified_job_template"]]["name"] == wanted["unified_job_template"]["name"]
        assert [{"identifier": nodes[one]["identifier"]} for one in node["success_nodes"]] == wanted["related"][
            "success_nodes"
        ]


def follow_the_guide(ansible: Ansible, api: awx_api.AwxApi, clone: pathlib.Path) -> None:
    """Run the commands of docs/awx.md, with another address and password of AWX."""
    shutil.copytree(tree.ROOT / "extensions", clone / "extensions")
    (clone / "extensions" / "ee" / "storware-backup-1.0.0.tar.gz").touch()
    script = []
    for how, name, text in marks.blocks((tree.ROOT / "docs" / "awx.md").read_text(encoding="utf-8")):
        if how == "file":
            (clone / str(name)).write_text(text, encoding="utf-8")
            assert yaml.safe_load(text) == WHOLE
        elif how == "run":
            script.append(text.replace("https://awx.example.com", api.environment()["CONTROLLER_HOST"]))
    assert len(script) == 2
    environment = ansible.environment()
    environment["ANSIBLE_COLLECTIONS_PATH"] += f":{collection_awx()}"
    command = ["bash", "-euc", "\n".join(script)]
    password = awx_api.USER[1]
    done = subprocess.run(
        command, cwd=clone, env=environment, input=f"{password}\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wonderland" not in done.stdout + done.stderr
    assert (clone / "context" / "_build" / "requirements.yml").exists()


@pytest.mark.long
@pytest.mark.slow
def test_the_guide_sets_awx_up_and_another_run_keeps_what_somebody_has_added(
    ansible: Ansible, api: awx_api.AwxApi, tmp_path: pathlib.Path
) -> None:
    follow_the_guide(ansible, api, tmp_path / "clone")
    # What an administrator does in AWX, and a workflow that waits for an approval
    vault, extra = api.id_of("credentials", "Secrets"), "# ours\nfetch_content_step: verify\nfetch_content_via: relay\n"
    names = [template["name"] for template in generated("job_templates.yml")]
    for name in names:
        api.of("job_templates", name)["credentials"].append(vault)
    api.of("job_templates", "Storware: verify content")["extra_vars"] = extra
    api.of("job_templates", "Storware: fetch content")["extra_vars"] = "fetch_content_throttle: 5"
    nodes = api.records["workflow_job_template_nodes"]
    added = api.add(
        "workflow_job_template_nodes",
        identifier="scan",
        workflow_job_template=api.of("workflow_job_template_nodes", "fetch")["workflow_job_template"],
        unified_job_template=api.id_of("job_templates", names[0]),
    )
    api.of("workflow_job_template_nodes", "fetch")["success_nodes"] = [added]
    nodes[added]["success_nodes"] = [api.id_of("workflow_job_template_nodes", "verify")]
    approval = api.await_approval("approve")
    # Another word in the collection's help, which AWX does not let into a type in use
    kind = api.of("credential_types", generated("credential_type.yml")["name"])
    kind["inputs"]["fields"][0]["help_text"] = "Another word"
    before = copy.deepcopy(api.records)

    assert changes(configure(ansible, api, WHOLE)) == []
    assert api.records == before
    assert approval["status"] == "pending"


@pytest.mark.long
def test_check_mode_shows_what_would_be_set_up(ansible: Ansible, api: awx_api.AwxApi) -> None:
    before = copy.deepcopy(api.records)
    assert changes(configure(ansible, api, WHOLE, "--check")) == [
        "Ensure that there is the credential type",
        "Ensure that there are the job templates",
        "Ensure that there is the workflow",
    ]
    assert api.records == before


def with_a_former_type(api: awx_api.AwxApi) -> int:
    """A credential of a type with fewer fields than the content has; returns its id."""
    content = generated("credential_type.yml")
    fields = {"fields": content["inputs"]["fields"][:3], "required": ["url"]}
    kind = api.add("credential_types", **{**content, "inputs": fields})
    organization = api.id_of("organizations", "Default")
    return api.add("credentials", name="Storware", organization=organization, credential_type=kind, inputs=INPUTS)


def test_a_type_with_fewer_fields_gets_a_new_version_beside_it(
    ansible: Ansible, api: awx_api.AwxApi, tmp_path: pathlib.Path
) -> None:
    """AWX does not change the fields of a type in use. This part of the playbook alone: the rest of it takes long."""
    for folder in ("playbooks", "extensions"):
        shutil.copytree(tree.ROOT / folder, tmp_path / folder)
    path = tmp_path / "playbooks" / "configure_awx.yml"
    plays = yaml.safe_load(path.read_text(encoding="utf-8"))
    (block,) = (task["block"] for task in plays[-1]["tasks"] if "block" in task)
    assert [task["ansible.builtin.import_tasks"] for task in block] == [
        f"tasks/configure_awx_{part}.yml" for part in ("credential", "templates", "workflow")
    ]
    del block[1:]
    path.write_text(yaml.safe_dump(plays), encoding="utf-8")
    with_a_former_type(api)
    before = copy.deepcopy(api.records)
    run = configure(ansible, api, NAMES, playbook=str(path))
    assert "So there is a new version beside it: Storware Backup and Recovery (2)." in run.output
    assert "The job templates keep their credentials." in run.output
    assert changes(run) == ["Ensure that there is the credential type"]
    for endpoint, there in before.items():
        assert {number: api.records[endpoint][number] for number in there} == there
    assert (
        api.of("credential_types", "Storware Backup and Recovery (2)")["inputs"]
        == (generated("credential_type.yml")["inputs"])
    )


@pytest.mark.long
def test_a_credential_of_the_new_version_replaces_the_former_one(ansible: Ansible, api: awx_api.AwxApi) -> None:
    old = with_a_former_type(api)
    api.add("job_templates", name="Storware: fetch content", project=api.id_of("projects", "Storware"))
    api.of("job_templates", "Storware: fetch content")["credentials"] = [old]
    configure(ansible, api, {**WHOLE, "configure_awx_credential_inputs": {**INPUTS, "password": "another wonderland"}})
    for template in generated("job_templates.yml"):
        new = {"Storware: Storware Backup and Recovery (2)", "File servers: Machine"}
        assert credentials_of(api, template["name"]) == new
    assert api.records["credentials"][old]["inputs"] == INPUTS
    # Nobody can see whether a secret differs
    run = configure(ansible, api, WHOLE)
    assert changes(run) == []
    assert [one["inputs"] for one in api.records["credentials"].values() if one["name"] == "Storware"] == [INPUTS] * 2


def test_the_files_are_what_the_api_takes_by_hand(api: awx_api.AwxApi) -> None:
    """As docs/awx.md says."""

    def post(path: str, body: Json) -> Json:
        status, answer = api.answer("POST", f"/api/v2/{path}/", {}, body)
        assert status in (200, 201, 204)
        return answer

    project, inventory = api.id_of("projects", "Storware"), api.id_of("inventories", "File servers")
    post("credential_types", generated("credential_type.yml"))
    for template in generated("job_templates.yml"):
        made = post("job_templates", {**template, "project": project, "inventory": inventory})
        post(f"job_templates/{made['id']}/survey_spec", template["survey_spec"])
    content = generated("workflow.yml")
    workflow = post("workflow_job_templates", {**content, "inventory": inventory})["id"]
    post(f"workflow_job_templates/{workflow}/survey_spec", content["survey_spec"])
    nodes: dict[str, int] = {}
    for node in content["schema"]:
        wanted = {"identifier": node["identifier"], "workflow_job_template": workflow}
        template = node["unified_job_template"]
        if template["type"] == "job_template":
            wanted["unified_job_template"] = api.id_of("job_templates", template["name"])
        nodes[node["identifier"]] = post("workflow_job_template_nodes", wanted)["id"]
        if template["type"] == "workflow_approval":
            path = f"workflow_job_template_nodes/{nodes[node['identifier']]}/create_approval_template"
            post(path, {key: template[key] for key in ("name", "description")})
    for node in content["schema"]:
        for following in node["related"]["success_nodes"]:
            path = f"workflow_job_template_nodes/{nodes[node['identifier']]}/success_nodes"
            post(path, {"id": nodes[following["identifier"]]})


def test_without_a_project_nothing_is_set_up(ansible: Ansible, api: awx_api.AwxApi) -> None:
    before = copy.deepcopy(api.records)
    paths = f"{ansible.environment()['ANSIBLE_COLLECTIONS_PATH']}:{collection_awx()}"
    run = ansible.playbook(PLAYBOOK, environment={"ANSIBLE_COLLECTIONS_PATH": paths})
    assert run.rc != 0
    assert "Set configure_awx_project and configure_awx_inventory" in run.output
    assert api.records == before
