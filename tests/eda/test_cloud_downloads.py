# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source under ansible-rulebook: nothing is lost, and told twice is only what is documented."""

from __future__ import annotations

import asyncio
import collections
import hashlib
import pathlib
import re
import runpy
import signal
import stat
import time

import pytest

from tests.eda.conftest import Rulebooks
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.modules import prepare, run_module
from tests.support.use import good, wait_until

SOURCE = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"


def _make(simulator: Simulator, *entities: str, wait: bool = True) -> list[str]:
    """The GUIDs of downloads that somebody has prepared."""
    done = good(run_module("cloud_download", prepare(simulator, *entities, wait=wait)))
    return [download["guid"] for download in done["cloud_downloads"]]


def test_a_life_is_told_and_a_restart_in_the_middle_loses_nothing(rulebooks: Rulebooks, simulator: Simulator) -> None:
    """Killed in the middle; meanwhile one comes and one goes. Told again is only what was told just before the end."""
    (alice,) = _make(simulator, "alice@example.com")
    first = rulebooks.printing()
    first.wait_for(f"created {alice}", f"ready {alice}")
    time.sleep(3)  # longer than an interval: this much is known to have been acted upon
    assert stat.S_IMODE(rulebooks.cursor.stat().st_mode) == 0o600
    (bob,) = _make(simulator, "bob@example.com")
    first.wait_for(f"created {bob}", f"ready {bob}")
    first.stop(signal.SIGKILL)

    good(run_module("cloud_download", prepare(simulator, "alice@example.com", state="absent")))
    (carol,) = _make(simulator, "carol@example.com")
    second = rulebooks.printing()
    second.wait_for(f"deleted {alice}", f"created {carol}", f"ready {carol}")
    time.sleep(2.5)
    assert second.stop() == 0
    assert simulator.counters()["open_sessions"] == 1  # the one of the first, which was killed

    told = collections.Counter(first.told() + second.told())
    again = {event for event, times in told.items() if times > 1}
    assert again <= {f"created {bob}", f"ready {bob}"}
    assert max(told.values()) <= 2
    assert set(told) == {
        *(f"created {guid}" for guid in (alice, bob, carol)),
        *(f"ready {guid}" for guid in (alice, bob, carol)),
        f"deleted {alice}",
    }
    gone = next(event for event in second.events() if event["kind"] == "deleted")
    assert gone["download"]["protected_entity"]["name"] == "Alice Archer"


def test_a_preparation_that_fails_is_told_with_the_servers_reason(rulebooks: Rulebooks, simulator: Simulator) -> None:
    """What has failed before is old news."""
    simulator.switch(fail_entities=["bob@example.com"])
    run_module("cloud_download", prepare(simulator, "bob@example.com"))
    running = rulebooks.printing()
    wait_until(rulebooks.cursor.exists)
    simulator.switch(fail_entities=["carol@example.com"])
    run_module("cloud_download", prepare(simulator, "carol@example.com"))
    wait_until(lambda: any(event["kind"] == "failed" for event in running.events()))
    (failed,) = (event for event in running.events() if event["kind"] == "failed")
    assert failed["task"]["state"] == "FAILED"
    assert failed["task"]["status_info"]
    assert running.stop(signal.SIGINT) == 0
    assert simulator.counters()["open_sessions"] == 0


def test_a_server_that_is_away_is_waited_for(rulebooks: Rulebooks, simulator: Simulator) -> None:
    running = rulebooks.printing({"STORWARE_RETRIES": "0"})
    wait_until(rulebooks.cursor.exists)
    simulator.fault("GET /tasks", "refused", status=503, times=2)
    wait_until(lambda: "The next poll is in 4 seconds" in running.output)
    assert "The next poll is in 2 seconds" in running.output
    (alice,) = _make(simulator, "alice@example.com")
    running.wait_for(f"ready {alice}")
    assert simulator.counters()["logins"] == 2  # with the one of cloud_download
    assert running.stop() == 0


def test_a_refused_login_ends_the_rulebook_with_the_reason(rulebooks: Rulebooks, simulator: Simulator) -> None:
    running = rulebooks.printing({"STORWARE_PASSWORD": "wrong"})
    assert running.ended() != 0
    assert "Check username and password" in running.output
    assert simulator.counters()["logins"] == 0


@pytest.mark.parametrize(
    "wrong",
    [{"interval": "soon"}, {"interval": 0.5}, {"mode": "ISCSI"}, {"colour": "red"}, {"cursor": "/nowhere/cursor"}],
)
def test_an_option_that_cannot_work_is_named(simulator: Simulator, wrong: dict[str, object]) -> None:
    source = runpy.run_path(str(SOURCE))
    options = {"url": simulator.url, "username": "a", "password": "b", **wrong}
    with pytest.raises(RuntimeError, match=f"^{next(iter(wrong))}: "):
        asyncio.run(source["main"](None, options))
    assert simulator.requests() == []


def test_a_cursor_of_something_else_is_refused(rulebooks: Rulebooks) -> None:
    rulebooks.cursor.write_text("precious")
    running = rulebooks.printing()
    assert running.ended() != 0
    assert "cursor: " in running.output
    assert rulebooks.cursor.read_text() == "precious"


def test_looks_are_polite_and_follow_the_server_profile(
    rulebooks: Rulebooks, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """Two lists and the tasks for each look, whatever there is."""
    (tmp_path / "profile.yml").write_text("lists: {page_size: 60}", encoding="utf-8")
    simulator.seed(users=50, downloads=50)
    running = rulebooks.printing({"STORWARE_PROFILE": "profile.yml"}, interval=3)
    wait_until(rulebooks.cursor.exists)
    simulator.clear_log()
    time.sleep(7)
    made = simulator.requests()
    assert 3 <= len(made) <= 9
    assert {dict(request["query"])["size"] for request in made} == {"60"}
    running.stop()


def test_the_guides_rulebook_fetches_what_becomes_ready(
    rulebooks: Rulebooks, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """The command and the variables of docs/eda.md, with a directory of the test's in the place of the guide's."""
    guide = (tree.ROOT / "docs" / "eda.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"```bash\nansible-rulebook (.*)\n```", guide)
    (variables,) = re.findall(r"```yaml\n(.*?)```", guide, re.S)
    (tmp_path / "restore").mkdir()
    for shown, real in {
        "/srv/restore": f"{tmp_path}/restore",
        "/var/lib/rulebook/ready.json": str(rulebooks.cursor),
    }.items():
        assert shown in variables
        variables = variables.replace(shown, real)
    (tmp_path / "vars.yml").write_text(f"{variables}fetch_ready_interval: 1\n", encoding="utf-8")
    (tmp_path / "inventory.yml").write_text(
        "all: {hosts: {localhost: {ansible_connection: local}}}\n", encoding="utf-8"
    )
    running = rulebooks.start(*command.split())
    wait_until(rulebooks.cursor.exists)
    (alice,) = _make(simulator, "alice@example.com")
    wait_until(lambda: list((tmp_path / "restore").glob("*.sha256")), 90)
    (path,) = (tmp_path / "restore").glob("*.zip")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == simulator.content(alice)["sha256"]
    assert simulator.password not in running.output.replace("tests.simulator", "")
    running.stop()
