# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a PST file has as many bytes as its header says, and whether that header is sound.

Offsets and checksums are those of [MS-PST] 2.2.2.6 (HEADER). What lies behind the header is not checked: most of it is
known only to programs that read the whole file.
"""

from __future__ import annotations

import os
import struct
import typing as t
import zlib

from .structure import CheckTime, Proof, corrupt

_COVERED_FROM: t.Final = 8  # wMagicClient
_PARTIAL: t.Final = (4, _COVERED_FROM + 471, "dwCRCPartial")
_FULL: t.Final = (524, _COVERED_FROM + 516, "dwCRCFull")
# Length of the header in bytes; offset and form of ROOT.ibFileEof (2.2.2.5); each checksum by its place, the end of the
# bytes that it covers, and its name.
_ANSI: t.Final = (512, 0xA8, "<I", (_PARTIAL,))
_UNICODE: t.Final = (564, 0xB8, "<Q", (_PARTIAL, _FULL))
_ANSI_VERSIONS: t.Final = (14, 15)
_FIRST_UNICODE_VERSION: t.Final = 23  # 36 has larger pages, 37 protected data; both have the same header


def check(fd: int, size: int, _contents: bool, _check_time: CheckTime) -> Proof:
    """Check header and size. Raises StorwareError (``corrupt``)."""
    header = os.pread(fd, _UNICODE[0], 0)
    if len(header) < _ANSI[0]:
        raise corrupt(f"it starts like a PST file, but is only {size} bytes long")
    (version,) = struct.unpack_from("<H", header, 10)
    if version not in _ANSI_VERSIONS and version < _FIRST_UNICODE_VERSION:
        raise corrupt(f"it starts like a PST file, but has the unknown version {version}")
    length, offset, form, checksums = _ANSI if version in _ANSI_VERSIONS else _UNICODE
    if len(header) < length:
        raise corrupt(f"it starts like a PST file, but is only {size} bytes long")
    for place, end, name in checksums:
        if struct.unpack_from("<I", header, place) != (_crc(header[_COVERED_FROM:end]),):
            raise corrupt(f"its PST header does not have its own checksum ({name})")
    (own_size,) = struct.unpack_from(form, header, offset)
    if own_size != size:
        raise corrupt(f"its PST header says that it is {own_size} bytes long, but it is {size}")
    return Proof("structure")


def _crc(data: bytes) -> int:
    """The CRC of [MS-PST] 5.3: that of ZIP, but begun with zero, and not inverted at the end."""
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
