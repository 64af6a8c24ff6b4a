# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulator for all contract tests, fresh and with a stopped clock for each of them."""

from __future__ import annotations

import typing as t

import pytest

from tests.contract.client import Client
from tests.simulator.process import Simulator


@pytest.fixture(scope="session")
def running() -> t.Iterator[Simulator]:
    """The process, validating every exchange."""
    with Simulator.start(speed=0) as sim:
        yield sim


@pytest.fixture
def sim(running: Simulator) -> t.Iterator[Simulator]:
    """The simulator as new. Its time goes only by steps, so that no test depends on how fast the machine is."""
    running.reset()
    yield running
    assert running.violations()["response"] == []


@pytest.fixture
def client(sim: Simulator) -> Client:
    """A client with an open session."""
    return Client(sim)
