# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a connection to the disk with two threads: nothing is lost, mixed up or hidden when one of them fails."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import signal
import threading
import time
import typing as t

import pytest
import requests

from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import body
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.metadata import ContentMetadata
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import (
    LimitSettings,
    TransferInterrupted,
    TransferLimits,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import pipeline
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.part_file import PartialFile
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.writer import PartialWriter
from tests.faults.script_server import Script, Sliced, reply, scripted
from tests.unit.plugins.module_utils._transfer.material import noise, sha256
from tests.unit.plugins.module_utils._transfer.test_writer import opened

BODY = noise(12 * 2**20 + 345)  # twice as much as the buffers hold


def moved(target: PartialWriter, script: Script) -> None:
    """One answer into the partial."""
    with scripted(script) as server, requests.Session() as session:
        session.trust_env = False
        answer, metadata = body.parse_response(
            session.get(server.url(), stream=True, timeout=5), TransferLimits(LimitSettings()), str
        )
        with answer:
            target.begin("1", metadata)
            target.receive(answer)
        target.finish()


def content(target: PartialWriter) -> bytes:
    return pathlib.Path(target.lock.partial.path).read_bytes()


def test_all_bytes_arrive_in_their_order(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as target:
        moved(target, reply(BODY))
        target.finish()
        assert (content(target) == BODY, target.digests.hex("sha256")) == (True, sha256(BODY))


@pytest.mark.parametrize("size", [1, 511, 512, 513, 2**20, 2**20 + 512, 2**20 + 513])
def test_any_size(tmp_path: pathlib.Path, size: int) -> None:
    with opened(tmp_path) as target:
        moved(target, reply(BODY[:size]))
        assert (content(target) == BODY[:size], target.offset) == (True, size)


def test_a_slow_disk_and_a_slow_server_change_nothing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BUFFER", 20_000)
    monkeypatch.setattr(pipeline, "_SPARE", [])
    real, turn = PartialFile.write_at, threading.Event()

    def write_at(self: PartialFile, offset: int, data: memoryview) -> None:
        turn.wait(0.002)
        real(self, offset, data)

    monkeypatch.setattr(PartialFile, "write_at", write_at)
    body = BODY[:500_000]
    with opened(tmp_path) as target:
        moved(target, [reply(body)[0], Sliced(body, 33_333, 0.001)])
        assert (content(target) == body, target.digests.hex("sha256")) == (True, sha256(body))


def test_what_came_before_a_cut_is_there_and_the_next_answer_goes_on(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as target:
        with pytest.raises(TransferInterrupted):
            moved(target, [reply(BODY)[0], BODY[:-100_000]])
        assert (target.offset, content(target) == BODY[:-100_000]) == (len(BODY) - 100_000, True)
        with scripted(reply(BODY[-100_000:])) as server:
            answer = body.BodyReader(
                requests.get(server.url(), stream=True, timeout=5), 100_000, TransferLimits(LimitSettings())
            )
            target.receive(answer)
            answer.close()
        target.finish()
        assert (content(target) == BODY, target.digests.hex("sha256")) == (True, sha256(BODY))


def test_a_part_that_is_not_the_last_one_is_hashed_when_the_next_one_is_asked_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server sends less than was asked for: the next request is for what lies behind it."""
    real = PartialFile.write_at

    def write_at(self: PartialFile, offset: int, data: memoryview) -> None:
        time.sleep(0.1)
        real(self, offset, data)

    monkeypatch.setattr(PartialFile, "write_at", write_at)
    with opened(tmp_path) as target, scripted(reply(BODY[:1000])) as server:
        target.begin("1", ContentMetadata(len(BODY), None, None, '"1"'))
        with requests.get(server.url(), stream=True, timeout=5) as answer:
            target.receive(body.BodyReader(answer, 1000, TransferLimits(LimitSettings())))
        assert (target.offset, target.reached, target.is_complete) == (1000, 1000, False)


@pytest.mark.parametrize("at", [600, 3 * 2**20, 11 * 2**20])
def test_a_disk_that_fails_ends_it_where_it_failed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real = os.pwrite

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        if offset <= at < offset + len(data) and len(data) > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, offset)

    with opened(tmp_path) as target:
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", pwrite)
            with pytest.raises(StorwareError) as caught:
                moved(target, reply(BODY))
        assert caught.value.code == "disk_full"
        # Everything before the hole counts, and nothing behind it.
        assert at - 2**20 <= target.offset <= at + 512
        assert target.digests.hex("sha256") == sha256(BODY[: target.offset])
        assert content(target)[: target.offset] == BODY[: target.offset]


def test_an_interruption_loses_nothing_that_came(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler raises in the main thread, between any two steps of it."""
    real = body.BodyReader.fill
    fills: list[int] = []

    def fill(self: body.BodyReader, view: memoryview) -> int:
        if len(fills) == 8:
            raise Interrupted("SIGTERM")
        fills.append(real(self, view))
        return fills[-1]

    with opened(tmp_path) as target:
        with monkeypatch.context() as patched:
            patched.setattr(body.BodyReader, "fill", fill)
            with pytest.raises(Interrupted):
                moved(target, reply(BODY))
        assert target.offset >= sum(fills) - 512  # the beginning is looked at before
        assert target.digests.hex("sha256") == sha256(BODY[: target.offset])


def test_the_next_response_takes_the_threads_of_the_last_one(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as target:
        moved(target, reply(BODY[:100_000]))
        before: t.Any = set(threading.enumerate())
        with pytest.raises(TransferInterrupted):
            moved(target, [reply(BODY)[0], BODY[:100_000]])
        moved(target, reply(BODY[:100_000]))
    assert not {thread for thread in threading.enumerate() if "ThreadPool" in thread.name} - before


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_has_threads_of_its_own(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as target:
        moved(target, reply(BODY[:100_000]))
        child = os.fork()
        if not child:
            signal.alarm(20)
            with contextlib.suppress(BaseException):
                moved(target, reply(BODY[:200_000]))
                os._exit(0 if content(target) == BODY[:200_000] else 1)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
