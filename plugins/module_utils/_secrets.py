# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of what people read: every form in which a secret may turn up is known and replaced."""

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


def forms(secret: str) -> set[str]:
    """The secret itself and the encodings that URLs, JSON, HTML, headers and tracebacks give it."""
    found = {form for text in (secret, secret.strip()) for form in _encodings(text)}
    return {form for form in found if len(form) >= SHORTEST}


def _encodings(secret: str) -> t.Iterator[str]:
    raw = secret.encode("utf-8", "surrogateescape")
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
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(raw).decode()
        yield encoded
        yield encoded.rstrip("=")
    yield raw.hex()
    yield raw.hex().upper()


class Scrubber:
    """Replaces all forms of all secrets it was told of."""

    def __init__(self) -> None:
        self._needles: list[str] = []

    def learn(self, secret: str) -> set[str]:
        """From now on this secret is replaced; returns its forms."""
        new = forms(secret)
        # The longest first: a form may hold another one.
        self._needles = sorted({*self._needles, *new}, key=len, reverse=True)
        return new

    def text(self, text: str) -> str:
        """The text without secrets."""
        for needle in self._needles:
            text = text.replace(needle, MASK)
        return text

    def value(self, value: t.Any) -> t.Any:
        """A JSON value without secrets, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value


_GUID: t.Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# What later tasks use or decide by; masked, it would lead them astray.
_EXACT: t.Final = frozenset({"guid", "path", "receipt", "session", "state", "mode", "status", "type"})


def corrupted(result: t.Mapping[str, t.Any], needles: t.Collection[str]) -> list[str]:
    """The keys of a result under which masking the needles would change an id, a path or a constant."""
    return [key for key, value in result.items() if _holds(key, value, needles)]


def _holds(key: str, value: t.Any, needles: t.Collection[str]) -> bool:
    if isinstance(value, str):
        exact = key in _EXACT or _GUID.fullmatch(value) is not None
        return exact and any(needle in value for needle in needles)
    if isinstance(value, dict):
        return any(_holds(name, item, needles) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_holds(key, item, needles) for item in value)
    return False
