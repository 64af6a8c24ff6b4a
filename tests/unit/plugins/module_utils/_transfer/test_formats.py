# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of formats: one row is all that a further format needs."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import formats
from ansible_collections.storware.backup.plugins.module_utils._transfer.formats import Format
from ansible_collections.storware.backup.plugins.module_utils._transfer.structure import CheckTime, Proof, corrupt
from tests.faults.script_server import Script, reply, scripted
from tests.unit.plugins.module_utils._transfer.fetching import job, run
from tests.unit.plugins.module_utils._transfer.material import GUID

BODY = b"MBX1 mail of all kinds END!"


def check_mbx(fd: int, size: int, _contents: bool, _check_time: CheckTime) -> Proof:
    if os.pread(fd, 4, size - 4) != b"END!":
        raise corrupt("it is cut")
    return Proof("structure")


@pytest.fixture(autouse=True)
def row(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Format("mbx", (b"MBX1",), check_mbx, covers_contents=False)
    monkeypatch.setattr(formats, "FORMATS", [*formats.FORMATS, more])


def fetched(dest: pathlib.Path, script: Script) -> tuple[str, str | None, str]:
    with scripted(script) as server:
        _reason, file, _outcome = run(job(dest, server.url()))
    return file.path, file.format, file.verified


def test_a_row_names_and_verifies_the_files_of_its_format(tmp_path: pathlib.Path) -> None:
    assert fetched(tmp_path, reply(BODY)) == (str(tmp_path / f"{GUID}.mbx"), "mbx", "structure")


def test_a_row_refuses_files_that_are_damaged_or_promise_its_format(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StorwareError, match="it is cut"):
        fetched(tmp_path, reply(BODY[:-1]))
    with pytest.raises(StorwareError, match=r"no MBX file as a\.mbx"):
        fetched(tmp_path / "a.mbx", reply(b"something else"))
