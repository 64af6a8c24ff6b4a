# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process: quick to start, honest when it cannot, and never left behind."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import requests

from tests.contract.client import Client
from tests.simulator.process import Simulator, SimulatorError
from tests.support import reader
from tests.support.reader import Reader

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "tests.simulator"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def ends_soon(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


@pytest.fixture
def temporary(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A directory for temporary files that shows what is left behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_it_starts_quickly() -> None:
    times = []
    for _round in range(3):  # the best of some, as other work may share the machine
        start = time.monotonic()
        with Simulator.start(validate=False):
            times.append(time.monotonic() - start)
    assert min(times) < 1.5


def test_nothing_is_left_after_a_stop(temporary: pathlib.Path) -> None:
    with Simulator.start() as sim:
        client = Client(sim)
        pid = sim.process.pid
        (guid,) = sim.seed(downloads=1, content_size=2**40)
        stream = client.get(f"/cloud-download/{guid}", stream=True)  # even in the middle of an answer
        assert list(temporary.iterdir()) != []
    stream.close()
    assert not alive(pid)
    assert list(temporary.iterdir()) == []
    sim.stop()


def test_it_ends_when_the_test_process_is_killed(temporary: pathlib.Path) -> None:
    program = (
        "import os, signal\n"
        "from tests.simulator.process import Simulator\n"
        "sim = Simulator.start(validate=False, http=True)\n"
        "print(sim.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert temporary.is_dir()  # what a killed process cannot tidy up goes there
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ends_soon(int(ended.stdout))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_people_can_stop_it(temporary: pathlib.Path, number: signal.Signals) -> None:
    with subprocess.Popen(COMMAND, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("The simulator answers at https://127.0.0.1:")
        process.send_signal(number)
        _output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert list(temporary.iterdir()) == []


def test_what_people_are_told_to_try_works_in_a_fresh_shell(tmp_path: pathlib.Path) -> None:
    """The lines are pasted as they are; one of them fetches a file."""
    with reader.served([*COMMAND, "--speed", "50"], ROOT) as told:
        first, second, third = Reader(tmp_path, tmp_path).paste(told)
    assert '"email": "alice@example.com"' in first
    assert re.search(r"^localhost .*changed=2 .*failed=0", second, re.M)
    (receipt,) = (tmp_path / "mail").glob("alice@example.com*.zip.sha256")
    assert receipt.with_suffix("").stat().st_size
    assert "lists.page_size" in third


def test_the_ports_and_the_ca_file_can_be_chosen(tmp_path: pathlib.Path) -> None:
    ca_file = tmp_path / "my-ca.pem"
    command = [*COMMAND, "--print-json", "--until-stdin-closes", "--ca-file", str(ca_file), "--speed", "1000"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        addresses = json.loads(process.stdout.readline())
        assert addresses["ca_file"] == str(ca_file)
        taken = addresses["url"].rpartition(":")[2]
        second = subprocess.run(
            [*COMMAND, "--port", taken], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
        )
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr == (
            f"simulator: port {taken} of 127.0.0.1 is in use by another program; stop that program, or set --port to "
            "another port (0 takes a free one)\n"
        )
        process.stdin.close()
        assert process.wait(10) == 0


def test_the_certificate_is_for_this_machines_names(running: Simulator) -> None:
    session = requests.Session()
    session.trust_env = False
    port = running.url.rpartition(":")[2]
    for name in ("localhost", "127.0.0.1"):
        assert session.get(f"https://{name}:{port}/api/session", verify=running.ca_path, timeout=10).status_code == 401
    with pytest.raises(requests.exceptions.SSLError):
        session.get(f"{running.url}/api/session", timeout=10)


def test_a_start_that_fails_says_why(temporary: pathlib.Path) -> None:
    with pytest.raises(SimulatorError, match="unknown switch 'colour'"):
        Simulator.start(colour="red")
    assert list(temporary.iterdir()) == []


def test_the_control_side_says_why_it_refuses(running: Simulator) -> None:
    for call, said in (
        (lambda: running.step(-1), "the clock does not go back"),
        (lambda: running.speed(-1), "the clock does not go back"),
        (lambda: running.seed(downloads=1, entity="nobody"), "no entity 'nobody'"),
        (lambda: running.seed(downloads=1, mode="MANUAL"), "no mode of downloads 'MANUAL'"),
        (lambda: running.entities("teams"), "no kind of entities 'teams'"),
        (lambda: running.content("00000000-0000-4000-8000-000000000000"), "no mounted backup"),
    ):
        with pytest.raises(SimulatorError, match=said):
            call()
