# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F4, F7 to F9, F19: single system calls that fail or do less than was asked. P15, P16: limits of a process."""

from __future__ import annotations

import os
import pathlib
import resource
import shutil
import subprocess
import typing as t

import pytest

from tests.faults import crash_runs
from tests.faults.crash_runs import OVERLAP, Copies, partial_in, partial_size
from tests.faults.crash_server import MIB, Content, Server, serving
from tests.faults.invariants import Run, Truth, check

NAME = "mailbox.zip"
CONTENT = Content(4 * MIB)
OLD = Content(MIB, 9)
TRUTH = Truth(frozenset([CONTENT.sha256]), NAME, deadline=30)
WITH_OLD = Truth(frozenset([CONTENT.sha256]), NAME, OLD.sha256, deadline=30)

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def copies() -> t.Iterator[Copies]:
    with Copies() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with serving(file=CONTENT, old=OLD) as running:
        yield running


def order(server: Server, directory: pathlib.Path, path: str = "/file", **more: t.Any) -> dict[str, t.Any]:
    limits = {"first_pause": 0.01, "retries": 1}
    return {"urls": [server.url(path)], "dest": str(directory / NAME), "limits": limits, **more}


def _put_old(copies: Copies, server: Server, directory: pathlib.Path) -> None:
    assert copies.run(order(server, directory, "/old")).ok


def _injected(copies: Copies, wanted: dict[str, t.Any], inject: str, *more: str, **setup: t.Any) -> Run:
    call = inject.partition(":")[0]
    strace = ("-o", os.devnull, *more, "-e", f"trace={call}", "-e", f"inject={inject}")
    return copies.run_under(wanted, *strace, **setup)


def _code(run: Run) -> tuple[str, str]:
    assert run.told
    return str(run.told.get("code")), str(run.told.get("details", {}).get("errno"))


@needs_strace
@pytest.mark.parametrize("error", ["EXDEV", "EBUSY", "EPERM", "ETXTBSY"])
def test_f9_the_rename_fails_and_all_that_came_is_kept(
    copies: Copies, server: Server, tmp_path: pathlib.Path, error: str
) -> None:
    _put_old(copies, server, tmp_path)
    wanted = order(server, tmp_path, overwrite="always")
    run = _injected(copies, wanted, f"renameat:error={error}:when=1")
    check(run, WITH_OLD, tmp_path)
    assert _code(run) == ("file_system", error)
    assert partial_size(tmp_path) == CONTENT.size
    before = server.count
    check(copies.run(wanted), WITH_OLD, tmp_path, last=True)
    assert server.count - before <= OVERLAP


@needs_root
def test_f9_a_dest_that_is_a_mount_point(copies: Copies, server: Server, tmp_path: pathlib.Path) -> None:
    """EBUSY from the system itself."""
    (tmp_path / NAME).write_bytes(OLD.read(0, OLD.size))
    (tmp_path / NAME).chmod(0o600)
    mount = ["mount", "--bind", str(tmp_path / NAME), str(tmp_path / NAME)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not possible here")
    try:
        run = copies.run(order(server, tmp_path, overwrite="always"))
        check(run, WITH_OLD, tmp_path)
        assert _code(run) == ("file_system", "EBUSY")
    finally:
        subprocess.run(["umount", str(tmp_path / NAME)], check=True)
    check(copies.run(order(server, tmp_path, overwrite="always")), WITH_OLD, tmp_path, last=True)


@needs_root
def test_f9_an_immutable_file(copies: Copies, server: Server, tmp_path: pathlib.Path) -> None:
    """EPERM from the system itself."""
    _put_old(copies, server, tmp_path)
    if subprocess.run(["chattr", "+i", str(tmp_path / NAME)], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no such attribute")
    try:
        run = copies.run(order(server, tmp_path, overwrite="always"))
        check(run, WITH_OLD, tmp_path)
        assert _code(run) == ("file_system", "EPERM")
        assert run.told
        assert "immutable" in run.told["hint"]
    finally:
        subprocess.run(["chattr", "-i", str(tmp_path / NAME)], check=True)
    check(copies.run(order(server, tmp_path, overwrite="always")), WITH_OLD, tmp_path, last=True)


@needs_strace
@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_f4_after_a_failed_sync_nothing_is_trusted(
    copies: Copies, server: Server, tmp_path: pathlib.Path, call: str
) -> None:
    """The system may have marked the pages clean: a partial that was not synced once is not used again."""
    run = _injected(copies, order(server, tmp_path), f"{call}:error=EIO:when=1")
    check(run, TRUTH, tmp_path)
    assert _code(run) == ("file_system", "EIO")
    assert partial_in(tmp_path) is None
    before = server.count
    check(copies.run(order(server, tmp_path)), TRUTH, tmp_path, last=True)
    assert server.count - before == CONTENT.size


@needs_strace
def test_f4_a_write_that_fails_costs_what_came_after_it(copies: Copies, server: Server, tmp_path: pathlib.Path) -> None:
    run = _injected(copies, order(server, tmp_path), "pwrite64:error=EIO:when=3")
    check(run, TRUTH, tmp_path)
    assert _code(run) == ("file_system", "EIO")
    check(copies.run(order(server, tmp_path)), TRUTH, tmp_path, last=True)


@pytest.mark.parametrize("size", [1000, 65537, MIB - 1])
def test_f7_a_system_that_takes_less_at_a_time(
    copies: Copies, server: Server, tmp_path: pathlib.Path, size: int
) -> None:
    check(copies.run(order(server, tmp_path), short_writes=size), TRUTH, tmp_path, last=True)


@needs_strace
@pytest.mark.parametrize(
    "call", ["pwrite64", "openat", "flock", "fdatasync", "fsync", "ftruncate", "pread64", "recvfrom"]
)
def test_f8_calls_that_are_interrupted_are_made_again(
    copies: Copies, server: Server, tmp_path: pathlib.Path, call: str
) -> None:
    check(_injected(copies, order(server, tmp_path), f"{call}:error=EINTR:when=1+2"), TRUTH, tmp_path, last=True)


@needs_strace
@pytest.mark.parametrize(
    ("call", "error"), [("flock", "ENOLCK"), ("flock", "ENOSYS"), ("flock", "EOPNOTSUPP"), ("fsync", "EINVAL")]
)
def test_f19_a_file_system_that_cannot_lock_or_sync_directories(
    copies: Copies, server: Server, tmp_path: pathlib.Path, call: str, error: str
) -> None:
    only_directory = ("-P", str(tmp_path)) if call == "fsync" else ()
    run = _injected(copies, order(server, tmp_path), f"{call}:error={error}:when=1+", *only_directory)
    check(run, TRUTH, tmp_path, last=True)


# --- limits of a process ---


@pytest.mark.fault("P16")
@pytest.mark.parametrize("connections", [1, 4])
def test_p16_sixteen_descriptors_are_enough(server: Server, tmp_path: pathlib.Path, connections: int) -> None:
    def setup() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))

    check(crash_runs.run(order(server, tmp_path, connections=connections), setup=setup), TRUTH, tmp_path, last=True)


@pytest.mark.fault("P15")
@pytest.mark.parametrize("connections", [1, 4])
def test_p15_little_address_space_is_enough(server: Server, tmp_path: pathlib.Path, connections: int) -> None:
    """Python with its libraries and threads needs most of it; a file of any size must not need more."""

    def setup() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (256 * MIB, 256 * MIB))

    wanted = order(server, tmp_path, connections=connections)
    check(crash_runs.run(wanted, setup=setup), TRUTH, tmp_path, last=True)
