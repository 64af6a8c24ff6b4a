# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All named behaviours of servers: data for the suite, one ``Case`` each."""

from __future__ import annotations

import typing as t

from tests.faults import cases_content, cases_http, cases_network, cases_ranges
from tests.faults.cases import Case

CASES: t.Final[tuple[Case, ...]] = (
    *cases_network.cases(),
    *cases_http.cases(),
    *cases_ranges.cases(),
    *cases_content.cases(),
)
BY_NAME: t.Final[t.Mapping[str, Case]] = {case.name: case for case in CASES}
