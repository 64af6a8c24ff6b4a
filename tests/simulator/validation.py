# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request and answer against openapi.yaml, by openapi-core. Imported only when asked for: it is slow to load."""

from __future__ import annotations

import functools
import json
import pathlib
import typing as t
import urllib.parse

import yaml
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.validation.response.exceptions import DataValidationError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.simulator.app import BASE
from tests.simulator.exchange import Exchange
from tests.simulator.gate import LOGINS, operation_of
from tests.simulator.switches import BY_NAME, Switches
from tests.simulator.violations import Violations

SPEC_PATH = pathlib.Path(__file__).with_name("openapi.yaml")
_HOST = "http://localhost"
# Answers that say "this request should never have been sent"
_CLIENT_FAULTS = (400, 405, 406, 415)
# openapi-core takes a third of a millisecond for a record: of a long list it sees the first records and the last one
_FIRST_RECORDS = 20
_KEPT = 512  # verdicts
_BODIES = {"POST /cloud-download": "create_body", "PUT /cloud-download/{guid}": "update_body"}
_UNSPECIFIED = frozenset({"host", "cookie"})


class Validator:
    """Checks exchanges."""

    def __init__(self, violations: Violations, switches: t.Callable[[], Switches]) -> None:
        self._violations = violations
        self._switches = switches
        # Without its security: a session may end at any time, and the cookie's name is a switch
        self._openapi = OpenAPI.from_dict({key: part for key, part in load_spec().items() if key != "security"})
        # openapi-core takes several milliseconds for each, and a waiting client asks for the same thing all the time
        self._request_errors = functools.lru_cache(_KEPT)(self._judge_request)
        self._response_errors = functools.lru_cache(_KEPT)(self._judge_response)

    def check(self, exchange: Exchange) -> None:
        """Note what is wrong with an exchange."""
        asked = _Asked.of(exchange)
        operation = f"{exchange.method} {exchange.path}"
        errors = [] if self._has_another_body(exchange) else list(self._request_errors(asked))
        if exchange.status in _CLIENT_FAULTS and not _is_wrong_password(exchange) and not errors:
            errors = [f"the server answered {exchange.status}: {(exchange.answer or b'').decode(errors='replace')}"]
        self._violations.request += [f"{operation}: {error}" for error in errors]
        if not errors:
            found = self._response_errors(asked, _Answered.of(exchange))
            self._violations.response += [f"{operation}: {exchange.status}: {text}" for text in found]

    def _has_another_body(self, exchange: Exchange) -> bool:
        """Return whether a switch asks for a body that openapi.yaml does not have; the server itself compares it."""
        switch = _BODIES.get(operation_of(exchange.method, exchange.path))
        return switch is not None and self._switches().template(switch) != BY_NAME[switch].default

    def _judge_request(self, asked: _Asked) -> tuple[str, ...]:
        try:
            return tuple(_text(error) for error in self._openapi.iter_request_errors(_Request(asked)))
        except (ValueError, RecursionError) as error:  # openapi-core raises these for a body that is no JSON at all
            return (repr(error),)

    def _judge_response(self, asked: _Asked, answered: _Answered) -> tuple[str, ...]:
        errors = self._openapi.iter_response_errors(_Request(asked), _Response(answered))
        # A stream is not looked into, and a failure may come without a body (switch error_body)
        bodiless = answered.body is None or (not answered.body and answered.status >= 400)
        return tuple(_text(error) for error in errors if not (bodiless and isinstance(error, DataValidationError)))


def load_spec() -> dict[str, t.Any]:
    """openapi.yaml as data."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return t.cast("dict[str, t.Any]", yaml.load(SPEC_PATH.read_text(encoding="utf-8"), loader))


class _Asked(t.NamedTuple):
    """All of a request that the specification has a word about: not the session, and not whom it is sent to."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, exchange: Exchange) -> _Asked:
        headers = tuple((name, value) for name, value in exchange.headers.items() if name not in _UNSPECIFIED)
        return cls(exchange.method, exchange.path, exchange.query, headers, exchange.body)


class _Answered(t.NamedTuple):
    """All of an answer that the specification has a word about, long lists shortened."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None  # None: a stream

    @classmethod
    def of(cls, exchange: Exchange) -> _Answered:
        headers = exchange.answer_headers
        body = exchange.answer and _shortened(exchange.answer, headers.get("content-type", ""))
        return cls(exchange.status, tuple(headers.items()), body)


class _Request:
    """A request as openapi-core wants to see it."""

    def __init__(self, asked: _Asked) -> None:
        self.host_url = _HOST
        self.path = BASE + asked.path
        self.method = asked.method.lower()
        self.body = asked.body or None
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(urllib.parse.parse_qsl(asked.query, keep_blank_values=True)),
            header=Headers(list(asked.headers)),
        )
        self.content_type = self.parameters.header.get("content-type", "")


class _Response:
    """An answer as openapi-core wants to see it."""

    def __init__(self, answered: _Answered) -> None:
        self.status_code = answered.status
        self.headers = Headers(list(answered.headers))
        self.content_type = self.headers.get("content-type", "")
        self.data = answered.body or b""


def _shortened(answer: bytes, content_type: str) -> bytes:
    if not content_type.startswith("application/json"):
        return answer
    records = json.loads(answer)
    if not isinstance(records, list) or len(records) <= _FIRST_RECORDS:
        return answer
    return json.dumps([*records[:_FIRST_RECORDS], records[-1]]).encode()


def _is_wrong_password(exchange: Exchange) -> bool:
    return exchange.path in LOGINS and exchange.status == 400 and isinstance(exchange.json_body(), dict)


def _text(error: BaseException) -> str:
    """The innermost reason: openapi-core wraps it in errors that repeat the whole value."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    reasons = [
        f"{'/'.join(map(str, reason.absolute_path))}: {reason.message}"
        for reason in getattr(cause, "schema_errors", ())
    ]
    return f"{getattr(error, 'name', '')} {'; '.join(reasons) or cause}".strip()
