# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See the module of the same name."""

from __future__ import annotations

import os
import typing as t

from ..module_utils import _private
from ..module_utils._errors import OptionError
from ..module_utils._transfer.store.directory import translate_os_errors
from ..plugin_utils import _report
from ..plugin_utils._action import ControllerActionModule

SPEC: t.Final = {
    "path": {"type": "path", "required": True},
    "complete": {"type": "bool", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True},
}


class ActionModule(ControllerActionModule):
    """Writes the report, and returns its path."""

    def _work(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        _result, options = self.validate_argument_spec(SPEC)
        path = options["path"]
        text = _text(path, options["files"], complete=options["complete"])
        if not self._task.check_mode:
            _write(path, text)
        return {"changed": True, "path": path}


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
