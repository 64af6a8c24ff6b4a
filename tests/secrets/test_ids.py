# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret that happens to be part of an id, a state or a path: what comes back is right, or the task says why not.

Up to ansible-core 2.21 every value of a no_log option is cut out of the result, wherever it stands. An id that was
damaged so would be passed to the next task, which may delete by it.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest

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
def test_listed_records_are_right_or_refused(server: Server, tmp_path: pathlib.Path, role: str, secret: str) -> None:
    result = run(server, tmp_path, "cloud_download_info", role, secret)
    if was_told(result):
        return
    assert identity(result["cloud_downloads"][0]) == RECORD


@pytest.mark.fault("S3")
@pytest.mark.parametrize("secret", SECRETS)
def test_ensured_records_are_right_or_refused(server: Server, tmp_path: pathlib.Path, secret: str) -> None:
    result = run(server, tmp_path, "cloud_download", "password", secret)
    if was_told(result):
        return
    assert identity(result["cloud_downloads"][0]) == RECORD


@pytest.mark.fault("S3")
@pytest.mark.parametrize("secret", SECRETS)
def test_deleted_ids_are_right_or_refused(server: Server, tmp_path: pathlib.Path, secret: str) -> None:
    options = {"guid": [GUID], "protected_entities": None, "state": "absent", "wait": False}
    result = run(server, tmp_path, "cloud_download", "password", secret, **options)
    if was_told(result):
        return
    assert result["deleted"] == [GUID]


@pytest.mark.fault("S3")
@pytest.mark.parametrize("secret", SECRETS)
def test_a_fetched_file_is_named_rightly_or_refused(server: Server, tmp_path: pathlib.Path, secret: str) -> None:
    result = run(server, tmp_path, "cloud_download_content", "password", secret)
    if was_told(result):
        return
    assert result["guid"] == GUID
    path = pathlib.Path(result["path"])
    assert path.is_file()
    assert path.with_name(path.name + ".sha256").read_text().split("\n")[0] == f"# guid: {GUID}"


RECORD: t.Final = {"guid": GUID, "state": "MOUNTED", "backup": OTHER_GUID, "entity": GUID, "mode": "CLOUD_DOWNLOAD"}


def identity(record: Json) -> Json:
    """What the next task goes by."""
    return {
        "guid": record["guid"],
        "state": record["state"],
        "mode": record["mode"],
        "backup": record["backup"]["guid"],
        "entity": record["protected_entity"]["guid"],
    }


def was_told(result: Json) -> bool:
    """Whether the task failed and says so that a user knows what to change."""
    if not result.get("failed"):
        return False
    assert result["error"]["code"] == "masked_id", result
    assert "password" in result["msg"] or "secret" in result["msg"]
    return True


def run(server: Server, directory: pathlib.Path, module: str, role: str, secret: str, **options: Json) -> Json:
    case = cases.case(Fault("ids", module, role=role))
    prepared = cases.prepare(server, case, directory, lambda peer: None)
    given = {**prepared, **faults.credentials(role, secret), **options}
    return run_module(module, {name: value for name, value in given.items() if value is not None})
