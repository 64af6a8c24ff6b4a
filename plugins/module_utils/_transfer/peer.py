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

from .._errors import OptionError, StorwareError
from . import headers, receipt
from .receipt import Receipt
from .source import Opener

_SILENCE: t.Final = 60.0  # seconds without a byte after which a connection counts as lost
_NO_CONNECTION: t.Final = 255  # how ssh ends then; any other status is that of the command on the other host
_LAST_WORDS: t.Final = 5.0  # seconds for ssh to say why it has ended
_DIRECTORY: t.Final = b"directory\0"
_END: t.Final = b"\0"  # of a receipt, which has none in it
# The receipt beside a file, or all in a directory.
_RECEIPTS: t.Final = (
    r"""if [ -d "$1" ]; then printf 'directory\000'; """
    r"""for file in "$1"/*.sha256; do head -c 16384 -- "$file"; printf '\000'; done; """
    r"""else head -c 16384 -- "$2"; fi"""
)
_RANGE: t.Final = re.compile(r"bytes=([0-9]+)-([0-9]*)")
# Never a question; a connection that is dead is noticed.
_OPTIONS: t.Final = ("BatchMode=yes", "ConnectTimeout=30", "ServerAliveInterval=15", "ServerAliveCountMax=3")


@dataclass(frozen=True)
class Peer:
    """How to reach another host. None: as ssh is configured on this one."""

    host: str
    port: int | None = None
    user: str | None = None
    key_file: str | None = None
    socket: str | None = None  # of a connection for all commands; each has one of its own without

    def check(self) -> None:
        """Raise OptionError for what ssh would take for something else."""
        for option, value in (("host", self.host), ("user", self.user)):
            if value is not None and not re.fullmatch(r"[\w.:%][\w.:%@-]*", value):
                raise OptionError(option, f"is no name or address that ssh could use: {value!r}")

    def command(self, *remote: str) -> list[str]:
        """The command line that runs this one on the other host."""
        options = [argument for option in _OPTIONS for argument in ("-o", option)]
        options += ["-p", str(self.port)] if self.port is not None else []
        options += ["-l", self.user] if self.user is not None else []
        options += ["-i", self.key_file] if self.key_file is not None else []
        if self.socket is not None:
            options += ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.socket}", "-o", "ControlPersist=60"]
        return ["ssh", *options, "--", self.host, *([shlex.join(remote)] if remote else [])]

    @contextlib.contextmanager
    def connected(self) -> t.Iterator[Peer]:
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
                    with contextlib.suppress(OSError, subprocess.TimeoutExpired):  # it ends by itself, too
                        _run(["ssh", "-O", "exit", *shared.command()[1:]])


class Found:
    """What lies at path on another host: a file with its receipt, or a directory of such."""

    def __init__(self, peer: Peer, path: str) -> None:
        """Raises StorwareError when nothing can be found out, or a file has no good receipt."""
        self._peer, self._path = peer, path
        place, name = os.path.split(path)
        beside = os.path.join(place, receipt.receipt_name(name))
        said, errors = _said(peer, "sh", "-c", _RECEIPTS, "sh", path, beside)
        self._is_directory = said.startswith(_DIRECTORY)
        self._place = path if self._is_directory else place
        known = [known for known in map(receipt.parse, said.split(_END)) if known]
        self._receipts = [one for one in known if self._is_directory or one.name == name]
        if not self._is_directory and not self._receipts:
            why = _last_line(errors)
            what = f"cannot be read: {why}" if why else f"is no receipt of {name}"
            raise _no_receipt(f"{beside} on {peer.host} {what}")

    def of(self, guid: str) -> tuple[str, Receipt]:
        """Path and receipt of the file of this download; a file that was named may be of any. Raises StorwareError."""
        for known in self._receipts:
            if known.guid == guid or not self._is_directory:
                return os.path.join(self._place, known.name), known
        raise _no_receipt(f"{self._path} on {self._peer.host} has no file of {guid} with a receipt")


def _no_receipt(message: str) -> StorwareError:
    hint = "The file must have been fetched there, and its user must be able to read it and its receipt."
    return StorwareError(message, code="no_receipt", hint=hint)


def _said(peer: Peer, *remote: str) -> tuple[bytes, bytes]:
    """What the command prints on the other host, and what it complains about."""
    try:
        status, said, errors = _run(peer.command(*remote))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _lost(peer, str(error)) from error
    if status == _NO_CONNECTION:
        raise _lost(peer, _last_line(errors))
    return said, errors


def _run(command: t.Sequence[str]) -> tuple[int, bytes, bytes]:
    """Exit status and what is printed. Raises OSError and subprocess.TimeoutExpired."""
    # Files and not pipes, which a connection that stays open may hold, so that they would have no end.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=errors,
            timeout=_SILENCE,
            env=_environment(),
            check=False,
        )
        said.seek(0)
        errors.seek(0)
        return done.returncode, said.read(), errors.read()


def opener(peer: Peer, path: str, known: Receipt) -> Opener:
    """Reads the file with this path and receipt. A range is sent only of the file that was asked for before."""

    def open_file(fields: t.Mapping[str, str], deadline: float | None) -> _Answer:
        asked = _RANGE.fullmatch(fields.get("Range", ""))
        tag = f'"{known.sha256}"'
        if not asked or fields.get("If-Range", tag) != tag:
            return _Answer(peer, path, known, 0, known.size, deadline)
        end = min(int(asked.group(2)) + 1 if asked.group(2) else known.size, known.size)
        return _Answer(peer, path, known, int(asked.group(1)), end, deadline, is_range=True)

    return open_file


class _Answer:
    """As an HTTP response: bytes start to end (excluded) of the file."""

    def __init__(
        self,
        peer: Peer,
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
            "Content-Disposition": headers.disposition(known.name),
            "ETag": f'"{known.sha256}"',
            "Repr-Digest": f"sha-256=:{digest}:",
            **({"Content-Range": f"bytes {start}-{end - 1}/{known.size}"} if is_range else {}),
        }
        self.raw = self
        self._peer = peer
        self._left = end - start
        self._deadline = deadline
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
        command = peer.command("tail", "-c", f"+{start + 1}", "--", path)
        try:
            # Not AnsibleModule.run_command, which holds all of the output in memory; nor does this layer know Ansible.
            self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors, env=_environment()
            )
        except OSError as error:
            self._errors.close()
            raise _lost(peer, str(error)) from error
        self._output = t.cast("t.IO[bytes]", self._process.stdout).fileno()

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """Up to amt bytes; none at the end. Raises OSError when the connection is lost."""
        size = min(amt, self._left)
        if not size:
            return b""
        silence = _SILENCE if self._deadline is None else min(_SILENCE, self._deadline - time.monotonic())
        if not select.select([self._output], [], [], max(0.0, silence))[0]:
            raise socket.timeout
        data = os.read(self._output, size)
        self._left -= len(data)
        if not data:
            raise OSError(errno.EPIPE, self._why())
        return data

    def close(self) -> None:
        """End the command."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _why(self) -> str:
        try:
            self._process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            return "the file is shorter than its receipt says"
        self._errors.seek(0)
        return _last_line(self._errors.read()) or "the file is shorter than its receipt says"


def _environment() -> dict[str, str]:
    """Without what a controller has for the server: ssh could hand it on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STORWARE_")}


def _lost(peer: Peer, why: str) -> StorwareError:
    return StorwareError(
        f"{peer.host} cannot be asked over SSH: {why or 'no reason given'}",
        code="unreachable",
        hint="The user of this task must be able to log in there with ssh, without a question.",
        retryable=True,
    )


def _last_line(errors: bytes) -> str:
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
