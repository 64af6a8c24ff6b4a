# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud downloads on the server: list, create, update, delete, and wait for both ends of their life."""

from __future__ import annotations

import typing as t
import urllib.parse
from dataclasses import dataclass, field, replace

from .._errors import OptionError, StorwareError
from . import paging, tasks, wire
from .client import Client
from .failures import ApiError
from .waiter import Waiting

# After a download's task is over the list may lag; only then is the download missing for good. Seconds.
SETTLE: t.Final = 120.0

# Modes the same list may hold that are mounts, not downloads (the vendor's closed list without the download modes).
_OTHER_MODES: t.Final = frozenset(wire.MODES) - frozenset(wire.DOWNLOAD_MODES)


@dataclass(frozen=True)
class Wanted:
    """One download somebody asks for. Backup and node are guids, None where any will do."""

    entity: wire.Reference
    mode: str
    backup: str | None = None
    node: str | None = None

    def fits(self, download: wire.CloudDownload) -> bool:
        """Whether this download is what is asked for."""
        return (
            download.protected_entity is not None
            and download.protected_entity.guid == self.entity.guid
            and download.mode == self.mode
            and (self.backup is None or (download.backup is not None and download.backup.guid == self.backup))
            and (self.node is None or (download.node is not None and download.node.guid == self.node))
        )

    def undecided(self, download: wire.CloudDownload) -> bool:
        """Whether the record says too little to tell."""
        return (
            download.protected_entity is None
            or (self.backup is not None and download.backup is None)
            or (self.node is not None and download.node is None)
        )


class Catalogue:
    """Downloads, found by what is wanted without comparing each with each."""

    def __init__(self, downloads: t.Iterable[wire.CloudDownload]) -> None:
        self.downloads = list(downloads)
        self._by_entity: dict[str | None, list[wire.CloudDownload]] = {}
        for download in self.downloads:
            entity = download.protected_entity.guid if download.protected_entity else None
            self._by_entity.setdefault(entity, []).append(download)

    def find(self, wanted: Wanted) -> list[wire.CloudDownload]:
        """All that fit, in the server's order."""
        return [download for download in self._by_entity.get(wanted.entity.guid, ()) if wanted.fits(download)]

    def may_hide(self, wanted: Wanted) -> bool:
        """Whether a record that says too little may be the one."""
        candidates = [*self._by_entity.get(None, ()), *self._by_entity.get(wanted.entity.guid, ())]
        return any(wanted.undecided(download) for download in candidates)


@dataclass
class Progress:
    """How far the preparation of downloads has come; the same object while waiting and afterwards."""

    wanted: t.Sequence[Wanted]
    tasks: dict[str, wire.Task]
    ready: dict[Wanted, wire.CloudDownload] = field(default_factory=dict)
    failed: dict[Wanted, str] = field(default_factory=dict)  # why, in the server's words where it has any
    last_error: ApiError | None = None

    @property
    def pending(self) -> list[Wanted]:
        """What is neither ready nor failed."""
        return [wanted for wanted in self.wanted if wanted not in self.ready and wanted not in self.failed]


def list_all(client: Client, *, size: int | None = None, **filters: t.Any) -> list[wire.CloudDownload]:
    """All downloads that match the filters (options of ``wire.DOWNLOAD_FILTERS`` but page and size), each once.

    Records of modes that are no downloads are dropped unless that mode is asked for: the server's list may hold
    other mounts; whether it does is not documented.
    """
    query = wire.download_query(filters)
    records = paging.drain(client, "/cloud-download", query, "list cloud downloads", size or paging.PAGE_SIZE)
    return _decode(records, filters.get("mode"))


def list_page(client: Client, **filters: t.Any) -> list[wire.CloudDownload]:
    """One page of the list, as the server cuts it."""
    records, _total = paging.page(client, "/cloud-download", wire.download_query(filters), "list cloud downloads")
    return _decode(records, filters.get("mode"))


def identified(
    client: Client, downloads: t.Sequence[wire.CloudDownload], wanted: t.Sequence[Wanted], **filters: t.Any
) -> Catalogue:
    """The downloads, with what their records leave out filled in by asking the server's own filters.

    Asks only for what is wanted, found in no complete record, and may be one of the incomplete ones.
    """
    catalogue = Catalogue(downloads)
    known = {download.guid: download for download in downloads}
    for want in wanted:
        if not catalogue.find(want) and catalogue.may_hide(want):
            matches = list_all(
                client, mode=want.mode, protected_entity=want.entity.guid, backup=want.backup, node=want.node, **filters
            )
            known.update({match.guid: _told_by_filter(match, want) for match in matches})
    return Catalogue(known.values())


def create(client: Client, wanted: t.Sequence[Wanted], request: t.Mapping[str, wire.Json]) -> dict[str, wire.Task]:
    """Ask for all of them with one POST; returns the server's tasks by guid. All share one mode and node."""
    backups = list(dict.fromkeys(want.backup for want in wanted if want.backup))
    body = wire.create_body([want.entity.guid for want in wanted], wanted[0].mode, backups, wanted[0].node, request)
    answer = client.post("/cloud-download", body, "create cloud downloads")
    records = answer.body if isinstance(answer.body, list) else [] if answer.body is None else [answer.body]
    created = [wire.task(record, f"POST /cloud-download: [{index}]") for index, record in enumerate(records)]
    return {task.guid: task for task in created}


def update(client: Client, guid: str, body: t.Mapping[str, wire.Json]) -> None:
    """PUT the body as it is."""
    client.put(_path(guid), body, f"update the cloud download {guid}")


def delete(client: Client, guid: str) -> wire.Task | None:
    """Ask for one to be deleted; returns the task when the server makes one. One that is gone already is fine."""
    try:
        answer = client.delete(_path(guid), f"delete the cloud download {guid}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    # The vendor's page prints a task under "204 No Content": it may or may not come.
    is_task = isinstance(answer.body, dict) and answer.body.get("guid")
    return wire.task(answer.body, f"DELETE {_path(guid)}") if is_task else None


def wait_ready(client: Client, progress: Progress, waiting: Waiting, settle: float = SETTLE) -> Progress:
    """Wait until everything wanted is ready or has failed; what is pending afterwards ran out of time.

    A download is ready when its task is over (finished, or vanished after that) and ``finished-mount=true`` lists
    it. Each look costs one list of tasks and one of downloads, however many are wanted.
    """
    look = _ReadyLook(client, progress, waiting.clock, settle)
    result = waiting.until(look)
    progress.last_error = result if isinstance(result, ApiError) else None
    return progress


def select(client: Client, guids: t.Sequence[str]) -> list[wire.CloudDownload]:
    """The records of these downloads. Raises OptionError for a guid that the server does not list."""
    listed = {download.guid: download for download in list_all(client)}
    missing = [guid for guid in guids if guid not in listed]
    if missing:
        raise OptionError(
            "guid",
            f"the server lists no cloud download {', '.join(missing)}",
            hint="List what there is with storware.backup.cloud_download_info.",
        )
    return [listed[guid] for guid in dict.fromkeys(guids)]


def wait_finished(client: Client, guids: t.Sequence[str], waiting: Waiting) -> list[wire.CloudDownload]:
    """Wait until the list shows these downloads as finished; returns their records. Raises ``wait_timeout``."""
    finished: dict[str | None, wire.CloudDownload] = {}

    def all_finished() -> bool:
        finished.update({download.guid: download for download in list_all(client, finished_mount=True)})
        return all(guid in finished for guid in guids)

    result = waiting.until(all_finished)
    if result is not True:
        pending = [guid for guid in guids if guid not in finished]
        why = f" (last error: {result.message})" if isinstance(result, ApiError) else ""
        raise StorwareError(
            f"Not ready at the end of wait_timeout: {', '.join(pending)}{why}",
            code="wait_timeout",
            hint="Run the task again to go on waiting, or with a larger wait_timeout.",
        )
    return [finished[guid] for guid in dict.fromkeys(guids)]


def wait_gone(client: Client, deleting: t.Mapping[str, wire.Task | None], waiting: Waiting) -> dict[str, str]:
    """Wait until the list agrees that the downloads (guid: task or None) are gone. Returns why for those that stay."""
    look = _GoneLook(client, deleting)
    result = waiting.until(look)
    otherwise = str(result) if isinstance(result, ApiError) else "the server still lists it at the end of wait_timeout"
    return {guid: look.failed.get(guid, otherwise) for guid in sorted(look.listed)}


class _ReadyLook:
    """One look at the server after the other, until nothing is pending."""

    def __init__(self, client: Client, progress: Progress, clock: t.Callable[[], float], settle: float) -> None:
        self._client = client
        self._progress = progress
        self._clock = clock
        self._settle = settle
        self._known: dict[str | None, wire.CloudDownload] = {}
        self._over_since: dict[Wanted, float] = {}
        self._watch = _TaskWatch(client)

    def __call__(self) -> bool:
        progress = self._progress
        if progress.tasks and progress.pending:
            self._watch.look(progress.tasks)
        if progress.pending:
            finished = self._finished()
            tasks_of = _by_entity(progress.tasks)
            for wanted in progress.pending:
                self._judge(wanted, tasks_of(wanted), finished)
        return not progress.pending

    def _finished(self) -> Catalogue:
        pending = self._progress.pending
        modes = {wanted.mode for wanted in pending}
        listed = list_all(self._client, mode=modes.pop() if len(modes) == 1 else None, finished_mount=True)
        # What the filters told about a record once stays true; asking again at each look would be costly.
        downloads = [self._known.get(download.guid, download) for download in listed]
        if all(download.guid in self._known for download in listed):
            return Catalogue(downloads)
        catalogue = identified(self._client, downloads, pending, finished_mount=True)
        self._known = {download.guid: download for download in catalogue.downloads}
        return catalogue

    def _judge(self, wanted: Wanted, own: t.Sequence[wire.Task], finished: Catalogue) -> None:
        if any(task.guid in self._watch.open for task in own):
            return
        found = finished.find(wanted)
        failures = [self._watch.failed[task.guid] for task in own if task.guid in self._watch.failed]
        if found:
            self._progress.ready[wanted] = found[0]
        elif failures:
            self._progress.failed[wanted] = "; ".join(failures)
        elif own:
            over_since = self._over_since.setdefault(wanted, self._clock())
            if self._clock() - over_since >= self._settle:
                self._progress.failed[wanted] = "its task has ended, but the server lists no finished download"


class _GoneLook:
    """One look at the server after the other, until the list agrees."""

    def __init__(self, client: Client, deleting: t.Mapping[str, wire.Task | None]) -> None:
        self._client = client
        self._download_of = {task.guid: guid for guid, task in deleting.items() if task is not None}
        self._tasks = {task.guid: task for task in deleting.values() if task is not None}
        self._watch = _TaskWatch(client)
        self.listed = set(deleting)
        self.failed: dict[str, str] = {}

    def __call__(self) -> bool:
        self.listed &= {download.guid for download in list_all(self._client) if download.guid is not None}
        if self.listed and self._tasks:
            self._watch.look(self._tasks)
            self.failed = {self._download_of[task]: why for task, why in self._watch.failed.items()}
        return self.listed <= set(self.failed)


class _TaskWatch:
    """What became of our tasks, look by look."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._suspects: set[str] = set()
        self.open: set[str] = set()  # guids of tasks that are not over
        self.failed: dict[str, str] = {}  # guid: why

    def look(self, ours: dict[str, wire.Task]) -> None:
        """Read the server's tasks once and bring ours up to date, in place."""
        unfinished = tasks.unfinished(self._client)
        for guid, task in ours.items():
            # Not among the unfinished ones: finished or purged, which has to count as the same.
            ours[guid] = unfinished.get(guid) or replace(task, state=tasks.FINISHED, progress=100.0)
        seen_failing = {guid for guid, task in ours.items() if task.state in tasks.FAILED}
        # Believed at the second look: the server may start a failed task again.
        confirmed = seen_failing & self._suspects
        self._suspects = seen_failing
        self.failed = {guid: _why(ours[guid]) for guid in confirmed}
        self.open = {guid for guid in ours if guid in unfinished and guid not in confirmed}


def _decode(records: t.Sequence[wire.Json], mode: str | None) -> list[wire.CloudDownload]:
    where = "GET /cloud-download"
    downloads = (wire.cloud_download(record, f"{where}: [{index}]") for index, record in enumerate(records))
    if mode is not None:
        return [download for download in downloads if download.mode == mode]
    return [download for download in downloads if download.mode not in _OTHER_MODES]


def _told_by_filter(download: wire.CloudDownload, wanted: Wanted) -> wire.CloudDownload:
    return replace(
        download,
        protected_entity=download.protected_entity or wanted.entity,
        backup=download.backup or (wire.Backup(wanted.backup) if wanted.backup else None),
        node=download.node or (wire.Reference(wanted.node) if wanted.node else None),
    )


def _by_entity(all_tasks: t.Mapping[str, wire.Task]) -> t.Callable[[Wanted], t.Sequence[wire.Task]]:
    """Finds the tasks of an entity; where none names it, those that name nobody: one task may stand for many."""
    index: dict[str | None, list[wire.Task]] = {}
    for task in all_tasks.values():
        index.setdefault(task.protected_entity.guid if task.protected_entity else None, []).append(task)
    return lambda wanted: index.get(wanted.entity.guid) or index.get(None) or []


def _why(task: wire.Task) -> str:
    return f"task {task.guid} is {task.state}: {task.status_info or 'the server gives no reason'}"


def _path(guid: str) -> str:
    return "/cloud-download/" + urllib.parse.quote(guid, safe="")
