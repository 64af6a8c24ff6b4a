# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bytes of a transfer go: written and hashed in their order, and recorded now and then.

A crash or power loss cannot break the order: first the bytes are synced, then the checkpoint says how many they are and
which digest they have.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import time
import typing as t

from ..._errors import StorwareError
from .. import formats
from ..http.body import BodyReader
from ..http.metadata import ContentMetadata
from ..structure import CheckTime, no_limit
from ..verification import Checksum, Digests, digest_blocks
from . import filenames
from .checkpoint import STRONG, WEAK, Checkpoint
from .directory import translate_os_errors
from .lock import PartialLock
from .part_file import check_space
from .pipeline import BUFFER, Pipeline
from .process import ProcessIdentity

COMMIT_BYTES: t.Final = 24 * 1024 * 1024  # a checkpoint at the latest after so many bytes,
COMMIT_SECONDS: t.Final = 5.0  # or after so long

MAX_UNANNOUNCED: t.Final = 2**40  # bytes of content whose length is not announced, unless the user sets a limit

_READ: t.Final = 256 * 1024  # bytes
_NOTHING: t.Final = ContentMetadata(None, None, None, None)


class PartialWriter:
    """Writes, syncs and checkpoints the partial file of a lock.

    offset: how many bytes are written and hashed. received: how many were in this run, some maybe again. metadata: what
    is known of the content; source: which address sends it. splice_evidence: how the parts of several answers were
    proved to belong together (empty, STRONG or WEAK). max_size: bytes that the file may have. on_growth: is called
    whenever bytes were hashed. unhashed: a checkpoint that the next run gets as it is, of bytes that this run has not
    hashed.
    """

    def __init__(
        self,
        lock: PartialLock,
        checksum: Checksum | None,
        *,
        allow_unverified: bool = False,
        max_size: int | None = None,
        on_growth: t.Callable[[PartialWriter], None] = lambda _writer: None,
    ) -> None:
        self.lock = lock
        self._on_growth = on_growth
        self.metadata = _NOTHING
        self.source = ""
        self.splice_evidence = ""
        self.offset = self.received = 0
        self._checksum = checksum
        self._allow_unverified = allow_unverified
        self._max_size = max_size
        self._digests = Digests()
        self._pipeline: Pipeline | None = None  # of bytes that are not hashed yet
        self._committer = concurrent.futures.ThreadPoolExecutor(1)
        self._commit: concurrent.futures.Future[None] | None = None
        self._recorded = 0  # the offset of the newest record that was asked for
        self._recorded_at = time.monotonic()
        self._durable = 0  # the offset of the newest record that is on the disk
        self._is_discarded = False
        self.unhashed: Checkpoint | None = None

    @property
    def digests(self) -> Digests:
        """Of all bytes up to the offset."""
        return self._digests

    @property
    def reached(self) -> int:
        """How many bytes have come: those up to the offset, and those that are on their way to the disk."""
        return self._pipeline.end if self._pipeline else self.offset

    @property
    def is_complete(self) -> bool:
        """Whether all bytes that the server has announced have come."""
        return self.metadata.length is not None and self.reached == self.metadata.length

    @property
    def can_be_continued(self) -> bool:
        """Whether a later request or run can go on from here, and its result be proved."""
        return self._checkpoint().can_be_continued and (
            self.metadata.validator is not None
            # Otherwise the parts may be of two files, and only a proof of the whole would show it.
            or self._checksum is not None
            or self.metadata.digest is not None
            or self.shows_mixtures
            or self._allow_unverified
        )

    @property
    def shows_mixtures(self) -> bool:
        """Whether checking the contents of this format would show that the bytes are of two files."""
        format = self.format
        return format is not None and format.covers_contents

    @property
    def format(self) -> formats.Format | None:
        """The format that the content has."""
        return formats.detect(self.lock.partial.read_at(0, formats.HEAD))

    def resume(self, check_time: CheckTime = no_limit) -> None:
        """Go on with the bytes of an earlier run, if they still have the digest of its checkpoint."""
        left = self.lock.checkpoint
        if left is None:
            return
        digest = Checksum.parse(left.digest) if left.digest else None
        digests = self._new_digests(digest)
        partial = self.lock.partial
        with translate_os_errors(f"read {partial.path}"):
            try:
                size = digest_blocks(partial.fd, left.offset, digests, check_time)
            except StorwareError as error:
                if error.code in ("timeout", "interrupted"):
                    self.unhashed = left
                raise
            if size == left.offset and digests.hex("sha256") == left.sha256:
                partial.truncate(left.offset)
                self.metadata = ContentMetadata(left.length, left.name, digest, left.validator)
                self.source, self.splice_evidence = left.source, left.splice_evidence
                self.offset = self._recorded = self._durable = left.offset
                self._digests = digests

    def begin(self, source: str, metadata: ContentMetadata) -> None:
        """Begin a response with all of the content: the bytes that are there count no more."""
        self.source, self.metadata, self.splice_evidence = source, metadata, ""
        self.unhashed = None
        self._digests = self._new_digests(metadata.digest)
        if self.offset or self.lock.checkpoint:
            self._settle()
            self.offset = self._recorded = self._durable = 0
            self._write_checkpoint(Checkpoint(self.lock.token, ProcessIdentity.current()))
        self.lock.partial.truncate(0)

    def check_size(self, length: int | None) -> None:
        """Raise StorwareError (``too_large``) for content that is announced as longer than the user permits."""
        if self._max_size is not None and length is not None and length > self._max_size:
            raise StorwareError(
                f"the server announces {length} bytes, and max_size permits {self._max_size}",
                code="too_large",
                hint="Set max_size to a larger value if the file may be that large.",
            )

    def splice(self, metadata: ContentMetadata) -> None:
        """Begin a response with the rest of the content."""
        self.metadata = metadata
        is_weak = metadata.validator is None or self.splice_evidence == WEAK
        self.splice_evidence = WEAK if is_weak else STRONG

    def receive(self, reader: BodyReader) -> None:
        """Append all bytes of the reader. Bytes that were read before a failure are appended, too.

        With the last ones that are announced, some may still be on their way, for ``finish`` to wait for. Raises as the
        reader, ``write_at`` and ``hash_up_to``.
        """
        pipeline = Pipeline(self.write_at, self._hash, self.offset)
        try:
            pipeline.read(reader)
            if pipeline.end == self.metadata.length:
                self._pipeline = pipeline
            else:
                pipeline.finish()
        except BaseException:
            pipeline.close()
            raise

    def write_at(self, offset: int, data: memoryview) -> None:
        """Write bytes anywhere, from any thread; ``hash_up_to`` makes them a part of the content."""
        self.lock.partial.write_at(offset, data)

    def append_chunk(self, chunk: t.BinaryIO, checkpoint: Checkpoint) -> None:
        """Write a chunk behind the ``unhashed`` bytes and make it durable. Raises StorwareError; they stay then.

        checkpoint: of the partial with the chunk, but for its offset. The sender has hashed all of it: to read the
        whole again for each chunk would take a time that grows with the square of the size.
        """
        partial, offset = self.lock.partial, self.unhashed.offset if self.unhashed else 0
        partial.truncate(offset)
        with translate_os_errors("read the chunk"):
            while data := chunk.read(BUFFER):
                self.write_at(offset, memoryview(data))
                offset += len(data)
        self._make_durable(dataclasses.replace(checkpoint, offset=offset))
        self.unhashed = dataclasses.replace(checkpoint, offset=offset)

    def hash_up_to(self, end: int) -> None:
        """Hash the bytes up to end, which are in the partial already."""
        while self.offset < end:
            piece = self.lock.partial.read_at(self.offset, min(_READ, end - self.offset))
            if not piece:
                raise StorwareError(
                    f"{self.lock.partial.path} became shorter", code="concurrent_change", retryable=True
                )
            self._hash(memoryview(piece))

    def finish(self) -> None:
        """Wait until all bytes are hashed and the checkpoint is written, and drop what may lie behind them."""
        self._finish_pipeline()
        self._settle()
        self.lock.check()
        self.lock.partial.truncate(self.offset)

    def preserve(self) -> int:
        """Leave the bytes and a checkpoint for the next run; return how many bytes, 0 when they are no use."""
        try:
            return self._preserve()
        except (OSError, StorwareError):
            return 0

    def _preserve(self) -> int:
        for settle in (self._finish_pipeline, self._settle):
            with contextlib.suppress(StorwareError):
                settle()
        lock = self.lock
        is_ours = lock.state.is_in_place() and lock.partial.is_in_place(lock.partial.name)
        if is_ours and self.unhashed is not None:
            with contextlib.suppress(StorwareError):  # the file says the same, but for the process that is about to end
                self._write_checkpoint(dataclasses.replace(self.unhashed, token=lock.token, process=None))
            lock.preserve()
            return self.unhashed.offset
        if not is_ours or self._is_worthless or not self.can_be_continued:
            return 0
        try:
            lock.partial.truncate(self.offset)
            self._make_durable(dataclasses.replace(self._checkpoint(), process=None))
        except (OSError, StorwareError):
            if self._is_worthless or not self._durable:
                return 0
            lock.preserve()
            return self._durable
        lock.preserve()
        return self.offset

    @property
    def _is_worthless(self) -> bool:
        return self._is_discarded or self.lock.partial.is_doubtful

    def discard(self, is_spoiled: bool = True) -> None:
        """Do not preserve the bytes: they are worth nothing."""
        self._is_discarded = self._is_discarded or is_spoiled

    def close(self) -> None:
        """End the threads."""
        with contextlib.suppress(StorwareError):
            self._finish_pipeline()
        self._committer.shutdown()

    def _hash(self, data: memoryview) -> None:
        self._digests.update(data)
        self.offset += len(data)
        self.received += len(data)
        self._check_growth()
        self._on_growth(self)
        now = time.monotonic()
        if self.offset - self._recorded >= COMMIT_BYTES or now - self._recorded_at >= COMMIT_SECONDS:
            # A disk that is slower than the network is waited for now and not at the end: what lies behind the newest
            # record is what a kill costs.
            self._settle()
            check_space(self.lock.partial.directory)  # of what others may have filled meanwhile, too
            self._recorded, self._recorded_at = self.offset, now
            if self.can_be_continued:
                self._commit = self._committer.submit(self._make_durable, self._checkpoint())

    def _check_growth(self) -> None:
        """Raise StorwareError (``too_large``) for more bytes than were announced or, without that, are permitted."""
        length = self.metadata.length
        limits = [limit for limit in (length, self._max_size) if limit is not None] or [MAX_UNANNOUNCED]
        if self.offset > min(limits):
            self.discard()  # nothing says where it ends: the next run must not add to it
            announced = "no length" if length is None else f"{length} bytes"
            raise StorwareError(
                f"more than {min(limits)} bytes arrived, and the server announces {announced}",
                code="too_large",
                hint="Set max_size to a larger value if the file may be that large." if length is None else "",
            )

    def _finish_pipeline(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline:
            pipeline.finish()

    def _settle(self) -> None:
        """Wait for the record that is being written; raise what went wrong with it."""
        commit, self._commit = self._commit, None
        if commit is not None:
            commit.result()

    def _make_durable(self, checkpoint: Checkpoint) -> None:
        """Sync the bytes, then write the checkpoint. Raises StorwareError."""
        self.lock.partial.sync_data()
        self._write_checkpoint(checkpoint)
        self._durable = checkpoint.offset

    def _write_checkpoint(self, checkpoint: Checkpoint) -> None:
        state = self.lock.state
        with translate_os_errors(f"write {state.directory.path_of(state.name)}"):
            state.write(dataclasses.replace(checkpoint, refusal=self.lock.refusal))

    def _checkpoint(self) -> Checkpoint:
        metadata = self.metadata
        return Checkpoint(
            self.lock.token,
            ProcessIdentity.current(),
            source=self.source,
            validator=metadata.validator,
            length=metadata.length,
            name=filenames.safe_name(metadata.name, "") or None,
            digest=str(metadata.digest) if metadata.digest else None,
            offset=self.offset,
            sha256=self._digests.hex("sha256") or "",
            splice_evidence=self.splice_evidence,
        )

    def _new_digests(self, claimed: Checksum | None) -> Digests:
        return Digests([checksum.algorithm for checksum in (self._checksum, claimed) if checksum])
