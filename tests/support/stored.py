# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with receipts, as runs of the past have left them, and the records of downloads that ask for them."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import pathlib
import typing as t

from ansible_collections.storware.backup.plugins.module_utils._transfer.store import receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Origin, Receipt

SERVER: t.Final = "https://backup.example.com:8181/api"
ALICE, BOB = "4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65", "0f8d2a55-3b1e-4f0a-9d9c-6c2f4f0f7d11"
MODE: t.Final = "CLOUD_DOWNLOAD"


def guid_of(number: int) -> str:
    """One of many."""
    return f"{number:08x}-0000-4000-8000-00000000abcd"


def origin(entity: str | None = ALICE, backup: str | None = None, **others: str | None) -> Origin:
    """An origin of the usual server and mode."""
    return dataclasses.replace(Origin(SERVER, entity=entity, mode=MODE, backup=backup), **others)


def record_of(download: str | None = None, entity: str = ALICE, backup: str | None = None, **others: t.Any) -> t.Any:
    """A record of a download, as cloud_download returns it, with the fields that count."""
    return {
        "guid": download,
        "protected_entity": {"guid": entity, "name": "not compared"},
        "mode": MODE,
        "backup": {"guid": backup, "backup_time": None} if backup else None,
        **others,
    }


def store(
    directory: pathlib.Path, download: str, day: int, of: Origin, *, content: bytes = b"mail", name: str | None = None
) -> pathlib.Path:
    """A file that was fetched on this day, with its receipt."""
    path = directory / (name or f"day-{day}.zip")
    path.write_bytes(content)
    known = Receipt(path.name, download, len(content), hashlib.sha256(content).hexdigest(), "structure", of)
    time = datetime.datetime(2026, 1, day, tzinfo=datetime.timezone.utc)
    receipt_of(path).write_bytes(receipt.render(known, time))
    return path


def receipt_of(path: pathlib.Path) -> pathlib.Path:
    """The receipt beside a file."""
    return path.with_name(receipt.receipt_name(path.name))
