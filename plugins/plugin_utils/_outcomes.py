# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has come of the files that hosts are to have, and whether it proves them.

Pure. Made of the state that the role fetch_content has left in the variables of the hosts.
"""

from __future__ import annotations

import typing as t

from . import _fetch_plan, _removal
from ._play import Play, Record, by_guid, mapping, records_in

_OF_FILES: t.Final = ("guid", "path", "size", "sha256", "verified", "reason", "seconds", "changed")
_OF_HELD: t.Final = ("guid", "path", "size", "sha256", "verified")
_OF_DOWNLOADS: t.Final = ("protected_entity", "backup")


def plan_of(play: Play, host: str) -> Record:
    """Return the plan of the transfers of a host; an empty one for a host that has stopped before them."""
    plan = play.record(host, "transfers")
    return {} if plan.get("failed") else plan


def result_of(play: Play, host: str) -> Record:
    """Return the result of the task that has fetched or copied to a host, or could not reach it."""
    for name in ("copied", "fetched", "looked"):
        result = play.record(host, name)
        if result and "skipped" not in result and (name != "looked" or result.get("unreachable")):
            return result
    return {}


def is_lost(play: Play, host: str) -> bool:
    """Return whether the host could not be reached."""
    return bool(result_of(play, host).get("unreachable"))


def stopped_by(play: Play, host: str) -> Record:
    """Return the failure that a host has met before it fetched anything; an empty one if there is none."""
    for name in ("stopped", "search", "wanted", "looked", "lacks", "transfers", "prepared", "seen"):
        result = play.record(host, name)
        if result.get("failed") and result.get("msg"):
            return result
    return {}


def source_result_of(play: Play, host: str) -> Record | None:
    """Return the result of the transfer to the place from which the host copies; None for one that does not copy."""
    plan = plan_of(play, host)
    if not plan or plan.get("from_server"):
        return None
    if play.record(host, "options").get("via") == "controller":
        return play.record(str(play.state(host, "asker")), "spooled")
    return result_of(play, str(plan.get("relay")))


def held_file(held: Record) -> dict[str, t.Any]:
    """Return a file that is held, as the module returns one that it leaves as it is."""
    return {**{name: held.get(name) for name in _OF_HELD}, "reason": "unchanged", "changed": False}


def transferred_files(play: Play, host: str) -> list[Record]:
    """Return the files of the transfer to a host; in check mode with those that would first get to its source."""
    files = records_in(result_of(play, host).get("files"))
    source = source_result_of(play, host)
    if not play.predicted or not source or source.get("failed"):
        return files
    wanted = by_guid(records_in(plan_of(play, host).get("fetch"))).keys() - by_guid(files).keys()
    expected = [file for file in records_in(source.get("files")) if file.get("guid") in wanted and not file.get("path")]
    return [*files, *expected]


def files_of(play: Play, host: str) -> list[dict[str, t.Any]]:
    """Return the files that a host has now, for later tasks, each with its entity and backup."""
    transferred = by_guid(transferred_files(play, host))
    found = []
    for record in records_in(plan_of(play, host).get("downloads")):
        held = record.get("held")
        file = held_file(held) if held else transferred.get(record.get("guid"))
        if file and _has_come(file):
            known = {name: file[name] for name in _OF_FILES if name in file}
            found.append({**known, **{name: record[name] for name in _OF_DOWNLOADS if name in record}})
    return found


def records_there(play: Play, host: str) -> list[dict[str, t.Any]]:
    """Return records of the files that a host has now, each with the GUID of its receipt."""
    files = by_guid(transferred_files(play, host))
    there = [
        record
        for record in records_in(plan_of(play, host).get("downloads"))
        # Check mode has fetched nothing, and says what would be removed afterwards.
        if record.get("held") or _has_come(files.get(record.get("guid"))) or (play.predicted and not record["absent"])
    ]
    return [_fetch_plan.slim(record, play.record(host, "options")) for record in there]


def records_in_spool(play: Play, asker: str) -> list[dict[str, t.Any]]:
    """Return the same for the directory on the controller."""
    options = play.record(asker, "options")
    request = _fetch_plan.request_of(play, asker)
    whole = _fetch_plan.held(play, "", request)
    held = [{**record, "guid": file["guid"]} for record, file in zip(request.wanted, whole) if file]
    files = by_guid(play.records(asker, "spooled", "files"))
    new = [record for record in records_in(plan_of(play, asker).get("spool")) if _has_come(files.get(record["guid"]))]
    return [_fetch_plan.slim(record, options) for record in (*held, *new)]


def _has_come(file: Record | None) -> bool:
    return bool(file and not file.get("failed"))


def outcome(play: Play, host: str) -> dict[str, t.Any] | None:
    """Return the outcome of a host for the decision about the removal, by the GUIDs of the downloads on the server.

    None without a plan. A file of the same backup proves a download, also if it came from an earlier one.
    """
    plan = plan_of(play, host)
    if not plan:
        return None
    if not play.record(host, "options").get("remove"):
        result: Record = {"failed": True, "msg": "fetch_content_remove is not set for this host"}
    else:
        result = _proof(play, host, result_of(play, host), transferred_files(play, host))
    found = {"run": plan.get("run"), "guids": [r["download"] for r in _removable(plan)], "result": result}
    source = source_result_of(play, host)
    if source is None or not plan.get("fetch"):
        return found
    return {**found, "source": _proof_at_source(play, host, source)}


def _removable(plan: Record) -> list[Record]:
    """Return the records of downloads that are on the server, and of which this host is to have the file."""
    return [record for record in records_in(plan.get("downloads")) if record.get("download")]


def _proof(play: Play, host: str, result: Record, files: t.Sequence[Record]) -> Record:
    of_guid: dict[t.Any, list[Record]] = {}
    for file in files:
        of_guid.setdefault(file.get("guid"), []).append(file)
    found: list[Record] = []
    for record in _removable(plan_of(play, host)):
        held = record.get("held")
        entries = [held_file(held)] if held else of_guid.get(record.get("guid"), [])
        found += [{**file, "guid": record["download"]} for file in entries]
    return {**result, "files": found}


def _proof_at_source(play: Play, host: str, source: Record) -> Record:
    """Return the files where the host copies from: fetched in this run, or held. What this host holds needs none."""
    request = _fetch_plan.request_of(play, host)
    held_there = [held_file(file) for file in _fetch_plan.source_of(play, host, request) or () if file]
    files = {**by_guid(held_there), **by_guid(records_in(source.get("files")))}
    found = []
    for record in _removable(plan_of(play, host)):
        held = record.get("held")
        file = held_file(held) if held else files.get(record.get("guid"))
        if file:
            found.append({**file, "guid": record["download"]})
    return {**source, "files": found}


def existing_downloads(play: Play) -> list[Record]:
    """Return the downloads on the server that a host is to have a file of, each once."""
    wanted: dict[t.Any, Record] = {}
    for host in play.company():
        plan = plan_of(play, host)
        own = {record["download"] for record in _removable(plan)}
        for record in records_in(plan.get("existing")):
            if record.get("guid") in own and plan.get("run") == play.run:
                wanted.setdefault(record["guid"], record)
    return list(wanted.values())


def failures_of(play: Play, asker: str) -> list[Record]:
    """Return what could not be prepared of the request of this host, with the names that are known."""
    entities = [mapping(record.get("protected_entity")) for record in _fetch_plan.request_of(play, asker).wanted]
    names = {entity.get("guid"): entity.get("name") for entity in entities}
    found = [failure for state in ("seen", "prepared") for failure in play.records(asker, state, "failures")]
    return [{**failure, "name": failure.get("name") or names.get(failure.get("protected_entity"))} for failure in found]


def _absent(play: Play, host: str) -> t.Iterator[Record]:
    """Yield a failure for each file that a host lacks, and that the server has no download of."""
    for record in records_in(plan_of(play, host).get("downloads")):
        if record.get("absent"):
            name = mapping(record.get("protected_entity")).get("name") or record.get("guid")
            yield {"name": name, "reason": f"there is no download of it, and {host} has no intact file"}


def decide_removal(
    play: Play,
    *,
    alive: t.Sequence[str],
    batch: t.Sequence[str],
    expected: t.Sequence[str] = (),
    limit: str = "",
    verified: t.Sequence[str] | None = None,
) -> dict[str, t.Any]:
    """Decide whether the downloads of this run may be removed; see ``_removal.decide``."""
    outcomes = {host: found for host in play.company() if (found := outcome(play, host))}
    return _removal.decide(
        existing_downloads(play),
        outcomes,
        run=str(play.run),
        scope=_removal.Scope(play.hosts, alive, batch, expected, limit),
        missing=[failure for host in play.company() for failure in (*failures_of(play, host), *_absent(play, host))],
        verified=verified,
        predicted=play.predicted,
    )
