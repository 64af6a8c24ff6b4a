# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has happened between two looks at the server: nothing is missed, and nothing is told twice."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._api import models
from ansible_collections.storware.backup.plugins.plugin_utils import _change_feed
from ansible_collections.storware.backup.plugins.plugin_utils._change_feed import State
from tests.support.guids import guid, word

NOTHING = State("https://s/api")


def _downloads(letters: t.Iterable[str]) -> list[models.CloudDownload]:
    return [models.CloudDownload(guid(letter), "CLOUD_DOWNLOAD", state=f"state of {letter}") for letter in letters]


def _look(
    state: State, listed: str = "", ready: str = "", failed: str = "", failing: str = ""
) -> tuple[list[str], State]:
    """Events as "ready a", and the next state. Each letter is a download or a task."""
    tasks = [models.Task(guid(letter), "FAILED", status_info="broken") for letter in failed]
    looks_failed = {guid(letter) for letter in failed + failing}
    events, seen = _change_feed.compare(state, _downloads(listed), _downloads(ready), tasks, looks_failed)
    return [f"{event['kind']} {word(event['guid'])}" for event in events], seen


def test_a_life_is_told_once() -> None:
    told, state = _look(NOTHING, "a")
    assert told == ["created a"]
    told, state = _look(state, "a")
    assert told == []
    told, state = _look(state, "a", "a")
    assert told == ["ready a"]
    told, state = _look(state, "a", "a")
    assert told == []
    told, state = _look(state)
    assert told == []  # the list may lag
    told, state = _look(state)
    assert told == ["deleted a"]
    assert _look(state) == ([], NOTHING)


def test_what_is_ready_at_the_first_look_is_created_and_ready() -> None:
    assert _look(NOTHING, "ab", "b")[0] == ["created a", "created b", "ready b"]


def test_what_only_one_of_the_lists_has_is_there() -> None:
    """It was made, or became ready, between the two."""
    assert _look(NOTHING, "", "a")[0] == ["created a", "ready a"]


def test_what_is_missing_once_is_not_gone() -> None:
    _told, state = _look(NOTHING, "a", "a")
    _told, state = _look(state)
    told, state = _look(state, "a")
    assert told == []
    assert state.downloads[guid("a")].ready  # it stays so, whatever a list that lags says
    _told, state = _look(state)
    assert _look(state)[0] == ["deleted a"]


def test_of_what_is_gone_the_last_record_is_told() -> None:
    _told, state = _look(NOTHING, "a")
    events, _state = _change_feed.compare(_look(state)[1], [], [], [], set())
    assert events[0]["download"]["state"] == "state of a"
    assert events[0]["task"] is None


def test_a_failed_task_is_told_once_with_its_reason() -> None:
    task = models.Task(guid("t"), "FAILED", status_info="no space")
    events, state = _change_feed.compare(NOTHING, [], [], [task], {task.guid})
    assert (events[0]["kind"], events[0]["task"]["status_info"], events[0]["download"]) == ("failed", "no space", None)
    assert _look(state, failed="t")[0] == []
    # As after a restart, when it takes a second look to be sure.
    told, again = _look(state, failing="t")
    assert told == []
    assert _look(again, failed="t")[0] == []


def test_a_task_that_the_server_has_no_more_is_forgotten() -> None:
    _told, state = _look(NOTHING, failed="t")
    assert _look(state)[1].failed == frozenset()


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("xy")))
    )
)
def test_a_state_survives_a_restart(looks: list[tuple[set[str], set[str], set[str]]]) -> None:
    """At any time: who goes on from the file tells the same as who goes on from memory."""
    state = NOTHING
    for listed, ready, failed in looks:
        args = ("".join(sorted(listed)), "".join(sorted(ready & listed)), "".join(sorted(failed)))
        again = State.from_text(state.as_text())
        assert again == state
        assert _look(again, *args) == _look(state, *args)
        state = _look(state, *args)[1]


@given(st.lists(st.sets(st.sampled_from("abc")), max_size=12))
def test_created_and_gone_alternate(looks: list[set[str]]) -> None:
    state, lives = NOTHING, dict.fromkeys("abc", "deleted")
    for listed in looks:
        told, state = _look(state, "".join(sorted(listed)))
        for event in told:
            kind, letter = event.split()
            assert lives[letter] != kind
            lives[letter] = kind
        assert all(lives[letter] == "created" for letter in listed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        json.dumps({"version": 2, "server": "x", "downloads": {}, "failed": []}),
        json.dumps({"version": 1, "server": "x", "downloads": {guid("a"): {"colour": 1}}, "failed": []}),
        json.dumps({"version": 1, "server": "x", "downloads": [], "failed": []}),
        json.dumps({"version": 1, "server": "x", "downloads": {"{{ 1 }}": {"record": {}}}, "failed": []}),
    ],
)
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(it|Expect|not every)"):
        State.from_text(text)
