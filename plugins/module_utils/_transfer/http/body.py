# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the response with a file: check that it is one at all, then read its bytes.

Trust as little as possible: the versions of the HTTP libraries differ in what they notice, so bytes are counted and
compared here, and an answer must prove that it is no login page or error.
"""

from __future__ import annotations

import re
import socket
import sys
import typing as t

from ... import _deadline, _markup
from ..._errors import StorwareError
from ..formats import detect
from ..limits import TransferInterrupted, TransferLimits
from . import metadata as fields
from .metadata import ContentMetadata

REQUEST_HEADERS: t.Final = {"Accept": "*/*", "Accept-Encoding": "identity"}

_ENOUGH: t.Final = 512  # bytes; what shows a format, a web page or JSON
_EXCERPT: t.Final = 120  # characters of a body that are shown,
_DOUBTFUL: t.Final = 128  # and of its head that never are, if it goes on
_LONGEST_FILL: t.Final = 0.5  # seconds; what a slow server sends is handed over now and then
_GRACE: t.Final = 2.0  # seconds that reading may take longer than the first of its bytes


class Response(t.Protocol):
    """An answer with its body unread. ``requests.Response`` fits, opened with ``stream=True``."""

    @property
    def status_code(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> t.Mapping[str, str]:
        """Header fields; names in any case."""

    @property
    def raw(self) -> t.Any:
        """The undecoded body, as urllib3 gives it: ``read`` takes a size and ``decode_content``."""

    def close(self) -> None:
        """Give the connection back."""


# Takes header fields, and the instant of the monotonic clock by which the answer must have begun (None: any time).
# Returns the answer with any 2xx or 416, whatever it holds; raises StorwareError for all else.
Redact = t.Callable[[str], str]
Opener = t.Callable[[t.Mapping[str, str], t.Optional[float]], Response]


class UnexpectedContent(StorwareError):
    """The answer is no file. The message is the rest of a sentence that starts with who answered.

    status: the HTTP status.
    """

    code = "unexpected_content"

    def __init__(self, message: str, *, status: int | None = None, hint: str = "", **facts: t.Any) -> None:
        super().__init__(message, hint=hint, **facts)
        self.status = status


class BodyReader:
    """Reads the body of one response; its first bytes are at hand.

    length: how many there shall be, None if the end of the answer is the only sign. count: how many have come.
    """

    def __init__(self, response: Response, length: int | None, limits: TransferLimits) -> None:
        limits.restart()
        self.length = length
        self.count = 0
        self._response = response
        self._limits = limits
        self._receive = _receiver(response)
        self._connection = _deadline.connection_of(response)
        self._socket_timeout = self._connection.gettimeout() if self._connection else None
        self._failure: StorwareError | None = None
        self._ended = False
        self._ahead = b""
        self.head = self._ahead = self.read(_ENOUGH)  # enough to judge by; empty for an empty file

    def __enter__(self) -> BodyReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    def abort(self) -> None:
        """End the transfer from another thread, also while it waits for bytes."""
        if self._connection:
            _deadline.shut_down(self._connection)

    def read(self, size: int) -> bytes:
        """Read size bytes, fewer only at the end. Raises as ``fill``."""
        data = bytearray(size)
        got = 0
        with memoryview(data) as view:
            while got < size and (more := self.fill(view[got:])):
                got += more
        return bytes(data[:got])

    def fill(self, view: memoryview) -> int:
        """Put the next bytes there and return how many; 0 at the end.

        Raises TransferInterrupted where the body breaks off, ends too early or is too slow, and StorwareError
        (``timeout``); the bytes that came until then were handed over before.
        """
        ready = min(len(self._ahead), len(view))
        if ready:
            view[:ready] = self._ahead[:ready]
            self._ahead = self._ahead[ready:]
            return ready
        filled = self._receive_into(view)
        if not filled and self._failure:
            raise self._failure
        return filled

    def _receive_into(self, view: memoryview) -> int:
        """What comes until the view is full or it has taken long; what goes wrong is raised by the next call."""
        size = len(view) if self.length is None else min(len(view), self.length - self.count)
        filled = 0
        clock, receive = self._limits.clock, self._receive
        started = clock()
        until = started + _LONGEST_FILL
        if self._failure or self._ended:
            return 0
        try:
            self._set_read_timeout()
            # What stands between chunks may drip for ever, and none of it is content.
            with _deadline.limit(min(self._limits.read_timeout + _GRACE, self._limits.remaining)):
                _deadline.watch(self._connection)
                # As little as possible in here: over TLS each round brings no more than 16 KiB.
                while filled < size:
                    got = receive(view[filled:size])
                    filled += got
                    self.count += got
                    if not got:
                        self._ended = True
                        break
                    if clock() >= until:
                        break
            self._limits.record(filled, clock() - started)
        except _read_errors() as error:
            self._failure = self._broken(error, clock() - started)
        except StorwareError as error:
            self._failure = error
        if self._ended and self.length is not None and self.count < self.length and not self._failure:
            self._failure = self._interruption("the connection was closed early")
        if not self._failure and (self._ended if self.length is None else self.count == self.length):
            _release(self._response)
        return filled

    def _set_read_timeout(self) -> None:
        if self._connection:
            longest = self._limits.read_timeout
            if self._socket_timeout is None or longest < self._socket_timeout:
                self._connection.settimeout(longest)

    def _broken(self, error: BaseException, seconds: float) -> StorwareError:
        if isinstance(error, (socket.timeout, _deadline.Expired)):
            try:
                self._limits.check()
            except StorwareError as passed:
                return passed
            return self._interruption(f"nothing came for {seconds:.0f} seconds")
        return self._interruption(_reason(error))

    def _interruption(self, why: str) -> TransferInterrupted:
        of = "" if self.length is None else f" of {self.length}"
        return TransferInterrupted(
            f"the transfer broke off after {self.count}{of} bytes ({why})",
            details={"bytes_received": self.count, "expected": self.length},
            retryable=True,
        )


def parse_response(
    response: Response, limits: TransferLimits, redact: Redact, *, may_be_empty: bool = False
) -> tuple[BodyReader, ContentMetadata]:
    """The whole file in this answer. Raises UnexpectedContent, or TransferInterrupted at its first bytes.

    The caller closes the answer when this raises. redact: takes secrets out of what is shown. may_be_empty: whether a
    file of 0 bytes is one.
    """
    status = response.status_code
    if status != 200:
        raise UnexpectedContent(f"answered {status} where a file comes with 200", status=status)
    check_coding(response, redact)
    check_framing(response, redact)
    check_extent(response)
    metadata = fields.parse_metadata(response.headers)
    source = BodyReader(response, metadata.length, limits)
    check_content(response, source, redact)
    # A server whose file is not ready answers just so.
    if not source.head and not (may_be_empty and metadata.length == 0):
        raise UnexpectedContent(f"answered {status} without any content", status=status)
    return source, metadata


def check_coding(response: Response, redact: Redact) -> None:
    """Raise UnexpectedContent for a body that would have to be decoded."""
    coding = response.headers.get("Content-Encoding", "")
    if not {word.strip() for word in coding.lower().split(",")} <= _NO_CODINGS:
        message = f"answered with the content coding {_show(coding, redact)}, which was not asked for"
        raise UnexpectedContent(message, status=response.status_code)


def check_framing(response: Response, redact: Redact) -> None:
    """Raise UnexpectedContent for a body whose end is ambiguous.

    Transfer codings but "chunked" alone are not understood by http.client, which then takes their framing for content.
    A length that is none, or several that differ, leave no right way to read the body (RFC 9112 6.3).
    """
    headers, status = response.headers, response.status_code
    coding = fields.transfer_coding(headers)
    if coding not in ("", "chunked"):
        raise UnexpectedContent(
            f"answered with the transfer coding {_show(coding, redact)}, which is not understood", status=status
        )
    length = headers.get("Content-Length", "").strip()
    if length and not coding and fields.body_length(headers) is None:
        raise UnexpectedContent(
            f"answered with the length {_show(length, redact)}, which does not say where the content ends",
            status=status,
        )


def check_extent(response: Response) -> None:
    """Raise UnexpectedContent for a 200 that says itself to be a part only."""
    found = fields.content_range(response.headers)
    if not found:
        return
    size = found.end + 1
    if found.start > 0 or found.total not in (None, size) or fields.body_length(response.headers) not in (None, size):
        message = f"answered 200, as with a whole file, but with bytes {found.start} to {found.end} of it"
        raise UnexpectedContent(message, status=response.status_code)


def check_content(response: Response, source: BodyReader, redact: Redact) -> None:
    """Raise UnexpectedContent for an answer whose beginning is that of a web page or JSON."""
    # Known first bytes decide: the vendor's page prints JSON as the media type of an address that may send a file.
    if detect(source.head) is not None:
        return
    content_type = response.headers.get("Content-Type", "").strip()
    kind = _MEDIA_TYPES.get(content_type.partition(";")[0].strip().lower()) or _kind_of_text(source.head)
    if kind:
        shown = _show(content_type, redact) if content_type else "no media type"
        text = _show(_text(source.head, redact), redact)
        raise UnexpectedContent(f"answered with {kind} ({shown}): {text}", status=response.status_code)


def _receiver(response: Response) -> t.Callable[[memoryview], int]:
    """What puts the bytes of one read into a buffer: without copying, where the HTTP library lets one."""
    body = getattr(response.raw, "_fp", None)
    if isinstance(body, _loaded("http.client", "HTTPResponse")) and not body.chunked and hasattr(body.fp, "readinto1"):
        into: t.Callable[[memoryview], int] = body.fp.readinto1
        return into
    # One that returns what is there; a read of so many bytes would wait until all have come.
    read1 = body.read1 if isinstance(body, _loaded("http.client", "HTTPResponse")) else None

    def copy(view: memoryview) -> int:
        data = read1(len(view)) if read1 else response.raw.read(len(view), decode_content=False)
        view[: len(data)] = data
        return len(data)

    return copy


def _release(response: Response) -> None:
    """Give the connection of a body that is read to the next request: its library does not know that it is."""
    body = getattr(response.raw, "_fp", None)
    if isinstance(body, _loaded("http.client", "HTTPResponse")):
        body.close()  # leaves the connection open, unless this was the last answer on it
        response.raw.release_conn()


# No content coding (IANA's list of them), but words for the bytes as they are that servers write there.
_NO_CODINGS: t.Final = {"", "identity", "none", "binary", "7bit", "8bit", "utf-8", "utf8", "us-ascii", "iso-8859-1"}
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
    start = head.lstrip(b"\xef\xbb\xbf")
    if _WEB_PAGE.match(start):
        return "a web page"
    return "JSON" if _JSON.match(start) else None


def _text(data: bytes, redact: Redact) -> str:
    # Secrets first: what is cut or cleaned is not recognised any more. One that begins where the head ends is not
    # recognised either.
    text = redact(data.decode("utf-8", "replace"))
    text = text[:-_DOUBTFUL] if len(data) >= _ENOUGH else text
    return _markup.without_markup(text)


def _show(text: str, redact: Redact) -> str:
    clean = " ".join("".join(c if c.isprintable() else " " for c in redact(text)).split())
    return (clean if len(clean) <= _EXCERPT else clean[:_EXCERPT] + "...") or "nothing readable"


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # The libraries' own texts name objects and addresses; the class says what happened.
    return type(error).__name__


def _read_errors() -> tuple[type[BaseException], ...]:
    """Return the errors that reading a body may end with."""
    of_libraries = (*_loaded("urllib3.exceptions", "HTTPError"), *_loaded("http.client", "HTTPException"))
    # ValueError: http.client takes the size of a chunk as it comes, also a negative one.
    return (*of_libraries, OSError, ValueError, _deadline.Expired)


def _loaded(module: str, name: str) -> tuple[type[t.Any], ...]:
    """Return a class of a module that has been imported: files of other hosts come without the HTTP libraries."""
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if found else ()
