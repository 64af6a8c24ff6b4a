# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that a server should not send: records with anything in any place, and guids that would like to be paths.

Made from a seed by hand: a hundred thousand of them take a minute, and a seed tells which one was bad.
"""

from __future__ import annotations

import random
import string
import typing as t

Json = t.Any

GUIDS = ("4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65", "f8f73bf9-2445-4bce-a7dd-753be3b40a67")
PATHS = (
    "", ".", "..", "../session/logout", "..%2f..%2fsession%2flogout", "%2e%2e", "a/b", "/", "//evil.example", "?x=1",
    "#top", "a b", " ", "\\..\\", "@evil.example", "a\r\nX-Injected: 1", "\0", "ü" * 40, "a" * 10_000, "..;/tasks",
    GUIDS[0] + "/content-download", GUIDS[0] + "?mode=x", "null",
)  # fmt: skip
NAMES = ("Alice", "alice@example.com", "node-1", "", "Zoë \u202e", "\ud800", "x" * 5000)
NUMBERS = (0, -1, 1, 66.5, 1e300, 10**30, 2**63, 1451649601000, "12", "NaN", "1e999", "²", True, -0.0, 10**400)
STATES = ("QUEUED", "RUNNING", "FINISHED", "FAILED", "CANCELLED", "SUCCESS", "finished", "")
TYPES = ("RESTORE", "EXPORT", "CLOUD_USER", "CLOUD_TEAMS", "FULL", "WHATEVER")
MODES = ("CLOUD_DOWNLOAD", "CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD", "MANUAL")


class Hostile:
    """Makes bodies for the calls of the API."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._calm = self.random.choice([1, 5, 50])  # how seldom it sends what is not even a record

    def body(self, call: str) -> Json:
        """What the server answers to a call such as "GET /tasks"."""
        if call == "GET /cloud-download":
            return self._listed(self.download)
        if call in ("GET /tasks", "POST /cloud-download"):
            return self._listed(self.task)
        if call == "GET /backups":
            return self._listed(self.backup)
        if call in ("GET /cloud-users", "GET /cloud-sites", "GET /cloud-groups"):
            return self._listed(self.entity)
        if call == "GET /nodes":
            return self._listed(self.reference)
        return self.task() if call.startswith("DELETE") else self.anything()

    def download(self) -> Json:
        """A MountedBackupListRecord, more or less."""
        return self._record(
            mode=lambda: self._constant(MODES),
            state=lambda: self._constant(STATES),
            backup=self.backup,
            protectedEntity=self.reference,
            node=self.reference,
            mountedFileCount=self._number,
            mountedFileSystemCount=self._number,
            extra=self.anything,
        )

    def backup(self) -> Json:
        """A BackupListRecord, more or less."""
        return self._record(
            status=lambda: self._constant(STATES),
            type=lambda: self._constant(TYPES),
            size=self._number,
            backupTime=self._number,
            snapshotTime=self._number,
            protectedEntity=self.reference,
        )

    def task(self) -> Json:
        """A TaskDetails, more or less."""
        return self._record(
            state=lambda: self._constant(STATES),
            type=lambda: self._constant(TYPES),
            statusInfo=self._name,
            progress=self._number,
            creationTime=self._number,
            finishTime=self._number,
            protectedEntity=self.reference,
            mountedBackup=self.reference,
        )

    def entity(self) -> Json:
        """A CloudUserListRecord, more or less."""
        return self._record(
            name=self._name,
            email=self._name,
            type=lambda: self._constant(TYPES),
            present=self.anything,
            restorable=self.anything,
            lastBackup=self._number,
            policy=self.reference,
            cloudServiceProvider=self.reference,
        )

    def reference(self) -> Json:
        """A NameGuidAndType, more or less."""
        return self._record(name=self._name, type=lambda: self._constant(TYPES))

    def anything(self, depth: int = 3) -> Json:
        """Any JSON."""
        kind = self.random.randrange(8 if depth else 6)
        if kind == 6:
            return [self.anything(depth - 1) for _item in range(self.random.randrange(3))]
        if kind == 7:
            return {self.text(): self.anything(depth - 1) for _item in range(self.random.randrange(3))}
        return (None, True, False, self._pick(NUMBERS), self.text(), self._pick(NAMES))[kind]

    def text(self) -> str:
        """A short text."""
        return "".join(self.random.choices(string.printable + "äß\u2028\U0001f600", k=self.random.randrange(6)))

    def one_in(self, number: int) -> bool:
        """True now and then."""
        return self.random.randrange(number) == 0

    def _is_wild(self, one_in: int) -> bool:
        return self.one_in(one_in * self._calm)

    def _listed(self, make: t.Callable[[], Json]) -> Json:
        return self.anything() if self._is_wild(12) else [make() for _record in range(self.random.randrange(4))]

    def _record(self, **fields: t.Callable[[], Json]) -> Json:
        if self._is_wild(25):
            return self.anything()
        record = {"guid": self._guid(), **{key: make() for key, make in fields.items() if not self.one_in(5)}}
        if self._is_wild(12):
            record[self._pick(tuple(record))] = self.anything()
        return record

    def _guid(self) -> Json:
        return self._pick(PATHS) if self.one_in(6) else self._pick(GUIDS)

    def _name(self) -> Json:
        return self.anything() if self._is_wild(8) else self._pick(NAMES)

    def _number(self) -> Json:
        return self.anything() if self._is_wild(8) else self._pick(NUMBERS)

    def _constant(self, known: tuple[str, ...]) -> Json:
        name = self._pick(known)
        return self.anything() if self._is_wild(15) else {"name": name, "description": "x"} if self.one_in(2) else name

    def _pick(self, values: t.Sequence[t.Any]) -> t.Any:
        return self.random.choice(values)
