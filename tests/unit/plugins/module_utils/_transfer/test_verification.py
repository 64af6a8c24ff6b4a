# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof: checksums as users write them, what each level checks, and the level that is named in the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import formats, verification, zip_check
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum, Digests
from tests.unit.plugins.module_utils._transfer.material import noise, pst_bytes, sha256, zip_bytes

PLAIN = noise(5000)
ZIP = zip_bytes()
DAMAGED_ZIP = ZIP[:-300] + ZIP[-299:]
BROKEN_ENTRY = ZIP[:200] + bytes([ZIP[200] ^ 1]) + ZIP[201:]
PST = pst_bytes()


@contextlib.contextmanager
def as_file(data: bytes) -> t.Iterator[int]:
    fd = os.memfd_create("content")
    try:
        os.write(fd, data)
        yield fd
    finally:
        os.close(fd)


def prove(
    data: bytes,
    level: str = "structure",
    *,
    checksum: Checksum | None = None,
    claimed: Checksum | None = None,
    length: bool = True,
    allow_unverified: bool = False,
) -> str:
    digests = Digests(checksum.algorithm for checksum in (checksum, claimed) if checksum)
    digests.update(data[:100])
    digests.update(data[100:])
    with as_file(data) as fd:
        return verification.prove(
            fd,
            len(data),
            level=level,
            checksum=checksum,
            allow_unverified=allow_unverified,
            announced=len(data) if length else None,
            digests=digests,
            claimed=claimed,
            format=formats.detect(data[:64]),
        ).level


def failure(data: bytes, level: str = "structure", **options: t.Any) -> StorwareError:
    with pytest.raises(StorwareError) as caught:
        prove(data, level, **options)
    return caught.value


# --- checksums ---


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
def test_a_checksum_in_any_dress(algorithm: str) -> None:
    digest = hashlib.new(algorithm, PLAIN).hexdigest()
    plain = Checksum.parse(f"{algorithm}:{digest}")
    spaced = " ".join(digest[start : start + 8] for start in range(0, len(digest), 8))
    for text in (f"{algorithm.upper()}:{digest.upper()}", f"  {algorithm} : {digest}\n", f"{algorithm}:{spaced}"):
        assert Checksum.parse(text) == plain
    assert str(plain) == f"{algorithm}:{digest}"
    assert Checksum.parse(f"sha-256:{sha256(PLAIN)}").algorithm == "sha256"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "ALGORITHM:DIGEST"),
        (sha256(PLAIN), "ALGORITHM:DIGEST"),
        ("crc32:12345678", "one of md5, sha1"),
        ("sha256", "ALGORITHM:DIGEST"),
        ("shake_128:00", "one of md5"),
        ("sha256:", "64 hex digits, and 0"),
        (f"sha256:{sha256(PLAIN)[:-1]}", "64 hex digits, and 63"),
        (f"sha1:{sha256(PLAIN)}", "40 hex digits, and 64"),
        ("sha256:https://example.com/SHA256SUMS", "hex digits"),
        (f"sha256:{'g' * 64}", "hex digits"),
        (f"sha256:sha256:{sha256(PLAIN)}", "hex digits"),
        (f"sha256:{'٣' * 64}", "hex digits"),
        ("sha256:My Pass Word", "not 'sha256:My Pass Word'"),
    ],
)
def test_a_checksum_that_cannot_be_one(text: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        Checksum.parse(text)
    assert caught.value.option == "checksum"
    assert words in caught.value.message


@pytest.mark.fault("U9")
def test_an_algorithm_that_the_host_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_md5(name: str, **_options: object) -> t.Any:
        if name == "md5":
            raise ValueError("disabled for FIPS")
        return original(name)

    original = hashlib.new
    monkeypatch.setattr(hashlib, "new", without_md5)
    with pytest.raises(OptionError, match="not available on this host") as caught:
        Checksum.parse(f"md5:{'0' * 32}")
    assert caught.value.option == "checksum"
    # A server's digest that cannot be computed is as good as none.
    assert prove(PLAIN, claimed=Checksum("md5", "0" * 32)) == "length"


def test_md5_of_a_host_that_offers_it_for_all_but_security(monkeypatch: pytest.MonkeyPatch) -> None:
    def like_fips(name: str, *, usedforsecurity: bool = True) -> t.Any:
        if name == "md5" and usedforsecurity:
            raise ValueError("disabled for FIPS")
        return original(name)

    original = hashlib.new
    monkeypatch.setattr(hashlib, "new", like_fips)
    assert prove(PLAIN, checksum=Checksum.parse(f"md5:{hashlib.md5(PLAIN).hexdigest()}")) == "digest"


@given(st.text(max_size=100))
def test_no_checksum_can_break_it(text: str) -> None:
    with contextlib.suppress(OptionError):
        Checksum.parse(text)
    with contextlib.suppress(OptionError):
        Checksum.parse(f"sha256:{text}")


def test_digests_of_pieces_are_those_of_the_whole() -> None:
    digests = Digests(["sha1", "sha256"])
    for start in range(0, len(PLAIN), 333):
        digests.update(PLAIN[start : start + 333])
    assert digests.hex("sha256") == sha256(PLAIN)
    assert digests.hex("sha1") == hashlib.sha1(PLAIN).hexdigest()
    assert digests.hex("md5") is None
    assert Digests().hex("sha256") == sha256(b"")


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1])
def test_the_digest_of_a_file(size: int) -> None:
    data = noise(size)
    with as_file(data) as fd:
        assert verification.digest_of_file(fd, "sha256") == sha256(data)
        assert verification.digest_of_file(fd, "sha512") == hashlib.sha512(data).hexdigest()


# --- formats ---


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (ZIP, "zip"),
        (zip_bytes({}), "zip"),
        (PST, "pst"),
        (PLAIN, None),
        (b"", None),
        (b"PK", None),
        (b"PK\1\2", None),
        (b"PK00", None),
    ],
)
def test_formats_are_told_by_their_first_bytes(head: bytes, format: str | None) -> None:
    assert formats.name_of(head[:64]) == format


# --- levels ---


@pytest.mark.parametrize(
    ("data", "level", "reached"),
    [
        (ZIP, "full", "full"),
        (ZIP, "structure", "structure"),
        (ZIP, "length", "length"),
        (BROKEN_ENTRY, "structure", "structure"),
        (DAMAGED_ZIP, "length", "length"),
        (PST, "full", "structure"),
        (PST, "structure", "structure"),
        (PST, "length", "length"),
        (PLAIN, "full", "length"),
        (PLAIN, "structure", "length"),
        (PLAIN, "length", "length"),
        (b"", "full", "length"),
    ],
)
def test_the_level_that_is_reached_is_named(data: bytes, level: str, reached: str) -> None:
    assert prove(data, level) == reached
    right = Checksum("sha512", hashlib.sha512(data).hexdigest())
    assert prove(data, level, claimed=right) == "digest"
    assert prove(data, level, checksum=right) == "digest"


@pytest.mark.parametrize(
    ("data", "level"),
    [
        (BROKEN_ENTRY, "full"),
        (DAMAGED_ZIP, "full"),
        (DAMAGED_ZIP, "structure"),
        (pst_bytes(says=4095), "structure"),
        (pst_bytes(says=4097), "full"),
    ],
)
def test_damage_is_found_at_the_level_that_looks_for_it(data: bytes, level: str) -> None:
    assert failure(data, level).code == "corrupt"
    # What the server computed over damaged bytes does not make them whole; what the user asks for is what he gets.
    digest = Checksum("sha256", sha256(data))
    assert failure(data, level, claimed=digest).code == "corrupt"
    assert prove(data, level, checksum=digest) == "digest"


@pytest.mark.parametrize("data", [ZIP, PST, PLAIN, b""])
@pytest.mark.parametrize("level", ["full", "structure", "length"])
def test_a_wrong_digest_fails_at_every_level(data: bytes, level: str) -> None:
    wrong = Checksum("sha256", sha256(b"other" + data))
    right = Checksum("sha256", sha256(data))
    error = failure(data, level, checksum=wrong, claimed=right)
    assert error.code == "checksum_mismatch"
    assert sha256(data) in error.message
    assert wrong.digest in error.message
    assert error.details == {"algorithm": "sha256", "got": sha256(data), "expected": wrong.digest}
    assert failure(data, level, claimed=wrong, allow_unverified=True).code == "digest_mismatch"


@pytest.mark.parametrize("level", ["full", "structure", "length"])
def test_without_length_and_digest_only_a_structure_can_prove_it(level: str) -> None:
    error = failure(PLAIN, level, length=False)
    assert error.code == "unverified"
    assert "allow_unverified" in error.hint
    assert prove(PLAIN, level, length=False, allow_unverified=True) == "none"
    assert prove(PLAIN, level, length=False, claimed=Checksum("sha256", sha256(PLAIN))) == "digest"
    assert prove(ZIP, level, length=False) == ("full" if level == "full" else "structure")
    assert prove(PST, level, length=False) == "structure"
    assert failure(DAMAGED_ZIP, level, length=False, allow_unverified=True).code == "corrupt"


# --- PST ---


@pytest.mark.parametrize("version", [14, 15, 23, 36, 37])
@pytest.mark.parametrize("size", [564, 5000])
def test_a_pst_that_is_as_long_as_it_says(version: int, size: int) -> None:
    assert prove(pst_bytes(size, version=version)) == "structure"
    for wrong in (size - 1, size + 1, 0):
        error = failure(pst_bytes(size, version=version, says=wrong))
        assert f"says that it is {wrong} bytes long, but it is {size}" in error.message


def test_a_pst_of_more_than_4_gib(tmp_path: t.Any) -> None:
    size = 5 * 2**30 + 3
    with open(tmp_path / "large.pst", "w+b") as file:
        file.write(pst_bytes(says=size))
        file.truncate(size)
        wanted = {"level": "structure", "checksum": None, "allow_unverified": False}
        options: t.Any = {
            **wanted,
            "announced": size,
            "digests": Digests(),
            "claimed": None,
            "format": formats.detect(PST),
        }
        assert verification.prove(file.fileno(), size, **options).level == "structure"
        with pytest.raises(StorwareError):
            verification.prove(file.fileno(), size - 2**32, **options)


def test_a_pst_that_is_cut_in_its_header_or_of_no_known_version() -> None:
    assert "only 100 bytes" in failure(PST[:100]).message
    assert "only 563 bytes" in failure(PST[:563]).message
    assert "only 511 bytes" in failure(pst_bytes(512, version=15)[:511]).message
    assert prove(pst_bytes(512, version=15)) == "structure"
    for version in (0, 13, 16, 22):
        assert f"unknown version {version}" in failure(pst_bytes(version=version)).message


@pytest.mark.parametrize(("version", "covered"), [(14, 479), (15, 479), (23, 528), (36, 528), (37, 528)])
def test_each_bit_of_a_pst_header_that_its_checksums_cover(version: int, covered: int) -> None:
    whole = pst_bytes(1000, version=version)
    for place in range(4, covered):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        assert failure(bytes(damaged)).code == "corrupt"
    assert "dwCRCPartial" in failure(whole[:100] + b"\0\0\0\0" + whole[104:]).message


def test_damage_behind_the_header_of_a_pst_is_not_noticed() -> None:
    """And the level says so, also when all was asked for."""
    assert prove(PST[:1000] + bytes(1000) + PST[2000:], "full") == "structure"


@pytest.mark.parametrize("level", ["structure", "full"])
def test_a_proof_looks_at_the_time(level: str) -> None:
    """A small archive may stand for a thousand times its size."""

    def over() -> None:
        raise StorwareError("max_time", code="timeout")

    with as_file(ZIP) as fd, pytest.raises(StorwareError, match="max_time"):
        verification.prove(
            fd,
            len(ZIP),
            level=level,
            checksum=None,
            allow_unverified=False,
            announced=len(ZIP),
            digests=Digests(),
            claimed=None,
            format=formats.detect(ZIP),
            check_time=over,
        )


def test_each_block_of_an_entry_is_a_reason_to_look_at_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_check, "_BLOCK", 1000)
    looks: list[None] = []
    with as_file(zip_bytes()) as fd:
        zip_check.check(fd, len(zip_bytes()), True, lambda: looks.append(None))
    assert len(looks) > 3 * 3  # three entries
