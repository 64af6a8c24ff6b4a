# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option for progress lines."""

from __future__ import annotations


class ModuleDocFragment:
    """Progress."""

    DOCUMENTATION = r"""
options:
  progress_interval:
    description:
      - Seconds between two lines in the output of Ansible that tell how far the task is. Work that is shorter gets none. V(0) for no lines.
      - With C(async), in check mode and where the task has C(no_log) there are no lines.
      - Unless it is V(0), the work goes on in the background of the host that runs it, and the controller visits it so often. A connection
        to the host that is lost in between is made again, for five minutes at the most, and nothing is lost. Work that nobody has visited for
        five minutes, or whose task was interrupted, stops; what was fetched is kept for the next run.
    type: float
    default: 10
"""
