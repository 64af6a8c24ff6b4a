# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary sings: a module that leaks on purpose is caught in every way that is known."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import typing as t

import pytest

from tests.secrets import cases, plays
from tests.secrets.channels import SystemLog
from tests.secrets.plays import LOUD, Overheard
from tests.secrets.scanner import Hit, Scanner
from tests.secrets.shapes import Canary, Shape
from tests.support.ansible import Ansible

LIBRARY: t.Final = pathlib.Path(__file__).parent / "library"
# Changed by every encoding: so that the leak is what is found, and not what Ansible forgot to mask.
SHAPE: t.Final = Shape("all in one", lambda core: f"'{core}\"\\ %&+/ä\n")

# What leaks, and the channels in which it must be found. Those that ansible-core 2.16 masks are told apart.
LEAKS: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "uncaught exception": ("stdout", "file ansible.log"),
    "url-quoted": ("stdout", "file ansible.log", "file tree/localhost", "file told.json"),
    "url-quoted with plus": ("stdout",),
    "JSON-escaped": ("stdout",),
    "repr": ("stdout",),
    "base64": ("stdout", "file told.json"),
    "base64 with user": ("stdout",),
    "hex": ("stdout",),
    "cookie": ("stdout",),
    "key of a dict": ("stdout",),
    "diff": ("stdout",),
    "stderr": ("stdout",),
    "temporary file": ("file tmp/",),
    "name of a file": ("name of tmp/",),
    "process title": ("process title",),
    "environment of a child": ("environment of a process",),
}
LEAKS_SINCE_2_19: t.Final = ("warning", "deprecation", "exception object")


@pytest.mark.fault("S1")
@pytest.mark.matrix
@pytest.mark.slow
def test_every_known_leak_is_found(ansible: Ansible) -> None:
    leaks = [*LEAKS, *LEAKS_SINCE_2_19, "system log", "nothing"]
    canaries = {leak: cases.canary(leak, SHAPE) for leak in leaks}
    overheard = leak_all(ansible, canaries)
    found: dict[str, list[Hit]] = {leak: [] for leak in leaks}
    for channel, data in overheard.channels.items():
        for hit in Scanner(canaries.values()).scan(channel, data):
            found[hit.where].append(hit)

    missing = [
        f"{leak} in {channel}"
        for leak, channels in LEAKS.items()
        for channel in channels
        if not any(hit.channel.startswith(channel) for hit in found[leak])
    ]
    assert not missing, missing
    assert not found["nothing"], "what Ansible masks was found, so that the other findings prove nothing"
    if version(ansible) >= (2, 19):
        assert all(found[leak] for leak in LEAKS_SINCE_2_19)
    if "system log" in overheard.channels:
        assert any(hit.channel == "system log" for hit in found["system log"])


def test_the_system_log_is_listened_to(ansible: Ansible) -> None:
    overheard = leak_all(ansible, {"nothing": cases.canary("nothing")})
    if "system log" not in overheard.channels:
        pytest.skip("this machine has a system log of its own, or this user may not be one")
    assert b"leaky" in overheard.channels["system log"]


def test_the_log_of_another_run_is_not_heard(tmp_path: pathlib.Path) -> None:
    """Tests run side by side, and one of them leaks on purpose."""
    program = "import sys, syslog, time; syslog.syslog(sys.argv[1]); time.sleep(0.5)"  # until the sender was looked at
    with SystemLog.taken(tmp_path) as log:
        if log is None:
            pytest.skip("this machine has a system log of its own, or this user may not be one")
        for word, temporary in {"ours": tmp_path, "theirs": tmp_path / "elsewhere"}.items():
            subprocess.run([sys.executable, "-c", program, word], env={"TMPDIR": str(temporary)}, check=True)
        (heard,) = log.channels().values()
    assert b"ours" in heard
    assert b"theirs" not in heard


def leak_all(ansible: Ansible, canaries: t.Mapping[str, Canary]) -> Overheard:
    secrets = [{"leak": leak, "secret": canary.secret} for leak, canary in canaries.items()]
    leak = {
        "name": "Leak",
        "leaky": {"leak": "{{ secrets[item].leak }}", "secret": "{{ secrets[item].secret }}"},
        "loop": list(range(len(secrets))),
        "register": "told",
        "ignore_errors": True,
    }
    write = {"name": "Write", "ansible.builtin.copy": {"content": "{{ told | to_json }}", "dest": "told.json"}}
    return plays.run_tasks(
        ansible, [leak, write], LOUD, {"secrets": secrets}, environment={"ANSIBLE_LIBRARY": str(LIBRARY)}
    )


def version(ansible: Ansible) -> tuple[int, ...]:
    first = ansible.run("ansible", "--version").ok().stdout.splitlines()[0]
    return tuple(int(part) for part in first.split("core ")[1].rstrip("]").split(".")[:2])
