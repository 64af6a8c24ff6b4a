# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receive all bytes of one download, however often the server or the network breaks off."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import Interrupted, StorwareError
from . import formats, verification
from .http import metadata as fields
from .http.body import (
    REQUEST_HEADERS,
    BodyReader,
    Opener,
    Response,
    UnexpectedContent,
    check_coding,
    check_content,
    check_framing,
    parse_response,
)
from .http.metadata import ContentMetadata
from .http.ranges import BLOCK, BUFFER, Ranges
from .http.resume import RangeMismatch, RangeRequest, check_beginning, check_overlap, parse_range_response
from .inspection import Job
from .limits import RetryBudget, TransferInterrupted, TransferLimits
from .store import filenames
from .store.part_file import check_space
from .store.writer import PartialWriter

MAX_RESTARTS: t.Final = 2  # in one run

_PROBE: t.Final = 512  # bytes; enough to judge by
_GONE: t.Final = (404, 410)


class Transfer:
    """Requests the content of a job until the writer has all of it.

    name: that the file will have, None while only the server knows it. on_wait: is called before each request, and
    before the pause between two. received: bytes that came, again or not.
    """

    def __init__(
        self,
        job: Job,
        name: str | None,
        writer: PartialWriter,
        limits: TransferLimits,
        on_wait: t.Callable[[], None] = lambda: None,
    ) -> None:
        self.received = 0
        self._on_wait = on_wait
        self._job = job
        self._name = name
        self._writer = writer
        self._limits = limits
        self._tries = RetryBudget(limits)
        # Allocated once for all tries, as those of the writer.
        self._buffers = [
            memoryview(bytearray(BUFFER)) for _number in range(job.connections if job.connections > 1 else 0)
        ]
        self._restarts = 0
        self._is_anew = False  # what is there does not count: the next request is for the whole

    def receive(self) -> None:
        """Fetch the missing bytes; the writer may have yet to finish the last ones.

        Raises StorwareError; the bytes that came until then are written.
        """
        while self._is_anew or not self._writer.is_complete:
            reached = self._writer.reached
            try:
                self._ask()
                if self._writer.metadata.length is None:
                    return  # the answer came to its end in order, which is all there is to know
                progress = self._writer.reached > reached
                if not self._writer.is_complete and not progress:
                    raise TransferInterrupted("the server sends no more bytes", retryable=True)
            except RangeMismatch as error:
                self.start_over(error)
            except StorwareError as error:
                if error.code == "disk_full" and self._writer.metadata.length is None and self.received:
                    self._writer.discard()  # it may have no end, and what is kept would keep the disk full
                if not self._may_help_again(error):
                    raise
                self._wait(error, progress=self._is_progress(error, self._writer.reached - reached))

    def start_over(self, error: StorwareError) -> None:
        """Let the next request be for the whole. Raises the error when that was done often enough."""
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise error
        self._is_anew = True

    def _may_help_again(self, error: StorwareError) -> bool:
        if isinstance(error, Interrupted):
            return False
        # The first request was repeated by its sender, as far as that helps. Once the server has shown a file, an
        # answer that is none is a fault that may pass.
        return isinstance(error, TransferInterrupted) or (
            bool(self._writer.source) and (error.retryable or isinstance(error, UnexpectedContent))
        )

    def _is_progress(self, error: StorwareError, gained: int) -> bool:
        """Whether enough bytes came: a server that drips sends some each time, and would be tried for ever."""
        settings = self._limits.settings
        return gained > (settings.min_rate * settings.rate_window if error.code == "below_min_rate" else 0)

    def _wait(self, error: StorwareError, *, progress: bool) -> None:
        self._on_wait()
        try:
            self._tries.spend(error, progress=progress)
        except UnexpectedContent as final:
            if not self._is_anew:
                # What lies between may refuse every Range: only a request without one shows what is the matter.
                self.start_over(final)
                return
            if final.status not in _GONE:
                raise
            self._writer.discard()
            raise StorwareError(
                f"the server has the download no more ({final.message})",
                code="deleted_on_server",
                hint="Prepare it again with storware.backup.cloud_download, and fetch the new one.",
            ) from final

    def _ask(self) -> None:
        """Send one request and receive its response."""
        writer = self._writer
        self._on_wait()
        if writer.offset and not self._is_anew:
            if not writer.can_be_continued:
                raise RangeMismatch(
                    "the transfer broke off, and nothing would prove that the rest belongs to what is there",
                    hint="A checksum would prove it; with allow_unverified it is taken for granted.",
                )
            self._continue(self._opener(writer.source))
        else:
            self._begin()

    def _opener(self, label: str) -> Opener:
        openers = dict(self._job.openers)
        # A record may be of a run that asked another address; both are of this download.
        return openers.get(label) or self._job.openers[0][1]

    # --- the whole ---

    def _begin(self) -> None:
        """Receive the first response that is a file. Raises UnexpectedContent with a reason for each."""
        answers: dict[str, UnexpectedContent] = {}
        for label, opener in self._job.openers:
            try:
                self._begin_from(label, opener)
            except UnexpectedContent as error:
                answers[label] = error
            else:
                return
        raise UnexpectedContent(
            "; ".join(f"{label} {error.message}" for label, error in answers.items()),
            hint="See whether storware.backup.cloud_download_info lists the download with finished_mount=true.",
            details={"answers": {label: error.message for label, error in answers.items()}},
            status=next(iter(answers.values())).status,
        )

    def _begin_from(self, label: str, opener: Opener) -> None:
        # A server whose parts did not fit is asked without a Range.
        if self._job.connections > 1 and not self._restarts and (metadata := self._try_probe(opener)):
            self._accept(label, metadata)
            self._fetch_ranges(opener)
            return
        with self._response(opener) as response:
            job = self._job
            # A known digest, such as that of a receipt, says that the file is empty.
            may_be_empty = job.allow_unverified or job.checksum is not None
            source, metadata = parse_response(response, self._limits, job.redact, may_be_empty=may_be_empty)
            self._check_format(source.head, metadata)
            self._check_provable(source.head, metadata)
            self._accept(label, metadata)
            self._receive_from(source)

    def _try_probe(self, opener: Opener) -> ContentMetadata | None:
        """Return the metadata of a file that the server sends in parts; None if it does not, or nothing is gained.

        A request that it refuses is sent again without a Range, and its error is raised then.
        """
        with contextlib.suppress(UnexpectedContent):
            return self._probe(opener)
        return None

    def _probe(self, opener: Opener) -> ContentMetadata | None:
        """Request the first bytes. Raises UnexpectedContent."""
        nothing = ContentMetadata(None, None, None, None)
        probe = RangeRequest(0, nothing, _PROBE)
        with self._response_to(opener, probe) as response:
            found = fields.content_range(response.headers)
            if response.status_code != 206 or not found or found.start != 0 or found.total is None:
                return None
            metadata = fields.parse_range_metadata(response.headers, found.total)
            if found.total <= BLOCK or not (metadata.validator or "").startswith('"'):
                return None
            check_coding(response, self._job.redact)
            check_framing(response, self._job.redact)
            source = BodyReader(response, found.end + 1, self._limits)
            check_content(response, source, self._job.redact)
            self._check_format(source.head, metadata)
        return metadata

    def _check_format(self, head: bytes, metadata: ContentMetadata) -> None:
        """A file whose name promises a known format must start like one, but for one that is empty and says so."""
        name = self._name or filenames.safe_name(metadata.name, "")
        promised = filenames.extension_of(name)
        if head and formats.contradicts(promised, head):
            start = head[:8]
            raise UnexpectedContent(
                f"sent something that is no {promised.upper()} file as {name} (it starts with {start!r})"
            )

    def _check_provable(self, head: bytes, metadata: ContentMetadata) -> None:
        """Raise StorwareError (``unverified``) for content that nothing could prove in the end."""
        job = self._job
        is_provable = job.checksum or metadata.digest or metadata.length is not None or formats.detect(head)
        if not is_provable and not job.allow_unverified:
            raise verification.unverified()

    def _accept(self, label: str, metadata: ContentMetadata) -> None:
        self._writer.check_size(metadata.length)
        if metadata.length is not None:
            check_space(self._writer.lock.partial.directory, metadata.length - self._writer.lock.partial.size)
        self._writer.begin(label, metadata)
        self._is_anew = False

    # --- the rest ---

    def _continue(self, opener: Opener) -> None:
        writer = self._writer
        writer.check_size(writer.metadata.length)
        if writer.metadata.length is not None:
            check_space(writer.lock.partial.directory, writer.metadata.length - writer.lock.partial.size)
        rest = RangeRequest(writer.offset, writer.metadata)
        if self._job.connections > 1 and writer.metadata.length is not None and _has_tag(writer.metadata):
            # The bytes that are there must still be the server's; the rest is asked for in blocks.
            rest = RangeRequest(writer.offset, writer.metadata, writer.offset)
        with self._response_to(opener, rest) as response:
            answer = parse_range_response(response, rest, self._limits, self._job.redact)
            if answer.source is None:
                writer.metadata = answer.metadata
                return
            if answer.is_whole:
                check_beginning(answer.source, writer.lock.partial.read_at(0, min(writer.offset, _PROBE)))
                self._restart_with(answer.source, answer.metadata)
                return
            check_overlap(answer.source, writer.lock.partial.read_at(rest.start, rest.offset - rest.start))
            self.received += rest.offset - rest.start
            writer.splice(answer.metadata)
            if rest.end is None:
                self._receive_from(answer.source)
        if rest.end is not None:
            self._fetch_ranges(opener)

    def _restart_with(self, source: BodyReader, metadata: ContentMetadata) -> None:
        """The server sends the whole instead of the rest: it is taken as it comes."""
        self.start_over(RangeMismatch("the server sent the whole file from its beginning too often"))
        self._check_format(source.head, metadata)
        self._check_provable(source.head, metadata)
        self._accept(self._writer.source, metadata)
        self._receive_from(source)

    # --- bytes ---

    def _fetch_ranges(self, opener: Opener) -> None:
        before = self._writer.offset
        try:
            Ranges(opener, self._writer, self._limits, self._buffers, self._job.redact).run()
        finally:
            self.received += self._writer.offset - before

    def _receive_from(self, source: BodyReader) -> None:
        before = self._writer.reached
        try:
            self._writer.receive(source)
        finally:
            self.received += self._writer.reached - before

    def _response(self, opener: Opener) -> t.ContextManager[Response]:
        self._limits.check()
        return contextlib.closing(opener(REQUEST_HEADERS, self._limits.deadline))

    def _response_to(self, opener: Opener, rest: RangeRequest) -> t.ContextManager[Response]:
        self._limits.check()
        return contextlib.closing(rest.ask(opener, self._limits.deadline))


def _has_tag(metadata: ContentMetadata) -> bool:
    return metadata.validator is not None and metadata.validator.startswith('"')
