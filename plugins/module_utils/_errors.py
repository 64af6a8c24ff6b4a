# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors a user may see. They lie below every other layer and all end in the one fail path of ``_runner``."""

from __future__ import annotations

import typing as t


class ErrorCode(t.NamedTuple):
    """One error code.

    meaning: one sentence for the documentation, without markup. modules: that can return it. ends_all: whether every
    other download of the same task would end with it as well, some of them only after a long wait.
    """

    meaning: str
    modules: tuple[str, ...]
    ends_all: bool = False


_COPY: t.Final = ("cloud_download_copy",)
_FETCH: t.Final = ("cloud_download_content",)
_FILES: t.Final = (*_FETCH, *_COPY)
_API: t.Final = ("cloud_download", *_FETCH, "cloud_download_info", "protected_entity_info", "server_info", "session")
_STORED: t.Final = ("cloud_download_content_info", "cloud_download_retention")
_HOSTS: t.Final = (*_API, *_COPY, *_STORED)
_ROLE: t.Final = ("fail_with_code",)
_DISK: t.Final = (*_FILES, *_STORED, "fetch_report")

# The only list of codes: RETURN blocks (make error-codes), docs/troubleshooting.md and the choices of fail_with_code
# follow from it.
CODES: t.Final[t.Mapping[str, ErrorCode]] = {
    # Options and hosts
    "invalid_option": ErrorCode(
        "An option has a value that cannot work.", (*_HOSTS, *_ROLE, "fetch_plan", "fetch_report", "normalize_options")
    ),
    "no_hosts": ErrorCode("A playbook has no host to run on.", _ROLE),
    "internal": ErrorCode("The module has a defect.", _HOSTS),
    "invalid_result": ErrorCode("The managed host returned a result that cannot be the module's.", (*_HOSTS, *_ROLE)),
    # The way to the server
    "unreachable": ErrorCode("No connection could be opened.", (*_API, *_COPY, *_ROLE), ends_all=True),
    "connect_timeout": ErrorCode("No connection could be opened in time.", _API, ends_all=True),
    "tls": ErrorCode("The certificate of the server is not trusted.", _API, ends_all=True),
    "proxy": ErrorCode("The proxy refused the request, or cannot be used.", _API, ends_all=True),
    "redirect": ErrorCode("The server redirects to another address, which is never followed.", _API, ends_all=True),
    "invalid_response": ErrorCode("The response is not one of the API.", (*_API, *_COPY)),
    # The account
    "authentication_failed": ErrorCode("The server refused the credentials.", _API, ends_all=True),
    "no_session_cookie": ErrorCode("The login succeeded without a session.", _API, ends_all=True),
    "unauthorized": ErrorCode(
        "The session has ended, and there are no credentials to open a new one.", _API, ends_all=True
    ),
    "forbidden": ErrorCode("The account lacks a privilege.", _API),
    "rate_limited": ErrorCode("The server has received too many requests.", _API),
    # The answer of the server
    "bad_request": ErrorCode("The server refused the parameters or the body of a request.", _API),
    "not_found": ErrorCode("The object does not exist on the server.", (*_API, *_ROLE)),
    "conflict": ErrorCode("The server refused a request because of another operation.", _API),
    "server_error": ErrorCode("The server failed, also after retries.", _API),
    "http_status": ErrorCode("The server refused a request with another HTTP status.", _API),
    "response_lost": ErrorCode("A request was sent, and no complete response arrived.", _API),
    "timeout": ErrorCode("The time limit of a request, a list or a transfer expired.", (*_API, *_COPY), ends_all=True),
    "incomplete_list": ErrorCode("The server returned fewer records than it counts.", _API),
    "server_differs": ErrorCode("The server differs from the defaults, and from the given server profile.", _ROLE),
    # Preparing and removing
    "prepare_failed": ErrorCode("Some downloads could not be prepared.", ("cloud_download", *_ROLE)),
    "request_not_understood": ErrorCode(
        "The server did not act on a create request, whose fields are not documented.", ("cloud_download", *_ROLE)
    ),
    "wait_timeout": ErrorCode("Some downloads made no progress within wait_timeout.", ("cloud_download",)),
    "filter_ignored": ErrorCode(
        "The server ignores the filter that would select the records.",
        ("cloud_download", "cloud_download_info", "protected_entity_info"),
    ),
    "ambiguous_create": ErrorCode(
        "The response to a create request was lost, and several new downloads may be its result.", ("cloud_download",)
    ),
    "not_proved": ErrorCode("A file is not proved on every host, so that no download is removed.", _ROLE),
    "delete_failed": ErrorCode("Some downloads are still listed after they were deleted.", ("cloud_download",)),
    # Fetching and copying
    "unexpected_content": ErrorCode("The response is not a file.", _FILES),
    "transfer_interrupted": ErrorCode("The connection was interrupted more often than retries allows.", _FILES),
    "below_min_rate": ErrorCode("The transfer rate was below min_rate for a minute.", _FILES),
    "deleted_on_server": ErrorCode("The download was deleted on the server during the transfer.", _FETCH),
    "corrupt": ErrorCode("The content is damaged.", _FILES),
    "not_intact": ErrorCode("Files on a host differ from their receipts.", _ROLE),
    "digest_mismatch": ErrorCode("The content differs from the digest that the server sent.", _FETCH),
    "checksum_mismatch": ErrorCode("The content differs from the expected checksum.", _FILES),
    "unverified": ErrorCode("Nothing proves that the content is complete.", _FETCH),
    "cannot_verify": ErrorCode("The archive uses a compression that cannot be verified.", _FETCH),
    "locked": ErrorCode("Another task is fetching the same download to the same path.", _FILES),
    "concurrent_change": ErrorCode("Another process changed the file or directory.", _DISK),
    "name_conflict": ErrorCode("Another file has the name of the file, and the name with the GUID.", _FILES),
    "disk_full": ErrorCode(
        "The disk has too little free space.", (*_FILES, "cloud_download_retention", "fetch_report")
    ),
    "too_large": ErrorCode("The content is larger than max_size or than its announced size.", _FETCH),
    "file_system": ErrorCode("The operating system refused a file operation.", _DISK),
    "no_receipt": ErrorCode("The file on the other host has no receipt.", _COPY),
    "partial_failure": ErrorCode("Some of several downloads failed, for different reasons.", _FILES),
    "interrupted": ErrorCode("A signal ended the task.", _HOSTS),
}


class StorwareError(Exception):
    """Something went wrong in a way that a user can understand.

    message: what was attempted and what happened, one or two sentences.
    cause: what happened, in words that are true of every object that it happens to; the message if it has no more.
    advice: the next step after the cause; None where it is the hint, which has no facts about one object.
    code: a key of CODES that playbooks may branch on; it never changes its meaning.
    hint: the next step for the user, or an empty string.
    details: more facts about the failure (JSON types only), such as the HTTP status.
    results: what was done before it failed, in the shape of the module's return values.
    retryable: whether the same attempt may succeed later.
    """

    code: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        details: t.Mapping[str, t.Any] | None = None,
        results: t.Mapping[str, t.Any] | None = None,
        retryable: bool = False,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause or message
        self.advice: str | None = None
        self.code = code or self.code
        self.hint = hint
        self.details: dict[str, t.Any] = dict(details or {})
        self.results: dict[str, t.Any] = dict(results or {})
        self.retryable = retryable

    @property
    def text(self) -> str:
        """The message for the user: the failure, the next step and the code, which docs/troubleshooting.md explains."""
        text = f"{self.message.rstrip('.')}. {self.hint}".rstrip() if self.hint else self.message
        return f"{text} [{self.code}]"

    def to_result(self) -> dict[str, t.Any]:
        """Return the value of ``error`` for playbooks."""
        return {"code": self.code, "hint": self.hint, "retryable": self.retryable, **self.details}


class Interrupted(StorwareError):
    """A signal ends the process. A handler of this error cleans up and raises it again."""

    code = "interrupted"


class OptionError(StorwareError):
    """An option has a value that cannot work. Raised before anything is sent or written."""

    code = "invalid_option"

    def __init__(self, option: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{option}: {message}", hint=hint, details={"option": option})
        self.option = option
