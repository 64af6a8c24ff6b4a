# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How things look on the wire: the JSON records of the API."""

from __future__ import annotations

import typing as t

from tests.simulator import inventory
from tests.simulator.clock import milliseconds
from tests.simulator.credentials import USERNAME
from tests.simulator.inventory import Backup, Entity, Named
from tests.simulator.sessions import Sessions
from tests.simulator.state import NEVER, Download, Task
from tests.simulator.switches import Switches

Record = dict[str, t.Any]


class Records:
    """Makes records as the switches want them: enums as objects or texts, empty fields left out or null."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def mount(self, download: Download, at: float) -> Record:
        """A MountedBackupListRecord or MountedBackupDetails, with what PUT has changed on top."""
        if self._switches.text("record_fields") == "guid_and_mode":
            return {"guid": self._guid(download.guid), "mode": self._enum(download.mode)}
        record = {
            "guid": self._guid(download.guid),
            "mode": self._enum(download.mode),
            "state": self._state(download, at),
            "node": self._named(download.node),
            "backup": self.backup(download.backup) if download.backup and self._shows_backup(download) else None,
            "mountedFileCount": 1,
            "mountedFileSystemCount": 0,
        }
        if self._switches.text("backup_link") != "shown":
            record["protectedEntity"] = self._entity(download.entity)
        return self._finish({**record, **{key: self._changed(value) for key, value in download.changes.items()}})

    def task(self, task: Task, now: float) -> Record:
        """A TaskDetails or TaskListRecord."""
        started = now >= task.starts and task.starts < NEVER
        ended = now >= task.ends
        done = sum(1 for download in task.downloads if not download.fails) if task.state(now) == "FINISHED" else 0
        return self._finish(
            {
                "guid": self._guid(task.guid),
                "type": self._enum(task.type),
                "state": self._enum(task.state(now)),
                "statusInfo": task.status_info if ended else None,
                "windowStart": milliseconds(task.created),
                "windowEnd": milliseconds(task.window_end),
                "creationTime": milliseconds(task.created),
                "startTime": milliseconds(task.starts) if started else None,
                "finishTime": milliseconds(task.ends) if ended else None,
                "progress": task.progress(now),
                "priority": 50,
                "retryCount": 0,
                "processedObjectCount": done,
                "totalObjectCount": len(task.downloads),
                "backupType": self._enum(task.backup.type) if task.backup else None,
                "protectedEntity": self._entity(task.entity) if task.entity else None,
                "protectedEntityDisplayName": task.entity.name if task.entity and self._shows_entities() else None,
                "cloudServiceProvider": self._named(inventory.PROVIDER),
                "node": self._named(task.node) if task.node else None,
                "mountedBackup": self._link(task),
            }
        )

    def backup(self, backup: Backup) -> Record:
        """A BackupListRecord."""
        failed = backup.status == "FAILED"
        return self._finish(
            {
                "guid": self._guid(backup.guid),
                "protectedEntity": self._entity(backup.entity),
                "status": self._enum(backup.status),
                "statusInfo": "The service did not answer" if failed else None,
                "type": self._enum(backup.type),
                "backupTime": milliseconds(backup.time),
                "snapshotTime": milliseconds(backup.time),
                "size": backup.size,
                "hidden": False,
                "warningsPresent": False,
                "description": None,
            }
        )

    def entity(self, entity: Entity) -> Record:
        """A CloudUserListRecord, CloudSiteListRecord or CloudGroupListRecord."""
        return self._finish(self._entity_fields(entity))

    def entity_details(self, entity: Entity) -> Record:
        """A CloudProtectedEntityDetails."""
        provider = self._named(inventory.PROVIDER)
        return self._finish(
            {
                **self._entity_fields(entity),
                "displayName": entity.name,
                "firstName": entity.name.split()[0] if entity.kind == "users" else None,
                "lastName": entity.name.split()[-1] if entity.kind == "users" else None,
                "locked": False,
                "beingDeleted": False,
                "backupCount": len(entity.backups),
                "rules": [],
                "cloudServiceProvider": {**provider, "cloudServiceProviderType": self._enum("MICROSOFT365")},
            }
        )

    def _entity_fields(self, entity: Entity) -> Record:
        good = entity.latest_good()
        record = {
            "guid": self._guid(entity.guid),
            "name": entity.name,
            "type": self._enum(entity.type),
            "present": True,
            "restorable": good is not None,
            "backupUpToDate": good is not None,
            "warningsPresent": False,
            "lastBackup": milliseconds(good.time) if good else None,
            "lastSuccessfulBackupSize": good.size if good else None,
            "cloudServiceProvider": self._named(inventory.PROVIDER),
            "cloudServiceProviderType": self._enum("MICROSOFT365"),
            "policy": None,
        }
        if entity.kind == "users":
            record.update(email=entity.email, userPurpose=self._enum("USER"), externalSourceId=None)
        if entity.kind == "sites":
            record["webUrl"] = f"https://example.sharepoint.com/sites/{entity.file_stem()}"
        return record

    def node(self, node: Named, now: float) -> Record:
        """A node, as far as clients read it."""
        return self._finish(
            {
                "guid": self._guid(node.guid),
                "name": node.name,
                "nodeIP": "192.0.2.10",
                "lastSeen": milliseconds(now),
                "state": self._enum("RUNNING"),
                "version": "7.4.0-27",
                "stagingSpace": {"totalSpace": 1_000_000_000_000, "usedSpace": 1_000_000_000},
            }
        )

    def session(self, sessions: Sessions) -> Record:
        """A SessionInfoResponse."""
        return self._finish(
            {
                "lastSuccessfulLogin": milliseconds(sessions.last_good_login),
                "lastFailedLogin": milliseconds(sessions.last_bad_login),
                "uiTimeZone": "UTC",
                "language": "en",
                "requester": {"guid": inventory.guid_of("account", USERNAME), "name": USERNAME},
                "privileges": [{"name": "CLOUD_BACKUP_SLA_READ"}, {"name": "NODE_READ"}],
            }
        )

    def _state(self, download: Download, at: float) -> t.Any:
        if download.ready(at):
            name = self._switches.text("ready_state")
            return None if name == "absent" else self._enum(name)
        return self._enum("FAILED" if download.failed(at) else "RUNNING")

    def _shows_backup(self, download: Download) -> bool:
        how = self._switches.text("backup_in_record")
        if self._switches.text("backup_link") != "shown":
            return False
        return how == "always" or (how == "sometimes" and download.number % 2 == 0)

    def _link(self, task: Task) -> Record | None:
        if self._switches.text("task_link") == "none" or len(task.downloads) != 1:
            return None
        download = task.downloads[0]
        return {"guid": self._guid(download.guid), "name": download.entity.name}

    def _shows_entities(self) -> bool:
        return self._switches.text("entity_in_record") == "always"

    def _entity(self, entity: Entity) -> Record | None:
        if not self._shows_entities():
            return None
        return {"type": self._enum(entity.type), "guid": self._guid(entity.guid), "name": entity.name}

    def _named(self, named: Named) -> Record:
        return {"guid": self._guid(named.guid), "name": named.name}

    def _guid(self, guid: str) -> str:
        number = int(guid[:8], 16)
        return {"uuid": guid, "number": str(number), "path": f"../../{number}"}[self._switches.text("guid_style")]

    def _enum(self, name: str) -> t.Any:
        if self._switches.text("enum_style") == "string":
            return name
        return {"name": name, "description": name.replace("_", " ").capitalize()}

    def _changed(self, value: t.Any) -> t.Any:
        # A PUT names an enum by its name alone; the record shows it as every other enum
        if isinstance(value, dict) and set(value) == {"name"} and isinstance(value["name"], str):
            return self._enum(value["name"])
        return value

    def _finish(self, record: Record) -> Record:
        if self._switches.text("absent_fields") == "null":
            return record
        return {key: value for key, value in record.items() if value is not None}
