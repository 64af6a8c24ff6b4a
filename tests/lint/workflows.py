# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows of GitHub run the sessions there are, all of them, and actions that nobody can replace."""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml

from tests.harness import tree
from tests.lint import AGAIN

_USES: t.Final = re.compile(r"^\s*(?:- )?uses: (\S+)(.*)$", re.M)
_PINNED: t.Final = re.compile(r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def problems(sessions: t.Collection[str]) -> list[str]:
    """A sentence for each action that is not pinned by commit, and each session that is on one side only."""
    unpinned = [
        f"{path.relative_to(tree.ROOT)}: the action {action} is not pinned: write `ACTION@COMMIT # v1.2.3`, with a "
        f"commit that `git ls-remote --tags https://github.com/{action.partition('@')[0]}` lists for a version."
        for path in _files()
        for action, comment in _USES.findall(path.read_text(encoding="utf-8"))
        if not action.startswith("./") and not _PINNED.fullmatch(action + comment)
    ]
    unknown = [
        f".github/workflows: {name} is no session of noxfile.py: remove it from the matrix, {AGAIN}"
        for name in sorted(named_sessions() - set(sessions))
    ]
    missing = [
        f".github/workflows: the session {name} is in no matrix: add it to test.yml or test-all.yml, {AGAIN}"
        for name in sorted(set(sessions) - named_sessions())
    ]
    return unpinned + unknown + missing


def named_sessions() -> set[str]:
    """The sessions that jobs of all workflows run."""
    jobs = [job for path in _files() for job in (yaml.safe_load(path.read_bytes()).get("jobs") or {}).values()]
    return {name for job in jobs for name in job.get("strategy", {}).get("matrix", {}).get("session", [])}


def _files() -> list[pathlib.Path]:
    return sorted((tree.ROOT / ".github").rglob("*.yml"))
