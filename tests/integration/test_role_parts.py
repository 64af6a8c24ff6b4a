# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry points of the role fetch_content, what it does when a part fails, and its report."""

from __future__ import annotations

import csv
import json
import pathlib
import stat
import typing as t

import pytest
import yaml

from tests.harness.tree import ROOT
from tests.support.ansible import Run
from tests.support.fleet import ALICE, NAMES, PEOPLE, ROLE, Fleet, Json


def part(fleet: Fleet, entry_point: str, *arguments: str, **settings: Json) -> Run:
    """The role with another entry point."""
    include = {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": entry_point}}
    return fleet.run(*arguments, keywords={"roles": [], "tasks": [include]}, **settings)


def report(path: pathlib.Path) -> Json:
    """What a report in JSON says; that in CSV beside it says the same."""
    told = json.loads(path.read_text())
    with path.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    head = {name: told[name] for name in ("reference", "server", "start", "end")}
    assert rows == [
        {key: "" if value is None else str(value) for key, value in {**row, **head}.items()} for row in told["files"]
    ]
    assert head["start"] <= head["end"]
    assert head["server"].startswith("https://127.0.0.1:")
    assert {stat.S_IMODE(p.stat().st_mode) for p in (path, path.with_suffix(".csv"))} == {0o600}
    return told


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.parametrize("distribute", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_host_that_is_away_from_the_start_is_in_the_report(
    fleet: Fleet, tmp_path: pathlib.Path, distribute: bool
) -> None:
    """Ansible drops it when it gathers facts, before the role begins. Its files are wanted all the same."""
    path = tmp_path / "case 17.json"
    away = {"host-1": {"ansible_remote_tmp": "/proc/nowhere"}}
    reports = [str(path), str(path.with_suffix(".csv"))]
    keywords = {"gather_facts": True, "vars": {"ansible_facts_modules": "ansible.builtin.ping"}}
    run = fleet.mail(hosts=away, keywords=keywords, distribute=distribute, report=reports)
    assert run.rc != 0
    told = report(path)
    assert not told["complete"]
    rows = [(row["host"], row["result"]) for row in told["files"]]
    assert len(rows) == (len(PEOPLE) if distribute else len(PEOPLE) * len(NAMES))
    lost = [result for host, result in rows if host == "host-1"]
    assert lost == ["not tried"] * len(lost)
    assert lost
    assert {result for host, result in rows if host != "host-1"} <= {"fetched"}
    assert {row["entity"] for row in told["files"]} == {"Alice Archer", "Bob Baker"}
    assert f"{len(lost)} {'is' if len(lost) == 1 else 'are'} missing: host-1 {len(lost)}." in run.stdout
    assert "not tried, the host failed or was unreachable before" in run.stdout


@pytest.mark.matrix
@pytest.mark.slow
def test_what_cannot_be_prepared_does_not_hold_up_the_rest(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    """The others are fetched, the run fails and reports, nothing is removed; the next run does what is missing."""
    simulator = fleet.simulator
    (bob,) = [entity["guid"] for entity in simulator.entities("users") if entity["email"] == PEOPLE[1]]
    simulator.switch(fail_entities=[bob])
    path = tmp_path / "case 17.json"
    reports = [str(path), str(path.with_suffix(".csv"))]

    broken = fleet.mail(remove=True, report=reports)
    assert broken.rc != 0
    assert "No download is removed from the server" in broken.stdout
    assert "Bob Baker: not prepared, " in broken.stdout
    (alice,) = [download["guid"] for download in simulator.downloads()]
    assert all(len(fleet.files(host)) == 1 for host in NAMES)
    told = report(path)
    assert not told["complete"]
    *fetched, missing = told["files"]
    assert (missing["result"], missing["entity"], missing["entity_guid"]) == ("not prepared", "Bob Baker", bob)
    assert "is FAILED" in missing["reason"]
    assert "2 of 3 files are complete (195 KiB). 1 is missing: not prepared 1." in broken.stdout
    assert f"Bob Baker ({bob}): not prepared, {missing['reason']}" in broken.stdout
    assert [row["host"] for row in fetched] == NAMES
    for row in fetched:
        assert (row["result"], row["reason"], row["guid"], row["entity"]) == (
            "fetched",
            "missing",
            alice,
            "Alice Archer",
        )
        assert {pathlib.Path(row["file"]).name: row["sha256"]} == fleet.files(row["host"])
        assert row["size"] == pathlib.Path(row["file"]).stat().st_size
        assert row["seconds"] > 0
        assert row["backup_time"]

    simulator.switch(fail_entities=[])
    simulator.clear_log()
    mended = fleet.mail(report=reports).ok()
    assert fleet.calls().count("POST /cloud-download") == 1
    assert len(simulator.downloads()) == len(PEOPLE)
    assert all(fleet.files(host) == fleet.expected() for host in NAMES)
    told = report(path)
    assert told["complete"]
    assert sorted((row["entity"], row["result"]) for row in told["files"]) == [
        *[("Alice Archer", "unchanged")] * len(NAMES),
        *[("Bob Baker", "fetched")] * len(NAMES),
    ]
    assert "missing:" not in mended.stdout


@pytest.mark.long
def test_when_nothing_can_be_prepared_the_run_ends_with_the_reason(fleet: Fleet) -> None:
    users = {entity["email"]: entity["guid"] for entity in fleet.simulator.entities("users")}
    fleet.simulator.switch(fail_entities=[users[ALICE[0]]])
    run = fleet.mail(people=ALICE)
    assert run.rc != 0
    failed = [result for result in run.results if result.status == "failed"]
    assert all("Alice Archer" in result.result["msg"] for result in failed)
    assert fleet.simulator.counters()["open_sessions"] == 0
    assert not any(call.startswith("GET /cloud-download/") for call in fleet.calls())


@pytest.mark.smoke
@pytest.mark.long
def test_entry_points(fleet: Fleet) -> None:
    """Prepare, fetch, verify and remove, each by itself."""
    simulator = fleet.simulator
    mail = {"protected_entities": ALICE, "protected_entity_type": "CLOUD_USER"}

    (alice,) = [user["guid"] for user in simulator.entities("users") if user["email"] == ALICE[0]]
    absent = part(fleet, "fetch", **mail)
    assert absent.rc != 0
    assert "Alice Archer: there is no download of it on the server" in absent.output.replace(f" ({alice})", "")
    assert simulator.counters()["writes"] == 0

    part(fleet, "prepare", **mail).ok()
    assert len(simulator.downloads()) == 1
    assert simulator.counters()["content_bytes_sent"] == 0

    simulator.clear_log()
    part(fleet, "fetch", **mail).ok()
    assert simulator.counters()["writes"] == 0
    assert all(fleet.files(host) == fleet.expected() for host in NAMES)

    simulator.clear_log()
    part(fleet, "verify").ok()
    (damaged,) = [path for path in (fleet.directory / "host-2").iterdir() if path.suffix != ".sha256"]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    found = part(fleet, "verify", guids=[simulator.downloads()[0]["guid"]])
    assert {result.host for result in found.results if result.status == "failed"} == {"host-2"}
    assert f"1 of 1 files differ from their checksum files: {damaged} is changed" in found.output
    assert fleet.calls() == []

    part(fleet, "fetch", guids=[simulator.downloads()[0]["guid"]], verify="full").ok()
    assert all(fleet.files(host) == fleet.expected() for host in NAMES)
    part(fleet, "remove", **mail).ok()
    assert simulator.downloads() == []
    assert simulator.counters()["open_sessions"] == 0


@pytest.mark.long
def test_a_report_tells_what_did_not_arrive(fleet_of_three: Fleet, tmp_path: pathlib.Path) -> None:
    simulator = fleet_of_three.simulator
    path = tmp_path / "report.json"
    fleet_of_three.mail(
        people=ALICE,
        report=[str(path), str(path.with_suffix(".csv"))],
        hosts={"host-1": {"ansible_remote_tmp": "/proc/no"}, "host-2": {"fetch_content_dest": "/dev"}},
    )
    told = report(path)
    assert [(row["host"], row["result"]) for row in told["files"]] == [
        ("host-1", "unreachable"), ("host-2", "failed"), ("host-3", "fetched"),
    ]  # fmt: skip
    assert "fetch_content_dest: /dev is a directory of the kernel" in told["files"][1]["reason"]
    assert not told["complete"]
    assert simulator.counters()["open_sessions"] == 0


def test_reports_of_another_kind_or_at_an_unclear_place_are_refused(fleet_of_three: Fleet) -> None:
    reports = {"host-1": "/tmp/report.xml", "host-2": "report.json", "host-3": "/tmp/.json/report"}
    run = fleet_of_three.mail(
        people=ALICE, hosts={host: {"fetch_content_report": [path]} for host, path in reports.items()}
    )
    assert {result.host for result in run.results if result.status == "failed"} == set(reports)
    assert "fetch_content_report takes absolute paths that end with .json, .csv or .html" in run.output
    assert fleet_of_three.calls() == []


def test_each_entry_point_passes_on_what_it_documents() -> None:
    specs = yaml.safe_load((ROOT / "roles" / "fetch_content" / "meta" / "argument_specs.yml").read_text())
    entry_points: dict[str, t.Any] = specs["argument_specs"]
    files = {path.stem for path in (ROOT / "roles" / "fetch_content" / "tasks").glob("*.yml")}
    assert set(entry_points) == files
