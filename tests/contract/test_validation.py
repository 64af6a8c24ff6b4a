# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validation finds what is wrong: with requests and, if the simulator itself ever strays, with answers."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.simulator.exchange import Exchange
from tests.simulator.switches import Switches
from tests.simulator.validation import Validator
from tests.simulator.violations import Violations

# openapi-core's word on allowEmptyValue, which it cannot do without
pytestmark = pytest.mark.filterwarnings("ignore:Use of allowEmptyValue:DeprecationWarning")

GUID = "00000000-0000-4000-8000-000000000001"
JSON_HEADERS = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def validator() -> tuple[Validator, Violations]:
    violations = Violations()
    return Validator(violations, Switches), violations


def check(validator: tuple[Validator, Violations], **fields: t.Any) -> tuple[int, int]:
    """How many violations a request and its answer have. Fields not given are those of a good listing."""
    answer = fields.pop("answer", [])
    validator[1].clear()
    validator[0].check(
        Exchange(
            method=fields.pop("method", "GET"),
            path=fields.pop("path", "/cloud-download"),
            query=fields.pop("query", ""),
            headers=fields.pop("headers", JSON_HEADERS),
            body=fields.pop("body", b""),
            status=fields.pop("status", 200),
            answer_headers=fields.pop("answer_headers", JSON_HEADERS),
            answer=answer if isinstance(answer, (bytes, type(None))) else json.dumps(answer).encode(),
        )
    )
    assert not fields
    found = validator[1].found()
    return len(found["request"]), len(found["response"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"query": "mode=CLOUD_DOWNLOAD&page=0&size=10&finished-mount=true&orderBy=&direction="},
        {"answer": [{"guid": GUID, "mode": "CLOUD_DOWNLOAD", "node": None}]},
        {"answer": [{"guid": GUID, "mode": {"name": "AUTO"}, "anything": 1}]},
        {"path": f"/cloud-download/{GUID}", "answer": None, "answer_headers": {"content-type": "application/zip"}},
        {"path": f"/cloud-download/{GUID}", "answer": b"", "status": 204, "answer_headers": {}},
        {"status": 503, "answer": b"", "answer_headers": {}},
        {"status": 401, "answer": {"error": {"message": "no"}}},
        {"method": "POST", "path": "/session/login", "body": b'{"login": "a", "password": "b"}', "status": 400,
         "answer": {"message": "wrong"}},
        {"method": "POST", "status": 201, "body": json.dumps(
            {"protectedEntities": [{"guid": GUID}], "mode": {"name": "CLOUD_DOWNLOAD"}}).encode()},
    ],
)  # fmt: skip
def test_what_is_right_passes(validator: tuple[Validator, Violations], fields: dict[str, t.Any]) -> None:
    assert check(validator, **fields) == (0, 0), validator[1].found()


@pytest.mark.parametrize(
    "fields",
    [
        {"query": "mode=DOWNLOAD"},
        {"query": "page=one&backup=latest"},
        {"query": "colour=red", "status": 400, "answer": {"message": "colour"}},
        {"path": "/cloud-teams", "status": 404},
        {"method": "PATCH", "status": 405},
        {"status": 406},
        {"path": "/cloud-download/17", "status": 400},
        {"method": "POST", "body": b"{}", "status": 201},
        {"method": "POST", "body": b'{"objects": []}', "status": 201},
        {"method": "POST", "body": b"", "status": 201},
        {"method": "POST", "body": b"\xff", "status": 400},
        {"method": "POST", "body": b"[" * 100000, "status": 400},
        {"method": "POST", "body": b'{"mode": {"name": "AUTO"}}', "status": 201},
        {"method": "POST", "path": "/session/login", "body": b'{"login": "a"}', "status": 400},
        {"method": "PUT", "path": f"/cloud-download/{GUID}", "body": b'{"state": "X"}', "status": 200},
    ],
)
def test_a_wrong_request_is_found(validator: tuple[Validator, Violations], fields: dict[str, t.Any]) -> None:
    assert check(validator, **fields)[0] > 0


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": {}},
        {"answer": [{}]},
        {"answer": [{"guid": "x", "mode": "AUTO"}]},
        {"answer": [{"guid": GUID, "mode": "DOWNLOAD"}]},
        {"answer": [{"guid": GUID, "mode": {"name": "AUTO", "colour": "red"}}]},
        {"answer": [{"guid": GUID, "mode": "AUTO"}] * 100 + [{}]},
        {"answer": b"", "status": 200},
        {"answer": b"<html>", "answer_headers": {"content-type": "text/html"}},
        {"status": 500, "answer": b"oops", "answer_headers": {"content-type": "text/plain"}},
        {"status": 401, "answer": {"text": "no"}},
        {"path": "/tasks", "answer": [{"guid": GUID, "type": "RESTORE", "state": "DONE", "progress": 1}]},
        {"path": "/tasks", "answer": [{"guid": GUID, "type": "RESTORE", "state": "QUEUED", "progress": 101}]},
        {"answer_headers": {**JSON_HEADERS, "x-total-count": "many"}},
    ],
)
def test_a_wrong_answer_is_found(validator: tuple[Validator, Violations], fields: dict[str, t.Any]) -> None:
    assert check(validator, **fields) == (0, 1)
