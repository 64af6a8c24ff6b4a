# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F12 to F16: what somebody has put in the way, and names that are hard to handle."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import socket
import tempfile
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer.store.lock import private_prefix
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import receipt_name
from tests.faults import crash_runs, driver
from tests.faults.crash_runs import NOBODY, Copies, Program, partial_size, wait_until
from tests.faults.crash_server import MIB, Content, Server, serving
from tests.faults.invariants import Run, Truth, check, violations

NAME = "mailbox.zip"
CONTENT = Content(4 * MIB)
VICTIM = b"somebody's most valued bytes"
PREFIX = private_prefix(driver.GUID, f"server {driver.GUID}")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users' files need root")


@pytest.fixture(scope="module")
def copies() -> t.Iterator[Copies]:
    with Copies() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with serving(file=CONTENT) as running:
        yield running


@pytest.fixture
def shared() -> t.Iterator[pathlib.Path]:
    """A directory like /tmp."""
    with tempfile.TemporaryDirectory() as name:
        pathlib.Path(name).chmod(0o1777)
        yield pathlib.Path(name)


def order(server: Server, dest: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    limits = {"first_pause": 0.01, "lock_timeout": 0.5}
    return {"urls": [server.url()], "dest": str(dest), "limits": limits, **more}


def _plant(what: str, path: pathlib.Path, victim: pathlib.Path) -> None:
    path.unlink(missing_ok=True)
    if what == "symbolic link":
        path.symlink_to(victim)
    elif what == "dangling link":
        path.symlink_to(victim.with_name("nowhere"))
    elif what == "hard link":
        path.hardlink_to(victim)
    elif what == "FIFO":
        os.mkfifo(path)
    elif what == "socket":
        here = os.open(path.parent, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
    elif what == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"planted" * 100_000)
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o666)


PLANTED = ("symbolic link", "dangling link", "hard link", "FIFO", "socket", "directory", "foreign file")


@needs_root
@pytest.mark.parametrize("begun", [False, True], ids=["", "begun"])
@pytest.mark.parametrize("kind", ["state", "partial", "both"])
@pytest.mark.parametrize("what", PLANTED)
def test_f12_what_is_planted_is_never_followed_nor_used(
    copies: Copies, server: Server, tmp_path: pathlib.Path, what: str, kind: str, begun: bool
) -> None:
    """In the place of the sidecar or of a partial: refused or replaced. What it leads to stays as it is."""
    dest = tmp_path / "dest"
    dest.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(VICTIM)
    state, partial = dest / f"{PREFIX}state", dest / f"{PREFIX}00000000.part"
    if begun:
        crash_runs.interrupt_after(2 * MIB, server, order(server, dest / NAME), dest)
        partial = crash_runs.partial_in(dest) or partial
    if kind != "partial":
        _plant(what, state, victim)
    if kind != "state":
        _plant(what, partial, victim)
    run = copies.run(order(server, dest / NAME))
    assert victim.read_bytes() == VICTIM
    assert not (tmp_path / "nowhere").exists()
    assert run.told
    if not run.ok:
        assert run.told["code"] == "file_system", run.told
        assert f"{PREFIX}" in run.told["message"], run.told
        if what == "directory":  # a hand put it there, and only a hand takes it away
            for path in (state, partial):
                if path.is_dir():
                    path.rmdir()
    truth = Truth(frozenset([CONTENT.sha256]), NAME, deadline=20)
    check(run, truth, dest)
    check(copies.run(order(server, dest / NAME)), truth, dest, last=True)
    assert victim.read_bytes() == VICTIM


@needs_root
def test_f15_another_user_s_sidecar_in_a_sticky_directory_is_named(
    copies: Copies, server: Server, shared: pathlib.Path
) -> None:
    """It can be neither used nor removed: the failure says which file is in the way, and of whom it is."""
    for mode in (0o600, 0o666):
        planted = shared / f"{PREFIX}state"
        planted.write_bytes(b"x" * 8192)
        planted.chmod(mode)
        run = copies.run(order(server, shared / NAME), user=NOBODY)
        assert run.told
        assert not run.ok
        assert run.told["code"] == "file_system", run.told
        assert str(planted) in run.told["message"], run.told
        assert "another user" in run.told["message"], run.told
        assert planted.read_bytes() == b"x" * 8192
        planted.unlink()
    truth = Truth(frozenset([CONTENT.sha256]), NAME)
    check(copies.run(order(server, shared / NAME), user=NOBODY), truth, shared, last=True)


@needs_root
def test_f15_what_another_user_has_begun_is_not_continued(copies: Copies, server: Server, shared: pathlib.Path) -> None:
    crash_runs.interrupt_after(2 * MIB, server, order(server, shared / NAME), shared)
    left = {path.name: path.read_bytes() for path in shared.iterdir()}
    run = copies.run(order(server, shared / NAME), user=NOBODY)
    check(run, Truth(frozenset([CONTENT.sha256]), NAME), shared)
    assert not run.ok
    assert {path.name: path.read_bytes() for path in shared.iterdir()} == left
    check(copies.run(order(server, shared / NAME)), Truth(frozenset([CONTENT.sha256]), NAME), shared, last=True)


@pytest.mark.parametrize("target", ["a file", "nothing"])
def test_f13_a_symbolic_link_as_dest_is_refused(
    copies: Copies, server: Server, tmp_path: pathlib.Path, target: str
) -> None:
    victim = tmp_path / "victim"
    if target == "a file":
        victim.write_bytes(VICTIM)
    (tmp_path / NAME).symlink_to(victim)
    before = len(server.sent)
    run = copies.run(order(server, tmp_path / NAME))
    assert run.told
    assert run.told["code"] == "invalid_option"
    assert "symbolic link" in run.told["message"]
    assert len(server.sent) == before
    assert sorted(os.listdir(tmp_path)) == sorted([NAME] + (["victim"] if target == "a file" else []))
    if target == "a file":
        assert victim.read_bytes() == VICTIM


@pytest.mark.parametrize("what", ["a link", "another directory"])
def test_f14_a_directory_that_is_exchanged_during_the_run(server: Server, tmp_path: pathlib.Path, what: str) -> None:
    """All goes on in the directory that was opened; nothing comes to where the path leads now."""
    dest, moved, other = tmp_path / "dest", tmp_path / "moved", tmp_path / "other"
    dest.mkdir()
    other.mkdir()
    server.hold_at = 2 * MIB
    with Program(order(server, dest / NAME)) as program:
        wait_until(lambda: partial_size(dest) >= MIB)
        dest.rename(moved)
        if what == "a link":
            dest.symlink_to(other)
        else:
            other.rename(dest)
            other = dest
        server.hold_at = None
        run = program.end()
    assert list(other.iterdir()) == []
    # The path no longer leads to the file: what is told must not say that all is well there.
    found = violations(Run(None, run.seconds, {}), Truth(frozenset([CONTENT.sha256]), NAME), moved)
    assert not found
    assert not run.ok, "success is told of a path where nothing is"


@pytest.mark.parametrize("what", ["a link", "another file"])
def test_f14_a_partial_that_is_exchanged_during_the_run(server: Server, tmp_path: pathlib.Path, what: str) -> None:
    """What somebody puts under the partial's name is neither written nor published."""
    dest, victim = tmp_path / "dest", tmp_path / "victim"
    dest.mkdir()
    victim.write_bytes(VICTIM)
    server.hold_at = 2 * MIB
    with Program(order(server, dest / NAME)) as program:
        wait_until(lambda: partial_size(dest) >= MIB)
        partial = crash_runs.partial_in(dest)
        assert partial
        partial.unlink()
        if what == "a link":
            partial.symlink_to(victim)
        else:
            partial.write_bytes(VICTIM)
        server.hold_at = None
        run = program.end()
    truth = Truth(frozenset([CONTENT.sha256]), NAME)
    check(run, dataclasses.replace(truth, others=frozenset({partial.name})), dest)
    assert not run.ok
    assert run.told
    assert run.told["code"] == "concurrent_change", run.told
    assert victim.read_bytes() == VICTIM
    check(crash_runs.run(order(server, dest / NAME)), truth, dest, last=True)
    assert victim.read_bytes() == VICTIM


@pytest.mark.parametrize(
    "name",
    [
        b"x" * 251 + b".zip",
        b"\xc3\xa9" * 125 + b".zip",
        b"bad \xff\xfe name.zip",
        b"two\nlines.zip",
        b"-rf.zip",
        b" .zip",
    ],
    ids=["255 bytes", "254 bytes of two-byte characters", "not UTF-8", "newline", "dash", "space"],
)
def test_f16_names_that_are_hard_to_handle(copies: Copies, server: Server, tmp_path: pathlib.Path, name: bytes) -> None:
    text = os.fsdecode(name)
    dest = tmp_path / text
    crash_runs.interrupt_after(2 * MIB, server, order(server, dest), tmp_path)
    run = copies.run(order(server, dest))
    assert run.ok, run.told
    assert sorted(os.listdir(os.fsencode(tmp_path))) == sorted([name, os.fsencode(receipt_name(text))])
    assert hashlib.sha256(dest.read_bytes()).hexdigest() == CONTENT.sha256
    again = copies.run(order(server, dest)).told
    assert again
    assert again["reason"] == "unchanged"
