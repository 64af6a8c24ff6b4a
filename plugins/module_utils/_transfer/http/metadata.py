# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What header fields say about a file, each only if it is well-formed. No I/O; anything may stand in them."""

from __future__ import annotations

import base64
import binascii
import email.utils
import re
import typing as t
from dataclasses import dataclass

from ..verification import Checksum
from .content_disposition import parse_file_name

Headers = t.Mapping[str, str]  # names in any case

_LARGEST: t.Final = 2**63 - 1  # what a file can hold
_LONGEST_VALIDATOR: t.Final = 256  # characters; it has to fit into a checkpoint
_SURELY_OLDER: t.Final = 60  # seconds (RFC 9110 8.8.2.2, and the number of RFC 7232 2.2.2)


@dataclass(frozen=True)
class ContentMetadata:
    """What the server says about the whole file. None: nothing, or nothing usable.

    length: in bytes. name: as sent, so it may be hostile. validator: a strong one, as If-Range wants it.
    """

    length: int | None
    name: str | None
    digest: Checksum | None
    validator: str | None


@dataclass(frozen=True)
class ContentRange:
    """Bytes start to end (included) of total, of which None stands for unknown."""

    start: int
    end: int
    total: int | None


def parse_metadata(headers: Headers) -> ContentMetadata:
    """What the answer with the whole file says about it."""
    return ContentMetadata(
        length=_length(headers),
        name=parse_file_name(headers.get("Content-Disposition", "")),
        digest=digest(headers, "Content-MD5", "Content-Digest", "Repr-Digest"),
        validator=_validator(headers),
    )


def parse_range_metadata(headers: Headers, total: int | None) -> ContentMetadata:
    """What an answer with a part of the file says about the whole: Content-Digest and its like are of the part."""
    return ContentMetadata(
        length=total,
        name=parse_file_name(headers.get("Content-Disposition", "")),
        digest=digest(headers, "Repr-Digest"),
        validator=_validator(headers),
    )


def same_validator(headers: Headers, validator: str) -> bool:
    """Whether the answer is about the content with this strong validator; one without any does not contradict it."""
    field = "ETag" if validator.startswith('"') else "Last-Modified"
    return headers.get(field, validator).strip() == validator


def content_range(headers: Headers) -> ContentRange | None:
    """Content-Range of a 206 (RFC 9110 14.4)."""
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if not match:
        return None
    start, end = int(match.group(1)), int(match.group(2))
    total = None if match.group(3) == "*" else int(match.group(3))
    if end < start or end >= _LARGEST or (total is not None and not end < total <= _LARGEST):
        return None
    return ContentRange(start, end, total)


def unsatisfied_total(headers: Headers) -> int | None:
    """The length in the Content-Range of a 416 (RFC 9110 15.5.17)."""
    match = re.fullmatch(r"(?i)bytes \*/([0-9]{1,19})", headers.get("Content-Range", "").strip(), re.ASCII)
    return int(match.group(1)) if match else None


def digest(headers: Headers, *fields: str) -> Checksum | None:
    """One digest out of these fields (RFC 1864, RFC 9530): SHA-256 first, because it is computed anyway."""
    found: dict[str, str] = {}
    for field in fields:
        value = headers.get(field, "")
        found.update({"md5": value.strip()} if field == "Content-MD5" else _DIGEST.findall(value))
    for name, algorithm, size in (("sha-256", "sha256", 32), ("sha-512", "sha512", 64), ("md5", "md5", 16)):
        value_of = _from_base64(found.get(name, ""))
        if len(value_of) == size:
            return Checksum(algorithm, value_of.hex())
    return None


def body_length(headers: Headers) -> int | None:
    """How long this answer's body says that it is."""
    return _length(headers)


_CONTENT_RANGE: t.Final = re.compile(r"(?ia:bytes) ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")
# From the beginning of a word only: a field of 64 KiB of letters would take minutes otherwise.
_DIGEST: t.Final = re.compile(r"(?<![a-z0-9-])([a-z0-9-]+)\s*=\s*:([A-Za-z0-9+/=]*):")
_STRONG_TAG: t.Final = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')  # RFC 9110 8.8.3


def transfer_coding(headers: Headers) -> str:
    """How the body is framed, in lower case; empty where nothing frames it ("identity" is of RFC 2616 4.4)."""
    coding = headers.get("Transfer-Encoding", "").lower()  # unstripped, as http.client looks at it
    return "" if coding == "identity" else coding


def _length(headers: Headers) -> int | None:
    if transfer_coding(headers):
        return None  # RFC 9112 6.3: it overrides Content-Length
    # Several fields that say the same are one (RFC 9110 8.6); libraries put commas between them.
    value, *others = {part.strip() for part in headers.get("Content-Length", "").split(",")}
    if others or not re.fullmatch(r"[0-9]{1,19}", value, re.ASCII) or int(value) > _LARGEST:
        return None
    return int(value)


def _validator(headers: Headers) -> str | None:
    """A strong entity tag or, without any tag, a date that is old enough to be strong (RFC 9110 8.8.2.2, 13.1.5)."""
    tag = headers.get("ETag", "").strip()
    if tag:
        return tag if _STRONG_TAG.fullmatch(tag) and len(tag) <= _LONGEST_VALIDATOR else None
    modified = headers.get("Last-Modified", "").strip()
    changed, sent = _seconds(modified), _seconds(headers.get("Date", ""))
    if changed is None or sent is None or sent - changed < _SURELY_OLDER or len(modified) > _LONGEST_VALIDATOR:
        return None
    return modified


def _seconds(date: str) -> float | None:
    try:
        parsed = email.utils.parsedate_to_datetime(date)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return None if parsed.tzinfo is None else parsed.timestamp()  # without a zone it is no HTTP date


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
