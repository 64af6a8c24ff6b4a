# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents over HTTP: the headers of a file, whole or in ranges (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import asyncio
import re
import typing as t
import urllib.parse

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tests.simulator.content import Content, content_of
from tests.simulator.problems import Problem
from tests.simulator.state import Download
from tests.simulator.switches import Switches

_RANGE = re.compile(r"bytes=\s*([0-9]*)-([0-9]*)\s*", re.IGNORECASE)


def file_answer(request: Request, download: Download, switches: Switches) -> Response:
    """The content of a download, or the range of it that was asked for."""
    content = content_of(download.guid, download.mode, download.size)
    headers = {"content-type": content.media_type} if switches.text("content_type") == "zip" else {}
    headers.setdefault("content-type", "application/octet-stream")
    disposition = _disposition(download.file_name(), switches.text("content_disposition"))
    if disposition:
        headers["content-disposition"] = disposition
    span = None
    if switches.text("ranges") == "refused" and "range" in request.headers:
        raise Problem(403, "requests with a Range are blocked")
    if switches.text("ranges") == "full":
        headers.update({"etag": _etag(download), "accept-ranges": "bytes"})
        span = _asked_range(request, download)
    if span is None:
        return _stream(content, 0, content.size, 200, headers, switches)
    start, stop = span
    if start >= stop:
        return Response(status_code=416, headers={"content-range": f"bytes */{content.size}"})
    headers["content-range"] = f"bytes {start}-{stop - 1}/{content.size}"
    return _stream(content, start, stop, 206, headers, switches)


def not_ready_answer(download: Download, switches: Switches) -> Response:
    """The answer for a content that is still being prepared."""
    how = switches.text("not_ready")
    if how == "204":
        return Response(status_code=204)
    if how == "empty":
        return Response(status_code=200, media_type="application/octet-stream")
    raise Problem(int(how), f"download {download.guid} is not ready")


def _stream(
    content: Content, start: int, stop: int, status: int, headers: dict[str, str], switches: Switches
) -> StreamingResponse:
    if switches.flag("content_length"):
        headers["content-length"] = str(stop - start)
    return StreamingResponse(_async_chunks(content, start, stop), status_code=status, headers=headers)


async def _async_chunks(content: Content, start: int, stop: int) -> t.AsyncIterator[bytes]:
    # Handing Starlette a plain generator would cost a thread switch for every chunk
    for chunk in content.chunks(start, stop):
        yield chunk
        # Sending does not wait for a client that has gone: without this nothing else would ever get its turn
        await asyncio.sleep(0)


def _etag(download: Download) -> str:
    return f'"{download.guid}-{download.size:x}"'


def _asked_range(request: Request, download: Download) -> tuple[int, int] | None:
    """Start and stop (not included) of the range asked for; None for the whole; an empty span if it lies outside."""
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != _etag(download):
        return None
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or match.group(1) == match.group(2) == "":
        return None  # several ranges or malformed: a server may ignore the header
    size = download.size
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


def _disposition(name: str, style: str) -> str:
    return {
        "quoted": f'attachment; filename="{name}"',
        "plain": f"attachment; filename={name}",
        "underscores": f'attachment; filename="_{name}_"',
        "extended": f"attachment; filename*=UTF-8''{urllib.parse.quote(name, safe='')}",
        "none": "",
    }[style]
