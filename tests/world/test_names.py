# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content-Disposition as servers send it, over a socket, and the file name that becomes of it."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import requests

from ansible_collections.storware.backup.plugins.module_utils._transfer.http import metadata
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import filenames
from tests.support.raw import saying, talking

FALLBACK: t.Final = "GUID.zip"
PAGE: t.Final = pathlib.Path(__file__).parents[2] / "docs/file-names.md"

# The bytes of the field, and the name of the file: as the page says, which no row may contradict.
TABLE: t.Final[t.Mapping[bytes, str]] = {
    # No name
    b"": FALLBACK,
    b"attachment": FALLBACK,
    b"inline; size=5": FALLBACK,
    b'attachment; filename=""': FALLBACK,
    b"attachment; filename*=UTF-8''": FALLBACK,
    b'form-data; name="mail.zip"': FALLBACK,
    # Plain ones (RFC 6266 4.1)
    b'attachment; filename="a b.zip"': "a b.zip",
    b"attachment; filename=plain.zip": "plain.zip",
    b"attachment; filename=two words.zip ; size=3": "two words.zip",
    b"attachment;FileName = x.zip": "x.zip",
    rb'attachment; filename="q\"u\\o.zip"': "o.zip",
    b'attachment; filename="a;b.zip"; x=1': "a;b.zip",
    b'attachment; filename="unclosed.zip': "unclosed.zip",
    b"attachment; filename='mail.zip'": "mail.zip",
    b"attachment; filename=Archer, Alice.zip": "Archer, Alice.zip",
    b'attachment; x="; filename=evil.zip"; filename=good.zip': "good.zip",
    b'attachment;\r\n filename="folded.zip"': "folded.zip",
    # Bytes beyond ASCII, which only browsers know
    'attachment; filename="café.zip"'.encode(): "café.zip",
    "attachment; filename=€.zip".encode(): "€.zip",
    'attachment; filename="café.zip"'.encode("latin-1"): "café.zip",
    # Extended ones (RFC 8187)
    b"attachment; filename*=UTF-8''%e2%82%ac%20rates.zip": "€ rates.zip",
    b"attachment; filename*=utf-8'en'x.zip; filename=y.zip": "x.zip",
    b"attachment; filename=y.zip; filename*=iso-8859-1''%A3.zip": "£.zip",
    b"attachment; filename=y.zip; FILENAME*=windows-1252''%80.zip": "€.zip",
    b"attachment; filename*=Shift_JIS''%93%FA%96%7B.zip": "日本.zip",
    b"attachment; filename*=KOI8-R''%F0%CF%DE%D4%C1.zip": "Почта.zip",
    b"attachment; filename*=gb18030''%D3%CA%BC%FE.zip": "邮件.zip",
    b"attachment; filename*=UTF-16BE''%00a%20%AC%00.%00z%00i%00p": "a€.zip",
    b"attachment; filename*=\"UTF-8''J%C3%BCrgen.zip\"": "Jürgen.zip",
    "attachment; filename*=UTF-8''Jürgen.zip".encode(): "Jürgen.zip",
    b"attachment; filename*=UTF-8''alice+mail.zip": "alice+mail.zip",
    b"attachment; filename*=UTF-8''100%2541.zip": "100%41.zip",
    b"attachment; filename=y.zip; filename*=UTF-8''%ff%fe": "y.zip",
    b"attachment; filename=y.zip; filename*=klingon''x": "y.zip",
    b"attachment; filename=y.zip; filename*=zip''x": "y.zip",
    b"attachment; filename=y.zip; filename*=utf-7''+AC4ALg-.zip": "y.zip",
    b"attachment; filename=y.zip; filename*=%41.zip": "y.zip",
    b"attachment; filename*0=long; filename*1=er.zip": FALLBACK,
    # Encoded words (RFC 2047), which RFC 6266 does not know
    b'attachment; filename="=?UTF-8?Q?J=C3=BCrgen.zip?="': "Jürgen.zip",
    b"attachment; filename==?utf-8?q?J=C3=BCrgen_A.zip?=": "Jürgen A.zip",
    b'attachment; filename="=?UTF-8?B?YcO/LnppcA==?="': "aÿ.zip",
    b'attachment; filename="=?UTF-8?B?YcO/LnppcA?="': "aÿ.zip",
    b'attachment; filename="=?UTF-8?B?SsO8cmdlbi56aXA?="': "Jürgen.zip",
    b'attachment; filename="=?ISO-8859-1?Q?caf=E9?=.zip"': "café.zip",
    b'attachment; filename="=?UTF-8*de?Q?J=C3=BCrgen.zip?="': "Jürgen.zip",
    b'attachment; filename="=?UTF-8?Q?J=C3?= =?UTF-8?Q?=BCrgen?= 2.zip"': "Jürgen 2.zip",
    b'attachment; filename="=?UTF-8?Q?a?=\r\n =?ISO-8859-1?Q?=E9.zip?="': "aé.zip",
    b'attachment; filename="=?UTF-8?B?*?="': "=_UTF-8_B___=",
    b'attachment; filename="=?UTF-8?Q?=FF?="': "=_UTF-8_Q_=FF_=",
    b'attachment; filename="=?UTF-8?Q?100=2541.zip?="': "100%41.zip",
    # Percent escapes in a plain name, as browsers read them, and Java's URLEncoder
    b"attachment; filename=alice%40example.com+mail.zip": "alice@example.com mail.zip",
    b'attachment; filename="J%C3%BCrgen%20Archer.zip"': "Jürgen Archer.zip",
    b"attachment; filename=a+b%20c.zip": "a+b c.zip",
    b"attachment; filename=alice+tag@example.com%20mail.zip": "alice+tag@example.com mail.zip",
    b"attachment; filename=a+b.zip": "a+b.zip",
    b'attachment; filename="50 %41.zip"': "50 %41.zip",
    b"attachment; filename=50%.zip": "50%.zip",
    b"attachment; filename=J%FCrgen.zip": "J%FCrgen.zip",
    # No type, and parameters or fields that are there twice
    b'filename="mail.zip"': "mail.zip",
    b"filename=a.zip; filename*=UTF-8''b.zip": "b.zip",
    b"; filename=mail.zip": "mail.zip",
    b"attachment; filename=first.zip; filename=second.zip": "first.zip",
    b"attachment; filename*=UTF-8''first.zip; filename*=UTF-8''second.zip": "first.zip",
    b"attachment; filename=a.zip\r\nContent-Disposition: attachment; filename=b.zip": "a.zip",
    b'attachment; filename="a.zip"\r\nContent-Disposition: attachment; filename="b.zip"': "a.zip",
    # Harm, some of which appears only when the name is decoded
    b'attachment; filename="../../etc/passwd"': "passwd",
    b"attachment; filename*=UTF-8''..%2F..%5C.bashrc": "bashrc",
    b"attachment; filename=%2e%2e%2f%2e%2e%2fx": "x",
    b'attachment; filename="=?UTF-8?Q?=2E=2E=2Fx=00=0Ay.zip?="': "xy.zip",
    b"attachment; filename*=UTF-8''%2e%2e": FALLBACK,
    b"attachment; filename*=UTF-8''ann%E2%80%AEgpj.zip": "anngpj.zip",
    b"attachment; filename*=UTF-8''NUL.zip": FALLBACK,
    b"attachment; filename*=UTF-8''mail.zip.%20.": "mail.zip",
    b"attachment; filename=" + b"x" * 300 + b".zip": "x" * 196 + ".zip",
    b"attachment; filename=" + b"x" * 60_000 + b".zip": FALLBACK,
}


def file_name(field: bytes) -> str:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Disposition: " + field + b"\r\n\r\n"
    with talking(saying(answer)) as server, requests.Session() as session:
        session.trust_env = False
        received = session.get(server.url, timeout=60).headers
    return filenames.safe_name(metadata.parse_metadata(received).name, FALLBACK)


@pytest.mark.fault("A13")
@pytest.mark.parametrize("field", TABLE, ids=lambda field: ascii(field)[2:60])
def test_a_name_comes_out_as_the_table_says(field: bytes) -> None:
    assert file_name(field) == TABLE[field]


def test_the_page_says_how_each_form_is_read() -> None:
    rows = re.findall(r"^\| [^|]+ \| `([^|`]+)` \| `([^|`]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 8
    assert [(field, file_name(field.encode())) for field, _name in rows] == rows
