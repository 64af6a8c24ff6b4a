# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role used several times in a run, and in a block with a rescue: no use believes the state of another one."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.action import fetch_report
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.plugin_utils import _report, _report_rows, _role_options
from ansible_collections.storware.backup.plugins.plugin_utils._play import Play
from tests.support.fleet import ALICE, PEOPLE, ROLE, Fleet, Json

# --- The report ---

NEW, OLD = (
    {"guid": "g-new", "protected_entity": {}, "backup": {}},
    {"guid": "g-old", "protected_entity": {}, "backup": {}},
)


def state(use: str, *downloads: Json, failures: t.Sequence[Json] = (), request: str = "r") -> Json:
    """The state of a host that asked for these downloads and has fetched them."""
    planned = [{**download, "download": download["guid"], "held": None} for download in downloads]
    return {
        "_fetch_content_options": {"use": use, "request_id": request},
        "_fetch_content_wanted": {"records": list(downloads)},
        "_fetch_content_prepared": {"cloud_downloads": list(downloads), "failures": list(failures)},
        "_fetch_content_transfers": {"downloads": planned, "fetch": list(downloads), "from_server": True},
        "_fetch_content_fetched": {
            "files": [{"guid": download["guid"], "reason": "missing", "path": "/srv/f"} for download in downloads]
        },
    }


def rows(hosts: dict[str, Json], *, alive: t.Sequence[str]) -> list[tuple[str, str, str]]:
    """Host, GUID or entity, and result of each row that the last of these hosts reports."""
    reporter = list(hosts)[-1]
    use = hosts[reporter]["_fetch_content_options"]["use"]
    known = {host: own["_fetch_content_options"] for host, own in hosts.items() if own}
    requests = {host: options["request_id"] for host, options in known.items() if options["use"] == use}
    variables = {host: dict(own) for host, own in hosts.items()}
    for host, own in variables.items():
        own["_fetch_content_asker"] = host
    variables[reporter]["_fetch_content_common"] = {"requests": requests}
    found = _report_rows.build_rows(Play(list(hosts), alive, reporter, variables))
    return [(row["host"], row["guid"] or row["entity"], row["result"]) for row in found]


def test_files_of_an_earlier_use_are_none_of_this_one() -> None:
    """A host was lost between two uses of the role: its old files would make the new report complete."""
    hosts = {"lost": state("first", OLD), "good": state("second", NEW)}
    assert rows(hosts, alive=["good"]) == [("good", "g-new", "fetched"), ("lost", "g-new", "not tried")]


def test_a_host_that_is_alive_and_not_in_this_use_has_no_row() -> None:
    hosts = {"other": state("first", OLD), "good": state("second", NEW)}
    assert rows(hosts, alive=["other", "good"]) == [("good", "g-new", "fetched")]


def test_with_serial_the_report_has_what_an_earlier_batch_could_not_prepare() -> None:
    """Once, also when each batch has failed to prepare it."""
    failure = {"name": "Bob Baker", "protected_entity": None, "reason": "no backup"}
    hosts = {"before": state("one", OLD, failures=[failure]), "now": state("one", NEW, request="other")}
    expected = [("now", "g-new", "fetched"), ("before", "g-old", "fetched"), (None, "Bob Baker", "not prepared")]
    assert rows(hosts, alive=["before", "now"]) == expected
    hosts["now"]["_fetch_content_prepared"]["failures"] = [failure]
    assert rows(hosts, alive=["before", "now"]) == expected


def test_a_report_that_cannot_be_written_stops_no_other(tmp_path: pathlib.Path) -> None:
    paths = [f"{tmp_path}/missing/report.json", f"{tmp_path}/report.json"]
    (error,) = fetch_report._write_all(paths, _report.Report("", "", "", "", []), dry_run=False)
    assert "missing/report.json" in str(error)
    assert json.loads((tmp_path / "report.json").read_text())["complete"] is True


# --- State that is set elsewhere ---

STATE = {"_fetch_content_session": "reset 1", "_fetch_content_before": {"downloads": [], "files": []}}
RESULTS = {"fetch_content_downloads": "reset 2", "fetch_content_files": "reset 3"}


def variables(**changes: Json) -> dict[str, Json]:
    """The variables of a task after the reset, with these extra ones over them."""
    reset = {**STATE, **RESULTS, "_fetch_content_results": "reset 4"}
    restored = {**reset, "_fetch_content_results": RESULTS, "fetch_content_downloads": [], "fetch_content_files": []}
    return {**restored, "_fetch_content_reset": {"ansible_facts": reset}, **changes}


def test_state_of_the_role_itself_is_accepted() -> None:
    _role_options.refuse_state_set_elsewhere(variables(), lockstep=True)


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        ({"_fetch_content_step": "remove_as_ordered"}, "_fetch_content_step"),
        # A value that another name of the state has.
        ({"_fetch_content_session": {"downloads": [], "files": []}}, "_fetch_content_session"),
        # As it is read back: the restored value is no longer the one of the reset.
        ({"_fetch_content_results": {**RESULTS, "fetch_content_files": ["f"]}}, "fetch_content_files"),
        ({"_fetch_content_results": {}}, "fetch_content_downloads"),
        ({"_fetch_content_reset": {}}, "_fetch_content_session"),
    ],
)
def test_state_that_is_set_elsewhere_is_refused(planted: Json, named: str) -> None:
    with pytest.raises(StorwareError, match=f"because {named}\\b.* is set elsewhere"):
        _role_options.refuse_state_set_elsewhere(variables(**planted), lockstep=True)


# --- Real plays ---

ENTITIES = {"fetch_content_protected_entities": ALICE, "fetch_content_protected_entity_type": "CLOUD_USER"}


@pytest.mark.slow
def test_a_rescued_host_takes_nothing_from_the_others(fleet_of_three: Fleet) -> None:
    """The first host cannot take files, the last one has a wrong option. Options are made of another host's results."""
    fleet = fleet_of_three
    first, good, last = fleet.names
    (fleet.directory / first).rmdir()
    use = {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "prepare"}, "vars": ENTITIES}
    guids = f"{{{{ hostvars['{good}'].fetch_content_downloads | map(attribute='guid') }}}}"
    again = {
        "block": [
            {
                "ansible.builtin.include_role": {"name": ROLE, "tasks_from": "fetch", "rolespec_validate": False},
                "vars": {"fetch_content_guids": guids, "fetch_content_verify": "{{ wrong | default('full') }}"},
            }
        ],
        "rescue": [{"name": "Rescue", "ansible.builtin.debug": {"var": "fetch_content_downloads"}}],
    }
    run = fleet.run(hosts={last: {"wrong": "at all"}}, keywords={"roles": [], "tasks": [use, again]}).ok()
    assert fleet.files(good) == fleet.expected()
    assert {result.host for result in run.of("Rescue")} == {first, last}
    # The results of the use before, which a host that is refused keeps.
    assert all(len(result.result["fetch_content_downloads"]) == 1 for result in run.of("Rescue"))
    assert fleet.simulator.counters()["open_sessions"] == 0


@pytest.mark.slow
def test_a_host_that_is_lost_before_its_files_are_known(lone_fleet: Fleet) -> None:
    (host,) = lone_fleet.names
    include = {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "fetch"}}
    run = lone_fleet.run(
        hosts={host: {"ansible_remote_tmp": "/proc/nowhere"}},
        keywords={"roles": [], "tasks": [include]},
        guids=["5f1cbf5e-7fd2-4c4c-b66a-a2f3e5a1c001"],
        remove=True,
    )
    assert run.rc != 0
    assert [result.result["error"]["code"] for result in run.results if result.status == "failed"] == ["unreachable"]
    assert lone_fleet.simulator.counters()["open_sessions"] == 0


@pytest.mark.long
@pytest.mark.parametrize("way", ["import", "loop"])
def test_a_report_after_an_earlier_use(fleet: Fleet, tmp_path: pathlib.Path, way: str) -> None:
    """One host has what the first use was for, is lost, and gets nothing of the second one."""
    good, bad = fleet.names
    report = tmp_path / "report.json"
    use = {
        "ansible.builtin.include_role": {"name": ROLE},
        "vars": {
            "fetch_content_protected_entities": ["{{ person }}"],
            "fetch_content_protected_entity_type": "CLOUD_USER",
            "fetch_content_report": [str(report)],
        },
    }
    lose = {"ansible.builtin.fail": {}, "when": f"inventory_hostname == '{bad}'"}
    tasks = tmp_path / "tasks.yml"
    tasks.write_text(json.dumps([use, lose]))
    play = {"hosts": "all", "gather_facts": False}
    if way == "import":
        playbook = tmp_path / "use.yml"
        playbook.write_text(json.dumps([{**play, "tasks": [use, lose]}]))
        plays: Json = [{"import_playbook": str(playbook), "vars": {"person": person}} for person in PEOPLE]
    else:
        loop = {"ansible.builtin.include_tasks": str(tasks), "loop": PEOPLE, "loop_control": {"loop_var": "person"}}
        plays = [{**play, "tasks": [loop]}]
    fleet.ansible.playbook(
        plays,
        inventory=fleet.inventory(),
        variables={"fetch_content_wait_interval": 0.1},
        environment=fleet.credentials(),
    )
    found = json.loads(report.read_text())
    assert found["complete"] is False
    assert [(row["host"], row["entity"], row["result"]) for row in found["files"]] == [
        (good, "Bob Baker", "fetched"),
        (bad, "Bob Baker", "not tried"),
    ]
    assert fleet.simulator.counters()["open_sessions"] == 0
