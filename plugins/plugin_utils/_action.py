# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must happen on the controller before a module travels to a managed host."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils import _options
from ..module_utils._errors import OptionError


class ConnectionActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Runs the module of the same name with the connection options that the controller's environment sets.

    An AWX credential sets variables on the controller only; a module on another host would never see them.
    A session is all that another host gets, where there is one: password and token stay on the controller.
    """

    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; the result is the module's."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        given = self._task.args
        arguments = {**given, **_options.from_environment(given, os.environ)}
        try:
            # Here, because a module writes its options to the log of its host before it looks at them.
            _options.refuse_credentials(str(arguments.get("url") or ""))
        except OptionError as error:
            return {"failed": True, "msg": f"{error.message}. {error.hint}", "error": error.told()}
        if self._connection.transport != "local":
            arguments = _options.for_another_host(arguments)
        # Asynchronous tasks are wrapped as Ansible's own default action does it.
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async))
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result
