# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does to files, seen from outside: modes at every moment, flags of every open, places (F17, P17)."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import stat
import subprocess
import typing as t

import pytest

from tests.faults import crash_runs, crash_trace
from tests.faults.crash_runs import Copies
from tests.faults.crash_server import MIB, Content, Server, serving
from tests.faults.crash_trace import Call
from tests.faults.invariants import Run, Truth, Watch, check

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")

NAME = "mailbox.zip"
CONTENT = Content(6 * MIB)
OLD = Content(MIB, 9)

_CHANGES = (
    "openat", "open", "creat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "fchownat", "lchown",
    "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat", "link", "linkat", "rename", "renameat",
    "renameat2", "unlink", "unlinkat", "rmdir", "truncate", "ftruncate", "write", "pwrite64", "writev", "pwritev",
    "utimensat", "setxattr", "fsetxattr", "lsetxattr", "removexattr", "socket", "pipe2", "pipe", "dup", "dup2", "dup3",
    "fcntl", "memfd_create", "execve", "fork", "vfork", "clone", "clone3", "accept4", "eventfd2", "epoll_create1",
    "fallocate", "copy_file_range",
)  # fmt: skip


@pytest.fixture(scope="module")
def copies() -> t.Iterator[Copies]:
    with Copies() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with serving(file=CONTENT, old=OLD) as running:
        yield running


class Traced:
    """A run into a directory, with all calls that change something."""

    def __init__(self, copies: Copies, order: dict[str, t.Any], place: pathlib.Path, **setup: t.Any) -> None:
        trace = place / "trace"
        options = ("-y", "-o", str(trace), "-e", "trace=" + ",".join(_known(_CHANGES)))
        self.run = copies.run_under(order, *options, **setup)
        self.calls = [call for call in crash_trace.calls(trace) if not call.failed]
        trace.unlink()

    def named(self, *names: str) -> list[Call]:
        return [call for call in self.calls if call.name in names]


def _known(names: t.Sequence[str]) -> list[str]:
    """Those that this strace knows."""
    return [f"?{name}" for name in names]


def _situations(server: Server, place: pathlib.Path) -> dict[str, dict[str, t.Any]]:
    dest, apart = place / "dest", place / "apart"
    order = {"urls": [server.url()], "dest": str(dest / NAME)}
    return {
        "new": order,
        "into a directory": {**order, "dest": str(dest)},
        "connections": {**order, "connections": 4},
        "tmp_dest": {**order, "tmp_dest": str(apart)},
    }


@pytest.fixture(params=["new", "into a directory", "connections", "tmp_dest", "old", "begun"])
def traced(
    request: pytest.FixtureRequest, copies: Copies, server: Server, tmp_path: pathlib.Path
) -> tuple[Traced, pathlib.Path, pathlib.Path]:
    """A run in each situation with the widest umask, its directory and its tmp_dest."""
    dest, apart = tmp_path / "dest", tmp_path / "apart"
    dest.mkdir()
    apart.mkdir()
    situations = _situations(server, tmp_path)
    old = None
    if request.param == "old":
        assert copies.run({**situations["new"], "urls": [server.url("/old")]}).ok
        (dest / NAME).chmod(0o640)
        old = OLD.sha256
    if request.param == "begun":
        crash_runs.interrupt_after(3 * MIB, server, situations["new"], dest)
    order = {**situations.get(request.param, situations["new"]), "overwrite": "always"}
    server.name = NAME
    with Watch(dest, apart) as watch:
        done = Traced(copies, order, tmp_path, umask=0)
    truth = Truth(frozenset([CONTENT.sha256]), NAME, old, 0o640 if old else 0o600, tmp_dest=apart)
    check(Run(done.run.told, done.run.seconds, watch.widest), truth, dest, last=True)
    return done, dest, apart


@pytest.mark.fault("F18")
def test_p17_no_mode_is_ever_wider_than_the_file_s_own(traced: tuple[Traced, pathlib.Path, pathlib.Path]) -> None:
    """Under umask 0: created for the owner only, and only ever given what the file that is replaced has."""
    done, dest, apart = traced
    created = [call for call in done.named("openat", "open", "creat") if "O_CREAT" in call.arguments]
    created = [call for call in created if call.touches(dest, apart)]
    assert created
    for call in created:
        assert re.search(r", 0600$", call.arguments), call.text
    wide = 0o640 if (dest / NAME).stat().st_mode & 0o040 else 0o600
    for call in done.named("chmod", "fchmod", "fchmodat", "fchmodat2"):
        found = re.search(r"\b0([0-7]{3,4})\b(?!.*\b0[0-7]{3,4}\b)", call.arguments)
        assert found, call.text
        assert int(found.group(1), 8) & ~wide == 0, call.text


def test_f12_every_file_is_opened_so_that_nobody_can_redirect_or_inherit_it(
    traced: tuple[Traced, pathlib.Path, pathlib.Path],
) -> None:
    done, dest, apart = traced
    for call in done.named("openat", "open", "creat"):
        assert "O_CLOEXEC" in call.arguments, call.text
        if not call.touches(dest, apart):
            continue
        assert call.name == "openat", call.text
        assert "O_TRUNC" not in call.arguments, call.text
        if "O_DIRECTORY" in call.arguments:
            continue
        assert "O_NOFOLLOW" in call.arguments, call.text
        assert not call.arguments.startswith("AT_FDCWD"), call.text
        if "O_CREAT" in call.arguments:
            assert "O_EXCL" in call.arguments, call.text


def test_f14_names_are_changed_relative_to_the_open_directory_only(
    traced: tuple[Traced, pathlib.Path, pathlib.Path],
) -> None:
    done, _dest, _apart = traced
    for call in done.named(
        "rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir", "mkdirat"
    ):
        assert call.name in ("renameat", "renameat2", "unlinkat", "linkat"), call.text
        assert "AT_FDCWD" not in call.arguments, call.text
        assert "AT_SYMLINK_FOLLOW" not in call.arguments, call.text
    assert done.named("symlink", "symlinkat", "link", "mknod", "mknodat", "mkdir", "mkdirat") == []


@pytest.mark.fault("P17")
def test_p17_every_descriptor_is_closed_on_exec_and_nothing_is_executed(
    traced: tuple[Traced, pathlib.Path, pathlib.Path],
) -> None:
    done, _dest, _apart = traced
    for call in done.named("socket", "accept4"):
        assert "SOCK_CLOEXEC" in call.arguments, call.text
    for call in done.named("pipe2", "dup3", "epoll_create1", "memfd_create", "eventfd2"):
        assert "CLOEXEC" in call.arguments, call.text
    assert done.named("pipe", "dup", "dup2") == []
    for call in done.named("fcntl"):
        assert "F_DUPFD," not in call.arguments, call.text
        assert "F_SETFD, 0" not in call.arguments, call.text
    assert done.named("execve", "fork", "vfork") == []
    for call in done.named("clone", "clone3"):
        assert "CLONE_THREAD" in call.arguments, call.text


def test_i7_nothing_outside_the_two_directories_is_written(traced: tuple[Traced, pathlib.Path, pathlib.Path]) -> None:
    done, dest, apart = traced
    for call in done.calls:
        writes = call.name in ("openat", "open", "creat") and re.search("O_WRONLY|O_RDWR|O_CREAT", call.arguments)
        changes = re.search("write|chmod|chown|rename|unlink|truncate|mkdir|xattr|utimens", call.name)
        if not writes and not changes:
            continue
        is_told = re.match(r"[12]<", call.arguments) or "socket:" in call.arguments
        assert is_told or call.touches(dest, apart), call.text


def test_f17_a_new_file_is_private_whatever_the_umask_and_the_directory(
    copies: Copies, server: Server, tmp_path: pathlib.Path
) -> None:
    """F17: whatever the umask, in a directory that everybody may write and that hands its group on."""
    for umask in (0, 0o022, 0o077):
        dest = tmp_path / f"{umask:o}"
        dest.mkdir()
        os.chown(dest, -1, 12345)
        dest.chmod(0o2777)
        order = {"urls": [server.url()], "dest": str(dest / NAME)}
        with Watch(dest) as watch:
            run = copies.run(order, umask=umask)
        check(Run(run.told, run.seconds, watch.widest), Truth(frozenset([CONTENT.sha256]), NAME), dest, last=True)
        assert stat.S_IMODE((dest / NAME).stat().st_mode) == 0o600


@pytest.mark.skipif(shutil.which("setfacl") is None, reason="no setfacl on this machine")
def test_f17_a_default_acl_of_the_directory_opens_nothing(
    copies: Copies, server: Server, tmp_path: pathlib.Path
) -> None:
    acl = ["setfacl", "-d", "-m", "user:12345:rwx,group:12345:rwx,other::rwx", str(tmp_path)]
    if subprocess.run(acl, capture_output=True, check=False).returncode:
        pytest.skip("this file system has no ACLs")
    with Watch(tmp_path) as watch:
        run = copies.run({"urls": [server.url()], "dest": str(tmp_path / NAME)}, umask=0)
    check(Run(run.told, run.seconds, watch.widest), Truth(frozenset([CONTENT.sha256]), NAME), tmp_path, last=True)
    shown = subprocess.run(["getfacl", "-cE", str(tmp_path / NAME)], capture_output=True, text=True, check=True).stdout
    assert "mask::---" in shown  # what the named ones would have is cut off
    with pytest.raises(AssertionError, match="may read"):
        _check_unread_by(12345, tmp_path / "..", "no such")  # the check below can fail
    _check_unread_by(12345, tmp_path, NAME)


def _check_unread_by(user: int, directory: pathlib.Path, name: str) -> None:
    """Raise AssertionError if that user may read the file."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    fd = os.open(directory, os.O_RDONLY)
    directory.chmod(0o777)
    pid = os.fork()
    if pid == 0:
        try:
            os.fchdir(fd)
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.open(name, os.O_RDONLY)
        except PermissionError:
            os._exit(0)
        except OSError:
            os._exit(1)
        os._exit(1)
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0, f"{user} may read {name}"
