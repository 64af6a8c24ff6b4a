# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request bodies, read strictly: what is malformed, unknown or of the wrong type is a Problem that names it."""

from __future__ import annotations

import typing as t

from starlette.requests import Request

from tests.simulator import strict_json, template_reader
from tests.simulator.inventory import Backup, Entity, Named
from tests.simulator.problems import Problem, bad_request
from tests.simulator.state import DOWNLOAD_MODES, Order, World
from tests.simulator.switches import Switches
from tests.simulator.template_reader import NotUnderstood

Body = dict[str, t.Any]
_FIXED = ("guid", "mode", "backup", "node", "mountedFileCount", "mountedFileSystemCount")


async def json_object(request: Request) -> Body:
    """The body of a request: a JSON object, declared as such."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, f"Content-Type must be application/json, not '{media_type}'")
    try:
        body = strict_json.loads(await request.body())
    except ValueError as error:
        raise bad_request(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise bad_request("the body is not a JSON object")
    return body


def texts(body: Body, *names: str) -> list[str]:
    """The values of exactly these keys, all of them texts."""
    _only(body, names)
    for name in names:
        if not isinstance(body.get(name), str):
            raise bad_request(f"body key '{name}' must be a text")
    return [body[name] for name in names]


def orders(body: Body, world: World) -> list[Order]:
    """What a CreateCloudDownloadRequest asks for, entity by entity.

    NotUnderstood if it has not the shape of the switch create_body, or asks for several where one is accepted.
    """
    values, _known = _read("create_body", body, world.switches)
    guids = values.get("entities", [])
    if not guids or (len(guids) > 1 and world.switches.text("create_batch") == "one"):
        raise NotUnderstood(f"the body names {len(guids)} entities, and one is accepted")
    entities = [_entity(world, guid) for guid in guids]
    chosen = _backups_of(world, values.get("backups", []), entities)
    mode = values.get("mode", DOWNLOAD_MODES)[0]
    node = _node(world, values.get("node", list(world.nodes))[0])
    return [Order(entity, mode, chosen.get(entity.guid), node) for entity in entities]


def changes(body: Body, record: Body, switches: Switches) -> Body:
    """What an UpdateDownloadRequest changes: keys, known or new, except those that make the download what it is.

    NotUnderstood if it has not the shape of the switch update_body. Without one any keys are accepted.
    """
    has_shape = bool(switches.template("update_body"))
    if has_shape:
        _values, body = _read("update_body", body, switches)
    for key in _FIXED:
        if key in body and not _means_the_same(body[key], record.get(key)):
            raise bad_request(f"body key '{key}' cannot be changed")
    if "state" in body and not has_shape:
        _enum(body, "state")
    return {key: value for key, value in body.items() if key not in _FIXED}


def _read(switch: str, body: Body, switches: Switches) -> tuple[template_reader.Values, Body]:
    drops_unknown = switches.text("unknown_body") != "400"
    return template_reader.read(switches.template(switch), body, drops_unknown=drops_unknown)


def cancel_text(body: Body) -> None:
    """Check the body that cancels a task: the state CANCELLED and, if the client likes, a text."""
    _only(body, ("state", "statusInfo"))
    _enum(body, "state", ("CANCELLED",))
    if not isinstance(body.get("statusInfo", ""), str):
        raise bad_request("body key 'statusInfo' must be a text")


def _only(body: Body, names: t.Iterable[str]) -> None:
    unknown = sorted(set(body).difference(names))
    if unknown:
        raise bad_request(f"unknown body key '{unknown[0]}'")


def _enum(body: Body, key: str, allowed: t.Sequence[str] = ()) -> str:
    value = body.get(key)
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(name, str) or not name:
        raise bad_request(f"body key '{key}' must be an object with a name")
    if not set(value) <= {"name", "description"} or not isinstance(value.get("description", ""), str):
        raise bad_request(f"body key '{key}' may have a name and a description only, both texts")
    if allowed and name not in allowed:
        raise bad_request(f"body key '{key}': '{name}' is not one of {', '.join(allowed)}")
    return name


def _entity(world: World, guid: str) -> Entity:
    if guid not in world.entities:
        raise Problem(404, f"no protected entity {guid}")
    return world.entities[guid]


def _node(world: World, guid: str) -> Named:
    if guid not in world.nodes:
        raise Problem(404, f"no node {guid}")
    return world.nodes[guid]


def _backups_of(world: World, guids: list[str], entities: list[Entity]) -> dict[str, Backup]:
    known = {backup.guid: backup for backup in world.backups()} if guids else {}
    chosen: dict[str, Backup] = {}
    for guid in guids:
        if guid not in known:
            raise Problem(404, f"no backup {guid}")
        owner = known[guid].entity
        if owner not in entities or owner.guid in chosen:
            raise bad_request(f"{guid} is not the one backup of an entity of the body")
        chosen[owner.guid] = known[guid]
    return chosen


def _means_the_same(value: t.Any, current: object) -> bool:
    if isinstance(value, dict) and isinstance(current, dict):
        return all(current.get(key) == part for key, part in value.items())
    given: object = value.get("name") if isinstance(value, dict) else value
    return given == current
