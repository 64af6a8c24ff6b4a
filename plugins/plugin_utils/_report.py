# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run as the text of a file. Texts of servers and hosts in it are no formulas and no templates."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import typing as t

from ..module_utils._printable import escape_controls

Row = t.Mapping[str, t.Any]

COLUMNS: t.Final = (
    *("entity", "entity_guid", "backup_time", "guid", "host", "result", "reason"),
    *("file", "size", "sha256", "verified", "seconds"),
)
_THERE: t.Final = frozenset({"unchanged", "kept", "fetched"})
# A cell that begins like this, also in full width, is a formula for a spreadsheet; for some a semicolon begins a cell.
_FORMULA: t.Final = re.compile(r"(?:^|(?<=;))(\s*)(?=[=+@;\uff1d\uff0b\uff0d\uff20-])")


def is_complete(rows: t.Iterable[Row]) -> bool:
    """Return whether every row is of a file that is on its host."""
    return all(row.get("result") in _THERE for row in rows)


def render_json(rows: t.Sequence[Row], *, complete: bool) -> str:
    """Return a JSON object with the time of the call (UTC), whether all files arrived, and the rows as they are."""
    time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"time": time, "complete": complete, "files": rows}, indent=2) + "\n"


def render_csv(rows: t.Iterable[Row]) -> str:
    """Return a line with the names of the columns, and one line for each row (RFC 4180, with line feeds)."""
    text = io.StringIO()
    text.write(",".join(COLUMNS) + "\n")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([_cell(row.get(column)) for column in COLUMNS] for row in rows)
    return text.getvalue()


def _cell(value: t.Any) -> str:
    return "" if value is None else _FORMULA.sub(r"'\1", escape_controls(str(value)))
