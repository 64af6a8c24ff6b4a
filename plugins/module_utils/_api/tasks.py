# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the server. Their type is never looked at: the API has none for downloads."""

from __future__ import annotations

import typing as t

from . import paging, wire
from .client import Client

# The vendor's closed list of states, in the parts that matter here.
ACTIVE: t.Final = ("QUEUED", "RUNNING")
FAILED: t.Final = ("FAILED", "CANCELLED")
FINISHED: t.Final = "FINISHED"


def unfinished(client: Client) -> dict[str, wire.Task]:
    """All tasks that run, wait or went wrong, by guid, in one list.

    Finished ones are left out: the server purges them some time, so that "finished" and "vanished" must mean the
    same to whoever waits, and a busy server would have thousands of them.
    """
    query = [("states", state) for state in (*ACTIVE, *FAILED)]
    records = paging.drain(client, "/tasks", query, "list tasks")
    tasks = (wire.task(record, f"GET /tasks: [{index}]") for index, record in enumerate(records))
    # A server that ignores the filter shows them all the same; a state nobody knows counts as unfinished.
    return {task.guid: task for task in tasks if task.state != FINISHED}
