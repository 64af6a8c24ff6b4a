# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An event source for Event-Driven Ansible: changes of cloud downloads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import logging
import os
import pathlib
import random
import signal
import sys
import typing as t

# ansible-rulebook runs this file by its path, not as a part of its collection.
_COLLECTIONS = pathlib.Path(__file__).absolute().parents[6]
if _COLLECTIONS.name == "ansible_collections" and str(_COLLECTIONS.parent) not in sys.path:
    sys.path.append(str(_COLLECTIONS.parent))

from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int  # noqa: E402

from ansible_collections.storware.backup.plugins.module_utils import _argspec, _private  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._api import cloud_downloads, names, tasks  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._redaction import Redactor  # noqa: E402
from ansible_collections.storware.backup.plugins.plugin_utils import _change_feed, _profile_file  # noqa: E402

DOCUMENTATION = r"""
short_description: Report cloud downloads that are created, ready, failed or deleted
description:
  - Polls the server with one session, and emits an event for each change.
  - Each event has C(kind) (V(created), V(ready), V(failed) or V(deleted)), C(guid), C(download), the record as
    M(storware.backup.cloud_download_info) returns it (the last one of a deleted download), and C(task). A failed preparation is
    reported by its task, with the GUID of the task, and without a download.
  - "C(guid) is a GUID. In the texts of records, template markers are written as C({ {), C({ %) and C({ #), because Ansible would run them in
    the variables of a playbook."
  - Each change is reported at least once. A download that is created and deleted between two polls is not reported.
  - With O(cursor), the source continues after a restart. Changes of the last O(interval) before the stop are reported again, because the source
    cannot know whether a rule has handled them.
  - The first poll without a cursor reports all downloads on the server, and no task that has failed before.
  - A O(cursor) that cannot be written, such as on a full disk, does not end the source. The source warns with the path, retries at each poll, and
    reports more changes again after a restart.
  - While the server does not respond, the interval grows up to 15 minutes. Wrong credentials end the source.
options:
  interval:
    description: Interval between two polls in seconds, at least 1.
    type: float
    default: 60
  cursor:
    description:
      - File for the reported state, readable for its owner only. Its directory must exist. Each source needs its own file.
      - Without a cursor, the source forgets its state at a restart.
      - Must be a regular file of the user that runs the rulebook, or of root. Its directory must belong to one of them, and must not be writable for
        everybody, unless it has the sticky bit.
    type: str
  mode:
    description: Kind of the downloads to report; all kinds by default.
    type: str
    choices: [CLOUD_DOWNLOAD, CLOUD_PST_DOWNLOAD]
  url, username, password, token, session, validate_certs, ca_path, client_cert, client_key, use_proxy, allow_http, timeout, retries, profile:
    description:
      - Connection options, as for the modules. Options that are not set are taken from the environment, such as E(STORWARE_URL).
      - A relative path is relative to the directory in which C(ansible-rulebook) was started.
"""

EXAMPLES = r"""
- storware.backup.cloud_downloads:
    interval: 30
    cursor: /var/lib/rulebook/cloud_downloads.json
"""

_LOGGER = logging.getLogger(__name__)
_LONGEST_PAUSE: t.Final = 900.0  # seconds
_MOST_CURSOR: t.Final = 64 * 1024 * 1024  # bytes
_CONVERTERS: t.Final[dict[str, t.Callable[[t.Any], t.Any]]] = {
    "bool": check_type_bool,
    "float": check_type_float,
    "int": check_type_int,
    "raw": lambda value: value,
}
_OWN: t.Final = ("interval", "cursor", "mode", "eda_feedback_queue")


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """Put events into the queue until the task is cancelled.

    args: as documented. Raises RuntimeError for wrong arguments and for errors that a retry cannot solve.
    """
    try:
        await _emit(queue, args)
    except StorwareError as error:
        raise RuntimeError(error.text) from error  # ansible-rulebook shows the text alone


async def _emit(queue: asyncio.Queue[t.Any], args: t.Mapping[str, t.Any]) -> None:
    connection = _connection(args)
    interval = _argspec.in_range("interval", _convert("interval", args.get("interval", 60), "float"), 1, 86_400)
    if args.get("mode") not in (None, *names.DOWNLOAD_MODES):
        raise OptionError("mode", f"must be one of {', '.join(names.DOWNLOAD_MODES)}, not {args['mode']!r}")
    cursor = Cursor(args["cursor"]) if args.get("cursor") else None
    state = cursor.load(connection.url) if cursor else None
    poller = Poller(connection, args.get("mode"), is_first=state is None)
    reported = state or _change_feed.State(connection.url)
    _restore_signal_handlers()
    pause = interval
    # One thread: the session is not closed before a running poll has ended.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    events, seen = await loop.run_in_executor(thread, poller.poll, reported)
                except StorwareError as error:
                    if not error.retryable:
                        raise
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    _LOGGER.warning("%s The next poll is in %d seconds.", poller.redact(error.text), pause)
                else:
                    pause = interval
                    # Not before now: rules have handled the events of an interval ago, and not yet those of now.
                    if cursor:
                        _save(cursor, reported)
                    for event in events:
                        await queue.put(event)
                    reported = seen
                # Jitter keeps several sources from polling at the same time.
                await asyncio.sleep(pause * random.uniform(0.9, 1.1))
        finally:
            thread.submit(poller.close)


def _save(cursor: Cursor, state: _change_feed.State) -> None:
    """Save the state if possible: without it, events go on, and more of them are reported again after a restart."""
    try:
        cursor.save(state)
    except OSError as error:
        _LOGGER.warning("Cannot write the cursor %s: %s. The next poll retries.", cursor.path, error)


class Poller:
    """Polls the server, with one session for all polls."""

    def __init__(self, connection: _argspec.Connection, mode: str | None, *, is_first: bool) -> None:
        """is_first: without earlier state, so that tasks that have failed before the first poll are not reported."""
        redactor = Redactor()
        for secret in filter(None, (connection.password, connection.token, connection.session)):
            redactor.learn(secret)
        self.redact = redactor.text
        self._client = Client(connection, on_secret=functools.partial(_learn, redactor), redact=redactor.text)
        self._filters: dict[str, t.Any] = {} if mode is None else {"mode": mode}
        self._watch = tasks.TaskMonitor(self._client)
        self._is_first = is_first

    def poll(self, state: _change_feed.State) -> tuple[list[_change_feed.Event], _change_feed.State]:
        """Return the events since this state, and the state now. Raises StorwareError."""
        finished = cloud_downloads.list_ready(self._client, **self._filters)
        listed = cloud_downloads.list_all(self._client, **self._filters)
        self._watch.poll()
        failing = self._watch.failing
        if self._is_first:
            state = dataclasses.replace(state, failed=frozenset(failing))
            self._is_first = False
        return _change_feed.compare(state, listed, finished, self._watch.failed(), failing)

    def close(self) -> None:
        """End the session."""
        self._client.close()


class Cursor:
    """The file for the reported state. path: absolute."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._name = os.path.basename(self.path)
        self._saved = ""
        if not os.path.isdir(os.path.dirname(self.path)):
            raise OptionError("cursor", f"the directory of {self.path} does not exist")

    def load(self, server: str) -> _change_feed.State | None:
        """Return the state in the file; None without a file. Raises OptionError for a file that is no cursor."""
        try:
            with self._place() as place:
                text = _private.read_file(self._name, place, _MOST_CURSOR).decode("utf-8")
            state = _change_feed.State.from_text(text)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise OptionError("cursor", f"{self.path} cannot be used: {error}") from error
        if state.server != server:
            raise OptionError("cursor", f"{self.path} belongs to another server, {state.server}")
        return state

    def save(self, state: _change_feed.State) -> None:
        """Replace the file in one step, so that a crash leaves the old or the new one. Raises OSError."""
        text = state.as_text()
        if text == self._saved:
            return
        with self._place() as place:
            _private.replace_file(self._name, place, text.encode("utf-8"))
        self._saved = text

    @contextlib.contextmanager
    def _place(self) -> t.Iterator[int]:
        """Open the directory. Raises OSError where other users could replace the cursor."""
        place = _private.open_directory(os.path.dirname(self.path))
        try:
            _private.check_directory(place)
            yield place
        finally:
            os.close(place)


def _restore_signal_handlers() -> None:
    """Install the handlers of ansible-rulebook again, which Java has replaced: they close the session."""
    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        with contextlib.suppress(ValueError):  # not in the main thread
            if callable(handler):
                signal.signal(number, handler)


def _learn(redactor: Redactor, secret: str) -> None:
    redactor.learn(secret)


def _connection(args: t.Mapping[str, t.Any]) -> _argspec.Connection:
    known = {option.name for option in _argspec.CONNECTION}
    for name in args:
        if name not in known and name not in _OWN:
            raise OptionError(name, "is no option of this event source")
    given = _argspec.resolve({name: value for name, value in args.items() if name in known}, {}, os.environ)
    params: dict[str, t.Any] = {}
    for option in _argspec.CONNECTION:
        value = given.get(option.name)
        params[option.name] = option.default if value is None else _convert(option.name, value, option.type)
    params["profile"] = _profile_file.load(params["profile"], os.getcwd())
    return _argspec.connection(params)


def _convert(name: str, value: t.Any, kind: str) -> t.Any:
    try:
        return _CONVERTERS.get(kind, str)(value)
    except (TypeError, ValueError) as error:
        raise OptionError(name, str(error)) from error
