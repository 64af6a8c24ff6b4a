# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source without ansible-rulebook: what its surroundings can do to it."""

from __future__ import annotations

import asyncio
import contextlib
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
from tests.support.modules import connect, prepare, run_module
from tests.support.use import good

Json = t.Any

SOURCE: t.Final = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"


def run(given: Json, is_over: t.Callable[[list[Json]], bool]) -> list[Json]:
    """The events of a source with these arguments, until there are enough of them, or it ends by itself."""
    events: list[Json] = []

    async def collect() -> None:
        queue: asyncio.Queue[Json] = asyncio.Queue()
        source = asyncio.create_task(runpy.run_path(str(SOURCE))["main"](queue, given))
        try:
            while not (is_over(events) or source.done()):
                await asyncio.sleep(0.05)
                while not queue.empty():
                    events.append(queue.get_nowait())
        finally:
            source.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await source

    asyncio.run(asyncio.wait_for(collect(), 120))
    return events


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
    with caplog.at_level(logging.WARNING):
        told = run(connect(simulator, cursor=str(cursor), interval=1), lambda _events: cursor.exists())
    assert cursor.exists()
    assert [event["kind"] for event in told] == ["created", "ready"]
    warnings = [record.getMessage() for record in caplog.records if "cursor" in record.getMessage()]
    assert len(warnings) == 2
    assert all(str(cursor) in text and "No space left on device" in text for text in warnings)


@pytest.mark.parametrize("place", ["option", "environment"])
def test_ready_is_what_the_server_profile_says(
    simulator: Simulator, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """On a server that ignores finished-mount, so that its filter lists what is being prepared, too."""
    simulator.reset(ready_state="MOUNTED", ignored_filters=["finished-mount"])
    simulator.speed(0)
    good(run_module("cloud_download", prepare(simulator, "alice@example.com", wait=False)))
    simulator.step(3)
    profile = tmp_path / "profile.yml"
    profile.write_text("ready: state:MOUNTED\n", encoding="utf-8")
    given = connect(simulator, interval=1)
    if place == "option":
        given["profile"] = str(profile)
    else:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("STORWARE_PROFILE", profile.name)

    early: list[Json] = []

    def is_over(events: list[Json]) -> bool:
        if events and not early:
            early.extend(events)
            simulator.step(600)
        return len(events) > 1

    assert [event["kind"] for event in run(given, is_over)] == ["created", "ready"]
    assert [event["kind"] for event in early] == ["created"]


def test_a_file_that_is_no_profile_ends_the_source(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    (tmp_path / "shadow").write_text("root:sw0rdf1sh", encoding="utf-8")
    with pytest.raises(RuntimeError, match="profile: the document must be a dictionary") as caught:
        run(connect(simulator, profile=str(tmp_path / "shadow")), lambda _events: False)
    assert "sw0rdf1sh" not in str(caught.value)
    assert simulator.requests() == []
