# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers judged over real sockets: what counts as a file, and where its bytes end."""

from __future__ import annotations

import socket
import threading
import time
import typing as t

import pytest
import requests
import urllib3

from ansible_collections.storware.backup.plugins.module_utils import _deadline
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import body
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.body import NotAFile, Source
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.metadata import Claims
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import (
    DeadlinePassed,
    Limits,
    Pace,
    TooSlow,
    TransferInterrupted,
)
from tests.faults.script_server import Pause, Repeat, Reset, Script, Sliced, chunked, head, reply, scripted, until_close
from tests.unit.plugins.module_utils._transfer.material import noise, pst_bytes, zip_bytes

BODY = noise(5000)
NAMED = 'Content-Disposition: attachment; filename="empty.bin"'


def get(url: str, timeout: float = 5.0) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=body.REQUEST_HEADERS, stream=True, timeout=timeout, allow_redirects=False)


class Received:
    """An answer that was judged, and what it brought until its end or its failure."""

    def __init__(self, answer: Source, claims: Claims) -> None:
        self.source = answer
        self.claims = claims
        self.failure: StorwareError | None = None
        self.body = b""

    def read_all(self, *, keep: bool = True) -> Received:
        buffer = memoryview(bytearray(64 * 1024))
        try:
            while got := self.source.fill(buffer):
                self.body += buffer[: got if keep else 0]
        except StorwareError as error:
            self.failure = error
        return self


def received(script: Script, timeout: float = 5.0, **limits: t.Any) -> Received:
    """The answer to one request, as far as it came."""
    with scripted(script) as server:
        answer, claims = body.judge(get(server.url(), timeout), Pace(Limits(**limits)), str)
        with answer:
            return Received(answer, claims).read_all()


def judged(script: Script) -> bytes:
    """The bytes of an answer that is whole."""
    came = received(script)
    assert came.failure is None
    return came.body


def refused(script: Script) -> NotAFile:
    with pytest.raises(NotAFile) as caught:
        judged(script)
    return caught.value


def broken(script: Script, timeout: float = 5.0) -> TransferInterrupted:
    """Why an answer broke off, at its first bytes or later."""
    try:
        failure = received(script, timeout).failure
    except TransferInterrupted as error:
        failure = error
    assert isinstance(failure, TransferInterrupted)
    return failure


# --- what is a file ---


@pytest.mark.parametrize("body", [BODY, b"x", zip_bytes({}), zip_bytes(), pst_bytes(), noise(3 * 2**20 + 7)])
@pytest.mark.parametrize("how", [reply, chunked, until_close])
def test_all_bytes_come_however_they_are_framed(how: t.Callable[[bytes], Script], body: bytes) -> None:
    came = received(how(body))
    assert came.failure is None
    assert came.body == body
    assert came.source.count == len(body)
    assert came.source.head == body[:512]
    assert came.claims.length == came.source.length == (len(body) if how is reply else None)


def test_nothing_is_decoded_and_no_coding_is_asked_for() -> None:
    with scripted(reply(BODY)) as server:
        get(server.url()).close()
        asked = server.requests[0].lower()
    assert b"accept-encoding: identity\r\n" in asked
    assert b"accept: */*\r\n" in asked


@pytest.mark.parametrize(
    "status",
    ["204 No Content", "201 Created", "202 Accepted", "203 Other", "206 Partial Content", "301 Moved", "404 Gone"],
)
def test_only_200_is_a_file(status: str) -> None:
    body = b"" if status.startswith("204") else BODY
    error = refused([head("Content-Type: application/zip", f"Content-Length: {len(body)}", status=status), body])
    assert f"answered {status[:3]}" in error.message
    assert (error.code, error.status) == ("unexpected_content", int(status[:3]))


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "br", "deflate", "gzip, gzip, gzip, gzip, gzip", "GZIP"])
def test_a_content_coding_is_refused(coding: str) -> None:
    assert f"content coding {coding}" in refused(reply(BODY, f"Content-Encoding: {coding}")).message


@pytest.mark.parametrize("coding", ["Identity", "none", "binary", "UTF-8", "", "identity, none"])
def test_a_word_for_the_bytes_as_they_are_is_no_coding(coding: str) -> None:
    assert judged(reply(BODY, f"Content-Encoding: {coding}")) == BODY


@pytest.mark.parametrize(
    ("body", "media_type", "what"),
    [
        (
            b"<!DOCTYPE html><html><body>Please log in</body></html>",
            "text/html",
            "a web page (text/html): Please log in",
        ),
        (b"please log in", "text/html; charset=utf-8", "a web page"),
        (b"  \n<HTML><head><script>evil()</script></head>hi", "application/octet-stream", "a web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><error/>", "application/octet-stream", "a web page"),
        (b"<!-- hello -->", "", "a web page (no media type)"),
        (b'{"message": "not ready"}', "application/json", 'JSON (application/json): {"message": "not ready"}'),
        (b"{ }", "application/json;charset=UTF-8", "JSON"),
        (b"{}", "application/octet-stream", "JSON"),
        (b' {\n "error": {"message": "x"}}', "application/octet-stream", "JSON"),
        (b'[{"a": 1}]', "application/octet-stream", "JSON"),
        (b"[]", "text/plain", "JSON"),
        (b"null", "application/json", "JSON"),
        (b"", "application/json", "JSON"),
        (b"problem", "application/problem+json", "JSON"),
    ],
)
@pytest.mark.parametrize("how", [reply, chunked])
def test_pages_and_json_are_no_files(how: t.Any, body: bytes, media_type: str, what: str) -> None:
    fields = (f"Content-Type: {media_type}", "Server: x")
    script = [head(*fields, f"Content-Length: {len(body)}"), body] if how is reply else _chunked(body, fields)
    error = refused(script)
    assert f"answered with {what}" in error.message
    assert "<" not in error.message
    assert "evil" not in error.message


def _chunked(body: bytes, fields: t.Sequence[str]) -> Script:
    chunks = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return [head(*fields, "Transfer-Encoding: chunked"), chunks + b"0\r\n\r\n"]


@pytest.mark.parametrize("body", [zip_bytes(), zip_bytes({}), pst_bytes()])
@pytest.mark.parametrize("media_type", ["application/json", "text/html", "application/zip", "x/y", ""])
def test_a_known_format_is_a_file_whatever_the_media_type_says(body: bytes, media_type: str) -> None:
    """The vendor's page prints JSON for content-download, which may well send the file."""
    assert judged(reply(body, media_type=media_type)) == body


@pytest.mark.parametrize("body", [b"{\\rtf1 hello}", b"[settings]\na=1", b"{hello", b"plain words", b"<3"])
def test_text_that_is_neither_page_nor_json_is_a_file(body: bytes) -> None:
    assert judged(reply(body)) == body


@pytest.mark.parametrize(
    "script", [reply(b""), reply(b"", NAMED), chunked(b"", NAMED), until_close(b"", NAMED)], ids=str
)
def test_an_empty_answer_is_no_file(script: Script) -> None:
    assert "without any content" in refused(script).message


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "chunked, chunked", "gzip", "chunked;q=1"])
def test_a_transfer_coding_that_is_not_understood_is_refused(coding: str) -> None:
    framed = [head(f"Transfer-Encoding: {coding}"), *chunked(BODY)[1:]]
    assert f"transfer coding {coding}" in refused(framed).message


@pytest.mark.parametrize("length", ["4999, 5000", "-5", "many", "5000.0", str(2**63), "5000;"])
def test_a_length_that_says_nothing_is_refused(length: str) -> None:
    with scripted([head(), BODY]) as server:
        response = get(server.url())
        response.headers["Content-Length"] = length  # not all libraries let it through
        with response, pytest.raises(NotAFile, match=f"the length {length}"):
            body.judge(response, Pace(Limits()), str)


@pytest.mark.parametrize("fields", [("Content-Length: 5000",), ("Transfer-Encoding: identity",)])
def test_all_bytes_come_on_a_connection_that_stays_open(fields: t.Sequence[str]) -> None:
    assert judged([head("Content-Length: 5000", *fields), BODY, Pause(60)]) == BODY


@pytest.mark.parametrize("field", ["0-4999/6000", "1000-5999/6000", "1000-5999/*", "0-5999/6000"])
def test_a_200_that_says_to_be_a_part_is_refused(field: str) -> None:
    assert "answered 200, as with a whole file" in refused(reply(BODY, f"Content-Range: bytes {field}")).message


@pytest.mark.parametrize("field", ["bytes 0-4999/5000", "bytes 0-4999/*", "bytes */5000", "items 5-9/10"])
def test_a_content_range_of_the_whole_or_of_nothing_does_no_harm(field: str) -> None:
    assert judged(reply(BODY, f"Content-Range: {field}")) == BODY


def test_what_is_shown_of_an_answer_is_short_and_printable() -> None:
    error = refused(reply(b"{}" + b"\x00\x1b[31m\n\xff" * 5000, media_type="application/json"))
    assert len(error.message) < 250
    assert error.message.isprintable()


# --- where it ends ---


@pytest.mark.parametrize("cut", [1, 1000, 4095, 4999])
@pytest.mark.parametrize("end", [b"", Reset()])
def test_fewer_bytes_than_announced_are_noticed(cut: int, end: t.Any) -> None:
    whole = reply(BODY)
    error = broken([whole[0], BODY[:cut], end])
    assert error.code == "transfer_interrupted"
    assert error.details["expected"] == 5000
    assert "of 5000 bytes" in error.message


@pytest.mark.parametrize("end", [b"", Reset()])
def test_all_that_came_is_handed_over_before_the_cut_is_told(end: t.Any) -> None:
    body = noise(2 * 2**20 + 100)
    came = received([reply(body)[0], body[:-50], end])
    if not end:
        assert len(came.body) == len(body) - 50
    assert body.startswith(came.body)  # a reset overtakes what has not been read yet
    assert came.failure
    assert came.failure.details == {"bytes_received": len(came.body), "expected": len(body)}
    assert came.failure.retryable
    with pytest.raises(TransferInterrupted):  # and it stays so
        came.source.fill(memoryview(bytearray(10)))


def test_no_bytes_of_an_announced_file_are_noticed() -> None:
    """Neither an empty file nor an answer without one."""
    assert broken([head("Content-Length: 5000", NAMED)]).details["expected"] == 5000


class Trickle:
    """An answer of another library, which gives a few bytes at a time."""

    status_code = 200
    headers: t.ClassVar[dict[str, str]] = {}

    def __init__(self, body: bytes) -> None:
        self.raw = self
        self._body = body

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        assert not decode_content
        size = min(3, amt)
        piece, self._body = self._body[:size], self._body[size:]
        return piece

    def close(self) -> None:
        """There is nothing to close."""


def test_a_library_that_gives_less_than_is_asked_for() -> None:
    answer, claims = body.judge(Trickle(zip_bytes()), Pace(Limits()), str)
    assert answer.read(1000) == zip_bytes()[:1000]
    assert Received(answer, claims).read_all().body == zip_bytes()[1000:]
    answer.abort()  # where there is no connection to be seen, nothing can be done
    with pytest.raises(NotAFile, match="web page"):
        body.judge(Trickle(b"<html>" + noise(1000)), Pace(Limits()), str)


def test_first_bytes_that_come_one_by_one_are_judged_together() -> None:
    archive = zip_bytes()
    slow = [reply(archive)[0], *[step for byte in archive[:5] for step in (bytes([byte]), Pause(0.02))], archive[5:]]
    assert judged(slow) == archive
    assert "web page" in refused([reply(b"<html>hello")[0], b"<h", Pause(0.1), b"tml>", Pause(0.1), b"hello"]).message


@pytest.mark.parametrize("end", [b"", b"\r\n", b"3e8\r\nabc", b"3e", b"zz\r\n", b"-5\r\n", Reset()])
def test_a_chunked_body_without_its_end_is_noticed(end: t.Any) -> None:
    error = broken(chunked(BODY, end=end) if isinstance(end, bytes) else [*chunked(BODY, end=b""), end])
    assert error.details["expected"] is None


@pytest.mark.parametrize("end", [b"0", b"0\r\n"])
def test_a_chunked_body_cut_in_its_last_line_has_no_length_to_vouch_for_it(end: bytes) -> None:
    """The library takes this for the end, and a longer number may have been cut: so the content must prove itself."""
    came = received(chunked(BODY, end=end))
    assert (came.body, came.failure, came.claims.length) == (BODY, None, None)


def test_silence_is_noticed() -> None:
    error = broken([reply(BODY)[0], BODY[:100], Pause(5)], timeout=0.3)
    assert "broke off after 100 of 5000 bytes (nothing came for 0 seconds)" in error.message
    assert error.code == "transfer_interrupted"


def test_the_reason_holds_no_object_names() -> None:
    message = broken([reply(BODY)[0], BODY[:100], Reset()]).message
    assert "0x" not in message
    assert "HTTPConnection" not in message


def test_two_different_lengths_are_an_error_or_unknown() -> None:
    """What the library makes of them differs by version; it is never a length."""
    try:
        came = received([head("Content-Length: 5000", "Content-Length: 4000"), BODY])
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, TransferInterrupted):
        return
    assert came.claims.length is None


# --- how long it may take ---


def test_what_a_slow_server_sends_is_handed_over_now_and_then() -> None:
    """A buffer that fills up over hours would lose all of it in a crash, and nobody would see that it goes on."""
    content = noise(4000)
    with scripted([reply(content)[0], Sliced(content, 100, 0.05)]) as server:
        answer, _claims = body.judge(get(server.url()), Pace(Limits()), str)
        started = time.monotonic()
        assert answer.fill(memoryview(bytearray(2**20))) == 512  # the beginning is at hand
        assert 0 < answer.fill(memoryview(bytearray(2**20))) < 3000
        assert time.monotonic() - started < 1.2
        answer.close()


def test_fewer_bytes_than_the_minimum_rate_are_too_slow() -> None:
    came = received([reply(BODY)[0], BODY[:600], Sliced(BODY[600:], 1, 0.05)], min_rate=1000, rate_window=0.2)
    assert isinstance(came.failure, TooSlow)
    assert came.failure.code == "below_min_rate"
    assert "min_rate (1000)" in came.failure.message
    assert 600 <= len(came.body) < 5000
    assert came.body == BODY[: len(came.body)]


def test_silence_is_limited_by_the_window_of_the_minimum_rate() -> None:
    started = time.monotonic()
    came = received([reply(BODY)[0], BODY[:1000], Pause(10)], timeout=10, rate_window=0.3)
    assert isinstance(came.failure, TransferInterrupted)
    assert came.body == BODY[:1000]
    assert time.monotonic() - started < 5


def test_without_a_minimum_rate_the_librarys_own_patience_counts() -> None:
    came = received([reply(BODY)[0], BODY[:1000], Pause(10)], timeout=0.3, min_rate=0, rate_window=0.01)
    assert came.failure
    assert "nothing came" in came.failure.message


def test_the_deadline_ends_a_silence() -> None:
    started = time.monotonic()
    came = received([reply(BODY)[0], BODY[:1000], Pause(10)], timeout=10, max_time=0.5)
    assert isinstance(came.failure, DeadlinePassed)
    assert came.body == BODY[:1000]
    assert time.monotonic() - started < 5


def test_the_deadline_ends_what_comes_all_the_time() -> None:
    with scripted([head(f"Content-Length: {2**40}"), Repeat(noise(1000), 2**30)]) as server:
        answer, claims = body.judge(get(server.url()), Pace(Limits(max_time=0.5)), str)
        with answer:
            assert isinstance(Received(answer, claims).read_all(keep=False).failure, DeadlinePassed)


@pytest.mark.parametrize("drip", [b"0", b"0\r\nX: y\r\n"], ids=["size of a chunk", "trailers"])
@pytest.mark.parametrize(
    ("limits", "failure"),
    [({"max_time": 0.5}, DeadlinePassed), ({"rate_window": 0.3}, TransferInterrupted)],
    ids=["max_time", "no content"],
)
def test_what_stands_between_chunks_has_an_end(
    drip: bytes, limits: dict[str, t.Any], failure: type[StorwareError]
) -> None:
    """No time-out of a socket ever passes."""
    with scripted([head("Transfer-Encoding: chunked"), b"5\r\nhello\r\n", Sliced(drip * 1000, 1, 0.02)]) as server:
        response = get(server.url(), 10)
        with response, pytest.raises(failure):
            body.judge(response, Pace(Limits(**limits)), str)  # reads its first bytes, of which only some come


def test_another_thread_can_end_it_while_it_waits() -> None:
    with scripted([reply(BODY)[0], BODY[:1000], Pause(30)]) as server:
        answer, _claims = body.judge(get(server.url(), 30), Pace(Limits()), str)
        with answer:
            assert answer.read(1000) == BODY[:1000]
            threading.Timer(0.2, answer.abort).start()
            started = time.monotonic()
            with pytest.raises(TransferInterrupted):
                answer.fill(memoryview(bytearray(10)))
            assert time.monotonic() - started < 10
            answer.abort()  # once more does no harm


def test_what_is_shown_of_an_answer_went_through_the_scrubber() -> None:
    def redact(text: str) -> str:
        return text.replace("s3cret", "***")

    bad = [
        reply(b"<html>hello s3cret</html>", media_type="text/html"),
        reply(b'{"token": "s3cret"}', media_type="application/s3cret+json"),
        reply(BODY, "Content-Encoding: s3cret"),
    ]
    for script in bad:
        with scripted(script) as server, pytest.raises(NotAFile) as caught:
            body.judge(get(server.url()), Pace(Limits()), redact)
        assert "s3cret" not in caught.value.message
        assert "***" in caught.value.message


@pytest.mark.parametrize("before", [430, 480, 500])
def test_of_a_secret_that_begins_where_the_head_ends_nothing_is_shown(before: int) -> None:
    """Only a part of it is there, which the scrubber does not know."""
    script = reply(b"<html>sorry".ljust(before) + b"s3cret" * 40, media_type="text/html")
    with scripted(script) as server, pytest.raises(NotAFile) as caught:
        body.judge(get(server.url()), Pace(Limits()), lambda text: text.replace("s3cret" * 40, "***"))
    assert caught.value.message.endswith(": sorry")


def test_the_connection_is_found_in_the_library_that_is_installed() -> None:
    """Time-outs and the end of silence need it; another version of the library may hide it elsewhere."""
    with scripted(reply(BODY)) as server:
        found = _deadline.connection_of(get(server.url()))
    assert isinstance(found, socket.socket)
