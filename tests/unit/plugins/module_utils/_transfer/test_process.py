# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the process that writes is still there: only what is sure counts."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer.store import process
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.process import ProcessIdentity


def judged(writer: ProcessIdentity) -> tuple[bool, bool]:
    """Surely alive, surely gone."""
    return writer.is_alive, writer.is_gone


def writer_of(pid: int) -> ProcessIdentity:
    """The process with this number as it would describe itself."""
    return dataclasses.replace(ProcessIdentity.current(), pid=pid, started=process._stat(pid)[1])


@pytest.fixture
def child() -> t.Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_this_process_is_alive() -> None:
    assert ProcessIdentity.current() == ProcessIdentity.current()
    assert judged(ProcessIdentity.current()) == (True, False)
    assert ProcessIdentity.current().started.isdigit()


def test_another_process_is_alive_until_it_ends(child: subprocess.Popen[bytes]) -> None:
    writer = writer_of(child.pid)
    assert judged(writer) == (True, False)
    child.kill()
    child.wait()
    assert judged(writer) == (False, True)


def test_a_zombie_writes_no_more(child: subprocess.Popen[bytes]) -> None:
    writer = writer_of(child.pid)
    child.kill()
    until = time.monotonic() + 20
    while "\nState:\tZ" not in pathlib.Path(f"/proc/{child.pid}/status").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert judged(writer) == (False, True)


@pytest.mark.fault("P10")
def test_a_number_that_was_given_out_again_is_another_process(child: subprocess.Popen[bytes]) -> None:
    assert judged(dataclasses.replace(writer_of(child.pid), started="1")) == (False, True)


def test_a_process_of_another_user_is_seen(monkeypatch: pytest.MonkeyPatch, child: subprocess.Popen[bytes]) -> None:
    writer = writer_of(child.pid)

    def refuse(pid: int, number: int) -> t.NoReturn:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", refuse)
        assert judged(writer) == (True, False)
        assert judged(dataclasses.replace(writer, started="1")) == (False, True)


@pytest.mark.fault("P10")
def test_before_the_last_start_of_this_machine_everything_is_gone() -> None:
    _boot, _space, namespace = ProcessIdentity.current().boot.partition(" ")
    writer = dataclasses.replace(ProcessIdentity.current(), boot=f"another {namespace}")
    assert judged(writer) == (False, True)


def test_of_another_machine_nothing_is_known() -> None:
    writer = dataclasses.replace(ProcessIdentity.current(), machine="another")
    assert judged(writer) == (False, False)
    assert judged(dataclasses.replace(writer, boot="another x")) == (False, False)


def test_of_another_namespace_of_this_boot_nothing_is_known() -> None:
    """The same number is another process there, say in a container."""
    boot = ProcessIdentity.current().boot.partition(" ")[0]
    assert judged(dataclasses.replace(ProcessIdentity.current(), boot=f"{boot} pid:[1]")) == (False, False)


def test_where_the_system_does_not_tell_the_boot_nothing_is_known() -> None:
    assert judged(dataclasses.replace(ProcessIdentity.current(), boot=" pid:[1]")) == (False, False)


def test_without_proc_a_live_process_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_read", lambda path: "")

    def refuse(path: str) -> t.NoReturn:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "readlink", refuse)
    writer = ProcessIdentity.of(os.getpid())
    assert (writer.started, writer.boot) == ("", " ")
    assert judged(writer) == (True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 (name) S " + " ".join(str(number) for number in range(4, 53)), ("S", "22")),
        ("5 (a) Z 1 (b)) R " + " ".join(str(number) for number in range(4, 53)), ("R", "22")),
        ("5 (short) S 1 2", ("", "")),
        ("", ("", "")),
    ],
)
def test_state_and_start_are_read_whatever_a_process_is_called(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: tuple[str, str]
) -> None:
    monkeypatch.setattr(process, "_read", lambda path: text)
    assert process._stat(5) == expected


def test_a_process_whose_details_are_hidden_counts_as_alive(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc may be mounted so that users see their own processes only (hidepid)."""
    writer = writer_of(child.pid)
    read = process._read
    monkeypatch.setattr(process, "_read", lambda path: "" if path == f"/proc/{child.pid}/stat" else read(path))
    assert judged(writer) == (True, False)
