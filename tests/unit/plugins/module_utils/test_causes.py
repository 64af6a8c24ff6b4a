# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of failures in a message: each once, and never too much text."""

from __future__ import annotations

from ansible_collections.storware.backup.plugins.module_utils import _causes


def test_the_same_cause_is_named_once_with_three_names_and_a_count() -> None:
    found = [("Dora", "disk full"), *((f"user-{number}", "no connection.") for number in range(64))]
    text = _causes.join(_causes.group(found), "files")
    assert text == "64 (user-0, user-1, user-2 and 61 more): no connection; Dora: disk full"


def test_a_text_is_limited_whatever_is_in_it() -> None:
    found = [("é" * 5000, f"{number} " + "ü" * 5000) for number in range(300)]
    text = _causes.join(_causes.group(found), "files")
    assert len(text.encode()) < 1400
    assert text.endswith(" more for other reasons (see files)")
    named = int(text.rpartition("; ")[2].split()[0])
    assert named + text.count(": ") == 300
