# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody may have put where a run wants to have a file of its own."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import pytest

KINDS: t.Final = (
    "a regular file", "a hard link", "a symbolic link", "a FIFO", "a directory", "a socket", "a character device",
)  # fmt: skip


def plant(kind: str, path: pathlib.Path) -> None:
    """Make such a thing there; links lead to the file ``precious`` beside it."""
    precious = path.parent / "precious"
    if kind == "a regular file":
        path.write_bytes(b"planted")
    elif kind == "a hard link":
        precious.touch()
        os.link(precious, path)
    elif kind == "a symbolic link":
        path.symlink_to("precious")
    elif kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    else:
        pytest.skip("only root makes devices")
