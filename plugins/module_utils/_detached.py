# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that takes long runs in the background of its host, and is polled for its progress.

The action plugin asks for it by an environment variable; without that, a module runs as any other. Each poll is a short
run of the same module with the same name of the work: the first one begins the work, the last one returns its result.
So the work outlives a connection that is lost. It ends by itself when no poll has come for a while.

The name stands in the list of processes, so that it is no secret: all state lies in a private directory below the
temporary directory that the user of the module has for Ansible, and no file there is used that others could write.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import select
import signal
import sys
import threading
import time
import typing as t

from . import _private
from ._transfer.store.process import ProcessIdentity

ENVIRONMENT: t.Final = "STORWARE_BACKUP_POLL"  # a Poll in JSON
KEY: t.Final = "storware_backup_poll"  # of the output of a poll that has no result yet
PREFIX: t.Final = "storware-backup-"  # of the directory of a work
_POLL_INTERVAL: t.Final = 0.05  # seconds between two checks whether the work is done
_TOUCH: t.Final = 1.0
_REPORT_INTERVAL: t.Final = 0.5  # seconds between two texts, also while nothing happens
_STOP_GRACE: t.Final = 10.0  # seconds for work that is stopped to return its result
_STALE: t.Final = 24 * 3600.0  # seconds without a poll after which the state of work that was killed is removed
_TEXT: t.Final = 512  # bytes; a text of fixed size is replaced in one write
_MAX_RESULT: t.Final = 64 * 1024 * 1024  # bytes


class Poll(t.NamedTuple):
    """A request of the action plugin.

    work: its name, 32 hex digits. seconds: the longest time to wait for the result. abandon_timeout: seconds without a
    poll after which the work stops; its partial files are kept. remote_tmp: Ansible's temporary directory as it is
    configured, with the home directory and variables of the user that the module runs as.
    """

    work: str
    seconds: float
    abandon_timeout: float
    remote_tmp: str


Report = t.Callable[[t.Callable[[], str]], None]


def answer_poll(environ: t.Mapping[str, str]) -> None:
    """End this process here if it is a poll for work that has begun.

    Modules call it before they import what the work needs: that takes longer than the answer.
    """
    if ENVIRONMENT in environ:
        poll = _parse(environ[ENVIRONMENT])
        try:
            state = _State.open(_open_place(poll), PREFIX + poll.work)
        except OSError:
            return
        raise SystemExit(_wait_and_print(state, poll.seconds))


def begin(environ: t.MutableMapping[str, str]) -> Report:
    """Return, in the process that does the work, the function that reports its progress. A poll ends in here."""
    asked = environ.get(ENVIRONMENT, "")
    if not asked:
        return lambda _text: None
    answer_poll(environ)
    del environ[ENVIRONMENT]
    poll = _parse(asked)
    try:
        place = _open_place(poll)
        _remove_stale(place)
        name = PREFIX + poll.work
        state = _State(place, name, _private.make_private(name, place))
    except OSError:
        return lambda _text: None  # there is no place that only this user can write to: the work runs as any other
    return _detach(state, poll)


def _parse(asked: str) -> Poll:
    poll = Poll(**json.loads(asked))
    if not re.fullmatch("[0-9a-f]{32}", poll.work):
        raise ValueError(f"{ENVIRONMENT} is not from the action plugin")
    return poll


def _open_place(poll: Poll) -> int:
    """Return a descriptor of the directory that states are in. Raises OSError."""
    place = _private.open_directory(os.path.expanduser(os.path.expandvars(poll.remote_tmp)), create=True)
    _private.check_directory(place)
    return place


class _State:
    """The private directory of a work. Each poll touches it."""

    def __init__(self, place: int, name: str, fd: int) -> None:
        self._place, self._name, self._fd = place, name, fd

    @classmethod
    def open(cls, place: int, name: str) -> _State:
        """Open the directory of work that has begun. Raises FileNotFoundError, OSError."""
        return cls(place, name, _private.open_private(name, place))

    def create(self, name: str) -> int:
        """Return a descriptor to write a new file. Raises OSError."""
        return _private.create_file(name, self._fd)

    def read(self, name: str, limit: int) -> str:
        """Return the text of a file of up to limit bytes; empty when it cannot be read."""
        with contextlib.suppress(OSError):
            return _private.read_file(name, self._fd, limit).decode("utf-8", "replace").strip()
        return ""

    def touch(self) -> None:
        os.utime(self._fd)

    @property
    def touched(self) -> float:
        """Time of the last poll, in seconds since the epoch."""
        return os.fstat(self._fd).st_mtime

    def remove(self) -> None:
        """Remove the directory and what is in it, as far as that is possible."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._fd):
                os.unlink(name, dir_fd=self._fd)
            os.rmdir(self._name, dir_fd=self._place)

    def close(self) -> None:
        os.close(self._fd)


def _remove_stale(place: int) -> None:
    """Remove the states of works that were killed, or for whose results no poll has come."""
    for other in os.listdir(place):
        if re.fullmatch(f"{PREFIX}[0-9a-f]{{32}}", other):
            with contextlib.suppress(OSError), contextlib.closing(_State.open(place, other)) as left:
                if time.time() - left.touched > _STALE:
                    left.remove()


def _detach(state: _State, poll: Poll) -> Report:
    """Fork: the child does the work; the parent is the first poll."""
    ready, begun = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(begun)
        os.read(ready, 1)  # ends when the child has written its identity, or has ended
        status = _wait_and_print(state, poll.seconds)
        # Not by way of Ansible's wrapper: the files of the module belong to the child now, which removes them.
        sys.stdout.flush()
        os._exit(status)
    os.setsid()
    with open(state.create("worker"), "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(ProcessIdentity.current()), file)
    for descriptor in (ready, begun):
        os.close(descriptor)
    _replace(0, os.open(os.devnull, os.O_RDONLY))
    _replace(1, state.create("result"))
    _replace(2, state.create("errors"))
    threading.Thread(target=_stop_when_abandoned, args=(state, poll.abandon_timeout), daemon=True).start()
    return _reporter(state)


def _replace(descriptor: int, opened: int) -> None:
    os.dup2(opened, descriptor)
    os.close(opened)


def _reporter(state: _State) -> Report:
    """Return a function that leaves a text for the next polls. A thread makes it anew now and then: work may stall."""
    file = state.create("text")
    newest: t.Callable[[], str] = str

    def report(text: t.Callable[[], str]) -> None:
        nonlocal newest
        newest = text

    def write() -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk must not end the work
                os.pwrite(file, newest().encode("utf-8", "replace")[:_TEXT].ljust(_TEXT), 0)
            time.sleep(_REPORT_INTERVAL)

    threading.Thread(target=write, daemon=True).start()
    return report


def _stop_when_abandoned(state: _State, timeout: float) -> None:
    """Stop the work when no poll has come for so long: the controller may be gone. Partial files are kept."""
    seen, since = 0.0, time.monotonic()
    while time.monotonic() - since < timeout:
        time.sleep(_TOUCH)
        if state.touched != seen:
            seen, since = state.touched, time.monotonic()
    state.remove()
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_and_print(state: _State, seconds: float) -> int:
    """Wait up to so many seconds for the result and print it, or the progress; return the exit status."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    worker = _worker(state)
    end = time.monotonic() + seconds
    touched = 0.0
    while worker is not None and _is_running(worker):
        now = time.monotonic()
        if stopped or _is_output_closed():
            _stop(worker)
            break
        if now >= end:
            _print({"text": state.read("text", _TEXT)})
            return 0
        if now - touched >= _TOUCH:
            state.touch()
            touched = now
        time.sleep(_POLL_INTERVAL)
    with contextlib.suppress(BrokenPipeError):
        if result := state.read("result", _MAX_RESULT):
            sys.stdout.write(result)
        else:
            _print({"lost": True})
    state.remove()
    return 0


def _print(progress: dict[str, t.Any]) -> None:
    sys.stdout.write(json.dumps({KEY: progress}) + "\n")


def _worker(state: _State) -> ProcessIdentity | None:
    """Return the process that does the work; None when it was killed before it wrote its identity."""
    with contextlib.suppress(ValueError, TypeError):
        return ProcessIdentity(**json.loads(state.read("worker", 4096)))
    return None


def _is_running(worker: ProcessIdentity) -> bool:
    """Return whether this very process is still there, and no other one with its number."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(worker.pid, os.WNOHANG)  # a child of the first poll: not every system tells a zombie from a process
    return worker.is_alive


def _is_output_closed() -> bool:
    """Return whether the reader of the output is gone: the task was ended, or its connection was lost."""
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(0))


def _stop(worker: ProcessIdentity) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGTERM)
    end = time.monotonic() + _STOP_GRACE
    while _is_running(worker) and time.monotonic() < end:
        time.sleep(_POLL_INTERVAL)
