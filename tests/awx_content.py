# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files of extensions/awx from the options of the collection: ``make awx-content``. Lint reports stale ones.

Credential type: from the option table. Surveys: from the role's argument specs, and for the playbooks that list,
remove and check from the documentation of their modules. An option is asked for, or is named in _NOT_ASKED with the
reason; one that is not documented yet is left out, which lint reports.
"""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import yaml
from antsibull_docs_parser.ansible_doc_text import to_ansible_doc_text
from antsibull_docs_parser.parser import Context, parse

from tests.harness import tree
from tests.support import documentation

tree.make_importable()

from ansible_collections.storware.backup.plugins.module_utils import _argspec  # noqa: E402

Json = t.Any

CONTENT: t.Final = tree.ROOT / "extensions" / "awx"
_LISTING: t.Final = "plugins/modules/cloud_download_info.py"
_REMOVING: t.Final = "plugins/modules/cloud_download.py"
_CHECKING: t.Final = "plugins/modules/server_info.py"

# REUSE-IgnoreStart
_HEADER: t.Final = """\
---
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Written by `make awx-content` from the options of the collection; changes here are lost.

"""
# REUSE-IgnoreEnd

_CREDENTIAL: t.Final = "Storware Backup and Recovery"
_WORKFLOW: t.Final = "Storware: hand over"
_FETCH, _PREPARE, _VERIFY, _REMOVE_FETCHED, _LIST, _REMOVE, _CHECK = (
    f"Storware: {what}"
    for what in (
        "fetch content",
        "prepare downloads",
        "verify content",
        "remove fetched downloads",
        "list downloads",
        "remove downloads",
        "check server",
    )
)

_BY_PLAYBOOK: t.Final = "goes into the extra variables of the job template, where it differs from the default"
_BY_CREDENTIAL: t.Final = "is the credential's"
_NOT_ASKED: t.Final = {
    "fetch_content_request": "is a dictionary",
    "fetch_content_connection": _BY_CREDENTIAL,
    "fetch_content_guids": "people know entities; where both are asked for, neither could be left out",
    "fetch_content_report": "the container of a job is gone with the job; the report is in its artifacts",
    "fetch_content_spool": "the container of a job is gone with the job",
    "fetch_content_verified": "is an artifact of an earlier job",
    "fetch_content_via": _BY_PLAYBOOK,
    "fetch_content_relay_groups": _BY_PLAYBOOK,
    "fetch_content_relay_user": _BY_PLAYBOOK,
    "fetch_content_relay_key": _BY_PLAYBOOK,
    "fetch_content_source": _BY_PLAYBOOK,
    "fetch_content_allow_unverified": _BY_PLAYBOOK,
    "fetch_content_progress_interval": _BY_PLAYBOOK,
    "fetch_content_throttle": _BY_PLAYBOOK,
    "fetch_content_wait_interval": _BY_PLAYBOOK,
    "list_downloads_page": "a page of a list is for programs",
    "list_downloads_size": "a page of a list is for programs",
    "list_downloads_project_uuid": "is for OpenStack",
    "remove_downloads_wait_interval": _BY_PLAYBOOK,
    "check_server_wait_interval": _BY_PLAYBOOK,
}
_PROFILE_HELP: t.Final = (
    "Server profile in YAML, which describes how the server behaves where the vendor's documents are silent. "
    "The job template `Storware: check server' finds one. Empty for the defaults."
)
_NOT_IN_CREDENTIAL: t.Final = ("session",)  # it ends
# Words of options as people write them.
_WORDS: t.Final = {
    "url": "address",
    "ca": "CA",
    "http": "HTTP",
    "certs": "certificates",
    "cert": "certificate",
    "dest": "directory",
}
# Choices for texts that AWX makes numbers of with ansible-core 2.19 and later: 0640 would come as 416.
_CHOICES: t.Final = {"fetch_content_file_mode": ["u=rw,go=", "u=rw,g=r,o=", "u=rw,g=rw,o=", "u=rw,go=r"]}
# What a survey offers where the option itself has no default.
_DEFAULTS: t.Final = {"fetch_content_protected_entity_type": "CLOUD_USER"}
_REQUIRED: t.Final = ("fetch_content_protected_entities",)


class ContentError(Exception):
    """An option that nobody has decided about; the message is a sentence that says what to do."""


def files() -> dict[pathlib.Path, str]:
    """The files that follow from the options, and what belongs in them. Raises ContentError."""
    documented = documentation.plugins(tree.ROOT)
    options = {
        **documentation.entry_points(tree.ROOT),
        "list": _playbook_options("list_downloads", documented[_LISTING]),
        "remove_downloads": _playbook_options("remove_downloads", documented[_REMOVING]),
        "check_server": _playbook_options("check_server", documented[_CHECKING]),
    }
    for name in sorted(_NOT_ASKED.keys() - {name for found in options.values() for name in found}):
        raise ContentError(f"tests/awx_content.py: _NOT_ASKED names {name}, which is no option: remove it there.")
    surveys = {name: _survey(found) for name, found in options.items()}
    return {
        CONTENT / "credential_type.yml": _text(_credential_type(documented[_LISTING])),
        CONTENT / "job_templates.yml": _text(_job_templates(surveys)),
        CONTENT / "workflow.yml": _text(_workflow(surveys["main"])),
    }


# --- The credential ---


def _credential_type(documented: documentation.Options) -> Json:
    fields, environment, files = [], {}, {}
    for option in _argspec.CONNECTION:
        if option.name in _NOT_IN_CREDENTIAL or option.name not in documented:
            continue
        fields.append(_field(option, documented[option.name]["description"][0]))
        environment[option.environment] = f"{{{{ {option.name} }}}}"
        if option.is_file:
            # AWX writes the field into a file of the job, and has the path of it under this name.
            files[f"template.{option.name}"] = environment[option.environment]
            environment[option.environment] = f"{{{{ tower.filename.{option.name} }}}}"
    return {
        "name": _CREDENTIAL,
        "description": "Address of the server, and who logs in, for the collection storware.backup",
        "kind": "cloud",
        "inputs": {"fields": fields, "required": ["url"]},
        "injectors": {"file": files, "env": environment},
    }


def _field(option: _argspec.Option, description: str) -> Json:
    field: dict[str, Json] = {"id": option.name, "label": _label(option.name), "type": "string"}
    text = _plain(description)
    if option.type == "bool":
        # Not of AWX's type boolean, whose fields are false as long as nobody ticks them.
        field["choices"] = ["true", "false"]
        text += f" Default: {str(option.default).lower()}."
    elif option.default is not None:
        text += f" Default: {option.default:g}."
    if option.secret:
        field["secret"] = True
    if option.is_file:
        field["multiline"] = True
        text = _PROFILE_HELP
    return {**field, "help_text": text}


# --- Job templates ---


def _job_templates(asked: t.Mapping[str, list[Json]]) -> Json:
    def template(name: str, description: str, playbook: str, survey: str, *, hosts: bool, extra_vars: str = "") -> Json:
        given = json.loads(extra_vars or "{}")
        return {
            "name": name,
            "description": description,
            "playbook": playbook,
            "job_type": "run",
            "ask_job_type_on_launch": True,  # for check mode
            "ask_diff_mode_on_launch": True,
            "ask_verbosity_on_launch": True,
            "ask_inventory_on_launch": hosts,
            "ask_limit_on_launch": hosts,
            "survey_enabled": True,
            "survey_spec": {
                "name": name,
                "description": description,
                "spec": [question for question in asked[survey] if question["variable"] not in given],
            },
            "extra_vars": extra_vars,
        }

    def step(name: str, description: str, entry: str, *, hosts: bool, **variables: Json) -> Json:
        # A text, as the API takes it
        extra = json.dumps({"fetch_content_step": entry, **variables})
        return template(name, description, "fetch_content.yml", entry, hosts=hosts, extra_vars=extra)

    return [
        template(
            _FETCH,
            "Prepare downloads where they are missing, and bring their content to hosts",
            "fetch_content.yml",
            "main",
            hosts=True,
        ),
        step(_PREPARE, "Have downloads ready, and fetch nothing", "prepare", hosts=False),
        step(_VERIFY, "Compare the files on hosts with their receipts", "verify", hosts=True),
        step(
            _REMOVE_FETCHED,
            "Prove again that every file is on every host, and remove the downloads from the server",
            "fetch",
            hosts=True,
            fetch_content_remove=True,
        ),
        template(_LIST, "Show the downloads that are on the server", "list_downloads.yml", "list", hosts=False),
        template(_REMOVE, "Remove downloads from the server", "remove_downloads.yml", "remove_downloads", hosts=False),
        template(
            _CHECK,
            "Find out how the server answers, and which server profile it needs",
            "check_server.yml",
            "check_server",
            hosts=False,
        ),
    ]


def _workflow(fetching: t.Sequence[Json]) -> Json:
    # A node of its own removes, after approval
    spec = [question for question in fetching if question["variable"] != "fetch_content_remove"]
    description = "Prepare, fetch, verify and, once somebody has approved it, remove"

    def node(identifier: str, template: Json, then: str | None) -> Json:
        following = [{"identifier": then}] if then else []
        related = {"success_nodes": following, "failure_nodes": [], "always_nodes": [], "credentials": []}
        return {"identifier": identifier, "unified_job_template": template, "related": related}

    def job(name: str) -> Json:
        return {"name": name, "type": "job_template"}

    approval = {
        "name": "Remove the downloads from the server?",
        # AWX shows it as it is: it cannot say what the job before has found
        "description": f"Read the table and the counts at the end of the output of the job {_VERIFY}. The next job "
        "proves again that every file is on every host, and removes nothing otherwise. "
        "What is removed has to be prepared anew.",
        "type": "workflow_approval",
    }
    return {
        "name": _WORKFLOW,
        "description": description,
        "ask_inventory_on_launch": True,
        "ask_limit_on_launch": True,
        "survey_enabled": True,
        "survey_spec": {"name": _WORKFLOW, "description": description, "spec": spec},
        "schema": [
            node("prepare", job(_PREPARE), "fetch"),
            node("fetch", job(_FETCH), "verify"),
            node("verify", job(_VERIFY), "approve"),
            node("approve", approval, "remove"),
            node("remove", job(_REMOVE_FETCHED), None),
        ],
    }


# --- Surveys ---


def _survey(options: documentation.Options) -> list[Json]:
    return [_question(name, about) for name, about in options.items() if name not in _NOT_ASKED]


def _question(variable: str, about: t.Mapping[str, Json]) -> Json:
    kind, more = _answer(variable, about)
    described = about.get("description", "")
    text = " ".join(described) if isinstance(described, list) else described
    default = about.get("default", _DEFAULTS.get(variable))
    if kind in ("text", "textarea", "multiplechoice"):
        default = _as_text(default)
    return {
        "variable": variable,
        "question_name": _label(re.sub("^(fetch_content|list_downloads|remove_downloads|check_server)_", "", variable)),
        "question_description": _plain(text) + (" One in each line." if kind == "textarea" else ""),
        "type": kind,
        "required": variable in _REQUIRED or bool(about.get("required")),
        "default": "" if default is None else default,
        **more,
    }


def _answer(variable: str, about: t.Mapping[str, Json]) -> tuple[str, dict[str, Json]]:
    """AWX's type of the question, and what else it needs."""
    kind = about.get("type", "str")
    if kind == "list" and about.get("elements", "str") == "str":
        return "textarea", {"min": 0, "max": 100_000}
    if choices := _CHOICES.get(variable, about.get("choices")):
        return "multiplechoice", {"choices": choices}
    if kind == "bool":
        return "multiplechoice", {"choices": ["true", "false"]}
    if kind == "int":
        return "integer", {"min": 0, "max": 2**31 - 1}
    if kind == "float":
        return "float", {"min": 0, "max": 30 * 24 * 3600}
    if kind in ("str", "path", "bytes"):
        return "text", {"min": 0, "max": 1024}
    raise ContentError(
        f"tests/awx_content.py: {variable} is of the type {kind}, which no survey can ask for: name it in _NOT_ASKED, "
        "with the reason, and run `make awx-content`."
    )


def _playbook_options(playbook: str, documented: documentation.Options) -> documentation.Options:
    """The variables of a playbook, with the documentation of the module's options that they are handed to.

    Those of the playbook alone have a description where they are read, if a survey is to ask for them.
    """
    path = tree.ROOT / "playbooks" / f"{playbook}.yml"
    own = {name: about for name, about in documentation.playbook_options(path).items() if "description" in about}
    uses = documentation.playbook_uses(path)
    return {f"{playbook}_{name}": documented[option] for _module, option, name in uses if option in documented} | own


# --- Texts ---


def _label(name: str) -> str:
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return words[0].upper() + words[1:]


def _plain(text: str) -> str:
    return to_ansible_doc_text(parse(text, Context()))


def _as_text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Dumper(yaml.SafeDumper):
    """As yamllint likes it: lists are indented; nothing is written as a reference to what was written before."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Json) -> bool:
        return True


def _text(content: Json) -> str:
    return _HEADER + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=140, allow_unicode=True)


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
