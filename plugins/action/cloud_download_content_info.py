# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

from ..module_utils import _argspec
from ..plugin_utils._action import ProgressActionModule


class ActionModule(ProgressActionModule):
    """Returns the documented part of the result only, and shows progress."""

    _lists = ("guid",)
    _default_interval = _argspec.PROGRESS_INTERVAL
