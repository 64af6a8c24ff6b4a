# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another user of this machine: real processes with another uid, in a directory where everybody can write."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

import pytest

UID: t.Final = 65534

needs_two_users = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED without root: needs a second user")


def run_as_stranger(script: str, *arguments: object, data: bytes = b"") -> str:
    """What this shell script of theirs prints; data is its standard input. Raises CalledProcessError."""
    command = ["/bin/sh", "-euc", f"umask 0; {script}", "sh", *map(str, arguments)]
    done = subprocess.run(
        command, cwd="/", user=UID, group=UID, extra_groups=[], stdout=subprocess.PIPE, check=True, input=data
    )
    return done.stdout.decode()


@pytest.fixture
def shared() -> t.Iterator[pathlib.Path]:
    """A directory like /tmp: everybody can write there, and remove what is his own."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="shared-"))
    path.chmod(0o1777)
    yield path
    shutil.rmtree(path)
