# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong in a call, in words and in facts: whether anything was sent, whose words they are, what next."""

from __future__ import annotations

import http.client
import ssl
import typing as t

import pytest
import requests
from requests import exceptions as requests_exceptions
from urllib3 import exceptions as urllib3_exceptions

from ansible_collections.storware.backup.plugins.module_utils._api import errors
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError, Attempt


def _attempt(method: str = "GET", path: str = "/tasks") -> Attempt:
    return Attempt("list the tasks", method, path, "https://backup.example.com", str)


def _told(error: BaseException, method: str = "GET", path: str = "/tasks") -> ApiError:
    return errors.from_exception(error, _attempt(method, path))


def _wrapped(inner: BaseException, *around: t.Callable[[BaseException], BaseException]) -> BaseException:
    """As client libraries hand it on."""
    for wrap in around:
        inner = wrap(inner)
    return inner


def test_the_operating_system_has_the_last_word_and_no_address_is_shown() -> None:
    cause = ConnectionResetError(104, "Connection reset by peer")
    error = _wrapped(
        cause,
        lambda inner: urllib3_exceptions.ProtocolError("Connection aborted.", inner),
        requests_exceptions.ConnectionError,
    )
    told = _told(error)
    assert told.code == "response_lost"
    assert "(Connection reset by peer)" in told.message
    assert "object at" not in told.message


def test_without_words_of_the_system_the_kind_of_the_innermost_is_told() -> None:
    """An OSError that says nothing is no reason."""
    error = requests_exceptions.ConnectionError(OSError())
    assert "(OSError)" in _told(error).message
    assert (
        "(IncompleteRead)" in _told(requests_exceptions.ChunkedEncodingError(http.client.IncompleteRead(b""))).message
    )


@pytest.mark.parametrize("name", ["SSLCertVerificationError", "CertificateError"])
def test_a_certificate_is_judged_in_the_words_of_the_tls_library(name: str) -> None:
    kind = type(name, (ssl.SSLError,), {})
    cause = kind(1, "[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:1006)")
    cause.verify_message = "certificate has expired"
    told = _told(requests_exceptions.SSLError(urllib3_exceptions.SSLError(cause)))
    assert (told.code, told.unsent, told.retryable) == ("tls", True, False)
    assert "(certificate has expired)" in told.message
    cause.verify_message = ""
    assert "CERTIFICATE_VERIFY_FAILED" in _told(requests_exceptions.SSLError(cause)).message


def test_a_proxy_is_not_quoted() -> None:
    told = _told(requests_exceptions.ProxyError("http://ali:sesame@proxy"))
    assert (told.code, told.retryable, told.unsent) == ("proxy", True, False)
    assert "sesame" not in told.message


@pytest.mark.parametrize(
    ("number", "step", "blames_ca"),
    [
        (10, "Renew the server's certificate", False),
        (9, "Check the clocks", False),
        (62, "Set url to a name", False),
        (64, "Set url to a name", False),
        (85, "ca_path is not the cause", False),  # Missing Authority Key RecordCompleter, with Python 3.13
        (92, "ca_path is not the cause", False),  # CA cert does not include key usage extension
        (20, "Set ca_path to the CA", True),
        (18, "Set ca_path to the CA", True),
    ],
)
def test_the_hint_fits_what_is_wrong_with_a_certificate(number: int, step: str, *, blames_ca: bool) -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_code, cause.verify_message = number, "a reason"
    told = _told(requests_exceptions.SSLError(urllib3_exceptions.SSLError(cause)))
    assert step in told.hint
    assert ("Set ca_path" in told.hint) == blames_ca


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/tasks", "invalid_response"),
        ("POST", "/session/login", "invalid_response"),
        ("POST", "/cloud-download", "response_lost"),
        ("DELETE", "/cloud-download/x", "invalid_response"),
    ],
)
def test_what_is_no_http_is_in_doubt_only_where_something_may_have_been_done(method: str, path: str, code: str) -> None:
    error = requests_exceptions.ConnectionError(http.client.BadStatusLine("SSH-2.0-OpenSSH"))
    assert _told(error, method, path).code == code


@pytest.mark.parametrize("cut", ["H", "HTTP/"])
def test_an_answer_that_breaks_off_in_its_first_word_is_lost(cut: str) -> None:
    assert _told(requests_exceptions.ConnectionError(http.client.BadStatusLine(cut))).code == "response_lost"


def test_a_file_of_an_option_that_cannot_be_read_is_told_as_the_option() -> None:
    told = _told(FileNotFoundError(2, "No such file or directory"))
    assert (told.code, told.unsent, told.retryable) == ("invalid_option", True, False)
    assert "was not sent: No such file or directory" in told.message


@pytest.mark.parametrize(
    ("method", "acted", "hint"),
    [
        ("GET", False, "Run the task again."),
        ("POST", True, "Run the task again: it looks first at what exists."),
        ("DELETE", True, "Run the task again: it looks first at what exists."),
    ],
)
def test_of_a_lost_answer_it_is_told_whether_something_may_have_been_done(method: str, acted: bool, hint: str) -> None:
    told = errors.response_lost(_attempt(method), "cut")
    assert told.hint == hint
    assert ("the server may have acted on it" in told.message) == acted


@pytest.mark.parametrize(
    ("method", "sent", "code", "unsent"),
    [
        ("GET", True, "timeout", False),
        ("GET", False, "timeout", True),
        ("POST", False, "timeout", True),
        ("POST", True, "response_lost", False),
    ],
)
def test_when_the_time_is_over_only_what_was_sent_is_in_doubt(method: str, sent: bool, code: str, unsent: bool) -> None:
    told = errors.deadline_passed(_attempt(method), sent=sent)
    assert (told.code, told.unsent, told.retryable) == (code, unsent, True)


def test_what_the_last_try_met_is_told_with_the_deadline() -> None:
    last = errors.response_lost(_attempt(), "cut")
    told = errors.deadline_passed(_attempt(), last)
    assert "the last try: " in told.message
    assert "cut" in told.message
    assert told.status is last.status
    assert errors.deadline_passed(_attempt()).message.endswith("did not succeed in time")


def _response(status: int, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    return response


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login_is_told_with_what_to_check(status: int) -> None:
    told = errors.from_login_status(_response(status), _attempt("POST", "/session/login"), b'{"message": "no"}')
    assert (told.code, told.status, told.retryable) == ("authentication_failed", status, False)
    assert "Check username and password, or token. The login is not repeated" in told.hint
    assert "no" in told.message


@pytest.mark.parametrize(
    ("status", "retryable"), [(404, False), (408, True), (425, True), (429, True), (500, True), (501, True)]
)
def test_whether_trying_again_can_help(status: int, retryable: bool) -> None:
    assert errors.from_status(_response(status), _attempt(), b"").retryable == retryable
    assert errors.from_login_status(_response(status), _attempt(), b"").code != "authentication_failed"


def test_a_success_that_cannot_be_is_told_with_its_kind_and_words() -> None:
    told = errors.invalid_response(_attempt(), "no JSON", _response(200, **{"Content-Type": "text/html"}), "Welcome")
    assert told.message.endswith("no JSON (text/html): Welcome")
    assert (told.code, told.status, told.retryable) == ("invalid_response", 200, False)
    told = errors.invalid_response(_attempt(), "no JSON", _response(200))
    assert told.message.endswith("no JSON (no media type)")
    told = errors.invalid_response(_attempt(), "no JSON", _response(200, **{"Content-Type": "text/\u20ac"}))
    assert "text/?" in told.message
