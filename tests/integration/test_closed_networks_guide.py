# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/closed-networks.md: its plays are run where a proxy is set that leads nowhere."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support import marks
from tests.support.ansible import Ansible

_GUIDE = (tree.ROOT / "docs" / "closed-networks.md").read_text(encoding="utf-8")
_FILES = {block.name or "": block.text for block in marks.blocks(_GUIDE) if block.how == "file"}
_AUTHORITY = "/srv/trust/company-authority.pem"


def test_both_plays_are_found() -> None:
    assert set(_FILES) == {"closed-direct.yml", "closed-controller.yml"}


_GATE = "closed-controller.yml"  # the same play as the other one, and the controller between


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == _GATE else pytest.mark.long) for name in _FILES]
)
def test_the_plays_bring_the_files(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, name: str) -> None:
    simulator.switch(queue_seconds=0, run_seconds=0)
    for directory in ("restore", "spool", "trust"):
        (tmp_path / directory).mkdir()
    authority = tmp_path / "trust" / "authority.pem"
    text = _FILES[name].replace(f"src: {_AUTHORITY}", f"src: {simulator.ca_path}").replace(_AUTHORITY, str(authority))
    for example, real in {
        "https://backup.example.com:8181": simulator.url,
        "/srv/restore": str(tmp_path / "restore"),
        "/srv/spool": str(tmp_path / "spool"),
    }.items():
        text = text.replace(example, real)
    assert simulator.ca_path is not None
    if "src:" not in text:  # an administrator has brought the certificate already
        shutil.copy(simulator.ca_path, authority)
    play = tmp_path / name
    play.write_text(text, encoding="utf-8")
    inventory = tmp_path / "inventory.ini"
    inventory.write_text("[fileservers]\nfiles-1 ansible_connection=local\n", encoding="utf-8")
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "REQUESTS_CA_BUNDLE": "/nowhere"}
    login = {"STORWARE_USERNAME": simulator.username, "STORWARE_PASSWORD": simulator.password}
    ansible.playbook(play, inventory=inventory, environment={**nowhere, **login}).ok()
    (content,) = [path for path in (tmp_path / "restore").iterdir() if path.suffix != ".sha256"]
    assert content.name.startswith("alice@example.com")
    assert bool(list((tmp_path / "spool").iterdir())) == ("controller" in name)
    assert simulator.counters()["open_sessions"] == 0
