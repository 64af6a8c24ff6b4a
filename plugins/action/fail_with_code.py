# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import typing as t

from ..module_utils._errors import CODES
from ..plugin_utils._action import ControllerActionModule, repeated

SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "code": {
        "type": "str",
        "required": True,
        "choices": [code for code, about in CODES.items() if "fail_with_code" in about.modules],
    },
    "msg": {"type": "str", "default": ""},
    "hint": {"type": "str", "default": ""},
    "retryable": {"type": "bool", "default": False},
    "failure": {"type": "dict", "default": {}},
}


class ActionModule(ControllerActionModule):
    """Fails with a message and its code; succeeds when there is no message."""

    def _work(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        _result, given = self.validate_argument_spec(SPEC)
        return repeated(given["failure"], given["msg"], given["code"], given["hint"], given["retryable"])
