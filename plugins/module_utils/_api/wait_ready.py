# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the wanted downloads that exist or are being prepared, create the rest, and wait for all of them.

A download is ready when its task is over (finished, or vanished after that) and ``list_ready`` has it. When all tasks
may be over by their progress, and no other client prepares the same, that list is enough.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .. import _profile
from .._errors import StorwareError
from . import cloud_downloads, create, models, tasks
from .client import Client
from .cloud_downloads import DownloadIndex, DownloadSpec, RecordCompleter
from .create import Creator
from .errors import ApiError
from .pagination import Reader, Within
from .polling import Poller, estimate_left


@dataclass(frozen=True)
class ServerSnapshot:
    """What the server shows of what is wanted, before anything is asked for."""

    catalogue: DownloadIndex
    finished: t.AbstractSet[str | None]
    listed: t.AbstractSet[str | None]  # GUIDs of all downloads
    active: t.Mapping[str, models.Task]  # the tasks under way
    # Not listed, but these tasks may be preparing it: for whom and what exactly is unknown before it is listed.
    expected: t.Mapping[DownloadSpec, t.Sequence[models.Task]]
    # Nothing on the server says of which backup these are; they are taken, because others would be made at each run.
    unsure: t.Mapping[DownloadSpec, t.Sequence[models.CloudDownload]] = field(default_factory=dict)


def take_snapshot(reader: Reader, wanted: t.Sequence[DownloadSpec], identifier: RecordCompleter) -> ServerSnapshot:
    """Read the tasks under way, all downloads, and those that are ready if any is there of what is wanted."""
    if not wanted:
        return ServerSnapshot(DownloadIndex([]), frozenset(), frozenset(), {}, {})
    # Tasks first: what starts in between is then in the list. Both modes, because tasks do not show theirs.
    active = tasks.active(reader)
    listed = cloud_downloads.list_all(reader)
    catalogue = identifier.catalogue(listed, wanted)
    unsure = identifier.unsure(catalogue, wanted)
    is_any_there = any(catalogue.of(want.entity.guid) for want in wanted)
    finished = _guids(cloud_downloads.list_ready(reader)) if is_any_there else frozenset()
    preparing = tasks.by_entity(filter(tasks.may_prepare, active.values()))
    expected = {}
    for want in wanted:
        candidates = preparing(want.entity.guid)
        unfinished = [found for found in catalogue.of(want.entity.guid) if found.guid not in finished]
        # A task that runs is explained by a download that is listed and not ready; these are more.
        if not catalogue.find(want) and want not in unsure and len(candidates) > len(unfinished):
            expected[want] = candidates
    return ServerSnapshot(catalogue, finished, _guids(listed), active, expected, unsure)


@dataclass
class PreparationStatus:
    """How far the preparation of downloads has come; the same object while waiting and afterwards."""

    wanted: t.Sequence[DownloadSpec]
    # Not listed; the tasks that may be preparing it for another client. It is not asked for as long as that is open.
    expected: dict[DownloadSpec, t.Sequence[models.Task]] = field(default_factory=dict)
    ready: dict[DownloadSpec, models.CloudDownload] = field(default_factory=dict)
    failed: dict[DownloadSpec, str] = field(default_factory=dict)  # why, in the server's words where it has any
    last_error: ApiError | None = None

    @property
    def pending(self) -> list[DownloadSpec]:
        """What is neither ready nor failed."""
        return [want for want in self.wanted if want not in self.ready and want not in self.failed]


def wait_ready(
    client: Client, progress: PreparationStatus, seen: ServerSnapshot, creator: Creator, waiting: Poller
) -> None:
    """Wait until everything wanted is ready or has failed; what is pending afterwards ran out of time.

    Each poll costs one list of tasks, however many are wanted; one of downloads, unless tasks of ours are preparing all
    that is pending; and one more as long as something is in doubt. When the progress of the tasks lets all of it be
    ready, the downloads are read first, which may be enough. What was expected and turns out to be something else is
    asked for then.
    """
    check = _ReadyCheck(client, progress, seen, creator, waiting)
    result = waiting.until(check)
    progress.last_error = result if isinstance(result, ApiError) else None


class _ReadyCheck:
    """Polls the server until nothing is pending."""

    def __init__(
        self, client: Client, progress: PreparationStatus, seen: ServerSnapshot, creator: Creator, waiting: Poller
    ) -> None:
        self._reader = Within(client, waiting.limit)
        self._progress = progress
        self._seen = seen
        self._creator = creator
        self._waiting = waiting
        self._identifier = RecordCompleter(self._reader, needs_backup=False)
        self._watch = tasks.TaskMonitor(self._reader)
        self._expected = progress.expected
        # Tasks that may be preparing what we wait for although their GUIDs are unknown.
        self._inferred = {want: _task_guids(found) for want, found in progress.expected.items()}
        self._doubtful_since: dict[DownloadSpec, float] = {}
        # When it was asked for, where that was later.
        self._listed_before: dict[DownloadSpec, t.AbstractSet[str | None]] = {}
        self._percent = dict.fromkeys(set().union(*self._inferred.values()), 0.0)  # the most so far, by task
        self._is_first = True
        self._is_due = False  # all that is pending may be ready at the next poll
        self._is_alone = not self._has_others(seen.active)  # nobody else has been seen to prepare the same

    def __call__(self) -> bool:
        if not self._progress.pending:
            return True
        is_first, self._is_first = self._is_first, False
        if is_first and self._has_just_asked():
            self._watch.add(self._creator.tasks.values())
        else:
            self._poll()
        self._waiting.advance(self._reached())
        text = self._describe()
        self._waiting.report(lambda: text)
        if not self._progress.pending:
            return True
        # With readiness by task, nothing but the tasks shows that a listed download is ready.
        is_listed = self._reader.profile.ready != _profile.TASK
        self._is_due = self._expect_end() and self._is_alone and is_listed
        return False

    def _poll(self) -> None:
        finished = self._finished() if self._is_due else DownloadIndex([])
        doubtful: t.Sequence[DownloadSpec] = []
        if not (self._is_due and self._take_new(finished)):
            self._watch.poll()
            self._is_alone = self._is_alone and not self._has_others(self._watch.unfinished)
            # Again after the tasks: those that are over have made theirs ready.
            finished = self._finished() if self._may_be_ready(finished) else finished
            doubtful = self._judge_all(finished)
        self._creator.tasks.update({guid: self._watch.renew(task) for guid, task in self._creator.tasks.items()})
        if doubtful:
            self._settle(doubtful, finished)

    def _take_new(self, finished: DownloadIndex) -> bool:
        """Take what is new in this list if it is one download for each that is pending; return whether that is so."""
        # Safe without the tasks: the download of our task is listed as soon as that runs, no one else was preparing one
        # of the entity, and one that matches and is ready is what is wanted, whoever has made it.
        new = {want: self._candidates(want, finished) for want in self._progress.pending}
        if not all(found == finished.find(want) and _is_single_and_settled(found) for want, found in new.items()):
            return False
        self._watch.finish(task.guid for found in self._own().values() for task in found)
        self._progress.ready.update({want: found[0] for want, found in new.items()})
        return True

    def _own(self) -> dict[DownloadSpec, list[models.Task]]:
        """The tasks of ours for all that is pending; none for what was asked for by others, or without an answer."""
        own = tasks.by_entity(self._creator.tasks.values())
        asked_at = self._creator.asked_at
        return {want: own(want.entity.guid) if want in asked_at else [] for want in self._progress.pending}

    def _has_just_asked(self) -> bool:
        """Whether nothing can be ready yet: the server has only just made tasks for all that is pending."""
        waiting = self._waiting
        first = min(self._creator.asked_at.values(), default=0.0)
        is_new = all(found and all(task.state in tasks.ACTIVE for task in found) for found in self._own().values())
        # Without any time for waiting, this poll is the only one.
        return is_new and waiting.clock() < min(first + waiting.interval, waiting.deadline)

    def _expect_end(self) -> bool:
        """Put off the next poll as the progress allows; return whether all that is pending may be ready then."""
        now, running = self._waiting.clock(), []
        for want, found in self._own().items():
            still_open = [task for task in found if self._watch.is_open(task.guid)]
            elapsed = now - self._creator.asked_at.get(want, now)
            shown = [task.progress if task.state == "RUNNING" else None for task in still_open]
            running += [(elapsed, percent) for percent in shown or [None]]
        left = estimate_left(running)
        return left is not None and self._waiting.expect(left, min(elapsed for elapsed, _percent in running))

    def _has_others(self, found: t.Mapping[str, models.Task]) -> bool:
        """Whether these tasks may be preparing a download of the same entities for another client."""
        entities = {None, *(want.entity.guid for want in self._progress.wanted)}
        return any(
            tasks.may_prepare(task) and (task.protected_entity.guid if task.protected_entity else None) in entities
            for guid, task in found.items()
            if guid not in self._creator.tasks
        )

    def _reached(self) -> float:
        """Downloads that are ready or have failed, and the shares of tasks that are known from the beginning."""
        for guid in {*self._percent, *self._creator.tasks}:
            task = self._watch.unfinished.get(guid)
            percent = 100.0 if task is None else min(task.progress or 0.0, 100.0)
            self._percent[guid] = max(percent, self._percent.get(guid, 0.0))
        return len(self._progress.ready) + len(self._progress.failed) + sum(self._percent.values()) / 100

    def _describe(self) -> str:
        """How far it is, such as ``12 of 300 ready, 5 running, slowest 43 %``."""
        progress = self._progress
        own = set(self._creator.tasks).union(*self._inferred.values())
        running = [task for guid, task in self._watch.unfinished.items() if guid in own and task.state == "RUNNING"]
        parts = [f"{len(progress.ready)} of {len(progress.wanted)} ready"]
        if progress.failed:
            parts.append(f"{len(progress.failed)} failed")
        if running:
            parts.append(f"{len(running)} running")
            known = [task.progress for task in running if task.progress is not None]
            parts += [f"slowest {min(known):.0f} %"] if known else []
        return ", ".join(parts)

    def _may_be_ready(self, finished: DownloadIndex) -> bool:
        """Whether anything is pending that is not in this list, and that no task of ours is still preparing."""
        own = tasks.by_entity(self._creator.tasks.values())
        return not all(
            finished.find(want)
            or (want in self._creator.asked and any(map(self._watch.is_open, _task_guids(own(want.entity.guid)))))
            for want in self._progress.pending
        )

    def _finished(self) -> DownloadIndex:
        pending = self._progress.pending
        listed = cloud_downloads.list_ready(self._reader, mode=pending[0].mode)
        return self._identifier.catalogue(listed, pending)

    def _judge_all(self, finished: DownloadIndex) -> list[DownloadSpec]:
        """Judge what is pending; return that of which neither a task nor this list says anything."""
        own = tasks.by_entity(self._creator.tasks.values())
        preparing = self._watch.preparing()
        doubtful = []
        for want in self._progress.pending:
            asked = want in self._creator.asked
            ours = _task_guids(own(want.entity.guid)) if asked else set()
            # Until our own task is over, what is listed may be another client's.
            others = _task_guids(preparing(want.entity.guid)).difference(self._seen.active if asked else ())
            found = []
            if not self._prevents(ours):
                found = finished.find(want) or self._unsure(want, finished, ours, others)
            if found:
                self._progress.ready[want] = found[0]
                continue
            inferred = self._inferred.setdefault(want, set())
            inferred |= others
            if want in self._expected or not self._is_decided(want, ours, inferred):
                self._watch.confirm(ours)
                if want in self._expected or not self._is_decided(want, ours, inferred):
                    doubtful.append(want)
        return doubtful

    def _prevents(self, ours: t.Collection[str]) -> bool:
        """Whether one of our own tasks shows that a listed download cannot be theirs yet."""
        if self._reader.profile.ready == _profile.TASK:
            # Nothing else than its task shows that a listed download is not ready, or has failed.
            self._watch.confirm(ours)
            return any(self._watch.is_open(guid) or guid in self._watch.failing for guid in ours)
        return any(map(self._watch.is_open, ours))

    def _unsure(
        self, want: DownloadSpec, finished: DownloadIndex, ours: t.Collection[str], others: t.Collection[str]
    ) -> list[models.CloudDownload]:
        """The download that nothing on the server says the backup of, when it is the one that was taken or made.

        others: tasks under way that may prepare a download of the entity. It was made by our own task, which is over,
        when that names it, or when it is the only new one.
        """
        candidates = self._candidates(want, finished)
        if want not in self._creator.asked or not candidates:
            return candidates
        if want not in self._identifier.unsure(DownloadIndex(candidates), [want]):
            return []
        named = {
            task.mounted_backup.guid for task in map(self._creator.tasks.get, ours) if task and task.mounted_backup
        }
        is_alone = len(candidates) == 1 and not any(map(self._watch.is_open, others))
        return [found for found in candidates if found.guid in named] or (candidates if is_alone else [])

    def _candidates(self, want: DownloadSpec, listed: DownloadIndex) -> list[models.CloudDownload]:
        """Of these downloads those that may be the wanted one: the new ones, or the one that was taken."""
        if want not in self._creator.asked:
            taken = _guids(self._seen.unsure.get(want, ()))
            return [found for found in listed.possible(want) if found.guid in taken]
        before = self._listed_before.get(want, self._seen.listed)
        return [found for found in listed.possible(want) if found.guid not in before]

    def _is_decided(self, want: DownloadSpec, ours: set[str], inferred: set[str]) -> bool:
        """Return whether the tasks alone show that it has failed, or is still being prepared."""
        for guids in (ours, inferred):
            if any(map(self._watch.is_open, guids)):
                self._doubtful_since.pop(want, None)
                return True
            reasons = [why for why in map(self._watch.failure, sorted(guids)) if why is not None]
            if reasons:
                self._progress.failed[want] = "; ".join(reasons)
                return True
        return False

    def _settle(self, doubtful: t.Sequence[DownloadSpec], finished: DownloadIndex) -> None:
        """The list of all downloads decides, in the time that it may lag behind the tasks."""
        listed = self._identifier.catalogue(cloud_downloads.list_all(self._reader), doubtful)
        ready = _guids(finished.downloads)
        missing = []
        for want in doubtful:
            candidates = self._candidates(want, listed)
            if listed.find(want) or any(found.guid not in ready for found in candidates):
                self._expected.pop(want, None)
                self._doubtful_since.pop(want, None)
            elif want in self._expected:
                if self._is_something_else(want, listed):
                    missing.append(want)
            elif self._in_doubt_for(want) >= create.VISIBILITY_TIMEOUT:
                self._progress.failed[want] = _why_not(candidates)
        if missing:
            self._ask(missing, _guids(listed.downloads))

    def _is_something_else(self, want: DownloadSpec, listed: DownloadIndex) -> bool:
        """Whether the tasks that may have been preparing it are over, or are preparing other downloads."""
        entity, seen = want.entity.guid, self._seen
        explained = [found for found in seen.catalogue.of(entity) if found.guid not in seen.finished]
        explained += [found for found in listed.of(entity) if found.guid not in seen.listed]
        if len(explained) >= len(self._inferred[want]):
            return True
        states = [self._watch.unfinished[guid].state for guid in self._inferred[want] if self._watch.is_open(guid)]
        if "QUEUED" in states:
            self._doubtful_since.pop(want, None)
            return False
        # A download is listed as soon as its task runs, but for the time that the list lags behind.
        return self._in_doubt_for(want) >= create.VISIBILITY_TIMEOUT

    def _in_doubt_for(self, want: DownloadSpec) -> float:
        now = self._waiting.clock()
        return now - self._doubtful_since.setdefault(want, now)

    def _ask(self, missing: t.Sequence[DownloadSpec], listed: t.AbstractSet[str | None]) -> None:
        for want in missing:
            self._listed_before[want] = listed
            del self._expected[want]
            self._inferred[want] = set()
            self._doubtful_since.pop(want, None)
        before = set(self._creator.tasks)
        try:
            self._progress.failed.update(self._creator.create(missing, self._waiting))
        except StorwareError as error:
            # Told for these only: it must not end the waiting for the others, and must not be tried again.
            self._progress.failed.update({want: error.message for want in missing if want not in self._creator.asked})
            self._progress.failed.update({want: error.message for want in missing if error.code == "ambiguous_create"})
        # Not over, although the poll before does not show them.
        self._watch.add(task for guid, task in self._creator.tasks.items() if guid not in before)


def _is_single_and_settled(found: t.Sequence[models.CloudDownload]) -> bool:
    """Return whether its own state, too, says that it is ready; a server may ignore the filter for the finished ones.

    The vendor's own client takes RUNNING for one that is not ready. No other name is known.
    """
    return len(found) == 1 and found[0].state not in (None, *tasks.ACTIVE, *tasks.FAILED)


def _why_not(candidates: t.Sequence[models.CloudDownload]) -> str:
    if not candidates:
        return "the server does not list it, and no task is preparing it"
    shown = ", ".join(str(found.guid) for found in candidates)
    return f"it may be any of {shown}: the server does not say of which backup these are"


def _guids(downloads: t.Iterable[models.CloudDownload]) -> frozenset[str | None]:
    return frozenset(download.guid for download in downloads)


def _task_guids(found: t.Iterable[models.Task]) -> set[str]:
    return {task.guid for task in found}
