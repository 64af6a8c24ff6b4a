# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session for a server of which nothing is known: what requests and http.client do too much or too little."""

from __future__ import annotations

import http.client
import io
import re
import typing as t

from .. import _deadline

try:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    _Session = requests.Session
except ImportError:  # reported by the module before any of these is used
    _Session = HTTPAdapter = object  # type: ignore[misc,assignment]
    HTTPConnectionPool = HTTPSConnectionPool = HTTPConnection = HTTPSConnection = object  # type: ignore[misc,assignment]


_LONGEST_LINE: t.Final = 64 * 1024  # bytes, as http.client has it for header fields
_FIELD: t.Final = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)  # names as the standard library takes them
_CHUNK: t.Final = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)  # RFC 9112 7.1


class Session(_Session):
    """Follows no redirect, and takes nothing from the environment."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no netrc, no CA bundle and no proxy of the environment
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: requests would parse the target, which may be anything, also where it is not followed."""
        return None


class BadChunk(http.client.HTTPException):
    """The body is not framed in chunks as RFC 9112 7.1 requires, so that its content is unknown."""


class _Lines(io.BufferedReader):
    """Reads no line without end: urllib3 would, where a chunk or a trailer begins.

    is_head: header fields are read, each as the standard library understands it.
    """

    is_head = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(_LONGEST_LINE + 1 if size is None or size < 0 else size)
        if len(line) > _LONGEST_LINE:
            raise http.client.LineTooLong("line of a chunk")
        return _field(line) if self.is_head and line else line


def _field(line: bytes) -> bytes:
    """A line of a head without what would hide those behind it.

    The standard library takes CR alone for the end of a line (RFC 9112 2.2: a space), and a line without a colon, or
    with a space before it, for the end of the head.
    """
    text = line.rstrip(b"\r\n").replace(b"\r", b" ")
    if text and not text.startswith((b" ", b"\t")):
        field = _FIELD.fullmatch(text.rstrip())
        text = b":".join(field.groups()) if field else b"X-Unreadable:"
    return text + b"\r\n"


class _Response(http.client.HTTPResponse):
    """A response with bounded lines, repaired field lines, and chunks that are framed by RFC 9112 7.1."""

    fp: t.Any

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = _Lines(self.fp.detach())

    def _read_status(self) -> tuple[str, int, str]:
        _deadline.check()  # there is no end to the answers with 100, after each of which the standard library reads on
        self.fp.is_head = False
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        self.fp.is_head = True
        return found

    def begin(self) -> None:
        super().begin()
        self.fp.is_head = False

    def _get_chunk_left(self) -> int | None:
        # The standard library skips two bytes behind a chunk, whatever they are.
        if self.chunk_left == 0:
            if self.fp.readline(2) not in (b"\r\n", b"\n"):
                raise BadChunk
            self.chunk_left = None
        left: int | None = super()._get_chunk_left()  # type: ignore[misc]
        return left

    def _read_next_chunk_size(self) -> int:
        # The standard library takes all that int() does: negative ones, too.
        size = _CHUNK.fullmatch(self.fp.readline())
        if not size:
            raise BadChunk
        return int(size.group(1), 16)


def _watched(base: t.Any) -> t.Any:
    """Return a class of connections that a time limit can end before proxies and TLS have answered."""

    class Connection(base):  # type: ignore[misc]
        response_class = _Response
        _opening: t.Any = None

        def _new_conn(self) -> t.Any:
            opened = _deadline.abandonable(super()._new_conn)
            # A duplicate, because a TLS handshake takes the descriptor away from the object.
            self._opening = opened.dup()
            _deadline.watch(self._opening)
            return opened

        def connect(self) -> None:
            try:
                super().connect()
            finally:
                if self._opening is not None:
                    _deadline.forget(self._opening)
                    self._opening.close()
                    self._opening = None
            _deadline.watch(self.sock)

        def putrequest(self, *args: t.Any, **kwargs: t.Any) -> None:
            _deadline.watch(self.sock)
            super().putrequest(*args, **kwargs)

    return Connection


def _forgetting(base: t.Any, connection: t.Any) -> t.Any:
    """Return a class of pools whose idle connections no time limit ends: another thread may take them next."""

    class Pool(base):  # type: ignore[misc]
        ConnectionCls = _watched(connection)

        def _put_conn(self, conn: t.Any) -> None:
            _deadline.forget(getattr(conn, "sock", None))
            super()._put_conn(conn)

    return Pool


_POOLS: t.Final = {
    "http": _forgetting(HTTPConnectionPool, HTTPConnection),
    "https": _forgetting(HTTPSConnectionPool, HTTPSConnection),
}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
