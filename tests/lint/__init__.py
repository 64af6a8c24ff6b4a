# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that no other tool makes: all that follows from an option is there, and workflows name the sessions there are.

Each problem is a sentence that names the file and the option, says what is wrong, and ends with what to do.
"""

from __future__ import annotations

import typing as t

AGAIN: t.Final = "and run `nox -s lint` again."
