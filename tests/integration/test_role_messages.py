# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures of the role name the options of the role and the code of docs/troubleshooting.md."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.plugin_utils import _option_names
from tests.harness import tree
from tests.support.fleet import ALICE, NAMES, Fleet


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "Cannot fetch it to /dev: dest: no place. [invalid_option]",
            "Cannot fetch it to /dev: fetch_content_dest: no place. [invalid_option]",
        ),
        ("Free some space or choose another dest.", "Free some space or choose another dest."),
        ("mode: has more than permissions", "fetch_content_file_mode: has more than permissions"),
        ("Set max_size to a larger value", "Set fetch_content_max_size to a larger value"),
        ("fetch_content_dest: no", "fetch_content_dest: no"),
        ("/srv/max_size/x is full, and my-owner: too", "/srv/max_size/x is full, and my-owner: too"),
        ("url: must not hold credentials", "fetch_content_connection.url: must not hold credentials"),
    ],
)
def test_options_have_the_names_of_the_role(text: str, named: str) -> None:
    names = {**_option_names.OF_FILES, "url": "fetch_content_connection.url"}
    bad: t.Any = {"failed": True, "msg": text, "error": {"code": "invalid_option", "hint": text}}
    wanted = {"failed": True, "msg": named, "error": {"code": "invalid_option", "hint": named}}
    assert _option_names.rename_options(bad, names) == wanted
    good = {"msg": text}
    assert _option_names.rename_options({**good, "files": [bad, good]}, names) == {**good, "files": [wanted, good]}


def test_the_role_has_these_options() -> None:
    specification = yaml.safe_load((tree.ROOT / "roles/fetch_content/meta/argument_specs.yml").read_text("utf-8"))
    options = specification["argument_specs"]["main"]["options"]
    assert set(_option_names.OF_FILES.values()) | set(_option_names.OF_SPOOL.values()) <= set(options)


@pytest.mark.long
def test_the_message_of_a_host_names_the_options_of_the_role_and_the_code(lone_fleet: Fleet) -> None:
    run = lone_fleet.mail(people=["alise@example.com"], wait_timeout=-1)
    assert "fetch_content_wait_timeout: must be between" in run.stdout
    assert "[invalid_option]" in run.stdout
    lone_fleet.simulator.clear_log()
    run = lone_fleet.mail(people=["alise@example.com"])
    assert "fetch_content_protected_entities: no entity of type CLOUD_USER is called 'alise@example.com'" in run.stdout
    assert "Similar: Alice Archer <alice@example.com>" in run.stdout
    counters = lone_fleet.simulator.counters()
    assert (counters["logins"], counters["logouts"], counters["open_sessions"]) == (1, 1, 0)


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.fault("S18")
def test_a_refused_login_has_its_code(fleet: Fleet) -> None:
    run = fleet.mail(people=ALICE, environment={**fleet.credentials(), "STORWARE_PASSWORD": "wrong-word"})
    failed = run.of("Stop here without a session")
    assert {result.host for result in failed} == set(NAMES)
    for result in failed:
        assert result.result["error"]["code"] == "authentication_failed"
        assert result.result["msg"].endswith("[authentication_failed]")
    assert fleet.calls() == ["POST /session/login"]  # once for all hosts
    assert "POST /session/login answered 400: wrong user name or password" in run.stdout
    assert "wrong-word" not in run.output


@pytest.mark.long
@pytest.mark.matrix
@pytest.mark.slow
def test_what_could_not_be_prepared_has_its_code(lone_fleet: Fleet) -> None:
    lone_fleet.simulator.switch(fail_entities=["bob@example.com"])
    run = lone_fleet.mail()
    (failed,) = [result for result in run.of("Fail when something is missing") if result.status == "failed"]
    assert failed.result["error"]["code"] == "prepare_failed"
    assert failed.result["msg"].startswith("1 of 2 downloads are not ready: Bob Baker (")
    (shown,) = [result for result in run.of("Show and report the files of all hosts") if result.status == "ok"]
    assert [row["entity"] for row in shown.result["files"] if row["result"] == "not prepared"] == ["Bob Baker"]
