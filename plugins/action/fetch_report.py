# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import datetime
import os
import typing as t
import urllib.parse

from ansible.utils.display import Display

from ..module_utils import _argspec, _private
from ..module_utils._errors import OptionError, StorwareError
from ..module_utils._transfer.store.directory import translate_os_errors
from ..plugin_utils import _facts, _outcomes, _report, _report_html, _report_rows, _summary
from ..plugin_utils._action import ControllerActionModule, failure, play_of
from ..plugin_utils._play import Play
from ..plugin_utils._report import Report

SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "of": {"type": "str", "choices": ["fetched", "verified"], "default": "fetched"},
    "path": {"type": "list", "elements": "path", "default": []},
    "reference": {"type": "str", "default": ""},
}
RENDERERS: t.Final[t.Mapping[str, t.Callable[[Report], str]]] = {
    ".json": _report.render_json,
    ".csv": _report.render_csv,
    ".html": _report_html.render,
}

_display = Display()


class ActionModule(ControllerActionModule):
    """Shows what has come of the files of all hosts, writes the reports, and returns the rows."""

    def _work(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        # Hosts may have returned facts since the role began, and the rows are made of their variables.
        _facts.refuse_variables_of_the_role(task_vars, task_vars["ansible_play_hosts_all"])
        _result, options = self.validate_argument_spec(SPEC)
        play = play_of(task_vars, predicted=bool(self._task.check_mode))
        return _report_verified(play) if options["of"] == "verified" else self._report_fetched(play, options)

    def _report_fetched(self, play: Play, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        if not _report_rows.has_downloads(play):
            stopped = {host: _outcomes.stopped_by(play, host) for host in play.company()}
            reasons = {host: str(result["msg"]) for host, result in stopped.items() if result}
            summary = _summary.summarize_stopped(reasons)
            _display.display("\n".join(summary))
            return {"changed": False, "complete": False, "files": [], "missing": {}, "summary": summary}
        rows = _report_rows.build_rows(play)
        report = Report(options["reference"], _server(play), _start(play), _now(), rows)
        lost = [host for host in play.hosts if host not in play.alive]
        summary = _summary.summarize(rows, lost, detailed=_display.verbosity > 0)
        _display.display("\n".join(summary))
        result = {
            "changed": bool(options["path"]),
            **report.to_result(),
            "missing": _missing(rows),
            "summary": summary,
            "ansible_stats": _as_statistics("fetch_content_result", report.to_result()),
        }
        errors = _write_all(options["path"], report, dry_run=play.predicted)
        return {**result, **failure(errors[0])} if errors else result  # the rows are returned all the same


def _report_verified(play: Play) -> dict[str, t.Any]:
    # Without hosts that failed before, of which the results may be of an earlier use of the role.
    company = play.company()
    files = {host: play.records(host, "verified", "files") for host in company if play.record(host, "verified")}
    lost = [host for host in play.hosts if host not in files]
    summary = _summary.summarize_verified(files, lost)
    _display.display("\n".join(summary))
    found = [file for files_of in files.values() for file in files_of]
    bad = {file.get("guid") for file in found if file.get("state") != "intact"}
    guids = dict.fromkeys(file.get("guid") for file in found if file.get("guid") not in bad)
    # A later node of a workflow removes only these. This is no proof for that node, which reads the files itself.
    statistics = _as_statistics("fetch_content_verified", {"guids": list(guids)})
    return {"changed": False, "complete": not bad, "files": found, "summary": summary, "ansible_stats": statistics}


def _missing(rows: t.Sequence[_report_rows.Row]) -> dict[str, t.Any]:
    """Return the failure of each host that lacks files, in the form of the result of a task."""
    by_host: dict[str, list[_report_rows.Row]] = {}
    for row in rows:
        if row["host"]:
            by_host.setdefault(row["host"], []).append(row)
    return {host: failure(error) for host, found in by_host.items() if (error := _summary.error_of(found))}


def _as_statistics(name: str, value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the value as ansible.builtin.set_stats returns it, for the artifacts of a job."""
    return {"data": {name: value}, "per_host": False, "aggregate": True}


def _server(play: Play) -> str:
    """Return the address of the server, without anything in its URL that may be a secret."""
    url = play.record(play.reporter, "options").get("server") or os.environ.get(f"{_argspec.PREFIX}URL", "")
    try:
        parts = urllib.parse.urlsplit(str(url))
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    except ValueError:
        return ""


def _start(play: Play) -> str:
    """Return the time when the first host of this use of the role has begun."""
    times = [play.record(host, "options").get("started") for host in play.company()]
    return min((time for time in times if isinstance(time, str)), default="")


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_all(paths: t.Iterable[str], report: Report, *, dry_run: bool) -> list[StorwareError]:
    """Write a report to each file, also after one that cannot be written. Return the errors."""
    errors = []
    for path in paths:
        try:
            text = _text(path, report)
            if not dry_run:
                _write(path, text)
        except StorwareError as error:
            errors.append(error)
    return errors


def _text(path: str, report: Report) -> str:
    render = RENDERERS.get(os.path.splitext(path)[1])
    if render is None or not os.path.isabs(path):
        raise OptionError("path", f"must be an absolute path that ends with {' or '.join(RENDERERS)}, not {path!r}")
    return render(report)


def _write(path: str, text: str) -> None:
    directory, name = os.path.split(path)
    try:
        place = _private.open_directory(directory)
    except OSError as error:
        raise OptionError("path", f"has no directory that can be used: {path!r} ({error.strerror})") from error
    try:
        with translate_os_errors(f"write {path}"):
            _private.replace_file(name, place, text.encode("utf-8"))
    finally:
        os.close(place)
