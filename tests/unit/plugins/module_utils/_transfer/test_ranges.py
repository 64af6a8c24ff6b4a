# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several connections: each fetches blocks, and what an interruption leaves is the beginning of the file, as always."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import ranges
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.body import UnexpectedContent
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.metadata import ContentMetadata
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.ranges import Ranges
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.resume import RangeMismatch
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import (
    TransferInterrupted,
    TransferLimits,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.part_file import PartialFile
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.writer import PartialWriter
from tests.faults.replies import Resource, broken, part, serve
from tests.faults.script_server import Pause, Reply, Request, Script, ScriptServer, Sliced, head, scripted
from tests.unit.plugins.module_utils._transfer.fetching import AGAIN, opener
from tests.unit.plugins.module_utils._transfer.material import noise, sha256
from tests.unit.plugins.module_utils._transfer.test_writer import opened

BLOCK = 100_000
FILE = Resource(noise(10 * BLOCK + 345))
LENGTH = len(FILE.body)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "BLOCK", BLOCK)


@contextlib.contextmanager
def begun(place: pathlib.Path, start: int = 0, etag: str = '"1"') -> t.Iterator[PartialWriter]:
    """A sink that has the first bytes and knows the file."""
    with opened(place) as target:
        target.begin("1", ContentMetadata(LENGTH, None, None, etag))
        target.lock.partial.write_at(0, FILE.body[:start])
        target.hash_up_to(start)
        yield target


def run(
    target: PartialWriter, server: ScriptServer, connections: int = 4, timeout: float = 5, **settings: t.Any
) -> None:
    limits = TransferLimits(dataclasses.replace(AGAIN, **settings))
    buffers = [memoryview(bytearray(16 * 1024)) for _number in range(connections)]
    Ranges(opener(server.url(), timeout=timeout), target, limits, buffers, str).run()


def content(target: PartialWriter) -> bytes:
    return pathlib.Path(target.lock.partial.path).read_bytes()


def check_beginning(target: PartialWriter) -> None:
    """What counts is a beginning of the file, with its digest."""
    assert content(target)[: target.offset] == FILE.body[: target.offset]
    assert target.digests.hex("sha256") == sha256(FILE.body[: target.offset])


def asked(server: ScriptServer) -> list[tuple[int, int | None]]:
    return [wanted for request in server.requests if (wanted := Request(request, 0).range)]


def by_block(**replies: Reply) -> Reply:
    """A server that treats the block with the number b0, b1 ... as given, and all others well."""
    counts: collections.Counter[str] = collections.Counter()

    def answer(request: Request) -> Script:
        name = f"b{(request.range or (0, 0))[0] // BLOCK}"
        counts[name] += 1
        reply = replies.get(name, serve(FILE)) if counts[name] == 1 else serve(FILE)
        return reply(request) if callable(reply) else reply

    return answer


# --- the whole ---


@pytest.mark.parametrize("connections", [1, 2, 4, 16])
def test_all_blocks_are_fetched_once_and_counted_in_order(tmp_path: pathlib.Path, connections: int) -> None:
    with begun(tmp_path) as target, scripted(serve(FILE)) as server:
        run(target, server, connections)
        assert (target.is_complete, content(target) == FILE.body) == (True, True)
        check_beginning(target)
        starts = range(0, LENGTH, BLOCK)
        assert sorted(asked(server)) == [(start, min(start + BLOCK, LENGTH) - 1) for start in starts]
        assert all(Request(request, 0).field("If-Range") == '"1"' for request in server.requests)


@pytest.mark.parametrize("start", [1, BLOCK, 3 * BLOCK + 7, LENGTH - 1, LENGTH])
def test_only_what_is_missing_is_asked_for(tmp_path: pathlib.Path, start: int) -> None:
    with begun(tmp_path, start) as target, scripted(serve(FILE)) as server:
        run(target, server)
        assert content(target) == FILE.body
        check_beginning(target)
        assert sum(last - first + 1 for first, last in asked(server) if last) == LENGTH - start


def test_several_connections_are_open_at_a_time(tmp_path: pathlib.Path) -> None:
    """As many as are wished: none of the first three gets its bytes before the fourth has asked for its own."""
    four = threading.Event()
    seen: list[Request] = []

    def answer(request: Request) -> Script:
        seen.append(request)
        if len(seen) == 4:
            four.set()
        good = serve(FILE)(request)
        return [good[0], four, *good[1:]]

    with begun(tmp_path) as target, scripted(answer) as server:
        run(target, server, 4)
        assert four.is_set()
        assert target.is_complete


def test_blocks_that_come_in_another_order_are_counted_in_theirs(tmp_path: pathlib.Path) -> None:
    others = threading.Event()
    count = 0

    def answer(request: Request) -> Script:
        nonlocal count
        count += 1
        if count == 11:
            others.set()
        good = serve(FILE)(request)
        return [good[0], others, *good[1:]] if request.range and request.range[0] == 0 else good

    with begun(tmp_path) as target, scripted(answer) as server:
        run(target, server, 2)
        check_beginning(target)
        assert target.is_complete


# --- what breaks off ---


@pytest.mark.parametrize("block", ["b0", "b3", "b10"])
@pytest.mark.parametrize("at", [0, 0.5])
def test_one_connection_that_is_cut_goes_on_where_it_stopped(tmp_path: pathlib.Path, block: str, at: float) -> None:
    cut = serve(FILE, broken(at))
    with begun(tmp_path) as target, scripted(by_block(**{block: cut})) as server:
        run(target, server)
        assert (target.is_complete, content(target) == FILE.body) == (True, True)
        check_beginning(target)
        starts = [first for first, _last in asked(server)]
        assert len(starts) == 12
        if at and block != "b10":  # which is shorter than what is looked at before anything counts
            assert int(block[1:]) * BLOCK + BLOCK // 2 in starts  # nothing came twice


def test_a_connection_that_always_breaks_off_ends_it_after_so_many_tries(tmp_path: pathlib.Path) -> None:
    def answer(request: Request) -> Script:
        first = (request.range or (0, 0))[0]
        return serve(FILE, broken(0) if first >= 3 * BLOCK else None)(request)

    with begun(tmp_path) as target, scripted(answer) as server:
        with pytest.raises(TransferInterrupted) as caught:
            run(target, server, 1, retries=2)
        assert not isinstance(caught.value, RangeMismatch)
        assert target.offset == 3 * BLOCK
        check_beginning(target)
        assert [first for first, _last in asked(server)].count(3 * BLOCK) == 3


def test_progress_counts_anew(tmp_path: pathlib.Path) -> None:
    """Each answer but the last ones brings a half of what is missing: with one retry only it comes to its end."""

    def answer(request: Request) -> Script:
        first, last = request.range or (0, None)
        return serve(FILE, broken(0.5) if (last or 0) - first > 2000 else None)(request)

    with begun(tmp_path, 9 * BLOCK) as target, scripted(answer) as server:
        run(target, server, 1, retries=1)
        assert (target.is_complete, len(server.requests)) == (True, 8)
        check_beginning(target)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (serve(dataclasses.replace(FILE, etag='"2"')), "the whole file"),
        (serve(dataclasses.replace(FILE, etag='"2"', if_range=False)), "another one now"),
        (serve(FILE, None, part('ETag: W/"1"')), "another one now"),
        (serve(FILE, None, lambda answer: answer.without("ETag")), "another one now"),
        (serve(dataclasses.replace(FILE, ranges=False)), "the whole file"),
        (serve(FILE, None, part(drop=True)), "Content-Range"),
        ([head("Content-Length: 0", status="416 Range Not Satisfiable")], "no bytes from"),
    ],
)
def test_a_file_that_changes_in_the_middle_ends_it(tmp_path: pathlib.Path, reply: Reply, words: str) -> None:
    """And nothing of another file is counted."""
    with begun(tmp_path) as target, scripted(by_block(b5=reply)) as server:
        with pytest.raises(RangeMismatch, match=words):
            run(target, server, 2)
        assert target.offset <= 5 * BLOCK
        check_beginning(target)


def test_an_answer_that_is_no_file_ends_it(tmp_path: pathlib.Path) -> None:
    with begun(tmp_path) as target, scripted(by_block(b5=[head("Content-Length: 0", status="204 No")])) as server:
        with pytest.raises(UnexpectedContent):
            run(target, server, 2)
        check_beginning(target)


def test_all_that_came_in_order_counts_when_one_fails(tmp_path: pathlib.Path) -> None:
    """The blocks before the one that fails are still on their way then."""
    late = by_block(b5=[head("Content-Length: 0", status="204 No")])

    def answer(request: Request) -> Script:
        script = late(request) if callable(late) else late
        return [script[0], Pause(0.3), *script[1:]] if request.range and request.range[0] == 4 * BLOCK else script

    with begun(tmp_path, 4 * BLOCK) as target, scripted(answer) as server:
        with pytest.raises(UnexpectedContent):
            run(target, server, 2)
        check_beginning(target)


def test_a_disk_that_fails_ends_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = PartialFile.write_at

    def write_at(self: PartialFile, offset: int, data: bytes | memoryview) -> None:
        if offset >= 5 * BLOCK:
            raise StorwareError("no space", code="disk_full")
        real(self, offset, data)

    with begun(tmp_path) as target, scripted(serve(FILE)) as server:
        monkeypatch.setattr(PartialFile, "write_at", write_at)
        with pytest.raises(StorwareError) as caught:
            run(target, server, 2)
        assert caught.value.code == "disk_full"
        check_beginning(target)


# --- time ---


def test_the_deadline_ends_all_of_them(tmp_path: pathlib.Path) -> None:
    started = time.monotonic()
    with begun(tmp_path) as target, scripted(serve(FILE, broken(0, Pause(30)))) as server:
        with pytest.raises(StorwareError, match="max_time"):
            run(target, server, 4, timeout=30, max_time=0.5)
        assert time.monotonic() - started < 10
        check_beginning(target)


def test_the_maximum_rate_is_that_of_all_together(tmp_path: pathlib.Path) -> None:
    started = time.monotonic()
    with begun(tmp_path) as target, scripted(serve(FILE)) as server:
        run(target, server, 4, max_rate=1_000_000)
    assert time.monotonic() - started > 0.7  # one alone may be ahead by a quarter of a second


def test_what_is_slow_is_asked_for_again(tmp_path: pathlib.Path) -> None:
    def dripping(request: Request) -> Script:
        good = serve(FILE)(request)
        body = t.cast("bytes", good[1])
        return [good[0], Sliced(body, 10, 0.02)]

    with begun(tmp_path, 8 * BLOCK) as target, scripted(by_block(b9=dripping)) as server:
        run(target, server, 2, min_rate=50_000, rate_window=0.3)
        assert (target.is_complete, len(server.requests)) == (True, 4)
        check_beginning(target)


def test_when_one_fails_the_others_do_not_keep_it_waiting(tmp_path: pathlib.Path) -> None:
    """They wait for a server that says nothing; from then on none of them writes."""
    silent = serve(FILE, broken(0.1, Pause(30)))
    bad: Script = [head("Content-Length: 0", status="204 No")]
    started = time.monotonic()
    with begun(tmp_path) as target, scripted(by_block(b0=silent, b1=silent, b2=bad)) as server:
        with pytest.raises(UnexpectedContent):
            run(target, server, 3, timeout=30)
        assert time.monotonic() - started < 10
        assert not [thread for thread in threading.enumerate() if "_work" in thread.name]
        before = content(target)
        time.sleep(0.2)
        assert content(target) == before


_PROGRAM = """
import signal, sys, threading
from tests.unit.plugins.module_utils._transfer import fetching
from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted
from ansible_collections.storware.backup.plugins.module_utils._transfer import receive
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import ranges
ranges.BLOCK = receive.BLOCK = 100_000
def stop(number, frame):
    raise Interrupted("SIGTERM")
signal.signal(signal.SIGTERM, stop)
try:
    fetching.run(fetching.job(sys.argv[2], sys.argv[1], connections=4))
except Interrupted as error:
    print(error.hint)
    sys.exit(7)
"""


def test_a_signal_ends_it_while_all_servers_are_silent(tmp_path: pathlib.Path) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()

    def answer(request: Request) -> Script:
        first = (request.range or (0, 0))[0]
        return serve(FILE, broken(0.5, Pause(60)) if first >= 3 * BLOCK else None)(request)

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    with scripted(answer) as server:
        command = [sys.executable, "-c", _PROGRAM, server.url(), str(dest / "x")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            until = time.monotonic() + 60
            while sum(first >= 3 * BLOCK for first, _last in asked(server)) < 4:
                assert time.monotonic() < until
                assert process.poll() is None
                time.sleep(0.01)
            started = time.monotonic()
            process.terminate()
            told, _nothing = process.communicate(timeout=60)
        assert time.monotonic() - started < 20
    assert process.returncode == 7
    kept = int(re.findall(r"(\d+) bytes are kept", told)[0])
    assert kept == 3 * BLOCK
    (left,) = dest.glob(".*.part")
    assert left.read_bytes() == FILE.body[:kept]
