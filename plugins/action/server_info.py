# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils import _argspec
from ..plugin_utils._action import ConnectionActionModule


class ActionModule(ConnectionActionModule):
    """Resolves the connection on the controller, announces a trial, and shows progress."""

    _default_interval = _argspec.PROGRESS_INTERVAL

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        # Before the module runs: its own warnings are shown at its end.
        if boolean(given.get("trial"), strict=False) and not self._task.check_mode:
            self._show(task_vars)(_TRIAL)
        return super()._run_with(given, task_vars)


_TRIAL: t.Final = (
    "The trial creates a cloud download of protected_entity, waits until it is ready, reads the first MiB of its"
    " content, and deletes it."
)
