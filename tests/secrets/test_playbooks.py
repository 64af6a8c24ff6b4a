# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is left anywhere by a real ansible-playbook: printed, logged, stored, or seen in the process list."""

from __future__ import annotations

import typing as t

import pytest

from tests.harness.ansible import Ansible
from tests.secrets import cases, plays
from tests.secrets.cases import Case
from tests.secrets.faults import FAULTS
from tests.secrets.plays import LOUD, STYLES, Overheard, Style
from tests.secrets.scanner import Scanner
from tests.secrets.server import Server

PLAIN: t.Final = [fault for fault in FAULTS if not fault.tls]
PARTS: t.Final = 4  # of the whole canary: so that no play is too long


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with Server().running() as running:
        yield running


@pytest.mark.matrix
@pytest.mark.slow
def test_every_fault_in_the_loudest_run(ansible: Ansible, server: Server) -> None:
    chosen = list(cases.each_fault_once(PLAIN))
    overheard = plays.run_cases(ansible, server, chosen, LOUD)
    assert_all_ran(overheard, chosen)
    assert_silent(overheard, chosen)


@pytest.mark.canary
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_every_fault_with_every_shape(ansible: Ansible, server: Server, style: Style, part: int) -> None:
    chosen = list(cases.each_shape_once(PLAIN[part::PARTS]))
    overheard = plays.run_cases(ansible, server, chosen, style)
    assert_all_ran(overheard, chosen)
    assert_silent(overheard, chosen)


def assert_all_ran(overheard: Overheard, chosen: list[Case]) -> None:
    """Each case has a result of its own, or the silence would mean nothing."""
    items = [result for result in overheard.run.results if result.item and result.action.startswith("storware.")]
    assert len(items) == len(chosen), overheard.run.output[-5000:]
    assert overheard.run.rc == 0, overheard.run.output[-5000:]


def assert_silent(overheard: Overheard, chosen: list[Case]) -> None:
    scanner = Scanner(case.canary for case in chosen)
    hits = [hit for channel, data in overheard.channels.items() for hit in scanner.scan(channel, data)]
    assert not hits, f"{len(hits)} hits in {len(chosen)} cases:\n" + "\n".join(map(str, hits))
