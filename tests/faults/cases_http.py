# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers answer instead of the file, and the file in forms nobody asked for (H6, H17 to H20, H29 to H35)."""

from __future__ import annotations

import dataclasses
import gzip
import typing as t
import zlib

from tests.faults.cases import NEVER_WRONG, OK, Case, case, clean, fails, resumable
from tests.faults.files import BIN, OLD, PAGE, PST, SMALL, ZIP
from tests.faults.replies import (
    Answer,
    after,
    announcing,
    broken,
    closing,
    coded,
    in_pieces,
    saying,
    serve,
    shortened,
    whole,
)
from tests.faults.script_server import Script, Stay, head, reply, until_close

PROBLEM: t.Final = b'{"message": "The download is not ready"}'
LOST: t.Final = ("transfer_interrupted", "response_lost")
CUT: t.Final = serve(ZIP, broken(0.8))


def cases() -> t.Iterator[Case]:
    """All of them."""
    yield from _not_ready()
    yield from _not_a_file()
    yield from _junk_on_resume()
    yield from _busy()
    yield from _redirects()
    yield from _lengths()
    yield from _codings()
    yield from _heads()
    yield from _interim()
    yield from _plain_servers()
    yield from _certificates()


def _not_ready() -> t.Iterator[Case]:
    not_ready = clean("unexpected_content", "not_found", "conflict", "deleted_on_server")
    for status in ("404 Not Found", "409 Conflict", "410 Gone", "400 Bad Request"):
        answer = reply(PROBLEM, status=status, media_type="application/json")
        yield case(f"not_ready_{status[:3]}", "H17", not_ready, SMALL, answer, old=OLD)
    yield case("not_ready_204", "H17", not_ready, SMALL, [head(status="204 No Content")], into=True)
    yield case("not_ready_202", "H17", not_ready, SMALL, reply(b"", status="202 Accepted"))
    yield case("not_ready_empty", "H17 C4", not_ready, SMALL, reply(b""), old=OLD)
    yield case("not_ready_empty_until_close", "H17 C4", not_ready, SMALL, until_close(b""), into=True)
    yield case("not_ready_braces", "H17", not_ready, SMALL, reply(b"{}", media_type="application/json"), into=True)
    page = reply(PAGE, media_type="text/html", status="404 Not Found")
    yield case("first_address_404", "H17", OK, SMALL, page, backup=(serve(SMALL),), into=True)
    braces = reply(b"{}", media_type="application/json")
    yield case("first_address_braces", "H17", OK, ZIP, braces, backup=(CUT, serve(ZIP)))
    yield case("neither_address", "H17 H18", not_ready, SMALL, braces, backup=(page,), old=OLD)
    yield case("second_address_cut", "H17 N6", resumable(*LOST), ZIP, braces, backup=(CUT,), old=OLD)


def _not_a_file() -> t.Iterator[Case]:
    refused = clean("unexpected_content")
    octets = "application/octet-stream"
    for name, fault, body, media_type in (
        ("login_page", "H18", PAGE, "text/html; charset=utf-8"),
        ("login_page_as_zip", "H18", PAGE, "application/zip"),
        ("login_page_as_octets", "H18", b"\xef\xbb\xbf  \n" + PAGE, octets),
        ("page_without_markup", "H18", b"Please log in", "text/html"),
        ("xml_page", "H18", b'<?xml version="1.0"?><html/>', octets),
        ("json_error", "H19", PROBLEM, "application/json"),
        ("json_error_as_octets", "H19", PROBLEM, octets),
        ("json_problem", "H19", b'{"title": "no"}', "application/problem+json"),
        ("json_list", "H19", b'[{"guid": "1"}]', octets),
    ):
        yield case(name, fault, refused, SMALL, reply(body, media_type=media_type), old=OLD)
        yield case(f"{name}_into_a_directory", fault, refused, SMALL, reply(body, media_type=media_type), into=True)
    yield case("login_page_chunked", "H18 N7", refused, SMALL, serve(page_file(), in_pieces()), into=True)
    yield case("login_page_until_close", "H18 N8", refused, SMALL, serve(page_file(), closing()), into=True)
    text = reply(b"Session expired", media_type="text/plain")
    # In a directory nothing but the server says what it should be; the name asked for here says ZIP.
    yield case("plain_text_as_zip", "H18 C5", refused, SMALL, text, old=OLD)


def page_file() -> t.Any:
    """A web page as a file."""
    return dataclasses.replace(SMALL, body=PAGE, media_type="text/html", fields=())


def _junk_on_resume() -> t.Iterator[Case]:
    """What comes instead of the rest."""
    gone = clean("deleted_on_server", "unexpected_content", "not_found")
    for status in ("404 Not Found", "410 Gone"):
        answer = reply(PAGE, media_type="text/html", status=status)
        yield case(f"{status[:3]}_on_resume", "H17 N6", gone, ZIP, CUT, answer, old=OLD)
    page = reply(PAGE, media_type="text/html")
    for name, expected, answer in (
        ("401", resumable("unauthorized"), reply(PROBLEM, status="401 Unauthorized", media_type="application/json")),
        ("403", fails("forbidden"), reply(PROBLEM, status="403 Forbidden", media_type="application/json")),
        ("login_page", fails("unexpected_content", *LOST), page),
        ("json", fails("unexpected_content", *LOST), reply(PROBLEM, media_type="application/json")),
        ("empty", fails("unexpected_content", *LOST), reply(b"")),
        ("204", fails("unexpected_content", "http_status", *LOST), [head(status="204 No Content")]),
        ("login_redirect", fails("redirect"), [head("Location: /login", status="302 Found")]),
        ("304", fails("redirect", "unexpected_content", *LOST), [head(status="304 Not Modified")]),
    ):
        faults = "H6" if name == "401" else "H18 H21"
        yield case(f"{name}_on_resume", faults, expected, ZIP, CUT, answer, old=OLD)
        yield case(f"{name}_once_on_resume", faults, NEVER_WRONG, ZIP, CUT, answer, serve(ZIP), into=True)
    # As curl's test 3035: a part, some more, junk, junk, the rest.
    junk = reply(PAGE, status="404 Not Found", media_type="text/html")
    yield case("parts_and_junk", "H17 H18 N6", NEVER_WRONG, ZIP, CUT, serve(ZIP, broken(-5)), junk, page, serve(ZIP))
    yield case("401_at_once", "H6", clean("unauthorized"), SMALL, reply(PROBLEM, status="401 Unauthorized"), old=OLD)


def _busy() -> t.Iterator[Case]:
    for status in ("408 Timeout", "425 Early", "429 Many", "500 Oops", "502 Bad", "503 Busy", "504 Late"):
        busy = reply(PAGE, "Retry-After: 0", status=status, media_type="text/html")
        yield case(f"{status[:3]}_once_on_resume", "H1 N6", OK, ZIP, CUT, busy, serve(ZIP))
    busy = reply(PAGE, status="503 Busy", media_type="text/html")
    yield case("503_always_on_resume", "H1 N6", resumable("server_error"), ZIP, CUT, busy, old=OLD)
    yield case("503_always", "H1", clean("server_error"), SMALL, busy, old=OLD)
    yield case("503_cut", "H1 N6", OK, ZIP, reply(PAGE, status="503 Busy")[:1], serve(ZIP))
    for what, value in {
        "huge": "999999999",
        "negative": "-5",
        "past": "Wed, 21 Oct 2015 07:28:00 GMT",
        "words": "soon",
    }.items():
        busy = reply(b"", f"Retry-After: {value}", status="503 Busy")
        expected = NEVER_WRONG if what == "huge" else OK  # but in time
        order = {"limits": {"max_time": 3}}
        yield case(f"retry_after_{what}", "H2 N6", expected, ZIP, CUT, busy, serve(ZIP), order=order)


def _redirects() -> t.Iterator[Case]:
    refused = clean("redirect")
    for what, location in {
        "login": "/login",
        "relative": "login",
        "other_scheme": "https://127.0.0.1/file",
        "other_host": "http://192.0.2.1/file",
        "other_port": "http://127.0.0.1:1/file",
        "loop": "/file",
        "file_scheme": "file:///etc/passwd",
        "bad": "http://[::1",
    }.items():
        answer = [head(f"Location: {location}", "Content-Length: 0", status="302 Found")]
        yield case(f"redirect_{what}", "H20", refused, SMALL, answer, old=OLD)
    page = reply(PAGE, "Location: /login", status="302 Found", media_type="text/html")
    yield case("redirect_with_a_page", "H20 H18", refused, SMALL, page, into=True)
    yield case("redirect_permanent", "H20", refused, SMALL, [head("Location: /login", status="308 Moved")], into=True)


def _lengths() -> t.Iterator[Case]:
    size = len(ZIP.body)
    for what, wire in {
        "negative": announcing(-1),
        "words": announcing("many"),
        "plus": announcing(f"+{size}"),
        "listed_twice": announcing(f"{size}, {size}"),
        "given_twice": announcing(size, f"Content-Length: {size}"),
        "two_values": announcing(size, f"Content-Length: {size - 9}"),
        "two_values_listed": announcing(f"{size}, {size - 9}"),
        "huge": announcing(2**63),
        "huger": announcing(2**64 + size),
        "empty": announcing(""),
        "hex": announcing(hex(size)),
        "fraction": announcing(f"{size}.0"),
        "leading_zeros": announcing(f"{size:030d}"),
        "underscores": announcing(f"{size:_}"),
        "unicode_digits": announcing("\xb2" + str(size)),
        "many_digits": announcing("9" * 5000),
    }.items():
        yield case(f"length_{what}", "H29", NEVER_WRONG, ZIP, serve(ZIP, wire), old=OLD)
    yield case("length_with_chunks", "H29", NEVER_WRONG, ZIP, serve(ZIP, in_pieces(more=(f"Content-Length: {size}",))))
    yield case("length_wrong_with_chunks", "H29", NEVER_WRONG, ZIP, serve(ZIP, in_pieces(more=("Content-Length: 9",))))
    # A length that nobody understands proves nothing when the end is missing.
    for what, value in {"negative": -1, "words": "many", "huge": 2**63}.items():
        yield case(f"length_{what}_cut", "H29 N6", fails(), ZIP, serve(ZIP, announcing(value), shortened(0.8)), old=OLD)
        yield case(
            f"length_{what}_cut_bin",
            "H29 N6",
            fails(),
            BIN,
            serve(BIN, announcing(value), shortened(0.8)),
            filename="a.bin",
        )
    damaged = clean("corrupt", *LOST)
    for what, file in {"zip": ZIP, "pst": PST}.items():
        for how, less in {"one": len(file.body) - 1, "half": len(file.body) // 2, "head": 600}.items():
            answer = serve(file, announcing(less))
            yield case(f"length_{how}_less_{what}", "H30", damaged, file, answer, filename=f"a.{what}", old=OLD)
    yield case(
        "length_of_zero", "H30 C4", clean("unexpected_content", "corrupt"), ZIP, serve(ZIP, announcing(0), unnamed)
    )
    for how, more in {"one": 1, "much": 10**6, "very_much": 10**15}.items():
        answer = serve(ZIP, announcing(size + more))
        yield case(f"length_{how}_more", "H29 N6", fails(*LOST, "disk_full", "corrupt"), ZIP, answer, old=OLD)


def unnamed(answer: Answer) -> Answer:
    """Without a file name."""
    return answer.without("Content-Disposition")


def _codings() -> t.Iterator[Case]:
    refused = clean("unexpected_content")

    def five(body: bytes) -> bytes:
        for _time in range(5):
            body = gzip.compress(body)
        return body

    for name, change in {
        "gzip": coded("gzip", gzip.compress),
        "x_gzip": coded("x-gzip", gzip.compress),
        "capitals": coded("GZIP", gzip.compress),
        "deflate": coded("deflate", zlib.compress),
        "br": coded("br"),
        "five_fold": coded("gzip, gzip, gzip, gzip, gzip", five),
        "gzip_lie": coded("gzip"),
        "unknown": coded("aes128gcm"),
        "damaged_gzip": coded("gzip", lambda body: gzip.compress(body)[:-100]),
    }.items():
        yield case(f"coding_{name}", "H31", refused, SMALL, serve(SMALL, whole, change), old=OLD)
    gzipped = coded("gzip", gzip.compress)
    yield case("coding_gzip_chunked", "H31 N7", refused, SMALL, serve(SMALL, in_pieces(), gzipped), into=True)
    yield case("coding_gzip_on_resume", "H31 N6", NEVER_WRONG, ZIP, CUT, serve(ZIP, whole, gzipped), serve(ZIP))
    yield case("coding_identity", "H31", OK, SMALL, serve(SMALL, whole, coded("identity")))
    unnamed_gzip = serve(SMALL, whole, lambda answer: gzipped(unnamed(answer)).without("Content-Encoding"))
    yield case("gzipped_without_a_word", "H31 C5", refused, SMALL, unnamed_gzip)
    transfer = saying("Transfer-Encoding: gzip, chunked")
    yield case("transfer_coding_gzip", "H31 N7", NEVER_WRONG, SMALL, serve(SMALL, closing(), transfer))


def _heads() -> t.Iterator[Case]:
    bounded = NEVER_WRONG
    many = [f"X-Field-{number}: {number}" for number in range(10_000)]
    for what, fields in {
        "1_mib": ["X-Long: " + "x" * 2**20],
        "1_mib_in_lines": [f"X-{number}: " + "x" * 60_000 for number in range(18)],
        "10000_fields": many,
        "nul": ["X-Nul: a\0b", 'Content-Disposition: attachment; filename="a\0.zip"'],
        "not_ascii": ["X-Name: \xff\xfe\xe9", 'ETag: "\xff"'],
        "folded": ["X-Folded: one", "\ttwo", " three"],
        "folded_length": ["Content-Length:", f" {len(SMALL.body)}"],
        "no_colon": ["this is no field"],
        "no_name": [": value"],
        "space_before_colon": ['ETag : "1"'],
        "bare_cr": ["X-Bare: a\rContent-Length: 5"],
        "empty_etag": ["ETag:"],
        "long_etag": ['ETag: "' + "e" * 60_000 + '"'],
        "same_field_often": ['ETag: "1"'] * 50,
    }.items():
        answer = serve(SMALL, lambda a, fields=fields: [*_with(a, fields)])  # type: ignore[misc]
        yield case(f"head_{what}", "H32", bounded, SMALL, answer, old=OLD)
    cut_named = serve(
        ZIP,
        lambda a: [
            head(*a.fields, 'ETag: "' + "e" * 60_000 + '"', f"Content-Length: {len(a.body)}"),
            a.body[:2_000_000],
        ],
    )
    yield case("head_long_etag_and_a_cut", "H32 N6", NEVER_WRONG, ZIP, cut_named, serve(ZIP))
    yield case(
        "head_lf_only", "H32", NEVER_WRONG, SMALL, [b"HTTP/1.1 200 OK\nContent-Type: application/zip\n\n", SMALL.body]
    )
    yield case("head_without_fields", "H32", NEVER_WRONG, SMALL, [b"HTTP/1.1 200 OK\r\n\r\n", SMALL.body])
    endless = after(*[b"HTTP/1.1 200 OK\r\n"], wire=lambda a: [b"X-More: " + b"m" * 50_000 + b"\r\n"] * 2000)
    yield case("head_endless", "H32", fails(), SMALL, serve(SMALL, endless), old=OLD)


def _with(answer: Answer, fields: t.Sequence[str]) -> Script:
    own = [] if any(field.startswith("Content-Length") for field in fields) else [f"Content-Length: {len(answer.body)}"]
    return [head(*answer.fields, *fields, *own, status=answer.status), answer.body]


def _interim() -> t.Iterator[Case]:
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
    yield case("100_continue", "H33", OK, SMALL, serve(SMALL, after(go_on)), old=OLD)
    yield case("100_continue_often", "H33", OK, SMALL, serve(SMALL, after(go_on * 20)))
    trailers = in_pieces(b"0\r\nX-Trailer: yes\r\nRepr-Digest: sha-256=:AAAA:\r\n\r\n")
    yield case("trailers", "H33 N7", OK, SMALL, serve(SMALL, trailers))
    yield case(
        "chunk_extensions",
        "H33 N7",
        OK,
        SMALL,
        serve(SMALL, lambda a: [_chunked_head(a), b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(a.body), a.body)]),
    )


def _chunked_head(answer: Answer) -> bytes:
    return head(*answer.fields, "Transfer-Encoding: chunked")


def _plain_servers() -> t.Iterator[Case]:
    """Fault-free ones: no false alarms."""
    old_way = closing(version="HTTP/1.0")
    yield case("http_1_0", "H34", OK, ZIP, serve(ZIP, old_way))
    yield case("http_1_0_into_a_directory", "H34", OK, PST, serve(PST, old_way), into=True, filename="a.pst")
    yield case(
        "http_1_0_with_length",
        "H34",
        OK,
        BIN,
        [head(f"Content-Length: {len(BIN.body)}", version="HTTP/1.0"), BIN.body],
        filename="a.bin",
    )
    cut = closing(0.8, version="HTTP/1.0")
    yield case("http_1_0_cut", "H34 N8", clean("corrupt", *LOST), ZIP, serve(ZIP, cut), old=OLD)
    yield case("fault_free", "control", OK, ZIP, serve(ZIP), old=OLD)
    yield case("fault_free_into_a_directory", "control", OK, BIN, serve(BIN), into=True, filename="a.bin")
    yield case("fault_free_chunked", "control", OK, ZIP, serve(ZIP, in_pieces()))
    yield case("fault_free_until_close", "control", OK, ZIP, serve(ZIP, closing()))
    yield case("fault_free_tls", "control", OK, ZIP, serve(ZIP), tls="good")
    yield case("fault_free_tls_until_close", "control", OK, PST, serve(PST, closing()), tls="good", filename="a.pst")
    yield case("fault_free_kept_connection", "control N17", OK, ZIP, serve(ZIP, lambda a: [*whole(a), Stay()]))


def _certificates() -> t.Iterator[Case]:
    for kind in ("wrong_ca", "wrong_name", "expired", "not_yet_valid", "self_signed"):
        yield case(f"certificate_{kind}", "H35", clean("tls"), SMALL, serve(SMALL), tls=kind, old=OLD)
    # An alert may arrive as TLS's own error or as an end of the connection.
    refused = clean("tls", "response_lost")
    yield case("tls_1_1_only", "H35", refused, SMALL, serve(SMALL), tls="old_protocol", into=True)
    yield case("tls_wants_client_certificate", "H35", refused, SMALL, serve(SMALL), tls="wants_client", into=True)
