# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of work in the background: polls, until one of them returns the result."""

from __future__ import annotations

import json
import time
import typing as t
import uuid

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure

from ..module_utils import _detached
from ._results import invalid_result

Result = dict[str, t.Any]
Run = t.Callable[[t.Mapping[str, str]], Result]
Value = t.TypeVar("Value")

_ABANDON_TIMEOUT: t.Final = 300.0  # seconds that a host may be unreachable, and work run without a poll
_MAX_TIME: t.Final = 31 * 24 * 3600.0  # seconds; no option of a module asks for more
_PAUSE: t.Final = 5.0  # seconds between two tries to reach a host again


def retry_connection(attempt: t.Callable[[], Value], show: t.Callable[[str], None]) -> Value:
    """Call ``attempt``, again while the host is unreachable, for up to five minutes.

    Raises AnsibleConnectionFailure, and everything else at once.
    """
    since = time.monotonic()
    while True:
        try:
            return attempt()
        except AnsibleAuthenticationFailure:
            raise
        except AnsibleConnectionFailure as failure:
            if time.monotonic() - since >= _ABANDON_TIMEOUT:
                raise
            show(f"connection lost, trying again ({_first_line(failure)})")
            time.sleep(_PAUSE)


def until_done(run: Run, interval: float, remote_tmp: str, show: t.Callable[[str], None]) -> Result:
    """Return the result of the module.

    run: executes the module once with these variables in its environment; raises AnsibleConnectionFailure. interval:
    seconds of a poll. remote_tmp: as it is configured. show: is given each line. The host has just been reached.
    Raises what run raises when it stays away, and StorwareError for a host that says for longer than any work may
    take that there is no result yet.
    """
    end = time.monotonic() + _MAX_TIME
    poll = _detached.Poll(uuid.uuid4().hex, interval, _ABANDON_TIMEOUT, remote_tmp)
    polling = {_detached.ENVIRONMENT: json.dumps(poll._asdict())}
    while True:
        asked = time.monotonic()
        result = retry_connection(lambda: run(polling), show)
        progress = result.get(_detached.KEY)
        if not isinstance(progress, dict):
            return result
        if progress.get("lost"):
            # Killed from outside, such as with all processes of a login. In one go it has whoever waits for it.
            return run({})
        now = time.monotonic()
        if now >= end:
            raise invalid_result("there is no end of it")
        # A poll without a result lasts that long; a host that answers at once gets no more lines by that.
        time.sleep(max(0.0, asked + interval - now))
        if text := progress.get("text"):
            show(str(text))


def _first_line(failure: Exception) -> str:
    return str(failure).strip().split("\n", 1)[0]
