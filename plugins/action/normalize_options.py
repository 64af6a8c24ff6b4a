# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the module of the same name."""

from __future__ import annotations

import datetime
import typing as t

from ..module_utils import _argspec
from ..module_utils._errors import StorwareError
from ..plugin_utils import _facts, _normalization, _removal, _role_options
from ..plugin_utils._action import ControllerActionModule, default_of_the_play, task_environment

SPEC: t.Final = {
    "entry_point": {"type": "str", "choices": ["main", "prepare", "fetch", "remove", "verify"]},
    "prefix": {"type": "str", "default": _role_options.PREFIX},
    "options": {"type": "dict"},
}


class ActionModule(ControllerActionModule):
    """Returns the options by their names without the prefix, or fails with all problems."""

    def _work(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        _result, arguments = self.validate_argument_spec(
            SPEC, mutually_exclusive=[list(_EITHER)], required_one_of=[list(_EITHER)]
        )
        prefix, entry_point = arguments["prefix"], arguments["entry_point"]
        unset: dict[str, t.Any] = {}
        if entry_point:
            _role_options.refuse_state_set_elsewhere(task_vars, lockstep=self._is_in_lockstep)
            specs = _role_options.specifications()
            spec = specs[entry_point]
            unset = dict.fromkeys(name for options in specs.values() for name in options)
            # Before templates of the options are run.
            planted = _facts.variables_of_the_role(task_vars, task_vars["inventory_hostname"])
            # Of the host itself; action plugins check those of all hosts before each task on the controller.
            if planted:
                raise _invalid([_PLANTED.format(", ".join(planted))])
        else:
            spec = {prefix + name: about for name, about in arguments["options"].items()}
            if prefix + "connection" in spec:
                known = {option.name: {"type": option.type} for option in _argspec.CONNECTION}
                spec[prefix + "connection"] = {"type": "dict", "options": known}
        given = self._templar.template({name: task_vars[name] for name in spec if name in task_vars})
        found, complaints = _normalization.normalize(given, spec)
        if entry_point and not complaints:
            complaints = _role_options.complaints(found, task_vars["groups"])
        if found.get(f"{prefix}remove") and entry_point and not complaints:
            complaints = self._removal_complaints(found, task_vars)
        if complaints:
            raise _invalid(complaints)
        options = {name.removeprefix(prefix): value for name, value in {**unset, **found}.items()}
        if entry_point:
            options |= self._company(options, task_vars)
            options["creates"] = entry_point in ("main", "prepare")
            options["searches"] = _role_options.searches_always(options, check_mode=bool(self._task.check_mode))
            options["request_digest"] = _role_options.request_digest(options["request"])
            self._refuse_other_requests(options, task_vars)
        # The connection holds passwords, and goes to its modules by module_defaults.
        options.pop("connection", None)
        return options

    def _removal_complaints(self, options: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> list[str]:
        """Return why this run could never prove that the downloads may be removed, as sentences."""
        names = ("ansible_play_hosts_all", "ansible_play_hosts", "ansible_play_batch")
        limit = str(task_vars.get("ansible_limit") or "")
        expected = options[f"{_role_options.PREFIX}expected_hosts"] or ()
        hosts, alive, batch = (task_vars[name] for name in names)
        found = _removal.obstacles(_removal.Scope(hosts, alive, batch, expected, limit))
        return found if self._is_in_lockstep else [*found, _NOT_LINEAR]

    def _company(self, options: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the values that hosts have in common which do something together."""
        host, server = task_vars["inventory_hostname"], self._server(options["connection"] or {})
        request_id = _role_options.request_id(options, server)
        group = _role_options.relay_group(host, options["relay_groups"] or [], task_vars["groups"])
        use = _role_options.digest([self._place, self._loop_items])
        return {
            "request_id": request_id,
            "neighbours": f"{use} {request_id} {group}",
            "lockstep": self._is_in_lockstep,
            "server": server,
            "place": self._place,
            "use": use,
            "started": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _server(self, connection: t.Mapping[str, t.Any]) -> str:
        """Return the URL that the variables of a host may choose; an empty text for that of the controller."""
        of_play = default_of_the_play(self._task, self._templar, "url")
        of_task = task_environment(self._task, self._templar).get(f"{_argspec.PREFIX}URL")
        return str(connection.get("url") or of_play or of_task or "")

    def _refuse_other_requests(self, options: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> None:
        """Raise StorwareError where files are distributed without knowing that this one gets others."""
        hosts, batch = task_vars["ansible_play_hosts_all"], task_vars["ansible_play_batch"]
        elsewhere = set(hosts) - set(batch if options["lockstep"] else [task_vars["inventory_hostname"]])
        for host in sorted(elsewhere) if options["distribute"] else ():
            other = task_vars["hostvars"].raw_get(host).get("_fetch_content_options")
            if not isinstance(other, t.Mapping) or other.get("place") != options["place"]:
                continue
            if other["request_id"] != options["request_id"]:
                raise _invalid([_OTHER_REQUEST.format(host)])

    @property
    def _place(self) -> str:
        """The place in the play where the role is used: the same for all hosts, also for those of other batches."""
        include = self._task.get_first_parent_include()
        # A playbook may be imported twice: its plays differ, and their paths do not.
        return f"{self._play._uuid} {include.get_path() if include else self._task._uuid}"

    @property
    def _loop_items(self) -> list[t.Any]:
        """The items of the loops in which the role is included, from the inside out."""
        includes = [parent for parent in self._parents if getattr(parent, "loop", None)]
        return [include.vars.get(getattr(include.loop_control, "loop_var", "item")) for include in includes]

    @property
    def _is_in_lockstep(self) -> bool:
        """Whether no host begins a task before all others have ended the one before. No variable has it."""
        return str(self._play.strategy).endswith(("linear", "debug"))

    @property
    def _play(self) -> t.Any:
        return next(play for parent in self._parents if (play := getattr(parent, "_play", None)) is not None)

    @property
    def _parents(self) -> t.Iterator[t.Any]:
        """The blocks and includes around this task, from the inside out."""
        parent = self._task._parent
        while parent is not None:
            yield parent
            parent = parent._parent


def _invalid(complaints: t.Sequence[str]) -> StorwareError:
    return StorwareError(" ".join(complaints), code="invalid_option")


_PLANTED: t.Final = (
    "No host may set variables of the role by its facts: {}. Find the module that returned them. "
    "A fact cache keeps them until --flush-cache."
)
_NOT_LINEAR: t.Final = (
    "fetch_content_remove is refused with any strategy but linear, because a host cannot know that the others are "
    "done. Limit concurrent hosts by fetch_content_throttle."
)
_OTHER_REQUEST: t.Final = (
    "fetch_content_distribute with serial, or with a strategy other than linear, is for hosts that all ask for the "
    "same downloads, and {} asks for others. Use fetch_content_throttle instead of serial, and the strategy linear."
)
_EITHER: t.Final = ("entry_point", "options")
