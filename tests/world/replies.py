# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers, proxies and programs that are no servers really send, byte for byte: one of each kind, and its fate."""

from __future__ import annotations

import gzip
import typing as t
from dataclasses import dataclass

from tests.faults.replies import LONG_AGO
from tests.faults.script_server import Pause, Repeat, Reply, Request, Reset, Script, Sliced, Step, in_chunks
from tests.unit.plugins.module_utils._transfer.material import noise, zip_bytes

ZIP: t.Final = zip_bytes({"Inbox/1.eml": noise(3000)})
BIN: t.Final = noise(5000)
SIZE: t.Final = len(BIN)
KEPT: t.Final = Pause(60)  # the connection stays open, and nothing more comes

FETCHED: t.Final = ""
PAGE: t.Final = b"<!DOCTYPE html><title>Log in</title>"
# The words of messages that docs/troubleshooting.md explains
NO_HTTP: t.Final = "invalid_response: no HTTP"
LOST: t.Final = "response_lost: got no whole answer"
STATUS: t.Final = "unexpected_content: where a file comes with 200"
REDIRECT: t.Final = "redirect: never followed"
LENGTH: t.Final = "unexpected_content: does not say where the content ends"
TWO_LENGTHS: t.Final = "invalid_response: (InvalidHeader)"
TRANSFER: t.Final = "unexpected_content: transfer coding"
CONTENT: t.Final = "unexpected_content: content coding"
PART: t.Final = "unexpected_content: answered 200, as with a whole file"
EMPTY: t.Final = "unexpected_content: without any content"
A_PAGE: t.Final = "unexpected_content: a web page"
A_JSON: t.Final = "unexpected_content: JSON"
BROKEN: t.Final = "transfer_interrupted: the transfer broke off"
UNPROVED: t.Final = "unverified: nothing can prove"
DAMAGED: t.Final = "corrupt: "


@dataclass(frozen=True)
class Odd:
    """A server's replies, by request, and what comes of them: the right bytes, or an error with this code and words.

    body: what is right. silent: nothing comes at some time, so that a time-out ends it.
    """

    name: str
    fate: str
    replies: tuple[Reply, ...]
    body: bytes = BIN
    silent: bool = False

    def __str__(self) -> str:
        return self.name


def odd(name: str, fate: str, *steps: Step, body: bytes = BIN) -> Odd:
    """One reply to all requests."""
    return Odd(name, fate, (steps,), body, silent=KEPT in steps and fate != FETCHED)


def raw(*lines: str, body: bytes = BIN, status: str = "HTTP/1.1 200 OK", end: str = "\r\n") -> bytes:
    """A reply as it is, with the lines of its head."""
    return "".join(line + end for line in (status, *lines, "")).encode("latin-1") + body


def sized(*lines: str, status: str = "HTTP/1.1 200 OK", body: bytes = BIN) -> bytes:
    """A reply with its length behind the lines."""
    return raw(*lines, f"Content-Length: {len(body)}", status=status, body=body)


def replies() -> list[Odd]:
    """All of them."""
    return [*_status_lines(), *_statuses(), *_no_servers(), *_heads(), *_lengths(), *_codings(), *_chunks(), *_ends()]


def _status_lines() -> t.Iterator[Odd]:
    for name, line in {
        "plain": "HTTP/1.1 200 OK",
        "without a reason": "HTTP/1.1 200",
        "with a space and no reason": "HTTP/1.1 200 ",
        "with a reason that is not ASCII": "HTTP/1.1 200 \xff\xfe\xe9",
        "with a long reason": "HTTP/1.1 200 " + "so " * 2000,
        "with a reason of another status": "HTTP/1.1 200 Not Found",
        "with two spaces": "HTTP/1.1  200  OK",
        "with tabs": "HTTP/1.1\t200\tOK",
        "of HTTP 1.0": "HTTP/1.0 200 OK",
        "of HTTP 1.2": "HTTP/1.2 200 OK",
        "of HTTP 0.9": "HTTP/0.9 200 OK",
    }.items():
        yield odd(f"status line {name}", FETCHED, sized(status=line), KEPT)
    for name, line in {
        "of HTTP 2": "HTTP/2 200",
        "of HTTP 3": "HTTP/3 200 OK",
        "without a version": "HTTP 200 OK",
        "in small letters": "http/1.1 200 OK",
        "of ICY": "ICY 200 OK",
        "of RTSP": "RTSP/1.0 200 OK",
        "with two digits": "HTTP/1.1 20 OK",
        "with four digits": "HTTP/1.1 2000 OK",
        "with words": "HTTP/1.1 OK 200",
        "with a negative number": "HTTP/1.1 -200 OK",
        "without spaces": "HTTP/1.1200OK",
        "behind an empty line": "\r\nHTTP/1.1 200 OK",
    }.items():
        yield odd(f"status line {name}", NO_HTTP, sized(status=line))


def _statuses() -> t.Iterator[Odd]:
    for status in ("201", "202", "203", "205", "206", "207", "226", "299"):
        yield odd(f"status {status}", STATUS, sized(status=f"HTTP/1.1 {status} Odd"))
    yield odd("status 204", STATUS, raw(status="HTTP/1.1 204 No Content", body=b""))
    yield odd("status 204 with a body and a length", STATUS, sized(status="HTTP/1.1 204 No Content"), KEPT)
    whole, some = f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}", f"Content-Range: bytes 0-999/{SIZE}"
    yield odd("status 206 with all of it", STATUS, sized(whole, status="HTTP/1.1 206 Partial Content"))
    yield odd("status 206 with some", STATUS, sized(some, status="HTTP/1.1 206 Partial Content", body=BIN[:1000]))
    for status in ("300", "301", "302", "303", "304", "305", "307", "308"):
        yield odd(f"status {status}", REDIRECT, sized("Location: /other", status=f"HTTP/1.1 {status} Odd", body=b""))
    yield odd("status 302 without a place", REDIRECT, sized(status="HTTP/1.1 302 Found", body=b""))
    for status, code in {
        "400": "unexpected_content: answered 400",
        "401": "unauthorized: answered 401",
        "403": "forbidden: answered 403",
        "404": "unexpected_content: answered 404",
        "407": "unexpected_content: answered 407",
        "410": "unexpected_content: answered 410",
        "416": "unexpected_content: answered 416",
        "429": "rate_limited: answered 429",
        "500": "server_error: answered 500",
        "503": "server_error: answered 503",
        "600": "server_error: answered 600",
        "999": "server_error: answered 999",
    }.items():
        yield odd(f"status {status}", code, sized("Retry-After: 0", status=f"HTTP/1.1 {status} Odd", body=PAGE))
    go_on = raw(status="HTTP/1.1 100 Continue", body=b"")
    for name, before in {
        "100": go_on,
        "twenty of 100": go_on * 20,
        "100 with fields": raw("X-Odd: 1", "no field", status="HTTP/1.1 100 Continue", body=b""),
    }.items():
        yield odd(f"behind {name}", FETCHED, before + sized())
    yield odd("100 and no more", LOST, go_on)
    for interim in (102, 103):
        hints = raw(status=f"HTTP/1.1 {interim} Hints", body=b"")
        yield odd(f"behind {interim}", f"http_status: answered {interim}", hints + sized())
    yield odd("status 101", "http_status: answered 101", raw(status="HTTP/1.1 101 Switching Protocols", body=b""))


def _no_servers() -> t.Iterator[Odd]:
    for name, data in {
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "mail": b"220 mail.example.com ESMTP\r\n",
        "FTP": b"220 Welcome\r\n",
        "TLS": b"\x15\x03\x01\x00\x02\x02\x0a",
        "noise": BIN,
        "NUL": bytes(100),
        "only a page": PAGE,
        "empty lines": b"\r\n\r\n\r\n",
    }.items():
        yield odd(f"no server: {name}", NO_HTTP, data)
    yield odd("no server: nothing", LOST)
    yield odd("no server: reset", LOST, Reset())
    yield odd("no server: silence", LOST, KEPT)
    yield odd("no server: half a status line", LOST, b"HTT")
    yield odd("no server: a status line without an end", LOST, b"HTTP/1.1 200 OK", KEPT)


def _heads() -> t.Iterator[Odd]:
    for name, lines in {
        "line without a colon": ("this is no field",),
        "lines without a colon": ("HTTP/1.1 200 OK", "-----", "From me to you"),
        "line without a colon, folded": ("no field", "\tof two lines"),
        "space before a colon": ('ETag : "1"',),
        "line without a name": (": value",),
        "name that is not ASCII": ("X-\xe9: 1",),
        "name with a space": ("X Odd: 1",),
        "name of signs": ("(odd)@[name]: 1",),
        "field without a value": ("X-Empty:",),
        "field without a space": ("X-Near:value",),
        "value behind a tab": ("X-Tab:\tvalue",),
        "value with 8-bit characters": ("X-Odd: \xff\xfe\xe9",),
        "value with NUL": ("X-Odd: a\0b",),
        "value with a stray CR": ("X-Odd: a\rb",),
        "stray CR that hides a length": ("X-Odd: a\rContent-Length: 5",),
        "stray CR at the end": ("X-Odd: a\r",),
        "folded field": ("X-Odd: one", " two", "\tthree"),
        "folded first line": (" X-Odd: one",),
        "line of spaces": ("X-Odd: one", "   "),
        "line of 60 KiB": ("X-Long: " + "x" * 60_000,),
        "90 fields": tuple(f"X-{number}: {number}" for number in range(90)),
        "same field often": ('ETag: "1"',) * 50,
        "media type of a page": ("Content-Type: application/octet-stream, text/html",),
        "media type that is none": ("Content-Type: ;;;",),
        "place to go": ("Location: /other", "Refresh: 0; url=/other"),
        "odd cookies": ("Set-Cookie: =", "Set-Cookie: a", "Set-Cookie: b=\xff; Expires=soon", "Set-Cookie:"),
        "odd connection": ("Connection: upgrade, , x", "Keep-Alive: none", "Upgrade: h2c"),
        "odd dates": ("Date: now", "Last-Modified: 0", "Expires: -1"),
        "odd ETag": ("ETag: W/W/", "ETag:"),
    }.items():
        yield odd(f"head with {name}", FETCHED, sized(*lines), KEPT)
    yield odd("head of which the first length is folded", FETCHED, raw("Content-Length:", f" {SIZE}"), KEPT)
    yield odd("head with LF", FETCHED, raw("X: 1", f"Content-Length: {SIZE}", end="\n"), KEPT)
    yield odd("head with CR CR LF", FETCHED, raw("X: 1", f"Content-Length: {SIZE}", end="\r\r\n"), KEPT)
    yield odd("head with CR", LOST, raw(f"Content-Length: {SIZE}", end="\r", body=b""), KEPT)
    yield odd("head of 200 fields", NO_HTTP, sized(*(f"X-{number}: 1" for number in range(200))))
    yield odd("head with a line of 70 KiB", NO_HTTP, sized("X-Long: " + "x" * 70_000))
    yield odd(
        "head without an end", NO_HTTP, b"HTTP/1.1 200 OK\r\n", Repeat(b"X-More: " + b"m" * 50_000 + b"\r\n", 200)
    )
    yield odd("head that breaks off", EMPTY, b"HTTP/1.1 200 OK\r\nContent-Le")
    yield odd("head that stops", LOST, b"HTTP/1.1 200 OK\r\nContent-Le", KEPT)
    whole = sized("X-Odd: 1")
    yield odd("head in small pieces", FETCHED, Sliced(whole[:60], 3), whole[60:], KEPT)


def _lengths() -> t.Iterator[Odd]:
    same = f"Content-Length: {SIZE}"
    for name, lines in {
        "twice": (same, same),
        "five times": (same,) * 5,
        "in a list": (f"Content-Length: {SIZE}, {SIZE}",),
        "with zeros": (f"Content-Length: 000{SIZE}",),
        "with spaces around": (f"Content-Length:   {SIZE}  ",),
        "in capitals": (f"CONTENT-LENGTH: {SIZE}",),
        "behind the coding identity": ("Transfer-Encoding: identity", same),
    }.items():
        yield odd(f"length {name}", FETCHED, raw(*lines), KEPT)
    for name, lines in {
        "twice and different": (same, f"Content-Length: {SIZE - 9}"),
        "in a list and different": (f"Content-Length: {SIZE}, {SIZE - 9}",),
    }.items():
        yield odd(f"length {name}", TWO_LENGTHS, raw(*lines), KEPT)
    for name, value in {
        "negative": "-5",
        "with a plus": f"+{SIZE}",
        "in words": "many",
        "in hex": hex(SIZE),
        "with a fraction": f"{SIZE}.0",
        "with a unit": f"{SIZE} bytes",
        "with a gap": "5 000",
        "with underscores": "5_000",
        "with a comma behind": f"{SIZE},",
        "with other digits": "\xb2\xb3",
        "of 2 to 63": str(2**63),
        "of 5000 digits": "9" * 5000,
    }.items():
        yield odd(f"length {name}", LENGTH, raw(f"Content-Length: {value}"), KEPT)
    yield odd("length without a value", FETCHED, raw("Content-Length:", body=ZIP), body=ZIP)
    yield odd("length of nothing", EMPTY, raw("Content-Length: 0"), KEPT)
    yield odd("length that is too small", DAMAGED, raw(f"Content-Length: {len(ZIP) - 9}", body=ZIP), body=ZIP)
    yield odd("length that is too large", BROKEN, raw(f"Content-Length: {SIZE + 9}"))
    yield odd("length that is too large, and silence", BROKEN, raw(f"Content-Length: {SIZE + 9}"), KEPT)
    yield odd("no length", UNPROVED, raw())
    yield odd("no length of an archive", FETCHED, raw(body=ZIP), body=ZIP)
    yield odd("no length of an archive, and silence", BROKEN, raw(body=ZIP), KEPT, body=ZIP)
    yield odd("no length of an archive that is cut", DAMAGED, raw(body=ZIP[:-9]), body=ZIP)


def _codings() -> t.Iterator[Odd]:
    for coding in ("none", "binary", "UTF-8", "identity", "IDENTITY", "", "8bit", "identity, identity"):
        yield odd(f"content coding {coding!r}", FETCHED, sized(f"Content-Encoding: {coding}"), KEPT)
    yield odd("content coding identity twice", FETCHED, sized(*("Content-Encoding: identity",) * 2), KEPT)
    for coding in ("gzip", "x-gzip", "GZIP", "deflate", "br", "zstd", "compress", "gzip, identity", "aes128gcm"):
        yield odd(f"content coding {coding!r}", CONTENT, sized(f"Content-Encoding: {coding}", body=gzip.compress(BIN)))
    yield odd("content coding gzip that is a lie", CONTENT, sized("Content-Encoding: gzip"))
    framed = in_chunks(BIN) + b"0\r\n\r\n"
    for coding in (
        "gzip, chunked",
        "identity, chunked",
        "chunked, chunked",
        "chunked, gzip",
        "gzip",
        "x",
        "chunked;q=1",
    ):
        yield odd(f"transfer coding {coding!r}", TRANSFER, raw(f"Transfer-Encoding: {coding}", body=framed))
    twice = ("Transfer-Encoding: chunked",) * 2
    yield odd("transfer coding chunked twice", TRANSFER, raw(*twice, body=framed))
    archive = in_chunks(ZIP) + b"0\r\n\r\n"
    for coding in ("chunked", "CHUNKED", "chunked ", "\tchunked"):
        line = f"Transfer-Encoding: {coding}"
        yield odd(f"transfer coding {coding!r}", FETCHED, raw(line, body=archive), KEPT, body=ZIP)
    for length in (str(len(ZIP)), "9", "many"):
        lines = ("Transfer-Encoding: chunked", f"Content-Length: {length}")
        yield odd(f"transfer coding chunked and length {length}", FETCHED, raw(*lines, body=archive), KEPT, body=ZIP)
    old = raw("Transfer-Encoding: chunked", body=archive, status="HTTP/1.0 200 OK")
    yield odd("transfer coding chunked of HTTP 1.0", FETCHED, old, KEPT, body=ZIP)


def _chunks() -> t.Iterator[Odd]:
    size, end = b"%x" % len(ZIP), b"0\r\n\r\n"
    half = len(ZIP) // 2

    def two(line: bytes, close: bytes = b"\r\n", more: bytes = b"") -> bytes:
        parts = (ZIP[:half], ZIP[half:])
        return b"".join(b"%x%s%s%s%s" % (len(part), line, part, more, close) for part in parts)

    for name, data in {
        "with extensions": two(b';a=b;c="d e"\r\n') + end,
        "with spaces behind the size": two(b"  \r\n") + end,
        "with capitals": size.upper() + b"\r\n" + ZIP + b"\r\n" + end,
        "with zeros": b"0000" + size + b"\r\n" + ZIP + b"\r\n000\r\n\r\n",
        "with LF": two(b"\n", b"\n") + b"0\n\n",
        "with LF behind the size": two(b"\n") + end,
        "of one byte": in_chunks(ZIP, 1) + end,
        "with trailers": in_chunks(ZIP) + b"0\r\nX-More: 1\r\nContent-Length: 5\r\n\r\n",
        "and another answer": in_chunks(ZIP) + end + raw(),
    }.items():
        yield odd(f"chunks {name}", FETCHED, raw("Transfer-Encoding: chunked", body=data), KEPT, body=ZIP)
    unended = raw("Transfer-Encoding: chunked", body=in_chunks(ZIP) + b"0\r\n")
    yield odd("chunks without a last line", FETCHED, unended, body=ZIP)
    for name, data in {
        "that are longer than their size": two(b"\r\n", more=b"xy") + end,
        "with nothing behind": two(b"\r\n", b"") + end,
        "with CR behind": two(b"\r\n", b"\r") + end,
        "with a negative size": b"-5\r\n" + ZIP + b"\r\n" + end,
        "with a plus": b"+" + size + b"\r\n" + ZIP + b"\r\n" + end,
        "with 0x": b"0x" + size + b"\r\n" + ZIP + b"\r\n" + end,
        "with underscores": size[:1] + b"_" + size[1:] + b"\r\n" + ZIP + b"\r\n" + end,
        "with a size of words": b"some\r\n" + ZIP + b"\r\n" + end,
        "without a size": b"\r\n" + ZIP + b"\r\n" + end,
        "with a size of 100 digits": b"f" * 100 + b"\r\n" + ZIP + b"\r\n" + end,
        "with an extension of 70 KiB": size + b";" + b"x" * 70_000 + b"\r\n" + ZIP + b"\r\n" + end,
        "that are no chunks": ZIP,
        "without the last": in_chunks(ZIP),
        "that break off": in_chunks(ZIP)[:-99],
    }.items():
        yield odd(f"chunks {name}", BROKEN, raw("Transfer-Encoding: chunked", body=data), body=ZIP)
    yield odd("chunks that stop", BROKEN, raw("Transfer-Encoding: chunked", body=in_chunks(ZIP)), KEPT, body=ZIP)
    # Wrong in a way that only what stands behind a chunk shows
    sizes = raw("Transfer-Encoding: chunked", body=b"a\n0123456789\n1a\nabcdefghijklmnopqrstuvwxyz\n0\n\n")
    yield odd("chunks with LF, small", UNPROVED, sizes, KEPT, body=b"0123456789abcdefghijklmnopqrstuvwxyz")
    yield odd("chunks of nothing", EMPTY, raw("Transfer-Encoding: chunked", body=end), KEPT)


def _ends() -> t.Iterator[Odd]:
    yield odd("more than the length", FETCHED, sized() + b"more", KEPT)
    yield odd("another answer behind it", FETCHED, sized() + sized(), KEPT)
    yield odd("a reset behind it", FETCHED, sized(), Reset())
    yield odd("a reset within", BROKEN, sized()[:-99], Reset())
    yield odd("a part of the file with 200", PART, sized(f"Content-Range: bytes 1000-{SIZE + 999}/{SIZE + 1000}"))
    yield odd("a part of the file with 200 that has another length", PART, sized("Content-Range: bytes 0-9/10"))
    yield odd("all of the file with 200 and a range", FETCHED, sized(f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}"))
    yield odd("a page", A_PAGE, sized("Content-Type: text/html", body=PAGE))
    yield odd("a page that says to be bytes", A_PAGE, sized("Content-Type: application/octet-stream", body=PAGE))
    yield odd("JSON", A_JSON, sized(body=b'{"message": "not ready"}'))
    yield odd("nothing", EMPTY, sized(body=b""), KEPT)
    yield odd("nothing with a name", EMPTY, sized('Content-Disposition: attachment; filename="a.zip"', body=b""), KEPT)


# --- Answers to a Range, after the first answer broke off ---

_TAG: t.Final = 'ETag: "1"'


def rests() -> list[Odd]:
    """All of them: the right file comes in the end, because the whole is asked for where the rest is none."""
    return [Odd(f"rest: {name}", FETCHED, (_cut, reply)) for name, reply in {**_good_rests(), **_bad_rests()}.items()]


def _cut(_request: Request) -> Script:
    return [sized(_TAG, "Accept-Ranges: bytes")[:-999]]


def _to_range(status: str, *lines: str, start: int = 0, length: str | None = "") -> Reply:
    """To a Range this, with the bytes from there on; to other requests the file. length: None for no such field."""

    def answer(request: Request) -> Script:
        if not request.range:
            return [sized(_TAG)]
        body = BIN[start:]
        own = () if length is None else (f"Content-Length: {length or len(body)}",)
        return [raw(*lines, *own, status=f"HTTP/1.1 {status}", body=body)]

    return answer


def _good_rests() -> dict[str, Reply]:
    part = f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}"  # a file of this size overlaps altogether
    return {
        "right": _to_range("206 Partial Content", part, _TAG),
        "right, two equal lengths": _to_range("206 OK", part, _TAG, f"Content-Length: {SIZE}"),
        "right, in odd letters": _to_range("206 OK", f"content-range: BYTES 0-{SIZE - 1}/{SIZE}", _TAG),
        "right, without a tag": _to_range("206 OK", part),
        "right, of unknown length": _to_range("206 OK", f"Content-Range: bytes 0-{SIZE - 1}/*", _TAG),
        "whole": _to_range("200 OK", _TAG),
        "whole, with its range": _to_range("200 OK", part, _TAG),
        "whole, coded as none": _to_range("200 OK", _TAG, "Content-Encoding: none"),
    }


def _bad_rests() -> dict[str, Reply]:
    tail = f"Content-Range: bytes 4001-{SIZE - 1}/{SIZE}"
    return {
        "tail with 200": _to_range("200 OK", _TAG, tail, start=4001),
        "tail with 200, no range": _to_range("200 OK", _TAG, start=4001),
        "tail with 200, no range, no tag": _to_range("200 OK", start=4001),
        "tail with 200, other tag": _to_range("200 OK", 'ETag: "2"', start=4001),
        "tail with 200, no length": _to_range("200 OK", _TAG, "Connection: close", start=4001, length=None),
        "tail with 200, old date": _to_range("200 OK", f"Last-Modified: {LONG_AGO}", start=4001),
        "tail with 206": _to_range("206 OK", _TAG, tail, start=4001),
        "tail with 206 and a lie": _to_range("206 OK", _TAG, f"Content-Range: bytes 0-998/{SIZE}", start=4001),
        "whole with 206, no range": _to_range("206 OK", _TAG),
        "two lengths with 206": _to_range("206 OK", _TAG, tail, "Content-Length: 7", start=4001),
        "two lengths with 200": _to_range("200 OK", _TAG, "Content-Length: 7"),
        "odd length": _to_range("200 OK", _TAG, length="many"),
        "odd transfer coding": _to_range("200 OK", _TAG, "Transfer-Encoding: gzip, chunked"),
        "gzip with 206": _to_range("206 OK", _TAG, tail, "Content-Encoding: gzip", start=4001),
        "odd range": _to_range("206 OK", _TAG, "Content-Range: all of it"),
        "other unit": _to_range("206 OK", _TAG, "Content-Range: items 0-1/2"),
        "other total": _to_range("206 OK", _TAG, f"Content-Range: bytes 0-{SIZE - 1}/{SIZE + 1}"),
        "two parts": _to_range("206 OK", _TAG, "Content-Type: multipart/byteranges; boundary=B"),
        "416": _to_range("416 No", "Content-Range: bytes */9"),
        "416 without a length": _to_range("416 No"),
        "no HTTP": lambda request: [sized(_TAG)] if not request.range else [BIN],
    }
