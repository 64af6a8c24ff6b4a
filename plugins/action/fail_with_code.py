# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See the module of the same name."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils._errors import StorwareError
from ..plugin_utils import _results
from ..plugin_utils._action import failure

SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "code": {
        "type": "str",
        "required": True,
        "choices": [
            "option",
            "no_hosts",
            "not_found",
            "prepare_failed",
            "unreachable",
            "invalid_result",
            "not_intact",
            "not_proved",
        ],
    },
    "msg": {"type": "str", "default": ""},
    "hint": {"type": "str", "default": ""},
    "retryable": {"type": "bool", "default": False},
    "failure": {"type": "dict", "default": {}},
}
_REPEATED: t.Final = ("msg", "error", "failures")


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Works on the controller, and asks no host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Fail with a message and its code; succeed when there is no message."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _result, given = self.validate_argument_spec(SPEC)
        earlier = given["failure"]
        message = earlier.get("msg") or given["msg"]
        if earlier.get("error"):
            result.update(failed=True, **{key: earlier[key] for key in _REPEATED if key in earlier})
        elif message:
            # A host may have written some of it.
            error = StorwareError(
                _results.clean_text(message), code=given["code"], hint=given["hint"], retryable=given["retryable"]
            )
            result.update(failure(error))
        # Words of servers and hosts are in it, and are no templates.
        return t.cast("dict[str, t.Any]", wrap_var(result))
