# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One session with the server: log in, call, retry what is safe, log out."""

from __future__ import annotations

import contextlib
import random
import time
import typing as t

from .._argspec import Connection
from .._profile import Profile
from . import decoding, errors, names, payloads, tls
from .errors import ApiError, Attempt
from .transport import MAX_TIME, JsonResponse, Observation, Transport

if t.TYPE_CHECKING:
    import requests

RETRIED_STATUSES: t.Final = (408, 425, 429, 500, 502, 503, 504)
# Of login and logout: a server that is starting is asked again. Wrong credentials never are, they could lock accounts.
SESSION_RETRIED_STATUSES: t.Final = (429, 502, 503, 504)
# A server that fails at a request that asks for nothing special says so with 500.
_NOT_OBSERVED: t.Final = frozenset({401, *RETRIED_STATUSES} - {500})
FIRST_PAUSE: t.Final = 1.0  # seconds; doubled for each try
LONGEST_PAUSE: t.Final = 30.0
LOGOUT_TIMEOUT: t.Final = 5.0
_LOGOUT: t.Final = ("log out", "POST", names.SESSION_LOGOUT)

T = t.TypeVar("T")


class Pending(t.NamedTuple):
    """A call without an answer yet. since: monotonic seconds. attempt: of attempts."""

    since: float
    attempt: int
    attempts: int


class Client:
    """A session with one server, opened by the first call and closed by ``close`` or the end of the ``with`` block.

    Every call may have a deadline: the instant of ``time.monotonic()`` at which it ends with the code ``timeout``.

    on_secret is called with each session cookie before it is used, so that it can be masked.
    redact removes secrets from what the server says.
    pending: the call that is made now, which other threads may read; None between calls.
    defer_signals keeps signals away for as long as a session could be opened that would not be closed.

    Raises OptionError for a certificate file that cannot be used.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        on_secret: t.Callable[[str], None] = lambda secret: None,
        redact: errors.Redact = str,
        defer_signals: t.Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        tls.check_files(connection)
        self._connection = connection
        self._redact = redact
        self._defer_signals = defer_signals
        self._sleep = sleep
        self.pending: Pending | None = None
        self._transport = Transport(connection, on_secret)
        self._has_session = bool(connection.session)
        if connection.session:
            self._transport.cookies = connection.session
        self._owns_session = False  # a session is closed by its opener
        self._doubtful = False  # just logged in, and no call has shown yet that this was of use
        self._refused: ApiError | None = None  # why no login is tried any more
        self.on_answer: t.Callable[[Observation], None] | None = None  # called with each answer that succeeds

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out if this client logged in; never fails, never takes longer than LOGOUT_TIMEOUT."""
        if self._owns_session:
            # The server ends the session by itself later; the result of the task matters more.
            with contextlib.suppress(Exception):
                self._once(self._attempt(*_LOGOUT), time.monotonic() + LOGOUT_TIMEOUT)
            self._forget_session()
        self._transport.close()

    @property
    def profile(self) -> Profile:
        """How the server answers."""
        return self._connection.profile

    @property
    def patience(self) -> float:
        """Seconds that a list of many pages may take: as long as a single answer without a deadline."""
        return self._connection.timeout * MAX_TIME

    def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
        """Read. doing completes the sentence "Cannot ..." in errors."""
        return self._answer("GET", path, doing, deadline, query=query)

    def post(self, path: str, body: decoding.Json, doing: str, deadline: float | None = None) -> JsonResponse:
        """Create. Sent once: a lost answer raises ApiError with code ``response_lost``."""
        return self._answer("POST", path, doing, deadline, body=body)

    def put(self, path: str, body: decoding.Json, doing: str, deadline: float | None = None) -> JsonResponse:
        """Change. Sent once, as POST."""
        return self._answer("PUT", path, doing, deadline, body=body)

    def delete(self, path: str, doing: str, deadline: float | None = None) -> JsonResponse:
        """Delete."""
        return self._answer("DELETE", path, doing, deadline)

    def observe(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> Observation:
        """Read, and take an error for an answer, too, unless it is about the session or the load of the server."""
        attempt = self._attempt(doing, "GET", path)

        def once() -> Observation:
            headers = {"Accept": "application/json"}
            with self._transport.send(attempt, query=query, headers=headers, deadline=deadline) as response:
                if response.status_code in _NOT_OBSERVED:
                    self._expect_success(response, attempt, deadline)
                return self._transport.observe(response, attempt, deadline)

        return self._with_session(attempt, once, deadline)

    def open(
        self, path: str, headers: t.Mapping[str, str], doing: str, deadline: float | None = None
    ) -> requests.Response:
        """The answer to a GET with its body unread: any 2xx, or 416 to a Range. The caller closes it.

        deadline: by which it must have begun.
        """
        attempt = self._attempt(doing, "GET", path)

        def begin() -> requests.Response:
            response = self._transport.send(attempt, headers=headers, deadline=deadline)
            self._expect_success(response, attempt, deadline, accept=(416,))
            return response

        return self._with_session(attempt, begin, deadline)

    @property
    def cookie_flags(self) -> dict[str, list[str]]:
        """The attributes that protect each cookie of the session, by its name."""
        return self._transport.cookie_flags

    # Sessions that outlive the client

    @property
    def session(self) -> str:
        """The cookies of the session, as the option ``session`` takes them; empty when there is none."""
        return self._transport.cookies if self._has_session else ""

    def log_in(self) -> decoding.Json:
        """Open a session with the credentials. Return the JSON of the answer, None if it has none.

        Raises ApiError. A success with a cookie is a login, whatever its body is.
        """
        answer = self._log_in(None)
        try:
            return decoding.decode(answer, self._redact)
        except (ValueError, OverflowError, RecursionError):
            return None

    def is_alive(self) -> bool:
        """Whether the server knows the session. Never logs in."""
        attempt = self._attempt("check the session", "GET", names.SESSION)
        try:
            self._persist(attempt, lambda: self._once(attempt, None), _may_repeat, None)
        except ApiError as error:
            if error.status != 401:
                raise
            self._forget_session()
            if not self._can_log_in():
                self._refused = error
        return self._has_session

    def log_out(self) -> bool:
        """End the session, also one that was passed in. Return whether it was open: one that has ended is no fault."""
        attempt = self._attempt(*_LOGOUT)
        was_open = True
        try:
            self._persist(attempt, lambda: self._once(attempt, None), _may_repeat_session, None)
        except ApiError as error:
            if error.status != 401:
                raise
            was_open = False
        self._forget_session()
        return was_open

    def close_connections(self) -> None:
        """Close the idle connections. The session stays open, and the next call opens another connection."""
        self._transport.close()

    def leave_open(self) -> None:
        """Leave the session open at the end: the caller closes it."""
        self._owns_session = False

    # How calls are made

    def _answer(self, method: str, path: str, doing: str, deadline: float | None, **content: t.Any) -> JsonResponse:
        attempt = self._attempt(doing, method, path)
        return self._with_session(attempt, lambda: self._once(attempt, deadline, **content), deadline)

    def _once(self, attempt: Attempt, deadline: float | None, **content: t.Any) -> JsonResponse:
        """One call, from the request to the last byte of a successful answer."""
        headers = {"Accept": "application/json"}
        with self._transport.send(attempt, headers=headers, deadline=deadline, **content) as response:
            self._expect_success(response, attempt, deadline)
            answer = self._transport.decode(response, attempt, deadline)
            if self.on_answer:
                kind = "empty" if answer.body is None else "json"
                parts = (answer.status, response.headers, kind, answer.body, answer.total)
                self.on_answer(Observation(attempt.method, attempt.path, *parts))
            return answer

    def _expect_success(
        self,
        response: requests.Response,
        attempt: Attempt,
        deadline: float | None,
        accept: t.Collection[int] = (),
    ) -> None:
        if 200 <= response.status_code < 300 or response.status_code in accept:
            return
        with response:
            raise errors.from_status(response, attempt, self._transport.start_of_body(response, attempt, deadline))

    def _with_session(self, attempt: Attempt, once: t.Callable[[], T], deadline: float | None) -> T:
        """Call with the retries that its verb allows, and with a new session when the old one has ended."""
        for may_log_in_again in (True, False):
            if not self._has_session:
                self._log_in(deadline)
            try:
                return self._persist(attempt, once, _may_repeat, deadline)
            except ApiError as error:
                # 401 means that nothing was done, so that any verb may be sent again (API guide: log in and repeat).
                if error.status != 401 or self._doubtful or not (may_log_in_again and self._can_log_in()):
                    raise
                self._forget_session()
            finally:
                self._doubtful = False
        raise AssertionError("unreachable")

    def _persist(
        self,
        attempt: Attempt,
        once: t.Callable[[], T],
        may_repeat: t.Callable[[ApiError, Attempt], bool],
        deadline: float | None,
    ) -> T:
        """Try until it succeeds, the retries are used up, or no time is left for another one."""
        since, attempts = time.monotonic(), self._connection.retries + 1
        for retry in range(attempts):
            self.pending = Pending(since, retry + 1, attempts)
            try:
                return once()
            except ApiError as error:
                if retry == self._connection.retries or not may_repeat(error, attempt):
                    raise
                # Full jitter, and at least what the server asks for, within bounds.
                ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2**retry)
                pause = max(random.uniform(0, ceiling), min(error.pause, LONGEST_PAUSE))
                if deadline is not None and time.monotonic() + pause >= deadline:
                    raise errors.deadline_passed(attempt, error) from error
                self._sleep(pause)
            finally:
                self.pending = None
        raise AssertionError("unreachable")

    def _log_in(self, deadline: float | None) -> bytes:
        """Open a session; return the beginning of the answer's body."""
        if self._refused is not None:
            raise self._refused
        connection = self._connection
        if connection.token:
            path, body = names.SESSION_LOGIN_WITH_TOKEN, payloads.login_with_token(connection.token)
        else:
            path, body = names.SESSION_LOGIN, payloads.login(connection.username or "", connection.password or "")
        attempt = self._attempt("log in", "POST", path)
        return self._persist(attempt, lambda: self._log_in_once(attempt, body, deadline), _may_repeat_session, deadline)

    def _log_in_once(self, attempt: Attempt, body: decoding.Json, deadline: float | None) -> bytes:
        with self._defer_signals(), self._transport.send(attempt, body=body, deadline=deadline) as response:
            words = self._transport.start_of_body(response, attempt, deadline)  # the connection can be used again
            if not 200 <= response.status_code < 300:
                error = errors.from_login_status(response, attempt, words)
                if error.code == "authentication_failed":
                    self._refused = error
                raise error
            if not self._transport.cookies:
                raise errors.no_session_cookie(response, attempt)
            self._has_session = self._owns_session = self._doubtful = True
            return words

    def _can_log_in(self) -> bool:
        return bool(self._connection.password or self._connection.token)

    def _forget_session(self) -> None:
        self._has_session = self._owns_session = False
        self._transport.cookies = ""

    def _attempt(self, doing: str, method: str, path: str) -> Attempt:
        return Attempt(doing, method, path, self._connection.url, self._redact)


def _may_repeat(error: ApiError, attempt: Attempt) -> bool:
    in_vain = error.code == "response_lost" or error.status in RETRIED_STATUSES
    return _never_arrived(error) or (in_vain and attempt.method in errors.SAFE_METHODS)


def _may_repeat_session(error: ApiError, _attempt: Attempt) -> bool:
    return _never_arrived(error) or error.status in SESSION_RETRIED_STATUSES


def _never_arrived(error: ApiError) -> bool:
    return error.unsent and error.retryable and error.code != "timeout"
