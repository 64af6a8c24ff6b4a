# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F21 to F23, P10: a partial and its sidecar that are not as the last run left them."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from tests.faults import crash_runs
from tests.faults.crash_runs import OVERLAP, Copies
from tests.faults.crash_server import MIB, Content, Server, serving
from tests.faults.invariants import Run, Truth, check

NAME = "mailbox.zip"
CONTENT = Content(8 * MIB)
LEFT = 3 * MIB  # what has come at least, before the run was interrupted
TRUTH = Truth(frozenset([CONTENT.sha256]), NAME, deadline=20)


@pytest.fixture(scope="module")
def copies() -> t.Iterator[Copies]:
    with Copies() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with serving(file=CONTENT) as running:
        yield running


class Left:
    """What an interrupted run has left."""

    def __init__(self, server: Server, copies: Copies, directory: pathlib.Path) -> None:
        self.server, self.copies, self.directory = server, copies, directory
        self.order = {
            "urls": [server.url()],
            "dest": str(directory / NAME),
            "limits": {"first_pause": 0.01, "lock_timeout": 1.0},
        }
        crash_runs.interrupt_after(LEFT, server, self.order, directory)
        partial = crash_runs.partial_in(directory)
        assert partial
        self.partial = partial
        self.state = next(directory.glob(".*.????????????????.state"))
        self.size = partial.stat().st_size

    def run(self) -> tuple[Run, int]:
        """One more run, and how many bytes were sent for it. It has to end well."""
        before = self.server.count
        run = self.copies.run(self.order)
        check(run, TRUTH, self.directory, last=True)
        return run, self.server.count - before

    def record(self) -> dict[str, t.Any]:
        """The checkpoint."""
        found: dict[str, t.Any] = json.loads(self.state.read_bytes())
        return found

    def forge(self, **fields: t.Any) -> None:
        """Change fields of the checkpoint."""
        self.state.write_bytes(json.dumps({**self.record(), **fields}).encode())


@pytest.fixture
def left(server: Server, copies: Copies, tmp_path: pathlib.Path) -> Left:
    return Left(server, copies, tmp_path)


def test_what_was_left_is_continued(left: Left) -> None:
    """Without this the tests below would prove nothing."""
    _run, sent = left.run()
    assert sent == CONTENT.size - left.size + OVERLAP
    assert left.size >= LEFT


def test_f21_a_partial_that_is_longer_than_the_whole(left: Left) -> None:
    with left.partial.open("ab") as file:
        file.write(os.urandom(2 * CONTENT.size))
    _run, sent = left.run()
    assert sent == CONTENT.size - left.size + OVERLAP  # what is recorded is as good as before


def _flip(path: pathlib.Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("offset", [0, LEFT // 2, LEFT - 1])
def test_f23_a_partial_that_was_changed_between_two_runs(left: Left, offset: int) -> None:
    """Its digest tells: nothing of it is used."""
    _flip(left.partial, offset)
    _run, sent = left.run()
    assert sent == CONTENT.size


@pytest.mark.parametrize("size", [0, 1, LEFT // 2])
def test_f23_a_partial_that_was_cut(left: Left, size: int) -> None:
    os.truncate(left.partial, size)
    left.run()


def test_f23_a_partial_that_was_removed(left: Left) -> None:
    left.partial.unlink()
    _run, sent = left.run()
    assert sent == CONTENT.size


_DAMAGES: t.Final[dict[str, t.Callable[[bytes], bytes]]] = {
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "noise": lambda data: os.urandom(len(data)),
    "cut": lambda data: data[:100],
    "a byte of it": lambda data: data[:80] + b"\xff" + data[81:],
    "twice": lambda data: data * 2,
    "much longer": lambda data: data + os.urandom(2**20),
    "no JSON": lambda data: b"{",
    "no object": lambda data: b"[1]",
    "deep": lambda data: b"[" * 16_000,
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_f22_a_sidecar_that_is_damaged(left: Left, damage: str) -> None:
    left.state.write_bytes(_DAMAGES[damage](left.state.read_bytes()))
    left.run()


_LIES: t.Final[dict[str, dict[str, t.Any]]] = {
    "another version": {"schema": 2},
    "an offset behind the end": {"offset": 10 * CONTENT.size},
    "an offset that is not a number": {"offset": "3"},
    "a negative offset": {"offset": -1},
    "an earlier offset": {"offset": MIB},
    "a huge offset": {"offset": 2**70},
    "another digest": {"sha256": "0" * 64},
    "another run's token": {"token": "00000000"},
    "a token with a path": {"token": "../../../x"},
    "another length": {"length": 2 * CONTENT.size},
    "a shorter length": {"length": MIB},
    "another validator": {"validator": '"other"'},
    "a validator with a line": {"validator": '"x"\r\nX-Evil: 1'},
    "no validator": {"validator": None},
    "another source": {"source": "7"},
    "a field too many": {"evil": 1},
    "another name": {"name": "../../evil"},
    "a writer without sense": {"process": {"pid": -1, "started": "x", "machine": 1, "boot": None}},
    "a writer that is a list": {"process": [1, 2]},
    "the number of init": {"process": {"pid": 1, "started": "0", "machine": "m", "boot": "b"}},
    "another digest of the server": {"digest": "sha256:" + "0" * 64},
    "an unknown algorithm": {"digest": "rot13:00"},
    "joined in an unknown way": {"splice_evidence": "glued"},
}


@pytest.mark.parametrize("lie", _LIES)
def test_f22_a_sidecar_that_lies(left: Left, lie: str) -> None:
    """With a good checksum: whatever it says, no wrong byte is published and no hand is needed."""
    left.forge(**_LIES[lie])
    try:
        left.run()
    except AssertionError:
        # A digest that the server never sent fails the proof; then it is dropped, and the next run ends well.
        if lie != "another digest of the server":
            raise
        left.run()


@pytest.mark.fault("P10")
@pytest.mark.skipif(os.geteuid() != 0, reason="another boot needs a namespace of mounts")
def test_p10_after_a_reboot_the_number_of_the_writer_means_nothing(left: Left, tmp_path_factory: t.Any) -> None:
    """The process with the number that was recorded lives now, and is another one: its boot was another one."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare on this machine")
    boot = tmp_path_factory.mktemp("boot") / "id"
    boot.write_text("11111111-2222-3333-4444-555555555555\n")
    writer = left.record()["process"] or _me(left)
    left.forge(process={**writer, "pid": os.getpid(), "started": _started(os.getpid())})
    assert _code(left.copies.run(left.order)) == "locked"  # in this boot that is the writer
    mount = f'mount --bind {boot} /proc/sys/kernel/random/boot_id && exec "$@"'
    before = left.server.count
    run = crash_runs.run(left.order, "unshare", "-m", "sh", "-c", mount, "sh")
    check(run, TRUTH, left.directory, last=True)
    assert left.server.count - before == CONTENT.size - left.size + OVERLAP


def _code(run: Run) -> str:
    return str((run.told or {}).get("code"))


def _started(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _me(left: Left) -> dict[str, t.Any]:
    """A writer of this machine and boot: what a run records while it is under way."""
    place = left.directory / "other"
    place.mkdir()
    order = {**left.order, "dest": str(place / NAME)}
    left.server.hold_at = 2 * MIB
    with crash_runs.Program(order) as program:
        crash_runs.wait_until(lambda: crash_runs.partial_size(place) > 0)
        text = next(place.glob(".*.????????????????.state")).read_bytes()
        program.process.terminate()
        program.end()
    left.server.hold_at = None
    subprocess.run(["rm", "-r", str(place)], check=True)
    process: dict[str, t.Any] = json.loads(text)["process"]
    return process
