# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laws that hold for every start, every wish and every kind of server; generated with hypothesis."""

from __future__ import annotations

import threading
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils import _argspec, _cloud_download
from ansible_collections.storware.backup.plugins.module_utils._api import client, transport
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from tests.simulator.process import Simulator
from tests.support.examples import examples
from tests.support.modules import connect, run_module
from tests.support.virtual import virtual_time

Json = dict[str, t.Any]
PEOPLE = ("alice@example.com", "bob@example.com", "zoe@example.com")
MODES = ("CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD")

_SWITCHES = st.fixed_dictionaries(
    {},
    optional={
        "enum_style": st.sampled_from(["object", "string"]),
        "absent_fields": st.sampled_from(["omitted", "null"]),
        "total_count": st.sampled_from(["paged", "always", "never"]),
        "task_per_entity": st.booleans(),
        "task_type": st.sampled_from(["RESTORE", "MOUNT", "UPLOAD"]),
        "list_prefiltered": st.booleans(),
        "backup_in_record": st.sampled_from(["always", "sometimes", "never"]),
        "purge_after": st.sampled_from([0, 3600]),
        "delete_answer": st.sampled_from(["body", "empty", "accepted"]),
        "put_answer": st.sampled_from(["body", "empty"]),
        "post_status": st.sampled_from(["201", "200"]),
        "max_page_size": st.sampled_from([0, 2]),
        "queue_seconds": st.sampled_from([0, 2, 700]),
        "run_seconds": st.sampled_from([0, 6, 1200]),
        "list_lag": st.sampled_from([0, 30]),
    },
)
_PEOPLE = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True)
_WISH = st.fixed_dictionaries(
    {"protected_entities": _PEOPLE, "mode": st.sampled_from(MODES), "state": st.sampled_from(["present", "absent"])},
    optional={"backup": st.just("latest"), "node": st.sampled_from(["node-1", "node-2"])},
)


def wish(simulator: Simulator, **options: t.Any) -> Json:
    return connect(simulator, protected_entity_type="CLOUD_USER", **options)


def good(result: Json) -> Json:
    assert not result.get("failed"), result
    return result


def start(simulator: Simulator, switches: t.Mapping[str, t.Any], there: t.Iterable[str]) -> None:
    simulator.reset(**switches)
    simulator.speed(0)
    for person in there:
        simulator.seed(downloads=1, entity=person)
    simulator.step(60)


@pytest.mark.fault("U2")
@examples(8, 300)
@given(switches=_SWITCHES, there=st.sets(st.sampled_from(PEOPLE)), wanted=_WISH)
def test_check_mode_predicts_and_the_second_run_changes_nothing(
    simulator_process: Simulator, switches: Json, there: set[str], wanted: Json
) -> None:
    simulator = simulator_process
    start(simulator, switches, sorted(there))
    options = wish(simulator, **wanted)
    with virtual_time(simulator):
        simulator.clear_log()
        predicted = good(run_module("cloud_download", options, check=True))
        assert simulator.counters()["writes"] == 0
        real = good(run_module("cloud_download", options))
        assert (predicted["changed"], predicted["diff"]) == (real["changed"], real["diff"])
        assert len(predicted["cloud_downloads"]) == len(real["cloud_downloads"])

        simulator.clear_log()
        again = good(run_module("cloud_download", options))
        assert not again["changed"]
        assert again["diff"]["before"] == again["diff"]["after"] == real["diff"]["after"]
        counters = simulator.counters()
        assert (counters["writes"], counters["open_sessions"]) == (0, 0)
    assert simulator.violations() == {"request": [], "response": []}


class _Turns:
    """Two writers whose calls to the server take turns as a list of turns says; after its end, as they come."""

    def __init__(self, order: list[bool]) -> None:
        self._order = list(order)
        self._changed = threading.Condition()
        self._running = {False, True}

    def take(self, who: bool, call: t.Callable[[], t.Any]) -> t.Any:
        with self._changed:
            self._changed.wait_for(lambda: not self._order or self._order[0] == who or (not who) not in self._running)
            if self._order:
                self._order.pop(0)
            try:
                return call()
            finally:
                self._changed.notify_all()

    def leave(self, who: bool) -> None:
        with self._changed:
            self._running.discard(who)
            self._changed.notify_all()


def _write(simulator: Simulator, turns: _Turns, who: bool, options: Json, results: dict[bool, Json]) -> None:
    """What the module does, without what is one to a process (arguments, standard output, signals)."""

    class Taking(transport.Transport):
        def send(self, *arguments: t.Any, **named: t.Any) -> t.Any:
            return turns.take(who, lambda: super(Taking, self).send(*arguments, **named))

    try:
        connection = _argspec.connection({**_DEFAULTS, **connect(simulator)})
        with client.Client(connection) as session:
            session._transport = Taking(connection, lambda secret: None)
            results[who] = _cloud_download.ensure(session, options, False, lambda warning: None, lambda text: None)
    except StorwareError as error:
        results[who] = {"code": error.code, "failures": error.results["failures"]}
    finally:
        turns.leave(who)


_DEFAULTS = {option.name: option.default for option in _argspec.CONNECTION}


def _params(people: list[str], mode: str, state: str) -> Json:
    return {
        "state": state,
        "protected_entities": people,
        "protected_entity_type": "CLOUD_USER",
        "guid": None,
        "mode": mode,
        "backup": None,
        "node": None,
        "status": None,
        "update": None,
        "request": None,
        "wait": True,
        "wait_timeout": 3600.0,
        "wait_interval": 10.0,
    }


@pytest.mark.fault("P12")
@examples(8, 300)
@given(
    first=_PEOPLE,
    second=_PEOPLE,
    states=st.sampled_from([("present", "present"), ("present", "present"), ("present", "absent")]),
    order=st.lists(st.booleans(), max_size=40),
    queue=st.sampled_from([0, 2, 60]),
)
def test_any_interleaving_of_two_writers_ends_in_a_wanted_state(
    simulator_process: Simulator,
    first: list[str],
    second: list[str],
    states: tuple[str, str],
    order: list[bool],
    queue: int,
) -> None:
    simulator = simulator_process
    start(simulator, {"queue_seconds": queue}, ["zoe@example.com"])
    turns, results = _Turns(order), dict[bool, Json]()
    wanted = {False: _params(first, MODES[0], states[0]), True: _params(second, MODES[0], states[1])}
    with virtual_time(simulator):
        writers = [
            threading.Thread(target=_write, args=(simulator, turns, who, wanted[who], results)) for who in wanted
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert set(results) == {False, True}
        guids = {user["email"]: user["guid"] for user in simulator.entities("users")}
        # Who waits for what another one deletes is told so.
        contested = {guids[person] for person in set(first) & set(second)} if states[1] == "absent" else set[str]()
        for result in results.values():
            assert {failure.get("protected_entity") for failure in result.get("failures", [])} <= contested, result
            assert result.get("code", "prepare_failed") == "prepare_failed"
        simulator.step(120)

        found = {record["backup"]["protectedEntity"]["guid"] for record in simulator.downloads()}
        certain = set(first) | set(second) if states[1] == "present" else set(first) - set(second)
        assert {guids[person] for person in certain} <= found
        assert found <= {guids[person] for person in {*first, *second, "zoe@example.com"}}

        if states[1] == "present":
            for people in (first, second):
                again = run_module("cloud_download", wish(simulator, protected_entities=people))
                assert not good(again)["changed"]
    assert simulator.counters()["open_sessions"] == 0
