# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the action plugin of cloud_download_copy hands a file of the controller over to the module, piece by piece."""

from __future__ import annotations

import base64
import json
import typing as t
from dataclasses import dataclass

ENVIRONMENT: t.Final = "STORWARE_BACKUP_HANDOVER"
KEY: t.Final = "storware_backup_reached"  # how many bytes are there, as long as it is not all of them


@dataclass(frozen=True)
class Handover:
    """The file as its receipt describes it, and the next piece of it.

    offset: of the piece. path: of the piece, on the host; None to ask how many bytes are there. piece_sha256: of
    everything up to the end of the piece.
    """

    name: str
    guid: str
    size: int
    sha256: str
    verified: str
    offset: int = 0
    path: str | None = None
    piece_sha256: str = ""

    def as_text(self) -> str:
        """For the environment, in base64: Ansible runs templates in there, and the server has named the file."""
        return base64.b64encode(json.dumps(vars(self)).encode()).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Handover:
        """What ``as_text`` has made."""
        return cls(**json.loads(base64.b64decode(text)))
