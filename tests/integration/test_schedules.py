# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random schedules of creating, fetching and deleting under random faults: in the end exactly what was asked for.

What a run leaves open, the next one settles: a failed task is run again after a while, as people do, and what a
warning asks for is done. No download is ever there twice, none is left over, and no session stays open.
"""

from __future__ import annotations

import hashlib
import pathlib
import tempfile
import typing as t

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.simulator.process import Simulator
from tests.support.examples import examples
from tests.support.modules import connect, run_module
from tests.support.virtual import virtual_time

Json = dict[str, t.Any]
PEOPLE = ("alice@example.com", "bob@example.com", "carol@example.com")
MODES = ("CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD")
A_WHILE = 300.0  # seconds until somebody runs a failed task again; longer than any list lags

_PEOPLE = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True)
_MODE = st.sampled_from(MODES)
_LOST = ("lost_request", "lost_answer", "cut_headers", "cut_body")
_FAULTS = st.one_of(
    st.tuples(st.sampled_from(["POST /cloud-download", "DELETE /cloud-download/{guid}"]), st.sampled_from(_LOST)),
    st.tuples(
        st.sampled_from(["POST /cloud-download", "DELETE /cloud-download/{guid}"]),
        st.sampled_from(["refused", "untrue"]),
        st.sampled_from([409, 500, 502, 503, 504]),
    ),
    st.tuples(st.sampled_from(["GET /cloud-download", "GET /tasks", "GET /cloud-users"]), st.sampled_from(_LOST)),
    st.tuples(
        st.sampled_from(["GET /cloud-download", "GET /tasks", "POST /session/login"]),
        st.just("refused"),
        st.sampled_from([502, 503]),
    ),
)


class Schedule(RuleBasedStateMachine):
    """One life of a server, with people who want downloads of it, or none."""

    def __init__(self, simulator: Simulator, directory: pathlib.Path) -> None:
        super().__init__()
        self._simulator = simulator
        # The guids of every new server are the same, its contents are not
        self._directory = pathlib.Path(tempfile.mkdtemp(dir=directory))
        self._wanted: set[tuple[str, str]] = set()
        self._lag = 0
        simulator.reset(content_size=1000)
        self._names = {user["name"]: user["email"] for user in simulator.entities("users") if "email" in user}
        self._time = virtual_time(simulator)
        self._time.__enter__()

    # What happens to the server

    @rule(fault=_FAULTS, after=st.integers(0, 6), times=st.sampled_from([1, 1, 2, 25]))
    def calls_go_wrong(self, fault: tuple[t.Any, ...], after: int, times: int) -> None:
        call, how, status = (*fault, 503)[:3]
        if call.startswith("POST"):
            after, times = 0, min(times, 2)
        self._simulator.fault(call, how, after=after, times=times, status=status)

    @rule(seconds=st.sampled_from([0, 5, 40]))
    def the_list_lags(self, seconds: int) -> None:
        self._simulator.step(seconds)  # it stands still, it does not go back
        self._simulator.switch(list_lag=seconds)
        self._lag = seconds

    @rule(calls=st.integers(1, 8))
    def sessions_end(self, calls: int) -> None:
        self._simulator.switch(drop_session_after=calls)

    @rule(tasks=st.sampled_from(["kept", "emptied", "renumbered"]))
    def the_server_restarts(self, tasks: str) -> None:
        if tasks == "emptied":
            self._simulator.step(30)  # what has not even begun could not be known by anybody
        self._simulator.restart(tasks)

    @rule(switches=st.fixed_dictionaries({}, optional={
        "task_per_entity": st.booleans(),
        "backup_in_record": st.sampled_from(["always", "sometimes", "never"]),
        "queue_seconds": st.sampled_from([0, 2, 200]),
        "run_seconds": st.sampled_from([0, 6, 500]),
        "purge_after": st.sampled_from([0, 3600]),
        "delete_answer": st.sampled_from(["body", "empty", "accepted"]),
        "total_count": st.sampled_from(["paged", "never"]),
    }))  # fmt: skip
    def the_server_is_another(self, switches: Json) -> None:
        self._simulator.switch(**switches)

    @rule(seconds=st.sampled_from([1, 10, 1000]))
    def time_passes(self, seconds: int) -> None:
        self._simulator.step(seconds)

    # What people do

    @rule(people=_PEOPLE, mode=_MODE, wait=st.sampled_from([True, True, False]))
    def create(self, people: list[str], mode: str, wait: bool) -> None:
        self._wanted |= {(person, mode) for person in people}
        result = self._ensure(people, mode, "present", wait)
        if wait:
            assert len(result["cloud_downloads"]) == len(people)
        elif "warnings" in result and "was not asked for" in str(result["warnings"]):
            self._ensure(people, mode, "present", True)
        elif self._lag:
            # Documented: between the end of its task and the list that shows it, it would be made again.
            self._simulator.step(A_WHILE * 3)

    @rule(people=_PEOPLE, mode=_MODE)
    def remove(self, people: list[str], mode: str) -> None:
        self._wanted -= {(person, mode) for person in people}
        for _time in range(5):
            result = self._ensure(people, mode, "absent", True)
            if "cannot be deleted yet" not in str(result.get("warnings")):
                return
            self._simulator.step(A_WHILE)
        raise AssertionError("what cannot be deleted yet can never be deleted")

    @rule()
    def look(self) -> None:
        self._simulator.step(A_WHILE * 3)
        result = self._until_it_succeeds("cloud_download_info")
        guids = [record["guid"] for record in result["cloud_downloads"]]
        assert sorted(guids) == sorted(record["guid"] for record in self._on_server())

    # A number, so that what is drawn does not depend on what the server has
    @rule(which=st.integers(0, 11))
    def fetch(self, which: int) -> None:
        self._simulator.step(A_WHILE * 3)
        there = self._on_server()
        if not there:
            return
        guid = there[which % len(there)]["guid"]
        dest = self._directory / guid
        self._until_it_succeeds("cloud_download_content", guid=guid, dest=str(dest))
        truth = self._simulator.content(guid)
        assert hashlib.sha256(dest.read_bytes()).hexdigest() == truth["sha256"]

    # What must always hold

    @invariant()
    def nothing_is_there_twice(self) -> None:
        there = [self._owner(record) for record in self._on_server()]
        assert len(set(there)) == len(there), there

    @invariant()
    def no_session_is_open(self) -> None:
        assert self._simulator.counters()["open_sessions"] == 0

    def teardown(self) -> None:
        """In the end there is exactly what was asked for."""
        try:
            self._simulator.step(A_WHILE * 10)
            assert {self._owner(record) for record in self._on_server()} == self._wanted
            self.nothing_is_there_twice()
        finally:
            self._time.__exit__(None, None, None)

    # Tools

    def _ensure(self, people: list[str], mode: str, state: str, wait: bool) -> Json:
        return self._until_it_succeeds(
            "cloud_download",
            protected_entities=people,
            protected_entity_type="CLOUD_USER",
            mode=mode,
            state=state,
            wait=wait,
            wait_timeout=1800,
        )

    def _until_it_succeeds(self, module: str, **options: t.Any) -> Json:
        """Run it again after each failure, as people do."""
        for _time in range(40):
            result = run_module(module, connect(self._simulator, allow_http=True, retries=1, **options))
            if not result.get("failed"):
                return result
            assert result["error"]["code"] in _PASSING, result
            self._simulator.step(A_WHILE)
        raise AssertionError(f"it never succeeds: {result}")

    def _on_server(self) -> list[Json]:
        return self._simulator.downloads()

    def _owner(self, record: Json) -> tuple[str, str]:
        return self._names[record["backup"]["protectedEntity"]["name"]], record["mode"]["name"]


# Failures after which people run a task again
_PASSING = {
    "response_lost",
    "unreachable",
    "server_error",
    "conflict",
    "timeout",
    "wait_timeout",
    "prepare_failed",
    "delete_failed",
    "unauthorized",  # the session ended twice within one call
}


@pytest.fixture(scope="module")
def plain_simulator() -> t.Iterator[Simulator]:
    """Without TLS and validation, which other tests have: many schedules in little time."""
    with Simulator.start(speed=0, http=True, validate=False) as running:
        yield running


def test_every_schedule_ends_with_exactly_what_was_asked_for(
    plain_simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    class OneSchedule(Schedule):
        def __init__(self) -> None:
            super().__init__(plain_simulator, tmp_path)

    run_state_machine_as_test(OneSchedule, settings=settings(examples(12, 500), stateful_step_count=12))
