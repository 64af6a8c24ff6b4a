# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many files in one process: the driver's fetch for one order after the other, as an argument in JSON."""

from __future__ import annotations

import json
import sys

from tests.faults import driver


def main() -> int:
    """Stops at the first failure, and prints it."""
    for order in json.loads(sys.argv[1]):
        told = driver.fetch(order)
        if not told["ok"]:
            print(json.dumps(told))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
