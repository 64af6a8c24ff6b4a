# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge to AnsibleModule for modules without a server: options in; result, diff, errors and warnings out."""

from __future__ import annotations

import functools
import grp
import itertools
import os
import pwd
import stat
import sys
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule

from . import _argspec, _detached, _signals
from ._errors import OptionError, StorwareError
from ._redaction import OMITTED, Redactor, omit_changed, texts_in
from ._transfer.store.attributes import FileAttributes, flags_after

try:
    # ansible-core 2.22 masks all output, and leaves return values as they are
    from ansible.module_utils.secrets import register_secrets
except ImportError:
    register_secrets = None

Result = dict[str, t.Any]

PROGRESS_SPEC: t.Final = {"progress_interval": {"type": "float", "default": _argspec.PROGRESS_INTERVAL}}

_SELINUX: t.Final = ("seuser", "serole", "setype", "selevel")
_ATTRIBUTES: t.Final = ("owner", "group", "mode", *_SELINUX, "attributes")
_NO_ID: t.Final = 2**32 - 1  # the system takes it for "as it is"


class Context:
    """Options, warnings, progress and signals of one run, for the handler of a module.

    Raises OptionError for a progress_interval that cannot work.
    """

    def __init__(self, module: AnsibleModule, redactor: Redactor, report: _detached.Report) -> None:
        self._module = module
        self._redactor = redactor
        self._report = report
        self.signals = _signals.Signals()
        self.params: dict[str, t.Any] = module.params
        self.check_mode: bool = module.check_mode
        self.redact = redactor.text
        _argspec.check_progress_interval(module.params.get("progress_interval"))

    def warn(self, message: str) -> None:
        """Warn the user. Ansible itself does not mask warnings (core 2.19 to 2.21)."""
        _warn(self._module, self._redactor, message)

    @property
    def attempt(self) -> int:
        """The number of the request that waits for an answer, counted from 1."""
        return 1

    def report_progress(self, text: t.Callable[[], str]) -> None:
        """Leave a progress message for the next polls. ``text`` is called for each, in another thread."""
        self._report(lambda: self.redact(text()))

    def user_id(self, option: str) -> int | None:
        """Return the number of the user that an option names, None if it names none. Raises OptionError."""
        return _number(option, self.params[option], lambda name: pwd.getpwnam(name).pw_uid)

    def file_attributes(self) -> FileAttributes:
        """Return the attributes in the options, as far as Ansible understands them. Raises OptionError."""
        mode, flags = self.params["mode"], self.params["attributes"]
        if mode is not None:
            _mode(mode, stat.S_IFREG)
        flags_after(flags, 0)
        return FileAttributes(
            owner=self.user_id("owner"),
            group=_number("group", self.params["group"], lambda name: grp.getgrnam(name).gr_gid),
            mode=None if mode is None else functools.partial(_mode, mode),
            label=self._label if self._module.selinux_enabled() else None,
            flags=flags or None,
        )

    def requested_attributes(self) -> dict[str, t.Any]:
        """Return the options for attributes of files that are set."""
        return {name: self.params[name] for name in _ATTRIBUTES if self.params[name] is not None}

    def add_path_info(self, result: Result) -> Result:
        """Add owner, group, mode and the like of the file at ``path`` to a result, as Ansible does for single files."""
        return t.cast(Result, AnsibleModule.add_path_info(self._module, result))

    def redact_result(self, result: Result) -> Result:
        """Return the result without secrets."""
        return _redact(self._module, self._redactor, result)

    def close(self, *, is_returned: bool) -> None:
        """End what the run has opened. is_returned: whether the caller has got the result."""

    def _label(self, path: str, current: str, is_new: bool) -> str:
        """Return the security context for a file at path, as Ansible chooses it; path need not exist yet."""
        asked = [self.params[name] for name in _SELINUX]
        if not is_new and not any(asked):
            return current
        is_special, special = self._module.is_special_selinux_path(path)
        default = special if is_special else self._module.selinux_default_context(path)
        if is_special or not any(asked):
            asked = ["_default"] * len(asked)
        parts = current.split(":", 3)  # the level has colons in it
        chosen = [given if given != "_default" else usual for given, usual in itertools.zip_longest(asked, default)]
        return ":".join(given or part for given, part in zip(chosen, parts))


AnyContext = t.TypeVar("AnyContext", bound=Context)


def run(handler: t.Callable[[Context], Result], argument_spec: t.Mapping[str, t.Any], **settings: t.Any) -> t.NoReturn:
    """Run a module without a server: no connection options, no session, and no HTTP library.

    settings are those of AnsibleModule. Ends the process as Ansible wants it.
    """
    report = _detached.begin(os.environ)
    module = AnsibleModule(dict(argument_spec), supports_check_mode=True, **settings)
    run_and_exit(module, handler, lambda redactor: Context(module, redactor, report))


def run_and_exit(
    module: AnsibleModule,
    handler: t.Callable[[AnyContext], Result],
    create_context: t.Callable[[Redactor], AnyContext],
) -> t.NoReturn:
    """Call the handler, emit its result or the failure, and end the process with the exit status."""
    redactor = Redactor(register_secrets or module.no_log_values.update)
    failure: Result = {}
    try:
        raise SystemExit(_run_handler(module, handler, create_context(redactor)))
    except StorwareError as error:
        failure = _failure(module, redactor, error)
    except Exception as error:  # noqa: BLE001  # uncaught, Ansible would show it without masking
        failure = _internal_error(redactor, error)
    _signals.ignore()
    # Not while the exception is being handled: Ansible would add it as it is.
    raise SystemExit(_emit(module.fail_json, failure))


def _run_handler(module: AnsibleModule, handler: t.Callable[[AnyContext], Result], context: AnyContext) -> int:
    """Call the handler, which a signal may end, and emit its result, which none may; return the exit status."""
    status = 1
    try:
        try:
            result = context.redact_result(handler(context))
        finally:
            _signals.ignore()
        if not module._diff:
            result.pop("diff", None)
        status = _emit(module.exit_json, result)
        return status
    finally:
        context.close(is_returned=status == 0)


def _warn(module: AnsibleModule, redactor: Redactor, message: str) -> None:
    module.warn(redactor.text(message))


def _redact(module: AnsibleModule, redactor: Redactor, result: t.Mapping[str, t.Any]) -> Result:
    """Return the result without secrets, keys included, which Ansible leaves as they are (core 2.21 and earlier).

    Ids, paths and constants of which a secret is a part are left out with a warning: masked, they would name something
    else.
    """
    if register_secrets is not None:
        return dict(result)

    def is_changed(text: str) -> bool:
        return redactor.text(text) != text or any(str(value) in text for value in module.no_log_values)

    # Mostly there is nothing, which one search in all texts together shows in a fraction of the time.
    if not is_changed("\n".join(texts_in(result))):
        return dict(result)
    kept, omitted = omit_changed(result, is_changed)
    if omitted:
        kept[OMITTED] = dict.fromkeys(omitted, True)  # names as keys, which Ansible does not mask
        _warn(
            module,
            redactor,
            f"Not returned: {', '.join(omitted)}. A password, token or session is a part of the value, and Ansible"
            " would replace it there. Change the secret that is so short or so common, or use ansible-core 2.22.",
        )
    return t.cast(Result, redactor.value(kept, keys=False))


def _failure(module: AnsibleModule, redactor: Redactor, error: StorwareError) -> Result:
    return {
        **_redact(module, redactor, error.results),
        "msg": redactor.text(error.text),
        "error": redactor.value(error.to_result(), keys=False),
    }


def _internal_error(redactor: Redactor, error: Exception) -> Result:
    return {
        "msg": redactor.text(f"Internal error, please report it: {type(error).__name__}: {error} [internal]"),
        "error": StorwareError("").to_result(),
        "exception": redactor.text(traceback.format_exc()),
    }


def _emit(end: t.Callable[..., None], result: Result) -> int:
    """Give the result to exit_json or fail_json; return the exit status, 1 when the reader of the output is gone."""
    status = 0
    try:
        try:
            end(**result)
        except SystemExit as ended:
            status = 0 if ended.code in (0, None) else 1
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain when it ends
        return 1
    return status


def _number(option: str, name: str | None, look_up: t.Callable[[str], int]) -> int | None:
    """Return the number of a user or group that is given by number or name."""
    if name is None:
        return None
    try:
        number = int(name)
    except ValueError:
        try:
            number = look_up(name)
        except (KeyError, ValueError) as error:  # ValueError: a NUL
            raise OptionError(option, f"{name!r} is unknown on this host") from error
    if not 0 <= number < _NO_ID:
        raise OptionError(option, f"{name!r} is no number of a user or group")
    return number


def _mode(asked: t.Any, st_mode: int) -> int:
    """Return the permission bits of a mode, octal or symbolic, for a file that has st_mode."""
    try:
        bits = asked if isinstance(asked, int) else int(asked, 8)
    except (TypeError, ValueError):
        try:
            bits = AnsibleModule._symbolic_mode_to_octal(os.stat_result((st_mode, *[0] * 9)), asked)
        except (AttributeError, ValueError) as error:
            raise OptionError(
                "mode", f"must be octal or symbolic: {asked!r}", hint="Such as '0640' or u=rw,g=r."
            ) from error
    if bits != stat.S_IMODE(bits):
        raise OptionError("mode", f"has more than permissions: {asked!r}", hint="Such as '0640' or u=rw,g=r.")
    return int(bits)
