# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/settings.md: its command is run."""

from __future__ import annotations

import shlex

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support import marks
from tests.support.ansible import Ansible


def test_a_name_with_a_comma_is_one_name(ansible: Ansible, simulator: Simulator) -> None:
    (block,) = marks.blocks((tree.ROOT / "docs" / "settings.md").read_text(encoding="utf-8"))
    program, *arguments = shlex.split(block.text)
    login = {
        "STORWARE_URL": simulator.url,
        "STORWARE_CA_PATH": str(simulator.ca_path),
        "STORWARE_TOKEN": simulator.token,
    }
    run = ansible.run(program, *arguments, environment={**login, "ANSIBLE_PYTHON_INTERPRETER": ansible.python})
    assert "is called 'Sales, Marketing'" in run.output
    assert "'Sales'" not in run.output
