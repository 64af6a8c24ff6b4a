# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of request bodies, as server profiles have them: JSON in which a text such as "$node" is a placeholder."""

from __future__ import annotations

import typing as t

Json = t.Any

# A client leaves out the keys of these when its user has set no value.
_OPTIONAL = frozenset({"$backups", "$backup_guid", "$node", "$node_guid"})
PLACEHOLDERS = _OPTIONAL | {
    "$entities", "$entity", "$entity_guids", "$entity_guid", "$mode", "$mode_name", "$status",
}  # fmt: skip
# The vendor prints no keys for CreateCloudDownloadRequest: these are assumed
CREATE: dict[str, Json] = {"protectedEntities": "$entities", "mode": "$mode", "backups": "$backups", "node": "$node"}


def is_known(template: Json) -> bool:
    """Return whether every text that begins with one dollar is a placeholder."""
    if isinstance(template, (dict, list)):
        return all(is_known(part) for part in _parts(template))
    is_text = isinstance(template, str) and template.startswith("$") and not template.startswith("$$")
    return not is_text or is_placeholder(template)


def is_placeholder(template: Json) -> bool:
    """Return whether a part of a template is a placeholder."""
    return isinstance(template, str) and template in PLACEHOLDERS


def is_optional(template: Json) -> bool:
    """Return whether a client may leave out this part: it holds placeholders that need no value, and nothing else."""
    if isinstance(template, (dict, list)):
        return bool(template) and all(is_optional(part) for part in _parts(template))
    return isinstance(template, str) and template in _OPTIONAL


def constant(template: Json) -> Json:
    """Return the value of a part that is no placeholder: "$$x" is the text "$x"."""
    return template[1:] if isinstance(template, str) and template.startswith("$$") else template


def _parts(template: dict[str, Json] | list[Json]) -> t.Iterable[Json]:
    return template.values() if isinstance(template, dict) else template
