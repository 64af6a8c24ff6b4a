# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other users of a host and of the controller: real processes with another uid. Each of these succeeded once."""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import datetime
import hashlib
import io
import json
import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import threading
import typing as t
import uuid
import zipfile

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _copying, _detached
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.process import ProcessIdentity
from ansible_collections.storware.backup.plugins.plugin_utils import _change_feed, _file_chunks
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.fleet import ALICE, Fleet
from tests.support.modules import connect, start_module
from tests.support.neighbour import COPY, Neighbour
from tests.support.stranger import UID, needs_two_users, run_as_stranger, shared
from tests.support.use import CONTENT, FETCHING, GUID, MIB, SLOWLY, Json, finished, good, sha256

__all__ = ["shared"]  # a fixture
pytestmark = needs_two_users

HELD: t.Final = "cloud_download_content_info"


# --- Work in the background ---


# In the place of the interpreter: whoever reads the list of processes is faster than the module.
_FAST: t.Final = """#!{python}
import os, re, sys
found = re.search("[0-9a-f]{{32}}", os.environ.get("STORWARE_BACKUP_POLL", ""))
if found and not os.path.lexists("/tmp/storware-backup-" + found[0]):
    if os.fork() == 0:
        os.setgroups([]), os.setgid({uid}), os.setuid({uid})
        os.mkdir("/tmp/storware-backup-" + found[0])
        os._exit(0)
    os.wait()
    open({log!r}, "a").write(found[0] + "\\n")
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


def test_another_user_who_is_faster_than_a_module_does_not_stop_its_progress(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """The directory that the list of processes names is theirs; the work lies where they cannot write."""
    (guid,) = simulator.seed(downloads=1, content_size=12 * MIB)
    program, log = tmp_path / "python", tmp_path / "log"
    program.write_text(_FAST.format(python=ansible.python, uid=UID, log=str(log)))
    program.chmod(0o755)
    task = {
        f"storware.backup.{CONTENT}": {
            **connect(simulator, guid=guid, dest=str(tmp_path)),
            "max_rate": SLOWLY // 2,
            "progress_interval": 1,
        }
    }
    play: Json = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    try:
        run = ansible.playbook([play], variables={"ansible_python_interpreter": str(program)}).ok()
    finally:
        planted = [pathlib.Path(f"/tmp/storware-backup-{work}") for work in log.read_text().split()]
        for path in planted:
            path.rmdir()
    assert planted
    assert re.findall(rf"^\[localhost\] {FETCHING}$", run.stdout, re.MULTILINE)


def _visit(place: pathlib.Path, work: str, seconds: float = 1.0) -> dict[str, str]:
    return {_detached.ENVIRONMENT: json.dumps(_detached.Poll(work, seconds, 60.0, str(place))._asdict())}


@pytest.mark.parametrize("way", ["a link", "a directory", "their temporary directory", "everybody's"])
def test_another_user_of_the_host_says_no_result_in_the_place_of_a_module(
    tmp_path: pathlib.Path, shared: pathlib.Path, way: str
) -> None:
    work, place = uuid.uuid4().hex, shared
    planted = shared / f"storware-backup-{work}"
    result = json.dumps({"changed": False, "intact": True, "files": []})
    if way == "their temporary directory":
        place = shared / "tmp"
        planted = place / planted.name
        run_as_stranger('mkdir "$1"', place)
    elif way == "everybody's":
        shared.chmod(0o777)
    if way == "a link":
        run_as_stranger('mkdir "$2"; ln -s "$2" "$1"; printf %s "$3" > "$1/result"', planted, shared / "theirs", result)
    else:
        run_as_stranger('mkdir "$1"; printf %s "$2" > "$1/result"', planted, result)
    said = finished(start_module(HELD, {"path": str(tmp_path)}, _visit(place, work)))
    assert said["failed"]
    assert "no file with a receipt is there" in said["msg"]
    assert [path.name for path in planted.iterdir()] == ["result"]


def test_a_link_of_another_user_does_not_lead_to_where_work_leaves_its_state(
    tmp_path: pathlib.Path, shared: pathlib.Path
) -> None:
    """Ansible's temporary directory is configured below /tmp, where they are first."""
    tmp_path.chmod(0o700)
    run_as_stranger('ln -s "$1" "$2"', tmp_path, shared / ".ansible")
    said = finished(start_module(HELD, {"path": "/nowhere"}, _visit(shared / ".ansible" / "tmp", uuid.uuid4().hex)))
    assert said["failed"]
    assert list(tmp_path.iterdir()) == []


def test_no_process_gets_a_signal_but_the_one_that_does_the_work(tmp_path: pathlib.Path) -> None:
    """Its number may be another process's by now."""
    work, other = uuid.uuid4().hex, subprocess.Popen(["sleep", "60"])
    state = tmp_path / f"storware-backup-{work}"
    state.mkdir(0o700)
    worker = {
        "pid": other.pid,
        "started": "1",
        "machine": ProcessIdentity.current().machine,
        "boot": ProcessIdentity.current().boot,
    }
    (state / "worker").write_text(json.dumps(worker))
    visitor = start_module(HELD, {"path": str(tmp_path)}, _visit(tmp_path, work, 30.0))
    assert visitor.stdout
    visitor.stdout.close()  # so that the work is to end
    try:
        visitor.wait(60)  # with any status: nobody hears what it says
        assert other.poll() is None
    finally:
        visitor.kill()
        other.kill()
        other.wait()


# --- The list of processes ---


class CommandLines(threading.Thread):
    """All that the list of processes shows as long as it is watched, which every user may do."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._found: set[bytes] = set()

    def run(self) -> None:
        while not self._over.wait(0.002):
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self._found.add(path.read_bytes())

    def __enter__(self) -> CommandLines:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self.join()

    @property
    def text(self) -> str:
        """With what is in base64 decoded beside it."""
        text = b"\n".join(self._found).decode("utf-8", "replace")
        return text + "".join(map(_decoded, re.findall(r"[A-Za-z0-9+/]{40,}=*", text)))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error:
        return ""


@dataclasses.dataclass
class Mail:
    """A file with its receipt, and words that nothing else on this machine has."""

    directory: pathlib.Path

    def __post_init__(self) -> None:
        self.guid = str(uuid.uuid4())
        self.owner = f"Alice {uuid.uuid4().hex}"
        self.path = self.directory / f"{self.owner}.zip"
        self.directory.mkdir()
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("mail", bytes(4 * MIB))
        self.sha256 = sha256(self.path)
        found = receipt.Receipt(self.path.name, self.guid, self.path.stat().st_size, self.sha256, "structure")
        now = datetime.datetime.now(datetime.timezone.utc)
        self.path.with_name(f"{self.path.name}.sha256").write_bytes(receipt.render(found, now))


@pytest.fixture
def mail(tmp_path: pathlib.Path) -> Mail:
    """Of Alice."""
    (tmp_path / "here").mkdir()
    return Mail(tmp_path / "there")


@pytest.mark.matrix
@pytest.mark.slow
def test_what_the_controller_hands_over_is_in_no_list_of_processes(
    ansible: Ansible, mail: Mail, tmp_path: pathlib.Path
) -> None:
    options = {"guid": mail.guid, "src": str(mail.directory), "dest": f"{tmp_path}/here/"}
    play: Json = {"hosts": "all", "gather_facts": False, "tasks": [{f"storware.backup.{COPY}": options}]}
    with CommandLines() as lines:
        ansible.playbook([play]).ok()
    assert sha256(tmp_path / "here" / mail.path.name) == mail.sha256
    assert "STORWARE_BACKUP_HANDOVER" in lines.text
    for private in (mail.owner, mail.guid, mail.sha256):
        assert private not in lines.text


@pytest.mark.parametrize("whole_directory", [True, False])
def test_what_is_copied_from_another_host_is_in_no_list_of_processes(
    mail: Mail, tmp_path: pathlib.Path, whole_directory: bool
) -> None:
    """Neither on this host, where ssh runs, nor on the other one, where its shell does."""
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    neighbour = Neighbour(programs)
    for name in ("head", "tail", "cat"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\nexec {shutil.which(name)} "$@"\n')
        (programs / name).chmod(0o755)
    source = mail.directory if whole_directory else mail.path
    good(neighbour.copy(guid=mail.guid, src=str(source), dest=f"{tmp_path}/here/"))
    assert sha256(tmp_path / "here" / mail.path.name) == mail.sha256
    shown = "\n".join([*neighbour.commands(), log.read_text()])
    assert "-- files-1 sh\n" in shown
    assert "tail -c +1\n" in shown
    for private in (mail.owner, str(mail.directory), mail.guid, mail.sha256):
        assert private not in shown


# --- On the controller ---


def _receive(path: pathlib.Path) -> _copying.ChunkTransfer:
    handover, file = _copying.receive(str(path))
    file.close()
    return handover


@pytest.mark.parametrize("way", ["a link", "a FIFO", "a file"])
def test_a_piece_that_another_user_has_planted_is_not_taken(shared: pathlib.Path, way: str) -> None:
    ours = shared / "ours"
    ours.write_bytes(_copying.ChunkTransfer("mail.zip", GUID, 4000, "0" * 64, "structure").as_head())
    scripts = {"a link": 'ln -s "$1" "$2"', "a FIFO": 'mkfifo "$2"', "a file": 'cp "$1" "$2"'}
    run_as_stranger(scripts[way], ours, shared / "piece")
    assert _receive(ours).name == "mail.zip"
    with pytest.raises(OSError):
        _receive(shared / "piece")


@pytest.mark.parametrize("way", ["a link", "a FIFO", "a file"])
def test_what_another_user_has_planted_in_a_spool_is_not_handed_over(shared: pathlib.Path, way: str) -> None:
    """Such as a link to a file that only root can read; whoever is to get the file would get that."""
    secret = shared / "secret"
    secret.write_bytes(b"root's own")
    secret.chmod(0o600)
    scripts = {"a link": 'ln -s "$1" "$2"', "a FIFO": 'mkfifo "$2"', "a file": 'echo theirs > "$2"'}
    run_as_stranger(scripts[way], secret, shared / "mail.zip")
    script = f"import sys; sys.path[:0] = {sys.path!r}\n" + _CUT
    done = subprocess.run(  # in a process of its own, which a FIFO would hold for ever
        [sys.executable, "-c", script, str(shared / "mail.zip")], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"OSError" in done.stderr or b"UntrustedError" in done.stderr


_CUT: t.Final = """
import sys
from ansible_collections.storware.backup.plugins.plugin_utils import _file_chunks
_file_chunks.chunk_copier(sys.argv[1])(0, 100, sys.stdout.buffer)
sys.stdout.flush()
"""


def test_a_spool_of_ours_is_handed_over(shared: pathlib.Path) -> None:
    piece, content = io.BytesIO(), b"mail" * 1000
    (shared / "mail.zip").write_bytes(content)
    assert _file_chunks.chunk_copier(str(shared / "mail.zip"))(0, MIB, piece) == hashlib.sha256(content).hexdigest()
    assert piece.getvalue() == content


SERVER: t.Final = "https://backup.example.com"
_LOAD: t.Final = """
import runpy, sys
runpy.run_path(sys.argv[1])["Cursor"](sys.argv[2]).load(sys.argv[3])
"""


@pytest.fixture(scope="module")
def cursor_of() -> t.Callable[[pathlib.Path], Json]:
    """The event source's own."""
    path = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"
    kind = runpy.run_path(str(path))["Cursor"]
    return lambda cursor: kind(str(cursor))


@pytest.mark.parametrize("way", ["a link", "a file", "a file for everybody", "their directory", "everybody's"])
def test_a_cursor_that_another_user_could_write_is_not_believed(
    cursor_of: t.Callable[[pathlib.Path], Json], shared: pathlib.Path, way: str
) -> None:
    """With all failures in it they hide events, and with none they have them told again."""
    text, path = _change_feed.State(SERVER).as_text(), shared / "cursor"
    if way == "a link":
        (shared / "other").write_text(text)
        run_as_stranger('ln -s "$1" "$2"', shared / "other", path)
    elif way == "a file":
        run_as_stranger('printf %s "$1" > "$2"', text, path)
    elif way == "their directory":
        run_as_stranger('mkdir "$1"', shared / "theirs")
        path = shared / "theirs" / "cursor"
        path.write_text(text)
    else:
        path.write_text(text)
        (shared if way == "everybody's" else path).chmod(0o777)
    with pytest.raises(OptionError, match="cursor"):
        cursor_of(path).load(SERVER)


def test_a_fifo_in_the_place_of_a_cursor_holds_nobody_up(shared: pathlib.Path) -> None:
    run_as_stranger('mkfifo "$1"', shared / "cursor")
    path = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(path), str(shared / "cursor"), SERVER],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert b"Is not a regular file" in done.stderr


def test_a_cursor_of_ours_is_kept_where_others_can_write(
    cursor_of: t.Callable[[pathlib.Path], Json], shared: pathlib.Path
) -> None:
    """In /tmp, where the name of what is ours stays ours; what was planted meanwhile is replaced and not written to."""
    cursor = cursor_of(shared / "cursor")
    assert cursor.load(SERVER) is None
    victim = shared / "victim"
    victim.write_text("precious")
    run_as_stranger('ln -s "$1" "$2"', victim, shared / "cursor")
    cursor.save(_change_feed.State(SERVER))
    assert victim.read_text() == "precious"
    assert cursor.load(SERVER) == _change_feed.State(SERVER)


def test_a_report_is_ours_whatever_another_user_has_planted_in_its_place(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, shared: pathlib.Path
) -> None:
    """Their file would give it its owner, so that they could read who has mail; a FIFO would hold the play for ever."""
    victim = shared / "victim"
    victim.write_text("precious")
    reports = [shared / name for name in ("file.json", "link.csv", "fifo.json")]
    run_as_stranger('echo > "$1"; ln -s "$4" "$2"; mkfifo "$3"', *reports, victim)
    fleet = Fleet(ansible, simulator, tmp_path, ["host-1"])
    fleet.mail(people=ALICE, report=[str(path) for path in reports], timeout=120).ok()
    assert victim.read_text() == "precious"
    for path in reports:
        found = path.lstat()
        assert (found.st_uid, oct(found.st_mode)) == (0, "0o100600"), path
        assert "Alice Archer" in path.read_text()
    assert json.loads(reports[0].read_text())["complete"]
