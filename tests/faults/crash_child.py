# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that has imported the driver and copies itself for each order; standard input ends it.

Each connection brings one request and gets two lines: the process id of a stopped copy, and its exit status.
"""

from __future__ import annotations

import codecs
import ctypes
import fcntl
import importlib
import json
import os
import platform
import signal
import socket
import sys
import threading
import typing as t

from tests.faults import driver

importlib.import_module("concurrent.futures.thread")  # loaded now, as another user may not read the file later

_NEW_UTS: t.Final = 0x04000000  # CLONE_NEWUTS, linux/sched.h
_TRANSFER: t.Final = "ansible_collections.storware.backup.plugins.module_utils._transfer."


def main(path: str) -> None:
    """Serve until standard input is closed."""
    for encoding in ("ascii", "idna", "latin-1", "cp437"):
        codecs.lookup(encoding)  # the same
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            connection, _address = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _keep(connection)
                os._exit(0)
            connection.close()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def _keep(connection: socket.socket) -> None:
    """Make one copy, tell who it is and how it ended."""
    request = json.loads(connection.makefile().readline())
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(request)
    os.waitpid(pid, os.WUNTRACED)  # until it has stopped itself
    connection.sendall(f"{pid}\n".encode())
    _pid, status = os.waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(request: dict[str, t.Any]) -> t.NoReturn:
    """Be the driver."""
    for number, name in ((0, os.devnull), (1, request["output"]), (2, request["output"][:-4] + ".err")):
        fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    _set_up(**request["setup"])
    # Before it is traced: an error for the nth call of one thread is given to the nth one of all threads.
    driver.expect_signals()
    sys.argv = ["driver", json.dumps(request["order"])]
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        status = driver.main()
    except BaseException:  # noqa: BLE001  # whatever it is, it is the driver's end
        sys.excepthook(*sys.exc_info())
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _set_up(
    constants: t.Mapping[str, t.Any] | None = None,
    lying_locks: bool = False,
    short_writes: int = 0,
    user: int | None = None,
    umask: int | None = None,
    host: str = "",
) -> None:
    """constants: of the engine, as ``{"store.writer.NAME": value}``. lying_locks: all locks are given, none is there.

    short_writes: the system takes no more than so many bytes at a time. user: to be, with the group of that number.
    host: the name that this computer has for the copy.
    """
    for name, value in (constants or {}).items():
        module, _dot, constant = name.rpartition(".")
        loaded = importlib.import_module(_TRANSFER + module)
        assert hasattr(loaded, constant), name
        setattr(loaded, constant, value)
    if lying_locks:
        fcntl.flock = fcntl.lockf = lambda *ignored: None
    if short_writes:
        write, pwrite = os.write, os.pwrite
        os.write = lambda fd, data: write(fd, memoryview(data)[:short_writes])
        os.pwrite = lambda fd, data, offset: pwrite(fd, memoryview(data)[:short_writes], offset)
    if host:
        _rename_host(host)
    if umask is not None:
        os.umask(umask)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)


def _rename_host(name: str) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    assert library.unshare(_NEW_UTS) == 0, os.strerror(ctypes.get_errno())
    socket.sethostname(name)
    vars(platform)["_uname_cache"] = None  # it may have been asked for before
    assert platform.node() == name


if __name__ == "__main__":
    main(sys.argv[1])
