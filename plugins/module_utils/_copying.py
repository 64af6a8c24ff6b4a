# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the action plugin of cloud_download_copy hands a file of the controller over to the module, piece by piece.

Each piece is a file in the temporary directory of the task, with a description in front. The environment of the module
names that file and nothing else: everybody can read it in the list of processes.
"""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass, field

from . import _private
from ._transfer.store.receipt import Origin, Receipt

ENVIRONMENT: t.Final = "STORWARE_BACKUP_HANDOVER"  # path of the file on the host
HEAD: t.Final = 16 * 1024  # bytes of the description; those of the piece are behind it
KEY: t.Final = "storware_backup_reached"  # how many bytes are there, as long as it is not all of them


@dataclass(frozen=True)
class ChunkTransfer:
    """The file as its receipt describes it, and the next piece of it.

    offset: of the piece. piece_sha256: of everything up to the end of the piece; empty to ask how many bytes are there.
    """

    name: str
    guid: str
    size: int
    sha256: str
    verified: str
    offset: int = 0
    chunk_sha256: str = ""
    origin: t.Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, whole: Receipt) -> ChunkTransfer:
        """Return the beginning of the transfer of the file that a receipt describes."""
        return cls(whole.name, whole.guid, whole.size, whole.sha256, whole.verified, origin=vars(whole.origin))

    def receipt(self) -> Receipt:
        """Return the receipt of the file."""
        return Receipt(self.name, self.guid, self.size, self.sha256, self.verified, Origin(**self.origin))

    def as_head(self) -> bytes:
        """For the beginning of the file with the piece."""
        return json.dumps(vars(self)).encode("ascii").ljust(HEAD)


def receive(path: str) -> tuple[ChunkTransfer, t.BinaryIO]:
    """The description of a piece, and the file from its first byte on. Raises OSError, ValueError.

    With become, the file can belong to a third user: the one that has made the directory of the task.
    """
    directory, name = os.path.split(os.path.abspath(path))
    place = _private.open_directory(directory)
    try:
        file = open(_private.open_file(name, place, os.fstat(place).st_uid), "rb")  # noqa: SIM115  # for the caller
    finally:
        os.close(place)
    return ChunkTransfer(**json.loads(file.read(HEAD))), file
