# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that servers of the catalogue hold. Those for resuming are larger than what the engine asks for again."""

from __future__ import annotations

import dataclasses
import zipfile

from tests.faults.replies import Resource
from tests.unit.plugins.module_utils._transfer.material import noise, pst_bytes, sha256, zip_bytes


def _archive(seed: int, count: int = 4, size: int = 650_000) -> bytes:
    entries = {f"Inbox/{number}.eml": noise(size, seed * 100 + number) for number in range(count)}
    return zip_bytes(entries, method=zipfile.ZIP_STORED)


def named(name: str) -> str:
    """The field that gives a file its name."""
    return f'Content-Disposition: attachment; filename="{name}"'


ZIP = Resource(_archive(1), fields=(named("a.zip"),))
NEWER = Resource(_archive(2), etag='"2"', fields=(named("a.zip"),))  # as long as ZIP, all bytes differ
STEADY = Resource(zip_bytes({"slow.eml": noise(100_000, 7)}, method=zipfile.ZIP_STORED), fields=(named("a.zip"),))
SMALL = Resource(zip_bytes(), fields=(named("a.zip"),))
PST = Resource(pst_bytes(2_600_000), fields=(named("a.pst"),), media_type="application/vnd.ms-outlook")
BIN = Resource(noise(2_600_000), fields=(named("a.bin"),), media_type="application/octet-stream")
BIN_SHA256 = sha256(BIN.body)
LONGER = Resource(_archive(3, count=5), etag='"3"', fields=(named("a.zip"),))
PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in</body></html>"
OLD = zip_bytes({"old.eml": noise(5000, 8)})


def _both_ends_differ() -> bytes:
    entries = {f"Inbox/{n}.eml": noise(650_000, 100 + n + (50 if n in (0, 3) else 0)) for n in range(4)}
    return zip_bytes(entries, method=zipfile.ZIP_STORED)


# Another file at both ends, and the same between: an overlap in the middle proves nothing.
MIXED_ZIP = dataclasses.replace(ZIP, body=_both_ends_differ(), etag='"mixed"')
MIXED_BIN = dataclasses.replace(
    BIN, body=noise(300_000, 3) + BIN.body[300_000:-300_000] + noise(300_000, 4), etag='"mixed"'
)
MIXED_PST = dataclasses.replace(
    PST, body=PST.body[:600] + noise(300_000, 3) + PST.body[300_600:-300_000] + noise(300_000, 4), etag='"mixed"'
)


def without_validators(file: Resource) -> Resource:
    """The same file of a server that says nothing about its version."""
    return dataclasses.replace(file, etag=None, modified=None)
