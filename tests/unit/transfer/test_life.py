# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the process that wrote is still there: known, or counted as neither alive nor gone."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer import life
from ansible_collections.storware.backup.plugins.module_utils._transfer.life import Writer


def verdict(writer: Writer) -> tuple[bool, bool]:
    return writer.is_alive, writer.is_gone


@pytest.fixture
def child() -> t.Iterator[subprocess.Popen[bytes]]:
    """A process that lives until its input ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        yield running


def as_writer(pid: int) -> Writer:
    return dataclasses.replace(Writer.me(), pid=pid, started=life._stat(pid)[1])


def test_this_process_is_alive() -> None:
    assert verdict(Writer.me()) == (True, False)
    assert Writer.me().pid == os.getpid()
    assert Writer.me().started.isdecimal()
    assert Writer.me() == Writer.me()


def test_a_process_that_has_ended_is_gone(child: subprocess.Popen[bytes]) -> None:
    writer = as_writer(child.pid)
    assert verdict(writer) == (True, False)
    child.communicate()
    assert verdict(writer) == (False, True)


def test_a_process_that_nobody_has_waited_for_is_gone(child: subprocess.Popen[bytes]) -> None:
    writer = as_writer(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its number is still taken
    assert verdict(writer) == (False, True)


def test_a_number_that_was_given_out_again_is_another_process() -> None:
    assert verdict(dataclasses.replace(Writer.me(), started="1")) == (False, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_process_of_another_user_is_alive() -> None:
    command = [sys.executable, "-c", "import os; os.setuid(65534); print(); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        ask = (
            "import os, sys; from tests.harness import tree; tree.make_importable();"
            "from ansible_collections.storware.backup.plugins.module_utils._transfer.life import Writer;"
            "os.setuid(65533); print(Writer(int(sys.argv[1]), *sys.argv[2:]).is_alive)"
        )
        writer = as_writer(other.pid)
        arguments = [sys.executable, "-c", ask, str(writer.pid), writer.started, writer.machine, writer.boot]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        said = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout
        other.communicate()
    assert said == "True\n"


def test_a_process_of_another_machine_is_neither() -> None:
    """Its number means nothing here, whether some process has it or not."""
    for pid in (os.getpid(), 2**22 - 1):
        writer = dataclasses.replace(Writer.me(), pid=pid, machine="another", boot="boot namespace")
        assert verdict(writer) == (False, False)
        assert verdict(dataclasses.replace(Writer.me(), pid=pid, machine="another")) == (False, False)


def test_a_process_from_before_the_machine_started_anew_is_gone() -> None:
    boot, namespace = life._boot().split(" ")
    assert verdict(dataclasses.replace(Writer.me(), boot=f"another-boot {namespace}")) == (False, True)
    assert boot


def test_a_process_of_another_container_on_this_machine_is_neither() -> None:
    boot = life._boot().split(" ")[0]
    assert verdict(dataclasses.replace(Writer.me(), boot=f"{boot} pid:[1]")) == (False, False)


def test_where_no_start_of_the_machine_is_known_a_process_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container without /proc; what was written before then proves nothing, and what is written now neither."""
    known = Writer.me()
    unknown = dataclasses.replace(known, boot=" pid:[1]")
    assert verdict(unknown) == (False, False)
    monkeypatch.setattr(life, "_boot", lambda: " ")
    assert verdict(known) == (False, False)


def test_the_name_of_a_process_may_hold_anything(child: subprocess.Popen[bytes]) -> None:
    code = (
        "import ctypes; ctypes.CDLL(None).prctl(15, b') Z 1 2 (', 0, 0, 0); print(flush=True); input()"  # PR_SET_NAME
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as odd:
        assert odd.stdout
        odd.stdout.readline()
        writer = as_writer(odd.pid)
        assert writer.started.isdecimal()
        assert verdict(writer) == (True, False)
        odd.communicate()
    assert verdict(writer) == (False, True)
