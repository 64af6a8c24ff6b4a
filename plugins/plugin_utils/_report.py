# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run as the text of a file. Texts of servers and hosts in it are no formulas and no templates."""

from __future__ import annotations

import csv
import io
import json
import re
import typing as t

from ..module_utils._printable import escape_controls
from . import _report_rows
from ._report_rows import Row

# A cell that begins like this, also in full width, is a formula for a spreadsheet; for some a semicolon begins a cell.
_FORMULA: t.Final = re.compile(r"(?:^|(?<=;))(\s*)(?=[=+@;\uff1d\uff0b\uff0d\uff20-])")


class Report(t.NamedTuple):
    """A run. reference: of the operator. server: its URL. start, end: ISO 8601 in UTC. rows: in their order."""

    reference: str
    server: str
    start: str
    end: str
    rows: t.Sequence[Row]

    @property
    def head(self) -> dict[str, str]:
        """The fields that all rows share, by name."""
        return {"reference": self.reference, "server": self.server, "start": self.start, "end": self.end}

    def to_result(self) -> dict[str, t.Any]:
        """Return the report as the module returns it."""
        return {**self.head, "complete": _report_rows.is_complete(self.rows), "files": self.rows}


def render_json(report: Report) -> str:
    """Return a JSON object with the fields of the run, whether all files arrived, and the rows as they are."""
    return json.dumps(report.to_result(), indent=2) + "\n"


def render_csv(report: Report) -> str:
    """Return a line with the names of the columns, and one line for each row (RFC 4180, with line feeds)."""
    text = io.StringIO()
    text.write(",".join((*_report_rows.COLUMNS, *report.head)) + "\n")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    head = [_cell(value) for value in report.head.values()]
    writer.writerows([*(_cell(row.get(column)) for column in _report_rows.COLUMNS), *head] for row in report.rows)
    return text.getvalue()


def _cell(value: t.Any) -> str:
    return "" if value is None else _FORMULA.sub(r"'\1", escape_controls(str(value)))
