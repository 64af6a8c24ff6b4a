# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trial: one download of its own is created, read by the check, and deleted again, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import types
import typing as t

from .. import _cloud_download, _profile
from .._api import cloud_downloads, models, names, protected_entities, tasks, wait_ready
from .._api.client import Client
from .._api.cloud_downloads import DownloadSpec, RecordCompleter
from .._api.polling import Poller, Report
from .._api.transport import Observation
from .._errors import Interrupted, OptionError, StorwareError
from .findings import Finding, pick
from .reading import Reading, raise_if_final

_MODE: t.Final = names.DOWNLOAD_MODES[0]
_START: t.Final = 1024 * 1024  # bytes of the content that are read
_APPEARS: t.Final = 20.0  # seconds in which a download of a failed trial is looked for,
_INTERRUPTED: t.Final = 5.0  # and after a signal, before the process is killed
_REFUSED: t.Final = frozenset({"request_not_understood", "bad_request"})

Params = t.Mapping[str, t.Any]


class Trial:
    """A context manager: creates at its beginning, deletes at its end. changed: whether anything was created.

    Raises OptionError before anything is created if the entity is unknown or has a download, which is not the trial's.
    """

    def __init__(self, client: Client, params: Params, warn: t.Callable[[str], None], report_progress: Report) -> None:
        self.changed = False
        self.findings: list[Finding] = []
        self._client = client
        self._warn = warn
        self._report = report_progress
        self._answers: list[Observation] = []
        self._options = _options(client, params)
        self._spec, self._before = _find_free_entity(client, self._options)
        self._tasks: list[dict[str, t.Any]] = []
        self._guid: str | None = None

    def __enter__(self) -> Trial:
        self._client.on_answer = self._record
        try:
            self._create()
        except BaseException as error:
            self._remove(interrupted=isinstance(error, Interrupted))
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._remove(interrupted=isinstance(error, Interrupted))
        self._client.on_answer = None

    def read_start(self, reading: Reading) -> None:
        """Read the beginning of the content, as a transfer would."""
        for source in names.CONTENT_PATHS if self._guid else ():
            content = reading.content(source, str(self._guid))
            if content and content.is_file:
                size = reading.read_start(source, str(self._guid), _START)
                found = f"{content.format or 'an unknown one'}; the first {size} bytes were read"
                holds = content.format is not None and size > 0
                self.findings.append(Finding("content_format", found, holds, seen=content.seen))
                return

    def _record(self, seen: Observation) -> None:
        if seen.method in ("POST", "DELETE") and seen.path.startswith(names.CLOUD_DOWNLOADS):
            self._answers.append(seen)

    def _create(self) -> None:
        failure: StorwareError | None = None
        try:
            result = _cloud_download.ensure(self._client, self._options, False, lambda _text: None, self._report)
        except StorwareError as error:
            # Before it is raised, because the download may have been created all the same.
            self._learn(error.results)
            raise_if_final(error)
            result, failure = error.results, error
            self._warn(f"The trial failed, so that the check is not complete. {error.text}")
        self._learn(result)
        self.findings += self._describe_creation(failure)

    def _learn(self, result: Params) -> None:
        self.changed = bool(result.get("changed"))
        self._tasks = result.get("tasks", [])
        self._guid = next(iter(result.get("created", ())), None)

    def _describe_creation(self, failure: StorwareError | None) -> list[Finding]:
        post = next((seen for seen in self._answers if seen.method == "POST"), None)
        answer = f"the answer was {post.status}" if post else "there was no answer that is a success"
        is_default = self._client.profile.create_body == _profile.Profile().create_body
        body = "the body" if is_default else "the body of the profile"
        if failure:
            found = f"the trial ended with {failure.code}, and {answer}"
            holds = False if failure.code in _REFUSED else True if self.changed and is_default else None
        else:
            found = f"{body} created a download, and {answer}"
            holds = True if is_default else None
        described = [Finding("create_body", found, holds, seen=post)]
        if post and (self.changed or not failure):
            with_task = "the answer has a task" if post.body else "the answer has no task, and the lists show one"
            described.append(Finding("create_visible", with_task, True, seen=post))
        if self._tasks:
            types = pick((task["type"] or "" for task in self._tasks), tasks.TYPES)
            may_prepare = not any(tasks.is_something_else(task["type"]) for task in self._tasks)
            described.append(Finding("task_types", types.text("type"), may_prepare, seen=post))
        return described

    def _remove(self, *, interrupted: bool) -> None:
        """Delete the download of the trial; failures are reported, because others must not be hidden by them."""
        try:
            for guid in [self._guid] if self._guid else self._find_own(interrupted):
                self.changed = True
                self._delete(guid, interrupted)
        except Interrupted:
            raise
        except StorwareError as error:
            self._report_left(str(error.message))

    def _find_own(self, interrupted: bool) -> list[str]:
        """Return the download that a failed trial has created. It may be listed only when its task runs."""
        found: list[str] = []
        identifier = RecordCompleter(self._client, needs_backup=False)

        def is_listed() -> bool:
            listed = cloud_downloads.list_all(self._client, mode=_MODE)
            possible = identifier.catalogue(listed, [self._spec]).possible(self._spec)
            found[:] = [str(download.guid) for download in possible if download.guid not in self._before]
            return bool(found) or not self._tasks

        Poller(_INTERRUPTED if interrupted else _APPEARS, 1.0).until(is_listed)
        if len(found) > 1:
            self._report_left(f"these are new, and only one of them is the trial's: {', '.join(found)}")
        elif self._tasks and not found:
            self._report_left("the server has a task for it, and does not list it yet")
        return found if len(found) == 1 else []

    def _delete(self, guid: str, interrupted: bool) -> None:
        waiting = Poller(_INTERRUPTED if interrupted else self._options["wait_timeout"], self._options["wait_interval"])
        task = cloud_downloads.delete(self._client, guid, waiting.limit())
        left: dict[str, str] = {}
        if not interrupted:
            left = cloud_downloads.wait_deleted(self._client, {guid: task}, waiting)
        answer = next((seen for seen in self._answers if seen.method == "DELETE"), None)
        status = f"the answer was {answer.status} with{'' if task else 'out'} a task" if answer else "no answer"
        gone = "the list still has it" if left else "the list does not have it any more"
        self.findings.append(Finding("deletion", f"{status}, and {gone}", not left, seen=answer))
        if left:
            self._report_left(f"{guid}: {left[guid]}")

    def _report_left(self, why: str) -> None:
        self.findings.append(Finding("deletion", "the download of the trial may be left", False))
        self._warn(
            f"The cloud download of the trial may be left on the server: {why}. List the downloads with"
            " storware.backup.cloud_download_info, and delete it with storware.backup.cloud_download, state=absent."
        )

    @property
    def statuses(self) -> list[str]:
        """The calls that changed something and the status of each."""
        return list(dict.fromkeys(f"{seen.method} {seen.status}" for seen in self._answers))


def _options(client: Client, params: Params) -> dict[str, t.Any]:
    """Return the options of a cloud_download for one entity. Raises OptionError."""
    options = {
        **dict.fromkeys(("guid", "backup", "node", "status", "update", "request")),
        "state": "present",
        "protected_entities": [params["protected_entity"]],
        "protected_entity_type": params["protected_entity_type"],
        "mode": _MODE,
        "backup_statuses": [names.BACKUP_STATUSES[0]],
        "wait": True,
        "wait_timeout": params["wait_timeout"],
        "wait_interval": params["wait_interval"],
    }
    with _renamed_option():
        _cloud_download.check(options, client.profile)
    return options


def _find_free_entity(client: Client, options: Params) -> tuple[DownloadSpec, t.AbstractSet[str | None]]:
    """Return what the trial will create, and the GUIDs of all downloads that there are. Raises OptionError."""
    with _renamed_option():
        (entity,) = protected_entities.resolve(client, options["protected_entities"], options["protected_entity_type"])
    spec = DownloadSpec(entity, _MODE)
    seen = wait_ready.take_snapshot(client, [spec], RecordCompleter(client, needs_backup=False))
    existing: t.Sequence[models.CloudDownload] = seen.catalogue.possible(spec)
    if existing or spec in seen.expected:
        raise OptionError(
            "protected_entity",
            "the entity has a cloud download, or is about to get one, which the trial would use and not create",
            hint="Name an entity without a cloud download.",
        )
    return spec, seen.listed


@contextlib.contextmanager
def _renamed_option() -> t.Iterator[None]:
    """Name the option of this module in errors about the option of cloud_download."""
    try:
        yield
    except OptionError as error:
        if error.option != "protected_entities":
            raise
        raise OptionError("protected_entity", error.message.partition(": ")[2], hint=error.hint) from error
