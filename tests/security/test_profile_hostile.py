# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of tests/simulator/profiles/hostile.yml: nothing is created, deleted or written for it."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from tests.simulator import profiles
from tests.simulator.process import Simulator
from tests.support.modules import connect, prepare, run_module

Json = t.Any

(HOSTILE,) = (path for path in profiles.paths() if path.stem == "hostile")
ALICE = "alice@example.com"
# With a part of it that is refused first, and then without that part.
LAYERS = {"invalid_response": (), "filter_ignored": ("guid_style",)}


@pytest.fixture(params=LAYERS)
def code(simulator: Simulator, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """The error that the server ends in. It has downloads of other people."""
    switches = profiles.switch_values(HOSTILE)
    simulator.reset(**{name: value for name, value in switches.items() if name not in LAYERS[request.param]})
    simulator.seed(users=3, downloads=3)
    yield request.param
    simulator.reset()  # such answers are not those of openapi.yaml


def test_it_is_refused_with_a_clear_code(simulator: Simulator, code: str, tmp_path: pathlib.Path) -> None:
    profile = profiles.collection_profile(HOSTILE)
    (entity,) = (user["guid"] for user in simulator.entities("users") if user["email"] == ALICE)
    before = simulator.downloads()
    refused = [
        run_module("cloud_download", prepare(simulator, ALICE, profile=profile)),
        run_module("cloud_download", prepare(simulator, entity, profile=profile)),
        run_module("cloud_download", prepare(simulator, entity, profile=profile, state="absent")),
        run_module("cloud_download_info", connect(simulator, protected_entity=entity, profile=profile)),
    ]
    assert [result["error"]["code"] for result in refused] == [code] * len(refused)
    assert simulator.counters()["writes"] == 0
    assert simulator.downloads() == before

    others = connect(simulator, guid=entity, dest=f"{tmp_path}/", profile=profile)
    refused.append(run_module("cloud_download_content", others))
    assert refused[-1]["failed"]
    assert list(tmp_path.iterdir()) == []

    shown = json.dumps(refused)
    assert simulator.password not in shown
    assert "JSESSIONID=" not in shown
