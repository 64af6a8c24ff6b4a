# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from findings: a server profile, and a report for people and programs. Pure."""

from __future__ import annotations

import copy
import json
import typing as t

from .._api.decoding import Json
from .._profile import Profile

Result = t.Mapping[str, Json]

# Keys of a server profile and the fields of Profile
ATTRIBUTES: t.Final = {
    "create.body": "create_body",
    "create.batch": "batch",
    "create.visible_within": "visible_within",
    "update.body": "update_body",
    "content.source": "source",
    "lists.page_size": "page_size",
    "lists.teams": "teams",
    "ready": "ready",
}


def profile_of(findings: t.Iterable[Result]) -> dict[str, Json]:
    """Return the profile with the keys whose default does not hold, as far as their value is known."""
    return merge({}, findings)


def merge(given: t.Mapping[str, Json], findings: t.Iterable[Result]) -> dict[str, Json]:
    """Return the given profile with the values that were found in the place of its own."""
    merged = copy.deepcopy(dict(given))
    for finding in findings:
        if finding["value"] is not None:
            section, _dot, key = finding["profile_key"].partition(".")
            if key:
                merged[section] = {**(merged.get(section) or {}), key: finding["value"]}
            else:
                merged[section] = finding["value"]
    return merged


def uncovered(findings: t.Iterable[Result], given: Profile) -> list[Result]:
    """Return the findings whose default does not hold, and for which the given profile has no other value."""
    return [finding for finding in findings if finding["holds"] is False and not _covers(given, finding)]


def _covers(given: Profile, finding: Result) -> bool:
    key, value = finding["profile_key"], finding["value"]
    if key is None or value is None:
        return False  # a trial has used the given profile
    chosen = getattr(given, ATTRIBUTES[key])
    if key == "lists.page_size":
        return bool(chosen <= value)
    # Several values of ready may do, and the user's is one that was chosen.
    return bool(chosen != Profile().ready if key == "ready" else chosen == value)


def render(findings: t.Iterable[Result], profile: Json, *, trial: bool) -> str:
    """Return the report as YAML with one line for each fact; every text in it is one of ours."""
    lines = [
        "# Report of storware.backup.server_info. It has no names, addresses, GUIDs, hosts and cookies.",
        f"trial: {json.dumps(trial)}",
        f"profile: {json.dumps(profile)}",
        "findings:",
    ]
    for finding in findings:
        lines.append(f"  {finding['id']}:")
        facts = {"default": finding["default"], "holds": finding["holds"], "found": finding["found"]}
        if finding["seen"]:
            facts["seen"] = _line(finding["seen"])
        if finding["remains"]:
            facts["remains"] = finding["remains"]
        lines += [f"    {name}: {json.dumps(value)}" for name, value in facts.items()]
    return "\n".join(lines) + "\n"


def _line(seen: Result) -> str:
    parts = [f"{seen['method']} {seen['path']} answered {seen['status']}"]
    for name, known in (("headers", seen["headers"]), ("keys", seen["record_keys"])):
        shown = ", ".join(known) or "none that is known"
        others = seen[f"other_{name}"]
        parts.append(f"{name}: {shown}" + (f", and {others} more" if others else ""))
    return "; ".join(parts)
