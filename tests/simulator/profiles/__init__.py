# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles of servers: the collection's server profile, and under ``simulator`` switches for all that it does not say.

Each YAML file in this folder is one. ``collection_profile`` is the part that a user gives to the collection,
``switch_values`` is the server that it describes.
"""

from __future__ import annotations

import pathlib
import typing as t

import yaml

Document = dict[str, t.Any]

# Profile keys that are switches under another name. visible_within is the patience of the client.
_SWITCHES: dict[str, dict[str, str]] = {
    "create": {"body": "create_body", "batch": "create_batch", "visible_within": ""},
    "update": {"body": "update_body"},
    "content": {"source": ""},
    "lists": {"page_size": "max_page_size", "teams": "teams"},
}
_SOURCES: dict[str, dict[str, str]] = {
    "auto": {},
    "download": {"content_download": "object"},
    "content_download": {"download": "object"},
}
_STATE = "state:"


def paths() -> list[pathlib.Path]:
    """Return the files of this folder."""
    return sorted(pathlib.Path(__file__).parent.glob("*.yml"))


def collection_profile(path: pathlib.Path) -> Document:
    """Return the server profile of a file, as the collection takes it: without the key ``simulator``."""
    return {key: value for key, value in _load(path).items() if key != "simulator"}


def switch_values(profile: pathlib.Path | Document) -> Document:
    """Return the switches of a server with this profile: a file, or the document itself.

    Raises ValueError that names a key or a value which is none, OSError for a file that cannot be read.
    """
    document = _load(profile) if isinstance(profile, pathlib.Path) else profile
    _only("", document, {*_SWITCHES, "ready", "simulator"})
    values: Document = {}
    for section, names in _SWITCHES.items():
        part = document.get(section) or {}
        _only(section, part, set(names))
        values.update({names[key]: value for key, value in part.items() if names[key] and value is not None})
    source = (document.get("content") or {}).get("source") or "auto"
    if source not in _SOURCES:
        raise ValueError(f"profile key content.source: {source!r} is not one of {', '.join(_SOURCES)}")
    values.update(_SOURCES[source])
    values.update(document.get("simulator") or {})
    _add_readiness(str(document.get("ready") or "finished_mount"), values)
    return values


def _add_readiness(ready: str, values: Document) -> None:
    if ready == "task":
        values["finished_mount"] = "empty"
    elif ready.startswith(_STATE):
        values["ready_state"] = ready.removeprefix(_STATE)
        values["ignored_filters"] = [*values.get("ignored_filters", []), "finished-mount"]
    elif ready != "finished_mount":
        raise ValueError(f"profile key ready: {ready!r} is not finished_mount, task or {_STATE}NAME")


def _load(path: pathlib.Path) -> Document:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from None
    if not isinstance(document, (dict, type(None))):
        raise ValueError(f"{path} holds no profile: a mapping is expected")
    return document or {}


def _only(section: str, part: t.Any, known: set[str]) -> None:
    if not isinstance(part, dict):
        raise ValueError(f"profile key {section}: a mapping is expected")
    unknown = sorted(set(part) - known, key=str)
    if unknown:
        name = f"{section}.{unknown[0]}" if section else unknown[0]
        raise ValueError(f"unknown profile key {name}; known: {', '.join(sorted(known))}")
