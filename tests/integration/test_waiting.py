# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for downloads: servers that restart, tasks that vanish or lie, lists without end, and the deadline."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
import typing as t
import urllib.parse

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _cloud_download
from ansible_collections.storware.backup.plugins.module_utils._api import create, models, pagination
from ansible_collections.storware.backup.plugins.module_utils._api.polling import Poller
from tests.contract.client import Client
from tests.simulator.process import Simulator
from tests.support.answers import Answer, AnsweringServer, Request, answering
from tests.support.guids import guid
from tests.support.modules import connect, prepare, run_module
from tests.support.use import meanwhile
from tests.support.virtual import virtual_time

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
A, B, C = (f"0000000{number}-0000-4000-8000-000000000000" for number in range(3))
Json = dict[str, t.Any]


@pytest.fixture(autouse=True)
def _quick_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "VISIBILITY_TIMEOUT", 1.0)


def good(result: Json) -> Json:
    assert not result.get("failed"), result
    return result


# --- wait_timeout: a limit without progress ---


class _Stepping(Poller):
    """Waits in the time of the simulator, which stands still otherwise."""

    def __init__(self, simulator: Simulator, timeout: float) -> None:
        self.slept = 0.0
        began = time.monotonic()

        def sleep(seconds: float) -> None:
            self.slept += seconds
            simulator.step(seconds)

        super().__init__(timeout=timeout, interval=5, clock=lambda: began + self.slept, sleep=sleep)


@pytest.fixture
def stepping(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> list[_Stepping]:
    """The waiting of each run of cloud_download, which may go on for 60 seconds without progress."""
    made: list[_Stepping] = []

    def wait(_params: Json, _tell: t.Any) -> _Stepping:
        made.append(_Stepping(simulator, 60))
        return made[-1]

    simulator.speed(0)
    monkeypatch.setattr(_cloud_download, "_waiting", wait)
    return made


def test_a_job_that_goes_on_may_take_longer_than_wait_timeout(simulator: Simulator, stepping: list[_Stepping]) -> None:
    simulator.switch(run_seconds=1000)
    good(run_module("cloud_download", prepare(simulator, ALICE, BOB)))
    assert stepping[0].slept >= 1000


def test_downloads_that_are_ready_are_progress_although_no_task_says_how_far_it_is(
    simulator: Simulator, stepping: list[_Stepping], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, each in less than wait_timeout, and all of them in more."""
    monkeypatch.setattr(
        models, "decode_task", lambda record, where, task=models.decode_task: task({**record, "progress": None}, where)
    )
    simulator.switch(queue_seconds=0)
    for number, person in enumerate((ALICE, BOB, CAROL), 1):
        simulator.switch(run_seconds=45 * number)
        good(run_module("cloud_download", prepare(simulator, person, wait=False)))
    good(run_module("cloud_download", prepare(simulator, ALICE, BOB, CAROL)))
    assert stepping[-1].slept >= 120


def test_without_progress_it_ends(simulator: Simulator, stepping: list[_Stepping]) -> None:
    simulator.switch(queue_seconds=9999)
    result = run_module("cloud_download", prepare(simulator, ALICE))
    assert result["error"]["code"] == "wait_timeout"
    assert stepping[0].slept == pytest.approx(60, abs=10)


# --- a server that is away: H36 ---


@pytest.mark.fault("H1")
@pytest.mark.parametrize("status", ["503", "502"])
def test_a_server_that_restarts_for_two_minutes_does_not_fail_the_wait(simulator: Simulator, status: str) -> None:
    simulator.switch(start_status=status, run_seconds=60)
    with meanwhile(_waits(simulator), lambda: simulator.switch(start_delay=120)):
        result = good(run_module("cloud_download", prepare(simulator, ALICE, retries=0)))
    assert len(result["created"]) == 1


@pytest.mark.fault("H36")
@pytest.mark.parametrize("tasks", ["kept", "emptied", "renumbered"])
def test_tasks_that_a_restart_has_lost_or_renumbered_are_judged_by_the_list(simulator: Simulator, tasks: str) -> None:
    simulator.switch(run_seconds=100)
    with meanwhile(_waits(simulator), lambda: simulator.restart(tasks)):
        result = good(run_module("cloud_download", prepare(simulator, ALICE, BOB)))
    assert sorted(result["created"]) == sorted(download["guid"] for download in simulator.downloads())
    assert len(result["created"]) == 2


@pytest.mark.fault("H36")
def test_a_failure_is_found_out_although_the_tasks_were_renumbered(simulator: Simulator) -> None:
    simulator.switch(run_seconds=60, fail_entities=[BOB])
    with meanwhile(_waits(simulator), lambda: simulator.restart("renumbered")):
        result = run_module("cloud_download", prepare(simulator, ALICE, BOB))
    assert result["error"]["code"] == "prepare_failed"
    (failure,) = result["failures"]
    assert failure["name"] == "Bob Baker"
    assert "The node could not restore Bob Baker" in failure["reason"]
    assert len(result["cloud_downloads"]) == 1


@pytest.mark.fault("H1")
def test_refused_connections_for_a_while_do_not_fail_the_wait(simulator: Simulator) -> None:
    simulator.switch(run_seconds=60)
    proxy = _Proxy(simulator.url)
    with proxy.running():
        options = {**prepare(simulator, ALICE, retries=0), "url": proxy.url}
        with meanwhile(_waits(simulator), proxy.close), meanwhile(lambda: proxy.closed_for > 2.4, proxy.open):
            result = good(run_module("cloud_download", options))
    assert len(result["created"]) == 1


@pytest.mark.fault("H36")
def test_a_list_that_is_not_found_while_the_server_starts_does_not_fail_the_wait(simulator: Simulator) -> None:
    simulator.fault("GET /tasks", "refused", after=1, times=3, status=404)
    simulator.fault("GET /cloud-download", "refused", after=4, times=3, status=404)
    assert good(run_module("cloud_download", prepare(simulator, ALICE)))["created"]


# --- how often: R17, H37 ---


def test_a_create_costs_eight_calls(simulator: Simulator) -> None:
    """The first poll shows how far the task is; the next one comes when it may be over, and reads what is ready."""
    simulator.switch(queue_seconds=2, run_seconds=10)
    with virtual_time(simulator) as waited:
        result = good(run_module("cloud_download", {**prepare(simulator, "Alice Archer"), "wait_interval": 5}))
    calls = [f"{request['method']} {request['path']}" for request in simulator.requests()]
    ready = [dict(request["query"]).get("finished-mount") for request in simulator.requests()]
    assert calls == [
        "POST /session/login",
        "GET /cloud-users",
        "GET /tasks",
        "GET /cloud-download",
        "POST /cloud-download",
        "GET /tasks",
        "GET /cloud-download",
        "POST /session/logout",
    ]
    assert [at for at, value in enumerate(ready) if value] == [6]
    assert 12 <= waited() <= 20
    assert len(result["created"]) == 1
    assert [(task["state"], task["progress"]) for task in result["tasks"]] == [("FINISHED", 100.0)]


@pytest.mark.fault("H37")
def test_a_server_that_is_asked_too_often_is_asked_less_often(simulator: Simulator) -> None:
    simulator.switch(run_seconds=99999)
    simulator.fault("GET /tasks", "refused", after=1, times=99, status=429)
    options = {**prepare(simulator, ALICE, retries=0), "wait_timeout": 3}
    result = run_module("cloud_download", options)
    assert "429" in result["msg"]
    # Without growing there would be 60 looks: 0.05, 0.1, 0.2 ... seconds between two of them make seven
    assert simulator.counters()["faults"] <= 9


def test_the_deadline_ends_calls_that_hang(simulator: Simulator) -> None:
    simulator.switch(run_seconds=99999)
    proxy = _Proxy(simulator.url)
    with proxy.running():
        options = {**prepare(simulator, ALICE, timeout=60), "url": proxy.url, "wait_timeout": 2}
        start = time.monotonic()
        with meanwhile(_waits(simulator), proxy.stall):
            result = run_module("cloud_download", options)
        assert (
            time.monotonic() - start < 30
        )  # 2 for the wait, 5 for the logout, and a busy machine; not the 60 of timeout
    assert result["error"]["code"] == "wait_timeout"
    assert len(result["tasks"]) == 1


# --- what the list of tasks says: A5 to A9 ---


class _Server:
    """A server whose tasks and downloads are told look by look; look 0 is the one before the create."""

    def __init__(
        self,
        created: t.Any,
        tasks: list[list[Json]],
        finished: t.Callable[[int], list[Json]],
        unfinished: t.Callable[[int], list[Json]] = lambda look: [],
    ) -> None:
        self.created = created
        self.look = -1
        self._tasks = tasks
        self._finished = finished
        self._unfinished = unfinished

    def ensure(self, *entities: str, **options: t.Any) -> Json:
        with answering(
            {
                "GET /api/cloud-download": self._downloads,
                "GET /api/tasks": self._list_tasks,
                "POST /api/cloud-download": Answer.json(self.created, 201),
            }
        ) as server:
            self.server: AnsweringServer = server
            result = run_module(
                "cloud_download",
                {
                    "url": server.url,
                    "allow_http": True,
                    "username": "queen",
                    "password": "off with her head",
                    "protected_entities": list(entities),
                    "wait_interval": 0.02,
                    "wait_timeout": 4,
                    "profile": {"create": {"visible_within": 1}},
                    **options,
                },
            )
        assert "exception" not in result, result["exception"]
        return result

    def _list_tasks(self, request: Request) -> Answer:
        if _query(request)["page"] != ["0"]:
            return Answer.json([])
        self.look += 1
        return Answer.json(self._tasks[min(self.look, len(self._tasks) - 1)])

    def _downloads(self, request: Request) -> Answer:
        query = _query(request)
        if query["page"] != ["0"] or self.look < 0:
            return Answer.json([])
        finished = self._finished(self.look)
        return Answer.json(finished if "finished-mount" in query else [*finished, *self._unfinished(self.look)])


def _query(request: Request) -> dict[str, list[str]]:
    return urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)


def task(name: str, state: str, entity: str | None = A, **more: t.Any) -> Json:
    named = {"protectedEntity": {"guid": entity, "name": "x"}} if entity else {}
    return {"guid": guid(name), "state": {"name": state}, "type": {"name": "RESTORE"}, **named, **more}


def download(entity: str) -> Json:
    backup = {"guid": guid("b"), "protectedEntity": {"guid": entity}}
    return {"guid": entity.replace("4000", "4dd0"), "mode": "CLOUD_DOWNLOAD", "backup": backup}


def never(look: int) -> list[Json]:
    return []


def from_look(number: int, *entities: str) -> t.Callable[[int], list[Json]]:
    return lambda look: [download(entity) for entity in entities] if look >= number else []


@pytest.mark.fault("A5")
@pytest.mark.parametrize(
    "created",
    [
        pytest.param([], id="no task"),
        pytest.param([task("t1", "QUEUED", A)], id="fewer than asked"),
        pytest.param([task("t1", "QUEUED", A), task("t2", "QUEUED", B), task("t3", "QUEUED", C)], id="more"),
        pytest.param([task("t1", "QUEUED", A), task("t1", "QUEUED", A)], id="the same twice"),
        pytest.param([task("t1", "QUEUED", None)], id="one that names nobody"),
        pytest.param({"guid": guid("t1"), "state": "QUEUED"}, id="an object instead of a list"),
        pytest.param(None, id="nothing"),
    ],
)
def test_whatever_tasks_the_create_returns_each_entity_is_judged(created: t.Any) -> None:
    tasks = [task("t1", "RUNNING", A), task("t2", "RUNNING", B)]
    server = _Server(created, [[], tasks, tasks, [task("t2", "RUNNING", B)], []], from_look(4, A, B))
    result = good(server.ensure(A, B))
    assert len(result["created"]) == 2
    assert server.look >= 4

    bad = _Server(created, [[], [task("t2", "FAILED", B, statusInfo="no space")]], from_look(1, A))
    result = bad.ensure(A, B)
    assert result["error"]["code"] == "prepare_failed"
    assert [found["protected_entity"]["guid"] for found in result["cloud_downloads"]] == [A]
    assert [failure["protected_entity"] for failure in result["failures"]] == [B]


@pytest.mark.fault("A6")
def test_of_several_tasks_each_failure_is_told_in_the_servers_words() -> None:
    created = [task("t1", "QUEUED", A), task("t2", "QUEUED", B), task("t3", "QUEUED", C)]
    failing = [task("t2", "FAILED", B, statusInfo="no space left"), task("t3", "CANCELLED", C)]
    result = _Server(created, [[], failing], from_look(1, A)).ensure(A, B, C)
    assert result["changed"]
    assert [found["protected_entity"]["guid"] for found in result["cloud_downloads"]] == [A]
    reasons = {failure["protected_entity"]: failure["reason"] for failure in result["failures"]}
    assert reasons == {
        B: f"task {guid('t2')} is FAILED: no space left",
        C: f"task {guid('t3')} is CANCELLED: the server gives no reason",
    }
    assert {found["guid"]: found["state"] for found in result["tasks"]} == {
        guid("t1"): "FINISHED",
        guid("t2"): "FAILED",
        guid("t3"): "CANCELLED",
    }


@pytest.mark.fault("A9")
@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_task_that_goes_on_after_a_failure_is_no_failure(state: str) -> None:
    looks = [[], [task("t1", "RUNNING")], [task("t1", state)], [task("t1", "RUNNING")], [task("t1", state)], []]
    assert good(_Server([task("t1", "QUEUED")], looks, from_look(5, A)).ensure(A))["created"]


@pytest.mark.fault("A9")
def test_a_task_that_goes_on_after_it_has_vanished_is_waited_for() -> None:
    looks = [[], [task("t1", "RUNNING")], [], [task("t1", "RUNNING")], [task("t1", "RUNNING")], []]
    server = _Server([task("t1", "QUEUED")], looks, from_look(3, A))
    assert good(server.ensure(A))["created"]
    assert server.look >= 5


@pytest.mark.fault("A1", "A7")
@pytest.mark.parametrize("progress", [-1, 1e300, 99.9, "a lot", None, {"value": 1}])
def test_only_the_state_of_a_task_decides(progress: t.Any) -> None:
    looks = [[], [task("t1", "RUNNING", progress=progress)], [task("t1", "SNOOZING", progress=progress)], []]
    server = _Server([task("t1", "QUEUED", progress=progress)], looks, from_look(1, A))
    assert good(server.ensure(A))["created"]
    assert server.look == 3


@pytest.mark.fault("A10")
@pytest.mark.parametrize("moment", [0, -1, 253402300800000, 1e22, "yesterday", [], True])
def test_times_of_the_server_decide_nothing(moment: t.Any) -> None:
    times = {"creationTime": moment, "startTime": moment, "finishTime": moment, "windowEnd": moment}
    looks = [[], [task("t1", "RUNNING", **times)], []]
    assert good(_Server([task("t1", "QUEUED", **times)], looks, from_look(2, A)).ensure(A))["created"]


@pytest.mark.fault("A7")
def test_a_task_that_never_starts_ends_with_the_wait() -> None:
    result = _Server([task("t1", "QUEUED")], [[], [task("t1", "QUEUED")]], never).ensure(A, wait_timeout=0.3)
    assert result["error"]["code"] == "wait_timeout"
    assert result["error"]["retryable"] is True
    assert [found["guid"] for found in result["tasks"]] == [guid("t1")]


@pytest.mark.fault("A8")
def test_a_task_that_is_over_without_a_download_fails_after_the_settle_time() -> None:
    start = time.monotonic()
    result = _Server([task("t1", "QUEUED")], [[]], never).ensure(A, wait_timeout=30)
    assert result["error"]["code"] == "prepare_failed"
    assert "does not list it" in result["failures"][0]["reason"]
    assert 1 <= time.monotonic() - start < 15


@pytest.mark.fault("A8")
def test_what_is_listed_as_unfinished_is_waited_for_although_its_task_has_vanished() -> None:
    start = time.monotonic()
    server = _Server([task("t1", "QUEUED")], [[]], lambda look: from_look(0, A)(0) if waited() else [], from_look(1, A))

    def waited() -> bool:
        return time.monotonic() - start > 2  # twice the settle time

    assert good(server.ensure(A, wait_timeout=30))["created"]


@pytest.mark.fault("P13")
def test_what_somebody_deletes_while_it_is_adopted_is_told_before_the_end_of_the_wait(simulator: Simulator) -> None:
    simulator.switch(queue_seconds=0, run_seconds=9999, delete_seconds=0)
    run_module("cloud_download", prepare(simulator, ALICE, wait=False))
    simulator.clear_log()

    def remove() -> None:
        (found,) = simulator.downloads()
        simulator.restart("emptied")
        Client(simulator).call("DELETE", f"/cloud-download/{found['guid']}")

    with meanwhile(_waits(simulator, looks=1), remove):
        result = run_module("cloud_download", prepare(simulator, ALICE))
    assert result["error"]["code"] == "prepare_failed"
    assert "does not list it" in result["failures"][0]["reason"]


# --- lists: H38 ---


@pytest.mark.fault("H38")
@pytest.mark.parametrize("quirk", ["repeat", "ignore_size", "moving_total"])
@pytest.mark.parametrize("total", ["paged", "never"])
def test_pages_that_misbehave_lose_and_double_nothing(simulator: Simulator, quirk: str, total: str) -> None:
    simulator.seed(users=30)
    guids = simulator.seed(downloads=30)
    simulator.switch(page_quirk=quirk, total_count=total)
    result = good(run_module("cloud_download_info", connect(simulator, size=7)))
    assert sorted(found["guid"] for found in result["cloud_downloads"]) == sorted(guids)


@pytest.mark.fault("H38")
def test_a_list_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGES", 50)
    numbers = iter(range(10**9))

    def endless(request: Request) -> Answer:
        return Answer.json([{"guid": guid(f"{next(numbers)}"), "mode": "CLOUD_DOWNLOAD"}])

    with answering({"GET /api/cloud-download": endless}) as server:
        options = {"url": server.url, "allow_http": True, "username": "queen", "password": "off with her head"}
        result = run_module("cloud_download_info", options)
    assert result["failed"]
    assert result["error"]["code"] == "incomplete_list"
    assert len(server.calls()) < 60


# --- tools ---


def _waits(simulator: Simulator, looks: int = 2) -> t.Callable[[], bool]:
    """Whether the module waits: it has read the tasks before it asked, and again."""
    return lambda: simulator.counters()["calls"].get("GET /tasks", 0) >= looks


class _Proxy:
    """Passes connections on to a server, until it is told to close, to open again, or to say nothing more."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._target = (str(parts.hostname), int(parts.port or 0))
        self._listener = self._listen(0)
        self._port = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        self._closed_at = math.inf
        self._stalled = False
        self.url = f"{parts.scheme}://127.0.0.1:{self._port}"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[None]:
        self._serve()
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Refuse every connection, and break those that are open."""
        self._closed_at = time.monotonic()
        self._listener.close()
        for end in self._pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._pairs.clear()

    @property
    def closed_for(self) -> float:
        """Seconds since it was closed."""
        return time.monotonic() - self._closed_at

    def open(self) -> None:
        """Accept connections again."""
        self._closed_at = math.inf
        self._listener = self._listen(self._port)
        self._serve()

    def stall(self) -> None:
        """From now on nothing comes back."""
        self._stalled = True

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.settimeout(0.05)
        return listener

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _address = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            near.settimeout(None)
            far = socket.create_connection(self._target)
            self._pairs += [near, far]
            threading.Thread(target=self._pass_on, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(far, near, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not (back and self._stalled):
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)
