# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many generated examples a test runs: some in the gate, many and always other ones with `make property-tests`."""

from __future__ import annotations

import os

import hypothesis

LONG = os.environ.get("STORWARE_TEST_LONG") == "1"


def count(short: int, long: int) -> int:
    """How many."""
    return long if LONG else short


def examples(short: int, long: int) -> hypothesis.settings:
    """The settings of a generated test."""
    return hypothesis.settings(
        max_examples=count(short, long),
        derandomize=not LONG,
        # Of many long examples a failing one is told as it is: making it smaller takes longer than all the others
        phases=[hypothesis.Phase.generate] if LONG else list(hypothesis.Phase),
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=True,
        database=None,
    )
