# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of a task that takes long."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._batch import BatchItem, Sums
from ansible_collections.storware.backup.plugins.module_utils._progress import line_formatter
from ansible_collections.storware.backup.plugins.module_utils._transfer import inspection
from ansible_collections.storware.backup.plugins.module_utils._transfer.inspection import TransferProgress

MIB, GIB = 2**20, 2**30
ONE = BatchItem("guid", 1, 1, 0.0)
NONE = Sums()


def _item(number: int, of: int, sums: Sums = NONE) -> BatchItem:
    return BatchItem("guid", number, of, 0.0, lambda: sums)


class Teller:
    """Formats lines at times that the test chooses."""

    def __init__(self) -> None:
        self.now = 0.0
        self._format_line = line_formatter(clock=lambda: self.now)

    def at(self, seconds: float, offset: int, size: int | None = None, *, turn: BatchItem = ONE, **facts: t.Any) -> str:
        self.now = seconds
        values = {"stage": inspection.RECEIVING, "received": offset, "attempts": 6, **facts}
        return self._format_line(turn, TransferProgress("mailbox.zip", offset=offset, size=size, **values))


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.mark.parametrize(
    ("standings", "size", "expected"),
    [
        ([(0, 0)], 5 * GIB, "0 %, 0 of 5 GiB"),
        ([(0, 0), (10, 1180 * MIB)], 4700 * MIB, "25 %, 1.2 of 4.6 GiB, 118 MiB/s, about 30 s left"),
        ([(0, 0), (1, 512)], 1024, "50 %, 0.5 of 1 KiB, 512 bytes/s, about 1 s left"),
        ([(0, 0), (1, 100)], 900, "11 %, 100 of 900 bytes, 100 bytes/s, about 8 s left"),
        ([(0, 0), (10, GIB)], 100 * GIB, "1 %, 1 of 100 GiB, 102 MiB/s, about 16 min left"),
        ([(0, 0), (10, GIB)], 1000 * GIB, "0 %, 1 of 1000 GiB, 102 MiB/s, about 2 h 46 min left"),
        ([(0, 0), (5, MIB)], MIB, "100 %, 1 of 1 MiB, 205 KiB/s, about 0 s left"),
        ([(0, 0), (1, MIB - 1)], 2 * MIB, "49 %, 1 of 2 MiB, 1 MiB/s, about 1 s left"),  # not 1024 KiB/s
    ],
)
def test_a_file(teller: Teller, standings: list[tuple[float, int]], size: int | None, expected: str) -> None:
    lines = [teller.at(seconds, offset, size) for seconds, offset in standings]
    assert lines[-1] == f"mailbox.zip: receiving, {expected}"


def test_a_file_of_unknown_or_no_size(teller: Teller) -> None:
    teller.at(0, 0)
    assert teller.at(10, 20 * MIB) == "mailbox.zip: receiving, 20 MiB, 2 MiB/s"
    assert teller.at(11, 0, 0, turn=ONE._replace(number=2)) == "mailbox.zip: receiving, 0 of 0 bytes"


def test_the_rate_is_that_of_the_last_seconds(teller: Teller) -> None:
    """Fast for a minute, then slow: after the window only the slow part counts."""
    for second in range(61):
        teller.at(second, second * 100 * MIB, 10_000 * MIB)
    lines = [teller.at(60 + second, 6000 * MIB + second * MIB, 10_000 * MIB) for second in range(1, 13)]
    assert ", 1 MiB/s, about 66 min left" in lines[-1]


def test_a_stall_of_a_minute_is_called_one(teller: Teller) -> None:
    """And has neither a rate nor a remaining time, until bytes come again."""
    for second in range(11):
        teller.at(second, second * 20 * MIB, 240 * MIB)
    lines = [teller.at(10 + second, 200 * MIB, 240 * MIB) for second in range(5, 61, 5)]
    assert lines == [f"mailbox.zip: stalled for {second} s, 83 %, 200 of 240 MiB" for second in range(5, 61, 5)]
    assert teller.at(71, 202 * MIB, 240 * MIB).startswith("mailbox.zip: receiving, 84 %, 202 of 240 MiB, ")


def test_resumed_bytes_have_no_rate(teller: Teller) -> None:
    teller.at(0, 0, stage=inspection.READING, received=0)
    assert teller.at(5, 900 * MIB, 1000 * MIB, received=0, stage=inspection.CONNECTING) == (
        "mailbox.zip: connecting, 900 of 1000 MiB"
    )
    assert teller.at(7, 914 * MIB, 1000 * MIB, received=14 * MIB).endswith("914 of 1000 MiB, 2 MiB/s, about 43 s left")


def test_a_server_that_does_not_answer(teller: Teller) -> None:
    """From the last byte on; after a comparison, from the request on."""
    connecting: dict[str, t.Any] = {"stage": inspection.CONNECTING, "received": 0}
    assert teller.at(0, 0, 9, stage=inspection.COMPARING) == "mailbox.zip: comparing the existing file"
    assert teller.at(60, 0, **connecting) == "mailbox.zip: connecting"
    assert teller.at(64, 0, **connecting) == "mailbox.zip: connecting"
    assert teller.at(65, 0, **connecting) == "mailbox.zip: no answer for 5 s, attempt 1 of 6"
    assert teller.at(100, 0, attempt=3, **connecting) == "mailbox.zip: no answer for 40 s, attempt 3 of 6"
    teller.at(110, MIB, 2 * MIB)
    broken: dict[str, t.Any] = {"stage": inspection.CONNECTING, "attempt": 2}
    assert teller.at(112, MIB, 2 * MIB, **broken).startswith(
        "mailbox.zip: no answer for 2 s, attempt 2 of 6, 1 of 2 MiB"
    )
    assert teller.at(240, MIB, 2 * MIB, **broken) == "mailbox.zip: no answer for 2 min, attempt 2 of 6, 1 of 2 MiB"
    assert teller.at(300, 2 * MIB, 2 * MIB, stage=inspection.VERIFYING) == "mailbox.zip: verifying"


def test_several_files(teller: Teller) -> None:
    """The sizes of those that have not begun are those of the others on average."""
    first, third = _item(1, 4), _item(3, 4, Sums(2, 0, 20 * MIB, 20 * MIB))
    assert teller.at(0, 0, 10 * MIB, turn=first) == "0 of 4 files, 0 bytes; mailbox.zip: receiving, 0 %"
    line = "2 of 4 files, 25 of about 40 MiB, 2.5 MiB/s, about 6 s left; mailbox.zip: receiving, 50 %"
    assert teller.at(10, 5 * MIB, 10 * MIB, turn=third) == line
    last = _item(4, 4, Sums(2, 1, 20 * MIB, 20 * MIB))
    line = "2 of 4 files, 1 failed, 20 of 30 MiB; mailbox.zip: stalled for 20 s, 0 %"
    teller.at(20, 0, 10 * MIB, turn=last)
    assert teller.at(40, 0, 10 * MIB, turn=last) == line


def test_files_that_are_there_count_and_have_no_rate(teller: Teller) -> None:
    """A second run compares: its rate is not that of a transfer."""
    turns = [_item(number, 300, Sums(number - 1, 0, (number - 1) * GIB, 0)) for number in range(1, 6)]
    compare: dict[str, t.Any] = {"stage": inspection.COMPARING, "received": 0}
    lines = [teller.at(10 * turn.number, 0, GIB, turn=turn, **compare) for turn in turns]
    assert lines[-1] == "4 of 300 files, 4 of about 300 GiB; mailbox.zip: comparing the existing file"


def test_a_file_that_fails_makes_no_negative_rate(teller: Teller) -> None:
    teller.at(0, 0, 100 * MIB, turn=_item(1, 3))
    teller.at(5, 90 * MIB, 100 * MIB, turn=_item(1, 3))
    assert "-" not in teller.at(6, 0, 100 * MIB, turn=_item(2, 3, Sums(0, 1)))
    assert ", 10 MiB/s, " in teller.at(7, 10 * MIB, 100 * MIB, turn=_item(3, 3, Sums(0, 1, MIB)))
