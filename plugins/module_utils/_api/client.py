# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One session with the server: log in, call, retry what is safe, log out.

The only place that sends anything to the API, with its own policy for every request instead of library defaults.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
import traceback
import typing as t
import urllib.parse
from dataclasses import dataclass

from .._errors import StorwareError
from .._options import Connection
from . import failures, wire
from .failures import ApiError

try:
    import requests
    import requests.adapters
    import requests.cookies
    import requests.utils
    import urllib3

    REQUESTS_IMPORT_ERROR: str | None = None
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()

SAFE_METHODS: t.Final = ("GET", "DELETE")  # a DELETE sent twice ends in the same state
RETRIED_STATUSES: t.Final = (408, 425, 429, 500, 502, 503, 504)
FIRST_PAUSE: t.Final = 1.0  # seconds; doubled for each try
LONGEST_PAUSE: t.Final = 30.0
LOGOUT_TIMEOUT: t.Final = 5.0
MAX_BODY: t.Final = 256 * 1024 * 1024  # bytes of JSON; a list of 100,000 records has about a third of it
_PIECE: t.Final = 64 * 1024
_EMPTY: t.Final = (204, 304)  # these have no body and announce none


@dataclass(frozen=True)
class Answer:
    """A successful answer. body is None when there was none: presence of a body tells more than the status."""

    status: int
    body: wire.Json
    total: int | None = None  # X-Total-Count


class Client:
    """A session with one server, opened by the first call and closed by ``close`` or the end of the ``with`` block.

    on_secret is told each session cookie before it is used, so that it can be masked.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        on_secret: t.Callable[[str], None] = lambda secret: None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._on_secret = on_secret
        self._sleep = sleep
        self._http = requests.Session()
        self._http.trust_env = False  # no netrc, no CA bundle or proxy of the environment behind our back
        self._has_session = False
        self._owns_session = False  # whoever opened a session closes it
        if not connection.validate_certs:
            urllib3.disable_warnings()  # the user is warned once, by the module

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out if this client logged in; never fails, never takes longer than LOGOUT_TIMEOUT."""
        if self._owns_session:
            self._owns_session = False
            # The server ends the session by itself some time; the result of the task matters more.
            with contextlib.suppress(StorwareError):
                self._send(self._attempt("log out", "POST", "/session/logout"), timeout=LOGOUT_TIMEOUT).close()
        self._http.close()

    def get(self, path: str, query: wire.Query, doing: str) -> Answer:
        """Read. doing completes the sentence "Cannot ..." in errors."""
        return self._answer("GET", path, doing, query=query)

    def post(self, path: str, body: wire.Json, doing: str) -> Answer:
        """Create. Sent once: a lost answer raises ApiError with code ``answer_lost``."""
        return self._answer("POST", path, doing, body=body)

    def put(self, path: str, body: wire.Json, doing: str) -> Answer:
        """Change. Sent once, as POST."""
        return self._answer("PUT", path, doing, body=body)

    def delete(self, path: str, doing: str) -> Answer:
        """Delete."""
        return self._answer("DELETE", path, doing)

    def open(
        self, path: str, headers: t.Mapping[str, str], doing: str, deadline: float | None = None
    ) -> requests.Response:
        """The answer to a GET with its body unread: any 2xx, or 416 to a Range. The caller closes it.

        deadline: the instant of ``time.monotonic()`` by which it must have begun.
        """
        return self._call("GET", path, doing, headers=headers, accept=(416,), deadline=deadline)

    def _answer(
        self, method: str, path: str, doing: str, *, query: wire.Query | None = None, body: wire.Json = None
    ) -> Answer:
        headers = {"Accept": "application/json"}
        for retry in range(self._connection.retries + 1):
            with self._call(method, path, doing, query=query, body=body, headers=headers) as response:
                try:
                    return _decode(response, self._attempt(doing, method, path))
                except ApiError as error:
                    # A body that breaks off is a lost answer; what follows is the same as for a lost header.
                    if error.code != "answer_lost" or method not in SAFE_METHODS or retry == self._connection.retries:
                        raise
            self._pause(retry, None)
        raise AssertionError("unreachable")

    def _call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        query: wire.Query | None = None,
        body: wire.Json = None,
        headers: t.Mapping[str, str] | None = None,
        accept: t.Collection[int] = (),
        deadline: float | None = None,
    ) -> requests.Response:
        """The successful answer to one call, with a session opened when needed and with the retries its verb allows."""
        attempt = self._attempt(doing, method, path)
        may_log_in_again = True
        retry = 0
        while True:
            try:
                self._ensure_session()
                response = self._send(attempt, query=query, body=body, headers=headers)
            except ApiError as error:
                if retry >= self._connection.retries or not _may_repeat(error, method):
                    raise
                self._pause(retry, None)
                retry += 1
                continue
            if response.status_code == 401 and may_log_in_again and self._can_log_in():
                # 401 means that nothing was done, so that any verb may be sent again (API guide: log in and repeat).
                may_log_in_again = False
                response.close()
                self._forget_session()
                continue
            if response.status_code in RETRIED_STATUSES and method in SAFE_METHODS and retry < self._connection.retries:
                self._pause(retry, response)
                response.close()
                retry += 1
                continue
            if 200 <= response.status_code < 300 or response.status_code in accept:
                return response
            with response:
                raise failures.from_status(response, attempt, _excerpt_of(response, attempt))

    def _ensure_session(self) -> None:
        if self._has_session:
            return
        connection = self._connection
        if connection.session:
            self._adopt(connection.session)
        elif connection.token:
            self._log_in("/session/login-with-token", wire.token_body(connection.token))
        else:
            self._log_in("/session/login", wire.login_body(connection.username or "", connection.password or ""))
        self._has_session = True

    def _log_in(self, path: str, body: wire.Json) -> None:
        attempt = self._attempt("log in", "POST", path)
        for retry in range(self._connection.retries + 1):
            response = self._send(attempt, body=body)
            with response:
                # A server that is starting is asked again; wrong credentials never are, they could lock the account.
                if response.status_code in (429, 502, 503, 504) and retry < self._connection.retries:
                    self._pause(retry, response)
                    continue
                if not 200 <= response.status_code < 300:
                    raise failures.from_login_status(response, attempt, _excerpt_of(response, attempt))
            break
        if not len(self._http.cookies):
            raise failures.no_session_cookie(response, attempt)
        self._owns_session = True

    def _adopt(self, session: str) -> None:
        name, _separator, value = session.partition("=")
        domain = _cookie_domain(self._connection.url)
        cookie = requests.cookies.create_cookie(name, value, domain=domain, path="/")  # type: ignore[no-untyped-call]
        self._http.cookies.set_cookie(cookie)

    def _can_log_in(self) -> bool:
        return bool(self._connection.password or self._connection.token)

    def _forget_session(self) -> None:
        self._has_session = self._owns_session = False
        self._http.cookies.clear()

    def _tell_secrets(self) -> None:
        for cookie in self._http.cookies:
            if cookie.value:
                self._on_secret(cookie.value)

    def _attempt(self, doing: str, method: str, path: str) -> failures.Attempt:
        return failures.Attempt(doing, method, path, self._connection.url)

    def _send(
        self,
        attempt: failures.Attempt,
        *,
        query: wire.Query | None = None,
        body: wire.Json = None,
        headers: t.Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> requests.Response:
        """Send once. Every policy is given with the request, where the environment cannot override it."""
        connection = self._connection
        url = connection.url + attempt.path
        verify: bool | str = (connection.ca_path or True) if connection.validate_certs else False
        cert: tuple[str, str] | str | None = connection.client_cert
        if connection.client_cert and connection.client_key:
            cert = (connection.client_cert, connection.client_key)
        seconds = timeout or connection.timeout
        try:
            response = self._http.request(
                attempt.method,
                url,
                params=query or None,
                # Not the json argument: it would send no body at all for an empty object.
                data=None if body is None else json.dumps(body),
                headers={
                    "User-Agent": "ansible-collection-storware.backup",
                    **({} if body is None else {"Content-Type": "application/json"}),
                    **(headers or {}),
                },
                stream=True,
                allow_redirects=False,
                timeout=(seconds, seconds),
                verify=verify,
                cert=cert,
                proxies=requests.utils.get_environ_proxies(url) if connection.use_proxy else {},
            )
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # urllib3's own errors slip through older requests (two lengths in one header). OSError: a CA or
            # certificate file that cannot be read is reported before anything is sent.
            raise failures.from_exception(error, attempt) from error
        self._tell_secrets()
        return response

    def _pause(self, retry: int, response: requests.Response | None) -> None:
        """Wait before the next try: full jitter, and at least what the server asks for, within bounds."""
        ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2**retry)
        asked = failures.retry_after(response) if response is not None else 0.0
        self._sleep(max(random.uniform(0, ceiling), min(asked, LONGEST_PAUSE)))


def _cookie_domain(url: str) -> str:
    """The domain under which the cookie jar files this host; names without a dot get ``.local`` there (RFC 2965)."""
    host = re.sub(r":\d+$", "", urllib.parse.urlsplit(url).netloc).lower()
    return host if "." in host else host + ".local"


def _may_repeat(error: ApiError, method: str) -> bool:
    if error.code in ("unreachable", "timeout_connect"):
        return True  # nothing was sent
    return error.code == "answer_lost" and method in SAFE_METHODS


def _decode(response: requests.Response, attempt: failures.Attempt) -> Answer:
    data = _read(response, attempt, MAX_BODY)
    if len(data) > MAX_BODY:
        raise failures.bad_answer(attempt, f"it is larger than {MAX_BODY} bytes", response)
    if not data.strip():
        return Answer(response.status_code, None, _total(response))
    try:
        # json.loads finds the encoding by itself; NaN and Infinity are no JSON.
        body = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise failures.bad_answer(attempt, "it is no JSON", response, failures.excerpt(data)) from error
    return Answer(response.status_code, body, _total(response))


def _read(response: requests.Response, attempt: failures.Attempt, limit: int) -> bytes:
    """Up to a little more than limit bytes of the body. Raises ``answer_lost`` when it breaks off."""
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in response.iter_content(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                return b"".join(pieces)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise failures.answer_lost(attempt, type(error).__name__) from error
    # Older urllib3 does not notice a body shorter than announced.
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and response.raw.tell() < int(announced):
        raise failures.answer_lost(attempt, "the answer broke off")
    # http.client takes headers that break off for all of them.
    if not pieces and not announced and response.status_code not in _EMPTY and not response.raw.chunked:
        raise failures.answer_lost(attempt, "the answer broke off in its headers")
    return b"".join(pieces)


def _excerpt_of(response: requests.Response, attempt: failures.Attempt) -> bytes:
    """The start of an error's body; an error is worth telling even when its body cannot be read."""
    try:
        return _read(response, attempt, _PIECE)
    except ApiError:
        return b""


def _refuse_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is no JSON")


def _total(response: requests.Response) -> int | None:
    value = response.headers.get("X-Total-Count", "").strip()
    return int(value) if value.isdigit() and len(value) < 12 else None
