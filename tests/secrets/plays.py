# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs cases under a real ansible-playbook and gathers everything that anybody could read afterwards."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import time
import typing as t
from dataclasses import dataclass, field

import yaml

from tests.secrets import cases
from tests.secrets.cases import Case
from tests.secrets.channels import Channels, ProcessWatch, SystemLog, files, is_at_work, process_connected_from
from tests.secrets.server import Server
from tests.support.ansible import Ansible, Run

Json = t.Any


@dataclass(frozen=True)
class Style:
    """How ansible-playbook is run: its arguments, and the callback plugins that show or store results."""

    name: str
    arguments: tuple[str, ...] = ()
    variables: t.Mapping[str, str] = field(default_factory=dict)


LOUD: t.Final = Style("default -vvvv --diff", ("-vvvv", "--diff"))
STYLES: t.Final = (
    LOUD,
    Style("default"),
    Style("yaml -vvvv --diff", ("-vvvv", "--diff"), {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}),
    Style("minimal -vvvv --diff", ("-vvvv", "--diff"), {"ANSIBLE_STDOUT_CALLBACK": "minimal"}),
    Style("oneline -vvv --check", ("-vvv", "--check"), {"ANSIBLE_STDOUT_CALLBACK": "oneline"}),
)
# Half the time for a task; leaves no files on a managed host that could be looked at.
FAST: t.Final = Style("default -vvvv --diff, pipelined", ("-vvvv", "--diff"), {"ANSIBLE_PIPELINING": "1"})


@dataclass(frozen=True)
class Overheard:
    """A run, and all that was left of it."""

    run: Run
    channels: Channels


class Unsafe(str):
    """Text in which Ansible must not look for templates."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"'))


def run_cases(ansible: Ansible, server: Server, chosen: t.Sequence[Case], style: Style) -> Overheard:
    """One play with a loop over the cases of each module, the results registered, shown and written to a file."""
    content = ansible.home / "content"
    content.mkdir(exist_ok=True)
    modules: dict[tuple[str, bool], list[Json]] = {}
    for case in chosen:
        options = cases.prepare(server, case, content, _interrupt)
        modules.setdefault((case.fault.module, case.fault.check), []).append(options)
    groups = [{"module": module, "check": check, "options": options} for (module, check), options in modules.items()]
    tasks = [task for number, group in enumerate(groups) for task in _tasks(number, group)]
    variables = {"canary": [group["options"] for group in groups]}
    return run_tasks(ansible, tasks, style, variables)


def _tasks(number: int, group: dict[str, Json]) -> list[Json]:
    told = f"told_{number}"
    return [
        {
            "name": f"Run {group['module']}",
            f"storware.backup.{group['module']}": {},
            # Not the options as the loop's items: they would be shown.
            "args": f"{{{{ canary[{number}][item] }}}}",
            "loop": list(range(len(group["options"]))),
            "register": told,
            "ignore_errors": True,
            **({"check_mode": True} if group["check"] else {}),
        },
        {"name": "Show", "ansible.builtin.debug": {"var": told}},
        {
            "name": "Write",
            "ansible.builtin.copy": {"content": f"{{{{ {told} | to_json }}}}", "dest": f"{told}.json", "mode": "0600"},
        },
    ]


def run_tasks(
    ansible: Ansible,
    tasks: list[Json],
    style: Style,
    variables: t.Mapping[str, Json],
    environment: t.Mapping[str, str] | None = None,
    arguments: t.Sequence[str] = (),
) -> Overheard:
    """Run tasks on localhost; the variables come from a file, as secrets should."""
    home = ansible.home
    for name in ("tmp", "tree", "junit"):
        (home / name).mkdir(exist_ok=True)
    inputs = [home / "secrets.yml", home / "playbook.yml"]
    inputs[0].write_text(yaml.dump(_unsafe(variables), Dumper=_Dumper), encoding="utf-8")
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": [str(inputs[0])], "tasks": tasks}
    inputs[1].write_text(yaml.safe_dump([play]), encoding="utf-8")
    settings = {
        "TMPDIR": str(home / "tmp"),
        "ANSIBLE_LOG_PATH": str(home / "ansible.log"),
        "ANSIBLE_ASYNC_DIR": str(home / "async"),
        "ANSIBLE_CALLBACKS_ENABLED": "json_lines,ansible.builtin.junit,ansible.builtin.tree",
        "ANSIBLE_CALLBACK_TREE_DIR": str(home / "tree"),
        "JUNIT_OUTPUT_DIR": str(home / "junit"),
        **style.variables,
        **(environment or {}),
    }
    with SystemLog.taken(home / "tmp") as log, ProcessWatch().running() as processes:
        run = ansible.playbook(inputs[1], *style.arguments, *arguments, environment=settings, timeout=3600)
        _wait_for_the_end(home)
    channels = {"stdout": run.stdout.encode(), "stderr": run.stderr.encode(), **processes.channels()}
    if log is not None:
        channels.update(log.channels())
    channels.update(files(home, inputs))
    return Overheard(run, channels)


def _wait_for_the_end(home: pathlib.Path) -> None:
    """Ansible's wrapper of asynchronous tasks looks every five seconds whether it can tidy up and end."""
    deadline = time.monotonic() + 60
    while is_at_work(home):
        assert time.monotonic() < deadline, f"something is still at work in {home}"
        time.sleep(0.05)


def _unsafe(value: Json) -> Json:
    if isinstance(value, str):
        return Unsafe(value) if "{" in value else value  # or Ansible would take an unsafe "true" for a boolean
    if isinstance(value, dict):
        return {key: _unsafe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unsafe(item) for item in value]
    return value


def _interrupt(port: int) -> None:
    pid = process_connected_from(port)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
