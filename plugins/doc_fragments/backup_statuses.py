# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option for the statuses of usable backups."""

from __future__ import annotations


class ModuleDocFragment:
    """Backups."""

    DOCUMENTATION = r"""
options:
  backup_statuses:
    description:
      - Statuses that the latest backup of an entity may have. Backups with other statuses are ignored.
      - A backup with status V(PARTIAL_SUCCESS) lacks some objects. The vendor's own interface offers such backups for a restore.
    type: list
    elements: str
    choices: [SUCCESS, PARTIAL_SUCCESS]
    default: [SUCCESS]
"""
