# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server profile: where it is given, what wins over it, and files that are none."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from ansible_collections.storware.backup.plugins.plugin_utils import _profile_file
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.modules import OTHER_KEYS, connect, prepare, run_module
from tests.support.use import good

Json = t.Any

INFO = "storware.backup.cloud_download_info"
SECRET = "sw0rdf1sh"
SHADOW = f"root:$6$rounds=5000$salt${SECRET}:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"


def paging(size: int) -> Json:
    """A profile whose effect each list request shows."""
    return {"lists": {"page_size": size}}


def write(path: pathlib.Path, document: Json) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.mark.matrix
def test_every_place_of_a_profile_and_a_file_that_is_none(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """One play for all, started in another directory than its own. The first place that has a profile wins."""
    template = {"update": {"body": {"x": "{{ 'temp' ~ 'lated' }}"}}}
    write(tmp_path / "plays" / "profiles" / "relative.yml", {**paging(11), **template})
    write(ansible.home / "mine.yml", paging(12))
    write(ansible.home / "task.yml", paging(13))
    write(tmp_path / "defaults.yml", paging(14))
    write(ansible.home / "controller.yml", paging(15))
    (tmp_path / "shadow").write_text(SHADOW, encoding="utf-8")
    defaults = {"group/storware.backup.storware": {"profile": str(tmp_path / "defaults.yml")}}
    tasks = [
        {"name": "environment", INFO: {}},
        {"name": "environment of the task", INFO: {}, "environment": {"STORWARE_PROFILE": "task.yml"}},
        {"name": "defaults", INFO: {}, "module_defaults": defaults},
        {"name": "home", INFO: {"profile": "~/mine.yml"}, "module_defaults": defaults},
        {"name": "relative", INFO: {"profile": "profiles/relative.yml"}, "register": "relative"},
        {"name": "show", "ansible.builtin.debug": {"var": "relative"}},
        {"name": "dictionary", INFO: {"profile": paging(10)}, "module_defaults": defaults},
        {"name": "none", INFO: {"profile": str(tmp_path / "shadow")}, "ignore_errors": True},
    ]
    play = write(tmp_path / "plays" / "play.yml", [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    login = {
        "STORWARE_URL": simulator.url,
        "STORWARE_TOKEN": simulator.token,
        "STORWARE_CA_PATH": str(simulator.ca_path),
        "STORWARE_PROFILE": "controller.yml",
    }
    run = ansible.playbook(play, "-vvvv", environment=login).ok()
    lists = [dict(request["query"]) for request in simulator.requests() if request["path"] == "/cloud-download"]
    assert [query["size"] for query in lists] == ["15", "13", "14", "12", "11", "10"]
    (refused,) = run.of("none")
    assert refused.result["error"]["code"] == "invalid_option"
    assert refused.result["error"]["option"] == "profile"
    assert SECRET not in run.output
    assert "lated' }}" in run.output
    assert "templated" not in run.output


def test_options_of_the_task_win_over_the_profile(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """source and request are about this task, and the profile about the server."""
    (guid,) = simulator.seed(downloads=1, entity="alice@example.com")
    simulator.clear_log()
    elsewhere = {"content": {"source": "content_download"}}
    for name, option in {"option": {"source": "download"}, "profile": {}}.items():
        options = connect(simulator, guid=guid, dest=str(tmp_path / name), profile=elsewhere, **option)
        good(run_module("cloud_download_content", options))
    fetched = [request["path"] for request in simulator.requests() if guid in request["path"]]
    assert fetched == [f"/cloud-download/{guid}", f"/cloud-download/{guid}/content-download"]

    simulator.switch(create_body=OTHER_KEYS)
    profile = {"create": {"body": {"objects": "$entities", "downloadMode": "wrong"}}}
    request = {"downloadMode": "$mode"}
    good(run_module("cloud_download", prepare(simulator, "bob@example.com", profile=profile, request=request)))


# --- Files that are no profile ---


def _bomb(merge: str) -> str:
    """Lines of which each stands for ten of the one before."""
    lines = [f"a{level}: &a{level} {{{merge}: [{', '.join([f'*a{level - 1}'] * 10)}]}}" for level in range(1, 12)]
    return "\n".join(["a0: &a0 {x: 1, y: 2}", *lines])


TEXTS: t.Final[dict[str, str | bytes]] = {
    "shadow": SHADOW,
    "key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n",
    "variables": f"password: {SECRET}\n",
    "list": f"- {SECRET}\n",
    "template": f"{{{{ {SECRET} }}}}\n",
    "syntax": f"create: {{}}\n  password: '{SECRET}\n",
    "tab": f"create:\n\t{SECRET}: 1\n",
    "latin-1": f"create: {SECRET}é".encode("latin-1"),
    "binary": b"\0\1\2" + SECRET.encode(),
    "two": f"create: {{}}\n---\n{SECRET}\n",
    "object": f"!!python/object/apply:os.system ['echo {SECRET}']",
    "odd boolean": f"ready: !!bool {SECRET}",
    "odd date": f"ready: !!timestamp {SECRET}",
    "no such date": "ready: 2026-13-45",
    "odd number": f"ready: !!float {SECRET}",
    "empty number": "ready: !!int ''",
    "huge number": f"ready: {':'.join(['1'] * 400)}.5",
    "alias of itself": "create: &a {body: *a}",
    "alias bomb": _bomb("z"),
    "merge bomb": _bomb("<<"),
    "too large": "ready: task\n" + "#" * _profile_file.MAX_SIZE,
    "too deep": "- " * 5000,
}


def _refused(path: pathlib.Path | str) -> OptionError:
    with pytest.raises(OptionError) as caught:
        _profile_file.load(str(path), "/")
    assert caught.value.code == "invalid_option"
    assert caught.value.option == "profile"
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_that_is_no_profile_is_refused_and_its_text_is_not_repeated(name: str, tmp_path: pathlib.Path) -> None:
    path, text = tmp_path / "profile.yml", TEXTS[name]
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    assert SECRET not in _refused(path).text


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "device", "long", "null"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "profile.yml"
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = pathlib.Path("/dev/zero")
        case "long":
            path = tmp_path / ("x" * 300)
        case "null":
            path = tmp_path / "a\0b"
    opened = len(os.listdir("/proc/self/fd"))
    assert str(tmp_path) in _refused(path).text or kind == "device"
    assert len(os.listdir("/proc/self/fd")) == opened


def test_an_empty_file_has_the_defaults(tmp_path: pathlib.Path) -> None:
    """As AWX writes it for a field that is left empty."""
    (tmp_path / "profile.yml").write_text("\n", encoding="utf-8")
    assert _profile_file.load("profile.yml", str(tmp_path)) is None
