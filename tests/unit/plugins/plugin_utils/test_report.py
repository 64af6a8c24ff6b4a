# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports and the summary of a run: right, limited, and harmless whatever is in the texts of servers and hosts."""

from __future__ import annotations

import base64
import csv
import hashlib
import html.parser
import io
import json
import re
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.plugin_utils import (
    _report,
    _report_html,
    _report_rows,
    _summary,
)
from ansible_collections.storware.backup.plugins.plugin_utils._play import Play

Json = t.Any

START, END = "2026-01-09T10:00:00Z", "2026-01-09T11:00:00Z"
GONE: Json = {
    "code": "unreachable",
    "cause": "no connection to https://backup.example.com:8181 (Connection refused)",
    "hint": "Check url, the network and that the server runs.",
    "since": "2026-01-09T10:41:00Z",
}
HOSTS = ["h1", "h2", "h3", "h4"]


def guid(number: int) -> str:
    return f"f8f73bf9-2445-4bce-a7dd-{number:012}"


def download(number: int) -> Json:
    entity = {"guid": guid(10**6 + number), "name": f"User {number:03}", "type": "CLOUD_USER"}
    return {"guid": guid(number), "protected_entity": entity, "backup": {"backup_time": START}}


def fetched(number: int, **changes: Json) -> Json:
    path = f"/srv/restore/user-{number:03}@example.com-2026-01-09.zip"
    return {
        "guid": guid(number),
        "changed": True,
        "reason": "missing",
        "path": path,
        "size": 2**20,
        "sha256": "ab" * 32,
        "verified": "structure",
        "entries": 7,
        "unpacked_size": 2**21,
        "seconds": 1.5,
        **changes,
    }


def failed(number: int, error: Json) -> Json:
    msg = f"Not tried: {error['cause']} [{error['code']}]"
    return {"guid": guid(number), "changed": False, "failed": True, "msg": msg, "error": error}


def planned(downloads: t.Sequence[Json]) -> list[Json]:
    """The records of files that a host is to have, and does not hold."""
    return [{**one, "download": one["guid"], "held": None} for one in downloads]


def state(downloads: t.Sequence[Json], files: t.Sequence[Json], **changes: Json) -> Json:
    """The variables of a host after the transfer."""
    names = {
        "options": {"use": "u", "request_id": "r", "via": "direct", "started": START},
        "common": {"requests": dict.fromkeys(HOSTS, "r"), "run": "r"},
        "asker": "h1",
        "transfers": {"run": "r", "downloads": planned(downloads), "fetch": list(downloads), "from_server": True},
        "fetched": {"changed": True, "files": list(files)},
        **changes,
    }
    return {f"_fetch_content_{name}": value for name, value in names.items()}


def distributed(number: int, complete: int) -> Play:
    """A run of so many mailboxes over four hosts, whose server is gone after some of them are complete."""
    everything = [download(n) for n in range(number)]
    hosts = {}
    for index, host in enumerate(HOSTS):
        own = range(index, number, len(HOSTS))
        files = [fetched(n) if n < complete else failed(n, GONE) for n in own]
        hosts[host] = state([everything[n] for n in own], files)
    emails = [
        {"guid": guid(10**6 + n), "name": f"User {n:03}", "email": f"user-{n:03}@example.com"} for n in range(number)
    ]
    hosts["h1"]["_fetch_content_prepared"] = {"cloud_downloads": everything, "protected_entities": emails}
    return Play(HOSTS, [], "h1", hosts)


def summarize(play: Play, *, detailed: bool = False) -> list[str]:
    return _summary.summarize(_report_rows.build_rows(play), HOSTS, detailed=detailed)


# --- The summary ---


def test_a_run_that_fails_in_the_middle_says_so_in_few_words() -> None:
    """Cause and counts are in the last lines, and each cause is there once."""
    *table, totals, cause = summarize(distributed(300, 46))
    assert totals.startswith("46 of 300 files are complete (46 MiB). 254 are missing: h1 63, h2 63, h3 64, h4 64.")
    named = [f"User {n:03} ({guid(n)}) on {HOSTS[n % 4]}" for n in (46, 47, 48)]
    assert cause.startswith(f"254 ({', '.join(named)} and 251 more): no connection to https://backup.example.com:8181")
    assert re.search(r" \(since \d\d:41\)\. Check url, the network and that the server runs\. \[unreachable\]$", cause)
    assert len(table) == 47
    assert len("\n".join([*table, totals, cause])) < 8000


def test_the_table_of_a_large_run_is_limited_and_complete_with_more_verbosity() -> None:
    play = distributed(300, 300)
    short, long = summarize(play), summarize(play, detailed=True)
    assert len("\n".join(short)) < 15_000
    assert "250 more files are not shown here: see fetch_content_report, or use -v." in short
    assert sum(".zip" in line for line in long) == 300
    assert all("ab" * 32 not in line for line in short)
    assert sum("ab" * 32 in line for line in long) == 300


def test_the_table_is_ordered_and_as_wide_as_it_has_to_be() -> None:
    play = distributed(2, 2)
    entity = play.variables["h1"]["_fetch_content_transfers"]["downloads"][0]["protected_entity"]
    entity["name"] = "zoë \u674e\u5c0f\u9f99 of the very long name that no column would have been made for"
    header, first, last, totals = _summary.summarize(_report_rows.build_rows(play), [], detailed=False)
    assert first.startswith("User 001 <user-001@example.com> ")
    assert last.startswith(entity["name"])
    assert header.index("HOST") == first.index("h2") == last.index("h1") + 3  # three characters are twice as wide
    assert "1 MiB  fetched  /srv" in first
    assert totals == "2 of 2 files are complete (2 MiB)."


@pytest.mark.parametrize(
    ("reason", "words"),
    [("missing", "fetched  /"), ("checksum", "fetched, the content differed  /"), ("unchanged", "unchanged  /")],
)
def test_no_result_reads_like_a_failure(reason: str, words: str) -> None:
    play = Play(
        ["h1"],
        ["h1"],
        "h1",
        {"h1": state([download(1)], [fetched(1, reason=reason)])},
    )
    assert words in summarize(play)[1]


def test_a_host_has_the_causes_of_its_own_files_only() -> None:
    play = distributed(8, 2)
    rows = [row for row in _report_rows.build_rows(play) if row["host"] == "h3"]
    error = _summary.error_of(rows)
    assert error is not None
    assert error.code == "unreachable"
    assert error.message.startswith("0 of 2 files are complete. 2 are missing: 2 (User 002 (")
    assert "User 003" not in error.message
    assert _summary.error_of([row for row in rows if row["result"] == "fetched"]) is None


def test_messages_of_any_size_stay_small() -> None:
    files = [
        failed(n, {"code": "corrupt", "cause": f"{n} " + "ü\x1b[2J" * 2000, "hint": "h" * 5000}) for n in range(300)
    ]
    host = state([download(n) for n in range(300)], files)
    rows = _report_rows.build_rows(Play(["h1"], [], "h1", {"h1": host}))
    error = _summary.error_of(rows)
    assert error is not None
    assert len(error.text.encode()) < 2000
    lines = _summary.summarize(rows, ["h1"], detailed=False)
    assert len("\n".join(lines).encode()) < 10_000
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "295 more are missing for other reasons: see fetch_content_report, or use -v."


# --- Rows ---


def test_the_cause_on_the_controller_is_that_of_each_host_that_lacks_the_file() -> None:
    """Ansible fetches to the spool once, and each host only knows that the file is not there."""
    full: Json = {"code": "disk_full", "cause": "the disk has 1 of 5 GiB", "hint": "Free some space.", "since": END}
    absent: Json = {"code": "no_receipt", "cause": "there is no receipt of GUID", "hint": "Fetch the file there."}
    spooled = {"failed": True, "msg": "1 of 2", "files": [fetched(0), failed(1, full)]}
    hosts = {}
    for host in ("h1", "h2"):
        copied = {"failed": True, "msg": "1 of 2", "files": [fetched(0, entries=None), failed(1, absent)]}
        del copied["files"][0]["entries"]  # type: ignore[index]
        options = {"use": "u", "request_id": "r", "via": "controller", "started": START}
        both = [download(0), download(1)]
        plan = {"run": "r", "downloads": planned(both), "fetch": both, "from_server": False}
        hosts[host] = state(both, [], copied=copied, options=options, transfers=plan, fetched={})
    hosts["h1"]["_fetch_content_spooled"] = spooled
    rows = _report_rows.build_rows(Play(["h1", "h2"], [], "h1", hosts))
    assert [(row["host"], row["result"], row["entries"]) for row in rows] == [
        ("h1", "fetched", 7), ("h2", "fetched", 7), ("h1", "failed", None), ("h2", "failed", None),
    ]  # fmt: skip
    assert {(row["reason"], row["code"]) for row in rows[2:]} == {
        ("the controller lacks it: the disk has 1 of 5 GiB", "disk_full")
    }


@pytest.mark.parametrize("size", [True, "5", -1, 10**30, None, [1]])
def test_numbers_of_hosts_are_numbers(size: Json) -> None:
    host = state([download(0)], [fetched(0, size=size, entries=size)])
    (row,) = _report_rows.build_rows(Play(["h1"], ["h1"], "h1", {"h1": host}))
    assert (row["size"], row["entries"]) == (None, None)


# --- Files ---


def report(rows: t.Sequence[Json], reference: str = "case 17") -> _report.Report:
    return _report.Report(reference, "https://backup.example.com:8181", START, END, rows)


def row(**changes: Json) -> Json:
    return {**dict.fromkeys(_report_rows.COLUMNS), "result": "fetched", "reason": "", "host": "h1", **changes}


def test_reports_hold_any_text_and_no_formula() -> None:
    """Also what looks like a template, or like data that Ansible makes of a text."""
    names = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", 'Ann "the boss", Archer', "two\nlines", "Zoë", "{{ 1 + 1 }}"]
    names += ["{% raw %}", "[1]", "'"]
    rows = [row(entity=name, size=0) for name in names]
    told = json.loads(_report.render_json(report(rows, "=2")))
    assert (told["files"], told["complete"], told["reference"]) == (rows, True, "=2")
    assert (told["server"], told["start"], told["end"]) == ("https://backup.example.com:8181", START, END)
    found = list(csv.DictReader(io.StringIO(_report.render_csv(report(rows, "=2")))))
    shown = {"\t=1": "\\t=1", "two\nlines": "two\\nlines"}
    assert [one["entity"] for one in found] == [
        f"'{name}" if name[0] in "=+-@" else shown.get(name, name) for name in names
    ]
    assert {(one["size"], one["file"], one["reference"], one["start"]) for one in found} == {("0", "", "'=2", START)}


MARKUP: t.Final = (
    "<script>document.title='evil'</script>",
    "</td></table><img src=x onerror=\"document.title='evil'\">",
    "\" onmouseover=\"document.title='evil'\" x='",
    "</title></style></script><script>document.title='evil'</script><!--",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "&lt;script&gt;\u202e\x00\x1b[2J",
)


class Page(html.parser.HTMLParser):
    """The elements of a page, and the text in its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.inline: dict[str, str] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, _tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "td":
            self.cells[-1] += data
        if self._inside in ("script", "style"):
            self.inline[self._inside] = data


@pytest.mark.parametrize("markup", MARKUP)
def test_markup_in_any_field_is_text(markup: str) -> None:
    figures = {"size": 1, "entries": 2, "unpacked_size": 3}
    planted = {name: markup for name in _report_rows.COLUMNS if name not in figures}
    text = _report_html.render(_report.Report(markup, markup, markup, markup, [{**planted, **figures}, row()]))
    page, plain = Page(text), Page(_report_html.render(report([row(hint="x"), row()])))
    allowed = {"class", "charset", "content", "data-value", "http-equiv", "lang", "name", "scope", "type"}
    assert [tag for tag, _attributes in page.elements if tag != "td"] == [
        tag for tag, _attributes in plain.elements if tag != "td"
    ]
    assert {name for _tag, attributes in page.elements for name in attributes} <= allowed
    assert page.inline == plain.inline
    assert page.cells[0] == markup.replace("\u202e", "\\u202e").replace("\x00", "\\x00").replace("\x1b", "\\x1b")


def test_the_policy_lets_nothing_run_but_the_script_in_the_page() -> None:
    page = Page(_report_html.render(report([row()])))
    (policy,) = [about["content"] or "" for tag, about in page.elements if "http-equiv" in about and tag == "meta"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashes = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name, text in page.inline.items()
    }
    assert rules == {
        "default-src": "'none'",
        "script-src": hashes["script"],
        "style-src": hashes["style"],
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_compared_files_are_counted_by_host() -> None:
    intact = {"guid": guid(1), "state": "intact", "size": 2**20, "sha256": "ab" * 32, "path": "/srv/restore/a.zip"}
    missing = {"guid": guid(2), "state": "missing", "size": None, "sha256": None, "path": None}
    lines = _summary.summarize_verified({"h1": [intact], "h2": [intact, missing]}, ["h3"])
    assert lines[0].split() == ["HOST", "SIZE", "SHA-256", "STATE", "FILE"]
    assert lines[1].split() == ["h1", "1", "MiB", "ab" * 32, "intact", "/srv/restore/a.zip"]
    assert "missing" in lines[3]
    assert lines[-2:] == [
        "None of the files of hosts that failed is verified: h3.",
        "2 of 3 files are intact, on 2 of 3 hosts.",
    ]
