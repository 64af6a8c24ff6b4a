# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several integration tests share."""

from __future__ import annotations

import pathlib

import pytest

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.fleet import NAMES, THREE, Fleet
from tests.support.neighbour import Neighbour
from tests.support.use import MIB


@pytest.fixture
def fleet(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Fleet:
    simulator.switch(content_size=100_000)
    return Fleet(ansible, simulator, tmp_path)


@pytest.fixture
def lone_fleet(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Fleet:
    """For what one host shows."""
    simulator.switch(content_size=100_000)
    return Fleet(ansible, simulator, tmp_path, NAMES[:1])


@pytest.fixture
def fleet_of_three(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Fleet:
    """For what two hosts cannot show."""
    simulator.switch(content_size=100_000)
    return Fleet(ansible, simulator, tmp_path, THREE)


@pytest.fixture
def guid(simulator: Simulator) -> str:
    """A download that is ready; nothing has been asked yet."""
    made = simulator.seed(users=1, downloads=1)[0]
    simulator.clear_log()
    return made


@pytest.fixture
def large(simulator: Simulator) -> str:
    """One that takes three seconds with the rate SLOWLY."""
    made = simulator.seed(users=1, downloads=1, content_size=12 * MIB)[0]
    simulator.clear_log()
    return made


@pytest.fixture
def neighbour(tmp_path: pathlib.Path) -> Neighbour:
    (tmp_path / "bin").mkdir()
    return Neighbour(tmp_path / "bin")


@pytest.fixture
def here(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory for files."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"
