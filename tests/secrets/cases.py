# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults with secrets in them: which shapes and encodings go with which fault, and how one is set up."""

from __future__ import annotations

import itertools
import pathlib
import typing as t
from dataclasses import dataclass

from tests.secrets import faults
from tests.secrets.faults import Fault
from tests.secrets.server import Reply, Request, Script, Server, reply
from tests.secrets.shapes import ENCODINGS, SHAPES, Canary, Shape

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Case:
    """A fault with a secret, which the server repeats in an encoding."""

    fault: Fault
    canary: Canary
    encoding: str

    @property
    def name(self) -> str:
        """The part of the url that selects it."""
        return f"case-{self.canary.number}"


def canary(where: str, shape: Shape = SHAPES[0]) -> Canary:
    """A secret that no other test of this process has."""
    return Canary(next(_numbers), shape, where)


def case(fault: Fault, shape: Shape = SHAPES[0], encoding: str = "raw") -> Case:
    """A case with a secret of its own."""
    return Case(fault, canary(f"{fault}, {shape.name}, sent as {encoding}", shape), encoding)


def all_cases(chosen: t.Iterable[Fault]) -> t.Iterator[Case]:
    """Every fault with every shape and encoding that fits."""
    for fault, shape, encoding in itertools.product(chosen, SHAPES, ENCODINGS):
        if _fits(fault, shape, encoding):
            yield case(fault, shape, encoding)


def each_shape_once(chosen: t.Iterable[Fault]) -> t.Iterator[Case]:
    """Every fault with every shape, in encodings that take turns."""
    for number, fault in enumerate(chosen):
        for index, shape in enumerate(SHAPES):
            yield from _turn(fault, shape, number + index)


def each_fault_once(chosen: t.Iterable[Fault], first: int = 0) -> t.Iterator[Case]:
    """Every fault with one shape; shapes and encodings take turns, from the first on."""
    for number, fault in enumerate(chosen, first):
        fitting = [shape for shape in SHAPES if any(_fits(fault, shape, encoding) for encoding in ENCODINGS)]
        yield from _turn(fault, fitting[number % len(fitting)], number)


def _turn(fault: Fault, shape: Shape, turn: int) -> t.Iterator[Case]:
    fitting = [encoding for encoding in ENCODINGS if _fits(fault, shape, encoding)]
    if fitting:
        yield case(fault, shape, fitting[turn % len(fitting)])


def _fits(fault: Fault, shape: Shape, encoding: str) -> bool:
    if fault.role == "cookie" and not shape.fits_headers:
        return False
    if encoding == "base64 of user:secret" and fault.role in ("token", "session", "cookie"):
        return False  # these go without a user
    if fault.simple and not shape.make("zq000000kx").isalnum():
        return False
    # A line break would end the field; what is encoded has none.
    return not fault.header or "\n" not in ENCODINGS[encoding](shape.make("zq000000kx"))


def prepare(
    server: Server, prepared: Case, directory: pathlib.Path, interrupt: t.Callable[[int], None]
) -> dict[str, t.Any]:
    """Let the server play the case; returns the options of the module.

    interrupt: stops the module that is connected from this port.
    """
    secret = prepared.canary.secret
    server.scripts[prepared.name] = _script(prepared, interrupt)
    own = {"url": server.url(prepared.name), "allow_http": True, "retries": 0, "timeout": 5, "use_proxy": False}
    options = {
        **own,
        **faults.credentials(prepared.fault.role, secret),
        **faults.GOOD_OPTIONS[prepared.fault.module],
        **prepared.fault.options(secret),
    }
    if "dest" in options:
        folder = directory / prepared.name
        folder.mkdir(exist_ok=True)
        options["dest"] = options["dest"].replace(faults.DEST, str(folder))
    return {name: value for name, value in options.items() if value is not None}


def _script(prepared: Case, interrupt: t.Callable[[int], None]) -> Script:
    fault = prepared.fault
    cookie = prepared.canary.secret if fault.role == "cookie" else f"ordinary-{prepared.canary.number}"
    answers = {**faults.good_answers(cookie), **fault.answers(prepared.canary.planted(prepared.encoding))}

    def script(request: Request) -> Reply:
        if fault.interrupts:
            interrupt(request.peer)
        answer = answers.get(f"{request.method} {request.path}", reply(404, "nothing is prepared here"))
        return answer if isinstance(answer, Reply) else answer(request)

    return script
