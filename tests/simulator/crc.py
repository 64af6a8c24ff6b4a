# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CRC-32 of a very long body that repeats itself, in logarithmic time.

A CRC register is a polynomial over GF(2) modulo the generator; bit 31 stands for x^0 (the "reflected" order of zip).
Appending n bytes multiplies it by x^(8n), which gives crc(a + b) = crc(a) * x^(8 * len(b)) + crc(b).
"""

from __future__ import annotations

import zlib

_GENERATOR = 0xEDB88320
_ONE = 0x80000000
_X8 = _ONE >> 8


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials modulo the generator."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ _GENERATOR if b & 1 else b >> 1
    return product


def _shift(length: int) -> int:
    """x^(8 * length): what appending ``length`` bytes multiplies by."""
    result, power = _ONE, _X8
    while length:
        if length & 1:
            result = _multiply(power, result)
        power = _multiply(power, power)
        length >>= 1
    return result


def combine(first: int, second: int, second_length: int) -> int:
    """The CRC of two pieces put together, from the CRC of each and the second one's length in bytes."""
    return _multiply(_shift(second_length), first) ^ second


def repeat(crc: int, length: int, times: int) -> int:
    """The CRC of a piece of ``length`` bytes repeated ``times`` times."""
    total, total_length = 0, 0
    while times:
        if times & 1:
            total = combine(total, crc, length)
            total_length += length
        crc = combine(crc, crc, length)
        length *= 2
        times >>= 1
    return total


def pst_crc(data: bytes | bytearray) -> int:
    """The CRC of [MS-PST] 5.3: begun with zero, and not inverted at the end."""
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
