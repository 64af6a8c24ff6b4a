# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request can come to when it does not succeed, and how each error style writes it."""

from __future__ import annotations

import re
import uuid

from starlette.responses import HTMLResponse, JSONResponse, Response

from tests.simulator.switches import Switches


class Problem(Exception):
    """An answer other than success. The message names what is wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def bad_request(message: str) -> Problem:
    """The client sent what the contract does not allow."""
    return Problem(400, message)


def answer(problem: Problem, switches: Switches) -> Response:
    """The problem as the switch error_body has it."""
    style = switches.text("error_body")
    if style == "empty":
        return Response(status_code=problem.status)
    if style == "html":
        page = f"<html><head><title>{problem.status}</title></head><body><h1>{problem.status}</h1></body></html>"
        return HTMLResponse(page, status_code=problem.status)
    if style == "quarkus":
        return _answer_as_quarkus(problem)
    body: dict[str, object] = {"message": problem.message}
    return JSONResponse({"error": body} if style == "nested" else body, status_code=problem.status)


def _answer_as_quarkus(problem: Problem) -> Response:
    """Return what Quarkus writes: an id for the server's log, the violations of a validator, or nothing at all."""
    if problem.status >= 500:
        details = f"Error id {uuid.uuid4()}-1, java.lang.IllegalStateException: {problem.message}"
        return JSONResponse({"details": details, "stack": ""}, status_code=problem.status)
    if problem.status not in (400, 422):
        return Response(status_code=problem.status)
    named = re.search(r"'([^']*)'", problem.message)  # messages name the key or the parameter first
    violation = {"field": named[1] if named else "", "message": problem.message}
    body = {"title": "Constraint Violation", "status": problem.status, "violations": [violation]}
    return JSONResponse(body, status_code=problem.status)
