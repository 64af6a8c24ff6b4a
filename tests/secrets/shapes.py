# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are hard to keep: 25 shapes, and the ways in which a text travels.

Nothing here is taken from the collection: what is tested must not say itself what a secret looks like.
"""

from __future__ import annotations

import base64
import html
import json
import typing as t
import urllib.parse
from dataclasses import dataclass

# Who logs in with the secret. Five bytes with the colon: base64 of the pair shares nothing with base64 of the secret.
USER: t.Final = "king"


@dataclass(frozen=True)
class Shape:
    """A kind of secret. ``make`` builds one around a core, by which it is found again in any output.

    Without a core (``common``) a secret is a word that outputs may hold for other reasons; it is looked for only
    where it was planted. ``masked`` is False for secrets so short that nobody promises to hide them.
    """

    name: str
    make: t.Callable[[str], str]
    common: bool = False
    masked: bool = True

    @property
    def fits_headers(self) -> bool:
        """Whether a server can send it as the value of a cookie or in a header field."""
        return all(" " <= character <= "~" and character not in ';,"\\' for character in self.make("zq000000kx"))


def _fixed(name: str, secret: str, *, masked: bool = True) -> Shape:
    return Shape(name, lambda core: secret, common=True, masked=masked)


SHAPES: t.Final = (
    Shape("plain", lambda core: core),
    Shape("double quotes", lambda core: f'{core}"quo"te"'),
    Shape("single quote", lambda core: f"{core}'s"),
    Shape("percent", lambda core: f"50%{core}%41%"),
    Shape("ampersand", lambda core: f"a&{core}&amp;b=c"),
    Shape("slashes", lambda core: f"/{core}//etc/"),
    Shape("backslashes", lambda core: f"\\{core}\\n\\x41\\"),
    Shape("line break", lambda core: f"{core}\nline\r\n{core}\n"),
    Shape("umlauts", lambda core: f"Pä$$wört{core}‰€"),
    Shape("beyond 16 bits", lambda core: f"🔑{core}👩‍💻"),
    Shape("4 KiB", lambda core: f"{core} 4KiB!" * (4096 // len(f"{core} 4KiB!"))),
    Shape("spaces around", lambda core: f"  {core}  "),
    Shape("spaces within", lambda core: f"{core} a  b\tc+d {core}"),
    Shape("part of a guid", lambda core: f"{core}-2445-4bce"),
    _fixed("a state", "FINISHED"),
    _fixed("a boolean", "true"),
    _fixed("one character", "7", masked=False),
    _fixed("three characters", "abc", masked=False),
    Shape("JSON", lambda core: f'{{"{core}": ["x", null]}}'),
    Shape("base64 alphabet", lambda core: f"{core}+/QWxhZGRpbjpvcGVu+/=="),
    Shape("shell", lambda core: f"$({core});`id`|>&!*?~#"),
    Shape("Jinja", lambda core: f"{{{{ {core} }}}}{{% raw %}}"),
    Shape("number", lambda core: f"90071{core[2:8]}0099"),
    Shape("the mask itself", lambda core: f"ab********{core}********"),
    Shape("colon and at-sign", lambda core: f"{core}:x@host:8181/"),
    Shape("markup", lambda core: f"<b>{core}</b>&lt;{core}&gt;"),
    Shape("control characters", lambda core: f"\x1b[31m{core}\x07\x7f"),
)

ENCODINGS: t.Final[t.Mapping[str, t.Callable[[str], str]]] = {
    "raw": lambda secret: secret,
    "url": urllib.parse.quote,
    "url, all": lambda secret: urllib.parse.quote(secret, safe=""),
    "url, plus": urllib.parse.quote_plus,
    "JSON, ASCII": lambda secret: json.dumps(secret)[1:-1],
    "JSON, UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "repr": lambda secret: repr(secret)[1:-1],
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 of user:secret": lambda secret: base64.b64encode(f"{USER}:{secret}".encode()).decode(),
    "hex": lambda secret: secret.encode().hex(),
    "markup": html.escape,
}


@dataclass(frozen=True)
class Canary:
    """One secret of a test. ``number`` is unique in a test process, so that a hit tells where it was planted."""

    number: int
    shape: Shape
    where: str  # it was planted

    @property
    def core(self) -> str:
        """What is looked for: letters and digits, which only base64 and hex change."""
        return f"zq{self.number:06d}kx"

    @property
    def secret(self) -> str:
        """The secret itself."""
        return self.shape.make(self.core)

    def planted(self, encoding: str) -> str:
        """The secret in an encoding, with a mark around it that finds a common word again."""
        return f"[{self.mark}{ENCODINGS[encoding](self.secret)}~{self.number}]"

    @property
    def mark(self) -> str:
        """What stands before the secret where it was planted."""
        return f"{self.number}~"
