# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user would pick instead, run against the same servers: the control subjects of the fault suite."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass

from tests.faults import certificates
from tests.faults.cases import Case
from tests.faults.plays import Interpreter, serving, urls
from tests.harness import tree

_LONGEST: t.Final = 12  # seconds; then a client is stopped, and has failed

# Fetches a URL to a file, and tells whether it thinks that it succeeded.
Fetch = t.Callable[[str, pathlib.Path], bool]
Command = t.Callable[[str, pathlib.Path], t.Sequence["str | os.PathLike[str]"]]


@dataclass(frozen=True)
class Outcome:
    """How a client did with a case, over both runs.

    wrong: success was told for wrong bytes. broken: after a failure there was a broken file under the final name.
    at_once: the first run was right. right: in the end the right file is there, whatever the second run told.
    """

    wrong: bool
    broken: bool
    at_once: bool
    right: bool


def naive(interpreter: Interpreter) -> Fetch:
    """The loop, with the client library of this interpreter."""

    def fetch(url: str, path: pathlib.Path) -> bool:
        order = {"naive": {"url": url, "path": str(path), "ca_path": certificates.ca_path()}}
        return interpreter.run(order, _LONGEST).ok

    return fetch


def program(name: str) -> Fetch | None:
    """A program by the name of its row in the table, if it is installed."""
    executable, command = _PROGRAMS[name]
    if not shutil.which(executable):
        return None
    return lambda url, path: _succeeds(command(url, path))


def _get_url(url: str, path: pathlib.Path) -> t.Sequence[str | os.PathLike[str]]:
    options = {"url": url, "dest": str(path), "timeout": 2, "mode": "0600"}
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": options})
    return [sys.executable, "-m", "ansible.modules.get_url", arguments]


def _curl(*more: str) -> Command:
    usual = ["-fsSL", "--connect-timeout", "2", "--speed-limit", "1024", "--speed-time", "2"]
    return lambda url, path: ["curl", *usual, *more, "--cacert", certificates.ca_path(), "-o", path, url]


def _wget(url: str, path: pathlib.Path) -> t.Sequence[str | os.PathLike[str]]:
    usual = ["-q", "-c", "--timeout=2", "--tries=3", "--waitretry=1"]
    return ["wget", *usual, f"--ca-certificate={certificates.ca_path()}", "-O", path, url]


def _aria2(url: str, path: pathlib.Path) -> t.Sequence[str | os.PathLike[str]]:
    usual = ["-q", "-c", "--timeout=2", "--connect-timeout=2", "--max-tries=3", "--retry-wait=1", "--no-conf"]
    usual += ["--allow-overwrite=true", "--auto-file-renaming=false", "--lowest-speed-limit=1K"]
    return ["aria2c", *usual, f"--ca-certificate={certificates.ca_path()}", "-d", path.parent, "-o", path.name, url]


# name -> the program, and how a user would call it
_PROGRAMS: t.Final[t.Mapping[str, tuple[str, Command]]] = {
    "get_url": (sys.executable, _get_url),
    "curl -fL": ("curl", _curl()),
    "curl -C - --retry": ("curl", _curl("-C", "-", "--retry", "3", "--retry-all-errors", "--retry-delay", "1")),
    "wget -c": ("wget", _wget),
    "aria2c -c": ("aria2c", _aria2),
}
PROGRAMS: t.Final = tuple(_PROGRAMS)


def try_on(fetch: Fetch, case: Case, directory: pathlib.Path) -> Outcome:
    """Two runs, as of a play that is repeated: with the fault, and with the fault gone."""
    path = directory / case.filename
    if case.old is not None:
        path.write_bytes(case.old)
    right = {hashlib.sha256(body).digest() for body in case.contents}
    left = {None, hashlib.sha256(case.old).digest() if case.old is not None else None}
    with serving(case, case.replies) as server:
        # A generic client is told where the file is; ours finds that out.
        told_first = fetch(urls(case, server)[-1], path)
    first = _digest(path)
    with serving(case, [case.healthy], healed=True) as server:
        told_second = fetch(server.url(), path)
    second = _digest(path)
    return Outcome(
        wrong=(told_first and first not in right) or (told_second and second not in right),
        broken=(not told_first and first not in right | left) or (not told_second and second not in right | left),
        at_once=told_first and first in right,
        right=second in right,
    )


def _succeeds(command: t.Sequence[str | os.PathLike[str]]) -> bool:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    environment["SSL_CERT_FILE"] = certificates.ca_path()  # get_url has no option for it
    try:
        ended = subprocess.run(
            command,
            cwd=tree.ROOT,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def _digest(path: pathlib.Path) -> bytes | None:
    return hashlib.sha256(path.read_bytes()).digest() if path.exists() else None
