# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A neighbour for cloud_download_copy: a program in the place of ssh that does what it is asked to, on this machine."""

from __future__ import annotations

import os
import pathlib

from tests.support.modules import run_module
from tests.support.use import Json

COPY = "cloud_download_copy"

_SSH = """\
#!/bin/sh
# ssh OPTIONS -- HOST COMMAND
printf '%s\\n' "$*" >> {log}
while [ "$1" != -- ]; do shift; done
cat > {log}.$$
script=$(cat {log}.$$)
printf '%s\\0' "$script" >> {log}.input
{breaks}
exec sh -c "$3" < {log}.$$
"""


class Neighbour:
    """Copies with the program in the place of ssh."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._log = directory / "ssh.log"
        self.flag = directory / "flag"
        self.install()

    def install(self, breaks: str = "") -> None:
        program = self._directory / "ssh"
        program.write_text(_SSH.format(log=self._log, breaks=breaks.format(flag=self.flag)))
        program.chmod(0o755)

    def copy(self, *, check: bool = False, **options: Json) -> Json:
        path = f"{self._directory}:{os.environ['PATH']}"
        variables = {"PATH": path, "STORWARE_PASSWORD": "sesame"}
        return run_module(COPY, {"host": "files-1", **options}, check=check, environment=variables)

    def scripts(self) -> list[str]:
        """What the commands were given on their standard input."""
        return self._log.with_name(f"{self._log.name}.input").read_text().split("\0")[:-1]

    def commands(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []
