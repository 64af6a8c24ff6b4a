# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

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
from ..module_utils._progress import line_formatter
from ..module_utils._transfer.inspection import RECEIVING, TransferProgress
from ..plugin_utils import _detached_poll, _file_chunks
from ..plugin_utils._action import ProgressActionModule, failure, guids_in
from ..plugin_utils._results import invalid_result

Result = dict[str, t.Any]

_TRIES: t.Final = 3  # for a chunk that does not arrive


class _Failed(StorwareError):
    """The module has failed with this result."""

    def __init__(self, result: Result) -> None:
        error = dict(result.get("error") or {})
        code, retryable = error.get("code", ""), error.get("retryable", False)
        super().__init__(str(result.get("msg")), code=code, details=error, retryable=retryable)
        self.result = result

    @property
    def text(self) -> str:
        """The message of the module, which has its hint and code already."""
        return self.message


def _read_offset(result: t.Mapping[str, t.Any], size: int) -> int | None:
    """Return how many bytes of the file are on the host; None for the result of the module.

    Raises StorwareError.
    """
    reached = result.get(_copying.KEY)
    if reached is not None and (isinstance(reached, bool) or not isinstance(reached, int) or not 0 <= reached < size):
        raise invalid_result(f"{str(reached)[:40]!r} of {size} bytes have arrived")
    return reached


def _at_interval(interval: float, show: t.Callable[[str], None]) -> t.Callable[[str], None]:
    """Return a function that shows a line at most once in so many seconds, and none for 0."""
    due = time.monotonic() + interval

    def show_if_due(line: str) -> None:
        nonlocal due
        if interval and time.monotonic() >= due:
            show(line)
            due = time.monotonic() + interval

    return show_if_due


class ActionModule(ProgressActionModule):
    """Sends files of the controller in chunks; files of another host, the module fetches itself."""

    _lists = ("guid",)
    _default_interval = _argspec.PROGRESS_INTERVAL
    _returns_files = True

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> Result:
        if given.get("host") or not all(given.get(option) for option in ("guid", "src", "dest")):
            return super()._run_with(given, task_vars)
        show_progress = _at_interval(self._progress_interval(given), self._show(task_vars))
        format_line = line_formatter()

        def bring(turn: BatchItem) -> Result:
            result = self._send_file(
                turn, given, task_vars, lambda progress: show_progress(format_line(turn, progress))
            )
            if result.get("failed"):
                raise _Failed(result)
            return {**result["files"][0], "diff": result.get("diff", {})}

        try:
            if self._task.async_val:
                raise OptionError("host", "must be given with async: without it the controller sends the file")
            return run_batch(guids_in(given), bring)
        except _Failed as error:
            return {**error.result, **error.results}
        except StorwareError as error:
            return {**failure(error), **error.results}

    def _send_file(
        self,
        turn: BatchItem,
        given: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any] | None,
        report_progress: t.Callable[[TransferProgress], None],
    ) -> Result:
        """Return the documented part of the module's result for one file. Raises StorwareError."""
        path, whole = _file_chunks.find_file(str(given["src"]), turn.guid)
        handover = ChunkTransfer.of(whole)
        arguments = {**given, "guid": [turn.guid], "src": path, "dest": dest_for(str(given["dest"]), turn.of)}
        copy_chunk = _file_chunks.chunk_copier(path)
        first: int | None = None  # bytes that were there already
        failed = 0  # deliveries, one after the other

        def deliver(chunk: ChunkTransfer, size: int) -> tuple[Result, int | None]:
            remote = self._send_chunk(chunk, size, copy_chunk, task_vars)
            result = self._run_module(arguments, task_vars, {_copying.ENVIRONMENT: remote})
            return result, _read_offset(result, whole.size)

        result, reached = deliver(handover, 0)
        # When there is something to send, the module has found its options good.
        rate = human_to_bytes(given["max_rate"]) if reached is not None and given.get("max_rate") else None
        size = _file_chunks.chunk_size(rate)
        while reached is not None:
            started, offset, wanted = time.monotonic(), reached, min(reached + size, whole.size)
            first = reached if first is None else first
            report_progress(TransferProgress(whole.name, RECEIVING, reached, whole.size, reached - first))
            result, reached = deliver(dataclasses.replace(handover, offset=reached), size)
            size = _file_chunks.chunk_size(rate, size, time.monotonic() - started)
            if rate and reached is not None:
                time.sleep(max(0.0, started + (wanted - offset) / rate - time.monotonic()))
            # A chunk is there as a whole or not at all. A host that claims otherwise would get chunks forever.
            failed = failed + 1 if reached not in (None, wanted) else 0
            if failed >= _TRIES:
                raise StorwareError(f"no more of {path} arrives on the host", code="transfer_interrupted")
        return self._check(result, arguments)

    def _send_chunk(
        self,
        chunk: ChunkTransfer,
        size: int,
        copy_chunk: t.Callable[[int, int, t.BinaryIO], str],
        task_vars: dict[str, t.Any] | None,
    ) -> str:
        """Send up to size bytes from the offset on to the host, in a file whose path is returned."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote: str = self._connection._shell.join_path(folder, "chunk")
        try:
            with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP) as local:
                local.seek(_copying.HEAD)
                if size:
                    sha256 = copy_chunk(chunk.offset, size, t.cast(t.BinaryIO, local))
                    chunk = dataclasses.replace(chunk, chunk_sha256=sha256)
                local.seek(0)
                local.write(chunk.as_head())
                local.flush()
                _detached_poll.retry_connection(lambda: self._transfer_file(local.name, remote), self._show(task_vars))
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            raise _file_chunks.chunk_error(error, size + _copying.HEAD, folder, self._free(folder)) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):  # of the temporary file, also where it is closed
                raise _local_disk_full(size, error) from error
            raise OptionError("src", f"cannot be read on the controller: {error}") from error
        self._fixup_perms2((folder, remote), execute=False)
        return remote

    def _free(self, folder: str) -> int | None:
        """Return the free bytes of the file system of this directory on the host; None if unknown."""
        found = self._low_level_execute_command(f"df -Pk {shlex.quote(folder)}", sudoable=False)
        numbers = re.search(r"\s(\d{1,15})\s+\d{1,15}\s+(\d{1,15})\s+\d{1,3}%", str(found.get("stdout")), re.A)
        return int(numbers.group(2)) * 1024 if numbers else None


def _local_disk_full(size: int, error: OSError) -> StorwareError:
    return StorwareError(
        f"a chunk of {size} bytes does not fit into {constants.DEFAULT_LOCAL_TMP} on the controller: {error.strerror}",
        code="disk_full",
        hint="Free some space there, or set Ansible's local_tmp to another directory.",
        details={"needed": size, "errno": errno.errorcode[error.errno or 0]},
    )
