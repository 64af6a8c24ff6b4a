# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that another host has fetched, read over SSH as if an HTTP server sent it: with ranges and a strong validator.

Its receipt says what it is; the other host needs no more than a shell, ``head`` and ``tail``.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import errno
import os
import re
import select
import shlex
import socket
import subprocess
import tempfile
import time
import typing as t
from dataclasses import dataclass

from ..._errors import OptionError, StorwareError
from ..http import content_disposition
from ..http.body import Opener
from ..store import receipt
from ..store.receipt import Receipt

_READ_TIMEOUT: t.Final = 60.0  # seconds without a byte after which a connection counts as lost
_NO_CONNECTION: t.Final = 255  # how ssh ends then; any other status is that of the command on the other host
_STOP_GRACE: t.Final = 5.0  # seconds for ssh to say why it has ended
_POLL_INTERVAL: t.Final = 0.05  # seconds between two checks whether it has
_READ: t.Final = 64 * 1024  # bytes
_STDERR_LIMIT: t.Final = 4096  # bytes of its error output that are kept
# More than a directory of mail has; each receipt has some 300 bytes.
MOST_RECEIPTS: t.Final = 100_000
MOST_PRINTED: t.Final = 32 * 1024 * 1024  # bytes
_DIRECTORY: t.Final = b"directory\0"
_END: t.Final = b"\0"  # of a receipt, which has none in it
# Scripts for the standard input of a shell: paths in a command line are read by all who list processes.
# The receipt beside a file, or all in a directory.
_RECEIPTS: t.Final = r"""
if [ -d {path} ]; then printf 'directory\000'
  for file in {path}/*.sha256; do head -c 16384 < "$file"; printf '\000'; done
else head -c 16384 < {receipt}; fi
"""
_REST: t.Final = "exec tail -c +{first} < {path}\n"
_RANGE: t.Final = re.compile(r"bytes=([0-9]+)-([0-9]*)")
# Never a question; a connection that is dead is noticed.
_OPTIONS: t.Final = ("BatchMode=yes", "ConnectTimeout=30", "ServerAliveInterval=15", "ServerAliveCountMax=3")


@dataclass(frozen=True)
class SshHost:
    """How to reach another host. None: as ssh is configured on this one."""

    name: str
    port: int | None = None
    user: str | None = None
    key_file: str | None = None
    socket: str | None = None  # of a connection for all commands; each has one of its own without

    def check(self) -> None:
        """Raise OptionError for what ssh would take for something else."""
        for option, value in (("host", self.name), ("user", self.user)):
            if value is not None and not re.fullmatch(r"[\w.:%][\w.:%@-]*", value):
                raise OptionError(option, f"is no name or address that ssh could use: {value!r}")

    def command(self) -> list[str]:
        """The command line that runs a script, which is its input, on the other host."""
        options = [argument for option in _OPTIONS for argument in ("-o", option)]
        options += ["-p", str(self.port)] if self.port is not None else []
        options += ["-l", self.user] if self.user is not None else []
        options += ["-i", self.key_file] if self.key_file is not None else []
        if self.socket is not None:
            options += ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.socket}", "-o", "ControlPersist=60"]
        return ["ssh", *options, "--", self.name, "sh"]

    @contextlib.contextmanager
    def share_connection(self) -> t.Iterator[SshHost]:
        """The same with one connection for all commands: a new one takes longer than many a file, and a busy host
        refuses some. It is opened by the first command.
        """
        # Not below Ansible's own temporary directory: the path of a socket may have some 100 bytes.
        with tempfile.TemporaryDirectory(prefix="storware-") as place:
            shared = dataclasses.replace(self, socket=os.path.join(place, "ssh"))
            try:
                yield shared
            finally:
                if os.path.exists(os.path.join(place, "ssh")):
                    with contextlib.suppress(OSError):  # it ends by itself, too
                        _run(["ssh", "-O", "exit", *shared.command()[1:-1]], "")


class RemoteFiles:
    """What lies at path on another host: a file with its receipt, or a directory of such."""

    def __init__(self, host: SshHost, path: str) -> None:
        """Raises StorwareError when nothing can be found out, or a file has no good receipt."""
        self._host, self._path = host, path
        place, name = os.path.split(path)
        beside = os.path.join(place, receipt.receipt_name(name))
        script = _RECEIPTS.format(path=shlex.quote(path), receipt=shlex.quote(beside))
        said, why = _receipts_of(host, script)
        self._is_directory = said.startswith(_DIRECTORY)
        self._place = path if self._is_directory else place
        known = [known for known in map(receipt.parse, said.split(_END)) if known]
        self._receipts = [one for one in known if self._is_directory or one.name == name]
        if not self._is_directory and not self._receipts:
            what = f"cannot be read: {why}" if why else f"is no receipt of {name}"
            raise _no_receipt(f"{beside} on {host.name} {what}")

    def find(self, guid: str) -> tuple[str, Receipt]:
        """Path and receipt of the file of this download; a file that was named may be of any. Raises StorwareError."""
        for known in self._receipts:
            if known.guid == guid or not self._is_directory:
                return os.path.join(self._place, known.name), known
        raise _no_receipt(f"{self._path} on {self._host.name} has no file of {guid} with a receipt")


def _no_receipt(message: str) -> StorwareError:
    hint = "The file must have been fetched there, and its user must be able to read it and its receipt."
    return StorwareError(message, code="no_receipt", hint=hint)


def _receipts_of(host: SshHost, script: str) -> tuple[bytes, str]:
    """The receipts that the script prints on the other host, and its last complaint. Raises StorwareError."""
    try:
        status, printed, last_error = _run(host.command(), script)
    except OSError as error:
        raise _lost(host, str(error)) from error
    if len(printed) > MOST_PRINTED or printed.count(_END) > MOST_RECEIPTS:
        raise StorwareError(
            f"{host.name} answers with more than {MOST_RECEIPTS} receipts or {MOST_PRINTED} bytes",
            code="invalid_response",
            hint="Check that host. If its directory has that many receipts, set src to a file.",
        )
    if status == _NO_CONNECTION:
        raise _lost(host, last_error)
    return printed, last_error


def _run(command: t.Sequence[str], script: str) -> tuple[int | None, bytes, str]:
    """Exit status, output and last complaint; a little more than ``MOST_PRINTED`` bytes of an output that is longer.

    Raises OSError.
    """
    pieces: list[bytes] = []
    size = 0
    until = time.monotonic() + _READ_TIMEOUT
    with contextlib.closing(_Command(command, script)) as running:
        while size <= MOST_PRINTED and (piece := running.read(_READ, until)):
            pieces.append(piece)
            size += len(piece)
        status = running.status() if size <= MOST_PRINTED else None  # who prints for ever does not end
        return status, b"".join(pieces), running.last_error


class _Command:
    """A running command. All of its output can be read; of its complaints only the end is kept."""

    def __init__(self, command: t.Sequence[str], script: str) -> None:
        """script: its input. Raises OSError."""
        # A file and not a pipe, to which nothing could be written any more when ssh ends at once
        with tempfile.TemporaryFile() as given:
            given.write(os.fsencode(script))
            given.seek(0)
            # Not AnsibleModule.run_command, which holds all of the output in memory; nor does this layer know Ansible.
            self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=_environment(),
            )
        self._output = t.cast("t.IO[bytes]", self._process.stdout).fileno()
        self._errors: int | None = t.cast("t.IO[bytes]", self._process.stderr).fileno()
        self._stderr = b""

    @property
    def last_error(self) -> str:
        """The last line of the complaints that came until now."""
        lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def read(self, size: int, until: float) -> bytes:
        """Read up to size bytes of the output; none at its end.

        until: the instant of the monotonic clock when that takes too long. Raises OSError.
        """
        while (left := until - time.monotonic()) > 0:
            is_over = self._process.poll() is not None
            if self._is_ready(0 if is_over else min(left, _POLL_INTERVAL), self._output):
                return os.read(self._output, size)
            if is_over:
                return b""  # a connection that stays open for others may hold the pipes
        raise socket.timeout(f"nothing more came within {_READ_TIMEOUT:.0f} seconds")

    def status(self) -> int | None:
        """The exit status of a command whose output has ended; None if the command does not end soon."""
        until = time.monotonic() + _STOP_GRACE
        while self._process.poll() is None and time.monotonic() < until:
            self._is_ready(_POLL_INTERVAL)
        self._is_ready(0)  # its last words
        return self._process.returncode

    def _is_ready(self, seconds: float, *wanted: int) -> bool:
        """Wait for something to read, at most so long; the error output is read meanwhile. Returns whether there is."""
        errors = [self._errors] if self._errors is not None else []
        ready = select.select([*wanted, *errors], [], [], seconds)[0]
        if self._errors in ready:
            stderr = os.read(ready[-1], _READ)
            self._stderr = (self._stderr + stderr)[-_STDERR_LIMIT:]
            self._errors = self._errors if stderr else None
        return ready[:1] == list(wanted)

    def close(self) -> None:
        """End the command."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            t.cast("t.IO[bytes]", pipe).close()


def opener(host: SshHost, path: str, known: Receipt) -> Opener:
    """Reads the file with this path and receipt. A range is sent only of the file that was asked for before."""

    def open_file(fields: t.Mapping[str, str], deadline: float | None) -> SshResponse:
        asked = _RANGE.fullmatch(fields.get("Range", ""))
        tag = f'"{known.sha256}"'
        if not asked or fields.get("If-Range", tag) != tag:
            return SshResponse(host, path, known, 0, known.size, deadline)
        end = min(int(asked.group(2)) + 1 if asked.group(2) else known.size, known.size)
        return SshResponse(host, path, known, int(asked.group(1)), end, deadline, is_range=True)

    return open_file


class SshResponse:
    """As an HTTP response: bytes start to end (excluded) of the file."""

    def __init__(
        self,
        host: SshHost,
        path: str,
        known: Receipt,
        start: int,
        end: int,
        deadline: float | None,
        *,
        is_range: bool = False,
    ) -> None:
        self.status_code = 206 if is_range else 200
        digest = base64.b64encode(bytes.fromhex(known.sha256)).decode("ascii")
        self.headers: t.Mapping[str, str] = {
            "Content-Length": str(end - start),
            "Content-Disposition": content_disposition.format_field(known.name),
            "ETag": f'"{known.sha256}"',
            "Repr-Digest": f"sha-256=:{digest}:",
            **({"Content-Range": f"bytes {start}-{end - 1}/{known.size}"} if is_range else {}),
        }
        self.raw = self
        self._left = end - start
        self._deadline = float("inf") if deadline is None else deadline
        try:
            self._command = _Command(host.command(), _REST.format(first=start + 1, path=shlex.quote(path)))
        except OSError as error:
            raise _lost(host, str(error)) from error

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """Up to amt bytes; none at the end. Raises OSError when the connection is lost."""
        size = min(amt, self._left)
        until = min(time.monotonic() + _READ_TIMEOUT, self._deadline)
        data = self._command.read(size, until) if size else b""
        self._left -= len(data)
        if size and not data:
            self._command.status()
            raise OSError(errno.EPIPE, self._command.last_error or "the file is shorter than its receipt says")
        return data

    def close(self) -> None:
        """End the command."""
        self._command.close()


def _environment() -> dict[str, str]:
    """Without what a controller has for the server: ssh could hand it on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STORWARE_")}


def _lost(host: SshHost, why: str) -> StorwareError:
    return StorwareError(
        f"{host.name} cannot be asked over SSH: {why or 'no reason given'}",
        code="unreachable",
        hint="The user of this task must be able to log in there with ssh, without a question.",
        retryable=True,
    )
