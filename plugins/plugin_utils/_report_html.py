# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run as one HTML page, which loads nothing and is fit for print.

Every text is escaped, and the page's own policy lets a browser run nothing but the script in here.
"""

from __future__ import annotations

import base64
import hashlib
import html
import typing as t

from ..module_utils._printable import escape_controls
from ..module_utils._progress import format_amount
from . import _report_rows, _summary
from ._report import Report
from ._report_rows import Row

_COLUMNS: t.Final = (
    ("Name", "entity"),
    ("Email", "email"),
    ("Backup", "backup_time"),
    ("Host", "host"),
    ("Result", "result"),
    ("Cause", "reason"),
    ("File", "file"),
    ("Size", "size"),
    ("Entries", "entries"),
    ("Unpacked", "unpacked_size"),
    ("Verified", "verified"),
    ("SHA-256", "sha256"),
    ("Download", "guid"),
)
_SIZES: t.Final = ("size", "unpacked_size")
_FIGURES: t.Final = (*_SIZES, "entries")
_LONG: t.Final = ("entity", "email", "host", "reason", "file", "sha256", "guid")
_HEAD: t.Final = (("Reference", "reference"), ("Server", "server"), ("Start", "start"), ("End", "end"))

_STYLE: t.Final = """
@page { size: A4 landscape; margin: 12mm }
:root { color-scheme: light }
body { font: 14px/1.4 sans-serif; margin: 2em; color: #1a1a1a; background: #fff }
h1 { font-size: 1.5em; margin: 0 0 .6em }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1.2em; margin: 0 0 1em }
dt { color: #555 }
dd { margin: 0; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: .3em .5em; text-align: left; vertical-align: top }
th button { font: inherit; font-weight: bold; background: none; border: 0; padding: 0; cursor: pointer; color: inherit }
th[aria-sort=ascending] button::after { content: " \\25B2" }
th[aria-sort=descending] button::after { content: " \\25BC" }
tfoot td { font-weight: bold }
.figure { text-align: right; white-space: nowrap }
.long { overflow-wrap: anywhere; min-width: 6em }
.bad { background: #fdecea }
.missing { font-weight: bold; color: #a61b1b }
@media print {
  body { margin: 0; font-size: 7pt }
  thead { display: table-header-group }
  tfoot { display: table-row-group }
  tr { break-inside: avoid }
  th, td { padding: 1.5pt 2pt }
  .long { min-width: 5em }
  .bad { background: none; outline: 1px solid #a61b1b }
}
"""
_SCRIPT: t.Final = """
"use strict";
const body = document.querySelector("tbody");
const heads = [...document.querySelectorAll("thead th")];
const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
  const up = head.getAttribute("aria-sort") !== "ascending";
  const figures = head.classList.contains("figure");
  const compare = (a, b) => figures ? Number(value(a, column)) - Number(value(b, column))
    : value(a, column).localeCompare(value(b, column));
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...[...body.rows].sort((a, b) => up ? compare(a, b) : compare(b, a)));
}));
"""


def render(report: Report) -> str:
    """Return the page."""
    title = f"Fetched files{f': {report.reference}' if report.reference else ''}"
    fields = [(name, report.head[key]) for name, key in _HEAD if report.head[key]]
    figures = _summary.totals(report.rows)
    facts = "".join(f"<dt>{name}</dt><dd>{_escape(value)}</dd>\n" for name, value in fields)
    is_complete = _report_rows.is_complete(report.rows)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{_escape(title)}</h1>",
        f"<dl>\n{facts}</dl>",
        *(f"<p{'' if is_complete else _class('missing')}>{_escape(line)}</p>" for line in figures),
        "<table>",
        f"<thead><tr>{''.join(map(_heading, _COLUMNS))}</tr></thead>",
        "<tbody>",
        *map(_line, report.rows),
        "</tbody>",
        f"<tfoot><tr>{_totals(report.rows)}</tr></tfoot>",
        "</table>",
        f"<script>{_SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _policy() -> str:
    """Return the Content-Security-Policy, which names the style and the script in this page and nothing else."""
    style, script = (_hash(text) for text in (_STYLE, _SCRIPT))
    return f"default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _heading(column: tuple[str, str]) -> str:
    name, key = column
    kind = _class("figure") if key in _FIGURES else ""
    return f'<th scope="col"{kind}><button type="button">{name}</button></th>'


def _line(row: Row) -> str:
    cells = "".join(_cell(row, key) for _name, key in _COLUMNS)
    return f"<tr{_class('bad') if _summary.is_missing(row) else ''}>{cells}</tr>"


def _cell(row: Row, key: str) -> str:
    value = row[key]
    if key in _FIGURES:
        shown = "" if value is None else format_amount(value) if key in _SIZES else f"{value}"
        return f'<td{_class("figure")} data-value="{-1 if value is None else value}">{_escape(shown)}</td>'
    if key == "result":
        value = _summary.describe_result(row)
    elif key == "reason":
        hint = f". {row['hint']}" if row["hint"] else ""
        value = f"{str(value).rstrip('.')}{hint}" if _summary.is_missing(row) else ""
    return f"<td{_class('long') if key in _LONG else ''}>{'' if value is None else _escape(value)}</td>"


def _totals(rows: t.Sequence[Row]) -> str:
    """Return the last line: sums of the files that are there."""
    there = [row for row in rows if row["result"] in _report_rows.THERE]
    cells = []
    for name, key in _COLUMNS:
        total = sum(row[key] or 0 for row in there) if key in _FIGURES else 0
        shown = format_amount(total) if key in _SIZES else str(total)
        text = shown if key in _FIGURES else f"{len(there)} of {len(rows)} files" if name == "Name" else ""
        cells.append(f"<td{_class('figure') if key in _FIGURES else ''}>{_escape(text)}</td>")
    return "".join(cells)


def _class(name: str) -> str:
    return f' class="{name}"'


def _escape(value: t.Any) -> str:
    return html.escape(escape_controls(str(value)))
