# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names out of what servers send: always one harmless path component."""

from __future__ import annotations

import base64
import os
import pathlib
import unicodedata
import urllib.parse

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._transfer.http.content_disposition import parse_file_name
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import filenames
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import receipt_name
from tests.unit.plugins.module_utils._transfer.material import GUID

FALLBACK = f"{GUID}.zip"

# A hostile or clumsy name: what becomes of it.
TABLE = {
    "mail.zip": "mail.zip",
    "Alice Archer 2026-11-24.pst": "Alice Archer 2026-11-24.pst",
    "alice@example.com.zip": "alice@example.com.zip",
    "Grüße €.zip": "Grüße €.zip",
    "__init__.py": "init__.py",
    "_mail.zip_": "mail.zip",
    '"mail.zip"': "mail.zip",
    "'mail.zip'": "mail.zip",
    "  mail.zip  ": "mail.zip",
    "\tmail.zip\r\n": "mail.zip",
    "../../etc/passwd": "passwd",
    "/etc/shadow": "shadow",
    "..\\..\\boot.ini": "boot.ini",
    "C:\\Windows\\x.dll": "x.dll",
    "C:x.zip": "C_x.zip",
    "\\\\server\\share\\a.zip": "a.zip",
    "a/../b.zip": "b.zip",
    "dir/": FALLBACK,
    "/": FALLBACK,
    "\\": FALLBACK,
    "": FALLBACK,
    ".": FALLBACK,
    "..": FALLBACK,
    "...": FALLBACK,
    "....//....//x": "x",
    " . ": FALLBACK,
    "___": FALLBACK,
    '""': FALLBACK,
    ".bashrc": "bashrc",
    ".ssh/authorized_keys": "authorized_keys",
    "~root": "root",
    "-rf.zip": "rf.zip",
    "--help": "help",
    "._-~mail.zip": "mail.zip",
    "mail.zip.": "mail.zip",
    "mail.zip. . .": "mail.zip",
    "a\x00b.zip": "ab.zip",
    "\x00": FALLBACK,
    "a\nb.zip": "ab.zip",
    "a\x1b[31mb.zip": "a[31mb.zip",
    "a\x7f\x9fb.zip": "ab.zip",
    "ann\u202egpj.exe": "anngpj.exe",
    "zero\u200bwidth\ufeff.zip": "zerowidth.zip",
    "line\u2028break.zip": "linebreak.zip",
    "paragraph\u2029break.zip": "paragraphbreak.zip",
    "half\ud800.zip": "half.zip",
    "full\uff0fwidth.zip": "full\uff0fwidth.zip",
    "cafe\u0301.zip": "café.zip",
    "cafe\u200b\u0301.zip": "café.zip",
    "a<b>c:d|e?f*.zip": "a_b_c_d_e_f_.zip",
    "CON": FALLBACK,
    "nul.zip": FALLBACK,
    "Com1.tar.gz": FALLBACK,
    "com\u00b9.zip": FALLBACK,
    "nul .zip": FALLBACK,
    "CONOUT$": FALLBACK,
    "console.zip": "console.zip",
    "mail.zip.sha256": "mail.zip.sha256.bin",
    "MAIL.SHA256": "MAIL.SHA256.bin",
    "%2e%2e%2fx": "%2e%2e%2fx",
    "$(reboot).zip": "$(reboot).zip",
    "x" * 300 + ".zip": "x" * 196 + ".zip",
    "ü" * 300 + ".pst": "ü" * 98 + ".pst",
    "x" * 199 + "." + "y" * 300: "x" * 199,
    "x." + "y" * 300: "x." + "y" * 198,
    "x" * 10_240: "x" * 200,
}


@pytest.mark.parametrize("name", list(TABLE), ids=lambda name: ascii(name)[:40])
def test_a_name_becomes_harmless(name: str) -> None:
    assert filenames.safe_name(name, FALLBACK) == TABLE[name]


def test_the_table_has_at_least_forty_hostile_names() -> None:
    assert len(TABLE) >= 45


def test_no_name_at_all_is_the_fallback() -> None:
    assert filenames.safe_name(None, FALLBACK) == FALLBACK


def _check_harmless(name: str, directory: pathlib.Path) -> None:
    assert name
    assert os.path.basename(name) == name
    assert name not in (".", "..")
    assert name[0] not in ".-~ _"
    assert not set(name) & set('\0/\\:"')
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in name)
    assert (directory / name).parent == directory
    for candidate in filenames.names_for(name, GUID):
        assert len(os.fsencode(candidate)) <= 255
        assert len(os.fsencode(receipt_name(candidate))) <= 255


_NAMES = st.text(st.one_of(st.characters(), st.sampled_from("./\\_\"' -~:\x00\u202e%")), max_size=400)


@given(_NAMES)
@example("_" * 5000 + "." * 5000 + "x")
@example("._" * 30_000 + "x" + "_." * 30_000)
@settings(max_examples=500)
def test_any_name_becomes_harmless_and_stays_as_it_is_then(name: str) -> None:
    directory = pathlib.Path("/srv/restore")
    safe = filenames.safe_name(name, FALLBACK)
    _check_harmless(safe, directory)
    assert filenames.safe_name(safe, FALLBACK) == safe


def _check_headers(name: str) -> None:
    for field in (
        f'attachment; filename="{name}"',
        f"attachment; filename*=UTF-8''{name}",
        f"attachment; filename*=UTF-8''{urllib.parse.quote(name, safe='', errors='replace')}; filename=x",
        f"attachment;filename={name}",
        f"attachment;filename={name.encode('utf-8', 'replace').decode('latin-1')}",
        f"attachment;filename={urllib.parse.quote_plus(name, errors='replace')}",
        f"attachment;filename==?utf-8?B?{base64.b64encode(name.encode('utf-8', 'replace')).decode()}?=",
    ):
        _check_harmless(filenames.safe_name(parse_file_name(field), FALLBACK), pathlib.Path("/srv/restore"))


@pytest.mark.fault("A13")
@pytest.mark.parametrize("name", list(TABLE), ids=lambda name: ascii(name)[:40])
def test_a_hostile_header_becomes_harmless(name: str) -> None:
    _check_headers(name)


@pytest.mark.fault("A13")
@given(_NAMES)
@settings(max_examples=200)
def test_any_header_becomes_harmless(name: str) -> None:
    _check_headers(name)


@pytest.mark.fault("A13")
def test_every_table_name_can_be_made(tmp_path: pathlib.Path) -> None:
    for name in {filenames.safe_name(name, FALLBACK) for name in TABLE}:
        (tmp_path / name).touch()
    assert all(path.is_file() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mail.zip", ["mail.zip", "mail-f8f73bf9.zip", f"mail-{GUID}.zip"]),
        ("mail", ["mail", "mail-f8f73bf9", f"mail-{GUID}"]),
        ("a.tar.gz", ["a.tar.gz", "a.tar-f8f73bf9.gz", f"a.tar-{GUID}.gz"]),
        ("a.fifteen-letters", ["a.fifteen-letters", "a-f8f73bf9.fifteen-letters", f"a-{GUID}.fifteen-letters"]),
        ("a.sixteen-letters-", ["a.sixteen-letters-", "a.sixteen-letters--f8f73bf9", f"a.sixteen-letters--{GUID}"]),
        ("at end. of it all together", [f"at end. of it all together{tail}" for tail in ("", "-f8f73bf9", f"-{GUID}")]),
    ],
)
def test_names_to_try(name: str, expected: list[str]) -> None:
    assert filenames.names_for(name, GUID) == expected


@pytest.mark.parametrize(("name", "extension"), [("a.ZIP", "zip"), ("a", ""), ("a.b.pst", "pst"), ("a.", "")])
def test_extensions(name: str, extension: str) -> None:
    assert filenames.extension_of(name) == extension
