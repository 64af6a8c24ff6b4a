# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision whether downloads may be removed from the server: only with proof that every host has its files.

Pure. Proof is a result of this run that names the file with its path and SHA-256, received and verified, or read and
hashed as a whole. Only results count: a task or play may have failed, ignored or skipped anything.
"""

from __future__ import annotations

import typing as t

from ..module_utils import _causes
from ..module_utils._argspec import is_sha256
from ..module_utils._printable import escape_controls

Record = t.Mapping[str, t.Any]

_FETCHED: t.Final = frozenset({"missing", "size", "checksum", "guid", "forced"})  # reasons to fetch, and it has come
_VERIFIED: t.Final = frozenset({"digest", "full", "structure", "length"})

_SHOWN: t.Final = 10  # hosts in a message
_NAMES_SHOWN: t.Final = 3  # downloads of each
_LONGEST: t.Final = 300  # characters of a reason
_LONGEST_LINE: t.Final = 600  # bytes

_STAY: t.Final = (
    "No download is removed from the server, because not every file is proved on every host that is to get it: "
)
_NEXT: t.Final = (
    " Fix these problems and run the same play again. To remove downloads without proof, use the entry point remove of "
    "the role storware.backup.fetch_content."
)


class Scope(t.NamedTuple):
    """The hosts that a decision is about, by name.

    hosts: all of the play (ansible_play_hosts_all). alive: those that have not failed (ansible_play_hosts). batch:
    those that have their turn now (ansible_play_batch). expected: all that are to get the files, as the user lists
    them; empty when the play has all of them. limit: the value of --limit, or an empty text.
    """

    hosts: t.Sequence[str]
    alive: t.Sequence[str]
    batch: t.Sequence[str]
    expected: t.Sequence[str] = ()
    limit: str = ""


def obstacles(scope: Scope) -> list[str]:
    """Return why this run can never prove that every host has its files, whatever its results are."""
    absent = [host for host in scope.expected if host not in scope.hosts]
    waiting = [host for host in scope.alive if host not in scope.batch]
    found = []
    if absent:
        found.append(
            f"fetch_content_expected_hosts names hosts that are not in this run: {_names(absent)}. "
            "They are left out by --limit, a job slice or the inventory, or misspelt. Run the play on all of them, or "
            "without fetch_content_remove."
        )
    elif scope.limit and not scope.expected:
        found.append(
            "fetch_content_remove is refused with --limit, because hosts that are left out may lack files. Set "
            "fetch_content_expected_hosts to the names of all hosts that are to get the files, or run without --limit."
        )
    if waiting:
        found.append(
            "fetch_content_remove is refused with serial, because hosts of other batches may lack files: "
            f"{_names(waiting)}. Limit concurrent hosts by fetch_content_throttle instead of serial."
        )
    return found


def decide(
    downloads: t.Sequence[Record],
    outcomes: t.Mapping[str, t.Any],
    *,
    run: str,
    scope: Scope,
    missing: t.Sequence[Record] = (),
    verified: t.Sequence[str] | None = None,
    predicted: bool = False,
) -> dict[str, t.Any]:
    """Decide to remove all downloads, or none of them with the reasons.

    Args:
        downloads: records with guid (None in check mode for what would be created) and protected_entity. One that
            several requests have found may be there several times.
        outcomes: of each host {"run": identity of its run, "result": of the module that fetched or copied, "guids": of
            the downloads that it is to get; all of them without}. The result is untrusted.
        run: identity of this run, which no host and no earlier run knows.
        scope: the hosts.
        missing: records of what could not be prepared, each with name and reason.
        verified: GUIDs that an earlier check has found intact, which only narrows; None when there was none.
        predicted: check mode, where a file that would be fetched counts, and downloads that do not exist are left out.

    Returns:
        remove (GUIDs; empty unless keep is), keep (reasons, each with guid, entity, host and reason, of which the first
        three are None where the reason is not about a single one) and message (the reasons in words, or an empty text).
    """
    keep = [_reason(text) for text in obstacles(scope)]
    keep += [_reason(f"not prepared, {record.get('reason')}", entity=record.get("name")) for record in missing]
    existing = list({record["guid"]: record for record in downloads if record.get("guid")}.values())
    if not all(record.get("guid") for record in downloads) and not predicted:
        keep.append(_reason("Not every download exists."))
    intact = None if verified is None else {str(guid).lower() for guid in verified}
    for record in existing:
        if intact is not None and str(record["guid"]).lower() not in intact:
            keep.append(_reason("the earlier check found no intact file of it (fetch_content_verified)", record))
        hosts = [host for host in scope.hosts if _is_for(record, outcomes.get(host), run)]
        if not hosts:
            keep.append(_reason("no host is to get it", record))
        for host in hosts:
            reason = _shortfall(str(record["guid"]), host, outcomes.get(host), run, scope, predicted)
            if reason:
                keep.append(_reason(reason, record, host))
    remove = [] if keep else [str(record["guid"]) for record in existing]
    return {"remove": remove, "keep": keep, "message": _message(keep)}


def _is_for(record: Record, outcome: t.Any, run: str) -> bool:
    """Return whether a host is to get the download; one that failed before it knew may be meant to get any."""
    guids = outcome.get("guids") if _is_of(run, outcome) else None
    return not isinstance(guids, (list, tuple)) or record["guid"] in guids


def _is_of(run: str, outcome: t.Any) -> bool:
    return bool(isinstance(outcome, t.Mapping) and run and outcome.get("run") == run)


def _reason(
    reason: str, record: Record | None = None, host: str | None = None, entity: str | None = None
) -> dict[str, str | None]:
    """Return a reason why downloads stay: of this record, on this host, or with the name of this entity."""
    owner = (record or {}).get("protected_entity")
    name = owner.get("name") if isinstance(owner, dict) else entity
    return {"guid": str(record["guid"]) if record else None, "entity": name, "host": host, "reason": reason}


def _shortfall(guid: str, host: str, outcome: t.Any, run: str, scope: Scope, predicted: bool) -> str | None:
    """Return why the outcome is no proof that the host has the file of this download; None if it is one."""
    result, source = (outcome.get("result"), outcome.get("source")) if _is_of(run, outcome) else (None, None)
    if isinstance(result, t.Mapping) and (reason := _doubt(guid, result, predicted)):
        return reason
    # A copy is proved to equal its source, which proves nothing about the source.
    if isinstance(source, t.Mapping) and (reason := _doubt(guid, source, predicted)):
        return f"where it was copied from: {reason}"
    if host not in scope.alive:
        return "the host failed, was unreachable or was ended in this run"
    return None if isinstance(result, t.Mapping) else "the host has no result of this run"


def _doubt(guid: str, result: Record, predicted: bool) -> str | None:
    """Return why this result of a host is no proof; None if it is one."""
    listed = result.get("files")
    files = [file for file in listed if isinstance(file, t.Mapping)] if isinstance(listed, (list, tuple)) else []
    named = [file for file in files if str(file.get("guid")).lower() == guid.lower()]
    bad = [file for file in files if file.get("failed")]
    if failed := [file for file in named if file in bad]:
        return _text(failed[0].get("msg"), "the file could not be fetched")
    if result.get("unreachable") or (result.get("failed") and not (named and bad)):
        return _text(result.get("msg"), "the host failed or was unreachable")
    if len(named) != 1:
        return "the result of the host does not name this file exactly once"
    return _doubt_of_file(named[0], predicted)


def _doubt_of_file(file: Record, predicted: bool) -> str | None:
    """Return why this entry of a result is no proof; None if it is one."""
    reason = file.get("reason")
    if predicted and file.get("changed") is True and reason in _FETCHED and "sha256" not in file:
        return None  # it would be fetched
    if reason == "kept":
        return "the file that is there was kept without being read (fetch_content_overwrite=never)"
    if reason not in _FETCHED and reason != "unchanged":
        return "the result does not say that the file was received or read"
    if not isinstance(file.get("path"), str) or not file["path"]:
        return "the result names no path of the file"
    if not isinstance(file.get("sha256"), str) or not is_sha256(file["sha256"]):
        return "the result names no SHA-256 of the file, so the file was not read"
    if file.get("verified") not in _VERIFIED:
        return "nothing verified the content of the file (fetch_content_allow_unverified)"
    return None


# --- Words ---


def _message(keep: t.Sequence[t.Mapping[str, str | None]]) -> str:
    """Return why the downloads stay and the next step; an empty text when they do not stay."""
    if not keep:
        return ""
    grouped: dict[tuple[str | None, str | None], list[str | None]] = {}
    for kept in keep:
        grouped.setdefault((kept["host"], kept["reason"]), []).append(kept["entity"] or kept["guid"])
    text, more = "", len(grouped)
    for (host, reason), named in grouped.items():
        longer = f"{text} {_causes.shorten(_line(host, str(reason), named), _LONGEST_LINE)}".lstrip()
        if text and len(longer.encode("utf-8", "replace")) > _causes.MOST_BYTES:
            break
        text, more = longer, more - 1
    return _STAY + text + (f" And {more} more." if more > 0 else "") + _NEXT


def _line(host: str | None, reason: str, named: t.Sequence[str | None]) -> str:
    about = _names([_text(name, "") for name in named if name], _NAMES_SHOWN)
    where = f" on {host}" if host else ""
    return f"{about}{where}: {reason}".removeprefix(": ").rstrip(".") + "."


def _names(names: t.Sequence[str], most: int = _SHOWN) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _text(text: t.Any, otherwise: str) -> str:
    """Return a text of a host or of the server in one line without control characters."""
    # Cut first: there may be as many texts as hosts and downloads together.
    line = " ".join(text[: 4 * _LONGEST].split()) if isinstance(text, str) else ""
    return escape_controls(line[:_LONGEST])[:_LONGEST] or otherwise
