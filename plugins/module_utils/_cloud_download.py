# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module cloud_download does: read, plan, carry the plan out, wait. In check mode it stops after the plan."""

from __future__ import annotations

import contextlib
import typing as t

from . import _causes, _plan, _profile
from ._api import backups, cloud_downloads, models, names, payloads, protected_entities, wait_ready
from ._api.client import Client
from ._api.cloud_downloads import DownloadSpec, RecordCompleter
from ._api.create import Creator
from ._api.polling import Poller, Report
from ._api.wait_ready import PreparationStatus
from ._argspec import check_guids, is_guid
from ._errors import OptionError, StorwareError

Params = t.Mapping[str, t.Any]
Result = dict[str, t.Any]

LATEST: t.Final = "latest"
MAX_WAIT: t.Final = 30 * 24 * 3600.0  # seconds

# Options that make sense with one way of selecting downloads only.
_FOR_ENTITIES: t.Final = ("backup", "node", "request")
_FOR_GUIDS: t.Final = ("status", "update")


def check(params: Params, profile: _profile.Profile) -> None:
    """Refuse what cannot work before anything is sent. Raises OptionError."""
    selector = "guid" if params["guid"] is not None else "protected_entities"
    if not params[selector]:
        raise OptionError(selector, "is empty: it names nothing to work on")
    if any(not entry.strip() for entry in params[selector]):
        raise OptionError(selector, "has an empty entry")
    check_guids("guid", params["guid"] or ())
    for option in _FOR_ENTITIES if selector == "guid" else _FOR_GUIDS:
        if params[option] is not None:
            other = "protected_entities" if selector == "guid" else "guid"
            raise OptionError(option, f"goes with {other}, not with {selector}")
    if params["state"] == "absent":
        for option in ("request", *_FOR_GUIDS):
            if params[option] is not None:
                raise OptionError(option, "goes with state=present only")
    _profile.check_request(params["request"] or {}, profile, len(params["protected_entities"] or ()))
    _check_backup(params)
    if not params["backup_statuses"]:
        raise OptionError("backup_statuses", "is empty", hint=f"Set it to some of {', '.join(names.BACKUP_STATUSES)}.")
    for option, low in (("wait_timeout", 0), ("wait_interval", 0.01)):
        # Written so that NaN fails as well.
        if not low <= params[option] <= MAX_WAIT:
            raise OptionError(option, f"must be between {low:g} and {MAX_WAIT:g} seconds, not {params[option]:g}")


def ensure(
    client: Client, params: Params, check_mode: bool, warn: t.Callable[[str], None], report_progress: Report
) -> Result:
    """Bring the downloads into the wanted state; returns the module's result, with "diff".

    Raises StorwareError, with what was done so far in ``results``.
    """
    present = params["state"] == "present"
    if params["guid"] is not None:
        selected = _update_selected if present else _delete_selected
        return selected(client, params, check_mode, report_progress)
    by_entity = _create_missing if present else _delete_matching
    return by_entity(client, params, check_mode, warn, report_progress)


def _create_missing(
    client: Client, params: Params, check_mode: bool, warn: t.Callable[[str], None], report_progress: Report
) -> Result:
    wanted, without_backup, taken = _select(client, params, warn)
    found = [want.entity for want in (*wanted, *without_backup)]
    identifier = RecordCompleter(client, needs_backup=False)
    seen = wait_ready.take_snapshot(client, wanted, identifier)
    plan = _plan.plan_creation(wanted, seen.catalogue, seen.finished, seen.expected, seen.unsure)
    expected = {want: seen.expected[want] for want in plan.expected}
    progress = PreparationStatus(wanted, expected, failed=without_backup)
    _warn_of_adopted(params, seen, plan.adopted, warn)
    if check_mode:
        report_of_plan = _report(plan.predicted, entities=found, backups=taken)
        result: Result = {"changed": bool(plan.missing), "diff": plan.diff(plan.missing), **report_of_plan}
        _raise_failed(progress, result)
        return result

    creator = Creator(client, identifier, params["request"] or {}, seen.listed, seen.active)
    progress.ready = {want: found for want, found in plan.adopted.items() if found.guid in seen.finished}

    def report() -> Result:
        downloads = [progress.ready[want] for want in wanted if want in progress.ready]
        new = {download.guid for download in downloads} - seen.listed
        created = [progress.ready[want].guid for want in creator.asked if want in progress.ready]
        return {
            "changed": bool(creator.asked),
            "diff": plan.diff(creator.asked),
            **_report(
                downloads,
                created=[guid for guid in created if guid in new],
                tasks=creator.tasks.values(),
                entities=found,
                backups=taken,
            ),
        }

    waiting = _waiting(params, report_progress)
    with _results_on_failure(report):
        if plan.missing:
            progress.failed.update(creator.create(plan.missing, waiting))
        if params["wait"]:
            wait_ready.wait_ready(client, progress, seen, creator, waiting)
            others = {want: found for want, found in progress.ready.items() if want not in creator.asked}
            _warn_of_adopted(params, seen, {want: others[want] for want in others if want not in plan.adopted}, warn)
        else:
            progress.ready = _known_now(client, plan)
            for want, tasks in expected.items():
                warn(f"{_name(want)} was not asked for: {_may_be(tasks)}. Run the task with wait=true to be sure.")
    _raise_failed(progress, report(), waited=params["wait"])
    return report()


def _update_selected(client: Client, params: Params, check_mode: bool, report_progress: Report) -> Result:
    selected = cloud_downloads.select(client, params["guid"])
    body = payloads.update(client.profile.update_body, params["status"], params["update"] or {})
    diff = _plan.plan_update(selected, body)
    result: Result = {"changed": bool(diff["before"]), "diff": diff}
    if check_mode:
        return {**result, **_report(selected)}

    updated: list[str] = []
    with _results_on_failure(lambda: {**result, "changed": bool(updated), **_report(selected, updated=updated)}):
        for guid in diff["before"]:
            cloud_downloads.update(client, guid, body)
            updated.append(guid)
        if params["wait"]:
            selected = cloud_downloads.wait_finished(
                client, [str(found.guid) for found in selected], _waiting(params, report_progress)
            )
        elif updated:
            selected = cloud_downloads.select(client, params["guid"])
    return {**result, **_report(selected, updated=updated)}


def _delete_selected(client: Client, params: Params, check_mode: bool, report_progress: Report) -> Result:
    to_delete = _plan.plan_deletion_of(params["guid"], cloud_downloads.list_all(client))
    return _delete(client, params, check_mode, to_delete, report_progress)


def _delete_matching(
    client: Client, params: Params, check_mode: bool, warn: t.Callable[[str], None], report_progress: Report
) -> Result:
    # Without that backup there is no download of it either.
    wanted, _without_backup, taken = _select(client, params, warn)
    seen = wait_ready.take_snapshot(client, wanted, RecordCompleter(client))
    left = {want: seen.catalogue.possible(want) for want in wanted if not seen.catalogue.find(want)}
    for want, downloads in left.items():
        for download in downloads:
            warn(
                f"{_name(want)}: the cloud download {download.guid} is left, because the server does not say of which"
                " backup it is. To delete it, select it with the option guid."
            )
    for want, tasks in seen.expected.items():
        warn(f"{_name(want)} may come to have a download that cannot be deleted yet: {_may_be(tasks)}.")
    return _delete(client, params, check_mode, _plan.plan_deletion(wanted, seen.catalogue), report_progress, taken)


def _delete(
    client: Client,
    params: Params,
    check_mode: bool,
    to_delete: t.Sequence[models.CloudDownload],
    report_progress: Report,
    taken: t.Mapping[DownloadSpec, models.Backup] | None = None,
) -> Result:
    result: Result = {"changed": bool(to_delete), "diff": _plan.deletion_diff(to_delete)}
    if check_mode:
        return {**result, **_report(to_delete, backups=taken)}

    deleting: dict[str, models.Task | None] = {}
    failed: dict[str, str] = {}

    def report() -> Result:
        deleted = [guid for guid in deleting if guid not in failed]
        tasks = [task for task in deleting.values() if task is not None]
        report_of_deleted = _report(to_delete, deleted=deleted, tasks=tasks, backups=taken)
        return {**result, "changed": bool(deleted), **report_of_deleted}

    waiting = _waiting(params, report_progress)
    for download in to_delete:
        guid = str(download.guid)
        try:
            deleting[guid] = cloud_downloads.delete(client, guid, waiting.limit())
        except StorwareError as error:
            failed[guid] = error.message  # the others can still go
    with _results_on_failure(report):
        if params["wait"] and deleting:
            failed.update(cloud_downloads.wait_deleted(client, deleting, waiting))
    if failed:
        with contextlib.suppress(StorwareError):
            # A call that failed may have done its work all the same.
            listed = {download.guid for download in cloud_downloads.list_all(client)}
            deleting.update({guid: None for guid in failed if guid not in listed})
            failed = {guid: why for guid, why in failed.items() if guid in listed}
    if failed:
        raise StorwareError(
            f"{len(failed)} of {len(to_delete)} downloads are not deleted: {_joined(failed)}",
            code="delete_failed",
            hint="Run the task again.",
            retryable=True,
            results={**report(), "failures": [{"guid": guid, "reason": reason} for guid, reason in failed.items()]},
        )
    return report()


def _select(
    client: Client, params: Params, warn: t.Callable[[str], None]
) -> tuple[list[DownloadSpec], dict[DownloadSpec, str], dict[DownloadSpec, models.Backup]]:
    """Return what the options ask for, what cannot be had with the reasons, and the backups that ``latest`` stands for.

    Names become GUIDs.
    """
    entity_type, backup = params["protected_entity_type"], params["backup"]
    references = protected_entities.resolve(client, params["protected_entities"], entity_type)
    node = protected_entities.resolve_node(client, params["node"]) if params["node"] else None
    if backup != LATEST:
        return [DownloadSpec(entity, params["mode"], backup, node) for entity in references], {}, {}
    types = [entity_type] if entity_type else protected_entities.DOWNLOADABLE_TYPES
    statuses = params["backup_statuses"]
    latest = backups.latest(client, [entity.guid for entity in references], types, statuses)
    taken = {
        DownloadSpec(entity, params["mode"], latest[entity.guid].guid, node): latest[entity.guid]
        for entity in references
        if entity.guid in latest
    }
    without = {
        DownloadSpec(entity, params["mode"], None, node): f"it has no backup with status {' or '.join(statuses)}"
        f" (backup_statuses={','.join(statuses)})"
        for entity in references
        if entity.guid not in latest
    }
    partial = {
        _name(want): f"{found.guid} of {found.snapshot_time}"
        for want, found in taken.items()
        if found.status != names.BACKUP_STATUSES[0]
    }
    if partial:
        named = _joined(partial, "backups")
        warn(f"These backups have the status PARTIAL_SUCCESS, so objects may be missing in them: {named}.")
    return list(taken), without, taken


def _warn_of_adopted(
    params: Params,
    seen: wait_ready.ServerSnapshot,
    adopted: t.Mapping[DownloadSpec, models.CloudDownload],
    warn: t.Callable[[str], None],
) -> None:
    """Warn of existing downloads that may not be the ones that are asked for."""
    new_one = "To have a new one, delete it first, with state=absent and its GUID"
    unsure = {_name(want): str(found.guid) for want, found in adopted.items() if want in seen.unsure}
    if unsure:
        warn(
            "These cloud downloads are used, but the server does not say of which backup they are:"
            f" {_joined(unsure, 'cloud_downloads')}. {new_one}."
        )
    if params["request"]:
        named = {_name(want): str(found.guid) for want, found in adopted.items()}
        if named:
            warn(
                "These cloud downloads were there before, and the server does not say with which request they were"
                f" made: {_joined(named, 'cloud_downloads')}. {new_one}."
            )


def _known_now(client: Client, plan: _plan.CreatePlan) -> dict[DownloadSpec, models.CloudDownload]:
    """Without waiting: what is listed right after the request; the server may list new downloads later only."""
    known = dict(plan.adopted)
    if plan.missing:
        listed = cloud_downloads.list_all(client, mode=plan.missing[0].mode)
        now = RecordCompleter(client, needs_backup=False).catalogue(listed, plan.missing)
        known.update({want: found[0] for want in plan.missing for found in [now.find(want)] if found})
    return known


@contextlib.contextmanager
def _results_on_failure(report: t.Callable[[], Result]) -> t.Iterator[None]:
    """A failure half-way still returns what was done."""
    try:
        yield
    except StorwareError as error:
        error.results = {**report(), **error.results}
        raise


def _raise_failed(progress: PreparationStatus, result: Result, waited: bool = False) -> None:
    """Fail with the good and the bad side by side, if there is any bad."""
    bad = dict(progress.failed)
    code, hint = "prepare_failed", "Fix the reasons and run the task again. Downloads that are ready are used."
    if waited and progress.pending:
        code, hint = "wait_timeout", "Run the task again to go on waiting, or with a larger wait_timeout."
        bad.update(
            {
                want: f"not ready, and nothing made progress within wait_timeout; {_why(progress, want)}"
                for want in progress.pending
            }
        )
    if not bad:
        return
    named = {_name_and_guid(want): why for want, why in bad.items()}
    raise StorwareError(
        f"{len(bad)} of {len(progress.wanted) + len(set(bad) - set(progress.wanted))} downloads are not ready: "
        + _joined(named),
        code=code,
        hint=hint,
        retryable=code == "wait_timeout",
        results={
            **result,
            "failures": [
                {"protected_entity": want.entity.guid, "name": want.entity.name, "reason": why}
                for want, why in bad.items()
            ],
        },
    )


def _why(progress: PreparationStatus, want: DownloadSpec) -> str:
    if progress.last_error:
        return f"last error: {progress.last_error.message}"
    if want in progress.expected:
        return f"it was not asked for: {_may_be(progress.expected[want])}"
    return "it is still being prepared"


def _may_be(tasks: t.Sequence[models.Task]) -> str:
    named = ", ".join(f"{task.guid} ({task.type}, {task.state})" for task in tasks)
    return f"it may be what the server is preparing already with {named}"


def _name(want: DownloadSpec) -> str:
    return want.entity.name or want.entity.guid


def _name_and_guid(want: DownloadSpec) -> str:
    return f"{want.entity.name} ({want.entity.guid})" if want.entity.name else want.entity.guid


def _report(
    downloads: t.Iterable[models.CloudDownload],
    *,
    created: t.Sequence[str | None] = (),
    updated: t.Sequence[str] = (),
    deleted: t.Sequence[str] = (),
    tasks: t.Iterable[models.Task] = (),
    entities: t.Iterable[models.Reference] = (),
    backups: t.Mapping[DownloadSpec, models.Backup] | None = None,
) -> Result:
    return {
        "cloud_downloads": [download.to_result() for download in downloads],
        "created": list(created),
        "updated": list(updated),
        "deleted": list(deleted),
        "tasks": [task.to_result() for task in tasks],
        # Those that were looked up: of the others, only the GUID is known.
        "protected_entities": [{**entity.to_result(), "email": entity.email} for entity in entities if entity.name],
        "backups": [
            {"protected_entity": want.entity.to_result(), **backup.to_result()}
            for want, backup in (backups or {}).items()
        ],
    }


def _check_backup(params: Params) -> None:
    backup = params["backup"]
    if backup is None or backup == LATEST:
        return
    if not is_guid(backup):
        raise OptionError("backup", f"must be {LATEST!r} or a GUID of 36 characters, not {backup!r}")
    if len(set(params["protected_entities"])) > 1:
        raise OptionError(
            "backup", "is a single backup, and several protected_entities are given", hint="Use backup=latest."
        )


def _waiting(params: Params, report_progress: Report) -> Poller:
    return Poller(timeout=params["wait_timeout"], interval=params["wait_interval"], report=report_progress)


def _joined(reasons: t.Mapping[str, str], where: str = "failures") -> str:
    return _causes.join(_causes.group(reasons.items()), where)
