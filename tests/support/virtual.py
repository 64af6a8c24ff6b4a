# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that does not pass: whoever waits in a module moves the simulator's clock instead."""

from __future__ import annotations

import contextlib
import time
import typing as t
from unittest import mock

from ansible_collections.storware.backup.plugins.module_utils import _cloud_download
from ansible_collections.storware.backup.plugins.module_utils._api import client
from ansible_collections.storware.backup.plugins.module_utils._api.polling import Poller, Report
from tests.simulator.process import Simulator


@contextlib.contextmanager
def virtual_time(simulator: Simulator) -> t.Iterator[t.Callable[[], float]]:
    """In the block, the waiting of cloud_download takes simulated seconds only; retries come at once.

    Gives a function that returns the seconds that were waited.
    """
    simulator.speed(0)
    ahead = 0.0

    def clock() -> float:
        return time.monotonic() + ahead

    def sleep(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds
        simulator.step(seconds)

    def waiting(params: t.Mapping[str, t.Any], tell: Report) -> Poller:
        return Poller(params["wait_timeout"], params["wait_interval"], clock, sleep, tell)

    with (
        mock.patch.object(_cloud_download, "_waiting", waiting),
        mock.patch.object(client, "FIRST_PAUSE", 0),
        mock.patch.object(client, "LONGEST_PAUSE", 0),
    ):
        yield lambda: ahead
