# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of a transfer."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.storware.backup.plugins.module_utils._progress import line_formatter

MIB, GIB = 2**20, 2**30


def _line(*standings: tuple[float, int], size: int | None) -> str:
    """The last line, after looks at these times (seconds) and offsets."""
    clock = iter(seconds for seconds, _offset in standings)
    format_line = line_formatter(lambda: next(clock))
    return [format_line("mailbox.zip", offset, size) for _seconds, offset in standings][-1]


@pytest.mark.parametrize(
    ("standings", "size", "expected"),
    [
        ([(0, 0)], 5 * GIB, "mailbox.zip 0 % 0 of 5 GiB"),
        ([(0, 0), (10, 1180 * MIB)], 4700 * MIB, "mailbox.zip 25 % 1.2 of 4.6 GiB 118 MiB/s 30 s left"),
        ([(0, 0), (1, 512)], 1024, "mailbox.zip 50 % 0.5 of 1 KiB 512 bytes/s 1 s left"),
        ([(0, 0), (1, 100)], 900, "mailbox.zip 11 % 100 of 900 bytes 100 bytes/s 8 s left"),
        ([(0, 0), (10, GIB)], 100 * GIB, "mailbox.zip 1 % 1 of 100 GiB 102 MiB/s 16 min left"),
        ([(0, 0), (10, GIB)], 1000 * GIB, "mailbox.zip 0 % 1 of 1000 GiB 102 MiB/s 2 h 46 min left"),
        ([(0, 0), (10, 20 * MIB)], None, "mailbox.zip 20 MiB 2 MiB/s"),
        ([(0, MIB), (10, MIB)], 2 * MIB, "mailbox.zip 50 % 1 of 2 MiB"),  # it stands still
        ([(0, 0), (5, MIB)], MIB, "mailbox.zip 100 % 1 of 1 MiB 205 KiB/s 0 s left"),
        ([(0, 0), (1, MIB - 1)], 2 * MIB, "mailbox.zip 49 % 1 of 2 MiB 1 MiB/s 1 s left"),  # not 1024 KiB/s
        ([(0, 0)], 0, "mailbox.zip 0 of 0 bytes"),
    ],
)
def test_what_is_told(standings: list[tuple[float, int]], size: int | None, expected: str) -> None:
    assert _line(*standings, size=size) == expected


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """Fast for a minute, then slow: after the window only the slow part counts."""
    fast = [(second, second * 100 * MIB) for second in range(61)]
    slow = [(60 + second, 6000 * MIB + second * MIB) for second in range(1, 13)]
    assert " 1 MiB/s " in _line(*fast, *slow, size=10_000 * MIB)


def test_a_transfer_that_begins_anew_has_no_negative_rate() -> None:
    standings = [(0, 0), (10, 1000 * MIB), (20, 10 * MIB), (30, 20 * MIB)]
    for length in itertools.islice(itertools.count(1), len(standings)):
        assert "-" not in _line(*standings[:length], size=2000 * MIB)
    assert " 1 MiB/s " in _line(*standings, size=2000 * MIB)
