# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network breaks, stalls, drips and lies (N5 to N19)."""

from __future__ import annotations

import dataclasses
import typing as t

from tests.faults.cases import NEVER_WRONG, OK, Case, case, clean, fails, resumable
from tests.faults.files import BIN, BIN_SHA256, OLD, PST, SMALL, STEADY, ZIP
from tests.faults.replies import (
    Answer,
    Resource,
    after,
    broken,
    closing,
    digest,
    dripping,
    flipped,
    in_head,
    in_pieces,
    saying,
    serve,
    silent,
    whole,
)
from tests.faults.script_server import HangUp, Pause, Reset, Script, Sliced, Stay, Step, head, in_chunks

LOST: t.Final = ("transfer_interrupted", "response_lost")
SLOW: t.Final = (*LOST, "below_min_rate")
_POSITIONS: t.Final = {"at_0": 0, "after_1": 1, "after_4095": 4095, "in_the_middle": 0.5, "before_the_last_byte": -1}
_ENDS: t.Final[t.Mapping[str, tuple[str, Step]]] = {"fin": ("N6", HangUp()), "rst": ("N5", Reset())}


def cases() -> t.Iterator[Case]:
    """All of them."""
    yield from _cut()
    yield from _cut_tls()
    yield from _chunks()
    yield from _no_length()
    yield from _stalls()
    yield from _slow()
    yield from _connections()
    yield from _no_http()
    yield from _flips()


def _cut() -> t.Iterator[Case]:
    for end, (fault, step) in _ENDS.items():
        for where, at in _POSITIONS.items():
            yield case(f"{end}_{where}", fault, OK, ZIP, serve(ZIP, broken(at, step)), serve(ZIP))
        # http.client takes a head that breaks off for all of it: an answer without content, which is not tried again.
        expected = OK if end == "rst" else NEVER_WRONG
        yield case(f"{end}_in_the_head", fault, expected, ZIP, serve(ZIP, in_head(40, step)), serve(ZIP), old=OLD)
        yield case(f"{end}_instead_of_an_answer", fault, OK, ZIP, [step], serve(ZIP))
        yield case(f"{end}_twice", fault, OK, ZIP, *[serve(ZIP, broken(0.8, step))] * 2, serve(ZIP))
        yield case(f"{end}_always", fault, resumable(*LOST), ZIP, serve(ZIP, broken(0.8, step)), old=OLD)
        yield case(f"{end}_always_before_1_mib", fault, fails(*LOST), ZIP, serve(ZIP, broken(100_000, step)), old=OLD)
        yield case(f"{end}_always_at_0", fault, fails(*LOST), ZIP, serve(ZIP, broken(0, step)))
        yield case(f"{end}_pst", fault, OK, PST, serve(PST, broken(0.7, step)), serve(PST), filename="a.pst")
        yield case(
            f"{end}_bin_into_a_directory",
            fault,
            resumable(*LOST),
            BIN,
            serve(BIN, broken(0.7, step)),
            [step],
            filename="a.bin",
            into=True,
        )
    yield case("cut_many_times", "N5 N6", OK, ZIP, *[serve(ZIP, broken(0.7))] * 3, serve(ZIP), into=True)


def _cut_tls() -> t.Iterator[Case]:
    for where, at in _POSITIONS.items():
        yield case(f"tls_cut_{where}", "N9", OK, ZIP, serve(ZIP, broken(at, HangUp())), serve(ZIP), tls="good")
    goodbye = broken(0.8, b"")  # the end of a script says goodbye
    yield case("tls_short_with_goodbye", "N9", OK, ZIP, serve(ZIP, goodbye), serve(ZIP), tls="good")
    yield case("tls_rst", "N5 N9", OK, ZIP, serve(ZIP, broken(0.8, Reset())), serve(ZIP), tls="good")
    yield case("tls_cut_always", "N9", resumable(*LOST), ZIP, serve(ZIP, broken(0.8)), tls="good", old=OLD)


def _chunks() -> t.Iterator[Case]:
    for what, wire in {
        "no_last_chunk": in_pieces(b""),
        "cut_in_data": in_pieces(b"", drop=20_000),
        "cut_in_size_line": in_pieces(b"c3", share=0.9),
        "cut_after_size_line": in_pieces(b"c350\r\n", share=0.9),
        "cut_in_crlf": in_pieces(b"", drop=1),
        "cut_before_crlf": in_pieces(b"", drop=2),
        "cut_at_0": in_pieces(b"", drop=10**9),
        "size_not_hex": in_pieces(b"xyz\r\nabc\r\n0\r\n\r\n", share=0.9),
        "size_negative": in_pieces(b"-5\r\nabcde\r\n0\r\n\r\n", share=0.9),
        "size_empty": in_pieces(b"\r\n\r\n", share=0.9),
        "size_huge": in_pieces(b"f" * 30 + b"\r\nabc", share=0.9),
        "size_line_endless": in_pieces(b"1" * 100_000, share=0.9),
    }.items():
        yield case(f"chunked_{what}", "N7", OK, ZIP, serve(ZIP, wire), serve(ZIP))
    cut = in_pieces(b"", share=0.8)
    yield case("chunked_cut_always", "N7", fails(*LOST), ZIP, serve(ZIP, cut), old=OLD)
    # All bytes come, and only the end does not: once a Range has told the size, that is known, too.
    yield case("chunked_never_ended", "N7", NEVER_WRONG, ZIP, serve(ZIP, in_pieces(b"")), old=OLD)
    yield case("chunked_last_chunk_without_its_end", "N7", NEVER_WRONG, ZIP, serve(ZIP, in_pieces(b"0\r\n")))
    ended_early = in_pieces(share=0.6)  # a proxy that closes the chunks properly
    yield case("chunked_ended_early", "N7 C1", clean("corrupt", *LOST), ZIP, serve(ZIP, ended_early), old=OLD)


def _no_length() -> t.Iterator[Case]:
    cut = closing(0.8)
    damaged = clean("corrupt", *LOST)
    yield case("no_length_cut_zip", "N8", damaged, ZIP, serve(ZIP, cut), old=OLD)
    yield case("no_length_rst_zip", "N8 N5", fails(*LOST, "corrupt"), ZIP, serve(ZIP, closing(0.8, Reset())))
    yield case("no_length_cut_zip_tls", "N8 N9", damaged, ZIP, serve(ZIP, closing(0.8, HangUp())), tls="good")
    yield case("no_length_cut_zip_tls_goodbye", "N8", damaged, ZIP, serve(ZIP, cut), tls="good")
    yield case("no_length_cut_pst", "N8 C3", damaged, PST, serve(PST, cut), filename="a.pst")
    unproved = clean("unverified", *LOST)
    yield case("no_length_cut_bin", "N8", unproved, BIN, serve(BIN, cut), filename="a.bin", old=OLD)
    yield case("no_length_whole_bin", "N8", unproved, BIN, serve(BIN, closing()), filename="a.bin")
    yield case("no_length_cut_zip_once", "N8", NEVER_WRONG, ZIP, serve(ZIP, cut), serve(ZIP), into=True)
    told = saying(f"Repr-Digest: sha-256=:{digest('sha256', BIN.body)}:")
    mismatch = clean("digest_mismatch", *LOST)
    yield case("no_length_cut_bin_with_digest", "N8 C7", mismatch, BIN, serve(BIN, cut, told), filename="a.bin")
    asked = {"checksum": f"sha256:{BIN_SHA256}"}
    mismatch = clean("checksum_mismatch", *LOST)
    yield case("no_length_cut_bin_checksum", "N8 C6", mismatch, BIN, serve(BIN, cut), filename="a.bin", order=asked)


def _stalls() -> t.Iterator[Case]:
    for where, wire in {
        "before_the_head": after(Pause(60)),
        "in_the_head": in_head(40, Pause(60)),
        "at_0": silent(0),
        "in_the_middle": silent(0.5),
        "late": silent(0.8),
        "before_the_last_byte": silent(-1),
    }.items():
        yield case(f"stall_{where}", "N10", OK, ZIP, serve(ZIP, wire), serve(ZIP))
    yield case("stall_always", "N10 N13", resumable(*SLOW), ZIP, serve(ZIP, silent(0.8)), old=OLD)
    yield case("stall_after_the_last_byte", "N10", OK, ZIP, serve(ZIP, broken(len(ZIP.body), Pause(60))))
    yield case(
        "stall_in_chunks", "N10", OK, ZIP, serve(ZIP, lambda a: [*in_pieces(b"")(a)[:-1], Pause(60)]), serve(ZIP)
    )
    yield case("stall_tls", "N10", OK, ZIP, serve(ZIP, silent(0.8)), serve(ZIP), tls="good")
    pauses = Sliced(SMALL.body, 1 + len(SMALL.body) // 4, 0.6)  # each shorter than the time-out
    yield case("short_pauses", "N10", OK, SMALL, [head(f"Content-Length: {len(SMALL.body)}"), pauses])


def _slow() -> t.Iterator[Case]:
    drip = dripping(0.8)
    yield case("drip_once", "N11", OK, ZIP, serve(ZIP, drip), serve(ZIP))
    yield case("drip_always", "N11", resumable(*SLOW), ZIP, serve(ZIP, drip), old=OLD)
    yield case("drip_in_chunks", "N11", OK, ZIP, serve(ZIP, in_drips), serve(ZIP))
    yield case("drip_from_the_start", "N11", fails(*SLOW, "timeout"), ZIP, serve(ZIP, dripping(0)))
    endless = Sliced(b"X-Padding: more and more\r\n" * 1000, 5, 0.1)
    yield case(
        "drip_in_the_head",
        "N11",
        fails(*SLOW, "timeout", "invalid_response"),
        ZIP,
        [b"HTTP/1.1 200 OK\r\n", endless],
        order={"limits": {"max_time": 4}},
    )
    steady = Sliced(STEADY.body, 2560, 0.05)  # 50 KiB/s
    yield case("steady_50_kib_a_second", "N12", OK, STEADY, [head(f"Content-Length: {len(STEADY.body)}"), steady])
    yield case(
        "steady_50_kib_a_second_after_a_cut",
        "N12 N6",
        OK,
        ZIP,
        serve(ZIP, broken(-60_000)),
        serve(ZIP, lambda a: [*broken(-60_000, b"")(a), Sliced(a.body[-60_000:], 2560, 0.05)]),
    )
    one_by_one = Sliced(SMALL.body, 1)
    heading = Sliced(head(f"Content-Length: {len(SMALL.body)}"), 1)
    yield case("one_byte_segments", "N15", OK, SMALL, [heading, one_by_one])
    yield case(
        "small_segments",
        "N15",
        OK,
        ZIP,
        serve(ZIP, lambda a: [Sliced(s, 1400) for s in whole(a) if isinstance(s, bytes)]),
    )
    yield case(
        "one_byte_chunks",
        "N15 N7",
        OK,
        SMALL,
        serve(SMALL, lambda a: [Sliced(s, 7) for s in in_pieces(size=1)(a) if isinstance(s, bytes)]),
    )


def in_drips(answer: Answer) -> Script:
    """Most of it in proper chunks, then a chunk of one byte now and then."""
    size = 40 * 50_000  # whole chunks
    start = [*in_pieces(b"")(answer.with_body(answer.body[:size]))[:2]]
    return [*start, Sliced(in_chunks(answer.body[size : size + 500], 1), 6, 0.05)]


def _connections() -> t.Iterator[Case]:
    busy = head("Content-Length: 0", status="503 Service Unavailable")
    yield case("kept_connection", "N17", OK, SMALL, serve(SMALL, lambda a: [*whole(a), Stay()]))
    yield case(
        "kept_connection_used_again", "N17", OK, SMALL, [busy, Stay()], serve(SMALL, lambda a: [*whole(a), Stay()])
    )
    yield case("kept_connection_closed_between", "N17", OK, SMALL, [busy], serve(SMALL))
    # One try more: where the pause before the next request is short, the reset hits that request as well.
    reset: Script = [busy, Reset()]
    yield case("kept_connection_reset_between", "N17 N5", OK, SMALL, reset, serve(SMALL), order={"tries": 2})
    # The length counts less than what came: the rest must not become the start of the next answer.
    extra = head("Content-Length: 4", status="503 Service Unavailable") + b"busy" + b"junk" * 10
    yield case("kept_connection_with_junk", "N17", OK, SMALL, [extra, Stay()], serve(SMALL))


def _no_http() -> t.Iterator[Case]:
    nonsense = clean("response_lost", "invalid_response", "transfer_interrupted", "http_status", "unexpected_content")
    for what, said in {
        "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        "mail": b"+OK POP3 ready\r\n",
        "noise": BIN.body[:3000],
        "web_page_without_head": b"<html><body>Log in</body></html>",
        "tls_alert": b"\x15\x03\x01\x00\x02\x02\x46",
        "bad_status": b"HTTP/1.1 OK 200\r\nContent-Length: 2\r\n\r\nok",
        "status_of_four_digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "endless_status_line": b"HTTP/1.1 200 " + b"O" * 200_000,
    }.items():
        yield case(f"no_http_{what}", "N18", nonsense, SMALL, [said], old=OLD)
    yield case("no_http_once", "N18", NEVER_WRONG, SMALL, [b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"], serve(SMALL))


def _flips() -> t.Iterator[Case]:
    for field, algorithm, form in (
        ("Content-MD5", "md5", "{}"),
        ("Repr-Digest", "sha256", "sha-256=:{}:"),
        ("Content-Digest", "sha512", "sha-512=:{}:"),
        ("Repr-Digest", "md5", "md5=:{}:"),
    ):
        file = told(ZIP, field, algorithm, form)
        name = f"flip_{field}_{algorithm}".lower().replace("-", "_")
        yield case(name, "N19 C7", clean("digest_mismatch"), file, serve(file, whole, flipped(0.5)), old=OLD)
    bin_told = told(BIN, "Repr-Digest", "sha256", "sha-256=:{}:")
    yield case(
        "flip_bin", "N19 C7", clean("digest_mismatch"), bin_told, serve(bin_told, whole, flipped(0.9)), filename="a.bin"
    )
    full = {"level": "full"}
    yield case("flip_full", "N19 C2", clean("corrupt"), ZIP, serve(ZIP, whole, flipped(0.5)), order=full)
    yield case(
        "flip_in_the_directory", "N19 C2", clean("corrupt"), ZIP, serve(ZIP, whole, flipped(1 - 63 / len(ZIP.body)))
    )
    asked = {"checksum": f"sha256:{BIN_SHA256}"}
    yield case(
        "flip_checksum",
        "N19 C6",
        clean("checksum_mismatch"),
        BIN,
        serve(BIN, whole, flipped(0)),
        filename="a.bin",
        order=asked,
    )
    # The flip is in what came before the cut: the overlap that is asked for again shows it, or the digest in the end.
    again = told(ZIP, "Repr-Digest", "sha256", "sha-256=:{}:")
    yield case("flip_before_a_cut", "N19 N6", NEVER_WRONG, again, serve(again, broken(0.8), flipped(0.7)), serve(again))
    yield case(
        "flip_long_before_a_cut", "N19 N6 C7", NEVER_WRONG, again, serve(again, broken(0.8), flipped(0.1)), serve(again)
    )
    flip_full = serve(ZIP, broken(0.8), flipped(0.1))
    yield case("flip_long_before_a_cut_full", "N19 N6 C2", NEVER_WRONG, ZIP, flip_full, serve(ZIP), order=full)


def told(file: Resource, field: str, algorithm: str, form: str) -> Resource:
    """The file with its digest in a field."""
    return dataclasses.replace(file, fields=(*file.fields, f"{field}: {form.format(digest(algorithm, file.body))}"))
