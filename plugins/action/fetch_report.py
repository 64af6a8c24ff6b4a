# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import os
import typing as t

from ..module_utils import _private
from ..module_utils._errors import OptionError, StorwareError
from ..module_utils._transfer.store.directory import translate_os_errors
from ..plugin_utils import _facts, _report
from ..plugin_utils._action import ControllerActionModule, failure

SPEC: t.Final = {
    "path": {"type": "list", "elements": "path", "default": []},
    "files": {"type": "list", "elements": "dict", "required": True},
}


class ActionModule(ControllerActionModule):
    """Writes the report to files, and returns it."""

    def _work(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        # Hosts may have returned facts since the role began, and the rows are made of their variables.
        _facts.refuse_variables_of_the_role(task_vars, task_vars["ansible_play_hosts_all"])
        _result, options = self.validate_argument_spec(SPEC)
        files = options["files"]
        report = {"complete": _report.is_complete(files), "files": files}
        result = {"changed": bool(options["path"]), **report, "ansible_stats": _as_statistics(report)}
        errors = _write_all(options["path"], files, dry_run=bool(self._task.check_mode))
        return {**result, **failure(errors[0])} if errors else result  # the rows are returned all the same


def _as_statistics(report: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the report as ansible.builtin.set_stats returns it, for the artifacts of a job."""
    return {"data": {"fetch_content_result": report}, "per_host": False, "aggregate": True}


def _write_all(paths: t.Iterable[str], rows: t.Sequence[_report.Row], *, dry_run: bool) -> list[StorwareError]:
    """Write a report to each file, also after one that cannot be written. Return the errors."""
    errors = []
    for path in paths:
        try:
            text = _text(path, rows, complete=_report.is_complete(rows))
            if not dry_run:
                _write(path, text)
        except StorwareError as error:
            errors.append(error)
    return errors


def _text(path: str, rows: t.Sequence[_report.Row], *, complete: bool) -> str:
    extension = os.path.splitext(path)[1]
    if not os.path.isabs(path) or extension not in (".json", ".csv"):
        raise OptionError("path", f"must be an absolute path that ends with .json or .csv, not {path!r}")
    return _report.render_csv(rows) if extension == ".csv" else _report.render_json(rows, complete=complete)


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
