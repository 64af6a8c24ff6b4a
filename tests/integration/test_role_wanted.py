# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files on the hosts are what is wanted: a second run does nothing, also after the downloads were removed."""

from __future__ import annotations

import collections
import pathlib
import typing as t

import pytest

from tests.support.ansible import Run
from tests.support.fleet import NAMES, PEOPLE, THREE, Fleet, Json

WAYS: t.Final[dict[str, Json]] = {
    "direct": {},
    "controller": {"via": "controller"},
    "distributed": {"distribute": True},
    "both": {"via": "controller", "distribute": True},
}
NIGHTS: t.Final = 5
KEEP: t.Final = 2


def is_idle(fleet: Fleet, run: Run) -> bool:
    """Whether a run has changed nothing, sent no writing call beside the session's, and read no content."""
    counters = fleet.simulator.counters()
    run.ok()
    assert not [result for result in run.results if result.changed]
    return (counters["writes"], counters["content_bytes_sent"]) == (0, 0)


def names(fleet: Fleet) -> dict[str, list[str]]:
    """The names of the files on each host; each has its receipt, and nothing else is there."""
    found = {}
    for host in fleet.names:
        there = sorted(path.name for path in (fleet.directory / host).iterdir())
        files = [name for name in there if not name.endswith(".sha256")]
        assert there == sorted([*files, *(f"{name}.sha256" for name in files)])
        found[host] = files
    return found


def empty(directory: pathlib.Path) -> None:
    for path in directory.iterdir():
        path.unlink()


def way(fleet: Fleet, name: str) -> Json:
    """The options of a way, with the directory of the controller where it needs one."""
    spool = fleet.directory / "spool"
    spool.mkdir()
    return {**WAYS[name], **({"spool": str(spool)} if "via" in WAYS[name] else {})}


def test_a_second_run_does_nothing_after_the_downloads_were_removed(fleet: Fleet) -> None:
    """A host that is lost and replaced gets its files again, and the others keep theirs."""
    fleet.mail(remove=True).ok()
    before = {host: fleet.files(host) for host in NAMES}
    assert fleet.simulator.downloads() == []
    assert all(len(files) == len(PEOPLE) for files in before.values())
    fleet.simulator.clear_log()
    assert is_idle(fleet, fleet.mail(remove=True))

    empty(fleet.directory / NAMES[1])
    mended = fleet.mail(remove=True).ok()
    assert {result.host for result in mended.results if result.changed} == {*NAMES}  # one of them asks for both
    assert {host: set(fleet.files(host)) for host in NAMES} == {host: set(files) for host, files in before.items()}
    assert fleet.files(NAMES[0]) == before[NAMES[0]]
    assert fleet.calls().count("POST /cloud-download") == 1
    assert fleet.simulator.downloads() == []
    fleet.simulator.clear_log()
    assert is_idle(fleet, fleet.mail(remove=True))


@pytest.mark.long
def test_only_what_a_host_lacks_is_prepared(fleet: Fleet) -> None:
    fleet.mail(people=PEOPLE[:1], remove=True).ok()
    fleet.simulator.clear_log()
    fleet.mail(remove=True).ok()
    (created,) = [
        call for call in fleet.simulator.requests() if call["path"] == "/cloud-download" and call["method"] == "POST"
    ]
    assert "bob" not in str(created)
    assert fleet.simulator.counters()["content_bytes_sent"] < 2.5 * 100_000
    assert all(len(files) == len(PEOPLE) for files in names(fleet).values())


@pytest.mark.long
def test_older_files_are_removed_when_the_new_ones_are_proved(lone_fleet: Fleet) -> None:
    """Check mode says which, and a run that cannot fetch the new ones removes none."""
    nights = []
    for _night in range(KEEP):
        lone_fleet.simulator.back_up()
        lone_fleet.mail(backup="latest", keep=KEEP, remove=True).ok()
        nights.append(set(names(lone_fleet)[NAMES[0]]))
    lone_fleet.simulator.back_up()
    predicted = lone_fleet.mail("--check", "--diff", backup="latest", keep=KEEP, remove=True).ok()
    assert all(name in predicted.stdout for name in nights[0])
    assert set(names(lone_fleet)[NAMES[0]]) == nights[1]
    users = [user["guid"] for user in lone_fleet.simulator.entities("users")]
    lone_fleet.simulator.switch(fail_entities=users)
    assert lone_fleet.mail(backup="latest", keep=1).rc != 0
    assert set(names(lone_fleet)[NAMES[0]]) == nights[1]
    lone_fleet.simulator.switch(fail_entities=[])
    lone_fleet.mail(backup="latest", keep=1).ok()
    left = set(names(lone_fleet)[NAMES[0]])
    assert len(left) == len(PEOPLE)
    assert not left & nights[1]


@pytest.mark.long
@pytest.mark.parametrize("name", WAYS)
def test_nights(fleet_of_three: Fleet, name: str) -> None:
    """A new backup each night; the files of two nights stay, and a second run of the same night does nothing."""
    fleet, copies = fleet_of_three, 1 if "distribute" in WAYS[name] else len(THREE)
    options: Json = {**way(fleet, name), "backup": "latest", "keep": KEEP, "remove": True}
    homes: dict[str, set[str]] = collections.defaultdict(set)
    for night in range(NIGHTS):
        fleet.simulator.back_up()
        fleet.mail(**options).ok()
        found = names(fleet)
        assert sum(map(len, found.values())) == copies * len(PEOPLE) * min(night + 1, KEEP)
        for host, files in found.items():
            for file in files:
                homes[file.split("@")[0]].add(host)
        assert fleet.simulator.downloads() == []
        fleet.simulator.clear_log()
        assert is_idle(fleet, fleet.mail(**options))
        assert names(fleet) == found
    if copies == 1:
        assert all(len(hosts) == 1 for hosts in homes.values())  # a new backup goes where the one before is
    empty(fleet.directory / THREE[0])
    fleet.mail(**options).ok()
    fleet.simulator.clear_log()
    assert is_idle(fleet, fleet.mail(**options))


@pytest.mark.long
def test_a_limit_stores_nothing_twice(fleet_of_three: Fleet) -> None:
    """One host fails, and AWX starts the job again for it alone."""
    fleet = fleet_of_three
    fleet.simulator.seed(users=7)
    people = [user["email"] for user in fleet.simulator.entities("users") if user["email"].startswith("user-")]
    options: Json = {"people": people, "distribute": True, "expected_hosts": THREE}
    (fleet.directory / THREE[2]).rmdir()
    assert fleet.mail(**options).rc != 0
    (fleet.directory / THREE[2]).mkdir()
    fleet.mail("--limit", THREE[2], **options).ok()
    found = names(fleet)
    assert sorted(map(len, found.values())) == [2, 2, 3]
    assert len({name for files in found.values() for name in files}) == len(people)
    fleet.simulator.clear_log()
    assert is_idle(fleet, fleet.mail(**options))
    # Where a mailbox lies also decides for hosts that are left out.
    fleet.mail("--limit", f"{THREE[0]},{THREE[1]}", **options).ok()
    fleet.mail("--limit", THREE[2], **options).ok()
    assert names(fleet) == found
