# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the contract does not allow is refused with a message that names it."""

from __future__ import annotations

import typing as t

import pytest

from tests.contract.client import Client

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/cloud-download?colour=red", "colour"),
        ("/cloud-download?protectedEntity=x", "protectedEntity"),
        ("/cloud-download?mode=DOWNLOAD", "mode"),
        ("/cloud-download?mode=cloud_download", "mode"),
        ("/cloud-download?mode=", "mode"),
        ("/cloud-download?protected-entity-type=USER", "protected-entity-type"),
        ("/cloud-download?finished-mount=yes", "finished-mount"),
        ("/cloud-download?finished-mount=True", "finished-mount"),
        ("/cloud-download?page=one", "page"),
        ("/cloud-download?page=-1", "page"),
        ("/cloud-download?page=1.0", "page"),
        ("/cloud-download?size=0", "size"),
        ("/cloud-download?size=99999999999", "size"),
        ("/cloud-download?page=1&page=2", "page"),
        ("/cloud-download?backup=latest", "backup"),
        ("/cloud-download?node=node-1", "node"),
        ("/cloud-download?protected-entity=alice@example.com", "protected-entity"),
        ("/cloud-download?project-uuid=5", "project-uuid"),
        ("/cloud-download?direction=ASC", "direction"),
        ("/cloud-download?orderBy=colour", "orderBy"),
        ("/tasks?state=DONE", "state"),
        ("/tasks?states=RUNNING&states=DONE", "states"),
        ("/tasks?mounted-backup=x", "mounted-backup"),
        ("/backups?status=GOOD", "status"),
        ("/cloud-users?email=alice@example.com", "email"),
        ("/cloud-groups?teams-group=1", "teams-group"),
        ("/session?x=1", "x"),
        ("/cloud-download/not-a-guid", "guid"),
        ("/cloud-download/alice@example.com/content-download", "guid"),
        ("/cloud-protected-entities/USERS", "protectedEntityType"),
        ("/cloud-protected-entities/CLOUD_USER?page=0", "page"),
        (f"/cloud-download/{UNKNOWN}?page=0", "page"),
        ("/tasks/17", "guid"),
    ],
)
def test_a_bad_query_is_refused(client: Client, path: str, named: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert f"'{named}'" in answer.json()["message"]
    assert client.sim.violations()["request"] != []


@pytest.mark.parametrize("query", ["orderBy=&direction=", "orderBy=", "direction=", "filter=&nameLike="])
def test_blanks_of_clients_are_tolerated(client: Client, query: str) -> None:
    assert client.get(f"/cloud-download?{query}").status_code == 200
    assert client.sim.violations()["request"] == []


def create_body(client: Client, **changes: t.Any) -> dict[str, t.Any]:
    body = {
        "protectedEntities": [{"guid": client.guid_of("alice@example.com")}],
        "mode": {"name": "CLOUD_DOWNLOAD"},
        **changes,
    }
    return {key: value for key, value in body.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"expiry": 5}, "expiry"),
        ({"mode": ...}, "mode"),
        ({"mode": "CLOUD_DOWNLOAD"}, "mode"),
        ({"mode": {"name": "MANUAL"}}, "mode"),
        ({"mode": {"name": "CLOUD_DOWNLOAD", "colour": "red"}}, "mode"),
        ({"mode": {"name": "CLOUD_DOWNLOAD", "description": False}}, "mode"),
        ({"protectedEntities": ...}, "protectedEntities"),
        ({"protectedEntities": []}, "protectedEntities"),
        ({"protectedEntities": {}}, "protectedEntities"),
        ({"protectedEntities": ["x"]}, "protectedEntities"),
        ({"protectedEntities": [{"guid": "alice@example.com"}]}, "protectedEntities"),
        ({"protectedEntities": [{"guid": UNKNOWN, "colour": "red"}]}, "protectedEntities"),
        ({"protectedEntities": [{"guid": UNKNOWN, "name": 5}]}, "protectedEntities"),
        ({"backups": [{"guid": "latest"}]}, "backups"),
        ({"backups": []}, "backups"),
        ({"node": "node-1"}, "node"),
        ({"objects": [{"guid": UNKNOWN}]}, "objects"),
    ],
)
def test_a_bad_create_body_is_refused(client: Client, changes: dict[str, t.Any], named: str) -> None:
    answer = client.call("POST", "/cloud-download", json=create_body(client, **changes))
    assert answer.status_code == 400
    assert f"'{named}'" in answer.json()["message"]
    assert client.get("/tasks").json() == []


def test_the_same_entity_twice_is_refused(client: Client) -> None:
    alice = {"guid": client.guid_of("alice@example.com")}
    body = create_body(client, protectedEntities=[alice, {**alice, "name": "Alice"}])
    assert client.call("POST", "/cloud-download", json=body).status_code == 400


def test_the_backup_of_another_entity_is_refused(client: Client) -> None:
    bob = client.guid_of("bob@example.com")
    backup = client.get(f"/backups?protected-entity={bob}").json()[0]["guid"]
    answer = client.call("POST", "/cloud-download", json=create_body(client, backups=[{"guid": backup}]))
    assert (answer.status_code, backup in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("key", ["protectedEntities", "backups", "node"])
def test_unknown_guids_in_a_body_are_not_found(client: Client, key: str) -> None:
    reference = {"guid": UNKNOWN}
    value = reference if key == "node" else [reference]
    answer = client.call("POST", "/cloud-download", json=create_body(client, **{key: value}))
    assert (answer.status_code, UNKNOWN in answer.json()["message"]) == (404, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"\xff", b"[" * 100000],
)
def test_a_body_that_is_no_json_object_is_refused(client: Client, body: bytes) -> None:
    guid = client.ready_download()
    for method, path in (("POST", "/cloud-download"), ("PUT", f"/cloud-download/{guid}"), ("POST", "/session/login")):
        answer = client.call(method, path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
    assert len(client.sim.requests()) > 3  # the log can still be read


def test_a_body_must_be_declared_as_json(client: Client) -> None:
    answer = client.call("POST", "/cloud-download", data=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, "text/plain" in answer.json()["message"]) == (415, True)


def test_an_accept_header_must_allow_what_the_operation_gives(client: Client) -> None:
    guid = client.ready_download()
    cases = {
        f"/cloud-download/{guid}": ("application/octet-stream", "application/json"),
        f"/cloud-download/{guid}/content-download": ("application/json", "application/octet-stream"),
        "/cloud-download": ("application/json", "text/html"),
    }
    for path, (good, bad) in cases.items():
        for accept in (good, "*/*", f"text/plain;q=0.5, {good};q=0.9"):
            assert client.get(path, headers={"Accept": accept}).status_code == 200
        assert client.get(path, headers={"Accept": bad}).status_code == 406


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/cloud-download/{UNKNOWN}"),
        ("GET", f"/cloud-download/{UNKNOWN}/content-download"),
        ("DELETE", f"/cloud-download/{UNKNOWN}"),
        ("GET", f"/mounted-backups/{UNKNOWN}"),
        ("GET", f"/tasks/{UNKNOWN}"),
        ("DELETE", f"/tasks/{UNKNOWN}"),
        ("GET", "/cloud-teams"),
    ],
)
def test_unknown_things_are_not_found(client: Client, method: str, path: str) -> None:
    answer = client.call(method, path)
    assert answer.status_code == 404
    assert answer.json()["message"]


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "OPTIONS", "TRACE", "PUT", "DELETE"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    answer = client.call(method, "/cloud-download")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_bad_task_updates_are_refused(client: Client) -> None:
    (task,) = client.order("alice@example.com")
    for body in ({}, {"state": "CANCELLED"}, {"state": {"name": "FINISHED"}}, {"state": {"name": "CANCELLED"}, "x": 1}):
        assert client.call("PUT", f"/tasks/{task['guid']}/state", json=body).status_code == 400
