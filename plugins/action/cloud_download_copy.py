# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See the module of the same name."""

from __future__ import annotations

import dataclasses
import tempfile
import time
import typing as t

from ansible import constants
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible.module_utils.common.validation import check_type_list

from ..module_utils import _copying, _options
from ..module_utils._copying import Handover
from ..module_utils._each import Turn, dest_for, guids_of, in_turn
from ..module_utils._errors import OptionError, StorwareError
from ..module_utils._progress import Meter
from ..plugin_utils import _handing, _visits
from ..plugin_utils._action import VisitingActionModule, failure

Result = dict[str, t.Any]

_TRIES: t.Final = 3  # for a piece that does not arrive


class _Failed(StorwareError):
    """The module has failed with this result."""

    def __init__(self, result: Result) -> None:
        error = dict(result.get("error") or {})
        code, retryable = error.get("code", ""), error.get("retryable", False)
        super().__init__(str(result.get("msg")), code=code, details=error, retryable=retryable)
        self.result = result


class _Rhythm:
    """Shows a line when it is time for one. interval: seconds; 0 for none."""

    def __init__(self, interval: float, show: t.Callable[[str], None]) -> None:
        self._interval, self._show = interval, show
        self._due = time.monotonic() + interval

    def tell(self, line: str) -> None:
        """Here is one."""
        if self._interval and time.monotonic() >= self._due:
            self._show(line)
            self._due = time.monotonic() + self._interval


class ActionModule(VisitingActionModule):
    """Hands files of the controller over in pieces; what comes from another host, the module gets itself."""

    _default_interval = _options.PROGRESS_INTERVAL

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> Result:
        if given.get("host") or not all(given.get(option) for option in ("guid", "src", "dest")):
            return self._run_visited(given, task_vars)
        rhythm = _Rhythm(self._progress_interval(given), self._show(task_vars))

        def bring(turn: Turn) -> Result:
            result = self._hand_over(turn, given, task_vars, rhythm)
            if result.get("failed"):
                raise _Failed(result)
            return {**result["files"][0], "diff": result.get("diff", {})}

        try:
            if self._task.async_val:
                raise OptionError("host", "must be given with async: without it the controller hands the file over")
            return in_turn(guids_of(check_type_list(given["guid"])), bring)
        except _Failed as error:
            return {**error.result, **error.results}
        except StorwareError as error:
            return {**failure(error), **error.results}

    def _hand_over(
        self, turn: Turn, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None, rhythm: _Rhythm
    ) -> Result:
        """The module's result for one file."""
        path, whole = _handing.found(str(given["src"]), turn.guid)
        handover = Handover(whole.name, whole.guid, whole.size, whole.sha256, whole.verified)
        arguments = {**given, "guid": [turn.guid], "src": path, "dest": dest_for(str(given["dest"]), turn.of)}
        pieces = _handing.Pieces(path)
        meter = Meter()
        tries = 0

        def run(piece: Handover) -> Result:
            return self._run_visited(arguments, task_vars, {_copying.ENVIRONMENT: piece.as_text()})

        result = run(handover)
        # When there is something to send, the module has found its options good.
        rate = human_to_bytes(given["max_rate"]) if _copying.KEY in result and given.get("max_rate") else None
        size = _handing.piece_size(rate)
        while _copying.KEY in result:
            reached, started = result[_copying.KEY], time.monotonic()
            rhythm.tell(turn.mark + meter.line(whole.name, reached, whole.size))
            result = run(self._delivered(dataclasses.replace(handover, offset=reached), size, pieces, task_vars))
            if rate and _copying.KEY in result:
                time.sleep(max(0.0, started + size / rate - time.monotonic()))
            tries = tries + 1 if result.get(_copying.KEY) == reached else 0
            if tries >= _TRIES:
                raise StorwareError(f"{path} does not become more on the host", code="transfer_interrupted")
        return result

    def _delivered(
        self, piece: Handover, size: int, pieces: _handing.Pieces, task_vars: dict[str, t.Any] | None
    ) -> Handover:
        """The piece that begins at the offset, on the host."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote = self._connection._shell.join_path(folder, "piece")
        with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP) as local:
            try:
                sha256 = pieces.cut(piece.offset, size, t.cast(t.BinaryIO, local))
            except OSError as error:
                raise OptionError("src", f"cannot be read on the controller: {error}") from error
            _visits.persistently(lambda: self._transfer_file(local.name, remote), self._show(task_vars))
        self._fixup_perms2((folder, remote), execute=False)
        return dataclasses.replace(piece, path=remote, piece_sha256=sha256)
