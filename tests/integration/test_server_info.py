# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""server_info against simulators that differ: each difference is found, and nothing personal is returned."""

from __future__ import annotations

import json
import pathlib
import random
import re
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils import _profile
from ansible_collections.storware.backup.plugins.module_utils._server_info import findings
from tests.simulator import profiles
from tests.simulator.process import Simulator
from tests.support.modules import GUID_FILTERS, OTHER_KEYS, connect, prepare, run_module, start_module, told_by
from tests.support.planted import PEOPLE, PlantedServer
from tests.support.use import good, wait_until

Json = t.Any

LOGINS = {("POST", "/session/login"), ("POST", "/session/logout")}
CAROL = {"protected_entity": "carol@example.com", "protected_entity_type": "CLOUD_USER"}


def check(simulator: Simulator, **options: Json) -> Json:
    return good(run_module("server_info", connect(simulator, **options)))


def found(result: Json) -> dict[str, Json]:
    """The findings by their names."""
    return {finding["id"]: finding for finding in result["findings"]}


def try_out(simulator: Simulator, **options: Json) -> Json:
    return check(simulator, trial=True, wait_interval=0.05, **{"wait_timeout": 10, **CAROL, **options})


def begin_one(simulator: Simulator, **options: Json) -> None:
    """A download that is being prepared, for as long as the test takes."""
    simulator.switch(run_seconds=100_000, queue_seconds=0)
    good(run_module("cloud_download", prepare(simulator, "bob@example.com", wait=False, **options)))
    simulator.clear_log()


# --- Reading ---


@pytest.mark.smoke
def test_a_server_as_assumed_differs_in_nothing_and_is_only_read(simulator: Simulator) -> None:
    simulator.seed(downloads=2, entity="alice@example.com")
    begin_one(simulator)
    result = check(simulator)
    assert not result["changed"]
    assert (result["differences"], result["profile"], result["merged_profile"]) == ([], {}, {})
    assert [finding["id"] for finding in result["findings"]] == [question.id for question in findings.QUESTIONS]
    unknown = {finding["id"] for finding in result["findings"] if finding["holds"] is None}
    assert unknown == {
        *("create_body", "create_batch", "create_visible", "update_body", "deletion", "item_selection", "expiry"),
        *("token_login", "page_size", "task_types"),
    }
    shown = found(result)
    assert all(shown[name]["remains"] for name in unknown - {"page_size", "task_types"})
    requests = {(request["method"], request["path"]) for request in simulator.requests()}
    assert {method for method, _path in requests - LOGINS} == {"GET"}
    assert requests >= LOGINS
    assert simulator.counters()["open_sessions"] == 0
    assert not any(request["body"] for request in simulator.requests() if request["path"] != "/session/login")


# Switches that do not disturb each other, and of each finding that shows one of them: a part of its text, whether the
# default holds, and the value of the profile key.
Expected = dict[str, tuple[str, "bool | None", Json]]
SIMULATORS: list[tuple[dict[str, Json], Expected]] = [
    (
        {"enum_style": "string", "error_body": "nested", "cookie_name": "SID", "total_count": "never"},
        {
            "enum_shape": ("texts", True, None),
            "error_body": ("error", True, None),
            "session_cookie": ("1 other name", True, None),
            "total_count": ("no list has it", True, None),
        },
    ),
    (
        {"max_page_size": 7, "total_count": "always", "list_prefiltered": False},
        {
            "page_size": ("7 records", False, 7),
            "total_count": ("paged and unpaged", True, None),
            "list_prefiltered": ("MANUAL", True, None),
        },
    ),
    (
        {"max_page_size": 7, "total_count": "never", "error_body": "html", "ranges": "none", "content_length": False},
        {
            "page_size": ("7 records", False, 7),
            "error_body": ("html", False, None),
            "content_headers": ("a file name; not: ranges, a length", True, None),
        },
    ),
    (
        {"page_quirk": "ignore_size", "ignored_filters": GUID_FILTERS, "backup_link": "none", "error_body": "empty"},
        {
            "pages": ("ignored", True, None),
            "filters": ("ignored: backup, node, protected-entity", False, None),
            "backup_of_download": ("no record shows it, and the filter is ignored", False, None),
            "error_body": ("empty", False, None),
        },
    ),
    (
        {"page_quirk": "repeat", "record_fields": "guid_and_mode", "newest_backup": "PARTIAL_SUCCESS"},
        {
            "pages": ("repeated once", True, None),
            "record_keys": ("guid and mode", True, None),
            "backup_of_download": ("no record shows it, and the filter is heeded", True, None),
            "backup_statuses": ("PARTIAL_SUCCESS and SUCCESS", True, None),
        },
    ),
    (
        {
            "download": "object",
            "not_ready": "204",
            "ranges": "refused",
            "forbidden": ["GET /nodes"],
            "task_link": "mounted_backup",
        },
        {
            "content_source": ("content_download only", False, "content_download"),
            "unready_content": ("204", True, None),
            "content_headers": ("not: ranges", True, None),
            "privileges": ("403", False, None),
            "task_link": ("mountedBackup", True, None),
            "nodes": ("no node", None, None),
        },
    ),
    (
        {"content_download": "object", "content_disposition": "none", "not_ready": "empty", "ready_state": "MOUNTED"},
        {
            "content_source": ("download only", True, None),
            "content_headers": ("not: a file name", True, None),
            "unready_content": ("200", True, None),
            "state_names": ("MOUNTED and RUNNING", True, None),
            "readiness": ("only downloads with content", True, None),
        },
    ),
    (
        {"finished_mount": "empty", "teams": "cloud-protected-entities", "error_body": "quarkus"},
        {
            "readiness": ("downloads with content are not among them", False, "task"),
            "teams": ("cloud-protected-entities lists teams", False, "cloud-protected-entities"),
            "error_body": ("no message", False, None),
        },
    ),
    (
        {"ignored_filters": ["finished-mount"], "ready_state": "MOUNTED", "default_page_size": 4},
        {
            "readiness": ("downloads without content are among them", False, "state:MOUNTED"),
            "unpaged_lists": ("it has 4 records, and the list has more", True, None),
        },
    ),
    (
        {"ignored_filters": ["finished-mount"], "ready_state": "ZEBULONS_STATE"},
        {
            "readiness": ("downloads without content are among them", False, "task"),
            "state_names": ("RUNNING and 1 other state", True, None),
        },
    ),
]


@pytest.mark.parametrize(("switches", "expected"), SIMULATORS, ids="-".join)
def test_what_differs_is_found(simulator: Simulator, switches: dict[str, Json], expected: Expected) -> None:
    simulator.seed(downloads=2, entity="alice@example.com")
    begin_one(simulator)
    simulator.switch(**switches)
    result = check(simulator)
    shown = found(result)
    for name, (text, holds, value) in expected.items():
        finding = shown[name]
        assert text in finding["found"], finding
        assert (finding["holds"], finding["value"]) == (holds, value), finding
    differing = {name for name, finding in shown.items() if finding["holds"] is False}
    assert differing == {name for name, (_text, holds, _value) in expected.items() if holds is False}
    assert set(result["differences"]) == differing


def test_a_given_profile_covers_what_differs_and_is_merged(simulator: Simulator) -> None:
    simulator.seed(downloads=1, entity="alice@example.com")
    simulator.switch(max_page_size=7, download="object")
    other = {"create": {"batch": "one"}, "lists": {"page_size": 5}}
    result = check(simulator, profile=other)
    assert result["differences"] == ["content_source"]
    assert result["profile"] == {"lists": {"page_size": 7}, "content": {"source": "content_download"}}
    assert result["merged_profile"] == {**other, "content": {"source": "content_download"}}
    assert check(simulator, profile=result["merged_profile"])["differences"] == []
    assert check(simulator, profile=result["profile"])["merged_profile"] == result["profile"]


def test_the_report_is_yaml_with_each_finding(simulator: Simulator) -> None:
    simulator.switch(max_page_size=7)
    result = check(simulator)
    report = yaml.safe_load(result["report"])
    assert report["profile"] == {"lists": {"page_size": 7}}
    assert report["trial"] is False
    assert set(report["findings"]) == findings.IDS
    assert report["findings"]["page_size"]["holds"] is False
    assert "GET /cloud-users answered 200; headers: " in report["findings"]["page_size"]["seen"]


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"trial": True}, "protected_entity"),
        ({"protected_entity": "carol@example.com"}, "protected_entity"),
        ({"trial": True, "protected_entity": "nobody", "protected_entity_type": "CLOUD_USER"}, "protected_entity"),
        ({"trial": True, **CAROL, "wait_interval": 0}, "wait_interval"),
    ],
)
def test_wrong_options_change_nothing(simulator: Simulator, options: dict[str, Json], option: str) -> None:
    result = run_module("server_info", connect(simulator, **options))
    assert result["failed"]
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", option)
    assert simulator.counters()["writes"] == 0


def test_a_login_that_is_refused_is_a_failure(simulator: Simulator) -> None:
    result = run_module("server_info", connect(simulator, password="wrong"))
    assert result["error"]["code"] == "authentication_failed"
    assert [request["path"] for request in simulator.requests()] == ["/session/login"]


HOSTILE = "hostile"


@pytest.mark.parametrize(
    "path", [path for path in profiles.paths() if path.stem != HOSTILE], ids=lambda path: path.stem
)
def test_each_profile_of_the_simulator_is_found(simulator: Simulator, path: pathlib.Path) -> None:
    """As far as reading can show; the profile of each makes a trial pass."""
    simulator.reset(**profiles.switch_values(path))
    simulator.seed(downloads=2, entity="alice@example.com")
    profile = profiles.collection_profile(path)
    begin_one(simulator, profile=profile)
    result = check(simulator)
    readable = {
        "minimal": {"content": {"source": "content_download"}, "ready": "task"},
        "payara": {"lists": {"teams": "cloud-protected-entities"}, "ready": "state:MOUNTED"},
    }
    assert result["profile"] == readable.get(path.stem, {})
    others = {"error_body"} if path.stem == "quarkus" else set()
    assert set(check(simulator, profile=profile)["differences"]) == others

    simulator.reset(**profiles.switch_values(path))
    tried = try_out(simulator, profile=profile)
    assert set(tried["differences"]) == others, tried["report"]
    assert tried["changed"]
    assert simulator.downloads() == []


def test_a_hostile_server_is_described_and_not_believed() -> None:
    (path,) = [path for path in profiles.paths() if path.stem == HOSTILE]
    # Without a validation: its answers follow no specification.
    with Simulator.start(http=True, validate=False, **profiles.switch_values(path)) as simulator:
        simulator.seed(downloads=2, entity="alice@example.com")
        simulator.clear_log()
        result = check(simulator, allow_http=True)
        paths = {request["path"] for request in simulator.requests()}
    assert {"guids", "filters", "backup_of_download", "error_body"} <= set(result["differences"])
    assert result["profile"] == {}
    assert not [path for path in paths if ".." in path]  # where its GUIDs lead to


@pytest.mark.long
@pytest.mark.parametrize("seed", range(30))
def test_what_was_found_makes_a_server_that_answers_alike(simulator: Simulator, seed: int) -> None:
    """Profiles with all keys that reading shows; the default of a key is no difference."""
    choice = random.Random(seed).choice
    asked = {
        "content": {"source": choice(["auto", "content_download"])},
        "lists": {"page_size": choice([500, 2, 7, 30]), "teams": choice(["cloud-groups", "cloud-protected-entities"])},
        "ready": choice(["finished_mount", "task", "state:MOUNTED", "state:READY"]),
    }

    def found_of(document: Json) -> Json:
        simulator.reset(**profiles.switch_values(document))
        simulator.seed(downloads=1, entity="alice@example.com")
        begin_one(simulator, profile=document)
        return check(simulator)["profile"]

    profile = found_of(asked)
    assert _profile.parse(profile) == _profile.parse(asked)
    assert found_of(profile) == profile


# --- The trial ---


def test_a_trial_shows_the_whole_story_and_leaves_nothing(simulator: Simulator) -> None:
    """The server has no download before, so that only that of the trial can show what lists and contents are like."""
    result = try_out(simulator)
    assert result["changed"]
    shown = found(result)
    assert {name for name, finding in shown.items() if finding["holds"] is None} == {
        *("create_batch", "update_body", "item_selection", "expiry"),
        *("page_size", "token_login", "order_by", "unready_content"),
    }
    assert shown["create_body"]["seen"]["status"] == 201
    assert "POST 201" in shown["status_codes"]["found"]
    assert "DELETE 200" in shown["status_codes"]["found"]
    assert shown["task_types"]["found"] == "RESTORE"
    assert shown["content_format"]["found"] == "zip; the first 1048576 bytes were read"
    assert result["differences"] == []
    assert simulator.downloads() == []
    counters = simulator.counters()
    assert (counters["writes"], counters["open_sessions"]) == (2, 0)


def test_in_check_mode_a_trial_is_predicted_only(simulator: Simulator) -> None:
    result = good(run_module("server_info", connect(simulator, trial=True, **CAROL), check=True))
    assert result["changed"]
    assert simulator.counters()["writes"] == 0
    assert any("the trial is left out" in str(warning) for warning in result["warnings"])
    assert found(result)["create_body"]["holds"] is None


def test_a_download_that_is_not_of_the_trial_is_left_alone(simulator: Simulator) -> None:
    (guid,) = simulator.seed(downloads=1, entity="carol@example.com")
    simulator.clear_log()
    result = run_module("server_info", connect(simulator, trial=True, **CAROL))
    assert result["error"]["option"] == "protected_entity"
    assert [download["guid"] for download in simulator.downloads()] == [guid]
    assert simulator.counters()["writes"] == 0


@pytest.mark.bad_requests
def test_a_body_that_is_not_understood_is_a_finding(simulator: Simulator) -> None:
    simulator.switch(create_body=OTHER_KEYS)
    quick = {"create": {"visible_within": 1}}
    result = try_out(simulator, profile=quick)
    assert not result["changed"]
    assert "create_body" in result["differences"]
    assert "request_not_understood" in found(result)["create_body"]["found"]
    assert found(result)["teams"]["holds"]  # the rest was read all the same
    assert any("unknown body key" in str(warning) for warning in result["warnings"])  # the server's own words
    assert "unknown body key" not in str({name: result[name] for name in ("findings", "report")})

    covered = try_out(simulator, profile={"create": {"body": OTHER_KEYS}})
    assert covered["changed"]
    assert covered["differences"] == []
    assert "the body of the profile created a download" in found(covered)["create_body"]["found"]
    assert simulator.downloads() == []


@pytest.mark.parametrize("delete_unready", ["accepted", "409"])
def test_a_download_that_does_not_become_ready_is_removed_or_named(simulator: Simulator, delete_unready: str) -> None:
    simulator.switch(run_seconds=100_000, queue_seconds=0, delete_unready=delete_unready)
    result = try_out(simulator, wait_timeout=0.3)
    assert result["changed"]
    shown = found(result)
    assert "wait_timeout" in shown["create_body"]["found"]
    assert shown["create_body"]["holds"] is True
    left = [download["guid"] for download in simulator.downloads()]
    warned = [str(warning) for warning in result["warnings"] if "may be left on the server" in str(warning)]
    if delete_unready == "accepted":
        assert left == warned == []
        assert shown["deletion"]["holds"]
    else:
        assert left[0] in warned[0]
        assert shown["deletion"]["holds"] is False


def test_a_trial_finds_another_sign_of_readiness(simulator: Simulator) -> None:
    simulator.switch(finished_mount="empty")
    result = try_out(simulator, wait_timeout=0.5)
    assert result["profile"] == {"ready": "task"}
    assert found(result)["create_body"]["holds"] is True
    assert simulator.downloads() == []
    assert try_out(simulator, wait_timeout=0.5, profile=result["profile"])["differences"] == []


@pytest.mark.slow
def test_an_interrupted_trial_removes_its_download(simulator: Simulator) -> None:
    simulator.switch(run_seconds=100_000, queue_seconds=0)
    options = connect(simulator, trial=True, wait_interval=0.05, **CAROL)
    process = start_module("server_info", options)
    wait_until(simulator.downloads)
    process.terminate()
    output, _errors = process.communicate(timeout=30)
    assert told_by(output)["error"]["code"] == "interrupted"
    wait_until(lambda: not simulator.downloads(), 10)
    assert simulator.counters()["open_sessions"] == 0


# --- Nothing personal ---


def test_the_result_repeats_nothing_that_may_be_personal(simulator: Simulator) -> None:
    """With a trial; test_playbooks.py does the same without one, for all that Ansible prints."""
    simulator.seed(downloads=3, entity="alice@example.com")
    (carol,) = (user["guid"] for user in simulator.entities("users") if user["email"] == CAROL["protected_entity"])
    tried = {"trial": True, "protected_entity": carol, "wait_interval": 0.05}
    server = PlantedServer(simulator)
    with server.running():
        own = {"url": server.url, "allow_http": True, "ca_path": None}
        result = good(run_module("server_info", connect(simulator, **{**own, **tried})))
        assert server.planted == set(PEOPLE)
    assert result["changed"]
    shown = json.dumps([result[name] for name in ("findings", "differences", "profile", "merged_profile", "report")])
    entities = [entity for kind in ("users", "sites", "groups") for entity in simulator.entities(kind)]
    seeded = {entity[key] for entity in entities for key in ("name", "email") if key in entity}
    assert [word for word in {*PEOPLE, *seeded, "127.0.0.1", "node-1", "JSESSIONID="} if word in shown] == []
    assert not re.search("[0-9a-f]{8}-[0-9a-f]{4}", shown)
    assert "other" in found(result)["session_cookie"]["found"]
