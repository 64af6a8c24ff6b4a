# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the whole collection share: options for each module, processes, files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
import stat
import subprocess
import threading
import time
import typing as t
from multiprocessing.connection import Connection

import pytest

from tests.simulator.process import Simulator
from tests.support.answers import AnsweringServer
from tests.support.fleet import ALICE
from tests.support.modules import connect, prepare

Json = t.Any

INFO, CONTENT, ENSURE, ENTITIES, SESSION = MODULES = (
    "cloud_download_info", "cloud_download_content", "cloud_download", "protected_entity_info", "session",
)  # fmt: skip
GUID, OTHER = "f8f73bf9-2445-4bce-a7dd-753be3b40a67", "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"
DOWNLOAD = "GET /cloud-download/{guid}"
MIB = 2**20

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def good(result: Json) -> Json:
    assert not result.get("failed"), result
    return result


def calls(simulator: Simulator) -> dict[str, int]:
    return dict(simulator.counters()["calls"])


def options_for(module: str, simulator: Simulator, directory: pathlib.Path, guid: str, **options: Json) -> Json:
    """What makes this module do its work against the simulator."""
    if module == CONTENT:
        return connect(simulator, guid=guid, dest=f"{directory}/mail.zip", **options)
    if module == ENSURE:
        return prepare(simulator, *ALICE, **options)
    if module == ENTITIES:
        return connect(simulator, protected_entity_type="CLOUD_USER", latest_backup=True, **options)
    return connect(simulator, **options)


def login_to(server: AnsweringServer, **options: Json) -> Json:
    return {"url": server.url, "allow_http": True, "username": "ali", "password": "sesame", "retries": 0, **options}


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def skip_without(variable: str, here: pathlib.Path, items: t.Iterable[pytest.Item], reason: str) -> None:
    """Skip the tests below this directory where the environment does not have the variable."""
    if not os.environ.get(variable):
        for item in items:
            if here in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


def in_processes(*works: t.Callable[[], Json]) -> list[Json]:
    """What these return, all at once, each in a process of its own that has imported everything."""
    context = multiprocessing.get_context("fork")
    started = []
    for work in works:
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(sending, work), daemon=True)
        process.start()
        sending.close()
        started.append((process, receiving))
    results = [receiving.recv() for _process, receiving in started]
    for process, _receiving in started:
        process.join()
    return results


def _send(sending: Connection, work: t.Callable[[], Json]) -> None:
    sending.send(work())


SLOWLY: t.Final = 4 * MIB

# What tasks say that take long. The rate is known from the second look on.
_AMOUNT: t.Final = r"[\d.]+ of [\d.]+ [MG]iB(?:, ([\d.]+ [KM]iB)/s, about \d+ s left)?"
FETCHING: t.Final = rf"\S+[.]zip: receiving, (\d+) %, {_AMOUNT}"
OVERALL: t.Final = r"(\d+) of (\d+) files, [^;]+"  # of several files, before one of them
WAITING: t.Final = r"(\d+) of (\d+) ready(?:, (\d+) running)?(?:, slowest (\d+) %)?"


def wait_until(condition: t.Callable[[], object], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.01)


def begun(directory: pathlib.Path) -> bool:
    """Whether some bytes have come."""
    return any(path.stat().st_size for path in directory.glob(".*.part"))


def content_calls(simulator: Simulator) -> list[str]:
    """The paths of files that the server was asked for, in order."""
    calls = ((f"{call['method']} {call['path']}", call["path"]) for call in simulator.requests())
    return [path for call, path in calls if re.match("GET /cloud-download/[^/]+$", call)]


@contextlib.contextmanager
def meanwhile(condition: t.Callable[[], object], action: t.Callable[[], object]) -> t.Iterator[None]:
    """Beside the block: wait for the condition, then act. It must come true before the block ends."""
    over = threading.Event()

    def wait() -> None:
        while not condition():
            if over.wait(0.01):
                return
        action()
        acted.set()

    acted = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert acted.is_set()


def finished(process: subprocess.Popen[bytes]) -> Json:
    """What a module said."""
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert errors == b""
    return json.loads(output)
