# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of what people read: every form in which a secret may turn up is known and replaced."""

from __future__ import annotations

import base64
import functools
import html
import html.entities
import json
import re
import string
import typing as t
import urllib.parse

MASK: t.Final = "********"
# Shorter texts turn up by chance in guids, states and dates; replacing them there would do more harm.
SHORTEST: t.Final = 4
# A long secret is looked for piece by piece, so that one of which only a part is shown is found as well.
_PIECE: t.Final = 64
_SHORTEST_PIECE: t.Final = 16
_SHORTEST_ELEMENT: t.Final = 8  # shorter ones turn up by chance
_PLAIN: t.Final = frozenset(string.ascii_letters + string.digits)
# What begins an escape may have been escaped itself.
_BACKSLASH: t.Final = r"(?:\\|%(?:25)*5c)"
_AMPERSAND: t.Final = r"(?:&|%(?:25)*26)(?:amp(?:;|%(?:25)*3b))*"
_NUMBER_SIGN: t.Final = "(?:#|%(?:25)*23)"
_SEMICOLON: t.Final = "(?:;|%(?:25)*3b)"
_SPACE: t.Final = (
    r"\s|\+|%(?:25)*[012]."
    f"|{_AMPERSAND}(?:{_NUMBER_SIGN}x?0*[0-9a-f]{{1,2}}|nbsp|Tab|NewLine){_SEMICOLON}"
    f"|{_BACKSLASH}+(?:[nrtvf]|x[012].|u00[012].)"
)
# None of these expressions can match the same text in two ways: what a server sends must not keep us busy.
_SPACES: t.Final = f"(?:{_SPACE})*"  # excerpts have one for many, digests have none
_BACKSLASHES: t.Final = f"(?:{_SPACE.replace('}+(', '}(')}|{_BACKSLASH})+"


def forms(secret: str) -> set[str]:
    """The secret itself and the encodings that URLs, JSON, HTML, headers and tracebacks give it."""
    found = {form for text in (secret, secret.strip()) for form in (*_escaped(text), *_encoded(text))}
    return {form for form in found if len(form) >= SHORTEST}


def pattern(secret: str) -> str:
    """A regular expression for the secret in any mixture and nesting of escapes, or encoded.

    For a long one it finds each part, but not encoded. Empty when the secret is too short to be looked for.
    """
    text = secret.strip()
    if len(text) < SHORTEST:
        return re.escape(secret) if len(secret) >= SHORTEST else ""
    pieces = _pieces(text)
    if len(pieces) > 1:
        return "|".join(dict.fromkeys(map(_escapes, pieces)))  # encoded_parts has the rest
    return "|".join([_escapes(text), *map(re.escape, sorted(_encoded(text), key=len, reverse=True))])


def encoded_parts(secret: str) -> set[str]:
    """The parts of a long secret's encodings."""
    text = secret.strip()
    return {part for form in _encoded(text) for part in _pieces(form)} if len(_pieces(text)) > 1 else set()


def _elements(secret: str) -> list[str]:
    """Ansible splits a text at commas for an option that is a list, and we at the ends of lines."""
    found = re.split("[,\r\n]", secret)
    return [element for element in found if len(element) >= _SHORTEST_ELEMENT] if len(found) > 1 else []


def _pieces(text: str) -> list[str]:
    """The text cut into pieces, none of which is so short that it turns up by chance."""
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    if len(pieces) > 1 and len(pieces[-1]) < _SHORTEST_PIECE:
        pieces[-2:] = ["".join(pieces[-2:])]
    return pieces


def _escapes(text: str) -> str:
    """A regular expression for a text, each character of which may have been escaped any number of times."""
    found, before = "", ""
    for part in re.findall(r"[\s\\]+|.", text.strip("\\ \t\r\n") or text):
        if part.isspace():
            found += _SPACES
        elif part[0] == "\\" or part[0].isspace():
            found += _BACKSLASHES
            part = "\\"
        elif part in _PLAIN:
            found += part
        else:
            # The backslashes at the beginning need not be hidden, and those of a run are matched already.
            found += (f"{_BACKSLASH}*" if before not in ("", "\\") else "") + _any_escape(part)
        before = part
    return found


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
    """In base64, where what stands around it shifts it by up to two bytes, and in hex."""
    raw = _bytes(secret)
    found = {raw.hex(), raw.hex().upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found |= {encode(raw).decode(), encode(raw).decode().rstrip("=")}
        for before in (0, 1, 2):
            # Only characters that no neighbour has a share in.
            inner = encode(b"x" * before + raw).decode().rstrip("=")[before + 1 if before else 0 :]
            found.add(inner[: len(inner) - ((before + len(raw)) % 3 > 0)])
    return {form for form in found if len(form) >= SHORTEST}


@functools.lru_cache(maxsize=256)
def _any_escape(character: str) -> str:
    """A regular expression for one character, however often it was escaped."""
    number, raw, wide = ord(character), _bytes(character), character.encode("utf-16-be", "surrogatepass")
    names = [name[:-1] for name, value in html.entities.html5.items() if value == character and name[-1] == ";"]
    numbers = [f"{_NUMBER_SIGN}0*{number}", f"{_NUMBER_SIGN}x0*{number:x}"]
    escapes = [
        f"{_BACKSLASH}+".join(f"u{wide[start : start + 2].hex()}" for start in range(0, len(wide), 2)),
        f"{_BACKSLASH}+".join(f"x{byte:02x}" for byte in raw),
        f"U{number:08x}",
        f"x{number:02x}",
    ]
    alternatives = [
        re.escape(character),
        re.escape(raw.decode("latin-1")),  # as text of a header field is read
        "".join(f"%(?:25)*{byte:02x}" for byte in raw),
        f"{_AMPERSAND}(?:{_either([*names, *numbers])}){_SEMICOLON}",
    ]
    if not character.isprintable():
        escapes.append("[abe]")
        alternatives.append(" ")  # what excerpts show in its place
    return f"(?:{_BACKSLASH}(?:{_either(escapes)})|{_either(alternatives)})"


def _either(expressions: t.Iterable[str]) -> str:
    """Any of these, each of which is tried once."""
    return "|".join({expression.lower(): expression for expression in expressions}.values())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class Scrubber:
    """Replaces all secrets it was told of, in all their forms."""

    def __init__(self) -> None:
        self._patterns: dict[str, re.Pattern[str] | None] = {}
        self._parts: set[str] = set()

    def learn(self, secret: str) -> set[str]:
        """From now on this secret is replaced, and what it is split into where it is taken for a list; its forms."""
        return {form for text in (secret, *_elements(secret)) for form in self._learn(text)}

    def _learn(self, text: str) -> set[str]:
        if text not in self._patterns:
            found = pattern(text)
            self._patterns[text] = re.compile(found, re.IGNORECASE) if found else None
            self._parts |= encoded_parts(text)
        return forms(text)

    def text(self, text: str) -> str:
        """The text without secrets."""
        known = filter(None, self._patterns.values())
        found = [match.span() for pattern in known for match in pattern.finditer(text)]
        clean, seen = [], -1
        # Secrets and their parts may overlap, hold or follow each other: what belongs to any of them goes.
        for start, end in sorted([*found, *self._parts_in(text)]):
            if start > seen:
                clean += [text[max(seen, 0) : start], MASK]
            seen = max(seen, end)
        return "".join([*clean, text[max(seen, 0) :]])

    def _parts_in(self, text: str) -> t.Iterator[tuple[int, int]]:
        # Not by an expression: one with hundreds of alternatives tries each of them at each place.
        for part in self._parts:
            start = text.find(part)
            while start >= 0:
                yield start, start + len(part)
                start = text.find(part, start + len(part))

    def value(self, value: t.Any, *, keys: bool = True) -> t.Any:
        """A JSON value without secrets. keys: whether names are masked too; those below ``other`` always are."""
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


_GUID: t.Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# What later tasks use or decide by; masked, it would lead them astray.
_EXACT: t.Final = frozenset({"guid", "path", "receipt", "session", "state", "mode", "status", "type"})


def corrupted(result: t.Mapping[str, t.Any], hides: t.Callable[[str], bool]) -> list[str]:
    """The keys of a result under which an id, a path or a constant would be changed by masking."""
    return [key for key, value in result.items() if _changes(key, value, hides)]


def _changes(key: str, value: t.Any, hides: t.Callable[[str], bool]) -> bool:
    if isinstance(value, str):
        return (key in _EXACT or _GUID.fullmatch(value) is not None) and hides(value)
    if isinstance(value, dict):
        return any(_changes(name, item, hides) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_changes(key, item, hides) for item in value)
    return False
