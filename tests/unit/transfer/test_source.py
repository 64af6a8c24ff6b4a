# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers judged over real sockets: what counts as a file, what is believed of its headers, and where bytes end."""

from __future__ import annotations

import base64
import hashlib
import string
import typing as t

import pytest
import requests
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._transfer import source
from ansible_collections.storware.backup.plugins.module_utils._transfer.source import (
    NotAFile,
    Source,
    TransferInterrupted,
)
from tests.faults.script_server import Pause, Reset, Script, chunked, head, reply, scripted, until_close
from tests.unit.transfer.material import noise, pst_bytes, zip_bytes

BODY = noise(5000)
NAMED = 'Content-Disposition: attachment; filename="empty.bin"'


def get(url: str, timeout: float = 5.0) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=source.REQUEST_HEADERS, stream=True, timeout=timeout, allow_redirects=False)


def judged(script: Script, timeout: float = 5.0) -> tuple[Source, bytes]:
    """The answer to one request, and its bytes."""
    with scripted(script) as server, source.judge(get(server.url(), timeout)) as answer:
        return answer, b"".join(answer.pieces())


def refused(script: Script) -> NotAFile:
    with pytest.raises(NotAFile) as caught:
        judged(script)
    return caught.value


def broken(script: Script, timeout: float = 5.0) -> TransferInterrupted:
    with pytest.raises(TransferInterrupted) as caught:
        judged(script, timeout)
    return caught.value


def claimed(*fields: str, body: bytes = BODY) -> source.Claims:
    return judged(reply(body, *fields))[0].claims


# --- what is a file ---


@pytest.mark.parametrize("body", [BODY, b"x", zip_bytes({}), zip_bytes(), pst_bytes(), noise(3 * source.PIECE + 7)])
@pytest.mark.parametrize("how", [reply, chunked, until_close])
def test_all_bytes_come_however_they_are_framed(how: t.Callable[[bytes], Script], body: bytes) -> None:
    answer, received = judged(how(body))
    assert received == body
    assert answer.count == len(body)
    assert answer.claims.length == (len(body) if how is reply else None)


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
    assert error.code == "not_a_file"


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "br", "deflate", "gzip, gzip, gzip, gzip, gzip", "GZIP"])
def test_a_content_coding_is_refused(coding: str) -> None:
    assert f"content coding {coding.lower()}" in refused(reply(BODY, f"Content-Encoding: {coding}")).message


def test_the_coding_identity_is_no_coding() -> None:
    assert judged(reply(BODY, "Content-Encoding: Identity"))[1] == BODY


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
    assert judged(reply(body, media_type=media_type))[1] == body


@pytest.mark.parametrize("body", [b"{\\rtf1 hello}", b"[settings]\na=1", b"{hello", b"plain words", b"<3"])
def test_text_that_is_neither_page_nor_json_is_a_file(body: bytes) -> None:
    assert judged(reply(body))[1] == body


@pytest.mark.parametrize(
    "script", [reply(b""), chunked(b""), until_close(b""), chunked(b"", NAMED), until_close(b"", NAMED)]
)
def test_an_empty_answer_is_no_file(script: Script) -> None:
    assert "without any content" in refused(script).message


def test_an_empty_file_has_a_length_of_zero_and_a_name() -> None:
    answer, received = judged(reply(b"", NAMED))
    assert (received, answer.claims.length, answer.count) == (b"", 0, 0)


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


def test_a_cut_after_several_pieces_tells_how_far_it_came() -> None:
    body = noise(2 * source.PIECE + 100)
    error = broken([reply(body)[0], body[:-50]])
    assert error.details["received"] in (2 * source.PIECE, 2 * source.PIECE + 50)


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
        piece, self._body = self._body[:3], self._body[3:]
        return piece

    def close(self) -> None:
        """There is nothing to close."""


def test_a_library_that_gives_less_than_is_asked_for() -> None:
    assert b"".join(source.judge(Trickle(zip_bytes())).pieces()) == zip_bytes()
    with pytest.raises(NotAFile, match="web page"):
        source.judge(Trickle(b"<html>" + noise(1000)))


def test_first_bytes_that_come_one_by_one_are_judged_together() -> None:
    archive = zip_bytes()
    slow = [reply(archive)[0], *[step for byte in archive[:5] for step in (bytes([byte]), Pause(0.02))], archive[5:]]
    assert judged(slow)[1] == archive
    assert "web page" in refused([reply(b"<html>hello")[0], b"<h", Pause(0.1), b"tml>", Pause(0.1), b"hello"]).message


@pytest.mark.parametrize("end", [b"", b"\r\n", b"3e8\r\nabc", b"3e", b"zz\r\n", b"-5\r\n", Reset()])
def test_a_chunked_body_without_its_end_is_noticed(end: t.Any) -> None:
    error = broken(chunked(BODY, end=end) if isinstance(end, bytes) else [*chunked(BODY, end=b""), end])
    assert error.details["expected"] is None


@pytest.mark.parametrize("end", [b"0", b"0\r\n"])
def test_a_chunked_body_cut_in_its_last_line_has_no_length_to_vouch_for_it(end: bytes) -> None:
    """The library takes this for the end, and a longer number may have been cut: so the content must prove itself."""
    answer, received = judged(chunked(BODY, end=end))
    assert received == BODY
    assert answer.claims.length is None


def test_silence_is_noticed() -> None:
    assert "broke off" in broken([reply(BODY)[0], BODY[:100], Pause(1.0)], timeout=0.3).message


def test_the_reason_holds_no_object_names() -> None:
    message = broken([reply(BODY)[0], BODY[:100], Reset()]).message
    assert "0x" not in message
    assert "HTTPConnection" not in message


# --- what the headers say ---


@pytest.mark.parametrize("value", ["-1", "+5000", "5 000", "0x10", "5e3", "", "abc", "5000.0", "5000, 5000", "٥٠٠٠"])
def test_a_length_that_is_no_number_is_unknown(value: str) -> None:
    assert source.claims({"Content-Length": value}).length is None


@pytest.mark.parametrize(("value", "length"), [("0", 0), ("5000", 5000), (" 7 ", 7), (str(2**63 - 1), 2**63 - 1)])
def test_a_length_is_taken_as_it_is(value: str, length: int) -> None:
    assert source.claims({"Content-Length": value}).length == length


@pytest.mark.parametrize("value", [str(2**63), "9" * 19, "9" * 20, "9" * 400])
def test_a_length_that_no_file_can_have_is_unknown(value: str) -> None:
    assert source.claims({"Content-Length": value}).length is None


def test_chunks_make_a_length_void() -> None:
    assert source.claims({"Content-Length": "7", "Transfer-Encoding": "chunked"}).length is None
    answer, received = judged(chunked(BODY, "Content-Length: 7"))
    assert received == BODY
    assert answer.claims.length is None


def test_two_different_lengths_are_an_error_or_unknown() -> None:
    """What the library makes of them differs by version; it is never a length."""
    script = [head("Content-Length: 5000", "Content-Length: 4000"), BODY]
    try:
        answer, _received = judged(script)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, TransferInterrupted):
        return
    assert answer.claims.length is None


def test_validators_are_kept_as_they_are() -> None:
    claims = claimed('ETag: W/"abc"', "Last-Modified: Tue, 24 Nov 2026 03:00:00 GMT")
    assert claims.etag == 'W/"abc"'
    assert claims.last_modified == "Tue, 24 Nov 2026 03:00:00 GMT"
    assert (claimed().etag, claimed().last_modified) == (None, None)


def _encoded(algorithm: str) -> str:
    return base64.b64encode(hashlib.new(algorithm, BODY).digest()).decode()


@pytest.mark.parametrize(
    ("fields", "algorithm"),
    [
        ([f"Content-MD5: {_encoded('md5')}"], "md5"),
        ([f"Repr-Digest: sha-256=:{_encoded('sha256')}:"], "sha256"),
        ([f"Content-Digest: sha-512=:{_encoded('sha512')}:"], "sha512"),
        ([f"Repr-Digest: unixsum=:AAA=:, sha-512=:{_encoded('sha512')}:,sha-256=:{_encoded('sha256')}:"], "sha256"),
        ([f"Content-MD5: {_encoded('md5')}", f"Content-Digest: sha-512 = :{_encoded('sha512')}:"], "sha512"),
    ],
)
def test_digests_are_read(fields: list[str], algorithm: str) -> None:
    digest = claimed(*fields).digest
    assert digest is not None
    assert (digest.algorithm, digest.digest) == (algorithm, hashlib.new(algorithm, BODY).hexdigest())


@pytest.mark.parametrize(
    "field",
    [
        "Content-MD5: ???",
        "Content-MD5: AAAA",
        "Content-MD5:",
        f"Content-MD5: {hashlib.md5(BODY).hexdigest()}",
        f"Repr-Digest: sha-256={_encoded('sha256')}",
        "Repr-Digest: sha-256=:AAAA:",
        f"Repr-Digest: sha-256=:{_encoded('sha512')}:",
        "Content-Digest: sha-256=:=:",
        f"Repr-Digest: md5=:{_encoded('sha256')}:",
    ],
)
def test_digests_that_are_malformed_are_none(field: str) -> None:
    assert claimed(field).digest is None


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("", None),
        ("attachment", None),
        ("inline; size=5", None),
        ('attachment; filename="a b.zip"', "a b.zip"),
        ("attachment; filename=plain.zip", "plain.zip"),
        ("attachment; filename=two words.zip ; size=3", "two words.zip"),
        ("attachment;FileName = x.zip", "x.zip"),
        (r'attachment; filename="q\"u\\o.zip"', 'q"u\\o.zip'),
        ('attachment; filename="a;b.zip"; x=1', "a;b.zip"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.zip", "€ rates.zip"),
        ("attachment; filename*=utf-8'en'x.zip; filename=y.zip", "x.zip"),
        ("attachment; filename=y.zip; filename*=iso-8859-1''%A3.zip", "£.zip"),
        ("attachment; filename=y.zip; filename*=UTF-8''%ff%fe", "y.zip"),
        ("attachment; filename=y.zip; filename*=klingon''x", "y.zip"),
        ("attachment; filename=y.zip; filename*=%41.zip", "y.zip"),
        ("attachment; filename*=UTF-8''%zz.zip", "%zz.zip"),
        ('attachment; filename=""', ""),
        ('attachment; filename="unclosed.zip', "unclosed.zip"),
        ('attachment; filename="caf\xc3\xa9.zip"', "café.zip"),
        ('attachment; filename="caf\xe9.zip"', "café.zip"),
        ("attachment; filename=€.zip", "€.zip"),
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
    ],
)
def test_names_are_read_as_they_are_sent(disposition: str, name: str | None) -> None:
    assert source.file_name(disposition) == name


_HEADERLIKE = st.text(st.one_of(st.sampled_from("\"\\;='*%/. \tfilenameUTF-8"), st.characters()), max_size=200)


@given(_HEADERLIKE)
@example('attachment; filename="' + "\\" * 999)
@example(";" * 10_000 + "filename" + " " * 10_000)
def test_no_disposition_can_break_it(text: str) -> None:
    source.file_name(text)
    source.file_name(f"attachment; filename={text}")
    source.file_name(f"attachment; filename*=UTF-8''{text}")


@given(st.dictionaries(st.sampled_from(["Content-Length", "Content-MD5", "Repr-Digest", "Content-Digest"]), st.text()))
def test_no_header_values_can_break_it(headers: dict[str, str]) -> None:
    source.claims(headers)


@given(st.text(string.printable + "äöü€", min_size=1).filter(lambda name: name == name.strip() and '"' not in name))
def test_a_name_that_is_quoted_by_the_rules_comes_back(name: str) -> None:
    quoted = name.replace("\\", "\\\\")
    assert source.file_name(f'attachment; filename="{quoted}"') == name
