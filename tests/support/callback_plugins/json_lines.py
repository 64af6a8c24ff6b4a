# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback plugin for tests: each result as a line of JSON in the file that STORWARE_TEST_RESULTS names."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: json_lines
type: notification
short_description: Writes results as lines of JSON
description: Writes results as lines of JSON.
author: The storware.backup authors
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Writes what tests.support.ansible reads as TaskResult."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "json_lines"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """A host did a task."""
        _write(result, "ok")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """A host failed a task."""
        _write(result, "failed")

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """A host skipped a task."""
        _write(result, "skipped")

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """A host could not be reached."""
        _write(result, "unreachable")

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        """A host did one round of a loop."""
        _write(result, "ok", item=True)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        """A host failed in one round of a loop."""
        _write(result, "failed", item=True)

    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        """A host skipped one round of a loop."""
        _write(result, "skipped", item=True)


def _write(result: t.Any, status: str, *, item: bool = False) -> None:
    task, host, values = _parts(result)
    record = {
        "host": host.get_name(),
        "task": task.name or task.action,
        "action": task.action,
        "status": status,
        "item": item,
        "result": values,
    }
    with open(os.environ["STORWARE_TEST_RESULTS"], "a", encoding="utf-8") as file:
        file.write(json.dumps(record, default=str) + "\n")


def _parts(result: t.Any) -> tuple[t.Any, t.Any, t.Any]:
    if hasattr(result, "result"):  # ansible-core 2.19 and later
        return result.task, result.host, result.result
    return result._task, result._host, result._result
