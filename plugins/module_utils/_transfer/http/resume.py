# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rest of a file: how it is asked for, and whether an answer really is the rest of the same file.

With a strong validator the server is told to send the rest of that very file only (If-Range, RFC 9110 13.1.5). Since a
server may ignore this, and may have no validator, each answer also begins with bytes that are already there, which
must be the same; and what it says of the whole must agree with what was said before. A status is believed only as far
as nothing else in the answer contradicts it: otherwise the whole is asked for, without a Range.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from ..._errors import StorwareError
from ..limits import Pace, TransferInterrupted
from . import metadata as fields
from .body import (
    REQUEST_HEADERS,
    NotAFile,
    Opener,
    Response,
    Scrub,
    Source,
    check_coding,
    check_extent,
    check_framing,
    judge,
)
from .metadata import Claims

OVERLAP: t.Final = 1024 * 1024  # bytes that are asked for again


class NotTheRest(TransferInterrupted):
    """The answer cannot be put behind what is there: all has to be fetched anew. The message says why."""


@dataclass(frozen=True)
class Rest:
    """What to ask for, behind the offset bytes that are there of content with these claims.

    end: where to stop; None for all. overlap: how many bytes are asked for again, as far as there are so many.
    """

    offset: int
    claims: Claims
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
        if self.claims.validator is not None:
            headers["If-Range"] = self.claims.validator
        return headers

    def ask(self, opener: Opener, deadline: float | None) -> Response:
        """The answer. Raises as the opener, and NotTheRest for one that is no HTTP that can be understood."""
        try:
            return opener(self.request(), deadline)
        except StorwareError as error:
            if error.code != "invalid_response":
                raise
            raise NotTheRest(error.message, retryable=True) from error


@dataclass(frozen=True)
class Answer:
    """What a source holds: the whole file, or the rest of it. source None: nothing is left to be sent."""

    source: Source | None
    claims: Claims
    is_whole: bool = False


def judge_rest(response: Response, rest: Rest, pace: Pace, scrub: Scrub) -> Answer:
    """What this answer to ``Rest.request`` is. Raises NotTheRest, NotAFile, TransferInterrupted.

    The caller closes the answer when this raises.
    """
    if response.status_code == 200:
        return _whole(response, rest, pace, scrub)
    if response.status_code == 206:
        claims, size = claims_of_rest(response, rest, scrub)
        return Answer(Source(response, size, pace), claims)
    if response.status_code == 416:
        total = fields.unsatisfied_total(response.headers)
        if total == rest.offset and rest.claims.length in (None, total):
            return Answer(None, _with_length(rest.claims, total))
    raise refusal(response, rest)


def _whole(response: Response, rest: Rest, pace: Pace, scrub: Scrub) -> Answer:
    """A 200 where a rest was asked for: the whole, unless it contradicts what is known. Raises as ``judge_rest``."""
    with _no_rest():
        check_framing(response, scrub)
        check_extent(response)
    source, claims = judge(response, pace, scrub)
    _check_validator(response, rest)
    known = rest.claims
    if None not in (known.length, claims.length) and known.length != claims.length:
        raise NotTheRest(f"the server sends {claims.length} bytes as the whole file, which had {known.length}")
    is_same = known.validator is not None and claims.validator == known.validator
    return Answer(source, _with_length(claims, known.length if is_same else None), is_whole=True)


def refusal(response: Response, rest: Rest) -> StorwareError:
    """The error for an answer that is no rest."""
    if response.status_code == 200:
        return NotTheRest("the server sends the whole file where a part was asked for")
    if response.status_code == 416:
        return NotTheRest(f"the server has no bytes from {rest.start} on")
    status = response.status_code
    return NotAFile(f"answered {status} where the rest of a file comes with 206", status=status)


def claims_of_rest(response: Response, rest: Rest, scrub: Scrub) -> tuple[Claims, int]:
    """What a 206 says of the whole file, and how many bytes it holds, after checking that it is the part asked for.

    Raises NotTheRest.
    """
    headers, known = response.headers, rest.claims
    with _no_rest():
        check_coding(response, scrub)
        check_framing(response, scrub)
    found = fields.content_range(headers)
    if found is None:
        raise NotTheRest("the server does not say which bytes it sends (no good Content-Range)")
    if found.start != rest.start or (rest.end is not None and found.end >= rest.end):
        raise NotTheRest(f"the server sends bytes {found.start} to {found.end}, which is not what was asked for")
    size = found.end - found.start + 1
    if fields.body_length(headers) not in (None, size):
        raise NotTheRest("the server contradicts itself about how many bytes it sends")
    if known.length is not None and found.total not in (None, known.length):
        raise NotTheRest(f"the file on the server has {found.total} bytes now, and had {known.length}")
    if found.total is None and known.length is not None and found.end >= known.length:
        raise NotTheRest(f"the server sends bytes behind the {known.length} that the file has")
    if found.total is None and known.length is None:
        raise NotTheRest("the server does not say how long the file is")
    if known.validator is None and None in (found.total, known.length):
        raise NotTheRest("nothing shows that the file on the server is still the same one")
    _check_validator(response, rest)
    return _with_length(known, found.total), size


@contextlib.contextmanager
def _no_rest() -> t.Iterator[None]:
    """What is no file is no rest, either."""
    try:
        yield
    except NotAFile as error:
        raise NotTheRest(error.message) from error


def _check_validator(response: Response, rest: Rest) -> None:
    known = rest.claims.validator
    if known is not None and not fields.same_validator(response.headers, known):
        raise NotTheRest("the file on the server is another one now")


def check_beginning(source: Source, there: bytes) -> None:
    """Raise NotTheRest if a whole file does not begin with the bytes that are there; nothing is read."""
    if source.head[: len(there)] != there:
        raise NotTheRest("the server sends other bytes than before")


def check_overlap(source: Source, there: bytes) -> None:
    """Read as many bytes as are there already, and raise NotTheRest if they are others."""
    if source.read(len(there)) != there:
        raise NotTheRest("the server sends other bytes than before")


def _with_length(claims: Claims, length: int | None) -> Claims:
    return Claims(claims.length if length is None else length, claims.name, claims.digest, claims.validator)
