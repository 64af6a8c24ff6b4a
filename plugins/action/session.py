# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import types
import typing as t

from ansible import constants

from ..module_utils import _session_guard
from ..plugin_utils import _facts
from ..plugin_utils._action import ConnectionActionModule


class ActionModule(ConnectionActionModule):
    """Resolves the connection on the controller, and has the role's session closed when ansible-playbook ends early."""

    @property
    def _opens_session(self) -> bool:
        return bool(self._task.args.get("state") != "absent")

    def _run_module(
        self,
        arguments: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any] | None,
        variables: t.Mapping[str, str] = types.MappingProxyType({}),
    ) -> dict[str, t.Any]:
        # Not for other plays, which may open a session for a later run.
        if not self._is_of_the_role or self._connection.transport != "local":
            return super()._run_module(arguments, task_vars, variables)
        directory = constants.DEFAULT_LOCAL_TMP
        if self._opens_session:
            return super()._run_module(arguments, task_vars, {**variables, **_session_guard.variables(directory)})
        result = super()._run_module(arguments, task_vars, variables)
        if not result.get("failed"):
            _session_guard.release(directory, str(arguments.get("session")))
        return result

    def _refuse_facts(self, task_vars: t.Mapping[str, t.Any]) -> None:
        if self._task.args.get("state") != "absent":
            super()._refuse_facts(task_vars)
            return
        # A false fact keeps no session open; it only must not choose the server that the session is sent to.
        _facts.refuse_variables_of_the_role(task_vars, [task_vars["inventory_hostname"]], _facts.CONNECTION)
