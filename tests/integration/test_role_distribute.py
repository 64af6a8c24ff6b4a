# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role fetch_content with many downloads: each to one host, and how hosts share the line."""

from __future__ import annotations

import collections
import pathlib

import pytest

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.examples import count
from tests.support.fleet import THREE, Fleet
from tests.support.use import content_calls

_LISTS = ("GET /cloud-download", "GET /cloud-users", "GET /tasks")


@pytest.fixture
def fleet(fleet_of_three: Fleet) -> Fleet:
    return fleet_of_three


def crowd(fleet: Fleet, number: int) -> list[str]:
    """So many people more."""
    fleet.simulator.seed(users=number)
    return [user["email"] for user in fleet.simulator.entities("users") if user["email"].startswith("user-")]


def owners(fleet: Fleet) -> dict[str, str]:
    """Which host has which file; each has one only."""
    pairs = [(name, host) for host in fleet.names for name in fleet.files(host)]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.long
@pytest.mark.matrix
@pytest.mark.slow
def test_each_file_arrives_once_and_a_second_run_changes_nothing(fleet: Fleet) -> None:
    people = crowd(fleet, 7)
    first = fleet.mail(people=people, distribute=True).ok()
    there = owners(fleet)
    assert {name: fleet.files(host)[name] for name, host in there.items()} == fleet.expected()
    assert sorted(collections.Counter(there.values()).values()) == [2, 2, 3]
    assert first.output.count("  fetched  ") == 7
    again = fleet.mail(people=people[::-1], distribute=True).ok()
    assert not any(result.changed for result in again.results)
    assert owners(fleet) == there


@pytest.mark.long
def test_a_host_that_fails_does_not_change_what_the_others_get(fleet: Fleet) -> None:
    """Its share is told as missing, stays on the server, and comes with the next run."""
    people = crowd(fleet, 6)
    lost = fleet.directory / THREE[0]
    lost.rmdir()
    broken = fleet.mail(people=people, distribute=True, remove=True)
    assert broken.rc != 0
    assert "No download is removed from the server" in broken.output
    lost.mkdir()
    assert sorted(collections.Counter(owners(fleet).values())) == THREE[1:]
    assert f"2 are missing: {THREE[0]} 2." in broken.output
    mended = fleet.mail(people=people, distribute=True).ok()
    assert len(owners(fleet)) == 6
    assert {result.host for result in mended.results if result.changed} == {THREE[0]}


@pytest.mark.long
def test_what_a_legal_case_costs(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """Many mailboxes to four file servers: login, request and logout besides lists, looks and files."""
    number = count(12, 300)
    simulator.switch(content_size=20_000)
    fleet = Fleet(ansible, simulator, tmp_path, names=("files-1", "files-2", "files-3", "files-4"))
    people = crowd(fleet, number)
    simulator.clear_log()
    fleet.mail(people=people, distribute=True, wait_interval=1).ok()
    there = owners(fleet)
    assert {name: fleet.files(host)[name] for name, host in there.items()} == fleet.expected()
    assert max(collections.Counter(there.values()).values()) == number / 4

    calls = fleet.calls()
    content = content_calls(simulator)
    assert len(content) == number
    created = calls.index("POST /cloud-download")
    lists = [position for position, call in enumerate(calls) if call in _LISTS]
    pages, polls = [[at for at in lists if (at > created) is after] for after in (False, True)]
    assert len(pages) <= 6  # the people, and what is there or coming, twice; each list is one page here
    assert len(calls) == len(pages) + len(polls) + len(content) + 3
    looks = calls[created:].count("GET /tasks")
    assert looks < len(polls) <= 2 * looks  # the second list as soon as something may be ready

    again = fleet.mail(people=people, distribute=True).ok()
    assert not any(result.changed for result in again.results)
