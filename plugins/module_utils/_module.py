# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge to AnsibleModule: options in; result, diff, errors and secrets out. Nothing else touches it."""

from __future__ import annotations

import os
import signal
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib

from . import _options
from ._api.client import REQUESTS_IMPORT_ERROR, Client
from ._errors import Interrupted, StorwareError
from ._secrets import Scrubber

Result = dict[str, t.Any]
Handler = t.Callable[["Context"], Result]

WAIT_SPEC: t.Final = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float", "default": 3600.0},
    "wait_interval": {"type": "float", "default": 10.0},
}


class Context:
    """What a module's handler works with."""

    def __init__(self, module: AnsibleModule, scrubber: Scrubber) -> None:
        self._module = module
        self._scrubber = scrubber
        self._client: Client | None = None
        self.params: dict[str, t.Any] = module.params
        self.check_mode: bool = module.check_mode
        self.connection = _options.connection(module.params)

    @property
    def client(self) -> Client:
        """The session with the server; nothing is sent before it is used."""
        if self._client is None:
            if not self.connection.validate_certs:
                self.warn("validate_certs is false: anybody on the network may read and change what is transferred.")
            self._client = Client(self.connection, on_secret=self.learn_secret)
        return self._client

    def close(self) -> None:
        """End the session if one was opened."""
        if self._client is not None:
            self._client.close()

    def learn_secret(self, secret: str) -> None:
        """Mask this secret in everything that is returned from now on."""
        self._module.no_log_values.update(self._scrubber.learn(secret))

    def warn(self, message: str) -> None:
        """Warn the user. Ansible itself does not mask warnings (core 2.19 to 2.21)."""
        self._module.warn(self._scrubber.text(message))

    def dress(self, path: str, dest: str) -> None:
        """Give the file at path the owner, group, mode and security context that are asked for dest."""
        arguments = self._attributes(path)
        arguments["attributes"] = None  # an immutable file could not be renamed any more; adjust() sets them
        if arguments["secontext"] and not any(self.params[name] for name in _SELINUX):
            arguments["secontext"] = self._module.selinux_default_context(dest)
        self._module.set_fs_attributes_if_different(arguments, False, expand=False)

    def adjust(self, path: str) -> bool:
        """Bring the attributes of an existing file to what is asked for; whether they differ(ed)."""
        return bool(self._module.set_fs_attributes_if_different(self._attributes(path), False, expand=False))

    def _attributes(self, path: str) -> dict[str, t.Any]:
        arguments: dict[str, t.Any] = self._module.load_file_common_arguments(self.params, path=path)
        return arguments


_SIGNALS: t.Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SELINUX: t.Final = ("seuser", "serole", "setype", "selevel")


def connection_spec() -> dict[str, t.Any]:
    """The argument spec of the connection options, with fallbacks to the environment.

    Credentials have none here: they are taken together or not at all, which no fallback can know.
    """
    spec = {option.name: option.argument_spec() for option in _options.CONNECTION}
    for option in _options.CONNECTION:
        if option.name not in _options.CREDENTIAL_NAMES:
            spec[option.name]["fallback"] = (env_fallback, [option.environment])
    return spec


def run(handler: Handler, argument_spec: t.Mapping[str, t.Any], **settings: t.Any) -> None:
    """Run a module: connection options added, handler called, session closed, everything said without secrets.

    settings are those of AnsibleModule. Ends the process as Ansible wants it.
    """
    module = AnsibleModule(argument_spec={**connection_spec(), **argument_spec}, supports_check_mode=True, **settings)
    module.params.update(_options.from_environment(module.params, os.environ))
    scrubber = Scrubber()
    for secret in _options.secrets(module.params, os.environ):
        module.no_log_values.update(scrubber.learn(secret))
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    _interruptible()
    try:
        result = _handled(handler, module, scrubber)
    except StorwareError as error:
        module.fail_json(**_failure(error, scrubber))
    except Exception as error:  # noqa: BLE001  # uncaught, Ansible would show it without masking
        module.fail_json(
            msg=scrubber.text(f"Internal error, please report it: {type(error).__name__}: {error}"),
            error={"code": "internal", "retryable": False},
            exception=scrubber.text(traceback.format_exc()),
        )
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)


def _handled(handler: Handler, module: AnsibleModule, scrubber: Scrubber) -> Result:
    context = Context(module, scrubber)
    try:
        return handler(context)
    finally:
        context.close()


def _failure(error: StorwareError, scrubber: Scrubber) -> Result:
    message = f"{error.message.rstrip('.')}. {error.hint}".strip() if error.hint else error.message
    return {
        **error.results,
        "msg": scrubber.text(message),
        "error": scrubber.value(
            {"code": error.code, "hint": error.hint, "retryable": error.retryable, **error.details}
        ),
    }


def _interruptible() -> None:
    """Turn signals into an exception, so that the session is closed and files are left in order."""

    def interrupt(number: int, _frame: object) -> None:
        name = signal.Signals(number).name
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_IGN)  # one is enough, and cleaning up shall come to its end
        raise Interrupted(f"Interrupted by {name}", hint="Run the task again.", retryable=True)

    for number in _SIGNALS:
        signal.signal(number, interrupt)
