# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a request body by its template: the values that stand where the placeholders stand."""

from __future__ import annotations

import json
import typing as t

from tests.simulator import query, templates
from tests.simulator.problems import Problem
from tests.simulator.state import DOWNLOAD_MODES
from tests.simulator.templates import Json

# entities, mode, backups, node, status: each as a list of guids or names; those that were not sent are missing
Values = dict[str, "list[str]"]


class NotUnderstood(Problem):
    """A body of another shape than its template; the message names the key."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


def read(template: Json, body: Json, *, drops_unknown: bool) -> tuple[Values, Json]:
    """Return the values of a body, and the body without the keys that the template does not have.

    drops_unknown: Whether such keys are dropped. Otherwise they are NotUnderstood.
    """
    reader = _Reader(drops_unknown)
    known = reader.read(template, body, "")
    return reader.values, known


class _Reader:
    def __init__(self, drops_unknown: bool) -> None:
        self._drops_unknown = drops_unknown
        self.values: Values = {}

    def read(self, template: Json, value: Json, key: str) -> Json:
        """Compare a part of the body with its part of the template, collect values, return the known keys."""
        if isinstance(template, dict):
            return self._read_object(template, value, key)
        if isinstance(template, list):
            return self._read_list(template, value, key)
        if templates.is_placeholder(template):
            name, parse = _PLACEHOLDERS[template]
            found = parse(self, value, key)
            if self.values.setdefault(name, found) != found:
                raise NotUnderstood(f"body key '{key}' contradicts another key")
        elif json.dumps(value) != json.dumps(templates.constant(template)):
            raise NotUnderstood(f"body key '{key}' must be {json.dumps(templates.constant(template))}")
        return value

    def _read_object(self, template: dict[str, Json], value: Json, key: str) -> Json:
        if not isinstance(value, dict):
            raise NotUnderstood(f"body key '{key}' must be an object")
        self._refuse_unknown(value, template, key)
        missing = [name for name, part in template.items() if name not in value and not templates.is_optional(part)]
        if missing:
            raise NotUnderstood(f"body key '{_join(key, missing[0])}' is missing")
        return {
            name: self.read(part, value[name], _join(key, name)) for name, part in template.items() if name in value
        }

    def _read_list(self, template: list[Json], value: Json, key: str) -> Json:
        if not isinstance(value, list):
            raise NotUnderstood(f"body key '{key}' must be a list")
        if len(value) < len(template):
            template = [part for part in template if not templates.is_optional(part)]
        if len(value) != len(template):
            raise NotUnderstood(f"body key '{key}' must be a list of {len(template)}, not of {len(value)}")
        return [self.read(part, item, key) for part, item in zip(template, value, strict=True)]

    def _refuse_unknown(self, value: dict[str, Json], known: t.Iterable[str], key: str) -> None:
        unknown = sorted(set(value).difference(known))
        if unknown and not self._drops_unknown:
            raise NotUnderstood(
                f"body key '{key}': unknown key '{unknown[0]}'" if key else f"unknown body key '{unknown[0]}'"
            )

    # Placeholders

    def reference(self, value: Json, key: str) -> list[str]:
        """Read an object with a guid; its name and type do not matter."""
        if not isinstance(value, dict):
            raise NotUnderstood(f"body key '{key}': an object with a guid is expected")
        self._refuse_unknown(value, ("guid", "name", "type"), key)
        if not isinstance(value.get("name", ""), str):
            raise NotUnderstood(f"body key '{key}': the name must be a text")
        return self.guid(value.get("guid"), key)

    def references(self, value: Json, key: str) -> list[str]:
        """Read a list of such objects."""
        return _read_each(self.reference, value, key)

    def guid(self, value: Json, key: str) -> list[str]:
        """Read a guid as a text."""
        try:
            return [query.guid(_read_text(value, key))]
        except ValueError as error:
            raise NotUnderstood(f"body key '{key}': '{value}' {error}") from None

    def guids(self, value: Json, key: str) -> list[str]:
        """Read a list of guids."""
        return _read_each(self.guid, value, key)

    def mode(self, value: Json, key: str) -> list[str]:
        """Read a mode of downloads as an object."""
        if not isinstance(value, dict) or not isinstance(value.get("description", ""), str):
            raise NotUnderstood(f"body key '{key}' must be an object with a name, and a text as description if any")
        self._refuse_unknown(value, ("name", "description"), key)
        return self.mode_name(value.get("name"), key)

    def mode_name(self, value: Json, key: str) -> list[str]:
        """Read a mode of downloads as a text."""
        if _read_text(value, key) not in DOWNLOAD_MODES:
            raise NotUnderstood(f"body key '{key}': '{value}' is not one of {', '.join(DOWNLOAD_MODES)}")
        return [value]

    def status(self, value: Json, key: str) -> list[str]:
        """Read the name of a status."""
        return [_read_text(value, key)]


_Parser = t.Callable[[_Reader, Json, str], "list[str]"]
_PLACEHOLDERS: dict[str, tuple[str, _Parser]] = {
    "$entities": ("entities", _Reader.references),
    "$entity": ("entities", _Reader.reference),
    "$entity_guids": ("entities", _Reader.guids),
    "$entity_guid": ("entities", _Reader.guid),
    "$mode": ("mode", _Reader.mode),
    "$mode_name": ("mode", _Reader.mode_name),
    "$backups": ("backups", _Reader.references),
    "$backup_guid": ("backups", _Reader.guid),
    "$node": ("node", _Reader.reference),
    "$node_guid": ("node", _Reader.guid),
    "$status": ("status", _Reader.status),
}


def _read_each(parse: t.Callable[[Json, str], list[str]], value: Json, key: str) -> list[str]:
    if not isinstance(value, list) or not value:
        raise NotUnderstood(f"body key '{key}' must be a list that is not empty")
    found = [guid for item in value for guid in parse(item, key)]
    if len(set(found)) != len(found):
        raise NotUnderstood(f"body key '{key}' names the same guid twice")
    return found


def _read_text(value: Json, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise NotUnderstood(f"body key '{key}' must hold a text")
    return value


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
