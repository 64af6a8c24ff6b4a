# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Ansible programs as tests run them: a clean environment, results as data."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import typing as t

from tests.harness import tree
from tests.support.audit import plugin

# Which ansible-core is tested: the directory of its programs. make test sets it for the oldest and the newest.
BIN_VARIABLE = "STORWARE_TEST_ANSIBLE_BIN"
# Which Python modules run with, where it is not that ansible-core's own.
TARGET_VARIABLE = "STORWARE_TEST_TARGET_PYTHON"
_RESULTS_VARIABLE = "STORWARE_TEST_RESULTS"
_CALLBACKS = pathlib.Path(__file__).resolve().parent / "callback_plugins"

Json = t.Any


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """One host's result of one task, or with ``item`` of one round of a task's loop."""

    host: str
    task: str  # its name
    action: str
    status: str  # ok | failed | skipped | unreachable
    item: bool
    result: dict[str, Json]

    @property
    def changed(self) -> bool:
        """Whether Ansible counts it as a change."""
        return bool(self.result.get("changed"))


@dataclasses.dataclass(frozen=True)
class Run:
    """What a program did."""

    command: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str
    results: list[TaskResult]  # in the order they came in

    @property
    def output(self) -> str:
        """Everything a user would have seen."""
        return self.stdout + self.stderr

    def of(self, task: str) -> list[TaskResult]:
        """The results of the task with this name or action, one a host, without the rounds of its loop."""
        return [r for r in self.results if task in (r.task, r.action) and not r.item]

    def ok(self) -> Run:
        """Itself, when it ended well."""
        assert self.rc == 0, f"{' '.join(self.command)}: exit status {self.rc}\n{self.output}"
        return self


class Ansible:
    """Runs Ansible programs. Everything they write to a home goes to ``home``."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        # The venv's own bin, not where its python links to
        self.bin = pathlib.Path(os.environ.get(BIN_VARIABLE) or pathlib.Path(sys.executable).parent)
        self.python = os.environ.get(TARGET_VARIABLE) or str(self.bin / "python")
        self._runs = 0
        self.process: subprocess.Popen[str] | None = None  # of the newest run, in its own process group

    def environment(self, **variables: str) -> dict[str, str]:
        """Nothing of this machine's settings (proxies, CA bundles, STORWARE_ variables ...) but what is given."""
        return {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_REMOTE_TMP": str(self.home / "remote-tmp"),  # or it would be in the real home, whatever HOME says
            "ANSIBLE_COLLECTIONS_PATH": str(tree.link()),
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "json_lines",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",  # or ad-hoc commands would write no results
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_NOCOWS": "1",
            **plugin.environment(),
            **variables,
        }

    def run(
        self,
        program: str,
        *arguments: str | os.PathLike[str],
        environment: t.Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> Run:
        """Run a program of this ansible-core in ``home``.

        ``environment`` is added to the clean one, ``timeout`` is in seconds.
        """
        self._runs += 1
        results = self.home / f"results-{self._runs}.jsonl"
        command = (str(self.bin / program), *(os.fspath(argument) for argument in arguments))
        with subprocess.Popen(
            command,
            cwd=self.home,
            env=self.environment(**{_RESULTS_VARIABLE: str(results), **(environment or {})}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as self.process:
            try:
                stdout, stderr = self.process.communicate(timeout=timeout)
            except BaseException:
                self.process.kill()
                raise
        return Run(command, self.process.returncode, stdout, stderr, _read(results))

    def playbook(
        self,
        playbook: str | os.PathLike[str] | list[dict[str, Json]],
        *arguments: str,
        inventory: str | os.PathLike[str] | dict[str, Json] = "localhost,",
        variables: t.Mapping[str, Json] | None = None,
        environment: t.Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> Run:
        """Run a playbook: a name (file or FQCN), or plays as data. The inventory may be data, too.

        Hosts use the local connection unless the inventory says otherwise. ``variables`` are extra vars.
        """
        if isinstance(playbook, list):
            playbook = self._write("playbook", playbook)
        if isinstance(inventory, dict):
            inventory = self._write("inventory", inventory)
        return self.run(
            "ansible-playbook",
            playbook,
            "--inventory",
            inventory,
            *self._extra_vars(variables),
            *arguments,
            environment={"ANSIBLE_TRANSPORT": "local", **(environment or {})},
            timeout=timeout,
        )

    def adhoc(
        self,
        module: str,
        options: t.Mapping[str, Json] | None = None,
        *arguments: str,
        environment: t.Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> Run:
        """``ansible localhost -m MODULE -a OPTIONS``."""
        given = ["--args", json.dumps(dict(options))] if options else []
        command = ["localhost", "--module-name", module, *given, *self._extra_vars(None), *arguments]
        return self.run("ansible", *command, environment=environment, timeout=timeout)

    def doc(self, name: str, *arguments: str) -> Json:
        """What ``ansible-doc --json`` says of a plugin; ``--type`` and such are arguments."""
        return json.loads(self.run("ansible-doc", "--json", *arguments, name).ok().stdout)[name]

    def _extra_vars(self, variables: t.Mapping[str, Json] | None) -> list[str]:
        # Extra vars win over everything: no interpreter discovery, and modules run with the Python under test.
        return ["--extra-vars", json.dumps({"ansible_python_interpreter": self.python, **(variables or {})})]

    def _write(self, kind: str, content: Json) -> pathlib.Path:
        path = self.home / f"{kind}-{self._runs + 1}.yml"
        # JSON is YAML, too
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
        return path


def _read(results: pathlib.Path) -> list[TaskResult]:
    if not results.exists():  # nothing ran
        return []
    return [TaskResult(**json.loads(line)) for line in results.read_text(encoding="utf-8").splitlines()]
