# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies and queries that are sent to the server."""

from __future__ import annotations

import typing as t

from . import names
from .decoding import Json, visible
from .models import decode_enum

Query = list[tuple[str, str]]


def login(username: str, password: str) -> Json:
    """Return a LoginRequest."""
    return {names.LOGIN: username, names.PASSWORD: password}


def login_with_token(token: str) -> Json:
    """Return a LoginWithTokenRequest."""
    return {names.TOKEN: token}


def create(
    entities: t.Sequence[str],
    mode: str,
    backups: t.Sequence[str],
    node: str | None,
    request: t.Mapping[str, Json],
) -> Json:
    """Return a CreateCloudDownloadRequest.

    The vendor prints no fields: every generated key is an assumption after the API's conventions (references by
    guid, enums by name). ``request`` is merged over it; a key that it sets to None is left out.
    """
    body: dict[str, Json] = {
        names.PROTECTED_ENTITIES: [{names.GUID: guid} for guid in entities],
        names.MODE: {names.NAME: mode},
    }
    if backups:
        body[names.BACKUP_LIST] = [{names.GUID: guid} for guid in backups]
    if node:
        body[names.NODE] = {names.GUID: node}
    body.update(request)
    return {key: value for key, value in body.items() if value is not None}


def update(status: str | None, fields: t.Mapping[str, Json]) -> Json:
    """Return an UpdateDownloadRequest: ``fields`` as they are, over the assumed key for ``status``."""
    body: dict[str, Json] = {names.STATE: {names.NAME: status}} if status else {}
    return {**body, **fields}


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
