# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rest of a file: how it is asked for, and whether an answer really is the rest of the same file.

With a strong validator the server is asked to send the rest of that very file only (If-Range, RFC 9110 13.1.5). Since a
server may ignore this, and may have no validator, each answer also begins with bytes that are already there, which
must be the same; and what it says of the whole must agree with what was said before. A status is believed only as far
as nothing else in the answer contradicts it: otherwise the whole is asked for, without a Range.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from ..._errors import StorwareError
from ..limits import TransferInterrupted, TransferLimits
from . import metadata as fields
from .body import (
    REQUEST_HEADERS,
    BodyReader,
    Opener,
    Redact,
    Response,
    UnexpectedContent,
    check_coding,
    check_extent,
    check_framing,
    parse_response,
)
from .metadata import ContentMetadata

OVERLAP: t.Final = 1024 * 1024  # bytes that are asked for again


class RangeMismatch(TransferInterrupted):
    """The response does not continue the bytes that are there: all is fetched again. The message says why."""


@dataclass(frozen=True)
class RangeRequest:
    """A request for the bytes behind offset, of content with this metadata.

    end: where to stop; None for all. overlap: bytes that are requested again, as far as there are as many.
    """

    offset: int
    metadata: ContentMetadata
    end: int | None = None
    overlap: int = OVERLAP

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        return max(0, self.offset - self.overlap)

    def request(self) -> dict[str, str]:
        """The header fields."""
        end = "" if self.end is None else str(self.end - 1)
        headers = {**REQUEST_HEADERS, "Range": f"bytes={self.start}-{end}"}
        if self.metadata.validator is not None:
            headers["If-Range"] = self.metadata.validator
        return headers

    def ask(self, opener: Opener, deadline: float | None) -> Response:
        """The answer. Raises as the opener, and RangeMismatch for one that is no HTTP that can be understood."""
        try:
            return opener(self.request(), deadline)
        except StorwareError as error:
            if error.code != "invalid_response":
                raise
            raise RangeMismatch(error.message, retryable=True) from error


@dataclass(frozen=True)
class RangeResponse:
    """A body: the whole file, or the rest of it. source: None when nothing is left to be sent."""

    source: BodyReader | None
    metadata: ContentMetadata
    is_whole: bool = False


def parse_range_response(
    response: Response, rest: RangeRequest, limits: TransferLimits, redact: Redact
) -> RangeResponse:
    """Check and read the response to ``RangeRequest.request``.

    Raises RangeMismatch, UnexpectedContent, TransferInterrupted; the caller closes the response then.
    """
    if response.status_code == 200:
        return _whole(response, rest, limits, redact)
    if response.status_code == 206:
        metadata, size = parse_part_headers(response, rest, redact)
        return RangeResponse(BodyReader(response, size, limits), metadata)
    if response.status_code == 416:
        total = fields.unsatisfied_total(response.headers)
        if total == rest.offset and rest.metadata.length in (None, total):
            return RangeResponse(None, _with_length(rest.metadata, total))
    raise range_error(response, rest)


def _whole(response: Response, rest: RangeRequest, limits: TransferLimits, redact: Redact) -> RangeResponse:
    """A 200 where a rest was asked for: the whole, unless it contradicts what is known."""
    with _as_mismatch():
        check_framing(response, redact)
        check_extent(response)
    source, metadata = parse_response(response, limits, redact)
    _check_validator(response, rest)
    known = rest.metadata
    if None not in (known.length, metadata.length) and known.length != metadata.length:
        raise RangeMismatch(f"the server sends {metadata.length} bytes as the whole file, which had {known.length}")
    is_same = known.validator is not None and metadata.validator == known.validator
    return RangeResponse(source, _with_length(metadata, known.length if is_same else None), is_whole=True)


def range_error(response: Response, rest: RangeRequest) -> StorwareError:
    """The error for an answer that is no rest."""
    if response.status_code == 200:
        return RangeMismatch("the server sends the whole file where a part was asked for")
    if response.status_code == 416:
        return RangeMismatch(f"the server has no bytes from {rest.start} on")
    status = response.status_code
    return UnexpectedContent(f"answered {status} where the rest of a file comes with 206", status=status)


def parse_part_headers(response: Response, rest: RangeRequest, redact: Redact) -> tuple[ContentMetadata, int]:
    """What a 206 says of the whole file, and how many bytes it holds, after checking that it is the part asked for.

    Raises RangeMismatch.
    """
    headers, known = response.headers, rest.metadata
    with _as_mismatch():
        check_coding(response, redact)
        check_framing(response, redact)
    found = fields.content_range(headers)
    if found is None:
        raise RangeMismatch("the server does not say which bytes it sends (no good Content-Range)")
    if found.start != rest.start or (rest.end is not None and found.end >= rest.end):
        raise RangeMismatch(f"the server sends bytes {found.start} to {found.end}, which is not what was asked for")
    size = found.end - found.start + 1
    if fields.body_length(headers) not in (None, size):
        raise RangeMismatch("the server contradicts itself about how many bytes it sends")
    if known.length is not None and found.total not in (None, known.length):
        raise RangeMismatch(f"the file on the server has {found.total} bytes now, and had {known.length}")
    if found.total is None and known.length is not None and found.end >= known.length:
        raise RangeMismatch(f"the server sends bytes behind the {known.length} that the file has")
    if found.total is None and known.length is None:
        raise RangeMismatch("the server does not say how long the file is")
    if known.validator is None and None in (found.total, known.length):
        raise RangeMismatch("nothing shows that the file on the server is still the same one")
    _check_validator(response, rest)
    return _with_length(known, found.total), size


@contextlib.contextmanager
def _as_mismatch() -> t.Iterator[None]:
    """Turn UnexpectedContent into RangeMismatch."""
    try:
        yield
    except UnexpectedContent as error:
        raise RangeMismatch(error.message) from error


def _check_validator(response: Response, rest: RangeRequest) -> None:
    known = rest.metadata.validator
    if known is not None and not fields.same_validator(response.headers, known):
        raise RangeMismatch("the file on the server is another one now")


def check_beginning(source: BodyReader, there: bytes) -> None:
    """Raise RangeMismatch if a whole file does not begin with the bytes that are there; nothing is read."""
    if source.head[: len(there)] != there:
        raise RangeMismatch("the server sends other bytes than before")


def check_overlap(source: BodyReader, there: bytes) -> None:
    """Read as many bytes as are there already, and raise NotTheRest if they are others."""
    if source.read(len(there)) != there:
        raise RangeMismatch("the server sends other bytes than before")


def _with_length(metadata: ContentMetadata, length: int | None) -> ContentMetadata:
    return ContentMetadata(
        metadata.length if length is None else length, metadata.name, metadata.digest, metadata.validator
    )
