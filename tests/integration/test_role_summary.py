# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a large run that fails in the middle: short, with the cause and the counts at its end."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import threading
import time

import pytest

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.fleet import Fleet

MOST = 20_000  # characters
HOSTS = ("h1", "h2", "h3", "h4")


def stop_after(simulator: Simulator, files: int) -> threading.Thread:
    """Stop the server once it has sent that many files."""

    def watch() -> None:
        while simulator.counters()["calls"].get("GET /cloud-download/{guid}", 0) < files:
            time.sleep(0.02)
        simulator.stop()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def run_until_the_server_is_gone(ansible: Ansible, tmp_path: pathlib.Path, number: int) -> Run:
    """Fetch that many mailboxes to four hosts. The server stops after a third of them."""
    with Simulator.start(speed=50, validate=False, content_size=300_000) as simulator:
        fleet = Fleet(ansible, simulator, tmp_path, HOSTS)
        simulator.seed(users=number)
        people = [user["email"] for user in simulator.entities("users") if user["email"].startswith("user-")]
        simulator.clear_log()
        ca_path = shutil.copy(str(simulator.ca_path), tmp_path)  # that of the simulator is gone with it
        stopping = stop_after(simulator, number // 3)
        report = tmp_path / "report.json"
        run = fleet.mail(
            "--forks",
            "4",
            people=people,
            distribute=True,
            max_rate="2M",
            report=[str(report)],
            connection={"retries": 0},
            environment={**fleet.credentials(), "STORWARE_CA_PATH": ca_path},
        )
        stopping.join(60)
    assert run.rc != 0
    rows = json.loads(report.read_text())["files"]
    there = sum(row["result"] == "fetched" for row in rows)
    missing = len(rows) - there
    assert len(rows) == number
    assert there
    assert missing > number // 4
    return run


def test_a_server_that_is_gone_is_one_cause(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    run = run_until_the_server_is_gone(ansible, tmp_path, 16)
    end = "\n".join(run.stdout.rstrip().splitlines()[-15:])
    assert re.search(r"\d+ of \d+ files are complete.* \d+ are missing: ", end)
    assert re.search(r"User \d+ \(\S{36}\) on h\d.*: no connection to https://\S+ .*Check url, .*\[unreachable\]", end)


@pytest.mark.long
def test_300_mailboxes_without_a_server_print_less_than_20_kb(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    run = run_until_the_server_is_gone(ansible, tmp_path, 300)
    assert len(run.stdout) < MOST
