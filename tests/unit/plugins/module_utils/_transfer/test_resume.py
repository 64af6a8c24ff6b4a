# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an answer is the rest of the same file: what does not fit in every respect is refused."""

from __future__ import annotations

import types
import typing as t

import pytest
import requests

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import resume
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.body import Response, UnexpectedContent
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.metadata import ContentMetadata
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.resume import (
    RangeMismatch,
    RangeRequest,
    RangeResponse,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import (
    LimitSettings,
    TransferInterrupted,
    TransferLimits,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum
from tests.faults.script_server import Script, head, reply, scripted
from tests.unit.plugins.module_utils._transfer.material import noise

BODY = noise(5000)
DIGEST = Checksum("sha256", "0" * 64)
TAG, DATE = '"1"', "Wed, 25 Nov 2026 08:00:00 GMT"
STRONG = ContentMetadata(5000, "a.bin", DIGEST, TAG)
DATED = ContentMetadata(5000, None, None, DATE)
LENGTH = ContentMetadata(5000, None, None, None)
TAG_ONLY = ContentMetadata(None, None, None, TAG)
NOTHING = ContentMetadata(None, None, None, None)


# --- the question ---


@pytest.mark.parametrize(
    ("rest", "fields"),
    [
        (RangeRequest(3000, STRONG), {"Range": "bytes=0-", "If-Range": TAG}),
        (RangeRequest(2**20 + 5, STRONG), {"Range": "bytes=5-", "If-Range": TAG}),
        (RangeRequest(5 * 2**20, DATED), {"Range": f"bytes={4 * 2**20}-", "If-Range": DATE}),
        (RangeRequest(5 * 2**20, LENGTH), {"Range": f"bytes={4 * 2**20}-"}),
        (RangeRequest(100, STRONG, 200, overlap=0), {"Range": "bytes=100-199", "If-Range": TAG}),
        (RangeRequest(100, STRONG, 100, overlap=30), {"Range": "bytes=70-99", "If-Range": TAG}),
        (RangeRequest(0, NOTHING, 512), {"Range": "bytes=0-511"}),
    ],
)
def test_what_is_asked_for(rest: RangeRequest, fields: dict[str, str]) -> None:
    assert rest.request() == {"Accept": "*/*", "Accept-Encoding": "identity", **fields}


# --- the answer ---


def part(*, drop: str = "", **changes: str) -> Response:
    """A good 206 for the bytes from 900 on of what STRONG says, but for what is given."""
    fields = {"Content-Range": "bytes 900-4999/5000", "Content-Length": "4100", "ETag": TAG}
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    fields.pop(drop, None)
    return t.cast("Response", types.SimpleNamespace(status_code=206, headers=fields))


def taken(
    response: Response, metadata: ContentMetadata = STRONG, *, end: int | None = None
) -> tuple[ContentMetadata, int]:
    return resume.parse_part_headers(response, RangeRequest(metadata=metadata, end=end, offset=1000, overlap=100), str)


@pytest.mark.parametrize(
    ("response", "metadata"),
    [
        (part(), STRONG),
        (part(drop="ETag"), STRONG),  # nothing is contradicted
        (part(drop="Content-Length"), STRONG),
        (part(Content_Range="bytes 900-4999/*"), STRONG),
        (part(drop="ETag", Last_Modified=DATE), DATED),
        (part(ETag='"another"', Last_Modified=DATE), DATED),
        (part(ETag='"another"'), LENGTH),
        (part(ETag='W/"weak"'), LENGTH),
        (part(), TAG_ONLY),
        (part(Content_Encoding="identity"), STRONG),
        (part(Content_Length="4100, 4100"), STRONG),
        (part(Content_Length="7", Transfer_Encoding="chunked"), STRONG),
    ],
)
def test_the_rest_of_the_same_file_is_taken(response: Response, metadata: ContentMetadata) -> None:
    found, size = taken(response, metadata)
    assert size == 4100
    # What is known stays, and a length that was not known is known now.
    assert found == ContentMetadata(5000, metadata.name, metadata.digest, metadata.validator)


def test_less_than_all_the_rest_is_taken_as_far_as_it_goes() -> None:
    assert taken(part(Content_Range="bytes 900-999/5000", Content_Length="100"))[1] == 100
    assert taken(part(Content_Range="bytes 900-1999/5000", Content_Length="1100"), end=2000)[1] == 1100


@pytest.mark.parametrize(
    ("response", "metadata", "words"),
    [
        (part(drop="Content-Range"), STRONG, "no good Content-Range"),
        (part(Content_Range="bytes 900-4999"), STRONG, "no good Content-Range"),
        (part(Content_Range="bytes 4999-900/5000"), STRONG, "no good Content-Range"),
        (part(Content_Range="bytes */5000"), STRONG, "no good Content-Range"),
        (part(Content_Range="bytes 899-4999/5000"), STRONG, "bytes 899 to 4999, which is not what was asked for"),
        (part(Content_Range="bytes 901-4999/5000"), STRONG, "not what was asked for"),
        (part(Content_Range="bytes 0-4999/5000"), STRONG, "not what was asked for"),
        (part(Content_Range="bytes 1000-4999/5000"), STRONG, "not what was asked for"),
        (part(Content_Length="4099"), STRONG, "contradicts itself"),
        (part(Content_Length="5000"), STRONG, "contradicts itself"),
        (part(Content_Length="4100, 5000"), STRONG, "the length 4100, 5000"),
        (part(Content_Length="nonsense"), STRONG, "the length nonsense"),
        (part(Transfer_Encoding="gzip, chunked"), STRONG, "the transfer coding gzip, chunked"),
        (part(Content_Range="bytes 900-4999/5001"), STRONG, "has 5001 bytes now, and had 5000"),
        (part(Content_Range="bytes 900-5000/5001", Content_Length="4101"), LENGTH, "has 5001 bytes now"),
        (part(Content_Range="bytes 900-4999/*"), TAG_ONLY, "does not say how long"),
        (part(), NOTHING, "still the same one"),
        (part(Content_Range="bytes 900-4999/*"), LENGTH, "still the same one"),
        (part(ETag='"2"'), STRONG, "another one now"),
        (part(ETag='W/"1"'), STRONG, "another one now"),
        (part(ETag='"2"'), TAG_ONLY, "another one now"),
        (part(Last_Modified="Wed, 25 Nov 2026 08:00:01 GMT"), DATED, "another one now"),
        (part(Content_Encoding="gzip"), STRONG, "content coding gzip"),
    ],
)
def test_what_does_not_fit_is_refused(response: Response, metadata: ContentMetadata, words: str) -> None:
    with pytest.raises(RangeMismatch) as caught:
        taken(response, metadata)
    assert words in caught.value.message
    assert caught.value.code == "transfer_interrupted"


def test_more_than_was_asked_for_is_refused() -> None:
    with pytest.raises(RangeMismatch, match="not what was asked for"):
        taken(part(Content_Range="bytes 900-2000/5000", Content_Length="1101"), end=2000)


# --- over sockets ---


def judged(
    script: Script, metadata: ContentMetadata = STRONG, *, there: bytes = b"", offset: int = 1000
) -> tuple[RangeResponse, bytes]:
    """What an answer is, and what it brings behind the bytes that are there already."""
    with scripted(script) as server, requests.Session() as session:
        session.trust_env = False
        response = session.get(server.url(), stream=True, timeout=5)
        answer = resume.parse_range_response(
            response, RangeRequest(offset, metadata, overlap=100), TransferLimits(LimitSettings()), str
        )
        if answer.source is None:
            return answer, b""
        with answer.source:
            resume.check_overlap(answer.source, there)
            return answer, answer.source.read(10_000)


def rest_of(body: bytes, start: int, *fields: str, status: str = "206 Partial Content") -> Script:
    return reply(
        body[start:],
        f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}",
        f"ETag: {TAG}",
        *fields,
        status=status,
    )


def test_the_rest_begins_with_what_is_there() -> None:
    answer, received = judged(rest_of(BODY, 900), there=BODY[900:1000])
    assert (received, answer.is_whole, answer.metadata) == (BODY[1000:], False, STRONG)


@pytest.mark.parametrize("place", [900, 950, 999])
def test_one_other_byte_where_both_have_some_shows_another_file(place: int) -> None:
    there = bytearray(BODY)
    there[place] ^= 1
    with pytest.raises(RangeMismatch, match="other bytes than before"):
        judged(rest_of(BODY, 900), there=bytes(there[900:1000]))


def test_an_overlap_that_is_cut_is_no_match_and_a_broken_one_is_an_interruption() -> None:
    whole = rest_of(BODY[:950], 900)
    with pytest.raises(RangeMismatch, match="other bytes than before"):
        judged(whole, ContentMetadata(950, None, None, TAG), there=BODY[900:1000])
    with pytest.raises(TransferInterrupted) as caught:
        judged([rest_of(BODY, 900)[0], BODY[900:950]], there=BODY[900:1000])
    assert not isinstance(caught.value, RangeMismatch)


@pytest.mark.parametrize("fields", [(f"ETag: {TAG}",), (f"ETag: {TAG}", "Content-Range: bytes 0-4999/5000"), ()])
def test_the_whole_file_instead_of_its_rest_is_taken_as_such(fields: tuple[str, ...]) -> None:
    answer, received = judged(reply(BODY, *fields), there=b"")
    assert (answer.is_whole, received) == (True, BODY)
    assert answer.metadata == ContentMetadata(5000, None, None, TAG if fields else None)


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"", b"{}"])
def test_what_is_no_file_instead_of_its_rest_is_refused(body: bytes) -> None:
    with pytest.raises(UnexpectedContent):
        judged(reply(body))


@pytest.mark.parametrize(
    ("metadata", "value", "offset", "is_done"),
    [
        (STRONG, "bytes */5000", 5000, True),
        (TAG_ONLY, "bytes */5000", 5000, True),
        (STRONG, "bytes */5000", 4999, False),
        (STRONG, "bytes */4000", 4000, False),
        (STRONG, "bytes */*", 5000, False),
        (STRONG, "", 5000, False),
    ],
)
def test_where_nothing_is_left_the_server_may_say_so(
    metadata: ContentMetadata, value: str, offset: int, is_done: bool
) -> None:
    script = [head(f"Content-Range: {value}", "Content-Length: 0", status="416 Range Not Satisfiable")]
    if is_done:
        answer, _received = judged(script, metadata, offset=offset)
        assert (answer.source, answer.metadata.length) == (None, 5000)
    else:
        with pytest.raises(RangeMismatch, match=f"has no bytes from {offset - 100} on"):
            judged(script, metadata, offset=offset)


@pytest.mark.parametrize("status", ["204 No Content", "202 Accepted", "205 Reset Content"])
def test_another_status_is_no_file(status: str) -> None:
    with pytest.raises(UnexpectedContent) as caught:
        judged([head("Content-Length: 0", status=status)])
    assert caught.value.status == int(status[:3])
    assert "206" in caught.value.message


def test_the_whole_is_refused_where_only_a_part_is_of_use() -> None:
    """By one of several connections."""
    whole = t.cast("Response", types.SimpleNamespace(status_code=200, headers={}))
    error: StorwareError = resume.range_error(whole, RangeRequest(0, STRONG))
    assert isinstance(error, RangeMismatch)
    assert "the whole file" in error.message
