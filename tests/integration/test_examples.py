# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example in the documentation of a module is run, as it stands, against the simulator."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from tests.harness import tree
from tests.harness.ansible import Ansible
from tests.simulator.process import Simulator

MODULES = sorted(path.stem for path in (tree.ROOT / "plugins" / "modules").glob("*.py"))


def _examples(module: str) -> list[dict[str, t.Any]]:
    source = (tree.ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    text = source.partition('EXAMPLES = r"""')[2].partition('"""')[0]
    return t.cast("list[dict[str, t.Any]]", yaml.safe_load(text))


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_run(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, module: str) -> None:
    # The server's answers come at once: an example looks at it in human intervals.
    simulator.switch(queue_seconds=0, run_seconds=0, delete_seconds=0)
    guids = simulator.seed(downloads=2, entity="alice@example.com")
    text = yaml.safe_dump(_examples(module), sort_keys=False)
    for shown, real in {
        "https://backup.example.com:8181": simulator.url,
        "username: ansible": f"username: {simulator.username}",
        "f8f73bf9-2445-4bce-a7dd-753be3b40a67": guids[0],
        "/srv/restore": str(tmp_path),
    }.items():
        text = text.replace(shown, real)
    plays = [{"hosts": "all", "gather_facts": False, "tasks": yaml.safe_load(text)}]
    run = ansible.playbook(
        plays,
        variables={"storware_password": simulator.password, "guid": guids[1]},
        environment={
            "STORWARE_URL": simulator.url,
            "STORWARE_CA_PATH": str(simulator.ca_path),
            "STORWARE_USERNAME": simulator.username,
            "STORWARE_PASSWORD": simulator.password,
        },
    ).ok()
    assert len([result for result in run.results if not result.item]) == len(_examples(module))
