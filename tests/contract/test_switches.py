# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every value of every switch changes what it says, and nothing starts with a value that is none."""

from __future__ import annotations

import re
import subprocess
import sys
import typing as t

import pytest
import requests

from tests.contract.client import Client
from tests.simulator.process import Simulator, SimulatorError
from tests.simulator.switches import BY_NAME, GROUPS, TABLE, Switches, as_text, describe, overview
from tests.simulator.templates import CREATE
from tests.support.modules import OTHER_KEYS

Value = t.Any
Proof = t.Callable[[Client, Value], None]
Record = dict[str, t.Any]

# Values for the switches that have no closed list
OPEN_VALUES: dict[str, list[Value]] = {
    "expire_downloads": [0, 100],
    "list_lag": [0, 30],
    "purge_after": [3600, 0],
    "expired_entities": [[], ["alice@example.com"]],
    "fail_entities": [[], ["alice@example.com"], ["Alice Archer", "bob@example.com"]],
    "queue_seconds": [2, 0, 50],
    "run_seconds": [6, 0, 50],
    "delete_seconds": [2, 0, 50],
    "window_seconds": [28800, 1],
    "max_page_size": [0, 3],
    "default_page_size": [0, 4],
    "create_body": [CREATE, OTHER_KEYS],
    "update_body": [{}, {"status": "$status", "by": "$$me"}],
    "ready_state": ["FINISHED", "on-line 2", "absent"],
    "ignored_filters": [[], ["mode", "node", "nameLike", "status", "teams-group"]],
    "content_size": [1048576, 0, 7],
    "cookie_name": ["JSESSIONID", "SID"],
    "session_timeout": [1800, 5],
    "max_sessions": [0, 2],
    "drop_session_after": [0, 1, 3],
    "lock_after": [0, 2],
    "token_logins": [0, 1],
    "forbidden": [[], ["GET /tasks", "GET /mounted-backups/{guid}"]],
    "start_delay": [0, 60],
}


def running_download(client: Client) -> Record:
    """The record of Alice's download while it is prepared."""
    client.order("alice@example.com")
    client.sim.step(3)
    (record,) = client.get("/cloud-download").json()
    return t.cast(Record, record)


def post_status(client: Client, value: Value) -> None:
    body = {"protectedEntities": [{"guid": client.guid_of("bob@example.com")}], "mode": {"name": "CLOUD_DOWNLOAD"}}
    answer = client.call("POST", "/cloud-download", json=body)
    assert (answer.status_code, len(answer.json())) == (int(value), 1)


def has_body_that_nobody_reads(client: Client, answer: requests.Response, value: Value) -> None:
    """requests takes no body of a 204; what was sent all the same would be the next answer on this connection."""
    if answer.status_code == 204:
        assert (int(answer.headers.get("Content-Length", 0)) > 0) == (value == "204_with_body")
        client.session.close()


def put_answer(client: Client, value: Value) -> None:
    guid = client.ready_download()
    answer = client.call("PUT", f"/cloud-download/{guid}", json={"note": "x"})
    assert answer.status_code == (200 if value == "body" else 204)
    assert bool(answer.content) == (value == "body")
    has_body_that_nobody_reads(client, answer, value)
    assert client.get(f"/mounted-backups/{guid}").json()["note"] == "x"


def delete_answer(client: Client, value: Value) -> None:
    answer = client.call("DELETE", f"/cloud-download/{client.ready_download()}")
    assert answer.status_code == {"body": 200, "accepted": 202}.get(value, 204)
    assert bool(answer.content) == (value in ("body", "accepted"))
    has_body_that_nobody_reads(client, answer, value)
    client.sim.step(20)
    assert client.sim.downloads() == []


def enum_style(client: Client, value: Value) -> None:
    as_object = value == "object"
    (task,) = client.order("alice@example.com")
    assert task["state"] == ({"name": "QUEUED", "description": "Queued"} if as_object else "QUEUED")
    client.sim.step(20)
    (record,) = client.get("/cloud-download").json()
    client.call("PUT", f"/cloud-download/{record['guid']}", json={"state": {"name": "X"}})
    assert client.get("/cloud-download").json()[0]["state"] == ({"name": "X", "description": "X"} if as_object else "X")
    assert isinstance(record["backup"]["protectedEntity"]["type"], dict if as_object else str)


def absent_fields(client: Client, value: Value) -> None:
    (task,) = client.order("alice@example.com")
    assert ("startTime" in task) == (value == "null")
    assert task.get("startTime") is None
    assert ("policy" in client.get("/cloud-users").json()[0]) == (value == "null")


def error_body(client: Client, value: Value) -> None:
    answer = client.get("/cloud-download?colour=red")
    assert answer.status_code == 400
    if value == "message":
        assert "colour" in answer.json()["message"]
    elif value == "nested":
        assert "colour" in answer.json()["error"]["message"]
    elif value == "html":
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.text.startswith("<html>")
    elif value == "quarkus":
        violation = {"field": "colour", "message": "unknown query parameter 'colour'"}
        assert answer.json() == {"title": "Constraint Violation", "status": 400, "violations": [violation]}
        assert client.get("/cloud-teams").content == b""
        client.sim.switch(unknown_body="500")
        failed = client.call("POST", "/cloud-download", json={})
        assert (failed.status_code, failed.json()["stack"]) == (500, "")
        assert failed.json()["details"].startswith("Error id ")
    else:
        assert answer.content == b""


def total_count(client: Client, value: Value) -> None:
    assert ("X-Total-Count" in client.get("/cloud-users").headers) == (value == "always")
    assert ("X-Total-Count" in client.get("/cloud-users?page=0").headers) == (value != "never")


def task_link(client: Client, value: Value) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.step(20)
    (record,) = client.get("/cloud-download").json()
    assert task.get("mountedBackup", {}).get("guid") == (record["guid"] if value == "mounted_backup" else None)


def task_per_entity(client: Client, value: Value) -> None:
    tasks = client.order("alice@example.com", "nobackup@example.com", "bob@example.com")
    assert len(tasks) == (3 if value else 1)
    client.sim.step(20)
    states = [task["state"]["name"] for task in client.get("/tasks").json()]
    assert states == (["FINISHED", "FAILED", "FINISHED"] if value else ["FAILED"])
    assert "Nora Nobackup" in next(task["statusInfo"] for task in client.get("/tasks?state=FAILED").json())
    assert len(client.get("/cloud-download?finished-mount=true").json()) == 2


def task_type(client: Client, value: Value) -> None:
    assert client.order("alice@example.com")[0]["type"]["name"] == value


def list_prefiltered(client: Client, value: Value) -> None:
    client.ready_download()
    modes = [record["mode"]["name"] for record in client.get("/cloud-download").json()]
    assert modes == (["CLOUD_DOWNLOAD"] if value else ["MANUAL", "CLOUD_DOWNLOAD"])
    assert len(client.get("/cloud-download?mode=CLOUD_DOWNLOAD").json()) == 1


def backup_in_record(client: Client, value: Value) -> None:
    client.order("alice@example.com", "bob@example.com")
    client.sim.step(20)
    shown = ["backup" in record for record in client.get("/cloud-download").json()]
    assert shown == {"always": [True, True], "sometimes": [True, False], "never": [False, False]}[value]
    bob = client.guid_of("bob@example.com")
    assert len(client.get(f"/cloud-download?protected-entity={bob}").json()) == 1


def backup_link(client: Client, value: Value) -> None:
    client.ready_download()
    (record,) = client.get("/cloud-download").json()
    assert ("backup" in record, "protectedEntity" in record) == (value == "shown", value != "shown")
    (truth,) = client.sim.downloads()
    assert len(client.get(f"/cloud-download?backup={truth['backup']['guid']}").json()) == (value != "none")
    alice = client.guid_of("alice@example.com")
    assert len(client.get(f"/cloud-download?protected-entity={alice}").json()) == 1


def newest_backup(client: Client, value: Value) -> None:
    alice, nora = (client.guid_of(name) for name in ("alice@example.com", "nobackup@example.com"))
    found = client.get(f"/backups?protected-entity={alice}&orderBy=snapshotTime").json()
    assert [backup["status"]["name"] for backup in found] == ["SUCCESS", "SUCCESS", value]
    (only,) = client.get(f"/backups?protected-entity={nora}&status={value}").json()
    client.order("nobackup@example.com", backups=[{"guid": only["guid"]}])
    client.sim.step(20)
    assert len(client.get("/cloud-download?finished-mount=true").json()) == (value == "PARTIAL_SUCCESS")


def expired_entities(client: Client, value: Value) -> None:
    backups = client.get(f"/backups?protected-entity={client.guid_of('alice@example.com')}").json()
    assert [backup["type"]["name"] for backup in backups] == (["FULL"] * (not value) + ["INCREMENTAL"] * 2)
    assert len(client.get(f"/backups?protected-entity={client.guid_of('bob@example.com')}").json()) == 3


def record_fields(client: Client, value: Value) -> None:
    client.ready_download()
    (record,) = client.get("/cloud-download").json()
    assert (set(record) == {"guid", "mode"}) == (value == "guid_and_mode")


def ignored_filters(client: Client, value: Value) -> None:
    client.ready_download()
    nobody = "4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65"
    for query in (f"node={nobody}", "mode=AUTO", "nameLike=nobody"):
        assert len(client.get(f"/cloud-download?{query}").json()) == bool(value)
    assert client.get(f"/cloud-download?backup={nobody}").json() == []
    assert len(client.get("/backups?status=QUEUED").json()) == (len(client.get("/backups").json()) if value else 0)
    assert len(client.get("/cloud-groups?teams-group=true").json()) == (3 if value else 1)
    assert client.get("/cloud-download?mode=FAST").status_code == 400


def finished_mount(client: Client, value: Value) -> None:
    client.ready_download()
    assert len(client.get("/cloud-download").json()) == 1
    assert len(client.get("/cloud-download?finished-mount=true").json()) == (value == "heeded")


def entity_in_record(client: Client, value: Value) -> None:
    client.ready_download()
    (record,) = client.get("/cloud-download").json()
    records = [record["backup"], *client.get("/backups").json(), *client.get("/tasks").json()]
    assert {"protectedEntity" in record for record in records} == {value == "always"}
    alice = client.guid_of("alice@example.com")
    assert len(client.get(f"/tasks?protected-entity={alice}").json()) == 1


def guid_style(client: Client, value: Value) -> None:
    guid = client.ready_download()
    lists = ("cloud-download", "tasks", "backups", "cloud-users", "nodes")
    guids = [record["guid"] for name in lists for record in client.get(f"/{name}").json()]
    assert (guid in guids) == (value == "uuid")
    pattern = {"uuid": "[0-9a-f-]{36}", "number": "[0-9]+", "path": r"\.\./\.\./[0-9]+"}[value]
    assert all(re.fullmatch(pattern, text) for text in guids)
    if value != "uuid":
        client.sim.reset()  # no such answer is one of openapi.yaml


def teams(client: Client, value: Value) -> None:
    groups = client.get("/cloud-groups").json()
    elsewhere = client.get("/cloud-protected-entities/CLOUD_TEAMS").json()
    assert len(groups) == (3 if value == "cloud-groups" else 2)
    assert [team["name"] for team in elsewhere] == ["Rocket Team"]
    assert len(client.get("/cloud-groups?teams-group=true").json()) == (1 if value == "cloud-groups" else 0)


def ready_state(client: Client, value: Value) -> None:
    client.ready_download()
    (record,) = client.get("/cloud-download").json()
    assert record.get("state", {}).get("name", "absent") == value


def finished_mount_false(client: Client, value: Value) -> None:
    client.ready_download()
    assert len(client.get("/cloud-download?finished-mount=false").json()) == (1 if value == "all" else 0)


def failed_download(client: Client, value: Value) -> None:
    client.order("nobackup@example.com")
    client.sim.step(20)
    states = [record["state"]["name"] for record in client.get("/cloud-download").json()]
    assert states == (["FAILED"] if value == "kept" else [])
    assert client.get("/cloud-download?finished-mount=true").json() == []


def delete_unready(client: Client, value: Value) -> None:
    record = running_download(client)
    assert client.call("DELETE", f"/cloud-download/{record['guid']}").status_code == (409 if value == "409" else 200)
    client.sim.step(60)
    assert len(client.sim.downloads()) == (1 if value == "409" else 0)


def expire_downloads(client: Client, value: Value) -> None:
    client.ready_download()
    seeded = client.sim.seed(downloads=1)
    client.sim.step(70)
    assert len(client.get("/cloud-download").json()) == 2
    client.sim.step(20)
    left = [record["guid"] for record in client.get("/cloud-download").json()]
    assert left == seeded if value else len(left) == 2
    client.sim.step(20)
    assert len(client.get("/cloud-download").json()) == (0 if value else 2)
    assert len(client.get("/mounted-backups?mode=MANUAL").json()) == 1


def list_lag(client: Client, value: Value) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.step(20)
    assert client.get(f"/tasks/{task['guid']}").json()["state"]["name"] == "FINISHED"
    assert len(client.get("/cloud-download").json()) == (0 if value else 1)
    client.sim.step(30)
    (record,) = client.get("/cloud-download?finished-mount=true").json()
    client.call("DELETE", f"/cloud-download/{record['guid']}")
    client.sim.step(20)
    assert client.get(f"/cloud-download/{record['guid']}").status_code == 404
    assert len(client.get("/cloud-download").json()) == (1 if value else 0)
    client.sim.step(30)
    assert client.get("/cloud-download").json() == []


def purge_after(client: Client, value: Value) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.step(5)
    assert client.get(f"/tasks/{task['guid']}").status_code == 200
    client.sim.step(20)
    assert client.get(f"/tasks/{task['guid']}").status_code == (200 if value else 404)
    assert len(client.get("/tasks").json()) == (1 if value else 0)


def fail_entities(client: Client, value: Value) -> None:
    people = ["alice@example.com", "bob@example.com", "carol@example.com"]
    client.order(*people)
    client.sim.step(20)
    failed = {task["protectedEntity"]["name"] for task in client.get("/tasks?state=FAILED").json()}
    assert failed == set(["Alice Archer", "Bob Baker"][: len(value)])
    assert len(client.sim.downloads()) == 3 - len(failed)


def fail_deletes(client: Client, value: Value) -> None:
    guid = client.ready_download()
    task = client.call("DELETE", f"/cloud-download/{guid}").json()
    client.sim.step(20)
    ended = client.get(f"/tasks/{task['guid']}").json()
    assert ended["state"]["name"] == ("FAILED" if value else "FINISHED")
    assert ("statusInfo" in ended) == value
    assert len(client.get("/cloud-download").json()) == (1 if value else 0)


def slow_cancel(client: Client, value: Value) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.step(3)
    client.call("PUT", f"/tasks/{task['guid']}/state", json={"state": {"name": "CANCELLED"}})
    state = client.get(f"/tasks/{task['guid']}").json()["state"]["name"]
    assert state == ("RUNNING" if value else "CANCELLED")
    client.sim.step(6)
    assert client.get(f"/tasks/{task['guid']}").json()["state"]["name"] == "CANCELLED"
    assert client.get("/cloud-download").json() == []


def lasts(client: Client, guid: str, state: str, seconds: float) -> None:
    """The task is in the state for so many seconds from now, and not longer."""
    for step in (seconds - 0.5, 1) if seconds else ():
        assert client.get(f"/tasks/{guid}").json()["state"]["name"] == state
        client.sim.step(step)
    assert client.get(f"/tasks/{guid}").json()["state"]["name"] != state


def queue_seconds(client: Client, value: Value) -> None:
    lasts(client, client.order("alice@example.com")[0]["guid"], "QUEUED", value)


def run_seconds(client: Client, value: Value) -> None:
    client.sim.switch(queue_seconds=0)
    lasts(client, client.order("alice@example.com")[0]["guid"], "RUNNING", value)


def delete_seconds(client: Client, value: Value) -> None:
    guid = client.ready_download()
    client.sim.switch(queue_seconds=0)
    lasts(client, client.call("DELETE", f"/cloud-download/{guid}").json()["guid"], "RUNNING", value)


def window_seconds(client: Client, value: Value) -> None:
    (task,) = client.order("alice@example.com")
    assert task["windowEnd"] - task["windowStart"] == value * 1000
    client.sim.step(20)
    ended = client.get(f"/tasks/{task['guid']}").json()
    assert ended["state"]["name"] == ("FAILED" if value == 1 else "FINISHED")
    assert ("window" in ended.get("statusInfo", "")) == (value == 1)
    assert len(client.sim.downloads()) == (0 if value == 1 else 1)


def create_body(client: Client, value: Value) -> None:
    alice = {"guid": client.guid_of("alice@example.com")}
    mode = {"name": "CLOUD_DOWNLOAD"}
    node = {"guid": client.get("/nodes").json()[1]["guid"]}
    assumed = {"protectedEntities": [alice], "mode": mode, "node": node}
    renamed = {"objects": [alice], "downloadMode": mode, "targetNode": node}
    good, bad = (assumed, renamed) if value == CREATE else (renamed, assumed)
    assert client.call("POST", "/cloud-download", json=bad).status_code == 400
    assert client.call("POST", "/cloud-download", json=good).status_code == 201
    client.sim.step(20)
    assert client.sim.downloads()[0]["node"] == {**node, "name": "node-2"}
    assert len(client.sim.violations()["request"]) == 1


def create_batch(client: Client, value: Value) -> None:
    entities = [{"guid": client.guid_of(f"{person}@example.com")} for person in ("alice", "bob")]
    body = {"protectedEntities": entities, "mode": {"name": "CLOUD_DOWNLOAD"}}
    assert client.call("POST", "/cloud-download", json=body).status_code == (201 if value == "all" else 400)
    assert len(client.get("/tasks").json()) == (2 if value == "all" else 0)
    client.order("carol@example.com")


def unknown_body(client: Client, value: Value) -> None:
    mode = {"name": "CLOUD_DOWNLOAD"}
    answer = client.call("POST", "/cloud-download", json={"objects": [], "mode": mode})
    expected = 200 if value == "dropped" else int(value)
    assert answer.status_code == expected
    assert (answer.json() == []) == (value == "dropped")
    assert client.get("/tasks").json() == []
    body = {"protectedEntities": [{"guid": client.guid_of("alice@example.com")}], "mode": mode, "expiry": 5}
    assert client.call("POST", "/cloud-download", json=body).status_code == (400 if value == "400" else 201)
    (guid,) = client.sim.seed(downloads=1)
    client.sim.switch(update_body={"state": {"name": "$status"}})
    assert client.call("PUT", f"/cloud-download/{guid}", json={"status": "X"}).status_code == expected
    assert client.get(f"/mounted-backups/{guid}").json()["state"]["name"] == "FINISHED"
    partly = {"state": {"name": "CLOSED", "by": "me"}, "status": "X"}
    assert client.call("PUT", f"/cloud-download/{guid}", json=partly).status_code == (400 if value == "400" else 200)
    assert "status" not in client.get(f"/mounted-backups/{guid}").json()


def update_body(client: Client, value: Value) -> None:
    guid = client.ready_download()
    known = {"status": "CLOSED", "by": "$me"}
    assert client.call("PUT", f"/cloud-download/{guid}", json=known).status_code == 200
    assert client.get(f"/mounted-backups/{guid}").json()["status"] == "CLOSED"
    for other in ({"note": "x"}, {**known, "by": "me"}, {**known, "note": "x"}, {"by": "$me"}):
        answer = client.call("PUT", f"/cloud-download/{guid}", json=other)
        assert answer.status_code == (400 if value else 200)
    assert ("note" in client.get(f"/mounted-backups/{guid}").json()) == (not value)


def bad_order_by(client: Client, value: Value) -> None:
    assert client.get("/cloud-users?orderBy=colour").status_code == (400 if value == "400" else 200)


def name_like(client: Client, value: Value) -> None:
    found = len(client.get("/cloud-users?nameLike=alice@example").json())
    assert found == (1 if value == "name_and_email" else 0)


def name_like_case(client: Client, value: Value) -> None:
    assert len(client.get("/cloud-users?nameLike=Alice").json()) == 1
    for parameter in ("nameLike", "filter"):
        found = len(client.get(f"/cloud-users?{parameter}=ARCHER").json())
        assert found == (1 if value == "insensitive" else 0)


def filter_fields(client: Client, value: Value) -> None:
    assert len(client.get("/cloud-users?filter=alice@example").json()) == (1 if value == "all" else 0)
    assert len(client.get("/cloud-users?filter=Archer").json()) == 1


def teams_group_absent(client: Client, value: Value) -> None:
    assert len(client.get("/cloud-groups").json()) == (3 if value == "all" else 2)
    assert len(client.get("/cloud-groups?teams-group=true").json()) == 1


def pages(client: Client, count: int) -> list[tuple[list[str], str]]:
    answers = [client.get(f"/cloud-download?page={page}&size=4") for page in range(count)]
    return [([record["guid"] for record in answer.json()], answer.headers["X-Total-Count"]) for answer in answers]


def page_quirk(client: Client, value: Value) -> None:
    all_ = client.sim.seed(downloads=10)
    honest = [(all_[:4], "10"), (all_[4:8], "10"), (all_[8:], "10"), ([], "10")]
    first = pages(client, 4)
    if value == "none":
        assert first == honest
    elif value == "ignore_size":
        assert first == [(all_, "10")] * 4
    elif value == "repeat":
        assert first == [honest[0], honest[0], *honest[2:]]
    elif value in ("growing", "shrinking"):
        by_one = 1 if value == "growing" else -1
        assert [total for _guids, total in first] == [str(10 + by_one * page) for page in range(4)]
        seen = {guid for guids, _total in first for guid in guids}
        assert seen.issuperset(all_) == (value == "growing")  # what goes lets others slip from page to page
        assert len(client.sim.downloads()) == int(first[-1][1]) + (by_one if int(first[-1][1]) >= 4 else 0)
        return
    else:
        assert (first[0][0][1:], first[0][1]) == (all_[:3], "11")
        assert first[0][0][0] not in all_
        assert first[1:] == honest[1:]  # so all_[3] was on no page, and only the total tells
        assert all_[3] not in first[0][0] + first[1][0]
    if value != "ignore_size":
        assert pages(client, 4) == honest
    client.sim.switch(page_quirk=value)
    assert pages(client, 4) == first  # set again, it happens again


def max_page_size(client: Client, value: Value) -> None:
    all_ = client.sim.seed(downloads=10)
    assert pages(client, 2)[1] == (all_[3:6] if value else all_[4:8], "10")
    assert len(client.get("/cloud-download").json()) == 10


def default_page_size(client: Client, value: Value) -> None:
    all_ = client.sim.seed(downloads=10)
    answer = client.get("/cloud-download")
    assert [record["guid"] for record in answer.json()] == (all_[:value] if value else all_)
    assert answer.headers.get("X-Total-Count") == ("10" if value else None)
    assert pages(client, 1) == [(all_[:4], "10")]


def content_size(client: Client, value: Value) -> None:
    guid = client.ready_download()
    assert client.sim.content(guid)["size"] == value
    assert len(client.get(f"/cloud-download/{guid}").content) == value


def gives(client: Client, path: str, value: Value) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    if value == "object":
        assert (answer.json(), answer.headers["Content-Type"]) == ({}, "application/json")
    else:
        assert len(answer.content) == 1048576


def download(client: Client, value: Value) -> None:
    guid = client.ready_download()
    gives(client, f"/cloud-download/{guid}", value)
    gives(client, f"/cloud-download/{guid}/content-download", "bytes")


def content_download(client: Client, value: Value) -> None:
    guid = client.ready_download()
    gives(client, f"/cloud-download/{guid}", "bytes")
    gives(client, f"/cloud-download/{guid}/content-download", value)


def not_ready(client: Client, value: Value) -> None:
    record = running_download(client)
    for path in ("", "/content-download"):
        answer = client.get(f"/cloud-download/{record['guid']}{path}")
        assert answer.status_code == (200 if value == "empty" else int(value))
        assert bool(answer.content) == (value in ("404", "409"))


def content_disposition(client: Client, value: Value) -> None:
    guid = client.ready_download()
    name = client.sim.content(guid)["name"]
    assert name == "alice@example.com-2026-01-09.zip"
    expected = {
        "quoted": f'attachment; filename="{name}"',
        "plain": f"attachment; filename={name}",
        "underscores": f'attachment; filename="_{name}_"',
        "extended": f"attachment; filename*=UTF-8''{name.replace('@', '%40')}",
    }
    assert client.get(f"/cloud-download/{guid}").headers.get("Content-Disposition") == expected.get(value)


def content_length(client: Client, value: Value) -> None:
    answer = client.get(f"/cloud-download/{client.ready_download()}")
    assert answer.headers.get("Content-Length") == ("1048576" if value else None)
    assert answer.headers.get("Transfer-Encoding") == (None if value else "chunked")
    assert len(answer.content) == 1048576


def content_type(client: Client, value: Value) -> None:
    for mode, natural in (("CLOUD_DOWNLOAD", "application/zip"), ("CLOUD_PST_DOWNLOAD", "application/vnd.ms-outlook")):
        answer = client.get(f"/cloud-download/{client.ready_download(mode=mode)}")
        assert answer.headers["Content-Type"] == (natural if value == "zip" else "application/octet-stream")


def ranges(client: Client, value: Value) -> None:
    answer = client.get(f"/cloud-download/{client.ready_download()}", headers={"Range": "bytes=10-19"})
    assert answer.status_code == {"full": 206, "none": 200, "refused": 403}[value]
    assert value == "refused" or len(answer.content) == (10 if value == "full" else 1048576)
    assert ("ETag" in answer.headers) == ("Accept-Ranges" in answer.headers) == (value == "full")


def cookie_name(client: Client, value: Value) -> None:
    client.session.cookies.clear()
    client.login()
    assert client.session.cookies.keys() == [value]
    assert client.get("/session").status_code == 204
    client.session.cookies.clear()
    client.session.cookies.set("OTHER", "x")
    assert client.get("/session").status_code == 401


def bad_login_status(client: Client, value: Value) -> None:
    assert client.login(password="wrong").status_code == int(value)


def session_timeout(client: Client, value: Value) -> None:
    for _round in range(3):
        client.sim.step(value - 1)
        assert client.get("/session").status_code == 204
    client.sim.step(value + 1)
    assert client.get("/session").status_code == 401


def max_sessions(client: Client, value: Value) -> None:
    second = Client(client.sim)
    third = Client(client.sim, login=False)
    assert third.login().status_code == (503 if value else 200)
    second.call("POST", "/session/logout")
    assert third.login().status_code == 200


def drop_session_after(client: Client, value: Value) -> None:
    statuses = [client.get("/session").status_code for _round in range(5)]
    assert statuses == ([204] * value + [401] * (5 - value) if value else [204] * 5)
    client.login()
    assert [client.get("/session").status_code for _round in range(5)] == [204] * 5


def lock_after(client: Client, value: Value) -> None:
    assert client.login(password="wrong").status_code == 400
    client.login()  # so that the count starts again
    statuses = [client.login(password="wrong").status_code for _round in range(3)]
    assert statuses == ([400, 400, 403] if value else [400, 400, 400])
    assert client.login().status_code == (403 if value else 200)
    assert client.get("/session").status_code == 204


def token_logins(client: Client, value: Value) -> None:
    body = {"token": client.sim.token}
    statuses = [client.call("POST", "/session/login-with-token", json=body).status_code for _round in range(2)]
    assert statuses == [200, 400 if value else 200]


def forbidden(client: Client, value: Value) -> None:
    guid = client.get("/mounted-backups").json()[0]["guid"]
    assert client.get("/tasks").status_code == (403 if value else 200)
    assert client.get(f"/mounted-backups/{guid}").status_code == (403 if value else 200)
    assert client.get("/cloud-download").status_code == 200


def start_delay(client: Client, value: Value) -> None:
    for _round in range(2 if value else 0):
        assert client.login().status_code == 503
        assert client.get("/cloud-download").status_code == 503
        client.sim.step(value / 2)
    assert client.get("/cloud-download").status_code == 200


def start_status(client: Client, value: Value) -> None:
    client.sim.switch(start_delay=60)
    assert client.get("/session").status_code == int(value)


PROOFS: dict[str, Proof] = {name: proof for name, proof in list(globals().items()) if name in BY_NAME}


def cases() -> t.Iterator[t.Any]:
    for switch in TABLE:
        values = OPEN_VALUES.get(switch.name) or [switch.check(text) for text in switch.allowed]
        yield from (pytest.param(switch.name, value, id=f"{switch.name}={value}") for value in values)


def test_every_switch_has_a_proof_and_its_default_first() -> None:
    assert [switch.name for switch in TABLE if switch.name not in PROOFS] == []
    assert len(BY_NAME) == len(TABLE)
    for switch in TABLE:
        values = OPEN_VALUES.get(switch.name) or [switch.check(text) for text in switch.allowed]
        assert values[0] == switch.default, switch.name
        assert len(values) > 1, switch.name


@pytest.mark.parametrize(("name", "value"), list(cases()))
def test_the_value_has_its_effect(sim: Simulator, name: str, value: Value) -> None:
    client = Client(sim)
    sim.switch(**{name: value})
    PROOFS[name](client, value)


@pytest.mark.parametrize("which", [0, -1])
def test_all_switches_can_be_given_at_start_up(which: int) -> None:
    values = {
        switch.name: (OPEN_VALUES.get(switch.name) or [switch.check(text) for text in switch.allowed])[which]
        for switch in TABLE
    }
    with Simulator.start(http=True, validate=False, **values) as sim:
        assert sim.switches() == values
        sim.switch(**{switch.name: switch.default for switch in TABLE})
        assert sim.switches() == Switches().values()
        sim.reset()
        assert sim.switches() == values  # a reset goes back to the start
        sim.reset(queue_seconds=1)
        assert sim.switches() == {**values, "queue_seconds": 1}


@pytest.mark.parametrize("switch", TABLE, ids=lambda switch: str(switch.name))
def test_every_value_can_be_written_as_text(switch: t.Any) -> None:
    for value in OPEN_VALUES.get(switch.name) or [switch.check(text) for text in switch.allowed]:
        assert switch.check(as_text(value)) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("post_status", 202), ("post_status", True), ("list_prefiltered", "maybe"), ("list_prefiltered", 1),
        ("queue_seconds", -1), ("queue_seconds", "soon"), ("queue_seconds", float("nan")), ("content_size", 1.5),
        ("content_size", "1k"), ("create_body", "{"), ("create_body", []), ("create_body", {"a": [{"b": "$entitys"}]}),
        ("cookie_name", "a b"), ("cookie_name", ""), ("fail_entities", 5), ("forbidden", [1]),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_refused(name: str, value: Value) -> None:
    with pytest.raises(ValueError, match=f"switch {name}: .* expected "):
        Switches({name: value})


def test_a_refused_change_changes_nothing(sim: Simulator) -> None:
    before = sim.switches()
    with pytest.raises(SimulatorError, match="unknown switch 'speed_of_light'"):
        sim.switch(queue_seconds=9, speed_of_light=1)
    with pytest.raises(SimulatorError, match=r"switch not_ready: '500' is not allowed, expected 404 \| 409"):
        sim.switch(queue_seconds=9, not_ready="500")
    assert sim.switches() == before


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("colour=red", "unknown switch 'colour'; known: absent_fields, "),
        ("not_ready=500", "switch not_ready: '500' is not allowed, expected 404 | 409 | 204 | empty"),
        ("not_ready", "expected name=value"),
    ],
)
def test_start_up_names_the_bad_switch(setting: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.simulator", "--switch", setting], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, said in ended.stderr, ended.stdout) == (2, True, "")
    assert "Traceback" not in ended.stderr


def test_the_printed_table_names_them_all_by_group() -> None:
    printed, names = describe(), re.sub(r"\s+", " ", overview())
    for title, group in GROUPS.items():
        assert f"{title}\n\n{group[0].name} = " in printed
        assert f"{title}: {', '.join(switch.name for switch in group)}" in names
    for switch in TABLE:
        assert f"{switch.name} = " in printed
        assert switch.why in printed
