# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a ZIP archive is whole, in constant memory and, whatever it holds, in time that grows with its size only.

Stricter than the standard library's reader, which tolerates what a cut or patched file shows: nothing but zeros may lie
between entries, before the directory or after the end, no records may overlap, and each local header must agree with
the directory.
Field names and numbers are those of PKWARE's APPNOTE.TXT, sections 4.3 and 8.5.
"""

from __future__ import annotations

import bisect
import struct
import typing as t
import zlib
from array import array
from dataclasses import dataclass

from .._errors import StorwareError
from .blocks import BlockReader
from .structure import CheckTime, Proof, corrupt

# What a split archive begins with, and also one that was to be split and fitted into a single volume (8.5.4, 8.5.5).
MARKERS: t.Final = (b"PK\7\x08", b"PK00")

_MAX16: t.Final = 0xFFFF  # in a field: the value is in the ZIP64 record
_MAX32: t.Final = 0xFFFFFFFF
_LOCAL: t.Final = struct.Struct("<4s5H3I2H")
_CENTRAL: t.Final = struct.Struct("<4s6H3I5H2I")
_END: t.Final = struct.Struct("<4s4H2IH")
_LOCATOR: t.Final = struct.Struct("<4sIQI")
_END64: t.Final = struct.Struct("<4sQ2H2I4Q")
_BLOCK: t.Final = 256 * 1024
_MOST_UNORDERED: t.Final = 1_000_000  # entries; those of a directory in the order of their data need no memory
_LONGEST_DESCRIPTOR: t.Final = 24  # bytes that may follow an entry's data; shorter than any local header

_ENCRYPTED: t.Final = 0x1
_DESCRIPTOR: t.Final = 0x8
_UTF8: t.Final = 0x800
_DECIDING: t.Final = _ENCRYPTED | 0x20 | 0x40 | 0x2000  # how data is read: encrypted in some way, or a patch (4.4.4)
_NEWEST: t.Final = 63  # version of the format, times ten
_STORED: t.Final = 0
_DEFLATED: t.Final = 8


@dataclass(frozen=True)
class _Entry:
    """One line of the central directory."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int  # bytes in the archive
    unpacked: int
    offset: int  # of its local header

    @property
    def shown(self) -> str:
        """The name for messages."""
        return _show(self.name)


@dataclass(frozen=True)
class _Directory:
    """Where the central directory is and how many entries it has; padding: zero bytes behind the end of the archive."""

    offset: int
    size: int
    entries: int
    padding: int = 0


def check(fd: int, size: int, contents: bool, check_time: CheckTime) -> Proof:
    """Check the structure and, if contents is set, the CRC of every entry.

    Raises StorwareError: ``corrupt``, or ``cannot_verify`` for contents that cannot be checked: encrypted, or
    packed with a method that is not known here.
    """
    file = BlockReader(fd, size, _BLOCK)
    directory = _find_directory(file)
    headers = BlockReader(fd, size, 4096)  # a small block: what lies between two local headers is not wanted

    def entries() -> t.Iterator[_Entry]:
        for entry in _entries(file, directory):
            check_time()
            yield entry

    first, padding, unpacked_size = directory.offset, directory.padding, 0
    for entry, end in _with_ends(entries(), _starts(entries), directory.offset):
        first = min(first, entry.offset)
        unpacked_size += entry.unpacked
        start = _check_local_header(headers, entry, end, contents)
        padding += _check_gap(headers, entry, start + entry.packed, end, check_time)
        if contents:
            _check_content(file, entry, start, check_time)
    if first and not (first == 4 and file.read(0, first) in MARKERS):
        raise _stray_bytes()
    return Proof("full" if contents else "structure", padding, directory.entries, unpacked_size)


def _show(name: bytes) -> str:
    return ascii(name[:80].decode("utf-8", "replace"))


def _part() -> StorwareError:
    return corrupt("it is one part of a split archive")


def _stray_bytes() -> StorwareError:
    return corrupt("it has bytes that belong to no entry")


def _find_directory(file: BlockReader) -> _Directory:
    position, end, padding = _find_end(file)
    _signature, disk, first_disk, here, entries, size, offset, _comment = end
    classic = _Directory(offset, size, entries, padding)
    locator = position - _LOCATOR.size
    has_locator = locator >= 0 and file.read(locator, 4) == b"PK\6\7"
    # ZIP64 records, which some writers add without need, lie between the directory and its end record.
    if has_locator and offset + size != position:
        if {disk, first_disk} - {0, _MAX16} or here not in (entries, _MAX16):
            raise _part()
        return _find_directory64(file, locator, classic)
    if disk or first_disk or here != entries:
        raise _part()
    return _check_end(classic, position)


def _find_end(file: BlockReader) -> tuple[int, tuple[t.Any, ...], int]:
    """Position and fields of the end record, and the zeros behind it: programs that write whole blocks leave some.

    It is the last one whose comment ends with the file or, if there is none, with zeros behind it.
    """
    tail_start = max(0, file.size - _END.size - _MAX16)  # no reader looks for it further back
    tail = file.read(tail_start, file.size - tail_start)
    data_end = len(tail.rstrip(b"\0"))
    found, what = None, "without an end, so it is cut"
    position = tail.rfind(b"PK\5\6")
    while position >= 0:
        if position + _END.size <= len(tail):
            fields = _END.unpack_from(tail, position)
            padding = len(tail) - position - _END.size - fields[-1]
            if padding == 0:
                return tail_start + position, fields, 0
            if padding > len(tail) - data_end:
                what = "with something after its end"
            elif padding > 0:
                found = found or (tail_start + position, fields, padding)
        position = tail.rfind(b"PK\5\6", 0, position)
    if found is None:
        raise corrupt(f"it is a ZIP archive {what}")
    return found


def _find_directory64(file: BlockReader, locator: int, classic: _Directory) -> _Directory:
    _signature, disk, position, disks = _LOCATOR.unpack(file.read(locator, _LOCATOR.size))
    fields = _END64.unpack(file.read(position, _END64.size))
    signature, length, _by, _needs, this_disk, first_disk, here, entries, size, offset = fields
    if signature != b"PK\6\6" or position + 12 + length != locator:
        raise corrupt("its ZIP64 end record is not where it should be")
    if disk or this_disk or first_disk or disks > 1 or here != entries:
        raise _part()
    pairs = ((classic.entries, entries, _MAX16), (classic.size, size, _MAX32), (classic.offset, offset, _MAX32))
    if any(small not in (large, maximum) for small, large, maximum in pairs):
        raise corrupt("its two end records contradict each other")
    return _check_end(_Directory(offset, size, entries, classic.padding), position)


def _check_end(directory: _Directory, end: int) -> _Directory:
    if directory.offset + directory.size != end:
        raise corrupt("its directory is not where its end record says; bytes are missing or were added")
    return directory


def _entries(file: BlockReader, directory: _Directory) -> t.Iterator[_Entry]:
    position, end = directory.offset, directory.offset + directory.size
    for _number in range(directory.entries):
        if position + _CENTRAL.size > end:
            raise corrupt(f"its directory has fewer entries than the {directory.entries} announced")
        fields = _CENTRAL.unpack(file.read(position, _CENTRAL.size))
        (signature, _by, needs, flags, method, _time, _date, crc, packed, unpacked) = fields[:10]
        (name_length, extra_length, comment_length, disk, _internal, _external, offset) = fields[10:]
        if signature != b"PK\1\2":
            raise corrupt("its directory is damaged")
        if disk not in (0, _MAX16):
            raise _part()
        name = file.read(position + _CENTRAL.size, name_length)
        extra = file.read(position + _CENTRAL.size + name_length, extra_length)
        unpacked, packed, offset = _large(_zip64_field(extra), (unpacked, packed, offset))
        if needs & 0xFF > _NEWEST:
            raise corrupt(f"its directory says that {_show(name)} needs a version of the format that there is not")
        yield _Entry(name, flags, method, crc, packed, unpacked, offset)
        position += _CENTRAL.size + name_length + extra_length + comment_length
    if position != end:
        raise corrupt("its directory is longer than its entries")


def _large(field: bytes, values: tuple[int, ...]) -> tuple[int, ...]:
    """The values, those that are all ones taken from the ZIP64 field, which holds them in this order (4.5.3).

    Without such a field they mean what they say: Info-ZIP writes an entry of 4,294,967,295 bytes so.
    """
    missing = values.count(_MAX32)
    if not field:
        return values
    if len(field) < 8 * missing:
        raise corrupt("its ZIP64 fields are incomplete")
    large = iter(struct.unpack_from(f"<{missing}Q", field))
    return tuple(next(large) if value == _MAX32 else value for value in values)


def _zip64_field(extra: bytes) -> bytes:
    """Return the content of the ZIP64 field among the extra fields; empty if there is none."""
    position, found = 0, b""
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4 + length
        if position > len(extra):
            raise corrupt("its extra fields are damaged")
        if kind == 1 and not found:
            found = extra[position - length : position]
    return found


def _check_local_header(file: BlockReader, entry: _Entry, end: int, contents: bool) -> int:
    """Compare the header before the entry's data with the directory; returns where the data starts.

    end: where the next entry begins. contents: whether the encoding of the name counts, too. Nothing is read twice, so
    that a hostile archive costs no more than its size.
    """
    fields = _LOCAL.unpack(file.read(entry.offset, _LOCAL.size))
    (signature, _needs, flags, method, _time, _date, crc, packed, unpacked, name_length, extra_length) = fields
    if signature != b"PK\3\4":
        raise corrupt(f"the header of its entry {entry.shown} is not where the directory says")
    start: int = entry.offset + _LOCAL.size + name_length + extra_length
    if start + entry.packed > end:
        raise corrupt(f"its entry {entry.shown} overlaps with another one or with the directory")
    name = file.read(entry.offset + _LOCAL.size, name_length)
    extra = file.read(entry.offset + _LOCAL.size + name_length, extra_length)
    compared = _DECIDING | (_UTF8 if contents and not name.isascii() else 0)
    same = name == entry.name and method == entry.method and (flags ^ entry.flags) & compared == 0
    if same and not flags & _DESCRIPTOR:  # with a descriptor the numbers are known only after the data
        if _MAX32 in (unpacked, packed):
            unpacked, packed = _large(_zip64_field(extra), (unpacked, packed))
        same = (crc, packed, unpacked) == (entry.crc, entry.packed, entry.unpacked)
    if not same:
        raise corrupt(f"the header of its entry {entry.shown} contradicts the directory")
    return start


def _check_gap(file: BlockReader, entry: _Entry, start: int, end: int, check_time: CheckTime) -> int:
    """Check what lies between an entry's data and the next record; returns how many zeros belong to nothing."""
    if entry.flags & _DESCRIPTOR:
        descriptor = file.read(start, min(end - start, _LONGEST_DESCRIPTOR))
        start += _descriptor_length(entry, descriptor, end - start)
    if file.has_zeros(start, end, check_time):
        return end - start
    if end - start > _LONGEST_DESCRIPTOR:
        raise _stray_bytes()
    return 0  # a descriptor of another form, or one that no flag announces


def _descriptor_length(entry: _Entry, data: bytes, gap: int) -> int:
    """The length of the data descriptor (4.3.9) that these bytes begin with; 0 if they do not. gap: room for it."""
    sizes = entry.packed, entry.unpacked
    forms = ("<3I", "<I2Q") if max(sizes) <= _MAX32 else ("<I2Q",)
    known = [mark + struct.pack(form, entry.crc, *sizes) for mark in (b"PK\7\x08", b"") for form in forms]
    lengths = [len(descriptor) for descriptor in known if data.startswith(descriptor)]
    return gap if gap in lengths else min(lengths, default=0)  # that of an empty entry may end with zeros as well


def _starts(entries: t.Callable[[], t.Iterator[_Entry]]) -> array[int] | None:
    """Where the entries begin, sorted; None for a directory in that order, as writers leave it.

    entries: reads the directory from its beginning. Raises StorwareError: ``corrupt``, and ``cannot_verify`` where
    sorting would take too much memory.
    """
    last = -1
    for entry in entries():
        if entry.offset <= last:
            break
        last = entry.offset
    else:
        return None
    starts = array("Q", sorted(entry.offset for _number, entry in zip(range(_MOST_UNORDERED + 1), entries())))
    if len(starts) > _MOST_UNORDERED:
        raise _cannot_verify(f"its directory is out of order, with more than {_MOST_UNORDERED} entries")
    return starts


def _with_ends(entries: t.Iterator[_Entry], starts: array[int] | None, end: int) -> t.Iterator[tuple[_Entry, int]]:
    """Each entry with the place where the one behind it begins, or all of them end."""
    if starts is None:
        before: _Entry | None = None
        for entry in entries:
            if before:
                yield before, entry.offset
            before = entry
        if before:
            yield before, end
        return
    for entry in entries:
        place = bisect.bisect_left(starts, entry.offset) + 1
        yield entry, starts[place] if place < len(starts) else end


def _check_content(file: BlockReader, entry: _Entry, start: int, check_time: CheckTime) -> None:
    if entry.flags & _ENCRYPTED:
        raise _cannot_verify(f"its entry {entry.shown} is encrypted")
    if entry.method not in (_STORED, _DEFLATED):
        raise _cannot_verify(f"its entry {entry.shown} is packed with method {entry.method}, which is not known here")
    pieces = file.pieces(start, entry.packed)
    crc = size = 0
    try:
        # Some writers mark empty entries as packed and leave out even the packed nothing.
        for piece in _inflate(pieces) if entry.method == _DEFLATED and entry.packed else pieces:
            check_time()
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            if size > entry.unpacked:
                break
    except zlib.error:
        raise corrupt(f"its entry {entry.shown} cannot be unpacked") from None
    if (crc, size) != (entry.crc, entry.unpacked):
        raise corrupt(f"its entry {entry.shown} is damaged (its checksum or size differs)")


def _inflate(pieces: t.Iterator[bytes]) -> t.Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in pieces:
        while piece and not unpacker.eof:
            # Bounded output: a piece may stand for a thousand times its size.
            yield unpacker.decompress(piece, _BLOCK)
            piece = unpacker.unconsumed_tail
        if unpacker.eof and (unpacker.unused_data or piece):
            raise zlib.error("data after the end")
    while not unpacker.eof:
        rest = unpacker.flush()
        if not rest:
            raise zlib.error("no end")
        yield rest


def _cannot_verify(why: str) -> StorwareError:
    return StorwareError(
        f"the contents of the ZIP archive cannot be checked: {why}",
        code="cannot_verify",
        hint="Use verify=structure, which does not unpack.",
    )
