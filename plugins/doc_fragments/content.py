# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation shared by the modules that write content to a file."""

from __future__ import annotations


class ModuleDocFragment:
    """Content."""

    DOCUMENTATION = r"""
options:
  tmp_dest:
    description:
      - Directory for the private files during a transfer. It must exist, on the same file system as O(dest).
      - If not set, the directory of O(dest) is used.
    type: path
  max_rate:
    description:
      - Maximum transfer rate in bytes per second of all connections of the task together, such as V(10M).
    type: bytes
  min_rate:
    description:
      - Minimum transfer rate in bytes per second, averaged over 60 seconds. A slower connection is closed and the request is retried.
      - V(0) permits any rate.
    type: bytes
    default: 1024
  max_time:
    description:
      - Time limit in seconds for the task, including comparison of existing files, waiting for another task, transfer and verification.
        Received bytes are kept for the next task.
      - If not set, the task has no limit while it receives bytes.
    type: float
  lock_timeout:
    description:
      - Time in seconds to wait for a concurrent task that fetches the same download into the same directory. This task then uses its file.
    type: float
    default: 60
  owner:
    description:
      - Name or number of the owner of the file and its receipt. If not set, the user that the task runs as.
      - An existing file or receipt is trusted only if it belongs to this user, to root or to the user that the task runs as. Any other user may
        have planted it. It proves nothing, and a new file inherits nothing from it.
      - Some file systems give files another owner, such as NFS with C(root_squash) (C(nobody)) or a mount with C(uid). The task then fails
        before anything is fetched, unless this option names that owner.
    type: str
  mode:
    description:
      - Permissions of the file, for example V('0640') or V(u=rw,g=r). The module sets them before the file gets its name.
      - If not set, a new file has V('0600'), and a replaced file keeps its mode and group.
      - Some file systems have no permissions, such as exFAT, and NTFS or CIFS with common mount options. If files would be readable for more
        users than requested, the task fails before anything is fetched. To accept that, set the mode that files have there, such as V('0755').
    type: raw
  unsafe_writes:
    description:
      - No effect. The file always gets its name atomically.
    type: bool
    default: false
"""
