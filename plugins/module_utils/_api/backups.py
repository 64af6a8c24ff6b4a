# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: which one is the latest of an entity that data can be restored from."""

from __future__ import annotations

import typing as t

from . import models, names, pagination
from .pagination import Reader

# Up to here one call an entity is cheaper than all backups of a type.
_FEW_ENTITIES: t.Final = 5


def latest(
    reader: Reader, entities: t.Iterable[str], types: t.Sequence[str], statuses: t.Collection[str]
) -> dict[str, models.Backup]:
    """The latest backup with one of the statuses for each entity (guids); entities without one are left out.

    The entities are of these types. The number of calls does not grow with theirs, only with the pages.
    """
    wanted = set(entities)
    parameter, values = names.FILTER_PROTECTED_ENTITY_TYPE, list(types)
    if len(wanted) <= _FEW_ENTITIES:
        parameter, values = names.FILTER_PROTECTED_ENTITY, sorted(wanted)
    # Each entity is of one type: when all are found, the lists of the other types are not read.
    return _newest(wanted, (_listed(reader, parameter, value, statuses) for value in values))


def newest_first(reader: Reader, entity: str) -> list[models.Backup]:
    """All backups of an entity (guid), whatever their status."""
    return sorted(_listed(reader, names.FILTER_PROTECTED_ENTITY, entity, ()), key=_taken, reverse=True)


def _newest(wanted: t.AbstractSet[str], lists: t.Iterable[list[models.Backup]]) -> dict[str, models.Backup]:
    """Reads as many of the lists as are needed."""
    newest: dict[str, models.Backup] = {}
    for backups in lists:
        for backup in backups:
            guid = backup.protected_entity.guid if backup.protected_entity else None
            if guid in wanted and guid is not None and _taken(backup) >= _taken(newest.get(guid)):
                newest[guid] = backup
        if len(newest) == len(wanted):
            break
    return newest


def _listed(reader: Reader, parameter: str, value: str, statuses: t.Collection[str]) -> list[models.Backup]:
    """Those with one of the statuses, all when there are none."""
    query = [(parameter, value), *((names.FILTER_STATUS, status) for status in statuses)]
    records = pagination.list_all(reader, names.BACKUPS, query, "list backups")
    backups = [models.decode_backup(record, f"GET {names.BACKUPS}: [{index}]") for index, record in enumerate(records)]
    return [backup for backup in backups if not statuses or backup.status in statuses]


def _taken(backup: models.Backup | None) -> str:
    """When the data was taken; ISO 8601 in UTC sorts as text."""
    return (backup.snapshot_time or backup.backup_time or "") if backup else ""
