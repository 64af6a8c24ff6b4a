# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API itself: each operation of openapi.yaml as a handler, and the list of routes."""

from __future__ import annotations

import typing as t

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.simulator import bodies, inventory, lists, query
from tests.simulator.files import file_answer, not_ready_answer
from tests.simulator.problems import Problem, answer, bad_request
from tests.simulator.records import Records
from tests.simulator.state import Download, World
from tests.simulator.template_reader import NotUnderstood

BASE = "/api"
Handler = t.Callable[[Request], t.Awaitable[Response]]


class Api:
    """The handlers. ``world`` may be replaced by a fresh one between two requests."""

    def __init__(self, world: World) -> None:
        self.use(world)

    def use(self, world: World) -> None:
        """Serve this world from now on."""
        self.world = world
        self.pager = lists.Pager(world.switches)
        self._records = Records(world.switches)
        self._foreign = Download(
            guid=inventory.guid_of("download", "foreign"),
            number=0,
            mode="CLOUD_DOWNLOAD",
            entity=world.kind("sites")[0],
            backup=None,
            node=inventory.NODES[1],
            size=0,
            born=world.clock.now(),
        )

    # Session

    async def check_session(self, request: Request) -> Response:
        """GET /session: 204 means that the session is open."""
        query.read(request, {})
        return Response(status_code=204)

    async def login(self, request: Request) -> Response:
        """POST /session/login."""
        query.read(request, {})
        username, password = bodies.texts(await bodies.json_object(request), "login", "password")
        return self._logged_in(request, self.world.sessions.login(username, password))

    async def login_with_token(self, request: Request) -> Response:
        """POST /session/login-with-token."""
        query.read(request, {})
        (token,) = bodies.texts(await bodies.json_object(request), "token")
        return self._logged_in(request, self.world.sessions.login_with_token(token))

    async def logout(self, request: Request) -> Response:
        """POST /session/logout."""
        query.read(request, {})
        self.world.sessions.logout(self.session_of(request))
        return Response(status_code=204)

    async def session_user(self, request: Request) -> Response:
        """GET /session/user."""
        query.read(request, {})
        return JSONResponse(self._records.session(self.world.sessions))

    def session_of(self, request: Request) -> str:
        """The session id that a request carries, or an empty text."""
        return request.cookies.get(self.world.switches.text("cookie_name"), "")

    def _logged_in(self, request: Request, session: str) -> Response:
        response = JSONResponse(self._records.session(self.world.sessions))
        name = self.world.switches.text("cookie_name")
        response.set_cookie(name, session, path="/", httponly=True, secure=request.url.scheme == "https", samesite=None)
        return response

    # Cloud downloads

    async def list_downloads(self, request: Request) -> Response:
        """GET /cloud-download."""
        _accepts(request, "application/json")
        return self._list_mounts(request, self.world.switches.flag("list_prefiltered"))

    async def create_downloads(self, request: Request) -> Response:
        """POST /cloud-download."""
        _accepts(request, "application/json")
        query.read(request, {})
        body = await bodies.json_object(request)
        try:
            orders = bodies.orders(body, self.world)
        except NotUnderstood as refused:
            self._refuse_unless_dropped(refused)
            return JSONResponse([])
        tasks = self.world.create(orders)
        now = self.world.clock.now()
        status = int(self.world.switches.text("post_status"))
        return JSONResponse([self._records.task(task, now) for task in tasks], status_code=status)

    async def delete_download(self, request: Request) -> Response:
        """DELETE /cloud-download/{guid}."""
        _accepts(request, "application/json")
        task = self.world.remove(self._download(request))
        how = self.world.switches.text("delete_answer")
        if how == "empty":
            return Response(status_code=204)
        record = self._records.task(task, self.world.clock.now())
        if how == "204_with_body":
            return _no_content_with(record)
        return JSONResponse(record, status_code=202 if how == "accepted" else 200)

    async def update_download(self, request: Request) -> Response:
        """PUT /cloud-download/{guid}."""
        _accepts(request, "application/json")
        download = self._download(request)
        at = self.world.clock.now()
        body = await bodies.json_object(request)
        try:
            download.changes.update(bodies.changes(body, self._records.mount(download, at), self.world.switches))
        except NotUnderstood as refused:
            self._refuse_unless_dropped(refused)
        how = self.world.switches.text("put_answer")
        if how == "empty":
            return Response(status_code=204)
        record = self._records.mount(download, at)
        return _no_content_with(record) if how == "204_with_body" else JSONResponse(record)

    async def get_download(self, request: Request) -> Response:
        """GET /cloud-download/{guid}: the file."""
        _accepts(request, "application/octet-stream")
        return self._content(request, "download")

    async def content_download(self, request: Request) -> Response:
        """GET /cloud-download/{guid}/content-download: the file again, or the printed empty object."""
        _accepts(request, "application/json")
        return self._content(request, "content_download")

    def _content(self, request: Request, switch: str) -> Response:
        download = self._download(request)
        if not download.ready(self.world.clock.now()):
            return not_ready_answer(download, self.world.switches)
        if self.world.switches.text(switch) == "object":
            return JSONResponse({})
        return file_answer(request, download, self.world.switches)

    def _refuse_unless_dropped(self, refused: NotUnderstood) -> None:
        how = self.world.switches.text("unknown_body")
        if how != "dropped":
            raise Problem(int(how), refused.message)

    def _download(self, request: Request) -> Download:
        query.read(request, {})
        return self.world.download(_path_guid(request))

    # Around them

    async def list_mounts(self, request: Request) -> Response:
        """GET /mounted-backups."""
        return self._list_mounts(request, downloads_only=False)

    async def get_mount(self, request: Request) -> Response:
        """GET /mounted-backups/{guid}."""
        query.read(request, {})
        mount = self.world.mount(_path_guid(request))
        return JSONResponse(self._records.mount(mount, self.world.clock.now()))

    def _list_mounts(self, request: Request, downloads_only: bool) -> Response:
        asked = self._read_query(request, query.MOUNTS)
        at = self.world.listed_at()
        mounts, foreign = (
            lists.mounts(self.world, among, asked, at, downloads_only)
            for among in (self.world.mounts(at), [self._foreign])
        )
        items = lists.ordered(mounts, asked, lists.MOUNT_ORDER, self.world.switches)
        if self.world.switches.text("page_quirk") == "growing":
            items.reverse()  # the newest first, which is where a list that grows is hard to read
        items = self.pager.moving(items, foreign, asked)
        answer = self.pager.answer(request.url.path, items, asked, lambda mount: self._records.mount(mount, at))
        self.pager.change(items, asked, self.world)
        return answer

    async def list_tasks(self, request: Request) -> Response:
        """GET /tasks."""
        asked = self._read_query(request, query.TASKS)
        now = self.world.clock.now()
        items = lists.ordered(lists.tasks(self.world, asked, now), asked, lists.TASK_ORDER, self.world.switches)
        return self.pager.answer(request.url.path, items, asked, lambda task: self._records.task(task, now))

    async def get_task(self, request: Request) -> Response:
        """GET /tasks/{guid}."""
        query.read(request, {})
        task = self.world.task(_path_guid(request))
        return JSONResponse(self._records.task(task, self.world.clock.now()))

    async def cancel_task(self, request: Request) -> Response:
        """PUT /tasks/{guid}/state: how clients cancel a running task."""
        query.read(request, {})
        task = self.world.task(_path_guid(request))
        bodies.cancel_text(await bodies.json_object(request))
        self._cancel(task.guid)
        return Response(status_code=204)

    async def delete_task(self, request: Request) -> Response:
        """DELETE /tasks/{guid}: cancels a running task, and removes one that is queued or has ended."""
        query.read(request, {})
        task = self.world.task(_path_guid(request))
        running = task.state(self.world.clock.now()) == "RUNNING"
        self._cancel(task.guid)
        task.deleted = not running
        return Response(status_code=204)

    def _cancel(self, guid: str) -> None:
        self.world.task(guid).cancel(self.world.clock.now(), self.world.switches.flag("slow_cancel"))

    async def list_backups(self, request: Request) -> Response:
        """GET /backups."""
        asked = self._read_query(request, query.BACKUPS)
        items = lists.ordered(lists.backups(self.world, asked), asked, lists.BACKUP_ORDER, self.world.switches)
        return self.pager.answer(request.url.path, items, asked, self._records.backup)

    async def list_users(self, request: Request) -> Response:
        """GET /cloud-users."""
        return self._list_entities(request, "users", query.USERS)

    async def list_sites(self, request: Request) -> Response:
        """GET /cloud-sites."""
        return self._list_entities(request, "sites", query.SITES)

    async def list_groups(self, request: Request) -> Response:
        """GET /cloud-groups."""
        return self._list_entities(request, "groups", query.GROUPS)

    def _list_entities(self, request: Request, kind: str, spec: query.Spec) -> Response:
        asked = self._read_query(request, spec)
        items = lists.ordered(lists.entities(self.world, kind, asked), asked, lists.ENTITY_ORDER, self.world.switches)
        return self.pager.answer(request.url.path, items, asked, self._records.entity)

    async def list_entities_of_a_type(self, request: Request) -> Response:
        """GET /cloud-protected-entities/{protectedEntityType}: all of them, there are no pages."""
        query.read(request, {})
        wanted = _path_parameter(request, "protectedEntityType", query.one_of(*query.ENTITY_TYPES))
        found = [entity for entity in self.world.entities.values() if entity.type == wanted]
        return JSONResponse([self._records.entity_details(entity) for entity in found])

    async def list_nodes(self, request: Request) -> Response:
        """GET /nodes."""
        asked = self._read_query(request, query.COMMON)
        now = self.world.clock.now()
        items = lists.ordered(lists.nodes(self.world, asked), asked, lists.NODE_ORDER, self.world.switches)
        return self.pager.answer(request.url.path, items, asked, lambda node: self._records.node(node, now))

    def _read_query(self, request: Request, spec: query.Spec) -> dict[str, t.Any]:
        """Return the parameters of a list, without those that this server ignores."""
        ignored = self.world.switches.names("ignored_filters")
        return {name: value for name, value in query.read(request, spec).items() if name not in ignored}


def application(api: Api) -> Starlette:
    """The routes, with every failure in the style of the switch error_body."""

    async def refuse(request: Request, error: Exception) -> Response:
        problem = error if isinstance(error, Problem) else None
        if isinstance(error, HTTPException):
            problem = Problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
        response = answer(t.cast(Problem, problem), api.world.switches)
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        return response

    return Starlette(routes=_routes(api), exception_handlers={Problem: refuse, HTTPException: refuse})


def _routes(api: Api) -> list[Route]:
    table: dict[str, dict[str, Handler]] = {
        "/session": {"GET": api.check_session},
        "/session/login": {"POST": api.login},
        "/session/login-with-token": {"POST": api.login_with_token},
        "/session/logout": {"POST": api.logout},
        "/session/user": {"GET": api.session_user},
        "/cloud-download": {"GET": api.list_downloads, "POST": api.create_downloads},
        "/cloud-download/{guid}": {
            "GET": api.get_download,
            "PUT": api.update_download,
            "DELETE": api.delete_download,
        },
        "/cloud-download/{guid}/content-download": {"GET": api.content_download},
        "/mounted-backups": {"GET": api.list_mounts},
        "/mounted-backups/{guid}": {"GET": api.get_mount},
        "/tasks": {"GET": api.list_tasks},
        "/tasks/{guid}": {"GET": api.get_task, "DELETE": api.delete_task},
        "/tasks/{guid}/state": {"PUT": api.cancel_task},
        "/backups": {"GET": api.list_backups},
        "/cloud-users": {"GET": api.list_users},
        "/cloud-sites": {"GET": api.list_sites},
        "/cloud-groups": {"GET": api.list_groups},
        "/cloud-protected-entities/{protectedEntityType}": {"GET": api.list_entities_of_a_type},
        "/nodes": {"GET": api.list_nodes},
    }
    return [Route(BASE + path, _Operations(handlers)) for path, handlers in table.items()]


class _Operations:
    """All methods of one path. An ASGI application: for a function Starlette would answer HEAD as well."""

    def __init__(self, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get(scope["method"])
        if handler is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._handlers))})
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)


def _no_content_with(record: t.Any) -> Response:
    answer = JSONResponse(record, status_code=204)
    answer.headers["Content-Length"] = str(len(answer.body))
    return answer


def _path_guid(request: Request) -> str:
    return _path_parameter(request, "guid", query.guid)


def _path_parameter(request: Request, name: str, parse: t.Callable[[str], str]) -> str:
    value = request.path_params[name]
    try:
        return parse(value)
    except ValueError as error:
        raise bad_request(f"path parameter '{name}': '{value}' {error}") from None


def _accepts(request: Request, produced: str) -> None:
    """Refuse an Accept header that rules out what the operation is declared to produce, as JAX-RS servers do."""
    header = request.headers.get("accept", "*/*")
    kinds = {part.partition(";")[0].strip().lower() for part in header.split(",")}
    if kinds.isdisjoint({"*/*", produced, produced.split("/")[0] + "/*"}):
        raise Problem(406, f"Accept must allow {produced}, not only '{header}'")
