# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Query parameters, read strictly: an unknown name, a wrong value or a repeated one is a Problem that names it."""

from __future__ import annotations

import re
import typing as t

from starlette.requests import Request

from tests.simulator.problems import bad_request

Parser = t.Callable[[str], t.Any]
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Many:
    """A parameter that may be repeated; its value is a list."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser


Spec = t.Mapping[str, Parser | Many]


def guid(value: str) -> str:
    """A UUID in its 36 character form, in lower case."""
    if not _GUID.fullmatch(value):
        raise ValueError("is not a guid")
    return value.lower()


def whole(minimum: int, maximum: int) -> Parser:
    """A whole number in these limits."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", value) or not minimum <= int(value) <= maximum:
            raise ValueError(f"is not a whole number from {minimum} to {maximum}")
        return int(value)

    return parse


def flag(value: str) -> bool:
    """true or false."""
    return bool(one_of("true", "false")(value) == "true")


def text(value: str) -> str:
    """Any text."""
    return value


def one_of(*allowed: str) -> Parser:
    """A closed list."""

    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"is not one of {', '.join(name for name in allowed if name)}")
        return value

    return parse


def read(request: Request, spec: Spec) -> dict[str, t.Any]:
    """The parameters of a request by name; those not sent are missing."""
    pairs = request.query_params.multi_items()
    values: dict[str, t.Any] = {}
    for name, value in pairs:
        parser = spec.get(name)
        if parser is None:
            raise bad_request(f"unknown query parameter '{name}'")
        if isinstance(parser, Many):
            values.setdefault(name, []).append(_parsed(name, value, parser.parser))
        elif name in values:
            raise bad_request(f"query parameter '{name}' was sent more than once")
        else:
            values[name] = _parsed(name, value, parser)
    return values


def _parsed(name: str, value: str, parser: Parser) -> t.Any:
    try:
        return parser(value)
    except ValueError as error:
        raise bad_request(f"query parameter '{name}': '{value}' {error}") from None


# What lists take. Names and closed lists are the vendor's.

MODES = ("AUTO", "CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD", "INSTANT_RESTORE", "ISCSI", "MANUAL", "OS_DOWNLOAD")
ENTITY_TYPES = (
    "APP", "CLOUD", "CLOUD_GROUP", "CLOUD_SITE", "CLOUD_TEAMS", "CLOUD_USER", "OS", "OS_AGENT", "STORAGE", "VM",
)  # fmt: skip
TASK_STATES = ("CANCELLED", "FAILED", "FINISHED", "QUEUED", "RUNNING")
TASK_TYPES = (
    "BACKUP_CLEANUP", "BACKUP_DESTINATION_INIT", "BACKUP_DESTINATION_SYNC", "CONNECTIVITY_TEST", "DELETE", "EJECT_TAPE",
    "EXPORT", "IMPORT", "IMPORT_TAPE", "INVENTORY_SYNC", "LIVE_MIGRATION", "MOUNT", "RESTORE", "SCOPED_INVENTORY_SYNC",
    "SNAPSHOT", "SNAPSHOT_CLEANUP", "SNAPSHOT_REVERSION", "STAGING_CLEANUP", "STORE", "TAPE_MANAGER_INVENTORY_SYNC",
    "UNMOUNT", "UPLOAD",
)  # fmt: skip
BACKUP_STATUSES = ("FAILED", "INPROGRESS", "PARTIAL_SUCCESS", "QUEUED", "SUCCESS", "SUCCESS_REMOVED")
BACKUP_TYPES = ("FULL", "INCREMENTAL", "SYNCHRONIZATION", "SYNTHETIC")
PROTECTION = ("IS_PROTECTED", "NOT_PROTECTED", "NO_SCHEDULE")

_INT, _LONG = 2**31 - 1, 2**63 - 1  # of Java

COMMON: Spec = {
    "page": whole(0, _INT),
    "size": whole(1, _INT),
    "orderBy": text,
    "direction": one_of("asc", "desc", ""),  # clients send a blank when sorting is off
    "filter": text,
    "nameLike": text,
}
MOUNTS: Spec = {
    **COMMON,
    "backup": guid,
    "finished-mount": flag,
    "mode": one_of(*MODES),
    "node": guid,
    "project-uuid": guid,
    "protected-entity": guid,
    "protected-entity-type": one_of(*ENTITY_TYPES),
}
TASKS: Spec = {
    **COMMON,
    "backup": guid,
    "backup-destination": guid,
    "hypervisor": guid,
    "hypervisor-manager": guid,
    "mounted-backup-assigned": flag,
    "node": guid,
    "parent-task": guid,
    "project-uuid": guid,
    "protected-entity": guid,
    "restore-job": guid,
    "schedule": guid,
    "state": one_of(*TASK_STATES),
    "states": Many(one_of(*TASK_STATES)),
    "storage-provider": guid,
    "type": one_of(*TASK_TYPES),
    "workflow-execution": guid,
}
BACKUPS: Spec = {
    **COMMON,
    "backup-destination": guid,
    "backup-policy": Many(guid),
    "backup-rule": guid,
    "cloud-service-provider": guid,
    "fail-on-non-successful": flag,
    "from": whole(0, _LONG),
    "hypervisor": guid,
    "hypervisor-manager": guid,
    "min-size": whole(0, _LONG),
    "node": guid,
    "only-mountable": flag,
    "parent-backup": guid,
    "project-uuid": guid,
    "protected-entity": guid,
    "protected-entity-type": one_of(*ENTITY_TYPES),
    "root-backup": guid,
    "status": Many(one_of(*BACKUP_STATUSES)),
    "storage-provider": guid,
    "to": whole(0, _LONG),
    "type": one_of(*BACKUP_TYPES),
    "without-hidden": flag,
}
USERS: Spec = {
    **COMMON,
    "backupStatus": Many(one_of(*PROTECTION)),
    "cloud-service-provider": guid,
    "policy": Many(guid),
}
SITES: Spec = {**USERS, "team": guid, "with-childs": flag, "with-teams": flag}
GROUPS: Spec = {**USERS, "teams-group": flag}
