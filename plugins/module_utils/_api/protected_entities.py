# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, sites, groups, teams and nodes: from the names people use to the guids the API wants."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import replace

from .. import _profile
from .._argspec import is_guid
from .._errors import OptionError, StorwareError
from . import decoding, models, names, pagination, payloads
from .errors import ApiError
from .pagination import Reader

# Teams have no page of their own in the API reference; which list has them is a key of the server profile.
_INVENTORY: t.Final[dict[str, tuple[str, payloads.Query]]] = {
    "CLOUD_USER": (names.CLOUD_USERS, []),
    "CLOUD_SITE": (names.CLOUD_SITES, []),
    "CLOUD_GROUP": (names.CLOUD_GROUPS, []),
    "CLOUD_TEAMS": (names.CLOUD_GROUPS, [(names.FILTER_TEAMS, "true")]),
}
DOWNLOADABLE_TYPES: t.Final = tuple(_INVENTORY)
_TEAMS: t.Final = "CLOUD_TEAMS"
_TOGETHER: t.Final = ("CLOUD_GROUP", _TEAMS)
_NO_SUCH_LIST: t.Final = (400, 403, 404, 405, 500, 501)
# Up to here one filtered call a name is cheaper than the whole inventory.
_FEW_NAMES: t.Final = 5
_MAX_CANDIDATES: t.Final = 10
_PER_NAME: t.Final = 3  # names that look like one with typing errors,
_MOST_COMPARED: t.Final = 50_000  # names and addresses, in half a second for each unknown name
_LIKENESS: t.Final = 0.8  # from 0 to 1: one letter of ten may be wrong, or two may have changed places


def list_all(reader: Reader, types: t.Sequence[str], filters: t.Mapping[str, t.Any]) -> list[models.Entity]:
    """The entities of these types that match the filters (options of ``wire.ENTITY_FILTERS``), each once."""
    found: dict[str, models.Entity] = {}
    for entity_type in types:
        for entity in _inventory(reader, entity_type, payloads.query(filters, names.ENTITY_FILTERS)):
            found.setdefault(entity.guid, entity)
    return list(found.values())


def unique_names(entities: t.Sequence[models.Entity]) -> list[str]:
    """For each entity what names it alone among these: its address, else its name, else its guid."""
    index = _by_name(entities)
    guids = {entity.guid for entity in entities}
    return [
        next(
            (name for name in (entity.email, entity.name) if name and len(index[name]) == 1 and name not in guids),
            entity.guid,
        )
        for entity in entities
    ]


def resolve(reader: Reader, wanted: t.Sequence[str], entity_type: str | None) -> list[models.Reference]:
    """The entity for each name, e-mail address or guid: each once, in the order asked.

    Names and addresses are compared exactly. Raises OptionError for a name that fits none or several entities.
    """
    wanted_names = [name for name in dict.fromkeys(wanted) if not is_guid(name)]
    found: dict[str, models.Reference] = {}
    if wanted_names:
        if entity_type is None:
            raise OptionError(
                "protected_entity_type",
                f"is needed to look up {wanted_names[0]!r}, which is no guid",
                hint=f"Set it to one of {', '.join(DOWNLOADABLE_TYPES)}.",
            )
        found = _look_up(reader, wanted_names, entity_type)
    references = (found.get(name) or models.Reference(name.lower(), type=entity_type) for name in wanted)
    # Two names may be one entity: an address and a guid, say.
    return list({reference.guid: reference for reference in references}.values())


def resolve_node(reader: Reader, node: str) -> str:
    """The guid of a node given by name or guid. GET /nodes is seen in clients, not documented."""
    if is_guid(node):
        return node.lower()
    records = pagination.list_all(reader, names.NODES, [], "list nodes")
    nodes = [models.decode_reference(record, f"GET {names.NODES}") for record in records]
    matches = [candidate for candidate in nodes if candidate.name == node]
    if len(matches) != 1:
        wanted_names = ", ".join(sorted(candidate.name or candidate.guid for candidate in nodes)) or "none"
        raise OptionError("node", f"{node!r} fits {len(matches)} nodes", hint=f"The server's nodes: {wanted_names}.")
    return matches[0].guid


def _look_up(reader: Reader, wanted_names: t.Sequence[str], entity_type: str) -> dict[str, models.Reference]:
    """The filter first, then once the whole inventory: the filter may not search addresses."""
    index: dict[str, list[models.Entity]] = {}
    if len(wanted_names) <= _FEW_NAMES:
        for name in wanted_names:
            index.setdefault(name, _by_name(_inventory(reader, entity_type, [(names.FILTER_NAME, name)])).get(name, []))
    if not all(index.get(name) for name in wanted_names):
        everything = _inventory(reader, entity_type, [])
        index = _by_name(everything)
        unknown = [name for name in wanted_names if name not in index]
        if unknown:
            raise _not_found(unknown, everything, entity_type)
    ambiguous = {name: index[name] for name in wanted_names if len(index[name]) > 1}
    if ambiguous:
        raise _ambiguous(ambiguous, entity_type)
    found = {name: index[name][0] for name in wanted_names}
    return {name: models.Reference(one.guid, one.name, entity_type, one.email) for name, one in found.items()}


def _inventory(reader: Reader, entity_type: str, filters: payloads.Query) -> list[models.Entity]:
    if entity_type == _TEAMS and reader.profile.teams != _profile.GROUPS:
        return _teams_elsewhere(reader, filters)
    path, query = _INVENTORY[entity_type]
    doing = f"list protected entities of type {entity_type}"
    found = _decode(pagination.list_all(reader, path, [*query, *filters], doing), path, entity_type)
    # A filter that finds no team says nothing of where the teams are.
    return _teams_elsewhere(reader, filters) if entity_type == _TEAMS and not found and not filters else found


def _teams_elsewhere(reader: Reader, filters: payloads.Query) -> list[models.Entity]:
    """The teams in the list of all protected entities of a type, which knows neither pages nor filters.

    Raises StorwareError (``filter_ignored``) for a filter that only the server could apply.
    """
    path = f"{names.CLOUD_PROTECTED_ENTITIES}/{_TEAMS}"
    try:
        records, _answer = pagination.page(reader, path, [], "list teams")
    except ApiError as error:
        # A server without this list; which status it has then is not documented.
        if reader.profile.teams == _profile.GROUPS and error.status in _NO_SUCH_LIST:
            return []
        raise
    found = _decode(records, path, _TEAMS)
    for parameter, value in filters if found else ():
        if parameter != names.FILTER_NAME:
            raise StorwareError(
                f"Cannot list teams: GET {path} has no filter {parameter}",
                code="filter_ignored",
                hint="Leave the filter out, or filter by name_like.",
            )
        word = value.casefold()
        found = [team for team in found if any(word in (name or "").casefold() for name in (team.name, team.email))]
    return found


def _decode(records: t.Sequence[decoding.Json], path: str, entity_type: str) -> list[models.Entity]:
    found = [models.decode_entity(record, f"GET {path}: [{index}]") for index, record in enumerate(records)]
    return [replace(entity, type=entity.type or entity_type) for entity in found if _is_of(entity, entity_type)]


def _is_of(entity: models.Entity, entity_type: str) -> bool:
    """Return whether an entity has this type. Groups and teams share a list, whatever the server's filter does."""
    return entity_type not in _TOGETHER or entity.type not in _TOGETHER or entity.type == entity_type


def _by_name(entities: t.Iterable[models.Entity]) -> dict[str, list[models.Entity]]:
    """The entities under each of their names and addresses."""
    index: dict[str, list[models.Entity]] = {}
    for entity in entities:
        for name in {name for name in (entity.name, entity.email) if name}:
            index.setdefault(name, []).append(entity)
    return index


def _ambiguous(matches: t.Mapping[str, t.Sequence[models.Entity]], entity_type: str) -> OptionError:
    shown = [f"{name!r} fits {len(fitting)}: {_candidates(fitting)}" for name, fitting in matches.items()]
    return OptionError(
        "protected_entities",
        f"names must fit one entity of type {entity_type}; {'. '.join(shown[:_MAX_CANDIDATES])}",
        hint="Give the e-mail address or the guid instead.",
    )


def _not_found(wanted_names: t.Sequence[str], everything: t.Sequence[models.Entity], entity_type: str) -> OptionError:
    index = _by_name(everything)
    words: dict[str, list[models.Entity]] = {}
    for name, fitting in index.items():
        words.setdefault(name.casefold(), []).extend(fitting)
    parts = [name.casefold() for name in wanted_names[:_MAX_CANDIDATES]]
    # Those that a part of the name fits, then those that a typing error has changed.
    near = [word for part in parts for word in words if part in word]
    if len(words) <= _MOST_COMPARED:
        near += [word for part in parts for word in difflib.get_close_matches(part, words, _PER_NAME, _LIKENESS)]
    similar = list({entity.guid: entity for word in near for entity in words[word]}.values())
    hint = "Names and addresses are compared exactly, upper and lower case included."
    if similar:
        hint += f" Similar: {_candidates(similar)}."
    called = ", ".join(repr(name) for name in wanted_names[:_MAX_CANDIDATES])
    more = f" and {len(wanted_names) - _MAX_CANDIDATES} more" if len(wanted_names) > _MAX_CANDIDATES else ""
    return OptionError("protected_entities", f"no entity of type {entity_type} is called {called}{more}", hint=hint)


def _candidates(entities: t.Sequence[models.Entity]) -> str:
    shown = [
        " ".join(part for part in (e.name, f"<{e.email}>" if e.email else None, f"({e.guid})") if part)
        for e in entities[:_MAX_CANDIDATES]
    ]
    more = len(entities) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
