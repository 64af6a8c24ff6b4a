# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a case: all clients in turn, round by round, each result compared with what the server has."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import typing as t
from dataclasses import dataclass, field, replace

from benchmarks import clients, measure
from benchmarks.cases import DELAY, RATE, Case, Sizes
from benchmarks.clients import Client, Fetch
from benchmarks.content import Content, archive, digest, listing
from benchmarks.server import GUID, Nginx
from tests.faults.toxic_proxy import Bandwidth, Latency, ToxicProxy
from tests.harness import tree

_MEMORY: t.Final = pathlib.Path("/dev/shm")
_LONGEST: t.Final = 900  # seconds for one run


class BenchmarkError(Exception):
    """A client failed, or brought something else than the server has: nothing is worth comparing then."""


@dataclass(frozen=True)
class Measured:
    """One run. Times in seconds; peak_mib: of the largest process. engine: the seconds that ours tells itself."""

    wall: float
    cpu: float
    peak_mib: float
    engine: float | None


@dataclass
class Result:
    """All runs of a case, by the name of the client and in the order of rounds. left_out: why some have none."""

    case: Case
    size: int  # bytes of all files
    files: int
    runs: dict[str, list[Measured]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def run(case: Case, sizes: Sizes, rounds: int, server: Nginx, work: pathlib.Path) -> Result:
    """Raises BenchmarkError when a client fails or lies."""
    contents = list(_contents(case, sizes, server.content))
    result = Result(case, sum(content.size for content in contents), len(contents))
    with contextlib.ExitStack() as stack:
        place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir=work if case.to_disk else _MEMORY)))
        if shutil.disk_usage(place).free < result.size * 1.1:
            result.left_out = dict.fromkeys((client.name for client in case.clients), f"no room in {place.parent}")
            return result
        _spread(place)
        home = place / "home"
        home.mkdir()
        fetch = _fetch(stack.enter_context(_base(case, server)), contents, place, server)
        chosen = list(_installed(case, result))
        for number in range(rounds):
            # Everyone comes after everyone: what one run leaves in caches meets all of the others.
            first = number % len(chosen)
            for client in chosen[first:] + chosen[:first]:
                result.runs.setdefault(client.name, []).append(_measured(client, fetch, home))
    return result


def _contents(case: Case, sizes: Sizes, folder: pathlib.Path) -> t.Iterator[Content]:
    if case.files == "list":
        yield listing(folder / "list.json", GUID)
        return
    if case.files in ("small", "batch"):
        for number in range(sizes.many):
            yield _content(folder, f"small-{number:03}.zip", sizes.small)
    if case.files == "batch":
        yield _content(folder, "whole.zip", sizes.small * sizes.many)
    elif case.files != "small":
        yield _content(folder, f"{case.files}.zip", getattr(sizes, case.files))


def _content(folder: pathlib.Path, name: str, size: int) -> Content:
    """The server's file of this name, which may be one of several sizes that were made."""
    made = archive(folder / f"of-{size}" / name, size)
    path = folder / name
    path.unlink(missing_ok=True)
    path.symlink_to(made.path)
    return Content(path, made.size, made.sha256)


@contextlib.contextmanager
def _base(case: Case, server: Nginx) -> t.Iterator[str]:
    """The address that clients are told."""
    if not case.over_link:
        yield server.base(case.scheme)
        return
    with ToxicProxy(("127.0.0.1", server.http_port), [Latency(DELAY), Bandwidth(RATE)]) as proxy:
        yield f"http://127.0.0.1:{proxy.port}"


def _fetch(base: str, contents: t.Sequence[Content], place: pathlib.Path, server: Nginx) -> Fetch:
    # In a directory of their own: what clients leave beside their files is removed with it.
    files = [(f"{base}/{content.path.name}", place / "files" / content.path.name, content) for content in contents]
    return Fetch(files, server.ca, base)


def _installed(case: Case, result: Result) -> t.Iterator[Client]:
    for client in case.clients:
        if client.needs and not shutil.which(client.needs):
            result.left_out[client.name] = f"{client.needs} is not installed"
        else:
            yield client


def _measured(client: Client, everything: Fetch, home: pathlib.Path) -> Measured:
    fetch = replace(everything, files=everything.files[client.fetches])
    folder = fetch.path.parent
    folder.mkdir()
    try:
        os.sync()  # what others have written is not written back meanwhile
        told, output = _timed(client, fetch, home)
        _check(client, fetch, output)
    finally:
        _put_away(folder)
    return told


def _spread(place: pathlib.Path) -> None:
    """Let ext4 put each directory here into a block group of its own.

    Without a journal, it looks at all inodes of the group that were removed in the last minutes, for each new file.
    """
    with contextlib.suppress(FileNotFoundError):  # no chattr; other file systems refuse it
        subprocess.run(["chattr", "+T", place], check=False, stderr=subprocess.DEVNULL)


def _put_away(folder: pathlib.Path) -> None:
    """Free the space of what a run has left, without removing it: see ``_spread``."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    folder.rename(tempfile.mkdtemp(dir=folder.parent, prefix="measured-"))


def _timed(client: Client, fetch: Fetch, home: pathlib.Path) -> tuple[Measured, str]:
    report = home / "measured.json"
    # -S -E: it has to stay small.
    measuring = [sys.executable, "-S", "-E", measure.__file__, str(report), *client.command(fetch)]
    process = subprocess.Popen(
        measuring,
        cwd=tree.ROOT,
        env=clients.environment(home, fetch.ca),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _nothing = process.communicate(timeout=_LONGEST)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise BenchmarkError(f"{client.name} takes longer than {_LONGEST} seconds") from error
        raise
    if process.returncode:
        raise BenchmarkError(f"{client.name} could not be run: {output}")
    told = json.loads(report.read_text(encoding="ascii"))
    if told["status"] != 0:
        raise BenchmarkError(f"{client.name} ended with status {told['status']}: {output}")
    measured = Measured(told["wall"], told["user"] + told["system"], told["peak_mib"], _engine_seconds(output))
    return measured, output


def _engine_seconds(output: str) -> float | None:
    """What the driver tells, in one line of JSON."""
    try:
        told = json.loads(output)
    except ValueError:
        return None
    return told.get("seconds") if isinstance(told, dict) else None


def _check(client: Client, fetch: Fetch, output: str) -> None:
    for _url, path, content in fetch.files:
        if content.shown:
            if content.shown not in output:
                raise BenchmarkError(f"{client.name} does not show what is in {content.path.name}: {output}")
            continue
        if not path.exists():
            raise BenchmarkError(f"{client.name} says that it succeeded, but there is no {path.name}")
        if digest(path) != content.sha256:
            raise BenchmarkError(f"{client.name} says that it succeeded, but {path.name} is not what the server has")
