# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that meet, end early or are let down (groups F and P of the faults), where no other test tells."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import pytest

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.fleet import ALICE
from tests.support.modules import connect, prepare, run_module, start_module
from tests.support.use import (
    CONTENT,
    DOWNLOAD,
    ENSURE,
    ENTITIES,
    INFO,
    MIB,
    SLOWLY,
    Json,
    begun,
    calls,
    finished,
    good,
    in_processes,
    mode,
    options_for,
    sha256,
    wait_until,
)

# --- F18: a private file in the place of one that everybody can read ---


@pytest.mark.fault("F18")
@pytest.mark.parametrize(("asked", "expected"), [(None, 0o644), ("0600", 0o600), ("0640", 0o640)])
def test_f18_the_bytes_are_never_readable_beyond_the_mode_that_is_wanted(
    simulator: Simulator, tmp_path: pathlib.Path, large: str, asked: str | None, expected: int
) -> None:
    path = tmp_path / "mail.zip"
    path.write_bytes(b"old")
    path.chmod(0o644)
    wanted = connect(simulator, guid=large, dest=str(path), max_rate=4 * SLOWLY, **({"mode": asked} if asked else {}))
    process = start_module(CONTENT, wanted)
    seen = set()
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            seen |= {mode(found) for found in tmp_path.glob(".*") if found.stat().st_size}
            seen |= {mode(path)} if path.stat().st_size > 3 else set()
    assert good(finished(process))["changed"]
    assert mode(path) == expected
    assert seen
    assert all(found & ~expected == 0 for found in seen), [oct(found) for found in seen]


# --- P: processes ---


def start_play(ansible: Ansible, task: Json) -> subprocess.Popen[bytes]:
    """ansible-playbook with this task, started."""
    play = ansible.home / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    command = [str(ansible.bin / "ansible-playbook"), str(play)]
    python = ["--extra-vars", json.dumps({"ansible_python_interpreter": ansible.python})]
    return subprocess.Popen(
        [*command, *python],
        cwd=ansible.home,
        env=ansible.environment(ANSIBLE_TRANSPORT="local"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.fault("P3", "P4")
@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(n, marks=pytest.mark.long) for n in (signal.SIGTERM, signal.SIGINT))],
    ids=lambda number: number.name,
)
def test_p3_p4_a_play_whose_controller_has_gone_can_be_run_again_at_once(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, large: str, number: signal.Signals
) -> None:
    """Killed, cancelled (as AWX does it), interrupted: whether the module lives on or not."""
    wanted = connect(simulator, guid=large, dest=str(tmp_path))
    play = start_play(ansible, {f"storware.backup.{CONTENT}": {**wanted, "max_rate": SLOWLY}})
    try:
        wait_until(lambda: begun(tmp_path))
        play.send_signal(number)
        play.wait(30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(play.pid, signal.SIGKILL)
    told = run_module(CONTENT, {**wanted, "lock_timeout": 0})
    assert not told.get("failed") or told["error"]["code"] == "locked", told
    done = good(run_module(CONTENT, wanted))
    assert sha256(pathlib.Path(done["path"])) == simulator.content(large)["sha256"]
    assert calls(simulator)[DOWNLOAD] <= 2
    assert [path.name for path in tmp_path.glob(".*")] == []
    wait_until(lambda: simulator.counters()["open_sessions"] == 0)


@pytest.mark.fault("P4")
@pytest.mark.slow
@pytest.mark.parametrize(
    "keywords",
    [{"timeout": 5}, pytest.param({"async": 5, "poll": 1}, marks=pytest.mark.long)],
    ids=["timeout", "async"],
)
def test_p4_a_task_that_ansible_ends_is_continued_by_the_next_run(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, keywords: dict[str, int]
) -> None:
    size = 192 * MIB  # what has come is recorded every 24 MiB, which takes a second
    guid = simulator.seed(users=1, downloads=1, content_size=size)[0]
    wanted = connect(simulator, guid=guid, dest=str(tmp_path))
    task = {f"storware.backup.{CONTENT}": {**wanted, "max_rate": size // 8}, **keywords}
    play = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
    jobs = {"ANSIBLE_ASYNC_DIR": str(ansible.home / "jobs")}
    assert ansible.playbook(play, environment=jobs).rc != 0
    before = simulator.counters()["content_bytes_sent"]
    again = good(run_module(CONTENT, {**wanted, "lock_timeout": 60}))
    assert sha256(pathlib.Path(again["path"])) == simulator.content(guid)["sha256"]
    assert simulator.counters()["content_bytes_sent"] - before < size
    assert [path.name for path in tmp_path.glob(".*")] == []


def waiting_for_a_download(simulator: Simulator, **options: Json) -> subprocess.Popen[bytes]:
    """cloud_download as a process that has asked for one and waits."""
    simulator.speed(0)
    process = start_module(ENSURE, {**prepare(simulator, *ALICE), "wait_timeout": 60, **options})
    wait_until(lambda: calls(simulator).get("GET /tasks", 0) > 2)
    return process


@pytest.mark.fault("P5")
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.long) for n in (signal.SIGHUP, signal.SIGINT))],
    ids=lambda number: number.name,
)
def test_p5_a_wait_that_is_interrupted_ends_at_once_and_is_taken_up_again(
    simulator: Simulator, number: signal.Signals
) -> None:
    process = waiting_for_a_download(simulator)
    process.send_signal(number)
    sent = time.monotonic()
    result = finished(process)
    assert time.monotonic() - sent < 2
    assert (result["error"]["code"], process.returncode) == ("interrupted", 1)
    assert (result["changed"], len(result["tasks"])) == (True, 1)
    assert simulator.counters()["open_sessions"] == 0
    simulator.speed(50)
    assert not good(run_module(ENSURE, prepare(simulator, *ALICE)))["changed"]
    assert len(simulator.downloads()) == 1


@pytest.mark.fault("P6")
@pytest.mark.parametrize("module", [CONTENT, ENSURE, ENTITIES])
def test_p6_when_nobody_listens_the_work_is_done_and_found_done(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, module: str
) -> None:
    options = options_for(module, simulator, tmp_path, guid)
    process = start_module(module, options)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _output, errors = process.communicate(timeout=30)
    assert (errors, process.returncode) == (b"", 1)
    assert simulator.counters()["open_sessions"] == 0
    assert not good(run_module(module, options))["changed"]
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.fault("P7")
def test_p7_a_wait_that_was_stopped_until_its_session_was_gone_goes_on(simulator: Simulator) -> None:
    process = waiting_for_a_download(simulator)
    process.send_signal(signal.SIGSTOP)
    simulator.restart()
    simulator.speed(50)
    process.send_signal(signal.SIGCONT)
    result = good(finished(process))
    assert [download["guid"] for download in simulator.downloads()] == result["created"]
    assert simulator.counters()["logins"] == 2


@pytest.mark.fault("P11")
@pytest.mark.long
def test_p11_50_hosts_without_the_role_get_by_with_10_sessions(simulator: Simulator) -> None:
    """Each logs in once; who finds no room comes again at another moment than the others."""
    simulator.switch(max_sessions=10)
    work = [lambda: run_module(INFO, connect(simulator))] * 50
    for result in in_processes(*work):
        good(result)
    counters = simulator.counters()
    assert (counters["logins"], counters["logouts"], counters["open_sessions"]) == (50, 50, 0)


@pytest.mark.fault("P12")
def test_p12_of_two_controllers_at_once_the_next_run_uses_what_is_there(simulator: Simulator) -> None:
    """Without a lock on the server, both may have asked: no more than one each, and never again."""
    for result in in_processes(*[lambda: run_module(ENSURE, prepare(simulator, *ALICE))] * 2):
        assert good(result)["cloud_downloads"]
    simulator.step(600)
    found = [download["guid"] for download in simulator.downloads()]
    assert 1 <= len(found) <= 2
    again = good(run_module(ENSURE, prepare(simulator, *ALICE)))
    assert not again["changed"]
    assert again["cloud_downloads"][0]["guid"] in found


@pytest.mark.fault("P13")
def test_p13_a_download_that_somebody_deletes_in_the_middle_is_gone(
    simulator: Simulator, tmp_path: pathlib.Path, large: str
) -> None:
    wanted = connect(simulator, guid=large, dest=f"{tmp_path}/mail.zip", retries=1)
    broken = run_module(CONTENT, {**wanted, "max_rate": SLOWLY, "max_time": 1})
    assert broken["error"]["bytes_kept"] > 0
    good(run_module(ENSURE, connect(simulator, guid=[large], state="absent", wait_interval=0.05)))
    result = run_module(CONTENT, wanted)
    assert result["error"]["code"] == "deleted_on_server", result
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("P13")
def test_p13_and_so_it_is_when_the_connection_breaks_first(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str
) -> None:
    simulator.fault(DOWNLOAD, "cut_body")
    simulator.fault(DOWNLOAD, "refused", times=99, status=404)
    result = run_module(
        CONTENT, connect(simulator, guid=guid, dest=f"{tmp_path}/mail.zip", source="download", retries=1)
    )
    assert result["error"]["code"] == "deleted_on_server", result
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("P14")
@pytest.mark.parametrize("answer", ["deleted", "refused"])
def test_p14_whether_a_download_that_is_being_fetched_can_be_deleted_the_server_decides(
    simulator: Simulator, tmp_path: pathlib.Path, large: str, answer: str
) -> None:
    wanted = connect(simulator, guid=large, dest=f"{tmp_path}/mail.zip")
    truth = simulator.content(large)
    if answer == "refused":
        simulator.fault("DELETE /cloud-download/{guid}", "refused", times=99, status=409)
    process = start_module(CONTENT, {**wanted, "max_rate": SLOWLY})
    wait_until(lambda: begun(tmp_path) or process.poll() is not None)
    deleted = run_module(ENSURE, connect(simulator, guid=[large], state="absent", wait_interval=0.05))
    fetched = finished(process)
    if answer == "refused":
        assert (deleted["failed"], deleted["deleted"]) == (True, [])
        assert "409" in deleted["msg"] + str(deleted["failures"])
    else:
        assert good(deleted)["deleted"] == [large]
    if answer == "refused" or not fetched.get("failed"):
        assert sha256(pathlib.Path(good(fetched)["path"])) == truth["sha256"]
    else:
        assert fetched["error"]["code"] == "deleted_on_server"
        assert list(tmp_path.iterdir()) == []


_LIMITED: t.Final = """
import json, resource, sys
resource.setrlimit(getattr(resource, sys.argv[3]), (int(sys.argv[4]),) * 2)
from tests.support.modules import main
main(sys.argv[1], json.loads(sys.argv[2]))
"""


@pytest.mark.fault("P15", "P16")
@pytest.mark.parametrize(
    ("kind", "limit"),
    # RLIMIT_AS would count the 64 MiB of addresses that malloc reserves for a thread, in some runs and not in others.
    [("RLIMIT_DATA", 96 * MIB), ("RLIMIT_NOFILE", 16)],
    ids=["p15 memory", "p16 descriptors"],
)
@pytest.mark.parametrize("module", [CONTENT, *(pytest.param(name, marks=pytest.mark.long) for name in (ENSURE, INFO))])
def test_p15_p16_little_is_enough_for_a_module(
    simulator: Simulator, tmp_path: pathlib.Path, large: str, module: str, kind: str, limit: int
) -> None:
    simulator.seed(users=1000, downloads=1000)
    options = options_for(module, simulator, tmp_path, large)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, module, json.dumps(options), kind, str(limit)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b""
    good(json.loads(done.stdout))
