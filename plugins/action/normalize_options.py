# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See the module of the same name."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils import _options
from ..module_utils._errors import StorwareError
from ..plugin_utils import _facts, _normalization, _role_options
from ..plugin_utils._action import failure

SPEC: t.Final = {
    "entry_point": {"type": "str", "choices": ["main", "prepare", "fetch", "remove", "verify"]},
    "prefix": {"type": "str", "default": _role_options.PREFIX},
    "options": {"type": "dict"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Works on the controller, and asks no host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the options by their names without the prefix, or fail with all that is wrong."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        try:
            result.update(self._normalized(task_vars or {}))
        except StorwareError as error:
            result.update(failure(error))
        return result

    def _normalized(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        _result, arguments = self.validate_argument_spec(
            SPEC, mutually_exclusive=[list(_EITHER)], required_one_of=[list(_EITHER)]
        )
        prefix, entry_point = arguments["prefix"], arguments["entry_point"]
        unset: dict[str, t.Any] = {}
        if entry_point:
            specs = _role_options.specifications()
            spec = specs[entry_point]
            unset = dict.fromkeys(name for options in specs.values() for name in options)
            # Before templates of the options are run.
            planted = _facts.variables_of_the_role(task_vars, task_vars["inventory_hostname"])
            if (
                planted
            ):  # of the host itself; action plugins check those of all hosts before each task on the controller
                raise _role_options.InvalidOptionsError([_PLANTED.format(", ".join(planted))])
        else:
            spec = {prefix + name: about for name, about in arguments["options"].items()}
            if prefix + "connection" in spec:
                known = {option.name: {"type": option.type} for option in _options.CONNECTION}
                spec[prefix + "connection"] = {"type": "dict", "options": known}
        given = self._templar.template({name: task_vars[name] for name in spec if name in task_vars})
        found = _normalization.normalize(given, spec)
        complaints = found.complaints
        if entry_point and not complaints:
            complaints = _role_options.complaints(found.options, task_vars["groups"])
        if complaints:
            raise _role_options.InvalidOptionsError(complaints)
        options = {name.removeprefix(prefix): value for name, value in {**unset, **found.options}.items()}
        # The connection holds passwords, and goes to its modules by module_defaults.
        options.pop("connection", None)
        # Nothing that is in an option by now is a template.
        return t.cast("dict[str, t.Any]", wrap_var(options))


_PLANTED: t.Final = (
    "No host may set variables of the role by its facts: {}. Find the module that returned them. "
    "A fact cache keeps them until --flush-cache."
)
_EITHER: t.Final = ("entry_point", "options")
