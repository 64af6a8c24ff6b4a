# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what modules share that bring content to a file."""

from __future__ import annotations


class ModuleDocFragment:
    """Content."""

    DOCUMENTATION = r"""
options:
  tmp_dest:
    description:
      - Directory for the private files while content comes. It must exist, on the same file system as O(dest).
      - When not set, the directory of O(dest) is used.
    type: path
  max_rate:
    description:
      - The most bytes per second that are asked for, all connections of the task together, such as V(10M).
    type: bytes
  min_rate:
    description:
      - A connection that brings fewer bytes per second, over a minute, is given up and asked for again. V(0) permits any rate.
    type: bytes
    default: 1024
  max_time:
    description:
      - Seconds after which the task gives up, whether it compares what is there, waits for another task, receives or verifies.
        What has come is kept for the next one.
      - When not set, the task takes as long as bytes come.
    type: float
  lock_timeout:
    description:
      - Seconds to wait for another task that fetches the same download into the same directory. What it brings is enough for this one, too.
    type: float
    default: 60
  owner:
    description:
      - Name or number of the user who owns the file and its receipt. When not set, it is the user that the task runs as.
      - A file or receipt that is there counts only if it belongs to this user, to root or to the user that the task runs as. Any other may have
        been put there by anybody, so it proves nothing, and a new file inherits nothing from it.
      - Some file systems give files another owner, such as NFS with C(root_squash) (C(nobody)) or a mount with C(uid). The task then fails
        before anything is fetched, unless this option names that owner.
    type: str
  mode:
    description:
      - The permissions of the file, for example V('0640') or V(u=rw,g=r). They are set before the file gets its name.
      - When not set, a new file has V('0600'), and a file that is replaced keeps its mode and group.
      - Some file systems have no permissions, such as exFAT, and NTFS or CIFS as they are often mounted. Where files would be open to more users
        than this, the task fails before anything is fetched. Set the mode that files have there, such as V('0755'), to accept that.
    type: raw
  unsafe_writes:
    description:
      - Has no effect. The file always gets its name in one step.
    type: bool
    default: false
"""
