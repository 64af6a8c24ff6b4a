# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power loss, played from what a run did.

The writes, truncations, names and syncs of one traced run are replayed up to each of them. What was not synced by then
may be on the disk or not, in part, as zeros or as what lay there before, and names may have come in any order: each
directory that a disk may hold is rebuilt (as ALICE does it), and a plain run from there must end with the right bytes.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import os
import pathlib
import re
import shutil
import tempfile
import typing as t
from dataclasses import dataclass, field

from tests.faults import crash_trace, invariants
from tests.faults.crash_runs import Copies
from tests.faults.crash_server import MIB, Content, Server
from tests.faults.crash_trace import Call
from tests.faults.invariants import Run, Truth

TRACED: t.Final = (
    "trace=openat,write,pwrite64,ftruncate,fallocate,"
    "rename,renameat,renameat2,unlink,unlinkat,link,linkat,fsync,fdatasync"
)
_SECTOR: t.Final = 512  # bytes that a disk writes in one piece

Files = t.Mapping[str, bytes]  # a directory's content


@dataclass(frozen=True)
class Step:
    """One change: data at an offset of a file, or its size, or a name. begun, done: when, in the trace."""

    begun: int
    done: int
    kind: str  # write, size, name, unlink, sync, sync directory
    file: int = -1
    offset: int = 0
    data: bytes = b""
    name: str = ""
    old: str = ""  # the name before, of a renamed file


@dataclass
class Record:
    """What a run did. at_first: the files that were there, by number. names: theirs."""

    steps: list[Step] = field(default_factory=list)
    at_first: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)


def record(trace: pathlib.Path, directory: pathlib.Path, before: Files, content: Content) -> Record:
    """The changes in a trace (with ``-y -s 16384``) of a run that wrote content into its partial."""
    made = Record([], dict(enumerate(before.values())), {name: number for number, name in enumerate(before)})
    names = dict(made.names)
    fresh = itertools.count(len(names))
    calls = [call for call in crash_trace.calls(trace) if call.touches(directory) and not call.failed]
    for call in sorted(calls, key=lambda call: call.done):
        step = _step(call, directory, names, fresh, content)
        if step:
            made.steps.append(step)
    return made


def _step(
    call: Call, directory: pathlib.Path, names: dict[str, int], fresh: t.Iterator[int], content: Content
) -> Step | None:
    when = (call.begun, call.done)
    paths = [os.path.relpath(path.removesuffix(" (deleted)"), directory) for path in crash_trace.paths_in(call)]
    if call.name == "openat":
        assert "O_TRUNC" not in call.arguments, call.text
        if "O_CREAT" not in call.arguments or paths[-1] in names:
            return None
        names[paths[-1]] = number = next(fresh)
        return Step(*when, "name", number, name=paths[-1])
    if call.name.startswith("rename"):
        old, new = (path for path in paths if path != ".")
        names[new] = number = names.pop(old)
        return Step(*when, "name", number, name=new, old=old)
    if call.name.startswith("unlink"):
        names.pop(paths[-1])
        return Step(*when, "unlink", name=paths[-1])
    if call.name in ("fsync", "fdatasync"):
        if paths[0] == ".":
            return Step(*when, "sync directory")
        return Step(*when, "sync", names.get(paths[0], -1))
    number = names.get(paths[0], -1)
    if call.name == "ftruncate":
        return Step(*when, "size", number, int(call.arguments.rpartition(", ")[2]))
    if call.name == "fallocate":
        return None  # room, and no bytes
    assert call.name == "pwrite64", f"this replay does not know where {call.text[:200]} writes"
    offset, size = int(call.arguments.rpartition(", ")[2]), int(call.result.split()[0])
    return Step(*when, "write", number, offset, _written(call, offset, size, content))


def _written(call: Call, offset: int, size: int, content: Content) -> bytes:
    text = call.arguments.partition(', "')[2].rpartition('"')[0]
    data: bytes = ast.literal_eval(f'b"{text}"')
    if len(data) >= size:
        return data[:size]
    whole = content.read(offset, offset + size)
    assert whole.startswith(data), f"not the content's: {call.text[:200]}"
    return whole


@dataclass(frozen=True)
class _Fate:
    """What becomes of the changes of files that were not synced."""

    name: str
    applied: t.Callable[[int, int], bool]  # whether the n-th of so many is on the disk
    damaged: t.Callable[[bytes], bytes] = bytes  # what is there of the last one that is


_FATES: t.Final = (
    _Fate("all", lambda number, count: True),
    _Fate("none", lambda number, count: False),
    _Fate("all but the last", lambda number, count: number < count - 1),
    _Fate("only the last", lambda number, count: number == count - 1),
    _Fate("the last as zeros", lambda number, count: True, lambda data: bytes(len(data))),
    _Fate("the last torn", lambda number, count: True, lambda data: data[: len(data) // 2 // _SECTOR * _SECTOR]),
    _Fate("the last but its start", lambda number, count: True, lambda data: bytes(_SECTOR) + data[_SECTOR:]),
    _Fate("only the last as zeros", lambda number, count: number == count - 1, lambda data: bytes(len(data))),
)


@dataclass(frozen=True)
class _Piece:
    """One file as it may be on the disk. digest: of the data."""

    data: bytes
    digest: bytes


def states(made: Record) -> list[Files]:
    """All different directories that a power loss may leave, at any moment of the run."""
    found: dict[tuple[tuple[str, bytes], ...], Files] = {}
    pieces: dict[t.Hashable, _Piece] = {}
    for count in range(len(made.steps) + 1):
        past = made.steps[:count]
        for names in _possible_names(made, past):
            for files in _possible_files(made, past, sorted(set(names.values())), pieces):
                key = tuple((name, files[number].digest) for name, number in sorted(names.items()))
                found.setdefault(key, {name: files[number].data for name, number in names.items()})
    return list(found.values())


def _possible_names(made: Record, past: t.Sequence[Step]) -> list[dict[str, int]]:
    """Of the names that were not synced any may be there: the first so many, all but one, or one alone."""
    changes = [step for step in past if step.kind in ("name", "unlink")]
    safe = max((step.begun for step in past if step.kind == "sync directory"), default=-1)
    certain = [step for step in changes if step.done < safe]
    open_ones = [step for step in changes if step.done >= safe]
    several = [open_ones[:number] for number in range(len(open_ones) + 1)]
    several += [[one] for one in open_ones] + [[o for o in open_ones if o is not one] for one in open_ones]
    found: list[dict[str, int]] = []
    for some in several:
        names = dict(made.names)
        for step in (*certain, *some):
            names.pop(step.old, None)
            if step.kind == "name":
                names[step.name] = step.file
            else:
                names.pop(step.name, None)
        if names not in found:
            found.append(names)
    return found


def _possible_files(
    made: Record, past: t.Sequence[Step], numbers: t.Sequence[int], pieces: dict[t.Hashable, _Piece]
) -> t.Iterator[dict[int, _Piece]]:
    """One fate for all files, and each fate for one file while the others lost nothing, or all."""
    for fates in _fates(len(numbers)):
        yield {number: _file(made, past, number, fate, pieces) for number, fate in zip(numbers, fates, strict=True)}


def _fates(count: int) -> t.Iterator[tuple[_Fate, ...]]:
    for fate in _FATES:
        yield (fate,) * count
        for place in range(count):
            for others in _FATES[:2]:
                yield tuple(fate if number == place else others for number in range(count))


def _file(made: Record, past: t.Sequence[Step], number: int, fate: _Fate, pieces: dict[t.Hashable, _Piece]) -> _Piece:
    safe = max((step.begun for step in past if step.kind == "sync" and step.file == number), default=-1)
    changes = [step for step in past if step.file == number and step.kind in ("write", "size")]
    certain = [step for step in changes if step.done < safe]
    open_ones = [step for step in changes if step.done >= safe]
    some = [step for place, step in enumerate(open_ones) if fate.applied(place, len(open_ones))]
    key = (number, *(step.done for step in (*certain, *some)), fate.damaged if some else None)
    if key not in pieces:
        data = bytearray(made.at_first.get(number, b""))
        for step in (*certain, *some):
            _change(data, step, fate.damaged(step.data) if some and step is some[-1] else step.data)
        pieces[key] = _Piece(bytes(data), hashlib.sha256(data).digest())
    return pieces[key]


def _change(data: bytearray, step: Step, new: bytes) -> None:
    if step.kind == "size":
        del data[step.offset :]
        data.extend(bytes(step.offset - len(data)))
        return
    data.extend(bytes(max(0, step.offset - len(data))))
    data[step.offset : step.offset + len(new)] = new


def lay(directory: pathlib.Path, files: Files) -> None:
    """Make the directory hold these files, private ones, and no others."""
    shutil.rmtree(directory)
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
        (directory / name).chmod(invariants.PRIVATE)


def check_state(copies: Copies, order: t.Mapping[str, t.Any], truth: Truth, directory: pathlib.Path) -> list[str]:
    """What does not hold in a directory that a power loss has left, and after one run from there."""
    found = invariants.violations(Run(None, 0.0), truth, directory)
    # A receipt of the old file may be gone or back; it vouches for nothing then.
    return found + invariants.violations(copies.run(order), truth, directory, last=True)


def disorder(made: Record, *, name: str, partial: t.Callable[[str], bool]) -> list[str]:
    """Where the order of a run does not stand a power loss. partial: whether a name is that of one."""
    partials = {step.file for step in made.steps if step.kind == "name" and partial(step.name)}
    return [
        *_records_before_data(made, partials),
        *_names_before_data(made.steps, name),
        *_end_before_names(made.steps),
    ]


def _records_before_data(made: Record, partials: t.Collection[int]) -> t.Iterator[str]:
    # What lay there at first is on the disk: it is what a power loss has left.
    at_first = max((len(data) for number, data in made.at_first.items() if number in partials), default=0)
    for step in made.steps:
        told = re.search(rb'"offset": (\d+)', step.data) if step.kind == "write" and step.file not in partials else None
        if told and int(told.group(1)) > max(at_first, _durable(made.steps, step.begun, partials)):
            yield f"a record of {int(told.group(1))} bytes is written before they are synced"


def _durable(steps: t.Sequence[Step], moment: int, partials: t.Collection[int]) -> int:
    """How many bytes from the start of a partial were surely on the disk at a moment of the trace."""
    syncs = [step for step in steps if step.kind == "sync" and step.file in partials and step.done < moment]
    safe = max((sync.begun for sync in syncs), default=-1)
    end = 0
    for step in steps:
        if step.kind == "write" and step.file in partials and step.done < safe:
            end = max(end, step.offset + len(step.data))
    return end


def _names_before_data(steps: t.Sequence[Step], name: str) -> t.Iterator[str]:
    for step in steps:
        if step.kind != "name" or not step.old or not step.name.startswith(name):
            continue
        changed = [s.done for s in steps if s.file == step.file and s.kind in ("write", "size") and s.begun < step.done]
        synced = [s.begun for s in steps if s.file == step.file and s.kind == "sync" and s.done < step.begun]
        if not synced or max(changed, default=-1) > max(synced):
            yield f"{step.name} gets its name before all of it is synced"
        if any(s.file == step.file and s.kind == "write" and s.begun > step.begun for s in steps):
            yield f"{step.name} is written after it got its name"


def _end_before_names(steps: t.Sequence[Step]) -> t.Iterator[str]:
    renamed = [step.done for step in steps if step.kind == "name" and step.old]
    synced = [step.begun for step in steps if step.kind == "sync directory"]
    if not renamed:
        yield "nothing got a name"
    elif not synced or max(synced) < max(renamed):
        yield "the directory is not synced after the last rename"


@dataclass(frozen=True)
class Replay:
    """One run, recorded with all that is needed to run again from what it may have left."""

    server: Server
    copies: Copies
    order: t.Mapping[str, t.Any]
    truth: Truth
    directory: pathlib.Path
    content: Content
    setup: t.Mapping[str, t.Any] = field(default_factory=dict)

    def record(self, before: Files) -> Record:
        """Run from these files, traced, and check that it ends well."""
        lay(self.directory, before)
        self.server.rate = 10 * MIB  # slow enough for the disk to keep up with the records
        with tempfile.TemporaryDirectory() as place:
            trace = pathlib.Path(place) / "trace"
            strace = ("-y", "-s", "16384", "-o", str(trace), "-e", TRACED)
            run = self.copies.run_under(self.order, *strace, **self.setup)
            self.server.rate = None
            invariants.check(run, self.truth, self.directory, last=True)
            return record(trace, self.directory, before, self.content)

    def violations(self, state: Files) -> list[str]:
        """What does not hold when power comes back to these files."""
        lay(self.directory, state)
        return check_state(self.copies, self.order, self.truth, self.directory)
