# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud_download_info against the simulator: every query parameter, every page, nothing changed."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from tests.simulator.process import Simulator
from tests.support import examples
from tests.support.modules import connect, prepare, run_module

GUID = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"


def info(simulator: Simulator, **options: t.Any) -> dict[str, t.Any]:
    return run_module("cloud_download_info", connect(simulator, **options))


def queries(simulator: Simulator) -> list[dict[str, str]]:
    return [dict(r["query"]) for r in simulator.requests() if r["path"] == "/cloud-download"]


@pytest.mark.parametrize(
    ("option", "value", "parameter", "sent"),
    [
        ("backup", GUID, "backup", GUID),
        ("direction", "desc", "direction", "desc"),
        ("filter", "Case 7 & <more>", "filter", "Case 7 & <more>"),
        ("finished_mount", True, "finished-mount", "true"),
        ("finished_mount", False, "finished-mount", "false"),
        ("mode", "CLOUD_PST_DOWNLOAD", "mode", "CLOUD_PST_DOWNLOAD"),
        ("name_like", "Ärger/50%", "nameLike", "Ärger/50%"),
        ("node", GUID, "node", GUID),
        ("order_by", "backup.snapshotTime", "orderBy", "backup.snapshotTime"),
        ("page", 0, "page", "0"),
        ("project_uuid", GUID, "project-uuid", GUID),
        ("protected_entity", GUID, "protected-entity", GUID),
        ("protected_entity_type", "CLOUD_TEAMS", "protected-entity-type", "CLOUD_TEAMS"),
        ("size", 7, "size", "7"),
    ],
)
def test_each_option_goes_over_the_wire_as_its_query_parameter(
    simulator: Simulator, option: str, value: t.Any, parameter: str, sent: str
) -> None:
    result = info(simulator, **{option: value})
    assert not result.get("failed"), result
    assert all(query[parameter] == sent for query in queries(simulator))
    assert queries(simulator)
    # Nothing else is sent but the paging that drains the list.
    assert {key for query in queries(simulator) for key in query} <= {parameter, "page", "size"}


@pytest.mark.parametrize("mode", ["AUTO", "CLOUD_DOWNLOAD", "INSTANT_RESTORE", "ISCSI", "MANUAL", "OS_DOWNLOAD"])
def test_every_mode_can_be_asked_for(simulator: Simulator, mode: str) -> None:
    assert not info(simulator, mode=mode).get("failed")
    assert queries(simulator)[0]["mode"] == mode


@pytest.mark.parametrize(
    "kind", ["APP", "CLOUD", "CLOUD_GROUP", "CLOUD_SITE", "CLOUD_USER", "OS", "OS_AGENT", "STORAGE", "VM"]
)
def test_every_entity_type_can_be_asked_for(simulator: Simulator, kind: str) -> None:
    assert not info(simulator, protected_entity_type=kind).get("failed")
    assert queries(simulator)[0]["protected-entity-type"] == kind


@pytest.mark.smoke
def test_filters_select(simulator: Simulator) -> None:
    run_module("cloud_download", prepare(simulator, "alice@example.com", "bob@example.com"))
    everything = info(simulator)["cloud_downloads"]
    assert len(everything) == 2
    alice = next(d for d in everything if d["protected_entity"]["name"] == "Alice Archer")
    assert info(simulator, protected_entity=alice["protected_entity"]["guid"])["cloud_downloads"] == [alice]
    assert info(simulator, backup=alice["backup"]["guid"])["cloud_downloads"] == [alice]
    assert info(simulator, mode="CLOUD_PST_DOWNLOAD")["cloud_downloads"] == []


def test_nothing_is_changed_and_the_session_is_closed(simulator: Simulator) -> None:
    result = info(simulator)
    counters = simulator.counters()
    assert not result["changed"]
    assert (counters["writes"], counters["logins"], counters["open_sessions"]) == (0, 1, 0)


def test_mounts_that_are_no_downloads_are_left_out_unless_asked_for(simulator: Simulator) -> None:
    simulator.switch(list_prefiltered=False)
    assert info(simulator)["cloud_downloads"] == []
    assert [d["mode"] for d in info(simulator, mode="MANUAL")["cloud_downloads"]] == ["MANUAL"]


QUIRKS: list[dict[str, t.Any]] = [
    {},
    {"page_quirk": "repeat"},
    {"page_quirk": "ignore_size"},
    {"page_quirk": "moving_total"},
    {"total_count": "never"},
    {"total_count": "never", "page_quirk": "ignore_size"},
    {"total_count": "always"},
    {"max_page_size": 100},
    {"max_page_size": 100, "total_count": "never"},
]


@pytest.mark.fault("H38")
@pytest.mark.parametrize(
    "switches",
    [
        {"total_count": "never", "page_quirk": "repeat"},
        *(pytest.param(switches, marks=pytest.mark.long) for switches in QUIRKS),
    ],
    ids=lambda switches: "-".join(map(str, switches.values())) or "plain",
)
def test_thousands_of_downloads_are_listed_each_once(simulator: Simulator, switches: dict[str, t.Any]) -> None:
    number = examples.count(3000, 10_000)
    expected = set(simulator.seed(users=100, downloads=number))
    simulator.switch(**switches)
    result = info(simulator)
    listed = [download["guid"] for download in result["cloud_downloads"]]
    assert len(listed) == len(set(listed))
    assert expected <= set(listed)
    assert len(set(listed) - expected) <= 3  # what came or went while the list was read
    assert len(queries(simulator)) <= 3 * (number // 500 + 1) or "max_page_size" in switches


@pytest.mark.fault("H38")
@pytest.mark.parametrize(("number", "size"), [(100, 20), pytest.param(10_000, 500, marks=pytest.mark.long)])
@pytest.mark.parametrize("total", ["paged", "never"])
@pytest.mark.parametrize("quirk", ["growing", "shrinking"])
def test_of_a_list_that_changes_at_each_page_nothing_that_stays_is_missing(
    simulator: Simulator, quirk: str, total: str, number: int, size: int
) -> None:
    at_the_beginning = set(simulator.seed(users=100, downloads=number))
    simulator.switch(page_quirk=quirk, total_count=total)
    result = info(simulator, size=size)
    assert not result.get("failed"), result["msg"]
    listed = [download["guid"] for download in result["cloud_downloads"]]
    at_the_end = {download["guid"] for download in simulator.downloads()}
    assert len(listed) == len(set(listed))
    assert at_the_beginning & at_the_end <= set(listed)
    pages = number // size + 2
    assert len(at_the_beginning ^ at_the_end) >= pages - 2  # so it did change
    assert len(queries(simulator)) <= 3 * (pages + 1)


@pytest.mark.fault("H38")
@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10])
def test_the_edges_of_pages(simulator: Simulator, count: int) -> None:
    expected = set(simulator.seed(users=1, downloads=count)) if count else set()
    assert {d["guid"] for d in info(simulator, size=5)["cloud_downloads"]} == expected


def test_one_page_can_be_asked_for(simulator: Simulator) -> None:
    simulator.seed(users=1, downloads=12)
    pages = [info(simulator, page=page, size=5)["cloud_downloads"] for page in range(4)]
    assert [len(page) for page in pages] == [5, 5, 2, 0]
    assert len({d["guid"] for page in pages for d in page}) == 12


@pytest.mark.fault("S4", "S12", "S15")
@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"backup": "yesterday"}, "backup"),
        ({"node": "node-1"}, "node"),
        ({"protected_entity": "alice@example.com"}, "protected_entity"),
        ({"protected_entity": "../tasks"}, "protected_entity"),
        ({"page": -1}, "page"),
        ({"size": 0}, "size"),
        ({"mode": "CLOUD"}, "mode"),
        ({"direction": "up"}, "direction"),
        ({"protected_entity_type": "USER"}, "protected_entity_type"),
        ({"username": None}, "username"),
        ({"password": None}, "password"),
        ({"username": None, "password": None}, "username"),
        ({"token": "abc"}, "token"),
        ({"url": None}, "url"),
        ({"url": "https://admin:wonderland@127.0.0.1:8181"}, "url"),
        ({"url": "http://127.0.0.1:8080"}, "url"),
        ({"url": "127.0.0.1:8181"}, "url"),
        ({"timeout": 0}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"ca_path": "/no/such/ca.pem"}, "ca_path"),
    ],
)
def test_bad_input_names_the_option_and_sends_nothing(
    simulator: Simulator, options: dict[str, t.Any], option: str
) -> None:
    result = info(simulator, **options)
    assert result["failed"]
    assert option in result["msg"]
    assert "wonderland" not in str(result)
    assert simulator.requests() == []


@pytest.mark.fault("H35")
def test_a_wrong_ca_is_told_with_the_way_out(simulator: Simulator, tmp_path: t.Any) -> None:
    import trustme

    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    result = info(simulator, ca_path=str(tmp_path / "other.pem"), retries=0)
    assert result["error"]["code"] == "tls"
    assert "ca_path" in result["msg"]
    assert simulator.requests() == []


@pytest.mark.fault("H35")
def test_without_checking_the_certificate_there_is_a_warning(simulator: Simulator) -> None:
    result = info(simulator, ca_path=None, validate_certs=False)
    assert not result.get("failed")
    assert "validate_certs" in str(result["warnings"])


@pytest.mark.fault("S9")
def test_the_option_beats_the_bundle_of_the_environment(simulator: Simulator) -> None:
    # The variable points to a bundle without our CA; requests alone would believe it.
    result = run_module(
        "cloud_download_info",
        connect(simulator),
        environment={"REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt"},
    )
    assert not result.get("failed"), result


def test_credentials_come_from_the_environment(simulator: Simulator) -> None:
    environment = {
        "STORWARE_URL": simulator.url,
        "STORWARE_CA_PATH": str(simulator.ca_path),
        "STORWARE_TOKEN": simulator.token,
    }
    result = run_module("cloud_download_info", _argspec.resolve({}, {}, environment))
    assert not result.get("failed"), result
    assert simulator.counters()["calls"]["POST /session/login-with-token"] == 1


@pytest.mark.fault("H8")
@pytest.mark.parametrize("status", ["400", "401"])
def test_a_wrong_password_is_tried_once_and_not_shown(simulator: Simulator, status: str) -> None:
    simulator.switch(bad_login_status=status)
    result = info(simulator, password="through-the-looking-glass")
    assert result["error"]["code"] == "authentication_failed"
    assert "through-the-looking-glass" not in str(result)
    assert simulator.counters()["calls"] == {"POST /session/login": 1}
