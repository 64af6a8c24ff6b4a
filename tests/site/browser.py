# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Chromium for many pages, over the pipe of its DevTools protocol. Standard library only."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import time
import typing as t

from tests.lab.machine import BROWSERS

PROGRAM: t.Final = next(filter(None, map(shutil.which, BROWSERS)), None)

_OPTIONS: t.Final = (
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
    ),
    *("--disable-extensions", "--disable-background-networking", "--remote-debugging-pipe"),
)
_TIMEOUT: t.Final = 60.0  # seconds, for one answer
_ABOVE: t.Final = 10  # descriptors 3 and 4 are those of the protocol


class BrowserError(Exception):
    """The browser does not answer, or refuses a command."""


class Browser:
    """A page of a browser. Messages are JSON, each with a zero byte at its end."""

    def __init__(self, profile: pathlib.Path) -> None:
        self._number = 0
        self._rest = b""
        self._session = ""
        self.events: list[dict[str, t.Any]] = []
        commands, self._write = _pipe()
        self._read, answers = _pipe()
        quiet = os.open(os.devnull, os.O_RDWR)
        arguments = [str(PROGRAM), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        actions = [
            *((os.POSIX_SPAWN_DUP2, quiet, number) for number in range(3)),
            (os.POSIX_SPAWN_DUP2, commands, 3),
            (os.POSIX_SPAWN_DUP2, answers, 4),
        ]
        self._pid = os.posix_spawn(str(PROGRAM), arguments, os.environ, file_actions=actions, setpgroup=0)
        for descriptor in (quiet, commands, answers):
            os.close(descriptor)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser with all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        """Send a command and return its result. Raises BrowserError if it is refused."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return t.cast("dict[str, t.Any]", answer["result"])
            self.events.append(answer)

    def show(self, width: int, scheme: str) -> None:
        """Give the window this width in pixels, and the page a color scheme: light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Open a page, and wait until everything in it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> t.Any:
        """Return the value of an expression of JavaScript in the page. Raises BrowserError if it throws."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise BrowserError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def picture(self, path: pathlib.Path, height: int) -> None:
        """Write a PNG of the page from its top down to this height at most."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _receive(self) -> dict[str, t.Any]:
        until = time.monotonic() + _TIMEOUT
        while b"\0" not in self._rest:
            ready, _writable, _failed = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self._read, 1 << 20) if ready else b""
            if not more:
                raise BrowserError("the browser has ended" if ready else f"no answer for {_TIMEOUT:.0f} seconds")
            self._rest += more
        line, _zero, self._rest = self._rest.partition(b"\0")
        return t.cast("dict[str, t.Any]", json.loads(line))


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are above those that the browser gets."""
    ends = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for end in ends)
    for end in ends:
        os.close(end)
    return read, write
