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
_REPORT: t.Final = re.compile(r"/.*\.(json|csv|html)", re.DOTALL)
# The variables for later tasks, and their values as they were after the reset, before they were restored
_RESULTS: t.Final = f"_{PREFIX}results"
_RESTORED: t.Final = (f"{PREFIX}downloads", f"{PREFIX}files")
_RESET: t.Final = f"_{PREFIX}reset"  # the result of the task that has reset the state
_WITH_ENTITIES: t.Final = ("protected_entity_type", "backup", "node", "request")


def refuse_state_set_elsewhere(task_vars: t.Mapping[str, t.Any], *, lockstep: bool) -> None:
    """Raise StorwareError where the role would read its state from another place than its own tasks.

    The task before has set every name of the state to a value that nobody can know. A name that now has another value
    is outranked, such as by an extra variable, and one that was not set then is not the role's. The values are
    compared as they are, without running templates.

    Args:
        task_vars: the variables of the task.
        lockstep: whether no host runs ahead of the others. If some do, another host may have set, meanwhile, the
            state that is the same for all hosts.
    """
    reset = task_vars.get(_RESET)
    own = reset.get("ansible_facts") if isinstance(reset, t.Mapping) else None
    own = own if isinstance(own, t.Mapping) else {}
    results = task_vars.get(_RESULTS)
    results = results if isinstance(results, t.Mapping) else {}
    found = [
        name
        for name in own
        if name != _RESULTS and (results if name in _RESTORED else task_vars).get(name) != own[name]
    ]
    found += [name for name in task_vars if name.startswith(f"_{PREFIX}") and name not in own and name != _RESET]
    shared = set() if lockstep else {name for name in found if _is_of_another_host(task_vars, name)}
    if set(found) - shared or not own:
        raise StorwareError(
            " ".join(
                f"The role has not started, because {name} is set elsewhere, and only the role may set it."
                for name in sorted(set(found) - shared or {_RESET})
            ),
            code="invalid_option",
            hint="Nothing was sent. Remove it from extra vars (such as artifacts of an earlier workflow node), role "
            "parameters, included variables, facts and inventory.",
        )


def _is_of_another_host(task_vars: t.Mapping[str, t.Any], name: str) -> bool:
    """Return whether a host that is ahead of this one may have set this variable for all hosts."""
    others = set(task_vars["ansible_play_hosts"]) - {task_vars["inventory_hostname"]}
    if name == f"_{PREFIX}common":
        found = task_vars[name]
        return isinstance(found, t.Mapping) and found.get("leader") in others and found.get("requests") == {}
    states = [task_vars["hostvars"].raw_get(host).get(f"_{PREFIX}session") for host in others]
    return name == f"_{PREFIX}rows" and any(state and not str(state).startswith("reset ") for state in states)


def specifications() -> dict[str, dict[str, t.Any]]:
    """Return the argument specification of each entry point, by the names of the variables."""
    specs = yaml_load(_SPECS.read_text(encoding="utf-8"))["argument_specs"]
    return {entry_point: spec["options"] for entry_point, spec in specs.items()}


def request_id(options: t.Mapping[str, t.Any], server: str) -> str:
    """Return a digest that is the same for hosts that ask the same server for the same downloads, in any order.

    options: normalized ones, without the prefix. server: its URL, or an empty text for that of the controller.
    """
    asked: list[t.Any] = [sorted(set(options["protected_entities"] or [])), server]
    asked += [sorted({guid.lower() for guid in options["guids"] or []}), options["mode"]]
    asked.append(sorted(options["backup_statuses"] or []))
    asked += [options[name] for name in _WITH_ENTITIES]
    return digest(asked)


def searches_always(options: t.Mapping[str, t.Any], *, check_mode: bool) -> bool:
    """Return whether the server is searched before anything is prepared, also where no host has a file.

    A prediction, and downloads that are not created, are made of the search. With a backup, it shows the sizes.

    options: normalized ones, without the prefix, with ``creates``.
    """
    return bool(check_mode or not options["creates"] or options["guids"] or options["backup"])


def request_digest(fields: t.Mapping[str, t.Any] | None) -> str | None:
    """Return the digest of fields that are added to the request for a download, for receipts; None without fields."""
    return digest(fields) if fields else None


def digest(values: t.Sequence[t.Any] | t.Mapping[str, t.Any]) -> str:
    """Return a digest of these values that does not show them, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def relay_group(host: str, relay_groups: t.Iterable[str], groups: t.Mapping[str, t.Container[str]]) -> str:
    """Return the first of these groups that the host is in, as "in GROUP", or the host itself."""
    return next((f"in {group}" for group in relay_groups if host in groups.get(group, ())), host)


def complaints(options: t.Mapping[str, t.Any], groups: t.Container[str]) -> list[str]:
    """Return sentences about options that exclude each other.

    Args:
        options: normalized ones, by the names of their variables. An entry point has some of them only.
        groups: names of the groups in the inventory.
    """

    def of(name: str) -> t.Any:
        return options.get(PREFIX + name)

    found = []
    if PREFIX + "protected_entities" in options and bool(of("protected_entities")) == bool(of("guids")):
        found.append("Set exactly one of fetch_content_protected_entities and fetch_content_guids.")
    if of("guids") and any(of(name) for name in _WITH_ENTITIES):
        found.append(
            "fetch_content_protected_entity_type, fetch_content_backup, fetch_content_node and fetch_content_request "
            "go with fetch_content_protected_entities, not with fetch_content_guids."
        )
    if not all(map(_REPORT.fullmatch, of("report") or [])):
        found.append("fetch_content_report takes absolute paths that end with .json, .csv or .html.")
    if (of("max_rate") or 1) < 1:
        found.append("fetch_content_max_rate takes bytes per second, such as 100M.")
    if (of("max_size") or 1) < 1:
        found.append("fetch_content_max_size takes bytes, such as 200G.")
    if (of("keep") or 1) < 1:
        found.append("fetch_content_keep takes a number of files from 1 on.")
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
