# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of the collection in this process, as Ansible would start it, against whatever url says."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import typing as t
from unittest import mock

from ansible.module_utils import basic
from ansible.module_utils.common import warnings

from tests.simulator.process import Simulator

# For the switch create_body: none of the keys is the assumed one
OTHER_KEYS: t.Final = {"objects": "$entities", "downloadMode": "$mode", "backupList": "$backups", "targetNode": "$node"}
# For the switch ignored_filters: those that select downloads by a GUID
GUID_FILTERS: t.Final = ["backup", "node", "protected-entity"]


def connect(simulator: Simulator, **options: t.Any) -> dict[str, t.Any]:
    """The connection options for a simulator, with these options added."""
    return {
        "url": simulator.url,
        "username": simulator.username,
        "password": simulator.password,
        "ca_path": simulator.ca_path,
        **options,
    }


def prepare(simulator: Simulator, *entities: str, **options: t.Any) -> dict[str, t.Any]:
    """Options for cloud_download that make these users' downloads ready, quickly."""
    return connect(
        simulator,
        protected_entities=list(entities),
        protected_entity_type="CLOUD_USER",
        wait_interval=0.05,
        wait_timeout=30,
        **options,
    )


def run_module(
    name: str,
    options: t.Mapping[str, t.Any],
    *,
    check: bool = False,
    diff: bool = True,
    environment: t.Mapping[str, str] | None = None,
) -> dict[str, t.Any]:
    """The module's result as Ansible would receive it: with "failed" when it failed.

    Real argument parsing, real HTTP, real files; only the way arguments come in and results go out is shortened.
    The environment holds no STORWARE_ variables but those given.
    """
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff}
    output = io.StringIO()
    warnings._global_warnings.clear()  # a process of its own would begin without those of earlier modules
    with (
        mock.patch.dict(os.environ, _clean(environment), clear=True),
        _signals_kept(),
        _on_a_host(),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        main(name, arguments)
    result: dict[str, t.Any] = json.loads(output.getvalue())
    return result


def start_module(
    name: str,
    options: t.Mapping[str, t.Any],
    environment: t.Mapping[str, str] | None = None,
    before: str = "",
) -> subprocess.Popen[bytes]:
    """The same in a process of its own, for what ends processes; what it says is on its real standard output.

    before: Python that the process runs first.
    """
    program = "import json, sys; from tests.support.modules import main; main(sys.argv[1], json.loads(sys.argv[2]))"
    return subprocess.Popen(
        [sys.executable, "-c", before + program, name, json.dumps(dict(options))],
        env={**_clean(environment), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def told_by(output: bytes) -> t.Any:
    """The result in what a module has printed; empty when it has printed none."""
    return json.loads(output) if output.strip() else {}


def main(name: str, arguments: t.Mapping[str, t.Any]) -> None:
    """Call the module's main with these arguments."""
    module = importlib.import_module(f"ansible_collections.storware.backup.plugins.modules.{name}")
    with _arguments({**arguments, "_ansible_remote_tmp": "/tmp"}):
        module.main()


def _clean(environment: t.Mapping[str, str] | None) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("STORWARE_")}
    return {**clean, **(environment or {})}


@contextlib.contextmanager
def _arguments(arguments: t.Mapping[str, t.Any]) -> t.Iterator[None]:
    try:
        from ansible.module_utils.testing import patch_module_args  # ansible-core 2.19 and later
    except ImportError:
        with mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()):
            yield
    else:
        with patch_module_args(dict(arguments)):
            yield


def _on_a_host() -> contextlib.AbstractContextManager[t.Any]:
    """Warnings belong in the result, as on a host, also when this process has imported parts of the controller."""
    try:
        from ansible.module_utils import _internal
    except ImportError:
        return contextlib.nullcontext()
    if not hasattr(_internal, "is_controller"):  # before ansible-core 2.19
        return contextlib.nullcontext()
    return mock.patch.object(_internal, "is_controller", False)


@contextlib.contextmanager
def _signals_kept() -> t.Iterator[None]:
    """A module sets signal handlers for its process, which here is the test's."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
