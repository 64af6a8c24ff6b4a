# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each host fetches from the server itself."""

from __future__ import annotations

import re

import pytest

from tests.lab.fleet import Fleet
from tests.lab.network import OTHER
from tests.support.use import MIB


@pytest.mark.long
def test_all_files_come_to_all_hosts_as_an_unprivileged_user(fleet: Fleet) -> None:
    run = fleet.mail().ok()
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()
        assert {path.stat().st_uid for path in (host.srv / "restore").iterdir()} == {2001}
    again = fleet.mail().ok()
    assert not any(result.changed for result in again.results)
    assert fleet.simulator.counters()["calls"]["POST /session/login"] == 2
    assert fleet.simulator.password not in run.output


@pytest.mark.parametrize(
    "keywords",
    [
        pytest.param({"become": True}, id="root"),
        pytest.param({"become": True, "become_user": OTHER}, marks=pytest.mark.long, id="other"),
    ],
)
def test_files_come_with_become(fleet: Fleet, keywords: dict[str, object]) -> None:
    owner = 0 if "become_user" not in keywords else 2002
    if owner:
        for host in fleet.network.hosts:
            host.sh(f"chown {OTHER} /srv/restore")
    fleet.mail(keywords=keywords).ok()
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()
        assert {path.stat().st_uid for path in (host.srv / "restore").iterdir()} == {owner}


def test_a_host_that_is_cut_off_and_healed_gets_its_file_in_the_same_run(fleet: Fleet) -> None:
    """The connection is lost, not the work; the others are not held up, and no byte is asked for twice."""
    fleet.simulator.switch(content_size=40 * MIB)
    cut = fleet.network["host-2"]
    with fleet.cut_off(cut, 12):
        run = fleet.mail(people=["alice@example.com"], max_rate="12M", progress_interval=1).ok()
    assert "[host-2] connection lost, trying again" in run.output
    for host in fleet.network.hosts:
        assert set(fleet.files(host).values()) == fleet.expected()


@pytest.mark.long
def test_a_host_that_is_not_there_is_told_at_once_and_holds_nobody_up(fleet: Fleet) -> None:
    away = fleet.network["host-3"]
    away.cut()
    try:
        run = fleet.mail()
    finally:
        away.heal()
    assert run.rc != 0
    assert "trying again" not in run.output
    assert "2 are missing: host-3 2." in run.output
    assert re.search(r"2 \(Alice Archer \(\S+\) on host-3, Bob Baker \(\S+\) on host-3\): unreachable, ", run.output)
    for name in ("host-1", "host-2"):
        assert set(fleet.files(fleet.network[name]).values()) == fleet.expected()
    again = fleet.mail().ok()
    assert {result.host for result in again.results if result.changed} == {"host-3"}
