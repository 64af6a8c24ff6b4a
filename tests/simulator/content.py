# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a download: made from its guid, of exactly the size asked for, readable at any offset, never stored.

A content is a few literal pieces (the structure of a ZIP or the header of a PST) with body bytes between them. The body
byte at offset o is ``pattern[o % PERIOD]``, the pattern being random bytes seeded with the guid; so any range is made
in no time, a long stream sends the same objects again and again, and a CRC over hundreds of GiB costs some
multiplications (see ``crc``).
"""

from __future__ import annotations

import functools
import hashlib
import random
import struct
import typing as t
import zlib
from dataclasses import dataclass

from tests.simulator import crc

PERIOD = 1048573  # a prime: no block size of a reader or writer divides it, so misplaced blocks never look right
_CHUNK = 262144  # bytes handed over at once
Piece = tuple[int, bytes]


class Pattern:
    """The repeating body of one guid."""

    def __init__(self, guid: str) -> None:
        self.bytes = random.Random(guid).randbytes(PERIOD)
        self._blocks = [self.bytes[start : start + _CHUNK] for start in range(0, PERIOD, _CHUNK)]

    def chunks(self, start: int, stop: int) -> t.Iterator[bytes]:
        """The body from one offset to another."""
        while start < stop:
            index, skipped = divmod(start % PERIOD, _CHUNK)
            block = self._blocks[index]
            if skipped or stop - start < len(block):
                block = block[skipped : skipped + stop - start]
            yield block
            start += len(block)

    def crc(self, start: int, length: int) -> int:
        """The CRC-32 of ``length`` body bytes from offset ``start``."""
        phase = start % PERIOD
        head = self.bytes[phase : phase + length]
        periods, rest = divmod(length - len(head), PERIOD)
        total = crc.combine(zlib.crc32(head), crc.repeat(self._whole_crc, PERIOD, periods), periods * PERIOD)
        return crc.combine(total, zlib.crc32(self.bytes[:rest]), rest)

    @functools.cached_property
    def _whole_crc(self) -> int:
        return zlib.crc32(self.bytes)


@dataclass(frozen=True)
class Content:
    """A file that is computed while it is read."""

    size: int
    pattern: Pattern
    literals: tuple[Piece, ...]
    media_type: str

    def chunks(self, start: int, stop: int) -> t.Iterator[bytes]:
        """The bytes from offset ``start`` up to, not including, ``stop`` or the end."""
        stop = min(stop, self.size)
        for offset, literal in self.literals:
            if start >= stop:
                return
            if start < offset:
                yield from self.pattern.chunks(start, min(offset, stop))
                start = min(offset, stop)
            piece = literal[max(0, start - offset) : max(0, stop - offset)]
            if piece:
                yield piece
                start += len(piece)
        yield from self.pattern.chunks(start, stop)

    def sha256(self) -> str:
        """The digest of the whole, as hex. Takes as long as reading it."""
        digest = hashlib.sha256()
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        return digest.hexdigest()


@functools.lru_cache(maxsize=16)
def content_of(guid: str, mode: str, size: int) -> Content:
    """The content of a download of this mode and size in bytes."""
    pattern = Pattern(guid)
    if mode == "CLOUD_PST_DOWNLOAD":
        return Content(size, pattern, _pst(size), "application/vnd.ms-outlook")
    return Content(size, pattern, tuple(_zip(size, pattern)), "application/zip")


def _pst(size: int) -> tuple[Piece, ...]:
    """The header of a Unicode PST file ([MS-PST] 2.2.2.6); a size below its 564 bytes cuts it off."""
    header = bytearray(564)
    struct.pack_into("<4s4x2sHHBB", header, 0, b"!BDN", b"SM", 23, 19, 1, 1)
    struct.pack_into("<Q", header, 0xB8, size)  # ROOT.ibFileEof: the file's size
    struct.pack_into("<BB", header, 512, 0x80, 0)  # sentinel; no encryption
    struct.pack_into("<I", header, 4, crc.pst_crc(header[8:479]))
    struct.pack_into("<I", header, 524, crc.pst_crc(header[8:524]))
    return ((0, bytes(header[:size])),)


# ZIP: stored entries, so that their bytes are body bytes. Field by field after APPNOTE.TXT of PKWARE, section 4.3.

_FOUR_GIB = 0xFFFFFFFF  # a value from here on does not fit a classic field
_END_SIZE = 22
_ENTRY_BYTES = 30 + 46
_DOS_TIME, _DOS_DATE = 0, (2026 - 1980) << 9 | 1 << 5 | 8


@dataclass(frozen=True)
class _Entry:
    name: bytes
    offset: int
    length: int
    crc: int
    zip64: bool

    def local_header(self) -> bytes:
        """What stands before the entry's bytes."""
        sizes = (_FOUR_GIB, _FOUR_GIB) if self.zip64 else (self.length, self.length)
        extra = struct.pack("<HHQQ", 1, 16, self.length, self.length) if self.zip64 else b""
        fields = (b"PK\3\4", 45 if self.zip64 else 20, 0, 0, _DOS_TIME, _DOS_DATE, self.crc, *sizes)
        return struct.pack("<4s5H3I2H", *fields, len(self.name), len(extra)) + self.name + extra

    def directory_record(self) -> bytes:
        """Its line in the central directory."""
        sizes, offset, extra = (self.length, self.length), self.offset, b""
        if self.zip64:
            sizes, offset = (_FOUR_GIB, _FOUR_GIB), _FOUR_GIB
            extra = struct.pack("<HHQQQ", 1, 24, self.length, self.length, self.offset)
        version = 45 if self.zip64 else 20
        fields = (b"PK\1\2", version, version, 0, 0, _DOS_TIME, _DOS_DATE, self.crc, *sizes)
        return struct.pack("<4s6H3I5H2I", *fields, len(self.name), len(extra), 0, 0, 0, 0, offset) + self.name + extra


def _zip(size: int, pattern: Pattern) -> t.Iterator[Piece]:
    """The literal pieces of a ZIP of exactly this size. Below 22 bytes there is no ZIP, and body bytes must do."""
    names = [f"Inbox/message-{number:04d}.eml".encode() for number in range(1, 2 + min(7, size // 65536))]
    zip64 = size >= _FOUR_GIB
    payload = size - _overhead(names, zip64)
    if payload < 0:
        if size >= _END_SIZE:
            yield 0, _end(0, 0, 0, comment=b" " * (size - _END_SIZE))
        return
    entries: list[_Entry] = []
    offset = 0
    for name, length in zip(names, _shares(payload, len(names)), strict=True):
        start = offset + len(name) + 30 + (20 if zip64 else 0)
        entry = _Entry(name, offset, length, pattern.crc(start, length), zip64)
        entries.append(entry)
        yield offset, entry.local_header()
        offset = start + length
    directory = b"".join(entry.directory_record() for entry in entries)
    end = (_zip64_end if zip64 else _end)(len(entries), len(directory), offset)
    yield offset, directory + end


def _overhead(names: list[bytes], zip64: bool) -> int:
    extras = (20 + 28) if zip64 else 0
    return sum(_ENTRY_BYTES + extras + 2 * len(name) for name in names) + (_END_SIZE + 76 if zip64 else _END_SIZE)


def _shares(total: int, parts: int) -> list[int]:
    """The total in equal parts; the last one takes what is left over."""
    share = total // parts
    return [share] * (parts - 1) + [total - share * (parts - 1)]


def _end(count: int, directory_size: int, directory_offset: int, comment: bytes = b"") -> bytes:
    fields = (b"PK\5\6", 0, 0, count, count, directory_size, directory_offset, len(comment))
    return struct.pack("<4s4H2IH", *fields) + comment


def _zip64_end(count: int, directory_size: int, directory_offset: int) -> bytes:
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, directory_size, directory_offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, directory_offset + directory_size, 1)
    return record + locator + _end(count, directory_size, _FOUR_GIB)
