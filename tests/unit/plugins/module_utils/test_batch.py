# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several downloads in one task: while one is received, the one before it is finished."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _deadline
from ansible_collections.storware.backup.plugins.module_utils._batch import BatchItem, Outcome, Sums, run_batch
from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._steps import Amount, Steps, advance

_PATIENCE = 5.0  # seconds


def _result(item: BatchItem) -> dict[str, t.Any]:
    return {"changed": True, "guid": item.guid, "size": 10, "bytes_received": 10, "diff": {}}


def _guids(result: dict[str, t.Any]) -> list[str]:
    return [file["guid"] for file in result["files"]]


def _starting(work: t.Callable[[BatchItem], Steps[dict[str, t.Any]]]) -> t.Callable[[BatchItem], Outcome]:
    return lambda item: advance(work(item))


def test_a_file_is_finished_while_the_next_one_is_received() -> None:
    is_next = threading.Event()

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        if item.guid == "b":
            is_next.set()
        yield Amount(10, 10)
        if item.guid == "a":
            assert is_next.wait(_PATIENCE)
        return _result(item)

    assert _guids(run_batch(["a", "b", "c"], _starting(work))) == ["a", "b", "c"]


def test_one_file_waits_for_nothing_else() -> None:
    threads = set()

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        yield Amount(10, 10)
        threads.add(threading.current_thread())
        return _result(item)

    assert run_batch(["a"], _starting(work))["guid"] == "a"
    assert threads == {threading.main_thread()}


def test_what_has_to_be_received_again_is_received_by_the_thread_that_gets_signals() -> None:
    receiving, proving = [], []

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        for _try in range(2):
            receiving.append(threading.current_thread() is threading.main_thread())
            yield Amount(10, 10)
            proving.append(threading.current_thread() is threading.main_thread())
            yield Amount(0, 10)
        return _result(item)

    assert _guids(run_batch(["a", "b"], _starting(work))) == ["a", "b"]
    assert receiving == [True] * 4
    assert proving.count(False) == 1  # the first one of the first file: no other one has a next file to wait for


def test_an_error_at_the_end_of_a_file_is_that_of_the_file() -> None:
    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        yield Amount(10, 10)
        if item.guid == "a":
            raise StorwareError("the content is damaged", code="corrupt")
        return _result(item)

    with pytest.raises(StorwareError, match="1 of 2 files are complete") as caught:
        run_batch(["a", "b"], _starting(work))
    assert [(file["guid"], file.get("failed", False)) for file in caught.value.results["files"]] == [
        ("a", True),
        ("b", False),
    ]


def test_an_error_that_ends_all_leaves_the_next_one_that_has_come() -> None:
    """max_time has expired while a file was proved: the one that came meanwhile is not thrown away."""

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        yield Amount(10, 10)
        if item.guid == "a":
            raise StorwareError("it did not finish within max_time", code="timeout")
        return _result(item)

    with pytest.raises(StorwareError) as caught:
        run_batch(["a", "b", "c"], _starting(work))
    files = {file["guid"]: file for file in caught.value.results["files"]}
    assert [files["a"].get("failed"), files["b"].get("failed"), files["c"].get("failed")] == [True, None, True]
    assert files["c"]["msg"].startswith("Not tried: ")


def test_a_signal_ends_a_proof_that_would_take_long() -> None:
    ends = []

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        if item.guid == "b":
            raise Interrupted("Interrupted by SIGTERM", hint="Run the task again.", retryable=True)
        yield Amount(10, 10)
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                item.check_stop()
            except Interrupted:
                ends.append(item.guid)
                raise
            time.sleep(0.01)
        return _result(item)

    with pytest.raises(Interrupted, match="SIGTERM") as caught:
        run_batch(["a", "b", "c"], _starting(work))
    assert ends == ["a"]
    assert caught.value.results["files"] == []


@pytest.fixture
def alarm() -> t.Iterator[None]:
    """A signal that comes while the main thread waits for the first file."""

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted("Interrupted by SIGALRM")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_a_signal_while_a_file_is_waited_for_ends_the_next_one_in_order_as_well() -> None:
    """The next one has come, and would be lost if nothing were done with it any more."""
    ends = []

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        yield Amount(10, 10)
        until = time.monotonic() + _PATIENCE
        try:
            while time.monotonic() < until:
                item.check_stop()
                time.sleep(0.01)
        except Interrupted:
            ends.append(item.guid)
            raise
        return _result(item)

    with pytest.raises(Interrupted, match="SIGALRM"):
        run_batch(["a", "b", "c"], _starting(work))
    assert ends == ["a", "b"]


def test_a_signal_does_not_take_away_what_has_come() -> None:
    is_interrupted = threading.Event()

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        if item.guid == "b":
            is_interrupted.set()
            raise Interrupted("Interrupted by SIGTERM", retryable=True)
        yield Amount(10, 10)
        assert is_interrupted.wait(_PATIENCE)
        return _result(item)

    with pytest.raises(Interrupted) as caught:
        run_batch(["a", "b", "c"], _starting(work))
    assert _guids(caught.value.results) == ["a"]


def test_the_sums_have_what_has_come_of_a_file_that_is_being_finished() -> None:
    seen = []

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        seen.append(item.sums())
        yield Amount(10, 10)
        return _result(item)

    run_batch(["a", "b", "c"], _starting(work))
    assert seen == [Sums(), Sums(0, 0, 10, 10), Sums(1, 0, 20, 20)]


def test_a_file_that_has_no_room_is_tried_again_when_the_one_before_is_in_its_place() -> None:
    """What that one replaces takes its room until then."""
    tries = []

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        tries.append(item.guid)
        if tries.count("b") == 1 and item.guid == "b":
            raise StorwareError("the file needs more", code="disk_full")
        yield Amount(10, 10)
        return _result(item)

    assert _guids(run_batch(["a", "b"], _starting(work))) == ["a", "b"]
    tries.clear()
    with pytest.raises(StorwareError, match="the file needs more"):
        run_batch(["b"], _starting(work))
    assert tries == ["b"]


def test_a_signal_leaves_no_doubt_whether_a_file_is_being_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that the other thread has begun cannot be taken a second time."""
    seen = []
    real = ThreadPoolExecutor.submit

    def submit(self: ThreadPoolExecutor, *arguments: t.Any) -> t.Any:
        seen.append(_deadline.is_interruptible(sys._getframe()))
        return real(self, *arguments)

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        yield Amount(10, 10)
        return _result(item)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    run_batch(["a", "b"], _starting(work))
    assert seen == [False]


@pytest.mark.usefixtures("alarm")
def test_a_signal_while_a_mixture_is_found_keeps_the_next_file() -> None:
    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        yield Amount(10, 10)
        if item.guid == "a":
            with contextlib.suppress(Interrupted):
                while True:
                    item.check_stop()
                    time.sleep(0.01)
            yield Amount(0, 10)
            item.check_stop()
        return _result(item)

    with pytest.raises(Interrupted) as caught:
        run_batch(["a", "b", "c"], _starting(work))
    assert _guids(caught.value.results) == ["b"]


def test_the_error_that_ends_all_is_the_one_that_is_told_of_the_rest() -> None:
    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        if item.guid == "b":
            raise StorwareError("the content is damaged", code="corrupt")
        yield Amount(10, 10)
        raise StorwareError("it did not finish within max_time", code="timeout")

    with pytest.raises(StorwareError) as caught:
        run_batch(["a", "b", "c"], _starting(work))
    told = [file["msg"] for file in caught.value.results["files"]]
    assert told[2] == "Not tried: it did not finish within max_time [timeout]"


def test_the_sums_of_a_file_do_not_have_itself_when_it_is_over() -> None:
    """A line of it may still be asked for until the next one has reported something."""
    items = []

    def work(item: BatchItem) -> Steps[dict[str, t.Any]]:
        items.append(item)
        if item.guid == "b":
            raise StorwareError("the content is damaged", code="corrupt")
        yield Amount(10, 10)
        return _result(item)

    with pytest.raises(StorwareError):
        run_batch(["a", "b", "c"], _starting(work))
    assert [item.sums() for item in items] == [Sums(), Sums(1, 0, 10, 10), Sums(1, 1, 10, 10)]
