# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of work in the background: visits, until one of them brings the result."""

from __future__ import annotations

import json
import time
import typing as t
import uuid

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure

from ..module_utils import _detached
from ._results import InvalidResultError

Result = dict[str, t.Any]
Run = t.Callable[[t.Mapping[str, str]], Result]
Value = t.TypeVar("Value")

_PATIENCE: t.Final = 300.0  # seconds that a host may stay away, and work be left alone
_MOST_TIME: t.Final = 31 * 24 * 3600.0  # seconds; no option of a module asks for more
_PAUSE: t.Final = 5.0  # seconds between two tries to reach a host again


def persistently(attempt: t.Callable[[], Value], show: t.Callable[[str], None]) -> Value:
    """What attempt returns, made again as long as the host is away, for five minutes at the most.

    Raises AnsibleConnectionFailure, and everything else at once.
    """
    since = time.monotonic()
    while True:
        try:
            return attempt()
        except AnsibleAuthenticationFailure:
            raise
        except AnsibleConnectionFailure as failure:
            if time.monotonic() - since >= _PATIENCE:
                raise
            show(f"connection lost, trying again ({_first_line(failure)})")
            time.sleep(_PAUSE)


def until_done(run: Run, interval: float, remote_tmp: str, show: t.Callable[[str], None]) -> Result:
    """The result of the module.

    run: executes the module once with these variables in its environment; raises AnsibleConnectionFailure. interval:
    seconds of a visit. remote_tmp: as it is configured. show: is given each line. The host has just been reached.
    Raises what run raises when it stays away, and InvalidResultError for a host that says for longer than any work may
    take that there is no result yet.
    """
    end = time.monotonic() + _MOST_TIME
    visit = _detached.Visit(uuid.uuid4().hex, interval, _PATIENCE, remote_tmp)
    visiting = {_detached.ENVIRONMENT: json.dumps(visit._asdict())}
    while True:
        asked = time.monotonic()
        result = persistently(lambda: run(visiting), show)
        standing = result.get(_detached.KEY)
        if not isinstance(standing, dict):
            return result
        if standing.get("lost"):
            # Killed from outside, such as with all processes of a login. In one go it has whoever waits for it.
            return run({})
        now = time.monotonic()
        if now >= end:
            raise InvalidResultError("there is no end of it")
        # A visit that brings no result lasts that long; a host that answers at once gets no more lines by that.
        time.sleep(max(0.0, asked + interval - now))
        if text := standing.get("text"):
            show(str(text))


def _first_line(failure: Exception) -> str:
    return str(failure).strip().split("\n", 1)[0]
