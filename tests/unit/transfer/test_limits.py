# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine at the limits of the machine: memory, space, inodes, sizes, system calls that fail or are the last."""

from __future__ import annotations

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import stat
import subprocess
import threading
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.publish import Dress
from tests.faults.script_server import Pause, Repeat, chunked, head, reply, scripted
from tests.unit.transfer.fetching import job, program, reason, run
from tests.unit.transfer.material import files_in, noise, sha256, zip_bytes

ZIP = zip_bytes()
NEWER = zip_bytes({"new.eml": noise(300_000, 9)})

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")


# --- memory ---


@pytest.mark.slow
def test_a_gibibyte_passes_through_little_memory(tmp_path: pathlib.Path) -> None:
    piece = noise(2**20)
    with scripted([head(f"Content-Length: {2**30}"), Repeat(piece, 1024)]) as server:
        command, environment = program(server.url(), tmp_path / "x")
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
    result = json.loads(done.stdout)
    assert result["size"] == (tmp_path / "x").stat().st_size == 2**30
    assert result["peak"] < 60  # MiB; the whole module, Ansible included, has 80


# --- space ---


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[[str], pathlib.Path]]:
    """Mounts a tmpfs with these options, and unmounts it."""
    mounted = tmp_path / "disk"
    mounted.mkdir()

    def mount(options: str) -> pathlib.Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mounted)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not possible here")
        return mounted

    yield mount
    subprocess.run(["umount", "-l", str(mounted)], capture_output=True, check=False)


def test_a_file_that_does_not_fit_is_not_begun(small_disk: t.Callable[[str], pathlib.Path]) -> None:
    disk = small_disk("size=256k")
    with scripted(reply(ZIP), second=[reply(NEWER)]) as server:
        run(job(disk / "x", server.url()))
        before = files_in(disk)
        with pytest.raises(StorwareError) as caught:
            run(job(disk / "x", server.url("/second"), overwrite="always"))
    assert caught.value.code == "disk_full"
    assert f"needs {len(NEWER)} bytes" in caught.value.message
    assert caught.value.details["free"] < 256 * 1024
    assert files_in(disk) == before


def test_a_disk_that_fills_up_in_the_middle(small_disk: t.Callable[[str], pathlib.Path]) -> None:
    disk = small_disk("size=256k")
    with scripted(reply(ZIP), second=[chunked(NEWER)]) as server:
        run(job(disk / "x", server.url()))
        before = files_in(disk)
        with pytest.raises(StorwareError) as caught:
            run(job(disk / "x", server.url("/second"), overwrite="always"))
    assert (caught.value.code, caught.value.details["errno"]) == ("disk_full", "ENOSPC")
    assert "No space left on device" in caught.value.message
    assert files_in(disk) == before
    assert reason(job(disk / "x")) == "unchanged"


@pytest.mark.parametrize("inodes", [1, 2])
def test_no_inodes_are_left(small_disk: t.Callable[[str], pathlib.Path], inodes: int) -> None:
    """One for the directory itself; with two the file can be made, but not its receipt."""
    disk = small_disk(f"nr_inodes={inodes}")
    with scripted(reply(ZIP)) as server:
        with pytest.raises(StorwareError) as caught:
            run(job(disk / "x", server.url()))
        assert len(server.requests) == inodes - 1
    assert caught.value.code == "disk_full"
    assert files_in(disk) == {}


def test_a_file_system_that_is_read_only(small_disk: t.Callable[[str], pathlib.Path]) -> None:
    disk = small_disk("size=1m")
    with scripted(reply(ZIP)) as server:
        run(job(disk / "x", server.url()))
        small_disk("remount,ro")
        assert reason(job(disk / "x")) == "unchanged"
        with pytest.raises(StorwareError) as caught:
            run(job(disk / "x", server.url(), overwrite="always"))
        assert len(server.requests) == 1
    assert caught.value.details["errno"] == "EROFS"


def test_a_limit_for_the_size_of_files(tmp_path: pathlib.Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with scripted(reply(NEWER)) as server:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
            with pytest.raises(StorwareError) as caught:
                run(job(tmp_path / "x", server.url()))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, old)
    assert caught.value.details["errno"] == "EFBIG"
    assert files_in(tmp_path) == {}


# --- modes ---


def test_nothing_is_ever_readable_beyond_its_mode(tmp_path: pathlib.Path) -> None:
    """Looked at without pause from another thread during a slow transfer, with the widest umask."""
    seen: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for name in os.listdir(tmp_path):
                try:
                    seen.add(stat.S_IMODE(os.lstat(tmp_path / name).st_mode))
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=look)
    umask = os.umask(0)
    try:
        watcher.start()
        body = noise(3 * 2**20)
        slow = [reply(body)[0], body[: 2**21], Pause(0.4), body[2**21 :]]
        with scripted(slow) as server:
            run(job(tmp_path / "x", server.url(), dress=Dress(("mode",), lambda path, dest: os.chmod(path, 0o640))))
    finally:
        os.umask(umask)
        over.set()
        watcher.join()
    assert seen == {0o600, 0o640}


@needs_strace
def test_the_system_calls_in_their_order(tmp_path: pathlib.Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "dest").mkdir()
    with scripted(reply(NEWER)) as server:
        command, environment = program(server.url(), tmp_path / "dest" / "x")
        calls = "trace=openat,fchmod,chmod,fchmodat,fsync,rename,renameat,renameat2,unlinkat,link,linkat"
        strace = ["strace", "-f", "-y", "-o", str(trace), "-e", calls]
        subprocess.run([*strace, *command], env=environment, check=True, capture_output=True)
    lines = [line for line in trace.read_text().splitlines() if str(tmp_path / "dest") in line]
    opened = [line for line in lines if "openat" in line and "O_CREAT" in line]
    # The rehearsal, the file, the receipt: each made anew, private, never through a link, never inherited.
    assert len(opened) == 3
    for line in opened:
        assert all(flag in line for flag in ("O_EXCL", "O_NOFOLLOW", "O_CLOEXEC", "0600"))
    assert not [line for line in lines if "O_TRUNC" in line]
    assert not [line for line in lines if "chmod" in line]
    order = [re.sub(r"^\d+ +(\w+)\(.*", r"\1", line) for line in lines if re.search(r"fsync|rename", line)]
    assert order == ["fsync", "fsync", "renameat", "renameat", "fsync"]
    renamed = [line for line in lines if "renameat" in line]
    assert [re.findall(r'"([^"]*)"', line)[1] for line in renamed] == ["x", "x.sha256"]


# The calls after which the disk is another one, as often as a run that replaces a file makes them.
_KILLS = [("fsync", 4), ("renameat", 2), ("unlinkat", 2)]


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(("call", "number"), [(call, n) for call, count in _KILLS for n in range(1, count + 1)])
def test_killed_at_a_system_call_and_run_again(tmp_path: pathlib.Path, call: str, number: int) -> None:
    dest = tmp_path / "x"
    with scripted(reply(ZIP), second=[reply(NEWER)]) as server:
        run(job(dest, server.url(), guid="0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"))
        command, environment = program(server.url("/second"), dest)
        inject = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}"]
        killed = subprocess.run([*inject, *command], env=environment, check=False, capture_output=True)
        assert killed.returncode != 0
        content = dest.read_bytes()
        assert content in (ZIP, NEWER)
        with Directory(str(tmp_path)) as directory:
            beside = receipt.read(directory, "x")
        assert beside is None or beside.sha256 == sha256(content)
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
        run(job(dest, server.url("/second")))
    assert dest.read_bytes() == NEWER
    assert set(files_in(tmp_path)) == {"x", "x.sha256"}
    assert reason(job(dest)) == "unchanged"


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "number", "error"),
    [
        ("fsync", 1, "EIO"), ("fsync", 2, "EIO"), ("renameat", 1, "EBUSY"), ("renameat", 1, "EPERM"),
        ("unlinkat", 2, "EPERM"), ("fsync", 3, "EIO"), ("renameat", 2, "ENOSPC"), ("fsync", 4, "EIO"),
    ],
)  # fmt: skip
def test_a_system_call_that_fails(tmp_path: pathlib.Path, call: str, number: int, error: str) -> None:
    """Before the file has its name the old one stays; afterwards the new one is there; a re-run always ends well."""
    dest = tmp_path / "x"
    with scripted(reply(ZIP), second=[reply(NEWER)]) as server:
        run(job(dest, server.url(), guid="0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"))
        command, environment = program(server.url("/second"), dest)
        inject = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:error={error}:when={number}"]
        failed = subprocess.run([*inject, *command], env=environment, check=False, capture_output=True, text=True)
        assert "StorwareError" in failed.stderr
        is_placed = (call, number) in (("renameat", 2), ("fsync", 4))
        assert dest.read_bytes() == (NEWER if is_placed else ZIP)
        assert not [name for name in files_in(tmp_path) if name.endswith(".part")]
        run(job(dest, server.url("/second")))
    assert dest.read_bytes() == NEWER
    assert reason(job(dest)) == "unchanged"
