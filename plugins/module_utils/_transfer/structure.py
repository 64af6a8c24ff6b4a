# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results and errors that the checks of all formats share."""

from __future__ import annotations

import typing as t

from .._errors import StorwareError

CheckTime = t.Callable[[], None]  # is called again and again by what may take long; raises when the time is over


def no_limit() -> None:
    """For work that may take any time."""


def corrupt(why: str) -> StorwareError:
    """The error for content that contradicts its own structure; why is a sentence about the file."""
    return StorwareError(f"the content is damaged: {why}", code="corrupt")


class Proof(t.NamedTuple):
    """The result of a check.

    level: one of ``verify.LEVELS``. padding: zero bytes that belong to nothing in the file; they are harmless.
    entries: of an archive, None for another format. unpacked_size: of all entries, in bytes, as the archive says.
    """

    level: str
    padding: int = 0
    entries: int | None = None
    unpacked_size: int | None = None
