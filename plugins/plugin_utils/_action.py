# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bases of all action plugins: the controller's work before a module runs on a host, and after its result."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import types
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.common.validation import check_type_list
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils import _argspec, _causes
from ..module_utils._batch import guids_of
from ..module_utils._errors import OptionError, StorwareError
from . import _detached_poll, _facts, _option_names, _profile_file, _results
from ._play import Play

_display = Display()


class ProgressActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Runs the module of the same name, and shows progress lines during long work.

    Only documented values of a host's result are returned. No variable of this collection gets to a host by its
    environment, where every user could read it in the list of processes.
    """

    _default_interval: float | None = None  # seconds, of progress_interval; None for modules without
    _lists: t.ClassVar[tuple[str, ...]] = ()  # options of the module that are lists
    _returns_files = False  # whether a result without failure has a file for each guid
    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task, and return the documented part of the module's result."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        # Not put back afterwards: what Ansible runs for this task later, such as async_status, needs no secrets either.
        self._task.environment = [_argspec.without_variables(self._variables)]
        try:
            if self._is_of_the_role:
                self._refuse_facts(task_vars or {})
            given = self._with_lists(self._task.args)
            result.update(self._run_with(given, task_vars))
        except StorwareError as error:
            result.update(failure(error))
        if self._is_of_the_role:
            result = _option_names.rename_options(result, self._names_of_the_role(task_vars or {}))
        if not self._wraps_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _with_lists(self, given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the arguments with lists in place of texts, before Ansible splits them; an empty text is not set."""
        lists = {
            name: _argspec.text_items(given[name], commas=True)
            for name in self._lists
            if isinstance(given.get(name), str)
        }
        return {name: lists.get(name, value) for name, value in given.items() if lists.get(name) != []}

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """Return the module's result for these arguments of the task. Raises StorwareError."""
        return self._check(self._run_module(given, task_vars), given)

    def _check(self, raw: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the documented part of the module's result. Raises StorwareError."""
        clean = _results.clean_result(self._task.action.rpartition(".")[2], raw)
        if clean.get("failed") and not {"error", "invocation"} & set(clean) and not self._task.async_val:
            clean = self._explain(clean)
        if self._returns_files and not clean.get("failed") and not self._task.async_val:
            _results.check_files(raw, clean, guids_in(given), predicted=bool(self._task.check_mode))
        return _results.with_interpreter(clean, self._discovered_interpreter_key, self._discovered_interpreter)

    def _explain(self, clean: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the failure of a host on which the module did not start: its own results have invocation or error."""
        interpreter = (self._used_interpreter or "").lstrip("#!").strip()
        found = self._low_level_execute_command(f"{interpreter} --version", sudoable=False) if interpreter else {}
        version = re.search(
            r"Python (\d{1,3})\.(\d{1,3})[\w.]{0,20}", f"{found.get('stdout')} {found.get('stderr')}", re.A
        )
        if version and tuple(map(int, version.groups())) < _OLDEST_PYTHON:
            return failure(
                OptionError(
                    "ansible_python_interpreter",
                    f"{interpreter} is {version.group()} on this host, and the modules of this collection need "
                    f"Python {'.'.join(map(str, _OLDEST_PYTHON))} or newer",
                    hint="Set it to another Python of the host, or install one there.",
                )
            )
        words = str(clean.get("module_stderr") or clean.get("module_stdout") or clean.get("msg") or "").strip()
        error = StorwareError(
            "The module did not run on the host: " + words.rpartition("\n")[2][:_MOST_LINE],
            code="invalid_result",
            hint="Check become, the Python interpreter and the connection of the host.",
        )
        return {**clean, **failure(error)}

    def _parse_returned_data(self, res: dict[str, t.Any], *profile: t.Any) -> t.Any:
        """Parse the output as Ansible does, with clean warnings."""
        with contextlib.suppress(ValueError):  # no JSON, which Ansible itself reports as a failure
            res = {**res, "stdout": _results.clean_warnings(res.get("stdout", ""))}
        return super()._parse_returned_data(res, *profile)

    @property
    def _is_of_the_role(self) -> bool:
        role = self._task._role
        return role is not None and role.get_name() == _facts.ROLE

    @functools.cached_property
    def _variables(self) -> dict[str, t.Any]:
        """The variables of the keyword environment of the task and its parents; also when the task is retried."""
        return task_environment(self._task, self._templar)

    def _names_of_the_role(self, task_vars: t.Mapping[str, t.Any]) -> t.Mapping[str, str]:
        """Return the role's name of each option of this task that the role has."""
        if not self._returns_files:
            names = _option_names.OF_DOWNLOADS
        else:
            names = _option_names.OF_SPOOL if self._task.delegate_to else _option_names.OF_FILES
        connection = self._templar.template(task_vars.get("fetch_content_connection"))
        of_connection = _argspec.set_in(connection if isinstance(connection, dict) else {})
        return {**names, **{name: f"fetch_content_connection.{name}" for name in of_connection}}

    def _refuse_facts(self, task_vars: t.Mapping[str, t.Any]) -> None:
        """Raise OptionError where a task of the role would take facts of hosts for its options."""
        # A task on the controller acts for all hosts, by the variables of all of them.
        own = [task_vars["inventory_hostname"]]
        hosts = task_vars["ansible_play_hosts_all"] if self._task.run_once or self._task.delegate_to else own
        _facts.refuse_variables_of_the_role(task_vars, hosts)

    def _run_module(
        self,
        arguments: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any] | None,
        variables: t.Mapping[str, str] = types.MappingProxyType({}),
    ) -> dict[str, t.Any]:
        """Return the module's raw result, with these variables in its environment."""
        environment = self._task.environment

        def execute(polling: t.Mapping[str, str]) -> dict[str, t.Any]:
            self._task.environment = [*environment, wrap_var({**variables, **polling})]
            try:
                found: dict[str, t.Any] = self._execute_module(
                    module_args=dict(arguments), task_vars=task_vars, wrap_async=self._wraps_async
                )
            finally:
                self._task.environment = environment
            return found

        interval = self._progress_interval(arguments)
        if not interval:
            return execute({})
        self._connect()
        remote_tmp = str(self.get_shell_option("remote_tmp", default="~/.ansible/tmp"))
        return _detached_poll.until_done(execute, interval, remote_tmp, self._show(task_vars))

    @property
    def _wraps_async(self) -> bool:
        # Asynchronous tasks are wrapped as Ansible's own default action does it.
        return bool(self._task.async_val) and not self._connection.has_native_async

    def _connect(self) -> None:
        """Connect to the host once: one that is unreachable fails at once, and one that is lost later is waited for."""
        if self._connection._shell.tmpdir is not None:
            return  # made a moment ago
        if self._is_pipelining_enabled("new"):
            self._low_level_execute_command("true", sudoable=False)
        else:
            self._make_tmp_path()  # where the module would make it anyway

    def _progress_interval(self, arguments: t.Mapping[str, t.Any]) -> float:
        """Return the seconds between two lines; 0 for none, and for values that the module will refuse."""
        is_quiet = self._task.async_val or self._task.no_log or self._task.check_mode
        if self._default_interval is None or is_quiet:
            return 0.0
        try:
            interval = float(arguments.get("progress_interval", self._default_interval))
        except (TypeError, ValueError):
            return 0.0
        return interval if _argspec.LEAST_INTERVAL <= interval <= _argspec.MOST_INTERVAL else 0.0

    def _show(self, task_vars: t.Mapping[str, t.Any] | None) -> t.Callable[[str], None]:
        host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")

        def show(text: str) -> None:
            _display.display(f"[{host}] {_results.clean_text(text, _MOST_LINE)}")
            _display.display(_Flush(), screen_only=True, log_only=True)  # shows nothing

        return show


class _Flush(str):
    """A text that flushes the output of ansible-playbook when it arrives there.

    Its main process writes for its workers, and without a terminal nobody would see a line before 8 KiB have come.
    """

    def __reduce__(self) -> tuple[t.Callable[[], str], tuple[()]]:
        return flush_output, ()


def flush_output() -> str:
    """Flush this process's output; return an empty text. A reader that is gone is no fault of the task."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    return ""


_MOST_LINE: t.Final = 300  # characters
_OLDEST_PYTHON: t.Final = (3, 9)  # on managed hosts


class ConnectionActionModule(ProgressActionModule):
    """Runs the module of the same name with connection options from the environment of the task and the controller.

    An AWX credential sets variables on the controller only; a module on another host would never see them.
    Another host gets the session only, where there is one: password and token stay on the controller.
    """

    def _run_with(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        given, above = self._split_levels(given, task_vars or {}) if self._is_of_the_role else (given, {})
        arguments = _argspec.resolve(given, self._variables, os.environ, above=above)
        # Here, because a module writes its options to the log of its host before it checks them.
        _argspec.refuse_credentials(str(arguments.get("url") or ""))
        if "profile" in arguments:
            # A path in a playbook is relative to it, and one in a variable to the directory where Ansible was started.
            is_option = any("profile" in _argspec.set_in(level) for level in (given, *above.values()))
            directory = self._loader.get_basedir() if is_option else os.getcwd()
            arguments["profile"] = _profile_file.load(arguments["profile"], directory)
        if self._connection.transport != "local":
            arguments = _argspec.for_another_host(arguments)
        return super()._run_with(arguments, task_vars)

    def _split_levels(
        self, given: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]
    ) -> tuple[t.Mapping[str, t.Any], _argspec.Levels]:
        """Split the options that Ansible has merged for a task of the role: those of the play, and the levels above.

        The author of fetch_content_connection may be another person than that of the play's module_defaults.
        """
        connection = self._templar.template(task_vars.get("fetch_content_connection")) or {}
        own = _argspec.set_in({name: value for name, value in connection.items() if value == given.get(name)})
        session = {} if self._opens_session else _argspec.set_in({"session": given.get("session")})
        rest = {name: value for name, value in given.items() if name not in {**own, **session}}
        # Ansible has put these in the place of the play's, also where they set nothing.
        replaced = {
            name for name, value in connection.items() if value in (None, "") or (name == "url" and name in own)
        }
        rest |= {
            name: default_of_the_play(self._task, self._templar, name, self._task.resolved_action)
            for name in replaced - session.keys()
        }
        return rest, {"the role": session, "fetch_content_connection": own}

    @property
    def _opens_session(self) -> bool:
        """Whether the task opens the session, so that the role gives it none."""
        return False


class ControllerActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """Does its work on the controller, and contacts no host. Nothing in its result is a template."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        try:
            result.update(self._work(task_vars or {}))
        except StorwareError as error:
            result.update(failure(error))
        return t.cast("dict[str, t.Any]", _wrap_all(result, {}))

    def _work(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the result of the task. Raises StorwareError."""
        raise NotImplementedError


def _wrap_all(value: t.Any, known: dict[t.Any, t.Any]) -> t.Any:
    """Mark all texts of a result as unsafe, as wrap_var does.

    Equal texts and lists that occur twice stay one object: Ansible takes seconds to send thousands of them.

    known: what is marked already; of lists by their identity.
    """
    if isinstance(value, dict):
        return {_wrap_all(key, known): _wrap_all(item, known) for key, item in value.items()}
    if isinstance(value, list):
        if id(value) not in known:
            known[id(value)] = [_wrap_all(item, known) for item in value]
        return known[id(value)]
    if not isinstance(value, str):
        return wrap_var(value)
    if value not in known:
        known[value] = wrap_var(value)
    return known[value]


def task_environment(task: t.Any, templar: t.Any) -> dict[str, t.Any]:
    """Return the variables of the keyword environment of a task and its parents. Raises AnsibleError."""
    found: dict[str, t.Any] = {}
    given = task.environment or []
    for environment in given if isinstance(given, list) else [given]:
        variables = templar.template(environment) or {}
        if not isinstance(variables, dict):
            raise AnsibleError(f"environment must be a dictionary, received {variables} ({type(variables)})")
        found.update(variables)
    # Marked as unsafe: Ansible would template them once more.
    return t.cast("dict[str, t.Any]", wrap_var(found))


def default_of_the_play(task: t.Any, templar: t.Any, option: str, action: str = "") -> t.Any:
    """Return the option in module_defaults of the modules, or of this one, which the role's own may replace."""
    found = None
    for defaults in task.module_defaults or []:
        for name in (f"group/{_facts.GROUP}", action):
            options = templar.template(defaults.get(name)) or {}
            found = options.get(option, found)
    return found


def play_of(task_vars: t.Mapping[str, t.Any], *, predicted: bool) -> Play:
    """Return the hosts of the play of a task and their variables, as they are: templating all would take long."""
    hosts = task_vars["ansible_play_hosts_all"]
    variables = {host: task_vars["hostvars"].raw_get(host) for host in hosts}
    return Play(hosts, task_vars["ansible_play_hosts"], task_vars["inventory_hostname"], variables, predicted)


def guids_in(given: t.Mapping[str, t.Any]) -> list[str]:
    """Return the downloads that the option guid names, as the module reads it. Raises OptionError."""
    return guids_of(check_type_list(given.get("guid") or []))


def failure(error: StorwareError) -> dict[str, t.Any]:
    """Return the result of a task that fails on the controller."""
    return {"failed": True, "msg": error.text, "error": error.to_result()}


def repeated(
    earlier: t.Mapping[str, t.Any], msg: str, code: str, hint: str = "", retryable: bool = False
) -> dict[str, t.Any]:
    """Return the result of a task that repeats an earlier failure, as far as there is one; msg is used otherwise.

    Empty without any message. Raises StorwareError where the earlier failure has no code of its own.
    """
    if earlier.get("error"):
        return {
            "failed": True,
            "msg": _causes.shorten(str(earlier.get("msg") or ""), _MOST_MESSAGE),
            "error": earlier["error"],
        }
    if message := earlier.get("msg") or msg:
        # A host may have written some of it.
        message = _causes.shorten(_results.clean_text(message), _MOST_MESSAGE)
        raise StorwareError(message, code=code, hint=hint, retryable=retryable)
    return {}


_MOST_MESSAGE: t.Final = 1900  # bytes of a message
