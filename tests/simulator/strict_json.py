# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as the standard has it. Python alone would take and give NaN, infinities and halves of characters."""

from __future__ import annotations

import json
import typing as t


def loads(raw: bytes) -> t.Any:
    """The value of a JSON text. ValueError for anything that could not be written again as JSON in UTF-8."""
    try:
        value = json.loads(raw)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value
