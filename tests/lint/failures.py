# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each failure of the role and of the playbooks has a code: no task fails by the modules of Ansible for that."""

from __future__ import annotations

import typing as t

import yaml

from tests.harness import tree
from tests.lint import AGAIN

Json = t.Any

_WITHOUT_CODE: t.Final = frozenset({"fail", "assert"})
_LISTS: t.Final = ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always")


def problems() -> list[str]:
    """A sentence for each task that would fail without a code."""
    files = [*(tree.ROOT / "roles").glob("*/tasks/**/*.yml"), *(tree.ROOT / "playbooks").rglob("*.yml")]
    return [
        f"{path.relative_to(tree.ROOT)}: the task {task.get('name')!r} fails without error.code: use "
        f"storware.backup.fail_with_code, {AGAIN}"
        for path in sorted(files)
        for task in _tasks(yaml.safe_load(path.read_text(encoding="utf-8")))
        if _fails_without_code(task)
    ]


def _tasks(entries: Json) -> t.Iterator[dict[str, Json]]:
    """All tasks in plays, tasks and blocks."""
    for entry in entries or []:
        yield entry
        for key in _LISTS:
            yield from _tasks(entry.get(key))


def _fails_without_code(task: t.Mapping[str, Json]) -> bool:
    modules = {key.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.") for key in task}
    modules |= {str(task.get(key)).partition(" ")[0].rpartition(".")[2] for key in ("action", "local_action")}
    return bool(modules & _WITHOUT_CODE)
