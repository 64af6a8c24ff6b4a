# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a command takes, and what it takes: ``python measure.py RESULT COMMAND ...`` writes one JSON object.

A process of its own, and a small one: what the kernel calls the peak memory of a process starts with that of the
process that started it, and the times are those of the one command that this process has waited for.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Run the command; its exit status is in the result."""
    os.setpgid(0, 0)  # so that one signal ends all of it
    result, *command = sys.argv[1:]
    started = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _pid, status, usage = os.wait4(pid, 0)  # with all that the command has waited for itself
    told = {
        "status": os.waitstatus_to_exitcode(status),
        "wall": time.monotonic() - started,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,  # of the largest process
    }
    with open(result, "w", encoding="ascii") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main()
