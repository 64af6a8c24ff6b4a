# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them: ansible-runner, the project of extensions/awx, a credential in the environment, a survey."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import typing as t

import jinja2
import yaml

from tests.awx_content import CONTENT
from tests.harness import tree
from tests.support.ansible import Ansible

Json = t.Any


def generated(name: str) -> Json:
    """What a generated file of extensions/awx says."""
    return yaml.safe_load((CONTENT / name).read_text(encoding="utf-8"))


def template(name: str) -> Json:
    """The job template with this name."""
    return next(found for found in generated("job_templates.yml") if found["name"] == name)


def answers(spec: t.Sequence[Json], given: t.Mapping[str, Json]) -> dict[str, Json]:
    """What AWX hands to a job: the answers, and the defaults of questions without one. Asks as AWX does."""
    questions = {question["variable"]: question for question in spec}
    assert given.keys() <= questions.keys(), given.keys() - questions.keys()
    found = {}
    for name, question in questions.items():
        found[name] = given.get(name, question["default"])
        assert found[name] != "" or not question["required"], f"{name} has to be answered"
        assert question["type"] != "multiplechoice" or found[name] in ("", *question["choices"]), f"{name}: no choice"
    return found


def extra_vars(variables: t.Mapping[str, Json]) -> str:
    """The file of extra vars as AWX writes it: texts are marked unsafe, so that nobody's answer is a template.

    From 2.19 on, ansible-core resolves such a text like one without quotes: an empty one is null, and 0640 is 416.
    """
    return yaml.dump(dict(variables), Dumper=_UnsafeTexts, default_flow_style=True, width=sys.maxsize)


class _UnsafeTexts(yaml.SafeDumper):
    """Writes ``!unsafe 'text'``, as awx.main.utils.safe_yaml does."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("!unsafe", text, style="'")


_UnsafeTexts.add_representer(str, _UnsafeTexts.represent_text)


@dataclasses.dataclass(frozen=True)
class Job:
    """A job that has ended."""

    status: str
    folder: pathlib.Path
    events: list[Json]

    @property
    def output(self) -> str:
        """What AWX shows while it runs."""
        return "\n".join(event["stdout"] for event in self.events)

    @property
    def artifacts(self) -> Json:
        """What AWX keeps of set_stats."""
        (stats,) = (event for event in self.events if event["event"] == "playbook_on_stats")
        return stats["event_data"]["artifact_data"]

    def shown(self) -> str:
        """All that AWX keeps and shows of the job, which is the output and each event with its data."""
        return (self.folder / "stdout").read_text(encoding="utf-8") + json.dumps(self.events)


class Awx:
    """Runs jobs in a private data directory each."""

    def __init__(self, ansible: Ansible, directory: pathlib.Path, inputs: t.Mapping[str, str], hosts: Json) -> None:
        """inputs: of the credential. hosts: of the inventory, with their variables."""
        self._ansible = ansible
        self._directory = directory
        self._inputs = inputs
        self._hosts = hosts
        self._jobs = 0

    def launch(self, name: str, given: t.Mapping[str, Json] | None = None, **more: Json) -> Job:
        """Run a job template with these answers, and more extra variables."""
        chosen = template(name)
        variables = {
            **(yaml.safe_load(chosen["extra_vars"]) or {}),
            **more,
            **answers(chosen["survey_spec"]["spec"], given or {}),
        }
        self._jobs += 1
        place = self._directory / f"job-{self._jobs}"
        (place / "env").mkdir(parents=True)
        shutil.copytree(CONTENT / "project", place / "project")
        (place / "inventory").mkdir()
        environment = {
            name: value
            for name, value in self._ansible.environment(**self._credential(place / "env")).items()
            if "CALLBACK" not in name  # ansible-runner has its own
        }
        for path, content in {
            "env/envvars": environment,
            "env/settings": {"job_timeout": 300, "idle_timeout": 120},
            "inventory/hosts.json": {"all": {"hosts": self._hosts}},
        }.items():
            (place / path).write_text(json.dumps(content), encoding="utf-8")
        given_to_job = {"ansible_python_interpreter": self._ansible.python, **variables}
        (place / "env" / "extravars").write_text(extra_vars(given_to_job), encoding="utf-8")
        command = [
            self._ansible.bin / "ansible-runner",
            "run",
            place,
            "--playbook",
            chosen["playbook"],
            "--ident",
            "job",
        ]
        subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300
        )
        return _ended(place / "artifacts" / "job")

    def _credential(self, folder: pathlib.Path) -> dict[str, str]:
        """What the injectors of the credential type make of its fields; one that is empty is an empty text.

        folder: for the files that they write, which AWX names ``template.NAME``.
        """
        injectors = generated("credential_type.yml")["injectors"]
        files = {name.partition(".")[2]: text for name, text in injectors["file"].items()}
        paths = {name: folder / f"credential-{name}" for name in files}
        for name, text in files.items():
            paths[name].write_text(jinja2.Template(text).render(self._inputs), encoding="utf-8")
        given = {**self._inputs, "tower": {"filename": paths}}
        return {name: jinja2.Template(text).render(given) for name, text in injectors["env"].items()}


def _ended(folder: pathlib.Path) -> Job:
    paths = sorted((folder / "job_events").glob("*.json"), key=lambda path: int(path.name.partition("-")[0]))
    events = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return Job((folder / "status").read_text(encoding="utf-8"), folder, events)


def collection_awx() -> pathlib.Path:
    """A collections path with the collection awx.awx, of an environment of its own."""
    (found,) = (tree.BUILD / "awx").glob("lib/python3*/site-packages")
    return found
