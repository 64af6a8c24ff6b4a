# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of lists, and records: their keys, their constants, and where teams are."""

from __future__ import annotations

import typing as t

from .. import _profile
from .._api import cloud_downloads, names, tasks
from .._api.decoding import Json
from .._api.models import decode_enum
from .._api.transport import Observation
from .._argspec import is_guid
from .findings import Finding, pick, records_of
from .reading import Reading, guids_of, is_list, some_guid

_BY_GUID: t.Final = ("backup", "node", "protected_entity", "project_uuid")
_BY_TEXT: t.Final = ("filter", "name_like")
_ORDER_BY, _DIRECTION = (names.DOWNLOAD_FILTERS[option] for option in ("order_by", "direction"))
_FOREIGN_TYPE: t.Final = "STORAGE"  # no download is of this type
_TEAMS: t.Final = "CLOUD_TEAMS"
_STATES: t.Final = (*tasks.STATES, *names.READY_STATES)
_VERDICTS: t.Final = {True: "heeded", False: "ignored", None: "not known"}


def check(reading: Reading) -> list[Finding]:
    """Return the findings about filters and records."""
    first = reading.page(names.CLOUD_DOWNLOADS, 0, reading.size)
    downloads = records_of(first.body) if first else []
    found = [*_check_downloads(reading, downloads, first), _check_teams(reading), _check_nodes(reading)]
    found += [*_check_backups(reading), _check_list_filters(reading), *_check_tasks(reading), _check_order(reading)]
    return found


def check_shapes(reading: Reading) -> list[Finding]:
    """Return the findings about all records that were read."""
    records = [record for seen in reading.answers if is_list(seen) for record in records_of(seen.body)]
    constants = [record.get(key) for record in records for key in (names.MODE, names.STATE, names.STATUS, names.TYPE)]
    shapes = [
        shape
        for shape, kind in (("objects", dict), ("texts", str))
        if any(isinstance(value, kind) for value in constants)
    ]
    odd = sum(not is_guid(str(record.get(names.GUID))) for record in records)
    guids = f"{odd} of {len(records)} records have none" if odd else f"all of {len(records)} records have one"
    return [
        Finding("enum_shape", " and ".join(shapes) or "no record was read", True if shapes else None),
        Finding("guids", guids, not odd if records else None),
    ]


def _check_downloads(
    reading: Reading, downloads: t.Sequence[dict[str, Json]], first: Observation | None
) -> list[Finding]:
    filters = _check_filters(reading, downloads)
    if not downloads:
        nothing = "the server lists no download" if is_list(first) else "the list cannot be read"
        return [filters, *(Finding(id, nothing, seen=first) for id in ("record_keys", "list_prefiltered"))]
    modes = {decode_enum(download.get(names.MODE)) for download in downloads}
    others = pick(modes - set(names.DOWNLOAD_MODES), names.MODES)
    keys = pick((key for download in downloads for key in download), names.RECORD_KEYS)
    has_all = all(download.get(names.GUID) and download.get(names.MODE) for download in downloads)
    states = pick((decode_enum(download.get(names.STATE)) or "" for download in downloads), _STATES)
    return [
        filters,
        Finding("record_keys", keys.text("key"), has_all, seen=first),
        Finding(
            "list_prefiltered",
            f"yes, of {others.text('mode')}" if others.known or others.others else "only downloads are listed",
            True,
            seen=first,
        ),
        Finding("state_names", states.text("state"), True, seen=first),
        _check_link_to_backup(reading, downloads, first),
    ]


def _check_link_to_backup(
    reading: Reading, downloads: t.Sequence[dict[str, Json]], first: Observation | None
) -> Finding:
    shown = sum(isinstance(download.get(names.BACKUP), dict) for download in downloads)
    if shown == len(downloads):
        return Finding("backup_of_download", "all records show it", True, seen=first)
    by_record = "some records show it" if shown else "no record shows it"
    heeded = _heeds(reading, "backup", some_guid())
    by_filter = {True: "the filter is heeded", False: "the filter is ignored", None: "the filter fails"}[heeded]
    return Finding("backup_of_download", f"{by_record}, and {by_filter}", heeded, seen=first)


def _check_filters(reading: Reading, downloads: t.Sequence[dict[str, Json]]) -> Finding:
    """Ask for values that no download has: whatever is listed then, a filter was ignored."""
    if not downloads:
        return Finding("filters", "a list with a download would be needed")
    modes = {decode_enum(download.get(names.MODE)) for download in downloads}
    values = {
        **{option: some_guid() for option in _BY_GUID},
        **{option: some_guid() for option in _BY_TEXT},
        "mode": next((mode for mode in names.MODES if mode not in modes), None),
        "protected_entity_type": _FOREIGN_TYPE,
    }
    verdicts = {option: _heeds(reading, option, value) for option, value in values.items() if value}
    heeded, ignored, failing = (
        ", ".join(names.DOWNLOAD_FILTERS[option] for option, verdict in sorted(verdicts.items()) if verdict is wanted)
        for wanted in (True, False, None)
    )
    parts = [("heeded", heeded), ("ignored", ignored), ("not known", failing)]
    found = "; ".join(f"{verdict}: {options}" for verdict, options in parts if options)
    return Finding("filters", found, False if ignored else None if failing else True)


def _heeds(reading: Reading, option: str, value: str) -> bool | None:
    parameter = names.DOWNLOAD_FILTERS[option]
    return _finds_nothing(reading.page(names.CLOUD_DOWNLOADS, 0, 1, (parameter, value)))


def _finds_nothing(seen: Observation | None) -> bool | None:
    """Return whether an answer to an impossible filter has no record; None for one that says nothing."""
    if seen is None:
        return None
    if is_list(seen):
        return not records_of(seen.body)
    return True if seen.status in cloud_downloads.FINDS_NOTHING else None


def _check_order(reading: Reading) -> Finding:
    first, last = (
        reading.page(names.CLOUD_DOWNLOADS, 0, 1, (_ORDER_BY, names.GUID), (_DIRECTION, direction))
        for direction in ("asc", "desc")
    )
    if not is_list(first):
        return Finding("order_by", "guid is refused", seen=first)
    is_sorted = guids_of(first) != guids_of(last)
    found = "guid and direction are heeded" if is_sorted else "guid is accepted, with one download or without effect"
    return Finding("order_by", found, True if is_sorted else None, seen=first)


def _check_teams(reading: Reading) -> Finding:
    groups = reading.page(names.CLOUD_GROUPS, 0, reading.size, (names.FILTER_TEAMS, "true"))
    if groups and any(decode_enum(group.get(names.TYPE)) in (None, _TEAMS) for group in records_of(groups.body)):
        return Finding("teams", "cloud-groups lists teams", True, seen=groups)
    elsewhere = reading.get(f"{names.CLOUD_PROTECTED_ENTITIES}/{_TEAMS}")
    if elsewhere and is_list(elsewhere) and records_of(elsewhere.body):
        found = "cloud-protected-entities lists teams, and cloud-groups does not"
        return Finding("teams", found, False, _profile.PROTECTED_ENTITIES, elsewhere)
    return Finding("teams", "neither list has a team", seen=groups)


def _check_nodes(reading: Reading) -> Finding:
    seen = reading.page(names.NODES, 0, reading.size)
    nodes = records_of(seen.body) if seen else []
    if not is_list(seen) or not nodes:
        return Finding("nodes", "no node is listed", seen=seen)
    is_named = all(node.get(names.GUID) and node.get(names.NAME) for node in nodes)
    return Finding("nodes", "each has both" if is_named else "some lack one of them", is_named, seen=seen)


def _check_backups(reading: Reading) -> list[Finding]:
    seen = reading.page(names.BACKUPS, 0, reading.size)
    backups = records_of(seen.body) if seen else []
    if not backups:
        return [Finding("backup_statuses", "no backup is listed", seen=seen)]
    statuses = pick((decode_enum(backup.get(names.STATUS)) or "" for backup in backups), names.ALL_BACKUP_STATUSES)
    can_restore = names.BACKUP_STATUSES[0] in statuses.known
    return [Finding("backup_statuses", statuses.text("status"), can_restore, seen=seen)]


def _check_list_filters(reading: Reading) -> Finding:
    verdicts = []
    for path, parameter in ((names.BACKUPS, names.FILTER_PROTECTED_ENTITY), (names.CLOUD_USERS, names.FILTER_NAME)):
        first = reading.page(path, 0, 1)
        if first and records_of(first.body):
            verdict = _finds_nothing(reading.page(path, 0, 1, (parameter, some_guid())))
            verdicts.append(f"{parameter} of {path} is {_VERDICTS[verdict]}")
    found = "; ".join(verdicts) or "lists with records would be needed"
    return Finding("list_filters", found, True if verdicts else None)


def _check_tasks(reading: Reading) -> list[Finding]:
    seen = reading.page(names.TASKS, 0, reading.size)
    found = records_of(seen.body) if seen else []
    if not found:
        return [Finding(id, "no task is listed", seen=seen) for id in ("task_types", "task_states", "task_link")]
    types = pick((decode_enum(task.get(names.TYPE)) or "" for task in found), tasks.TYPES)
    states = pick((decode_enum(task.get(names.STATE)) or "" for task in found), tasks.STATES)
    has_link = any(isinstance(task.get(names.MOUNTED_BACKUP), dict) for task in found)
    return [
        Finding("task_types", f"in use: {types.text('type')}", seen=seen),
        Finding("task_states", states.text("state"), not states.others, seen=seen),
        Finding("task_link", f"{'some tasks have' if has_link else 'no task has'} mountedBackup", True, seen=seen),
    ]
