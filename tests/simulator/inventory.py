# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server knows before any download: users, sites, groups, their backups, nodes. Guids come from the names."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass, field

_NAMESPACE = uuid.UUID("5f0c1d2e-3a4b-4c5d-8e6f-708192a3b4c5")
_DAY = 86400.0
_FIRST_BACKUP = 1767830400.0  # 2026-01-08 00:00 UTC: fixed, so that file names are the same on every day
NO_GOOD_BACKUP = "nobackup@example.com"


def guid_of(kind: str, key: str) -> str:
    """The same guid for the same thing in every run."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{key}"))


@dataclass(frozen=True)
class Named:
    """A guid with a name: a node or the cloud service provider."""

    guid: str
    name: str


@dataclass(frozen=True)
class Backup:
    """One backup of an entity. Times in seconds since the epoch, size in bytes."""

    guid: str
    entity: Entity
    status: str
    type: str
    time: float
    size: int


@dataclass(eq=False)
class Entity:
    """A user, a site or a group (teams are groups of their own type) that can be downloaded."""

    guid: str
    kind: str
    type: str
    name: str
    email: str | None = None
    backups: list[Backup] = field(default_factory=list)

    def latest_good(self) -> Backup | None:
        """The newest backup that succeeded."""
        return max((b for b in self.backups if b.status == "SUCCESS"), key=lambda b: b.time, default=None)

    def called(self, names: list[str]) -> bool:
        """Whether one of the names, e-mails or guids means this entity."""
        return any(name in (self.name, self.email, self.guid) for name in names)

    def file_stem(self) -> str:
        """A plain ASCII name for files."""
        plain = unicodedata.normalize("NFKD", self.email or self.name).encode("ascii", "ignore").decode()
        return plain.replace(" ", "_")


PROVIDER = Named(guid_of("provider", "example"), "Example tenant")
NODES = tuple(Named(guid_of("node", name), name) for name in ("node-1", "node-2"))

_USERS = (
    ("alice@example.com", "Alice Archer"),
    ("bob@example.com", "Bob Baker"),
    ("carol@example.com", "Carol Carter"),
    ("dave@example.com", "Dave Dawson"),
    ("erin@example.com", "Erin Evans"),
    ("frank@example.com", "Frank Foster"),
    ("grace@example.com", "Grace Green"),
    ("zoe@example.com", "Zoë Öhman"),
    ("sam.smith@example.com", "Sam Smith"),
    ("sam.smith2@example.com", "Sam Smith"),
    (NO_GOOD_BACKUP, "Nora Nobackup"),
)
_SITES = ("Marketing Site", "Finance Site", "Project Site")
_GROUPS = (("All Staff", "CLOUD_GROUP"), ("Board", "CLOUD_GROUP"), ("Rocket Team", "CLOUD_TEAMS"))


def default_entities() -> list[Entity]:
    """The seed."""
    users = [user(email, name) for email, name in _USERS]
    sites = [_entity("sites", "CLOUD_SITE", name) for name in _SITES]
    groups = [_entity("groups", kind, name) for name, kind in _GROUPS]
    return users + sites + groups


def user(email: str, name: str) -> Entity:
    """A user with two good backups and a failed one; the one without a good backup has the failed one only."""
    return _entity("users", "CLOUD_USER", name, email)


def _entity(kind: str, type_: str, name: str, email: str | None = None) -> Entity:
    entity = Entity(guid_of(kind, email or name), kind, type_, name, email)
    statuses = ("FAILED",) if email == NO_GOOD_BACKUP else ("SUCCESS", "SUCCESS", "FAILED")
    entity.backups = [_backup(entity, number, status) for number, status in enumerate(statuses)]
    return entity


def add_backup(entity: Entity) -> None:
    """A good backup, a day after the newest one."""
    entity.backups.append(_backup(entity, len(entity.backups), "SUCCESS"))


def _backup(entity: Entity, number: int, status: str) -> Backup:
    return Backup(
        guid=guid_of("backup", f"{entity.guid}/{number}"),
        entity=entity,
        status=status,
        type="INCREMENTAL" if number else "FULL",
        time=_FIRST_BACKUP + number * _DAY,
        size=0 if status == "FAILED" else (number + 1) * 50_000_000,
    )
