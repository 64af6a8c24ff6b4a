# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that could not take the files is found before the server prepares anything, and does not stop the others."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import tempfile
import typing as t

import pytest

from tests.support.fleet import ALICE, NAMES, ROLE, Fleet
from tests.support.use import root_only

CHECK: t.Final = "Check that files can be created on this host, and reports on the controller"


@pytest.mark.matrix
@pytest.mark.slow
def test_nothing_is_sent_for_files_that_no_host_could_take(fleet_of_three: Fleet) -> None:
    (fleet_of_three.directory / "file").touch()
    run = fleet_of_three.mail(
        people=ALICE,
        report=["/nonexistent/mail.json"],
        via="controller",
        spool="/nonexistent",
        hosts={
            "host-1": {"fetch_content_dest": "/nonexistent/mail"},
            "host-2": {"fetch_content_dest": f"{fleet_of_three.directory}/file"},
            "host-3": {"fetch_content_owner": "storware-nobody", "fetch_content_group": "storware-nobody"},
        },
    )
    assert run.rc == 2
    assert fleet_of_three.calls() == []
    told = {result.host: result.result["msg"] for result in run.of(CHECK) if result.status == "failed"}
    assert told["host-1"].startswith("fetch_content_dest: the directory /nonexistent/mail does not exist")
    assert told["host-2"].startswith(f"fetch_content_dest: {fleet_of_three.directory}/file is no directory")
    for option in ("owner", "group"):
        assert f"fetch_content_{option}: storware-nobody is unknown on this host." in told["host-3"]
    for message in told.values():
        assert "fetch_content_report: the controller has no directory /nonexistent." in message
        assert "fetch_content_spool: /nonexistent is no directory on the controller." in message
        assert message.endswith("[invalid_option]")


@pytest.mark.long
def test_one_host_that_cannot_take_files_does_not_stop_the_others(fleet: Fleet) -> None:
    run = fleet.mail(people=ALICE, hosts={"host-2": {"fetch_content_dest": "/nonexistent"}})
    assert run.rc == 2
    assert [bool(fleet.files(host)) for host in NAMES] == [True, False]
    assert [result.host for result in run.of(CHECK) if result.status == "failed"] == ["host-2"]
    assert "1 of 2 files are complete (97.7 KiB). 1 is missing: host-2 1." in run.stdout
    assert re.search(r"^Alice Archer \(\S+\) on host-2: not tried, ", run.stdout, re.M)
    assert fleet.simulator.counters()["open_sessions"] == 0


def test_check_mode_does_not_need_what_an_earlier_task_would_create(lone_fleet: Fleet) -> None:
    shutil.rmtree(lone_fleet.directory / "host-1")
    create = {"ansible.builtin.file": {"path": "{{ fetch_content_dest }}", "state": "directory"}}
    run = lone_fleet.mail("--check", people=ALICE, owner="storware-nobody", keywords={"pre_tasks": [create]}).ok()
    assert "would be created first" in run.stdout
    assert lone_fleet.simulator.counters()["writes"] == 0


@root_only
@pytest.mark.skipif(shutil.which("su") is None, reason="no su on this machine")
def test_a_directory_of_somebody_else_is_found_before_anything_is_sent(fleet: Fleet) -> None:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        (pathlib.Path(name) / "mail").mkdir()
        (pathlib.Path(name) / "bin").mkdir()
        play = {
            "hosts": "host-1",
            "gather_facts": False,
            "become": True,
            "become_user": "nobody",
            "become_method": "su",
            "vars": {
                "ansible_become_flags": "-s /bin/sh",
                "ansible_remote_tmp": f"{name}/tmp",
                "fetch_content_dest": f"{name}/mail",
                "fetch_content_protected_entities": ALICE,
                "fetch_content_protected_entity_type": "CLOUD_USER",
            },
            "roles": [ROLE],
        }
        run = fleet.ansible.playbook(
            [play],
            inventory=fleet.inventory(),
            variables={"ansible_python_interpreter": "/usr/bin/python3"},
            environment=fleet.credentials(),
        )
    (result,) = run.of(CHECK)
    assert result.result["msg"].startswith("fetch_content_dest: the user of the play may not create files in"), (
        run.output
    )
    assert fleet.calls() == []
