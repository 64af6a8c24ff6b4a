# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the server to make downloads: once, also when its answer gets lost.

POST /cloud-download knows no key that would make a repetition harmless. So a lost answer is never repeated blindly:
what is new on the server since before the call shows what became of it.
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

# What may be the one download that was asked for: how many downloads these are, in words, and their tasks.
_Traces = tuple[int, str, list[models.Task]]

# A proxy may have given up although the server went on.
_GIVEN_UP: t.Final = (408, 502, 503, 504)
# The server itself says that it failed; some say so although they have acted.
_REFUSED: t.Final = (409, 500)


@dataclass
class Creator:
    """Asks for downloads that are missing.

    downloads, active_tasks: GUIDs of what was on the server before anything was asked for; the tasks are those that
    were under way. asked, tasks: what was asked for, and the tasks that the server has made for it by GUID, also after
    a failure.
    """

    client: Client
    identifier: RecordCompleter
    request: t.Mapping[str, decoding.Json]
    downloads: t.AbstractSet[str | None]
    active_tasks: t.AbstractSet[str]
    asked: list[DownloadSpec] = field(default_factory=list)
    tasks: dict[str, models.Task] = field(default_factory=dict)

    def create(self, wanted: t.Sequence[DownloadSpec], waiting: Poller) -> None:
        """Ask for all of them with one POST. All share one mode and node.

        When the answer is lost, those that the server does not show after the settle time are asked for once more. The
        time of ``waiting`` begins again when it is known what has become of them. Raises ApiError when they do not
        come into being; ``ambiguous_create`` when it shows several that may be ours.
        """
        missing = list(wanted)
        for may_ask_again in (True, False):
            try:
                self.tasks.update(self._post(missing))
                self.asked += missing
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
        body = payloads.create(entities, wanted[0].mode, backups, wanted[0].node, self.request)
        # No deadline: an answer that is not waited for would have to be found out.
        answer = self.client.post(names.CLOUD_DOWNLOADS, body, "create cloud downloads")
        records = answer.body if isinstance(answer.body, list) else [] if answer.body is None else [answer.body]
        made = [
            models.decode_task(record, f"POST {names.CLOUD_DOWNLOADS}: [{index}]")
            for index, record in enumerate(records)
        ]
        return {task.guid: task for task in made}

    def _find_out(
        self, wanted: t.Sequence[DownloadSpec], waiting: Poller, lost: StorwareError, settle: float
    ) -> list[DownloadSpec]:
        """Find out the effect of a call whose response is lost; return what has certainly not been created.

        settle: minimum seconds to poll, from the first poll that succeeds.
        """
        reader = Within(self.client, waiting.limit)
        active = self.active_tasks | set(self.tasks)
        traces: dict[DownloadSpec, _Traces] = {}
        since: float | None = None  # the first poll that succeeded

        def has_traces_of_all() -> bool:
            nonlocal since
            traces.update(self._traces(reader, wanted, active))
            now = waiting.clock()
            if since is None:
                since = now
                waiting.at_least(settle)
            return len(traces) == len(wanted) or now - since >= VISIBILITY_TIMEOUT

        waiting.at_least(settle)
        try:
            certain = waiting.until(has_traces_of_all) is True
        finally:
            waiting.restart()
        self.asked += [want for want in wanted if want in traces]
        self.tasks.update({task.guid: task for _count, _shown, made in traces.values() for task in made})
        several = {want: traces[want][1] for want in wanted if want in traces and traces[want][0] > 1}
        if several:
            raise _ambiguous(several)
        if not certain:
            raise lost
        return [want for want in wanted if want not in traces]

    def _traces(
        self, reader: Reader, wanted: t.Sequence[DownloadSpec], active: t.AbstractSet[str]
    ) -> dict[DownloadSpec, _Traces]:
        """Return what is new on the server of all that has traces there."""
        # In the order of a download's life backwards: what goes on meanwhile is not seen twice.
        mode = wanted[0].mode
        finished = {found.guid for found in cloud_downloads.list_all(reader, mode=mode, finished_mount=True)}
        catalogue = self.identifier.catalogue(cloud_downloads.list_all(reader, mode=mode), wanted)
        new = [task for guid, task in tasks.active(reader).items() if guid not in active and tasks.may_prepare(task)]
        preparing = tasks.by_entity(new)
        traces = {}
        for want in wanted:
            fitting = [found.guid for found in catalogue.possible(want) if found.guid not in self.downloads]
            fitting.sort(key=lambda guid: guid not in finished)
            made = preparing(want.entity.guid)
            unfinished = sum(guid not in finished for guid in fitting)
            # One that is not finished has a task, and one that waits has nothing else.
            count = len(fitting) - unfinished + max(unfinished, len(made))
            shown = [*(f"download {guid}" for guid in fitting), *(f"task {task.guid}" for task in made)]
            if count:
                traces[want] = (count, ", ".join(shown), made)
        return traces


def _may_have_acted(error: StorwareError) -> bool:
    # A success that cannot be read is a success all the same.
    unreadable = error.code == "invalid_response"
    return unreadable or _is_lost(error) or (isinstance(error, ApiError) and error.status in _REFUSED)


def _is_lost(error: StorwareError) -> bool:
    return isinstance(error, ApiError) and (error.code == "response_lost" or error.status in _GIVEN_UP)


def _ambiguous(several: t.Mapping[DownloadSpec, str]) -> StorwareError:
    named = [f"{want.entity.name or want.entity.guid}: {traces}" for want, traces in several.items()]
    return StorwareError(
        f"The answer to POST {names.CLOUD_DOWNLOADS} was lost, and since then the server shows more than one new"
        f" download that may be the one asked for: {'; '.join(named[:10])}",
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
