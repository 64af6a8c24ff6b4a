# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server profile: how a server answers where the vendor's documents are silent. Every key has a default.

No Ansible and no I/O in here. A profile may come from anybody: each value is checked, and no error repeats its texts.
"""

from __future__ import annotations

import math
import re
import typing as t
from dataclasses import dataclass, field

from ._errors import OptionError

Json = t.Any
Values = t.Mapping[str, Json]

# One POST for all entities, or one for each
ALL: t.Final = "all"
ONE: t.Final = "one"
SOURCES: t.Final = ("auto", "download", "content_download")
GROUPS: t.Final = "cloud-groups"
PROTECTED_ENTITIES: t.Final = "cloud-protected-entities"
FINISHED_MOUNT: t.Final = "finished_mount"
TASK: t.Final = "task"
STATE: t.Final = "state:"  # and the name of a state

# Placeholders of the body that creates: those of all entities of a POST, those of a single one, and the others.
_OF_ALL: t.Final = ("entities", "entity_guids")
_OF_ONE: t.Final = ("entity", "entity_guid")
CREATE_NAMES: t.Final = (*_OF_ALL, *_OF_ONE, "mode", "mode_name", "backups", "backup_guid", "node", "node_guid")
UPDATE_NAMES: t.Final = ("status",)
_SINGLE: t.Final = (*_OF_ONE, "backup_guid")

# The API page prints neither body ("{ }"). These follow its conventions: references by guid, enums by name.
_CREATE_BODY: t.Final[Values] = {
    "protectedEntities": "$entities",
    "mode": "$mode",
    "backups": "$backups",
    "node": "$node",
}
_UPDATE_BODY: t.Final[Values] = {"state": {"name": "$status"}}

_MOST_NODES: t.Final = 2000  # values of a document, counted where an alias repeats them, too
MAX_DEPTH: t.Final = 20
_MOST_TEXT: t.Final = 4096  # characters of one text
_MOST_INTEGER: t.Final = 2**63
_STATE_NAME: t.Final = re.compile(r"[A-Za-z0-9_ -]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Profile:
    """How a server answers.

    create_body, update_body: templates for ``fill``. visible_within: seconds in which a successful create request must
    show a task or a download. page_size: records. teams: list that has the teams, GROUPS or PROTECTED_ENTITIES.
    ready: FINISHED_MOUNT, TASK, or STATE and the name of the state in which a download is ready.
    """

    create_body: Values = field(default_factory=lambda: dict(_CREATE_BODY))
    batch: str = ALL
    visible_within: float = 15.0
    update_body: Values = field(default_factory=lambda: dict(_UPDATE_BODY))
    source: str = "auto"
    page_size: int = 500
    teams: str = GROUPS
    ready: str = FINISHED_MOUNT


def parse(document: Json) -> Profile:
    """Return the profile of a document; keys that it lacks have their defaults, and so has None.

    Raises OptionError, which names the key.
    """
    if document is None:
        return Profile()
    _check_json(document)
    found: dict[str, t.Any] = {}
    for key, value in _mapping("", document).items():
        section = _SECTIONS.get(key)
        if section is None:
            raise _unknown("", _SECTIONS)
        if callable(section):
            found[key] = section(key, value)
            continue
        for name, inner in _mapping(key, value).items():
            if name not in section:
                raise _unknown(key, section)
            attribute, check = section[name]
            found[attribute] = check(f"{key}.{name}", inner)
    profile = Profile(**found)
    _check_create_body(profile)
    return profile


def fill(template: Json, values: Values, option: str = "profile") -> Json:
    """Return the template with the values of its placeholders; without the keys whose value is unset (None).

    values: the value of each placeholder that there is. A mapping or list that consists of unset placeholders is unset
    as well. Raises OptionError, which names the option, for an unknown placeholder.
    """
    filled = _fill(template, values, option)
    return {} if filled is _UNSET else filled


def check_request(request: Values, profile: Profile, entities: int) -> None:
    """Raise OptionError for placeholders of the option ``request`` that are unknown, or of one entity of several."""
    fill(request, dict.fromkeys(CREATE_NAMES), "request")
    single = sorted(placeholders(request) & set(_SINGLE))
    if single and entities > 1 and profile.batch == ALL:
        raise OptionError(
            "request",
            f"has ${single[0]}, which is of a single entity, and {entities} are in one request",
            hint="Set create.batch to one in the server profile, or name one entity.",
        )


def placeholders(template: Json) -> set[str]:
    """Return the names of all placeholders of a template, without the dollar."""
    if isinstance(template, t.Mapping):
        return {name for value in template.values() for name in placeholders(value)}
    if isinstance(template, (list, tuple)):
        return {name for value in template for name in placeholders(value)}
    name = _placeholder(template)
    return set() if name is None else {name}


def _placeholder(value: Json) -> str | None:
    is_one = isinstance(value, str) and value.startswith("$") and not value.startswith("$$")
    return value[1:] if is_one else None


_UNSET: t.Final = object()


def _fill(template: Json, values: Values, option: str) -> Json:
    if isinstance(template, t.Mapping):
        items = {key: _fill(value, values, option) for key, value in template.items()}
        kept = {key: value for key, value in items.items() if value is not _UNSET}
        return kept if kept or not items else _UNSET
    if isinstance(template, (list, tuple)):
        filled = [_fill(value, values, option) for value in template]
        present = [value for value in filled if value is not _UNSET]
        return present if present or not filled else _UNSET
    name = _placeholder(template)
    if name is None:
        return template[1:] if isinstance(template, str) and template.startswith("$$") else template
    if name not in values:
        raise _unknown_placeholder(option, values)
    return _UNSET if values[name] is None else values[name]


def _check_json(document: Json) -> None:
    """Raise OptionError for a document that is no JSON, or too large or deep; an alias may repeat without end."""
    left = _MOST_NODES
    pending = [(document, 0)]
    while pending:
        value, depth = pending.pop()
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            raise OptionError("profile", f"has more than {_MOST_NODES} values, or more than {MAX_DEPTH} levels")
        if isinstance(value, t.Mapping):
            if not all(isinstance(key, str) and len(key) <= _MOST_TEXT for key in value):
                raise OptionError("profile", "has a key that is no text, or a very long one")
            pending += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, (list, tuple)):
            pending += [(inner, depth + 1) for inner in value]
        elif not _is_scalar(value):
            raise OptionError(
                "profile", f"has a value of the type {type(value).__name__} that is no JSON, or is too long"
            )


def _is_scalar(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) <= _MOST_TEXT
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and abs(value) < _MOST_INTEGER)


def _mapping(key: str, value: Json) -> Values:
    if not isinstance(value, t.Mapping):
        raise OptionError("profile", f"{key or 'the document'} must be a dictionary, not {type(value).__name__}")
    return value


def _unknown(section: str, known: t.Iterable[str]) -> OptionError:
    # The key is not repeated: a file that is no profile may hold secrets.
    where = f" in {section}" if section else ""
    return OptionError("profile", f"has an unknown key{where}", hint=f"Known keys: {', '.join(known)}.")


def _unknown_placeholder(option: str, known: t.Iterable[str]) -> OptionError:
    listed = ", ".join(f"${name}" for name in known)
    return OptionError(
        option,
        "has an unknown placeholder",
        hint=f"Known placeholders: {listed}. Write $$ for a text that begins with $.",
    )


def _one_of(allowed: t.Sequence[str]) -> t.Callable[[str, Json], str]:
    def check(key: str, value: Json) -> str:
        if value not in allowed or not isinstance(value, str):
            raise OptionError("profile", f"{key} must be {' or '.join(allowed)}")
        return value

    return check


def _number(low: float, high: float) -> t.Callable[[str, Json], float]:
    def check(key: str, value: Json) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise OptionError("profile", f"{key} must be a number between {low:g} and {high:g}")
        return float(value)

    return check


def _count(low: int, high: int) -> t.Callable[[str, Json], int]:
    def check(key: str, value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise OptionError("profile", f"{key} must be a whole number between {low} and {high}")
        return int(value)

    return check


def _ready(key: str, value: Json) -> str:
    is_state = isinstance(value, str) and value.startswith(STATE) and _STATE_NAME.fullmatch(value[len(STATE) :])
    if not is_state and value not in (FINISHED_MOUNT, TASK):
        raise OptionError("profile", f"{key} must be {FINISHED_MOUNT}, {TASK}, or {STATE}NAME with the name of a state")
    return str(value)


def _body(names: t.Sequence[str]) -> t.Callable[[str, Json], Values]:
    def check(key: str, value: Json) -> Values:
        body = _mapping(key, value)
        if placeholders(body) - set(names):
            raise _unknown_placeholder("profile", names)
        return body

    return check


def _check_create_body(profile: Profile) -> None:
    """Raise OptionError for a body that asks for nothing, or for one entity where a POST is for several."""
    used = placeholders(profile.create_body)
    if not used & {*_OF_ALL, *_OF_ONE}:
        listed = ", ".join(f"${name}" for name in (*_OF_ALL, *_OF_ONE))
        raise OptionError("profile", "create.body names no protected entity", hint=f"Use one of {listed} in it.")
    single = sorted(used & set(_SINGLE))
    if profile.batch != ONE and single:
        raise OptionError(
            "profile", f"create.body has ${single[0]}, which is of a single entity", hint="Set create.batch to one."
        )


_Check = t.Callable[[str, Json], t.Any]
_SECTIONS: t.Final[t.Mapping[str, t.Mapping[str, tuple[str, _Check]] | _Check]] = {
    "create": {
        "body": ("create_body", _body(CREATE_NAMES)),
        "batch": ("batch", _one_of((ALL, ONE))),
        "visible_within": ("visible_within", _number(1, 600)),
    },
    "update": {"body": ("update_body", _body(UPDATE_NAMES))},
    "content": {"source": ("source", _one_of(SOURCES))},
    "lists": {"page_size": ("page_size", _count(1, 10_000)), "teams": ("teams", _one_of((GROUPS, PROTECTED_ENTITIES)))},
    "ready": _ready,
}
