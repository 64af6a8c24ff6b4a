# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ZIP archives, good ones of many makers and bad ones of every kind, checked without unpacking to anywhere."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil
import struct
import subprocess
import tracemalloc
import typing as t
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import formats, zip_check
from ansible_collections.storware.backup.plugins.module_utils._transfer.structure import Proof, no_limit
from tests.unit.plugins.module_utils._transfer.material import noise, zip_bytes

FILES = {"Inbox/one.eml": noise(3000), "Inbox/two.eml": b"Dear all,\n" * 2000, "Empty/": b"", "zero.txt": b""}


def check(data: bytes, *, contents: bool = True) -> Proof:
    fd = os.memfd_create("archive")
    try:
        os.write(fd, data)
        return zip_check.check(fd, len(data), contents, no_limit)
    finally:
        os.close(fd)


def good(data: bytes, *, contents: bool = True, padding: int = 0) -> None:
    assert check(data, contents=contents)[:2] == ("full" if contents else "structure", padding)


def damage(data: bytes, *, contents: bool = False) -> str:
    """Why it is refused."""
    with pytest.raises(StorwareError, match="the content is damaged") as caught:
        check(data, contents=contents)
    assert caught.value.code == "corrupt"
    return caught.value.message


def end_of(
    data: bytes, *, entries: int | None = None, size: int | None = None, offset: int | None = None, disk: int = 0
) -> bytes:
    """The archive with other numbers in its end record."""
    fields = list(struct.unpack("<4s4H2IH", data[-22:]))
    fields[1] = disk
    if entries is not None:
        fields[3] = fields[4] = entries
    fields[5] = fields[5] if size is None else size
    fields[6] = fields[6] if offset is None else offset
    return data[:-22] + struct.pack("<4s4H2IH", *fields)


# --- good ones ---


@pytest.mark.parametrize("contents", [False, True])
def test_entries_and_their_size_are_counted(contents: bool) -> None:
    proof = check(zip_bytes(FILES), contents=contents)
    assert (proof.entries, proof.unpacked_size) == (len(FILES), sum(map(len, FILES.values())))
    assert check(zip_bytes({}), contents=contents)[2:] == (0, 0)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("files", [FILES, {"a": b"x"}, {f"mail/{n}.eml": noise(n, n) for n in range(300)}])
@pytest.mark.parametrize("contents", [False, True])
def test_good_archives(method: int, streamed: bool, files: dict[str, bytes], contents: bool) -> None:
    good(zip_bytes(files, method=method, streamed=streamed), contents=contents)


def test_an_empty_archive_is_one() -> None:
    good(zip_bytes({}))
    assert len(zip_bytes({})) == 22


@pytest.mark.parametrize("comment", [b"made by hand", b"x" * 65535, b"PK\5\6 inside", b"PK\5\6" + b"\0" * 40])
def test_a_comment_at_the_end(comment: bytes) -> None:
    buffer = io.BytesIO(zip_bytes(FILES))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment
    good(buffer.getvalue())


@pytest.mark.parametrize("comment", [b"", b"PK\5\6" + b"\0" * 40])
@pytest.mark.parametrize("files", [{"inner.zip": zip_bytes(FILES)}, {}])
def test_the_end_is_found_among_what_looks_like_one(files: dict[str, bytes], comment: bytes) -> None:
    """An archive inside of the archive, and a comment that looks like an end."""
    buffer = io.BytesIO(zip_bytes(files, method=zipfile.ZIP_STORED))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment
    good(buffer.getvalue())


@pytest.mark.parametrize("comment", [b"a comment", b"PK\6\7" + bytes(16)])
def test_entry_comments_and_extra_fields(comment: bytes) -> None:
    """The second comment looks like a ZIP64 record, and lies where one would."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("a.txt")
        info.comment, info.extra = comment, struct.pack("<2HI", 0x9999, 4, 7)
        archive.writestr(info, b"hello")
    good(buffer.getvalue())


@pytest.mark.parametrize("streamed", [False, True])
def test_zip64_where_nothing_needs_it(streamed: bool) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("a", "b"):
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(noise(1000))
    good(buffer.getvalue())


@pytest.mark.skipif(shutil.which("zip") is None, reason="no Info-ZIP on this machine")
def test_an_archive_of_info_zip(tmp_path: pathlib.Path) -> None:
    for name, data in FILES.items():
        if data:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
    for arguments in (["zip", "-r", "-q", "plain.zip"], ["zip", "-r", "-q", "-fd", "streamed.zip"]):
        subprocess.run([*arguments, "Inbox"], cwd=tmp_path, check=True)
        good((tmp_path / arguments[-1]).read_bytes())


def test_entries_in_any_order_of_their_data() -> None:
    data = zip_bytes({f"{number}": noise(100 + number) for number in range(6)}, method=zipfile.ZIP_STORED)
    directory_at = struct.unpack_from("<I", data, len(data) - 6)[0]
    records = [data[directory_at + 47 * n : directory_at + 47 * (n + 1)] for n in range(6)]
    for order in ([5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2], [0, 2, 4, 1, 3, 5]):
        mixed = data[:directory_at] + b"".join(records[n] for n in order) + data[-22:]
        good(mixed)


def test_an_empty_entry_that_is_called_packed() -> None:
    data = bytearray(zip_bytes({"empty": b""}, method=zipfile.ZIP_STORED))
    data[8] = data[data.index(b"PK\1\2") + 10] = 8
    good(bytes(data))


def test_65535_entries_need_no_zip64() -> None:
    """65535 in the end record usually means "see ZIP64", but is also the largest count without it."""
    good(_many(65535))
    good(_many(65536))


def _many(count: int) -> bytes:
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 8, 0)
    buffer = io.BytesIO()
    for number in range(count):
        buffer.write(local + b"%08d" % number)
    size = 0
    for number in range(count):
        fields = (b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, number * 38)
        size += buffer.write(struct.pack("<4s6H3I5H2I", *fields) + b"%08d" % number)
    offset = count * 38
    if count > 65535:
        buffer.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset))
        buffer.write(struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1))
        count = 65535
    buffer.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, offset, 0))
    return buffer.getvalue()


def test_memory_does_not_grow_with_the_number_of_entries() -> None:
    peaks = []
    for count in (1000, 20_000):
        data = _many(count)
        fd = os.memfd_create("archive")
        os.write(fd, data)
        tracemalloc.start()
        zip_check.check(fd, len(data), True, no_limit)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        os.close(fd)
    assert peaks[1] - peaks[0] < 2**20  # buffers are full; 20,000 entries as objects would take some 5 MiB


def test_neighbours_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million small messages must not cost a million system calls, each of them a round trip on a network drive."""
    calls = 0
    pread = os.pread

    def counted(fd: int, length: int, offset: int) -> bytes:
        nonlocal calls
        calls += 1
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", counted)
    good(_many(20_000), contents=False)
    assert calls < 400


def test_an_archive_of_more_than_4_gib(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "large.zip"
    _write_large(path, first=b"hello", hole=5 * 2**30)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        assert size > 5 * 2**30
        assert zip_check.check(file.fileno(), size, False, no_limit).level == "structure"
    _write_large(path, first=b"hello", hole=5 * 2**30, wrong=1)
    with open(path, "rb") as file, pytest.raises(StorwareError, match="the content is damaged"):
        zip_check.check(file.fileno(), size, False, no_limit)


def _write_large(path: pathlib.Path, first: bytes, hole: int, wrong: int = 0) -> None:
    """A sparse archive: one stored entry of zeros with ``hole`` bytes, and a small one after it."""
    large, small = b"zeros", b"small"
    extra = struct.pack("<2H2Q", 1, 16, hole, hole)
    crc = 0  # checked only with contents
    with open(path, "wb") as file:
        file.write(
            struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, crc, 2**32 - 1, 2**32 - 1, 5, 20) + large + extra
        )
        file.seek(hole, os.SEEK_CUR)
        at = file.tell()
        lengths = (zlib.crc32(first), len(first), len(first))
        file.write(struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, *lengths, 5, 0) + small + first)
        directory = file.tell()
        fields = (b"PK\1\2", 45, 45, 0, 0, 0, 0, crc, 2**32 - 1, 2**32 - 1, 5, 20, 0, 0, 0, 0, 0)
        file.write(struct.pack("<4s6H3I5H2I", *fields) + large + extra)
        fields2 = (b"PK\1\2", 45, 20, 0, 0, 0, 0, *lengths, 5, 12, 0, 0, 0, 0, 2**32 - 1)
        file.write(struct.pack("<4s6H3I5H2I", *fields2) + small + struct.pack("<2HQ", 1, 8, at + wrong))
        end = file.tell()
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, end - directory, directory))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, end - directory, 2**32 - 1, 0))


# --- odd ones ---


@pytest.mark.parametrize("marker", [b"PK\7\x08", b"PK00"])
@pytest.mark.parametrize("files", [FILES, {}])
def test_a_single_volume_that_starts_like_a_split_one(marker: bytes, files: dict[str, bytes]) -> None:
    data = moved(zip_bytes(files), marker)
    assert formats.name_of(data[: formats.HEAD]) == "zip"
    good(data)
    assert "belong to no entry" in damage(moved(zip_bytes(files), b"PK01"))
    assert "belong to no entry" in damage(moved(zip_bytes(files), marker * 2))


def moved(data: bytes, before: bytes) -> bytes:
    """The archive with these bytes before it, and its offsets adapted to them."""
    place, count = struct.unpack_from("<I", data, len(data) - 6)[0], struct.unpack_from("<H", data, len(data) - 12)[0]
    lines = bytearray(data[place:-22])
    at = 0
    for _entry in range(count):
        (offset,) = struct.unpack_from("<I", lines, at + 42)
        struct.pack_into("<I", lines, at + 42, offset + len(before))
        at += 46 + sum(struct.unpack_from("<3H", lines, at + 28))
    return end_of(before + data[:place] + bytes(lines) + data[-22:], offset=place + len(before))


@pytest.mark.parametrize("count", [1, 22, 10_240, 65_000])
@pytest.mark.parametrize("files", [FILES, {}])
def test_zeros_behind_the_end_are_counted(count: int, files: dict[str, bytes]) -> None:
    """As a program leaves them that writes whole blocks."""
    good(zip_bytes(files) + bytes(count), padding=count)
    buffer = io.BytesIO(zip_bytes(files))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"with zeros" + bytes(30)
    good(buffer.getvalue() + bytes(count), padding=count)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("count", [1, 24, 25, 10_240, 300_000])
@pytest.mark.parametrize("name", ["Inbox/one.eml", "zero.txt"])
def test_zeros_before_the_directory_are_counted(streamed: bool, method: int, count: int, name: str) -> None:
    data = zip_bytes({name: FILES[name]}, method=method, streamed=streamed)
    place = data.index(b"PK\1\2")
    padded = end_of(data[:place] + bytes(count) + data[place:], offset=place + count)
    good(padded, padding=count)
    wrong = bytearray(padded)
    wrong[place + count - 1] = 1
    if count > 24:
        assert "belong to no entry" in damage(bytes(wrong))


@pytest.mark.parametrize("signature", [b"", b"PK\7\x08"])
@pytest.mark.parametrize("form", ["<3I", "<I2Q"])
@pytest.mark.parametrize("content", [noise(100), b""])
def test_a_descriptor_is_no_padding(signature: bytes, form: str, content: bytes) -> None:
    data = bytearray(zip_bytes({"a": content}, method=zipfile.ZIP_STORED))
    place = data.index(b"PK\1\2")
    data[6] = data[place + 8] = 8
    descriptor = signature + struct.pack(form, zlib.crc32(content), len(content), len(content))
    data[place:place] = descriptor
    good(end_of(bytes(data), offset=place + len(descriptor)))


@pytest.mark.parametrize("size", [2**32 - 1, 2**32])
def test_an_entry_of_4_gib_less_one_byte_needs_no_zip64_field(tmp_path: pathlib.Path, size: int) -> None:
    """As Info-ZIP writes it; one byte more must have it."""
    path = tmp_path / "large.zip"
    fields = (0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1, 1, 0)
    with open(path, "wb") as file:
        file.write(struct.pack("<4s5H3I2H", b"PK\3\4", 20, *fields) + b"a")
        file.seek(size, os.SEEK_CUR)
        place = file.tell()
        line = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, *fields, 0, 0, 0, 0, 0) + b"a"
        file.write(line)
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(line), place))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, place + len(line), 1))
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(line), 2**32 - 1, 0))
    with open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        # Sparse zeros: behind 2**32 - 1 bytes, one more is padding.
        assert zip_check.check(file.fileno(), length, False, no_limit)[:2] == ("structure", size - (2**32 - 1))


def test_a_gap_of_zeros_is_a_reason_to_look_at_the_time(tmp_path: pathlib.Path) -> None:
    """It is sparse, and costs nobody anything but us."""
    data, hole = zip_bytes({"a": b"x"}, method=zipfile.ZIP_STORED), 2**26
    place = data.index(b"PK\1\2")
    looks: list[None] = []
    with open(tmp_path / "sparse.zip", "w+b") as file:
        file.write(data[:place])
        file.seek(hole, os.SEEK_CUR)
        file.write(end_of(data, offset=place + hole)[place:])
        file.flush()
        check = zip_check.check(file.fileno(), len(data) + hole, False, lambda: looks.append(None))
    assert check[:2] == ("structure", hole)
    assert len(looks) > 200


def test_an_entry_that_needs_a_version_of_the_format_that_there_is_not() -> None:
    data = bytearray(zip_bytes({"a": b"x"}))
    data[data.index(b"PK\1\2") + 6] = 63
    good(bytes(data))
    data[data.index(b"PK\1\2") + 6] = 64
    assert "needs a version" in damage(bytes(data))


def test_extra_fields_that_do_not_fit_in_their_room() -> None:
    assert "extra fields are damaged" in damage(_with_extra(struct.pack("<2HQ", 0x5455, 9, 0)))
    good(_with_extra(struct.pack("<2HQ", 0x5455, 8, 0) + b"\0\0\0"))  # what is no field is padding


def test_flags_that_say_how_a_name_is_read_are_a_part_of_the_contents() -> None:
    for name, is_odd in (("Grüße", True), ("greetings", False)):
        data = bytearray(zip_bytes({name: b"x"}))
        data[data.index(b"PK\1\2") + 9] ^= 8  # bit 11: the name is UTF-8
        good(bytes(data), contents=False)
        if is_odd:
            assert "contradicts the directory" in damage(bytes(data), contents=True)
        else:
            good(bytes(data))


@pytest.mark.parametrize("bit", [0, 5, 6, 13])
def test_flags_that_say_how_data_is_read_must_agree(bit: int) -> None:
    data = bytearray(zip_bytes({"a": b"x"}))
    data[data.index(b"PK\1\2") + 8 + bit // 8] ^= 1 << bit % 8
    assert "contradicts the directory" in damage(bytes(data))


# --- bad ones ---


@pytest.mark.parametrize("data", [zip_bytes(FILES), zip_bytes(FILES, streamed=True), zip_bytes({})])
def test_an_archive_that_is_cut_anywhere_is_damaged(data: bytes) -> None:
    for length in range(4, len(data)):
        with pytest.raises(StorwareError, match="the content is damaged"):
            check(data[:length], contents=False)
    assert "without an end" in damage(data[:-1])


@pytest.mark.parametrize("junk", [b"\n", b"\0x", b"x" * 70_000, b"PK\5\6", noise(22), bytes(70_000)])
def test_something_after_the_end(junk: bytes) -> None:
    why = damage(zip_bytes(FILES) + junk)
    assert "something after its end" in why or len(junk) > 65535  # an end is not looked for further back


@pytest.mark.parametrize("junk", [b"\0", b"#!/bin/sh\n", noise(30), noise(100_000)])
def test_something_before_the_start(junk: bytes) -> None:
    assert "added" in damage(junk + zip_bytes(FILES))


@pytest.mark.parametrize("junk", [b"\0", bytes(100), noise(30)])
def test_something_between_the_directory_and_the_end_record(junk: bytes) -> None:
    """Also zeros: readers take the end of the directory for its place, and find none."""
    assert "added" in damage(zip_bytes(FILES)[:-22] + junk + zip_bytes(FILES)[-22:])


def test_something_before_the_start_with_all_numbers_adapted() -> None:
    buffer = io.BytesIO(b"#!/usr/bin/python3 -and-some-more-words\n")
    buffer.seek(0, os.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("a", b"x")
    assert zipfile.is_zipfile(buffer)
    assert "belong to no entry" in damage(buffer.getvalue())


@pytest.mark.parametrize("where", [10, 100, 2000])
@pytest.mark.parametrize("count", [1, 24, 1000])
def test_bytes_that_are_missing_or_added_in_the_middle(where: int, count: int) -> None:
    data = zip_bytes(FILES)
    damage(data[:where] + data[where + count :])
    damage(data[:where] + b"\0" * count + data[where:])


def test_an_entry_that_the_directory_does_not_list() -> None:
    data = zip_bytes({"a": noise(100), "b": noise(100)}, method=zipfile.ZIP_STORED)
    directory_at = struct.unpack_from("<I", data, len(data) - 6)[0]
    without_b = data[:directory_at] + data[directory_at : directory_at + 47] + data[-22:]
    assert "belong to no entry" in damage(end_of(without_b, entries=1, size=47))


@pytest.mark.parametrize(
    "change", [{"entries": 3}, {"entries": 5}, {"size": 10}, {"offset": 10}, {"offset": 2**32 - 1}]
)
def test_an_end_record_that_lies(change: dict[str, int]) -> None:
    damage(end_of(zip_bytes(FILES), **change))


@pytest.mark.parametrize(("field", "value"), [(4, 1), (6, 1), (8, 3)], ids=["disk", "first disk", "entries here"])
def test_one_part_of_a_split_archive(field: int, value: int) -> None:
    data = bytearray(zip_bytes(FILES))
    struct.pack_into("<H", data, len(data) - 22 + field, value)
    assert "split" in damage(bytes(data))


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (b"PK\5\6", 4, 1),
        (b"PK\5\6", 6, 1),
        (b"PK\5\6", 8, 7),
        (b"PK\1\2", 34, 1),
        (b"PK\6\7", 4, 1),
        (b"PK\6\7", 16, 2),
        (b"PK\6\6", 16, 1),
        (b"PK\6\6", 20, 1),
        (b"PK\6\6", 24, 65535),
    ],
    ids=[
        "old disk",
        "old first disk",
        "old entries here",
        "disk of an entry",
        "disk of the end",
        "disks",
        "disk",
        "first disk",
        "entries here",
    ],
)
def test_one_part_of_a_split_archive_with_zip64_records(record: bytes, field: int, value: int) -> None:
    data = bytearray(_many(65536))
    struct.pack_into("<I", data, data.rindex(record) + field, value)
    assert "split" in damage(bytes(data))


def test_something_between_the_directory_and_the_end() -> None:
    data = zip_bytes({"a": noise(100)}, method=zipfile.ZIP_STORED)
    assert "longer than its entries" in damage(end_of(data[:-22] + bytes(9) + data[-22:], size=47 + 9))


@pytest.mark.parametrize("first", [0, 1])
def test_an_entry_inside_of_another(first: int) -> None:
    """As a quine or a bomb has it, whichever of the two the directory lists first."""
    inner = zip_bytes({"b": noise(100)}, method=zipfile.ZIP_STORED)[: 30 + 1 + 100]
    outer = zip_bytes({"a": inner}, method=zipfile.ZIP_STORED)
    directory_at = len(outer) - 22 - 47
    record_b = bytearray(zip_bytes({"b": noise(100)}, method=zipfile.ZIP_STORED)[-22 - 47 : -22])
    struct.pack_into("<I", record_b, 42, 31)
    records = [outer[directory_at:-22], bytes(record_b)]
    bomb = outer[:directory_at] + records[first] + records[1 - first] + outer[-22:]
    assert "overlaps" in damage(end_of(bomb, entries=2, size=2 * 47))


def test_entries_that_overlap() -> None:
    """As in "a better zip bomb": many lines of the directory point to the same data."""
    data = zip_bytes({"a": noise(1000)}, method=zipfile.ZIP_STORED)
    directory_at = struct.unpack_from("<I", data, len(data) - 6)[0]
    record = data[directory_at:-22]
    bomb = end_of(data[:directory_at] + record * 3 + data[-22:], entries=3, size=3 * len(record))
    assert "overlaps" in damage(bomb)


def test_an_entry_that_reaches_into_the_directory() -> None:
    data = bytearray(zip_bytes({"a": noise(1000)}, method=zipfile.ZIP_STORED))
    central = data.index(b"PK\1\2")
    for position in (18, 22, central + 20, central + 24):
        struct.pack_into("<I", data, position, 1001)
    assert "overlaps" in damage(bytes(data))


@pytest.mark.parametrize(
    "field",
    [6, 8, 14, 18, 22, 26, 30],
    ids=["flags", "method", "crc", "packed", "unpacked", "name length", "name"],
)
def test_a_local_header_that_differs_from_the_directory(field: int) -> None:
    data = bytearray(zip_bytes({"abc": noise(1000)}, method=zipfile.ZIP_STORED))
    data[field] ^= 1
    assert "contradicts" in damage(bytes(data))


def test_the_numbers_of_an_encrypted_entry_are_compared_too() -> None:
    data = bytearray(_with_raw_data(noise(100), b"x" * 50, flags=1))
    data[14] ^= 1
    assert "contradicts" in damage(bytes(data))


@pytest.mark.parametrize("gap", [24, 25])
@pytest.mark.parametrize("after", ["a", "b"])
def test_no_more_than_a_data_descriptor_may_follow_an_entry(gap: int, after: str) -> None:
    data = zip_bytes({"a": noise(100), "b": noise(100)}, method=zipfile.ZIP_STORED)
    directory_at = struct.unpack_from("<I", data, len(data) - 6)[0]
    at = {"a": directory_at // 2, "b": directory_at}[after]
    longer = bytearray(data[:at] + noise(gap) + data[at:])
    struct.pack_into("<I", longer, len(longer) - 6, directory_at + gap)
    if after == "a":
        struct.pack_into("<I", longer, len(longer) - 22 - 47 + 42, at + gap)
    line_a, line_b = longer[-22 - 94 : -22 - 47], longer[-22 - 47 : -22]
    for lines in (line_a + line_b, line_b + line_a):
        archive = bytes(longer[: -22 - 94] + lines + longer[-22:])
        if gap == 24:
            good(archive)
        else:
            assert "belong to no entry" in damage(archive)


def test_a_long_or_odd_name_is_shown_short_and_readable() -> None:
    data = bytearray(zip_bytes({"a" * 60_000: b"x"}))
    data[14] ^= 1
    assert len(damage(bytes(data))) < 200
    data = bytearray(zip_bytes({"abc": b"x"}).replace(b"abc", b"a\xffc"))
    data[14] ^= 1
    assert r"'a\ufffdc'" in damage(bytes(data))


@pytest.mark.parametrize("find", [bytearray.index, bytearray.rindex])
def test_a_line_of_the_directory_that_is_none(find: t.Callable[[bytearray, bytes], int]) -> None:
    data = bytearray(zip_bytes({"a": b"x", "b": b"y"}))
    data[find(data, b"PK\1\2")] ^= 1
    assert "its directory is damaged" in damage(bytes(data))


def test_a_header_that_is_not_where_the_directory_says() -> None:
    data = bytearray(zip_bytes({"abc": noise(1000)}))
    data[0] ^= 1
    assert "not where the directory says" in damage(bytes(data))
    data = bytearray(zip_bytes({"abc": noise(1000)}))
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 42, 2**31)
    assert "point to byte" in damage(bytes(data))
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 42, len(data) - 4)
    assert "point to byte" in damage(bytes(data))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_flipped_bit_anywhere_in_the_data_is_found_by_reading_it(streamed: bool) -> None:
    data = zip_bytes({"a.eml": noise(300), "b.eml": b"words " * 100}, streamed=streamed)
    directory_at = struct.unpack_from("<I", data, len(data) - 6)[0]
    found = 0
    for position in range(directory_at):
        flipped = bytearray(data)
        flipped[position] ^= 0x10
        try:
            check(bytes(flipped))
        except StorwareError:
            found += 1
    # Not found: a time stamp, a version, a data descriptor; nothing that is content
    unimportant = 2 * (2 + 4) + 2 * (1 + 16 + 12 if streamed else 1)
    assert found >= directory_at - unimportant - 4


def test_data_is_not_read_for_the_structure() -> None:
    data = bytearray(zip_bytes({"a.eml": noise(300)}))
    data[100] ^= 1
    good(bytes(data), contents=False)
    assert "a.eml" in damage(bytes(data), contents=True)


@pytest.mark.parametrize("unpacked", [0, 1, 1999, 2001, 2**31])
def test_a_size_that_lies_in_both_places(unpacked: int) -> None:
    data = bytearray(zip_bytes({"a": b"x" * 2000}))
    for position in (22, data.index(b"PK\1\2") + 24):
        struct.pack_into("<I", data, position, unpacked)
    assert "size differs" in damage(bytes(data), contents=True)


def test_packed_data_with_something_after_its_end_or_without_one() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b"hello" * 100) + packer.flush()
    for wrong in (packed + b"\0", packed[:-1], packed[:3], b"\xff" * len(packed)):
        assert "cannot be unpacked" in damage(_with_raw_data(wrong, b"hello" * 100), contents=True)
    good(_with_raw_data(packed, b"hello" * 100))


def _with_raw_data(packed: bytes, unpacked: bytes, *, method: int = 8, flags: int = 0) -> bytes:
    fields = (0, 0, zlib.crc32(unpacked), len(packed), len(unpacked), 1, 0)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, flags, method, *fields) + b"a" + packed
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, flags, method, *fields, 0, 0, 0, 0, 0) + b"a"
    return local + central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)


def test_no_more_is_read_than_it_takes_to_see_the_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    pread = os.pread

    def counted(fd: int, length: int, offset: int) -> bytes:
        nonlocal read
        data = pread(fd, length, offset)
        read += len(data)
        return data

    monkeypatch.setattr(os, "pread", counted)
    size = 16 * 2**20
    assert "size differs" in damage(_with_raw_data(bytes(size), b"hello", method=0), contents=True)
    assert read < size / 4


def test_a_bomb_costs_no_memory() -> None:
    size = 200 * 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(2**20)
    packed = b"".join(packer.compress(block) for _round in range(200)) + packer.flush()
    crc = 0
    for _round in range(200):
        crc = zlib.crc32(block, crc)
    data = bytearray(_with_raw_data(packed, b""))
    for position in (14, data.index(b"PK\1\2") + 16):
        struct.pack_into("<I", data, position, crc)
        struct.pack_into("<I", data, position + 8, size)
    tracemalloc.start()
    good(bytes(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


@pytest.mark.parametrize(
    ("method", "flags", "words"),
    [(8, 1, "encrypted"), (0, 0x41, "encrypted"), (9, 0, "method 9"), (12, 0, "method 12"), (99, 1, "encrypted")],
)
def test_what_cannot_be_read_is_told_and_its_structure_is_checked(method: int, flags: int, words: str) -> None:
    data = _with_raw_data(noise(100), b"x" * 50, method=method, flags=flags)
    good(data, contents=False)
    with pytest.raises(StorwareError) as caught:
        check(data, contents=True)
    assert caught.value.code == "cannot_verify"
    assert words in caught.value.message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data, end64, locator: data.__setitem__(end64, 0),
        lambda data, end64, locator: struct.pack_into("<Q", data, end64 + 4, 45),
        lambda data, end64, locator: struct.pack_into("<I", data, end64 + 16, 1),
        lambda data, end64, locator: struct.pack_into("<Q", data, end64 + 24, 3),
        lambda data, end64, locator: struct.pack_into("<Q", data, end64 + 32, 1),
        lambda data, end64, locator: struct.pack_into("<Q", data, end64 + 40, 2**63),
        lambda data, end64, locator: struct.pack_into("<Q", data, end64 + 48, 2**64 - 1),
        lambda data, end64, locator: data.__setitem__(locator, 0),
        lambda data, end64, locator: struct.pack_into("<Q", data, locator + 8, 0),
        lambda data, end64, locator: struct.pack_into("<Q", data, locator + 8, 2**64 - 1),
        lambda data, end64, locator: struct.pack_into("<I", data, locator + 16, 2),
        lambda data, end64, locator: struct.pack_into("<H", data, locator + 20 + 10, 7),
    ],
)
def test_zip64_records_that_lie(spoil: t.Callable[[bytearray, int, int], None]) -> None:
    data = bytearray(_many(65536))
    locator = data.rindex(b"PK\6\7")
    spoil(data, data.rindex(b"PK\6\6"), locator)
    damage(bytes(data))


def test_a_zip64_field_that_is_missing() -> None:
    data = bytearray(zip_bytes({"a": b"x"}))
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 42, 2**32 - 1)
    assert "point to byte" in damage(bytes(data))


@pytest.mark.parametrize("before", [b"", struct.pack("<2H5s", 0x5455, 5, b"times"), struct.pack("<2H", 0x9999, 0)])
@pytest.mark.parametrize("after", [b"", struct.pack("<2HQ", 0x9999, 8, 0), b"\1\0"])
def test_a_zip64_field_among_others(before: bytes, after: bytes) -> None:
    good(_with_zip64_field(before, struct.pack("<2HQ", 1, 8, 0), after))
    assert "incomplete" in damage(_with_zip64_field(before, struct.pack("<2HI", 1, 4, 0), after))
    for none in (struct.pack("<2H", 1, 0), b""):
        assert "point to byte 4294967325" in damage(_with_zip64_field(before, none, after))


def _with_zip64_field(*extra_fields: bytes) -> bytes:
    """An archive of one entry whose offset is told in the extra field."""
    return _with_extra(b"".join(extra_fields), offset=2**32 - 1)


def _with_extra(extra: bytes, offset: int = 0) -> bytes:
    """An archive of one entry with these extra fields in its directory."""
    data = zip_bytes({"a": b"x"})
    line = bytearray(data[-22 - 47 : -22])
    struct.pack_into("<H", line, 30, len(extra))
    struct.pack_into("<I", line, 42, offset)
    return end_of(data[: -22 - 47] + line + extra + data[-22:], size=47 + len(extra))


SMALL = [zip_bytes({"a": b"x" * 30, "b/": b""}), zip_bytes({"a": b"x" * 30}, streamed=True), _many(2), zip_bytes({})]


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_no_bytes_can_break_it(data: st.DataObject) -> None:
    """Whatever is changed: it is an archive or it is damaged, never a crash."""
    archive = bytearray(data.draw(st.sampled_from(SMALL)))
    for _change in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(archive) - 1))
        new = data.draw(st.binary(max_size=6))
        archive[position : position + data.draw(st.integers(0, 6))] = new
    with contextlib.suppress(StorwareError):
        check(bytes(archive))


@pytest.mark.parametrize("size", range(60))
def test_tiny_files_are_damaged(size: int) -> None:
    damage((b"PK\3\4" + bytes(60))[:size])
