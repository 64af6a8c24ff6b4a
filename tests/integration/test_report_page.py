# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in HTML in a browser, as a person opens, sorts and prints it."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.plugin_utils import _report, _report_html, _report_rows

BROWSER: t.Final = shutil.which("chromium") or shutil.which("google-chrome")
A4_ACROSS: t.Final = (842, 595)  # points
# Opens the report in a frame, clicks on headings, and leaves the order of the rows after each click in the page.
_VISITOR: t.Final = """<!DOCTYPE html><meta charset="utf-8"><iframe src="report.html"></iframe><pre></pre><script>
document.querySelector("iframe").addEventListener("load", event => {
  const page = event.target.contentDocument;
  const found = [];
  for (const number of [0, 0, 7, 7]) {
    const head = page.querySelectorAll("thead th")[number];
    head.querySelector("button").click();
    const names = [...page.querySelectorAll("tbody tr")].map(row => row.cells[0].textContent);
    found.push([head.getAttribute("aria-sort"), ...names]);
  }
  document.querySelector("pre").textContent = JSON.stringify({title: page.title, found});
});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


def row(**changes: t.Any) -> dict[str, t.Any]:
    return {**dict.fromkeys(_report_rows.COLUMNS), "result": "fetched", "reason": "", "host": "files-1", **changes}


def write(path: pathlib.Path, rows: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    times = ("2026-01-09T10:00:00Z", "2026-01-09T11:00:00Z")
    text = _report_html.render(_report.Report("case 17", "https://backup.example.com", *times, list(map(dict, rows))))
    path.write_text(text, encoding="utf-8")
    return text


def browse(tmp_path: pathlib.Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
    more = (f"--user-data-dir={tmp_path}/browser", "--allow-file-access-from-files", "--virtual-time-budget=3000")
    command = (str(BROWSER), *options, *more, *arguments, (tmp_path / name).as_uri())
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_headings_sort_and_no_other_script_runs(tmp_path: pathlib.Path) -> None:
    """Not even one that got into the page as markup: the policy of the page names the hash of its own."""
    evil = "<script>document.title = 'evil'</script><img src=x onerror=\"document.title = 'evil'\">"
    rows = [row(entity="Bob", size=900), row(entity="alice", size=2**31), row(entity=f"Zoe {evil}", size=None)]
    text = write(tmp_path / "report.html", rows)
    (tmp_path / "report.html").write_text(text.replace("</table>", f"</table>{evil}"), encoding="utf-8")
    (tmp_path / "visitor.html").write_text(_VISITOR, encoding="utf-8")
    done = browse(tmp_path, "visitor.html", "--dump-dom")
    seen = re.search(r"<pre>(.+)</pre>", done.stdout)
    assert seen, done.stdout
    told = json.loads(seen.group(1).replace("&lt;", "<").replace("&gt;", ">"))
    assert told["title"] == "Fetched files: case 17"
    zoe = rows[2]["entity"]
    assert told["found"] == [
        ["ascending", "alice", "Bob", zoe],
        ["descending", zoe, "Bob", "alice"],
        ["ascending", zoe, "Bob", "alice"],
        ["descending", "alice", "Bob", zoe],
    ]
    assert done.stderr.count("Content Security Policy") >= 2  # the script and the handler that were planted


def test_a_long_report_prints_on_a4(tmp_path: pathlib.Path) -> None:
    long = {"file": "/srv/restore/" + "x" * 200, "sha256": "ab" * 32, "email": "a" * 60 + "@example.com"}
    write(tmp_path / "report.html", [row(entity=f"User {number}", size=number, **long) for number in range(60)])
    browse(tmp_path, "report.html", f"--print-to-pdf={tmp_path}/report.pdf", "--no-pdf-header-footer")
    pages = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", (tmp_path / "report.pdf").read_bytes())
    assert {tuple(round(float(length)) for length in page) for page in pages} == {A4_ACROSS}
    assert 2 <= len(pages) <= 20
