# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example in the documentation of a module is run, as it stands, against the simulator."""

from __future__ import annotations

import grp
import os
import pathlib
import pwd
import typing as t

import pytest
import yaml

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.modules import connect, run_module
from tests.support.neighbour import Neighbour

MODULES = sorted(path.stem for path in (tree.ROOT / "plugins" / "modules").glob("*.py"))


def _examples(module: str) -> list[dict[str, t.Any]]:
    source = (tree.ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    text = source.partition('EXAMPLES = r"""')[2].partition('"""')[0]
    return t.cast("list[dict[str, t.Any]]", yaml.safe_load(text))


def _tasks(entries: list[dict[str, t.Any]]) -> t.Iterator[str]:
    """The names of tasks, those in blocks included."""
    for entry in entries:
        if "block" in entry:
            yield from _tasks(entry["block"] + entry.get("always", []))
        else:
            yield entry["name"]


def _trust(value: t.Any, simulator: Simulator) -> None:
    """Name the simulator's authority beside each url: the one of an environment belongs to the URL of it."""
    if isinstance(value, dict) and value.get("url") == simulator.url:
        value["ca_path"] = str(simulator.ca_path)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _trust(item, simulator)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_run(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, module: str) -> None:
    # The server's answers come at once: an example looks at it in human intervals.
    simulator.switch(queue_seconds=0, run_seconds=0, delete_seconds=0)
    (pst,) = simulator.seed(downloads=1, entity="alice@example.com", mode="CLOUD_PST_DOWNLOAD")
    (zipped,) = simulator.seed(downloads=1, entity="bob@example.com")
    text = yaml.safe_dump(_examples(module), sort_keys=False)
    for shown, real in {
        "https://backup.example.com:8181": simulator.url,
        "username: ansible": f"username: {simulator.username}",
        "f8f73bf9-2445-4bce-a7dd-753be3b40a67": pst,
        "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11": zipped,
        "/srv/restore": str(tmp_path),
        "/srv/spool": str(tmp_path / "spool"),
        "owner: restore": f"owner: {pwd.getpwuid(os.getuid()).pw_name}",
        "group: helpdesk": f"group: {grp.getgrgid(os.getgid()).gr_name}",
        "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae": simulator.content(pst)["sha256"],
    }.items():
        text = text.replace(shown, real)
    prepared = {"cloud_downloads": [{"guid": zipped, "protected_entity": {"name": "Bob Baker"}}]}
    tasks = yaml.safe_load(text)
    _trust(tasks, simulator)
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    variables: dict[str, t.Any] = {"storware_password": simulator.password, "restore_directory": str(tmp_path)}
    if module in ("cloud_download_content_info", "cloud_download_retention"):
        run_module("cloud_download_content", connect(simulator, guid=pst, dest=str(tmp_path)))
    (tmp_path / "spool").mkdir()
    (tmp_path / "bin").mkdir()
    if module == "cloud_download_copy":
        Neighbour(tmp_path / "bin")  # in the place of ssh
        run_module("cloud_download_content", connect(simulator, guid=[pst, zipped], dest=str(tmp_path)))
    if module == "cloud_download_content":
        variables["prepared"] = prepared  # what the example of cloud_download registers
    run = ansible.playbook(
        plays,
        variables=variables,
        environment={
            "STORWARE_URL": simulator.url,
            "STORWARE_CA_PATH": str(simulator.ca_path),
            "STORWARE_USERNAME": simulator.username,
            "STORWARE_PASSWORD": simulator.password,
            "PATH": f"{tmp_path}/bin:{ansible.environment()['PATH']}",
        },
    ).ok()
    assert [result.task for result in run.results if not result.item] == list(_tasks(_examples(module)))
    assert simulator.counters()["open_sessions"] == 0
