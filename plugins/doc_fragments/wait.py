# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options for waiting."""

from __future__ import annotations


class ModuleDocFragment:
    """Waiting."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the server has finished the request.
    type: bool
    default: true
  wait_timeout:
    description:
      - Time in seconds to wait without progress. Progress is each download that becomes ready, fails or is removed, and each percent of its task.
        The time restarts after each progress, so it does not depend on the number of downloads.
      - After a lost response to C(POST /cloud-download), the module needs up to two more minutes to find the result.
    type: float
    default: 3600
  wait_interval:
    description:
      - Minimum interval in seconds between polls of the server. A poll needs one or two calls for any number of downloads.
      - While the progress of the tasks on the server shows that the downloads cannot be ready yet, the next poll comes later, after 60 seconds at most.
    type: float
    default: 10
"""
