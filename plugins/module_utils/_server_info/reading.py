# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that read, each of which may fail in its own way; all of them together have a time limit."""

from __future__ import annotations

import contextlib
import time
import typing as t
import uuid

from .._api import names, pagination
from .._api.client import Client
from .._api.decoding import Json
from .._api.errors import ApiError
from .._api.pagination import Within
from .._api.transport import Observation
from .._errors import CODES, StorwareError
from .._transfer.formats import HEAD, name_of
from .._transfer.http import body, metadata
from .._transfer.limits import LimitSettings, TransferLimits
from .findings import records_of

_DOING: t.Final = "check the server"


class Content(t.NamedTuple):
    """The answer of an address that may send content. is_file: whether its first bytes are those of a file."""

    seen: Observation
    is_file: bool = False
    format: str | None = None


class Reading:
    """Reads from the server. size: records of a page, as many as the server takes. answers: all that were read."""

    def __init__(self, client: Client, redact: t.Callable[[str], str]) -> None:
        self.size = client.profile.page_size
        self.answers: list[Observation] = []
        self._client = client
        self._redact = redact
        self._deadline = time.monotonic() + client.patience
        self._contents: dict[tuple[str, str], Content | None] = {}

    def get(self, path: str, *query: tuple[str, str]) -> Observation | None:
        """Return an answer, whatever its status; None if there was none that can be read."""
        seen: Observation | None
        try:
            seen = self._client.observe(path, list(query), _DOING, self._deadline)
        except ApiError as error:
            seen = _refusal(error, path)
        self.answers += [seen] if seen else []
        return seen

    def page(self, path: str, number: int, size: int, *query: tuple[str, str]) -> Observation | None:
        """Return a page of a list."""
        return self.get(path, *query, (names.PAGE, str(number)), (names.SIZE, str(size)))

    def records(self, path: str, *query: tuple[str, str]) -> list[dict[str, Json]]:
        """Return the records of the first page of a list."""
        seen = self.page(path, 0, self.size, *query)
        return records_of(seen.body) if seen else []

    def all_guids(self, path: str, *query: tuple[str, str]) -> set[str] | None:
        """Return the GUIDs of all records of a list; None if it cannot be read to its end."""
        reader = Within(self._client, lambda: self._deadline)
        try:
            return {
                str(record[names.GUID]).lower()
                for record in pagination.list_all(reader, path, list(query), _DOING, self.size)
            }
        except StorwareError as error:
            raise_if_final(error)
            return None

    def content(self, source: str, guid: str) -> Content | None:
        """Return the answer of an address for the first bytes of a download; None if there was none."""
        key = (source, guid)
        if key not in self._contents:
            path = names.CONTENT_PATHS[source].format(guid)
            part = self._content(path, {"Range": f"bytes=0-{HEAD - 1}"})
            # Some servers, and what is before them, refuse a Range.
            whole = self._content(path, {}) if part and not part.is_file and part.seen.status >= 400 else None
            self._contents[key] = whole if whole and whole.is_file else part
        return self._contents[key]

    def read_start(self, source: str, guid: str, size: int) -> int:
        """Read the first bytes of a download, and return how many there were."""
        path = names.CONTENT_PATHS[source].format(guid)
        headers = {**body.REQUEST_HEADERS, "Range": f"bytes=0-{size - 1}"}
        try:
            with contextlib.closing(self._client.open(path, headers, _DOING, self._deadline)) as response:
                return len(self._reader(response).read(size))
        except StorwareError as error:
            raise_if_final(error)
            return 0

    def is_readable(self, guid: str) -> bool:
        """Return whether any address sends the content of a download."""
        return any(found and found.is_file for found in (self.content(source, guid) for source in names.CONTENT_PATHS))

    def _content(self, path: str, headers: t.Mapping[str, str]) -> Content | None:
        try:
            response = self._client.open(path, {**body.REQUEST_HEADERS, **headers}, _DOING, self._deadline)
        except ApiError as error:
            refused = _refusal(error, path)
            return Content(refused) if refused else None
        with contextlib.closing(response):
            seen = Observation("GET", path, response.status_code, response.headers, "other")
            try:
                if response.status_code == 206:
                    reader = self._reader(response)
                    body.check_content(response, reader, self._redact)
                else:
                    reader, _metadata = body.parse_response(response, self._limits(), self._redact)
            except StorwareError as error:
                raise_if_final(error)
                return Content(seen)
            return Content(seen, bool(reader.head), name_of(reader.head[:HEAD]))

    def _reader(self, response: body.Response) -> body.BodyReader:
        return body.BodyReader(response, metadata.body_length(response.headers), self._limits())

    def _limits(self) -> TransferLimits:
        return TransferLimits(LimitSettings(max_time=max(0.001, self._deadline - time.monotonic())))


def is_list(seen: Observation | None) -> bool:
    """Return whether an answer is a list, which may be empty."""
    return seen is not None and 200 <= seen.status < 300 and (isinstance(seen.body, list) or seen.kind == "empty")


def guids_of(seen: Observation | None) -> list[str]:
    """Return the GUIDs of the records in an answer, in its order; whatever else is in their place as a text."""
    return [str(record.get(names.GUID)) for record in records_of(seen.body)] if seen else []


def total_of(seen: Observation | None) -> int | None:
    """Return the server's count of all records."""
    return seen.total if seen else None


def some_guid() -> str:
    """Return a GUID that no record has."""
    return str(uuid.uuid4())


def _refusal(error: ApiError, path: str) -> Observation | None:
    """Return the answer that a failure is about, None if there was none. Raises the error if no call can succeed."""
    if error.details["path"] != path:
        raise error  # the login
    raise_if_final(error)
    return Observation("GET", path, error.status, {}, "other") if error.status else None


def raise_if_final(error: StorwareError) -> None:
    """Raise an error that ends all calls, and not this one alone."""
    is_of_one_call = isinstance(error, ApiError) and error.status not in (None, 401)
    if (CODES[error.code].ends_all and not is_of_one_call) or error.code == "interrupted":
        raise error
