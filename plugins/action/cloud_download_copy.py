# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See the module of the same name."""

from __future__ import annotations

import dataclasses
import errno
import re
import shlex
import tempfile
import time
import typing as t

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.formatters import human_to_bytes

from ..module_utils import _argspec, _copying
from ..module_utils._batch import BatchItem, dest_for, run_batch
from ..module_utils._copying import ChunkTransfer
from ..module_utils._errors import OptionError, StorwareError
from ..module_utils._progress import Meter
from ..plugin_utils import _detached_poll, _file_chunks
from ..plugin_utils._action import VisitingActionModule, failure, guids_in
from ..plugin_utils._results import InvalidResultError

Result = dict[str, t.Any]

_TRIES: t.Final = 3  # for a piece that does not arrive


class _Failed(StorwareError):
    """The module has failed with this result."""

    def __init__(self, result: Result) -> None:
        error = dict(result.get("error") or {})
        code, retryable = error.get("code", ""), error.get("retryable", False)
        super().__init__(str(result.get("msg")), code=code, details=error, retryable=retryable)
        self.result = result

    @property
    def text(self) -> str:
        """What the module has said is whole."""
        return self.message


def _reached(result: t.Mapping[str, t.Any], size: int) -> int | None:
    """How many bytes of the file are on the host; None for the result of the module. Raises InvalidResultError."""
    reached = result.get(_copying.KEY)
    if reached is not None and (isinstance(reached, bool) or not isinstance(reached, int) or not 0 <= reached < size):
        raise InvalidResultError(f"{str(reached)[:40]!r} of {size} bytes have come")
    return reached


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

    _lists = ("guid",)
    _default_interval = _argspec.PROGRESS_INTERVAL
    _brings_files = True

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> Result:
        if given.get("host") or not all(given.get(option) for option in ("guid", "src", "dest")):
            return super()._run_with(given, task_vars)
        rhythm = _Rhythm(self._progress_interval(given), self._show(task_vars))

        def bring(turn: BatchItem) -> Result:
            result = self._hand_over(turn, given, task_vars, rhythm)
            if result.get("failed"):
                raise _Failed(result)
            return {**result["files"][0], "diff": result.get("diff", {})}

        try:
            if self._task.async_val:
                raise OptionError("host", "must be given with async: without it the controller hands the file over")
            return run_batch(guids_in(given), bring)
        except _Failed as error:
            return {**error.result, **error.results}
        except StorwareError as error:
            return {**failure(error), **error.results}

    def _hand_over(
        self, turn: BatchItem, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None, rhythm: _Rhythm
    ) -> Result:
        """The module's result for one file, as far as it can be believed. Raises StorwareError."""
        path, whole = _file_chunks.found(str(given["src"]), turn.guid)
        handover = ChunkTransfer(whole.name, whole.guid, whole.size, whole.sha256, whole.verified)
        arguments = {**given, "guid": [turn.guid], "src": path, "dest": dest_for(str(given["dest"]), turn.of)}
        pieces = _file_chunks.Pieces(path)
        meter = Meter()
        failed = 0  # deliveries, one after the other

        def deliver(piece: ChunkTransfer, size: int) -> tuple[Result, int | None]:
            remote = self._delivered(piece, size, pieces, task_vars)
            result = self._run_visited(arguments, task_vars, {_copying.ENVIRONMENT: remote})
            return result, _reached(result, whole.size)

        result, reached = deliver(handover, 0)
        # When there is something to send, the module has found its options good.
        rate = human_to_bytes(given["max_rate"]) if reached is not None and given.get("max_rate") else None
        size = _file_chunks.piece_size(rate)
        while reached is not None:
            started, offset, wanted = time.monotonic(), reached, min(reached + size, whole.size)
            rhythm.tell(turn.mark + meter.line(whole.name, reached, whole.size))
            result, reached = deliver(dataclasses.replace(handover, offset=reached), size)
            size = _file_chunks.piece_size(rate, size, time.monotonic() - started)
            if rate and reached is not None:
                time.sleep(max(0.0, started + (wanted - offset) / rate - time.monotonic()))
            # A piece is there as a whole or not at all. A host that says else would get pieces for ever.
            failed = failed + 1 if reached not in (None, wanted) else 0
            if failed >= _TRIES:
                raise StorwareError(f"{path} does not become more on the host", code="transfer_interrupted")
        return self._checked(result, arguments)

    def _delivered(
        self, piece: ChunkTransfer, size: int, pieces: _file_chunks.Pieces, task_vars: dict[str, t.Any] | None
    ) -> str:
        """Bring up to size bytes from the offset on to the host, in a file whose path is returned."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote: str = self._connection._shell.join_path(folder, "piece")
        try:
            with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP) as local:
                local.seek(_copying.HEAD)
                if size:
                    sha256 = pieces.cut(piece.offset, size, t.cast(t.BinaryIO, local))
                    piece = dataclasses.replace(piece, chunk_sha256=sha256)
                local.seek(0)
                local.write(piece.as_head())
                local.flush()
                _detached_poll.retry_connection(lambda: self._transfer_file(local.name, remote), self._show(task_vars))
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            raise _file_chunks.not_delivered(error, size + _copying.HEAD, folder, self._free(folder)) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):  # of the temporary file, also where it is closed
                raise _local_disk_full(size, error) from error
            raise OptionError("src", f"cannot be read on the controller: {error}") from error
        self._fixup_perms2((folder, remote), execute=False)
        return remote

    def _free(self, folder: str) -> int | None:
        """Bytes that are free on the host where this directory is; None when it does not say."""
        found = self._low_level_execute_command(f"df -Pk {shlex.quote(folder)}", sudoable=False)
        numbers = re.search(r"\s(\d{1,15})\s+\d{1,15}\s+(\d{1,15})\s+\d{1,3}%", str(found.get("stdout")), re.A)
        return int(numbers.group(2)) * 1024 if numbers else None


def _local_disk_full(size: int, error: OSError) -> StorwareError:
    return StorwareError(
        f"a piece of {size} bytes does not fit into {constants.DEFAULT_LOCAL_TMP} on the controller: {error.strerror}",
        code="disk_full",
        hint="Free some space there, or set Ansible's local_tmp to another directory.",
        details={"needed": size, "errno": errno.errorcode[error.errno or 0]},
    )
