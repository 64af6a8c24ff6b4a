# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulebooks run for real, by the ansible-rulebook of an environment of its own."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import shutil
import signal
import subprocess
import typing as t

import pytest

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.use import skip_without, wait_until

VARIABLE = "STORWARE_TEST_RULEBOOK"  # the directory of its programs

Json = t.Any

_PRINTING = """\
- name: Print everything
  hosts: all
  sources:
    - storware.backup.cloud_downloads:
        cursor: {cursor}
        interval: {interval}
  rules:
    - name: Anything
      condition: event.kind is defined
      action:
        print_event:
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without(VARIABLE, pathlib.Path(__file__).parent, items, "needs ansible-rulebook: make eda")


class Rulebook:
    """A rulebook that runs, or has run."""

    def __init__(self, directory: pathlib.Path, process: subprocess.Popen[bytes], output: pathlib.Path) -> None:
        self.directory = directory
        self._process = process
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def events(self) -> list[Json]:
        """What it has printed, without what ansible-rulebook adds."""
        return [ast.literal_eval(line) for line in re.findall(r"^(\{'.*\})$", self.output, re.M)]

    def told(self) -> list[str]:
        """Such as "ready GUID", in order."""
        return [f"{event['kind']} {event['guid']}" for event in self.events()]

    def wait_for(self, *told: str) -> None:
        wait_until(lambda: set(told) <= set(self.told()) or self._process.poll() is not None, 60)
        assert set(told) <= set(self.told()), self.output

    def stop(self, number: int = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        return self._process.wait(60)

    def ended(self) -> int:
        return self._process.wait(60)


class Rulebooks:
    """Starts them; all see the same server and the same cursor."""

    def __init__(self, directory: pathlib.Path, simulator: Simulator) -> None:
        self._directory = directory
        self._simulator = simulator
        self._started: list[subprocess.Popen[bytes]] = []
        self.cursor = directory / "cursor.json"

    def printing(self, environment: t.Mapping[str, str] | None = None, *, interval: float = 1) -> Rulebook:
        path = self._directory / "rulebook.yml"
        path.write_text(_PRINTING.format(cursor=self.cursor, interval=interval), encoding="utf-8")
        inventory = self._directory / "inventory"
        inventory.write_text("localhost ansible_connection=local\n", encoding="utf-8")
        return self.start("--rulebook", str(path), "--inventory", str(inventory), **(environment or {}))

    def start(self, *arguments: str, **environment: str) -> Rulebook:
        programs = os.environ[VARIABLE]
        output = self._directory / f"output-{len(self._started)}"
        java = pathlib.Path(shutil.which("java") or "").parent
        variables = {
            "PATH": f"{programs}:{java}:/usr/bin:/bin",
            "HOME": str(self._directory),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(tree.link()),
            "ANSIBLE_REMOTE_TMP": str(self._directory / "tmp"),
            "STORWARE_URL": self._simulator.url,
            "STORWARE_USERNAME": self._simulator.username,
            "STORWARE_PASSWORD": self._simulator.password,
            "STORWARE_CA_PATH": str(self._simulator.ca_path),
            **environment,
        }
        command = [f"{programs}/ansible-rulebook", *arguments]
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=self._directory, env=variables, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        self._started.append(process)
        return Rulebook(self._directory, process, output)

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()


@pytest.fixture
def rulebooks(simulator: Simulator, tmp_path: pathlib.Path) -> t.Iterator[Rulebooks]:
    made = Rulebooks(tmp_path, simulator)
    yield made
    made.close()
