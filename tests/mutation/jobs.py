# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process that runs tests is asked and what it answers."""

from __future__ import annotations

import typing as t


class Job(t.TypedDict):
    """tests: those to run, in this order, each with the seconds it may take; None runs and measures all of them."""

    files: list[str]
    tests: dict[str, float] | None


class Result(t.TypedDict):
    """status: passed, failed or timeout. test: the last one that was started. The rest: of a job that measures."""

    status: str
    test: str
    seconds: dict[str, float]  # that each test took
    lines: dict[str, dict[str, list[str]]]  # path: line: the tests that run it
