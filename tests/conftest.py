# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test gets: the collection importable under its real name, a simulator, and real Ansible programs."""

from __future__ import annotations

import pathlib
import signal
import typing as t

import hypothesis
import pytest

from tests.harness import tree

tree.make_importable()

from tests.simulator.process import Simulator  # noqa: E402
from tests.support.ansible import Ansible  # noqa: E402
from tests.support.audit.plugin import audited, begin, end  # noqa: E402
from tests.support.fault_ids import FAULTS  # noqa: E402

__all__ = ["audited"]  # a fixture for all tests

# The same examples everywhere, however busy the machine is: what fails here fails for everybody
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")


MARKERS: t.Final = (
    "matrix: runs real Ansible programs; repeated with other ansible-cores",
    "bad_requests: sends what the server's specification forbids, on purpose",
    "fault(id, ...): shows how these faults of tests/support/fault_ids.py end",
    "slow: takes more than a few seconds; left out by the session quick",
    "long: left out by the gate; sessions of make test-all run it",
    "newest: of these, the gate repeats it with the newest ansible-core, and not with the oldest alone",
    "smoke: one for each module, role entry point and playbook, for the session quick",
)


_LONGEST_ID: t.Final = 200  # characters


def pytest_configure(config: pytest.Config) -> None:
    """Here and not in pyproject.toml, which ansible-test does not read."""
    begin()
    # A shell lets what runs in the background ignore Ctrl-C, and so would the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_unconfigure() -> None:
    end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that names a fault nobody knows shows nothing."""
    named = {(item.nodeid, fault) for item in items for mark in item.iter_markers("fault") for fault in mark.args}
    if unknown := sorted(f"{nodeid}: {fault}" for nodeid, fault in named if fault not in FAULTS):
        raise pytest.UsageError(f"no such fault in tests/support/fault_ids.py: {', '.join(unknown)}")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Short names: whole contents of files would go to each worker and into the report."""
    return f"{type(val).__name__} of {len(val)}" if isinstance(val, (bytes, str)) and len(val) > _LONGEST_ID else None


@pytest.fixture(scope="session")
def simulator_process() -> t.Iterator[Simulator]:
    """One simulator a test process, on free ports; 50 simulated seconds pass in a real one. Tests use `simulator`."""
    with Simulator.start(speed=50) as running:
        yield running


@pytest.fixture
def simulator(request: pytest.FixtureRequest, simulator_process: Simulator) -> t.Iterator[Simulator]:
    """The simulator as freshly started. Every exchange must have followed the specification.

    A test that sends bad requests on purpose is marked `bad_requests`.
    """
    simulator_process.reset()
    yield simulator_process
    violations = simulator_process.violations()
    assert not violations["response"], violations["response"]
    if request.node.get_closest_marker("bad_requests") is None:
        assert not violations["request"], violations["request"]


@pytest.fixture
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """The Ansible programs, in a clean environment with a home of their own."""
    return Ansible(pathlib.Path(tmp_path_factory.mktemp("ansible")))
