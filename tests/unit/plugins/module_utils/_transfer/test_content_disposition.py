# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of Content-Disposition: exact for what follows the rules, bounded for all else. Odd names: tests/world."""

from __future__ import annotations

import string
import time
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._transfer.http.content_disposition import (
    format_field,
    parse_file_name,
)

_TEXTS = st.text(string.printable + "äöü€", min_size=1)


@given(_TEXTS.filter(lambda name: name == name.strip() and not set(name) & set('"%?')))
def test_a_name_that_is_quoted_by_the_rules_comes_back(name: str) -> None:
    quoted = name.replace("\\", "\\\\")
    assert parse_file_name(f'attachment; filename="{quoted}"') == name


@given(_TEXTS)
@example("a; filename=b.zip")
@example('say "hi".pst')
@example("=?UTF-8?Q?a?= %41+b.zip")
def test_a_name_that_is_written_is_the_name_that_is_read(name: str) -> None:
    assert parse_file_name(format_field(name)) == name


@pytest.mark.parametrize(
    "charset",
    [
        "zip", "hex", "base64", "bz2", "uu", "quopri", "rot13",  # not for texts
        "idna", "punycode", "unicode_escape", "Raw-Unicode-Escape", "utf-7", "U7", "unicode-1-1-utf-7", "undefined",
        "klingon", "utf-8 ", "utf\0", "../utf_8", "aliases", "encodings.utf_8", "ütf-8", "u" * 41, "",
    ],
)  # fmt: skip
def test_an_encoding_that_is_no_character_set_is_not_used(charset: str) -> None:
    word = f"=?{charset}?Q?mail.zip?="
    assert parse_file_name(f"attachment; filename=\"plain.zip\"; filename*={charset}''mail.zip") == "plain.zip"
    assert parse_file_name(f'attachment; filename="{word}"') == word


def test_a_field_that_is_longer_than_any_name_is_not_read() -> None:
    assert parse_file_name(format_field("x" * 8000)) == "x" * 8000
    assert parse_file_name(format_field("x" * 9000)) is None


@pytest.mark.parametrize(
    "flood",
    [
        "a", "a-", "a=:", ";a", ';a="\\"', "; ", ", ", ";filename=a, ", "=?", "=?u", "=?utf-8?q?", "=?utf-8?q?=ff?=",
        "=?utf-8?q?a?= ", "%41", "%ff", "+", "'", "\\", '"',
    ],
)  # fmt: skip
def test_no_field_keeps_us_busy(flood: str) -> None:
    """What a stranger can make of the longest field that is read; some 0.1 seconds at most."""
    started = time.process_time()
    for start in ("", "attachment; filename=", 'attachment; filename="', "attachment; filename*=utf-8''"):
        for length in (8000, 65_536):
            parse_file_name(start + flood * (length // len(flood)))
            parse_file_name(start + urllib.parse.quote(flood) * (length // len(flood)))
    assert time.process_time() - started < 5
