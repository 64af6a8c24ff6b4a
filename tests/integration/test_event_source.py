# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source without ansible-rulebook: what its surroundings can do to it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import pathlib
import runpy
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _private
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.modules import connect

SOURCE: t.Final = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"


def test_a_full_disk_of_the_cursor_is_survived(
    simulator: Simulator, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Events go on, the path is named, and the cursor is written when there is space again."""
    simulator.seed(users=1, downloads=1)
    cursor = tmp_path / "cursor.json"
    real, failures = _private.replace_file, 2

    def full(*arguments: t.Any) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*arguments)

    monkeypatch.setattr(_private, "replace_file", full)
    told: list[t.Any] = []

    async def run() -> None:
        queue: asyncio.Queue[t.Any] = asyncio.Queue()
        given = connect(simulator, cursor=str(cursor), interval=1)
        source = asyncio.create_task(runpy.run_path(str(SOURCE))["main"](queue, given))
        try:
            while not (cursor.exists() or source.done()):
                await asyncio.sleep(0.05)
        finally:
            source.cancel()
            await asyncio.gather(source, return_exceptions=True)
        while not queue.empty():
            told.append(queue.get_nowait())

    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(run(), 120))
    assert cursor.exists()
    assert [event["kind"] for event in told] == ["created", "ready"]
    warnings = [record.getMessage() for record in caplog.records if "cursor" in record.getMessage()]
    assert len(warnings) == 2
    assert all(str(cursor) in text and "No space left on device" in text for text in warnings)
