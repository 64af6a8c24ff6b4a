# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: what the client gets, and whether the server has acted all the same."""

from __future__ import annotations

import pytest
import requests

from tests.contract.client import Client
from tests.simulator.process import SimulatorError

CREATE = "POST /cloud-download"


def order(client: Client) -> requests.Response:
    body = {"protectedEntities": [{"guid": client.guid_of("alice@example.com")}], "mode": {"name": "CLOUD_DOWNLOAD"}}
    return client.call("POST", "/cloud-download", json=body)


def tasks(client: Client) -> int:
    return len(client.get("/tasks").json())


@pytest.mark.parametrize("how", ["lost_request", "lost_answer", "cut_headers", "cut_body"])
def test_an_answer_gets_lost(client: Client, how: str) -> None:
    client.sim.fault(CREATE, how)
    try:
        response = order(client)
    except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError):
        assert how != "cut_headers"
    else:
        # Python's http.client takes headers that break off for all of them
        assert (how, response.status_code, response.content) == ("cut_headers", 201, b"")
        assert "Content-Length" not in response.headers
    acted = how != "lost_request"
    assert tasks(client) == acted
    assert client.sim.counters()["writes"] == acted
    assert client.sim.counters()["faults"] == 1
    assert order(client).status_code == 201
    assert "Traceback" not in client.sim.stderr()


@pytest.mark.parametrize("how", ["refused", "untrue"])
def test_an_answer_is_not_what_it_should_be(client: Client, how: str) -> None:
    client.sim.fault(CREATE, how, status=409, retry_after="7")
    response = order(client)
    assert (response.status_code, response.headers["Retry-After"]) == (409, "7")
    assert response.json() == {"message": "a fault on demand"}
    assert tasks(client) == (how == "untrue")


def test_only_the_calls_meant_are_met(client: Client) -> None:
    client.sim.fault(CREATE, "refused", after=1, times=2)
    client.sim.fault("GET /tasks/{guid}", "refused", status=503)
    (task,) = order(client).json()
    assert [order(client).status_code for _call in range(3)] == [500, 500, 201]
    assert [client.get(f"/tasks/{task['guid']}").status_code for _call in range(2)] == [503, 200]
    client.sim.fault(CREATE, "refused", times=9)
    client.sim.clear_faults()
    assert order(client).status_code == 201


def test_an_unknown_fault_is_refused(client: Client) -> None:
    with pytest.raises(SimulatorError, match="lost_answer"):
        client.sim.fault(CREATE, "melted")
    with pytest.raises(SimulatorError, match="colour"):
        client.sim.fault(CREATE, "refused", colour="red")


def test_a_task_that_makes_no_download(client: Client) -> None:
    client.sim.add_task("alice@example.com", type="STORE", queue_seconds=10, run_seconds=5)
    states = []
    for seconds in (0, 12, 5):
        client.sim.step(seconds)
        (task,) = client.get("/tasks").json()
        states.append(task["state"]["name"])
    assert (task["type"]["name"], task["protectedEntity"]["name"]) == ("STORE", "Alice Archer")
    assert states == ["QUEUED", "RUNNING", "FINISHED"]
    assert client.sim.downloads() == []


@pytest.mark.parametrize("fate", ["kept", "emptied", "renumbered"])
def test_a_restart_costs_sessions_and_perhaps_tasks_but_no_download(client: Client, fate: str) -> None:
    (before,) = client.order("alice@example.com")
    client.sim.restart(fate)
    assert client.get("/tasks").status_code == 401
    client.login()
    found = [task["guid"] for task in client.get("/tasks").json()]
    assert len(found) == (fate != "emptied")
    assert (before["guid"] in found) == (fate == "kept")
    client.sim.step(20)
    assert len(client.sim.downloads()) == 1
