# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of failures: each once, with the number of objects that it concerns and the first names, in limited space."""

from __future__ import annotations

import typing as t

MOST_BYTES: t.Final = 1200  # of the causes in a message, which stays below 2 kB with its beginning, hint and code
_LONGEST: t.Final = 400  # bytes of a cause
_LONGEST_NAME: t.Final = 100
_NAMES: t.Final = 3


class Cause(t.NamedTuple):
    """reason: a text. names: of the objects that it concerns, each once for each time it was found."""

    reason: str
    names: list[str]

    def describe(self) -> str:
        """Return the cause in words, such as ``64 (Alice, Bob, Carol and 61 more): no connection``."""
        shown = [shorten(name, _LONGEST_NAME) for name in list(dict.fromkeys(self.names))[:_NAMES]]
        more = len(self.names) - len(shown)
        named = ", ".join(shown) + (f" and {more} more" if more > 0 else "")
        reason = shorten(self.reason, _LONGEST)
        return f"{named}: {reason}" if len(self.names) == 1 else f"{len(self.names)} ({named}): {reason}"


def group(found: t.Iterable[tuple[str, str]]) -> list[Cause]:
    """Return the causes of (name, reason), those that concern most objects first."""
    causes: dict[str, list[str]] = {}
    for name, reason in found:
        causes.setdefault(reason.rstrip("."), []).append(name)
    return [Cause(reason, names) for reason, names in sorted(causes.items(), key=lambda item: -len(item[1]))]


def join(causes: t.Sequence[Cause], where: str, most: int = MOST_BYTES) -> str:
    """Return the causes in a text of that many bytes or fewer, and how many objects the others concern.

    where: the name of the return value that has all of them.
    """
    text, shown = "", 0
    for cause in causes:
        longer = text + ("; " if text else "") + cause.describe()
        if text and len(longer.encode("utf-8", "replace")) > most:
            break
        text, shown = longer, shown + 1
    left = sum(len(cause.names) for cause in causes[shown:])
    return text + (f"; {left} more for other reasons (see {where})" if left else "")


def shorten(text: str, most: int) -> str:
    """Return the text, cut to that many bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most else data[: most - 3].decode("utf-8", "ignore").rstrip() + "..."
