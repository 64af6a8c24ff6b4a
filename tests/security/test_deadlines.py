# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers, proxies and files that would keep a module busy for ever: each task ends within its time limit."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import pathlib
import re
import socket
import time
import typing as t
import uuid
from dataclasses import dataclass, field

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer.store import receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Receipt
from tests.security.hostile import (
    Behaviour,
    HostileServer,
    Measured,
    endless,
    head,
    reply,
    run_measured,
    sending,
)
from tests.support.use import GUID, MIB

Json = t.Any

INFO, CONTENT = "cloud_download_info", "cloud_download_content"
LIST, FILE = "/api/cloud-download", f"/api/cloud-download/{GUID}"
LIMIT: t.Final = 2.0  # seconds: max_time
GRACE: t.Final = 5.0  # seconds that a task may take longer
MEMORY: t.Final = 384 * MIB
PAUSE: t.Final = 0.05  # seconds between two bytes; no time-out of a socket ever passes


@dataclass(frozen=True)
class Attack:
    """Whom a module meets, and with which code it fails.

    greet: what every new connection meets. proxy: whether the server is one, before another that nobody ever reaches.
    before: Python that the process of the module runs first.
    """

    module: str
    codes: t.Collection[str]
    behaviours: t.Mapping[str, Behaviour] = field(default_factory=dict)
    options: t.Mapping[str, Json] = field(default_factory=dict)
    greet: t.Callable[[socket.socket], socket.socket] = lambda connection: connection
    scheme: str = "http"
    is_proxy: bool = False
    before: str = ""


def _greet_slowly(connection: socket.socket) -> socket.socket:
    """The beginning of a TLS record, byte by byte."""
    connection.recv(65536)
    endless(b"\x16\x03\x03\x40\x00", b"\x02", PAUSE)(connection, b"")
    return connection


def _ranges(connection: socket.socket, request: bytes) -> None:
    """The first bytes of a large file in order, and then headers without end."""
    found = re.search(rb"(?i)range: bytes=(\d+)-(\d+)", request)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if last - first > 1000:
        endless(b"HTTP/1.1 206 Partial Content\r\nX: ", b"y", PAUSE)(connection, request)
    size = last - first + 1
    fields = (f"Content-Range: bytes {first}-{last}/{64 * MIB}", 'ETag: "1"', f"Content-Length: {size}")
    connection.sendall(head(*fields, status="206 Partial Content") + bytes(size))


def _pages(connection: socket.socket, _request: bytes) -> None:
    """Records that nobody has seen before, on each page."""
    time.sleep(PAUSE)
    connection.sendall(reply(json.dumps([{"guid": str(uuid.uuid4()), "mode": "CLOUD_DOWNLOAD"}]).encode()))


def _chunked(start: bytes, again: bytes) -> Behaviour:
    return endless(head("Transfer-Encoding: chunked") + start, again, PAUSE)


DRIPPING = endless(b"HTTP/1.1 200 OK\r\nX: ", b"y", PAUSE)
UNKNOWN = {"allow_unverified": True, "verify": "length"}  # a file without length is no fault
FETCHING = {"timeout", "response_lost"}  # the second where the login was sent and had no answer
LISTING = {"timeout", "response_lost"}  # the second where a single answer has taken all of the time
QUICK = {"timeout": 2 * LIMIT / 20}  # where there is no max_time, and no machine may be too busy for a login
# A name server that does not answer: this is C, as getaddrinfo() is, and no signal of Python's ends it.
NO_NAMES = "import ctypes, socket; socket.getaddrinfo = lambda *_args, **_more: ctypes.CDLL(None).sleep(300)\n"

ATTACKS: dict[str, Attack] = {
    "trailers without end": Attack(CONTENT, FETCHING, {FILE: _chunked(b"5\r\nhello\r\n0\r\n", b"X: y\r\n")}, UNKNOWN),
    "the size of a chunk without end": Attack(CONTENT, FETCHING, {FILE: _chunked(b"5\r\nhello\r\n", b"0")}, UNKNOWN),
    "the header of a file, byte by byte": Attack(CONTENT, FETCHING, {FILE: DRIPPING}),
    "the header of a range, byte by byte": Attack(CONTENT, FETCHING, {FILE: _ranges}, {"connections": 2, **UNKNOWN}),
    "a file, byte by byte": Attack(CONTENT, FETCHING, {FILE: endless(head("Content-Length: 99999"), b"x", PAUSE)}),
    "a login, byte by byte": Attack(CONTENT, FETCHING, {"/api/session/login": DRIPPING}),
    "interim answers without end": Attack(
        CONTENT, FETCHING, {FILE: endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", PAUSE)}
    ),
    "a flood of interim answers": Attack(
        CONTENT, FETCHING, {FILE: endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)}
    ),
    "TLS, byte by byte": Attack(CONTENT, FETCHING, greet=_greet_slowly, scheme="https"),
    "a proxy that connects byte by byte": Attack(CONTENT, FETCHING, {"": DRIPPING}, is_proxy=True),
    "names that are never resolved": Attack(CONTENT, FETCHING, before=NO_NAMES),
    "a list, byte by byte": Attack(INFO, LISTING, {LIST: endless(head("Content-Length: 99999"), b" ", PAUSE)}),
    "the size of a chunk of a list, in a flood": Attack(
        INFO, {"response_lost", "invalid_response"}, {LIST: endless(head("Transfer-Encoding: chunked"), b"0" * MIB)}
    ),
    "an error, byte by byte": Attack(
        INFO, {"server_error"}, {LIST: endless(head("Content-Length: 99999", status="500 No"), b"x", PAUSE)}
    ),
    "pages without end": Attack(INFO, LISTING, {LIST: _pages}),
    "a flood of markup": Attack(INFO, {"invalid_response"}, {LIST: sending(reply(b"<" * 131_072))}),
    "a flood of scripts": Attack(INFO, {"invalid_response"}, {LIST: sending(reply(b"<script " * 131_072))}),
    "a number without end": Attack(INFO, {"invalid_response"}, {LIST: sending(reply(b"<p>&#" + b"1" * 131_072))}),
}


def _options(attack: Attack, server: HostileServer, directory: pathlib.Path) -> Json:
    options = server.options(**attack.options)
    if attack.is_proxy:
        options["url"] = "https://backup.invalid"
    elif attack.before == NO_NAMES:
        options["url"] = f"http://backup.invalid:{server.port}"
    if attack.module == INFO:
        return {**options, **QUICK}
    return {**options, "guid": GUID, "dest": str(directory), "max_time": LIMIT}


def _play(attack: Attack, directory: pathlib.Path) -> Measured:
    directory.mkdir()
    with HostileServer(attack.behaviours, greet=attack.greet, scheme=attack.scheme) as server:
        proxy = {"HTTPS_PROXY": server.url} if attack.is_proxy else {}
        options = _options(attack, server, directory)
        return run_measured(attack.module, options, 60, environment=proxy, before=attack.before)


def _fault(attack: Attack, measured: Measured) -> str:
    """What is wrong with the end of a task; empty when all is well."""
    if not measured.result:
        return f"killed after {measured.seconds:.0f} s"
    if measured.result.get("error", {}).get("code") not in attack.codes:
        return str(measured.result)
    if measured.seconds > (2 * LIMIT if attack.module == INFO else LIMIT) + GRACE:
        return f"{measured.seconds:.1f} s"
    return f"{measured.peak_bytes / MIB:.0f} MiB" if measured.peak_bytes > MEMORY else ""


def test_every_task_ends_within_its_time_limit(tmp_path: pathlib.Path) -> None:
    """Each is a process that waits: several at a time; what fails for the load, again alone."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        played = {
            name: pool.submit(_play, attack, tmp_path / str(number))
            for number, (name, attack) in enumerate(ATTACKS.items())
        }
    faults = {name: _fault(ATTACKS[name], future.result()) for name, future in played.items()}
    for name in [name for name, fault in faults.items() if fault and played[name].result().result]:
        faults[name] = _fault(ATTACKS[name], _play(ATTACKS[name], tmp_path / f"again {name}"))
    faults = {name: fault for name, fault in faults.items() if fault}
    assert not faults


@pytest.mark.parametrize("known_by", ["checksum", "receipt"])
def test_a_file_of_any_size_is_compared_within_max_time(tmp_path: pathlib.Path, known_by: str) -> None:
    """It is sparse, so that it cost nothing to make."""
    size = 60 * 1024 * MIB
    mail = tmp_path / "mail.pst"
    with mail.open("wb") as file:
        file.truncate(size)
    options: Json = {"guid": GUID, "dest": str(mail), "max_time": LIMIT}
    if known_by == "checksum":
        options["checksum"] = "sha256:" + "0" * 64
    else:
        note = Receipt(mail.name, GUID, size, "0" * 64, "length")
        now = datetime.datetime.now(datetime.timezone.utc)
        (tmp_path / f"{mail.name}.sha256").write_bytes(receipt.render(note, now))
    with HostileServer({}) as server:
        measured = run_measured(CONTENT, server.options(**options), 60)
    assert measured.result, f"killed after {measured.seconds:.0f} s"
    assert measured.result["error"]["code"] == "timeout"
    assert "Cannot compare" in measured.result["msg"]
    assert measured.seconds < LIMIT + GRACE
    assert server.requests == []
