# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of the server: tolerant in, strict out.

With ``decoding`` it is the gate for the server's JSON: behind it every GUID is a GUID in lower case. Records keep what
the server sent in ``raw``, so that nothing unknown is lost.
"""

from __future__ import annotations

import datetime
import math
import typing as t
from dataclasses import dataclass, field

from .._argspec import is_guid
from .._errors import StorwareError
from . import names
from .decoding import Json


@dataclass(frozen=True)
class Reference:
    """NameAndGuid and NameGuidAndType of the vendor. email: where the entity was looked up in the inventory."""

    guid: str
    name: str | None = None
    type: str | None = None
    email: str | None = field(default=None, compare=False)

    def to_result(self) -> dict[str, t.Any]:
        """Return the value as modules return it."""
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

    def to_result(self) -> dict[str, t.Any]:
        """Return the value as modules return it. The entity is left out: the record around the backup has it."""
        return {name: value for name, value in vars(self).items() if name != "protected_entity"}


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

    def to_result(self) -> dict[str, t.Any]:
        """Return the record as every module returns it."""
        return _to_result(self)


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

    def to_result(self) -> dict[str, t.Any]:
        """Return the record as modules return it."""
        entity = self.protected_entity.to_result() if self.protected_entity else None
        shown = {name: value for name, value in vars(self).items() if name != "mounted_backup"}
        return {**shown, "protected_entity": entity}


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

    def to_result(self, latest_backup: Backup | None) -> dict[str, t.Any]:
        """Return the record as modules return it."""
        return {**_to_result(self), "latest_backup": latest_backup.to_result() if latest_backup else None}


def _to_result(record: CloudDownload | Entity) -> dict[str, t.Any]:
    """Return the fields of a record, and under ``other`` the keys of the server that are not among them."""
    shown: dict[str, t.Any] = {}
    for name, value in vars(record).items():
        if isinstance(value, (Reference, Backup)):
            shown[name] = value.to_result()
            if name not in ("protected_entity", "backup"):
                del shown[name]["type"]  # a NameAndGuid
        elif name != "raw":
            shown[name] = value
    known = {getattr(names, name.upper()) for name in shown}  # each field is named like its key
    return {**shown, "other": {key: value for key, value in record.raw.items() if key not in known}}


def decode_cloud_download(record: Json, where: str) -> CloudDownload:
    """Decode a MountedBackupListRecord or MountedBackupDetails. Raises StorwareError, as all of these."""
    fields = _object(record, where)
    backup = _optional(fields, names.BACKUP, decode_backup, where)
    # Inside the backup is documented; beside it is an assumption, for records that have no backup.
    entity = (backup.protected_entity if backup else None) or _reference(fields, names.PROTECTED_ENTITY, where)
    return CloudDownload(
        guid=decode_guid(fields, where),
        mode=decode_enum(fields.get(names.MODE)),
        state=decode_enum(fields.get(names.STATE)),
        protected_entity=entity,
        backup=backup,
        node=_reference(fields, names.NODE, where),
        mounted_file_count=_integer(fields.get(names.MOUNTED_FILE_COUNT)),
        mounted_file_system_count=_integer(fields.get(names.MOUNTED_FILE_SYSTEM_COUNT)),
        raw=fields,
    )


def decode_backup(record: Json, where: str) -> Backup:
    """Decode a BackupListRecord."""
    fields = _object(record, where)
    return Backup(
        guid=decode_guid(fields, where),
        status=decode_enum(fields.get(names.STATUS)),
        type=decode_enum(fields.get(names.TYPE)),
        size=_integer(fields.get(names.RECORD_SIZE)),
        backup_time=decode_time(fields.get(names.BACKUP_TIME)),
        snapshot_time=decode_time(fields.get(names.SNAPSHOT_TIME)),
        protected_entity=_reference(fields, names.PROTECTED_ENTITY, where),
    )


def decode_task(record: Json, where: str) -> Task:
    """Decode a TaskDetails or TaskListRecord."""
    fields = _object(record, where)
    return Task(
        guid=decode_guid(fields, where),
        state=decode_enum(fields.get(names.STATE)),
        type=decode_enum(fields.get(names.TYPE)),
        status_info=_text(fields.get(names.STATUS_INFO)),
        progress=_number(fields.get(names.PROGRESS)),
        creation_time=decode_time(fields.get(names.CREATION_TIME)),
        finish_time=decode_time(fields.get(names.FINISH_TIME)),
        protected_entity=_reference(fields, names.PROTECTED_ENTITY, where),
        mounted_backup=_reference(fields, names.MOUNTED_BACKUP, where),
    )


def decode_entity(record: Json, where: str) -> Entity:
    """Decode a CloudUserListRecord, CloudSiteListRecord or CloudGroupListRecord."""
    fields = _object(record, where)
    return Entity(
        guid=decode_guid(fields, where),
        name=_text(fields.get(names.NAME)),
        email=_text(fields.get(names.EMAIL)),
        type=decode_enum(fields.get(names.TYPE)),
        present=_flag(fields.get(names.PRESENT)),
        restorable=_flag(fields.get(names.RESTORABLE)),
        backup_up_to_date=_flag(fields.get(names.BACKUP_UP_TO_DATE)),
        last_backup=decode_time(fields.get(names.LAST_BACKUP)),
        policy=_reference(fields, names.POLICY, where),
        cloud_service_provider=_reference(fields, names.CLOUD_SERVICE_PROVIDER, where),
        raw=fields,
    )


def decode_reference(record: Json, where: str) -> Reference:
    """Decode a NameAndGuid or NameGuidAndType."""
    fields = _object(record, where)
    return Reference(
        guid=decode_guid(fields, where),
        name=_text(fields.get(names.NAME)),
        type=decode_enum(fields.get(names.TYPE)),
    )


def decode_guid(record: Json, where: str) -> str:
    """Return the GUID of any record, in lower case. It becomes a part of paths, file names and variables."""
    value = _object(record, where).get(names.GUID)
    if not isinstance(value, str) or not is_guid(value):
        raise malformed(f"{where}.{names.GUID}", "a GUID of 36 characters", value)
    return value.lower()


def decode_enum(value: Json) -> str | None:
    """Return the constant of an enum, sent as ``{"name": ...}`` or as a bare string; unknown ones pass through."""
    if isinstance(value, dict):
        value = value.get(names.NAME)
    return value if isinstance(value, str) else None


def decode_time(value: Json) -> str | None:
    """Return ISO 8601 in UTC, to the second, for epoch milliseconds; None when the value cannot be such."""
    milliseconds = _number(value)
    if milliseconds is None:
        return None
    try:
        moment = datetime.datetime.fromtimestamp(milliseconds // 1000, tz=datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
    # Not strftime, which writes the year 999 with three digits.
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def decode_message(body: Json) -> str | None:
    """Return the text of an error: ``{"message"}`` or ``{"error": {"message"}}``, as the vendor's clients read it."""
    if not isinstance(body, dict):
        return None
    nested = body.get(names.ERROR)
    return (_text(nested.get(names.MESSAGE)) if isinstance(nested, dict) else None) or _text(body.get(names.MESSAGE))


def decode_session_user(body: Json) -> dict[str, str | None] | None:
    """Return the user of a session (SessionInfoResponse); None when the server names none."""
    requester = body.get(names.REQUESTER) if isinstance(body, dict) else None
    if not isinstance(requester, dict):
        return None
    guid = _text(requester.get(names.GUID))
    # It is only shown: an account with another kind of id can work all the same.
    return {"guid": guid if guid and is_guid(guid) else None, "name": _text(requester.get(names.NAME))}


def malformed(where: str, expected: str, got: Json) -> StorwareError:
    """Return the error for JSON of another shape than the API describes."""
    if isinstance(got, str):
        kind = f"a string of {len(got)} characters"  # not the string: it may hold anything
    else:
        kinds = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}
        kind = kinds.get(type(got), "a number")
    return StorwareError(
        f"The server's answer has an unexpected shape: {where} should be {expected}, not {kind}",
        code="invalid_response",
        hint="Check that url leads to the API of Storware Backup and Recovery.",
    )


def _object(value: Json, where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise malformed(where, "an object", value)
    return value


_Record = t.TypeVar("_Record")


def _optional(
    fields: t.Mapping[str, Json], key: str, decode: t.Callable[[Json, str], _Record], where: str
) -> _Record | None:
    value = fields.get(key)
    # A record without a GUID cannot be addressed: it is as good as absent. Only the record around it must have one.
    if value is None or (isinstance(value, dict) and value.get(names.GUID) in (None, "")):
        return None
    return decode(value, f"{where}.{key}")


def _reference(fields: t.Mapping[str, Json], key: str, where: str) -> Reference | None:
    return _optional(fields, key, decode_reference, where)


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
