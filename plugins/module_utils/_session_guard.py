# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that closes the session of the role when ansible-playbook has ended without doing so.

After Ctrl-C or a signal, Ansible runs no ``always`` and no action plugin, and after SIGKILL nothing at all. So the
module that opens the session leaves a copy of itself on the controller, which waits for the end of ansible-playbook.
The session is in its memory only. A file in Ansible's private directory of this run says when it is closed already.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import time
import typing as t

from . import _private, _signals
from ._transfer.store.process import ProcessIdentity

if t.TYPE_CHECKING:
    from ._api.client import Client  # not on the controller, which does without the HTTP library

ENVIRONMENT: t.Final = "STORWARE_BACKUP_SESSION_GUARD"  # a Controller in JSON
INTERVAL: t.Final = 0.2  # seconds between two checks


class Controller(t.NamedTuple):
    """What the action plugin says of its ansible-playbook. directory: private, of this run."""

    process: dict[str, t.Any]
    directory: str


def variables(directory: str) -> dict[str, str]:
    """Return the environment in which the module starts a guard, on the controller in a worker of ansible-playbook.

    directory: Ansible's temporary directory of this run.
    """
    parent = multiprocessing.parent_process()  # not getppid: it may have ended this moment
    if parent is None or parent.pid is None:
        return {}
    process = dataclasses.asdict(ProcessIdentity.of(parent.pid))
    return {ENVIRONMENT: json.dumps(Controller(process, directory)._asdict())}


def start(environ: t.Mapping[str, str], client: Client) -> None:
    """Fork the guard of the session that this client has just opened, if the action plugin asks for one.

    The caller defers signals: none may end this in between.
    """
    if ENVIRONMENT not in environ:
        return
    controller = Controller(**json.loads(environ[ENVIRONMENT]))
    try:
        place = _private.open_directory(controller.directory)
        marker = _private.create_file(_name(client.session), place)
    except OSError:
        return  # without a directory for it, or with a guard that this session has already
    if os.fork():
        os.close(marker)
        os.close(place)
        return
    try:
        _guard(ProcessIdentity(**controller.process), client, marker)
        with contextlib.suppress(OSError):
            os.unlink(_name(client.session), dir_fd=place)
    finally:
        os._exit(0)  # all else belongs to the process that goes on


def release(directory: str, session: str) -> None:
    """Let the guard of this session end: the session is closed."""
    with contextlib.suppress(OSError):
        place = _private.open_directory(directory)
        try:
            marker = os.open(_name(session), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        finally:
            os.close(place)
        with open(marker, "wb") as file:
            file.write(b"closed\n")


def _guard(controller: ProcessIdentity, client: Client, marker: int) -> None:
    """Wait until the session is closed, or ansible-playbook has ended; then close it."""
    os.setsid()  # not in the group that a terminal or ansible-runner signals
    _signals.ignore()
    for descriptor in range(3):  # Ansible waits for the end of the module's output
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    client.close_connections()
    # By a descriptor: Ansible removes the directory when it ends.
    while not os.fstat(marker).st_size:
        if not controller.is_alive:
            # Once more: it may have been the last act.
            if not os.fstat(marker).st_size:
                client.close()
            return
        time.sleep(INTERVAL)


def _name(session: str) -> str:
    return f"storware-session-{hashlib.sha256(session.encode()).hexdigest()[:16]}"
