# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts, the server they can reach, and the role."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from tests.lab.fleet import NAMES, Fleet
from tests.lab.network import CONTROLLER, VARIABLE, Network
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.use import skip_without


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside of namespaces of their own the tests would change this machine's network."""
    skip_without(VARIABLE, pathlib.Path(__file__).parent, items, "needs namespaces of its own: make fleet-tests")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("lab") / "lab", NAMES)
    yield made
    made.close()


@pytest.fixture(scope="session")
def simulator_process(network: Network) -> t.Iterator[Simulator]:
    """In the place of the one of other tests: where hosts can reach it."""
    with Simulator.start(speed=50, address=CONTROLLER) as running:
        yield running


@pytest.fixture
def fleet(ansible: Ansible, simulator: Simulator, network: Network) -> t.Iterator[Fleet]:
    simulator.switch(content_size=100_000)
    made = Fleet(ansible, simulator, network)
    yield made
    made.clean()
