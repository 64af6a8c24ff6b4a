# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option records of modules that compare the files of a host with records of downloads."""

from __future__ import annotations

import typing as t

from ._argspec import is_guid
from ._errors import OptionError
from ._transfer.matching import Wanted
from ._transfer.store.receipt import Origin, as_stored


def wanted_files(server: str, records: t.Sequence[t.Mapping[str, t.Any]]) -> list[Wanted]:
    """Return the files that records of downloads ask for, in their order. Raises OptionError.

    server: URL of the API of the server that prepares the downloads.
    """
    return [_wanted(server, record, f"entry {number}") for number, record in enumerate(records, 1)]


def _wanted(server: str, record: t.Mapping[str, t.Any], entry: str) -> Wanted:
    guid = _guid(record, "guid", entry)
    entity = _guid(_fields(record, "protected_entity", entry), "guid", f"protected_entity of {entry}")
    backup = _guid(_fields(record, "backup", entry), "guid", f"backup of {entry}")
    mode, request = _text(record, "mode", entry), _text(record, "request", entry)
    if not entity or not mode:
        raise OptionError("records", f"{entry} has no {'mode' if entity else 'protected_entity.guid'}")
    origin = Origin(server.rstrip("/"), entity=entity, mode=mode, backup=backup, request=request)
    return Wanted(guid and guid.lower(), as_stored(origin))


def _fields(record: t.Mapping[str, t.Any], name: str, entry: str) -> t.Mapping[str, t.Any]:
    value = record.get(name)
    if value is not None and not isinstance(value, dict):
        raise OptionError("records", f"{name} of {entry} is no dictionary")
    return value or {}


def _guid(record: t.Mapping[str, t.Any], name: str, entry: str) -> str | None:
    value = _text(record, name, entry)
    if value is not None and not is_guid(value):
        raise OptionError("records", f"{name} of {entry} is no GUID of 36 characters")
    return value


def _text(record: t.Mapping[str, t.Any], name: str, entry: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise OptionError("records", f"{name} of {entry} is no text")
    return value
