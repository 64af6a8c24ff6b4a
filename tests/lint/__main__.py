# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.lint SESSION ...``: a sentence for each problem on stdout, and the status 1 if there is one."""

from __future__ import annotations

import argparse
import sys

from tests.harness import tree

tree.make_importable()

from tests.lint import awx, changelog, connection, error_codes, failures, playbooks, plugins, role, words, workflows  # noqa: E402


def main() -> int:
    """Run all checks."""
    parser = argparse.ArgumentParser(prog="python -m tests.lint", description=sys.modules["tests.lint"].__doc__)
    parser.add_argument("sessions", nargs="+", help="the sessions of noxfile.py that workflows have to run")
    sessions = parser.parse_args().sessions
    compared = changelog.compare()
    problems = [
        *plugins.problems(),
        *connection.problems(),
        *role.problems(),
        *playbooks.problems(),
        *failures.problems(),
        *error_codes.problems(),
        *awx.problems(),
        *words.problems(),
        *compared.problems,
        *workflows.problems(sessions),
    ]
    bases = " and ".join(compared.bases) or "nothing: main and the last release do not differ, or are not in this clone"
    print(f"Changelog fragments: compared with {bases}.")
    print("\n".join(problems) or "Nothing that follows from an option is missing.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
