# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge to AnsibleModule: options in; result, diff, errors and secrets out. Nothing else touches it."""

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

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from . import _argspec, _detached
from ._api import models
from ._api.client import Client
from ._api.transport import REQUESTS_IMPORT_ERROR
from ._errors import OptionError, StorwareError
from ._redaction import SHORTEST, Scrubber, corrupted
from ._signals import Interrupts
from ._transfer.store.attributes import FileAttributes, flags_after

try:
    # ansible-core 2.22: masks what is shown, and leaves alone what is returned
    from ansible.module_utils.secrets import register_secrets
except ImportError:
    register_secrets = None

Result = dict[str, t.Any]
Handler = t.Callable[["Context"], Result]

PROGRESS_SPEC: t.Final = {"progress_interval": {"type": "float", "default": _argspec.PROGRESS_INTERVAL}}
BACKUP_SPEC: t.Final = {
    "backup_statuses": {
        "type": "list",
        "elements": "str",
        "choices": list(models.BACKUP_STATUSES),
        "default": [models.BACKUP_STATUSES[0]],
    },
}
WAIT_SPEC: t.Final = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float", "default": 3600.0},
    "wait_interval": {"type": "float", "default": 10.0},
}


class DiscreetModule(AnsibleModule):  # type: ignore[misc]  # ansible-core has no type stubs
    """Keeps secrets out of the log of its host, also where they stand in an option that is not for secrets.

    Ansible writes the options there before anybody could mask them. It knows a secret as it is, but not within a list
    or beside an at-sign, where it looks for passwords of its own accord and leaves parts of them (core 2.16 to 2.21).
    """

    def log(self, msg: str, log_args: t.Mapping[str, t.Any] | None = None) -> None:
        """Log a message, or, where log_args has them, the options of this run."""
        scrubber = Scrubber()
        for secret in _argspec.secrets(self.params, os.environ):
            scrubber.learn(secret)
        options = {name: _discreet(scrubber, logged, self.params[name]) for name, logged in (log_args or {}).items()}
        said = "Invoked with " + " ".join(f"{name}={value}" for name, value in options.items()) if options else msg
        super().log(scrubber.text(said), options)


def _discreet(scrubber: Scrubber, logged: t.Any, value: t.Any) -> t.Any:
    """What Ansible would log of an option, unless there is a secret in it, which it may have spoilt."""
    clean = scrubber.text(str(value))
    return logged if clean == str(value) else clean


class Masks:
    """The secrets of one run: kept out of everything that is said, by us and, where it can, by Ansible."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._scrubber = Scrubber()
        self.text = self._scrubber.text
        self.value = self._scrubber.value

    def learn(self, secret: str) -> None:
        """Mask this secret from now on."""
        forms = self._scrubber.learn(secret)
        if register_secrets is not None:
            register_secrets(forms)
        else:
            self._module.no_log_values.update(forms)

    def hides(self, text: str) -> bool:
        """Whether this text would not come back as it is."""
        if register_secrets is not None:
            return False
        return self.text(text) != text or any(str(value) in text for value in self._module.no_log_values)

    def result(self, result: Result) -> Result:
        """The result without secrets, keys included, which Ansible leaves as they are (core 2.21 and earlier)."""
        return result if register_secrets is not None else t.cast(Result, self.value(result, keys=False))

    def reveal(self, result: Result, key: str) -> Result:
        """The result with one secret in the clear, under this key only."""
        secret = result[key]
        values = self._module.no_log_values
        values.difference_update({value for value in values if str(value) in secret})
        result = {**result, "invocation": {"module_args": self._module.params}}
        return {**self.result(result), key: secret}


class FileContext:
    """What the handler of a module works with that needs no server."""

    def __init__(self, module: AnsibleModule, masks: Masks, interrupts: Interrupts, tell: _detached.Tell) -> None:
        self._module = module
        self._masks = masks
        self._interrupts = interrupts
        self._tell = tell
        self.params: dict[str, t.Any] = module.params
        self.check_mode: bool = module.check_mode
        self.scrub = masks.text
        _argspec.check_progress_interval(module.params.get("progress_interval"))

    def warn(self, message: str) -> None:
        """Warn the user. Ansible itself does not mask warnings (core 2.19 to 2.21)."""
        self._module.warn(self._masks.text(message))

    def tell(self, text: t.Callable[[], str]) -> None:
        """Say how far it is to whoever visits this run; the text is made when it is time for one."""
        self._tell(lambda: self._masks.text(text()))

    def user_id(self, option: str) -> int | None:
        """The number of the user whom an option names; None if it names none. Raises OptionError."""
        return _number(option, self.params[option], lambda name: pwd.getpwnam(name).pw_uid)

    def file_attributes(self) -> FileAttributes:
        """The attributes that are asked for, as far as Ansible understands them. Raises OptionError."""
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

    def described(self, result: Result) -> Result:
        """The result of one of several files with what Ansible adds for a single one: owner, group, mode and so on."""
        return t.cast(Result, self._module.add_path_info(result))

    def _label(self, path: str, current: str, is_new: bool) -> str:
        """The security context for a file at path, as Ansible chooses it; path need not be there yet."""
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


class Context(FileContext):
    """What a module's handler works with."""

    def __init__(self, module: AnsibleModule, masks: Masks, interrupts: Interrupts, tell: _detached.Tell) -> None:
        super().__init__(module, masks, interrupts, tell)
        self._client: Client | None = None
        self.connection = _argspec.connection(module.params)
        self.hands_out_session = False

    @property
    def client(self) -> Client:
        """The session with the server; nothing is sent before it is used."""
        if self._client is None:
            if not self.connection.validate_certs:
                self.warn("validate_certs is false: anybody on the network may read and change what is transferred.")
            self._client = Client(
                self.connection,
                on_secret=self._masks.learn,
                scrub=self._masks.text,
                undisturbed=self._interrupts.held_back,
            )
        return self._client

    def close(self) -> None:
        """End the session if one was opened."""
        if self._client is not None:
            self._client.close()

    def hand_out_session(self) -> str:
        """The session, to be returned as ``session``. When the caller gets it, it stays open."""
        self.hands_out_session = True
        return self.client.session


_SELINUX: t.Final = ("seuser", "serole", "setype", "selevel")
_NO_ID: t.Final = 2**32 - 1  # the system takes it for "as it is"


def _number(option: str, name: str | None, look_up: t.Callable[[str], int]) -> int | None:
    """The number of a user or group, given by number or name."""
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
    """The permission bits that a mode asks for, octal or symbolic, for a file that has st_mode."""
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


def connection_spec() -> dict[str, t.Any]:
    """The argument spec of the connection options. The action plugin adds those of environments."""
    return {option.name: option.argument_spec() for option in _argspec.CONNECTION}


def run(handler: Handler, argument_spec: t.Mapping[str, t.Any], **settings: t.Any) -> t.NoReturn:
    """Run a module: connection options added, handler called, session closed, everything said without secrets.

    settings are those of AnsibleModule. Ends the process as Ansible wants it.
    """
    tell = _detached.begin(os.environ)
    module = DiscreetModule({**connection_spec(), **argument_spec}, supports_check_mode=True, **settings)
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    masks = Masks(module)
    _end(module, masks, lambda: _carried_out(handler, module, masks, tell))


def run_on_files(
    handler: t.Callable[[FileContext], Result], argument_spec: t.Mapping[str, t.Any], **settings: t.Any
) -> t.NoReturn:
    """Run a module that needs no server: no connection options, no session, and no client library."""
    tell = _detached.begin(os.environ)
    module = AnsibleModule(dict(argument_spec), supports_check_mode=True, **settings)
    masks = Masks(module)
    _end(module, masks, lambda: _carried_out_on_files(handler, module, masks, tell))


def _end(module: AnsibleModule, masks: Masks, work: t.Callable[[], int]) -> t.NoReturn:
    """Do the work, which says its result; say what went wrong; end the process with the status that is due."""
    failure: Result = {}
    try:
        raise SystemExit(work())
    except StorwareError as error:
        failure = _failure(error, masks)
    except Exception as error:  # noqa: BLE001  # uncaught, Ansible would show it without masking
        failure = _internal_error(error, masks)
    Interrupts.ignore()
    # Not while the exception is being handled: Ansible would add it as it is.
    raise SystemExit(_said(module.fail_json, failure))


def _carried_out(handler: Handler, module: AnsibleModule, masks: Masks, tell: _detached.Tell) -> int:
    """Call the handler and say its result; the exit status."""
    for secret in _argspec.secrets(module.params, os.environ):
        masks.learn(secret)
    interrupts = Interrupts()
    context = Context(module, masks, interrupts, tell)
    for option in _argspec.CONNECTION:
        if option.secret and 0 < len(module.params[option.name] or "") < SHORTEST:
            context.warn(f"{option.name} has fewer than {SHORTEST} characters and cannot be masked everywhere.")
    try:
        status = _result_said(lambda: _returnable(handler(context), context, masks), module, interrupts)
        if context.hands_out_session and status == 0:
            context.client.leave_open()
        return status
    finally:
        context.close()


def _carried_out_on_files(
    handler: t.Callable[[FileContext], Result], module: AnsibleModule, masks: Masks, tell: _detached.Tell
) -> int:
    interrupts = Interrupts()
    return _result_said(lambda: handler(FileContext(module, masks, interrupts, tell)), module, interrupts)


def _result_said(work: t.Callable[[], Result], module: AnsibleModule, interrupts: Interrupts) -> int:
    """Do the work, which a signal may end, and say its result, which none may; the exit status."""
    try:
        result = work()
    finally:
        interrupts.ignore()
    if not module._diff:
        result.pop("diff", None)
    return _said(module.exit_json, result)


def _returnable(result: Result, context: Context, masks: Masks) -> Result:
    """The result, unless masking would corrupt an id in it (core 2.21 and earlier)."""
    handed_out = {"session": result["session"]} if context.hands_out_session else {}
    masked = corrupted({key: value for key, value in result.items() if key not in handed_out}, masks.hides)
    if masked:
        raise StorwareError(
            f"It is done, but not all of it can be returned: a password, token or session turns up in "
            f"{', '.join(masked)}, where Ansible would replace it and so make another value of it",
            code="masked_id",
            hint="Change the secret that is so short or so common, or use ansible-core 2.22.",
            results={key: value for key, value in result.items() if key not in masked and key not in handed_out},
        )
    return masks.reveal(result, "session") if handed_out else masks.result(result)


def _failure(error: StorwareError, masks: Masks) -> Result:
    masked = corrupted(error.results, masks.hides)
    note = f"Not returned, because a secret turns up in it: {', '.join(masked)}." if masked else ""
    message = f"{error.text.rstrip('.')}. {note}" if note else error.text
    return {
        **masks.result({key: value for key, value in error.results.items() if key not in masked}),
        "msg": masks.text(message),
        "error": masks.value(error.told(), keys=False),
    }


def _internal_error(error: Exception, masks: Masks) -> Result:
    return {
        "msg": masks.text(f"Internal error, please report it: {type(error).__name__}: {error} [internal]"),
        "error": {"code": "internal", "hint": "", "retryable": False},
        "exception": masks.text(traceback.format_exc()),
    }


def _said(say: t.Callable[..., None], result: Result) -> int:
    """Give the result to Ansible by exit_json or fail_json; the exit status, 1 when nobody listens any more."""
    status = 0
    try:
        try:
            say(**result)
        except SystemExit as end:
            status = 0 if end.code in (0, None) else 1
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain when it ends
        return 1
    return status
