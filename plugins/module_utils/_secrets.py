# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of what people read: every form in which a secret may turn up is known and replaced."""

from __future__ import annotations

import base64
import json
import typing as t
import urllib.parse

MASK: t.Final = "********"
# Shorter texts turn up by chance in guids, states and dates; replacing them there would do more harm.
SHORTEST: t.Final = 4


def forms(secret: str) -> set[str]:
    """The secret itself and the encodings that URLs, JSON, headers and tracebacks give it."""
    raw = secret.encode("utf-8", "surrogateescape")
    found = {
        secret,
        urllib.parse.quote(raw, safe=""),
        urllib.parse.quote(raw),
        urllib.parse.quote_plus(raw),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(raw).decode(),
        raw.hex(),
    }
    return {form for form in found if len(form) >= SHORTEST}


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
