# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that writes, and whether it is still there.

Locks do nothing on some file systems, so a process is asked for by its number. Numbers are given out again, and mean
something only within one boot and one namespace of process numbers: what cannot be known counts as neither.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import typing as t
from dataclasses import dataclass

_DEAD_STATES: t.Final = ("Z", "X", "x")  # proc(5); a zombie writes no more


@dataclass(frozen=True)
class ProcessIdentity:
    """A process. machine: which computer. boot: which start of it, and which namespace. started: clock ticks."""

    pid: int
    started: str
    machine: str
    boot: str

    @classmethod
    def current(cls) -> ProcessIdentity:
        """This process."""
        return _of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """The process that has this number now."""
        return cls(pid, _stat(pid)[1], _machine(), _boot())

    @property
    def is_alive(self) -> bool:
        """Whether this process is surely still there."""
        return self._is_here and self._runs

    @property
    def is_gone(self) -> bool:
        """Whether this process is surely no more."""
        if self._is_here:
            return not self._runs
        then, now = self.boot.partition(" ")[0], _boot().partition(" ")[0]
        return self.machine == _machine() and bool(then) and bool(now) and then != now

    @property
    def _is_here(self) -> bool:
        return (self.machine, self.boot) == (_machine(), _boot())

    @property
    def _runs(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # another user's process; /proc says which
        state, started = _stat(self.pid)
        # Where other users' processes are hidden, their number alone has to do.
        return state not in _DEAD_STATES and started in ("", self.started)


@functools.lru_cache(1)  # each file of a task asks
def _of(pid: int) -> ProcessIdentity:
    return ProcessIdentity.of(pid)


def _stat(pid: int) -> tuple[str, str]:
    """State and start time of a process; empty where the system does not say."""
    text = _read(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def _machine() -> str:
    return f"{_read('/etc/machine-id').strip()} {platform.node()}"


def _boot() -> str:
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{_read('/proc/sys/kernel/random/boot_id').strip()} {namespace}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
