# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong, the last lines of a run name the cause, what it is about, and the next step."""

from __future__ import annotations

import contextlib
import pathlib
import re
import signal
import subprocess
import typing as t

import pytest

from tests.support.ansible import Run
from tests.support.fleet import ALICE, NAMES, PEOPLE, Fleet, Json
from tests.support.modules import connect, run_module
from tests.support.use import MIB, SLOWLY, calls, meanwhile, root_only, wait_until

LINES: t.Final = 15

Settings = dict[str, Json]


@contextlib.contextmanager
def small_disk(path: pathlib.Path, size: str = "64k") -> t.Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def server_gone(fleet: Fleet, _stack: contextlib.ExitStack) -> Settings:
    return {
        "people": ALICE,
        "connection": {"retries": 0},
        "environment": {**fleet.credentials(), "STORWARE_URL": "https://127.0.0.1:1"},
    }


def disk_full(fleet: Fleet, stack: contextlib.ExitStack) -> Settings:
    stack.enter_context(small_disk(fleet.directory / NAMES[0]))
    return {"people": ALICE}


def disk_full_together(fleet: Fleet, stack: contextlib.ExitStack) -> Settings:
    """Each of the two files fits, by its backup and by its length."""
    stack.enter_context(small_disk(fleet.directory / NAMES[0], size="3m"))
    fleet.simulator.switch(content_size=2 * MIB)
    return {"people": PEOPLE}


def spool_full(fleet: Fleet, stack: contextlib.ExitStack) -> Settings:
    spool = fleet.directory / "spool"
    spool.mkdir()
    stack.enter_context(small_disk(spool))
    return {"people": ALICE, "via": "controller", "spool": str(spool)}


def session_revoked(fleet: Fleet, stack: contextlib.ExitStack) -> Settings:
    """When the first of three files is there. A given session cannot be opened again."""
    fleet.simulator.switch(content_size=SLOWLY)

    def has_one() -> bool:
        return any(fleet.directory.glob("*/*.zip"))

    stack.enter_context(meanwhile(has_one, fleet.simulator.drop_sessions))
    session = run_module("session", connect(fleet.simulator))["session"]
    given = {"STORWARE_URL": fleet.simulator.url, "STORWARE_CA_PATH": str(fleet.simulator.ca_path)}
    environment = {**given, "STORWARE_SESSION": session}
    return {"people": [*PEOPLE, "carol@example.com"], "max_rate": SLOWLY, "environment": environment}


def wrong_ca(fleet: Fleet, _stack: contextlib.ExitStack) -> Settings:
    return {
        "people": ALICE,
        "environment": {**fleet.credentials(), "STORWARE_CA_PATH": "/etc/ssl/certs/ca-certificates.crt"},
    }


def name_unknown(_fleet: Fleet, _stack: contextlib.ExitStack) -> Settings:
    return {"people": ["alise@example.com"]}


def no_backup(_fleet: Fleet, _stack: contextlib.ExitStack) -> Settings:
    return {"people": [*PEOPLE, "nobackup@example.com"], "backup": "latest"}


def unreachable(_fleet: Fleet, _stack: contextlib.ExitStack) -> Settings:
    return {"people": ALICE, "hosts": {NAMES[0]: {"ansible_remote_tmp": "/proc/nowhere"}}}


def dest_missing(fleet: Fleet, _stack: contextlib.ExitStack) -> Settings:
    (fleet.directory / NAMES[0]).rmdir()
    return {"people": ALICE}


def cancelled(fleet: Fleet, stack: contextlib.ExitStack) -> Settings:
    fleet.simulator.switch(content_size=12 * MIB)

    def interrupt() -> None:
        assert fleet.ansible.process
        fleet.ansible.process.send_signal(signal.SIGINT)

    stack.enter_context(meanwhile(lambda: calls(fleet.simulator).get("GET /cloud-download/{guid}"), interrupt))
    return {"people": ALICE, "max_rate": SLOWLY}


# What goes wrong, and patterns for the cause, what it is about and the next step.
CASES: t.Final[dict[t.Callable[[Fleet, contextlib.ExitStack], Settings], tuple[str, ...]]] = {
    server_gone: ("Connection refused", "https://127.0.0.1:1", "Check url, the network and that the server runs"),
    disk_full: ("disk|space", r"Alice Archer \(\S{36}\)", "Free some space"),
    disk_full_together: (
        r"2 files need 4 MiB by the lengths that the server announces, and /\S+ has room for 3 MiB",
        "2 (files )?are missing",
        "Free some space",
    ),
    spool_full: ("the controller lacks it: .*(disk|space)", r"Alice Archer \(\S{36}\)", "Free some space"),
    session_revoked: (
        "session has ended",
        r"Carol Carter \(\S{36}\)",
        "Run it again, with credentials or a new session",
    ),
    wrong_ca: ("certificate", "https://127.0.0.1:", "ca_path"),
    name_unknown: ("no entity of type CLOUD_USER is called", "alise@example.com", "Similar: Alice Archer"),
    no_backup: ("no backup with status SUCCESS", "Nora Nobackup", "backup_statuses"),
    unreachable: ("unreachable", f"Alice Archer .*on {NAMES[0]}", "The next run fetches the files that it lacks"),
    dest_missing: ("does not exist; the role does not create it", f"/{NAMES[0]}", "Nothing was sent to the server"),
    cancelled: ("User interrupted execution",),
}


@root_only
@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_last_lines_name_cause_object_and_next_step(
    lone_fleet: Fleet, case: t.Callable[[Fleet, contextlib.ExitStack], Settings]
) -> None:
    with contextlib.ExitStack() as stack:
        run: Run = lone_fleet.mail(**case(lone_fleet, stack))
    assert run.rc != 0
    end = "\n".join([*run.stdout.rstrip().splitlines()[-LINES:], *run.stderr.splitlines()[-LINES:]])
    for pattern in CASES[case]:
        assert re.search(pattern, end), end
    # After a signal a moment later, which must not be within the next test.
    wait_until(lambda: lone_fleet.simulator.counters()["open_sessions"] == 0, 10)
