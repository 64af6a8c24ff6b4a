# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a case of the catalogue is: a server's behaviour, and what must come of it."""

from __future__ import annotations

import types
import typing as t
from dataclasses import dataclass, field

from tests.faults.replies import Resource, serve
from tests.faults.script_server import Reply

Order = t.Mapping[str, t.Any]
_NONE: t.Final[Order] = types.MappingProxyType({})


@dataclass(frozen=True)
class Expected:
    """How the first run ends. ok: None where both ends are right. codes: of the failure; empty: any of the engine's.

    kept: whether the bytes that came are kept for the next run; None: either.
    """

    ok: bool | None
    codes: frozenset[str] = frozenset()
    kept: bool | None = None


OK: t.Final = Expected(ok=True)
NEVER_WRONG: t.Final = Expected(ok=None)  # libraries differ in what they accept


def fails(*codes: str) -> Expected:
    """Fails with one of these codes; whether anything is kept does not matter, only that the next run succeeds."""
    return Expected(False, frozenset(codes))


def clean(*codes: str) -> Expected:
    """Fails with one of these codes, and leaves nothing."""
    return Expected(False, frozenset(codes), kept=False)


def resumable(*codes: str) -> Expected:
    """Fails with one of these codes, and the next run goes on where it stopped."""
    return Expected(False, frozenset(codes), kept=True)


@dataclass(frozen=True)
class Case:
    """A named behaviour of a server.

    faults: ids of the catalogue of faults. replies: of the first run, by request. file: on the server when the fault
    is gone. truth: the right contents, where not only the file's. name: of the file in the end. into: the dest is the
    directory, so that the server's name counts. old: what has the name before. order: for the driver, beside the
    usual. second: for the run without the fault, where it differs. tls: a kind of ``certificates.context``. backup:
    replies of the second address, if the driver gets one. ours: no generic client can be asked the same.
    """

    name: str
    faults: tuple[str, ...]
    replies: tuple[Reply, ...]
    expected: Expected
    file: Resource
    truth: tuple[bytes, ...] = ()
    into: bool = False
    old: bytes | None = None
    order: Order = field(default_factory=lambda: _NONE)
    second: Order = field(default_factory=lambda: _NONE)
    tls: str | None = None
    backup: tuple[Reply, ...] = ()
    ours: bool = False
    filename: str = "a.zip"

    @property
    def contents(self) -> tuple[bytes, ...]:
        """All that is right."""
        return self.truth or (self.file.body,)

    @property
    def healthy(self) -> Reply:
        """What the server does when the fault is gone."""
        return serve(self.file)

    def __str__(self) -> str:
        return self.name


def case(name: str, faults: str, expected: Expected, file: Resource, *replies: Reply, **rest: t.Any) -> Case:
    """A case; faults in one string, as in "N5 H26"."""
    return Case(name, tuple(faults.split()), replies, expected, file, **rest)
