# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether several files fit together, by the lengths that the server announces, before the first of them is fetched."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import Interrupted, StorwareError
from . import download, inspection
from .http import metadata as fields
from .http.body import UnexpectedContent
from .http.metadata import ContentMetadata
from .http.resume import RangeRequest
from .inspection import Job
from .store import lock, receipt
from .store.directory import Directory

_NOTHING: t.Final = ContentMetadata(None, None, None, None)


class Shortage(t.NamedTuple):
    """files: how many are missing. needed: bytes that they still need. free: in the directory, all but the reserve."""

    files: int
    needed: int
    free: int
    directory: str


def find_shortage(jobs: t.Sequence[Job], expected: t.Mapping[str, int]) -> Shortage | None:
    """Return what is lacking for files of one directory; None where they fit, or where that is not known.

    expected: bytes of each file by an estimate, by GUID. The server is asked only where these do not fit, because each
    length costs a request.
    """
    try:
        return _find_shortage(jobs, expected)
    except Interrupted:
        raise
    except (OSError, StorwareError):
        return None  # the transfer meets the same, and has the words for it


def _find_shortage(jobs: t.Sequence[Job], expected: t.Mapping[str, int]) -> Shortage | None:
    first = jobs[0]
    with inspection.locate(first) as inspected, download.workplace(first, inspected) as place:
        lacking = [job for job in jobs if job.overwrite == inspection.ALWAYS or not _has(inspected.directory, job)]
        space = place.space()
        if len(lacking) < 2 or space is None:
            return None
        free = max(0, space[0] - space[1])
        if sum(expected.get(job.guid, 0) for job in lacking) <= free:
            return None
        needed = 0
        for job in lacking:
            kept = lock.kept_bytes(place, download.private_prefix(job))
            needed += max(0, (_announced_length(job) or 0) - kept)
        return Shortage(len(lacking), needed, free, place.path) if needed > free else None


def _has(directory: Directory, job: Job) -> bool:
    """Whether the directory has the file, by its receipt and size: what it holds is compared by the transfer."""
    found = receipt.find(directory, job.guid)
    there = directory.stat(found.name) if found else None
    return found is not None and there is not None and there.st_size == found.size


def _announced_length(job: Job) -> int | None:
    """Ask for the first byte only; a server that sends all of them instead is left at once."""
    for _label, opener in job.openers:
        with contextlib.suppress(UnexpectedContent):
            response = RangeRequest(0, _NOTHING, 1).ask(opener, job.limits.deadline)
            with contextlib.closing(response):
                if response.status_code == 200:
                    return fields.body_length(response.headers)
                found = fields.content_range(response.headers)
                return found.total if found else None
    return None
