# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strace wrote, as calls with their order."""

from __future__ import annotations

import os
import pathlib
import re
import typing as t
from dataclasses import dataclass

_WHOLE: t.Final = re.compile(r"(\d+) +(\w+)\((.*)\) += (.*)", re.DOTALL)
_BEGUN: t.Final = re.compile(r"(\d+) +(\w+)\((.*?) ?<unfinished \.\.\.>", re.DOTALL)
_DONE: t.Final = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.*)", re.DOTALL)
_KINDS: t.Final = ((".part", "partial"), (".state", "state"), (".sha256", "receipt"))


@dataclass
class Call:
    """One system call. nth: among the calls of this name in its thread, from 1. begun, done: places in the trace."""

    thread: int
    name: str
    arguments: str
    nth: int
    begun: int
    result: str = "?"
    done: int = -1

    @property
    def text(self) -> str:
        """As strace wrote it."""
        return f"{self.name}({self.arguments}) = {self.result}"

    @property
    def failed(self) -> bool:
        """Whether it returned an error."""
        return self.result.startswith(("-1", "?"))

    def touches(self, *directories: pathlib.Path) -> bool:
        """Whether a file in these directories, or one of them, is concerned."""
        # What is written may name anything.
        arguments = self.arguments.partition(", ")[0] if "write" in self.name else self.arguments
        return any(str(directory) in arguments for directory in directories)

    def kind(self, directory: pathlib.Path) -> str:
        """What is concerned: partial, state, receipt, file (any other in the directory) or directory."""
        for suffix, kind in _KINDS:
            if re.search(re.escape(suffix) + r"( \(deleted\))?[\">]", self.arguments):
                return kind
        inside = rf'{re.escape(str(directory))}/[^">]+[">]|{re.escape(str(directory))}>, "[^."]'
        return "file" if re.search(inside, self.arguments) else "directory"


def calls(trace: pathlib.Path) -> list[Call]:
    """All calls, in the order in which they began."""
    found: list[Call] = []
    counts: dict[tuple[int, str], int] = {}
    open_calls: dict[int, Call] = {}
    for place, line in enumerate(trace.read_text(errors="surrogateescape").splitlines()):
        if match := _DONE.fullmatch(line):
            call = open_calls.pop(int(match.group(1)))
            call.arguments += match.group(3)
            call.result, call.done = match.group(4), place
        elif match := _BEGUN.fullmatch(line) or _WHOLE.fullmatch(line):
            thread, name = int(match.group(1)), match.group(2)
            counts[thread, name] = counts.get((thread, name), 0) + 1
            call = Call(thread, name, match.group(3), counts[thread, name], place)
            if match.re is _WHOLE:
                call.result, call.done = match.group(4), place
            else:
                open_calls[thread] = call
            found.append(call)
    return found


def paths_in(call: Call) -> list[str]:
    """All paths a call names, as far as its arguments tell: descriptors' own, and names below them."""
    found = []
    base = ""
    for path, name in re.findall(r'\d+<([^>]+)>|"((?:[^"\\]|\\.)*)"', call.arguments):
        base = path or base
        found.append(path or os.path.join(base, name))
    return found
