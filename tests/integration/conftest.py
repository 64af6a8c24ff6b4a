# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several integration tests share."""

from __future__ import annotations

import pathlib

import pytest

from tests.harness.ansible import Ansible
from tests.harness.fleet import Fleet
from tests.simulator.process import Simulator


@pytest.fixture
def fleet(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Fleet:
    simulator.switch(content_size=100_000)
    return Fleet(ansible, simulator, tmp_path)
