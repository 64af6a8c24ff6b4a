# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content of downloads: when it is ready, which call has it, and which headers come with it."""

from __future__ import annotations

import typing as t

from .. import _profile
from .._api import names
from .._api.decoding import Json
from .._api.models import decode_enum
from .._argspec import is_guid
from .._transfer.http import metadata
from .findings import Finding
from .reading import Content, Reading

_MOST_SAMPLES: t.Final = 3  # downloads of each kind whose content is requested
_FINISHED: t.Final = names.DOWNLOAD_FILTERS["finished_mount"]


def check(reading: Reading) -> list[Finding]:
    """Return the findings about readiness and content."""
    downloads = {
        str(record.get(names.GUID)).lower(): record
        for record in reading.records(names.CLOUD_DOWNLOADS)
        # A GUID becomes a part of a path.
        if decode_enum(record.get(names.MODE)) in names.DOWNLOAD_MODES and is_guid(str(record.get(names.GUID)))
    }
    finished = reading.all_guids(names.CLOUD_DOWNLOADS, (_FINISHED, "true"))
    if not downloads or finished is None:
        return [Finding("readiness", "the server lists no download" if finished is not None else "no complete list")]
    listed, unlisted = _take_samples(downloads, finished)
    if not all(map(reading.is_readable, listed)) or any(map(reading.is_readable, unlisted)):
        # Or they became ready, or were deleted, between the list and their content.
        finished = reading.all_guids(names.CLOUD_DOWNLOADS, (_FINISHED, "true")) or set()
        listed = [guid for guid in listed if guid in finished]
        unlisted = [guid for guid in unlisted if guid not in finished]
    ready = [guid for guid in [*listed, *unlisted] if reading.is_readable(guid)]
    unready = [guid for guid in [*listed, *unlisted] if guid not in ready]
    states = {guid: decode_enum(record.get(names.STATE)) for guid, record in downloads.items()}
    return [
        _check_readiness(reading, states, listed, unlisted),
        *_check_content(reading, ready),
        *_check_unready(reading, unready),
    ]


def _take_samples(
    downloads: t.Mapping[str, dict[str, Json]], finished: t.Collection[str]
) -> tuple[list[str], list[str]]:
    """Return a few downloads that finished-mount=true lists, and a few others."""
    # One of each state first: a list of many finished downloads may have one that is not.
    first_of_state = {decode_enum(record.get(names.STATE)): guid for guid, record in downloads.items()}.values()
    ordered = list(dict.fromkeys([*first_of_state, *downloads]))
    listed = [guid for guid in ordered if guid in finished]
    unlisted = [guid for guid in ordered if guid not in finished]
    return listed[:_MOST_SAMPLES], unlisted[:_MOST_SAMPLES]


def _check_readiness(
    reading: Reading, states: t.Mapping[str, str | None], listed: t.Sequence[str], unlisted: t.Sequence[str]
) -> Finding:
    if any(map(reading.is_readable, unlisted)):
        return Finding("readiness", "downloads with content are not among them", False, _profile.TASK)
    ready = [guid for guid in listed if reading.is_readable(guid)]
    unready = [guid for guid in listed if guid not in ready]
    if ready and unready:
        sign = _ready_state({states[guid] for guid in ready}, {states[guid] for guid in unready})
        return Finding("readiness", "downloads without content are among them", False, sign or _profile.TASK)
    if unready:
        return Finding("readiness", "downloads are among them whose content no call sends")
    if unlisted:
        return Finding("readiness", "only downloads with content are among them", True if listed else None)
    unfinished = reading.all_guids(names.CLOUD_DOWNLOADS, (_FINISHED, "false"))
    if ready and unfinished is not None and unfinished.isdisjoint(ready):
        return Finding("readiness", "all downloads have content, and only true lists them", True)
    return Finding("readiness", "all downloads have content; one that is not ready would be needed")


def _ready_state(ready: set[str | None], unready: set[str | None]) -> str | None:
    """Return the key ``ready`` for the state that only downloads with content have, if its name is a usual one."""
    state = next(iter(ready)) if len(ready) == 1 else None
    return f"{_profile.STATE}{state}" if state in names.READY_STATES and state not in unready else None


def _check_content(reading: Reading, ready: t.Sequence[str]) -> list[Finding]:
    if not ready:
        return [Finding("content_source", "a download that is ready would be needed")]
    answers = {source: reading.content(source, ready[0]) for source in names.CONTENT_PATHS}
    files = {source: answer for source, answer in answers.items() if answer and answer.is_file}
    source, content = next(iter(files.items()))
    holds = source == next(iter(names.CONTENT_PATHS))  # the one that is tried first
    found = "both" if len(files) > 1 else f"{source} only"
    return [
        Finding("content_source", found, holds, None if holds else source, content.seen),
        Finding("content_headers", _describe_headers(content), True, seen=content.seen),
        Finding("content_format", content.format or "an unknown one", content.format is not None, seen=content.seen),
    ]


def _describe_headers(content: Content) -> str:
    headers, status = content.seen.headers, content.seen.status
    is_part = status == 206 and metadata.content_range(headers) is not None
    about = metadata.parse_range_metadata(headers, None) if is_part else metadata.parse_metadata(headers)
    total = metadata.content_range(headers).total if is_part else about.length  # type: ignore[union-attr]
    facts = {
        "ranges": is_part,
        "a length": total is not None,
        "a strong validator": about.validator is not None,
        "a file name": about.name is not None,
        "a digest": about.digest is not None,
    }
    has = ", ".join(name for name, is_there in facts.items() if is_there) or "nothing"
    lacks = ", ".join(name for name, is_there in facts.items() if not is_there)
    return f"{has}; not: {lacks}" if lacks else has


def _check_unready(reading: Reading, unready: t.Sequence[str]) -> list[Finding]:
    if not unready:
        return [Finding("unready_content", "a download that is not ready would be needed")]
    answers = [answer for source in names.CONTENT_PATHS if (answer := reading.content(source, unready[0]))]
    if not answers:
        return []
    statuses = " and ".join(dict.fromkeys(str(answer.seen.status) for answer in answers))
    return [Finding("unready_content", f"no; it is answered with {statuses}", True, seen=answers[0].seen)]
