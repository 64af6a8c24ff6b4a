# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""I8: the memory of a run is the same for a megabyte, a gigabyte and a hundred gigabytes."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests.faults import crash_runs
from tests.faults.crash_runs import OVERLAP
from tests.faults.crash_server import MIB, Content, Server, serving
from tests.faults.invariants import MEMORY, Run, Truth, check

NAME = "mailbox.bin"
GIB = 1024 * MIB
HUGE = 100 * GIB
KEPT = 98 * GIB
ZEROS = "d45c0fb67094753afd9c56922571d11bec82ebd467e5e2533b25cb622a03bae3"  # head -c 98G /dev/zero | sha256sum


def order(server: Server, directory: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    limits = {"first_pause": 0.01}
    return {"urls": [server.url()], "dest": str(directory / NAME), "limits": limits, "level": "length", **more}


def peak(run: Run) -> float:
    assert run.told
    return float(run.told["peak_mib"])


@pytest.mark.fault("P15")
@pytest.mark.long
@pytest.mark.parametrize("connections", [1, 4])
def test_a_gibibyte_takes_no_more_memory_than_a_mebibyte(tmp_path: pathlib.Path, connections: int) -> None:
    peaks = []
    for size in (MIB, 64 * MIB, GIB):
        content = Content(size)
        with serving(file=content) as server:
            run = crash_runs.run(order(server, tmp_path, connections=connections, level="structure"))
        check(run, Truth(frozenset([content.sha256]), NAME, deadline=120), tmp_path, last=True)
        peaks.append(peak(run))
        (tmp_path / NAME).unlink()
        (tmp_path / f"{NAME}.sha256").unlink()
    print(f"peaks in MiB: {peaks}")
    assert max(peaks) <= MEMORY
    # The buffers are the same; a small file does not fill all of them.
    assert peaks[2] - peaks[1] < 4


class Sparse(Content):
    """Zeros but for the last bytes: a source of any size that takes no time to make."""

    def __init__(self, size: int) -> None:
        super().__init__(size, is_zip=False, etag='"sparse"')
        self._zeros = bytes(MIB)

    def read(self, start: int, stop: int) -> bytes:
        if stop < self.size:
            return self._zeros[: stop - start]
        return bytes(stop - start - 4) + b"end!"


@pytest.mark.long
def test_a_hundred_gibibytes_are_continued_in_little_memory() -> None:
    """A run goes on with 98 GiB that are there, hashes them, gets 2 GiB over the wire, and publishes 100 GiB.

    What is there is a sparse file whose record is true: few disks have 100 GiB to spare. So it is proved that neither
    the size of a file nor that of what is continued costs memory; that 100 GiB over the wire cost none rests on the
    GiB above.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        if shutil.disk_usage(directory).free < 8 * GIB:
            pytest.skip("less than 8 GiB are free")
        with serving(file=Sparse(16 * MIB)) as server:
            crash_runs.interrupt_after(8 * MIB, server, order(server, directory), directory)
            server.contents["/file"] = Sparse(HUGE)
            _extend(directory, KEPT)
            before = server.count
            run = crash_runs.run(order(server, directory))
            assert run.ok, run.told
            assert server.count - before <= HUGE - KEPT + OVERLAP
        assert (directory / NAME).stat().st_size == HUGE
        print(f"100 GiB: {peak(run):.1f} MiB at the most, {run.seconds:.0f} s")
        assert peak(run) <= MEMORY
        with (directory / NAME).open("rb") as file:
            file.seek(-4, os.SEEK_END)
            assert file.read() == b"end!"


def _extend(directory: pathlib.Path, size: int) -> None:
    """Make what was left longer by zeros that take no room, and its record true."""
    partial = crash_runs.partial_in(directory)
    assert partial
    os.truncate(partial, size)
    truth = {"offset": size, "sha256": ZEROS, "length": HUGE}
    state = next(directory.glob(".*.????????????????.state"))
    state.write_bytes(json.dumps({**json.loads(state.read_bytes()), **truth}).encode())
