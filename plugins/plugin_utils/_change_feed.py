# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes on the server since the last poll: created, ready, failed and deleted. Pure."""

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
class SeenDownload:
    """A download as it was reported last. missed_polls: consecutive polls that did not list it."""

    record: dict[str, t.Any]
    ready: bool = False
    missed_polls: int = 0


@dataclass(frozen=True)
class State:
    """The state that has been reported. failed: GUIDs of tasks."""

    server: str
    downloads: t.Mapping[str, SeenDownload] = field(default_factory=dict)
    failed: t.AbstractSet[str] = frozenset()

    def as_text(self) -> str:
        """Return the state as JSON, for the file that outlives a restart."""
        downloads = {guid: dataclasses.asdict(seen) for guid, seen in self.downloads.items()}
        content = {"version": _VERSION, "server": self.server, "downloads": downloads, "failed": sorted(self.failed)}
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> State:
        """Return the state of a text that ``as_text`` returned. Raises ValueError for any other text."""
        try:
            content = json.loads(text)
            if content["version"] != _VERSION:
                raise ValueError(f"its version is {content['version']}, not {_VERSION}")
            downloads = {guid: SeenDownload(**seen) for guid, seen in content["downloads"].items()}
            if not all(map(is_guid, downloads)):
                raise ValueError("not every download in it has a GUID")
            return cls(content["server"], downloads, frozenset(content["failed"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no cursor of this event source ({error!r})") from error


def compare(
    state: State,
    listed: t.Sequence[models.CloudDownload],
    finished: t.Sequence[models.CloudDownload],
    failed: t.Sequence[models.Task],
    failing: t.AbstractSet[str],
) -> tuple[list[Event], State]:
    """Return the events between a state and a poll of the server, and the state after them.

    Args:
        state: the state that has been reported.
        listed: all downloads.
        finished: those that are ready. It was read just before or after listed; a download in one of them exists.
        failed: tasks that have failed for good.
        failing: GUIDs of all tasks that have failed in this poll.

    A download counts as deleted when two consecutive polls have not listed it: lists may lag.
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
        downloads[guid] = SeenDownload(record, is_ready)
    for guid, before in state.downloads.items():
        if guid in there:
            continue
        if before.missed_polls:
            events.append(_event(DELETED, guid, before.record))
        else:
            downloads[guid] = dataclasses.replace(before, missed_polls=1)
    events += [_event(FAILED, task.guid, None, task.to_result()) for task in failed if task.guid not in state.failed]
    # Only as long as the server has them: it purges old tasks.
    return events, State(state.server, downloads, (state.failed & failing) | {task.guid for task in failed})


def _event(kind: str, guid: str, download: dict[str, t.Any] | None, task: dict[str, t.Any] | None = None) -> Event:
    return {"kind": kind, "guid": guid, "download": _plain(download), "task": _plain(task)}


def _plain(value: t.Any) -> t.Any:
    """Return a copy without templates: a rulebook cannot mark values unsafe, and Ansible templates extra vars."""
    if isinstance(value, str):
        return _TEMPLATE.sub("{ ", value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
