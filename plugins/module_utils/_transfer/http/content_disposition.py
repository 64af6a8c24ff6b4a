# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file name in a Content-Disposition field, in every form that servers send. No I/O; anything may stand in it.

A name is decoded once, and may be hostile then: ``names.safe_name`` makes it harmless.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import itertools
import re
import typing as t
import urllib.parse

# Characters. Escaped in any way, 255 bytes of a name need 800; the limit bounds the work that decoding takes.
_LONGEST: t.Final = 8192
# Encodings of Python for texts that are no character sets: escapes, parts of host names, and one that can hide ASCII.
_NO_CHARSETS: t.Final = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7")

# A field without a disposition type begins with a parameter.
_PARAMETER: t.Final = re.compile(r"(?:^|;)\s*([\w!#$&+.^`|~*-]+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;]*)", re.DOTALL)
# What is left of a second field: HTTP libraries join fields of one name with commas (RFC 9110 5.3).
_NEXT_FIELD: t.Final = re.compile(r"(?i),\s*(?:attachment|inline)\s*\Z")
_EXTENDED: t.Final = re.compile(r"([^'%]+)'[^']*'(.*)", re.DOTALL)  # RFC 8187 3.2.1
_CHARSET: t.Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}")
# RFC 2047 2, with a language (RFC 2231 5), and with spaces that should have been encoded.
_WORD: t.Final = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([BbQq])\?([^?]*)\?=")
_WORDS: t.Final = re.compile(rf"{_WORD.pattern}(?:\s*{_WORD.pattern})*")
# Characters of a URL (RFC 3986 2): a text with others was not escaped as one.
_ESCAPED: t.Final = re.compile(r"(?:[!#$&-;=?-Z\[\]_a-z~]|%[0-9A-Fa-f]{2})+")
# What encoders of HTML forms leave as it is, such as Java's URLEncoder; they write a space as "+".
_FORM: t.Final = re.compile(r"(?:[A-Za-z0-9.*_+~!()-]|%(?!20)[0-9A-Fa-f]{2})+")


def parse_file_name(field: str) -> str | None:
    """The file name in a Content-Disposition field (RFC 6266 4.3), decoded, with all that a server may put in one.

    None without a name that can be read. The first ``filename*`` that can be read counts, then the first ``filename``;
    an empty one does not.
    """
    if len(field) > _LONGEST:
        return None
    parameters = [(name.lower(), _unquote(value)) for name, value in _PARAMETER.findall(field)]
    extended = (_decode_extended(value) for name, value in parameters if name == "filename*")
    plain = (_decoded_plain(value) for name, value in parameters if name == "filename")
    return next(filter(None, itertools.chain(extended, plain)), None)


def format_field(name: str) -> str:
    """The field that ``parse_file_name`` reads this name from, whatever characters it has (RFC 8187)."""
    return f"attachment; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"


def _unquote(value: str) -> str:
    value = _NEXT_FIELD.sub("", value).strip()
    return re.sub(r"(?s)\\(.)", r"\1", value[1:].removesuffix('"')) if value.startswith('"') else value


def _decode_extended(value: str) -> str | None:
    """An extended value (RFC 8187 3.2); None if it is none, or not in its character set."""
    extended = _EXTENDED.fullmatch(value)
    try:
        return extended and _text(urllib.parse.unquote_to_bytes(_sent(extended.group(2))), extended.group(1))
    except (LookupError, ValueError):
        return None


def _decoded_plain(value: str) -> str:
    """A value for which RFC 6266 knows no encoding. Where it can be none of those in use, it is as sent."""
    value = _from_utf8(_sent(value), value)
    try:
        decoded, count = _WORDS.subn(_decoded_words, value)
    except (LookupError, ValueError):
        return value
    if count:
        return decoded
    if "%" in value and _ESCAPED.fullmatch(value):
        spaced = value.replace("+", " ") if _FORM.fullmatch(value) else value
        return _from_utf8(urllib.parse.unquote_to_bytes(spaced), value)
    return value


def _decoded_words(match: re.Match[str]) -> str:
    """The text of encoded words in a row, some of which may share a character. Raises LookupError, ValueError."""
    words = itertools.groupby(_WORD.findall(match.group()), key=lambda word: word[0].lower())
    return "".join(_text(b"".join(_bytes_of(*word[1:]) for word in group), charset) for charset, group in words)


def _bytes_of(encoding: str, encoded: str) -> bytes:
    if encoding in "Qq":
        return binascii.a2b_qp(encoded, header=True)
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def _text(data: bytes, charset: str) -> str:
    """The text in a character set that Python knows. Raises LookupError, UnicodeError."""
    if not _CHARSET.fullmatch(charset) or codecs.lookup(charset).name in _NO_CHARSETS:
        raise LookupError(charset)
    return data.decode(charset)  # refuses encodings that are not for texts, such as zip


def _sent(value: str) -> bytes:
    """The bytes of a header field: Python reads them as Latin-1."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _from_utf8(data: bytes, otherwise: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return otherwise
