# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Honest servers and what can be wrong with them, in pieces that are put together: a file, an answer, the wire.

A ``Resource`` answers a request as RFC 9110 wants it; a change makes the answer wrong; a wire brings it into bytes.
``serve(resource, wire, change)`` is the reply for a script server.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import typing as t
from dataclasses import dataclass

from tests.faults.script_server import HangUp, Pause, Request, Script, Sliced, Step, head, in_chunks

DATE: t.Final = "Wed, 25 Nov 2026 10:00:00 GMT"
LONG_AGO: t.Final = "Wed, 25 Nov 2026 08:00:00 GMT"  # more than a minute before DATE: a strong validator
JUST_NOW: t.Final = "Wed, 25 Nov 2026 09:59:59 GMT"


@dataclass(frozen=True)
class Answer:
    """An answer before it is brought into bytes, without fields about its length."""

    status: str
    fields: tuple[str, ...]
    body: bytes

    @property
    def is_part(self) -> bool:
        """Whether it is 206."""
        return self.status.startswith("206")

    def without(self, *names: str) -> Answer:
        """The same without these fields."""
        prefixes = tuple(f"{name.lower()}:" for name in names)
        return dataclasses.replace(self, fields=tuple(f for f in self.fields if not f.lower().startswith(prefixes)))

    def saying(self, *fields: str) -> Answer:
        """The same with these fields, instead of others with their names."""
        fewer = self.without(*(one.partition(":")[0] for one in fields))
        return fewer.adding(*fields)

    def adding(self, *fields: str) -> Answer:
        """The same with these fields, too."""
        return dataclasses.replace(self, fields=(*self.fields, *fields))

    def with_body(self, body: bytes) -> Answer:
        """The same with other bytes."""
        return dataclasses.replace(self, body=body)


Wire = t.Callable[[Answer], Script]
Change = t.Callable[[Answer], Answer]


@dataclass(frozen=True)
class Resource:
    """A file on a server. modified: Last-Modified. ranges, if_range: whether these are understood."""

    body: bytes
    etag: str | None = '"1"'
    modified: str | None = None
    fields: tuple[str, ...] = ()
    media_type: str = "application/zip"
    ranges: bool = True
    if_range: bool = True

    def answer(self, request: Request) -> Answer:
        """As RFC 9110 wants it."""
        fields = [f"Content-Type: {self.media_type}", f"Date: {DATE}", *self.fields]
        fields += [f"ETag: {self.etag}"] if self.etag else []
        fields += [f"Last-Modified: {self.modified}"] if self.modified else []
        fields += ["Accept-Ranges: bytes"] if self.ranges else []
        size = len(self.body)
        if not self.ranges or request.range is None or not self._is_this(request.field("If-Range")):
            return Answer("200 OK", tuple(fields), self.body)
        first, last = request.range
        if first >= size:
            return Answer("416 Range Not Satisfiable", (f"Content-Range: bytes */{size}",), b"")
        last = size - 1 if last is None else min(last, size - 1)
        part = (*fields, f"Content-Range: bytes {first}-{last}/{size}")
        return Answer("206 Partial Content", part, self.body[first : last + 1])

    def _is_this(self, condition: str | None) -> bool:
        return condition is None or not self.if_range or condition in (self.etag, self.modified)


def serve(
    resource: Resource, wire: Wire | None = None, change: Change = lambda answer: answer
) -> t.Callable[[Request], Script]:
    """The reply of a server that has this file; whole and right but for what is given."""
    bring = wire or whole
    return lambda request: bring(change(resource.answer(request)))


# --- wires ---


def _head(answer: Answer, *fields: str, version: str = "HTTP/1.1") -> bytes:
    return head(*answer.fields, *fields, status=answer.status, version=version)


def _start(body: bytes, at: float) -> bytes:
    return body[: int(at * len(body)) if 0 < at < 1 else int(at)]


def whole(answer: Answer) -> Script:
    """With its length."""
    return [_head(answer, f"Content-Length: {len(answer.body)}"), answer.body]


def announcing(length: object, *more: str) -> Wire:
    """The whole body, and any words as its length."""
    return lambda answer: [_head(answer, f"Content-Length: {length}", *more), answer.body]


def broken(at: float, *steps: Step) -> Wire:
    """With its length, but only so many bytes of it, and then these steps.

    at: negative counts from the end, and below one it is that part of all.
    """

    def wire(answer: Answer) -> Script:
        length = f"Content-Length: {len(answer.body)}"
        return [_head(answer, length), _start(answer.body, at), *(steps or (HangUp(),))]

    return wire


def in_head(count: int, *steps: Step) -> Wire:
    """Only so many bytes of the head; then these steps."""
    return lambda answer: [_head(answer)[:count], *(steps or (HangUp(),))]


def closing(at: float | None = None, *steps: Step, version: str = "HTTP/1.1") -> Wire:
    """Without a length: the end of the connection is the end of the body. at: as ``broken``."""

    def wire(answer: Answer) -> Script:
        body = answer.body if at is None else _start(answer.body, at)
        return [_head(answer, "Connection: close", version=version), body, *steps]

    return wire


def in_pieces(
    end: bytes = b"0\r\n\r\n", *, share: float = 1.0, drop: int = 0, size: int = 50_000, more: tuple[str, ...] = ()
) -> Wire:
    """Chunked, with this end. share: of the body, in whole chunks. drop: so many bytes of them are left out."""

    def wire(answer: Answer) -> Script:
        chunks = in_chunks(answer.body[: int(share * len(answer.body))], size)
        fields = ("Transfer-Encoding: chunked", *more)
        return [_head(answer, *fields), chunks[: len(chunks) - drop] + end, *(() if end else (HangUp(),))]

    return wire


def after(*steps: Step, wire: Wire = whole) -> Wire:
    """These steps first."""
    return lambda answer: [*steps, *wire(answer)]


def silent(at: float) -> Wire:
    """So much of it, and then nothing, with the connection open."""
    return broken(at, Pause(60))


def dripping(at: float) -> Wire:
    """So much of it, and then a byte now and then."""

    def wire(answer: Answer) -> Script:
        start = _start(answer.body, at)
        return [*broken(at, b"")(answer), Sliced(answer.body[len(start) : len(start) + 1000], 1, 0.05)]

    return wire


# --- changes ---


def part(*fields: str, drop: bool = False) -> Change:
    """Only in a 206: these fields, instead of others with their names; drop: no Content-Range."""

    def change(answer: Answer) -> Answer:
        if not answer.is_part:
            return answer
        return answer.without("Content-Range") if drop else answer.saying(*fields)

    return change


def saying(*fields: str) -> Change:
    """These fields, instead of others with their names."""
    return lambda answer: answer.saying(*fields)


def coded(coding: str, encode: t.Callable[[bytes], bytes] = lambda body: body) -> Change:
    """A content coding nobody asked for."""
    return lambda answer: answer.saying(f"Content-Encoding: {coding}").with_body(encode(answer.body))


def shortened(at: float) -> Change:
    """Only this part of the body, as if it were all of it."""
    return lambda answer: answer.with_body(_start(answer.body, at))


def flipped(at: float) -> Change:
    """One bit of the body is another one."""

    def change(answer: Answer) -> Answer:
        body = bytearray(answer.body)
        body[int(at * len(body))] ^= 0x10
        return answer.with_body(bytes(body))

    return change


def digest(algorithm: str, body: bytes) -> str:
    """In base64, as header fields hold it."""
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()
