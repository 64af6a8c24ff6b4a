# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of a page, who does what the page says in a bare shell: HOME and PATH are set, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import shlex
import signal
import subprocess
import typing as t

from tests.support import marks

SYSTEM: t.Final = "/usr/local/bin:/usr/bin:/bin"
_END: t.Final = "\x1e"  # after the output of a block
# Different on each machine or in each run; the width of columns follows from the length of paths in them.
_VARYING: t.Final = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "GUID"),
        (r"\b[0-9a-f]{64}\b", "SHA256"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"/tmp/storware-simulator-\w+", "TEMPORARY"),
        (r'"now":[\d.]+', '"now":TIME'),
        (r"\b(ok|skipped)=\d+", r"\1=N"),  # the number of steps of a play is nobody's concern
        (r"\*{3,}", "***"),
        (r"[ \t]+", " "),
    )
)


@dataclasses.dataclass
class Reader:
    """Somebody who reads a page. ``examples`` of the page have real things in their place."""

    directory: pathlib.Path  # in which commands are run
    home: pathlib.Path
    path: str = SYSTEM
    examples: dict[str, str] = dataclasses.field(default_factory=dict)
    typed: str = ""  # on the keyboard

    def write_files(self, page: str) -> None:
        """Write the blocks that are files."""
        for block in marks.blocks(page):
            if block.how == "file" and block.name:
                (self.directory / block.name).write_text(self.real(block.text), encoding="utf-8")

    def follow(self, page: str, *before: str) -> list[str]:
        """Write the files of the page and run its commands, after others; what the page shows must be what they print.

        Returns the output of each block.
        """
        self.write_files(page)
        blocks = [block for block in marks.blocks(page) if block.how in ("run", "output")]
        commands = [block.text for block in blocks if block.how == "run"]
        outputs = self._run(*before, *commands)[len(before) :]
        printed = iter(outputs)
        output = ""
        for block in blocks:
            if block.how == "run":
                output = next(printed)
            else:
                compare(self.real(block.text), output)
        return outputs

    def run(self, *commands: str) -> str:
        """Run commands one after the other in one shell, as a reader would; all that they print."""
        return "".join(self._run(*commands))

    def paste(self, told: str) -> list[str]:
        """Paste the indented lines that the simulator prints; the output of each thing to try."""
        return self._run(*to_paste(told))[1:]

    def real(self, text: str) -> str:
        """Examples replaced by what is there."""
        for example, real in self.examples.items():
            text = text.replace(example, real)
        return text

    def _run(self, *commands: str) -> list[str]:
        """Run commands, each in the directory, and return the output of each."""
        place = shlex.quote(str(self.directory))
        script = "".join(f"cd {place}\n{self.real(command)}\nprintf '{_END}'\n" for command in commands)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env={"HOME": str(self.home), "PATH": self.path},
            input=self.typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,  # a machine may be busy
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.split(_END)[:-1]


def to_paste(told: str) -> list[str]:
    """Settings, and things to try, of all that the simulator prints."""
    texts = re.split(r"^\d\. .*$", told.partition("Paste these lines")[2], flags=re.M)
    return ["\n".join(re.findall("^  (.*)", text, re.M)) for text in texts]


@contextlib.contextmanager
def served(command: list[str], directory: pathlib.Path, environment: dict[str, str] | None = None) -> t.Iterator[str]:
    """Start a simulator for people, in a process group as a terminal gives it; all that it prints before it serves."""
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as simulator:
        try:
            yield _introduction(simulator)
        finally:
            os.killpg(simulator.pid, signal.SIGTERM)


def _introduction(simulator: subprocess.Popen[str]) -> str:
    assert simulator.stdout
    told = ""
    while "ansible-playbook storware.backup.check_server" not in told:
        line = simulator.stdout.readline()
        assert line, f"it has ended: {told}"
        told += line
    return told


def compare(shown: str, printed: str) -> None:
    """Assert that a page shows what is printed. Three dots stand for any lines, and within a line for any text."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else r".*".join(map(re.escape, line.split("..."))) + r"\n"
        for line in _settle(shown)
    )
    lines = "".join(f"{line}\n" for line in _settle(printed))
    assert re.fullmatch(pattern, lines), f"{shown}\nis shown, and this is printed:\n{printed}"


def _settle(text: str) -> list[str]:
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return [line.rstrip() for line in text.strip().splitlines() if line.strip()]
