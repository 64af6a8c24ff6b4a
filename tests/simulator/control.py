# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control side, for tests only: plain HTTP with JSON on its own port. It reads what happened and sets what will."""

from __future__ import annotations

import json
import typing as t

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.simulator.app import Api
from tests.simulator.clock import Clock
from tests.simulator.content import content_of
from tests.simulator.exchange import Journal
from tests.simulator.faults import Fault, Faults
from tests.simulator.gate import Gate
from tests.simulator.inventory import add_backup
from tests.simulator.problems import Problem
from tests.simulator.records import Records
from tests.simulator.state import DOWNLOAD_MODES, World
from tests.simulator.switches import Switches
from tests.simulator.violations import Violations

Body = dict[str, t.Any]


class Control:
    """The handlers. ``defaults`` are the switches given at start-up: what a reset goes back to."""

    def __init__(
        self,
        api: Api,
        gate: Gate,
        journal: Journal,
        violations: Violations,
        faults: Faults,
        defaults: t.Mapping[str, t.Any],
    ) -> None:
        self._api = api
        self._gate = gate
        self._journal = journal
        self._violations = violations
        self._faults = faults
        self._defaults = dict(defaults)
        self._clock: Clock = api.world.clock
        self._speed = self._clock.speed

    def routes(self) -> list[Route]:
        """What tests may ask for."""
        return [
            Route("/reset", self._reset, methods=["POST"]),
            Route("/switches", self._get_switches, methods=["GET"]),
            Route("/switches", self._set_switches, methods=["PATCH"]),
            Route("/clock", self._move_clock, methods=["POST"]),
            Route("/seed", self._seed, methods=["POST"]),
            Route("/backups", self._add_backups, methods=["POST"]),
            Route("/requests", self._requests, methods=["GET"]),
            Route("/counters", self._counters, methods=["GET"]),
            Route("/log", self._clear_log, methods=["DELETE"]),
            Route("/violations", self._get_violations, methods=["GET"]),
            Route("/downloads", self._downloads, methods=["GET"]),
            Route("/entities/{kind}", self._entities, methods=["GET"]),
            Route("/content/{guid}", self._content, methods=["GET"]),
            Route("/sessions", self._drop_sessions, methods=["DELETE"]),
            Route("/faults", self._add_fault, methods=["POST"]),
            Route("/faults", self._clear_faults, methods=["DELETE"]),
            Route("/tasks", self._add_task, methods=["POST"]),
            Route("/restart", self._restart, methods=["POST"]),
        ]

    async def _reset(self, request: Request) -> Response:
        switches = Switches({**self._defaults, **await _body(request)})
        self._clock.set_speed(self._speed)
        self._api.use(World(self._clock, switches))
        self._gate.set_up()
        self._journal.clear()
        self._violations.clear()
        self._faults.clear()
        return JSONResponse({})

    async def _get_switches(self, request: Request) -> Response:
        return JSONResponse(self._api.world.switches.values())

    async def _set_switches(self, request: Request) -> Response:
        values = await _body(request)
        self._api.world.switches.set(values)
        # These count from the moment they are set
        if "start_delay" in values:
            self._gate.restart_delay()
        if "drop_session_after" in values:
            self._gate.recount_calls()
        if "page_quirk" in values:
            self._api.pager.forget()
        return JSONResponse({})

    async def _move_clock(self, request: Request) -> Response:
        body = await _body(request)
        if "speed" in body:
            self._clock.set_speed(float(body["speed"]))
        self._clock.step(float(body.get("step", 0)))
        return JSONResponse({"now": self._clock.now()})

    async def _seed(self, request: Request) -> Response:
        body = await _body(request)
        world = self._api.world
        mode = body.get("mode", DOWNLOAD_MODES[0])
        if mode not in DOWNLOAD_MODES:
            raise ValueError(f"no mode of downloads {mode!r}")
        size = body.get("content_size")
        size = world.switches.count("content_size") if size is None else int(size)
        world.add_users(int(body.get("users", 0)))
        guids = world.add_downloads(int(body.get("downloads", 0)), body.get("entity") or "", mode, size)
        return JSONResponse(guids)

    async def _add_backups(self, request: Request) -> Response:
        for user in self._api.world.kind("users"):
            add_backup(user)
        return JSONResponse({})

    async def _requests(self, request: Request) -> Response:
        return JSONResponse(self._journal.requests)

    async def _counters(self, request: Request) -> Response:
        journal = self._journal
        return JSONResponse(
            {
                "logins": journal.logins,
                "logouts": journal.logouts,
                "open_sessions": self._api.world.sessions.open_count(),
                "calls": dict(journal.calls),
                "content_bytes_sent": journal.content_bytes,
                "writes": journal.writes,
                "faults": self._faults.met,
            }
        )

    async def _clear_log(self, request: Request) -> Response:
        self._journal.clear()
        return JSONResponse({})

    async def _get_violations(self, request: Request) -> Response:
        return JSONResponse(self._violations.found())

    async def _downloads(self, request: Request) -> Response:
        # As they are now and in the documented form, whatever the switches do to the API side
        records = Records(Switches())
        world = self._api.world
        now = world.clock.now()
        return JSONResponse([records.mount(mount, now) for mount in world.mounts() if mount.mode in DOWNLOAD_MODES])

    async def _entities(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in ("users", "sites", "groups"):
            raise ValueError(f"no kind of entities {kind!r}")
        records = Records(Switches())
        return JSONResponse([records.entity(entity) for entity in self._api.world.kind(kind)])

    async def _content(self, request: Request) -> Response:
        download = self._api.world.mount(request.path_params["guid"])
        content = content_of(download.guid, download.mode, download.size)
        # In a thread: the digest of a large content takes seconds in which the API side must go on
        digest = await to_thread.run_sync(content.sha256) if "sha256" in request.query_params else None
        return JSONResponse({"size": content.size, "sha256": digest, "name": download.file_name()})

    async def _drop_sessions(self, request: Request) -> Response:
        self._api.world.sessions.drop_all()
        return JSONResponse({})

    async def _add_fault(self, request: Request) -> Response:
        try:
            self._faults.planned.append(Fault(**await _body(request)))
        except TypeError as error:
            raise ValueError(str(error)) from None
        return JSONResponse({})

    async def _clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return JSONResponse({})

    async def _add_task(self, request: Request) -> Response:
        self._api.world.add_task(**await _body(request))
        return JSONResponse({})

    async def _restart(self, request: Request) -> Response:
        self._api.world.restart((await _body(request)).get("tasks", "kept"))
        return JSONResponse({})


def application(control: Control) -> Starlette:
    """The control side with its failures as JSON messages."""

    async def refuse(request: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, Problem) else 400
        return JSONResponse({"message": str(error)}, status_code=status)

    async def unknown(request: Request, error: Exception) -> Response:
        return JSONResponse({"message": str(error)}, status_code=t.cast(HTTPException, error).status_code)

    handlers = {Problem: refuse, ValueError: refuse, HTTPException: unknown}
    return Starlette(routes=control.routes(), exception_handlers=handlers)


async def _body(request: Request) -> Body:
    raw = await request.body()
    body = json.loads(raw) if raw else {}
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    return body
