# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has happened on the server since the last look: created, ready, failed and gone. No I/O in here."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from dataclasses import dataclass, field

from ..module_utils._api import models
from ..module_utils._argspec import is_guid

CREATED: t.Final = "created"
READY: t.Final = "ready"
FAILED: t.Final = "failed"
DELETED: t.Final = "deleted"

_VERSION: t.Final = 1
_TEMPLATE: t.Final = re.compile(r"\{(?=[{%#])")  # where one begins

Event = dict[str, t.Any]


@dataclass(frozen=True)
class Known:
    """A download as it was told. misses: looks in a row that did not show it."""

    record: dict[str, t.Any]
    ready: bool = False
    misses: int = 0


@dataclass(frozen=True)
class State:
    """What has been told. failed: tasks, by guid."""

    server: str
    downloads: t.Mapping[str, Known] = field(default_factory=dict)
    failed: t.AbstractSet[str] = frozenset()

    def as_text(self) -> str:
        """For the file that outlives a restart."""
        downloads = {guid: dataclasses.asdict(known) for guid, known in self.downloads.items()}
        content = {"version": _VERSION, "server": self.server, "downloads": downloads, "failed": sorted(self.failed)}
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> State:
        """What ``as_text`` has made. Raises ValueError for anything else."""
        try:
            content = json.loads(text)
            if content["version"] != _VERSION:
                raise ValueError(f"it is of version {content['version']}, not {_VERSION}")
            downloads = {guid: Known(**known) for guid, known in content["downloads"].items()}
            if not all(map(is_guid, downloads)):
                raise ValueError("not every download in it has a GUID")
            return cls(content["server"], downloads, frozenset(content["failed"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is none of ours ({error!r})") from error


def compare(
    state: State,
    listed: t.Sequence[models.CloudDownload],
    finished: t.Sequence[models.CloudDownload],
    failed: t.Sequence[models.Task],
    failing: t.AbstractSet[str],
) -> tuple[list[Event], State]:
    """The events between a state and a look at the server, and the state after them.

    listed, finished: two lists that were read one after the other; what only one of them has is there. failed: tasks
    that have failed for good. failing: the GUIDs of all that look so now. A download is gone when two looks in a row
    have not shown it: lists may lag.
    """
    there = {found.guid: found for found in (*listed, *finished) if found.guid is not None}
    ready = {found.guid for found in finished}
    events, downloads = [], {}
    for guid, found in there.items():
        before, record = state.downloads.get(guid), found.to_result()
        is_ready = guid in ready or (before is not None and before.ready)
        if before is None:
            events.append(_event(CREATED, guid, record))
        if is_ready and not (before and before.ready):
            events.append(_event(READY, guid, record))
        downloads[guid] = Known(record, is_ready)
    for guid, before in state.downloads.items():
        if guid in there:
            continue
        if before.misses:
            events.append(_event(DELETED, guid, before.record))
        else:
            downloads[guid] = dataclasses.replace(before, misses=1)
    events += [_event(FAILED, task.guid, None, task.to_result()) for task in failed if task.guid not in state.failed]
    # Only as long as the server has them: it purges tasks some time.
    return events, State(state.server, downloads, (state.failed & failing) | {task.guid for task in failed})


def _event(kind: str, guid: str, download: dict[str, t.Any] | None, task: dict[str, t.Any] | None = None) -> Event:
    return {"kind": kind, "guid": guid, "download": _plain(download), "task": _plain(task)}


def _plain(value: t.Any) -> t.Any:
    """The same without templates: a rulebook cannot mark values unsafe, and Ansible runs ``{{ }}`` in extra vars."""
    if isinstance(value, str):
        return _TEMPLATE.sub("{ ", value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
