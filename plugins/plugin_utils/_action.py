# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must happen on the controller before a module travels to a managed host."""

from __future__ import annotations

import os
import types
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils import _options
from ..module_utils._errors import OptionError, StorwareError
from . import _visits

_display = Display()


class VisitingActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Runs the module of the same name; while it takes long, lines tell how far it is."""

    _default_interval: float | None = None  # of progress_interval; None for modules that never take long
    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; the result is the module's."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        result.update(self._run_with(self._task.args, task_vars))
        if not self._wraps_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """The module's result, or a failure of our own, for these arguments of the task."""
        return self._run_visited(given, task_vars)

    def _run_visited(
        self,
        arguments: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any] | None,
        variables: t.Mapping[str, str] = types.MappingProxyType({}),
    ) -> dict[str, t.Any]:
        """The module's result, with these variables in its environment."""
        environment = self._task.environment or []

        def execute(visiting: t.Mapping[str, str]) -> dict[str, t.Any]:
            self._task.environment = [*environment, {**variables, **visiting}]
            try:
                found: dict[str, t.Any] = self._execute_module(
                    module_args=dict(arguments), task_vars=task_vars, wrap_async=self._wraps_async
                )
            finally:
                self._task.environment = environment
            return found

        interval = self._progress_interval(arguments)
        if not interval:
            return execute({})
        self._reach()
        return _visits.until_done(execute, interval, self._show(task_vars))

    @property
    def _wraps_async(self) -> bool:
        # Asynchronous tasks are wrapped as Ansible's own default action does it.
        return bool(self._task.async_val) and not self._connection.has_native_async

    def _reach(self) -> None:
        """A host that cannot be used at all is told at once; one that is lost later is waited for."""
        if self._is_pipelining_enabled("new"):
            self._low_level_execute_command("true", sudoable=False)
        elif self._connection._shell.tmpdir is None:
            self._make_tmp_path()  # where the module would make it anyway

    def _progress_interval(self, arguments: t.Mapping[str, t.Any]) -> float:
        """Seconds between two lines; 0 for none, and for what only the module itself can complain about."""
        is_quiet = self._task.async_val or self._task.no_log or self._task.check_mode
        if self._default_interval is None or is_quiet:
            return 0.0
        try:
            interval = float(arguments.get("progress_interval", self._default_interval))
        except (TypeError, ValueError):
            return 0.0
        return interval if _options.LEAST_INTERVAL <= interval <= _options.MOST_INTERVAL else 0.0

    def _show(self, task_vars: t.Mapping[str, t.Any] | None) -> t.Callable[[str], None]:
        host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")
        return lambda text: _display.display(f"[{host}] {text}")


class ConnectionActionModule(VisitingActionModule):
    """Runs the module of the same name with the connection options that the controller's environment sets.

    An AWX credential sets variables on the controller only; a module on another host would never see them.
    A session is all that another host gets, where there is one: password and token stay on the controller.
    """

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        arguments = {**given, **_options.from_environment(given, os.environ)}
        try:
            # Here, because a module writes its options to the log of its host before it looks at them.
            _options.refuse_credentials(str(arguments.get("url") or ""))
        except OptionError as error:
            return failure(error)
        if self._connection.transport != "local":
            arguments = _options.for_another_host(arguments)
        return self._run_visited(arguments, task_vars)


def failure(error: StorwareError) -> dict[str, t.Any]:
    """The result of a task that ends on the controller."""
    return {"failed": True, "msg": error.text, "error": error.told()}
