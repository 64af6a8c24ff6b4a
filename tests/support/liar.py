# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A managed host that answers as it likes: an interpreter that prints results in the place of modules."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

from tests.support.ansible import Ansible, Run

Json = t.Any

_INTERPRETER = """#!{python}
import json, os, re, sys
answers = json.load(open({answers!r}))
found = re.search("AnsiballZ_([a-z_]+)[.]py", " ".join(sys.argv))
if not found or found[1] not in answers:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with open({log!r}, "a") as log:
    log.write(found[1] + "\\n")
asked = open({log!r}).read().split().count(found[1])
several = answers[found[1]]
print(json.dumps(several[(asked - 1) % len(several)]))
"""


@dataclasses.dataclass
class Liar:
    """Of each module that is in answers, the host gives these results in turn, over and over; others it runs."""

    directory: pathlib.Path
    python: str

    def answers(self, **answers: list[Json]) -> Liar:
        """Say what it answers."""
        (self.directory / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
        program = {"python": self.python, "answers": str(self.directory / "answers.json"), "log": str(self._log)}
        self.interpreter.write_text(_INTERPRETER.format(**program), encoding="utf-8")
        self.interpreter.chmod(0o700)
        return self

    @property
    def interpreter(self) -> pathlib.Path:
        """For ansible_python_interpreter."""
        return self.directory / "liar"

    @property
    def _log(self) -> pathlib.Path:
        return self.directory / "asked"

    def asked(self) -> list[str]:
        """The modules that it has answered for, in order."""
        return self._log.read_text(encoding="utf-8").split() if self._log.exists() else []


def play(
    ansible: Ansible,
    play: Json,
    hosts: dict[str, Json],
    *arguments: str,
    environment: t.Mapping[str, str] | None = None,
    timeout: float = 120,
    **variables: Json,
) -> Run:
    """Run a play on hosts of this machine, each with the variables of its own that the inventory gives it."""
    inventory = {"all": {"hosts": hosts, "vars": {"ansible_python_interpreter": ansible.python}}}
    files = {"inventory.json": inventory, "play.json": [{"hosts": "all", "gather_facts": False, **play}]}
    for name, content in files.items():
        (ansible.home / name).write_text(json.dumps(content), encoding="utf-8")
    return ansible.run(
        "ansible-playbook",
        "play.json",
        "--inventory",
        "inventory.json",
        "--extra-vars",
        json.dumps(variables),
        *arguments,
        environment={"ANSIBLE_TRANSPORT": "local", **(environment or {})},
        timeout=timeout,
    )
