# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways that files take to hosts, as far as directories of this machine can be hosts; tests/lab has real ones."""

from __future__ import annotations

import pathlib

import pytest

from tests.support.fleet import ALICE, NAMES, PEOPLE, Fleet, Json
from tests.support.use import content_calls


@pytest.fixture
def spool(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "spool"
    path.mkdir()
    return path


@pytest.mark.long
def test_by_way_of_the_controller(fleet: Fleet, spool: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Predicted, done, done again, and after a file was lost on one host; the server gives each file once."""
    way: Json = {"via": "controller", "spool": str(spool), "report": [str(tmp_path / "report.json")]}
    predicted = fleet.mail("--check", **way).ok()
    assert f"{len(PEOPLE) * len(NAMES)} would be prepared." in predicted.output
    fleet.run(
        protected_entities=ALICE, protected_entity_type="CLOUD_USER", dest="{{ playbook_dir }}", overwrite="never"
    ).ok()
    predicted = fleet.mail("--check", people=ALICE, remove=True, **way).ok()
    assert predicted.output.count("  would be fetched  ") == len(NAMES)
    assert all(fleet.files(name) == {} for name in NAMES)

    fleet.simulator.clear_log()
    first = fleet.mail(**way).ok()
    assert all(fleet.files(name) == fleet.expected() for name in NAMES)
    assert first.output.count("  fetched  ") == len(PEOPLE) * len(NAMES)
    assert len(content_calls(fleet.simulator)) == 2
    again = fleet.mail(**way).ok()
    assert not any(result.changed for result in again.results)
    for path in (fleet.directory / NAMES[1]).iterdir():
        path.unlink()
    mended = fleet.mail(**way).ok()
    assert {result.host for result in mended.results if result.changed} == {NAMES[1]}
    assert all(fleet.files(name) == fleet.expected() for name in NAMES)
    assert len(content_calls(fleet.simulator)) == 2


@pytest.mark.long
def test_by_way_of_the_controller_and_spread(fleet: Fleet, spool: pathlib.Path) -> None:
    for entity in PEOPLE:
        fleet.simulator.seed(downloads=1, entity=entity)
    way: Json = {"via": "controller", "spool": str(spool), "distribute": True}
    assert fleet.mail("--check", remove=True, **way).ok().output.count("  would be fetched  ") == 2
    fleet.mail(**way).ok()
    assert sorted(len(fleet.files(name)) for name in NAMES) == [1, 1]
    assert len(content_calls(fleet.simulator)) == 2


def test_what_nothing_verified_is_not_proved_by_copies_of_it(fleet: Fleet, spool: pathlib.Path) -> None:
    """An empty file, as of a server that is not ready; its copies have the right digest."""
    (guid,) = fleet.simulator.seed(downloads=1, entity="alice@example.com", content_size=0)
    way: Json = {"via": "controller", "spool": str(spool), "allow_unverified": True}
    kept = fleet.mail(people=ALICE, remove=True, **way)
    assert kept.rc != 0
    assert "where it was copied from: nothing verified" in kept.output
    assert [len(fleet.files(name)) for name in NAMES] == [1, 1]
    assert [download["guid"] for download in fleet.simulator.downloads()] == [guid]


@pytest.mark.long
def test_a_file_that_the_controller_does_not_get_holds_up_no_other(fleet: Fleet, spool: pathlib.Path) -> None:
    """The name of one is taken by a directory there; the hosts get the other one, and the run fails."""
    fleet.mail(via="controller", spool=str(spool)).ok()
    for name in NAMES:
        for path in (fleet.directory / name).iterdir():
            path.unlink()
    (alice,) = spool.glob("alice*.zip")
    alice.unlink()
    alice.mkdir()
    broken = fleet.mail(via="controller", spool=str(spool))
    assert broken.rc != 0
    assert all(file.startswith("bob") for name in NAMES for file in fleet.files(name))
    assert "2 are missing: host-1 1, host-2 1." in broken.output
    assert "): the controller lacks it: " in broken.output


@pytest.mark.parametrize(
    "wrong",
    [
        {"via": "controller"},
        {"via": "relay", "distribute": True},
        {"via": "relay", "relay_groups": ["nowhere"]},
        {"via": "pigeon"},
        {"max_rate": "fast"},
    ],
)
def test_what_cannot_work_is_told_before_anything_is_sent(lone_fleet: Fleet, wrong: Json) -> None:
    refused = lone_fleet.mail(people=ALICE, **wrong)
    assert refused.rc != 0
    assert "fetch_content_" in refused.output
    assert lone_fleet.calls() == []


@pytest.mark.long
def test_the_rate_of_the_run_is_shared(fleet: Fleet) -> None:
    """As a number, too, as YAML may give it."""
    fleet.simulator.switch(content_size=1_000_000)
    fleet.mail("--forks", "2", people=ALICE, max_rate=2_000_000).ok()
    assert all(fleet.files(name) == fleet.expected() for name in NAMES)
