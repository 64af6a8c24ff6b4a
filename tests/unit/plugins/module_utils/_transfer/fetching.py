# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches one file with the engine as plain Python, in this process or as a program of its own (under strace, say)."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t

import requests

from ansible_collections.storware.backup.plugins.module_utils._steps import advance, complete
from ansible_collections.storware.backup.plugins.module_utils._transfer import download, inspection
from ansible_collections.storware.backup.plugins.module_utils._transfer.download import Outcome
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.body import Opener, Response
from ansible_collections.storware.backup.plugins.module_utils._transfer.inspection import File, Job
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import LimitSettings
from tests.unit.plugins.module_utils._transfer.material import GUID

ONCE = LimitSettings(retries=0, lock_timeout=30)
AGAIN = LimitSettings(retries=2, first_pause=0.01, longest_pause=0.02, lock_timeout=30)


def opener(url: str, *, timeout: float = 5.0) -> Opener:
    """Asks this address, without anything from the environment."""

    def open_content(headers: t.Mapping[str, str], deadline: float | None) -> Response:
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(url, headers=headers, stream=True, timeout=timeout, allow_redirects=False)
            return t.cast("Response", response)

    return open_content


def job(dest: object, *urls: str, **wishes: t.Any) -> Job:
    """A job whose openers are these addresses, under the labels 1, 2 ...; without retries unless they are wished."""
    guid = wishes.pop("guid", GUID)
    wishes.setdefault("limit_settings", ONCE)
    openers = [(str(number), opener(url)) for number, url in enumerate(urls, 1)]
    return Job(guid=guid, dest=str(dest), identity=f"server {guid}", openers=openers, **wishes)


def reason(wanted: Job) -> str:
    """What would be done."""
    with inspection.inspect(wanted) as inspected:
        return inspected.reason


def run(wanted: Job) -> tuple[str, File, Outcome | None]:
    """What a module does: the reason, the file in the end, and what was fetched, if anything."""
    with inspection.inspect(wanted) as inspected:
        if not inspected.needs_content:
            download.remove_stale(wanted, inspected)
            return inspected.reason, inspection.describe(wanted, inspected), None
        outcome = complete(advance(download.fetch(wanted, inspected)))
        return inspected.reason, outcome.file, outcome


def main(url: str, dest: str) -> None:
    """Fetch, and print the reason, the digest and the peak of the memory in MiB."""
    why, file, _outcome = run(job(dest, url))
    json.dump({"reason": why, "sha256": file.sha256, "size": file.size, "peak": _peak()}, sys.stdout)


def _peak() -> float:
    # Not getrusage: its number starts with the memory of the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def program(url: str, dest: object) -> tuple[list[str], dict[str, str]]:
    """The command and environment that run ``main`` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    return [sys.executable, "-m", "tests.unit.plugins.module_utils._transfer.fetching", url, str(dest)], environment


if __name__ == "__main__":
    main(*sys.argv[1:])
