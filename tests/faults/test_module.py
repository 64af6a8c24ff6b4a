# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that only the whole module can meet: a session that ends in the middle, records that are wrong (H6, C8)."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from tests.faults import certificates
from tests.faults.files import OLD, ZIP
from tests.faults.invariants import Run, Truth, check
from tests.faults.replies import broken, serve
from tests.faults.script_server import Reply, ScriptServer, reply
from tests.simulator.process import Simulator
from tests.support.modules import connect, run_module
from tests.unit.plugins.module_utils._transfer.material import GUID

PATH: t.Final = f"/api/cloud-download/{GUID}"
TRUTH: t.Final = Truth.of(ZIP.body, name="a.zip", old=OLD)
CUT: t.Final = serve(ZIP, broken(0.8))
UNAUTHORIZED: t.Final = reply(b'{"message": "log in"}', status="401 Unauthorized", media_type="application/json")


def fetch(directory: pathlib.Path, *replies: Reply, port: int = 0) -> tuple[dict[str, t.Any], ScriptServer]:
    """The module's result, and the server, which has taken any login."""
    sessions = [reply(b"{}", f"Set-Cookie: JSESSIONID=session{n}; Path=/") for n in range(9)]
    scripts: dict[str, t.Sequence[Reply]] = {
        PATH: replies,
        "/api/session/login": sessions,
        "/api/session/logout": [reply(b"")],
    }
    with ScriptServer(scripts, certificates.context("good"), port=port).running() as server:
        result = run_module(
            "cloud_download_content",
            {
                "url": server.url(""),
                "username": "ali",
                "password": "sesame",
                "ca_path": certificates.ca_path(),
                "guid": GUID,
                "dest": f"{directory}/a.zip",
                "source": "download",
                "retries": 1,
                "timeout": 2,
            },
        )
    run = Run({"ok": not result.get("failed"), "sha256": result.get("sha256")}, 0.0)
    check(run, TRUTH, directory, last=run.ok)
    return result, server


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "a.zip").touch(0o600)
    (tmp_path / "a.zip").write_bytes(OLD)
    return tmp_path


def asked(server: ScriptServer, what: bytes) -> list[bytes]:
    return [request for request in server.requests if request.startswith(what)]


@pytest.mark.fault("H6")
def test_h6_a_session_that_ends_in_the_middle_is_renewed_once_and_the_rest_is_fetched(directory: pathlib.Path) -> None:
    result, server = fetch(directory, CUT, UNAUTHORIZED, serve(ZIP))
    assert result["changed"], result
    assert len(asked(server, b"POST /api/session/login")) == 2
    first, refused, last = asked(server, b"GET")
    assert b"JSESSIONID=session0" in first
    assert b"Range: bytes=" in refused
    assert b"Range: bytes=" in last
    assert b"JSESSIONID=session1" in last


@pytest.mark.fault("H6")
def test_h6_a_session_that_is_refused_again_ends_the_run_and_the_next_one_goes_on(directory: pathlib.Path) -> None:
    result, server = fetch(directory, CUT, UNAUTHORIZED)
    assert result["error"]["code"] == "unauthorized"
    assert len(asked(server, b"POST /api/session/login")) == 2
    _result, server = fetch(directory, serve(ZIP), port=server.port)
    assert b"Range: bytes=" in asked(server, b"GET")[0]


def test_c8_a_size_in_the_record_is_not_believed(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    guid = simulator.seed(users=1, downloads=1)[0]
    listed = run_module("cloud_download_info", connect(simulator))["cloud_downloads"][0]
    result = run_module("cloud_download_content", connect(simulator, guid=guid, dest=f"{tmp_path}/"))
    truth = simulator.content(guid)
    assert listed["backup"]["size"] != truth["size"]
    assert (result["size"], result["sha256"]) == (truth["size"], truth["sha256"])
