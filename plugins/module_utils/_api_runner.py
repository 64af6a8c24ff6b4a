# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge to AnsibleModule for modules with a server: connection options and a session in addition."""

from __future__ import annotations

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from . import _argspec, _detached, _runner
from ._api import names
from ._api.client import Client
from ._api.transport import REQUESTS_IMPORT_ERROR
from ._progress import STALL, describe_silence
from ._redaction import SHORTEST, Redactor

Result = _runner.Result

BACKUP_SPEC: t.Final = {
    "backup_statuses": {
        "type": "list",
        "elements": "str",
        "choices": list(names.BACKUP_STATUSES),
        "default": [names.BACKUP_STATUSES[0]],
    },
}
WAIT_SPEC: t.Final = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float", "default": 3600.0},
    "wait_interval": {"type": "float", "default": 10.0},
}


class RedactingModule(AnsibleModule):  # type: ignore[misc]  # ansible-core has no type stubs
    """Keeps secrets out of the log of its host, also where they stand in an option that is not for secrets.

    Ansible logs the options before a module can mask them. It finds a secret as it is, but not within a list
    or beside an at-sign, where it looks for passwords of its own accord and leaves parts of them (core 2.16 to 2.21).
    """

    def log(self, msg: str, log_args: t.Mapping[str, t.Any] | None = None) -> None:
        """Log a message, or, where log_args has them, the options of this run."""
        redactor = Redactor()
        for secret in _argspec.secrets(self.params, os.environ):
            redactor.learn(secret)
        options = {}
        for name, logged in (log_args or {}).items():
            value = str(self.params[name])
            clean = redactor.text(value)
            options[name] = logged if clean == value else clean  # Ansible may have masked a part of the secret only
        text = "Invoked with " + " ".join(f"{name}={value}" for name, value in options.items()) if options else msg
        super().log(redactor.text(text), options)

    def add_path_info(self, kwargs: Result) -> Result:
        """Return the result as it is: Ansible calls this last, and would add and mask a field that was left out."""
        return kwargs


class ApiContext(_runner.Context):
    """The context of a module with a server. Raises OptionError for connection options that cannot work."""

    def __init__(self, module: AnsibleModule, redactor: Redactor, report: _detached.Report) -> None:
        for secret in _argspec.secrets(module.params, os.environ):
            redactor.learn(secret)
        super().__init__(module, redactor, report)
        self._client: Client | None = None
        self._returns_session = False
        self.connection = _argspec.connection(module.params)
        for option in _argspec.CONNECTION:
            if option.secret and 0 < len(module.params[option.name] or "") < SHORTEST:
                self.warn(f"{option.name} has fewer than {SHORTEST} characters and cannot be masked everywhere.")

    @property
    def client(self) -> Client:
        """The session with the server; nothing is sent before the first call."""
        if self._client is None:
            if not self.connection.validate_certs:
                self.warn("validate_certs is false: anybody on the network may read and change what is transferred.")
            self._client = Client(
                self.connection,
                on_secret=self._redactor.learn,
                redact=self.redact,
                defer_signals=self.signals.deferred,
            )
        return self._client

    @property
    def attempt(self) -> int:
        """The number of the request that waits for an answer, counted from 1."""
        return self._client.pending.attempt if self._client and self._client.pending else 1

    def report_polling(self, text: t.Callable[[], str]) -> None:
        """Leave a progress message as ``report_progress`` does, with the silence of a server that does not answer."""

        def text_now() -> str:
            pending = self._client.pending if self._client else None
            silence = time.monotonic() - pending.since if pending else 0.0
            if pending is None or silence < STALL:
                return text()
            return f"{text()}; {describe_silence(silence, pending.attempt, pending.attempts)}"

        self.report_progress(text_now)

    def return_session(self) -> str:
        """Return the session for the return value ``session``. It stays open when the caller gets it."""
        self._returns_session = True
        return self.client.session

    def redact_result(self, result: Result) -> Result:
        """Return the result without secrets, except for a session that is to be returned."""
        if not self._returns_session:
            return super().redact_result(result)
        session = result["session"]
        redacted = super().redact_result({key: value for key, value in result.items() if key != "session"})
        values = self._module.no_log_values
        values.difference_update({value for value in values if str(value) in session})
        # Added here, because Ansible does not know all their secrets any more.
        options = self._redactor.value({"module_args": self.params}, keys=False)
        return {**redacted, "invocation": options, "session": session}

    def close(self, *, is_returned: bool) -> None:
        """End the session if one was opened, unless the caller has got it."""
        if self._client is not None:
            if self._returns_session and is_returned:
                self._client.leave_open()
            self._client.close()


Handler = t.Callable[[ApiContext], Result]


def connection_spec() -> dict[str, t.Any]:
    """Return the argument spec of the connection options. The action plugin adds those of environments."""
    return {option.name: option.argument_spec() for option in _argspec.CONNECTION}


def run(handler: Handler, argument_spec: t.Mapping[str, t.Any], **settings: t.Any) -> t.NoReturn:
    """Run a module with a server: connection options added, session closed, everything redacted.

    settings are those of AnsibleModule. Ends the process as Ansible wants it.
    """
    report = _detached.begin(os.environ)
    module = RedactingModule({**connection_spec(), **argument_spec}, supports_check_mode=True, **settings)
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    _runner.run_and_exit(module, handler, lambda redactor: ApiContext(module, redactor, report))
