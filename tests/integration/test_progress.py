# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see while a task takes long, and work that goes on when the controller does not."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import typing as t
import uuid

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _detached
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.fleet import ALICE, PEOPLE, Fleet
from tests.support.modules import connect, prepare, run_module, start_module
from tests.support.use import (
    CONTENT,
    ENSURE,
    FETCHING,
    MIB,
    SLOWLY,
    WAITING,
    Json,
    begun,
    finished,
    good,
    options_for,
    sha256,
    wait_until,
)


def _lines(run: Run, pattern: str) -> list[tuple[str, ...]]:
    """The host and what is told of it, line by line."""
    return re.findall(rf"^\[(\S+)\] {pattern}$", run.stdout, re.MULTILINE)


def _fetch(ansible: Ansible, simulator: Simulator, options: Json, *arguments: str, **keywords: Json) -> Run:
    task = {f"storware.backup.{CONTENT}": {**connect(simulator), "max_rate": SLOWLY, **options}, **keywords}
    play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    jobs = {"ANSIBLE_ASYNC_DIR": str(ansible.home / "jobs")}
    return ansible.playbook([play], *arguments, environment=jobs).ok()


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    yield
    wait_until(lambda: not list(_place().glob("*")), 20)


def _place() -> pathlib.Path:
    """Where the state of work lies."""
    return pathlib.Path("~/.ansible/tmp").expanduser()


@pytest.mark.long
@pytest.mark.matrix
@pytest.mark.slow
def test_a_fetch_tells_how_far_it_is(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, large: str
) -> None:
    """Twelve seconds, told once a second at the most: percentages that grow, and the file at the end."""
    slow = {"progress_interval": 1, "max_rate": SLOWLY // 4}
    run = _fetch(ansible, simulator, {"guid": large, "dest": str(tmp_path), **slow})
    told = [int(percent) for _host, percent, _rate in _lines(run, FETCHING)]
    assert 2 <= len(told) <= 12  # a busy machine looks less often
    assert told == sorted(set(told))
    number, unit = _lines(run, FETCHING)[-1][2].split()
    assert 0.25 < float(number) * {"KiB": 1 / 1024, "MiB": 1}[unit] < 1.5  # MiB/s
    (result,) = run.of(f"storware.backup.{CONTENT}")
    assert sha256(pathlib.Path(result.result["path"])) == simulator.content(large)["sha256"]
    assert _detached.KEY not in run.output


def test_lines_are_live_in_a_pipe_and_call_a_stall_one(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """As with ``| tee`` and in cron. The server stands still after the first line."""
    guid = simulator.seed(users=1, downloads=1, content_size=64 * MIB)[0]
    options = {**connect(simulator), "guid": guid, "dest": str(tmp_path), "max_rate": SLOWLY, "progress_interval": 1}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{f"storware.backup.{CONTENT}": options}]}
    (ansible.home / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    command = [str(ansible.bin / "ansible-playbook"), "play.yml", "-e", f"ansible_python_interpreter={ansible.python}"]
    environment = ansible.environment(ANSIBLE_TRANSPORT="local")
    with subprocess.Popen(
        command, cwd=ansible.home, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        try:
            assert next(line for line in process.stdout if ": receiving, " in line)
            with simulator.paused():
                stalled = next(line for line in process.stdout if ": stalled for " in line)
            assert process.poll() is None
        finally:
            os.killpg(process.pid, signal.SIGINT)
    assert re.fullmatch(r"\[localhost\] \S+[.]zip: stalled for \d s, \d+ %, [\d.]+ of 64 MiB\n", stalled)
    wait_until(lambda: simulator.counters()["open_sessions"] == 0)


@pytest.mark.parametrize(
    ("options", "keywords", "arguments"),
    [
        pytest.param({"progress_interval": 0}, {}, [], marks=pytest.mark.long),
        pytest.param({}, {}, [], marks=pytest.mark.long),  # shorter than the default
        pytest.param({"progress_interval": 1}, {"async": 60, "poll": 1}, [], marks=pytest.mark.long),
        ({"progress_interval": 1}, {"no_log": True}, []),
        pytest.param({"progress_interval": 1}, {}, ["--check"], marks=pytest.mark.long),
    ],
    ids=["none", "short", "async", "no_log", "check"],
)
def test_there_are_no_lines(
    ansible: Ansible,
    simulator: Simulator,
    tmp_path: pathlib.Path,
    large: str,
    options: Json,
    keywords: Json,
    arguments: list[str],
) -> None:
    run = _fetch(ansible, simulator, {"guid": large, "dest": str(tmp_path), **options}, *arguments, **keywords)
    assert " % " not in run.output
    assert len(list(tmp_path.glob("*.zip"))) == (0 if arguments else 1)


@pytest.mark.parametrize(
    "wrong", [0.01, *(pytest.param(value, marks=pytest.mark.long) for value in (-1, 1000, "often"))]
)
def test_an_interval_that_cannot_be(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, guid: str, wrong: Json
) -> None:
    options = connect(simulator, guid=guid, dest=str(tmp_path), progress_interval=wrong)
    run = ansible.adhoc(f"storware.backup.{CONTENT}", options)
    assert "progress_interval" in run.results[0].result["msg"]
    assert simulator.counters()["calls"] == {}


def test_waiting_tells_how_many_are_ready(ansible: Ansible, simulator: Simulator) -> None:
    simulator.switch(run_seconds=250)  # 5 real ones
    options = prepare(simulator, *PEOPLE, progress_interval=1)
    run = ansible.adhoc(f"storware.backup.{ENSURE}", options).ok()
    told = _lines(run, WAITING)
    assert 2 <= len(told) <= 6
    assert {(host, wanted) for host, _ready, wanted, _running, _slowest in told} == {("localhost", "2")}
    slowest = [int(percent) for *_others, percent in told if percent]
    assert slowest
    assert slowest == sorted(slowest)
    assert len(run.results[0].result["cloud_downloads"]) == 2


@pytest.mark.long
def test_several_hosts_tell_of_themselves(fleet: Fleet) -> None:
    fleet.simulator.switch(content_size=12 * MIB)
    run = fleet.mail("--forks", "3", people=ALICE, max_rate=SLOWLY, progress_interval=0.5).ok()
    told = _lines(run, FETCHING)
    for host, lines in itertools.groupby(sorted(told, key=lambda line: line[0]), key=lambda line: line[0]):
        percents = [int(percent) for _host, percent, _rate in lines]
        assert percents, host
    assert {host for host, _percent, _rate in told} == set(fleet.names)


# --- The work and its visitors ---


def _visit(work: str, seconds: float, patience: float = 60) -> dict[str, str]:
    return {_detached.ENVIRONMENT: json.dumps(_detached.Poll(work, seconds, patience, "~/.ansible/tmp")._asdict())}


def _said(options: Json, work: str, seconds: float, patience: float = 60) -> Json:
    return finished(start_module(CONTENT, options, _visit(work, seconds, patience)))


def _slow(simulator: Simulator, directory: pathlib.Path, guid: str) -> Json:
    return connect(simulator, guid=guid, dest=str(directory), max_rate=SLOWLY)


def _begun(options: Json, directory: pathlib.Path, work: str = "") -> subprocess.Popen[bytes]:
    """The first visitor of work that has brought some bytes."""
    process = start_module(CONTENT, options, _visit(work or uuid.uuid4().hex, 60))
    wait_until(lambda: begun(directory))
    return process


def test_visits_bring_the_result_of_one_run(simulator: Simulator, tmp_path: pathlib.Path, large: str) -> None:
    """The first visit begins the work, and later ones find it, until one has what the module says."""
    options, work = _slow(simulator, tmp_path, large), uuid.uuid4().hex
    standings = []
    for _number in range(10):
        said = _said(options, work, 1)
        if _detached.KEY not in said:
            break
        standings.append(said[_detached.KEY]["text"])
    assert good(said)["changed"]
    assert standings
    assert simulator.counters()["calls"]["POST /session/login"] == 1
    assert sha256(pathlib.Path(said["path"])) == simulator.content(large)["sha256"]


def test_a_visitor_who_is_interrupted_stops_the_work_and_says_its_result(
    simulator: Simulator, tmp_path: pathlib.Path, large: str
) -> None:
    process = _begun(_slow(simulator, tmp_path, large), tmp_path)
    process.send_signal(signal.SIGTERM)
    said = finished(process)
    assert said["error"]["code"] == "interrupted"
    wait_until(lambda: simulator.counters()["open_sessions"] == 0)


def test_a_visitor_whom_nobody_listens_to_any_more_stops_the_work(
    simulator: Simulator, tmp_path: pathlib.Path, large: str
) -> None:
    """The controller was ended: its connection is closed, and nobody would want the file now."""
    process = _begun(_slow(simulator, tmp_path, large), tmp_path)
    assert process.stdout
    process.stdout.close()
    process.wait(15)
    wait_until(lambda: simulator.counters()["open_sessions"] == 0)
    again = run_module(CONTENT, connect(simulator, guid=large, dest=str(tmp_path), lock_timeout=0))
    assert good(again)["changed"]


def test_a_visitor_that_is_killed_does_no_harm(simulator: Simulator, tmp_path: pathlib.Path, large: str) -> None:
    """As a connection that is lost: the work goes on, and the next visitor finds it."""
    options, work = _slow(simulator, tmp_path, large), uuid.uuid4().hex
    process = _begun(options, tmp_path, work)
    process.kill()
    process.communicate()
    said = good(_said(options, work, 60))
    assert said["bytes_received"] == 12 * MIB
    assert simulator.counters()["calls"]["GET /cloud-download/{guid}"] == 1


@pytest.mark.parametrize("module", [CONTENT, pytest.param(ENSURE, marks=pytest.mark.long)])
def test_a_server_that_does_not_answer_is_shown(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, module: str
) -> None:
    options, work = {**options_for(module, simulator, tmp_path, guid), "retries": 5}, uuid.uuid4().hex
    with simulator.paused():
        said = start_module(module, options, _visit(work, 7))
        text = finished(said)[_detached.KEY]["text"]
    assert re.search(r"no answer for [5-7] s, attempt 1 of 6$", text), text
    good(finished(start_module(module, options, _visit(work, 60))))


def _worker(work: str) -> Json:
    """The process that does the work, as it has said."""
    return json.loads((_place() / f"storware-backup-{work}" / "worker").read_text())


def test_work_that_was_killed_is_told_as_lost(simulator: Simulator, tmp_path: pathlib.Path, large: str) -> None:
    options, work = _slow(simulator, tmp_path, large), uuid.uuid4().hex
    process = _begun(options, tmp_path, work)
    os.kill(_worker(work)["pid"], signal.SIGKILL)
    assert finished(process) == {_detached.KEY: {"lost": True}}


def test_what_killed_work_has_left_is_removed_after_a_day(tmp_path: pathlib.Path) -> None:
    """By the next one of this user; what others could have made there is not touched."""
    place = _place()
    place.mkdir(parents=True)
    left = {age: place / f"{_detached.PREFIX}{uuid.uuid4().hex}" for age in (25, 23)}
    for age, state in left.items():
        state.mkdir(mode=0o700)
        (state / "worker").touch()
        os.utime(state, (time.time() - age * 3600,) * 2)
    other = place / f"{_detached.PREFIX}{uuid.uuid4().hex}"
    other.symlink_to(tmp_path)
    finished(start_module("cloud_download_content_info", {"path": str(tmp_path)}, _visit(uuid.uuid4().hex, 10)))
    assert set(place.iterdir()) == {left[23], other}
    shutil.rmtree(left[23])
    other.unlink()


def test_work_that_nobody_visits_ends_by_itself(simulator: Simulator, tmp_path: pathlib.Path, large: str) -> None:
    options = connect(simulator, guid=large, dest=str(tmp_path), max_rate=SLOWLY // 4)
    work = uuid.uuid4().hex
    assert _detached.KEY in _said(options, work, 0.5, 2)
    started = time.monotonic()
    wait_until(lambda: simulator.counters()["open_sessions"] == 0, 10)
    assert time.monotonic() - started >= 1
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.long
def test_the_timeout_of_a_task_stops_a_fetch_and_the_next_task_resumes_it(
    ansible: Ansible, simulator: Simulator, large: str, here: pathlib.Path
) -> None:
    options = {**connect(simulator), "guid": large, "dest": str(here), "max_rate": "200K", "progress_interval": 60}
    first = {f"storware.backup.{CONTENT}": options, "timeout": 15, "ignore_errors": True}
    again = {f"storware.backup.{CONTENT}": {**options, "max_rate": "1G"}}
    run = ansible.playbook([{"hosts": "all", "gather_facts": False, "tasks": [first, again]}]).ok()
    stopped, resumed = run.of(f"storware.backup.{CONTENT}")
    assert stopped.status == "failed"
    assert "bytes_received" not in stopped.result
    assert 0 < resumed.result["bytes_received"] < resumed.result["size"]
    assert simulator.counters()["open_sessions"] == 0
