# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many a script does: a loop over ``iter_content`` into the final name. A fault suite that it passes is broken."""

from __future__ import annotations

import requests


def fetch(url: str, path: str, ca_path: str) -> None:
    """Download as the first answers on the web say."""
    with requests.get(url, stream=True, timeout=2, verify=ca_path) as response:
        response.raise_for_status()
        with open(path, "wb") as file:
            for piece in response.iter_content(chunk_size=8192):
                file.write(piece)
