# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are not what they seem (C1 to C7)."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import typing as t

from tests.faults.cases import NEVER_WRONG, OK, Case, case, clean
from tests.faults.cases_http import CUT
from tests.faults.files import BIN, BIN_SHA256, OLD, PAGE, PST, SMALL, ZIP, named
from tests.faults.replies import broken, closing, digest, flipped, in_pieces, saying, serve, shortened, whole
from tests.unit.plugins.module_utils._transfer.material import noise, pst_bytes, zip_bytes

_DAMAGED: t.Final = clean("corrupt")
_REFUSED: t.Final = clean("unexpected_content")


def cases() -> t.Iterator[Case]:
    """All of them."""
    yield from _archives()
    yield from _mail_stores()
    yield from _empty()
    yield from _formats()
    yield from _checksums()
    yield from _server_digests()


def _archives() -> t.Iterator[Case]:
    size = len(ZIP.body)
    for what, at in {"last_byte": -1, "end_record": -22, "half": 0.5, "entries": 0.2, "start": 600}.items():
        yield case(f"zip_without_its_{what}", "C1", _DAMAGED, ZIP, serve(ZIP, whole, shortened(at)), old=OLD)
        yield case(
            f"zip_without_its_{what}_chunked", "C1 N7", _DAMAGED, ZIP, serve(ZIP, in_pieces(), shortened(at)), into=True
        )
    yield case("zip_and_more", "C1", _DAMAGED, ZIP, serve(ZIP, whole, then(b"more" * 500)), old=OLD)
    padded = dataclasses.replace(ZIP, body=ZIP.body + b"\0" * 10_000)
    yield case("zip_padded", "control C1", OK, padded, serve(padded))
    full = {"level": "full"}
    for what, at in {
        "first_entry": 0.02,
        "last_entry": 0.9,
        "local_header": 15 / size,
        "directory": 1 - 63 / size,
    }.items():
        yield case(f"zip_bit_in_{what}", "C2", _DAMAGED, ZIP, serve(ZIP, whole, flipped(at)), order=full, old=OLD)
    yield case("zip_full", "control", OK, ZIP, serve(ZIP), order=full)
    yield case("zip_full_small", "control", OK, SMALL, serve(SMALL, closing()), order=full, into=True)


def then(more: bytes) -> t.Callable[[t.Any], t.Any]:
    """Bytes after the body."""
    return lambda answer: answer.with_body(answer.body + more)


def _mail_stores() -> t.Iterator[Case]:
    for what, at in {"one_byte": -1, "half": 0.5, "all_but_its_header": 600}.items():
        answer = serve(PST, whole, shortened(at))
        yield case(f"pst_without_{what}", "C3", _DAMAGED, PST, answer, old=OLD, filename="a.pst")
    yield case("pst_and_more", "C3", _DAMAGED, PST, serve(PST, whole, then(b"\0" * 512)), filename="a.pst")
    yield case("pst_without_its_header", "C3", _DAMAGED, PST, serve(PST, whole, shortened(100)), filename="a.pst")
    unknown = dataclasses.replace(PST, body=pst_bytes(5000, version=5))
    yield case("pst_of_unknown_version", "C3", _DAMAGED, PST, serve(unknown), filename="a.pst", into=True)
    old_form = dataclasses.replace(PST, body=pst_bytes(5000, version=14))
    yield case("pst_ansi", "control C3", OK, old_form, serve(old_form), filename="a.pst", into=True)
    old_cut = serve(old_form, whole, shortened(-1))
    yield case("pst_ansi_cut", "C3", _DAMAGED, old_form, old_cut, filename="a.pst", old=OLD)


def _empty() -> t.Iterator[Case]:
    nothing = dataclasses.replace(BIN, body=b"")
    unnamed = dataclasses.replace(nothing, fields=())
    allowed: t.Any = {"order": {"allow_unverified": True}, "second": {"allow_unverified": True}}
    yield case("empty_with_a_name", "C4", _REFUSED, BIN, serve(nothing), filename="a.bin")
    yield case("empty_with_a_name_into_a_directory", "C4", _REFUSED, BIN, serve(nothing), filename="a.bin", into=True)
    yield case("empty_and_allowed", "control C4", OK, nothing, serve(nothing), filename="a.bin", **allowed)
    yield case(
        "empty_chunked",
        "C4 N7",
        clean("unexpected_content", "unverified"),
        BIN,
        serve(nothing, in_pieces()),
        filename="a.bin",
    )
    yield case(
        "empty_until_close",
        "C4 N8",
        clean("unexpected_content", "unverified"),
        BIN,
        serve(nothing, closing()),
        filename="a.bin",
    )
    yield case("empty_without_a_name", "C4", _REFUSED, BIN, serve(unnamed), filename="a.bin", old=OLD)
    named_zip = dataclasses.replace(nothing, fields=(named("a.zip"),))
    yield case("empty_as_zip", "C4", _REFUSED, ZIP, serve(named_zip), old=OLD)
    empty_zip = dataclasses.replace(ZIP, body=zip_bytes({}))
    yield case("empty_zip", "control C4", OK, empty_zip, serve(empty_zip))
    yield case("empty_zip_until_close", "control C4", OK, empty_zip, serve(empty_zip, closing()), into=True)


def _formats() -> t.Iterator[Case]:
    for what, body in {
        "gzip": gzip.compress(noise(5000)),
        "page": b"Log in" + PAGE,
        "noise": noise(5000),
        "pst": pst_bytes(5000),
        "zeros": bytes(5000),
        "short": b"PK",
    }.items():
        file = dataclasses.replace(SMALL, body=body)
        yield case(f"{what}_as_zip", "C5", _REFUSED, SMALL, serve(file), old=OLD)
        yield case(f"{what}_as_zip_into_a_directory", "C5", _REFUSED, SMALL, serve(file), into=True)
    as_pst = dataclasses.replace(PST, body=zip_bytes())
    yield case("zip_as_pst", "C5", _REFUSED, PST, serve(as_pst), filename="a.pst", old=OLD)
    yield case("zeros_as_pst", "C5", _REFUSED, PST, serve(dataclasses.replace(PST, body=bytes(5000))), filename="a.pst")


def _checksums() -> t.Iterator[Case]:
    wrong = {"checksum": "sha256:" + "0" * 64}
    right = {"checksum": f"sha256:{BIN_SHA256}"}
    mismatch = clean("checksum_mismatch")
    mine: t.Any = {"filename": "a.bin", "ours": True}
    yield case("checksum_wrong", "C6", mismatch, BIN, serve(BIN), order=wrong, second=right, old=OLD, **mine)
    short = {"checksum": "sha256:abc"}
    yield case("checksum_too_short", "C6", clean("invalid_option"), BIN, serve(BIN), order=short, second=right, **mine)
    unknown = {"checksum": f"crc32:{BIN_SHA256[:8]}"}
    yield case("checksum_unknown", "C6", clean("invalid_option"), BIN, serve(BIN), order=unknown, second=right, **mine)
    shouted = {"checksum": f"SHA-256: {BIN_SHA256.upper()} "}
    yield case("checksum_in_capitals", "C6", OK, BIN, serve(BIN), order=shouted, **mine)
    sha512 = {"checksum": f"sha512:{hashlib.sha512(BIN.body).hexdigest()}"}
    yield case("checksum_sha512", "C6", OK, BIN, serve(BIN, in_pieces()), order=sha512, **mine)
    # A digest proves what nothing else can: no length, no structure, and a cut on the way.
    yield case("checksum_without_length", "C6 N8", OK, BIN, serve(BIN, closing()), order=right, **mine)
    yield case("checksum_after_a_cut", "C6 N6", OK, BIN, serve(BIN, broken(0.8)), serve(BIN), order=right, **mine)
    other = serve(dataclasses.replace(BIN, body=noise(2_600_000, 5)))
    yield case("checksum_of_another_file", "C6", mismatch, BIN, other, order=right, old=OLD, filename="a.bin")


def _server_digests() -> t.Iterator[Case]:
    zeros = {"md5": "A" * 22 + "==", "sha256": "A" * 43 + "=", "sha512": "A" * 86 + "=="}
    mismatch = clean("digest_mismatch")
    for name, field in {
        "content_md5": f"Content-MD5: {zeros['md5']}",
        "repr_digest": f"Repr-Digest: sha-256=:{zeros['sha256']}:",
        "content_digest": f"Content-Digest: sha-512=:{zeros['sha512']}:",
        "several": f"Repr-Digest: md5=:{digest('md5', ZIP.body)}:, sha-256=:{zeros['sha256']}:",
    }.items():
        yield case(f"digest_wrong_{name}", "C7", mismatch, ZIP, serve(ZIP, whole, saying(field)), old=OLD)
    for name, field in {
        "right": f"Repr-Digest: sha-256=:{digest('sha256', ZIP.body)}:",
        "unknown": "Repr-Digest: sha-1024=:AAAA:",
        "malformed": "Repr-Digest: sha-256=:!!!:",
        "cut": "Content-MD5: AAAA",
        "not_a_field": "Repr-Digest: yes, please",
    }.items():
        yield case(f"digest_{name}", "control C7", OK, ZIP, serve(ZIP, whole, saying(field)))
    # Content-Digest and Content-MD5 of a 206 are about the part, Repr-Digest is about the whole file.
    whole_digest = f"Repr-Digest: sha-256=:{digest('sha256', ZIP.body)}:"

    def of_part(answer: t.Any) -> t.Any:
        part = f"Content-Digest: sha-256=:{digest('sha256', answer.body)}:"
        return answer.saying(part, f"Content-MD5: {digest('md5', answer.body)}", whole_digest)

    honest = serve(ZIP, whole, of_part)
    yield case("digest_of_a_part", "C7 N6", OK, ZIP, serve(ZIP, broken(0.8), of_part), honest)
    yield case("digest_of_a_part_only", "C7 N6", OK, ZIP, CUT, honest)
    wrong_whole = saying(f"Repr-Digest: sha-256=:{zeros['sha256']}:")
    late = serve(ZIP, whole, wrong_whole)
    # What the server said first counts; the bytes are right, and only a digest that comes late is not.
    yield case("digest_wrong_on_resume", "C7 N6", NEVER_WRONG, ZIP, CUT, late, old=OLD)
