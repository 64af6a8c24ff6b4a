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
      - Interval in seconds between progress messages in the output of Ansible. A task that finishes sooner prints none. V(0) disables them.
      - Tasks with C(async), in check mode or with C(no_log) print none.
      - Unless the interval is V(0), the module works in the background of its host, and the controller polls it at this interval. If the
        connection to the host is lost, the controller reconnects for up to five minutes. The module stops if it is not polled for five
        minutes, or if its task is interrupted. Fetched bytes are kept for the next run.
    type: float
    default: 10
"""
