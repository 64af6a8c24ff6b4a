# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers and hosts that send without end, or little that becomes much: memory, disk and time have bounds."""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import itertools
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import decoding, pagination
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.transport import MAX_BODY, JsonResponse
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._profile import Profile
from ansible_collections.storware.backup.plugins.module_utils._transfer import zip_check
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import metadata
from ansible_collections.storware.backup.plugins.module_utils._transfer.structure import no_limit
from ansible_collections.storware.backup.plugins.plugin_utils import _results
from tests.security.hostile import HostileServer, Measured, endless, head, reply, run_measured, sending
from tests.support.guids import guid
from tests.support.use import CONTENT, GUID, INFO, MIB, Json, root_only

LIST: t.Final = "/api/cloud-download"
MOST_MEMORY: t.Final = 384 * MIB
END: t.Final = 60.0  # seconds after which a module has no end of its own
ZIP: t.Final = b"PK\3\4" + bytes(MIB)


def ask(behaviour: t.Any, **options: Json) -> Measured:
    """What becomes of a list that is answered like this."""
    with HostileServer({LIST: behaviour}) as server:
        return run_measured(INFO, server.options(timeout=10, **options), END)


def refused(measured: Measured, code: str) -> str:
    """Check that the module has ended by itself, in bounded memory and with this code; its message."""
    assert measured.result, "it had to be killed"
    assert measured.result.get("failed"), measured.result
    assert measured.result["error"]["code"] == code, measured.result
    assert 0 < measured.peak_bytes < MOST_MEMORY
    return str(measured.result["msg"])


def packed(body: bytes, coding: str = "gzip") -> bytes:
    return reply(body, f"Content-Encoding: {coding}", "Content-Type: application/json")


# JSON


@functools.lru_cache(1)
def bomb() -> bytes:
    """64 KiB that unpack to 64 MiB of objects."""
    return gzip.compress(b"[" + b"{}," * (64 * MIB // 3) + b"{}]", 9)


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_a_little_gzip_does_not_become_much_json(coding: str) -> None:
    body = bomb() if coding == "gzip" else gzip.compress(gzip.compress(bytes(MIB), 9) * 1024, 9)
    assert len(body) < 200_000
    message = refused(ask(sending(packed(body, coding))), "invalid_response")
    assert "larger than 33554432 bytes" in message or "content coding that was not asked for" in message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'["' + b"a" * (40 * MIB) + b'"]', f"larger than {MAX_BODY} bytes"),
        (b"[" * (16 * MIB), "more than 500000 values"),
        (b"[" + b"1," * (15 * MIB) + b"1]", "more than 500000 values"),
        (b"[" * 100_000 + b"]" * 100_000, "it is no JSON"),
        (b"[" + b"9" * (10 * MIB) + b"]", "a number of 10485760 characters"),
    ],
    ids=["40 MiB", "brackets", "numbers", "deep", "digits"],
)
def test_json_is_bounded_before_it_is_decoded(body: bytes, words: str) -> None:
    assert words in refused(ask(sending(reply(body))), "invalid_response")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a":' * 41 + b"1" + b"}" * 41, "too many levels"),
        (b"[0." + b"9" * (10 * MIB) + b"]", "a number that is too large"),
        (b"[" + b"9" * 65 + b"]", "a number of 65 characters"),
        (b"[1e9999]", "a number that is too large"),
        (b"[-1e9999]", "a number that is too large"),
    ],
    ids=["levels", "decimals", "digits", "exponent", "negative"],
)
def test_what_no_api_sends_is_too_much(body: bytes, words: str) -> None:
    with pytest.raises(OverflowError, match=words):
        decoding.decode(body, str)
    for good in (b'{"a":' * 40 + b"1" + b"}" * 40, b"[" + b"9" * 64 + b"]", b"[1e308, -0.1]"):
        assert decoding.decode(good, str) == json.loads(good)


@pytest.mark.long  # masking and printing as much as that takes half a minute
@pytest.mark.parametrize("shape", ["nested objects", "wide texts"])
def test_the_most_that_is_decoded_has_its_place(shape: str) -> None:
    """As many objects, or as wide characters, as pass the gate, in records that are good."""
    if shape == "nested objects":
        deep = '{"a":' * 19 + "0" + "}" * 19
        count, more = decoding.MAX_VALUES // 24, f'"more":{deep}'
    else:
        # A single wide character makes four bytes of each one.
        count, more = MAX_BODY // 4300, '"more":"' + "\U0001f4e7" + "a" * 4000 + '"'
    records = (f'{{"guid":"{uuid_of(number)}","mode":"CLOUD_DOWNLOAD",{more}}}' for number in range(count))
    body = f"[{','.join(records)}]".encode()
    assert len(body) <= MAX_BODY
    assert decoding.count_values(body) <= decoding.MAX_VALUES
    with HostileServer({LIST: sending(reply(body, f"X-Total-Count: {count}"))}) as server:
        measured = run_measured(INFO, server.options(timeout=10, size=count), 600)
    assert len(measured.result["cloud_downloads"]) == count
    assert measured.peak_bytes < MOST_MEMORY


def uuid_of(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def test_legal_lists_stay_well_inside() -> None:
    entity = {"guid": guid("a"), "name": "Żółć, Alice " + "x" * 200, "type": "CLOUD_USER"}
    times = {"backupTime": 1767225600000, "snapshotTime": 1767225600000, "size": 2**40, "status": {"name": "SUCCESS"}}
    kept = {f"field{number}": number for number in range(20)}
    record = {"guid": GUID, "mode": {"name": "M"}, "backup": {"guid": GUID, "protectedEntity": entity, **times}, **kept}
    for count in (Profile().page_size, 10_000):
        page = json.dumps([record] * count).encode()
        assert len(page) < MAX_BODY / 3 or count > Profile().page_size
        assert len(page) < MAX_BODY
        assert decoding.count_values(page) < decoding.MAX_VALUES
    assert 10 * decoding.count_values(page) < pagination.MAX_VALUES  # a list of 100,000


def test_pages_without_end_have_one() -> None:
    """Each page is good, and brings new records of many values."""
    numbers = itertools.count()

    class Endless:
        patience = 60.0
        profile = Profile()

        def get(self, _path: str, _query: object, _doing: str, _deadline: float) -> JsonResponse:
            return JsonResponse(200, [{"guid": uuid_of(next(numbers))}], None, 0, decoding.MAX_VALUES)

    with pytest.raises(StorwareError, match="or 5000000 values"):
        pagination.list_all(t.cast(Client, Endless()), "/x", [], "list")
    assert next(numbers) == 11


def test_pages_do_not_fill_the_memory_with_few_and_long_texts() -> None:
    """Each page brings a new record, and is nearly as large as an answer may be."""
    numbers = itertools.count()
    more = json.dumps(["x" * 4000] * 7500)

    def behave(connection: t.Any, _request: bytes) -> None:
        connection.sendall(reply(f'[{{"guid":"{uuid_of(next(numbers))}","more":{more}}}]'.encode()))

    assert "more than 134217728 bytes" in refused(ask(behave), "incomplete_list")


@pytest.mark.parametrize("chunk", [b"-1\r\n", b"0" * 65536], ids=["negative", "a size without end"])
def test_chunks_that_lie_are_not_read_for_ever(chunk: bytes) -> None:
    """The standard library reads all that ever comes for a negative size, and urllib3 a line of any length."""
    behaviour = endless(head("Transfer-Encoding: chunked") + chunk, b"0" * 65536)
    refused(ask(behaviour), "response_lost")


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Field: " + b"x" * 60_000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Field: ", b"x" * 65536),
        (b"", b"HTTP/1.1 " + b"2" * 65536),
    ],
    ids=["fields", "a line", "a status"],
)
def test_headers_without_end_have_one(start: bytes, again: bytes) -> None:
    measured = ask(endless(start, again))
    refused(measured, measured.result["error"]["code"])
    assert measured.result["error"]["code"] in ("response_lost", "invalid_response")


def test_cookies_do_not_cost_a_search_for_megabytes_of_secrets() -> None:
    cookies = [f"Set-Cookie: c{number}={'x' * 60_000}; Path=/" for number in range(95)]
    with HostileServer({"/api/session/login": sending(reply(b"{}", *cookies))}) as server:
        measured = run_measured(INFO, server.options(timeout=10), END)
    assert "longer than any session" in refused(measured, "no_session_cookie")


def test_header_fields_are_read_in_time() -> None:
    """Six MB of letters took minutes of a search for a digest in them."""
    started = time.process_time()
    assert metadata.parse_metadata({"Repr-Digest": "a" * (6 * MIB), "Content-Disposition": ";a" * MIB}).digest is None
    assert time.process_time() - started < 20  # some 0.2


# Bodies


def fetch(directory: pathlib.Path, behaviour: t.Any, **options: Json) -> Measured:
    with HostileServer({LIST: behaviour}) as server:
        asked = server.options(timeout=10, guid=GUID, dest=f"{directory}/mail.bin", **options)
        return run_measured(CONTENT, asked, END)


def sizes_in(directory: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


UNANNOUNCED: t.Final = head("Transfer-Encoding: chunked", 'ETag: "1"')
CHUNK: t.Final = b"100000\r\n" + b"x" * MIB + b"\r\n"


@pytest.mark.parametrize("framing", ["chunks", "until the end"])
def test_a_body_without_length_ends_at_a_limit_and_nothing_is_kept(tmp_path: pathlib.Path, framing: str) -> None:
    chunks = endless(UNANNOUNCED + b"100004\r\n" + ZIP + b"\r\n", CHUNK)
    rest = endless(head('ETag: "1"', "Connection: close") + ZIP, ZIP)
    measured = fetch(tmp_path, chunks if framing == "chunks" else rest, max_size="48M")
    assert "more than 50331648 bytes arrived, and the server announces no length" in refused(measured, "too_large")
    assert "Nothing was kept" in measured.result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_announced_as_larger_is_not_fetched(tmp_path: pathlib.Path) -> None:
    measured = fetch(tmp_path, endless(head(f"Content-Length: {64 * MIB}") + ZIP, bytes(MIB)), max_size="48M")
    assert f"announces {64 * MIB} bytes, and max_size permits {48 * MIB}" in refused(measured, "too_large")
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_is_longer_than_announced_ends(tmp_path: pathlib.Path) -> None:
    """The first answer breaks off; what follows as the rest goes on behind the end that was announced."""
    length = 4 * MIB

    def behave(connection: t.Any, request: bytes) -> None:
        asked = re.search(rb"\r\nRange: bytes=(\d+)-", request)
        if not asked:
            connection.sendall(head(f"Content-Length: {length}", 'ETag: "1"') + ZIP + bytes(2 * MIB))
            raise OSError
        start, size = int(asked[1]), 64 * MIB
        connection.sendall(
            head(
                f"Content-Length: {size}",
                f"Content-Range: bytes {start}-{start + size - 1}/*",
                'ETag: "1"',
                status="206 Partial Content",
            )
        )
        connection.sendall(ZIP[start:])
        for _mib in range(size // MIB):
            connection.sendall(bytes(MIB))
            assert sizes_in(tmp_path) < 32 * MIB

    measured = fetch(tmp_path, behave, retries=2)
    assert f"behind the {length} that the file has" in refused(measured, "transfer_interrupted")
    assert sizes_in(tmp_path) < 5 * MIB


# The disk


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A file system of 100 MiB, of which one is the reserve."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here, so the reserve of the disk is not tested")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@root_only
def test_an_endless_body_does_not_fill_the_disk_and_nothing_is_kept(disk: pathlib.Path) -> None:
    refused(fetch(disk, endless(UNANNOUNCED + b"100004\r\n" + ZIP + b"\r\n", CHUNK)), "disk_full")
    assert list(disk.iterdir()) == []


@root_only
def test_the_last_percent_is_not_for_a_download(disk: pathlib.Path) -> None:
    behaviour = endless(head(f"Content-Length: {99 * MIB + MIB // 2}") + ZIP, bytes(MIB))
    assert "of which 1048576 are left to others" in refused(fetch(disk, behaviour), "disk_full")


# ZIP archives


class Line(t.NamedTuple):
    """What the directory of an archive says of one entry. extra: bytes in its local header."""

    offset: int
    extra: int = 0
    large: bool = False


def archive(lines: t.Sequence[Line], bodies: bytes) -> bytes:
    """An archive of empty entries, all called ``a``, in this order of the directory."""
    made = io.BytesIO()
    made.write(bodies)
    for line in lines:
        size = 0xFFFFFFFF if line.large else 0
        field = struct.pack("<2H2Q", 1, 16, 0, 0) if line.large else b""
        numbers = (20, 20, 0, 0, 0, 0, 0, size, size, 1, len(field), 0, 0, 0, 0, line.offset)
        made.write(struct.pack("<4s6H3I5H2I", b"PK\1\2", *numbers) + b"a" + field)
    size, count = made.tell() - len(bodies), len(lines)
    made.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, len(bodies)))
    made.write(struct.pack("<4sIQI", b"PK\6\7", 0, len(bodies) + size, 1))
    many = min(count, 0xFFFF)
    made.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, many, many, size, len(bodies), 0))
    return made.getvalue()


def local(extra: bytes = b"", size: int = 0) -> bytes:
    return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, size, size, 1, len(extra)) + b"a" + extra


def seconds_of_check(data: bytes) -> float:
    fd = os.memfd_create("archive")
    try:
        os.write(fd, data)
        started = time.process_time()
        zip_check.check(fd, len(data), True, no_limit)
        return time.process_time() - started
    finally:
        os.close(fd)


@pytest.mark.long  # only of many entries is the square larger than all else
def test_a_directory_out_of_order_costs_no_more_than_one_in_order() -> None:
    count, size = 500_000, len(local())
    ordered = [Line(number * size) for number in range(count)]
    mixed = [*ordered[::2][::-1], *ordered[1::2][::-1]]
    bodies = local() * count
    assert seconds_of_check(archive(mixed, bodies)) < 2.5 * seconds_of_check(archive(ordered, bodies))


def test_more_entries_out_of_order_than_can_be_sorted_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_check, "_MOST_UNORDERED", 99)
    size = len(local())
    for count, is_good in ((99, True), (100, False)):
        data = archive([Line(number * size) for number in range(count)][::-1], local() * count)
        with contextlib.nullcontext() if is_good else pytest.raises(Exception, match="out of order, with more than 99"):
            seconds_of_check(data)


@pytest.mark.parametrize("shift", [0, 31])
def test_entries_that_share_their_bytes_do_not_have_them_read_again_and_again(shift: int) -> None:
    """Each local header claims an extra field of 64 KiB, in which the other entries are, or which is that of all."""
    count = 3000
    fields = b"".join(struct.pack("<2H", 9, 0) for _field in range(65_512 // 4)) + struct.pack("<2H2Q", 1, 16, 0, 0)
    header = local(fields, 0xFFFFFFFF)
    bodies = header[:31] * count + fields if shift else header
    lines = [Line(number * shift, large=True) for number in range(count)]
    for order in (lines, lines[::-1]):
        started = time.process_time()
        with pytest.raises(StorwareError, match="overlaps"):
            seconds_of_check(archive(order, bodies))
        assert time.process_time() - started < 5  # some 0.05; read each time, 15


def test_entries_of_any_shape_are_judged_as_by_a_slow_and_simple_reader() -> None:
    """Good are those that follow each other from 0 to the directory, with no more than a data descriptor or zeros."""
    chance = random.Random(16)
    seen = set()
    for _archive in range(400):
        starts, bodies = [], bytes(chance.choice([0, 0, 0, 1]))
        for _entry in range(chance.randrange(5)):
            starts.append(len(bodies))
            bodies += local() + chance.choice([b"", b"\0", b"\1"]) * chance.choice([0, 0, 0, 12, 24, 25])
        offsets = [*starts, *chance.choices(starts, k=chance.random() < 0.2)] if starts else []
        chance.shuffle(offsets)
        places = [*sorted(offsets), len(bodies)]
        follow = (
            end - start >= 31 and (end - start - 31 <= 24 or not any(bodies[start + 31 : end]))
            for start, end in itertools.pairwise(places)
        )
        good = places[0] == 0 and all(follow)
        try:
            seconds_of_check(archive([Line(offset) for offset in offsets], bodies))
            found = True
        except StorwareError:
            found = False
        assert found == good, offsets
        seen.add(found)
    assert seen == {True, False}


# Hosts


SSH: t.Final = """\
#!/bin/sh
{}
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("exec yes x", "invalid_response"),
        ("printf 'directory\\000'; exec tr 'a\\n' '\\000' < /dev/zero", "invalid_response"),
        ("exec yes x >&2", "no_receipt"),
        ("yes x >&2 & sleep 1; exit 255", "unreachable"),
    ],
    ids=["output", "receipts", "complaints", "complaints of a child"],
)
def test_a_relay_that_prints_for_ever_fills_neither_memory_nor_disk(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, words: str, code: str
) -> None:
    (tmp_path / "ssh").write_text(SSH.format(words))
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    options = {"guid": GUID, "host": "files-1", "src": "/srv", "dest": f"{tmp_path}/mail.zip"}
    measured = run_measured("cloud_download_copy", options, 90)
    refused(measured, code)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_result_of_a_host_is_bounded_before_it_is_decoded() -> None:
    started = time.process_time()
    with pytest.raises(StorwareError, match="The result of the host cannot be true: it is too large"):
        _results.clean_warnings('{"files": [' + "[]," * (_results.MOST_ITEMS // 2) + "[]]}")
    assert time.process_time() - started < 5  # some 0.02
    assert _results.clean_warnings('{"changed": true}') == '{"changed": true}'
