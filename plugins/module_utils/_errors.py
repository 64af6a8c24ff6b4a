# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors a user may see. They lie below every other layer and all end in the one fail path of ``_module``."""

from __future__ import annotations

import typing as t


class StorwareError(Exception):
    """Something went wrong in a way that a user can understand.

    message: what was attempted and what happened, one or two sentences.
    code: a short constant that playbooks may branch on; it never changes its meaning.
    hint: the next step for the user, or an empty string.
    details: more facts about the failure (JSON types only), such as the HTTP status.
    results: what was done before it failed, in the shape of the module's return values.
    retryable: whether the same attempt may succeed later.
    """

    code: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        details: t.Mapping[str, t.Any] | None = None,
        results: t.Mapping[str, t.Any] | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.hint = hint
        self.details: dict[str, t.Any] = dict(details or {})
        self.results: dict[str, t.Any] = dict(results or {})
        self.retryable = retryable

    @property
    def text(self) -> str:
        """The message, the next step and the code, which docs/troubleshooting.md explains, as a user reads them."""
        said = f"{self.message.rstrip('.')}. {self.hint}".rstrip() if self.hint else self.message
        return f"{said} [{self.code}]"

    def to_result(self) -> dict[str, t.Any]:
        """The return value ``error``: what playbooks may go by."""
        return {"code": self.code, "hint": self.hint, "retryable": self.retryable, **self.details}


class Interrupted(StorwareError):
    """A signal tells the process to end. Whoever catches it cleans up and raises it again."""

    code = "interrupted"


class OptionError(StorwareError):
    """An option has a value that cannot work. Raised before anything is sent or written."""

    code = "invalid_option"

    def __init__(self, option: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{option}: {message}", hint=hint, details={"option": option})
        self.option = option
