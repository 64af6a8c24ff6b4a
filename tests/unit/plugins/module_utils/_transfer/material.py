# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents for tests: archives and mail stores, good and bad, and what tests ask of a directory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pathlib
import random
import struct
import typing as t
import zipfile

from tests.simulator.crc import pst_crc

GUID = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"
OTHER_GUID = "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not repeat."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    """The digest as hex."""
    return hashlib.sha256(data).hexdigest()


def zip_bytes(
    files: t.Mapping[str, bytes] | None = None, *, method: int = zipfile.ZIP_DEFLATED, streamed: bool = False
) -> bytes:
    """An archive. streamed: written without seeking, so that data descriptors follow the entries."""
    if files is None:
        files = {"Inbox/one.eml": noise(3000), "Inbox/two.eml": b"Dear all,\n" * 2000, "Empty/": b""}
    buffer: io.BytesIO = _Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(
                name
            )  # of 1980: names of tests hold archives, and must be the same in every process
            entry.compress_type = archive.compression
            archive.writestr(entry, data)
    return buffer.getvalue()


class _Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


def pst_bytes(size: int = 4096, *, says: int | None = None, version: int = 23) -> bytes:
    """A file with the header of a PST ([MS-PST] 2.2.2.6); says: the size in the header."""
    data = bytearray(noise(size))
    struct.pack_into("<4s4x2sH", data, 0, b"!BDN", b"SM", version)
    own = size if says is None else says
    is_unicode = version >= 23
    struct.pack_into(*(("<Q", data, 0xB8, own) if is_unicode else ("<I", data, 0xA8, own)))
    struct.pack_into("<I", data, 4, pst_crc(data[8:479]))
    if is_unicode:
        struct.pack_into("<I", data, 524, pst_crc(data[8:524]))
    return bytes(data)


def open_below(directory: pathlib.Path | str) -> list[str]:
    """What this process has open in a directory and below it, the directory itself included."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the list's own descriptor is gone by now
            found.append(os.readlink(f"/proc/self/fd/{entry}"))
    return sorted(path for path in found if f"{path}/".startswith(f"{directory}/"))


def files_in(directory: pathlib.Path) -> dict[str, bytes]:
    """Everything in a directory, hidden files too."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}
