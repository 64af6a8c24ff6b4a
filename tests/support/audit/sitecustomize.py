# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes what code of the collection opens for writing where another user could have planted something.

In a directory that others can write to, a file is either new (O_EXCL), or opened without following a link (O_NOFOLLOW)
by a function that looks at its owner afterwards. Python loads this file at the start of every process whose PYTHONPATH
has its directory; it acts where the environment says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import types
import typing as t

VARIABLE: t.Final = "AUDIT_OF_OPENED_FILES"  # path of the file for what was noted, one a line
CHECKED: t.Final = (
    ("_transfer/store/checkpoint.py", "open"),
    ("_transfer/store/part_file.py", "adopt"),
)  # look at the owner

_WRITES: t.Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_OURS: t.Final = re.compile(r"/storware/backup/(plugins|extensions)/|/extensions/eda/plugins/")
_NEAR: t.Final = 12  # frames; tempfile and the like are between


def install() -> None:
    """Note offences from now on in the file that the environment names."""
    log = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def hook(event: str, arguments: tuple[t.Any, ...]) -> None:
        # First what nearly every event fails at.
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if is_write and (offence := _offence(arguments[0], arguments[2], sys._getframe(1))):
            os.write(log, f"{offence}\n".encode())

    sys.addaudithook(hook)


def _offence(path: object, flags: int, frame: types.FrameType | None) -> str:
    """What is wrong; empty for nothing."""
    # O_TMPFILE makes a file without a name.
    if not isinstance(path, (str, bytes)) or flags & (os.O_EXCL | getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY):
        return ""
    directory, name = os.path.split(os.fsdecode(path))
    ours: list[tuple[str, str]] = []
    place: t.Any = None
    for _number in range(_NEAR):
        if frame is None or "/tests/" in frame.f_code.co_filename:
            break
        if _OURS.search(frame.f_code.co_filename):
            if not ours and not os.path.isabs(directory):
                place = place_of(frame)
            ours.append((frame.f_code.co_filename, frame.f_code.co_name))
        frame = frame.f_back
    is_checked = any(file.endswith(end) and function == checked for file, function in ours for end, checked in CHECKED)
    # tempfile names the directory first, and then opens a new file in it by an opener of its own.
    if not ours or (flags & os.O_NOFOLLOW and is_checked) or (place is None and os.path.isdir(path)):
        return ""
    try:
        found = os.stat(directory or "." if place is None else place)
    except OSError:
        return ""  # nothing can be opened there
    if found.st_uid in (0, os.geteuid()) and not found.st_mode & stat.S_IWOTH:
        return ""
    return f"{name!r} is opened with flags {flags:#o} in a directory of mode {found.st_mode:#o} by {ours[0]}"


def place_of(frame: types.FrameType) -> t.Any:
    """The descriptor that this function gives to os.open as dir_fd. A test knows that all of ours are found here."""
    return frame.f_locals.get("place", getattr(frame.f_locals.get("self"), "fd", None))


if VARIABLE in os.environ and __name__ == "sitecustomize":
    with contextlib.suppress(OSError):  # a process of another user, which may not write there
        install()
    with contextlib.suppress(ImportError):  # of another user, which may not read there
        import compiled  # type: ignore[import-not-found]  # beside this file

        compiled.install()
