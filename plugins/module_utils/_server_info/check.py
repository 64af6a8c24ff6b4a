# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module server_info does: read what shows how the server answers, with a trial around it on request."""

from __future__ import annotations

import typing as t

from .. import _api_runner
from .._api import cloud_downloads, models, names
from .._errors import OptionError
from . import content, lists, paging, report
from .findings import Finding, pick, results
from .reading import Reading, some_guid
from .trial import Trial

_NOT_TRIED: t.Final = "Check mode: the trial is left out, because it would create and delete a cloud download."


def inspect(context: _api_runner.ApiContext) -> _api_runner.Result:
    """Return the findings, and the profile and the report that follow from them. Raises StorwareError."""
    params = context.params
    if bool(params["protected_entity"]) != params["trial"]:
        why = "is missing; the trial creates its download" if params["trial"] else "goes with trial=true only"
        raise OptionError("protected_entity", why)
    if not params["trial"]:
        return _result(context, _read(context, Reading(context.client, context.redact)), changed=False)
    trial = Trial(context.client, params, context.warn, context.report_progress)
    if context.check_mode:
        context.warn(_NOT_TRIED)
        return _result(context, _read(context, Reading(context.client, context.redact)), changed=True)
    with trial:
        # The download of the trial shows what lists without one could not.
        reading = Reading(context.client, context.redact)
        found = _read(context, reading)
        trial.read_start(reading)
    statuses = _check_statuses(reading, trial.statuses)
    return _result(context, [*found, *trial.findings, statuses], changed=trial.changed)


def _result(context: _api_runner.ApiContext, found: t.Iterable[Finding], *, changed: bool) -> _api_runner.Result:
    findings = results(found)
    profile = report.profile_of(findings)
    uncovered = report.uncovered(findings, context.connection.profile)
    return {
        "changed": changed,
        "findings": findings,
        "differences": [finding["id"] for finding in uncovered],
        "profile": profile,
        "merged_profile": report.merge(context.params["profile"] or {}, uncovered),
        "report": report.render(findings, profile, trial=context.params["trial"] and not context.check_mode),
    }


def _read(context: _api_runner.ApiContext, reading: Reading) -> list[Finding]:
    found = [_check_session(reading)]
    found += [_check_cookies(context), *_check_token(context)]
    found += paging.check(reading)
    found += lists.check(reading)
    found += content.check(reading)
    found += _check_unknown_guid(reading)
    found += lists.check_shapes(reading)
    return [*found, _check_privileges(reading), _check_statuses(reading, [])]


def _check_session(reading: Reading) -> Finding:
    seen = reading.get(names.SESSION)
    if seen is None:
        return Finding("session_check", "no answer")
    is_of_the_api = 200 <= seen.status < 300 and seen.kind in ("empty", "json")
    return Finding(
        "session_check", f"it answers {seen.status} with a body of the kind {seen.kind}", is_of_the_api, seen=seen
    )


def _check_cookies(context: _api_runner.ApiContext) -> Finding:
    flags = context.client.cookie_flags
    cookies = pick(flags, names.COOKIES)
    protection = {flag for of_one in flags.values() for flag in of_one}
    if context.connection.session:
        return Finding("session_cookie", f"{cookies.text('name')}, in the given session", True if flags else None)
    found = f"{cookies.text('name')}, with {', '.join(sorted(protection)) or 'no attribute that protects it'}"
    return Finding("session_cookie", found, True if flags else None)


def _check_token(context: _api_runner.ApiContext) -> list[Finding]:
    has_logged_in = context.connection.token and not context.connection.session
    return [Finding("token_login", "it does", True)] if has_logged_in else []


def _check_unknown_guid(reading: Reading) -> list[Finding]:
    seen = reading.get(names.CONTENT_PATHS["content_download"].format(some_guid()))
    if seen is None:
        return []
    body = seen.body if isinstance(seen.body, dict) else {}
    keys = pick(body, names.ERROR_KEYS)
    has_message = models.decode_message(seen.body) is not None
    found = f"a message, in the keys {keys.text('key')}" if has_message else f"no message ({seen.kind})"
    return [
        Finding("unknown_guid", f"it gets {seen.status}", seen.status in cloud_downloads.FINDS_NOTHING, seen=seen),
        Finding("error_body", found, has_message, seen=seen),
    ]


def _check_privileges(reading: Reading) -> Finding:
    refused = next((seen for seen in reading.answers if seen.status == 403), None)
    found = "at least one call is refused with 403" if refused else "no call was refused with 403"
    return Finding("privileges", found, refused is None, seen=refused)


def _check_statuses(reading: Reading, others: t.Iterable[str]) -> Finding:
    good = sorted({seen.status for seen in reading.answers if 200 <= seen.status < 300})
    return Finding("status_codes", ", ".join([*(f"GET {status}" for status in good), *others]), True if good else None)
