# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the repository in which files are changed and tests are run. The work tree itself is never touched."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import typing as t

from tests.harness import tree
from tests.harness.runner import inherited
from tests.mutation.jobs import Job, Result

FOLDER: t.Final = tree.BUILD / "mutation"


class Workshop:
    """The copy and the process that runs tests in it."""

    def __init__(self, server: subprocess.Popen[str], root: pathlib.Path) -> None:
        self.log = root / ".build" / "job.log"
        self._server = server
        self._root = root

    @classmethod
    @contextlib.contextmanager
    def open(cls, tests: t.Sequence[str]) -> t.Iterator[Workshop]:
        """Copy the repository and get ready to run these tests."""
        command = [sys.executable, "-m", "tests.mutation.server", *tests]
        FOLDER.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context((FOLDER / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second run would change files under the tests of the first
            root = tree.copy_to(FOLDER / "copy")
            (root / ".build").mkdir()
            log = stack.enter_context((root / ".build" / "server.log").open("w"))
            pipe = subprocess.PIPE
            server = subprocess.Popen(
                command, cwd=root, env=inherited(), text=True, stdin=pipe, stdout=pipe, stderr=log
            )
            stack.enter_context(server)  # closes its input, which ends it, and waits
            yield cls(server, root)

    def run(self, job: Job) -> Result:
        """Run tests."""
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps(job), file=self._server.stdin, flush=True)
        answer = self._server.stdout.readline()
        if not answer:
            raise SystemExit(f"The process that runs tests has ended:\n{self.log.with_name('server.log').read_text()}")
        result: Result = json.loads(answer)
        return result

    @contextlib.contextmanager
    def changed(self, path: str, text: str) -> t.Iterator[None]:
        """The file holds this text for a while."""
        file = self._root / path
        before, stat = file.read_bytes(), file.stat()
        try:
            file.write_bytes(text.encode())
            yield
        finally:
            file.write_bytes(before)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # its bytecode is good again
