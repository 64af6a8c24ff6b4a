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
      - Whether to wait until the server has done what it was asked for.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait without progress. Each download that is ready, failed or removed is progress, and so is each percent of its task, after which
        the time is counted again. So it does not have to grow with the number of downloads.
      - When the answer to C(POST /cloud-download) is lost, the module takes up to two minutes more to find out what became of it.
    type: float
    default: 3600
  wait_interval:
    description:
      - Seconds between two looks at the server. One look costs two calls, however many downloads are waited for.
    type: float
    default: 10
"""
