# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of an odd form: understood where they can mean one thing only, and told in words where they cannot."""

from __future__ import annotations

import gzip
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import transport
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError
from tests.support.answers import Answer, answering
from tests.unit.plugins.module_utils._api.test_client import LIST, LOGIN_CALL, client, failure, read

RECORDS = b'[{"guid": "a"}]'


@pytest.mark.fault("H4")
def test_h4_a_page_instead_of_an_answer_is_asked_for_again_and_told_without_its_tags() -> None:
    page = b"<html><head><style>b{}</style></head><body><h1>Whoops</h1>\n<p>%s</p></body></html>" % (b"so sorry " * 999)
    error, server = failure({LIST: Answer(500, page, {"Content-Type": "text/html"})}, retries=2)
    assert server.calls().count(LIST) == 3
    assert (error.code, error.status, error.retryable) == ("server_error", 500, True)
    assert "answered 500: Whoops so sorry" in error.message
    assert len(error.message) < 400


@pytest.mark.fault("H9", "A10")
@pytest.mark.parametrize(
    "expiry", ["Expires=Wed, 21 Oct 2015 07:28:00 GMT", "Max-Age=0", "Expires=Wed, 21-Oct-15 07:28:00 GMT"]
)
def test_a10_a_cookie_that_is_too_old_for_our_clock_is_told_as_that(expiry: str) -> None:
    """A server whose clock is a day behind gives cookies that are over when they come."""
    error, _server = failure({LOGIN_CALL: Answer(200, b"{}", {"Set-Cookie": f"S=1; Path=/; {expiry}"})})
    assert error.code == "no_session_cookie"
    assert "clock" in error.message


@pytest.mark.fault("A10")
@pytest.mark.parametrize("expiry", ["Expires=Tue, 19 Jan 2038 03:14:08 GMT", "Expires=yesterday", "Max-Age=1800"])
def test_a10_a_cookie_with_an_end_is_a_session(expiry: str) -> None:
    login = Answer(200, b"{}", {"Set-Cookie": f"S=1; Path=/; {expiry}"})
    with answering({LOGIN_CALL: login, LIST: Answer.json([])}) as server:
        assert read(server) == []
        assert server.requests[1].headers["Cookie"] == "S=1"


@pytest.mark.fault("A3")
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"\xef\xbb\xbf" + RECORDS, [{"guid": "a"}]),
        (RECORDS.decode().encode("utf-16"), [{"guid": "a"}]),
        (b"\r\n\t " + RECORDS + b"\n", [{"guid": "a"}]),
        (b'[{"guid": "first", "guid": "last"}]', [{"guid": "last"}]),
    ],
    ids=["byte order mark", "utf-16", "white space", "a key twice"],
)
def test_a3_json_in_another_dress_is_understood(body: bytes, found: t.Any) -> None:
    with answering({LIST: Answer(200, body)}) as server:
        assert read(server) == found


@pytest.mark.fault("A3")
@pytest.mark.parametrize("coding", ["UTF-8", "none", "identity, identity"])
def test_a3_what_is_no_coding_does_not_matter(coding: str) -> None:
    """Programs in Java often give the encoding of the text in the field for how it is packed."""
    with answering({LIST: Answer(200, RECORDS, {"Content-Encoding": coding})}) as server:
        assert read(server) == [{"guid": "a"}]


@pytest.mark.fault("A3")
@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "x-compress", "zstd"])
def test_a3_how_it_was_not_asked_to_be_packed_is_told(coding: str) -> None:
    error, _server = failure({LIST: Answer(200, RECORDS, {"Content-Encoding": coding})})
    assert "content coding that was not asked for" in error.message


@pytest.mark.fault("A3")
@pytest.mark.parametrize(
    "body",
    [b"[NaN]", b"[-Infinity]", RECORDS[:-1], RECORDS + b"]", b"[" * 10_000 + b"]" * 10_000, b"9" * 10_000, b"\xff"],
    ids=["nan", "infinity", "cut", "too long", "deep", "a number without end", "no text"],
)
def test_a3_what_is_no_json_is_told_once(body: bytes) -> None:
    """Some Pythons read very deep lists and very long numbers; then it is the caller who finds no list of records."""
    with answering({LIST: Answer(200, body)}) as server, client(server.url) as session:
        try:
            assert session.get("/cloud-download", [], "list").body
        except ApiError as error:
            assert (error.code, error.retryable) == ("invalid_response", False)  # noqa: PT017
            assert len(error.message) < 400  # noqa: PT017
        assert server.calls().count(LIST) == 1


@pytest.mark.fault("A3")
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a3_an_answer_without_measure_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 2**20)
    body = b"[" + b" " * 2**24 + b"]"
    packed = gzip.compress(body) if coding == "gzip" else body
    error, server = failure({LIST: Answer(200, packed, {"Content-Encoding": coding})})
    assert error.code == "invalid_response"
    assert "larger than 1048576 bytes" in error.message
    assert server.calls().count(LIST) == 1


@pytest.mark.fault("H16", "A15")
@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206, 299])
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("body", [b"", b"  ", RECORDS])
def test_a15_of_any_success_the_body_decides(verb: str, status: int, body: bytes) -> None:
    with answering({f"{verb} /api/x": Answer(status, b"" if status == 204 else body)}) as server:
        with client(server.url) as session:
            calls: dict[str, t.Callable[[], transport.JsonResponse]] = {
                "GET": lambda: session.get("/x", [], "do it"),
                "POST": lambda: session.post("/x", {}, "do it"),
                "PUT": lambda: session.put("/x", {}, "do it"),
                "DELETE": lambda: session.delete("/x", "do it"),
            }
            answer = calls[verb]()
        assert (answer.status, answer.body) == (status, None if status == 204 or not body.strip() else [{"guid": "a"}])
        assert server.calls().count(f"{verb} /api/x") == 1


@pytest.mark.fault("H16", "A15")
@pytest.mark.parametrize("headers", [{"Content-Length": str(len(RECORDS))}, {}], ids=["length", "no length"])
@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_a15_no_content_is_whole_although_a_body_follows(verb: str, headers: dict[str, str]) -> None:
    """The vendor prints such answers to PUT and DELETE. The body must not be the beginning of the next answer."""
    answers = {f"{verb} /api/x": Answer(204, RECORDS, headers), LIST: Answer(200, RECORDS)}
    with answering(answers) as server, client(server.url, retries=0) as session:
        calls: dict[str, t.Callable[[], transport.JsonResponse]] = {
            "GET": lambda: session.get("/x", [], "do it"),
            "PUT": lambda: session.put("/x", {}, "do it"),
            "DELETE": lambda: session.delete("/x", "do it"),
        }
        answer = calls[verb]()
        assert (answer.status, answer.body) == (204, None)
        assert session.get("/cloud-download", [], "list").body == [{"guid": "a"}]
        assert server.calls().count(f"{verb} /api/x") == 1


def test_a_server_that_is_not_there_is_told_in_the_words_of_the_system() -> None:
    with answering({}) as server:
        gone = server.url
    with pytest.raises(ApiError) as caught, client(gone, retries=0) as session:
        session.get("/cloud-download", [], "list")
    assert (caught.value.code, caught.value.retryable) == ("unreachable", True)
    assert "Connection refused" in caught.value.message


def test_h1_the_server_may_ask_to_go_on() -> None:
    """RFC 9110 15.2.1: any number of times."""
    answers = {LIST: Answer(200, RECORDS, before=2 * b"HTTP/1.1 100 Continue\r\nX-Odd: 1\r\n\r\n")}
    with answering(answers) as server:
        assert read(server) == [{"guid": "a"}]


@pytest.mark.parametrize("status", [102, 103])
def test_h1_the_answer_behind_another_interim_one_is_not_taken_for_the_next(status: int) -> None:
    hint = f"HTTP/1.1 {status} Hints\r\nLink: </style.css>\r\n\r\n".encode()
    answers = {LIST: Answer(200, RECORDS, before=hint), "GET /api/tasks": Answer(200, b"[]")}
    with answering(answers) as server, client(server.url, retries=0) as session:
        with pytest.raises(ApiError) as caught:
            session.get("/cloud-download", [], "list")
        assert (caught.value.code, caught.value.status) == ("http_status", status)
        assert session.get("/tasks", [], "list").body == []
