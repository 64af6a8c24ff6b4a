# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of a server, judged: is it a file at all, what does it say about itself, and then its bytes.

Trust as little as possible: the versions of the HTTP libraries differ in what they notice, so bytes are counted and
compared here, and an answer must prove that it is no login page or error.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from .._errors import StorwareError
from .verify import Checksum, detect

try:
    from urllib3.exceptions import HTTPError
except ImportError:  # without the library there is no answer either
    HTTPError = OSError  # type: ignore[assignment,misc]


PIECE: t.Final = 1024 * 1024  # bytes; the best of what was measured for reading and hashing
REQUEST_HEADERS: t.Final = {"Accept": "*/*", "Accept-Encoding": "identity"}

_ENOUGH: t.Final = 512  # bytes; what shows a format, a web page or JSON
_CLOSED: t.Final = "the connection was closed early"
_EXCERPT: t.Final = 120  # characters of a body that are shown
_LARGEST: t.Final = 2**63 - 1  # what a file can hold


class Raw(t.Protocol):
    """The undecoded body, as urllib3 gives it."""

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """Up to amt bytes; none at the end."""


class Response(t.Protocol):
    """An answer with its body unread. ``requests.Response`` fits, opened with ``stream=True``."""

    @property
    def status_code(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> t.Mapping[str, str]:
        """Header fields; names in any case."""

    @property
    def raw(self) -> Raw:
        """The body."""

    def close(self) -> None:
        """Give the connection back."""


# Takes header fields, and the instant of the monotonic clock by which the answer must have begun (None: any time).
# Returns the answer with any 2xx or 416, whatever it holds; raises StorwareError for all else.
Opener = t.Callable[[t.Mapping[str, str], t.Optional[float]], Response]


class NotAFile(StorwareError):
    """The answer is no file. The message is the rest of a sentence that starts with who answered."""

    code = "not_a_file"


class TransferInterrupted(StorwareError):
    """The body broke off. Trying again may help."""

    code = "transfer_interrupted"


@dataclass(frozen=True)
class Claims:
    """What the server says about the file. None: nothing, or nothing usable.

    etag and last_modified: as sent, for asking for the rest of the same file.
    """

    length: int | None
    name: str | None
    digest: Checksum | None
    etag: str | None
    last_modified: str | None


class Source:
    """The bytes of one file, with the first ones at hand. ``count`` is the number of bytes handed over so far."""

    def __init__(self, response: Response, claims: Claims) -> None:
        self._response = response
        self.claims = claims
        self.count = 0
        self.head = self._first()  # enough to judge by; empty for an empty file

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    def pieces(self) -> t.Iterator[bytes]:
        """All bytes, from the first. Raises TransferInterrupted when there are fewer (or more) than announced."""
        piece = self.head
        while piece:
            self.count += len(piece)
            yield piece
            piece = self._read()
        length = self.claims.length
        if length is not None and self.count != length:
            raise self._interrupted(self.count, _CLOSED)

    def _first(self) -> bytes:
        head = piece = self._read()
        while piece and len(head) < _ENOUGH:
            piece = self._read()
            head += piece
        length = self.claims.length
        if length is not None and len(head) < min(length, _ENOUGH):
            raise self._interrupted(len(head), _CLOSED)
        return head

    def _read(self) -> bytes:
        try:
            return self._response.raw.read(PIECE, decode_content=False)
        # ValueError: http.client takes the size of a chunk as it comes, also a negative one.
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise self._interrupted(self.count, _reason(error)) from error

    def _interrupted(self, received: int, why: str) -> TransferInterrupted:
        length = self.claims.length
        of = "" if length is None else f" of {length}"
        return TransferInterrupted(
            f"the transfer broke off after {received}{of} bytes ({why})",
            details={"received": received, "expected": length},
        )


def judge(response: Response) -> Source:
    """The file in this answer to a request without Range. Raises NotAFile, or TransferInterrupted at its first bytes.

    The caller closes the answer when this raises.
    """
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status_code != 200:
        raise NotAFile(f"answered {response.status_code} where a file comes with 200")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise NotAFile(f"answered with the content coding {_shown(coding)}, which was not asked for")
    source = Source(response, claims(response.headers))
    # Known first bytes decide: the vendor's page prints JSON as the media type of an address that may send a file.
    if detect(source.head) is not None:
        return source
    kind = _MEDIA_TYPES.get(media_type) or _kind_of_text(source.head)
    if kind:
        raise NotAFile(f"answered with {kind} ({media_type or 'no media type'}): {_shown(_text(source.head))}")
    if not source.head and not (source.claims.length == 0 and source.claims.name):
        # A server whose file is not ready answers just so; an empty file has at least a name.
        raise NotAFile(f"answered {response.status_code} without any content")
    return source


def claims(headers: t.Mapping[str, str]) -> Claims:
    """What the header fields say, each only if it is well-formed."""
    return Claims(
        length=_length(headers),
        name=file_name(headers.get("Content-Disposition", "")),
        digest=_digest(headers),
        etag=headers.get("ETag"),
        last_modified=headers.get("Last-Modified"),
    )


def file_name(disposition: str) -> str | None:
    """The file name in a Content-Disposition field, as sent: it may be hostile (RFC 6266, RFC 8187)."""
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(disposition)}
    extended = _EXTENDED.fullmatch(parameters.get("filename*", "").strip())
    if extended:
        try:
            return urllib.parse.unquote(extended.group(2), encoding=extended.group(1), errors="strict")
        except (LookupError, UnicodeDecodeError):
            pass  # unusable; there may be a plain one
    plain = parameters.get("filename")
    if plain is None:
        return None
    plain = plain.strip()
    if plain.startswith('"'):
        plain = re.sub(r"\\(.)", r"\1", plain[1:].removesuffix('"'))
    try:
        # Header fields come as Latin-1, and servers write UTF-8 into them.
        return plain.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return plain


_PARAMETER: t.Final = re.compile(r";\s*([\w!#$&+.^`|~*-]+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;]*)")
_EXTENDED: t.Final = re.compile(r"(?i)(utf-8|iso-8859-1)'[^']*'(.*)")


def _length(headers: t.Mapping[str, str]) -> int | None:
    if headers.get("Transfer-Encoding"):
        return None  # RFC 9112 6.3: it overrides Content-Length
    value = headers.get("Content-Length", "").strip()
    if not re.fullmatch(r"[0-9]{1,19}", value, re.ASCII) or int(value) > _LARGEST:
        return None
    return int(value)


_DIGEST: t.Final = re.compile(r"([a-z0-9-]+)\s*=\s*:([A-Za-z0-9+/=]*):")


def _digest(headers: t.Mapping[str, str]) -> Checksum | None:
    """One digest of the file: SHA-256 first, because it is computed anyway."""
    found = {"md5": headers.get("Content-MD5", "").strip()}
    # RFC 9530; for a whole file without coding both fields are about the same bytes.
    for field in ("Content-Digest", "Repr-Digest"):
        found.update(_DIGEST.findall(headers.get(field, "")))
    for name, algorithm, size in (("sha-256", "sha256", 32), ("sha-512", "sha512", 64), ("md5", "md5", 16)):
        digest = _from_base64(found.get(name, ""))
        if len(digest) == size:
            return Checksum(algorithm, digest.hex())
    return None


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


_MEDIA_TYPES: t.Final = {
    "text/html": "a web page",
    "application/xhtml+xml": "a web page",
    "application/json": "JSON",
    "application/problem+json": "JSON",
}
_WEB_PAGE: t.Final = re.compile(rb"\s*<(!doctype|html|head|body|script|meta|\?xml|!--)", re.IGNORECASE)
# Not every brace is JSON: rich text starts with one, too.
_JSON: t.Final = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[\]{\"])")


def _kind_of_text(head: bytes) -> str | None:
    start = head[:_ENOUGH].lstrip(b"\xef\xbb\xbf")
    if _WEB_PAGE.match(start):
        return "a web page"
    return "JSON" if _JSON.match(start) else None


def _text(data: bytes) -> str:
    text = data[: _EXCERPT * 20].decode("utf-8", "replace")
    return re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>", " ", text)


def _shown(text: str) -> str:
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return (clean if len(clean) <= _EXCERPT else clean[:_EXCERPT] + "...") or "nothing readable"


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # The libraries' own texts name objects and addresses; the class says what happened.
    return type(error).__name__
