# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the REST API of AWX, as far as setting it up goes: records, associations, and AWX's rules for them.

It answers what the collection awx.awx asks. The rules are those that AWX 24.6.1 has: inputs of a credential type in use
stay, secrets are shown as $encrypted$, extra variables are a text, one credential of a type for a job template, surveys
are checked, and an approval that is pending fails with its node.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import http.server
import itertools
import json
import re
import secrets
import threading
import typing as t
import urllib.parse

Json = t.Any
Record = dict[str, Json]

USER: t.Final = ("admin", "open sesame")
ENCRYPTED: t.Final = "$encrypted$"
_PAGE: t.Final = 25  # records

_ASKED: t.Final = dict.fromkeys(
    (f"ask_{what}_on_launch" for what in ("job_type", "diff_mode", "verbosity", "inventory", "limit", "variables")),
    False,
)
_NAMED: t.Final[Record] = {"name": "", "description": ""}
_OF_TEMPLATES: t.Final[Record] = {
    **_NAMED,
    **_ASKED,
    "organization": None,
    "inventory": None,
    "limit": "",
    "extra_vars": "",
    "survey_enabled": False,
}
# By endpoint: the type of its records, and their fields as AWX has them when nothing is given. Others are ignored.
_KINDS: t.Final[dict[str, tuple[str, Record]]] = {
    "tokens": ("o_auth2_access_token", {"description": "", "scope": "write"}),
    "organizations": ("organization", _NAMED),
    "inventories": ("inventory", {**_NAMED, "organization": None}),
    "projects": ("project", {**_NAMED, "organization": None}),
    "execution_environments": ("execution_environment", {**_NAMED, "image": ""}),
    "credential_types": (
        "credential_type",
        {**_NAMED, "kind": "cloud", "namespace": None, "managed": False, "inputs": {}, "injectors": {}},
    ),
    "credentials": ("credential", {**_NAMED, "organization": None, "credential_type": None, "inputs": {}}),
    "job_templates": (
        "job_template",
        {
            **_OF_TEMPLATES,
            "project": None,
            "playbook": "",
            "job_type": "run",
            "execution_environment": None,
            "job_slice_count": 1,
        },
    ),
    "workflow_job_templates": ("workflow_job_template", _OF_TEMPLATES),
    "workflow_job_template_nodes": (
        "workflow_job_template_node",
        {"identifier": "", "workflow_job_template": None, "unified_job_template": None},
    ),
    "workflow_approval_templates": ("workflow_approval_template", {**_NAMED, "timeout": 0}),
    "workflow_approvals": ("workflow_approval", {**_NAMED, "status": "pending", "workflow_approval_template": None}),
}
_UNIFIED: t.Final = ("job_templates", "workflow_job_templates", "projects")  # an approval is not found there
_LINKS: t.Final = ("success_nodes", "failure_nodes", "always_nodes")
_ASSOCIATED: t.Final = {
    "job_templates": {"credentials": "credentials"},
    "workflow_job_template_nodes": dict.fromkeys(_LINKS, "workflow_job_template_nodes"),
}
_DEFAULTS: t.Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), (str,)),
    "integer": (int,),
    "float": (float, int),
}


class Refused(Exception):
    """An answer that is none of 2xx: its status, and why."""

    def __init__(self, status: int, why: Json) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why if isinstance(why, dict) else {"detail": why}


class AwxApi:
    """The records of an AWX, by endpoint and id. Tests read and change them as an administrator would."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.records: dict[str, dict[int, Record]] = {endpoint: {} for endpoint in _KINDS}
        self.writes: list[tuple[str, str]] = []  # method and path
        self.lock = threading.Lock()
        self._ids = itertools.count(1)

    def environment(self) -> dict[str, str]:
        """What tells awx.awx where this AWX is and who logs in."""
        host = f"http://127.0.0.1:{self.port}"
        return {"CONTROLLER_HOST": host, "CONTROLLER_USERNAME": USER[0], "CONTROLLER_PASSWORD": USER[1]}

    def add(self, endpoint: str, **fields: Json) -> int:
        """A record as the API creates it; returns its id."""
        _type, known = _KINDS[endpoint]
        record = {**copy.deepcopy(known), **{name: value for name, value in fields.items() if name in known}}
        record.update({name: [] for name in _ASSOCIATED.get(endpoint, ())})
        if endpoint.endswith("job_templates"):
            record["survey_spec"] = {}
        self._check(endpoint, {}, record)
        if endpoint == "job_templates":  # follows from the project, whatever is given
            record["organization"] = self.records["projects"][record["project"]]["organization"]
        number = next(self._ids)
        self.records[endpoint][number] = record
        return number

    def of(self, endpoint: str, name: str) -> Record:
        """The record with this name (of a node: identifier)."""
        (found,) = [r for r in self.records[endpoint].values() if name in (r.get("name"), r.get("identifier"))]
        return found

    def id_of(self, endpoint: str, name: str) -> int:
        """The id of the record with this name."""
        return next(number for number, record in self.records[endpoint].items() if record is self.of(endpoint, name))

    def await_approval(self, identifier: str) -> Record:
        """An approval that waits for somebody, as a running workflow leaves it at this node."""
        template = self.of("workflow_job_template_nodes", identifier)["unified_job_template"]
        number = self.add("workflow_approvals", name="pending", workflow_approval_template=template)
        return self.records["workflow_approvals"][number]

    # --- Calls ---

    def answer(self, method: str, path: str, query: t.Mapping[str, str], body: Json) -> tuple[int, Json]:
        """Status and body. Raises Refused."""
        if method != "GET":
            self.writes.append((method, path))
        match [part for part in path.removeprefix("/api/v2/").split("/") if part]:
            case ["unified_job_templates"]:
                return 200, self._page([s for e in _UNIFIED for s in self._all(e)], path, query)
            case [endpoint] if endpoint in _KINDS:
                if method == "POST":
                    return 201, self._shown(endpoint, self.add(endpoint, **body))
                return 200, self._page(self._all(endpoint), path, query)
            case [endpoint, number]:
                return self._on_one(method, endpoint, self._existing(endpoint, number), body)
            case [endpoint, number, "survey_spec"] if endpoint.endswith("job_templates"):
                return 200, self._survey(method, self.records[endpoint][self._existing(endpoint, number)], body)
            case ["workflow_job_template_nodes", number, "create_approval_template"] if method == "POST":
                node = self.records["workflow_job_template_nodes"][
                    self._existing("workflow_job_template_nodes", number)
                ]
                node["unified_job_template"] = self.add("workflow_approval_templates", **body)
                return 201, self._shown("workflow_approval_templates", node["unified_job_template"])
            case [endpoint, number, association] if association in _ASSOCIATED.get(endpoint, {}):
                return self._associate(method, endpoint, self._existing(endpoint, number), association, body, query)
        raise Refused(404, "Not found.")

    def _existing(self, endpoint: str, number: str) -> int:
        if not number.isdigit() or int(number) not in self.records.get(endpoint, {}):
            raise Refused(404, "Not found.")
        return int(number)

    def _on_one(self, method: str, endpoint: str, number: int, body: Json) -> tuple[int, Json]:
        record = self.records[endpoint][number]
        if method == "DELETE":
            if endpoint == "workflow_job_template_nodes":
                self._node_goes(number, record)
            del self.records[endpoint][number]
            return 204, None
        if method == "PATCH":
            given = {name: value for name, value in body.items() if name in _KINDS[endpoint][1]}
            changed = {**record, **copy.deepcopy(given)}
            self._check(endpoint, record, changed)
            record.update(changed)
        return 200, self._shown(endpoint, number)

    def _node_goes(self, number: int, node: Record) -> None:
        self.records["workflow_approval_templates"].pop(node["unified_job_template"], None)
        for approval in self.records["workflow_approvals"].values():
            if approval["workflow_approval_template"] == node["unified_job_template"]:
                approval["status"] = "failed"
        for other in self.records["workflow_job_template_nodes"].values():
            for link in _LINKS:
                other[link] = [one for one in other[link] if one != number]

    def _associate(
        self, method: str, endpoint: str, number: int, association: str, body: Json, query: t.Mapping[str, str]
    ) -> tuple[int, Json]:
        listed = self.records[endpoint][number][association]
        other = _ASSOCIATED[endpoint][association]
        if method == "GET":
            path = f"/api/v2/{endpoint}/{number}/{association}/"
            return 200, self._page([self._shown(other, one) for one in listed], path, query)
        one = self._existing(other, str(body["id"]))
        if body.get("disassociate"):
            listed.remove(one)
        elif one not in listed:
            if other == "credentials":
                self._check_kind(listed, one)
            listed.append(one)
        return 204, None

    def _check_kind(self, listed: t.Sequence[int], one: int) -> None:
        kinds = {self.records["credentials"][other]["credential_type"] for other in listed}
        if (kind := self.records["credentials"][one]["credential_type"]) in kinds:
            name = self.records["credential_types"][kind]["name"]
            raise Refused(400, {"error": f"Cannot assign multiple {name} credentials."})

    # --- Rules ---

    def _check(self, endpoint: str, before: Record, record: Record) -> None:
        """Raise Refused where AWX does; put secrets that are not given again back in their place."""
        for other in self.records[endpoint].values():
            one = (record.get("name"), record.get("organization"), record.get("credential_type"))
            same = one == (other.get("name"), other.get("organization"), other.get("credential_type"))
            if other is not before and one[0] and same and not endpoint.startswith(("projects", "workflow_approval")):
                raise Refused(400, {"__all__": [f"{one[0]} already exists."]})
        if "extra_vars" in record and not isinstance(record["extra_vars"], str):
            raise Refused(400, {"extra_vars": ["Not a valid string."]})
        if endpoint == "credential_types" and before and before["inputs"] != record["inputs"]:
            number = next(number for number, found in self.records[endpoint].items() if found is before)
            if number in {credential["credential_type"] for credential in self.records["credentials"].values()}:
                raise Refused(403, "Modifications to inputs are not allowed for credential types that are in use")
        if endpoint == "credentials":
            self._check_inputs(before.get("inputs", {}), record)

    def _check_inputs(self, before: Record, record: Record) -> None:
        fields = {f["id"]: f for f in self.records["credential_types"][record["credential_type"]]["inputs"]["fields"]}
        for name, value in record["inputs"].items():
            if value == ENCRYPTED:
                record["inputs"][name] = before[name]
            elif name not in fields or not isinstance(value, str) or value not in fields[name].get("choices", [value]):
                raise Refused(400, {"inputs": [f"{name}: {value!r} is not valid"]})

    def _survey(self, method: str, template: Record, body: Json) -> Json:
        if method == "GET":
            return copy.deepcopy(template["survey_spec"])
        for question in body["spec"]:
            default = question.get("default", "")
            if not isinstance(question["required"], bool) or question["type"] not in _DEFAULTS:
                raise Refused(400, {"error": f"{question['variable']} is not a valid question."})
            if default != "" and not isinstance(default, _DEFAULTS[question["type"]]):
                raise Refused(400, {"error": f"Default value {default} is not of the type {question['type']}."})
            if question["type"] == "multiplechoice" and default not in ("", *question["choices"]):
                raise Refused(400, {"error": "Default choice must be answered from the choices listed."})
        template["survey_spec"] = body
        return {}

    # --- Records as AWX shows them ---

    def _all(self, endpoint: str) -> list[Record]:
        return [self._shown(endpoint, number) for number in self.records[endpoint]]

    def _shown(self, endpoint: str, number: int) -> Record:
        record = copy.deepcopy(self.records[endpoint][number])
        record.pop("survey_spec", None)
        url = f"/api/v2/{endpoint}/{number}/"
        shown = {"id": number, "type": _KINDS[endpoint][0], "url": url, "related": {}, "summary_fields": {}, **record}
        if organization := self.records["organizations"].get(record.get("organization") or 0):
            shown["summary_fields"]["organization"] = {"id": record["organization"], "name": organization["name"]}
        if endpoint == "credentials":
            fields = self.records["credential_types"][record["credential_type"]]["inputs"]["fields"]
            secret = {field["id"] for field in fields if field.get("secret")}
            shown["inputs"] = {k: ENCRYPTED if v and k in secret else v for k, v in record["inputs"].items()}
        if endpoint.endswith("job_templates"):
            shown["related"]["survey_spec"] = f"{url}survey_spec/"
        if endpoint == "job_templates":
            shown["summary_fields"]["credentials"] = [self._summary(one) for one in shown.pop("credentials")]
        if endpoint == "workflow_job_template_nodes" and (template := record["unified_job_template"]):
            place = next(name for name in (*_UNIFIED, "workflow_approval_templates") if template in self.records[name])
            shown["related"]["unified_job_template"] = f"/api/v2/{place}/{template}/"
        return shown

    def _summary(self, number: int) -> Record:
        credential = self.records["credentials"][number]
        kind = self.records["credential_types"][credential["credential_type"]]
        return {"id": number, "name": credential["name"], "kind": kind["namespace"], "cloud": kind["kind"] == "cloud"}

    def _page(self, found: list[Record], path: str, query: t.Mapping[str, str]) -> Json:
        filters = {name: value for name, value in query.items() if name not in ("page", "page_size")}
        either = {name: value for name, value in filters.items() if name.startswith("or__")}
        matching = [
            record
            for record in found
            if all(self._fits(record, name, value) for name, value in filters.items() if name not in either)
            and (not either or any(self._fits(record, name.removeprefix("or__"), v) for name, v in either.items()))
        ]
        page, size = int(query.get("page", 1)), int(query.get("page_size", _PAGE))
        following = urllib.parse.urlencode({**query, "page": page + 1})
        return {
            "count": len(matching),
            "next": f"{path}?{following}" if page * size < len(matching) else None,
            "previous": None,
            "results": matching[(page - 1) * size : page * size],
        }

    def _fits(self, record: Record, name: str, value: str) -> bool:
        field, _separator, lookup = name.partition("__")
        if field not in record:
            raise Refused(400, f"{type(self).__name__} has no field named '{field}'")
        if lookup == "name":
            other = self.records[f"{field}s"].get(record[field], {})
            return bool(other.get("name") == value)
        found = json.dumps(record[field]) if isinstance(record[field], bool) else str(record[field])
        tests = {"": found == value, "in": found in value.split(","), "startswith": found.startswith(value)}
        return tests[lookup]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: AwxApi

    def do_any(self) -> None:
        """Answer one call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        with self.api.lock:
            try:
                self._log_in(address.path)
                status, content = self.api.answer(self.command, address.path, query, json.loads(body) if body else None)
                if address.path == "/api/v2/tokens/" and status == 201:  # shown this once
                    token = secrets.token_hex(8)
                    self.api.records["tokens"][content["id"]]["token"] = token
                    content["token"] = token
            except Refused as refused:
                status, content = refused.status, refused.why
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = do_any

    def _log_in(self, path: str) -> None:
        given = self.headers.get("Authorization", "")
        basic = "Basic " + base64.b64encode(":".join(USER).encode()).decode()
        tokens = {f"Bearer {record.get('token')}" for record in self.api.records["tokens"].values()}
        if given not in tokens and not (given == basic and re.match("/api/v2/tokens/", path)):
            raise Refused(401, "Authentication credentials were not provided.")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing, or it would be among the output of tests."""


@contextlib.contextmanager
def running() -> t.Iterator[AwxApi]:
    """An AWX for the time of the block, with an organization, a project, an inventory and a machine credential."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    api = AwxApi(server.server_address[1])
    server.RequestHandlerClass = type("Handler", (_Handler,), {"api": api})
    organization = api.add("organizations", name="Default")
    api.add("projects", name="Storware", organization=organization)
    api.add("inventories", name="File servers", organization=organization)
    for name, kind in (("Machine", "ssh"), ("Vault", "vault")):
        fields = {"fields": [{"id": "password", "type": "string", "secret": True}]}
        made = api.add("credential_types", name=name, kind=kind, namespace=kind, managed=True, inputs=fields)
        named = "File servers" if kind == "ssh" else "Secrets"
        api.add("credentials", name=named, organization=organization, credential_type=made, inputs={"password": "x"})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
