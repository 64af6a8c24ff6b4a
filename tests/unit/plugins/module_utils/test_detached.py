# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work beside the polls for its progress: what each poll finds, also when the work was killed or is abandoned."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _detached, _private
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.process import ProcessIdentity

WORK = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[list[int]]:
    """Which signals have come; a poll has handlers of its own."""
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    monkeypatch.setattr(_detached, "_TOUCH", 0.01)
    yield came
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def state(tmp_path: pathlib.Path) -> _detached._State:
    return begun(tmp_path, WORK)


def begun(tmp_path: pathlib.Path, work: str) -> _detached._State:
    tmp_path.chmod(0o700)
    place = _private.open_directory(str(tmp_path))
    name = _detached.PREFIX + work
    return _detached._State(place, name, _private.make_private(name, place))


def put(state: _detached._State, name: str, text: str) -> None:
    with open(state.create(name), "w", encoding="utf-8") as file:
        file.write(text)


def environment(tmp_path: pathlib.Path, work: str = WORK) -> dict[str, str]:
    poll = {"work": work, "remote_tmp": str(tmp_path), "seconds": 0.05, "abandon_timeout": 300.0}
    return {_detached.ENVIRONMENT: json.dumps(poll)}


@pytest.fixture
def worker(state: _detached._State) -> t.Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        put(state, "worker", json.dumps(dataclasses.asdict(ProcessIdentity.of(process.pid))))
        yield process
        process.kill()


def test_a_text_is_made_anew_while_the_work_stalls(state: _detached._State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_detached, "_REPORT_INTERVAL", 0.01)
    report = _detached._reporter(state)
    seconds = itertools.count(5)
    report(lambda: f"stalled for {next(seconds)} s")
    deadline = time.monotonic() + 10
    seen: set[str] = set()
    while len(seen) < 3:
        assert time.monotonic() < deadline
        seen.add(state.read("text", 512))
        time.sleep(0.005)


def test_a_poll_of_work_that_goes_on_has_its_progress(
    state: _detached._State, worker: subprocess.Popen[bytes], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(state, "text", "41 %")
    with pytest.raises(SystemExit) as ended:
        _detached.answer_poll(environment(tmp_path))
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out) == {_detached.KEY: {"text": "41 %"}}
    assert worker.poll() is None


@pytest.mark.parametrize(
    ("result", "printed"), [('{"changed": true}', {"changed": True}), ("", {_detached.KEY: {"lost": True}})]
)
def test_the_last_poll_has_the_result_or_that_it_is_lost(
    state: _detached._State,
    worker: subprocess.Popen[bytes],
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    result: str,
    printed: dict[str, t.Any],
) -> None:
    put(state, "result", result)
    worker.kill()
    worker.wait()
    assert _detached._wait_and_print(state, 5) == 0
    assert json.loads(capsys.readouterr().out) == printed
    assert list(tmp_path.iterdir()) == []


def test_work_that_was_killed_before_it_began_is_lost(
    state: _detached._State, capsys: pytest.CaptureFixture[str]
) -> None:
    put(state, "worker", '{"pid"')
    assert _detached._wait_and_print(state, 5) == 0
    assert json.loads(capsys.readouterr().out) == {_detached.KEY: {"lost": True}}


def test_a_poll_that_is_stopped_stops_the_work(
    state: _detached._State, worker: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(0.3); os.kill({os.getpid()}, 15)"]):
        assert _detached._wait_and_print(state, 30) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
    assert json.loads(capsys.readouterr().out) == {_detached.KEY: {"lost": True}}


def test_work_without_polls_is_stopped_and_leaves_nothing(
    state: _detached._State, signals: list[int], tmp_path: pathlib.Path
) -> None:
    _detached._stop_when_abandoned(state, 0.05)
    assert signals == [signal.SIGTERM]
    assert list(tmp_path.iterdir()) == []


def test_what_killed_work_has_left_is_removed_in_time(tmp_path: pathlib.Path) -> None:
    left, going_on = begun(tmp_path, "a" * 32), begun(tmp_path, "b" * 32)
    put(left, "text", "41 %")
    (tmp_path / "of-others").mkdir()
    os.utime(tmp_path / left._name, (1, 1))
    _detached._remove_stale(left._place)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([going_on._name, "of-others"])


def test_a_poll_for_work_that_has_not_begun_goes_on(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o700)
    _detached.answer_poll(environment(tmp_path))
    _detached.answer_poll({})
    _detached.begin({})(lambda: "nobody asks for it")


def test_an_environment_that_is_not_ours_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="is not from the action plugin"):
        _detached.answer_poll(environment(tmp_path, "../" * 4))


def test_without_a_private_place_the_work_runs_as_any_other(tmp_path: pathlib.Path) -> None:
    variables = environment(tmp_path / "file")
    (tmp_path / "file").write_text("")
    _detached.begin(variables)(lambda: "41 %")
    assert variables == {}
