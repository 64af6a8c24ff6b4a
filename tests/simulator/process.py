# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator as tests use it: a process that is started, steered over its control side, and never left behind."""

from __future__ import annotations

import contextlib
import json
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import types
import typing as t
import urllib.error
import urllib.request

from tests.simulator import credentials
from tests.simulator.switches import as_text

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_START_TIMEOUT = 30.0  # seconds; a loaded machine may need some, a healthy one needs about one
_STOP_TIMEOUT = 5.0

Json = t.Any
# Proxies from the environment are for the network, not for a server on this machine
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SimulatorError(Exception):
    """The simulator did not start, or the control side refused a call; the message says why."""


class Simulator:
    """A running simulator. Use it as a context manager, or call ``stop``."""

    username = credentials.USERNAME
    password = credentials.PASSWORD
    token = credentials.TOKEN

    def __init__(self, process: subprocess.Popen[bytes], directory: tempfile.TemporaryDirectory[str]) -> None:
        self.process = process
        self._directory = directory
        addresses = self._addresses()
        self.url: str = addresses["url"]
        self.control_url: str = addresses["control_url"]
        self.ca_path: str | None = addresses["ca_file"]

    @classmethod
    def start(
        cls,
        *,
        speed: float = 50,
        http: bool = False,
        validate: bool = True,
        address: str = "127.0.0.1",
        profile: pathlib.Path | None = None,
        **switches: Json,
    ) -> Simulator:
        """Start it and wait until it answers. Its clock makes ``speed`` simulated seconds out of a real one.

        Switches win over those of the profile. A running simulator plays a profile after
        ``reset(**profiles.switch_values(profile))``.
        """
        directory = tempfile.TemporaryDirectory(prefix="storware-simulator-")
        command = [sys.executable, "-m", "tests.simulator", "--print-json", "--until-stdin-closes"]
        command += ["--speed", str(speed), "--address", address]
        command += ["--http"] if http else ["--ca-file", f"{directory.name}/ca.pem"]
        command += ["--validate"] if validate else []
        command += ["--profile", str(profile)] if profile else []
        for name, value in switches.items():
            command += ["--switch", f"{name}={as_text(value)}"]
        with open(f"{directory.name}/stderr", "wb") as errors:
            process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        try:
            return cls(process, directory)
        except BaseException:
            _end(process)
            directory.cleanup()
            raise

    def stop(self) -> None:
        """End the process and wait for it. May be called twice."""
        _end(self.process)
        self._directory.cleanup()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.stop()

    # Changing what will happen

    def reset(self, **switches: Json) -> None:
        """Fresh state with the default seed; the switches of the start, then these; log, counters and sessions gone."""
        self._call("POST", "/reset", switches)

    def switch(self, **values: Json) -> None:
        """Change switches from now on."""
        self._call("PATCH", "/switches", values)

    def switches(self) -> dict[str, Json]:
        """The values that hold now."""
        return t.cast("dict[str, Json]", self._call("GET", "/switches"))

    def step(self, seconds: float) -> None:
        """Let simulated time pass at once."""
        self._call("POST", "/clock", {"step": seconds})

    def speed(self, factor: float) -> None:
        """Simulated seconds in a real one; 0 stops the clock. A reset goes back to the speed of the start."""
        self._call("POST", "/clock", {"speed": factor})

    def seed(
        self,
        *,
        users: int = 0,
        downloads: int = 0,
        entity: str = "",
        mode: str = "CLOUD_DOWNLOAD",
        content_size: int | None = None,
    ) -> list[str]:
        """More users, and ready downloads: of one entity or distributed over all added users. The downloads' guids."""
        body = {"users": users, "downloads": downloads, "entity": entity, "mode": mode, "content_size": content_size}
        return t.cast("list[str]", self._call("POST", "/seed", body))

    def back_up(self) -> None:
        """One more good backup of each user."""
        self._call("POST", "/backups", {})

    def drop_sessions(self) -> None:
        """End every session now."""
        self._call("DELETE", "/sessions")

    def add_task(self, entity: str, **task: Json) -> None:
        """A task that makes no download: type, queue_seconds and run_seconds as in ``World.add_task``."""
        self._call("POST", "/tasks", {"entity": entity, **task})

    def fault(self, call: str, how: str, **more: Json) -> None:
        """Let a call such as "POST /cloud-download" go wrong, once unless told otherwise; see ``faults.Fault``."""
        self._call("POST", "/faults", {"call": call, "how": how, **more})

    def clear_faults(self) -> None:
        """From now on everything arrives."""
        self._call("DELETE", "/faults")

    @contextlib.contextmanager
    def paused(self) -> t.Iterator[None]:
        """Stop the process for the time of the block: the server accepts connections, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def restart(self, tasks: str = "kept") -> None:
        """The server has restarted: sessions are gone; tasks are "kept", "emptied" or "renumbered"."""
        self._call("POST", "/restart", {"tasks": tasks})

    # Reading what happened

    def requests(self) -> list[dict[str, Json]]:
        """The requests of the API side since the log was cleared, oldest first."""
        return t.cast("list[dict[str, Json]]", self._call("GET", "/requests"))

    def counters(self) -> dict[str, Json]:
        """What was counted since the log was cleared."""
        return t.cast("dict[str, Json]", self._call("GET", "/counters"))

    def clear_log(self) -> None:
        """Start log and counters again."""
        self._call("DELETE", "/log")

    def violations(self) -> dict[str, list[str]]:
        """What openapi-core found wrong with requests and answers since the last reset."""
        return t.cast("dict[str, list[str]]", self._call("GET", "/violations"))

    def downloads(self) -> list[dict[str, Json]]:
        """The downloads as they are on the server, ready or not, in the documented form whatever the switches say."""
        return t.cast("list[dict[str, Json]]", self._call("GET", "/downloads"))

    def entities(self, kind: str) -> list[dict[str, Json]]:
        """The records of "users", "sites" or "groups"."""
        return t.cast("list[dict[str, Json]]", self._call("GET", f"/entities/{kind}"))

    def content(self, guid: str, *, digest: bool = True) -> dict[str, Json]:
        """size (bytes), sha256 (hex) and name of a download's content. Without ``digest`` a huge one is not read."""
        return t.cast("dict[str, Json]", self._call("GET", f"/content/{guid}" + ("?sha256" if digest else "")))

    def stderr(self) -> str:
        """What the process has written to standard error: tracebacks, if anything."""
        return pathlib.Path(self._directory.name, "stderr").read_text(encoding="utf-8", errors="replace")

    def _call(self, method: str, path: str, body: Json = None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_url + path, data=data, method=method)
        try:
            with _opener.open(request, timeout=600) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SimulatorError(f"{method} {path}: {json.load(error)['message']}") from None

    def _addresses(self) -> dict[str, Json]:
        line = _first_line(self.process)
        if not line:
            raise SimulatorError(f"the simulator did not start: {self.stderr().strip()}")
        return t.cast("dict[str, Json]", json.loads(line))


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    ready = select.select([process.stdout], [], [], _START_TIMEOUT)[0]
    return process.stdout.readline() if ready else b""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closing its input ends it, also when this process dies without a word; killing is for a simulator that hangs."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
