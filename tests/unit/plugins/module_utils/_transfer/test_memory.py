# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a file takes that is larger than it."""

from __future__ import annotations

import json
import pathlib
import subprocess

from tests.faults.script_server import Repeat, head, scripted
from tests.unit.plugins.module_utils._transfer.fetching import program
from tests.unit.plugins.module_utils._transfer.material import noise

MIB = 2**20


def test_a_large_file_passes_through_little_memory(tmp_path: pathlib.Path) -> None:
    with scripted([head(f"Content-Length: {256 * MIB}"), Repeat(noise(MIB), 256)]) as server:
        command, environment = program(server.url(), tmp_path / "x")
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
    result = json.loads(done.stdout)
    assert result["size"] == (tmp_path / "x").stat().st_size == 256 * MIB
    assert result["peak"] < 60  # MiB; the whole module, Ansible included, has 80
