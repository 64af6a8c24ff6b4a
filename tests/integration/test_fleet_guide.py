# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/fleet.md: its playbook distributes mailboxes over its four hosts. make fleet does so with 300 of them."""

from __future__ import annotations

import csv
import pathlib
import shlex

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support import marks
from tests.support.ansible import Ansible
from tests.support.fleet import Fleet

_BLOCKS = {
    block.name: block.text for block in marks.blocks((tree.ROOT / "docs" / "fleet.md").read_text(encoding="utf-8"))
}


def test_the_playbook_of_the_guide_distributes_mailboxes(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    simulator.switch(queue_seconds=0, run_seconds=0, content_size=10_000)
    hosts = [line for line in (_BLOCKS["inventory.ini"] or "").splitlines() if line.startswith("files-")]
    fleet = Fleet(ansible, simulator, tmp_path, names=hosts)
    simulator.seed(users=6)
    people = [user["email"] for user in simulator.entities("users") if user["email"].startswith("user-")]
    (tmp_path / "reports").mkdir()
    (tmp_path / "mailboxes.txt").write_text("\n".join(people), encoding="utf-8")
    play = _BLOCKS["legal-case.yml"].replace("/srv/reports", str(tmp_path / "reports"))
    play = play.replace("/srv/restore", f"{tmp_path}/{{{{ inventory_hostname }}}}")
    (tmp_path / "legal-case.yml").write_text(play, encoding="utf-8")
    (tmp_path / "inventory.ini").write_text(_BLOCKS["inventory.ini"], encoding="utf-8")
    command = shlex.split(_BLOCKS["legal-case"].splitlines()[-1])
    assert command[:2] == ["ansible-playbook", "-i"]
    ansible.playbook(tmp_path / command[3], inventory=tmp_path / command[2], environment=fleet.credentials()).ok()
    fetched = [name for host in hosts for name in fleet.files(host)]
    assert len(people) == 6
    assert sorted(name.split("-2")[0] for name in fetched) == sorted(people)
    assert all(fleet.files(host) for host in hosts)
    with (tmp_path / "reports" / "case-17.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
