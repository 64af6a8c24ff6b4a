# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's session is closed, too, when ansible-playbook is interrupted, cancelled or killed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _session_guard
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.process import ProcessIdentity
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.fleet import ALICE, Fleet
from tests.support.modules import connect, run_module, start_module
from tests.support.use import MIB, SLOWLY, Json, calls, finished, meanwhile, wait_until

# What has happened when the signal comes.
MOMENTS: dict[str, t.Callable[[Fleet], object]] = {
    "logged in": lambda fleet: fleet.simulator.counters()["logins"],
    "waiting": lambda fleet: calls(fleet.simulator).get("GET /tasks", 0) > 2,
    "transfer": lambda fleet: any(fleet.directory.glob("*/.*.part")),
}


@pytest.fixture(autouse=True)
def nothing_goes_on(ansible: Ansible) -> t.Iterator[None]:
    """End what goes on without its controller, such as work in the background: it would log in again."""
    yield
    for environ in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"HOME={ansible.home}\0".encode() in environ.read_bytes():
                os.kill(int(environ.parent.name), signal.SIGKILL)


def _interrupt(fleet: Fleet, number: signal.Signals, everybody: bool) -> None:
    process = fleet.ansible.process
    assert process
    if everybody:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def _run_until(fleet: Fleet, moment: str, number: signal.Signals, *, everybody: bool = True, **settings: Json) -> None:
    """Apply the role, and send the signal at this moment. everybody: to the process group, as a terminal does it."""
    simulator = fleet.simulator
    simulator.switch(content_size=12 * MIB)
    slowly: dict[str, Json] = {"people": ALICE, "max_rate": SLOWLY, "progress_interval": 1}
    if moment == "waiting":
        simulator.switch(run_seconds=1000)
    with meanwhile(lambda: MOMENTS[moment](fleet), lambda: _interrupt(fleet, number, everybody)):
        run = fleet.mail(**slowly, **settings)
    assert run.rc != 0


@pytest.mark.fault("P4")
@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", ["transfer", *(pytest.param(moment, marks=pytest.mark.long) for moment in ("logged in", "waiting"))]
)
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_ctrl_c_leaves_no_session(lone_fleet: Fleet, moment: str, number: signal.Signals) -> None:
    _run_until(lone_fleet, moment, number)
    wait_until(lambda: lone_fleet.simulator.counters()["open_sessions"] == 0, 10)
    assert lone_fleet.simulator.counters()["logins"] == 1


@pytest.mark.fault("P3", "P4")
@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_controller_that_is_gone_leaves_no_session(lone_fleet: Fleet, moment: str, number: signal.Signals) -> None:
    """Only the main process gets the signal. What its workers have begun may log in for itself, and out."""
    _run_until(lone_fleet, moment, number, everybody=False)
    wait_until(lambda: lone_fleet.simulator.counters()["logouts"], 10)


@pytest.mark.fault("P3")
@pytest.mark.long
@pytest.mark.parametrize("moment", ["waiting", "transfer"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_process_group_that_is_killed_leaves_no_session(
    lone_fleet: Fleet, moment: str, number: signal.Signals
) -> None:
    """As a terminal that is closed, and as ansible-runner cancels a job of AWX."""
    _run_until(lone_fleet, moment, number)
    wait_until(lambda: lone_fleet.simulator.counters()["logouts"], 10)


@pytest.mark.long
def test_a_given_session_stays_open_after_ctrl_c(lone_fleet: Fleet) -> None:
    simulator = lone_fleet.simulator
    session = run_module("session", connect(simulator))["session"]
    environment = {**lone_fleet.credentials(), "STORWARE_SESSION": session}
    _run_until(lone_fleet, "transfer", signal.SIGINT, environment=environment)
    assert simulator.counters()["open_sessions"] == 1


# --- The guard alone ---


@pytest.fixture
def controller() -> t.Iterator[subprocess.Popen[bytes]]:
    """A process in the place of ansible-playbook."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def _open(simulator: Simulator, controller: subprocess.Popen[bytes], directory: pathlib.Path) -> str:
    """Open a session with a guard, and return it."""
    process = dataclasses.asdict(ProcessIdentity.of(controller.pid))
    guarded = json.dumps(_session_guard.Controller(process, str(directory))._asdict())
    opened = finished(start_module("session", connect(simulator), {_session_guard.ENVIRONMENT: guarded}))
    assert opened["opened"]
    assert simulator.counters()["open_sessions"] == 1
    return str(opened["session"])


def test_a_guard_closes_the_session_when_the_controller_has_ended(
    simulator: Simulator, controller: subprocess.Popen[bytes], tmp_path: pathlib.Path
) -> None:
    session = _open(simulator, controller, tmp_path)
    (marker,) = tmp_path.iterdir()
    assert marker.read_bytes() == b""
    assert session.partition("=")[2] not in marker.name
    marker.unlink()  # as Ansible does at its end
    controller.kill()
    wait_until(lambda: simulator.counters()["open_sessions"] == 0, 10)
    assert simulator.counters()["logouts"] == 1


def test_a_guard_ends_without_a_call_when_the_session_is_closed(
    simulator: Simulator, controller: subprocess.Popen[bytes], tmp_path: pathlib.Path
) -> None:
    session = _open(simulator, controller, tmp_path)
    _session_guard.release(str(tmp_path), "JSESSIONID=another")
    _session_guard.release(str(tmp_path), session)
    wait_until(lambda: not list(tmp_path.iterdir()), 10)
    controller.kill()
    controller.wait()
    time.sleep(3 * _session_guard.INTERVAL)
    assert simulator.counters()["open_sessions"] == 1  # nobody has closed it here
