# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to tasks and downloads as time goes by, seen over HTTP."""

from __future__ import annotations

import time
import typing as t

from tests.contract.client import Client
from tests.simulator.process import Simulator


def state_of(client: Client, task: dict[str, t.Any]) -> str:
    return str(client.get(f"/tasks/{task['guid']}").json()["state"]["name"])


def listed(client: Client, query: str = "") -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", client.get(f"/cloud-download{query}").json())


def test_a_download_is_made_by_a_task(client: Client) -> None:
    (task,) = client.order("alice@example.com")
    assert (task["state"]["name"], task["progress"]) == ("QUEUED", 0.0)
    assert task["protectedEntity"]["name"] == "Alice Archer"
    assert not {"startTime", "finishTime", "mountedBackup"} & set(task)
    assert listed(client) == []

    client.sim.step(5)
    running = client.get(f"/tasks/{task['guid']}").json()
    assert running["state"]["name"] == "RUNNING"
    assert running["progress"] == 50.0
    (record,) = listed(client)
    assert (record["mode"]["name"], record["state"]["name"]) == ("CLOUD_DOWNLOAD", "RUNNING")
    assert record["backup"]["protectedEntity"]["guid"] == client.guid_of("alice@example.com")
    assert record["backup"]["protectedEntity"]["type"]["name"] == "CLOUD_USER"
    assert listed(client, "?finished-mount=true") == []
    assert listed(client, "?finished-mount=false") == [record]
    assert client.get(f"/cloud-download/{record['guid']}").status_code == 404

    client.sim.step(3)
    finished = client.get(f"/tasks/{task['guid']}").json()
    assert (finished["state"]["name"], finished["progress"]) == ("FINISHED", 100.0)
    assert finished["finishTime"] - finished["startTime"] == 6000
    assert finished["startTime"] - finished["creationTime"] == 2000
    assert [ready["guid"] for ready in listed(client, "?finished-mount=true")] == [record["guid"]]
    assert listed(client, "?finished-mount=false") == []
    assert client.get(f"/mounted-backups/{record['guid']}").json() == listed(client)[0]
    assert client.get(f"/cloud-download/{record['guid']}").status_code == 200


def test_progress_has_decimals(client: Client) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.step(4)
    assert client.get(f"/tasks/{task['guid']}").json()["progress"] == 33.3


def test_a_removal_is_a_task_too(client: Client) -> None:
    guid = client.ready_download()
    task = client.call("DELETE", f"/cloud-download/{guid}").json()
    assert (task["type"]["name"], task["state"]["name"]) == ("DELETE", "QUEUED")
    assert client.call("DELETE", f"/cloud-download/{guid}").json()["guid"] == task["guid"]
    assert client.get(f"/cloud-download/{guid}").status_code == 200

    client.sim.step(4)
    assert state_of(client, task) == "FINISHED"
    assert listed(client) == client.sim.downloads() == []
    for method, path in (("GET", ""), ("GET", "/content-download"), ("DELETE", "")):
        assert client.call(method, f"/cloud-download/{guid}{path}").status_code == 404
    assert client.get(f"/mounted-backups/{guid}").status_code == 404


def test_a_download_that_is_not_ready_can_be_removed(client: Client) -> None:
    client.order("alice@example.com")
    client.sim.step(3)
    (record,) = listed(client)
    assert client.call("DELETE", f"/cloud-download/{record['guid']}").status_code == 200
    client.sim.step(20)
    assert listed(client) == []


def test_an_entity_without_a_good_backup_fails(client: Client) -> None:
    bad, good = client.order("nobackup@example.com", "alice@example.com")
    client.sim.step(20)
    failed = client.get(f"/tasks/{bad['guid']}").json()
    assert (failed["state"]["name"], failed["statusInfo"]) == ("FAILED", "No successful backup of Nora Nobackup")
    assert failed["progress"] < 100
    assert state_of(client, good) == "FINISHED"
    assert [record["backup"]["protectedEntity"]["name"] for record in listed(client)] == ["Alice Archer"]


def test_the_failed_backup_of_an_entity_fails_too(client: Client) -> None:
    guid = client.guid_of("alice@example.com")
    backups = client.get(f"/backups?protected-entity={guid}").json()
    assert sorted(backup["status"]["name"] for backup in backups) == ["FAILED", "SUCCESS", "SUCCESS"]
    bad = next(backup for backup in backups if backup["status"]["name"] == "FAILED")
    (task,) = client.order("alice@example.com", backups=[{"guid": bad["guid"]}])
    client.sim.step(20)
    assert state_of(client, task) == "FAILED"


def test_a_backup_and_a_node_can_be_chosen(client: Client) -> None:
    guid = client.guid_of("alice@example.com")
    oldest = client.get(f"/backups?protected-entity={guid}&status=SUCCESS&orderBy=snapshotTime").json()[0]
    node = client.get("/nodes?nameLike=node-2").json()[0]
    client.order("alice@example.com", backups=[{"guid": oldest["guid"]}], node={"guid": node["guid"]})
    client.sim.step(20)
    (record,) = listed(client)
    assert record["backup"] == oldest
    assert record["node"] == {"guid": node["guid"], "name": "node-2"}


def test_without_a_choice_it_is_the_newest_good_backup(client: Client) -> None:
    client.ready_download()
    (record,) = listed(client)
    guid = client.guid_of("alice@example.com")
    good = client.get(f"/backups?protected-entity={guid}&status=SUCCESS").json()
    assert record["backup"]["snapshotTime"] == max(backup["snapshotTime"] for backup in good)


def test_finished_tasks_are_purged(client: Client) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.switch(session_timeout=1e6)
    client.sim.step(8 + 3599)
    assert state_of(client, task) == "FINISHED"
    client.sim.step(2)
    assert client.get(f"/tasks/{task['guid']}").status_code == 404
    assert client.get("/tasks").json() == []
    assert len(listed(client)) == 1


def cancel(client: Client, task: dict[str, t.Any]) -> int:
    body = {"state": {"name": "CANCELLED"}, "statusInfo": "no longer wanted"}
    return client.call("PUT", f"/tasks/{task['guid']}/state", json=body).status_code


def test_a_running_task_can_be_cancelled(client: Client) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.step(5)
    assert cancel(client, task) == 204
    assert state_of(client, task) == "CANCELLED"
    assert listed(client) == []
    client.sim.step(60)
    assert listed(client) == []
    assert client.get(f"/tasks/{task['guid']}").json()["progress"] == 50.0


def test_a_queued_task_can_be_cancelled(client: Client) -> None:
    (task,) = client.order("alice@example.com")
    assert cancel(client, task) == 204
    assert state_of(client, task) == "CANCELLED"
    client.sim.step(60)
    assert "startTime" not in client.get(f"/tasks/{task['guid']}").json()
    assert listed(client) == []


def test_a_finished_task_stays_as_it_is_when_cancelled(client: Client) -> None:
    (task,) = client.order("alice@example.com")
    client.sim.step(10)
    assert cancel(client, task) == 204
    assert state_of(client, task) == "FINISHED"


def test_deleting_a_task_cancels_it_or_removes_it(client: Client) -> None:
    queued, running = client.order("alice@example.com")[0], {}
    assert client.call("DELETE", f"/tasks/{queued['guid']}").status_code == 204
    assert client.get(f"/tasks/{queued['guid']}").status_code == 404

    (running,) = client.order("bob@example.com")
    client.sim.step(5)
    assert client.call("DELETE", f"/tasks/{running['guid']}").status_code == 204
    assert state_of(client, running) == "CANCELLED"
    assert client.call("DELETE", f"/tasks/{running['guid']}").status_code == 204
    assert client.get(f"/tasks/{running['guid']}").status_code == 404
    assert listed(client) == []


def test_a_cancelled_removal_leaves_the_download(client: Client) -> None:
    guid = client.ready_download()
    task = client.call("DELETE", f"/cloud-download/{guid}").json()
    assert cancel(client, task) == 204
    client.sim.step(60)
    assert [record["guid"] for record in listed(client)] == [guid]
    client.call("DELETE", f"/cloud-download/{guid}")
    client.sim.step(60)
    assert listed(client) == []


def test_an_update_changes_the_record(client: Client) -> None:
    guid = client.ready_download()
    body = {"state": {"name": "IN_USE"}, "description": "kept for Alice", "tags": ["a", 1, None]}
    answer = client.call("PUT", f"/cloud-download/{guid}", json=body)
    assert answer.status_code == 200
    assert answer.json() == listed(client)[0]
    assert answer.json()["state"] == {"name": "IN_USE", "description": "In use"}
    assert (answer.json()["description"], answer.json()["tags"]) == ("kept for Alice", ["a", 1, None])
    client.call("PUT", f"/cloud-download/{guid}", json={"description": None})
    assert "description" not in listed(client)[0]


def test_an_update_cannot_make_it_another_download(client: Client) -> None:
    guid = client.ready_download()
    assert client.call("PUT", f"/cloud-download/{guid}", json={"guid": guid}).status_code == 200
    for body in ({"guid": "other"}, {"mode": {"name": "MANUAL"}}, {"node": None}):
        answer = client.call("PUT", f"/cloud-download/{guid}", json=body)
        assert (answer.status_code, next(iter(body)) in answer.json()["message"]) == (400, True)


def test_the_same_world_every_time(client: Client) -> None:
    first = client.ready_download()
    content = client.sim.content(first)
    client.sim.reset()
    client.login()
    assert client.ready_download() == first
    assert client.sim.content(first) == content


def test_the_seed(sim: Simulator) -> None:
    users = {user["email"]: user["name"] for user in sim.entities("users")}
    assert users["alice@example.com"] == "Alice Archer"
    assert sorted(email for email, name in users.items() if name == "Sam Smith") == [
        "sam.smith2@example.com",
        "sam.smith@example.com",
    ]
    assert len(sim.entities("sites")) == len(sim.entities("groups")) == 3
    assert sum(group["type"]["name"] == "CLOUD_TEAMS" for group in sim.entities("groups")) == 1
    assert sim.downloads() == []
    client = Client(sim)
    assert [node["name"] for node in client.get("/nodes").json()] == ["node-1", "node-2"]
    assert [mount["mode"]["name"] for mount in client.get("/mounted-backups").json()] == ["MANUAL"]


def test_mounts_of_other_modes_are_out_of_reach(client: Client) -> None:
    (mount,) = client.get("/mounted-backups").json()
    for method in ("GET", "DELETE"):
        assert client.call(method, f"/cloud-download/{mount['guid']}").status_code == 404
    assert len(client.get("/mounted-backups").json()) == 1


def test_more_can_be_seeded(client: Client) -> None:
    assert client.sim.seed(users=300) == []
    assert len(client.get("/cloud-users?nameLike=User 00").json()) == 300
    guids = client.sim.seed(downloads=5, entity="bob@example.com", mode="CLOUD_PST_DOWNLOAD", content_size=1000)
    records = listed(client, f"?protected-entity={client.guid_of('bob@example.com')}&finished-mount=true")
    assert [record["guid"] for record in records] == guids
    assert {record["mode"]["name"] for record in records} == {"CLOUD_PST_DOWNLOAD"}
    assert client.sim.content(guids[0])["size"] == 1000


def test_the_clock_can_run(client: Client) -> None:
    client.sim.switch(session_timeout=1e9, purge_after=1e9)
    (task,) = client.order("alice@example.com")
    client.sim.speed(1000)
    deadline = time.monotonic() + 10
    while state_of(client, task) != "FINISHED" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state_of(client, task) == "FINISHED"
    client.sim.reset()  # back to the speed of the start: the clock stands still
    client.login()
    (task,) = client.order("alice@example.com")
    time.sleep(0.05)
    assert client.get(f"/tasks/{task['guid']}").json() == task
