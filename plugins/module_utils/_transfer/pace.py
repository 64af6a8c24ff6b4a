# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a transfer may take and how fast it has to, or may, be. Every time is monotonic, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a transfer keeps to. Times in seconds, rates in bytes per second; None: no limit.

    retries: how often the content is asked for again without a new byte. first_pause, longest_pause: between two tries
    (full jitter, doubled each time). max_time: for everything. min_rate: measured over rate_window. lock_timeout: how
    long another run that fetches the same is waited for.
    """

    retries: int = 5
    first_pause: float = 1.0
    longest_pause: float = 30.0
    max_time: float | None = None
    min_rate: float = 1024.0
    rate_window: float = 60.0
    max_rate: float | None = None
    lock_timeout: float = 60.0
