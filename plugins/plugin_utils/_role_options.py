# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the role fetch_content: their specification, and what it cannot express."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import typing as t

from ansible.module_utils.common.yaml import yaml_load

from ..module_utils._errors import StorwareError

PREFIX: t.Final = "fetch_content_"

_SPECS: t.Final = (
    pathlib.Path(__file__).resolve().parents[2] / "roles" / "fetch_content" / "meta" / "argument_specs.yml"
)
_REPORT: t.Final = re.compile(r"/.*\.(json|csv)", re.DOTALL)
_WITH_ENTITIES: t.Final = ("protected_entity_type", "backup", "node", "request")


class InvalidOptionsError(StorwareError):
    """Options have values that cannot work. Raised before anything is sent."""

    code = "invalid_option"

    def __init__(self, complaints: t.Sequence[str]) -> None:
        super().__init__(" ".join(complaints))


def specifications() -> dict[str, dict[str, t.Any]]:
    """The argument specification of each entry point, by the names of the variables."""
    specs = yaml_load(_SPECS.read_text(encoding="utf-8"))["argument_specs"]
    return {entry_point: spec["options"] for entry_point, spec in specs.items()}


def request_id(options: t.Mapping[str, t.Any]) -> str:
    """What is the same for hosts that ask the same server for the same downloads, in any order.

    options: normalized ones, without the prefix. It tells nobody what they are.
    """
    connection = options["connection"] or {}
    asked: list[t.Any] = [sorted(set(options["protected_entities"] or [])), connection.get("url")]
    asked += [sorted({guid.lower() for guid in options["guids"] or []}), options["mode"]]
    asked.append(sorted(options["backup_statuses"] or []))
    asked += [options[name] for name in _WITH_ENTITIES]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def relay_group(host: str, relay_groups: t.Iterable[str], groups: t.Mapping[str, t.Container[str]]) -> str:
    """The first of these groups that the host is in, marked as one, or the host itself."""
    return next((f"in {group}" for group in relay_groups if host in groups.get(group, ())), host)


def complaints(options: t.Mapping[str, t.Any], groups: t.Container[str]) -> list[str]:
    """Sentences about options that do not go together.

    Args:
        options: normalized ones, by the names of their variables. An entry point has some of them only.
        groups: names of the groups in the inventory.
    """

    def of(name: str) -> t.Any:
        return options.get(PREFIX + name)

    found = []
    if PREFIX + "protected_entities" in options and bool(of("protected_entities")) == bool(of("guids")):
        found.append("Give either fetch_content_protected_entities or fetch_content_guids, not both and not neither.")
    if of("guids") and any(of(name) for name in _WITH_ENTITIES):
        found.append(
            "fetch_content_protected_entity_type, fetch_content_backup, fetch_content_node and fetch_content_request "
            "go with fetch_content_protected_entities, not with fetch_content_guids."
        )
    if not all(map(_REPORT.fullmatch, of("report") or [])):
        found.append("fetch_content_report takes absolute paths that end with .json or .csv.")
    if (of("max_rate") or 1) < 1:
        found.append("fetch_content_max_rate takes bytes per second, such as 100M.")
    if (of("max_size") or 1) < 1:
        found.append("fetch_content_max_size takes bytes, such as 200G.")
    if of("via") == "controller" and not of("spool"):
        found.append("fetch_content_via=controller needs fetch_content_spool, a directory on the controller.")
    if of("via") == "relay":
        found += _complaints_of_relay(of("relay_groups"), groups, distribute=of("distribute"))
    return found


def _complaints_of_relay(
    relay_groups: t.Sequence[str], groups: t.Container[str], *, distribute: bool
) -> t.Iterator[str]:
    if distribute:
        yield "fetch_content_via=relay is for files that all hosts get, and excludes fetch_content_distribute."
    unknown = [name for name in relay_groups if name not in groups]
    if unknown:
        yield f"fetch_content_relay_groups names groups that the inventory does not have: {', '.join(unknown)}."
