# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F1 to F3, F5, F6: room on the disk, inodes, limits and rights."""

from __future__ import annotations

import contextlib
import os
import pathlib
import resource
import subprocess
import tempfile
import typing as t

import pytest

from tests.faults import crash_runs, script_server
from tests.faults.crash_runs import NOBODY, OVERLAP, Copies, Program, partial_size, wait_until
from tests.faults.crash_server import MIB, Content, Server, serving
from tests.faults.invariants import Run, Truth, check
from tests.unit.plugins.module_utils._transfer.material import files_in, noise, zip_bytes

NAME = "mailbox.zip"


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


@pytest.fixture
def public() -> t.Iterator[pathlib.Path]:
    """A directory that other users can read."""
    with tempfile.TemporaryDirectory() as name:
        pathlib.Path(name).chmod(0o755)
        yield pathlib.Path(name)


def order(server: Server | script_server.ScriptServer, directory: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    limits = {"first_pause": 0.01, "retries": 2}
    return {"urls": [server.url()], "dest": str(directory / NAME), "limits": limits, **more}


def told(run: Run) -> t.Mapping[str, t.Any]:
    assert run.told
    return run.told


def code(run: Run) -> tuple[str, str]:
    """The code of a failure and the name of the system's error."""
    return told(run).get("code", ""), told(run).get("details", {}).get("errno", "")


def truth_of(content: Content, **more: t.Any) -> Truth:
    return Truth(frozenset([content.sha256]), NAME, **more)


@pytest.mark.fault("U12")
def test_f1_a_file_that_does_not_fit_is_not_begun(small_disk: t.Callable[[str], pathlib.Path]) -> None:
    content, old = Content(32 * MIB), Content(MIB, 9)
    disk = small_disk("size=8m")
    with serving(file=old) as server:
        assert crash_runs.run(order(server, disk)).ok
        before = files_in(disk)
        server.contents["/file"] = content
        run = crash_runs.run(order(server, disk, overwrite="always"))
        assert server.count - old.size < 8 * MIB
    check(run, truth_of(content, old=old.sha256), disk)
    assert code(run) == ("disk_full", "ENOSPC")
    assert f"needs {content.size} bytes" in told(run)["message"]
    assert told(run)["details"]["free"] <= 7 * MIB
    assert files_in(disk) == before


def test_f2_a_disk_that_fills_up_in_the_middle_keeps_what_was_won(
    small_disk: t.Callable[[str], pathlib.Path],
) -> None:
    content = Content(24 * MIB)
    disk = small_disk("size=32m")
    with serving(file=content) as server:
        server.hold_at = 9 * MIB
        with Program(order(server, disk)) as program:
            wait_until(lambda: partial_size(disk) >= 8 * MIB)
            _fill(disk)
            server.hold_at = None
            full = program.end()
        truth = truth_of(content, others=frozenset({"filler"}))
        check(full, truth, disk)
        assert code(full) == ("disk_full", "ENOSPC")
        kept = partial_size(disk)
        assert kept >= 8 * MIB
        (disk / "filler").unlink()
        before = server.count
        check(crash_runs.run(order(server, disk)), truth, disk, last=True)
        assert server.count - before <= content.size - kept + OVERLAP
        assert server.sent[-1].asked == kept - OVERLAP


def _fill(disk: pathlib.Path) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(65536))


def test_f2_without_a_length_the_disk_fills_up_and_the_old_file_stays(
    small_disk: t.Callable[[str], pathlib.Path],
) -> None:
    old, new = zip_bytes(), zip_bytes({"new.eml": noise(3 * MIB, 9)})
    disk = small_disk("size=2m")
    truth = Truth.of(new, name=NAME, old=old)
    with script_server.scripted(script_server.reply(old)) as server:
        assert crash_runs.run(order(server, disk)).ok
    with script_server.scripted(script_server.chunked(new, size=65536)) as server:
        run = crash_runs.run(order(server, disk, overwrite="always"))
        check(run, truth, disk)
        assert code(run) == ("disk_full", "ENOSPC")
        assert "No space left on device" in told(run)["message"]
        small_disk("remount,size=16m")
        check(crash_runs.run(order(server, disk, overwrite="always")), truth, disk, last=True)


def test_f3_a_limit_for_the_size_of_files_keeps_what_was_won(tmp_path: pathlib.Path) -> None:
    """The last write before the limit is a short one; the next one fails."""
    content = Content(16 * MIB)
    limit = 5 * MIB + 4321

    def setup() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    with serving(file=content) as server:
        run = crash_runs.run(order(server, tmp_path), setup=setup)
        check(run, truth_of(content), tmp_path)
        assert code(run) == ("file_system", "EFBIG")
        kept = partial_size(tmp_path)
        assert kept > 4 * MIB
        before = server.count
        check(crash_runs.run(order(server, tmp_path)), truth_of(content), tmp_path, last=True)
        assert server.count - before <= content.size - kept + OVERLAP


def test_f5_a_file_system_that_is_read_only(small_disk: t.Callable[[str], pathlib.Path]) -> None:
    content = Content(MIB)
    disk = small_disk("size=4m")
    with serving(file=content) as server:
        assert crash_runs.run(order(server, disk)).ok
        small_disk("remount,ro")
        assert told(crash_runs.run(order(server, disk)))["reason"] == "unchanged"
        run = crash_runs.run(order(server, disk, overwrite="always"))
        assert len(server.sent) == 1
    check(run, truth_of(content, old=content.sha256), disk)
    assert code(run) == ("file_system", "EROFS")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_f5_a_directory_of_somebody_else(public: pathlib.Path) -> None:
    content = Content(MIB)
    with serving(file=content) as server:
        with Copies() as copies:
            run = copies.run(order(server, public), user=NOBODY)
        assert not server.sent
    assert code(run) == ("file_system", "EACCES"), run.told
    assert "become" in told(run)["hint"]
    assert files_in(public) == {}


@pytest.mark.parametrize("what", ["no such directory", "a file", "a directory instead of the receipt"])
def test_f5_a_place_where_no_file_can_be(tmp_path: pathlib.Path, what: str) -> None:
    content = Content(MIB)
    directory = tmp_path / "a" if what != "a directory instead of the receipt" else tmp_path
    if what == "a file":
        directory.write_bytes(b"x")
    if directory == tmp_path:
        (directory / f"{NAME}.sha256").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with serving(file=content) as server:
        run = crash_runs.run(order(server, directory))
        assert not server.sent
    assert code(run)[0] == "invalid_option"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("counts", [(1, 4, 7), pytest.param(range(1, 8), marks=pytest.mark.long)], ids=["few", "all"])
def test_f6_no_inodes_are_left(small_disk: t.Callable[[str], pathlib.Path], counts: t.Sequence[int]) -> None:
    """One for the directory itself; with each more one step more is possible, until the whole run is."""
    content = Content(MIB)
    ended: list[str] = []
    with serving(file=content) as server:
        for inodes in counts:
            disk = small_disk(f"nr_inodes={inodes}")
            run = crash_runs.run(order(server, disk))
            check(run, truth_of(content), disk)
            ended.append(code(run)[0])
            if not run.ok:
                assert code(run) == ("disk_full", "ENOSPC")
                small_disk("remount,nr_inodes=100")
                check(crash_runs.run(order(server, disk)), truth_of(content), disk, last=True)
            subprocess.run(["umount", str(disk)], check=True)
    assert ended[0] == "disk_full"
    assert ended[-1] == ""
