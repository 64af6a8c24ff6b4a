# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only file that decodes the server's JSON and knows its key names: tolerant in, strict out.

With ``decoding`` it is the gate for the server's words: behind it every GUID is a GUID in lower case. What is
documented, seen in clients or assumed about each key is marked in ``tests/simulator/openapi.yaml``. Records keep what
the server sent in ``raw``, so that nothing unknown is lost.
"""

from __future__ import annotations

import datetime
import math
import typing as t
from dataclasses import dataclass, field

from .._argspec import is_guid
from .._errors import StorwareError
from .decoding import visible

# The vendor's closed lists (API page, GET /cloud-download).
MODES: t.Final = (
    "AUTO",
    "CLOUD_DOWNLOAD",
    "CLOUD_PST_DOWNLOAD",
    "INSTANT_RESTORE",
    "ISCSI",
    "MANUAL",
    "OS_DOWNLOAD",
)
PROTECTED_ENTITY_TYPES: t.Final = (
    "APP",
    "CLOUD",
    "CLOUD_GROUP",
    "CLOUD_SITE",
    "CLOUD_TEAMS",
    "CLOUD_USER",
    "OS",
    "OS_AGENT",
    "STORAGE",
    "VM",
)
# Of the vendor's closed list those that its own client offers to restore from; the first is the default.
BACKUP_STATUSES: t.Final = ("SUCCESS", "PARTIAL_SUCCESS")
DOWNLOAD_MODES: t.Final = ("CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD")

Json = t.Any
Query = list[tuple[str, str]]


class Malformed(StorwareError):
    """The server's JSON has another shape than its API describes."""

    code = "invalid_response"

    def __init__(self, where: str, expected: str, got: Json) -> None:
        super().__init__(
            f"The server's answer has an unexpected shape: {where} should be {expected}, not {_kind(got)}",
            hint="Check that url leads to the API of Storware Backup and Recovery.",
        )


@dataclass(frozen=True)
class Reference:
    """What the vendor calls NameAndGuid and NameGuidAndType."""

    guid: str
    name: str | None = None
    type: str | None = None

    def result(self) -> dict[str, t.Any]:
        """The value as modules return it."""
        return {"guid": self.guid, "name": self.name, "type": self.type}


@dataclass(frozen=True)
class Backup:
    """One backup (restore point) of a protected entity."""

    guid: str
    status: str | None = None
    type: str | None = None
    size: int | None = None
    backup_time: str | None = None
    snapshot_time: str | None = None
    protected_entity: Reference | None = None

    def result(self) -> dict[str, t.Any]:
        """The value as modules return it; the entity is told once, by the record around it."""
        return {
            "guid": self.guid,
            "status": self.status,
            "type": self.type,
            "size": self.size,
            "backup_time": self.backup_time,
            "snapshot_time": self.snapshot_time,
        }


@dataclass(frozen=True)
class CloudDownload:
    """One cloud download: a mounted backup whose mode is a download."""

    guid: str | None  # None only in predictions of check mode
    mode: str | None
    state: str | None = None
    protected_entity: Reference | None = None
    backup: Backup | None = None
    node: Reference | None = None
    mounted_file_count: int | None = None
    mounted_file_system_count: int | None = None
    raw: t.Mapping[str, Json] = field(default_factory=dict, compare=False, repr=False)

    def result(self) -> dict[str, t.Any]:
        """The record as every module returns it."""
        return {
            "guid": self.guid,
            "mode": self.mode,
            "state": self.state,
            "protected_entity": self.protected_entity.result() if self.protected_entity else None,
            "backup": self.backup.result() if self.backup else None,
            "node": _named(self.node),
            "mounted_file_count": self.mounted_file_count,
            "mounted_file_system_count": self.mounted_file_system_count,
            "other": {key: value for key, value in self.raw.items() if key not in _KNOWN_KEYS},
        }


_KNOWN_KEYS: t.Final = frozenset(
    ("guid", "mode", "state", "protectedEntity", "backup", "node", "mountedFileCount", "mountedFileSystemCount")
)


@dataclass(frozen=True)
class Task:
    """One task of the server."""

    guid: str
    state: str | None
    type: str | None = None
    status_info: str | None = None
    progress: float | None = None
    creation_time: str | None = None
    finish_time: str | None = None
    protected_entity: Reference | None = None
    mounted_backup: Reference | None = None

    def result(self) -> dict[str, t.Any]:
        """The record as modules return it."""
        return {
            "guid": self.guid,
            "state": self.state,
            "type": self.type,
            "status_info": self.status_info,
            "progress": self.progress,
            "creation_time": self.creation_time,
            "finish_time": self.finish_time,
            "protected_entity": self.protected_entity.result() if self.protected_entity else None,
        }


@dataclass(frozen=True)
class Entity:
    """A user, site, group or team of the inventory."""

    guid: str
    name: str | None = None
    email: str | None = None
    type: str | None = None
    present: bool | None = None
    restorable: bool | None = None
    backup_up_to_date: bool | None = None
    last_backup: str | None = None
    policy: Reference | None = None
    cloud_service_provider: Reference | None = None
    raw: t.Mapping[str, Json] = field(default_factory=dict, compare=False, repr=False)

    def result(self, latest_backup: Backup | None) -> dict[str, t.Any]:
        """The record as modules return it."""
        return {
            "guid": self.guid,
            "name": self.name,
            "email": self.email,
            "type": self.type,
            "present": self.present,
            "restorable": self.restorable,
            "backup_up_to_date": self.backup_up_to_date,
            "last_backup": self.last_backup,
            "policy": _named(self.policy),
            "cloud_service_provider": _named(self.cloud_service_provider),
            "latest_backup": latest_backup.result() if latest_backup else None,
            "other": {key: value for key, value in self.raw.items() if key not in _ENTITY_KEYS},
        }


_ENTITY_KEYS: t.Final = frozenset(
    (
        "guid",
        "name",
        "email",
        "type",
        "present",
        "restorable",
        "backupUpToDate",
        "lastBackup",
        "policy",
        "cloudServiceProvider",
    )
)


def _named(thing: Reference | None) -> dict[str, t.Any] | None:
    return {"guid": thing.guid, "name": thing.name} if thing else None


# --- from the server -------------------------------------------------------------------------------------------------


def cloud_download(record: Json, where: str) -> CloudDownload:
    """A MountedBackupListRecord or MountedBackupDetails."""
    fields = _object(record, where)
    held = _optional(fields, "backup", backup, where)
    # Inside the backup is documented; beside it is an assumption, for records that have no backup.
    entity = (held.protected_entity if held else None) or _optional(fields, "protectedEntity", reference, where)
    return CloudDownload(
        guid=guid_of(fields, where),
        mode=enum(fields.get("mode")),
        state=enum(fields.get("state")),
        protected_entity=entity,
        backup=held,
        node=_optional(fields, "node", reference, where),
        mounted_file_count=_integer(fields.get("mountedFileCount")),
        mounted_file_system_count=_integer(fields.get("mountedFileSystemCount")),
        raw=fields,
    )


def backup(record: Json, where: str) -> Backup:
    """A BackupListRecord."""
    fields = _object(record, where)
    return Backup(
        guid=guid_of(fields, where),
        status=enum(fields.get("status")),
        type=enum(fields.get("type")),
        size=_integer(fields.get("size")),
        backup_time=timestamp(fields.get("backupTime")),
        snapshot_time=timestamp(fields.get("snapshotTime")),
        protected_entity=_optional(fields, "protectedEntity", reference, where),
    )


def task(record: Json, where: str) -> Task:
    """A TaskDetails or TaskListRecord. ``mountedBackup`` is a candidate no document shows."""
    fields = _object(record, where)
    return Task(
        guid=guid_of(fields, where),
        state=enum(fields.get("state")),
        type=enum(fields.get("type")),
        status_info=_text(fields.get("statusInfo")),
        progress=_number(fields.get("progress")),
        creation_time=timestamp(fields.get("creationTime")),
        finish_time=timestamp(fields.get("finishTime")),
        protected_entity=_optional(fields, "protectedEntity", reference, where),
        mounted_backup=_optional(fields, "mountedBackup", reference, where),
    )


def entity(record: Json, where: str) -> Entity:
    """A CloudUserListRecord, CloudSiteListRecord or CloudGroupListRecord."""
    fields = _object(record, where)
    return Entity(
        guid=guid_of(fields, where),
        name=_text(fields.get("name")),
        email=_text(fields.get("email")),
        type=enum(fields.get("type")),
        present=_flag(fields.get("present")),
        restorable=_flag(fields.get("restorable")),
        backup_up_to_date=_flag(fields.get("backupUpToDate")),
        last_backup=timestamp(fields.get("lastBackup")),
        policy=_optional(fields, "policy", reference, where),
        cloud_service_provider=_optional(fields, "cloudServiceProvider", reference, where),
        raw=fields,
    )


def reference(record: Json, where: str) -> Reference:
    """A NameAndGuid or NameGuidAndType."""
    fields = _object(record, where)
    return Reference(guid=guid_of(fields, where), name=_text(fields.get("name")), type=enum(fields.get("type")))


def enum(value: Json) -> str | None:
    """The constant of an enum, sent as ``{"name": ...}`` or as a bare string; unknown constants pass through."""
    if isinstance(value, dict):
        value = value.get("name")
    return value if isinstance(value, str) else None


def timestamp(value: Json) -> str | None:
    """ISO 8601 in UTC, to the second, for the server's epoch milliseconds; None when it cannot be one."""
    milliseconds = _number(value)
    if milliseconds is None:
        return None
    try:
        moment = datetime.datetime.fromtimestamp(milliseconds // 1000, tz=datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
    # Not strftime, which writes the year 999 with three digits.
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def server_message(body: Json) -> str | None:
    """The words of an error body: ``{"message"}`` or ``{"error": {"message"}}``, as the vendor's clients read them."""
    if not isinstance(body, dict):
        return None
    nested = body.get("error")
    return (_text(nested.get("message")) if isinstance(nested, dict) else None) or _text(body.get("message"))


def session_user(body: Json) -> dict[str, str | None] | None:
    """Whose session it is (SessionInfoResponse), when the server says so."""
    requester = body.get("requester") if isinstance(body, dict) else None
    if not isinstance(requester, dict):
        return None
    guid = _text(requester.get("guid"))
    # It is only shown: an account with another kind of id can work all the same.
    return {"guid": guid if guid and is_guid(guid) else None, "name": _text(requester.get("name"))}


# --- to the server ---------------------------------------------------------------------------------------------------


def login_body(username: str, password: str) -> Json:
    """LoginRequest."""
    return {"login": username, "password": password}


def token_body(token: str) -> Json:
    """LoginWithTokenRequest."""
    return {"token": token}


def create_body(
    entities: t.Sequence[str],
    mode: str,
    backups: t.Sequence[str],
    node: str | None,
    request: t.Mapping[str, Json],
) -> Json:
    """CreateCloudDownloadRequest.

    The vendor prints no fields: every generated key is an assumption after the API's conventions (references by
    guid, enums by name). ``request`` is merged over it; a key it sets to None is left out.
    """
    body: dict[str, Json] = {
        "protectedEntities": [{"guid": guid} for guid in entities],
        "mode": {"name": mode},
    }
    if backups:
        body["backups"] = [{"guid": guid} for guid in backups]
    if node:
        body["node"] = {"guid": node}
    body.update(request)
    return {key: value for key, value in body.items() if value is not None}


def update_body(status: str | None, update: t.Mapping[str, Json]) -> Json:
    """UpdateDownloadRequest: ``update`` as it is, over the assumed key for ``status``."""
    body: dict[str, Json] = {"state": {"name": status}} if status else {}
    return {**body, **update}


def differences(record: t.Mapping[str, Json], body: t.Mapping[str, Json]) -> dict[str, Json]:
    """The keys of ``body`` that would change ``record``, with the record's value (None when it has none)."""
    return {key: record.get(key) for key, value in body.items() if not _says(record.get(key), visible(value))}


def download_query(filters: t.Mapping[str, Json]) -> Query:
    """The query of GET /cloud-download for options in snake_case; those that are None are left out."""
    return _query(filters, DOWNLOAD_FILTERS)


def entity_query(filters: t.Mapping[str, Json]) -> Query:
    """The query of GET /cloud-users and its sisters for options in snake_case; those that are None are left out."""
    return _query(filters, ENTITY_FILTERS)


def _query(filters: t.Mapping[str, Json], keys: t.Mapping[str, str]) -> Query:
    query: Query = []
    for option, key in keys.items():
        value = filters.get(option)
        values = value if isinstance(value, list) else [] if value is None else [value]
        query += [(key, _plain(each)) for each in values]
    return query


# Module option -> query parameter, all 13 of the vendor's page. The spelling there is mixed.
DOWNLOAD_FILTERS: t.Final = {
    "backup": "backup",
    "direction": "direction",
    "filter": "filter",
    "finished_mount": "finished-mount",
    "mode": "mode",
    "name_like": "nameLike",
    "node": "node",
    "order_by": "orderBy",
    "page": "page",
    "project_uuid": "project-uuid",
    "protected_entity": "protected-entity",
    "protected_entity_type": "protected-entity-type",
    "size": "size",
}

# The same for the users, sites and groups; those that all three pages print.
ENTITY_FILTERS: t.Final = {
    "backup_status": "backupStatus",
    "cloud_service_provider": "cloud-service-provider",
    "direction": "direction",
    "filter": "filter",
    "name_like": "nameLike",
    "order_by": "orderBy",
    "policy": "policy",
}
PROTECTION_STATES: t.Final = ("IS_PROTECTED", "NOT_PROTECTED", "NO_SCHEDULE")


def _plain(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _says(current: Json, wanted: Json) -> bool:
    """Whether the record already holds what is wanted; enums count as equal in both of their shapes."""
    if isinstance(wanted, dict) and isinstance(current, dict):
        return all(_says(current.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, dict) and set(wanted) == {"name"} and isinstance(current, str):
        return bool(current == wanted["name"])
    if isinstance(current, dict) and isinstance(wanted, str):
        return enum(current) == wanted
    return type(current) is type(wanted) and bool(current == wanted)


def _kind(value: Json) -> str:
    if isinstance(value, str):
        return f"a string of {len(value)} characters"  # not the string: it may hold anything
    names = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _object(value: Json, where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise Malformed(where, "an object", value)
    return value


def guid_of(record: Json, where: str) -> str:
    """The GUID of any record, in lower case. It becomes a part of paths, file names and variables."""
    value = _object(record, where).get("guid")
    if not isinstance(value, str) or not is_guid(value):
        raise Malformed(f"{where}.guid", "a GUID of 36 characters", value)
    return value.lower()


_Record = t.TypeVar("_Record")


def _optional(
    fields: t.Mapping[str, Json], key: str, decode: t.Callable[[Json, str], _Record], where: str
) -> _Record | None:
    value = fields.get(key)
    # What cannot be addressed is as good as absent; only the record itself must have a guid.
    if value is None or (isinstance(value, dict) and value.get("guid") in (None, "")):
        return None
    return decode(value, f"{where}.{key}")


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _integer(value: Json) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # not by way of a float, which would lose digits of large sizes
    number = _number(value)
    return None if number is None else int(number)
