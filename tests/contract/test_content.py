# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of downloads: valid files of exactly the size asked for, the same from any offset, at no cost in memory."""

from __future__ import annotations

import hashlib
import http.client
import io
import pathlib
import random
import ssl
import struct
import time
import typing as t
import zipfile
import zlib

import pytest

from tests.contract.client import Client
from tests.simulator import crc
from tests.simulator.content import PERIOD, Content, content_of
from tests.simulator.process import Simulator

GIB = 2**30
FOUR_GIB = 4 * GIB
GUID = "00000000-0000-4000-8000-000000000001"
OTHER_GUID = "00000000-0000-4000-8000-000000000002"


def zip_of(size: int) -> Content:
    return content_of(GUID, "CLOUD_DOWNLOAD", size)


def read(content: Content, start: int, stop: int) -> bytes:
    return b"".join(content.chunks(start, stop))


class ContentFile(io.RawIOBase):
    """A content as a file that is read where somebody looks, and counts what it has read."""

    def __init__(self, size: int, fetch: t.Callable[[int, int], bytes]) -> None:
        self.size = size
        self.fetch = fetch
        self.position = 0
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        return self.position

    def readinto(self, buffer: t.Any) -> int:
        data = self.fetch(self.position, min(self.position + len(buffer), self.size))
        buffer[: len(data)] = data
        self.position += len(data)
        self.bytes_read += len(data)
        return len(data)


@pytest.mark.parametrize("length", [0, 1, 2, 7, 255, 256, 65537])
def test_crcs_can_be_combined(length: int) -> None:
    source = random.Random(length)
    first, second = source.randbytes(1000), source.randbytes(length)
    assert crc.combine(zlib.crc32(first), zlib.crc32(second), length) == zlib.crc32(first + second)
    for times in (0, 1, 2, 3, 10, 41):
        assert crc.repeat(zlib.crc32(second), length, times) == zlib.crc32(second * times)


def test_every_small_size_is_exact_and_a_zip_from_22_bytes_on() -> None:
    for size in range(400):
        data = read(zip_of(size), 0, size)
        assert len(data) == size
        if size >= 22:
            assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


@pytest.mark.parametrize("size", [1000, 65535, 65536, 65537, PERIOD, PERIOD + 1, 3 * PERIOD + 5, 10_000_000])
def test_a_zip_is_whole_and_exact(size: int) -> None:
    data = read(zip_of(size), 0, size + 1000)
    assert len(data) == size
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    assert len(archive.infolist()) == 1 + min(7, size // 65536)
    assert sum(entry.file_size for entry in archive.infolist()) > size - 1500


@pytest.mark.parametrize("size", [FOUR_GIB - 2, FOUR_GIB - 1, FOUR_GIB, FOUR_GIB + 1, 5 * GIB, 300 * GIB])
def test_a_huge_zip_has_its_structure(size: int) -> None:
    content = zip_of(size)
    file = ContentFile(size, lambda start, stop: read(content, start, stop))
    archive = zipfile.ZipFile(file)
    assert sum(entry.file_size for entry in archive.infolist()) > size - 2000
    for entry in archive.infolist():
        with archive.open(entry) as opened:  # reads the local header and compares it with the directory
            assert len(opened.read(1000)) == 1000
    assert file.bytes_read < 10_000_000
    end = read(content, size - 22, size)
    assert (end[:4], b"PK\6\7" in read(content, size - 50, size)) == (b"PK\5\6", size >= FOUR_GIB - 1)


def test_every_byte_of_a_zip64_is_right() -> None:
    size = FOUR_GIB + 12345
    content = zip_of(size)
    assert zipfile.ZipFile(ContentFile(size, lambda start, stop: read(content, start, stop))).testzip() is None


def test_ranges_are_slices_of_the_whole() -> None:
    size = 3 * PERIOD + 17
    for mode in ("CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD"):
        content = content_of(GUID, mode, size)
        whole = read(content, 0, size)
        source = random.Random(1)
        edges = [0, 1, 29, 30, 563, 564, 565, PERIOD - 1, PERIOD, PERIOD + 1, size - 23, size - 22, size - 1, size]
        offsets = edges + [source.randrange(size + 1) for _index in range(100)]
        for start in offsets:
            stop = source.choice(offsets)
            assert read(content, start, stop) == whole[start:stop]


def test_guids_differ_and_repeat() -> None:
    first, again, other = (read(content_of(guid, "CLOUD_DOWNLOAD", 5000), 0, 5000) for guid in (GUID, GUID, OTHER_GUID))
    assert first == again != other


def test_the_far_end_of_a_huge_file_is_there_at_once() -> None:
    content = zip_of(500 * GIB)
    start = time.monotonic()
    assert len(read(content, 400 * GIB, 400 * GIB + 1000)) == 1000
    assert time.monotonic() - start < 0.1


@pytest.mark.parametrize("size", [0, 3, 4, 191, 192, 563, 564, 565, 1_000_000, 300 * GIB])
def test_a_pst_states_its_size(size: int) -> None:
    content = content_of(GUID, "CLOUD_PST_DOWNLOAD", size)
    header = read(content, 0, min(size, 564))
    assert len(header) == min(size, 564)
    assert header[:4] == b"!BDN"[:size]
    if size >= 192:
        version, stated = struct.unpack_from("<H", header, 10)[0], struct.unpack_from("<Q", header, 0xB8)[0]
        assert (version, stated) == (23, size)
    if size >= 564:
        for offset, end in ((4, 479), (524, 524)):
            register = zlib.crc32(header[8:end], 0xFFFFFFFF) ^ 0xFFFFFFFF
            assert struct.unpack_from("<I", header, offset)[0] == register


# Over HTTP


@pytest.mark.parametrize("mode", ["CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD"])
@pytest.mark.parametrize("size", [0, 1, 21, 22, 150, 1_000_000])
def test_both_operations_give_the_file(client: Client, mode: str, size: int) -> None:
    (guid,) = client.sim.seed(downloads=1, mode=mode, content_size=size)
    stated = client.sim.content(guid)
    assert stated["size"] == size
    for path in ("", "/content-download"):
        data = client.get(f"/cloud-download/{guid}{path}").content
        assert len(data) == size
        assert hashlib.sha256(data).hexdigest() == stated["sha256"]


@pytest.fixture
def file(client: Client) -> tuple[str, bytes, str]:
    """A download of 100,000 bytes: its path, its bytes and its ETag."""
    (guid,) = client.sim.seed(downloads=1, content_size=100_000)
    answer = client.get(f"/cloud-download/{guid}")
    assert answer.headers["Accept-Ranges"] == "bytes"
    return f"/cloud-download/{guid}", answer.content, answer.headers["ETag"]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=99990-", 99_990, 100_000),
        ("bytes=99990-5000000", 99_990, 100_000),
        ("bytes=-10", 99_990, 100_000),
        ("bytes=-5000000", 0, 100_000),
        ("bytes=0-", 0, 100_000),
        ("BYTES= 5-6 ", 5, 7),
    ],
)
def test_a_range(client: Client, file: tuple[str, bytes, str], asked: str, start: int, stop: int) -> None:
    path, whole, etag = file
    for more in ({}, {"If-Range": etag}):
        answer = client.get(path, headers={"Range": asked, **more})
        assert answer.status_code == 206
        assert answer.content == whole[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/100000"
        assert answer.headers["Content-Length"] == str(stop - start)
        assert answer.headers["ETag"] == etag


@pytest.mark.parametrize("asked", ["bytes=5-4", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes 0-1"])
def test_a_range_that_is_none_is_ignored(client: Client, file: tuple[str, bytes, str], asked: str) -> None:
    answer = client.get(file[0], headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, file[1])


@pytest.mark.parametrize("asked", ["bytes=100000-", "bytes=100000-200000", "bytes=-0"])
def test_a_range_outside_is_refused(client: Client, file: tuple[str, bytes, str], asked: str) -> None:
    answer = client.get(file[0], headers={"Range": asked})
    assert (answer.status_code, answer.headers["Content-Range"], answer.content) == (416, "bytes */100000", b"")


@pytest.mark.parametrize("condition", ['"other"', "W/{etag}", "Tue, 24 Nov 2026 00:00:00 GMT"])
def test_another_condition_gives_the_whole(client: Client, file: tuple[str, bytes, str], condition: str) -> None:
    path, whole, etag = file
    answer = client.get(path, headers={"Range": "bytes=0-9", "If-Range": condition.format(etag=etag)})
    assert (answer.status_code, answer.content) == (200, whole)


def test_the_etag_is_strong_and_the_files_own(client: Client) -> None:
    guids = client.sim.seed(downloads=2, content_size=10)
    etags = [client.get(f"/cloud-download/{guid}").headers["ETag"] for guid in guids]
    assert len(set(etags)) == 2
    assert all(etag.startswith('"') for etag in etags)


def test_a_zip64_can_be_inspected_by_ranges(client: Client) -> None:
    size = 5 * GIB
    (guid,) = client.sim.seed(downloads=1, content_size=size)

    def fetch(start: int, stop: int) -> bytes:
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        return client.get(f"/cloud-download/{guid}", headers=headers).content if start < stop else b""

    file = ContentFile(size, fetch)
    archive = zipfile.ZipFile(io.BufferedReader(file, 100_000))
    assert sum(entry.file_size for entry in archive.infolist()) > size - 2000
    with archive.open(archive.infolist()[-1]) as entry:
        assert len(entry.read(1000)) == 1000
    assert file.bytes_read < 10_000_000


def peak_memory(pid: int) -> int:
    """The most bytes of memory that a process has had."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


@pytest.mark.parametrize(("http_only", "at_least"), [(True, 300), (False, 100)], ids=["http", "https"])
def test_a_large_stream_is_fast_and_takes_no_memory(http_only: bool, at_least: int) -> None:
    size = 4 * GIB if http_only else GIB
    with Simulator.start(http=http_only, validate=False) as sim:
        client = Client(sim)
        (guid,) = sim.seed(downloads=1, content_size=size)
        client.get(f"/cloud-download/{guid}", headers={"Range": "bytes=0-9"})
        before = peak_memory(sim.process.pid)
        speed = 0.0
        for _round in range(3):  # the best of some, as other work may share the machine
            speed = max(speed, megabytes_per_second(client, f"/cloud-download/{guid}", size))
            if speed >= at_least:
                break
        assert peak_memory(sim.process.pid) - before < 20_000_000
        assert speed >= at_least


def megabytes_per_second(client: Client, path: str, size: int) -> float:
    host = client.sim.url.partition("//")[2]
    connection: http.client.HTTPConnection
    if client.sim.ca_path:
        connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=client.sim.ca_path))
    else:
        connection = http.client.HTTPConnection(host)
    cookie = "; ".join(f"{name}={value}" for name, value in client.session.cookies.items())
    start = time.monotonic()
    connection.request("GET", f"/api{path}", headers={"Cookie": cookie})
    answer = connection.getresponse()
    buffer, received = bytearray(1048576), 0
    while length := answer.readinto(buffer):
        received += length
    connection.close()
    assert received == size
    return size / 1048576 / (time.monotonic() - start)


def test_a_client_that_leaves_stops_the_stream(client: Client) -> None:
    (guid,) = client.sim.seed(downloads=1, content_size=300 * GIB)
    with client.get(f"/cloud-download/{guid}", stream=True) as answer:
        assert len(answer.raw.read(1000)) == 1000
    time.sleep(0.2)
    sent = client.sim.counters()["content_bytes_sent"]
    assert sent < 100_000_000
    time.sleep(0.2)
    assert client.sim.counters()["content_bytes_sent"] == sent


def test_other_calls_are_answered_during_a_stream(client: Client) -> None:
    (guid,) = client.sim.seed(downloads=1, content_size=300 * GIB)
    with client.get(f"/cloud-download/{guid}", stream=True) as answer:
        for _round in range(20):
            assert answer.raw.read(1048576)
            start = time.monotonic()
            assert client.get("/session").status_code == 204
            assert time.monotonic() - start < 2
