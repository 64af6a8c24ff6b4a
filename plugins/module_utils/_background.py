# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that takes long goes on in the background of its host and is visited: the visitor tells how far it is.

The action plugin asks for it by an environment variable; without that, a module runs as any other. Each visit is a
short run of the same module with the same name of the work: the first one begins it, the last one brings its result.
So the work outlives a connection that is lost. It ends by itself when nobody has come for a while.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
import typing as t

ENVIRONMENT: t.Final = "STORWARE_BACKUP_VISIT"  # a Visit in JSON
KEY: t.Final = "storware_backup_visit"  # of what a visitor prints that has no result yet
_NAP: t.Final = 0.05  # seconds between two looks of a visitor
_TOUCH: t.Final = 1.0
_TELL: t.Final = 0.5  # seconds between two texts
_LAST_WORDS: t.Final = 10.0  # seconds for work that is stopped to say its result
_TEXT: t.Final = 512  # bytes; a text of fixed size is replaced in one write


class Visit(t.NamedTuple):
    """What the action plugin asks for.

    work: its name, 32 hex digits. seconds: how long to stay at the most. patience: seconds without a visit after which
    the work stops; what it has won is kept.
    """

    work: str
    seconds: float
    patience: float


Tell = t.Callable[[t.Callable[[], str]], None]


def tell_nobody(_text: t.Callable[[], str]) -> None:
    """Without a visitor."""


def begin(environ: t.MutableMapping[str, str]) -> Tell:
    """In the process that does the work: returns how it tells how far it is. A visitor's process ends in here."""
    asked = environ.pop(ENVIRONMENT, "")
    if not asked:
        return tell_nobody
    visit = Visit(**json.loads(asked))
    folder = _folder(visit.work)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not _is_private(folder):
            return tell_nobody
        raise SystemExit(_visit(folder, visit.seconds)) from None
    except OSError:
        return tell_nobody  # it is done all the same, in one go
    return _divide(folder, visit)


def _folder(name: str) -> str:
    if not re.fullmatch("[0-9a-f]{32}", name):
        raise ValueError(f"{ENVIRONMENT} is not from the action plugin")
    return os.path.join(tempfile.gettempdir(), f"storware-backup-{name}")


def _is_private(folder: str) -> bool:
    """Whether an earlier visit has made it: its name is in the list of processes, so anybody may have been faster."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False  # an earlier visit has just ended
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _divide(folder: str, visit: Visit) -> Tell:
    """The child does the work; the parent is the first visitor."""
    alive = os.open(os.path.join(folder, "alive"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX)
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(alive)
        status = _visit(folder, visit.seconds)
        # Not by way of Ansible's wrapper: the files of the module belong to the child now, which removes them.
        sys.stdout.flush()
        os._exit(status)
    os.write(alive, b"%d" % os.getpid())
    os.setsid()
    for name, descriptor in (("result", 1), ("errors", 2)):
        _replace(descriptor, os.path.join(folder, name), os.O_WRONLY | os.O_CREAT)
    _replace(0, os.devnull, os.O_RDONLY)
    threading.Thread(target=_stop_when_forgotten, args=(folder, visit.patience), daemon=True).start()
    return _Teller(folder).tell


def _replace(descriptor: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


class _Teller:
    def __init__(self, folder: str) -> None:
        self._file = os.open(os.path.join(folder, "text"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._due = 0.0

    def tell(self, text: t.Callable[[], str]) -> None:
        """Leave a text for the next visitor; the text is made only when it is time for one."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _TELL
            with contextlib.suppress(OSError):  # a full disk must not end the work
                os.pwrite(self._file, text().encode("utf-8", "replace")[:_TEXT].ljust(_TEXT), 0)


def _stop_when_forgotten(folder: str, patience: float) -> None:
    """The controller may be gone for ever. Nothing is fetched for nobody; what is there is kept for the next run."""
    seen, since = 0, time.monotonic()
    while time.monotonic() - since < patience:
        time.sleep(_TOUCH)
        with contextlib.suppress(OSError):
            touched = os.stat(os.path.join(folder, "alive")).st_mtime_ns
            if touched != seen:
                seen, since = touched, time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _visit(folder: str, seconds: float) -> int:
    """Stay until the work is done, at the longest for so many seconds, and print what there is; the exit status."""
    alive = os.open(os.path.join(folder, "alive"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    end = time.monotonic() + seconds
    touched = 0.0
    while not _is_over(alive):
        now = time.monotonic()
        if stopped or _nobody_listens():
            _stop(alive)
            break
        if now >= end:
            _say({"text": _text(folder)})
            return 0
        if now - touched >= _TOUCH:
            os.utime(alive)
            touched = now
        time.sleep(_NAP)
    with contextlib.suppress(BrokenPipeError):
        if result := _result(folder):
            sys.stdout.write(result)
        else:
            _say({"lost": True})
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _say(standing: dict[str, t.Any]) -> None:
    sys.stdout.write(json.dumps({KEY: standing}) + "\n")


def _is_over(alive: int) -> bool:
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _nobody_listens() -> bool:
    """Whether whoever started this visit has left: it was ended on purpose, or its connection was."""
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(0))


def _stop(alive: int) -> None:
    os.kill(int(os.pread(alive, 20, 0)), signal.SIGTERM)
    end = time.monotonic() + _LAST_WORDS
    while not _is_over(alive) and time.monotonic() < end:
        time.sleep(_NAP)


def _text(folder: str) -> str:
    return _read(os.path.join(folder, "text")).strip()


def _result(folder: str) -> str:
    return _read(os.path.join(folder, "result")).strip()


def _read(path: str) -> str:
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""
