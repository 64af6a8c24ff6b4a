# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run of Ansible leaves words: what it prints, files of all kinds, the system log, processes."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import struct
import syslog
import threading
import typing as t
from unittest import mock

_SYSTEM_LOG: t.Final = pathlib.Path("/dev/log")
_CREDENTIALS: t.Final = struct.Struct("3i")  # process, user and group that sent a message (unix(7), SCM_CREDENTIALS)
_PACE: t.Final = 0.02  # seconds between two looks at processes; a module lives for some tenths

Channels = dict[str, bytes]


def files(directory: pathlib.Path, left_out: t.Collection[pathlib.Path]) -> Channels:
    """Names and content of all files under a directory, but for the inputs of the run."""
    found: Channels = {}
    for path in sorted(directory.rglob("*")):
        if path in left_out or path.is_socket() or path.is_fifo():
            continue
        name = str(path.relative_to(directory))
        found[f"name of {name}"] = os.fsencode(name)
        if path.is_file():
            found[f"file {name}"] = path.read_bytes()
    return found


class ProcessWatch:
    """Reads command line and environment of every descendant of this process, again and again."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[bytes, None]] = {"process title": {}, "environment of a process": {}}
        self._end = threading.Event()

    @contextlib.contextmanager
    def running(self) -> t.Iterator[ProcessWatch]:
        """Watch until the end of the block."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._end.set()
            thread.join()

    def channels(self) -> Channels:
        """All that was seen, each once, a line each."""
        return {kind: b"\n".join(seen) for kind, seen in self._seen.items()}

    def _watch(self) -> None:
        while not self._end.wait(_PACE):
            for pid in descendants(os.getpid()):
                with contextlib.suppress(OSError):  # it has ended
                    process = pathlib.Path("/proc", str(pid))
                    title = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ")
                    title += b" " + process.joinpath("comm").read_bytes()
                    self._seen["process title"][title] = None
                    self._seen["environment of a process"][process.joinpath("environ").read_bytes()] = None


def descendants(pid: int) -> t.Iterator[int]:
    """Children, their children and so on."""
    children: list[str] = []
    with contextlib.suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            children += pathlib.Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
    for child in children:
        yield int(child)
        yield from descendants(int(child))


def is_at_work(directory: pathlib.Path) -> bool:
    """Whether any process has something of this directory on its command line, such as a task in the background."""
    for title in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if os.fsencode(directory) in title.read_bytes():
                return True
    return False


def process_connected_from(port: int) -> int | None:
    """The descendant of this process that holds the client's end of a connection on loopback."""
    local = f"0100007F:{port:04X}"
    lines = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    inodes = {f"socket:[{fields[9]}]" for fields in lines if fields[1] == local}
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):  # it has ended
            if any(os.readlink(f"/proc/{pid}/fd/{number}") in inodes for number in os.listdir(f"/proc/{pid}/fd")):
                return pid
    return None


@contextlib.contextmanager
def logged() -> t.Iterator[list[str]]:
    """What a module in this process hands over to the system log, which may be there or not."""
    messages: list[str] = []
    with mock.patch.object(syslog, "syslog", lambda _priority, message: messages.append(message)):
        yield messages


class SystemLog:
    """Receives what programs of one run write to the system log, on a machine that has none."""

    def __init__(self, temporary: pathlib.Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._temporary = os.fsencode(temporary)
        self._messages: list[bytes] = []

    @staticmethod
    @contextlib.contextmanager
    def taken(temporary: pathlib.Path) -> t.Iterator[SystemLog | None]:
        """Be the system log until the end of the block; None where there is one, or this user may not.

        temporary: the value of TMPDIR for all processes of the run. Those of other tests are not heard.
        """
        log = SystemLog(temporary)
        try:
            log._socket.bind(str(_SYSTEM_LOG))
        except OSError:
            log._socket.close()
            yield None
            return
        thread = threading.Thread(target=log._receive, daemon=True)
        thread.start()
        try:
            yield log
        finally:
            with contextlib.suppress(FileNotFoundError):
                _SYSTEM_LOG.unlink()
            log._socket.shutdown(socket.SHUT_RDWR)
            thread.join()
            log._socket.close()

    def channels(self) -> Channels:
        """What has come so far."""
        return {"system log": b"\n".join(self._messages)}

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                message, ancillary, _flags, _sender = self._socket.recvmsg(
                    1 << 20, socket.CMSG_SPACE(_CREDENTIALS.size)
                )
                if not message:
                    return
                if not self._is_of_others(ancillary):
                    self._messages.append(message)

    def _is_of_others(self, ancillary: list[tuple[int, int, bytes]]) -> bool:
        """Whether the sender is surely no process of this run."""
        for _level, _kind, data in ancillary:
            pid, _uid, _gid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
            with contextlib.suppress(OSError):  # it has ended
                environment = pathlib.Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
                return environment != [b""] and b"TMPDIR=" + self._temporary not in environment
        return False
