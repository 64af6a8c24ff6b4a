# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of a run for people: a table of the files that are there, then totals and the causes of the others."""

from __future__ import annotations

import datetime
import typing as t
import unicodedata

from ..module_utils import _causes
from ..module_utils._errors import CODES, StorwareError
from ..module_utils._printable import escape_controls
from ..module_utils._progress import format_amount
from . import _report_rows
from ._report_rows import Row

_MOST_ROWS: t.Final = 50  # of the table; with -v all
_MOST_CAUSES: t.Final = 5
_MOST_NAMES: t.Final = 10
_LONGEST: t.Final = 500  # bytes of a text
# Why a file was fetched, which is worth a word if it replaces another one.
_REPLACED: t.Final = {
    "size": ", the size differed",
    "checksum": ", the content differed",
    "guid": ", the file was of another download",
}


def summarize(rows: t.Sequence[Row], lost: t.Sequence[str], *, detailed: bool) -> list[str]:
    """Return the lines of the summary.

    Args:
        rows: of the report, in its order.
        lost: hosts that have failed.
        detailed: whether all rows of the table are shown, with their digests.
    """
    shown = [row for row in rows if row["result"] in (*_report_rows.THERE, "would be fetched")]
    lines = _table(shown if detailed else shown[:_MOST_ROWS], detailed=detailed)
    if len(lines) - 1 < len(shown):
        lines.append(f"{len(shown) - _MOST_ROWS} more files are not shown here: see fetch_content_report, or use -v.")
    return [*lines, *totals(rows), *_cause_lines(rows), *_notes(rows, lost)]


def summarize_verified(files: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]], lost: t.Sequence[str]) -> list[str]:
    """Return the lines about the files of hosts, by host, that were compared with their receipts.

    lost: hosts that failed before.
    """
    header = ("HOST", "SIZE", "SHA-256", "STATE", "FILE")
    rows = [
        (host, _size(file.get("size")), _text(file.get("sha256")), _text(file.get("state")), _path(file))
        for host, found in files.items()
        for file in found
    ]
    lines = _columns([header, *rows], right=(1,))
    if lost:
        lines.append(f"None of the files of hosts that failed is verified: {_names(lost)}.")
    states = [file.get("state") for found in files.values() for file in found]
    hosts = f"on {len(files)} of {len(files) + len(lost)} hosts"
    return [*lines, f"{states.count('intact')} of {len(states)} files are intact, {hosts}."]


def summarize_stopped(reasons: t.Mapping[str, str]) -> list[str]:
    """Return the lines of a run that knows of no file. reasons: of hosts that have failed, by host."""
    causes = _causes.group((_text(host), _text(reason)) for host, reason in reasons.items())
    return ["No file was fetched.", *(cause.describe() for cause in causes[:_MOST_CAUSES])]


def totals(rows: t.Sequence[Row]) -> list[str]:
    """Return the number of files that are complete, their size, and how many each host lacks."""
    there = [row for row in rows if row["result"] in _report_rows.THERE]
    size = sum(row["size"] or 0 for row in there)
    text = f"{len(there)} of {len(rows)} files are complete{f' ({format_amount(size)})' if there else ''}."
    for result in sorted(_report_rows.PREDICTED):
        if number := sum(row["result"] == result for row in rows):
            text += f" {number} {result}."
    missing = _missing(rows)
    if missing:
        hosts: dict[str, int] = {}
        for row in missing:
            hosts[row["host"] or "not prepared"] = hosts.get(row["host"] or "not prepared", 0) + 1
        counted = [f"{_text(host)} {number}" for host, number in sorted(hosts.items())]
        text += f" {_are_missing(len(missing))}: {_names(counted)}."
    return [text]


def error_of(rows: t.Sequence[Row]) -> StorwareError | None:
    """Return the failure of a host with these rows, in a message of limited size; None if it lacks no file."""
    missing = _missing(rows)
    if not missing:
        return None
    causes = _by_cause(missing)
    there = sum(row["result"] in _report_rows.THERE for row in rows)
    described = [_causes.Cause(_with_time(found), [label(row) for row in found]) for found in causes]
    text = _causes.join(described, "fetch_content_result")
    codes = {row["code"] for row in missing}
    return StorwareError(
        f"{there} of {len(rows)} files are complete. {_are_missing(len(missing))}: {text}",
        code=str(codes.pop()) if len(codes) == 1 and codes <= CODES.keys() else "partial_failure",
        hint=_causes.shorten(next_step(causes[0]), _LONGEST) if len(causes) == 1 else "",
    )


def _are_missing(number: int) -> str:
    return f"{number} {'is' if number == 1 else 'are'} missing"


def next_step(rows: t.Sequence[Row]) -> str:
    """Return the first hint of rows that have the same cause."""
    return next((_text(row["hint"]) for row in rows if row["hint"]), "")


def describe_result(row: Row) -> str:
    """Return the result in words that tell a file that replaced another one from a new one."""
    return f"{row['result']}{_REPLACED.get(row['reason'], '')}"


def is_missing(row: Row) -> bool:
    """Return whether the file is not on its host, and not because this is check mode."""
    return row["result"] not in (*_report_rows.THERE, *_report_rows.PREDICTED)


def label(row: Row) -> str:
    """Return the name of the mailbox and the GUID of its download, as far as they are known."""
    name, guid = _text(row["entity"]), _text(row["guid"] or row["entity_guid"])
    return f"{name} ({guid})" if name and guid else name or guid


def _missing(rows: t.Iterable[Row]) -> list[Row]:
    return [row for row in rows if is_missing(row)]


def _by_cause(rows: t.Iterable[Row]) -> list[list[Row]]:
    """Return the rows of each cause, the most frequent cause first."""
    causes: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        causes.setdefault((row["result"], row["reason"]), []).append(row)
    return sorted(causes.values(), key=lambda found: -len(found))


def _with_time(rows: t.Sequence[Row]) -> str:
    """Return the cause that these rows share, with the time when it was met first."""
    result, reason = rows[0]["result"], _text(rows[0]["reason"])
    text = reason if result == "failed" and reason else f"{result}, {reason}" if reason else result
    since = min((clock for row in rows if (clock := _clock(row["since"]))), default=None)
    return f"{text.rstrip('.')}{f' (since {since})' if since and len(rows) > 1 else ''}"


def _cause_lines(rows: t.Sequence[Row]) -> t.Iterator[str]:
    causes = _by_cause(_missing(rows))
    for found in causes[:_MOST_CAUSES]:
        named = [f"{label(row)}{' on ' + _text(row['host']) if row['host'] else ''}" for row in found]
        hint, code = next_step(found), found[0]["code"]
        cause = _causes.Cause(_with_time(found), named).describe()
        yield f"{cause}.{' ' + _causes.shorten(hint, _LONGEST) if hint else ''}{f' [{_text(code)}]' if code else ''}"
    if left := sum(len(found) for found in causes[_MOST_CAUSES:]):
        yield f"{left} more are missing for other reasons: see fetch_content_report, or use -v."


def _notes(rows: t.Sequence[Row], lost: t.Sequence[str]) -> t.Iterator[str]:
    uncreated = dict.fromkeys(
        _text(row["entity"] or row["entity_guid"]) for row in rows if row["result"] == "would be prepared"
    )
    if uncreated:
        yield (
            "These downloads would be created first, so that the changes of fetching them are not known: "
            f"{_names(list(uncreated))}"
        )
    named = {row["host"] for row in rows}
    failed = [host for host in lost if host not in named]
    if failed:
        yield f"These hosts failed and may lack files: {_names(failed)}."


def _table(rows: t.Sequence[Row], *, detailed: bool) -> list[str]:
    header = ("NAME", "HOST", "SIZE", "RESULT", "FILE", *(("SHA-256",) if detailed else ()))
    cells = [
        (
            _text(row["entity"] or row["guid"]) + (f" <{_text(row['email'])}>" if row["email"] else ""),
            _text(row["host"]),
            _size(row["size"]),
            describe_result(row),
            _text(row["file"]) or "not named yet",
            *((_text(row["sha256"]),) if detailed else ()),
        )
        for row in rows
    ]
    return _columns([header, *cells], right=(2,))


def _columns(rows: t.Sequence[t.Sequence[str]], right: t.Container[int]) -> list[str]:
    """Return the rows as lines whose columns are as wide as they have to be. right: numbers of those of figures."""
    widths = [max(map(_width, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [
            " " * (width - _width(cell)) + cell if number in right else cell + " " * (width - _width(cell))
            for number, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    """Return the number of columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _names(names: t.Sequence[str], most: int = _MOST_NAMES) -> str:
    more = len(names) - most
    return ", ".join(_text(name) for name in names[:most]) + (f" and {more} more" if more > 0 else "")


def _path(file: t.Mapping[str, t.Any]) -> str:
    return _text(file.get("path")) or f"none of {_text(file.get('guid'))}"


def _size(size: t.Any) -> str:
    return format_amount(size) if isinstance(size, int) else ""


def _clock(time: t.Any) -> str | None:
    """Return hour and minute of a time in UTC, in the time zone of the controller; None for anything else."""
    try:
        found = datetime.datetime.strptime(str(time), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        return found.astimezone().strftime("%H:%M")
    except (ValueError, OverflowError):
        return None


def _text(text: t.Any) -> str:
    """Return a text of a host or of the server in one line of limited length, without control characters."""
    return "" if text is None else _causes.shorten(escape_controls(str(text)), _LONGEST)
