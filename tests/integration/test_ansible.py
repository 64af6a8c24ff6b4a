# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as people use them: real ad-hoc commands and playbooks, credentials from where they belong."""

from __future__ import annotations

import typing as t

import pytest

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.modules import connect, prepare

pytestmark = [pytest.mark.matrix, pytest.mark.newest]

GROUP = "group/storware.backup.storware"
INFO = "storware.backup.cloud_download_info"


def credentials(simulator: Simulator) -> dict[str, str]:
    """What an AWX credential sets in the environment of the controller."""
    return {
        "STORWARE_URL": simulator.url,
        "STORWARE_USERNAME": simulator.username,
        "STORWARE_PASSWORD": simulator.password,
        "STORWARE_CA_PATH": str(simulator.ca_path),
    }


def play(*tasks: dict[str, t.Any], **keywords: t.Any) -> list[dict[str, t.Any]]:
    return [{"hosts": "all", "gather_facts": False, "tasks": list(tasks), **keywords}]


def test_an_ad_hoc_command_with_credentials_from_the_environment(ansible: Ansible, simulator: Simulator) -> None:
    simulator.seed(users=1, downloads=2)
    run = ansible.adhoc(INFO, environment=credentials(simulator)).ok()
    (result,) = run.of(INFO)
    assert len(result.result["cloud_downloads"]) == 2
    assert not result.changed
    assert simulator.counters()["open_sessions"] == 0


def test_the_action_group_sets_the_connection_once_for_all_modules(ansible: Ansible, simulator: Simulator) -> None:
    tasks: list[dict[str, t.Any]] = [
        {INFO: {}},
        {"storware.backup.cloud_download": {"guid": ["f8f73bf9-2445-4bce-a7dd-753be3b40a67"], "state": "absent"}},
    ]
    run = ansible.playbook(play(*tasks, module_defaults={GROUP: connect(simulator)})).ok()
    assert not any(result.changed for result in run.results)
    assert simulator.counters()["logins"] == 2


def test_what_a_task_says_beats_the_environment(ansible: Ansible, simulator: Simulator) -> None:
    wrong = {**credentials(simulator), "STORWARE_URL": "https://wrong.invalid", "STORWARE_TOKEN": "wrong"}
    ansible.playbook(play({INFO: connect(simulator)}), environment=wrong).ok()
    assert simulator.counters()["logins"] == 1


@pytest.mark.fault("U8")
def test_asynchronous_tasks_work(ansible: Ansible, simulator: Simulator) -> None:
    task = {INFO: connect(simulator), "async": 60, "poll": 1}
    # Ansible looks for the job in the home of the passwd file, and writes it to that of the environment.
    jobs = {"ANSIBLE_ASYNC_DIR": str(ansible.home / "jobs")}
    (result,) = ansible.playbook(play(task), environment=jobs).ok().of(INFO)
    assert result.result["cloud_downloads"] == []


@pytest.mark.fault("U11")
def test_check_and_diff_mode_show_the_plan_and_send_nothing(ansible: Ansible, simulator: Simulator) -> None:
    task = {"storware.backup.cloud_download": prepare(simulator, "alice@example.com")}
    run = ansible.playbook(play(task), "--check", "--diff").ok()
    assert run.results[0].changed
    assert "+" in run.stdout
    assert "Alice Archer" in run.stdout
    assert simulator.counters()["writes"] == 0


@pytest.mark.fault("S1", "S4")
def test_no_secret_is_shown_at_any_verbosity(ansible: Ansible, simulator: Simulator) -> None:
    password = "through the looking-glass & back"
    tasks = [
        {INFO: {**connect(simulator), "password": password}, "ignore_errors": True},
        {INFO: {**connect(simulator), "url": f"https://admin:{password}@127.0.0.1"}, "ignore_errors": True},
        {INFO: {**connect(simulator), "mode": "WRONG"}, "ignore_errors": True},
    ]
    run = ansible.playbook(play(*tasks), "-vvvv", "--diff", variables={}).ok()
    assert [result.status for result in run.results].count("failed") == 3
    module_output = "\n".join(line for line in run.output.splitlines() if "looking" in line)
    assert "looking-glass" not in module_output, module_output
    cookies = [r["headers"].get("cookie", "") for r in simulator.requests()]
    assert not any(cookie.partition("=")[2] in run.output for cookie in cookies if cookie)


@pytest.mark.fault("U10")
def test_a_missing_requests_library_is_named(ansible: Ansible, simulator: Simulator) -> None:
    # An empty directory named requests shadows the library on the module's path.
    shadow = ansible.home / "shadow"
    shadow.mkdir()
    (shadow / "requests.py").write_text("raise ImportError('No module named requests')\n")
    task = {INFO: connect(simulator), "environment": {"PYTHONPATH": str(shadow)}}
    run = ansible.playbook(play(task))
    assert run.rc != 0
    assert "requests" in run.results[0].result["msg"]
    assert simulator.requests() == []
