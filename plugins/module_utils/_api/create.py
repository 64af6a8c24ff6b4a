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

from .. import _profile
from .._errors import CODES, StorwareError
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
# The server does not understand the request, or fails at it; some say so although they have acted.
_NOT_UNDERSTOOD: t.Final = (400, 422, 500)
_REFUSED: t.Final = (*_NOT_UNDERSTOOD, 409)
_MOST_KEYS: t.Final = 40  # of the body, in a message


@dataclass
class Creator:
    """Asks for downloads that are missing.

    downloads, active_tasks: GUIDs of what was on the server before anything was asked for; the tasks are those that
    were under way. asked, tasks: what was asked for, and the tasks that the server has made for it by GUID, also after
    a failure. asked_at: when, on the clock of the waiting, if the answer had tasks.
    """

    client: Client
    identifier: RecordCompleter
    request: t.Mapping[str, decoding.Json]
    downloads: t.AbstractSet[str | None]
    active_tasks: t.Collection[str]
    asked: list[DownloadSpec] = field(default_factory=list)
    asked_at: dict[DownloadSpec, float] = field(default_factory=dict)
    tasks: dict[str, models.Task] = field(default_factory=dict)

    def create(self, wanted: t.Sequence[DownloadSpec], waiting: Poller) -> dict[DownloadSpec, str]:
        """Ask for all of them, with the number of requests that the server profile says. All share one mode and node.

        Returns why the server refused some of several requests.

        When the answer is lost, those that the server does not show after the settle time are asked for once more. The
        time of ``waiting`` begins again when it is known what has become of them. Raises ApiError when they do not
        come into being; ``request_not_understood`` when nothing shows that the server knows the body;
        ``ambiguous_create`` when it shows several that may be ours.
        """
        if self.client.profile.batch == _profile.ALL:
            self._create_together(wanted, waiting)
            return {}
        refused = {}
        for want in wanted:
            try:
                self._create_together([want], waiting)
            except StorwareError as error:
                # Once the server has understood one request, another failure is that of its entity.
                if not self.asked or self.asked == [want] or not _is_of_entity(error):
                    raise
                refused[want] = error.message
        return refused

    def _create_together(self, wanted: t.Sequence[DownloadSpec], waiting: Poller) -> None:
        missing = list(wanted)
        for may_ask_again in (True, False):
            body, now = self._body(missing), waiting.clock()
            try:
                made = self._post(body)
            except StorwareError as error:
                if _is_lost(error):
                    least = VISIBILITY_TIMEOUT if may_ask_again else 0
                    missing = self._find_out(missing, waiting, error, window=VISIBILITY_TIMEOUT, least=least)
                    if missing and not may_ask_again:
                        raise
                elif _may_have_acted(error):
                    missing = self._find_visible(missing, waiting, error)
                    if missing:
                        raise self._not_understood(error, body) from error
                else:
                    raise
                if not missing:
                    return
            else:
                self.tasks.update(made)
                self.asked_at.update(dict.fromkeys(missing if made else (), now))
                if made or self._is_visible(missing, waiting):
                    self.asked += [want for want in missing if want not in self.asked]
                    return
                raise self._not_understood(None, body)

    def _body(self, wanted: t.Sequence[DownloadSpec]) -> dict[str, decoding.Json]:
        backups = list(dict.fromkeys(want.backup for want in wanted if want.backup))
        entities, first = [want.entity for want in wanted], wanted[0]
        template = self.client.profile.create_body
        return payloads.create(template, entities, first.mode, backups, first.node, self.request)

    def _post(self, body: decoding.Json) -> dict[str, models.Task]:
        # No deadline: an answer that is not waited for would have to be found out.
        answer = self.client.post(names.CLOUD_DOWNLOADS, body, "create cloud downloads")
        records = answer.body if isinstance(answer.body, list) else [] if answer.body is None else [answer.body]
        made = [
            models.decode_task(record, f"POST {names.CLOUD_DOWNLOADS}: [{index}]")
            for index, record in enumerate(records)
        ]
        return {task.guid: task for task in made}

    def _is_visible(self, wanted: t.Sequence[DownloadSpec], waiting: Poller) -> bool:
        """Whether the server shows anything new after a success without a task, also while nothing can be seen."""
        try:
            return len(self._find_visible(wanted, waiting, None)) < len(wanted)
        except ApiError as error:
            if not error.retryable:
                raise
            return True  # it has accepted the request, and its lists are away: waiting will show more

    def _find_visible(
        self, wanted: t.Sequence[DownloadSpec], waiting: Poller, failure: StorwareError | None
    ) -> list[DownloadSpec]:
        """Return those of which nothing new shows up in the time of the server profile."""
        window = self.client.profile.visible_within
        try:
            return self._find_out(wanted, waiting.within(window), failure, window=window, least=window)
        finally:
            waiting.restart()

    def _not_understood(self, error: StorwareError | None, body: decoding.Json) -> StorwareError:
        """Return the error of a request without an effect; of another kind where the server says so."""
        if error is not None and not (isinstance(error, ApiError) and error.status in _NOT_UNDERSTOOD):
            return error
        window = f"{self.client.profile.visible_within:g}"
        call = f"POST {names.CLOUD_DOWNLOADS}"
        words = error.message if error else f"The server accepted {call} and returned no task"
        keys = payloads.keys_of(body)
        more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
        details = error.details if isinstance(error, ApiError) else {}
        return StorwareError(
            f"{words}. Within {window} seconds it showed neither a new task nor a new download. The request had the"
            f" keys {', '.join(keys[:_MOST_KEYS])}{more}",
            code="request_not_understood",
            hint="The fields of this request are not documented. Find those of your server, and put them into a server"
            ' profile: see "Teach it your server" in the documentation, and the playbook storware.backup.check_server.',
            details={**details, "keys": keys},
        )

    def _find_out(
        self,
        wanted: t.Sequence[DownloadSpec],
        waiting: Poller,
        failure: StorwareError | None,
        *,
        window: float,
        least: float,
    ) -> list[DownloadSpec]:
        """Find out the effect of a call; return what has certainly not been created.

        window: seconds, from the first poll that succeeds, after which nothing new will show up. least: minimum seconds
        to poll. Raises the failure when that is not certain, and ApiError where there is none.
        """
        reader = Within(self.client, waiting.limit)
        active = {*self.active_tasks, *self.tasks}
        traces: dict[DownloadSpec, _Traces] = {}
        since: float | None = None  # the first poll that succeeded

        def has_traces_of_all() -> bool:
            nonlocal since
            traces.update(self._traces(reader, wanted, active))
            now = waiting.clock()
            if since is None:
                since = now
                waiting.at_least(least)
            return len(traces) == len(wanted) or now - since >= window

        waiting.at_least(least)
        try:
            outcome = waiting.until(has_traces_of_all)
        finally:
            waiting.restart()
        self.asked += [want for want in wanted if want in traces]
        self.tasks.update({task.guid: task for _count, _shown, made in traces.values() for task in made})
        several = {want: traces[want][1] for want in wanted if want in traces and traces[want][0] > 1}
        if several:
            raise _ambiguous(several)
        if outcome is not True and failure:
            raise failure
        if isinstance(outcome, ApiError):
            raise outcome
        return [want for want in wanted if want not in traces]

    def _traces(
        self, reader: Reader, wanted: t.Sequence[DownloadSpec], active: t.AbstractSet[str]
    ) -> dict[DownloadSpec, _Traces]:
        """Return what is new on the server of all that has traces there."""
        # In the order of a download's life backwards: what goes on meanwhile is not seen twice.
        mode = wanted[0].mode
        finished = {found.guid for found in cloud_downloads.list_ready(reader, mode=mode)}
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


def _is_of_entity(error: StorwareError) -> bool:
    """Return whether the next entity may fare better."""
    is_answer = isinstance(error, ApiError) or error.code in ("request_not_understood", "ambiguous_create")
    return is_answer and not CODES[error.code].ends_all


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
