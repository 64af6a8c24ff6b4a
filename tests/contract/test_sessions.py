# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: what opens them, what needs them, what ends them."""

from __future__ import annotations

import pytest

from tests.contract.client import Client
from tests.simulator.process import Simulator


def test_a_login_opens_a_session(sim: Simulator) -> None:
    client = Client(sim, login=False)
    assert client.get("/session").status_code == 401
    answer = client.login()
    assert answer.status_code == 200
    assert answer.json()["requester"]["name"] == "admin"
    name, value = answer.headers["Set-Cookie"].split(";")[0].split("=")
    assert name == "JSESSIONID"
    assert len(value) == 32
    assert {part.strip() for part in answer.headers["Set-Cookie"].split(";")[1:]} == {"HttpOnly", "Path=/", "Secure"}
    assert client.get("/session").status_code == 204
    assert client.get("/session/user").json() == answer.json()


def test_a_token_opens_a_session(sim: Simulator) -> None:
    client = Client(sim, login=False)
    assert client.call("POST", "/session/login-with-token", json={"token": "wrong"}).status_code == 400
    assert client.call("POST", "/session/login-with-token", json={"token": sim.token}).status_code == 200
    assert client.get("/cloud-download").status_code == 200


def test_over_plain_http_the_cookie_is_not_secure() -> None:
    with Simulator.start(http=True, validate=False) as sim:
        assert sim.url.startswith("http://127.0.0.1:")
        assert sim.ca_path is None
        client = Client(sim)
        assert "Secure" not in client.login().headers["Set-Cookie"]
        assert client.get("/session").status_code == 204


@pytest.mark.parametrize(
    "path", ["/session", "/session/user", "/cloud-download", "/tasks", "/cloud-users", "/nodes", "/no-such-path"]
)
def test_everything_else_needs_a_session(sim: Simulator, path: str) -> None:
    client = Client(sim, login=False)
    client.session.cookies.set("JSESSIONID", "0" * 32)
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (401, {"message": "no valid session"})


@pytest.mark.parametrize("body", [{}, {"login": "a"}, {"login": 1, "password": "x"}, {"user": "a", "password": "b"}])
def test_a_malformed_login_is_a_bad_request(sim: Simulator, body: dict[str, object]) -> None:
    sim.switch(bad_login_status="401")
    assert Client(sim, login=False).call("POST", "/session/login", json=body).status_code == 400
    assert sim.violations()["request"] != []


def test_wrong_credentials_are_no_violation(sim: Simulator) -> None:
    client = Client(sim, login=False)
    answer = client.login(password="wrong")
    assert (answer.status_code, answer.json()["message"]) == (400, "wrong user name or password")
    assert client.login(username="root").status_code == 400
    assert sim.violations()["request"] == []
    assert sim.counters()["logins"] == 0
    client.login()
    assert client.get("/session/user").json()["lastFailedLogin"] > 0


def test_a_logout_ends_one_session(sim: Simulator) -> None:
    first, second = Client(sim), Client(sim)
    assert sim.counters()["open_sessions"] == 2
    assert first.call("POST", "/session/logout").status_code == 204
    assert first.get("/session").status_code == 401
    assert first.call("POST", "/session/logout").status_code == 401
    assert second.get("/session").status_code == 204
    counters = sim.counters()
    assert (counters["logins"], counters["logouts"], counters["open_sessions"]) == (2, 1, 1)


def test_an_idle_session_ends_and_a_login_opens_another(sim: Simulator) -> None:
    client = Client(sim)
    sim.step(1801)
    assert client.get("/cloud-download").status_code == 401
    assert sim.counters()["open_sessions"] == 0
    client.login()
    assert client.get("/cloud-download").status_code == 200


def test_all_sessions_can_be_dropped(sim: Simulator) -> None:
    clients = [Client(sim), Client(sim)]
    sim.drop_sessions()
    assert [client.get("/session").status_code for client in clients] == [401, 401]
