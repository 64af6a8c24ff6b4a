# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud downloads on the server: list, recognise, update and delete. How they are made is in ``preparing``."""

from __future__ import annotations

import itertools
import typing as t
import uuid
from dataclasses import dataclass, replace

from .. import _profile
from .._errors import OptionError, StorwareError
from . import backups, decoding, models, names, pagination, payloads, tasks
from .client import Client
from .errors import ApiError
from .pagination import Reader, Within
from .polling import Poller

# Modes the same list may hold that are mounts, not downloads (the vendor's closed list without the download modes).
_OTHER_MODES: t.Final = frozenset(names.MODES) - frozenset(names.DOWNLOAD_MODES)
# Filters by GUID, and the fields that show whether a record matches; the vendor prints records without any of these.
_SHOWN: t.Final = ("protected_entity", "backup", "node")
# Whether the server knows the backups of downloads is found out with the newest backups of a few entities.
_MOST_SAMPLES: t.Final = 5  # entities
_MOST_TRIED: t.Final = 100  # calls
# Statuses of a server that has found nothing, such as for a GUID.
FINDS_NOTHING: t.Final = (400, 404, 422)


@dataclass(frozen=True)
class DownloadSpec:
    """One download that is asked for. Backup and node are GUIDs, None where any will do."""

    entity: models.Reference
    mode: str
    backup: str | None = None
    node: str | None = None

    def matches(self, download: models.CloudDownload) -> bool:
        """Return whether this download is the one that is asked for."""
        return (
            download.protected_entity is not None
            and download.protected_entity.guid == self.entity.guid
            and download.mode == self.mode
            and (self.backup is None or (download.backup is not None and download.backup.guid == self.backup))
            and (self.node is None or (download.node is not None and download.node.guid == self.node))
        )

    def as_download(self) -> models.CloudDownload:
        """Return the record that the download will have, as far as it is known."""
        return models.CloudDownload(
            guid=None,
            mode=self.mode,
            protected_entity=self.entity,
            backup=models.Backup(self.backup) if self.backup else None,
            node=models.Reference(self.node) if self.node else None,
        )

    def may_match(self, download: models.CloudDownload) -> bool:
        """Return the same, where the record need not show the backup."""
        wanted = replace(self, backup=None) if download.backup is None else self
        return wanted.matches(download)

    def undecided(self, download: models.CloudDownload) -> bool:
        """Return whether the record says too little to decide."""
        return (
            download.protected_entity is None
            or (self.backup is not None and download.backup is None)
            or (self.node is not None and download.node is None)
        )


class DownloadIndex:
    """Downloads, found by what is wanted without comparing each with each."""

    def __init__(self, downloads: t.Iterable[models.CloudDownload]) -> None:
        self.downloads = list(downloads)
        self._by_entity: dict[str | None, list[models.CloudDownload]] = {}
        for download in self.downloads:
            entity = download.protected_entity.guid if download.protected_entity else None
            self._by_entity.setdefault(entity, []).append(download)

    def find(self, wanted: DownloadSpec) -> list[models.CloudDownload]:
        """Return all that fit, in the server's order."""
        return [download for download in self._by_entity.get(wanted.entity.guid, ()) if wanted.matches(download)]

    def possible(self, wanted: DownloadSpec) -> list[models.CloudDownload]:
        """Return all that fit, or may fit because the server does not say of which backup they are."""
        return [download for download in self._by_entity.get(wanted.entity.guid, ()) if wanted.may_match(download)]

    def of(self, entity: str) -> list[models.CloudDownload]:
        """Return all of an entity, whatever their mode."""
        return list(self._by_entity.get(entity, ()))

    def undecided(self, wanted: DownloadSpec) -> frozenset[str | None]:
        """Return the GUIDs of those whose record says too little to decide whether they fit."""
        candidates = [*self._by_entity.get(None, ()), *self._by_entity.get(wanted.entity.guid, ())]
        return frozenset(download.guid for download in candidates if wanted.undecided(download))


def list_all(
    reader: Reader, *, size: int | None = None, heeded: set[str] | None = None, **filters: t.Any
) -> list[models.CloudDownload]:
    """All downloads that match the filters (options of ``wire.DOWNLOAD_FILTERS`` but page and size), each once.

    Records of modes that are no downloads are dropped unless that mode is asked for: the server's list may hold
    other mounts; whether it does is not documented. Records that contradict a filter are dropped, too.

    heeded: filters that the server has been seen to heed; more of them are added. Raises FilterIgnored.
    """
    query = payloads.query(filters, names.DOWNLOAD_FILTERS)
    records = pagination.list_all(reader, names.CLOUD_DOWNLOADS, query, "list cloud downloads", size)
    return _matching(reader, records, filters, set() if heeded is None else heeded)


def list_ready(reader: Reader, **filters: t.Any) -> list[models.CloudDownload]:
    """All downloads that match the filters and are ready, by the key ``ready`` of the server profile.

    Without another sign, a download is ready as soon as no task may be preparing one of its entity.
    """
    ready = reader.profile.ready
    if ready == _profile.FINISHED_MOUNT:
        return list_all(reader, finished_mount=True, **filters)
    # The list first: a task that ends in between makes a download ready that was listed before.
    listed = list_all(reader, **filters)
    if ready.startswith(_profile.STATE):
        return [found for found in listed if found.state == ready[len(_profile.STATE) :]]
    preparing = tasks.by_entity(filter(tasks.may_prepare, tasks.active(reader).values()))
    return [found for found in listed if not preparing(found.protected_entity.guid if found.protected_entity else "")]


def list_page(reader: Reader, **filters: t.Any) -> list[models.CloudDownload]:
    """One page of the list, as the server cuts it. Raises as ``list_all`` does."""
    records, _answer = pagination.page(
        reader, names.CLOUD_DOWNLOADS, payloads.query(filters, names.DOWNLOAD_FILTERS), "list cloud downloads"
    )
    return _matching(reader, records, filters, set())


class FilterIgnored(StorwareError):
    """A filter is the only evidence, and the server ignores it."""

    code = "filter_ignored"

    def __init__(self, option: str) -> None:
        super().__init__(
            f"Cannot decide which downloads match {option}: the records of GET {names.CLOUD_DOWNLOADS} do not show it,"
            f" and the server ignores the filter {names.DOWNLOAD_FILTERS[option]}",
            hint="Select the downloads with the option guid.",
        )
        self.option = option


class RecordCompleter:
    """Fills in what records leave out by asking the server's own filters, and remembers it.

    needs_backup: whether it raises FilterIgnored, too, where nothing says of which backup a download is; otherwise that
    stays open.
    """

    def __init__(self, reader: Reader, *, needs_backup: bool = True) -> None:
        self._reader = reader
        self._needs_backup = needs_backup
        self._finds_by_backup: bool | None = None  # downloads whose records do not show it
        self._shown: dict[str | None, models.CloudDownload] = {}
        self._asked: dict[DownloadSpec, frozenset[str | None]] = {}
        self._heeded: set[str] = set()

    def catalogue(self, downloads: t.Sequence[models.CloudDownload], wanted: t.Iterable[DownloadSpec]) -> DownloadIndex:
        """These downloads as a catalogue in which everything wanted can be found.

        Asks only for what is wanted, found in no complete record, and may be one of the incomplete ones; and not
        again for the same records.
        """
        catalogue = self._complete(downloads)
        asked = False
        for want in wanted:
            undecided = frozenset() if catalogue.find(want) else catalogue.undecided(want)
            if undecided <= self._asked.get(want, frozenset()):
                continue
            self._ask(want)
            self._asked[want] = undecided
            asked = True
        return self._complete(downloads) if asked else catalogue

    def unsure(
        self, catalogue: DownloadIndex, wanted: t.Iterable[DownloadSpec]
    ) -> dict[DownloadSpec, t.Sequence[models.CloudDownload]]:
        """The downloads of which nothing on the server says whether they fit, for all wanted that no other one fits.

        A server whose filter finds such downloads by another backup has said that they do not fit.
        """
        if self._needs_backup:
            return {}
        found = {want: catalogue.possible(want) for want in wanted if not catalogue.find(want)}
        unsure: dict[DownloadSpec, t.Sequence[models.CloudDownload]] = {
            want: those for want, those in found.items() if those
        }
        if unsure and self._is_found_by_backup(unsure):
            return {}
        return unsure

    def _is_found_by_backup(self, unsure: t.Iterable[DownloadSpec]) -> bool:
        """Whether the server knows of which backup such downloads are, although their records do not show it.

        The downloads of several entities are tried: the backup of one may not be listed any more, which says nothing.
        """
        others: t.Iterable[DownloadSpec] = self._others(unsure) if self._finds_by_backup is None else ()
        for other in itertools.islice(others, _MOST_TRIED):
            self._ask(other)
            if self._finds_by_backup is not None:
                break
        self._finds_by_backup = bool(self._finds_by_backup)
        return self._finds_by_backup

    def _others(self, unsure: t.Iterable[DownloadSpec]) -> t.Iterator[DownloadSpec]:
        """The same of all other backups; the newest of each entity first."""
        columns = (
            [replace(want, backup=backup.guid) for backup in self._other_backups(want)]
            for want in itertools.islice(unsure, _MOST_SAMPLES)
        )
        return filter(None, itertools.chain.from_iterable(itertools.zip_longest(*columns)))

    def _other_backups(self, want: DownloadSpec) -> list[models.Backup]:
        taken = backups.newest_first(self._reader, want.entity.guid)
        return [backup for backup in taken if backup.guid != want.backup]

    def _ask(self, want: DownloadSpec) -> set[str | None]:
        """Returns the GUIDs of those that the server finds. By a backup it finds none when it ignores that filter."""
        if want.backup and self._finds_by_backup is False:
            want = replace(want, backup=None)
        filters: dict[str, t.Any] = {"protected_entity": want.entity.guid, "backup": want.backup, "node": want.node}
        try:
            matches = list_all(self._reader, heeded=self._heeded, mode=want.mode, **filters)
        except FilterIgnored as error:
            if error.option != "backup" or self._needs_backup:
                raise
            self._finds_by_backup = False
            self._ask(want)
            return set()
        if want.backup and any(match.backup is None for match in matches):
            self._finds_by_backup = True
        self._shown.update({match.guid: _complete(match, want.as_download()) for match in matches})
        return {match.guid for match in matches}

    def _complete(self, downloads: t.Iterable[models.CloudDownload]) -> DownloadIndex:
        return DownloadIndex(_complete(download, self._shown.get(download.guid)) for download in downloads)


def update(client: Client, guid: str, body: t.Mapping[str, decoding.Json]) -> None:
    """PUT the body as it is."""
    client.put(f"{names.CLOUD_DOWNLOADS}/{guid}", body, f"update the cloud download {guid}")


def delete(client: Client, guid: str, deadline: float) -> models.Task | None:
    """Ask for one to be deleted; returns the task when the server makes one. One that is gone already is fine."""
    try:
        answer = client.delete(f"{names.CLOUD_DOWNLOADS}/{guid}", f"delete the cloud download {guid}", deadline)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    # The vendor's page prints a task under "204 No Content": it may or may not come.
    is_task = isinstance(answer.body, dict) and answer.body.get(names.GUID)
    return models.decode_task(answer.body, f"DELETE {names.CLOUD_DOWNLOADS}/{guid}") if is_task else None


def select(reader: Reader, guids: t.Sequence[str]) -> list[models.CloudDownload]:
    """The records of these downloads. Raises OptionError for a guid that the server does not list."""
    listed = {(download.guid or "").lower(): download for download in list_all(reader)}
    wanted = list(dict.fromkeys(guid.lower() for guid in guids))
    missing = [guid for guid in wanted if guid not in listed]
    if missing:
        raise OptionError(
            "guid",
            f"the server lists no cloud download {', '.join(missing)}",
            hint="List what there is with storware.backup.cloud_download_info.",
        )
    return [listed[guid] for guid in wanted]


def wait_finished(client: Client, guids: t.Sequence[str], waiting: Poller) -> list[models.CloudDownload]:
    """Wait until the list shows these downloads as finished; returns their records. Raises ``wait_timeout``."""
    finished: dict[str | None, models.CloudDownload] = {}
    reader = Within(client, waiting.limit)

    def all_finished() -> bool:
        finished.update({download.guid: download for download in list_ready(reader)})
        ready = sum(guid in finished for guid in guids)
        waiting.advance(ready)
        waiting.report(lambda: f"{ready} of {len(guids)} ready")
        return ready == len(guids)

    result = waiting.until(all_finished)
    if result is not True:
        pending = [guid for guid in guids if guid not in finished]
        why = f" (last error: {result.message})" if isinstance(result, ApiError) else ""
        raise StorwareError(
            f"Not ready, and no progress within wait_timeout: {', '.join(pending)}{why}",
            code="wait_timeout",
            hint="Run the task again to go on waiting, or with a larger wait_timeout.",
            retryable=True,
        )
    return [finished[guid] for guid in dict.fromkeys(guids)]


def wait_deleted(client: Client, deleting: t.Mapping[str, models.Task | None], waiting: Poller) -> dict[str, str]:
    """Wait until the list agrees that the downloads (guid: task or None) are gone. Returns why for those that stay."""
    reader = Within(client, waiting.limit)
    watch = tasks.TaskMonitor(reader)
    download_of = {task.guid: guid for guid, task in deleting.items() if task is not None}
    listed = set(deleting)
    failed: dict[str, str] = {}

    def is_settled() -> bool:
        listed.intersection_update(download.guid for download in list_all(reader))
        removed = len(deleting) - len(listed)
        waiting.advance(removed)
        waiting.report(lambda: f"{removed} of {len(deleting)} removed")
        if listed and download_of:
            watch.poll()
            failed.clear()  # the server may start a failed task again
            reasons = ((guid, watch.failure(task)) for task, guid in download_of.items())
            failed.update((guid, why) for guid, why in reasons if why is not None)
        return listed <= set(failed)

    result = waiting.until(is_settled)
    otherwise = "the server still lists it, without progress within wait_timeout"
    if isinstance(result, ApiError):
        otherwise = str(result)
    return {guid: failed.get(guid, otherwise) for guid in sorted(listed)}


def _matching(
    reader: Reader, records: t.Sequence[decoding.Json], filters: t.Mapping[str, t.Any], heeded: set[str]
) -> list[models.CloudDownload]:
    where = f"GET {names.CLOUD_DOWNLOADS}"
    decoded = (models.decode_cloud_download(record, f"{where}: [{index}]") for index, record in enumerate(records))
    found = [download for download in decoded if _may_match(download, filters)]
    for option in _SHOWN:
        is_evidence = filters.get(option) is not None and any(getattr(download, option) is None for download in found)
        if is_evidence and option not in heeded:
            _prove(reader, option)
            heeded.add(option)
    return found


def _may_match(download: models.CloudDownload, filters: t.Mapping[str, t.Any]) -> bool:
    """Whether nothing in the record contradicts the filters."""
    mode = filters.get("mode")
    if download.mode in _OTHER_MODES if mode is None else download.mode != mode:
        return False
    asked = ((filters[option], getattr(download, option)) for option in _SHOWN if filters.get(option) is not None)
    return all(shown is None or shown.guid == guid.lower() for guid, shown in asked)


def _prove(reader: Reader, option: str) -> None:
    """Raise FilterIgnored unless the server heeds a filter: it lists nothing for a GUID that does not exist."""
    name = names.DOWNLOAD_FILTERS[option]
    query = payloads.query({option: str(uuid.uuid4()), "page": 0, "size": 1}, names.DOWNLOAD_FILTERS)
    try:
        listed, _answer = pagination.page(reader, names.CLOUD_DOWNLOADS, query, f"check the filter {name}")
    except ApiError as error:
        if error.status not in FINDS_NOTHING:
            raise
        return
    if listed:
        raise FilterIgnored(option)


def _complete(download: models.CloudDownload, shown: models.CloudDownload | None) -> models.CloudDownload:
    if shown is None:
        return download
    return replace(
        download,
        protected_entity=download.protected_entity or shown.protected_entity,
        backup=download.backup or shown.backup,
        node=download.node or shown.node,
    )
