# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the server: which are under way, what became of those we watch, and which may be preparing a download."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from . import models, names, pagination
from .errors import ApiError
from .pagination import Reader

# The vendor's closed list of states, in the parts that matter here.
ACTIVE: t.Final = ("QUEUED", "RUNNING")
FAILED: t.Final = ("FAILED", "CANCELLED")
FINISHED: t.Final = "FINISHED"
STATES: t.Final = (*ACTIVE, *FAILED, FINISHED)

# Statuses of a server that does not have this task, or this call, or refuses it to this account
_REFUSALS: t.Final = (400, 403, 404, 405, 410, 422, 500, 501)

# The vendor's closed list of types has none for downloads, so that no type proves that a task prepares one. These
# have a documented meaning that is something else; RESTORE, MOUNT, UPLOAD and unknown types may be a download.
_SOMETHING_ELSE: t.Final = frozenset(
    (
        "BACKUP_CLEANUP",
        "BACKUP_DESTINATION_INIT",
        "BACKUP_DESTINATION_SYNC",
        "CONNECTIVITY_TEST",
        "DELETE",
        "EJECT_TAPE",
        "EXPORT",
        "IMPORT",
        "IMPORT_TAPE",
        "INVENTORY_SYNC",
        "LIVE_MIGRATION",
        "SCOPED_INVENTORY_SYNC",
        "SNAPSHOT",
        "SNAPSHOT_CLEANUP",
        "SNAPSHOT_REVERSION",
        "STAGING_CLEANUP",
        "STORE",
        "TAPE_MANAGER_INVENTORY_SYNC",
        "UNMOUNT",
    )
)
TYPES: t.Final = _SOMETHING_ELSE | {"MOUNT", "RESTORE", "UPLOAD"}


def active(reader: Reader) -> dict[str, models.Task]:
    """All tasks that run or wait, by guid, in one list."""
    return {guid: task for guid, task in _listed(reader, ACTIVE).items() if task.state not in FAILED}


def may_prepare(task: models.Task) -> bool:
    """Whether this task is under way and may be preparing a download."""
    return task.state not in (*FAILED, FINISHED) and task.type not in _SOMETHING_ELSE


def is_something_else(type_name: str | None) -> bool:
    """Return whether tasks of this type have a documented meaning that is no download."""
    return type_name in _SOMETHING_ELSE


def by_entity(tasks: t.Iterable[models.Task]) -> t.Callable[[str], list[models.Task]]:
    """Return a function from an entity to its tasks; if none names it, to those that name none: one may be for many."""
    index: dict[str | None, list[models.Task]] = {}
    for task in tasks:
        index.setdefault(task.protected_entity.guid if task.protected_entity else None, []).append(task)
    return lambda entity: index.get(entity) or index.get(None) or []


class TaskMonitor:
    """The server's unfinished tasks, poll by poll, and the fate of those that are watched."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.failing: set[str] = set()  # GUIDs of all that have failed at the last poll, of any type
        self._failed: set[str] = set()
        self._over: set[str] = set()  # not listed, and known to have finished or vanished
        self._failed_before: set[str] = set()
        self.unfinished: dict[str, models.Task] = {}

    def poll(self) -> None:
        """Read the list once.

        Finished tasks are left out: the server purges them, so that "finished" and "vanished" must mean the
        same, and a busy server would have thousands of them.
        """
        self.unfinished = _listed(self._reader, (*ACTIVE, *FAILED))
        self._failed_before = self.failing
        self.failing = {guid for guid, task in self.unfinished.items() if task.state in FAILED}
        # Believed at the second poll: the server may start a failed task again.
        self._failed = self.failing & self._failed_before

    def add(self, made: t.Iterable[models.Task]) -> None:
        """Count tasks as unfinished until the next poll, because the server has only just made them."""
        self.unfinished.update({task.guid: task for task in made})

    def finish(self, guids: t.Iterable[str]) -> None:
        """Count the tasks as finished, because what they were preparing is ready."""
        for guid in guids:
            self.unfinished.pop(guid, None)

    def confirm(self, guids: t.Iterable[str]) -> None:
        """Ask for the tasks that the list of the last poll lacks, before they count as finished or vanished.

        A list may leave out tasks that have a mounted backup (parameter ``mounted-backup-assigned``, default false).
        """
        for guid in guids:
            if guid in self.unfinished or guid in self._over:
                continue
            task = _find(self._reader, guid)
            if task is None or task.state == FINISHED:
                self._over.add(guid)
                continue
            self.unfinished[guid] = task
            if task.state in FAILED:
                self.failing.add(guid)
                self._failed |= {guid} & self._failed_before

    def is_open(self, guid: str) -> bool:
        """Whether the task is not over. One that is not among the unfinished ones has finished or was purged."""
        return guid in self.unfinished and guid not in self._failed

    def failure(self, guid: str) -> str | None:
        """Why the task has failed, in the server's words where it has any; None when it has not."""
        if guid not in self._failed:
            return None
        task = self.unfinished[guid]
        return f"task {task.guid} is {task.state}: {task.status_info or 'the server gives no reason'}"

    def failed(self) -> list[models.Task]:
        """The tasks that have failed and may have been preparing a download."""
        found = (self.unfinished[guid] for guid in sorted(self._failed))
        return [task for task in found if task.type not in _SOMETHING_ELSE]

    def preparing(self) -> t.Callable[[str], list[models.Task]]:
        """Finds the tasks under way that may be preparing a download of an entity."""
        return by_entity(filter(may_prepare, self.unfinished.values()))

    def renew(self, task: models.Task) -> models.Task:
        """The task as it is now."""
        return self.unfinished.get(task.guid) or replace(task, state=FINISHED, progress=100.0)


def _find(reader: Reader, guid: str) -> models.Task | None:
    """The task, None for one that the server does not have (any more)."""
    path = f"{names.TASKS}/{guid}"
    try:
        answer = reader.get(path, [], f"read the task {guid}")
    except ApiError as error:
        # Whether the server has this call is not documented: a refusal says no more than the list did.
        if error.status in _REFUSALS:
            return None
        raise
    is_task = isinstance(answer.body, dict) and answer.body.get(names.GUID) == guid
    return models.decode_task(answer.body, f"GET {path}") if is_task else None


def _listed(reader: Reader, states: t.Sequence[str]) -> dict[str, models.Task]:
    query = [(names.FILTER_STATES, state) for state in states]
    records = pagination.list_all(reader, names.TASKS, query, "list tasks")
    tasks = (models.decode_task(record, f"GET {names.TASKS}: [{index}]") for index, record in enumerate(records))
    # A server that ignores the filter shows them all the same; an unknown state counts as unfinished.
    return {task.guid: task for task in tasks if task.state != FINISHED}
