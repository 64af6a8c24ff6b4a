# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is wanted to what is ready: look what is there or coming, ask for the rest, wait for all of it.

A download is ready when its task is over (finished, or vanished after that) and ``finished-mount=true`` lists it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import StorwareError
from . import cloud_downloads, creating, tasks, wire
from .client import Client
from .cloud_downloads import Catalogue, Identifier, Wanted
from .creating import Before, Creator
from .failures import ApiError
from .paging import Reader, Within
from .waiter import Waiting


@dataclass(frozen=True)
class Survey:
    """What the server shows of what is wanted, before anything is asked for."""

    catalogue: Catalogue
    finished: t.AbstractSet[str | None]
    before: Before
    # Not listed, but these tasks may be preparing it: by whom and what exactly cannot be told before it is listed.
    expected: t.Mapping[Wanted, t.Sequence[wire.Task]]


def survey(reader: Reader, wanted: t.Sequence[Wanted], identifier: Identifier) -> Survey:
    """Two lists when everything is there; with the tasks under way when something may have to be made."""
    if not wanted:
        return Survey(Catalogue([]), frozenset(), Before(), {})
    mode = wanted[0].mode
    listed = cloud_downloads.list_all(reader, mode=mode)
    finished = _guids(cloud_downloads.list_all(reader, mode=mode, finished_mount=True))
    catalogue = identifier.catalogue(listed, wanted)
    if all(catalogue.find(want) for want in wanted):
        return Survey(catalogue, finished, Before(_guids(listed)), {})
    # Tasks first: what starts in between is then in the list. Both modes, because tasks do not tell theirs.
    active = tasks.active(reader)
    listed = cloud_downloads.list_all(reader)
    finished = _guids(cloud_downloads.list_all(reader, finished_mount=True))
    catalogue = identifier.catalogue(listed, wanted)
    preparing = tasks.by_entity(filter(tasks.may_prepare, active.values()))
    expected = {}
    for want in wanted:
        candidates = preparing(want.entity.guid)
        unfinished = [found for found in catalogue.of(want.entity.guid) if found.guid not in finished]
        # A task that runs is explained by a download that is listed and not ready; these are more.
        if not catalogue.find(want) and len(candidates) > len(unfinished):
            expected[want] = candidates
    return Survey(catalogue, finished, Before(_guids(listed), frozenset(active)), expected)


@dataclass
class Progress:
    """How far the preparation of downloads has come; the same object while waiting and afterwards."""

    wanted: t.Sequence[Wanted]
    # Not listed; the tasks that may be preparing it for somebody else. It is not asked for as long as that is open.
    expected: dict[Wanted, t.Sequence[wire.Task]] = field(default_factory=dict)
    ready: dict[Wanted, wire.CloudDownload] = field(default_factory=dict)
    failed: dict[Wanted, str] = field(default_factory=dict)  # why, in the server's words where it has any
    last_error: ApiError | None = None

    @property
    def pending(self) -> list[Wanted]:
        """What is neither ready nor failed."""
        return [want for want in self.wanted if want not in self.ready and want not in self.failed]


def wait_ready(client: Client, progress: Progress, seen: Survey, creator: Creator, waiting: Waiting) -> None:
    """Wait until everything wanted is ready or has failed; what is pending afterwards ran out of time.

    Each look costs one list of tasks and one of downloads, however many are wanted; and one more list as long as
    something is in doubt. What was expected and turns out to be something else is asked for then.
    """
    look = _ReadyLook(client, progress, seen, creator, waiting)
    result = waiting.until(look)
    progress.last_error = result if isinstance(result, ApiError) else None


class _ReadyLook:
    """One look at the server after the other, until nothing is pending."""

    def __init__(self, client: Client, progress: Progress, seen: Survey, creator: Creator, waiting: Waiting) -> None:
        self._reader = Within(client, waiting.limit)
        self._progress = progress
        self._seen = seen
        self._creator = creator
        self._waiting = waiting
        self._identifier = Identifier(self._reader)
        self._watch = tasks.Watch(self._reader)
        self._asked = creator.asked
        self._expected = progress.expected
        # Tasks that may be preparing what we wait for although nobody told us their guids.
        self._inferred = {want: _task_guids(found) for want, found in progress.expected.items()}
        self._doubtful_since: dict[Wanted, float] = {}
        self._percent = dict.fromkeys(set().union(*self._inferred.values()), 0.0)  # the most so far, by task

    def __call__(self) -> bool:
        if not self._progress.pending:
            return True
        self._watch.look()
        self._asked.tasks.update({guid: self._watch.renew(task) for guid, task in self._asked.tasks.items()})
        doubtful = self._judge_all(self._finished())
        if doubtful:
            self._settle(doubtful)
        self._waiting.advance(self._reached())
        self._waiting.tell(self._told)
        return not self._progress.pending

    def _reached(self) -> float:
        """Downloads that are ready or have failed, and the shares of tasks that are known from the beginning."""
        for guid in {*self._percent, *self._asked.tasks}:
            task = self._watch.unfinished.get(guid)
            percent = 100.0 if task is None else min(task.progress or 0.0, 100.0)
            self._percent[guid] = max(percent, self._percent.get(guid, 0.0))
        return len(self._progress.ready) + len(self._progress.failed) + sum(self._percent.values()) / 100

    def _told(self) -> str:
        """How far it is, such as ``12 of 300 ready, 5 running, slowest 43 %``."""
        progress = self._progress
        own = set(self._asked.tasks).union(*self._inferred.values())
        running = [task for guid, task in self._watch.unfinished.items() if guid in own and task.state == "RUNNING"]
        parts = [f"{len(progress.ready)} of {len(progress.wanted)} ready"]
        if progress.failed:
            parts.append(f"{len(progress.failed)} failed")
        if running:
            parts.append(f"{len(running)} running")
            known = [task.progress for task in running if task.progress is not None]
            parts += [f"slowest {min(known):.0f} %"] if known else []
        return ", ".join(parts)

    def _finished(self) -> Catalogue:
        pending = self._progress.pending
        listed = cloud_downloads.list_all(self._reader, mode=pending[0].mode, finished_mount=True)
        return self._identifier.catalogue(listed, pending)

    def _judge_all(self, finished: Catalogue) -> list[Wanted]:
        """Judge what is pending; returns what neither a task nor this list can tell anything about."""
        own = tasks.by_entity(self._asked.tasks.values())
        preparing = self._watch.preparing()
        doubtful = []
        for want in self._progress.pending:
            asked = want in self._asked.wanted
            ours = _task_guids(own(want.entity.guid)) if asked else set()
            # Until our own task is over, what is listed may be somebody else's.
            found = [] if any(map(self._watch.is_open, ours)) else finished.find(want)
            if found:
                self._progress.ready[want] = found[0]
                continue
            inferred = self._inferred.setdefault(want, set())
            inferred |= _task_guids(preparing(want.entity.guid)) - (self._seen.before.tasks if asked else set())
            if want in self._expected or not self._is_decided(want, ours, inferred):
                doubtful.append(want)
        return doubtful

    def _is_decided(self, want: Wanted, ours: set[str], inferred: set[str]) -> bool:
        """Whether the tasks alone tell that it has failed, or is still being prepared."""
        for guids in (ours, inferred):
            if any(map(self._watch.is_open, guids)):
                self._doubtful_since.pop(want, None)
                return True
            reasons = [why for why in map(self._watch.failure, sorted(guids)) if why is not None]
            if reasons:
                self._progress.failed[want] = "; ".join(reasons)
                return True
        return False

    def _settle(self, doubtful: t.Sequence[Wanted]) -> None:
        """The list of all downloads decides, in the time that it may lag behind the tasks."""
        listed = self._identifier.catalogue(cloud_downloads.list_all(self._reader), doubtful)
        missing = []
        for want in doubtful:
            if listed.find(want):
                self._expected.pop(want, None)
                self._doubtful_since.pop(want, None)
            elif want in self._expected:
                if self._is_something_else(want, listed):
                    missing.append(want)
            elif self._in_doubt_for(want) >= creating.SETTLE:
                self._progress.failed[want] = "the server does not list it, and no task is preparing it"
        if missing:
            self._ask(missing)

    def _is_something_else(self, want: Wanted, listed: Catalogue) -> bool:
        """Whether the tasks that may have been preparing it are over, or are preparing other downloads."""
        entity, seen = want.entity.guid, self._seen
        explained = [found for found in seen.catalogue.of(entity) if found.guid not in seen.finished]
        explained += [found for found in listed.of(entity) if found.guid not in seen.before.downloads]
        if len(explained) >= len(self._inferred[want]):
            return True
        states = [self._watch.unfinished[guid].state for guid in self._inferred[want] if self._watch.is_open(guid)]
        if "QUEUED" in states:
            self._doubtful_since.pop(want, None)
            return False
        # A download is listed as soon as its task runs, but for the time that the list lags behind.
        return self._in_doubt_for(want) >= creating.SETTLE

    def _in_doubt_for(self, want: Wanted) -> float:
        now = self._waiting.clock()
        return now - self._doubtful_since.setdefault(want, now)

    def _ask(self, missing: t.Sequence[Wanted]) -> None:
        for want in missing:
            del self._expected[want]
            self._inferred[want] = set()
            self._doubtful_since.pop(want, None)
        try:
            self._creator.create(missing, self._waiting)
        except StorwareError as error:
            # Told for these only: it must not end the waiting for the others, and must not be tried again.
            self._progress.failed.update({want: error.message for want in missing if want not in self._asked.wanted})
            self._progress.failed.update({want: error.message for want in missing if error.code == "ambiguous_create"})


def _guids(downloads: t.Iterable[wire.CloudDownload]) -> frozenset[str | None]:
    return frozenset(download.guid for download in downloads)


def _task_guids(found: t.Iterable[wire.Task]) -> set[str]:
    return {task.guid for task in found}
