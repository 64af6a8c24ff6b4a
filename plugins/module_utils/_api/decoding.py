# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON of a server, bounded before it is decoded: its bytes, values, levels, numbers and texts.

Behind this gate no text has control characters or more than ``LONGEST_TEXT`` characters.
"""

from __future__ import annotations

import json
import math
import typing as t

from .._printable import escape_controls

LONGEST_TEXT: t.Final = 4096  # characters; names have up to 256, and a longer one has a reason to be cut

# So much of a longer text is searched for secrets, which would take minutes for all of it.
_SCRUBBED_TEXT: t.Final = 16 * LONGEST_TEXT

# Brackets, braces and commas in one answer, counted before it is decoded: each may cost half a KiB of memory. A list of
# 10,000 records has some 300,000; pages have 500 records.
MAX_VALUES: t.Final = 500_000
_MAX_DEPTH: t.Final = 40  # levels; the records of the API have five
_LONGEST_NUMBER: t.Final = 64  # characters; the time that int() takes grows with the square of their number

Json = t.Any


def decode(data: bytes, redact: t.Callable[[str], str]) -> Json:
    """The server's JSON with every text made visible.

    Args:
        data: in any encoding of Unicode.
        redact: removes secrets from a text, before it is changed and they could not be recognized any more.

    Raises:
        OverflowError: it has more values or levels than any response of the API, or too large a number; the text says
            which, and completes "the response is invalid: ".
        ValueError, RecursionError: it is no JSON.
    """
    return visible(parse(data), redact, _MAX_DEPTH)


def parse(data: bytes) -> Json:
    """The server's JSON as it is. NaN and Infinity are none. Raises as ``decode``."""
    if count_values(data) > MAX_VALUES:
        raise OverflowError(f"it has more than {MAX_VALUES} values")
    return json.loads(data, parse_constant=_refuse_constant, parse_int=_parse_int, parse_float=_parse_float)


def count_values(data: bytes) -> int:
    """No fewer than the values in this JSON; the brackets, braces and commas of texts count as well."""
    return sum(map(data.count, (b"[", b"{", b",")))


def visible(value: Json, redact: t.Callable[[str], str] = str, depth: float = math.inf) -> Json:
    """The same JSON, keys included: control characters as ``\\x1b``, texts no longer than ``LONGEST_TEXT``.

    Raises OverflowError for more levels than depth.
    """
    if isinstance(value, str):
        # isprintable is much faster than the pattern, and true of nearly everything.
        return value if value.isprintable() and len(value) <= LONGEST_TEXT else _visible_text(value, redact)
    if isinstance(value, (dict, list)) and not depth:
        raise OverflowError("it has too many levels")
    if isinstance(value, dict):
        return {visible(key, redact): visible(item, redact, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [visible(item, redact, depth - 1) for item in value]
    return value


def _visible_text(text: str, redact: t.Callable[[str], str]) -> str:
    if len(text) <= LONGEST_TEXT and escape_controls(text) == text:
        return text
    clean = redact(text[:_SCRUBBED_TEXT])
    cut = len(clean) - LONGEST_TEXT + len(text[_SCRUBBED_TEXT:])
    shown = escape_controls(clean[:LONGEST_TEXT])
    return f"{shown}... ({cut} more)" if cut > 0 else shown


def _refuse_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is no JSON")


def _parse_int(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise OverflowError(f"it has a number of {len(digits)} characters")
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits) if len(digits) <= _LONGEST_NUMBER else math.inf
    if math.isinf(number):  # 1e9999: JSON, but none that a result could hold
        raise OverflowError("it has a number that is too large")
    return number
