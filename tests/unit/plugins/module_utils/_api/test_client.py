# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client over real sockets: sessions, retry classes, and what it says when something goes wrong."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError
from tests.support.answers import LOGIN, Answer, AnsweringServer, answering

LIST = "GET /api/cloud-download"
LOGIN_CALL = "POST /api/session/login"
OK = Answer.json([])
PASSWORD = "open sesame, please"


def client(url: str, sleeps: list[float] | None = None, **changes: t.Any) -> Client:
    options = {option.name: option.default for option in _argspec.CONNECTION}
    options.update({"url": url, "username": "ali", "password": PASSWORD, "allow_http": True, "timeout": 5.0, **changes})
    return Client(_argspec.connection(options), sleep=(sleeps if sleeps is not None else []).append)


def read(server: AnsweringServer, sleeps: list[float] | None = None, **changes: t.Any) -> t.Any:
    with client(server.url, sleeps, **changes) as session:
        return session.get("/cloud-download", [], "list cloud downloads").body


def failure(answers: t.Mapping[str, Answer | list[Answer]], **changes: t.Any) -> tuple[ApiError, AnsweringServer]:
    with answering(answers) as server, pytest.raises(ApiError) as caught:
        read(server, **changes)
    return caught.value, server


# --- sessions ---


def test_one_login_any_number_of_calls_one_logout() -> None:
    with answering({LIST: OK}) as server, client(server.url) as session:
        for _call in range(3):
            session.get("/cloud-download", [], "list")
    assert server.calls() == [
        "POST /api/session/login", *["GET /api/cloud-download"] * 3, "POST /api/session/logout",
    ]  # fmt: skip
    assert json.loads(server.requests[0].body) == {"login": "ali", "password": PASSWORD}
    assert {request.headers.get("Cookie") for request in server.requests[1:]} == {"JSESSIONID=open-sesame"}


def test_nothing_is_sent_before_it_is_needed() -> None:
    with answering({}) as server, client(server.url):
        pass
    assert server.calls() == []


def test_a_token_logs_in_at_its_own_address() -> None:
    with answering({"POST /api/session/login-with-token": LOGIN, LIST: OK}) as server:
        read(server, username=None, password=None, token="abracadabra")
    assert server.calls()[0] == "POST /api/session/login-with-token"
    assert json.loads(server.requests[0].body) == {"token": "abracadabra"}


def test_a_given_session_is_used_and_left_open() -> None:
    with answering({LIST: OK}) as server:
        read(server, username=None, password=None, session="SID=given")
    assert server.calls() == [LIST]
    assert server.requests[0].headers["Cookie"] == "SID=given"


def test_an_expired_given_session_is_told() -> None:
    error, server = failure({LIST: Answer(401)}, username=None, password=None, session="SID=given")
    assert error.code == "unauthorized"
    assert "no credentials" in error.hint
    assert server.calls() == [LIST]


@pytest.mark.fault("H10")
def test_h10_a_rotating_cookie_is_followed() -> None:
    rotated = Answer(200, b"[]", {"Set-Cookie": "JSESSIONID=next; Path=/"})
    with answering({LIST: [rotated, OK]}) as server, client(server.url) as session:
        session.get("/cloud-download", [], "list")
        session.get("/cloud-download", [], "list")
    assert server.requests[-2].headers["Cookie"] == "JSESSIONID=next"


@pytest.mark.fault("H5")
def test_h5_a_session_that_ends_in_the_middle_is_opened_again() -> None:
    with answering({LIST: [OK, Answer(401), OK, OK, Answer(401), OK]}) as server, client(server.url) as session:
        for _call in range(4):
            assert session.get("/cloud-download", [], "list").body == []
    assert server.calls().count(LOGIN_CALL) == 3  # once for each time that it had ended


@pytest.mark.fault("H5")
def test_h5_a_401_right_after_a_login_is_final() -> None:
    error, server = failure({LIST: Answer(401)})
    assert error.code == "unauthorized"
    assert server.calls().count(LOGIN_CALL) == 1


@pytest.mark.fault("H5")
def test_h5_a_second_401_in_a_row_is_final() -> None:
    with answering({LIST: [OK, Answer(401)]}) as server, client(server.url) as session:
        session.get("/cloud-download", [], "list")
        with pytest.raises(ApiError) as caught:
            session.get("/cloud-download", [], "list")
    assert caught.value.code == "unauthorized"
    assert server.calls().count(LOGIN_CALL) == 2


@pytest.mark.fault("H6")
def test_h6_a_session_that_ends_before_content_is_asked_for_is_opened_again() -> None:
    with answering({LIST: [OK, Answer(401), Answer(206, b"rest")]}) as server, client(server.url) as session:
        session.get("/cloud-download", [], "list")
        with session.open("/cloud-download", {"Range": "bytes=5-"}, "fetch") as response:
            assert response.content == b"rest"
    assert server.calls().count(LOGIN_CALL) == 2


def test_a_given_session_is_spared_a_login_until_it_ends() -> None:
    with answering({LIST: [OK, Answer(401), OK]}) as server, client(server.url, session="SID=given") as session:
        for _call in range(2):
            session.get("/cloud-download", [], "list")
    assert server.calls() == [LIST, LIST, LOGIN_CALL, LIST, "POST /api/session/logout"]
    assert [request.headers.get("Cookie") for request in server.requests[:4]] == [
        "SID=given", "SID=given", None, "JSESSIONID=open-sesame",
    ]  # fmt: skip


@pytest.mark.fault("H7")
def test_h7_a_missing_privilege_is_final() -> None:
    error, server = failure({LIST: Answer(403)})
    assert error.code == "forbidden"
    assert server.calls() == [LOGIN_CALL, LIST, "POST /api/session/logout"]


@pytest.mark.fault("H8", "S18")
@pytest.mark.parametrize("status", [400, 401, 403])
def test_h8_s18_a_refused_login_is_tried_exactly_once(status: int) -> None:
    refused = Answer.json({"message": "no such user, or the password is wrong"}, status)
    with answering({LOGIN_CALL: refused}) as server, client(server.url) as session:
        for _call in range(3):  # a task that goes on after a failure must not lock the account
            with pytest.raises(ApiError) as caught:
                session.get("/cloud-download", [], "list")
            assert caught.value.code == "authentication_failed"
    assert server.calls() == [LOGIN_CALL]


@pytest.mark.fault("H3")
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_h3_a_starting_or_busy_server_is_asked_to_log_in_again(status: int) -> None:
    sleeps: list[float] = []
    with answering({LOGIN_CALL: [Answer(status), Answer(status), LOGIN], LIST: OK}) as server:
        assert read(server, sleeps) == []
    assert len(sleeps) == 2


@pytest.mark.fault("H3")
def test_h3_logins_are_bounded() -> None:
    error, server = failure({LOGIN_CALL: Answer(429)}, retries=3)
    assert error.code == "rate_limited"
    assert error.retryable
    assert server.calls() == [LOGIN_CALL] * 4


@pytest.mark.fault("H8")
@pytest.mark.parametrize("answer", [Answer(408), Answer(425), Answer(500), Answer(501), Answer(silent=True)])
def test_other_failures_of_a_login_are_final(answer: Answer) -> None:
    """Whether a session was opened cannot be told: another try could leave many behind."""
    _error, server = failure({LOGIN_CALL: answer})
    assert server.calls() == [LOGIN_CALL]


@pytest.mark.fault("H9")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"{}"), "set no session cookie"),
        (Answer(200, b"{}", {"Set-Cookie": "S=1; Domain=elsewhere.example"}), "does not fit url"),
        (Answer(200, b"{}", {"Set-Cookie": "S=1; Secure; Path=/"}), "does not fit url"),
        (Answer(200, b"{}", {"Set-Cookie": "S=1; Path=/ui"}), "does not fit url"),
    ],
)
def test_h9_a_login_without_a_usable_cookie_is_told(answer: Answer, words: str) -> None:
    error, _server = failure({"POST /api/session/login": answer})
    assert error.code == "no_session_cookie"
    assert words in error.message


def test_a_session_is_ended_whoever_opened_it_and_one_that_has_ended_is_no_fault() -> None:
    logout = "POST /api/session/logout"
    for answer in (Answer(204), Answer(401)):
        with answering({logout: answer}) as server, client(server.url, session="SID=given") as session:
            session.log_out()
            assert session.session == ""
            assert server.calls() == [logout]
    with answering({logout: Answer(403)}) as server, client(server.url, session="SID=given") as session:
        with pytest.raises(ApiError) as caught:
            session.log_out()
        assert caught.value.code == "forbidden"


@pytest.mark.parametrize("status", [200, 206, 416])
def test_content_is_opened_with_the_headers_of_the_caller(status: int) -> None:
    content = "GET /api/cloud-download/x"
    with answering({content: Answer(status, b"bytes")}) as server, client(server.url) as session:
        with session.open("/cloud-download/x", {"Range": "bytes=5-"}, "fetch it") as response:
            assert (response.status_code, response.content) == (status, b"bytes")
        (request,) = [request for request in server.requests if request.path.endswith("/x")]
    assert request.headers["Range"] == "bytes=5-"


def test_what_is_read_is_asked_for_as_json() -> None:
    with answering({LIST: OK}) as server:
        read(server)
    assert {request.headers["Accept"] for request in server.requests if request.method == "GET"} == {"application/json"}


def test_after_its_end_a_client_holds_no_session() -> None:
    with answering({LIST: OK}) as server:
        with client(server.url) as session:
            session.get("/cloud-download", [], "list")
            assert session.session == "JSESSIONID=open-sesame"
        assert session.session == ""


@pytest.mark.parametrize("logout", [Answer(500), Answer(401), Answer(silent=True)])
def test_a_failing_logout_does_not_spoil_the_result(logout: Answer) -> None:
    with answering({LIST: OK, "POST /api/session/logout": logout}) as server:
        assert read(server) == []


def test_the_session_is_closed_when_the_work_fails() -> None:
    _error, server = failure({LIST: Answer(403)})
    assert server.calls()[-1] == "POST /api/session/logout"


# --- retries ---


@pytest.mark.fault("H1")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_reading_is_repeated_after_a_passing_fault(status: int) -> None:
    sleeps: list[float] = []
    with answering({LIST: [Answer(status), Answer(status), OK]}) as server:
        assert read(server, sleeps) == []
    assert len(sleeps) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 422, 501])
def test_other_statuses_are_final(status: int) -> None:
    error, server = failure({LIST: Answer(status)})
    codes = {
        400: "bad_request",
        403: "forbidden",
        404: "not_found",
        409: "conflict",
        422: "bad_request",
        501: "server_error",
    }
    assert (error.status, error.code) == (status, codes.get(status, "http_status"))
    assert error.details["server_message"] is None
    assert server.calls().count(LIST) == 1


@pytest.mark.fault("H1")
def test_retries_are_bounded() -> None:
    error, server = failure({LIST: Answer(503)}, retries=3)
    assert error.code == "server_error"
    assert error.retryable
    assert server.calls().count(LIST) == 4


@pytest.mark.parametrize("lost", [Answer(silent=True), Answer(200, b"[1, 2, 3]", cut=4)])
def test_a_lost_answer_is_asked_for_again(lost: Answer) -> None:
    with answering({LIST: [lost, OK]}) as server:
        assert read(server) == []


@pytest.mark.parametrize("lost", [Answer(silent=True), Answer(500), Answer(503), Answer(201, b"[1, 2, 3]", cut=4)])
@pytest.mark.parametrize("verb", ["post", "put"])
def test_what_creates_or_updates_is_never_sent_twice(verb: str, lost: Answer) -> None:
    call = f"{verb.upper()} /api/cloud-download"
    with answering({call: lost}) as server, client(server.url) as session, pytest.raises(ApiError) as caught:
        getattr(session, verb)("/cloud-download", {}, "do it")
    assert server.calls().count(call) == 1
    if lost.status in (200, 201):
        assert caught.value.code == "response_lost"
        assert "may have acted" in caught.value.message


def test_a_post_is_repeated_after_401_because_nothing_was_done() -> None:
    call = "POST /api/cloud-download"
    with answering({call: [Answer(401), OK], LIST: OK}) as server, client(server.url) as session:
        session.get("/cloud-download", [], "list")
        assert session.post("/cloud-download", {"a": 1}, "create").body == []
    assert server.calls().count(call) == 2


def test_a_delete_is_repeated() -> None:
    call = "DELETE /api/cloud-download/x"
    with answering({call: [Answer(502), Answer(204)]}) as server, client(server.url) as session:
        assert session.delete("/cloud-download/x", "delete").body is None
    assert server.calls().count(call) == 2


@pytest.mark.fault("H2")
@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        ("999999999", 30, 30),
        ("-5", 0, 1),
        ("1.5", 0, 1),
        ("soon", 0, 1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 1),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 30, 30),
        ("9" * 400, 30, 30),
    ],
)
def test_retry_after_is_obeyed_within_bounds(value: str, low: float, high: float) -> None:
    sleeps: list[float] = []
    with answering({LIST: [Answer(503, headers={"Retry-After": value}), OK]}) as server:
        read(server, sleeps)
    assert low <= sleeps[0] <= high


@pytest.mark.fault("H37")
def test_pauses_are_spread_and_grow() -> None:
    sleeps: list[float] = []
    with answering({LIST: Answer(503)}) as server, pytest.raises(ApiError):
        read(server, sleeps, retries=40)
    assert len(set(sleeps)) > 30
    assert max(sleeps[:3]) <= 4
    assert 10 < max(sleeps) <= 30


def test_no_connection_names_the_server_and_is_retried() -> None:
    with answering({}) as server:
        url = server.url
    sleeps: list[float] = []
    with client(url, sleeps, retries=2) as session, pytest.raises(ApiError) as caught:
        session.post("/cloud-download", {}, "create cloud downloads")
    assert caught.value.code == "unreachable"
    assert url in caught.value.message
    assert len(sleeps) == 2


# --- answers ---


@pytest.mark.fault("A16")
@pytest.mark.parametrize("style", [{"message": "too many"}, {"error": {"message": "too many"}}])
def test_errors_carry_verb_status_and_the_servers_words(style: dict[str, t.Any]) -> None:
    error, _server = failure({LIST: Answer.json(style, 409)})
    assert error.message == "Cannot list cloud downloads: GET /cloud-download answered 409: too many"
    assert error.details == {
        "method": "GET", "path": "/cloud-download", "status": 409, "server_message": "too many",
    }  # fmt: skip
    assert not error.retryable


@pytest.mark.fault("H29")
def test_contradicting_headers_are_told_with_any_client_library() -> None:
    # Old libraries raise, new ones pass the header on; neither may end in a traceback.
    with contextlib.suppress(ApiError), answering({LIST: Answer(200, b"[]", {"Content-Length": "2, 3"})}) as server:
        read(server)


@pytest.mark.fault("H4", "A16", "S7")
@pytest.mark.parametrize(
    "body",
    [
        b"<html><head><style>p{}</style></head><body><h1>Bad   Gateway</h1></body></html>",
        b"\xff\xfe\x00 not utf-8",
        b"",
        b"x" * 100_000,
        b'{"message": 5}',
        b"[" * 20_000,
    ],
)
def test_any_error_body_makes_a_short_clean_message(body: bytes) -> None:
    error, _server = failure({LIST: Answer(404, body)})
    assert len(error.message) < 400
    assert "<" not in error.message
    assert error.message.isprintable()


@pytest.mark.fault("H18")
@pytest.mark.parametrize(
    "body",
    [b"<html>login</html>", b"{", b"NaN", b"[" * 50_000, b"\xff\xfe", b"[1,]"],
)
def test_a_success_that_is_no_json_is_told(body: bytes) -> None:
    error, _server = failure({LIST: Answer(200, body, {"Content-Type": "text/html"})})
    assert error.code == "invalid_response"
    assert "text/html" in error.message


@pytest.mark.fault("A15")
@pytest.mark.parametrize(("status", "body"), [(200, b""), (204, b""), (202, b"  ")])
def test_no_body_is_no_body(status: int, body: bytes) -> None:
    with answering({LIST: Answer(status, body)}) as server:
        assert read(server) is None


@pytest.mark.fault("H20", "S11")
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://login.example.com/sso?t=1", "a redirect to https://login.example.com,"),
        ("http://[::1]:8080", "a redirect to http://[::1]:8080,"),
        ("/login", "a redirect,"),
        ("http://u:secret@h/x", "a redirect,"),
        ("https://king:[secret+/part@h/x", "a redirect,"),
        ("https://alice:wonder/land", "a redirect,"),
        ("", "a redirect,"),
    ],
)
def test_redirects_are_never_followed(location: str, shown: str) -> None:
    error, server = failure({LIST: Answer(302, headers={"Location": location})})
    assert error.code == "redirect"
    assert shown in error.message
    assert server.calls().count(LIST) == 1


@pytest.mark.parametrize("status", [300, 304, 399])
def test_whatever_is_like_a_redirect_is_no_success(status: int) -> None:
    error, _server = failure({LIST: Answer(status)})
    assert (error.code, error.status) == ("redirect", status)


@pytest.mark.fault("S9")
def test_the_environment_cannot_slip_credentials_or_trust_in(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login intruder password intruder\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with answering({LIST: OK}) as server:
        read(server)
    assert all("Authorization" not in request.headers for request in server.requests)


@pytest.mark.fault("S9")
def test_proxies_of_the_environment_only_with_use_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with answering({LIST: OK}) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://proxyuser:hush@127.0.0.1:1")
        monkeypatch.setenv("http_proxy", "http://proxyuser:hush@127.0.0.1:1")
        assert read(server, use_proxy=False) == []
        with pytest.raises(ApiError) as caught:
            read(server, use_proxy=True, retries=0)
    assert caught.value.code == "proxy"
    assert "hush" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("name", "proxy", "reason"),
    [
        ("http_proxy", "http://[", "is not a URL"),
        ("HTTP_PROXY", "http://ali:hush@proxy:notaport", "has a port that is no number"),
        ("http_proxy", "http://ali:hush@proxy:99999/", "has a port that is no number"),
        ("http_proxy", "http://ali:hush", "has a port that is no number"),
        ("http_proxy", "ali:hush@[proxy", "is not a URL"),
        ("http_proxy", "http://ali:hush@", "names no host"),
        ("http_proxy", "foo://ali:hush@x", "has a scheme that is none of http, https, socks4"),
        ("ALL_PROXY", "socks5h://ali:hush@127.0.0.1:1", "is a SOCKS proxy, which needs PySocks"),
        ("http_proxy", "http://\u4e2d:hush@127.0.0.1:1", "has a user name or password with characters"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_found_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str, reason: str
) -> None:
    for other in ("NO_PROXY", "no_proxy", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(other, raising=False)
    with answering({LIST: OK}) as server:
        monkeypatch.setenv(name, proxy)
        with pytest.raises(ApiError) as caught:
            read(server, use_proxy=True, retries=0)
        assert read(server, use_proxy=False) == []
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert read(server, use_proxy=True) == []
    error = caught.value
    assert (error.code, error.unsent, error.retryable) == ("proxy", True, False)
    assert f"was not sent: the proxy in {name} {reason}" in error.message
    assert f"Correct {name}" in error.hint
    assert "hush" not in f"{error.to_result()} {error}"


def test_a_proxy_needs_no_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("http_proxy", "127.0.0.1:1")
    with answering({LIST: OK}) as server, pytest.raises(ApiError, match="could not pass the proxy"):
        read(server, use_proxy=True, retries=0)
