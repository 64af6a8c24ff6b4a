# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options, jobs and results that the modules share which fetch content to a file."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from . import _runner
from ._argspec import in_range
from ._batch import BatchItem, Outcome, dest_for, guids_of
from ._progress import STALL, line_formatter
from ._steps import Steps, advance, complete
from ._transfer import download, inspection
from ._transfer.limits import LimitSettings
from ._transfer.store.attributes import ensure_attributes
from ._transfer.store.directory import translate_os_errors
from ._transfer.store.pipeline import BUFFER, has_address_limit
from ._transfer.store.receipt import receipt_name

_LEAST_TIME: t.Final = 0.1  # seconds
MAX_TIME: t.Final = 30 * 24 * 3600.0  # seconds
MAX_RATE: t.Final = 2.0**40  # bytes per second

SPEC: t.Final = {
    "guid": {"type": "list", "elements": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "overwrite": {"type": "str", "choices": ["never", "different", "always"], "default": "different"},
    "tmp_dest": {"type": "path"},
    "max_rate": {"type": "bytes"},
    "min_rate": {"type": "bytes", "default": 1024},
    "max_time": {"type": "float"},
    "lock_timeout": {"type": "float", "default": 60.0},
    **_runner.PROGRESS_SPEC,
}


class Jobs:
    """The jobs that the options of SPEC describe, one for each download. Raises OptionError for what concerns all."""

    def __init__(self, context: _runner.Context, retries: int) -> None:
        """retries: of a transfer that breaks off."""
        params = context.params
        self._context = context
        self.guids = guids_of(params["guid"])
        self._dest = dest_for(params["dest"], len(self.guids))
        self._limit_settings = _limit_settings(params, retries)
        self._attributes = context.file_attributes()
        self._known = inspection.Known()
        # A rate that is kept lets buffers come one at a time.
        self._format_line = line_formatter(max(STALL, 2 * BUFFER / (self._limit_settings.max_rate or BUFFER)))

    def job(self, turn: BatchItem, **settings: t.Any) -> inspection.Job:
        """The one whose turn it is. settings: the job's, besides those of SPEC."""
        context, params, limits = self._context, self._context.params, self._limit_settings
        if limits.max_time is not None:
            left = limits.max_time - (time.monotonic() - turn.since)
            limits = dataclasses.replace(limits, max_time=max(left, _LEAST_TIME))
        return inspection.Job(
            guid=turn.guid,
            dest=self._dest,
            attributes=self._attributes,
            overwrite=params["overwrite"],
            tmp_dest=params["tmp_dest"],
            limit_settings=limits,
            known=self._known,
            check_stop=turn.check_stop,
            redact=context.redact,
            report_progress=lambda progress: context.report_progress(lambda: self._line(turn, progress())),
            **settings,
        )

    def _line(self, turn: BatchItem, progress: inspection.TransferProgress) -> str:
        """How far it is. Until the first content has come, the session layer makes the attempts."""
        attempt = progress.attempt if progress.attempt > 1 else self._context.attempt
        return self._format_line(turn, progress._replace(attempt=attempt))


def ensure_file(context: _runner.Context, job: inspection.Job) -> Outcome:
    """Ensure that the content is at dest; return the result, or the step that is left. Raises StorwareError."""
    outcome = advance(_ensure(context, job))
    return complete(outcome) if has_address_limit() else outcome


def _ensure(context: _runner.Context, job: inspection.Job) -> Steps[_runner.Result]:
    # What has no better words of its own
    with translate_os_errors(f"fetch the cloud download {job.guid} to {job.dest}"):
        result = yield from _fetch_missing(context, job)
        return context.add_path_info(result)


def _fetch_missing(context: _runner.Context, job: inspection.Job) -> Steps[_runner.Result]:
    with inspection.inspect(job) as inspected:
        if not inspected.needs_content:
            if not context.check_mode:
                download.remove_stale(job, inspected)
            return _report_unchanged(context, job, inspected, inspection.describe(job, inspected))
        result: _runner.Result = {"changed": True, "diff": _diff(context, job, inspected, True)}
        if context.check_mode:
            download.predict(job, inspected)
            return {
                **result,
                "guid": job.guid,
                "reason": inspected.reason,
                "path": inspected.path if inspected.name else None,
            }
        outcome = yield from download.fetch(job, inspected)
        if outcome.source is None:  # another task has just fetched it
            return _report_unchanged(context, job, inspected, outcome.file)
        return {
            **result,
            **_result(job, inspected, outcome.file),
            "seconds": round(outcome.seconds, 3),
            "source": outcome.source,
            "bytes_received": outcome.received,
            **({"padding": outcome.file.padding} if outcome.file.padding else {}),
        }


def _report_unchanged(
    context: _runner.Context, job: inspection.Job, inspected: inspection.Inspection, file: inspection.File
) -> _runner.Result:
    changed = False
    if inspected.name is not None and inspected.old is not None:
        changed = ensure_attributes(
            inspected.directory, inspected.name, inspected.old, job.attributes, check_mode=context.check_mode
        )
    return {"changed": changed, "diff": _diff(context, job, inspected, changed), **_result(job, inspected, file)}


def _limit_settings(params: t.Mapping[str, t.Any], retries: int) -> LimitSettings:
    max_rate, max_time = params["max_rate"], params["max_time"]
    return LimitSettings(
        retries=retries,
        max_time=None if max_time is None else in_range("max_time", max_time, _LEAST_TIME, MAX_TIME),
        min_rate=in_range("min_rate", params["min_rate"], 0, MAX_RATE),
        max_rate=None if max_rate is None else in_range("max_rate", max_rate, 1, MAX_RATE),
        lock_timeout=in_range("lock_timeout", params["lock_timeout"], 0, MAX_TIME),
    )


def _diff(
    context: _runner.Context, job: inspection.Job, inspected: inspection.Inspection, changed: bool
) -> dict[str, t.Any]:
    """Only what is known before anything is fetched, so that check mode shows the same."""
    dest = context.params["dest"]
    guid = inspected.receipt.guid if inspected.receipt and inspected.old else None
    state = "absent" if inspected.old is None else "different" if inspected.needs_content else "present"
    asked = context.requested_attributes() if changed else {}
    return {
        "before": {"dest": dest, "guid": guid, "state": state},
        "after": {"dest": dest, "guid": job.guid if inspected.needs_content else guid, "state": "present", **asked},
    }


def _result(job: inspection.Job, inspected: inspection.Inspection, file: inspection.File) -> _runner.Result:
    return {
        "guid": job.guid,
        "reason": inspected.reason,
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        "verified": file.verified,
        "format": file.format,
        "receipt": inspected.directory.path_of(receipt_name(inspected.name or "")),
        **({} if file.entries is None else {"entries": file.entries, "unpacked_size": file.unpacked_size}),
        **({"checksum": str(job.checksum)} if job.checksum else {}),
    }
