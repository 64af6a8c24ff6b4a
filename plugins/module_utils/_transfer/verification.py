# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that the bytes are the file: digests, and what the known formats say about themselves.

The levels, strongest first: ``digest`` (equal to a digest that the user or the server gave), ``full`` (every CRC of a
ZIP), ``structure`` (a ZIP's directory and headers, header and size of a PST), ``length`` (as many bytes as
announced), ``none``. The result always names the level that was reached, never the one that was asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
import typing as t
from dataclasses import dataclass

from .._errors import OptionError, StorwareError
from .formats import Format
from .structure import CheckTime, Proof, no_limit

LEVELS: t.Final = ("none", "length", "structure", "full", "digest")  # from the weakest

_BLOCK: t.Final = 1024 * 1024


_SIZES: t.Final = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}  # hex digits


@dataclass(frozen=True)
class Checksum:
    """A digest that the file must have. digest is hex in lower case."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """From ``sha256:DIGEST``; case, spaces and hyphens in the algorithm do not matter. Raises OptionError."""
        algorithm, separator, digest = text.partition(":")
        algorithm = algorithm.strip().lower().replace("-", "")
        digest = "".join(digest.split()).lower()
        if not separator or algorithm not in _SIZES:
            raise OptionError("checksum", f"must be ALGORITHM:DIGEST with one of {', '.join(_SIZES)}, not {text!r}")
        if not re.fullmatch(r"[0-9a-f]*", digest):
            # As it was given: in another spelling, a secret that somebody has pasted would not be masked.
            raise OptionError("checksum", f"the digest must be written in hex digits, not {text!r}")
        if len(digest) != _SIZES[algorithm]:
            raise OptionError(
                "checksum", f"a digest of {algorithm} has {_SIZES[algorithm]} hex digits, and {len(digest)} are given"
            )
        if _hasher(algorithm) is None:
            raise OptionError("checksum", f"{algorithm} is not available on this host (FIPS mode?)", hint="Use sha256.")
        return cls(algorithm, digest)


class Digests:
    """The digests of bytes as they pass; sha256 always, others as asked as far as this host has them."""

    def __init__(self, algorithms: t.Iterable[str] = ()) -> None:
        hashers = {algorithm: _hasher(algorithm) for algorithm in ("sha256", *algorithms)}
        self._hashers = {name: hasher for name, hasher in hashers.items() if hasher is not None}

    def update(self, data: bytes | memoryview) -> None:
        """Hash the next bytes."""
        for hasher in self._hashers.values():
            hasher.update(data)

    def hex(self, algorithm: str) -> str | None:
        """The digest so far, in lower case; None for an algorithm that this host lacks."""
        hasher = self._hashers.get(algorithm)
        digest: str | None = hasher and hasher.hexdigest()
        return digest


def digest_of_file(fd: int, algorithm: str, check_time: CheckTime = no_limit) -> str | None:
    """The digest of the whole file, in lower case."""
    digests = Digests([algorithm])
    digest_blocks(fd, None, digests, check_time)
    return digests.hex(algorithm)


def digest_blocks(fd: int, size: int | None, digests: Digests, check_time: CheckTime = no_limit) -> int:
    """Hash size bytes from the start (None: all); return how many there were."""
    offset = 0
    while size is None or offset < size:
        check_time()  # a sparse file of any size costs nothing to make
        block = os.pread(fd, _BLOCK if size is None else min(_BLOCK, size - offset), offset)
        if not block:
            break
        digests.update(block)
        offset += len(block)
    return offset


def _hasher(algorithm: str) -> t.Any:
    """What hashlib makes; None for an algorithm that this host lacks."""
    try:
        # Not for security: a host in FIPS mode may still offer MD5 against transfer errors.
        return hashlib.new(algorithm, usedforsecurity=False)
    except ValueError:
        return None


def prove(
    fd: int,
    size: int,
    *,
    level: str,
    checksum: Checksum | None,
    allow_unverified: bool,
    announced: int | None,
    digests: Digests,
    claimed: Checksum | None,
    format: Format | None,
    check_time: CheckTime = no_limit,
) -> Proof:
    """Check the file with everything there is to check it by; returns the level that was reached, and what was found.

    level: how much is asked for (full, structure or length). announced: the length the server gave, equal
    to size by now. claimed: the digest the server gave.
    Raises StorwareError: ``checksum_mismatch``, ``digest_mismatch``, ``corrupt``, ``cannot_verify``, ``unverified``.
    """
    if checksum:
        _compare(checksum, digests, "checksum_mismatch", "the option checksum asks for")
        return Proof("digest")  # these are the bytes the user wants, whatever they hold
    has_digest = claimed is not None and digests.hex(claimed.algorithm) is not None
    if claimed and has_digest:
        _compare(claimed, digests, "digest_mismatch", "the server announced")
    if not size and allow_unverified:
        return Proof("none")  # a server whose file is not ready sends nothing, with the length and digest of nothing
    reached = Proof("none" if announced is None else "length")
    # With no length to compare, the structure is the only proof there is, also when less was asked for.
    if format and (level != "length" or announced is None):
        reached = format.check(fd, size, level == "full", check_time)
    if has_digest:
        return reached._replace(level="digest")
    if reached.level == "none" and not allow_unverified:
        raise unverified()
    return reached


def unverified() -> StorwareError:
    """The error for content that nothing can prove."""
    return StorwareError(
        "nothing can prove that the received bytes are the whole file: "
        "the server announces no length and no digest, and the format is not known",
        code="unverified",
        hint="Give a checksum, or set allow_unverified to true.",
    )


def _compare(wanted: Checksum, digests: Digests, code: str, who: str) -> None:
    got = digests.hex(wanted.algorithm)
    if got != wanted.digest:
        raise StorwareError(
            f"the file has the {wanted.algorithm} digest {got}, but {who} {wanted.digest}",
            code=code,
            hint="Check that the checksum belongs to this download." if code == "checksum_mismatch" else "",
            details={"algorithm": wanted.algorithm, "got": got, "expected": wanted.digest},
        )
