# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies from the controller and from a neighbour, as far as one machine can show it; tests/lab has real hosts.

The neighbour's ssh is a program that does what ssh is asked to do, on this machine, and can break off.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import stat
import subprocess
import time

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _copying
from ansible_collections.storware.backup.plugins.plugin_utils import _file_chunks
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.modules import connect, run_module
from tests.support.neighbour import COPY, Neighbour
from tests.support.use import CONTENT, FETCHING, MIB, Json, good, mode, sha256

GUID = "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"

_BREAKS = """\
case "$script" in *tail*)
  if [ ! -e {flag} ]; then
    touch {flag}; sh -c "$script" | head -c 2000000; echo 'client_loop: send disconnect: Broken pipe' >&2; exit 255
  fi
esac
"""


@pytest.fixture
def source(simulator: Simulator, tmp_path: pathlib.Path) -> tuple[str, pathlib.Path]:
    """A download and the file that somebody has fetched of it."""
    return _fetched(simulator, tmp_path, 3 * MIB)


def _fetched(simulator: Simulator, tmp_path: pathlib.Path, size: int) -> tuple[str, pathlib.Path]:
    (guid,) = simulator.seed(downloads=1, entity="alice@example.com", content_size=size)
    (tmp_path / "there").mkdir()
    records = good(run_module("cloud_download_info", connect(simulator)))["cloud_downloads"]
    options = {"guid": guid, "dest": str(tmp_path / "there"), "allow_unverified": size == 0, "records": records}
    done = good(run_module(CONTENT, connect(simulator, **options)))
    return guid, pathlib.Path(done["path"])


Source = tuple[str, pathlib.Path]


def _origin(file: pathlib.Path) -> list[str]:
    """Whose content a file has, as its receipt says."""
    lines = file.with_name(f"{file.name}.sha256").read_text().splitlines()
    found = [line for line in lines if line.startswith(("# server:", "# entity", "# mode:", "# backup"))]
    assert len(found) == 6
    return found


@pytest.mark.smoke
def test_a_copy_is_the_file_with_a_receipt_and_the_second_run_copies_nothing(
    source: Source, neighbour: Neighbour, here: pathlib.Path
) -> None:
    guid, there = source
    options: Json = {"guid": guid, "src": str(there), "dest": str(here), "mode": "0640"}
    predicted = good(neighbour.copy(check=True, **options))
    assert predicted["changed"]
    assert list(here.iterdir()) == []
    done = good(neighbour.copy(**options))
    copy = here / there.name
    assert (done["changed"], done["reason"], done["verified"], done["source"]) == (True, "missing", "digest", "peer")
    assert done["path"] == str(copy)
    assert sha256(copy) == sha256(there) == done["sha256"]
    assert mode(copy) == 0o640
    assert f"# guid: {guid}" in (here / f"{there.name}.sha256").read_text()
    assert _origin(here / there.name) == _origin(there)
    assert predicted["diff"] == done["diff"]
    asked = len(neighbour.commands())
    again = good(neighbour.copy(**options))
    assert (again["changed"], again["reason"]) == (False, "unchanged")
    assert len(neighbour.commands()) == asked + 1  # for the receipt
    assert not list(here.glob(".*"))


def test_ssh_is_asked_as_the_options_say(source: Source, neighbour: Neighbour, here: pathlib.Path) -> None:
    guid, there = source
    options: Json = {"guid": guid, "src": str(there), "dest": str(here)}
    neighbour.install("env >> {flag}")
    good(neighbour.copy(**options, port=2222, user="restore", private_key_file="/keys/id"))
    assert "STORWARE_" not in neighbour.flag.read_text()
    for command in neighbour.commands():
        assert "-o BatchMode=yes" in command
        assert "-p 2222 -l restore -i /keys/id -o ControlMaster=auto " in command
        assert " -- files-1 " in command


def test_what_broke_off_is_continued(source: Source, neighbour: Neighbour, here: pathlib.Path) -> None:
    guid, there = source
    neighbour.install(_BREAKS)
    done = good(neighbour.copy(guid=guid, src=str(there), dest=str(here)))
    assert sha256(here / there.name) == sha256(there)
    tails = [script for script in neighbour.scripts() if "tail " in script]
    assert len(tails) == 2
    assert "tail -c +1 " not in tails[1]  # the second one asks for the rest
    assert done["bytes_received"] < there.stat().st_size + 2 * MIB


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"host": "-oProxyCommand=evil"}, "host: is no name or address"),
        ({"user": "a b"}, "user: is no name or address"),
        ({"port": 0}, "port: must be between 1 and 65535"),
        ({"guid": GUID}, "src: is a file of the download"),
        ({"guid": "alice"}, "guid: must be a GUID"),
        ({"src": "/nowhere/mail.zip"}, "No such file"),
        ({"dest": "/nowhere/"}, "is no directory that exists"),
    ],
)
def test_what_cannot_work_is_told(
    source: Source, neighbour: Neighbour, here: pathlib.Path, options: Json, told: str
) -> None:
    guid, there = source
    result = neighbour.copy(**{"guid": guid, "src": str(there), "dest": str(here), **options})
    assert result["failed"]
    assert told in result["msg"]
    assert list(here.iterdir()) == []


def test_a_file_that_is_not_what_its_receipt_says_is_not_copied(
    source: Source, neighbour: Neighbour, here: pathlib.Path
) -> None:
    guid, there = source
    content = bytearray(there.read_bytes())
    content[-1] ^= 1
    there.write_bytes(content)
    wrong = neighbour.copy(guid=guid, src=str(there), dest=str(here))
    assert wrong["error"]["code"] in ("checksum_mismatch", "digest_mismatch")
    there.write_bytes(content[:-1])
    short = neighbour.copy(guid=guid, src=str(there), dest=str(here), max_time=5)
    assert short["failed"]
    there.with_name(f"{there.name}.sha256").write_text("nonsense\n")
    assert neighbour.copy(guid=guid, src=str(there), dest=str(here))["error"]["code"] == "no_receipt"
    assert not list(here.glob("[!.]*"))


def test_a_host_that_cannot_be_reached_and_a_file_that_is_not_there_are_told_apart(
    source: Source, neighbour: Neighbour, here: pathlib.Path
) -> None:
    guid, there = source
    missing = neighbour.copy(guid=guid, src=f"{there}.old", dest=str(here))
    assert (missing["error"]["code"], missing["error"]["retryable"]) == ("no_receipt", False)
    neighbour.install("echo 'ssh: connect to host files-1 port 22: No route to host' >&2; exit 255")
    away = neighbour.copy(guid=guid, src=str(there), dest=str(here))
    assert (away["error"]["code"], away["error"]["retryable"]) == ("unreachable", True)
    assert "No route to host" in away["msg"]


def test_without_ssh_it_is_told(source: Source, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    guid, there = source
    options = {"guid": guid, "src": str(there), "dest": str(here), "host": "files-1"}
    told = run_module(COPY, options, environment={"PATH": str(tmp_path)})
    assert told["error"]["code"] == "unreachable"
    assert "No such file" in told["msg"]


# --- From the controller ---


def _hand_over(ansible: Ansible, options: Json, *arguments: str, **keywords: Json) -> Json:
    play = {"hosts": "all", "gather_facts": False, "tasks": [{f"storware.backup.{COPY}": options, **keywords}]}
    (result,) = ansible.playbook([play], *arguments).of(f"storware.backup.{COPY}")
    return {**result.result, "failed": result.status == "failed"}


@pytest.mark.matrix
@pytest.mark.newest
def test_the_controller_hands_a_file_over(ansible: Ansible, source: Source, here: pathlib.Path) -> None:
    guid, there = source
    options = {"guid": guid, "src": str(there), "dest": str(here)}
    assert good(_hand_over(ansible, options, "--check"))["changed"]
    assert list(here.iterdir()) == []
    done = good(_hand_over(ansible, options))
    assert (done["changed"], done["source"], done["verified"]) == (True, "controller", "digest")
    assert sha256(here / there.name) == sha256(there)
    assert _origin(here / there.name) == _origin(there)
    assert stat.S_IMODE((here / there.name).stat().st_mode) == 0o600
    assert not good(_hand_over(ansible, options))["changed"]
    assert "storware_backup" not in json.dumps(done)


def _piece(source: Source, here: pathlib.Path, offset: int, size: int, piece: pathlib.Path) -> Json:
    """What the module answers to one piece, as the action plugin gives it."""
    guid, there = source
    content = there.read_bytes()
    handed: Json = {
        "name": there.name,
        "guid": guid,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "verified": "structure",
        "offset": offset,
        "chunk_sha256": hashlib.sha256(content[: offset + size]).hexdigest() if size else "",
    }
    piece.write_bytes(_copying.ChunkTransfer(**handed).as_head() + content[offset : offset + size])
    options = {"guid": guid, "src": str(there), "dest": str(here)}
    return run_module(COPY, options, environment={_copying.ENVIRONMENT: str(piece)})


def test_pieces_come_one_behind_the_other(source: Source, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Whatever was lost, repeated or begun again in between: what is there is asked for, and goes on."""
    piece = tmp_path / "piece"
    assert _piece(source, here, 0, 0, piece)[_copying.KEY] == 0
    assert _piece(source, here, 0, MIB, piece)[_copying.KEY] == MIB
    assert _piece(source, here, 0, MIB, piece)[_copying.KEY] == MIB  # its answer was lost
    assert _piece(source, here, 2 * MIB, MIB, piece)[_copying.KEY] == MIB  # not the next one
    assert _piece(source, here, 0, 0, piece)[_copying.KEY] == MIB
    assert _piece(source, here, MIB, MIB, piece)[_copying.KEY] == 2 * MIB
    assert not list(here.glob("[!.]*"))
    left = source[1].stat().st_size - 2 * MIB
    done = good(_piece(source, here, 2 * MIB, left, piece))
    assert (done["reason"], done["verified"], done["bytes_received"]) == ("missing", "digest", 0)
    assert sha256(here / source[1].name) == sha256(source[1])
    assert not list(here.glob(".*"))


def test_pieces_of_another_file_are_not_mixed_in(source: Source, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The file on the controller was fetched anew in between, and is another one."""
    piece = tmp_path / "piece"
    assert _piece(source, here, 0, MIB, piece)[_copying.KEY] == MIB
    there = source[1]
    there.write_bytes(bytes(MIB) + there.read_bytes()[MIB:])
    assert _piece(source, here, 0, 0, piece)[_copying.KEY] == 0
    done = good(_piece(source, here, 0, there.stat().st_size, piece))
    assert sha256(pathlib.Path(done["path"])) == sha256(there)


def test_what_has_changed_on_the_disk_is_dropped(source: Source, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    piece = tmp_path / "piece"
    size = source[1].stat().st_size
    assert _piece(source, here, 0, MIB, piece)[_copying.KEY] == MIB
    (partial,) = here.glob(".*.part")
    with partial.open("r+b") as file:
        file.write(b"oops")
    broken = _piece(source, here, MIB, size - MIB, piece)
    assert broken["error"]["code"] == "corrupt"
    assert list(here.iterdir()) == []
    good(_piece(source, here, 0, size, piece))


@pytest.mark.parametrize("tmp", ["ANSIBLE_REMOTE_TMP", "ANSIBLE_LOCAL_TEMP"])
def test_a_piece_that_has_no_room_on_its_way_is_told_with_the_place(
    ansible: Ansible, source: Source, here: pathlib.Path, tmp_path: pathlib.Path, tmp: str
) -> None:
    guid, there = source
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not possible here")
    try:
        task = {f"storware.backup.{COPY}": {"guid": guid, "src": str(there), "dest": str(here)}}
        play = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
        run = ansible.playbook(play, environment={tmp: str(small)})
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    (result,) = run.of(f"storware.backup.{COPY}")
    error = result.result["error"]
    assert error["code"] == "disk_full"
    assert "No space left on device" in result.result["msg"]
    assert str(small) in result.result["msg"]
    assert ("remote_tmp" if tmp == "ANSIBLE_REMOTE_TMP" else "local_tmp") in error["hint"]
    assert list(here.iterdir()) == []


def test_pieces_take_about_as_long_as_lines_are_apart() -> None:
    """So that a file of less than the largest piece is not at 0 % until it is done."""
    assert _file_chunks.chunk_size(None) == 16 * MIB
    assert _file_chunks.chunk_size(None, 16 * MIB, 0.1) == 32 * MIB
    assert _file_chunks.chunk_size(None, 16 * MIB, 20) == 4 * MIB
    assert _file_chunks.chunk_size(None, 256 * MIB, 1) == _file_chunks.LARGEST == 256 * MIB
    assert _file_chunks.chunk_size(None, 2 * MIB, 3600) == MIB
    assert _file_chunks.chunk_size(1000) == MIB
    assert _file_chunks.chunk_size(2 * MIB) == _file_chunks.chunk_size(2 * MIB, 10 * MIB, 0.1) == 10 * MIB


@pytest.mark.long
def test_a_large_file_is_handed_over_in_several_pieces(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, here: pathlib.Path
) -> None:
    guid, there = _fetched(simulator, tmp_path, 300 * MIB)
    good(_hand_over(ansible, {"guid": guid, "src": str(there), "dest": str(here)}))
    assert sha256(here / there.name) == sha256(there)


def test_the_controller_keeps_to_the_rate_and_tells_how_far_it_is(
    ansible: Ansible, source: Source, here: pathlib.Path
) -> None:
    """Three MiB in some ten seconds, a piece at a time."""
    guid, there = source
    options = {"guid": guid, "src": str(there), "dest": str(here), "max_rate": "200K", "progress_interval": 2}
    started = time.monotonic()
    play = {"hosts": "all", "gather_facts": False, "tasks": [{f"storware.backup.{COPY}": options}]}
    run = ansible.playbook([play]).ok()
    assert time.monotonic() - started >= (there.stat().st_size - MIB) / 204_800
    assert sha256(here / there.name) == sha256(there)
    told = re.findall(rf"^\[localhost\] {FETCHING}$", run.stdout, re.M)
    percents = [int(percent) for percent, _rate in told]
    assert 1 <= len(percents) <= 3
    assert percents == sorted(percents)


def test_an_empty_file_is_handed_over(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path, here: pathlib.Path
) -> None:
    guid, there = _fetched(simulator, tmp_path, 0)
    good(_hand_over(ansible, {"guid": guid, "src": str(there), "dest": str(here)}))
    assert (here / there.name).read_bytes() == b""


@pytest.mark.parametrize(
    ("options", "keywords", "told"),
    [
        ({"src": "/nowhere/mail.zip"}, {}, "src: cannot be read on the controller"),
        ({"src": "/etc/passwd"}, {}, "src: has no receipt of this user or root on the controller"),
        ({"guid": GUID}, {}, "src: is a file of the download"),
        ({}, {"async": 60, "poll": 1}, "host: must be given with async"),
    ],
)
def test_what_the_controller_cannot_hand_over(
    ansible: Ansible, source: Source, here: pathlib.Path, options: Json, keywords: Json, told: str
) -> None:
    guid, there = source
    result = _hand_over(ansible, {"guid": guid, "src": str(there), "dest": str(here), **options}, **keywords)
    assert result["failed"]
    assert told in result["msg"]
    assert list(here.iterdir()) == []


def test_without_its_action_plugin_the_module_says_so(source: Source, here: pathlib.Path) -> None:
    guid, there = source
    told = run_module(COPY, {"guid": guid, "src": str(there), "dest": str(here)})
    assert told["error"]["option"] == "host"
