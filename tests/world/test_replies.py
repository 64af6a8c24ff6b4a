# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw HTTP replies of every kind: the right bytes come, or a refusal whose reason is documented, and in time."""

from __future__ import annotations

import hashlib
import pathlib

import pytest

from tests.faults import driver
from tests.faults.script_server import Pause, head, scripted
from tests.unit.plugins.module_utils._transfer.material import noise

BODY = noise(5000)


@pytest.mark.parametrize("more", ["X-Odd: a\rb"])
def test_an_odd_head_on_a_connection_that_stays_open(more: str, tmp_path: pathlib.Path) -> None:
    reply = [head(f"Content-Length: {len(BODY)}", more), BODY, Pause(60)]
    with scripted(reply) as server:
        told = driver.fetch({"urls": [server.url()], "dest": str(tmp_path / "a.bin"), "timeout": 1.0, "tries": 0})
    assert told.get("sha256") == hashlib.sha256(BODY).hexdigest(), told
