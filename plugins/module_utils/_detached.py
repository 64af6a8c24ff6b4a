# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that takes long goes on in the background of its host and is visited: the visitor tells how far it is.

The action plugin asks for it by an environment variable; without that, a module runs as any other. Each visit is a
short run of the same module with the same name of the work: the first one begins it, the last one brings its result.
So the work outlives a connection that is lost. It ends by itself when nobody has come for a while.

The name stands in the list of processes, so that it is no secret: all state lies in a private directory below the
temporary directory that the user of the module has for Ansible, and nothing there is believed that others could write.
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

ENVIRONMENT: t.Final = "STORWARE_BACKUP_VISIT"  # a Visit in JSON
KEY: t.Final = "storware_backup_visit"  # of what a visitor prints that has no result yet
PREFIX: t.Final = "storware-backup-"  # of the directory of a work
_NAP: t.Final = 0.05  # seconds between two looks of a visitor
_TOUCH: t.Final = 1.0
_TELL: t.Final = 0.5  # seconds between two texts
_LAST_WORDS: t.Final = 10.0  # seconds for work that is stopped to say its result
_STALE: t.Final = 24 * 3600.0  # seconds without a visit after which nobody comes any more for what was killed
_TEXT: t.Final = 512  # bytes; a text of fixed size is replaced in one write
_MOST_RESULT: t.Final = 64 * 1024 * 1024  # bytes


class Visit(t.NamedTuple):
    """What the action plugin asks for.

    work: its name, 32 hex digits. seconds: how long to stay at the most. patience: seconds without a visit after which
    the work stops; what it has won is kept. remote_tmp: Ansible's temporary directory as it is configured; whose home
    directory and variables it is about, only the module knows, which may run as another user.
    """

    work: str
    seconds: float
    patience: float
    remote_tmp: str


Tell = t.Callable[[t.Callable[[], str]], None]


def tell_nobody(_text: t.Callable[[], str]) -> None:
    """Without a visitor."""


def begin(environ: t.MutableMapping[str, str]) -> Tell:
    """In the process that does the work: returns how it tells how far it is. A visitor's process ends in here."""
    asked = environ.pop(ENVIRONMENT, "")
    if not asked:
        return tell_nobody
    visit = Visit(**json.loads(asked))
    if not re.fullmatch("[0-9a-f]{32}", visit.work):
        raise ValueError(f"{ENVIRONMENT} is not from the action plugin")
    try:
        place = _private.open_directory(os.path.expanduser(os.path.expandvars(visit.remote_tmp)), create=True)
        _private.check_directory(place)
        state, is_new = _state(place, PREFIX + visit.work)
    except OSError:
        return tell_nobody  # there is no place for it that only this user can write to: it is done in one go
    if is_new:
        return _divide(state, visit)
    raise SystemExit(_visit(state, visit.seconds))


class _State:
    """The private directory of a work. Each visit touches it."""

    def __init__(self, place: int, name: str, fd: int) -> None:
        self._place, self._name, self._fd = place, name, fd

    @classmethod
    def open(cls, place: int, name: str) -> _State:
        """That of an earlier visit. Raises FileNotFoundError, OSError."""
        return cls(place, name, _private.open_private(name, place))

    def create(self, name: str) -> int:
        """A descriptor to write a new file. Raises OSError."""
        return _private.create_file(name, self._fd)

    def read(self, name: str, limit: int) -> str:
        """The text of a file of up to limit bytes; empty when it cannot be read."""
        with contextlib.suppress(OSError):
            return _private.read_file(name, self._fd, limit).decode("utf-8", "replace").strip()
        return ""

    def touch(self) -> None:
        os.utime(self._fd)

    @property
    def touched(self) -> float:
        """When it was touched, in seconds since the epoch."""
        return os.fstat(self._fd).st_mtime

    def remove(self) -> None:
        """Remove the directory and what is in it, as far as that is possible."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._fd):
                os.unlink(name, dir_fd=self._fd)
            os.rmdir(self._name, dir_fd=self._place)

    def close(self) -> None:
        os.close(self._fd)


def _state(place: int, name: str) -> tuple[_State, bool]:
    """That of this work, and whether it is new. Raises OSError."""
    try:
        return _State.open(place, name), False
    except FileNotFoundError:
        _tidy(place)
        return _State(place, name, _private.make_private(name, place)), True


def _tidy(place: int) -> None:
    """Remove what works have left that were killed, or for whose results nobody has come."""
    for other in os.listdir(place):
        if re.fullmatch(f"{PREFIX}[0-9a-f]{{32}}", other):
            with contextlib.suppress(OSError), contextlib.closing(_State.open(place, other)) as left:
                if time.time() - left.touched > _STALE:
                    left.remove()


def _divide(state: _State, visit: Visit) -> Tell:
    """The child does the work; the parent is the first visitor."""
    ready, begun = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(begun)
        os.read(ready, 1)  # its end: the child has said who it is, or is no more
        status = _visit(state, visit.seconds)
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
    threading.Thread(target=_stop_when_forgotten, args=(state, visit.patience), daemon=True).start()
    return _Teller(state).tell


def _replace(descriptor: int, opened: int) -> None:
    os.dup2(opened, descriptor)
    os.close(opened)


class _Teller:
    def __init__(self, state: _State) -> None:
        self._file = state.create("text")
        self._due = 0.0

    def tell(self, text: t.Callable[[], str]) -> None:
        """Leave a text for the next visitor; the text is made only when it is time for one."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _TELL
            with contextlib.suppress(OSError):  # a full disk must not end the work
                os.pwrite(self._file, text().encode("utf-8", "replace")[:_TEXT].ljust(_TEXT), 0)


def _stop_when_forgotten(state: _State, patience: float) -> None:
    """The controller may be gone for ever. Nothing is fetched for nobody; what is there is kept for the next run."""
    seen, since = 0.0, time.monotonic()
    while time.monotonic() - since < patience:
        time.sleep(_TOUCH)
        if state.touched != seen:
            seen, since = state.touched, time.monotonic()
    state.remove()
    os.kill(os.getpid(), signal.SIGTERM)


def _visit(state: _State, seconds: float) -> int:
    """Stay until the work is done, at the longest for so many seconds, and print what there is; the exit status."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    worker = _worker(state)
    end = time.monotonic() + seconds
    touched = 0.0
    while worker is not None and _works(worker):
        now = time.monotonic()
        if stopped or _nobody_listens():
            _stop(worker)
            break
        if now >= end:
            _say({"text": state.read("text", _TEXT)})
            return 0
        if now - touched >= _TOUCH:
            state.touch()
            touched = now
        time.sleep(_NAP)
    with contextlib.suppress(BrokenPipeError):
        if result := state.read("result", _MOST_RESULT):
            sys.stdout.write(result)
        else:
            _say({"lost": True})
    state.remove()
    return 0


def _say(standing: dict[str, t.Any]) -> None:
    sys.stdout.write(json.dumps({KEY: standing}) + "\n")


def _worker(state: _State) -> ProcessIdentity | None:
    """The process that does the work; None when it was killed before it could say so."""
    with contextlib.suppress(ValueError, TypeError):
        return ProcessIdentity(**json.loads(state.read("worker", 4096)))
    return None


def _works(worker: ProcessIdentity) -> bool:
    """Whether this very process is still there, and no other one with its number."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(worker.pid, os.WNOHANG)  # the first visitor's own: not every system tells a zombie from a process
    return worker.is_alive


def _nobody_listens() -> bool:
    """Whether whoever started this visit has left: it was ended on purpose, or its connection was."""
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(0))


def _stop(worker: ProcessIdentity) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGTERM)
    end = time.monotonic() + _LAST_WORDS
    while _works(worker) and time.monotonic() < end:
        time.sleep(_NAP)
