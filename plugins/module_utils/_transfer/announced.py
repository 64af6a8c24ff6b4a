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
    """files: how many are to come. needed: bytes that they still need. free: in the directory, all but the reserve."""

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
    deadline = first.limits.deadline
    with inspection.locate(first) as inspected, download.workplace(first, inspected) as place:
        there = {job.guid: _size_there(inspected.directory, job) for job in jobs}
        lacking = [job for job in jobs if _is_lacking(job, *there[job.guid])]
        space = place.space()
        if len(lacking) < 2 or space is None:
            return None
        free = max(0, space[0] - space[1])
        old = [there[job.guid][0] or 0 for job in lacking]
        if _peak([expected.get(job.guid, 0) for job in lacking], old) <= free:
            return None
        kept = [lock.kept_bytes(place, download.private_prefix(job)) for job in lacking]
        lengths = [_announced_length(job, deadline) or 0 for job in lacking]
        needed = _peak([max(0, length - part) for length, part in zip(lengths, kept)], old)
        return Shortage(len(lacking), needed, free, place.path) if needed > free else None


def _peak(sizes: t.Iterable[int], old: t.Iterable[int]) -> int:
    """The most that files need on their way, in their order. old: what each of them replaces, and so gives back."""
    used = most = 0
    for size, given_back in zip(sizes, old):
        most = max(most, used + size)
        used += size - given_back
    return most


def _size_there(directory: Directory, job: Job) -> tuple[int | None, int | None]:
    """The size of the file that is there, and the one in its receipt; what it holds is compared by the transfer."""
    found = receipt.find(directory, job.guid, job.known.receipts)
    there = directory.stat(found.name) if found else None
    return (there.st_size, found.size) if found and there else (None, None)


def _is_lacking(job: Job, size: int | None, received: int | None) -> bool:
    if size is None or job.overwrite == inspection.ALWAYS:
        return True
    return job.overwrite == inspection.DIFFERENT and size != received


def _announced_length(job: Job, deadline: float | None) -> int | None:
    """Ask for the first byte only; a server that sends all of them instead is left at once."""
    for _label, opener in job.openers:
        with contextlib.suppress(UnexpectedContent):
            response = RangeRequest(0, _NOTHING, 1).ask(opener, deadline)
            with contextlib.closing(response):
                if response.status_code == 200:
                    return fields.body_length(response.headers)
                found = fields.content_range(response.headers)
                return found.total if found else None
    return None
