# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module starts without the libraries that it does not need, which cost most of the time of a short run."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t
import uuid

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _detached
from tests.harness import tree

_OF_HTTP: t.Final = ("requests", "urllib3", "ssl", "http.client")
_PROGRAM: t.Final = """
import atexit, importlib, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.argv[2].encode(), "legacy"
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
module = importlib.import_module(f"ansible_collections.storware.backup.plugins.modules.{sys.argv[1]}")
getattr(module, "main", lambda: print("{}"))()
"""


def run(name: str, options: t.Mapping[str, t.Any], environment: t.Mapping[str, str] | None = None) -> tuple[str, str]:
    """What the module prints in a process of its own, and the modules of Python that are loaded at its end."""
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}})
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, name, arguments],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout, ended.stderr
    return ended.stdout, ended.stderr.splitlines()[-1]


def loaded(modules: str, *beginnings: str) -> list[str]:
    """Those of the modules that have one of these names, or are of this collection and end with one."""
    names = modules.split()
    assert "ansible.module_utils.basic" in names
    return [name for name in names if name in beginnings or name.endswith(tuple(f"backup{it}" for it in beginnings))]


OPTIONS: t.Final[t.Mapping[str, t.Mapping[str, t.Any]]] = {
    "cloud_download_content_info": {"path": "{tmp_path}"},
    "cloud_download_retention": {"path": "{tmp_path}", "server": "https://backup.example.com/api", "records": []},
    "cloud_download_copy": {"guid": [str(uuid.uuid4())], "src": "/srv", "dest": "{tmp_path}", "host": "no.invalid"},
}


@pytest.mark.parametrize(
    "name",
    sorted(
        {path.stem for path in (tree.ROOT / "plugins" / "modules").glob("[!_]*.py")}
        - set(tree.modules_with_connection())
    ),
)
def test_a_module_without_a_server_loads_no_http_library(tmp_path: pathlib.Path, name: str) -> None:
    options = json.loads(json.dumps(OPTIONS.get(name, {})).replace("{tmp_path}", str(tmp_path)))
    _output, modules = run(name, options)
    assert loaded(modules, *_OF_HTTP, ".plugins.module_utils._api.client") == []


@pytest.mark.parametrize("name", ["cloud_download", "cloud_download_content", "cloud_download_copy", "server_info"])
def test_a_poll_is_answered_before_the_work_is_loaded(tmp_path: pathlib.Path, name: str) -> None:
    work = uuid.uuid4().hex
    (tmp_path / f"{_detached.PREFIX}{work}").mkdir(mode=0o700)  # of work that was killed
    poll = _detached.Poll(work, 1.0, 60.0, str(tmp_path))
    output, modules = run(name, {}, {_detached.ENVIRONMENT: json.dumps(poll._asdict())})
    assert json.loads(output) == {_detached.KEY: {"lost": True}}
    assert loaded(modules, *_OF_HTTP, ".plugins.module_utils._argspec") == []
