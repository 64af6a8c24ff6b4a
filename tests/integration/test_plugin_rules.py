# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the controller's side, each by itself; plays show them together."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError

from ansible_collections.storware.backup.plugins.action import fetch_report
from ansible_collections.storware.backup.plugins.module_utils import _detached
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError
from ansible_collections.storware.backup.plugins.plugin_utils import (
    _action,
    _detached_poll,
    _facts,
    _report_rows,
    _results,
    _role_options,
)
from ansible_collections.storware.backup.plugins.plugin_utils._play import Play

Json = t.Any


# --- Polls ---


class Host:
    """Gives these answers one after the other; an exception is raised."""

    def __init__(self, *answers: Json) -> None:
        self._answers = list(answers)
        self.polls: list[t.Mapping[str, str]] = []
        self.shown: list[str] = []

    def run(self, variables: t.Mapping[str, str]) -> dict[str, Json]:
        self.polls.append(variables)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return t.cast("dict[str, Json]", answer)

    def result(self) -> dict[str, Json]:
        return _detached_poll.until_done(self.run, 0.0, "~/.ansible/tmp", self.shown.append)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_detached_poll, "_PAUSE", 0.0)


def test_all_polls_are_of_one_work_and_show_its_progress() -> None:
    host = Host({_detached.KEY: {"text": "41 %"}}, {_detached.KEY: {}}, {"changed": True})
    assert host.result() == {"changed": True}
    assert host.shown == ["41 %"]
    assert len({poll[_detached.ENVIRONMENT] for poll in host.polls}) == 1


def test_a_connection_that_is_lost_is_tried_again_and_shown_in_one_line() -> None:
    host = Host(AnsibleConnectionFailure("broken pipe\nby peer"), {"changed": False})
    assert host.result() == {"changed": False}
    assert host.shown == ["connection lost, trying again (broken pipe)"]
    assert host.polls[0] == host.polls[1]  # the same work, and not another one


def test_a_host_that_stays_away_ends_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_detached_poll, "_ABANDON_TIMEOUT", 0.0)
    with pytest.raises(AnsibleConnectionFailure, match="away"):
        Host(AnsibleConnectionFailure("away")).result()


def test_a_refused_key_is_not_tried_again() -> None:
    host = Host(AnsibleAuthenticationFailure("refused"), {"changed": True})
    with pytest.raises(AnsibleAuthenticationFailure):
        host.result()
    assert len(host.polls) == 1


def test_work_that_was_killed_is_done_in_one_go() -> None:
    host = Host({_detached.KEY: {"lost": True}}, {"changed": True})
    assert host.result() == {"changed": True}
    assert host.polls[1] == {}


def test_a_host_that_never_has_a_result_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_detached_poll, "_MAX_TIME", 0.0)
    with pytest.raises(StorwareError) as caught:
        Host({_detached.KEY: {}}).result()
    assert caught.value.code == "invalid_result"


# --- Options of the role ---

ASKED: t.Final[dict[str, Json]] = {
    "protected_entities": ["Alice", "Bob"],
    "protected_entity_type": "CLOUD_USER",
    "guids": [],
    "mode": "CLOUD_DOWNLOAD",
    "backup": None,
    "backup_statuses": ["SUCCESS"],
    "node": None,
    "request": None,
}


@pytest.mark.parametrize(
    ("changes", "server", "is_same"),
    [
        ({"protected_entities": ["Bob", "Alice", "Bob"]}, "", True),
        ({"protected_entities": ["Bob"]}, "", False),
        ({"backup": "latest"}, "", False),
        ({"backup_statuses": ["PARTIAL_SUCCESS", "SUCCESS"]}, "", False),
        ({"request": {"node": None}}, "", False),
        ({}, "https://other.example.com", False),
    ],
)
def test_hosts_share_a_request_when_they_ask_for_the_same(changes: dict[str, Json], server: str, is_same: bool) -> None:
    found = [_role_options.request_id(ASKED, ""), _role_options.request_id({**ASKED, **changes}, server)]
    assert (found[0] == found[1]) is is_same


@pytest.mark.parametrize(
    ("changes", "check_mode", "always"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"creates": False}, False, True),
        ({"guids": ["g"]}, False, True),
        ({"backup": "latest"}, False, True),
    ],
)
def test_the_server_is_searched_for_predictions_existing_downloads_and_sizes(
    changes: Json, check_mode: bool, always: bool
) -> None:
    options = {"creates": True, "guids": [], "backup": None, **changes}
    assert _role_options.searches_always(options, check_mode=check_mode) is always


def test_a_relay_serves_the_first_group_that_has_the_host() -> None:
    groups = {"east": ["a", "b"], "all_of_them": ["a", "b", "c"]}
    found = [_role_options.relay_group(host, ["east", "nowhere", "all_of_them"], groups) for host in "abcd"]
    assert found == ["in east", "in east", "in all_of_them", "d"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"protected_entities": None}, "Set exactly one of"),
        ({"guids": ["x"], "protected_entities": None, "node": "n"}, "go with fetch_content_protected_entities"),
        ({"report": ["/srv/r.xml"]}, "absolute paths that end with .json, .csv or .html"),
        ({"max_rate": -1}, "fetch_content_max_rate takes bytes per second"),
        ({"max_size": -1}, "fetch_content_max_size takes bytes"),
        ({"via": "controller"}, "needs fetch_content_spool"),
        ({"via": "relay", "relay_groups": ["east", "west"]}, "does not have: west."),
        ({"via": "relay", "relay_groups": [], "distribute": True}, "excludes fetch_content_distribute"),
    ],
)
def test_options_that_exclude_each_other_are_named(changes: dict[str, Json], words: str) -> None:
    options = {"protected_entities": ["Alice"], "guids": None, "via": "direct", **changes}
    found = _role_options.complaints({f"fetch_content_{name}": value for name, value in options.items()}, ["east"])
    assert (words in " ".join(found)) if words else (found == [])


# --- Facts and results of hosts ---


class HostVars:
    def __init__(self, **facts: Json) -> None:
        self._facts = facts

    def raw_get(self, host: str) -> dict[str, Json]:
        return {"ansible_facts": self._facts} if host == "evil" else {}


def test_facts_that_would_be_options_of_the_role_are_refused_by_host_and_name() -> None:
    variables = {"hostvars": HostVars(**{"fetch_content_report\n": ["/etc/cron.d/x"], "distribution": "Debian"})}
    with pytest.raises(OptionError, match=r"fetch_content_report\?: comes from the facts of evil"):
        _facts.refuse_variables_of_the_role(variables, ["good", "evil"])
    _facts.refuse_variables_of_the_role(variables, ["good"])


def test_only_the_interpreter_that_ansible_has_found_becomes_a_fact() -> None:
    key = "discovered_interpreter_python"
    assert _results.with_interpreter({}, key, "/usr/bin/python3") == {"ansible_facts": {key: "/usr/bin/python3"}}
    assert _results.with_interpreter({}, key, "/usr/bin/python3; reboot") == {}
    assert _results.with_interpreter({}, None, "/usr/bin/python3") == {}


@dataclasses.dataclass
class Message:
    """As those of ansible-core 2.19 and later."""

    text: str


def test_values_of_any_kind_are_cleaned_and_others_refused() -> None:
    raw = {"failed": True, "msg": "a\x1b[2Jb", "exception": Message("\x1b[2J"), "warnings": ["w\x07"]}
    clean = json.dumps(_results.clean_result("cloud_download", raw), default=str)
    assert "\\u001b" not in clean
    assert "\\u0007" not in clean


def test_a_result_that_is_too_large_to_be_decoded_is_refused() -> None:
    with pytest.raises(StorwareError) as caught:
        _results.clean_warnings("[" * (_results.MOST_ITEMS + 1))
    assert caught.value.code == "invalid_result"
    with pytest.raises(StorwareError):
        _results.clean_result("cloud_download", {"failed": True, "msg": object()})


def test_what_a_failed_result_lacks_is_not_asked_for() -> None:
    _results.check_files({}, {"failed": True}, ["guid"], predicted=False)


# --- Levels of settings ---


class Plain:
    """A templar of values without templates."""

    def template(self, value: Json) -> Json:
        return value


@dataclasses.dataclass
class Task:
    environment: Json = None
    module_defaults: Json = None


def test_the_environment_of_a_task_wins_over_that_of_its_parents() -> None:
    outer, inner = {"STORWARE_URL": "https://outer", "X": "1"}, {"STORWARE_URL": "https://inner"}
    assert _action.task_environment(Task([outer, inner]), Plain()) == {"STORWARE_URL": "https://inner", "X": "1"}
    assert _action.task_environment(Task(), Plain()) == {}
    with pytest.raises(AnsibleError, match="environment must be a dictionary"):
        _action.task_environment(Task(["STORWARE_URL"]), Plain())


def test_the_defaults_of_one_module_win_over_those_of_the_group() -> None:
    group, module = "group/storware.backup.storware", "storware.backup.session"
    task = Task(module_defaults=[{group: {"url": "https://group"}}, {module: {"url": "https://module"}}])
    assert _action.default_of_the_play(task, Plain(), "url", module) == "https://module"
    assert _action.default_of_the_play(task, Plain(), "url") == "https://group"
    assert _action.default_of_the_play(Task(), Plain(), "url") is None


# --- The report ---


def _play(**states: Json) -> Play:
    """Hosts of a play, each with this state of the role."""
    variables = {
        host: {
            f"_fetch_content_{name}": value for name, value in {"options": {"use": 1}, "asker": "h1", **state}.items()
        }
        for host, state in states.items()
    }
    return Play(list(states), list(states), next(iter(states)), variables)


def test_compared_files_are_returned_with_those_that_are_intact_everywhere() -> None:
    intact, changed = {"guid": "a", "state": "intact"}, {"guid": "b", "state": "changed"}
    also_intact = {"guid": "b", "state": "intact"}
    play = _play(h1={"verified": {"files": [intact, changed]}}, h2={"verified": {"files": [also_intact]}}, h3={})
    found = fetch_report._report_verified(play)
    assert (found["complete"], found["files"]) == (False, [intact, changed, also_intact])
    assert found["ansible_stats"]["data"] == {"fetch_content_verified": {"guids": ["a"]}}


def test_each_host_that_lacks_files_has_a_failure() -> None:
    error = {"code": "unreachable", "cause": "no connection", "hint": "Check url."}
    there = {"guid": "a", "reason": "missing", "size": 1}
    lacking = {"guid": "a", "failed": True, "msg": "no connection [unreachable]", "error": error}
    downloads = [{"guid": "a", "protected_entity": {"guid": "e", "name": "Alice"}}]
    plan = {"downloads": downloads, "fetch": downloads, "from_server": True}
    play = _play(
        h1={"transfers": plan, "fetched": {"files": [there]}},
        h2={"transfers": plan, "fetched": {"failed": True, "files": [lacking]}},
    )
    missing = fetch_report._missing(_report_rows.build_rows(play))
    assert list(missing) == ["h2"]
    assert missing["h2"]["error"]["code"] == "unreachable"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@backup.example.com:8181/api", "https://backup.example.com:8181"),
        ("https://[oops", ""),
        ("", ""),
    ],
)
def test_the_server_of_a_report_has_no_credentials(url: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORWARE_URL", url)
    assert fetch_report._server(_play(h1={})) == shown


def test_a_report_begins_with_its_first_host() -> None:
    play = _play(
        h1={"options": {"use": 1, "started": "2026-01-09T10:02:00Z"}},
        h2={"options": {"use": 1, "started": "2026-01-09T10:01:00Z"}},
        h3={"options": {"use": 2, "started": "2026-01-09T10:00:00Z"}},
    )
    assert fetch_report._start(play) == "2026-01-09T10:01:00Z"
