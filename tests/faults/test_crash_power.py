# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F11: power loss. The order of what reaches the disk, and every directory that a disk may hold afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
import typing as t

import pytest

from tests.faults import crash, crash_power
from tests.faults.crash_power import Files, Record, Replay, Step
from tests.faults.crash_runs import Copies
from tests.faults.crash_server import MIB, Content, serving
from tests.faults.invariants import Truth

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")

SIZE = 3 * MIB
OLD = Content(MIB // 4, 9)
NAME = "mailbox.zip"
SITUATIONS = ("new file", "old file", "begun", "begun, old file")
_OFTEN = {"constants": {"store.writer.COMMIT_BYTES": MIB // 2}}  # records, so that there are some in so small a file
_SAMPLE = 12  # states of each situation in the short run


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Replay]:
    content = Content(SIZE)
    directory = tmp_path_factory.mktemp("power") / "dest"
    directory.mkdir()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(file=content))
        copies = stack.enter_context(Copies())
        order = {"urls": [server.url()], "dest": str(directory / NAME), "limits": {"first_pause": 0.01}}
        truth = Truth(frozenset([content.sha256]), NAME)
        yield Replay(server, copies, order, truth, directory, content, _OFTEN)


def _before(replay: Replay, situation: str) -> tuple[Replay, Files]:
    """What a situation starts from."""
    files: dict[str, bytes] = {}
    if "begun" in situation:
        made = replay.record({})
        files |= _half_way(made)
    if "old file" in situation:
        replay = dataclasses.replace(replay, truth=dataclasses.replace(replay.truth, old=OLD.sha256))
        files[NAME] = OLD.read(0, OLD.size)
        files[f"{NAME}.sha256"] = f"# guid: {crash.OLD_GUID}\n# size: {OLD.size}\n{OLD.sha256}  {NAME}\n".encode()
    return replay, files


def _half_way(made: Record) -> Files:
    """What lay there when the run had recorded some megabytes."""
    records = [place for place, step in enumerate(made.steps) if step.kind == "write" and b'"offset"' in step.data]
    half = dataclasses.replace(made, steps=made.steps[: records[len(records) // 2] + 1])
    return max(crash_power.states(half), key=lambda files: sum(map(len, files.values())))


@pytest.mark.slow
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_order_is_one_that_a_power_loss_cannot_break(replay: Replay, situation: str) -> None:
    """Data before the record that tells of them, all of a file before its name, the directory after the last name."""
    replay, before = _before(replay, situation)
    made = replay.record(before)
    assert crash_power.disorder(made, name=NAME, partial=lambda name: name.endswith(".part")) == []
    told = [step for step in made.steps if step.kind == "write" and b'"offset": ' in step.data]
    assert len(told) >= 3  # there was something to be proved


@pytest.mark.slow
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("count", [_SAMPLE, pytest.param(None, marks=pytest.mark.long)])
def test_from_whatever_a_power_loss_leaves_a_run_ends_well(replay: Replay, situation: str, count: int | None) -> None:
    replay, before = _before(replay, situation)
    found = crash_power.states(replay.record(before))
    chosen = found[:: max(1, len(found) // count)] if count else found
    bad = {number: texts for number, state in enumerate(chosen) if (texts := replay.violations(state))}
    assert not bad, f"{len(bad)} of {len(chosen)} states: {next(iter(bad.values()))}"
    assert len(found) > 50


# --- the judges themselves ---

_GOOD = (
    Step(0, 0, "name", 0, name=".x.part"),
    Step(1, 1, "name", 1, name=".x.state"),
    Step(2, 2, "write", 0, 0, b"abcd"),
    Step(3, 3, "sync", 0),
    Step(4, 4, "write", 1, 0, b'{"offset": 4}'),
    Step(5, 5, "sync", 0),
    Step(6, 6, "name", 0, name="x", old=".x.part"),
    Step(7, 7, "sync directory"),
)


def _disorder(*steps: Step) -> list[str]:
    return crash_power.disorder(Record(list(steps)), name="x", partial=lambda name: name.endswith(".part"))


def test_a_good_order_is_no_disorder_and_each_sync_that_is_missing_is_one() -> None:
    assert _disorder(*_GOOD) == []
    without = {place: _disorder(*(s for s in _GOOD if s is not _GOOD[place])) for place in (3, 5, 7)}
    assert without == {
        3: ["a record of 4 bytes is written before they are synced"],
        5: [],  # the first sync was enough
        7: ["the directory is not synced after the last rename"],
    }
    late = Step(5, 5, "write", 0, 4, b"e")
    assert _disorder(*_GOOD[:5], late, *_GOOD[6:]) == ["x gets its name before all of it is synced"]


def test_a_sync_that_began_before_a_write_was_done_does_not_cover_it() -> None:
    overtaken = dataclasses.replace(_GOOD[2], begun=2, done=3)
    assert _disorder(*_GOOD[:2], overtaken, dataclasses.replace(_GOOD[3], begun=2, done=3), *_GOOD[4:]) == [
        "a record of 4 bytes is written before they are synced"
    ]


@pytest.mark.parametrize(("recorded", "is_good"), [(3, True), (4, False)])
def test_what_lay_there_at_first_needs_no_sync(recorded: int, is_good: bool) -> None:
    told = Step(2, 2, "write", 1, 0, b'{"offset": %d}' % recorded)
    taken_over = Record([Step(1, 1, "name", 0, name=".y.part", old=".x.part"), told, *_GOOD[3:]], {0: b"abc"})
    found = crash_power.disorder(taken_over, name="x", partial=lambda name: name.endswith(".part"))
    assert (f"a record of {recorded} bytes is written before they are synced" not in found) == is_good


def test_what_was_not_synced_may_be_there_or_not() -> None:
    made = Record(list(_GOOD[:3]))
    found = crash_power.states(made)
    assert {} in found
    assert {".x.part": b"", ".x.state": b""} in found
    assert {".x.part": b"abcd", ".x.state": b""} in found
    assert {".x.part": b"\0\0\0\0", ".x.state": b""} in found
    assert {".x.part": b"abcd"} in found
    certain = crash_power.states(Record([*_GOOD[:4], Step(8, 8, "sync directory")]))
    assert {".x.part": b"abcd", ".x.state": b""} in certain


def test_a_name_without_its_data_is_what_a_missing_sync_leaves() -> None:
    bad = [step for step in _GOOD if step.kind != "sync"]
    assert any(files.get("x") == b"" for files in crash_power.states(Record(bad)))
    assert not any(files.get("x") not in (None, b"abcd") for files in crash_power.states(Record(list(_GOOD))))


def test_the_trace_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    trace = tmp_path / "trace"
    here = str(tmp_path)
    lines = [
        f'7 openat(3<{here}>, ".x.part", O_RDWR|O_CREAT|O_EXCL, 0600) = 4<{here}/.x.part>',
        f'8 pwrite64(4<{here}/.x.part>, "a\\n\\0b"..., 4, 8 <unfinished ...>',
        f"7 fdatasync(4<{here}/.x.part>) = 0",
        "8 <... pwrite64 resumed>) = 4",
        f'7 renameat(3<{here}>, ".x.part", 3<{here}>, "x") = 0',
        f'7 unlinkat(3<{here}>, "y", 0) = -1 ENOENT (No such file or directory)',
        f"7 fsync(3<{here}>) = 0",
    ]
    trace.write_text("\n".join(lines))
    made = crash_power.record(trace, tmp_path, {}, Content(8))
    assert [step.kind for step in made.steps] == ["name", "sync", "write", "name", "sync directory"]
    assert made.steps[2] == Step(1, 3, "write", 0, 8, b"a\n\0b")
