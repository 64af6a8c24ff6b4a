# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of terminals in the documentation show what the same runs print today."""

from __future__ import annotations

import pathlib

import pytest

from tests.simulator.process import Simulator
from tests.support import recordings
from tests.support.ansible import Ansible


@pytest.mark.long
@pytest.mark.parametrize("name", recordings.RUNS)
def test_a_picture_shows_the_run(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, name: str) -> None:
    """Otherwise: ``make bench ARGS=pictures`` draws all of them."""
    output = recordings.RUNS[name](ansible, simulator, tmp_path)
    assert recordings.path_of(name).read_text(encoding="utf-8") == recordings.draw(output, name), output
