# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option records of modules that fetch content, and that compare the files of a host with what is wanted."""

from __future__ import annotations

import dataclasses
import typing as t

from ._argspec import is_guid
from ._errors import OptionError
from ._transfer.matching import Wanted
from ._transfer.store.receipt import Origin, as_stored


def origins(server: str, records: t.Sequence[t.Mapping[str, t.Any]]) -> t.Callable[[str], Origin]:
    """Return a function from the GUID of a download to the origin of its content. Raises OptionError.

    server: URL of its API; all that is known of a download without a record.
    """
    known: dict[str | None, Origin] = {}
    for number, record in enumerate(records, 1):
        entry = f"entry {number}"
        guid = _guid(record, "guid", entry)
        if not guid:
            raise OptionError("records", f"{entry} has no guid")
        known[guid.lower()] = _origin(server, record, entry)
    return lambda guid: known.get(guid.lower(), Origin(server))


def sizes(records: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, int]:
    """Return the sizes of the backups in bytes, by the GUIDs of the downloads, as far as they are known.

    Some servers have -1 for what they do not know. Raises OptionError.
    """
    found = {}
    for number, record in enumerate(records, 1):
        size = _fields(record, "backup", f"entry {number}").get("size")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
            raise OptionError("records", f"size of the backup of entry {number} is no number of bytes")
        if size is not None and size > 0:
            found[str(record.get("guid")).lower()] = size
    return found


def wanted_files(server: str, records: t.Sequence[t.Mapping[str, t.Any]]) -> list[Wanted]:
    """Return the files that records of downloads ask for, in their order. Raises OptionError.

    server: URL of the API of the server that prepares the downloads.
    """
    return [_wanted(server, record, f"entry {number}") for number, record in enumerate(records, 1)]


def _wanted(server: str, record: t.Mapping[str, t.Any], entry: str) -> Wanted:
    guid, origin = _guid(record, "guid", entry), _origin(server, record, entry)
    # A download that the server does not have any more is known by its GUID alone.
    if not guid and not (origin.entity and origin.mode):
        raise OptionError("records", f"{entry} has no {'mode' if origin.entity else 'protected_entity.guid'}")
    compared = dataclasses.replace(origin, server=server.rstrip("/"), entity_name=None, backup_time=None)
    return Wanted(guid and guid.lower(), as_stored(compared))


def _origin(server: str, record: t.Mapping[str, t.Any], entry: str) -> Origin:
    entity, backup = (_fields(record, name, entry) for name in ("protected_entity", "backup"))
    of_entity, of_backup = f"protected_entity of {entry}", f"backup of {entry}"
    return Origin(
        server,
        entity=_guid(entity, "guid", of_entity),
        entity_name=_text(entity, "name", of_entity),
        mode=_text(record, "mode", entry),
        backup=_guid(backup, "guid", of_backup),
        backup_time=_text(backup, "backup_time", of_backup),
        request=_text(record, "request", entry),
    )


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
