# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""openapi.yaml is whole and honest: it has all of the vendor's page, and every element says where it comes from."""

from __future__ import annotations

import typing as t

import openapi_spec_validator
import pytest

from tests.simulator import query
from tests.simulator.validation import load_spec

SPEC = load_spec()
SOURCES = {"documented", "client", "assumed"}
METHODS = ("get", "put", "post", "delete")

# The vendor's page on cloud downloads, operation by operation: printed status, media type and type of the answer
PAGE = {
    ("get", "/cloud-download"): ("200", "application/json", "MountedBackupListRecord"),
    ("post", "/cloud-download"): ("201", "application/json", "TaskDetails"),
    ("delete", "/cloud-download/{guid}"): ("204", "application/json", "TaskDetails"),
    ("get", "/cloud-download/{guid}"): ("200", "application/octet-stream", None),
    ("put", "/cloud-download/{guid}"): ("204", "application/json", "MountedBackupDetails"),
    ("get", "/cloud-download/{guid}/content-download"): ("200", "application/json", "UniOfVoid"),
}
LIST_PARAMETERS = {
    "backup", "direction", "filter", "finished-mount", "mode", "nameLike", "node", "orderBy", "page", "project-uuid",
    "protected-entity", "protected-entity-type", "size",
}  # fmt: skip
CLOSED_LISTS = {
    "mode": ["AUTO", "CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD", "INSTANT_RESTORE", "ISCSI", "MANUAL", "OS_DOWNLOAD"],
    "protected-entity-type": [
        "APP", "CLOUD", "CLOUD_GROUP", "CLOUD_SITE", "CLOUD_TEAMS", "CLOUD_USER", "OS", "OS_AGENT", "STORAGE", "VM",
    ],
}  # fmt: skip
PRINTED_FIELDS = {
    "MountedBackupListRecord": {"guid", "mode"},
    "MountedBackupDetails": {"guid", "mode"},
    "TaskDetails": {
        "guid", "type", "state", "windowStart", "windowEnd", "creationTime", "finishTime", "progress", "priority",
        "backupType",
    },
    "EnumObject": {"name", "description"},
}  # fmt: skip
REQUEST_BODIES = {
    ("post", "/cloud-download"): "CreateCloudDownloadRequest",
    ("put", "/cloud-download/{guid}"): "UpdateDownloadRequest",
}


def resolve(element: dict[str, t.Any]) -> dict[str, t.Any]:
    """The element behind a reference, with what stands beside the reference on top."""
    while "$ref" in element:
        target: t.Any = SPEC
        for part in element["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        element = {**target, **{key: value for key, value in element.items() if key != "$ref"}}
    return element


def operations() -> t.Iterator[tuple[str, str, dict[str, t.Any]]]:
    for path, item in SPEC["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def parameters(method: str, path: str) -> dict[str, dict[str, t.Any]]:
    item = SPEC["paths"][path]
    found = [resolve(part) for part in [*item.get("parameters", []), *item[method].get("parameters", [])]]
    return {parameter["name"]: parameter for parameter in found}


def properties(schema: t.Any, place: str) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Every property anywhere in a schema."""
    if isinstance(schema, dict):
        for name, part in schema.get("properties", {}).items():
            yield f"{place}.{name}", part
        for key, part in schema.items():
            yield from properties(part, f"{place}.{key}")
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from properties(part, f"{place}[{number}]")


def elements() -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """What must be marked: operations, parameters, bodies, status codes, media types, headers, schemas, properties."""
    for method, path, operation in operations():
        place = f"{method} {path}"
        yield place, operation
        for name, parameter in parameters(method, path).items():
            yield f"{place} {name}", parameter
        if "requestBody" in operation:
            yield f"{place} body", operation["requestBody"]
            for media_type, content in operation["requestBody"]["content"].items():
                yield f"{place} body {media_type}", content
        for status, reference in operation["responses"].items():
            response = resolve(reference)
            yield f"{place} {status}", response
            for media_type, content in response.get("content", {}).items():
                yield f"{place} {status} {media_type}", content
                yield from properties(content, f"{place} {status} {media_type}")
            for name, header in response.get("headers", {}).items():
                yield f"{place} {status} {name}", resolve(header)
    for name, schema in SPEC["components"]["schemas"].items():
        yield name, schema
        yield from properties(schema, name)
    yield from SPEC["components"]["securitySchemes"].items()


def test_it_is_a_valid_openapi_document() -> None:
    openapi_spec_validator.validate(SPEC)


def test_every_element_says_where_it_comes_from() -> None:
    found = dict(elements())
    assert len(found) > 500
    assert [place for place, element in found.items() if element.get("x-source") not in SOURCES] == []


def test_a_reference_may_not_hide_a_missing_mark() -> None:
    for place, part in properties(SPEC["components"]["schemas"], "schemas"):
        assert "x-source" in part, place  # marked where it is used, whatever it refers to


@pytest.mark.parametrize(("method", "path"), PAGE)
def test_the_vendors_operation_is_there(method: str, path: str) -> None:
    operation = SPEC["paths"][path][method]
    status, media_type, type_name = PAGE[method, path]
    assert operation["x-source"] == "documented"
    assert resolve(operation["responses"][status])["x-source"] == "documented"
    contents = [resolve(response).get("content", {}) for response in operation["responses"].values()]
    documented = [content[media_type] for content in contents if media_type in content]
    if type_name:
        assert any(type_name in str(resolve(content.get("schema", {}))) + str(content) for content in documented)
    assert documented[0]["x-source"] == "documented"
    if "{guid}" in path:
        assert parameters(method, path)["guid"]["x-source"] == "documented"


def test_the_vendors_query_parameters_are_there_and_no_others() -> None:
    found = parameters("get", "/cloud-download")
    assert set(found) == LIST_PARAMETERS
    assert {parameter["x-source"] for parameter in found.values()} == {"documented"}
    assert all(parameter["in"] == "query" and not parameter.get("required") for parameter in found.values())
    assert resolve(found["finished-mount"]["schema"])["type"] == "boolean"


@pytest.mark.parametrize("name", CLOSED_LISTS)
def test_the_vendors_closed_lists_are_there(name: str) -> None:
    schema = resolve(parameters("get", "/cloud-download")[name]["schema"])
    assert (schema["enum"], schema["x-source"]) == (CLOSED_LISTS[name], "documented")


@pytest.mark.parametrize("name", PRINTED_FIELDS)
def test_the_vendors_printed_fields_are_there(name: str) -> None:
    found = resolve(SPEC["components"]["schemas"][name])["properties"]
    assert {field for field, part in found.items() if part["x-source"] == "documented"} >= PRINTED_FIELDS[name]


@pytest.mark.parametrize(("method", "path"), REQUEST_BODIES)
def test_the_vendors_request_bodies_are_there_and_their_keys_are_not_called_documented(method: str, path: str) -> None:
    body = SPEC["paths"][path][method]["requestBody"]
    assert body["x-source"] == "documented"
    reference = body["content"]["application/json"]["schema"]["$ref"]
    assert reference.endswith(REQUEST_BODIES[method, path])
    keys = [resolve(option) for option in resolve({"$ref": reference}).get("oneOf", [{"$ref": reference}])]
    assert {part["x-source"] for schema in keys for part in schema["properties"].values()} == {"assumed"}


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("/cloud-download", query.MOUNTS),
        ("/mounted-backups", query.MOUNTS),
        ("/tasks", query.TASKS),
        ("/backups", query.BACKUPS),
        ("/cloud-users", query.USERS),
        ("/cloud-sites", query.SITES),
        ("/cloud-groups", query.GROUPS),
        ("/nodes", query.COMMON),
    ],
)
def test_the_simulator_reads_exactly_these_parameters(path: str, spec: query.Spec) -> None:
    found = parameters("get", path)
    assert set(found) == set(spec)
    arrays = {name for name, parameter in found.items() if resolve(parameter["schema"]).get("type") == "array"}
    assert arrays == {name for name, parser in spec.items() if isinstance(parser, query.Many)}
