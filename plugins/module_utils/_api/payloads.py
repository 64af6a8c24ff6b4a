# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies and queries that are sent to the server."""

from __future__ import annotations

import typing as t

from .. import _profile
from . import names
from .decoding import Json, visible
from .models import Reference, decode_enum

Query = list[tuple[str, str]]


def login(username: str, password: str) -> Json:
    """Return a LoginRequest."""
    return {names.LOGIN: username, names.PASSWORD: password}


def login_with_token(token: str) -> Json:
    """Return a LoginWithTokenRequest."""
    return {names.TOKEN: token}


def create(
    template: t.Mapping[str, Json],
    entities: t.Sequence[Reference],
    mode: str,
    backups: t.Sequence[str],
    node: str | None,
    request: t.Mapping[str, Json],
) -> dict[str, Json]:
    """Return a CreateCloudDownloadRequest: the template of the server profile, filled, with ``request`` merged over it.

    Both have placeholders, which ``_profile.parse`` and ``check_request`` have checked. A key that ``request`` sets to
    None is left out.
    """
    values = _create_values(entities, mode, backups, node)
    body = {**_profile.fill(template, values), **_profile.fill(request, values, "request")}
    return {key: value for key, value in body.items() if value is not None or key not in request}


def _create_values(
    entities: t.Sequence[Reference], mode: str, backups: t.Sequence[str], node: str | None
) -> dict[str, Json]:
    """Return the value of each placeholder, after the API's conventions: references by guid, enums by name."""
    records = [_reference(entity) for entity in entities]
    return {
        "entities": records,
        "entity_guids": [entity.guid for entity in entities],
        "entity": records[0],
        "entity_guid": entities[0].guid,
        "mode": {names.NAME: mode},
        "mode_name": mode,
        "backups": [{names.GUID: guid} for guid in backups] or None,
        "backup_guid": backups[0] if backups else None,
        "node": {names.GUID: node} if node else None,
        "node_guid": node,
    }


def _reference(entity: Reference) -> dict[str, Json]:
    fields: dict[str, Json] = {names.GUID: entity.guid}
    if entity.name:
        fields[names.NAME] = entity.name
    if entity.type:
        fields[names.TYPE] = {names.NAME: entity.type}
    return fields


def keys_of(body: Json, prefix: str = "") -> list[str]:
    """Return the keys of a body with those above them, each once, such as ``protectedEntities.guid``; no values."""
    found: list[str] = []
    for value in body if isinstance(body, list) else [body]:
        for key, inner in value.items() if isinstance(value, dict) else ():
            found += [f"{prefix}{key}", *keys_of(inner, f"{prefix}{key}.")]
    return list(dict.fromkeys(found))


def update(template: t.Mapping[str, Json], status: str | None, fields: t.Mapping[str, Json]) -> Json:
    """Return an UpdateDownloadRequest: ``fields`` as they are, over the template of the server profile."""
    return {**_profile.fill(template, {"status": status}), **fields}


def differences(record: t.Mapping[str, Json], body: t.Mapping[str, Json]) -> dict[str, Json]:
    """Return the keys of ``body`` that would change ``record``, with the record's value (None when it has none)."""
    return {key: record.get(key) for key, value in body.items() if not _has(record.get(key), visible(value))}


def query(filters: t.Mapping[str, Json], parameters: t.Mapping[str, str]) -> Query:
    """Return the query for options in snake_case, without those that are None.

    parameters: the parameter of each option, ``names.DOWNLOAD_FILTERS`` or ``names.ENTITY_FILTERS``.
    """
    found: Query = []
    for option, parameter in parameters.items():
        value = filters.get(option)
        values = value if isinstance(value, list) else [] if value is None else [value]
        found += [(parameter, str(each).lower() if isinstance(each, bool) else str(each)) for each in values]
    return found


def _has(current: Json, wanted: Json) -> bool:
    """Return whether the record already holds a value; enums count as equal in both of their shapes."""
    if isinstance(wanted, dict) and isinstance(current, dict):
        return all(_has(current.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, dict) and set(wanted) == {names.NAME} and isinstance(current, str):
        return bool(current == wanted[names.NAME])
    if isinstance(current, dict) and isinstance(wanted, str):
        return decode_enum(current) == wanted
    return type(current) is type(wanted) and bool(current == wanted)
