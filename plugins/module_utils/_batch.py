# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several downloads in one task: each is tried, whatever becomes of the others, and the result has each of them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import functools
import os
import time
import typing as t

from . import _causes, _deadline
from ._argspec import check_guids
from ._errors import CODES, Interrupted, OptionError, StorwareError
from ._steps import Amount, Step
from ._transfer.structure import CheckTime, no_limit

Result = dict[str, t.Any]
Outcome = t.Union[Result, Step[Result]]
_Attempt = t.Union[Outcome, StorwareError]


class Sums(t.NamedTuple):
    """Of the downloads before one. complete, failed: how many. size: bytes of the files; received: in this run."""

    complete: int = 0
    failed: int = 0
    size: int = 0
    received: int = 0


class BatchItem(t.NamedTuple):
    """One download. number: counted from 1. of: how many there are. since: when the first began, monotonic.

    sums: those of the downloads before it, which change as long as the last of them is being finished. check_stop:
    raises Interrupted when the task is to end.
    """

    guid: str
    number: int
    of: int
    since: float
    sums: t.Callable[[], Sums] = Sums
    check_stop: CheckTime = no_limit


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


def run_batch(guids: t.Sequence[str], bring: t.Callable[[BatchItem], Outcome]) -> Result:
    """The result of a task for these downloads, ``bring`` called for one after the other.

    bring: returns the result of one, with ``changed`` and ``diff``, or a step that is left: that is taken beside the
    next download. The task's ``files`` has the result of each; of a single one it is the task's result, too.
    Raises what bring and the steps raise when there is only one; otherwise a StorwareError with the results when some
    have failed.
    """
    return _Batch(guids, bring).run()


class _Batch:
    """The downloads of a task. While one is brought, the one before it may be finished in another thread."""

    def __init__(self, guids: t.Sequence[str], bring: t.Callable[[BatchItem], Outcome]) -> None:
        self._guids = guids
        self._bring = bring
        self._found: list[Result] = []
        self._failures: list[StorwareError] = []
        self._end: StorwareError | None = None  # the failure that every later download would have as well
        self._stop: Interrupted | None = None
        self._beside = concurrent.futures.ThreadPoolExecutor(1)
        # Those whose result is not noted yet, in order.
        self._open: list[tuple[str, _Attempt | concurrent.futures.Future[_Attempt]]] = []
        self._amount = Amount(0, 0)  # of the one that is being finished

    def run(self) -> Result:
        """Raises as ``run_batch``."""
        with self._beside:
            try:
                self._run()
            except Interrupted as error:
                self._stop = error
                while self._open:  # what came is kept
                    left = self._open[1:]
                    with contextlib.suppress(Interrupted):
                        self._conclude(leave=len(left))
                    self._open = left
                error.results = _together(self._found)
                raise
        found = self._found
        if self._failures:
            raise _failure(self._failures, found)
        return _together(found) if len(self._guids) > 1 else {**found[0], **_together(found)}

    def _run(self) -> None:
        since = time.monotonic()
        for number, guid in enumerate(self._guids, 1):
            sums = functools.partial(self._sums_before, number)
            bring = functools.partial(
                self._bring, BatchItem(guid, number, len(self._guids), since, sums, self._check_stop)
            )
            outcome = _attempt(bring)
            if self._open and isinstance(outcome, StorwareError) and outcome.code == "disk_full":
                self._conclude()  # until then, what the file before replaces takes its room
                outcome = _attempt(bring)
            self._open.append((guid, outcome))
            self._conclude(leave=1)
            if isinstance(outcome, Step) and number < len(self._guids):
                self._finish_beside(guid, outcome)
            else:
                self._conclude()
            if self._end:
                break
        self._conclude()
        if self._end:
            self._found += [_not_tried(guid, self._end) for guid in self._guids[len(self._found) :]]

    # An exception would leave it open whether the other thread has begun.
    @_deadline.indivisible
    def _finish_beside(self, guid: str, step: Step[Result]) -> None:
        self._amount = step.amount
        self._open = [(guid, self._beside.submit(_attempt, step.take))]

    def _check_stop(self) -> None:
        if self._stop:
            raise Interrupted(self._stop.message, hint=self._stop.hint, retryable=True)

    def _conclude(self, leave: int = 0) -> None:
        """Note the results of the first ones, but for so many. What is left to be done for them is done."""
        while len(self._open) > leave:
            guid, outcome = self._open[0]
            if isinstance(outcome, concurrent.futures.Future):
                outcome = outcome.result()
            del self._open[0]
            while isinstance(outcome, Step):
                outcome = _attempt(outcome.take)
            if isinstance(outcome, StorwareError):
                self._failures.append(outcome)
                if CODES[outcome.code].ends_all:
                    self._end = self._end or outcome
                outcome = _failed(guid, outcome.text, outcome, outcome.to_result())
            self._found.append(outcome)

    def _sums_before(self, number: int) -> Sums:
        """Return the sums of the downloads before one, whatever has become of later ones meanwhile."""
        found = self._found[: number - 1]
        amount = self._amount if len(found) < number - 1 else Amount(0, 0)  # the one before is being finished
        failed = sum(1 for one in found if one.get("failed"))
        size = amount.size + sum(one.get("size") or 0 for one in found)
        received = amount.received + sum(one.get("bytes_received") or 0 for one in found)
        return Sums(len(found) - failed, failed, size, received)


def _attempt(take: t.Callable[[], Outcome]) -> _Attempt:
    """The outcome of a step, or the error that it ended with, unless the task is to end."""
    try:
        return take()
    except Interrupted:
        raise
    except StorwareError as error:
        return error


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
