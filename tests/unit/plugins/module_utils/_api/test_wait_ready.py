# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for downloads while the lists lag, tasks come and go, and others ask for the same: second by second."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import (
    create,
    errors,
    models,
    payloads,
    tasks,
    wait_ready,
)
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.cloud_downloads import DownloadSpec, RecordCompleter
from ansible_collections.storware.backup.plugins.module_utils._api.polling import Poller
from ansible_collections.storware.backup.plugins.module_utils._api.transport import JsonResponse
from ansible_collections.storware.backup.plugins.module_utils._api.wait_ready import PreparationStatus
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._profile import Profile
from tests.support.guids import guid

ALICE, BOB = "4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65", "f8f73bf9-2445-4bce-a7dd-753be3b40a67"
CAROL = guid("carol")
ONE_BY_ONE = Profile(create_body={"entity": "$entity_guid"}, batch="one")
MAIL, PST = "CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD"
# The vendor's closed list of task types, but for those that may be a download.
OTHER_TYPES = (
    "BACKUP_CLEANUP", "BACKUP_DESTINATION_INIT", "BACKUP_DESTINATION_SYNC", "CONNECTIVITY_TEST", "DELETE", "EJECT_TAPE",
    "EXPORT", "IMPORT", "IMPORT_TAPE", "INVENTORY_SYNC", "LIVE_MIGRATION", "SCOPED_INVENTORY_SYNC", "SNAPSHOT",
    "SNAPSHOT_CLEANUP", "SNAPSHOT_REVERSION", "STAGING_CLEANUP", "STORE", "TAPE_MANAGER_INVENTORY_SYNC", "UNMOUNT",
)  # fmt: skip

Json = t.Any


class Server:
    """Two lists that change at certain seconds, and what was asked of it when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, str]] = []
        self._downloads: list[tuple[float, float, float, Json]] = []  # listed from, finished from, until
        self._tasks: list[tuple[float, float, Json]] = []
        self.on_post: t.Callable[[], list[Json]] = list
        self.told: list[str] = []
        self.single: dict[str, t.Callable[[float], Json]] = {}  # what calls for one task answer, by path
        self.progress: dict[str, t.Callable[[float], Json]] = {}  # of tasks, by GUID
        self.states: tuple[Json, Json] = ("RUNNING", "FINISHED")  # of downloads that are made, and that are ready
        self.ignores_filter = False  # by which only the finished ones are asked for

    def download(self, entity: str, *, mode: str = MAIL, listed: float = 0, finished: float = 1e9) -> str:
        made = guid(f"download-{len(self._downloads)}")
        record = {"guid": made, "mode": mode, "protectedEntity": {"guid": entity}}
        self._downloads.append((listed, finished, 1e9, record))
        return made

    def task(
        self, entity: str, state: str = "RUNNING", *, since: float = 0, until: float = 1e9, same: str = "", **more: Json
    ) -> str:
        made = same or guid(f"task-{len(self._tasks)}")
        record = {"guid": made, "state": state, "type": "RESTORE", "protectedEntity": {"guid": entity}, **more}
        self._tasks.append((since, until, record))
        return made

    patience = 60.0  # seconds
    profile = Profile()

    def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
        if path in self.single:
            return JsonResponse(200, self.single[path](self.now))
        asked = dict(query)
        if path.startswith("/tasks/"):
            raise errors.ApiError(
                errors.Attempt("read a task", "GET", path, "https://h/api", str), "", code="not_found", status=404
            )
        if asked["page"] != "0":
            return JsonResponse(200, [])
        self.calls.append((self.now, f"GET {path}"))
        if path == "/tasks":
            states = [value for key, value in query if key == "states"]
            found = [task for since, until, task in self._tasks if since <= self.now < until]
            shown = [
                {**task, "progress": self.progress[task["guid"]](self.now)} if task["guid"] in self.progress else task
                for task in found
            ]
            return JsonResponse(200, [task for task in shown if task["state"] in states])
        return JsonResponse(
            200,
            [
                {"state": self.states[finished <= self.now], **record}
                for listed, finished, _until, record in self._downloads
                if listed <= self.now
                and asked.get("mode") in (None, record["mode"])
                and ("finished-mount" not in asked or self.ignores_filter or finished <= self.now)
            ],
        )

    def post(self, path: str, body: Json, doing: str, deadline: float | None = None) -> JsonResponse:
        self.calls.append((self.now, f"POST {path}"))
        return JsonResponse(201, self.on_post())

    @property
    def posts(self) -> list[float]:
        """When it was asked to make downloads."""
        return [when for when, call in self.calls if call.startswith("POST")]

    def record_of(self, made: str) -> Json:
        """The record of a download."""
        return next(record for _from, _finished, _until, record in self._downloads if record["guid"] == made)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def prepare(
    server: Server, *entities: str, timeout: float = 1000, creators: list[create.Creator] | None = None
) -> PreparationStatus:
    """As the module does it: survey, ask for what is neither there nor expected, wait."""
    client = t.cast(Client, server)
    wanted = [DownloadSpec(models.Reference(entity), MAIL) for entity in entities]
    identifier = RecordCompleter(client)
    seen = wait_ready.take_snapshot(client, wanted, identifier)
    ready = {want: seen.catalogue.find(want)[0] for want in wanted if seen.catalogue.find(want)}
    progress = PreparationStatus(wanted, dict(seen.expected))
    progress.ready = {want: found for want, found in ready.items() if found.guid in seen.finished}
    creator = create.Creator(client, identifier, {}, seen.listed, seen.active)
    (creators if creators is not None else []).append(creator)
    waiting = Poller(timeout, 10, lambda: server.now, server.sleep, lambda text: server.told.append(text()))
    missing = [want for want in wanted if want not in ready and want not in seen.expected]
    if missing:
        progress.failed.update(creator.create(missing, waiting))
    wait_ready.wait_ready(client, progress, seen, creator, waiting)
    return progress


def refused(status: int, words: str) -> errors.ApiError:
    attempt = errors.Attempt("create cloud downloads", "POST", "/cloud-download", "https://h/api", str)
    return errors.ApiError(attempt, f"answered {status}: {words}", code="bad_request", status=status)


def ready(progress: PreparationStatus) -> dict[str, str | None]:
    return {want.entity.guid: found.guid for want, found in progress.ready.items()}


def failed(progress: PreparationStatus) -> dict[str, str]:
    return {want.entity.guid: why for want, why in progress.failed.items()}


def near(seconds: float) -> t.Any:
    """A look or two later: they come every ten seconds, more or less."""
    return pytest.approx(seconds + 12, abs=14)


def test_what_somebody_else_is_having_prepared_is_not_asked_for_although_the_other_one_is_there() -> None:
    server = Server()
    there = server.download(ALICE, finished=0)
    server.task(BOB, until=60)
    theirs = server.download(BOB, listed=50, finished=60)
    assert ready(prepare(server, ALICE, BOB)) == {ALICE: there, BOB: theirs}
    assert server.posts == []


def test_a_queue_is_waited_for_however_long_it_is() -> None:
    """Also when the server puts a task back into it: what was waited for before counts no more."""
    server = Server()
    task = server.task(ALICE, "RUNNING", until=100)
    server.task(ALICE, "QUEUED", since=100, until=400, same=task)
    server.task(ALICE, "RUNNING", since=400, until=560, same=task)
    theirs = server.download(ALICE, listed=505, finished=560)
    assert ready(prepare(server, ALICE)) == {ALICE: theirs}
    assert server.posts == []


def test_a_task_that_runs_without_a_download_is_something_else_in_the_end() -> None:
    server = Server()
    server.task(ALICE)

    def post() -> list[Json]:
        server.download(ALICE, listed=server.now, finished=server.now + 30)
        return []

    server.on_post = post
    assert set(ready(prepare(server, ALICE))) == {ALICE}
    assert server.posts == [near(create.VISIBILITY_TIMEOUT)]


def test_a_task_that_turns_out_to_make_another_download_is_not_waited_for() -> None:
    """It is of the other mode: ours is asked for at once, not when the settle time is over."""
    server = Server()
    server.task(ALICE, "QUEUED")
    server.download(ALICE, mode=PST, listed=30)

    def post() -> list[Json]:
        server.download(ALICE, listed=server.now, finished=server.now + 30)
        return []

    server.on_post = post
    assert set(ready(prepare(server, ALICE))) == {ALICE}
    assert server.posts == [near(30)]


def test_a_task_that_comes_late_starts_the_time_for_doubt_anew() -> None:
    """The lists lag: nothing for a while, then a task, and the download long after it is over."""
    server = Server()

    def post() -> list[Json]:
        server.task(ALICE, since=server.now + 10, until=server.now + 160)
        server.download(ALICE, listed=server.now + 250, finished=server.now + 250)
        return []

    server.on_post = post
    progress = prepare(server, ALICE)
    assert set(ready(progress)) == {ALICE}
    assert failed(progress) == {}


def test_the_look_that_finds_all_of_it_ready_is_the_last_one() -> None:
    server = Server()
    server.download(ALICE, finished=25)
    prepare(server, ALICE)
    assert 25 <= server.now <= 25 + 11


def test_what_neither_a_list_nor_a_task_shows_has_failed_after_the_settle_time() -> None:
    server = Server()
    server.on_post = lambda: [{"guid": guid("task"), "state": "QUEUED"}]
    progress = prepare(server, ALICE)
    assert failed(progress) == {ALICE: "the server does not list it, and no task is preparing it"}
    assert server.now == near(create.VISIBILITY_TIMEOUT)


@pytest.mark.parametrize("statuses", [[None], [400], [422], [500]])
def test_a_request_without_an_effect_fails_soon_and_is_not_sent_again(statuses: list[int | None]) -> None:
    """The server has dropped the unknown keys of the body, or refuses them."""
    server = Server()

    def post() -> list[Json]:
        for status in filter(None, statuses):
            raise refused(status, "Unrecognized field")
        return []

    server.on_post = post
    with pytest.raises(StorwareError) as caught:
        prepare(server, ALICE)
    error = caught.value
    assert error.code == "request_not_understood"
    assert error.message.startswith("Cannot create" if statuses != [None] else "The server accepted")
    assert error.details["keys"] == ["protectedEntities", "protectedEntities.guid", "mode", "mode.name"]
    assert ALICE not in error.message
    assert server.posts == [0]
    assert 15 <= server.now <= 30


@pytest.mark.parametrize("status", [None, 500])
def test_an_effect_that_shows_up_soon_is_waited_for(status: int | None) -> None:
    server = Server()

    def post() -> list[Json]:
        server.task(ALICE, since=server.now + 8, until=server.now + 60)
        server.download(ALICE, listed=server.now + 10, finished=server.now + 60)
        if status:
            raise refused(status, "Error id 7")
        return []

    server.on_post = post
    assert set(ready(prepare(server, ALICE))) == {ALICE}
    assert server.posts == [0]


def test_a_request_for_each_entity_stops_at_once_when_the_first_is_not_understood() -> None:
    server = Server()
    server.profile = ONE_BY_ONE
    with pytest.raises(StorwareError) as caught:
        prepare(server, ALICE, BOB)
    assert (caught.value.code, server.posts) == ("request_not_understood", [0])


def test_a_request_for_each_entity_that_fails_for_one_fails_for_that_one_only() -> None:
    server = Server()
    server.profile = ONE_BY_ONE
    bodies: list[Json] = []
    entities = iter([ALICE, BOB, CAROL])

    def post() -> list[Json]:
        entity = next(entities)
        bodies.append(entity)
        if entity == BOB:
            raise refused(404, "no such entity")
        server.download(entity, listed=server.now, finished=server.now + 20)
        return [{"guid": server.task(entity, until=server.now + 20), "state": "QUEUED"}]

    server.on_post = post
    progress = prepare(server, ALICE, BOB, CAROL)
    assert set(ready(progress)) == {ALICE, CAROL}
    assert "no such entity" in failed(progress)[BOB]
    assert len(server.posts) == 3


def test_our_task_that_the_list_does_not_show_is_asked_for_before_it_counts_as_over() -> None:
    """A list may leave out tasks with a mounted backup; their failure would never be seen."""
    server = Server()
    task = guid("task")
    server.on_post = lambda: [{"guid": task, "state": "QUEUED"}]
    server.download(BOB)
    server.single[f"/tasks/{task}"] = lambda now: {
        "guid": task,
        "state": "RUNNING" if now < 300 else "FAILED",
        "statusInfo": "no space",
    }
    progress = prepare(server, ALICE)
    assert "no space" in failed(progress)[ALICE]
    assert server.now >= 300


@pytest.mark.parametrize("ready_by", ["task", "state:DONE"])
def test_another_sign_of_readiness_is_a_key_of_the_profile(ready_by: str) -> None:
    server = Server()
    server.profile = Profile(ready=ready_by)

    def post() -> list[Json]:
        made = server.download(ALICE, listed=server.now + 5)  # finished-mount never shows it
        record = server.record_of(made)
        record["state"] = "DONE"
        return [{"guid": server.task(ALICE, until=server.now + 50), "state": "RUNNING"}]

    server.on_post = post
    assert set(ready(prepare(server, ALICE))) == {ALICE}
    assert server.now >= 50


def test_with_readiness_by_task_a_download_whose_task_failed_is_not_ready() -> None:
    server = Server()
    server.profile = Profile(ready="task")

    def post() -> list[Json]:
        server.download(ALICE, listed=server.now)
        return [{"guid": server.task(ALICE, "FAILED", statusInfo="no space"), "state": "QUEUED"}]

    server.on_post = post
    progress = prepare(server, ALICE)
    assert (ready(progress), "no space" in failed(progress)[ALICE]) == ({}, True)


def test_a_failed_task_decides_without_another_look() -> None:
    server = Server()
    server.on_post = lambda: [{"guid": server.task(ALICE, "FAILED", statusInfo="no space"), "state": "QUEUED"}]
    progress = prepare(server, ALICE)
    assert list(failed(progress)) == [ALICE]
    assert "no space" in failed(progress)[ALICE]
    created = server.calls.index((0.0, "POST /cloud-download"))
    # A failure is believed at the second look; the list of all downloads would tell nothing more.
    assert [call for _when, call in server.calls[created + 1 :]] == ["GET /tasks"] * 2 + ["GET /cloud-download"]


def test_while_our_tasks_prepare_everything_a_look_is_one_call() -> None:
    server = Server()

    def post() -> list[Json]:
        server.download(ALICE, listed=server.now, finished=35)
        return [{"guid": server.task(ALICE, until=35), "state": "QUEUED"}]

    server.on_post = post
    assert ready(prepare(server, ALICE))
    calls = [call for _when, call in server.calls]
    # Nothing of it was there, so that nobody asks what of it is ready.
    assert calls[:3] == ["GET /tasks", "GET /cloud-download", "POST /cloud-download"]
    assert set(calls[3:-1]) == {"GET /tasks"}
    assert calls[-1] == "GET /cloud-download"


def test_a_refusal_while_waiting_fails_only_what_was_refused() -> None:
    """Alice turns out to be missing while Bob is waited for, and the server does not want to make hers."""
    server = Server()
    server.task(ALICE, "QUEUED")
    server.download(ALICE, mode=PST, listed=30)
    server.task(BOB, until=200)
    theirs = server.download(BOB, listed=10, finished=200)

    def refuse() -> list[Json]:
        raise StorwareError("Not allowed", code="forbidden")

    server.on_post = refuse
    progress = prepare(server, ALICE, BOB)
    assert failed(progress) == {ALICE: "Not allowed"}
    assert ready(progress) == {BOB: theirs}
    assert len(server.posts) == 1


def _lost() -> StorwareError:
    return errors.response_lost(errors.Attempt("create", "POST", "/cloud-download", "https://s", str), "cut")


def _expecting(server: Server, *entities: str) -> None:
    """Each has a task, which turns out to prepare the other kind."""
    for entity in entities:
        server.task(entity, "QUEUED")
        server.download(entity, mode=PST, listed=30)


def test_a_task_from_before_is_no_trace_of_a_call_whose_answer_was_lost() -> None:
    """It prepares the other download of the same person, and nothing came of the call: it is made again."""
    server = Server()
    server.download(ALICE, mode=PST, listed=0, finished=500)
    server.task(ALICE, since=0, until=500)

    def lost_at_first() -> list[Json]:
        if len(server.posts) == 1:
            raise _lost()
        server.download(ALICE, listed=server.now + 10, finished=server.now + 30)
        return [{"guid": server.task(ALICE, since=server.now, until=server.now + 30), "state": "QUEUED"}]

    server.on_post = lost_at_first
    assert ready(prepare(server, ALICE)) == {ALICE: guid("download-1")}
    assert len(server.posts) == 2


@pytest.mark.parametrize("timeout", [0, 30, 1000])
@pytest.mark.parametrize("shown_after", [None, 60, 110])
def test_asking_again_has_the_same_two_minutes_whatever_the_time_for_waiting(
    timeout: float, shown_after: float | None
) -> None:
    """Before their end the server may show what it has made of the first call; then it is not asked again."""
    server = Server()

    def lost_at_first() -> list[Json]:
        is_first = len(server.posts) == 1
        delay = (shown_after or 0) if is_first else 0
        if shown_after or not is_first:
            server.download(ALICE, listed=server.now + delay, finished=server.now + delay)
        if is_first:
            raise _lost()
        return []

    server.on_post = lost_at_first
    assert ready(prepare(server, ALICE, timeout=timeout)) == {ALICE: guid("download-0")}
    assert server.posts == ([0] if shown_after else [0, near(create.VISIBILITY_TIMEOUT)])


def test_the_time_for_waiting_begins_again_when_a_lost_call_is_found() -> None:
    server = Server()

    def lose() -> list[Json]:
        server.download(ALICE, listed=server.now + 50, finished=server.now + 75)
        raise _lost()

    server.on_post = lose
    assert set(ready(prepare(server, ALICE, timeout=30))) == {ALICE}
    server = Server()
    server.on_post = lose
    progress = prepare(server, ALICE, timeout=10)
    assert [want.entity.guid for want in progress.pending] == [ALICE]
    assert server.now == pytest.approx(65, abs=8)  # not the two minutes


def test_of_a_lost_call_while_waiting_only_what_has_not_come_of_it_has_failed() -> None:
    server = Server()
    _expecting(server, ALICE, BOB)

    def lose() -> list[Json]:
        if len(server.posts) == 1:
            server.download(ALICE, listed=server.now + 5, finished=server.now + 400)
        raise _lost()

    server.on_post = lose
    progress = prepare(server, ALICE, BOB)
    assert ready(progress) == {ALICE: guid("download-2")}
    assert set(failed(progress)) == {BOB}
    assert "got no whole answer (cut)" in failed(progress)[BOB]
    assert len(server.posts) == 2


def test_several_that_may_have_come_of_a_lost_call_while_waiting_are_told() -> None:
    server = Server()
    _expecting(server, ALICE)

    def lose() -> list[Json]:
        for _again in range(2):
            server.download(ALICE, listed=server.now + 5, finished=server.now + 6)
        raise _lost()

    server.on_post = lose
    progress = prepare(server, ALICE)
    assert set(failed(progress)) == {ALICE}
    assert f"{guid('download-1')}, download {guid('download-2')}" in failed(progress)[ALICE]
    assert len(server.posts) == 1


def test_what_has_failed_is_told_while_the_others_are_waited_for() -> None:
    server = Server()
    server.task(ALICE, "QUEUED", until=100)
    server.download(ALICE, listed=20, finished=100)
    server.on_post = lambda: [{"guid": server.task(BOB, "FAILED"), "state": "QUEUED"}]
    prepare(server, ALICE, BOB)
    assert server.told[0] == "0 of 2 ready"
    assert server.told[3] == "0 of 2 ready, 1 failed"  # a task that waits is not one that runs
    assert server.told[-1] == "1 of 2 ready, 1 failed"


def test_a_task_that_names_nobody_may_be_for_anybody() -> None:
    """Not asked for as long as it may be what is wanted."""
    server = Server()
    server.task("", until=60, protectedEntity=None)
    theirs = server.download(ALICE, listed=50, finished=60)
    assert ready(prepare(server, ALICE)) == {ALICE: theirs}
    assert server.posts == []


def test_the_end_of_the_time_tells_what_the_last_look_met() -> None:
    server = Server()
    server.task(ALICE)
    progress = prepare(server, ALICE, timeout=30)
    assert ready(progress) == failed(progress) == {}
    assert progress.last_error is None
    assert [want.entity.guid for want in progress.pending] == [ALICE]


def test_what_is_told_while_waiting() -> None:
    server = Server()
    server.download(BOB, finished=0)

    def post() -> list[Json]:
        server.download(ALICE, listed=server.now, finished=server.now + 145)
        server.task(BOB, progress=5)  # not ours
        task = server.task(ALICE, until=server.now + 25, progress=12.4)
        server.task(ALICE, since=server.now + 25, until=server.now + 145, same=task, progress=43)
        return [{"guid": task, "state": "QUEUED", "type": "RESTORE"}]

    server.on_post = post
    prepare(server, ALICE, BOB)
    assert server.told[:2] == ["1 of 2 ready", "1 of 2 ready, 1 running, slowest 12 %"]
    assert "1 of 2 ready, 1 running, slowest 43 %" in server.told
    assert server.told[-1] == "2 of 2 ready"


@pytest.mark.parametrize("type_of_task", OTHER_TYPES)
def test_a_task_that_is_documented_as_something_else_makes_no_download(type_of_task: str) -> None:
    assert not tasks.may_prepare(models.Task("t", "RUNNING", type_of_task))


@pytest.mark.parametrize("type_of_task", ["RESTORE", "MOUNT", "UPLOAD", "NEW_ONE", None])
def test_a_task_that_may_be_a_download(type_of_task: str | None) -> None:
    """The vendor's list has no type for downloads."""
    for state in ("QUEUED", "RUNNING", "PAUSED", None):
        assert tasks.may_prepare(models.Task("t", state, type_of_task))
    for state in ("FAILED", "CANCELLED", "FINISHED"):
        assert not tasks.may_prepare(models.Task("t", state, type_of_task))


# --- fewer polls: the progress of our tasks says when it is worth it ---

TASKS, DOWNLOADS = "GET /tasks", "GET /cloud-download"


class Job:
    """A create that the server works off: a task that says how far it is, and its download."""

    def __init__(
        self, server: Server, entity: str = ALICE, seconds: float = 300, *, mode: str = MAIL, lag: float = 0
    ) -> None:
        began = server.now
        self.task = server.task(entity, until=began + seconds)
        self.download = server.download(entity, mode=mode, listed=began, finished=began + seconds + lag)
        server.progress[self.task] = lambda now: 100 * (now - began) / seconds
        self.answer = {"guid": self.task, "state": "QUEUED", "protectedEntity": {"guid": entity}}


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that is polled without jitter, every ten seconds or less often."""
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)
    return Server()


def polls(server: Server) -> list[tuple[float, str]]:
    """The calls of the waiting, and when."""
    return server.calls[1 + next(at for at, (_when, call) in enumerate(server.calls) if call.startswith("POST")) :]


def test_a_job_of_which_the_progress_is_known_is_polled_when_it_may_have_moved_or_ended(steady: Server) -> None:
    steady.on_post = lambda: [Job(steady).answer]
    creators: list[create.Creator] = []
    progress = prepare(steady, ALICE, creators=creators)
    assert ready(progress) == {ALICE: guid("download-0")}
    seconds = [10, 40, 100, 160, 220, 280]  # after ten seconds, an estimate is not good for a minute
    assert polls(steady) == [*((when, TASKS) for when in seconds), (300, DOWNLOADS)]
    assert [(task.state, task.progress) for task in creators[0].tasks.values()] == [("FINISHED", 100)]
    assert steady.told[0] == "0 of 1 ready"
    assert steady.told[-2:] == ["0 of 1 ready, 1 running, slowest 93 %", "1 of 1 ready"]


@pytest.mark.parametrize("percent", [None, 0, -1, 100, 101, 1e300, "a lot", "nan", "inf", {"value": 1}, True])
def test_a_progress_that_says_nothing_of_the_end_changes_nothing(steady: Server, percent: Json) -> None:
    def post() -> list[Json]:
        job = Job(steady, seconds=45)
        steady.progress[job.task] = lambda _now: percent
        return [job.answer]

    steady.on_post = post
    assert ready(prepare(steady, ALICE))
    assert polls(steady) == [*((when, TASKS) for when in (10, 20, 30, 40, 50)), (50, DOWNLOADS)]


@pytest.mark.parametrize("timeout", [5, 15, 30, 100])
def test_progress_is_seen_before_the_time_for_waiting_is_over(
    steady: Server, monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    """Also when each second poll fails: two of them come before the deadline, unless it comes before the interval."""
    failing = [timeout > 20, True]
    read, wrong = steady.get, errors.Attempt("list tasks", "GET", "/tasks", "https://h/api")

    def get(path: str, query: payloads.Query, *more: t.Any) -> JsonResponse:
        if path == "/tasks" and dict(query)["page"] == "0" and steady.posts and failing[0]:
            failing[1] = not failing[1]
            if failing[1]:
                raise errors.ApiError(wrong, "answered 503", code="server_error", status=503, retryable=True)
        return read(path, query, *more)

    monkeypatch.setattr(steady, "get", get)
    steady.on_post = lambda: [Job(steady, seconds=1000).answer]
    assert ready(prepare(steady, ALICE, timeout=timeout))


@pytest.mark.parametrize("states", [("RUNNING", "FINISHED"), (None, None)])
def test_a_server_that_lists_what_is_not_ready_as_well_is_believed_with_a_second_sign_only(
    steady: Server, states: tuple[Json, Json]
) -> None:
    """By its progress it may be ready after 50 seconds, and it is after 57."""
    steady.ignores_filter, steady.states = True, states
    steady.on_post = lambda: [Job(steady, seconds=57).answer]
    assert set(ready(prepare(steady, ALICE))) == {ALICE}
    assert (50, TASKS) in polls(steady)
    assert steady.now == 60


def test_what_was_asked_for_in_several_requests_ends_with_the_slowest(steady: Server) -> None:
    steady.profile = ONE_BY_ONE
    jobs = iter([(ALICE, 60.0), (BOB, 200.0)])

    def post() -> list[Json]:
        job = Job(steady, *next(jobs))
        steady.sleep(4)  # the request takes its time
        return [job.answer]

    steady.on_post = post
    assert set(ready(prepare(steady, ALICE, BOB))) == {ALICE, BOB}
    # Alice's is over at the third poll; Bob's ends at 204.
    whole = {118: [TASKS, DOWNLOADS], 198: [DOWNLOADS, TASKS], 208: [DOWNLOADS]}
    assert polls(steady)[1:] == [
        (when, call) for when in (18, 58, 118, 178, 198, 208) for call in whole.get(when, [TASKS])
    ]


@pytest.mark.parametrize("theirs", [(-1, 40), (-1, 150), (5, 100), (15, 100)])
def test_while_another_client_has_the_same_prepared_the_tasks_decide(
    steady: Server, theirs: tuple[float, float]
) -> None:
    """Theirs is ready before ours, and was seen to be made at a poll, or before ours was asked for."""
    since, until = theirs
    other = steady.task(ALICE, since=since, until=until)
    made = steady.download(ALICE, mode=PST if since < 0 else MAIL, listed=since, finished=until)
    steady.on_post = lambda: [Job(steady, seconds=120).answer]
    progress = prepare(steady, ALICE)
    assert steady.now >= 120
    assert set(ready(progress)) == {ALICE}
    assert polls(steady)[-2:] == [(steady.now, TASKS), (steady.now, DOWNLOADS)]
    assert other != made


def test_a_task_that_names_nobody_may_be_another_clients_for_the_same(steady: Server) -> None:
    steady.on_post = lambda: [Job(steady, seconds=50).answer]
    steady.task("", since=5, protectedEntity=None)
    prepare(steady, ALICE)
    assert polls(steady)[-2:] == [(steady.now, TASKS), (steady.now, DOWNLOADS)]


def test_two_new_ones_are_judged_by_the_tasks(steady: Server) -> None:
    """Theirs came and went between two polls, and is ready together with ours."""
    steady.on_post = lambda: [Job(steady, seconds=40).answer]
    steady.download(ALICE, listed=12, finished=20)
    assert set(ready(prepare(steady, ALICE))) == {ALICE}
    assert polls(steady) == [(10, TASKS), (40, DOWNLOADS), (40, TASKS)]


def test_a_task_that_fails_near_its_end_has_failed(steady: Server) -> None:
    def post() -> list[Json]:
        job = Job(steady, seconds=45)
        steady.task(ALICE, "FAILED", since=45, same=job.task, statusInfo="no space")
        steady._downloads.clear()
        return [job.answer]

    steady.on_post = post
    progress = prepare(steady, ALICE)
    assert "no space" in failed(progress)[ALICE]
    assert polls(steady) == [
        (10, TASKS),
        (40, DOWNLOADS),
        (40, TASKS),
        (50, DOWNLOADS),
        (50, TASKS),
        (60, TASKS),
        (60, DOWNLOADS),
    ]


def test_a_list_that_lags_behind_the_tasks_is_waited_for(steady: Server) -> None:
    steady.on_post = lambda: [Job(steady, seconds=30, lag=60).answer]
    progress = prepare(steady, ALICE)
    assert (set(ready(progress)), failed(progress)) == ({ALICE}, {})
    assert steady.now == 90
    # The list was read before the tasks, which are over: what they have made may be in it by now.
    assert [call for when, call in polls(steady) if when == 30] == [DOWNLOADS, TASKS, DOWNLOADS, DOWNLOADS]


def test_a_task_that_stays_at_99_percent_is_polled_as_ever(steady: Server) -> None:
    def post() -> list[Json]:
        job = Job(steady, seconds=400)
        steady.progress[job.task] = lambda _now: 99
        return [job.answer]

    steady.on_post = post
    assert ready(prepare(steady, ALICE))
    assert steady.now == 400
    assert len([call for _when, call in polls(steady) if call == TASKS]) <= 40


def test_a_progress_that_goes_back_ends_nothing(steady: Server) -> None:
    def post() -> list[Json]:
        job = Job(steady, seconds=400)
        forwards = steady.progress[job.task]
        steady.progress[job.task] = lambda now: forwards(now) if now < 200 else forwards(now) / 100
        return [job.answer]

    steady.on_post = post
    assert ready(prepare(steady, ALICE, timeout=300))
    assert steady.now <= 400 + 60


def test_with_readiness_by_task_the_tasks_are_read_first(steady: Server) -> None:
    steady.profile = Profile(ready="task")
    steady.on_post = lambda: [Job(steady, seconds=40).answer]
    assert ready(prepare(steady, ALICE))
    assert polls(steady) == [(10, TASKS), (40, TASKS), (40, DOWNLOADS), (40, TASKS)]


def test_the_progress_of_what_was_asked_for_later_counts(steady: Server) -> None:
    """It goes on for longer than the time for waiting, which begins again with each step."""
    _expecting(steady, ALICE)
    steady.on_post = lambda: [Job(steady, seconds=400).answer]
    assert ready(prepare(steady, ALICE, timeout=100)) == {ALICE: guid("download-1")}
    assert steady.posts == [30]


def test_without_time_for_waiting_it_is_polled_once(steady: Server) -> None:
    steady.on_post = lambda: [Job(steady, seconds=0).answer]
    assert ready(prepare(steady, ALICE, timeout=0))
    assert polls(steady) == [(0, TASKS), (0, DOWNLOADS)]


def test_the_first_percent_after_a_long_queue_is_no_reason_for_a_long_pause(steady: Server) -> None:
    """It runs for eleven seconds only, and would be believed to need a quarter of an hour."""

    def post() -> list[Json]:
        job = Job(steady, seconds=20.5)
        steady.progress[job.task] = lambda now: 100 * (now - 9.9) / 10.6
        return [job.answer]

    steady.on_post = post
    assert ready(prepare(steady, ALICE))
    assert steady.now <= 40
