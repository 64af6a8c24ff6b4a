# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the server to make downloads: once, also when its answer gets lost.

POST /cloud-download knows no key that would make a repetition harmless. So a lost answer is never repeated blindly:
what is new on the server since before the call tells what became of it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import StorwareError
from . import cloud_downloads, decoding, models, names, payloads, tasks
from .client import Client
from .cloud_downloads import DownloadSpec, RecordCompleter
from .errors import ApiError
from .pagination import Reader, Within
from .polling import Poller

# What the server was asked for turns up in its lists within this time, or it has not acted. Seconds. Asking again
# before its end could make a second download, so that no shorter wait_timeout cuts it.
VISIBILITY_TIMEOUT: t.Final = 120.0

# What lies between may have given up although the server went on.
_GIVEN_UP: t.Final = (408, 502, 503, 504)
# The server itself says that it failed; some say so although they have acted.
_REFUSED: t.Final = (409, 500)


@dataclass(frozen=True)
class Baseline:
    """The guids of the downloads and of the tasks under way that were there before anything was asked for."""

    downloads: t.AbstractSet[str | None] = frozenset()
    tasks: t.AbstractSet[str] = frozenset()


@dataclass
class Submitted:
    """What was asked for, and the tasks that the server has made for it."""

    wanted: list[DownloadSpec] = field(default_factory=list)
    tasks: dict[str, models.Task] = field(default_factory=dict)


class Creator:
    """Asks for downloads that are missing; ``asked`` says what was asked for, also after a failure."""

    def __init__(
        self, client: Client, before: Baseline, identifier: RecordCompleter, request: t.Mapping[str, decoding.Json]
    ) -> None:
        self._client = client
        self._before = before
        self._identifier = identifier
        self._request = request
        self.asked = Submitted()

    def create(self, wanted: t.Sequence[DownloadSpec], waiting: Poller) -> None:
        """Ask for all of them with one POST. All share one mode and node.

        When the answer is lost, those that the server does not show after the settle time are asked for once more. The
        time of ``waiting`` begins again when it is known what has become of them. Raises ApiError when they do not
        come into being; ``ambiguous_create`` when it shows several that may be ours.
        """
        missing = list(wanted)
        for may_ask_again in (True, False):
            try:
                self.asked.tasks.update(self._post(missing))
                self.asked.wanted += missing
                return
            except StorwareError as error:
                if not _may_have_acted(error):
                    raise
                will_ask_again = may_ask_again and _is_lost(error)
                missing = self._find_out(missing, waiting, error, settle=VISIBILITY_TIMEOUT if will_ask_again else 0)
                if not missing:
                    return
                if not will_ask_again:
                    raise

    def _post(self, wanted: t.Sequence[DownloadSpec]) -> dict[str, models.Task]:
        backups = list(dict.fromkeys(want.backup for want in wanted if want.backup))
        entities = [want.entity.guid for want in wanted]
        body = payloads.create(entities, wanted[0].mode, backups, wanted[0].node, self._request)
        # No deadline: an answer that is not waited for would have to be found out.
        answer = self._client.post(names.CLOUD_DOWNLOADS, body, "create cloud downloads")
        records = answer.body if isinstance(answer.body, list) else [] if answer.body is None else [answer.body]
        made = [
            models.decode_task(record, f"POST {names.CLOUD_DOWNLOADS}: [{index}]")
            for index, record in enumerate(records)
        ]
        return {task.guid: task for task in made}

    def _find_out(
        self, wanted: t.Sequence[DownloadSpec], waiting: Poller, lost: StorwareError, settle: float
    ) -> list[DownloadSpec]:
        """Look for what has come of a call whose answer says nothing; returns what has certainly not been made.

        settle: seconds to look at the least, from the first look that succeeds.
        """
        reader = Within(self._client, waiting.limit)
        look = _LostCreateCheck(reader, self._identifier, self._new_since(), wanted, waiting, settle)
        waiting.at_least(settle)
        try:
            certain = waiting.until(look) is True
        finally:
            waiting.restart()
        found = [want for want in wanted if want in look.traces]
        self.asked.wanted += found
        self.asked.tasks.update({task.guid: task for want in found for task in look.traces[want].tasks})
        several = {want: look.traces[want] for want in found if look.traces[want].count > 1}
        if several:
            raise _ambiguous(several)
        if not certain:
            raise lost
        return [want for want in wanted if want not in look.traces]

    def _new_since(self) -> Baseline:
        return Baseline(self._before.downloads, self._before.tasks | set(self.asked.tasks))


@dataclass(frozen=True)
class _Traces:
    """What is new on the server and may be the one download that was asked for."""

    finished: t.Sequence[models.CloudDownload]
    unfinished: t.Sequence[models.CloudDownload]
    tasks: t.Sequence[models.Task]

    @property
    def count(self) -> int:
        """How many downloads these are: one that is not finished has a task, and one that waits has nothing else."""
        return len(self.finished) + max(len(self.unfinished), len(self.tasks))

    def __str__(self) -> str:
        downloads = [f"download {found.guid}" for found in (*self.finished, *self.unfinished)]
        return ", ".join(downloads + [f"task {task.guid}" for task in self.tasks])


class _LostCreateCheck:
    """One look at the server after the other, until there are traces of everything or the settle time is over."""

    def __init__(
        self,
        reader: Reader,
        identifier: RecordCompleter,
        before: Baseline,
        wanted: t.Sequence[DownloadSpec],
        waiting: Poller,
        settle: float,
    ) -> None:
        self._reader = reader
        self._identifier = identifier
        self._before = before
        self._wanted = wanted
        self._waiting = waiting
        self._settle = settle
        self._since: float | None = None  # the first look that succeeded
        self.traces: dict[DownloadSpec, _Traces] = {}

    def __call__(self) -> bool:
        # In the order of a download's life backwards: what goes on meanwhile is not seen twice.
        mode = self._wanted[0].mode
        finished = {found.guid for found in cloud_downloads.list_all(self._reader, mode=mode, finished_mount=True)}
        catalogue = self._identifier.catalogue(cloud_downloads.list_all(self._reader, mode=mode), self._wanted)
        active = tasks.active(self._reader).values()
        new = [task for task in active if task.guid not in self._before.tasks and tasks.may_prepare(task)]
        preparing = tasks.by_entity(new)
        for want in self._wanted:
            fitting = [found for found in catalogue.possible(want) if found.guid not in self._before.downloads]
            traces = _Traces(
                [found for found in fitting if found.guid in finished],
                [found for found in fitting if found.guid not in finished],
                preparing(want.entity.guid),
            )
            if traces.count:
                self.traces[want] = traces
        now = self._waiting.clock()
        if self._since is None:
            self._since = now
            self._waiting.at_least(self._settle)
        return len(self.traces) == len(self._wanted) or now - self._since >= VISIBILITY_TIMEOUT


def _may_have_acted(error: StorwareError) -> bool:
    # A success that cannot be read is a success all the same.
    unreadable = error.code == "invalid_response"
    return unreadable or _is_lost(error) or (isinstance(error, ApiError) and error.status in _REFUSED)


def _is_lost(error: StorwareError) -> bool:
    return isinstance(error, ApiError) and (error.code == "response_lost" or error.status in _GIVEN_UP)


def _ambiguous(several: t.Mapping[DownloadSpec, _Traces]) -> StorwareError:
    told = [f"{want.entity.name or want.entity.guid}: {traces}" for want, traces in several.items()]
    return StorwareError(
        f"The answer to POST {names.CLOUD_DOWNLOADS} was lost, and since then the server shows more than one new"
        f" download that may be the one asked for: {'; '.join(told[:10])}",
        code="ambiguous_create",
        hint="Another client has asked for the same. Run the task again: it uses one of them. Delete the others.",
        retryable=True,
        results={
            "failures": [
                {
                    "protected_entity": want.entity.guid,
                    "name": want.entity.name,
                    "reason": f"these are new and may be what was asked for: {traces}",
                }
                for want, traces in several.items()
            ]
        },
    )
