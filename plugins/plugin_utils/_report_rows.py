# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the report: each download on each host that is to get it, and what could not be prepared.

Pure. They are made of the state that the role fetch_content has left in the variables of the hosts.
"""

from __future__ import annotations

import typing as t

from . import _fetch_plan, _outcomes
from ._play import Play, Record, by_guid, mapping, records_in

Row = dict[str, t.Any]

COLUMNS: t.Final = (
    *("entity", "email", "entity_guid", "backup_time", "guid", "host", "result", "reason", "code", "hint", "since"),
    *("file", "size", "sha256", "verified", "entries", "unpacked_size", "seconds"),
)
THERE: t.Final = frozenset({"unchanged", "kept", "fetched"})
PREDICTED: t.Final = frozenset({"would be fetched", "would be prepared"})

_NUMBERS: t.Final = ("size", "entries", "unpacked_size", "seconds")
_LARGEST: t.Final = 2**63
_LOST: t.Final = {"result": "not tried", "reason": "the host failed or was unreachable before"}


def has_downloads(play: Play) -> bool:
    """Return whether a host of this use of the role is to have files."""
    return any(_outcomes.plan_of(play, host).get("downloads") for host in play.company())


def build_rows(play: Play) -> list[Row]:
    """Return the rows, ordered by the name of the entity, then by host; at the end those without a host."""
    emails = _emails(play)
    rows = [row for host in play.hosts for row in _rows_of(play, host)]
    rows += list({(row["entity"], row["entity_guid"], row["reason"]): row for row in _not_prepared(play)}.values())
    for row in rows:
        row["email"] = emails.get(row["entity_guid"])
    return sorted(rows, key=lambda row: (row["host"] is None, *sort_key(row)))


def sort_key(row: Record) -> tuple[str, str]:
    """Return the key that orders rows by name, then by host."""
    return str(row["entity"] or row["entity_guid"] or row["guid"]).casefold(), str(row["host"])


def is_complete(rows: t.Iterable[Record]) -> bool:
    """Return whether every row is of a file that is on its host."""
    return all(row.get("result") in THERE for row in rows)


def _emails(play: Play) -> dict[str, str]:
    """Return the address of each entity that was looked up, by its GUID."""
    return {
        entity["guid"]: entity["email"]
        for host in play.hosts
        for name in ("prepared", "seen")
        for entity in play.records(host, name, "protected_entities")
        if entity.get("email") and entity.get("guid")
    }


def _rows_of(play: Play, host: str) -> t.Iterator[Row]:
    """Yield the rows of a host.

    One that was lost before the role began is to get its files as well. One that is alive and has no plan does not run
    the role.
    """
    is_of_use = play.record(host, "options").get("use", play.use) == play.use
    # What a host has of an earlier use is not of this one.
    own = play if is_of_use else play._replace(variables={**play.variables, host: {}})
    plan = own.state(host, "transfers")
    if plan is None and host in play.alive:
        return
    # It may have failed before its downloads were known.
    wanted = records_in(plan["downloads"]) if mapping(plan).get("downloads") is not None else _unknown_share(own, host)
    outcomes = _Outcomes(own, host)
    for record in wanted:
        yield _row(record, host, outcomes.of(record))


def _unknown_share(play: Play, host: str) -> list[Record]:
    """Return the records that a host without a plan is to have: if its request is unknown as well, those of any."""
    request_id = play.requests.get(host, "")
    found: dict[str, Record] = {}
    for asker in _askers(play):
        if request_id in (play.record(asker, "options").get("request_id"), ""):
            for record in _fetch_plan.share_of(play, asker, host):
                found.setdefault(str(record.get("guid") or mapping(record.get("protected_entity")).get("guid")), record)
    return list(found.values())


def _askers(play: Play) -> list[str]:
    """Return the hosts that have asked the server: for each request one; with serial, of each batch."""
    return [host for host in play.company() if play.state(host, "asker") == host]


_ABSENT: t.Final = {
    "reason": "there is no download of it on the server, and no intact file on the host",
    "code": "not_found",
    "hint": "The entry points main and prepare create downloads of protected entities.",
}


class _Outcomes:
    """The results of the tasks that have fetched or copied to a host."""

    def __init__(self, play: Play, host: str) -> None:
        self._result = _outcomes.result_of(play, host)
        source = _outcomes.source_result_of(play, host)
        self._copies, self._source = source is not None, source or {}
        self._files = by_guid(_outcomes.transferred_files(play, host))
        self._at_source = by_guid(records_in(self._source.get("files")))
        stopped = _outcomes.stopped_by(play, host)
        self._lost = {"result": "not tried", **_failure_fields(stopped)} if stopped else _LOST
        self._is_alive, self._predicted = host in play.alive, play.predicted
        self._place = "controller" if play.record(host, "options").get("via") == "controller" else "relay"

    def of(self, record: Record) -> Row:
        """Return the fields of a row that the result of this download decides."""
        guid = record.get("guid")
        if held := record.get("held"):
            return {**_file_fields(_outcomes.held_file(held), {}), "result": "unchanged"}
        found = self._files.get(guid, self._result)
        fields = _file_fields(found, self._at_source.get(guid, {}))
        reason = found.get("reason")
        if self._result.get("unreachable"):
            return {**fields, "result": "unreachable", "reason": str(self._result.get("msg") or "")}
        if record.get("absent"):
            return {"result": "failed", **_ABSENT}
        if guid is None:
            return {**fields, **({"result": "would be prepared"} if self._predicted else self._lost)}
        if found.get("failed"):
            return {**fields, "result": "failed", **self._failure(guid, found)}
        if self._predicted and reason is None and self._is_alive:
            return {**fields, "result": "would be fetched", "reason": "missing"}
        if reason is None:
            return {**fields, **self._lost}
        if reason in ("unchanged", "kept"):
            return {**fields, "result": reason}
        return {**fields, "result": "would be fetched" if self._predicted else "fetched", "reason": str(reason)}

    def _failure(self, guid: t.Any, found: Record) -> Row:
        """Return the failure of this file; of one that is missing where it would be copied from, the failure there."""
        there = self._at_source.get(guid)
        if there is None and mapping(found.get("error")).get("code") == "no_receipt":
            there = self._source
        if there and there.get("failed"):
            fields = _failure_fields(there)
            return {**fields, "reason": f"the {self._place} lacks it: {fields['reason']}"}
        fields = _failure_fields(found)
        if fields.get("code") == "checksum_mismatch" and self._copies:
            fields["hint"] = (
                f"The file on the {self._place} may have changed. Run the play with fetch_content_verify=full."
            )
        return fields


def _failure_fields(found: Record) -> Row:
    """Return the fields of a row that the failure in a result decides."""
    error = mapping(found.get("error"))
    cause, msg = str(error.get("cause") or ""), str(found.get("msg") or "")
    if not cause:
        return {"reason": msg.removesuffix(f" [{error.get('code')}]"), "code": error.get("code")}
    hint = error.get("advice") or error.get("hint")  # without facts about one file, so that equal failures are equal
    return {"reason": cause, "hint": hint, **{name: error.get(name) for name in ("code", "since")}}


def _file_fields(found: Record, at_source: Record) -> Row:
    """Return the fields of the file. A copy is not unpacked: what its source has read is true of it as well."""
    fields = {name: found.get(name) for name in ("size", "sha256", "verified", "seconds")}
    fields["file"], digest = found.get("path"), found.get("sha256")
    read = at_source if digest and at_source.get("sha256") == digest and "entries" not in found else found
    fields |= {name: read.get(name) for name in ("entries", "unpacked_size")}
    return {**fields, **{name: _number(fields[name]) for name in _NUMBERS}}


def _not_prepared(play: Play) -> t.Iterator[Row]:
    for asker in _askers(play):
        for failure in _outcomes.failures_of(play, asker) or _failures_of_all(play, asker):
            entity = {"name": failure.get("name"), "guid": failure.get("protected_entity")}
            fields = {"result": "not prepared", "reason": str(failure.get("reason")), "code": "prepare_failed"}
            yield _row({"protected_entity": entity}, None, fields)


def _failures_of_all(play: Play, asker: str) -> t.Iterator[Record]:
    """Yield the failure of each download of a request that has failed as a whole."""
    for result in (play.record(asker, name) for name in ("prepared", "seen")):
        if result.get("failed") and not records_in(result.get("cloud_downloads")):
            for record in play.records(asker, "lacks", "prepare") or _as_given(play.record(asker, "options"), result):
                entity = mapping(record.get("protected_entity"))
                name = entity.get("name") or record.get("guid")
                yield {"name": name, "protected_entity": entity.get("guid"), "reason": result.get("msg")}


def _as_given(options: Record, result: Record) -> list[Record]:
    """Return a record for each thing that was asked for, as far as it was looked up."""
    entities = records_in(result.get("protected_entities"))
    known = {text: entity for entity in entities for text in (entity.get("name"), entity.get("email"))}
    given = (*(options.get("protected_entities") or ()), *(options.get("guids") or ()))
    return [{"protected_entity": known.get(text, {"name": text})} for text in given]


def _row(download: Record, host: str | None, fields: Record) -> Row:
    entity, backup = mapping(download.get("protected_entity")), mapping(download.get("backup"))
    return {
        **dict.fromkeys(COLUMNS),
        "reason": "",
        "entity": entity.get("name"),
        "entity_guid": entity.get("guid"),
        "backup_time": backup.get("backup_time"),
        "guid": download.get("guid"),
        "host": host,
        **fields,
    }


def _number(value: t.Any) -> t.Any:
    """Return a number that a host may have returned; None for anything that is no number of bytes or seconds."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and 0 <= value < _LARGEST else None
