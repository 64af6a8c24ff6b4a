# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request, one answer: the only place that sends anything to the API, and never twice.

With its own policy for every request instead of what libraries and the environment would do.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import re
import time
import traceback
import typing as t
import urllib.parse
import zlib
from dataclasses import dataclass

from .. import _deadline
from .._argspec import Connection, is_cookie
from . import decoding, errors, names, payloads, proxies
from .errors import ApiError, Attempt

try:
    import requests
    import requests.cookies
    import requests.utils
    import urllib3

    from .http import Session

    # urllib3's own errors slip through older requests (two lengths in one header). OSError: a certificate file that
    # cannot be read is reported before anything is sent. ValueError: credentials of a proxy that no header can carry.
    _FAULTS: t.Final = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
    REQUESTS_IMPORT_ERROR: str | None = None
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()

MAX_BODY: t.Final = 32 * 1024 * 1024  # bytes of JSON, on the line and unpacked; a page of 500 records has half a MiB
MAX_TIME: t.Final = 20  # time-outs that a whole answer may take, where the call has no deadline
# Characters of all cookies; they go back in one header field, for which servers have 8 KiB. To find a secret in every
# form costs memory of five thousand times its length.
MAX_COOKIES: t.Final = 8192
_NEVER_A_BODY: t.Final = (*range(100, 200), 204, 304)  # RFC 9112 6.3
_PIECE: t.Final = 64 * 1024
_PACKED: t.Final = re.compile(r"gzip|deflate|compress|\b(br|dcb|dcz|zstd)\b")  # the content codings of IANA's list


@dataclass(frozen=True)
class JsonResponse:
    """A successful response. body is None if there was none: its presence says more than the status."""

    status: int
    body: decoding.Json
    total: int | None = None  # X-Total-Count
    size: int = 0  # bytes of the body, unpacked,
    values: int = 0  # and an upper bound of the values in it


@dataclass(frozen=True)
class Observation:
    """A response as it is, whatever its status. kind of its body: empty, json, html or other."""

    method: str
    path: str
    status: int
    headers: t.Mapping[str, str]
    kind: str
    body: decoding.Json = None
    total: int | None = None  # X-Total-Count


class Transport:
    """Connections to one server and its cookies. on_secret is called with each cookie before it is used."""

    def __init__(self, connection: Connection, on_secret: t.Callable[[str], None]) -> None:
        self._connection = connection
        self._on_secret = on_secret
        self._known: set[str] = set()
        self._http = Session()
        self._proxies: dict[str, str] | None = None  # for all requests, because they go to one server
        if not connection.validate_certs:
            urllib3.disable_warnings()  # the user is warned once, by the module

    def close(self) -> None:
        """Close the connections that are idle; a body that is being read is left alone."""
        self._http.close()

    @property
    def cookies(self) -> str:
        """The cookies that the server gets, as ``NAME=VALUE; NAME=VALUE``: not those that do not fit url."""
        request = requests.Request("GET", self._connection.url + names.CLOUD_DOWNLOADS).prepare()
        header = requests.cookies.get_cookie_header(self._http.cookies, request)  # type: ignore[no-untyped-call]
        return str(header or "")

    @cookies.setter
    def cookies(self, cookies: str) -> None:
        self._http.cookies.clear()
        domain = _cookie_domain(self._connection.url)
        for pair in filter(None, cookies.split("; ")):
            name, _separator, value = pair.partition("=")
            cookie = requests.cookies.create_cookie(name, value, domain=domain, path="/")  # type: ignore[no-untyped-call]
            self._http.cookies.set_cookie(cookie)

    @property
    def cookie_flags(self) -> dict[str, list[str]]:
        """The attributes that protect each cookie, by its name; a session that was passed in has none."""
        return {
            cookie.name: [
                flag
                for flag, is_set in (
                    ("Secure", cookie.secure),
                    *((flag, _has_attribute(cookie, flag)) for flag in ("HttpOnly", "SameSite")),
                )
                if is_set
            ]
            for cookie in self._http.cookies
        }

    def send(
        self,
        attempt: Attempt,
        *,
        query: payloads.Query | None = None,
        body: decoding.Json = None,
        headers: t.Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> requests.Response:
        """Send once; the answer's body is not read yet. Raises ApiError when there is no answer."""
        connection = self._connection
        url = connection.url + attempt.path
        cert: tuple[str, str] | str | None = connection.client_cert
        if connection.client_cert and connection.client_key:
            cert = (connection.client_cert, connection.client_key)
        if self._proxies is None:
            self._proxies = proxies.from_environment(url, attempt) if connection.use_proxy else {}
        if attempt.method not in errors.SAFE_METHODS:
            # The server may be closing an idle connection this moment: whether it read the request would be unknown.
            self.close()
        with self._in_time(attempt, deadline) as left:
            timeout = min(connection.timeout, left)
            response = self._http.request(
                attempt.method,
                url,
                params=query or None,
                # Not the json argument: it would send no body at all for an empty object.
                data=None if body is None else json.dumps(body),
                headers={
                    "User-Agent": "ansible-collection-storware.backup",
                    "Accept-Encoding": "gzip",  # not all that the library could unpack: it does so without a bound
                    **({} if body is None else {"Content-Type": "application/json"}),
                    **(headers or {}),
                },
                stream=True,
                allow_redirects=False,
                timeout=(timeout, timeout),
                verify=(connection.ca_path or True) if connection.validate_certs else False,
                cert=cert,
                proxies=self._proxies,
            )
        self._take_cookies()
        return response

    def decode(self, response: requests.Response, attempt: Attempt, deadline: float | None) -> JsonResponse:
        """The whole answer as JSON. Raises ApiError, ``response_lost`` when it breaks off."""
        data = self._read(response, attempt, MAX_BODY, deadline)
        if len(data) > MAX_BODY:
            raise errors.invalid_response(attempt, f"it is larger than {MAX_BODY} bytes", response)
        if not data or data.isspace():
            return JsonResponse(response.status_code, None, _count(response, names.TOTAL_COUNT))
        try:
            body = decoding.decode(data, attempt.redact)
        except OverflowError as error:
            raise errors.invalid_response(attempt, str(error), response) from error
        except (ValueError, RecursionError) as error:
            words = errors.excerpt(data, attempt.redact)
            raise errors.invalid_response(attempt, "it is no JSON", response, words) from error
        total = _count(response, names.TOTAL_COUNT)
        return JsonResponse(response.status_code, body, total, len(data), decoding.count_values(data))

    def observe(self, response: requests.Response, attempt: Attempt, deadline: float | None) -> Observation:
        """The whole answer, also one that is no success or no JSON. Raises ApiError when it breaks off."""
        data = self._read(response, attempt, MAX_BODY, deadline)
        kind, body = "empty", None
        if data and not data.isspace():
            try:
                kind, body = "json", decoding.decode(data, attempt.redact)
            except (ValueError, OverflowError, RecursionError):
                kind = "html" if data.lstrip().startswith(b"<") else "other"
        total = _count(response, names.TOTAL_COUNT)
        return Observation(attempt.method, attempt.path, response.status_code, response.headers, kind, body, total)

    def start_of_body(self, response: requests.Response, attempt: Attempt, deadline: float | None) -> bytes:
        """Return the beginning of the body of an error; empty if it cannot be read, which must not hide the error."""
        try:
            return self._read(response, attempt, _PIECE, deadline)
        except ApiError:
            return b""

    def _read(self, response: requests.Response, attempt: Attempt, limit: int, deadline: float | None) -> bytes:
        """The body, unpacked; a little more than limit bytes of one that is longer."""
        if response.status_code in _NEVER_A_BODY:
            # Whole when its headers are. Some servers send a body and its length all the same, and after 1xx another
            # answer comes: either would be the beginning of the next answer on this connection.
            response.close()
            return b""
        pieces: list[bytes] = []
        size = received = 0
        unpack = _unpacker(response, attempt)
        with self._in_time(attempt, deadline, reading=True):
            _deadline.watch(_deadline.connection_of(response))
            # Not iter_content: it unpacks all of a piece at once, into a thousand times its size, or a million times
            # where it was packed twice.
            while data := response.raw.read(_PIECE, decode_content=False):
                pieces.append(unpack(data, limit + 1 - size))
                size += len(pieces[-1])
                received += len(data)
                if max(size, received) > limit:
                    return b"".join(pieces)
        # Older urllib3 does not notice a body shorter than announced.
        announced = _count(response, "Content-Length")
        if announced is not None and response.raw.tell() < announced:
            raise errors.response_lost(attempt, "the answer broke off")
        # http.client takes headers that break off for all of them; the answer then looks whole and empty.
        is_framed = announced is not None or response.raw.chunked
        if not received and not is_framed:
            raise errors.response_lost(attempt, "the answer broke off in its headers")
        return b"".join(pieces)

    @contextlib.contextmanager
    def _in_time(self, attempt: Attempt, deadline: float | None, *, reading: bool = False) -> t.Iterator[float]:
        """The seconds that are left, and what goes wrong meanwhile as ApiError."""
        left = self._connection.timeout * MAX_TIME if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise errors.deadline_passed(attempt)
        try:
            with _deadline.limit(left):
                yield left
        except (*_FAULTS, _deadline.Expired) as error:
            if deadline is not None and time.monotonic() >= deadline:
                raise errors.deadline_passed(attempt, sent=True) from error
            if isinstance(error, _deadline.Expired):
                raise errors.response_lost(attempt, f"it took longer than {left:g} seconds") from error
            if reading:
                raise errors.response_lost(attempt, type(error).__name__) from error
            raise errors.from_exception(error, attempt) from error

    def _take_cookies(self) -> None:
        """Mask those that are new, and forget those that are none: they would travel on, in variables and headers."""
        if sum(len(cookie.name) + len(cookie.value or "") for cookie in self._http.cookies) > MAX_COOKIES:
            self._http.cookies.clear()
        for cookie in self._http.cookies:
            if cookie.value and cookie.value not in self._known:
                self._known.add(cookie.value)
                self._on_secret(cookie.value)
                self._on_secret(f"{cookie.name}={cookie.value}")
        unfit = [cookie for cookie in self._http.cookies if not is_cookie(f"{cookie.name}={cookie.value}")]
        for cookie in unfit:
            self._http.cookies.clear(cookie.domain, cookie.path, cookie.name)


def _unpacker(response: requests.Response, attempt: Attempt) -> t.Callable[[bytes, int], bytes]:
    """What turns the next bytes of the body into no more than so many (at least 1) of its text. Raises ApiError."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if not _PACKED.search(coding):
        return lambda data, _most: data  # some servers give the encoding of the text there, such as UTF-8
    if coding not in ("gzip", "x-gzip"):
        raise errors.invalid_response(attempt, "it has a content coding that was not asked for", response)
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def unpack(data: bytes, most: int) -> bytes:
        try:
            return b"" if unpacker.eof else unpacker.decompress(data, most)
        except zlib.error as error:
            raise errors.invalid_response(attempt, "it is not packed with gzip, as it says", response) from error

    return unpack


def _has_attribute(cookie: http.cookiejar.Cookie, name: str) -> bool:
    """Return whether a cookie has an attribute that the jar keeps as the server spells it."""
    return any(cookie.has_nonstandard_attr(spelling) for spelling in (name, name.lower(), name.upper()))


def _cookie_domain(url: str) -> str:
    """The domain under which the cookie jar files this host; names without a dot get ``.local`` there (RFC 2965)."""
    host = re.sub(r":\d+$", "", urllib.parse.urlsplit(url).netloc).lower()
    return host if "." in host else host + ".local"


def _count(response: requests.Response, header: str) -> int | None:
    value = response.headers.get(header, "").strip()
    # Not isdigit, which is true of digits that int() does not take.
    return int(value) if re.fullmatch("[0-9]{1,18}", value) else None
