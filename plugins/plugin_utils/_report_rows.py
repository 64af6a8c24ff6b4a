# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the report: each download on each host that is to get it, and what could not be prepared.

Pure. They are made of the state that the role fetch_content has left in the variables of the hosts.
"""

from __future__ import annotations

import typing as t

Record = t.Mapping[str, t.Any]
Row = dict[str, t.Any]

COLUMNS: t.Final = (
    *("entity", "email", "entity_guid", "backup_time", "guid", "host", "result", "reason", "code", "hint", "since"),
    *("file", "size", "sha256", "verified", "entries", "unpacked_size", "seconds"),
)
THERE: t.Final = frozenset({"unchanged", "kept", "fetched"})
PREDICTED: t.Final = frozenset({"would be fetched", "would be prepared"})

_STATE: t.Final = "_fetch_content_"
_NUMBERS: t.Final = ("size", "entries", "unpacked_size", "seconds")
_LARGEST: t.Final = 2**63
_LOST: t.Final = {"result": "not tried", "reason": "the host failed or was unreachable before"}


class Play(t.NamedTuple):
    """The hosts of a play and their variables.

    hosts: all of the play, by name (ansible_play_hosts_all). alive: those that have not failed. reporter: the host
    whose task this is. variables: of each host. predicted: whether this is check mode.
    """

    hosts: t.Sequence[str]
    alive: t.Container[str]
    reporter: str
    variables: t.Mapping[str, Record]
    predicted: bool = False

    def state(self, host: str, name: str) -> t.Any:
        """Return a part of the role's state of a host, or None."""
        return self.variables[host].get(_STATE + name)

    def record(self, host: str, name: str) -> Record:
        """Return a part of the state that is a dictionary; an empty one for anything else."""
        return _mapping(self.state(host, name))

    def records(self, host: str, name: str, key: str) -> list[Record]:
        """Return the dictionaries of a list in such a part."""
        return _records(self.record(host, name).get(key))

    @property
    def use(self) -> t.Any:
        """The identity of this use of the role."""
        return self.record(self.reporter, "options").get("use")

    def company(self) -> list[str]:
        """Return the hosts of this use of the role."""
        return [host for host in self.hosts if self.record(host, "options").get("use") == self.use]


class _Answer(t.NamedTuple):
    """Response of the server to a request."""

    request: str
    wanted: list[str]
    msg: str
    downloads: list[Record]
    failures: list[Record]
    shares: Record


def has_downloads(play: Play) -> bool:
    """Return whether a host of this use of the role has a response of the server with downloads, or with none."""
    return any(play.records(host, "prepared", "cloud_downloads") for host in play.company())


def build_rows(play: Play) -> list[Row]:
    """Return the rows, ordered by the name of the entity, then by host; at the end those without a host."""
    answers, emails = _answers(play), _emails(play)
    rows = [row for host in play.hosts for row in _rows_of(play, host, answers)]
    rows += list({(row["entity"], row["entity_guid"], row["reason"]): row for row in _not_prepared(answers)}.values())
    for row in rows:
        row["email"] = emails.get(row["entity_guid"])
    return sorted(rows, key=lambda row: (row["host"] is None, *sort_key(row)))


def sort_key(row: Record) -> tuple[str, str]:
    """Return the key that orders rows by name, then by host."""
    return str(row["entity"] or row["entity_guid"] or row["guid"]).casefold(), str(row["host"])


def is_complete(rows: t.Iterable[Record]) -> bool:
    """Return whether every row is of a file that is on its host."""
    return all(row.get("result") in THERE for row in rows)


def _answers(play: Play) -> list[_Answer]:
    """Return the responses of the server, one for each request; with serial, of each batch."""
    requests = _mapping(play.record(play.reporter, "common").get("requests"))
    found = []
    for host in play.hosts:
        prepared, options = play.record(host, "prepared"), play.record(host, "options")
        is_asked = "cloud_downloads" in prepared or prepared.get("failed")
        if is_asked and (host in requests or host == play.reporter):
            wanted = [*(options.get("protected_entities") or ()), *(options.get("guids") or ())]
            downloads, failures = _records(prepared.get("cloud_downloads")), _records(prepared.get("failures"))
            shares = play.record(host, "shares")
            request, msg = str(options.get("request_id")), str(prepared.get("msg") or "")
            found.append(_Answer(request, wanted, msg, downloads, failures, shares))
    return found


def _emails(play: Play) -> dict[str, str]:
    """Return the address of each entity that was looked up, by its GUID."""
    return {
        entity["guid"]: entity["email"]
        for host in play.hosts
        for name in ("prepared", "seen")
        for entity in play.records(host, name, "protected_entities")
        if entity.get("email") and entity.get("guid")
    }


def _rows_of(play: Play, host: str, answers: t.Sequence[_Answer]) -> t.Iterator[Row]:
    """Yield the rows of a host.

    One that was lost before the role began is to get its files as well. One that is alive and has no downloads does
    not run the role.
    """
    is_of_use = play.record(host, "options").get("use", play.use) == play.use
    # What a host has of an earlier use is not of this one.
    own = play if is_of_use else play._replace(variables={**play.variables, host: {}})
    downloads = own.state(host, "downloads")
    if downloads is None and host in play.alive:
        return
    if isinstance(downloads, (list, tuple)):
        wanted = _records(downloads)
    else:
        # It failed before its downloads were known. If its request is unknown as well, it may get any download.
        request = _mapping(play.record(play.reporter, "common").get("requests")).get(host, "")
        wanted = _unknown_share(host, request, answers)
    outcomes = _Outcomes(own, host)
    for download in wanted:
        yield _row(download, host, outcomes.of(download.get("guid")))
    yield from _rows_of_removed(own, play, host)


def _unknown_share(host: str, request: str, answers: t.Sequence[_Answer]) -> list[Record]:
    found: dict[t.Any, Record] = {}
    for answer in answers:
        if request in (answer.request, ""):
            for download in _records(answer.shares.get(host, answer.downloads)):
                found.setdefault(download.get("guid"), download)
    return list(found.values())


class _Outcomes:
    """The results of the tasks that have fetched or copied to a host."""

    def __init__(self, play: Play, host: str) -> None:
        copied = play.record(host, "copied")
        self._result = copied if copied and "skipped" not in copied else play.record(host, "fetched")
        source = play.record(host, "outcome").get("source")
        self._files, self._source = _by_guid(self._result), _mapping(source)
        self._at_source = _by_guid(self._source)
        self._is_alive, self._predicted = host in play.alive, play.predicted
        self._place = "controller" if play.record(host, "options").get("via") == "controller" else "relay"

    def of(self, guid: t.Any) -> Row:
        """Return the fields of a row that the result of this download decides."""
        found = self._files.get(guid, self._result)
        fields = _file_fields(found, self._at_source.get(guid, {}))
        reason = found.get("reason")
        if guid is None:
            return {**fields, "result": "would be prepared"}
        if self._result.get("unreachable"):
            return {**fields, "result": "unreachable", "reason": str(self._result.get("msg") or "")}
        if found.get("failed"):
            return {**fields, "result": "failed", **self._failure(guid, found)}
        if self._predicted and reason is None and self._is_alive:
            return {**fields, "result": "would be fetched", "reason": "missing"}
        if reason is None:
            return {**fields, **_LOST}
        if reason in ("unchanged", "kept"):
            return {**fields, "result": reason}
        return {**fields, "result": "would be fetched" if self._predicted else "fetched", "reason": str(reason)}

    def _failure(self, guid: t.Any, found: Record) -> Row:
        """Return the failure of this file; of one that is missing where it would be copied from, the failure there."""
        there = self._at_source.get(guid)
        if there is None and _mapping(found.get("error")).get("code") == "no_receipt":
            there = self._source
        if there and there.get("failed"):
            fields = _failure_fields(there)
            return {**fields, "reason": f"the {self._place} lacks it: {fields['reason']}"}
        return _failure_fields(found)


def _failure_fields(found: Record) -> Row:
    error = _mapping(found.get("error"))
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


def _rows_of_removed(own: Play, play: Play, host: str) -> t.Iterator[Row]:
    """Yield rows of downloads that an earlier run has removed.

    If hosts have different files, those of other hosts are not missing on this one.
    """
    gone = own.state(host, "gone")
    if not isinstance(gone, (list, tuple)):
        return
    options = play.record(play.reporter, "options")
    requests = _mapping(play.record(play.reporter, "common").get("requests"))
    differ = bool(options.get("distribute")) or len(set(requests.values())) > 1
    read = own.records(host, "verified", "files")
    known = {found.get("guid") for found in read}
    for guid in gone if not differ else ():
        if guid not in known:
            yield _row({"guid": guid}, host, _LOST)
    intact = _intact(play) if differ else set()
    for found in read:
        state = found.get("state")
        if state == "missing" and found.get("guid") in intact:
            continue
        fields = {**_file_fields(found, {}), "result": "unchanged"}
        if state != "intact":
            reason = f"there is no download on the server, and the file is {state}"
            fields.update(result="failed", reason=reason, code="not_intact")
        yield _row({"guid": found.get("guid")}, host, fields)


def _intact(play: Play) -> set[t.Any]:
    """Return the GUIDs of removed downloads whose files are intact on a host."""
    return {
        found.get("guid")
        for host in play.company()
        for found in play.records(host, "verified", "files")
        if found.get("state") == "intact"
    }


def _not_prepared(answers: t.Sequence[_Answer]) -> t.Iterator[Row]:
    for answer in answers:
        # Without failures and downloads, the request as a whole has failed.
        whole = [{"name": text, "reason": answer.msg} for text in answer.wanted] if not answer.downloads else []
        for failure in answer.failures or whole:
            entity = {"name": failure.get("name"), "guid": failure.get("protected_entity")}
            fields = {"result": "not prepared", "reason": str(failure.get("reason")), "code": "prepare_failed"}
            yield _row({"protected_entity": entity}, None, fields)


def _row(download: Record, host: str | None, fields: Record) -> Row:
    entity, backup = _mapping(download.get("protected_entity")), _mapping(download.get("backup"))
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


def _by_guid(result: Record) -> dict[t.Any, Record]:
    return {file.get("guid"): file for file in _records(result.get("files"))}


def _mapping(value: t.Any) -> Record:
    return value if isinstance(value, t.Mapping) else {}


def _records(value: t.Any) -> list[Record]:
    return [item for item in value if isinstance(item, t.Mapping)] if isinstance(value, (list, tuple)) else []


def _number(value: t.Any) -> t.Any:
    """Return a number that a host may have returned; None for anything that is no number of bytes or seconds."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and 0 <= value < _LARGEST else None
