# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls over connections that are closed, slow, silent, or lead to something else than the API."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import ssl
import threading
import time
import typing as t

import pytest
import urllib3.util.connection

from ansible_collections.storware.backup.plugins.module_utils import _deadline
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError
from tests.support.answers import Answer, answering
from tests.support.raw import LOGIN, RawServer, dripping, next_request, reply, saying, silent, talking
from tests.unit.plugins.module_utils._api.test_client import LIST, LOGIN_CALL, client

OK = reply()
CREATE = "POST /api/cloud-download"


@contextlib.contextmanager
def given(server: RawServer, **changes: t.Any) -> t.Iterator[Client]:
    """A client that has a session already, so that nothing but the calls of the test is sent."""
    with client(server.url, username=None, password=None, session="SID=given", **changes) as session:
        yield session


def get(session: Client, deadline: float | None = None) -> t.Any:
    return session.get("/cloud-download", [], "list", deadline).body


def fails(session: Client, call: t.Callable[[Client], t.Any] = get) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call(session)
    return caught.value


# --- N17: a connection that the server has closed between two calls ---


def test_n17_reading_goes_on_over_a_new_connection() -> None:
    """Also without any retry: nothing was sent over the old one."""
    with talking(saying(OK), saying(OK)) as server, given(server, retries=0) as session:
        get(session)
        _wait_until_closed(session)
        assert get(session) == []
    assert len({connection for connection, _call in server.requests}) == 2


def test_n17_reading_is_repeated_when_the_server_closes_at_that_very_moment() -> None:
    def close_at_the_second(server: RawServer, connection: socket.socket) -> None:
        saying(OK)(server, connection)
        next_request(server, connection)

    with talking(close_at_the_second, saying(OK)) as server, given(server) as session:
        get(session)
        assert get(session) == []
    assert server.calls() == [LIST] * 3


@pytest.mark.parametrize("verb", ["post", "put"])
def test_n17_what_creates_goes_over_a_connection_of_its_own(verb: str) -> None:
    """One that the server is about to close would leave it in doubt whether the call was read."""
    with talking(saying(OK, OK, OK)) as server, given(server) as session:
        get(session)
        getattr(session, verb)("/cloud-download", {}, "do it")
    (first, _read), (second, _written) = server.requests
    assert first != second


@pytest.mark.parametrize("verb", ["post", "put"])
def test_n17_what_creates_is_not_sent_again_when_its_connection_is_closed(verb: str) -> None:
    with talking(saying(OK), lambda server, connection: None, saying(OK)) as server, given(server) as session:
        get(session)
        error = fails(session, lambda session: getattr(session, verb)("/cloud-download", {}, "do it"))
    assert error.code == "response_lost"
    assert "may have acted" in error.message
    assert server.calls() == [LIST]


def _wait_until_closed(session: Client) -> None:
    """Until the end that the server has sent is there."""
    manager: t.Any = session._transport._http.get_adapter("http://").poolmanager  # type: ignore[attr-defined]
    (address,) = manager.pools.keys()
    idle = manager.pools[address].pool.queue[-1]
    end = time.monotonic() + 10
    while not urllib3.util.connection.is_connection_dropped(idle) and time.monotonic() < end:
        time.sleep(0.01)


def test_a_body_that_is_being_read_is_not_disturbed_by_other_calls() -> None:
    body = bytes(range(256)) * 4000
    answers: dict[str, Answer | list[Answer]] = {
        "GET /api/content": Answer(200, body), LIST: [Answer(401), Answer.json([])], CREATE: Answer.json([]),
    }  # fmt: skip
    with (
        answering(answers) as server,
        client(server.url) as session,
        session.open("/content", {}, "fetch") as response,
    ):
        start = response.raw.read(1000)
        assert session.get("/cloud-download", [], "list").body == []  # logs in again, too
        session.post("/cloud-download", {}, "create")
        assert start + response.raw.read() == body


# --- deadlines ---


def in_time(seconds: float, call: t.Callable[[float], t.Any]) -> tuple[ApiError, float]:
    """The error of a call with a deadline in so many seconds, and how long it took."""
    start = time.monotonic()
    with pytest.raises(ApiError) as caught:
        call(start + seconds)
    return caught.value, time.monotonic() - start


@pytest.mark.parametrize(
    "conversation",
    [silent, dripping(OK * 100, 0.05), dripping(reply(b" " * 10_000), 0.01), saying()],
    ids=["silence", "dripping head", "dripping body", "closed"],
)
def test_a_deadline_ends_a_call_whatever_the_server_does(conversation: t.Any) -> None:
    with talking(conversation) as server, given(server, retries=100) as session:
        session._sleep = time.sleep
        error, seconds = in_time(1, lambda deadline: get(session, deadline))
    assert error.code == "timeout"
    assert error.retryable
    assert "list" in error.message
    assert seconds < 2


def test_a_deadline_ends_the_beginning_of_content() -> None:
    with talking(silent) as server, given(server) as session:
        error, seconds = in_time(0.5, lambda deadline: session.open("/content", {}, "fetch", deadline))
    assert error.code == "timeout"
    assert seconds < 2


def test_a_pause_never_goes_beyond_the_deadline_and_the_last_failure_is_told() -> None:
    busy = Answer(503, b'{"message": "starting"}', {"Retry-After": "20"})
    with answering({LIST: busy}) as server, client(server.url) as session:
        session._sleep = time.sleep
        error, seconds = in_time(5, lambda deadline: get(session, deadline))
    assert error.code == "timeout"
    assert (error.status, error.details["server_message"]) == (503, "starting")
    assert "answered 503: starting" in error.message
    assert seconds < 2  # no use in waiting for a try that cannot come


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    with talking(saying(OK)) as server, given(server) as session:
        error, _seconds = in_time(-1, lambda deadline: get(session, deadline))
        assert error.code == "timeout"
        assert server.calls() == []


def test_a_deadline_holds_for_the_login_as_well() -> None:
    with answering({LOGIN_CALL: Answer(503, headers={"Retry-After": "20"})}) as server, client(server.url) as session:
        error, _seconds = in_time(2, lambda deadline: get(session, deadline))
    assert error.code == "timeout"
    assert server.calls() == [LOGIN_CALL]


def test_what_was_created_when_the_deadline_passed_is_in_doubt() -> None:
    with talking(silent) as server, given(server) as session:
        error, seconds = in_time(0.5, lambda deadline: session.post("/cloud-download", {}, "create", deadline))
    assert error.code == "response_lost"
    assert error.retryable
    assert seconds < 2
    assert server.calls() == [CREATE]


@pytest.mark.fault("A3")
@pytest.mark.parametrize("answer", [reply(b"[]", "X: " + "y" * 10_000), reply(b" " * 10_000)], ids=["head", "body"])
def test_an_answer_that_drips_for_ever_ends_without_any_deadline(answer: bytes) -> None:
    with talking(dripping(answer, 0.02)) as server, given(server, timeout=0.1, retries=0) as session:
        assert fails(session).code == "response_lost"


def test_a_logout_that_drips_does_not_hold_the_task_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.storware.backup.plugins.module_utils._api.client.LOGOUT_TIMEOUT", 0.5)
    with talking(saying(LOGIN, OK), dripping(OK * 100, 0.05)) as server:
        start = time.monotonic()
        with client(server.url) as session:
            get(session)
        assert time.monotonic() - start < 3
    assert server.calls()[-1] == "POST /api/session/logout"


def test_calls_in_other_threads_end_as_those_of_the_main_thread() -> None:
    found: list[ApiError] = []
    drips = dripping(reply(b" " * 10_000), 0.02)
    with talking(drips) as server, given(server, timeout=0.1, retries=0) as session:
        thread = threading.Thread(target=lambda: found.append(fails(session)))
        thread.start()
        thread.join(10)
    assert [error.code for error in found] == ["response_lost"]


def test_a_connection_that_is_used_again_has_a_deadline_as_well() -> None:
    def talk(server: RawServer, connection: socket.socket) -> None:
        saying(OK)(server, connection)
        dripping(reply(b" " * 10_000), 0.02)(server, connection)

    with talking(talk) as server, given(server, retries=0) as session:
        get(session)
        error, _seconds = in_time(0.5, lambda deadline: get(session, deadline))
    assert error.code == "timeout"
    assert len({connection for connection, _call in server.requests}) == 1


def test_the_end_of_one_call_never_hits_the_next_one_on_its_connection() -> None:
    """A connection that went back to its pool belongs to nobody."""

    def work() -> None:
        assert get(session) == []
        with contextlib.suppress(_deadline.Expired):
            while True:
                _deadline.check()

    def limited() -> None:
        with _deadline.limit(0.5):
            work()

    with talking(saying(OK, OK)) as server, given(server, retries=0) as session:
        with pytest.raises(_deadline.Expired):
            limited()
        assert get(session) == []
    assert len({connection for connection, _call in server.requests}) == 1


# --- something else than the API ---


def test_n18_a_port_that_speaks_no_http_is_told() -> None:
    def banner(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
        server.over.wait(60)

    with talking(banner) as server, client(server.url) as session:
        error = fails(session)
    assert error.code == "invalid_response"
    assert "no HTTP" in error.message
    assert not error.retryable


@pytest.mark.fault("H32")
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
    ],
    ids=["many headers", "long header", "no status", "other protocol"],
)
def test_h32_heads_without_measure_are_told(head: bytes) -> None:
    with talking(saying(head)) as server, given(server, retries=0) as session:
        assert fails(session).code == "invalid_response"


@pytest.mark.fault("H32", "H33", "H34", "H38")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Total-Count: \xb2\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n[]",
    ],
    ids=["h33 continue", "h34 http 1.0", "h33 trailers", "h38 odd digits", "h32 folded"],
)
def test_unusual_answers_are_understood(answer: bytes) -> None:
    with talking(saying(answer)) as server, given(server, retries=0) as session:
        assert get(session) == []


@pytest.mark.fault("H29")
@pytest.mark.parametrize("length", ["-1", "abc", "+5", "\xb2", "9" * 400, "2, 2", "3, 2"])
def test_h29_lengths_that_are_none_end_in_no_traceback(length: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + length.encode("latin-1") + b"\r\n\r\n[]"
    with (
        talking(saying(answer)) as server,
        given(server, retries=0, timeout=1) as session,
        contextlib.suppress(ApiError),
    ):
        assert get(session) == []


@pytest.mark.fault("H2")
@pytest.mark.parametrize("value", ["\xb2", "1e9", "", "Wed, 99 Foo 2065 07:28:00 GMT"])
def test_h2_odd_values_of_retry_after_are_no_reason_to_wait(value: str) -> None:
    sleeps: list[float] = []
    busy = reply(b"", f"Retry-After: {value}", status="503 Busy").decode().encode("latin-1")
    with talking(saying(busy, OK)) as server, given(server) as session:
        session._sleep = sleeps.append
        assert get(session) == []
    assert sleeps[0] <= 1


# --- TLS ---


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext, *answers: bytes) -> t.Iterator[RawServer]:
    def talk(server: RawServer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            saying(*answers)(server, secured)
            if not answers:
                next_request(server, secured)
            os.close(secured.detach())  # without the goodbye of TLS

    with talking(talk) as server:
        yield server


@pytest.fixture
def context(tmp_path: pathlib.Path) -> ssl.SSLContext:
    from tests.simulator.tls import server_context

    context, authority = server_context()
    (tmp_path / "ca.pem").write_bytes(authority)
    return context


def test_n9_a_tls_connection_that_breaks_off_is_a_lost_answer(context: ssl.SSLContext, tmp_path: pathlib.Path) -> None:
    """And not a fault of certificates: a server that goes down for a while must not end a wait."""
    with tls_server(context) as server, _secured(server, tmp_path) as session:
        error = fails(session)
    assert error.code == "response_lost"
    assert error.retryable
    assert server.calls() == [LIST] * 3


@pytest.mark.fault("H35")
def test_h35_a_certificate_of_nobody_known_is_told_and_not_tried_again(context: ssl.SSLContext) -> None:
    with tls_server(context, OK) as server, _secured(server, None) as session:
        error = fails(session)
    assert error.code == "tls"
    assert not error.retryable
    assert server.calls() == []


def _secured(server: RawServer, directory: pathlib.Path | None) -> Client:
    return client(
        server.url.replace("http:", "https:"), username=None, password=None, session="SID=given", retries=2,
        ca_path=str(directory / "ca.pem") if directory else None,
    )  # fmt: skip
