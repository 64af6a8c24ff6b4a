# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks and downloads. Nothing runs in the background: what each of them is follows from its plan and the clock."""

from __future__ import annotations

import datetime
import math
import typing as t
from dataclasses import dataclass, field, replace

from tests.simulator import inventory
from tests.simulator.clock import Clock
from tests.simulator.inventory import Backup, Entity, Named
from tests.simulator.problems import Problem
from tests.simulator.sessions import Sessions
from tests.simulator.switches import Switches

DOWNLOAD_MODES = ("CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD")
NEVER = math.inf


@dataclass(eq=False)
class Task:
    """A plan: when it starts, when and how it ends. Times in seconds since the epoch."""

    guid: str
    type: str
    created: float
    starts: float
    ends: float
    window_end: float
    outcome: str = "FINISHED"
    status_info: str | None = None
    entity: Entity | None = None
    backup: Backup | None = None
    node: Named | None = None
    downloads: list[Download] = field(default_factory=list)
    deleted: bool = False
    planned_end: float = 0.0

    def __post_init__(self) -> None:
        self.planned_end = self.ends
        if self.starts > self.window_end:
            self.starts, self.ends = NEVER, self.window_end
            self.outcome, self.status_info = "FAILED", "The task did not start inside its window"

    def state(self, now: float) -> str:
        """One of the five task states."""
        if now >= self.ends:
            return self.outcome
        return "RUNNING" if now >= self.starts else "QUEUED"

    def ended(self, now: float, outcome: str) -> bool:
        """Whether it has ended this way."""
        return now >= self.ends and self.outcome == outcome

    def progress(self, now: float) -> float:
        """Percent, with decimals. A task that did not succeed stays where it was."""
        if self.ended(now, "FINISHED"):
            return 100.0
        done = min(now, self.ends) - self.starts
        length = self.planned_end - self.starts
        return round(max(0.0, min(99.9, 100.0 * done / length)), 1) if done > 0 and length > 0 else 0.0

    def cancel(self, now: float, slow: bool) -> None:
        """Cancel it: at once or, when it runs and ``slow`` is set, at the end it had before. An ended task stays."""
        if now >= self.ends:
            return
        running = now >= self.starts
        if not (running and slow):
            self.ends = now
        if not running:
            self.starts = NEVER
        self.outcome = "CANCELLED"
        self.status_info = "Cancelled"


@dataclass(eq=False)
class Download:
    """A mounted backup: a download made by a task, or one that was always there (``made_by`` is None)."""

    guid: str
    number: int
    mode: str
    entity: Entity
    backup: Backup | None
    node: Named
    size: int
    born: float
    made_by: Task | None = None
    fails: bool = False
    removed_by: Task | None = None
    lost: bool = False
    changes: dict[str, t.Any] = field(default_factory=dict)

    def ready(self, at: float) -> bool:
        """Whether its content is there."""
        if self.made_by is None:
            return True
        # With one task for several objects the good ones are ready although the task as a whole has failed
        failed_for_others = self.made_by.outcome == "FAILED" and not self.fails
        return at >= self.made_by.ends and (self.made_by.outcome == "FINISHED" or failed_for_others)

    def failed(self, at: float) -> bool:
        """Whether its task has ended without making it."""
        return self.made_by is not None and at >= self.made_by.ends and not self.ready(at)

    def appeared(self, at: float) -> bool:
        """Whether the task that makes it has started."""
        return self.made_by is None or at >= self.made_by.starts

    def removed(self, at: float) -> bool:
        """Whether a removal has succeeded."""
        return self.removed_by is not None and self.removed_by.ended(at, "FINISHED")

    def file_name(self) -> str:
        """The name of its content."""
        date = "" if self.backup is None else f"-{_day(self.backup.time)}"
        return f"{self.entity.file_stem()}{date}.{'pst' if self.mode == 'CLOUD_PST_DOWNLOAD' else 'zip'}"


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()


@dataclass(frozen=True)
class Order:
    """What a create request asks for one entity."""

    entity: Entity
    mode: str
    backup: Backup | None
    node: Named


class World:
    """All state of the server."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self.clock = clock
        self.switches = switches
        self.sessions = Sessions(clock, switches)
        self.entities: dict[str, Entity] = {entity.guid: entity for entity in inventory.default_entities()}
        self.nodes: dict[str, Named] = {node.guid: node for node in inventory.NODES}
        self._tasks: dict[str, Task] = {}
        self._downloads: dict[str, Download] = {}
        self._bulk_users: list[Entity] = []
        self._add_foreign_mount()

    # Looking

    def kind(self, kind: str) -> list[Entity]:
        """The entities of one kind: users, sites or groups."""
        return [entity for entity in self.entities.values() if entity.kind == kind]

    def backups(self) -> list[Backup]:
        """All backups of all entities; of each entity the newest one ended as the switch newest_backup says.

        Of those that the switch expired_entities names, the oldest one is not there any more.
        """
        status, expired = self.switches.text("newest_backup"), self.switches.names("expired_entities")
        backups = [
            backup
            for entity in self.entities.values()
            for backup in sorted(entity.backups, key=lambda b: b.time)[entity.called(expired) :]
        ]
        return [replace(backup, status=status) if backup.status == "FAILED" else backup for backup in backups]

    def tasks(self) -> list[Task]:
        """The tasks that were not purged or deleted, oldest first."""
        return [task for task in self._tasks.values() if not self._purged(task)]

    def task(self, guid: str) -> Task:
        """One task, or a Problem 404."""
        task = self._tasks.get(guid)
        if task is None or self._purged(task):
            raise Problem(404, f"no task {guid}")
        return task

    def mounts(self, at: float | None = None) -> list[Download]:
        """All mounted backups that exist, downloads or not, oldest first; ``at`` another time than now."""
        now = self.clock.now() if at is None else at
        return [download for download in self._downloads.values() if self._exists(download, now)]

    def listed_at(self) -> float:
        """The time that lists show: they may lag behind."""
        return self.clock.now() - self.switches.number("list_lag")

    def mount(self, guid: str) -> Download:
        """One mounted backup, or a Problem 404."""
        download = self._downloads.get(guid)
        if download is None or not self._exists(download, self.clock.now()):
            raise Problem(404, f"no mounted backup {guid}")
        return download

    def download(self, guid: str) -> Download:
        """One download, or a Problem 404. Mounts of other modes are not reachable this way."""
        download = self.mount(guid)
        if download.mode not in DOWNLOAD_MODES:
            raise Problem(404, f"no cloud download {guid}")
        return download

    # Changing

    def create(self, orders: list[Order]) -> list[Task]:
        """Plan the downloads: one task for each, or one for all."""
        if self.switches.flag("task_per_entity"):
            return [self._plan_making([order]) for order in orders]
        return [self._plan_making(orders)]

    def remove(self, download: Download) -> Task:
        """Plan a removal. Asked again while one is under way, the answer is that one."""
        now = self.clock.now()
        running = download.removed_by
        if running is not None and now < running.ends:
            return running
        if not download.ready(now) and not download.failed(now) and self.switches.text("delete_unready") == "409":
            raise Problem(409, f"download {download.guid} is still being prepared")
        task = self._task("DELETE", self.switches.number("delete_seconds"), [download])
        task.entity, task.backup, task.node = download.entity, download.backup, download.node
        if self.switches.flag("fail_deletes"):
            task.outcome, task.status_info = "FAILED", "The node could not remove the files"
        download.removed_by = task
        return task

    def add_users(self, count: int) -> None:
        """More users: user-00001@example.com and so on."""
        first = len(self._bulk_users) + 1
        for number in range(first, first + count):
            entity = inventory.user(f"user-{number:05d}@example.com", f"User {number:05d}")
            self._bulk_users.append(entity)
            self.entities[entity.guid] = entity

    def add_downloads(self, count: int, entity: str, mode: str, size: int) -> list[str]:
        """Downloads that are ready now: all of one entity or, without one, of the added users. Their guids."""
        if not entity and not self._bulk_users:
            self.add_users(min(count, 100))
        owners = [e for e in self.entities.values() if e.called([entity])] if entity else self._bulk_users
        if not owners:
            raise ValueError(f"no entity {entity!r}")
        return [self._add(mode, owners[number % len(owners)], size).guid for number in range(count)]

    def lose_download(self) -> None:
        """The oldest of the downloads that no task has made is there no more."""
        kept = (download for download in self._downloads.values() if download.made_by is None and not download.lost)
        oldest = next((download for download in kept if download.mode in DOWNLOAD_MODES), None)
        if oldest is not None:
            oldest.lost = True

    def add_task(self, entity: str, type: str = "EXPORT", queue_seconds: float = 3600, run_seconds: float = 60) -> None:
        """A task that makes no download: a backup of the entity or a restore, say."""
        (owner,) = (known for known in self.entities.values() if known.called([entity]))
        task = self._task(type, run_seconds, [])
        task.entity = owner
        task.starts = task.created + queue_seconds
        task.ends = task.planned_end = task.starts + run_seconds

    def restart(self, tasks: str) -> None:
        """What a server may have lost after a restart: its sessions, and its tasks or their guids. The work goes on."""
        self.sessions.drop_all()
        if tasks not in ("kept", "emptied", "renumbered"):
            raise ValueError(f"tasks are kept, emptied or renumbered, not {tasks!r}")
        for task in list(self._tasks.values()):
            if tasks == "emptied":
                task.deleted = True
            elif tasks == "renumbered":
                del self._tasks[task.guid]
                task.guid = inventory.guid_of("task", f"again {task.guid}")
                self._tasks[task.guid] = task

    def _purged(self, task: Task) -> bool:
        return task.deleted or task.ends <= self.clock.now() - self.switches.number("purge_after")

    def _exists(self, download: Download, at: float) -> bool:
        if download.lost or not download.appeared(at) or download.removed(at):
            return False
        if download.failed(at):
            return self._kept_when_failed(download)
        expiry = self.switches.number("expire_downloads")
        since = download.made_by.ends if download.made_by else download.born
        return not expiry or download.mode not in DOWNLOAD_MODES or at < since + expiry

    def _kept_when_failed(self, download: Download) -> bool:
        cancelled = download.made_by is not None and download.made_by.outcome == "CANCELLED"
        return self.switches.text("failed_download") == "kept" and not cancelled

    def _plan_making(self, orders: list[Order]) -> Task:
        downloads = [self._ordered(order) for order in orders]
        task = self._task(self.switches.text("task_type"), self.switches.number("run_seconds"), downloads)
        bad = [download for download in downloads if download.fails]
        if bad and task.outcome == "FINISHED":
            task.outcome, task.status_info = "FAILED", "; ".join(_failure(download) for download in bad)
        if len(orders) == 1:
            task.entity, task.backup = orders[0].entity, downloads[0].backup
        task.node = orders[0].node
        for download in downloads:
            download.made_by = task
            download.fails = download.fails or task.starts == NEVER
        return task

    def _ordered(self, order: Order) -> Download:
        backup = order.backup or order.entity.latest_good()
        download = self._add(order.mode, order.entity, self.switches.count("content_size"), backup, order.node)
        no_backup = backup is None or backup.status == "FAILED"
        download.fails = no_backup or order.entity.called(self.switches.names("fail_entities"))
        return download

    def _task(self, type_: str, seconds: float, downloads: list[Download]) -> Task:
        now = self.clock.now()
        starts = now + self.switches.number("queue_seconds")
        task = Task(
            guid=inventory.guid_of("task", str(len(self._tasks) + 1)),
            type=type_,
            created=now,
            starts=starts,
            ends=starts + seconds,
            window_end=now + self.switches.number("window_seconds"),
            downloads=downloads,
        )
        self._tasks[task.guid] = task
        return task

    def _add(
        self, mode: str, entity: Entity, size: int, backup: Backup | None = None, node: Named | None = None
    ) -> Download:
        number = len(self._downloads) + 1
        download = Download(
            guid=inventory.guid_of("download", str(number)),
            number=number,
            mode=mode,
            entity=entity,
            backup=backup or entity.latest_good(),
            node=node or inventory.NODES[0],
            size=size,
            born=self.clock.now(),
        )
        self._downloads[download.guid] = download
        return download

    def _add_foreign_mount(self) -> None:
        owner = next(entity for entity in self.entities.values() if entity.name == "Marketing Site")
        self._add("MANUAL", owner, 0)


def _failure(download: Download) -> str:
    if download.backup is None or download.backup.status == "FAILED":
        return f"No successful backup of {download.entity.name}"
    return f"The node could not restore {download.entity.name}"
