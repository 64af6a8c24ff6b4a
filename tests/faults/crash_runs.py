# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the driver in processes of their own: as programs, and as copies of one process that has imported everything.

A copy costs a few milliseconds instead of some 200, and strace that is attached to it counts the driver's own system
calls and none of the interpreter's start. What a copy runs is the driver's ``main``, from its first line to its exit.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t

from tests.faults.crash_server import MIB, Server
from tests.faults.invariants import Run

Order = t.Mapping[str, t.Any]

NOBODY: t.Final = 65534  # a user without any rights
OVERLAP: t.Final = 1 * MIB  # what the engine asks for again
UNCAUGHT: t.Final = "uncaught"  # no code of the engine


def command(order: Order) -> list[str]:
    """The program that carries out an order of the driver."""
    return [sys.executable, "-m", "tests.faults.driver", json.dumps(order)]


def environment(more: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs of the tests need."""
    needed = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **needed, **(more or {})}


class Program:
    """The driver as a program, started. before: the command that runs it, such as strace with its options."""

    def __init__(
        self,
        order: Order,
        *before: str,
        setup: t.Callable[[], None] | None = None,
        variables: t.Mapping[str, str] | None = None,
    ) -> None:
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            [*before, *command(order)],
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=setup,
        )
        self.seconds = 0.0
        self.errors = ""

    def end(self, seconds: float = 300.0) -> Run:
        """Wait for its end."""
        output, self.errors = self.process.communicate(timeout=seconds)
        self.seconds = time.monotonic() - self._started
        return Run(_told(output, self.errors, self.process.returncode), self.seconds)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def run(
    order: Order, *before: str, setup: t.Callable[[], None] | None = None, variables: t.Mapping[str, str] | None = None
) -> Run:
    """Run the driver as a program, to its end."""
    with Program(order, *before, setup=setup, variables=variables) as program:
        return program.end()


def _told(output: str, errors: str, status: int) -> dict[str, t.Any] | None:
    """What the driver printed; None if it was killed. An exception that nobody caught has a code of its own."""
    if output:
        told: dict[str, t.Any] = json.loads(output)
        assert status == (0 if told["ok"] else 1), (status, output, errors)
        return told
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return None
    return {"ok": False, "code": UNCAUGHT, "message": f"ended with {status}: {errors}", "hint": "", "details": {}}


def wait_until(condition: t.Callable[[], t.Any], seconds: float = 60.0) -> None:
    """Return when it holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.002)


def interrupt_after(count: int, server: Server, order: Order, directory: pathlib.Path) -> Run:
    """Run until so many bytes have come to the directory of the partial, and end it with SIGTERM."""
    server.hold_at = count + OVERLAP
    with Program(order) as program:
        wait_until(lambda: partial_size(directory) >= count or program.process.poll() is not None)
        program.process.terminate()
        run = program.end()
    server.hold_at = None
    assert run.told, "it was killed"
    assert run.told.get("code") == "interrupted", run.told
    return run


def partial_in(directory: pathlib.Path) -> pathlib.Path | None:
    """The partial of the run that is under way, or that has ended."""
    return next(directory.glob(".*.part"), None)


def partial_size(directory: pathlib.Path) -> int:
    """How many bytes have come; 0 without a partial."""
    with contextlib.suppress(FileNotFoundError):
        partial = partial_in(directory)
        return partial.stat().st_size if partial else 0
    return 0


class Copy:
    """One copy, stopped before its first line until ``go``."""

    def __init__(self, connection: socket.socket, output: pathlib.Path) -> None:
        self._connection = connection
        self._output = output
        self._lines = connection.makefile("r")
        self.pid = int(self._lines.readline())
        self._started = time.monotonic()

    def go(self) -> None:
        """Let it run."""
        self._started = time.monotonic()
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> Run:
        """Wait for its end."""
        with self._connection, self._lines:
            status = int(self._lines.readline())
        seconds = time.monotonic() - self._started
        errors = self._output.with_suffix(".err")
        try:
            return Run(_told(self._output.read_text(), errors.read_text(), status), seconds)
        finally:
            self._output.unlink()
            errors.unlink()

    def under(self, *options: str) -> contextlib.AbstractContextManager[None]:
        """Let it run under strace with these options."""
        return self._traced(options)

    @contextlib.contextmanager
    def _traced(self, options: t.Sequence[str]) -> t.Iterator[None]:
        strace = ["strace", "-f", "-qqq", *options, "-p", str(self.pid)]
        with subprocess.Popen(strace, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
            while _tracer_of(self.pid) == 0:
                assert tracer.poll() is None, tracer.communicate()
                time.sleep(0.0005)
            self.go()
            yield
            tracer.wait()


def _tracer_of(pid: int) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("TracerPid:")[2].split()[0])


class Copies:
    """The process that is copied. Use it as a context manager."""

    def __enter__(self) -> Copies:
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="copies-"))
        self._count = 0
        self._socket = str(self._directory / "socket")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crash_child", self._socket],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stdout.readline(), "the process to be copied did not start"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()
        for path in self._directory.iterdir():
            path.unlink()
        self._directory.rmdir()

    def start(self, order: Order, **setup: t.Any) -> Copy:
        """A stopped copy that will carry out an order. setup: see ``crash_child``."""
        self._count += 1
        output = self._directory / f"{self._count}.out"
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._socket)
        request = {"order": order, "output": str(output), "setup": setup}
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Copy(connection, output)

    def run(self, order: Order, **setup: t.Any) -> Run:
        """Carry out an order, to its end."""
        copy = self.start(order, **setup)
        copy.go()
        return copy.end()

    def run_under(self, order: Order, *strace: str, **setup: t.Any) -> Run:
        """Carry out an order under strace, to its end."""
        copy = self.start(order, **setup)
        with copy.under(*strace):
            pass
        return copy.end()
