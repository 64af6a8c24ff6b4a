# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation says what the code does: options, environment variables and everything that is returned."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import re
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils import _profile
from ansible_collections.storware.backup.plugins.module_utils._server_info import findings, report
from ansible_collections.storware.backup.plugins.module_utils._transfer import formats
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.modules import connect, prepare, run_module

Json = t.Any
_MODULES = sorted((tree.ROOT / "plugins" / "modules").glob("*.py"))


def _returns(module: str) -> dict[str, Json]:
    source = importlib.import_module(f"ansible_collections.storware.backup.plugins.modules.{module}")
    return t.cast("dict[str, Json]", yaml.safe_load(source.RETURN))


def _undocumented(value: Json, documented: t.Mapping[str, Json], path: str = "") -> list[str]:
    """Paths in a result that the documentation does not name, and wrong types."""
    if isinstance(value, list):
        return [found for entry in value for found in _undocumented(entry, documented, f"{path}[]")]
    if not isinstance(value, dict) or "contains" not in documented:
        return []
    contains = documented["contains"]
    found = [f"{path}.{key}" for key in value if key not in contains]
    for key in set(value) & set(contains):
        found += _undocumented(value[key], contains[key], f"{path}.{key}")
    return found


def _compare(result: dict[str, Json], documented: dict[str, Json]) -> None:
    # Of Ansible itself; its warnings are those of the whole process, so of other tests too.
    common = ("changed", "diff", "invocation", "failed", "msg", "warnings", "deprecations")
    own = {key: value for key, value in result.items() if key not in common}
    assert _undocumented(own, {"contains": documented}) == []


def test_what_is_returned_is_documented_to_the_leaf(simulator: Simulator) -> None:
    made = run_module("cloud_download", prepare(simulator, "alice@example.com", "nobackup@example.com"))
    assert made["failures"], made
    _compare(made, _returns("cloud_download"))
    assert {"cloud_downloads", "tasks", "created", "updated", "deleted", "failures"} <= set(made)
    for module in ("cloud_download_info", "protected_entity_info", "server_info"):
        _compare(run_module(module, connect(simulator)), _returns(module))


_CHANGES_NOTHING = [path.stem for path in _MODULES if path.stem.endswith(("_info", "_options"))]
_CHANGES_NOTHING.remove("server_info")  # its trial does


@pytest.mark.parametrize("module", _CHANGES_NOTHING)
def test_a_module_that_changes_nothing_says_so(ansible: Ansible, module: str) -> None:
    attributes = ansible.doc(f"storware.backup.{module}", "--type", "module")["doc"]["attributes"]
    assert {name: attributes[name]["support"] for name in ("check_mode", "diff_mode", "idempotent")} == {
        "check_mode": "full",
        "diff_mode": "none",
        "idempotent": "full",
    }
    assert all(attribute["description"] for attribute in attributes.values())


@pytest.mark.parametrize("module", ["cloud_download", "cloud_download_info", "protected_entity_info"])
@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"url": "https://"}])
def test_failures_are_documented_to_the_leaf(simulator: Simulator, module: str, wrong: dict[str, str]) -> None:
    selected = {"guid": ["f8f73bf9-2445-4bce-a7dd-753be3b40a67"]} if module == "cloud_download" else {}
    result = run_module(module, connect(simulator, **selected, **wrong))
    assert result["failed"]
    _compare(result, _returns(module))


def test_failures_of_the_content_module_are_documented_to_the_leaf(
    simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    (guid,) = simulator.seed(downloads=1, entity="alice@example.com")
    failing: list[dict[str, Json]] = [
        {"password": "wrong"},
        {"dest": "/no/such/directory/file"},
        {"checksum": "sha256:" + "0" * 64},
        {"guid": "f8f73bf9-2445-4bce-a7dd-753be3b40a67"},
    ]
    for options in failing:
        selected = {"guid": guid, "dest": str(tmp_path / "file"), **options}
        result = run_module("cloud_download_content", connect(simulator, **selected))
        assert result["failed"]
        _compare(result, _returns("cloud_download_content"))


def test_each_assumption_of_the_page_is_a_finding_or_a_key_of_the_profile() -> None:
    page = (tree.ROOT / "docs" / "assumptions.md").read_text(encoding="utf-8")
    section = page.partition("## Documented behaviour, and assumptions\n")[2].partition("\n## ")[0]
    _header, _line, *rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    keys = {question.profile_key for question in findings.QUESTIONS if question.profile_key}
    named = {row[0]: re.findall(r"`([^`]+)`", row[3]) for row in rows}
    assert [subject for subject, names in named.items() if not names or set(names) - keys - findings.IDS] == []
    assert keys - {name for names in named.values() for name in names} == set()


def test_each_key_of_the_profile_is_that_of_a_finding() -> None:
    keys = {question.profile_key for question in findings.QUESTIONS if question.profile_key}
    assert keys == set(report.ATTRIBUTES)
    assert {field.name for field in dataclasses.fields(_profile.Profile)} == set(report.ATTRIBUTES.values())


def test_both_modules_document_the_same_record() -> None:
    records = [_returns(module)["cloud_downloads"]["contains"] for module in ("cloud_download", "cloud_download_info")]
    assert records[0] == records[1]


def test_a_backup_is_documented_the_same_everywhere() -> None:
    backups = [
        _returns("cloud_download")["cloud_downloads"]["contains"]["backup"]["contains"],
        _returns("protected_entity_info")["protected_entities"]["contains"]["latest_backup"]["contains"],
    ]
    assert backups[0] == backups[1]


@pytest.mark.parametrize("module", ["cloud_download_content", "cloud_download_copy"])
def test_all_formats_of_the_table_are_documented(module: str) -> None:
    described = str(_returns(module)["format"]["description"])
    assert [row.name for row in formats.FORMATS if f"V({row.name})" not in described] == []
