# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module session: what it returns can be used, what it opens is closed, and no way to end leaves a session open."""

from __future__ import annotations

import gzip
import json
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.modules import session as session_module
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.answers import Answer, AnsweringServer, answering
from tests.support.modules import connect, run_module, start_module
from tests.support.raw import LOGIN, RawServer, next_request, reply, saying, talking

LOGIN_CALL, USER_CALL, LIST_CALL = "POST /api/session/login", "GET /api/session/user", "GET /api/cloud-download"
SESSION_COOKIE = {"Set-Cookie": "SID=open-sesame; Path=/"}
USER = reply(b'{"requester": {"guid": "1", "name": "ali"}}')


def server_of(simulator: Simulator, **options: t.Any) -> dict[str, t.Any]:
    """The connection without anything to log in with."""
    return {"url": simulator.url, "ca_path": simulator.ca_path, **options}


def opened(simulator: Simulator) -> str:
    """A new session."""
    session = run_module("session", connect(simulator))["session"]
    simulator.clear_log()
    return str(session)


def calls(simulator: Simulator) -> list[str]:
    return [f"{request['method']} {request['path']}" for request in simulator.requests()]


# --- opening and closing ---


@pytest.mark.parametrize("way", ["password", "token"])
def test_a_session_is_opened_used_and_closed(simulator: Simulator, way: str) -> None:
    login = connect(simulator) if way == "password" else server_of(simulator, token=simulator.token)
    result = run_module("session", login)
    assert (result["changed"], result["opened"]) == (True, True)
    assert result["user"]["name"] == simulator.username
    name, _separator, value = result["session"].partition("=")
    assert (name, len(value)) == ("JSESSIONID", 32)
    assert simulator.counters()["open_sessions"] == 1

    used = server_of(simulator, session=result["session"])
    assert run_module("cloud_download_info", used)["cloud_downloads"] == []
    assert simulator.counters()["logins"] == 1

    closed = run_module("session", {**used, "state": "absent"})
    assert (closed["changed"], closed["opened"]) == (True, False)
    assert "session" not in closed
    assert simulator.counters()["open_sessions"] == 0
    simulator.clear_log()
    assert not run_module("session", {**used, "state": "absent"})["changed"]
    assert calls(simulator) == ["POST /session/logout"]


def test_opening_and_closing_are_a_call_each(simulator: Simulator) -> None:
    session = run_module("session", connect(simulator))["session"]
    run_module("session", server_of(simulator, session=session, state="absent"))
    assert calls(simulator) == ["POST /session/login", "POST /session/logout"]


def test_a_server_that_is_starting_is_asked_again_to_close(simulator: Simulator) -> None:
    session = opened(simulator)
    simulator.fault("POST /session/logout", "refused", status=503, times=1)
    assert run_module("session", server_of(simulator, session=session, state="absent"))["changed"]
    assert simulator.counters()["open_sessions"] == 0


@pytest.mark.parametrize("status", [403, 500])
def test_a_refused_logout_is_a_failure(simulator: Simulator, status: int) -> None:
    session = opened(simulator)
    simulator.fault("POST /session/logout", "refused", status=status, times=9)
    failed = run_module("session", server_of(simulator, session=session, state="absent"))
    assert (failed["error"]["status"], simulator.counters()["faults"]) == (status, 1)


def test_the_server_is_the_one_that_receipts_name(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """Also in check mode, when nothing was sent, and when the session is closed."""
    (guid,) = simulator.seed(downloads=1, entity="alice@example.com")
    login = connect(simulator, url=f"{simulator.url}/")
    server = run_module("session", login, check=True)["server"]
    session = run_module("session", login)
    closed = run_module("session", server_of(simulator, session=session["session"], state="absent"))
    assert (session["server"], closed["server"]) == (server, server)
    run_module("cloud_download_content", {**login, "guid": guid, "dest": str(tmp_path)})
    (file,) = run_module("cloud_download_content_info", {"path": str(tmp_path)})["files"]
    assert file["server"] == server


@pytest.mark.smoke
def test_a_living_session_is_proved_and_returned(simulator: Simulator) -> None:
    session = opened(simulator)
    for options in (server_of(simulator, session=session), connect(simulator, session=session)):
        result = run_module("session", options)
        assert (result["changed"], result["opened"], result["session"]) == (False, False, session)
    assert simulator.counters()["logins"] == 0
    assert simulator.counters()["open_sessions"] == 1


def test_a_dead_session_is_replaced_where_credentials_are_at_hand(simulator: Simulator) -> None:
    session = opened(simulator)
    simulator.drop_sessions()
    failed = run_module("session", server_of(simulator, session=session))
    assert failed["error"]["code"] == "unauthorized"
    assert "no credentials" in failed["error"]["hint"]
    assert calls(simulator) == ["GET /session"]
    result = run_module("session", connect(simulator, session=session))
    assert (result["changed"], result["opened"]) == (True, True)
    assert result["session"] != session
    assert simulator.counters()["open_sessions"] == 1


def test_the_environment_gives_session_and_login(simulator: Simulator) -> None:
    session = opened(simulator)
    environment = {"STORWARE_SESSION": session, "STORWARE_PASSWORD": simulator.password}
    options = server_of(simulator)
    assert run_module("session", _argspec.resolve(options, {}, environment))["session"] == session
    simulator.drop_sessions()
    environment["STORWARE_USERNAME"] = simulator.username
    assert run_module("session", _argspec.resolve(options, {}, environment))["opened"]


@pytest.mark.fault("U1")
def test_check_mode_opens_and_closes_nothing(simulator: Simulator) -> None:
    result = run_module("session", connect(simulator), check=True)
    assert result["changed"]
    assert "session" not in result
    assert calls(simulator) == []

    session = opened(simulator)
    options = server_of(simulator, session=session)
    assert not run_module("session", options, check=True)["changed"]
    assert run_module("session", {**options, "state": "absent"}, check=True)["changed"]
    assert simulator.counters()["open_sessions"] == 1
    simulator.drop_sessions()
    assert run_module("session", connect(simulator, session=session), check=True)["changed"]
    assert not run_module("session", {**options, "state": "absent"}, check=True)["changed"]


def test_what_is_closed_must_be_named(simulator: Simulator) -> None:
    result = run_module("session", connect(simulator, state="absent"))
    assert result["error"]["option"] == "session"
    assert calls(simulator) == []


@pytest.mark.parametrize("forbidden", [["GET /session/user"], []])
def test_whose_session_it_is_is_not_worth_a_failure(simulator: Simulator, forbidden: list[str]) -> None:
    session = opened(simulator)
    simulator.switch(forbidden=forbidden)
    assert (run_module("session", server_of(simulator, session=session))["user"] is None) == bool(forbidden)


OWNER = {"guid": "0f8d2a55-3b1e-4f0a-9d9c-6c2f4f0f7d11", "name": "ali"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"<html>Welcome",
        b"\xff\xfe\x00",
        b'{"requester": {"guid": "0f8d2a55',
        b'{"requester": null}',
        b'{"requester": "ali"}',
        b'{"requester": {"name": "somebody"}}',  # half of it
        b'{"requester": {"guid": "1", "name": "somebody"}}',
        b'{"requester": {"name": NaN}}',
        b"[" * 60_000,
        b'{"requester": {"name": "' + b"x" * 200_000 + b'"}}',
    ],
)
@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_login_that_does_not_say_whose_it_is_is_a_login_all_the_same(status: int, body: bytes) -> None:
    login = Answer(status, b"" if status == 204 else body, {"Set-Cookie": "SID=one; Path=/"})
    with answering({LOGIN_CALL: login, USER_CALL: Answer.json({"requester": OWNER})}) as server:
        result = run_module("session", login_to(server))
    assert (result["session"], result["user"]) == ("SID=one", OWNER)
    assert server.calls() == [LOGIN_CALL, USER_CALL]


def test_what_the_login_says_of_its_user_is_kept_where_more_is_refused() -> None:
    login = Answer(200, b'{"requester": {"guid": "1", "name": "ali"}}', {"Set-Cookie": "SID=one; Path=/"})
    with answering({LOGIN_CALL: login, USER_CALL: Answer(403)}) as server:
        assert run_module("session", login_to(server))["user"] == {"guid": None, "name": "ali"}


def test_a_user_that_breaks_off_or_is_packed_without_end_is_not_waited_for() -> None:
    bomb = gzip.compress(b'{"requester": {"name": "' + b"x" * 50_000_000)
    cookie = {"Set-Cookie": "SID=one; Path=/"}
    for login in (
        Answer(200, b'{"requester":', cookie, cut=5),
        Answer(200, bomb, {**cookie, "Content-Encoding": "gzip"}),
    ):
        with answering({LOGIN_CALL: login, USER_CALL: Answer.json({"requester": OWNER})}) as server:
            assert run_module("session", login_to(server))["user"] == OWNER


def test_a_session_that_is_of_no_use_is_told_by_the_first_call() -> None:
    """The login says whose it is, and the server knows the session no more."""
    login = Answer(200, json.dumps({"requester": OWNER}).encode(), SESSION_COOKIE)
    with answering({LOGIN_CALL: login, LIST_CALL: Answer(401)}) as server:
        session = run_module("session", login_to(server))["session"]
        failed = run_module("cloud_download_info", {**login_to(server), "session": session})
    assert failed["error"]["code"] == "unauthorized"
    assert server.calls().count(LOGIN_CALL) == 2  # in vain, and not again
    assert server.calls()[-1] == "POST /api/session/logout"


def test_a_name_that_repeats_a_secret_is_masked() -> None:
    login = Answer(
        200, b'{"requester": {"guid": "%s", "name": "open-sesame"}}' % OWNER["guid"].encode(), SESSION_COOKIE
    )
    with answering({LOGIN_CALL: login}) as server:
        result = run_module("session", login_to(server))
    assert result["session"] == "SID=open-sesame"
    assert "open-sesame" not in json.dumps(result["user"])


def test_several_cookies_are_one_session() -> None:
    cookies = reply(b"{}", "Set-Cookie: SID=one; Path=/", "Set-Cookie: ROUTE=node-7; Path=/")
    with talking(saying(cookies, USER, USER)) as server:
        result = run_module("session", {"url": server.url, "allow_http": True, "username": "ali", "password": "sesame"})
    assert sorted(result["session"].split("; ")) == ["ROUTE=node-7", "SID=one"]


@pytest.mark.fault("S16")
def test_everything_that_is_returned_is_documented(simulator: Simulator) -> None:
    documented = yaml.safe_load(session_module.RETURN)
    result = run_module("session", connect(simulator))
    failure = run_module("session", connect(simulator, password="wrong-word"))
    assert set(result) - {"changed", "invocation", "warnings"} == set(documented) - {"error"}
    assert set(result["user"]) == set(documented["user"]["contains"])
    assert set(failure["error"]) <= set(documented["error"]["contains"])


# --- what is shown of it ---


@pytest.mark.fault("S16")
def test_the_session_is_in_the_result_and_nowhere_else(simulator: Simulator) -> None:
    session = opened(simulator)
    for options in (connect(simulator), connect(simulator, session=session)):
        result = run_module("session", options)
        value = result.pop("session").partition("=")[2]
        assert value
        assert value not in json.dumps(result)
        assert result["invocation"]["module_args"]["password"] == "********"


@pytest.mark.fault("S16")
@pytest.mark.matrix
def test_s16_a_registered_session_is_used_and_never_shown(ansible: Ansible, simulator: Simulator) -> None:
    tasks: list[dict[str, t.Any]] = [
        {"storware.backup.session": {}, "register": "login", "no_log": True},
        {"storware.backup.cloud_download_info": {"session": "{{ login.session }}"}},
        {"storware.backup.session": {"session": "{{ login.session }}", "state": "absent"}},
    ]
    environment = {
        "STORWARE_URL": simulator.url, "STORWARE_CA_PATH": str(simulator.ca_path), "STORWARE_TOKEN": simulator.token,
    }  # fmt: skip
    play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
    run = ansible.playbook([play], "-vvvv", "--diff", environment=environment).ok()
    cookies = {request["headers"].get("cookie", "") for request in simulator.requests()} - {""}
    assert len(cookies) == 1
    assert cookies.pop().partition("=")[2] not in run.output
    counters = simulator.counters()
    assert (counters["logins"], counters["logouts"], counters["open_sessions"]) == (1, 1, 0)


# --- every way to end ---


def finished(process: subprocess.Popen[bytes]) -> tuple[dict[str, t.Any], str]:
    """What a module said, and what it wrote to standard error."""
    try:
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    return json.loads(output) if output.strip() else {}, errors.decode()


def login_to(server: RawServer | AnsweringServer) -> dict[str, t.Any]:
    return {"url": server.url, "allow_http": True, "username": "ali", "password": "sesame"}


@pytest.mark.fault("P5")
def test_p5_a_signal_during_the_login_leaves_no_session() -> None:
    """It is held back until the answer is there: only then is it known what has to be closed."""
    asked, answer = threading.Event(), threading.Event()

    def log_in_slowly(server: RawServer, connection: socket.socket) -> None:
        next_request(server, connection)
        asked.set()
        answer.wait(30)
        connection.sendall(LOGIN)

    with talking(log_in_slowly, saying(reply())) as server:
        process = start_module("cloud_download_info", login_to(server))
        assert asked.wait(30)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)  # one is enough
        answer.set()
        result, errors = finished(process)
    assert result["error"]["code"] == "interrupted"
    assert server.calls() == ["POST /api/session/login", "POST /api/session/logout"]
    assert errors == ""


@pytest.mark.fault("P5")
def test_p5_a_login_without_an_answer_does_not_hold_a_signal_back_for_long() -> None:
    asked = threading.Event()

    def never(server: RawServer, connection: socket.socket) -> None:
        next_request(server, connection)
        asked.set()
        server.over.wait(60)

    with talking(never) as server:
        process = start_module("session", login_to(server))
        assert asked.wait(30)
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        result, errors = finished(process)
    assert time.monotonic() - sent < 3
    assert result["error"]["code"] == "interrupted"
    assert errors == ""


@pytest.mark.fault("P5")
def test_p5_the_second_signal_does_not_disturb_the_logout() -> None:
    listed, closing = threading.Event(), threading.Event()

    def talk(server: RawServer, connection: socket.socket) -> None:
        call = next_request(server, connection)
        if call.endswith("login"):
            connection.sendall(LOGIN)
            next_request(server, connection)
            listed.set()
            server.over.wait(60)
        else:
            closing.set()
            server.over.wait(0.5)  # long enough for a signal to come in between
            connection.sendall(reply())

    with talking(talk) as server:
        process = start_module("cloud_download_info", login_to(server))
        assert listed.wait(30)
        process.send_signal(signal.SIGTERM)
        assert closing.wait(30)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        result, errors = finished(process)
    assert result["error"]["code"] == "interrupted"
    assert server.calls()[-1] == "POST /api/session/logout"
    assert errors == ""


@pytest.mark.fault("P6")
@pytest.mark.parametrize("module", ["session", "cloud_download_info"])
def test_p6_when_nobody_listens_any_more_no_session_is_left(simulator: Simulator, module: str) -> None:
    process = start_module(module, connect(simulator))
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _output, errors = process.communicate(timeout=30)
    assert errors.decode() == ""
    assert process.returncode == 1
    counters = simulator.counters()
    assert (counters["logins"], counters["logouts"], counters["open_sessions"]) == (1, 1, 0)


@pytest.mark.fault("S13")
@pytest.mark.parametrize("logout", [b"", reply(status="500 Oops"), reply(status="401 Gone"), b"SSH-2.0\r\n"])
def test_s13_a_logout_is_tried_once_and_never_spoils_the_result(logout: bytes) -> None:
    with talking(saying(LOGIN, reply(), reply()), saying(logout)) as server:
        result = run_module("cloud_download_info", login_to(server))
    assert result["cloud_downloads"] == []
    assert server.calls().count("POST /api/session/logout") == 1


@pytest.mark.fault("P5", "S13")
@pytest.mark.slow
def test_signals_at_any_time_leave_no_session(simulator: Simulator) -> None:
    """Either the session is handed out, or there is none. The call before the login is when the signals begin."""
    delays = random.Random(4)
    ends: list[bool] = []
    # Until some were stopped before the end, which on a busy machine takes luck.
    while len(ends) < 12 or (False not in ends and len(ends) < 100):
        simulator.reset()
        process = start_module("session", connect(simulator, session="JSESSIONID=of-yesterday"))
        _wait_for_a_call(simulator, process)
        time.sleep(delays.uniform(0, 0.05))
        process.send_signal(signal.SIGTERM)
        result, errors = finished(process)
        assert errors == ""
        assert simulator.counters()["open_sessions"] == (1 if "session" in result else 0), result
        ends.append("session" in result)
    assert False in ends


def _wait_for_a_call(simulator: Simulator, process: subprocess.Popen[bytes]) -> None:
    while not simulator.requests() and process.poll() is None:
        time.sleep(0.005)
