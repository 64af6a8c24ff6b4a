# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import typing as t

from ..plugin_utils import _facts, _fetch_plan, _outcomes
from ..plugin_utils._action import ControllerActionModule, play_of, repeated
from ..plugin_utils._play import Play

SPEC: t.Final = {
    "of": {"type": "str", "required": True, "choices": ["search", "wanted", "lacks", "transfers", "files", "removal"]},
    "verified": {"type": "list", "elements": "str"},
}


class ActionModule(ControllerActionModule):
    """Returns the part of the plan that is asked for, made of the state of the role."""

    def _work(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        # Hosts may have returned facts since the role began, and the plan is made of their variables.
        _facts.refuse_variables_of_the_role(task_vars, task_vars["ansible_play_hosts_all"])
        _result, options = self.validate_argument_spec(SPEC)
        play = play_of(task_vars, predicted=bool(self._task.check_mode))
        host = play.reporter
        if options["of"] == "search":
            return {"needed": _fetch_plan.searches(play, host, task_vars["ansible_play_batch"])}
        if options["of"] == "wanted":
            return _wanted(play, host)
        if options["of"] == "lacks":
            return _with_warning(_fetch_plan.lacks(play, host))
        if options["of"] == "transfers":
            return _transfers(play, host)
        if options["of"] == "files":
            return {
                "files": _outcomes.files_of(play, host),
                "records": _outcomes.records_there(play, host),
                "spooled": _outcomes.records_in_spool(play, host),
                "unreachable_host": _outcomes.is_lost(play, host),
            }
        return _outcomes.decide_removal(
            play,
            alive=task_vars["ansible_play_hosts"],
            batch=task_vars["ansible_play_batch"],
            expected=play.record(host, "options").get("expected_hosts") or (),
            limit=str(task_vars.get("ansible_limit") or ""),
            verified=options["verified"],
        )


def _wanted(play: Play, host: str) -> dict[str, t.Any]:
    """Return the records for the host that asks, and the failure of its search for all that depend on it."""
    asker = str(play.state(host, "asker"))
    seen = play.record(asker, "seen")
    # Without a result the host that asks has failed before its search.
    if seen.get("failed") or "cloud_downloads" not in seen:
        return repeated(seen, _ASKER_FAILED.format(asker), "prepare_failed")
    return {"records": _fetch_plan.wanted_records(play, asker)} if asker == host else {}


def _transfers(play: Play, host: str) -> dict[str, t.Any]:
    """Return the plan of the transfers, and the failure to prepare what the host lacks, where nothing could be."""
    asker = str(play.state(host, "asker"))
    prepared, lacks = play.record(asker, "prepared"), play.record(asker, "lacks")
    # Without a list the host that asks has failed before it could.
    if _fetch_plan.is_searched(play, host):
        is_stopped = prepared.get("failed") or "prepare" not in lacks
        is_stopped = is_stopped and play.record(host, "lacks").get("number")
    else:
        is_stopped = prepared.get("failed") or "cloud_downloads" not in prepared
    if is_stopped:
        return repeated(prepared or lacks, _ASKER_FAILED.format(asker), "prepare_failed")
    return _with_warning(_fetch_plan.transfers(play, host))


def _with_warning(plan: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a plan as the result of a task, with the warning about the free space that it has."""
    short = plan.pop("short")
    return {**plan, **({"warnings": [short]} if short else {})}


_ASKER_FAILED: t.Final = "{}, which asks for the same downloads, has failed"
