# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for canaries in whatever a run left behind: text or bytes, wrapped, coloured, escaped or encoded."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t
from dataclasses import dataclass

from tests.secrets.shapes import ENCODINGS, Canary

_COLOURS: t.Final = re.compile(r"\x1b\[[0-9;]*[mK]")
_LINE_END: t.Final = re.compile(r"\r?\n[ \t]*")
_CORE: t.Final = re.compile(r"zq([0-9]{6})kx|90071([0-9]{6})0099", re.IGNORECASE)
_BASE64: t.Final = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_HEX: t.Final = re.compile(r"(?:[0-9A-Fa-f]{2}){10,}")
_AROUND: t.Final = 60  # characters of an excerpt on each side


@dataclass(frozen=True)
class Hit:
    """A secret that somebody can read. ``where`` it was planted, and the ``channel`` in which it was found."""

    number: int
    where: str
    channel: str
    encoding: str
    excerpt: str  # without the secret

    def __str__(self) -> str:
        return f"{self.channel}: {self.where}, {self.encoding}: {self.excerpt}"


class Scanner:
    """Knows all canaries of a run. What it does not know but looks like a canary counts as well."""

    def __init__(self, canaries: t.Iterable[Canary]) -> None:
        self._canaries = {canary.number: canary for canary in canaries}
        self._common = [canary for canary in self._canaries.values() if canary.shape.common and canary.shape.masked]

    def scan(self, channel: str, data: str | bytes) -> list[Hit]:
        """The hits in a channel, each canary once in each way of reading it."""
        text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
        found: dict[tuple[int, str], Hit] = {}
        for view, seen in _views(text):
            for match in _CORE.finditer(seen):
                number = int(match.group(1) or match.group(2))
                if (number, view) not in found:
                    found[number, view] = self._hit(number, channel, view, seen, match.start(), match.end())
            for canary in self._common:
                for encoding, literal in _literals(canary):
                    start = seen.find(literal)
                    if start >= 0:
                        excerpt = _excerpt(seen, start, start + len(literal))
                        found[canary.number, encoding] = Hit(canary.number, canary.where, channel, encoding, excerpt)
        return list(found.values())

    def _hit(self, number: int, channel: str, view: str, seen: str, start: int, end: int) -> Hit:
        canary = self._canaries.get(number)
        where = canary.where if canary else "unknown"
        encoding = view or _encoding(canary, seen, start, end)
        return Hit(number, where, channel, encoding, _excerpt(seen, start, end))


def _views(text: str) -> t.Iterator[tuple[str, str]]:
    """The text as it may be read, with the name of the encoding that was undone, if any."""
    plain = _COLOURS.sub("", text).replace("\0", "")
    whole = _LINE_END.sub("", plain)  # Ansible wraps long lines wherever they end
    yield "", plain
    yield "", whole
    yield "base64", "\n".join(_decoded(_from_base64, _BASE64.findall(plain) + _BASE64.findall(whole)))
    yield "hex", "\n".join(_decoded(_from_hex, _HEX.findall(plain) + _HEX.findall(whole)))


def _decoded(decode: t.Callable[[str], bytes], runs: t.Iterable[str]) -> t.Iterator[str]:
    for run in set(runs):
        # Where the encoding begins is not known: letters before it belong to the run, too.
        for skipped in range(4):
            yield decode(run[skipped:]).decode("latin-1").replace("\0", "")


def _from_base64(run: str) -> bytes:
    whole = run.replace("-", "+").replace("_", "/")
    whole = whole[:-1] if len(whole) % 4 == 1 else whole
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def _from_hex(run: str) -> bytes:
    try:
        return binascii.unhexlify(run[: len(run) // 2 * 2])
    except binascii.Error:
        return b""


def _literals(canary: Canary) -> t.Iterator[tuple[str, str]]:
    """How a common word looks where it was planted, or as the value of an option."""
    planted: dict[str, str] = {}
    for encoding in ENCODINGS:
        planted.setdefault(canary.planted(encoding), encoding)  # most encodings leave a common word as it is
    for literal, encoding in planted.items():
        yield encoding, literal
    for option in ("password", "token"):
        for literal in (f'"{option}": "{canary.secret}"', f"{option}={canary.secret}", f"{option}: {canary.secret}"):
            yield f"as {option}", literal


def _encoding(canary: Canary | None, seen: str, start: int, end: int) -> str:
    if canary is None:
        return "unknown"
    around = seen[max(0, start - len(canary.secret) * 6) : end + len(canary.secret) * 6]
    for name, encode in ENCODINGS.items():
        if encode(canary.secret) in around:
            return name
    return "changed or a part"


def _excerpt(seen: str, start: int, end: int) -> str:
    text = f"{seen[max(0, start - _AROUND) : start]}<SECRET>{seen[end : end + _AROUND]}"
    return _CORE.sub("<SECRET>", text).encode("unicode_escape").decode("ascii")
