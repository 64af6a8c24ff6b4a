# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/awx.md: what it names is there, and images for it can be built. test_awx_configure.py runs its commands."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import yaml

from tests.harness import tree
from tests.support.ansible import Ansible
from tests.support.awx import generated

_GUIDE = (tree.ROOT / "docs" / "awx.md").read_text(encoding="utf-8")


def test_what_the_guide_names_is_there() -> None:
    for path in re.findall(r"\]\(\.\./([^)]+)\)", _GUIDE):
        assert (tree.ROOT / path).exists(), path
    for name in re.findall(r"^\| `([\w./]+)` \|", _GUIDE, re.M):
        assert (tree.ROOT / "extensions" / "awx" / name).exists(), name
    assert len(generated("job_templates.yml")) == 7


def test_the_execution_environment_has_what_the_collection_needs(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    """As ansible-builder reads it from an installed collection."""
    command = [str(ansible.bin / "ansible-builder"), "introspect", str(tree.link())]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    needs = yaml.safe_load(told.partition("---")[2])
    assert needs["python"] == [line for line in needs["python"] if line.startswith("requests>=")]
    assert any("openssh-client" in line for line in needs["system"])


def test_an_image_for_it_can_be_described(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    source = tree.ROOT / "extensions" / "ee" / "execution-environment.yml"
    shutil.copy(source, tmp_path)
    (tmp_path / "storware-backup-1.0.0.tar.gz").touch()
    source = tmp_path / source.name
    command = [str(ansible.bin / "ansible-builder"), "create", "--file", str(source), "--context", str(tmp_path / "c")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "outdated" not in done.stdout + done.stderr
    wanted = yaml.safe_load((tmp_path / "c" / "_build" / "requirements.yml").read_text(encoding="utf-8"))
    (collection,) = wanted["collections"]
    assert (tmp_path / "c" / "_build" / collection["name"]).exists()
