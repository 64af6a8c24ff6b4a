# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import typing as t

from ..plugin_utils import _facts
from ..plugin_utils._action import ConnectionActionModule


class ActionModule(ConnectionActionModule):
    """Resolves the connection on the controller."""

    @property
    def _opens_session(self) -> bool:
        return bool(self._task.args.get("state") != "absent")

    def _refuse_facts(self, task_vars: t.Mapping[str, t.Any]) -> None:
        if self._task.args.get("state") != "absent":
            super()._refuse_facts(task_vars)
            return
        # A false fact keeps no session open; it only must not choose the server that the session is sent to.
        _facts.refuse_variables_of_the_role(task_vars, [task_vars["inventory_hostname"]], _facts.CONNECTION)
