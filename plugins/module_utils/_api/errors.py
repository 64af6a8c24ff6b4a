# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of calls to the API, each with the next step for the user."""

from __future__ import annotations

import datetime
import email.utils
import http.client
import re
import ssl
import typing as t
from dataclasses import dataclass

from .. import _markup
from .._argspec import is_cookie
from .._errors import StorwareError
from . import decoding, models, names, tls

if t.TYPE_CHECKING:
    import requests

try:
    from requests import exceptions as requests_exceptions
    from urllib3 import exceptions as urllib3_exceptions

    # MaxRetryError and ConnectionError wrap the reason.
    _UNSENT: t.Final = (urllib3_exceptions.NewConnectionError, urllib3_exceptions.ConnectTimeoutError)
except ImportError:
    pass  # reported by the module before anything is called

# Not a fault of certificates: a server that goes down looks like this.
_BROKEN_TLS: t.Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
SAFE_METHODS: t.Final = ("GET", "DELETE")  # a DELETE sent twice ends in the same state
EXCERPT: t.Final = 200  # characters of a body that are shown,
_LOOKED_AT: t.Final = 16 * 1024  # bytes of it that are read for them,
_DOUBTFUL: t.Final = 4 * 1024  # and characters at their end that never are, if it goes on: a secret may be cut there

Redact = t.Callable[[str], str]


@dataclass(frozen=True)
class Attempt:
    """What was tried. doing completes the sentence "Cannot ..."; server is the base URL.

    redact removes secrets from what a server says: before it is shortened, when they can still be recognized.
    """

    doing: str
    method: str
    path: str
    server: str
    redact: Redact = str


class ApiError(StorwareError):
    """A call failed.

    status: the HTTP status, None when there was no answer.
    unsent: nothing can have reached the server.
    pause: seconds that the server asks to wait before the next try.
    """

    def __init__(
        self,
        attempt: Attempt,
        what: str,
        *,
        code: str,
        hint: str = "",
        status: int | None = None,
        server_message: str | None = None,
        retryable: bool = False,
        unsent: bool = False,
        pause: float = 0.0,
        cause: str = "",
    ) -> None:
        self.what = what
        super().__init__(
            f"Cannot {attempt.doing}: {attempt.method} {attempt.path} {what}",
            code=code,
            hint=hint,
            details={
                "method": attempt.method,
                "path": attempt.path,
                "status": status,
                "server_message": server_message,
            },
            retryable=retryable,
            cause=cause or f"{attempt.server}: {attempt.method} {what}",
        )
        self.status = status
        self.unsent = unsent
        self.pause = pause


# status -> (code, hint); other statuses are "http_status", 5xx "server_error".
_STATUSES: t.Final = {
    400: ("bad_request", "The server refuses the parameters or the body; its words above say which."),
    401: (
        "unauthorized",
        "The session has ended and no credentials open a new one. Run it again, with credentials or a new session.",
    ),
    403: ("forbidden", "The account lacks a privilege for this; ask the administrator of the backup server."),
    404: ("not_found", ""),
    408: ("server_error", ""),
    409: ("conflict", ""),
    422: ("bad_request", "The server refuses the parameters or the body; its words above say which."),
    429: ("rate_limited", "Try again later, or with fewer tasks at a time."),
}


def from_status(response: requests.Response, attempt: Attempt, body: bytes) -> ApiError:
    """An answer that is no success."""
    status = response.status_code
    if 300 <= status < 400:
        return _redirected(response, attempt)
    code, hint = _STATUSES.get(status, ("server_error" if status >= 500 else "http_status", ""))
    words = _server_words(body, attempt.redact)
    return ApiError(
        attempt,
        f"answered {status}{': ' + words if words else ''}",
        code=code,
        hint=hint,
        status=status,
        server_message=words or None,
        retryable=status in (408, 425, 429) or status >= 500,
        pause=_retry_after(response),
    )


def from_login_status(response: requests.Response, attempt: Attempt, body: bytes) -> ApiError:
    """A login that is no success. The vendor's own role shows that 400, too, stands for wrong credentials."""
    error = from_status(response, attempt, body)
    if error.status in (400, 401, 403):
        error.code = "authentication_failed"
        error.hint = (
            "Check username and password, or token. The login is not repeated, to keep the account from being locked."
        )
    return error


def no_session_cookie(response: requests.Response, attempt: Attempt) -> ApiError:
    """A login that succeeds but leaves nothing to prove it with."""
    if "Set-Cookie" not in response.headers:
        why = "set no session cookie"
    elif any(not is_cookie(f"{cookie.name}={cookie.value}") for cookie in response.cookies):
        why = "set a cookie with characters that a session cannot have (RFC 6265 4.1.1, and no braces)"
    else:
        why = (
            "set a cookie that does not fit url (host, path or Secure), is over by the clock of this machine, or is "
            "longer than any session"
        )
    return ApiError(
        attempt,
        f"answered {response.status_code} but {why}",
        code="no_session_cookie",
        hint="Check that url is the server's own https address, not a redirecting proxy, and that the clocks agree.",
        status=response.status_code,
    )


def invalid_response(attempt: Attempt, why: str, response: requests.Response, words: str = "") -> ApiError:
    """A success whose body cannot be what the API sends."""
    media_type = excerpt(response.headers.get("Content-Type", "").encode("latin-1", "replace"), attempt.redact)
    return ApiError(
        attempt,
        f"answered {response.status_code} with something the API does not send: {why} ({media_type or 'no media type'})"
        + (f": {words}" if words else ""),
        code="invalid_response",
        hint="Check that url leads to the API itself, not to a web page, a login portal or a proxy.",
        status=response.status_code,
    )


def response_lost(attempt: Attempt, why: str) -> ApiError:
    """The call was sent, or may have been, and no whole answer came back."""
    acted = "" if attempt.method == "GET" else "; the server may have acted on it"
    hint = "Run the task again." if attempt.method == "GET" else "Run the task again: it looks first at what exists."
    return ApiError(attempt, f"got no whole answer ({why}){acted}", code="response_lost", hint=hint, retryable=True)


def deadline_passed(attempt: Attempt, last: ApiError | None = None, *, sent: bool = False) -> ApiError:
    """The time for a call is over. last: what the last try met, when there was one."""
    if sent and attempt.method not in SAFE_METHODS:
        return response_lost(attempt, "its time was over")
    why = f"; the last try: {last.what}" if last else ""
    return ApiError(
        attempt,
        f"did not succeed in time{why}",
        code="timeout",
        hint="Run the task again, or give it more time.",
        status=last.status if last else None,
        server_message=last.details["server_message"] if last else None,
        retryable=True,
        unsent=not sent,
    )


def unusable_proxy(attempt: Attempt, setting: str, reason: str) -> ApiError:
    """The proxy in a setting, such as HTTPS_PROXY, cannot be used. reason completes the sentence "The proxy ..."."""
    return ApiError(
        attempt,
        f"was not sent: the proxy in {setting} {reason}",
        code="proxy",
        hint=f"Correct {setting} where the module runs, or set use_proxy to false.",
        unsent=True,
    )


def from_exception(error: BaseException, attempt: Attempt) -> ApiError:
    """What requests raised, sorted by whether anything can have reached the server."""
    causes = list(_causes(error))
    reason = _innermost(causes)
    unsent = any(isinstance(cause, _UNSENT) for cause in causes)
    if any(isinstance(cause, _BROKEN_TLS) for cause in causes):
        return response_lost(attempt, "the TLS connection broke off")
    if isinstance(error, (requests_exceptions.SSLError, urllib3_exceptions.SSLError)):
        return ApiError(
            attempt,
            f"failed the TLS check of {attempt.server} ({reason})",
            code="tls",
            hint=tls.hint_for(next((cause for cause in causes if hasattr(cause, "verify_code")), None)),
            unsent=True,
        )
    if isinstance(error, requests_exceptions.ProxyError):
        # The reason may repeat the proxy's URL with its password; it is not shown.
        return ApiError(attempt, "could not pass the proxy", code="proxy", hint=_PROXY, retryable=True, unsent=unsent)
    if unsent:
        in_time = isinstance(error, requests_exceptions.ConnectTimeout)
        connection = f"no connection to {attempt.server} {'in time' if in_time else f'({reason})'}"
        return ApiError(
            attempt,
            f"got {connection}",
            cause=connection,
            code="connect_timeout" if in_time else "unreachable",
            hint="Check url, the network and that the server runs.",
            retryable=True,
            unsent=True,
        )
    if isinstance(error, requests_exceptions.ReadTimeout):
        return response_lost(attempt, "nothing came within the timeout")
    if _speaks_no_http(causes) and (attempt.method in SAFE_METHODS or attempt.path.startswith(f"{names.SESSION}/")):
        return ApiError(
            attempt,
            f"got something that is no HTTP from {attempt.server} ({reason})",
            code="invalid_response",
            hint="Check the port in url: something else than the API answers there.",
        )
    if isinstance(error, (requests_exceptions.ConnectionError, requests_exceptions.ChunkedEncodingError)):
        return response_lost(attempt, reason)
    if isinstance(error, OSError) and not isinstance(error, requests_exceptions.RequestException):
        return ApiError(
            attempt,
            f"was not sent: {reason}",
            code="invalid_option",
            hint="Check ca_path, client_cert and client_key.",
            unsent=True,
        )
    return ApiError(attempt, f"failed ({reason})", code="invalid_response", hint="Check url, and the proxies between.")


_PROXY: t.Final = "Check the proxy variables of the environment, or set use_proxy to false."


def _retry_after(response: requests.Response) -> float:
    """Seconds the server asks to wait, 0 when it asks nothing sensible (RFC 9110 10.2.3: seconds or a date)."""
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]+", value):  # not isdigit, which is true of digits that float() does not take
        return float(value[:12])
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return max(0.0, (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0


def excerpt(data: bytes, redact: Redact) -> str:
    """The first words of a body, without markup and secrets, fit for one line of a message."""
    # Cut before anything else: no pattern gets more text than it can take, whatever a server sends.
    text = redact(data[:_LOOKED_AT].decode("utf-8", "replace"))
    text = text[:-_DOUBTFUL] if len(data) > _LOOKED_AT else text
    text = redact(_markup.unescape(_markup.without_markup(text)))
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "..."


def _server_words(body: bytes, redact: Redact) -> str:
    try:
        message = models.decode_message(decoding.parse(body))
    except (ValueError, OverflowError, RecursionError):
        message = None
    return excerpt(message.encode("utf-8", "replace") if message else body, redact)


_PLAIN_HOST: t.Final = re.compile(r"(?i)https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(?=[/?#]|$)")


def _redirected(response: requests.Response, attempt: Attempt) -> ApiError:
    # Only a plain host is shown: the rest of the address is the server's to write, and may hold anything.
    match = _PLAIN_HOST.match(attempt.redact(response.headers.get("Location", "")))
    target = f" to {match.group()}" if match else ""
    return ApiError(
        attempt,
        f"answered {response.status_code}, a redirect{target}, which is never followed",
        code="redirect",
        hint="Set url to the address of the API itself.",
        status=response.status_code,
    )


def _speaks_no_http(causes: t.Sequence[BaseException]) -> bool:
    # RemoteDisconnected is a BadStatusLine to Python, but means that there was no answer.
    return any(
        isinstance(cause, http.client.HTTPException)
        and not isinstance(cause, (http.client.RemoteDisconnected, http.client.IncompleteRead))
        and not _is_cut(cause)
        for cause in causes
    )


def _is_cut(cause: BaseException) -> bool:
    """Whether the answer broke off within its first word."""
    return isinstance(cause, http.client.BadStatusLine) and "HTTP/".startswith(str(cause.args[0]))


def _causes(error: BaseException) -> t.Iterator[BaseException]:
    """The exception and what it wraps, in any of the ways requests and urllib3 wrap."""
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        current = todo.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        todo += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]


def _innermost(causes: t.Sequence[BaseException]) -> str:
    """The shortest true reason: the operating system's or TLS library's words, without addresses and object names."""
    for cause in causes:
        if type(cause).__name__ in ("SSLCertVerificationError", "CertificateError"):
            return str(getattr(cause, "verify_message", "") or cause)
    for cause in causes:
        if (
            isinstance(cause, OSError)
            and cause.strerror
            and not isinstance(cause, requests_exceptions.RequestException)
        ):
            return str(cause.strerror)
    return type(causes[-1]).__name__
