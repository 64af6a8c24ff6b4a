# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of messages and results: finds a secret as it is and in each encoding that it is sent in."""

from __future__ import annotations

import base64
import html
import json
import re
import typing as t
import urllib.parse

MASK: t.Final = "********"
# Shorter texts turn up by chance in guids, states and dates; replacing them there would do more harm.
SHORTEST: t.Final = 4
# Of a module's output, for its action plugin: a dictionary whose keys are the names of the fields that were left out.
OMITTED: t.Final = "storware_backup_omitted"
# A long secret is looked for piece by piece, so that one of which only a part is shown is found as well.
_PIECE: t.Final = 64
_SHORTEST_PIECE: t.Final = 16
_SHORTEST_ELEMENT: t.Final = 8  # shorter ones turn up by chance

_GUID: t.Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Later tasks use these or decide by them.
_EXACT: t.Final = frozenset(
    {"guid", "path", "receipt", "sha256", "checksum", "server", "session", "state", "mode", "status", "type"}
)


def forms(secret: str) -> set[str]:
    """Return the secret itself and the encodings that URLs, JSON, HTML, headers and tracebacks give it.

    Of escapes within escapes, those of JSON are among them: servers put tracebacks and JSON into the texts of JSON.
    """
    found = {form for text in (secret, secret.strip()) for form in (*_escaped(text), *_encoded(text))}
    found |= {_bytes(form).decode("latin-1") for form in found}  # as text of a header field is read
    escaped = [form for form in found if "\\" in form]
    found |= {json.dumps(form, ensure_ascii=is_ascii)[1:-1] for form in escaped for is_ascii in (True, False)}
    return {form for form in found if len(form) >= SHORTEST}


class Redactor:
    """Replaces the secrets that it has learned, in all their forms.

    register: is called with the forms of each secret, for a program that masks the output in addition.
    """

    def __init__(self, register: t.Callable[[set[str]], None] = lambda found: None) -> None:
        self._register = register
        self._pieces: set[str] = set()

    def learn(self, secret: str) -> None:
        """Replace this secret from now on, and the elements that a list has which it is split into."""
        found = {form for text in (secret, *_elements(secret)) for form in forms(text)}
        # A new set: another thread may be using this one.
        self._pieces = self._pieces | {piece for form in found for piece in _split(form)}
        self._register(found)

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        clean, seen = [], -1
        # Secrets may overlap, hold or follow each other: the characters of each of them go.
        for start, end in sorted(self._find(text)):
            if start > seen:
                clean += [text[max(seen, 0) : start], MASK]
            seen = max(seen, end)
        return "".join([*clean, text[max(seen, 0) :]])

    def _find(self, text: str) -> t.Iterator[tuple[int, int]]:
        # Not by a regular expression: one with hundreds of alternatives tries each of them at each place.
        for piece in self._pieces:
            start = text.find(piece)
            while start >= 0:
                yield start, start + len(piece)
                start = text.find(piece, start + 1)

    def value(self, value: t.Any, *, keys: bool = True) -> t.Any:
        """Return a JSON value without secrets. keys: whether names are masked too; those below ``other`` always are."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                (self.text(str(key)) if keys else key): self.value(item, keys=keys or key == "other")
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(item, keys=keys) for item in value]
        return value


def texts_in(value: t.Any) -> t.Iterator[str]:
    """Yield all texts of a JSON value: names, and what is no list or dictionary as a text."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)
    else:
        yield str(value)


def omit_changed(
    result: t.Mapping[str, t.Any], is_changed: t.Callable[[str], bool]
) -> tuple[dict[str, t.Any], list[str]]:
    """Return a result without fields in which an id, a path, a number or a constant would be changed, and their names.

    is_changed: tells whether a text would be changed by masking.
    """
    omitted: set[str] = set()

    def copy(value: t.Any) -> t.Any:
        if isinstance(value, dict):
            bad = {key for key, item in value.items() if any(map(is_changed, _texts(key, item)))}
            omitted.update(map(str, bad))
            return {key: copy(item) for key, item in value.items() if key not in bad}
        return [copy(item) for item in value] if isinstance(value, (list, tuple)) else value

    return copy(result), sorted(omitted)


def _texts(key: str, value: t.Any) -> t.Iterator[str]:
    """Yield the texts of a field that must not be changed; not those of fields within it.

    A number is one, because Ansible replaces it by a text.
    """
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(item, (int, float)) and not isinstance(item, bool):
            yield str(item)
        elif isinstance(item, str) and (key in _EXACT or _GUID.fullmatch(item)):
            yield item


def _elements(secret: str) -> list[str]:
    """Split a secret at commas, as Ansible does for an option that is a list, and at the ends of lines, as we do."""
    found = re.split("[,\r\n]", secret)
    return [element for element in found if len(element) >= _SHORTEST_ELEMENT] if len(found) > 1 else []


def _split(form: str) -> list[str]:
    """Split a form into pieces, none of which is so short that it turns up by chance."""
    pieces = [form[start : start + _PIECE] for start in range(0, len(form), _PIECE)]
    if len(pieces) > 1 and len(pieces[-1]) < _SHORTEST_PIECE:
        pieces[-2:] = ["".join(pieces[-2:])]
    return pieces


def _escaped(secret: str) -> t.Iterator[str]:
    raw = _bytes(secret)
    yield secret
    for quoted in (urllib.parse.quote(raw, safe=""), urllib.parse.quote(raw), urllib.parse.quote_plus(raw)):
        yield quoted
        yield re.sub("%..", lambda code: code[0].lower(), quoted)
    for as_json in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield as_json
        yield as_json.replace("/", r"\/")
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    yield repr(secret)[1:-1]
    yield repr(raw)[2:-1]


def _encoded(secret: str) -> set[str]:
    """Return base64, in which the bytes around the secret shift it by up to two bytes, and hex."""
    raw = _bytes(secret)
    found = {raw.hex(), raw.hex().upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found |= {encode(raw).decode(), encode(raw).decode().rstrip("=")}
        for before in (0, 1, 2):
            # Only characters that no neighbour has a share in.
            inner = encode(b"x" * before + raw).decode().rstrip("=")[before + 1 if before else 0 :]
            found.add(inner[: len(inner) - ((before + len(raw)) % 3 > 0)])
    return {form for form in found if len(form) >= SHORTEST}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
