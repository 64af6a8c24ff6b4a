# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision table: from what is wanted and what is there to the reason to fetch or not. Nothing is read or sent."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer.inspection import FileFacts, Job, decide
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum
from tests.unit.plugins.module_utils._transfer.material import GUID, OTHER_GUID, sha256

CONTENT, OTHER = sha256(b"content"), sha256(b"other")
MINE = Receipt("mail.zip", GUID, 100, CONTENT, "structure")
THEIRS = Receipt("mail.zip", OTHER_GUID, 100, CONTENT, "structure")
RIGHT, WRONG = Checksum("sha512", "right"), Checksum("sha512", "wrong")


class Reader:
    """Gives the digests of the file that is there, and notes that they were asked for."""

    def __init__(self, sha256: str) -> None:
        self.asked: list[str] = []
        self._digests = {"sha256": sha256, "sha512": "right"}

    def __call__(self, algorithm: str) -> str:
        self.asked.append(algorithm)
        return self._digests[algorithm]


def decided(
    *,
    exists: bool = True,
    size: int = 100,
    receipt: Receipt | None = MINE,
    content: str = CONTENT,
    **wishes: t.Any,
) -> tuple[str, list[str]]:
    """The reason, and the digests that were computed for it."""
    reader = Reader(content)
    job = Job(guid=wishes.pop("guid", GUID), dest="/x", identity="", openers=(), **wishes)
    facts = FileFacts(exists, size if exists else None, receipt, reader)
    return decide(job, facts), reader.asked


@pytest.mark.fault("U3")
@pytest.mark.parametrize(
    ("situation", "reason", "asked"),
    [
        # nothing there
        ({"exists": False}, "missing", []),
        ({"exists": False, "receipt": None}, "missing", []),
        ({"exists": False, "overwrite": "never"}, "missing", []),
        ({"exists": False, "overwrite": "always"}, "missing", []),
        ({"exists": False, "checksum": RIGHT}, "missing", []),
        # something there, and the policy alone decides
        ({"overwrite": "never"}, "kept", []),
        ({"overwrite": "never", "receipt": None}, "kept", []),
        ({"overwrite": "never", "checksum": WRONG}, "kept", []),
        ({"overwrite": "always"}, "forced", []),
        ({"overwrite": "always", "checksum": RIGHT}, "forced", []),
        # a given checksum is all that counts
        ({"checksum": RIGHT}, "unchanged", ["sha512"]),
        ({"checksum": RIGHT, "receipt": None}, "unchanged", ["sha512"]),
        ({"checksum": RIGHT, "receipt": THEIRS, "size": 5}, "unchanged", ["sha512"]),
        ({"checksum": RIGHT, "level": "length"}, "unchanged", ["sha512"]),
        ({"checksum": WRONG}, "checksum", ["sha512"]),
        ({"checksum": WRONG, "receipt": None}, "checksum", ["sha512"]),
        ({"checksum": WRONG, "level": "length"}, "checksum", ["sha512"]),
        # otherwise the receipt
        ({"receipt": None}, "guid", []),
        ({"receipt": None, "level": "length"}, "guid", []),
        ({"receipt": THEIRS}, "guid", []),
        ({"receipt": THEIRS, "level": "length"}, "guid", []),
        ({"size": 99}, "size", []),
        ({"size": 101, "level": "length"}, "size", []),
        ({}, "unchanged", ["sha256"]),
        ({"level": "full"}, "unchanged", ["sha256"]),
        ({"guid": GUID.upper()}, "unchanged", ["sha256"]),
        ({"content": OTHER}, "checksum", ["sha256"]),
        ({"content": OTHER, "level": "full"}, "checksum", ["sha256"]),
        ({"level": "length"}, "unchanged", []),
        ({"content": OTHER, "level": "length"}, "unchanged", []),
    ],
)
def test_each_row(situation: dict[str, t.Any], reason: str, asked: list[str]) -> None:
    assert decided(**situation) == (reason, asked)


def test_unchanged_is_never_said_without_a_proof() -> None:
    """All combinations: what stays has the wanted digest, or the right receipt and what that one asks for."""
    for exists, overwrite, checksum, receipt, size, content, level in itertools.product(
        (False, True),
        ("never", "different", "always"),
        (None, RIGHT, WRONG),
        (None, MINE, THEIRS),
        (100, 99),
        (CONTENT, OTHER),
        ("full", "structure", "length"),
    ):
        reason, asked = decided(
            exists=exists,
            overwrite=overwrite,
            checksum=checksum,
            receipt=receipt,
            size=size,
            content=content,
            level=level,
        )
        by_receipt = receipt is MINE and size == 100 and (content == CONTENT or level == "length")
        proved = checksum is RIGHT if checksum else by_receipt
        assert (reason == "unchanged") == (exists and overwrite == "different" and proved)
        assert (reason == "kept") == (exists and overwrite == "never")
        assert (reason == "missing") == (not exists)
        assert len(asked) <= 1
        if not checksum and level == "length":
            assert not asked
