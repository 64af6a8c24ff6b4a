# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An event source for Event-Driven Ansible: what becomes of cloud downloads."""

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
from ansible_collections.storware.backup.plugins.plugin_utils import _change_feed  # noqa: E402

DOCUMENTATION = r"""
short_description: Report when cloud downloads are created, ready, failed or gone
description:
  - Looks at the server now and then, with one session for all the time, and emits an event for each change.
  - Each event has C(kind) (V(created), V(ready), V(failed) or V(deleted)), C(guid), C(download), the record as
    M(storware.backup.cloud_download_info) returns it (of one that is gone, the last one), and C(task). A preparation that fails is
    told by its task, with the GUID of the task, and without a download.
  - "C(guid) is a GUID. In the texts of records, template markers come as C({ {), C({ %) and C({ #), because Ansible would run them in the
    variables of a playbook."
  - Each change is told at least once. With O(cursor) it goes on after a restart where it stopped, and what was told within the last
    O(interval) before the stop is told again, because nobody can know whether it was acted upon.
  - At the first look without a cursor, the downloads that are there are told; tasks that have failed before are not.
  - A O(cursor) that cannot be written, such as on a full disk, does not end the source. It warns with the path, tries again at each look, and tells
    more again after a restart.
  - A server that does not answer is asked less and less often, every 15 minutes at the least. Wrong credentials end the source.
options:
  interval:
    description: Seconds between two looks, 1 at the least.
    type: float
    default: 60
  cursor:
    description:
      - File that keeps what has been told, readable for its owner only. Its directory must exist. One file for each source.
      - Without it, nothing is known after a restart.
      - Must be a regular file of the user that runs the rulebook, or of root. Its directory must belong to one of them, and must not be writable for
        everybody, unless it has the sticky bit.
    type: str
  mode:
    description: Only downloads of this kind.
    type: str
    choices: [CLOUD_DOWNLOAD, CLOUD_PST_DOWNLOAD]
  url, username, password, token, session, validate_certs, ca_path, client_cert, client_key, use_proxy, allow_http, timeout, retries:
    description: The connection, as modules take it. What is not given is taken from the environment, such as E(STORWARE_URL).
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
}
_OWN: t.Final = ("interval", "cursor", "mode", "eda_feedback_queue")


class Queue(t.Protocol):
    """Where events go; waits while it is full."""

    async def put(self, event: t.Mapping[str, t.Any]) -> None:
        """Hand one over."""


async def main(queue: Queue, args: dict[str, t.Any]) -> None:
    """Report events until it is cancelled. args: as documented. Raises RuntimeError when that cannot work."""
    try:
        await _tell(queue, args)
    except StorwareError as error:
        raise RuntimeError(error.text) from error  # ansible-rulebook shows the words alone


async def _tell(queue: Queue, args: t.Mapping[str, t.Any]) -> None:
    connection = _connection(args)
    interval = _argspec.in_range("interval", _converted("interval", args.get("interval", 60), "float"), 1, 86_400)
    if args.get("mode") not in (None, *names.DOWNLOAD_MODES):
        raise OptionError("mode", f"must be one of {', '.join(names.DOWNLOAD_MODES)}, not {args['mode']!r}")
    cursor = Cursor(args["cursor"]) if args.get("cursor") else None
    state = cursor.load(connection.url) if cursor else None
    looker = Looker(connection, args.get("mode"), is_first=state is None)
    told = state or _change_feed.State(connection.url)
    _take_signals_back()
    pause = interval
    # One thread: the session is not closed before a look that is under way has ended.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    events, seen = await loop.run_in_executor(thread, looker.look, told)
                except StorwareError as error:
                    if not error.retryable:
                        raise
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    _LOGGER.warning("%s The next look is in %d seconds.", looker.redact(error.text), pause)
                else:
                    pause = interval
                    # Not before now: what was told an interval ago has been acted upon, what is told now has not.
                    if cursor:
                        _save(cursor, told)
                    for event in events:
                        await queue.put(event)
                    told = seen
                # A little jitter keeps several of them from asking in step.
                await asyncio.sleep(pause * random.uniform(0.9, 1.1))
        finally:
            thread.submit(looker.close)


def _save(cursor: Cursor, state: _change_feed.State) -> None:
    """Save it if that is possible now: without it, events go on, and more of them are told again after a restart."""
    try:
        cursor.save(state)
    except OSError as error:
        _LOGGER.warning("Cannot write the cursor %s: %s. The next look tries it again.", cursor.path, error)


class Looker:
    """Looks at the server, with one session for all looks."""

    def __init__(self, connection: _argspec.Connection, mode: str | None, *, is_first: bool) -> None:
        """is_first: nothing was told before, so that what has failed until the first look is not told."""
        redactor = Redactor()
        for secret in filter(None, (connection.password, connection.token, connection.session)):
            redactor.learn(secret)
        self.redact = redactor.text
        self._client = Client(connection, on_secret=functools.partial(_learn, redactor), redact=redactor.text)
        self._filters: dict[str, t.Any] = {} if mode is None else {"mode": mode}
        self._watch = tasks.TaskMonitor(self._client)
        self._is_first = is_first

    def look(self, state: _change_feed.State) -> tuple[list[_change_feed.Event], _change_feed.State]:
        """What has happened since this state, and the state now. Raises StorwareError."""
        finished = cloud_downloads.list_all(self._client, finished_mount=True, **self._filters)
        listed = cloud_downloads.list_all(self._client, **self._filters)
        self._watch.look()
        failing = self._watch.failing
        if self._is_first:
            state = dataclasses.replace(state, failed=frozenset(failing))
            self._is_first = False
        return _change_feed.compare(state, listed, finished, self._watch.failed(), failing)

    def close(self) -> None:
        """End the session."""
        self._client.close()


class Cursor:
    """The file that keeps what has been told. path: absolute."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._name = os.path.basename(self.path)
        self._saved = ""
        if not os.path.isdir(os.path.dirname(self.path)):
            raise OptionError("cursor", f"the directory of {self.path} does not exist")

    def load(self, server: str) -> _change_feed.State | None:
        """What it says; None when there is none yet. Raises OptionError for a file of something else."""
        try:
            with self._place() as place:
                text = _private.read_file(self._name, place, _MOST_CURSOR).decode("utf-8")
            state = _change_feed.State.from_text(text)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise OptionError("cursor", f"{self.path} cannot be used: {error}") from error
        if state.server != server:
            raise OptionError("cursor", f"{self.path} is that of another server, {state.server}")
        return state

    def save(self, state: _change_feed.State) -> None:
        """Replace it in one step, so that a crash leaves the old or the new one. Raises OSError."""
        text = state.as_text()
        if text == self._saved:
            return
        with self._place() as place:
            _private.replace_file(self._name, place, text.encode("utf-8"))
        self._saved = text

    @contextlib.contextmanager
    def _place(self) -> t.Iterator[int]:
        """The directory. Raises OSError where other users could exchange the cursor, which decides what is told."""
        place = _private.open_directory(os.path.dirname(self.path))
        try:
            _private.check_directory(place)
            yield place
        finally:
            os.close(place)


def _take_signals_back() -> None:
    """Give ansible-rulebook its own handlers again, which Java has replaced: or nothing would close the session."""
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
            raise OptionError(name, "is no option of this source")
    given = _argspec.resolve({name: value for name, value in args.items() if name in known}, {}, os.environ)
    params: dict[str, t.Any] = {}
    for option in _argspec.CONNECTION:
        value = given.get(option.name)
        params[option.name] = option.default if value is None else _converted(option.name, value, option.type)
    return _argspec.connection(params)


def _converted(name: str, value: t.Any, kind: str) -> t.Any:
    try:
        return _CONVERTERS.get(kind, str)(value)
    except (TypeError, ValueError) as error:
        raise OptionError(name, str(error)) from error
