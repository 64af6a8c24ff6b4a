# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of the controller in chunks, each with the digest of everything up to its end."""

from __future__ import annotations

import errno
import hashlib
import os
import typing as t

from ..module_utils import _private
from ..module_utils._errors import OptionError, StorwareError
from ..module_utils._transfer.store import receipt
from ..module_utils._transfer.store.directory import Directory
from ..module_utils._transfer.store.receipt import Receipt

_FIRST: t.Final = 16 * 1024 * 1024  # bytes of the first chunk,
LARGEST: t.Final = 256 * 1024 * 1024  # and of any: the space that it needs in remote_tmp
_SECONDS: t.Final = 5.0  # that a chunk should take: the cost of a lost connection, and the interval of progress lines
_BLOCK: t.Final = 1024 * 1024
_FETCH: t.Final = "Fetch it with storware.backup.cloud_download_content, as the user that the controller runs as."


def find_file(path: str, guid: str) -> tuple[str, Receipt]:
    """Return path and receipt of a file on the controller: the file at path, or that of the download in a directory.

    Raises OptionError; also for a file or receipt of another user, who may have put any there.
    """
    path = os.path.abspath(path)
    is_directory = os.path.isdir(path)
    place, name = (path, "") if is_directory else os.path.split(path)
    try:
        with Directory(place) as directory:
            known = receipt.find(directory, guid) if is_directory else receipt.read(directory, name)
            there = directory.stat(known.name) if known else None
            is_trusted = there is None or directory.trusts(there.st_uid)
    except (ValueError, OSError) as error:
        raise OptionError("src", f"cannot be read on the controller: {path!r} ({error})") from error
    if known is None:
        what = f"has no file of {guid} with a receipt" if is_directory else "has no receipt"
        raise OptionError("src", f"{what} of this user or root on the controller: {path!r}", hint=_FETCH)
    if not is_trusted:
        raise OptionError("src", f"{known.name} belongs to another user on the controller: {path!r}", hint=_FETCH)
    return os.path.join(place, known.name), known


def chunk_size(rate: int | None, last: int | None = None, seconds: float = 0.0) -> int:
    """Return the bytes of the next chunk. rate: limit in bytes per second, or None.

    last: bytes of the chunk before it, which took these seconds; None for the first one.
    """
    size = _FIRST
    if last is not None:
        size = 2 * last if seconds * 2 <= _SECONDS else int(last * _SECONDS / seconds)
    return max(_BLOCK, min(size, LARGEST if rate is None else int(rate * _SECONDS), LARGEST))


def chunk_error(error: Exception, size: int, folder: str, free: int | None) -> StorwareError:
    """Return the error for a chunk that cannot be written to a folder of the host. size, free (or None): bytes."""
    is_full = os.strerror(errno.ENOSPC) in str(error) or (free is not None and free < size)
    why = f"{os.strerror(errno.ENOSPC)}, {free} bytes are free" if is_full and free is not None else str(error).strip()
    return StorwareError(
        f"a chunk of {size} bytes cannot be written to {folder} on the host: {why}",
        code="disk_full" if is_full else "file_system",
        hint=f"Chunks of up to {LARGEST // 2**20} MiB pass through Ansible's remote_tmp. Free some space there, "
        "set remote_tmp (ansible_remote_tmp) to another directory, or set max_rate: a chunk has five seconds of it.",
        details={"needed": size, "free": free, "errno": "ENOSPC"} if is_full else {},
    )


def chunk_copier(path: str) -> t.Callable[[int, int, t.BinaryIO], str]:
    """Return a function that copies a chunk of a file: up to size bytes from an offset on, to another file.

    It returns the SHA-256 of the file up to the end of the chunk, and raises OSError. Consecutive chunks are hashed
    once.
    """
    hashed, digest = 0, hashlib.sha256()

    def hash_next(file: t.BinaryIO, size: int, target: t.BinaryIO | None) -> None:
        nonlocal hashed
        while size and (data := file.read(min(_BLOCK, size))):
            digest.update(data)
            hashed += len(data)
            size -= len(data)
            if target:
                target.write(data)

    def copy_chunk(offset: int, size: int, target: t.BinaryIO) -> str:
        nonlocal hashed, digest
        with _open(path) as file:
            if offset != hashed:
                hashed, digest = 0, hashlib.sha256()
                hash_next(file, offset, None)
            file.seek(offset)
            hash_next(file, size, target)
        return digest.hexdigest()

    return copy_chunk


def _open(path: str) -> t.BinaryIO:
    directory, name = os.path.split(path)
    place = _private.open_directory(directory)
    try:
        return open(_private.open_file(name, place), "rb")
    finally:
        os.close(place)
