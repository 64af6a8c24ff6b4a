# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No fault shows a secret in a module's result or log: every fault with secrets of every shape, run in this process."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import create
from tests.secrets import cases, faults
from tests.secrets.cases import Case
from tests.secrets.channels import logged
from tests.secrets.faults import FAULTS, Fault
from tests.secrets.scanner import Hit, Scanner
from tests.secrets.server import Server
from tests.simulator import tls
from tests.support.modules import run_module

Servers = dict[bool, Server]  # by whether they speak TLS


@pytest.fixture(autouse=True)
def _quick_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        create, "VISIBILITY_TIMEOUT", 0.05
    )  # what is lost is looked for in this time, and asked for again


@pytest.fixture(scope="module")
def servers() -> t.Iterator[Servers]:
    context, _authority = tls.server_context()  # an authority that no client knows
    with Server().running() as plain, Server(context).running() as secure:
        yield {False: plain, True: secure}


def test_every_module_is_looked_at() -> None:
    assert set(faults.MODULES) <= set(faults.GOOD_OPTIONS)
    assert {fault.module for fault in FAULTS} == set(faults.MODULES)


@pytest.mark.fault("S1", "S2", "S4", "S5", "S6", "S7")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_secret_is_in_a_result(servers: Servers, tmp_path: pathlib.Path, fault: Fault) -> None:
    """Each shape, in encodings that take turns."""
    assert_silent(servers, tmp_path, list(cases.each_shape_once([fault])))


@pytest.mark.fault("S2")
@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_secret_is_in_a_result_in_any_encoding(servers: Servers, tmp_path: pathlib.Path, fault: Fault) -> None:
    """Each shape in each encoding."""
    assert_silent(servers, tmp_path, list(cases.all_cases([fault])))


@pytest.mark.fault("S7")
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.shown], ids=str)
def test_what_is_no_secret_is_shown(servers: Servers, tmp_path: pathlib.Path, fault: Fault) -> None:
    """The same fault with a text that nobody told the module to hide: or the tests above would prove nothing."""
    case = cases.case(fault)
    options = prepare(servers, case, tmp_path) | faults.credentials(fault.role, "jam-tomorrow")
    if fault.role == "cookie":
        pytest.skip("the server sets the cookie itself")
    result = run(case, options)
    assert Scanner([case.canary]).scan("result", result), result


def assert_silent(servers: Servers, directory: pathlib.Path, chosen: list[Case]) -> None:
    scanner = Scanner(case.canary for case in chosen)
    hits: list[Hit] = []
    for case in chosen:
        hits += scanner.scan("result", run(case, prepare(servers, case, directory)))
    for path in directory.rglob("*"):
        hits += scanner.scan("name of a file", str(path.relative_to(directory)))
        hits += scanner.scan("file", path.read_bytes()) if path.is_file() else []
    assert not hits, f"{len(hits)} hits in {len(chosen)} cases:\n" + "\n".join(map(str, hits))


def prepare(servers: Servers, case: Case, directory: pathlib.Path) -> dict[str, t.Any]:
    return cases.prepare(servers[case.fault.tls], case, directory, lambda peer: os.kill(os.getpid(), signal.SIGTERM))


def run(case: Case, options: dict[str, t.Any]) -> str:
    """Everything the module says and logs, as text."""
    with logged() as messages:
        try:
            result = run_module(case.fault.module, options, check=case.fault.check)
        except Exception as error:  # noqa: BLE001  # it would be printed
            return f"uncaught: {type(error).__name__}: {error}"
    return "\n".join([json.dumps(result, ensure_ascii=False), *messages])
