# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists: which items a query selects, their order, the page that is sent, and how paging may misbehave."""

from __future__ import annotations

import typing as t

from starlette.responses import JSONResponse, Response

from tests.simulator.inventory import PROVIDER, Backup, Entity, Named
from tests.simulator.problems import bad_request
from tests.simulator.state import DOWNLOAD_MODES, Download, Task, World
from tests.simulator.switches import Switches

Item = t.TypeVar("Item")
Query = t.Mapping[str, t.Any]
SortKeys = t.Mapping[str, t.Callable[[t.Any], t.Any]]

DEFAULT_SIZE = 10  # of a page when only `page` is sent: what the vendor's own client asks for

MOUNT_ORDER: SortKeys = {
    "guid": lambda mount: mount.guid,
    "name": lambda mount: mount.entity.name,
    "backup.protectedEntity.name": lambda mount: mount.entity.name,
    "backup.snapshotTime": lambda mount: mount.backup.time if mount.backup else 0.0,
    "mode": lambda mount: mount.mode,
    "node": lambda mount: mount.node.name,
}
TASK_ORDER: SortKeys = {
    "guid": lambda task: task.guid,
    "type": lambda task: task.type,
    "creationTime": lambda task: task.created,
    "protectedEntity.name": lambda task: task.entity.name if task.entity else "",
}
BACKUP_ORDER: SortKeys = {
    "guid": lambda backup: backup.guid,
    "snapshotTime": lambda backup: backup.time,
    "size": lambda backup: backup.size,
    "status": lambda backup: backup.status,
    "protectedEntity.name": lambda backup: backup.entity.name,
}
ENTITY_ORDER: SortKeys = {
    "guid": lambda entity: entity.guid,
    "name": lambda entity: entity.name,
    "email": lambda entity: entity.email or "",
}
NODE_ORDER: SortKeys = {"guid": lambda node: node.guid, "name": lambda node: node.name}

_NO_SUCH_THING = frozenset(
    # Filters for things that no Microsoft 365 entity has, so that they select nothing
    ("backup-destination", "backup-policy", "backup-rule", "hypervisor", "hypervisor-manager", "parent-backup",
     "parent-task", "policy", "project-uuid", "restore-job", "root-backup", "schedule", "storage-provider", "team",
     "workflow-execution")
)  # fmt: skip


def mounts(world: World, among: list[Download], query: Query, at: float, downloads_only: bool) -> list[Download]:
    """Those mounted backups that a query selects, as they are at a time."""
    switches = world.switches
    knows_backups = switches.text("backup_link") != "none"
    finished = query.get("finished-mount")
    if finished is not None and switches.text("finished_mount") == "empty":
        return []
    if finished is False and switches.text("finished_mount_false") == "all":
        finished = None

    def selected(mount: Download) -> bool:
        return (
            (not downloads_only or mount.mode in DOWNLOAD_MODES)
            and query.get("mode") in (None, mount.mode)
            and query.get("node") in (None, mount.node.guid)
            and query.get("backup") in (None, mount.backup.guid if mount.backup and knows_backups else "")
            and query.get("protected-entity") in (None, mount.entity.guid)
            and query.get("protected-entity-type") in (None, mount.entity.type)
            and finished in (None, mount.ready(at))
            and _named(switches, query, [mount.entity.name], mount.entity.email)
            and _filtered(switches, query, mount.entity.name, [mount.entity.email, mount.mode, mount.node.name])
        )

    return [] if _selects_nothing(query) else [mount for mount in among if selected(mount)]


def tasks(world: World, query: Query, now: float) -> list[Task]:
    """The tasks that a query selects."""

    def selected(task: Task) -> bool:
        entity = task.entity
        name = entity.name if entity else ""
        return (
            query.get("state") in (None, task.state(now))
            and (not query.get("states") or task.state(now) in query["states"])
            and query.get("type") in (None, task.type)
            and query.get("node") in (None, task.node.guid if task.node else "")
            and query.get("backup") in (None, task.backup.guid if task.backup else "")
            and query.get("protected-entity") in (None, entity.guid if entity else "")
            and _named(world.switches, query, [name], entity.email if entity else None)
            and _filtered(world.switches, query, name, [task.type, task.state(now)])
        )

    return [] if _selects_nothing(query) else [task for task in world.tasks() if selected(task)]


def backups(world: World, query: Query) -> list[Backup]:
    """The backups that a query selects."""

    def selected(backup: Backup) -> bool:
        return (
            query.get("protected-entity") in (None, backup.entity.guid)
            and query.get("protected-entity-type") in (None, backup.entity.type)
            and query.get("cloud-service-provider") in (None, PROVIDER.guid)
            and query.get("type") in (None, backup.type)
            and (not query.get("status") or backup.status in query["status"])
            and (not query.get("only-mountable") or backup.status != "FAILED")
            and query.get("from", 0) <= backup.time * 1000 <= query.get("to", float("inf"))
            and query.get("min-size", 0) <= backup.size
            and _named(world.switches, query, [backup.entity.name], backup.entity.email)
            and _filtered(world.switches, query, backup.entity.name, [backup.status, backup.type])
        )

    return [] if _selects_nothing(query, "node") else [backup for backup in world.backups() if selected(backup)]


def entities(world: World, kind: str, query: Query) -> list[Entity]:
    """The users, sites or groups that a query selects."""
    teams = query.get("teams-group")
    if teams is None and world.switches.text("teams_group_absent") == "plain":
        teams = False
    elsewhere = world.switches.text("teams") != "cloud-groups"

    def selected(entity: Entity) -> bool:
        is_team = entity.type == "CLOUD_TEAMS"
        return (
            (kind != "groups" or teams in (None, is_team))
            and not (is_team and elsewhere)
            and query.get("cloud-service-provider") in (None, PROVIDER.guid)
            and (not query.get("backupStatus") or "NOT_PROTECTED" in query["backupStatus"])  # no entity has a policy
            and _named(world.switches, query, [entity.name], entity.email)
            and _filtered(world.switches, query, entity.name, [entity.email])
        )

    return [] if _selects_nothing(query) else [entity for entity in world.kind(kind) if selected(entity)]


def nodes(world: World, query: Query) -> list[Named]:
    """The nodes that a query selects."""
    return [
        node
        for node in world.nodes.values()
        if _named(world.switches, query, [node.name], None) and _filtered(world.switches, query, node.name, [])
    ]


def _selects_nothing(query: Query, *more: str) -> bool:
    return not _NO_SUCH_THING.union(more).isdisjoint(query)


def _named(switches: Switches, query: Query, names: list[str], email: str | None) -> bool:
    if email and switches.text("name_like") == "name_and_email":
        names = [*names, email]
    return _any_contains(switches, names, query.get("nameLike", ""))


def _filtered(switches: Switches, query: Query, name: str, more: t.Sequence[str | None]) -> bool:
    fields = [name] if switches.text("filter_fields") == "name" else [name, *(field for field in more if field)]
    return _any_contains(switches, fields, query.get("filter", ""))


def _any_contains(switches: Switches, fields: list[str], part: str) -> bool:
    if not part:
        return True
    if switches.text("name_like_case") == "sensitive":
        return any(part in field for field in fields)
    return any(part.casefold() in field.casefold() for field in fields)


def ordered(items: list[Item], query: Query, keys: SortKeys, switches: Switches) -> list[Item]:
    """The items as orderBy and direction want them; without orderBy as they are: oldest first."""
    name = query.get("orderBy", "")
    descending = query.get("direction") == "desc"
    if name in keys:
        return sorted(items, key=keys[name], reverse=descending)
    if name and switches.text("bad_order_by") == "400":
        raise bad_request(f"query parameter 'orderBy': '{name}' is not one of {', '.join(keys)}")
    return items[::-1] if descending else items


class Pager:
    """Cuts lists into pages. Remembers what each page quirk has done, since some of them happen once."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._repeated: set[str] = set()
        self._foreign_seen = False
        self._foreign_gone = False

    def forget(self) -> None:
        """The switch page_quirk was set: what happens once may happen again."""
        self._repeated.clear()
        self._foreign_seen = self._foreign_gone = False

    def moving(self, items: list[Download], foreign: list[Download], query: Query) -> list[Download]:
        """page_quirk=moving_total: foreign downloads stand first until page 0 was read; then the others move up."""
        size = self._size(query)
        moves = self._switches.text("page_quirk") == "moving_total" and size is not None and len(items) >= size
        if not moves or self._foreign_gone:
            return items
        if query.get("page", 0) > 0:
            self._foreign_gone = self._foreign_seen
            return items
        self._foreign_seen = True
        return foreign + items

    def change(self, items: list[Download], query: Query, world: World) -> None:
        """page_quirk=growing or shrinking: one more, or one less, after each page of a list that has several."""
        size = self._size(query)
        if size is None or len(items) < size:
            return
        quirk = self._switches.text("page_quirk")
        if quirk == "growing":
            world.add_downloads(1, "Marketing Site", DOWNLOAD_MODES[0], 0)
        elif quirk == "shrinking":
            world.lose_download()

    def answer(self, path: str, items: list[Item], query: Query, render: t.Callable[[Item], t.Any]) -> Response:
        """The page that a query asks for, or everything when it asks for none, as a JSON array."""
        size = self._size(query)
        quirk = self._switches.text("page_quirk")
        page = items
        if size is not None and quirk != "ignore_size":
            number = query.get("page", 0)
            if quirk == "repeat" and number == 1 and path not in self._repeated:
                self._repeated.add(path)
                number = 0
            page = items[number * size : (number + 1) * size]
        when = self._switches.text("total_count")
        counted = when == "always" or (when == "paged" and size is not None)
        headers = {"X-Total-Count": str(len(items))} if counted else {}
        return JSONResponse([render(item) for item in page], headers=headers)

    def _size(self, query: Query) -> int | None:
        default = self._switches.count("default_page_size")
        if "page" not in query and "size" not in query and not default:
            return None
        size = int(query.get("size", default or DEFAULT_SIZE))
        limit = self._switches.count("max_page_size")
        return min(size, limit) if limit else size
