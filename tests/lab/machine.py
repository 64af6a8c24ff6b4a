# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Debian that tests need, and how tests are started in namespaces of their own."""

from __future__ import annotations

import os
import pathlib
import shutil
import typing as t

from tests.lab.network import SSHD, VARIABLE

BROWSERS: t.Final = ("chromium", "google-chrome")

# What hosts run, and the packages it comes from.
_PROGRAMS: t.Final = {
    SSHD: "openssh-server",
    "/usr/bin/ssh": "openssh-client",
    "/usr/bin/sudo": "sudo",
    "/usr/bin/setfacl": "acl",
}
_PROGRAMS_OF_HERE: t.Final = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    # Of tests of faults: another server, calls that fail, a clock that jumps
    "nginx": "nginx-light",
    "strace": "strace",
    "faketime": "faketime",
}
_PYTHON: t.Final = {"/usr/bin/python3": "python3", "/usr/lib/python3/dist-packages/requests": "python3-requests"}
# Everything ends with the first process; names of namespaces and /srv are seen by nobody else.
_UNSHARE: t.Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_PREPARE: t.Final = 'mount -t tmpfs none /run/netns; mount -t tmpfs none /srv; exec "$@"'


def provide(run: t.Callable[..., object]) -> str:
    """Install missing packages as root on Debian; returns why tests with hosts cannot run, or nothing.

    run: executes a command, and raises an exception when it fails.
    """
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    if reason := _install(run, _missing()):
        return reason
    for directory in ("/run/netns", "/run/sshd"):
        pathlib.Path(directory).mkdir(exist_ok=True)
    return ""


def provide_browser(run: t.Callable[..., object]) -> str:
    """Install Chromium as root on Debian where no browser of its kind is; returns why there is none, or nothing."""
    if any(map(shutil.which, BROWSERS)):
        return ""
    if os.geteuid() != 0:
        return f"is not installed: {BROWSERS[0]}"
    return _install(run, [BROWSERS[0]])


def _install(run: t.Callable[..., object], packages: list[str]) -> str:
    """Install packages of Debian; returns why that cannot be done, or nothing."""
    if packages and not shutil.which("apt-get"):
        return f"is not installed: {', '.join(packages)}"
    if packages:
        apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
        run(*apt, "update")
        run(*apt, "install", "--no-install-recommends", *packages)
    return ""


def _missing() -> list[str]:
    files = {**_PROGRAMS, **_PYTHON}
    found = {package for path, package in files.items() if not pathlib.Path(path).exists()}
    found |= {package for program, package in _PROGRAMS_OF_HERE.items() if not shutil.which(program)}
    return sorted(found)


def inside(*command: str | os.PathLike[str]) -> tuple[str | os.PathLike[str], ...]:
    """The command that runs this one in namespaces of its own."""
    return ("env", f"{VARIABLE}=1", *_UNSHARE, "sh", "-c", _PREPARE, "sh", *command)
