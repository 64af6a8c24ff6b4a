# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether several files fit together, by what a server answers to a request for the first byte of each."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer import announced, download, inspection
from tests.faults.script_server import Script, chunked, reply, scripted
from tests.unit.plugins.module_utils._transfer.fetching import job
from tests.unit.plugins.module_utils._transfer.material import GUID, OTHER_GUID, sha256

GUIDS = [GUID, OTHER_GUID]


def _part(total: object) -> Script:
    return reply(b"P", f"Content-Range: bytes 0-0/{total}", status="206 Partial Content")


def _room(place: pathlib.Path) -> int:
    """Bytes, more or less: other processes write, too."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def _shortage(place: pathlib.Path, answer: Script, expected: int, **wishes: t.Any) -> announced.Shortage | None:
    with scripted(answer, answer) as server:
        jobs = [job(place, server.url(), guid=guid, **wishes) for guid in GUIDS]
        found = announced.find_shortage(jobs, dict.fromkeys(GUIDS, expected))
        assert all(b"Range: bytes=0-0\r\n" in request for request in server.requests)
    return found


def _put(place: pathlib.Path, guid: str, size: int, received: int) -> None:
    """A file of so many bytes, which had as many as received when it came."""
    name = f"{guid}.zip"
    with open(place / name, "wb") as file:
        file.truncate(size)
    (place / f"{name}.sha256").write_text(
        f"# guid: {guid}\n# size: {received}\n# verified: structure\n{sha256(b'')}  {name}\n", encoding="ascii"
    )


def test_files_that_need_more_than_there_is(tmp_path: pathlib.Path) -> None:
    length = _room(tmp_path) * 2 // 3
    found = _shortage(tmp_path, _part(length), length)
    assert found
    assert (found.files, found.needed, found.directory) == (2, 2 * length, str(tmp_path))
    assert length < found.free < 2 * length


@pytest.mark.parametrize(
    "answer",
    [
        _part(100),
        _part("*"),
        _part(2**63),
        _part("9" * 19),
        reply(b"short"),
        chunked(b"no length"),
        reply(b"<html>", "Content-Type: text/html"),
        reply(b"", "Content-Range: bytes */0", status="416 Range Not Satisfiable"),
        reply(b"no", status="500 Internal Server Error"),
        [],
    ],
    ids=["small", "unknown", "more than a file holds", "19 digits", "200", "chunked", "page", "416", "500", "silence"],
)
def test_what_proves_no_shortage_is_none(tmp_path: pathlib.Path, answer: Script) -> None:
    assert _shortage(tmp_path, answer, _room(tmp_path)) is None


def test_files_that_fit_by_their_backups_are_not_asked_for(tmp_path: pathlib.Path) -> None:
    assert announced.find_shortage([job(tmp_path, "http://127.0.0.1:1/", guid=guid) for guid in GUIDS], {}) is None


def test_a_file_that_is_replaced_gives_its_room_back(tmp_path: pathlib.Path) -> None:
    """Sparse, so that the room of one of them is enough for the other as well."""
    length = _room(tmp_path) * 2 // 3
    for guid in GUIDS:
        _put(tmp_path, guid, length, length)
    assert _shortage(tmp_path, _part(length), length, overwrite=inspection.ALWAYS) is None


def test_a_file_that_is_kept_needs_nothing(tmp_path: pathlib.Path) -> None:
    length = _room(tmp_path) * 2 // 3
    _put(tmp_path, GUID, 10, length)
    assert _shortage(tmp_path, _part(length), length, overwrite=inspection.NEVER) is None
    assert _shortage(tmp_path, _part(length), length)


def test_bytes_of_an_earlier_run_are_not_needed_again(tmp_path: pathlib.Path) -> None:
    length = _room(tmp_path) * 2 // 3
    assert _shortage(tmp_path, _part(length), length)
    wanted = job(tmp_path, "http://127.0.0.1:1/", guid=GUID)
    with open(tmp_path / f"{download.private_prefix(wanted)}0123abcd.part", "wb") as file:
        file.truncate(length)
    assert _shortage(tmp_path, _part(length), length) is None
