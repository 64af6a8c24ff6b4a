# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is left anywhere by a real ansible-playbook: printed, logged, stored, or seen in the process list."""

from __future__ import annotations

import typing as t

import pytest

from tests.secrets import cases, plays
from tests.secrets.cases import Case
from tests.secrets.faults import KINDS
from tests.secrets.plays import FAST, LOUD, STYLES, Overheard, Style
from tests.secrets.scanner import Scanner
from tests.secrets.server import Server
from tests.support.ansible import Ansible

PARTS: t.Final = 8  # of what takes long, to share it out
FEW: t.Final = KINDS[::4]  # so that make test does not take long


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with Server().running() as running:
        yield running


@pytest.mark.fault("S1", "S14", "U11")
@pytest.mark.matrix
@pytest.mark.slow
def test_some_faults_in_the_loudest_run(ansible: Ansible, server: Server) -> None:
    check(ansible, server, list(cases.each_fault_once(FEW)), LOUD)


@pytest.mark.fault("S1")
@pytest.mark.long
@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_every_kind_of_fault_in_every_style(ansible: Ansible, server: Server, style: Style) -> None:
    """Shapes and encodings take turns, others in each style."""
    check(ansible, server, list(cases.each_fault_once(KINDS, first=STYLES.index(style) * 5)), style)


@pytest.mark.fault("S1")
@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_every_kind_of_fault_with_every_shape(ansible: Ansible, server: Server, part: int) -> None:
    """Encodings take turns."""
    check(ansible, server, list(cases.each_shape_once(KINDS[part::PARTS])), FAST)


def check(ansible: Ansible, server: Server, chosen: list[Case], style: Style) -> None:
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
