# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several downloads in one task: each is tried, whatever becomes of the others, and the result has each of them."""

from __future__ import annotations

import datetime
import os
import time
import typing as t

from . import _causes
from ._argspec import check_guids
from ._errors import CODES, Interrupted, OptionError, StorwareError

Result = dict[str, t.Any]


class BatchItem(t.NamedTuple):
    """Of one download. number: counted from 1. of: how many there are. since: when the first began, monotonic.

    Of those before it, failed: how many; size: bytes of the files; received: bytes that came in this run.
    """

    guid: str
    number: int
    of: int
    since: float
    failed: int = 0
    size: int = 0
    received: int = 0


def guids_of(given: t.Sequence[t.Any]) -> list[str]:
    """The option guid: GUIDs in their normal form, each once. Raises OptionError."""
    guids = [str(text).strip() for text in given]
    check_guids("guid", guids)
    if not guids:
        raise OptionError("guid", "must name a download")
    return list(dict.fromkeys(guid.lower() for guid in guids))


def dest_for(dest: str, files: int) -> str:
    """Several would replace each other in a file; behind a slash, only a directory is right."""
    return os.path.join(dest, "") if dest and files > 1 else dest


def run_batch(guids: t.Sequence[str], bring: t.Callable[[BatchItem], Result]) -> Result:
    """The result of a task for these downloads, ``bring`` called for one after the other.

    bring: returns the result of one, with ``changed`` and ``diff``. The task's ``files`` has that of each; of a
    single one it is the task's result, too. Raises what bring raises when there is only one; otherwise a StorwareError
    with the results when some have failed.
    """
    since = time.monotonic()
    found: list[Result] = []
    failures: list[StorwareError] = []
    for number, guid in enumerate(guids, 1):
        try:
            sums = (len(failures), _sum(found, "size"), _sum(found, "bytes_received"))
            found.append(bring(BatchItem(guid, number, len(guids), since, *sums)))
        except Interrupted as error:
            error.results = _together(found)
            raise
        except StorwareError as error:
            failures.append(error)
            found.append(_failed(guid, error.text, error, error.to_result()))
            if CODES[error.code].ends_all:
                found += [_not_tried(left, error) for left in guids[number:]]
                break
    if failures:
        raise _failure(failures, found)
    return _together(found) if len(guids) > 1 else {**found[0], **_together(found)}


def _sum(found: t.Sequence[Result], key: str) -> int:
    return sum(one.get(key) or 0 for one in found)


def _failed(guid: str, text: str, error: StorwareError, about: Result) -> Result:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "changed": False,
        "guid": guid,
        "failed": True,
        "msg": text,
        # The words of a server may name the download; the same cause is the same text for all of them.
        "error": {**about, "cause": error.cause.replace(guid, "GUID"), "advice": _advice(error), "since": now},
    }


def _not_tried(guid: str, error: StorwareError) -> Result:
    """The result of a download that would fail like the one before: nothing that is true of that one only."""
    about = {"code": error.code, "hint": _advice(error), "retryable": error.retryable}
    return _failed(guid, f"Not tried: {error.cause} [{error.code}]", error, about)


def _advice(error: StorwareError) -> str:
    return error.hint if error.advice is None else error.advice


def _together(found: t.Sequence[Result]) -> Result:
    files = [{key: value for key, value in one.items() if key != "diff"} for one in found]
    diffs = [one["diff"] for one in found if "diff" in one]
    return {
        "changed": any(one["changed"] for one in found),
        "diff": diffs[0] if len(diffs) == 1 else diffs,
        "files": files,
    }


def _option_of(failures: t.Iterable[StorwareError]) -> Result:
    """The option that all of them name, as far as they do."""
    options = {error.details.get("option") for error in failures}
    return {"option": options.pop()} if len(options) == 1 and None not in options else {}


def _failure(failures: t.Sequence[StorwareError], found: t.Sequence[Result]) -> StorwareError:
    first, results = failures[0], _together(found)
    bad = [one for one in found if one.get("failed")]
    same = len(bad) == len(found) and all(error.message == error.cause == first.cause for error in failures)
    if len(found) == 1 or same:
        # It is not about one download or another.
        first.results = results
        return first
    causes = _causes.group((one["guid"], f"{one['error']['cause']} [{one['error']['code']}]") for one in bad)
    return StorwareError(
        f"{len(found) - len(bad)} of {len(found)} files are complete. {len(bad)} {'is' if len(bad) == 1 else 'are'} "
        f"missing: {_causes.join(causes, 'files')}",
        code="partial_failure" if len(causes) > 1 or len(bad) < len(found) else first.code,
        hint=_advice(first)
        if len(causes) == 1 and _advice(first)
        else "Run the task again: it does only what is missing.",
        details={"guids": [one["guid"] for one in bad], **_option_of(failures)},
        results=results,
        retryable=any(error.retryable for error in failures),
    )
