# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in two kinds of steps by turns: those that need this thread, and those that any thread may take.

So the disk can be waited for while the next file is being received. Work is a generator: what comes behind each other
``yield``, the first one included, any thread may do.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

T = t.TypeVar("T")


class Amount(t.NamedTuple):
    """Bytes of a file. size: that have come by now; received: of them, those that came in this run."""

    size: int
    received: int


Steps = t.Generator[Amount, None, T]


@dataclass(frozen=True)
class Step(t.Generic[T]):
    """The step that comes next; ``take`` returns the result of the work, or the step after this one."""

    amount: Amount
    take: t.Callable[[], T | Step[T]]


def advance(steps: Steps[T]) -> T | Step[T]:
    """Take one step; return the result of the work, or the step after this one."""
    try:
        amount = next(steps)
    except StopIteration as end:
        return t.cast(T, end.value)
    return Step(amount, functools.partial(advance, steps))


def complete(outcome: T | Step[T]) -> T:
    """Take all steps that are left; return the result."""
    while isinstance(outcome, Step):
        outcome = outcome.take()
    return outcome
