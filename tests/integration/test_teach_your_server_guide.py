# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/teach-your-server.md: its profile makes its body, its blocks are run, and its table has all keys."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils import _profile
from tests.harness import tree
from tests.simulator import profiles
from tests.simulator.process import Simulator
from tests.support import marks
from tests.support.ansible import Ansible

Json = t.Any

_PAGE = (tree.ROOT / "docs" / "teach-your-server.md").read_text(encoding="utf-8")
_BLOCKS = {block.name: block.text for block in marks.blocks(_PAGE)}
_ENTITY, _BACKUP = "4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65", "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"


class Reader:
    """Somebody who does what the page says, with a server that has the body of the example."""

    def __init__(self, ansible: Ansible, simulator: Simulator, directory: pathlib.Path) -> None:
        self._ansible = ansible
        self._simulator = simulator
        self._directory = directory
        simulator.reset(
            **profiles.switch_values(yaml.safe_load(_BLOCKS["profile.yml"])), queue_seconds=0, run_seconds=0
        )

    def write(self, name: str) -> None:
        """Write a block that is a file."""
        text = _BLOCKS[name].replace("/srv/restore", str(self._directory))
        (self._directory / name).write_text(text, encoding="utf-8")

    def run(self, *commands: str) -> str:
        """Run commands in the reader's directory. The hosts are this machine."""
        environment = self._ansible.environment(
            ANSIBLE_TRANSPORT="local",
            ANSIBLE_PYTHON_INTERPRETER=self._ansible.python,
            STORWARE_URL=self._simulator.url,
            STORWARE_TOKEN=self._simulator.token,
            STORWARE_CA_PATH=str(self._simulator.ca_path),
        )
        done = subprocess.run(
            ["bash", "-euc", "\n".join(commands)],
            cwd=self._directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def reader(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Reader:
    return Reader(ansible, simulator, tmp_path)


def test_the_profile_makes_the_body_that_was_found(reader: Reader, simulator: Simulator) -> None:
    reader.write("profile.yml")
    reader.run(_BLOCKS["create"])
    (sent,) = [
        request["body"] for request in simulator.requests() if request["path"] == "/cloud-download" and request["body"]
    ]
    (made,) = simulator.downloads()
    backup = made["backup"]
    found = _BLOCKS["found.json"].replace(_ENTITY, backup["protectedEntity"]["guid"]).replace(_BACKUP, backup["guid"])
    assert sent == json.loads(found)


@pytest.mark.slow
@pytest.mark.long
def test_the_steps_of_the_page(reader: Reader, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    reader.run(_BLOCKS["check"])
    assert yaml.safe_load((tmp_path / "profile.yml").read_text(encoding="utf-8")) == {}
    assert simulator.counters()["writes"] == 0

    reader.write("profile.yml")
    tried = reader.run(_BLOCKS["trial"])
    assert "the body of the profile created a download" in tried
    assert simulator.downloads() == []

    reader.write("play.yml")
    (tmp_path / "inventory.ini").write_text("[fileservers]\nfiles-1\n", encoding="utf-8")
    reader.run("ansible-playbook -i inventory.ini play.yml")
    assert list(tmp_path.glob("alice@example.com*.zip"))
    assert "create_body" in reader.run(_BLOCKS["report"])


def test_the_table_has_every_key_with_its_default() -> None:
    document: Json = {}
    for key, default in re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", _PAGE, re.M):
        section, _dot, name = key.partition(".")
        value = yaml.safe_load(default)
        if name:
            document.setdefault(section, {})[name] = value
        else:
            document[section] = value
    assert _profile.parse(document) == _profile.Profile()
    known = {name: set(keys) if isinstance(keys, dict) else None for name, keys in _profile._SECTIONS.items()}
    assert {name: set(keys) if isinstance(keys, dict) else None for name, keys in document.items()} == known


def test_the_table_of_placeholders_has_all_of_them() -> None:
    rows = "".join(re.findall(r"^ +\| .* \|$", _PAGE, re.M))
    assert set(re.findall(r"`\$(\w+)`", rows)) == set(_profile.CREATE_NAMES)
