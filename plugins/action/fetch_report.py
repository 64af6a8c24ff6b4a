# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See the module of the same name."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils import _private
from ..module_utils._errors import OptionError, StorwareError
from ..module_utils._transfer.directory import explaining
from ..plugin_utils import _report
from ..plugin_utils._action import failure

SPEC: t.Final = {
    "path": {"type": "path", "required": True},
    "complete": {"type": "bool", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Works on the controller, and asks no host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Write the report, and return its path."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(SPEC)
        path = options["path"]
        try:
            text = _text(path, options["files"], complete=options["complete"])
            if not self._task.check_mode:
                _write(path, text)
        except StorwareError as error:
            return {**result, **failure(error)}
        return {**result, "changed": True, "path": path}


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
        with explaining(f"write {path}"):
            _private.replace_file(name, place, text.encode("utf-8"))
    finally:
        os.close(place)
