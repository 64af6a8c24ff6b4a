# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GUIDs that tests can read: a word of up to 16 characters, and its GUID."""

from __future__ import annotations

import uuid


def guid(word: str) -> str:
    """The GUID that stands for a word."""
    return str(uuid.UUID(bytes=word.encode().rjust(16, b"\0")))


def word(guid: str | None) -> str:
    """The word that a GUID of ``guid`` stands for."""
    return uuid.UUID(guid).bytes.lstrip(b"\0").decode()
