# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives with one change each, of the kinds that disks, networks and resumed transfers make, and some worse ones."""

from __future__ import annotations

import random
import typing as t

_RECORDS: t.Final = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08")
_RECORD_SIZE: t.Final = 60  # bytes; as long as most are, with a name


def mutants(archives: t.Sequence[bytes], seed: int) -> t.Iterator[tuple[str, bytes, bytes]]:
    """Without an end: the kind of the change, the archive, and what has become of it; never the same."""
    chance = random.Random(seed)
    while True:
        archive = chance.choice(archives)
        kind = chance.choice(list(_KINDS))
        mutant = _KINDS[kind](archive, chance, archives)
        if mutant != archive:
            yield kind, archive, mutant


def _place(data: bytes, chance: random.Random) -> int:
    """Anywhere, or in one of the records, which are few."""
    if chance.random() < 0.5:
        return chance.randrange(len(data))
    places = [place for record in _RECORDS for place in _all(data, record)]
    return min(chance.choice(places) + chance.randrange(_RECORD_SIZE), len(data) - 1)


def _all(data: bytes, wanted: bytes) -> t.Iterator[int]:
    place = data.find(wanted)
    while place >= 0:
        yield place
        place = data.find(wanted, place + 1)


def _replaced(data: bytes, start: int, new: bytes) -> bytes:
    return data[:start] + new + data[start + len(new) :]


def _flip(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    place = _place(data, chance)
    return _replaced(data, place, bytes([data[place] ^ 1 << chance.randrange(8)]))


def _byte(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    return _replaced(data, _place(data, chance), chance.randbytes(1))


def _number(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    """A field of two, four or eight bytes, as large or small as can be, or one more or less."""
    place, width = _place(data, chance), chance.choice([2, 4, 8])
    value = int.from_bytes(data[place : place + width], "little")
    largest = (1 << 8 * width) - 1
    new = chance.choice([0, 1, largest, (value + 1) & largest, (value - 1) & largest])
    return _replaced(data, place, new.to_bytes(width, "little"))[: len(data)]


def _zeroed(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    start = _place(data, chance)
    return _replaced(data, start, bytes(min(chance.choice([4, 64, 512, 4096]), len(data) - start)))


def _noise(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    start = _place(data, chance)
    return _replaced(data, start, chance.randbytes(min(chance.choice([4, 64, 512]), len(data) - start)))


def _cut(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    return data[: _place(data, chance)]


def _cut_and_zeros(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    """As a file has it that got its size before its bytes."""
    return data[: _place(data, chance)].ljust(len(data), b"\0")


def _without(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    start = _place(data, chance)
    return data[:start] + data[start + chance.choice([1, 4, 64, 512]) :]


def _with_zeros(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    start = chance.choice([0, len(data), _place(data, chance)])
    return data[:start] + bytes(chance.choice([1, 4, 512])) + data[start:]


def _with_noise(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    start = chance.choice([0, len(data), _place(data, chance)])
    return data[:start] + chance.randbytes(chance.choice([1, 4, 512])) + data[start:]


def _twice(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    """A block that came a second time."""
    start = _place(data, chance)
    end = start + chance.choice([1, 64, 512, len(data)])
    return data[:end] + data[start:end] + data[end:]


def _swapped(data: bytes, chance: random.Random, _others: t.Sequence[bytes]) -> bytes:
    """Two neighbouring blocks in each other's place."""
    start, length = _place(data, chance), chance.choice([4, 64, 512])
    first, second = data[start : start + length], data[start + length : start + 2 * length]
    return data[:start] + second + first + data[start + 2 * length :]


def _mixed(data: bytes, chance: random.Random, others: t.Sequence[bytes]) -> bytes:
    """Resumed with another archive, behind the first header: before, it would merely be that one."""
    place = max(_place(data, chance), _RECORD_SIZE * 2)
    return data[:place] + chance.choice(others)[place:]


def _appended(data: bytes, chance: random.Random, others: t.Sequence[bytes]) -> bytes:
    return data + chance.choice(others)


def _crossed(data: bytes, chance: random.Random, others: t.Sequence[bytes]) -> bytes:
    """A block of another archive."""
    start = _place(data, chance)
    block = chance.choice(others)[start : start + chance.choice([4, 64, 512])]
    return _replaced(data, start, block)


_KINDS: t.Final[t.Mapping[str, t.Callable[[bytes, random.Random, t.Sequence[bytes]], bytes]]] = {
    "bit flipped": _flip,
    "byte changed": _byte,
    "number changed": _number,
    "zeroed": _zeroed,
    "noise": _noise,
    "cut": _cut,
    "cut, then zeros": _cut_and_zeros,
    "bytes lost": _without,
    "zeros added": _with_zeros,
    "noise added": _with_noise,
    "a block twice": _twice,
    "blocks swapped": _swapped,
    "mixed": _mixed,
    "appended": _appended,
    "a block of another": _crossed,
}
