# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is believed of header fields: only what is well-formed, and nothing that is sent can break the reader."""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import hashlib
import os
import pathlib
import random
import time
import typing as t

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._transfer.http import metadata
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.metadata import ContentRange
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import filenames
from tests.unit.plugins.module_utils._transfer.material import GUID, noise

BODY = noise(5000)
NOON = 1_800_000_000  # an instant; the Date of answers


def date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


# --- lengths ---


@pytest.mark.parametrize("value", ["-1", "+5000", "5 000", "0x10", "5e3", "", "abc", "5000.0", "5000, 5001", "٥٠٠٠"])
def test_a_length_that_is_no_number_is_unknown(value: str) -> None:
    assert metadata.parse_metadata({"Content-Length": value}).length is None


@pytest.mark.parametrize(("value", "length"), [("0", 0), ("5000", 5000), (" 7 ", 7), (str(2**63 - 1), 2**63 - 1)])
def test_a_length_is_taken_as_it_is(value: str, length: int) -> None:
    assert metadata.parse_metadata({"Content-Length": value}).length == length
    assert metadata.body_length({"Content-Length": value}) == length


@pytest.mark.parametrize("value", [str(2**63), "9" * 19, "9" * 20, "9" * 400])
def test_a_length_that_no_file_can_have_is_unknown(value: str) -> None:
    assert metadata.parse_metadata({"Content-Length": value}).length is None


def test_chunks_make_a_length_void() -> None:
    assert metadata.parse_metadata({"Content-Length": "7", "Transfer-Encoding": "chunked"}).length is None


# --- parts ---


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("bytes 0-0/1", ContentRange(0, 0, 1)),
        ("bytes 5-9/10", ContentRange(5, 9, 10)),
        ("bytes 5-9/*", ContentRange(5, 9, None)),
        ("  Bytes 5-9/10  ", ContentRange(5, 9, 10)),
        (f"bytes 0-{2**63 - 2}/{2**63 - 1}", ContentRange(0, 2**63 - 2, 2**63 - 1)),
        (f"bytes 0-{2**63 - 1}/{2**63}", None),  # no file can have it
        ("bytes 9-5/10", None),
        ("bytes 5-10/10", None),
        ("bytes 5-9/9", None),
        ("bytes 0-0/0", None),
        ("bytes */10", None),
        ("bytes 5-/10", None),
        ("bytes -5/10", None),
        ("bytes=5-9/10", None),
        ("bytes 5-9", None),
        ("bytes 5-9/", None),
        ("bytes 5 - 9 / 10", None),
        ("bytes  5-9/10", None),
        ("items 5-9/10", None),
        ("bytes +5-9/10", None),
        ("bytes 5-9/10, bytes 0-1/10", None),
        ("bytes ٥-٩/10", None),
        ("bytes 0-" + "9" * 5000 + "/*", None),
        ("", None),
    ],
)
def test_the_range_of_a_part(value: str, found: ContentRange | None) -> None:
    assert metadata.content_range({"Content-Range": value}) == found


def test_without_the_field_there_is_no_range() -> None:
    assert metadata.content_range({}) is None
    assert metadata.unsatisfied_total({}) is None


@pytest.mark.parametrize(
    ("value", "total"),
    [
        ("bytes */0", 0), ("bytes */5000", 5000), (" BYTES */7 ", 7),
        ("bytes *", None), ("*/5", None), ("bytes */-1", None), ("bytes */*", None), ("bytes 0-4/5", None),
        ("bytes */٥", None), ("bytes */" + "9" * 20, None), ("", None),
    ],
)  # fmt: skip
def test_the_total_of_an_answer_without_the_range(value: str, total: int | None) -> None:
    assert metadata.unsatisfied_total({"Content-Range": value}) == total


# --- validators ---


@pytest.mark.parametrize("tag", ['"abc"', '""', '"a/b:c-1"', '"\x80\xff"', '"' + "x" * 254 + '"'])
def test_a_strong_tag_is_a_validator(tag: str) -> None:
    assert metadata.parse_metadata({"ETag": f" {tag} "}).validator == tag


@pytest.mark.parametrize(
    "tag",
    [
        'W/"abc"', 'w/"abc"', "abc", '"abc', 'abc"', '"a"b"', '"a b"', '"a", "b"', '"a\tb"', '"a\x7fb"', '"€"', "*",
        '"' + "x" * 255 + '"',  # has to fit into a record
    ],
)  # fmt: skip
def test_any_other_tag_is_none_and_hides_the_date(tag: str) -> None:
    """A server with a weak tag says that its bytes may differ: a date is no better then."""
    old = {"Last-Modified": date(NOON - 86400), "Date": date(NOON)}
    assert metadata.parse_metadata({"ETag": tag, **old}).validator is None
    assert metadata.parse_metadata({"ETag": " ", **old}).validator == date(NOON - 86400)


@pytest.mark.parametrize(
    ("age", "is_strong"), [(86400, True), (61, True), (60, True), (59, False), (0, False), (-1, False)]
)
def test_a_date_is_a_validator_when_it_is_a_minute_old(age: int, is_strong: bool) -> None:
    """RFC 9110 8.8.2.2: within a second a file may change twice, and clocks drift."""
    fields = {"Last-Modified": date(NOON - age), "Date": date(NOON)}
    assert metadata.parse_metadata(fields).validator == (date(NOON - age) if is_strong else None)


@pytest.mark.parametrize(
    "fields",
    [
        {"Last-Modified": date(NOON - 86400)},  # by whose clock?
        {"Last-Modified": date(NOON - 86400), "Date": "now"},
        {"Last-Modified": date(NOON - 86400).replace("GMT", "-0000"), "Date": date(NOON)},
        {"Last-Modified": date(NOON - 86400).replace(" GMT", ""), "Date": date(NOON)},
        {"Last-Modified": "yesterday", "Date": date(NOON)},
        {"Last-Modified": "", "Date": date(NOON)},
        {"Last-Modified": "Tue, 99 Foo 9999 99:99:99 GMT", "Date": date(NOON)},
        {"Last-Modified": date(NOON - 86400) + " (" + "x" * 256 + ")", "Date": date(NOON)},
        {"Date": date(NOON)},
    ],
)
def test_a_date_that_is_unclear_is_no_validator(fields: dict[str, str]) -> None:
    assert metadata.parse_metadata(fields).validator is None


@pytest.mark.parametrize(
    ("fields", "validator", "same"),
    [
        ({"ETag": '"1"'}, '"1"', True),
        ({"ETag": ' "1" '}, '"1"', True),
        ({}, '"1"', True),  # nothing is contradicted
        ({"Last-Modified": date(NOON)}, '"1"', True),
        ({"ETag": '"2"'}, '"1"', False),
        ({"ETag": 'W/"1"'}, '"1"', False),
        ({"ETag": ""}, '"1"', False),
        ({"Last-Modified": date(NOON)}, date(NOON), True),
        ({"ETag": '"1"'}, date(NOON), True),
        ({"Last-Modified": date(NOON + 1)}, date(NOON), False),
    ],
)
def test_whether_an_answer_contradicts_a_validator(fields: dict[str, str], validator: str, same: bool) -> None:
    assert metadata.same_validator(fields, validator) is same


# --- digests ---


def _encoded(algorithm: str) -> str:
    return base64.b64encode(hashlib.new(algorithm, BODY).digest()).decode()


@pytest.mark.parametrize(
    ("fields", "algorithm"),
    [
        ({"Content-MD5": _encoded("md5")}, "md5"),
        ({"Content-MD5": f" {_encoded('md5')} "}, "md5"),
        ({"Repr-Digest": f"sha-256=:{_encoded('sha256')}:"}, "sha256"),
        ({"Content-Digest": f"sha-512=:{_encoded('sha512')}:"}, "sha512"),
        (
            {"Repr-Digest": f"unixsum=:AAA=:, sha-512=:{_encoded('sha512')}:,sha-256=:{_encoded('sha256')}:"},
            "sha256",
        ),
        ({"Content-MD5": _encoded("md5"), "Content-Digest": f"sha-512 = :{_encoded('sha512')}:"}, "sha512"),
    ],
)
def test_digests_are_read(fields: dict[str, str], algorithm: str) -> None:
    digest = metadata.parse_metadata(fields).digest
    assert digest is not None
    assert (digest.algorithm, digest.digest) == (algorithm, hashlib.new(algorithm, BODY).hexdigest())


@pytest.mark.parametrize(
    "fields",
    [
        {"Content-MD5": "???"},
        {"Content-MD5": "AAAA"},
        {"Content-MD5": ""},
        {"Content-MD5": "ü" * 24},
        {"Content-MD5": hashlib.md5(BODY).hexdigest()},
        {"Repr-Digest": f"sha-256={_encoded('sha256')}"},
        {"Repr-Digest": "sha-256=:AAAA:"},
        {"Repr-Digest": f"sha-256=:{_encoded('sha512')}:"},
        {"Content-Digest": "sha-256=:=:"},
        {"Repr-Digest": f"md5=:{_encoded('sha256')}:"},
    ],
)
def test_digests_that_are_malformed_are_none(fields: dict[str, str]) -> None:
    assert metadata.parse_metadata(fields).digest is None


def test_of_a_part_only_what_is_said_of_the_whole_counts() -> None:
    """RFC 9530: Content-Digest is of the bytes in this answer, Repr-Digest of the whole file. So is RFC 1864's."""
    of_the_part = {"Content-MD5": _encoded("md5"), "Content-Digest": f"sha-256=:{_encoded('sha256')}:"}
    found = metadata.parse_range_metadata({**of_the_part, "Content-Length": "7", "ETag": '"1"'}, 5000)
    assert (found.length, found.digest, found.validator) == (5000, None, '"1"')
    found = metadata.parse_range_metadata({**of_the_part, "Repr-Digest": f"sha-512=:{_encoded('sha512')}:"}, 5000)
    assert found.digest is not None
    assert found.digest.algorithm == "sha512"


# --- anything ---

_PIECES = (
    "attachment", ";", "filename", "filename*", "=", '"', "'", "UTF-8''", "iso-8859-1''", "%2e", "%2F", "%5c", "%00",
    "..", "/", "\\", "\0", "\r\n", "bytes ", "-", "*", ",", "sha-256=:", ":", "W/", "GMT", "Tue, 24 Nov 2026",
    " 03:00:00 ", "+2359", "AAAA", "9" * 20, "7", "chunked", "\ud800", "\u202e", "\xe4", "~", ".sha256", "con",
    "x" * 300, "=?UTF-8?Q?", "=?utf-16?b?", "?=", "=2F", "_", "+", "%2b", "utf-7''", "zip''", "punycode''",
)  # fmt: skip
_FIELDS = (
    "Content-Length", "Content-Range", "Content-Disposition", "Content-MD5", "Content-Digest", "Repr-Digest", "ETag",
    "Last-Modified", "Date", "Transfer-Encoding",
)  # fmt: skip
_VALUES = st.one_of(st.lists(st.sampled_from(_PIECES), max_size=9).map("".join), st.text(max_size=20))
_HEADERS = st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=4)
_DIRECTORY = pathlib.Path("/srv/restore")


def check_anything(fields: t.Mapping[str, str]) -> None:
    """Whatever is in the fields: no exception, and nothing but what a file can have."""
    for claims in (metadata.parse_metadata(fields), metadata.parse_range_metadata(fields, None)):
        check_claims(claims)
    found = metadata.content_range(fields)
    assert found is None or (0 <= found.start <= found.end and (found.total is None or found.end < found.total))
    total = metadata.unsatisfied_total(fields)
    assert total is None or total >= 0
    for validator in ('"1"', date(NOON)):
        metadata.same_validator(fields, validator)


def check_claims(claims: metadata.ContentMetadata) -> None:
    assert claims.length is None or 0 <= claims.length < 2**63
    assert claims.validator is None or 2 <= len(claims.validator) <= 256
    assert claims.digest is None or dataclasses.is_dataclass(claims.digest)
    safe = filenames.safe_name(claims.name, f"{GUID}.bin")
    assert (_DIRECTORY / safe).parent == _DIRECTORY
    assert safe not in ("", ".", "..")
    assert not set(safe) & set("/\\\0\r\n")
    assert len(os.fsencode(safe)) <= 255


@pytest.mark.fault("A13")
@given(_HEADERS)
@example({"Content-Disposition": 'attachment; filename="' + "\\" * 999})
@example({"Content-Disposition": "attachment; filename*=UTF-8''%2e%2e%2fetc%2fpasswd"})
def test_no_header_fields_can_break_it(fields: dict[str, str]) -> None:
    check_anything(fields)


@pytest.mark.long
def test_no_header_fields_can_break_it_in_a_hundred_thousand() -> None:
    chance = random.Random(1)
    for _number in range(100_000):
        check_anything({name: "".join(chance.choices(_PIECES, k=chance.randrange(12))) for name in _FIELDS})


@pytest.mark.parametrize("flood", ["a", "a-", "a=:", "a =", "a=:a"])
def test_no_field_keeps_us_busy(flood: str) -> None:
    """64 KiB are what a field may have; they took 18 seconds."""
    started = time.process_time()
    metadata.digest({"Repr-Digest": flood * (65_536 // len(flood))}, "Repr-Digest")
    assert time.process_time() - started < 5
