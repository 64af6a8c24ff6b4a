# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of options in failures of the role's tasks: those of the role, which the user has set, not of its modules."""

from __future__ import annotations

import re
import typing as t

Result = dict[str, t.Any]

# Options of modules that the role has under its prefix, or under another name
_SAME: t.Final = (
    "protected_entities",
    "protected_entity_type",
    "backup",
    "node",
    "request",
    "wait_timeout",
    "wait_interval",
    "progress_interval",
    "dest",
    "source",
    "verify",
    "allow_unverified",
    "overwrite",
    "owner",
    "group",
    "max_rate",
    "max_size",
)
OF_DOWNLOADS: t.Final[t.Mapping[str, str]] = {
    **{name: f"fetch_content_{name}" for name in _SAME},
    "guid": "fetch_content_guids",
    "mode": "fetch_content_mode",
}
OF_FILES: t.Final[t.Mapping[str, str]] = {
    **OF_DOWNLOADS,
    "mode": "fetch_content_file_mode",
    "private_key_file": "fetch_content_relay_key",
    "user": "fetch_content_relay_user",
}
_TEXTS: t.Final = ("hint", "cause", "advice")  # in the error of a result
OF_SPOOL: t.Final[t.Mapping[str, str]] = {**OF_FILES, "dest": "fetch_content_spool"}


def rename_options(result: Result, names: t.Mapping[str, str]) -> Result:
    """Return the failed result with these names of the role in messages and hints, in place of those of the module.

    A name that is a word as well counts only before a colon, as messages of wrong options begin with it.
    """
    pattern = re.compile(
        "|".join(rf"(?<![\w./-]){name}(?!\w){'' if '_' in name else '(?=: )'}" for name in sorted(names, key=len)[::-1])
    )

    def rename(one: Result) -> Result:
        if not one.get("failed"):
            return one
        found = dict(one)
        if isinstance(one.get("msg"), str):
            found["msg"] = pattern.sub(lambda match: names[match.group()], one["msg"])
        if isinstance(one.get("error"), dict):
            texts = {name: text for name, text in one["error"].items() if name in _TEXTS and isinstance(text, str)}
            renamed = {name: pattern.sub(lambda match: names[match.group()], text) for name, text in texts.items()}
            found["error"] = {**one["error"], **renamed}
        return found

    files = result.get("files")
    if isinstance(files, list):
        result = {**result, "files": [rename(file) if isinstance(file, dict) else file for file in files]}
    return rename(result)
