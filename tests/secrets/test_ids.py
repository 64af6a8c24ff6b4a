# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret that happens to be part of an id, a state or a path: a field is right, or omitted with a warning.

Up to ansible-core 2.21 every value of a no_log option is cut out of the result, wherever it stands. An id that was
damaged so would be passed to the next task, which may delete by it.
"""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.filter.decide_removal import decide_removal
from ansible_collections.storware.backup.plugins.plugin_utils import _results
from tests.secrets import cases, faults
from tests.secrets.faults import GUID, OTHER_GUID, Fault
from tests.secrets.server import Server
from tests.support.modules import run_module

SECRETS: t.Final = (
    *("1", "7", "f8", "bf9", "-", "f8f7", "f8f73bf9", "4bce-a7dd", GUID, GUID.upper(), OTHER_GUID, OTHER_GUID[:8]),
    *("MOUNTED", "FINISHED", "CLOUD_DOWNLOAD", "SUCCESS", "guid", "true", "mail", "zip", "unchanged", "missing"),
)
Json = t.Any


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with Server().running() as running:
        yield running


@pytest.mark.fault("S3")
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("role", ["password", "token"])
def test_listed_records_are_right_or_omitted(server: Server, tmp_path: pathlib.Path, role: str, secret: str) -> None:
    result = run(server, tmp_path, "cloud_download_info", role, secret)
    compare(result, identity(result["cloud_downloads"][0]), RECORD)


@pytest.mark.fault("S3")
@pytest.mark.parametrize("secret", SECRETS)
def test_ensured_records_are_right_or_omitted(server: Server, tmp_path: pathlib.Path, secret: str) -> None:
    result = run(server, tmp_path, "cloud_download", "password", secret)
    compare(result, identity(result["cloud_downloads"][0]), RECORD)


@pytest.mark.fault("S3")
@pytest.mark.parametrize("secret", SECRETS)
def test_deleted_ids_are_right_or_omitted(server: Server, tmp_path: pathlib.Path, secret: str) -> None:
    options = {"guid": [GUID], "protected_entities": None, "state": "absent", "wait": False}
    result = run(server, tmp_path, "cloud_download", "password", secret, **options)
    compare(result, {"deleted": result.get("deleted")}, {"deleted": [GUID]})


@pytest.mark.fault("S3")
@pytest.mark.parametrize("secret", SECRETS)
def test_a_fetched_file_is_named_rightly_or_not_at_all(server: Server, tmp_path: pathlib.Path, secret: str) -> None:
    result = run(server, tmp_path, "cloud_download_content", "password", secret)
    (path,) = tmp_path.rglob("*.zip")
    right = {"guid": GUID, "path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    compare(result, {name: result.get(name) for name in right}, right)
    assert path.with_name(path.name + ".sha256").read_text().split("\n")[0] == f"# guid: {GUID}"
    # The controller takes the work as done, and the removal never takes the rest of the entry for a proof.
    clean = _results.clean_result("cloud_download_content", result)
    _results.check_files(result, clean, [GUID], predicted=False)
    outcomes = {"host": {"run": "this", "result": clean}}
    decision = decide_removal([{"guid": GUID}], ["host"], ["host"], ["host"], run="this", outcomes=outcomes)
    assert bool(decision["remove"]) <= (right.items() <= clean["files"][0].items())


RECORD: t.Final = {"guid": GUID, "state": "MOUNTED", "backup": OTHER_GUID, "entity": GUID, "mode": "CLOUD_DOWNLOAD"}


def identity(record: Json) -> Json:
    """The fields that the next task goes by; None for one that is omitted."""
    return {
        "guid": record.get("guid"),
        "state": record.get("state"),
        "mode": record.get("mode"),
        "backup": record["backup"].get("guid"),
        "entity": record["protected_entity"].get("guid"),
    }


def compare(result: Json, returned: Json, right: Json) -> None:
    """The task succeeds; a field that is missing is named in a warning."""
    assert not result.get("failed"), result
    present = {name: value for name, value in returned.items() if value is not None}
    assert present == {name: right[name] for name in present}
    if present != right:
        assert "Not returned: " in str(result["warnings"])


def run(server: Server, directory: pathlib.Path, module: str, role: str, secret: str, **options: Json) -> Json:
    case = cases.case(Fault("ids", module, role=role))
    prepared = cases.prepare(server, case, directory, lambda peer: None)
    given = {**prepared, **faults.credentials(role, secret), **options}
    return run_module(module, {name: value for name, value in given.items() if value is not None})
