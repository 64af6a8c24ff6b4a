# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are compared with their receipts by themselves; tests/integration has the module."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _records
from ansible_collections.storware.backup.plugins.module_utils._transfer import audit
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from tests.support import stored


def test_a_file_is_reported_before_it_is_read(tmp_path: pathlib.Path) -> None:
    """So that a person sees the progress. Only files of the records are read, and none where sizes decide."""
    for number, name in enumerate(("a.zip", "b.zip")):
        stored.store(tmp_path, stored.guid_of(number), 1, stored.origin(), content=b"x" * (number + 1), name=name)
    wanted = _records.wanted_files(stored.SERVER, [stored.record_of(stored.guid_of(1))])
    reported: list[tuple[str, int]] = []

    def report(name: str, size: int) -> None:
        reported.append((name, size))

    audit.audit_records(str(tmp_path), wanted, on_read=report)
    assert reported == [("b.zip", 2)]
    audit.audit_directory(str(tmp_path), None, on_read=report)
    assert reported[1:] == [("a.zip", 1), ("b.zip", 2)]
    audit.audit_directory(str(tmp_path), None, reads=False, on_read=report)
    assert len(reported) == 3


def test_receipts_are_counted_by_their_names(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any user may have put a hundred thousand there: none of them is opened, and no time goes by."""
    for number in range(1000):
        (tmp_path / f"{number}.sha256").touch()
    monkeypatch.setattr(Directory, "open", None)
    found = audit.audit_records(str(tmp_path), [])
    assert (found.files, found.receipts) == ([], 1000)
