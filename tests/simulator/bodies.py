# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request bodies, read strictly: what is malformed, unknown or of the wrong type is a Problem that names it."""

from __future__ import annotations

import typing as t

from starlette.requests import Request

from tests.simulator import query, strict_json
from tests.simulator.inventory import Backup, Entity
from tests.simulator.problems import Problem, bad_request
from tests.simulator.state import DOWNLOAD_MODES, Order, World

Body = dict[str, t.Any]
# The vendor prints no keys for CreateCloudDownloadRequest: these are assumed, and create_keys=renamed wants the others
_CREATE_KEYS = {
    "assumed": ("protectedEntities", "mode", "backups", "node"),
    "renamed": ("objects", "downloadMode", "backupList", "targetNode"),
}
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
    """What a CreateCloudDownloadRequest asks for, entity by entity."""
    keys = _CREATE_KEYS[world.switches.text("create_keys")]
    entities_key, mode_key, backups_key, node_key = keys
    _only(body, keys)
    entities = [_entity(world, entities_key, guid) for guid in _guids(body, entities_key)]
    mode = _enum(body, mode_key, DOWNLOAD_MODES)
    backups = _backups_of(world, backups_key, _guids(body, backups_key), entities) if backups_key in body else {}
    node_guid = _guid(body[node_key], node_key) if node_key in body else next(iter(world.nodes))
    if node_guid not in world.nodes:
        raise Problem(404, f"body key '{node_key}': no node {node_guid}")
    return [Order(entity, mode, backups.get(entity.guid), world.nodes[node_guid]) for entity in entities]


def changes(body: Body, record: Body) -> Body:
    """What an UpdateDownloadRequest changes: any keys, known or new, except those that make the download what it is."""
    for key in _FIXED:
        if key in body and not _means_the_same(body[key], record.get(key)):
            raise bad_request(f"body key '{key}' cannot be changed")
    if "state" in body:
        _enum(body, "state")
    return {key: value for key, value in body.items() if key not in _FIXED}


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


def _guids(body: Body, key: str) -> list[str]:
    value = body.get(key)
    if not isinstance(value, list) or not value:
        raise bad_request(f"body key '{key}' must be a list that is not empty")
    guids = [_guid(item, key) for item in value]
    if len(set(guids)) != len(guids):
        raise bad_request(f"body key '{key}' names the same guid twice")
    return guids


def _guid(value: t.Any, key: str) -> str:
    text = value.get("guid") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise bad_request(f"body key '{key}': an object with a guid is expected")
    if not set(value) <= {"guid", "name", "type"} or not isinstance(value.get("name", ""), str):
        raise bad_request(f"body key '{key}': an object may have guid, name (a text) and type only")
    try:
        return query.guid(text)
    except ValueError as error:
        raise bad_request(f"body key '{key}': '{text}' {error}") from None


def _entity(world: World, key: str, guid: str) -> Entity:
    if guid not in world.entities:
        raise Problem(404, f"body key '{key}': no protected entity {guid}")
    return world.entities[guid]


def _backups_of(world: World, key: str, guids: list[str], entities: list[Entity]) -> dict[str, Backup]:
    known = {backup.guid: backup for backup in world.backups()}
    chosen: dict[str, Backup] = {}
    for guid in guids:
        if guid not in known:
            raise Problem(404, f"body key '{key}': no backup {guid}")
        owner = known[guid].entity
        if owner not in entities or owner.guid in chosen:
            raise bad_request(f"body key '{key}': {guid} is not the one backup of a listed entity")
        chosen[owner.guid] = known[guid]
    return chosen


def _means_the_same(value: t.Any, current: object) -> bool:
    if isinstance(value, dict) and isinstance(current, dict):
        return all(current.get(key) == part for key, part in value.items())
    given: object = value.get("name") if isinstance(value, dict) else value
    return given == current
