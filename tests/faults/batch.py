# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many runs of a client from one interpreter: each in a child of its own, forked after the imports.

A run has its own process, memory and process number, as a module has, and none pays for the start of Python.
Reads orders from standard input, one JSON object a line: ``{"order": {...}, "seconds": 30}``. Answers each with a line:
``{"told": {...}, "seconds": 1.5}``; told is null when the run was still going after that many seconds and was killed.
An order is the driver's, or ``{"naive": {"url": ..., "path": ..., "ca_path": ...}}`` for the loop in ``naive``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
import typing as t

from tests.faults import driver, naive


def run(order: dict[str, t.Any], seconds: float) -> dict[str, t.Any]:
    """What one run told, and how long it took."""
    started = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _fetch(order, writing)
    os.close(writing)
    told = _read(reading, started + seconds)
    if not told:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {"told": json.loads(told) if told else None, "seconds": time.monotonic() - started}


def _fetch(order: dict[str, t.Any], writing: int) -> t.NoReturn:
    """In the child: fetch, tell and end."""
    try:
        told = _do(order)
    except Exception as error:  # noqa: BLE001  # what the engine did not foresee is a result, too
        if "naive" not in order:
            traceback.print_exc()
        told = {"ok": False, "code": "uncaught", "message": f"{type(error).__name__}: {error}"}
    with os.fdopen(writing, "w") as pipe:
        pipe.write(json.dumps({**told, "peak_mib": driver._peak()}))
    os._exit(0)


def _do(order: dict[str, t.Any]) -> dict[str, t.Any]:
    if "naive" not in order:
        return driver.fetch(order)
    naive.fetch(**order["naive"])
    return {"ok": True}


def _read(reading: int, deadline: float) -> bytes:
    """All that the child writes; nothing when it is too late."""
    told = b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            data = pipe.read(65536)
            if not data:
                return told
            told += data
    return b""


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(run(request["order"], request["seconds"])), flush=True)


if __name__ == "__main__":
    main()
