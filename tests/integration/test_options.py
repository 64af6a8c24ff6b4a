# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, and the ways to use Ansible (group U of the faults), where no other test tells."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import typing as t

import pytest
import requests

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.fleet import ALICE
from tests.support.modules import connect, prepare, run_module, start_module
from tests.support.use import (
    CONTENT,
    ENSURE,
    ENTITIES,
    INFO,
    MIB,
    MODULES,
    SESSION,
    Json,
    calls,
    finished,
    good,
    mode,
    options_for,
    root_only,
    sha256,
)

# --- U: options, and the ways to use Ansible ---


@pytest.mark.fault("U1")
@pytest.mark.parametrize(
    ("module", "state"), [*((module, "present") for module in MODULES), (ENSURE, "absent"), (SESSION, "absent")]
)
def test_u1_check_mode_writes_nothing_and_says_what_would_change(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, module: str, state: str
) -> None:
    options = options_for(module, simulator, tmp_path, guid, **({"state": state} if state == "absent" else {}))
    if state == "absent" and module == SESSION:
        options["session"] = run_module(SESSION, connect(simulator))["session"]
    if state == "absent" and module == ENSURE:
        good(run_module(ENSURE, prepare(simulator, *ALICE)))
    simulator.clear_log()
    files = sorted(tmp_path.iterdir())
    predicted = good(run_module(module, options, check=True))
    sent = {request["method"] for request in simulator.requests() if not request["path"].startswith("/session")}
    assert sent <= {"GET"}
    assert simulator.counters()["writes"] == 0
    assert sorted(tmp_path.iterdir()) == files
    assert predicted["changed"] == good(run_module(module, options))["changed"]


# What has happened to the file since it was fetched, and whether that makes it another one.
ALTERED: dict[str, tuple[t.Callable[[pathlib.Path], object], bool]] = {
    "same": (lambda path: None, False),
    "same, with another date": (lambda path: os.utime(path, (1, 1)), False),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size // 2), True),
    "empty": (lambda path: os.truncate(path, 0), True),
    "of another owner": (lambda path: os.chown(path, 12345, 12345), True),  # who may have put it there
}


def _flip_a_byte(path: pathlib.Path) -> None:
    times, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


ALTERED["different, with the same size and date"] = (_flip_a_byte, True)


@pytest.mark.fault("U3")
@root_only
@pytest.mark.parametrize("overwrite", ["never", "different", "always"])
@pytest.mark.parametrize("how", ALTERED)
def test_u3_what_a_file_is_decides_and_not_its_date(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, how: str, overwrite: str
) -> None:
    path = tmp_path / "mail.zip"
    wanted = connect(simulator, guid=guid, dest=str(path), overwrite=overwrite)
    good(run_module(CONTENT, {**wanted, "overwrite": "always"}))
    alter, differs = ALTERED[how]
    alter(path)
    before, owner = path.read_bytes(), path.stat().st_uid
    simulator.clear_log()
    result = good(run_module(CONTENT, wanted))
    replaced = overwrite == "always" or (overwrite == "different" and differs)
    assert result["changed"] == replaced
    assert (calls(simulator) != {}) == replaced
    assert path.stat().st_uid == (os.geteuid() if replaced else owner)
    if replaced:
        assert sha256(path) == simulator.content(guid)["sha256"]
    else:
        assert path.read_bytes() == before


@pytest.mark.fault("U4")
@pytest.mark.parametrize("dest", ["~/x.zip", "~", "~/", "x.zip", ".", "./", "$HOME/x.zip"])
def test_u4_a_dest_is_expanded_as_ansible_does(
    simulator: Simulator, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, guid: str, dest: str
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = connect(simulator, guid=guid, dest=dest)
    result = good(run_module(CONTENT, wanted, environment={"HOME": str(tmp_path)}))
    path = pathlib.Path(result["path"])
    assert path == tmp_path / ("x.zip" if dest.endswith("x.zip") else path.name)
    assert sha256(path) == simulator.content(guid)["sha256"]
    assert not good(run_module(CONTENT, wanted, environment={"HOME": str(tmp_path)}))["changed"]


@pytest.mark.fault("U4")
@root_only
@pytest.mark.parametrize("kind", [stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
@pytest.mark.parametrize("overwrite", ["different", "always"])
def test_u4_what_is_no_plain_file_is_left_alone(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, kind: int, overwrite: str
) -> None:
    path = tmp_path / "sda"
    os.mknod(path, kind | 0o600, os.makedev(7, 255))  # a loop device that is not there
    result = run_module(CONTENT, connect(simulator, guid=guid, dest=str(path), overwrite=overwrite))
    assert result["error"]["option"] == "dest"
    assert stat.S_IFMT(path.lstat().st_mode) == kind
    assert (calls(simulator), len(list(tmp_path.iterdir()))) == ({}, 1)


NUMBERS: t.Final = {
    INFO: ("timeout", "retries"),
    CONTENT: ("timeout", "retries", "connections", "lock_timeout", "max_time"),
    ENSURE: ("timeout", "retries", "wait_timeout", "wait_interval"),
    ENTITIES: ("timeout", "retries"),
    SESSION: ("timeout", "retries"),
}


INTEGERS: t.Final = ("retries", "connections")


def _out_of_range() -> t.Iterator[t.Any]:
    for module, options in NUMBERS.items():
        for option in options:
            # Ansible itself breaks down where a whole number is infinite.
            more = () if option in INTEGERS else (float("inf"), float("-inf"))
            yield module, option, -1
            for value in (-1e9, 1e300, float("nan"), "soon", "", [], *more):
                yield pytest.param(module, option, value, marks=pytest.mark.long)


@pytest.mark.fault("U5")
@pytest.mark.parametrize(("module", "option", "value"), list(_out_of_range()))
def test_u5_a_number_out_of_its_range_is_refused_by_name(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, module: str, option: str, value: Json
) -> None:
    """That each option is checked; the check itself, with all values, is a unit test's (test_options_and_source)."""
    result = run_module(module, {**options_for(module, simulator, tmp_path, guid), option: value})
    assert result["failed"]
    assert option in result["msg"]
    assert "exception" not in result
    assert (simulator.requests(), list(tmp_path.iterdir())) == ([], [])


@pytest.mark.fault("U5")
def test_u5_an_interval_longer_than_the_whole_wait_is_cut_to_it(simulator: Simulator) -> None:
    options = {**prepare(simulator, *ALICE), "wait_interval": 3600, "wait_timeout": 1}
    started = time.monotonic()
    good(run_module(ENSURE, options))
    assert time.monotonic() - started < 5


HOSTS: t.Final = (
    "b\u00fccher.invalid", "xn--bcher-kva.invalid", "a" * 64 + ".invalid", "\u00fc" * 70 + ".invalid", "a..b", ".", "-",
    "*.invalid", "h%00", "h%zz", "[v1.x]", "[fe80::1%25eth0]:1", "[::1]:1", "127.1:1", "\uff11.0.0.1:1", "host\\x",
    "127.0.0.1:1/api/api", "127.0.0.1:1/%zz", "127.0.0.1:1//",
)  # fmt: skip


@pytest.mark.fault("U6")
@pytest.mark.parametrize("host", HOSTS)
def test_u6_a_host_that_is_none_ends_in_words(host: str) -> None:
    url = f"https://{host}"
    result = run_module(INFO, {"url": url, "username": "ali", "password": "sesame", "retries": 0, "use_proxy": False})
    assert result["error"]["code"] in ("invalid_option", "unreachable", "invalid_response"), result
    assert "url" in result["msg"]
    assert "exception" not in result


@pytest.mark.fault("U6")
def test_u6_a_path_and_slashes_reach_the_same_server(simulator: Simulator) -> None:
    for end in ("", "/", "/api", "/api/", "//"):
        good(run_module(INFO, connect(simulator, url=simulator.url + end)))
    assert simulator.counters()["logins"] == 5


@pytest.mark.fault("U7")
@pytest.mark.long
def test_u7_500_names_with_doubles_come_back_in_their_order(simulator: Simulator) -> None:
    simulator.seed(users=500)
    names = [entity["email"] for entity in simulator.entities("users")][-500:]
    guids = {entity.get("email"): entity["guid"] for entity in simulator.entities("users")}
    wanted = names[::-1] + names[:100] + [guids[name] for name in names[:50]]
    options = {**prepare(simulator, *wanted), "wait_timeout": 120}
    order = [guids[name] for name in names[::-1]]
    for expected in (True, False):
        result = good(run_module(ENSURE, options))
        assert result["changed"] == expected
        assert [download["protected_entity"]["guid"] for download in result["cloud_downloads"]] == order
    assert len(simulator.downloads()) == 500
    made = [download["guid"] for download in simulator.downloads()]
    twice = connect(
        simulator, guid=[*made, made[0].upper(), *made], state="absent", wait_interval=0.05, wait_timeout=120
    )
    assert len(good(run_module(ENSURE, twice))["deleted"]) == 500
    assert calls(simulator)["DELETE /cloud-download/{guid}"] == 500


@pytest.mark.fault("U7")
def test_u7_kinds_may_be_mixed_by_guid_and_not_by_name(simulator: Simulator) -> None:
    mixed = [simulator.entities(kind)[0] for kind in ("users", "sites", "groups")]
    guids = [entity["guid"] for entity in mixed]
    simulator.clear_log()
    refused = run_module(ENSURE, prepare(simulator, *(entity["name"] for entity in mixed)))
    assert refused["error"]["option"] == "protected_entities"
    assert mixed[1]["name"] in refused["msg"]
    assert simulator.counters()["writes"] == 0
    result = good(run_module(ENSURE, connect(simulator, protected_entities=guids, wait_interval=0.05)))
    assert [download["protected_entity"]["guid"] for download in result["cloud_downloads"]] == guids


@pytest.mark.fault("U8")
@pytest.mark.long
@pytest.mark.parametrize("rounds", [5, 200])
def test_u8_a_loop_has_a_session_for_each_round_or_one_for_all(
    ansible: Ansible, simulator: Simulator, rounds: int
) -> None:
    simulator.switch(max_sessions=1)
    session = f"storware.backup.{SESSION}"
    task: Json = {f"storware.backup.{INFO}": {"page": "{{ item }}", "size": 1}, "loop": list(range(rounds))}
    shared = {**task, f"storware.backup.{INFO}": {"session": "{{ login.session }}"}}
    tasks = [
        {**task, "name": "Each"},
        {session: {}, "register": "login", "no_log": True},
        {**shared, "name": "All"},
        {session: {"session": "{{ login.session }}", "state": "absent"}},
    ]
    defaults = {"group/storware.backup.storware": connect(simulator)}
    play = {"hosts": "all", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}
    run = ansible.playbook([play], environment={"ANSIBLE_PIPELINING": "1"}, timeout=600).ok()
    assert len([result for result in run.results if result.item]) == 2 * rounds
    counters = simulator.counters()
    assert (counters["logins"], counters["logouts"], counters["open_sessions"]) == (rounds + 1, rounds + 1, 0)


@pytest.mark.fault("U8")
def test_u8_delegated_throttled_and_in_batches_there_is_one_session_a_task(
    ansible: Ansible, simulator: Simulator
) -> None:
    task: Json = {f"storware.backup.{INFO}": connect(simulator), "throttle": 1}
    tasks = [
        {**task, "name": "Throttled"},
        {**task, "name": "Delegated", "delegate_to": "localhost"},
        {**task, "name": "Once", "run_once": True},
    ]
    play = {"hosts": "all", "gather_facts": False, "serial": 2, "tasks": tasks}
    simulator.switch(max_sessions=1)
    run = ansible.playbook([play], inventory="one,two,three,").ok()
    counted = {name: len(run.of(name)) for name in ("Throttled", "Delegated", "Once")}
    assert counted == {"Throttled": 3, "Delegated": 3, "Once": 2}
    counters = simulator.counters()
    assert (counters["logins"], counters["logouts"], counters["open_sessions"]) == (8, 8, 0)


def python_of(user: str, python: str) -> tuple[str, dict[str, str]]:
    """An interpreter that this user may run, and the variables with which it has requests."""
    variables = {"PYTHONPATH": str(pathlib.Path(requests.__file__).parents[1])}
    for found in (python, "/usr/bin/python3"):
        command = f"PYTHONPATH={variables['PYTHONPATH']} {found} -c 'import requests'"
        if (
            subprocess.run(["su", "-s", "/bin/sh", user, "-c", command], capture_output=True, check=False).returncode
            == 0
        ):
            return found, variables
    pytest.skip(f"{user} may run no Python with requests here")


@pytest.mark.fault("U8")
@root_only
@pytest.mark.skipif(shutil.which("su") is None, reason="no su on this machine")
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_u8_become_gives_the_file_to_the_user_who_fetches(
    ansible: Ansible, simulator: Simulator, guid: str, user: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        shutil.copy(str(simulator.ca_path), directory / "ca.pem")
        (directory / "files").mkdir()
        shutil.chown(directory / "files", user)
        directory.chmod(0o755)
        (directory / "ca.pem").chmod(0o644)
        wanted = connect(simulator, guid=guid, dest=f"{directory}/files/", ca_path=f"{directory}/ca.pem")
        python, variables = python_of(user, ansible.python)
        play = {
            "hosts": "all",
            "gather_facts": False,
            "environment": variables,
            "become": True,
            "become_user": user,
            "become_method": "su",
            "tasks": [{f"storware.backup.{CONTENT}": wanted}],
        }
        # nobody has no shell and no home
        settings = {
            "ANSIBLE_BECOME_ALLOW_SAME_USER": "1",
            "ANSIBLE_BECOME_FLAGS": "-s /bin/sh",
            "ANSIBLE_REMOTE_TMP": f"{directory}/tmp",
        }
        shared = {"ansible_become_flags": "-s /bin/sh", "ansible_python_interpreter": python}
        run = ansible.playbook([play], environment=settings, variables=shared).ok()
        (result,) = run.of(f"storware.backup.{CONTENT}")
        path = pathlib.Path(result.result["path"])
        assert (path.owner(), mode(path)) == (user, 0o600)
        assert sha256(path) == simulator.content(guid)["sha256"]
        assert simulator.counters()["open_sessions"] == 0


@pytest.mark.fault("U9")
@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8"])
def test_u9_a_python_that_is_too_old_fails_before_anything_is_sent(
    ansible: Ansible, simulator: Simulator, version: str
) -> None:
    found = shutil.which(f"python{version}")  # nox puts all interpreters of the machine into PATH
    if found is None or subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {version} on this machine")
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{f"storware.backup.{INFO}": connect(simulator)}]}]
    run = ansible.playbook(play, "-vvvv", variables={"ansible_python_interpreter": found})
    (result,) = run.of(f"storware.backup.{INFO}")
    assert (run.rc, result.status) == (2, "failed")
    assert simulator.requests() == []
    assert simulator.password not in run.output.replace(str(simulator.ca_path), "")
    assert re.match(
        rf"ansible_python_interpreter: {found} is Python {version}\.\d+ on this host, "
        r"and the modules of this collection need Python 3\.9 or newer\. ",
        result.result["msg"],
    )
    assert result.result["error"]["option"] == "ansible_python_interpreter"
    assert "module_stderr" not in result.result


@pytest.mark.matrix
def test_what_sudo_says_in_the_place_of_a_module_is_told(
    ansible: Ansible, simulator: Simulator, guid: str, tmp_path: pathlib.Path
) -> None:
    """Also where the controller hands files over, of which each has the reason."""
    good(run_module(CONTENT, connect(simulator, guid=guid, dest=str(tmp_path))))
    sudo = tmp_path / "sudo"
    # What Ansible waits for with a local connection comes first: over SSH it takes any end for the module's.
    begun = "echo \"$*\" | grep -o 'BECOME-SUCCESS-[a-z]*'"
    sudo.write_text(f"#!/bin/sh\n{begun}\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o700)
    tasks = [
        {"storware.backup.cloud_download_content": connect(simulator, guid=guid, dest=str(tmp_path))},
        {"storware.backup.cloud_download_copy": {"guid": guid, "src": str(tmp_path), "dest": str(tmp_path)}},
    ]
    play = {
        "hosts": "all",
        "gather_facts": False,
        "become": True,
        "vars": {"ansible_become_exe": str(sudo)},
        "tasks": [{**task, "ignore_errors": True} for task in tasks],
    }
    run = ansible.playbook([play], environment={"ANSIBLE_BECOME_ALLOW_SAME_USER": "1"})
    for task in tasks:
        (result,) = run.of(next(iter(task)))
        told = result.result.get("files", [result.result])[0]
        assert told["error"]["code"] == "invalid_result", result
        assert told["msg"].startswith("The module did not run on the host: sudo: a password is required")


@pytest.mark.fault("U9")
def test_u9_where_md5_is_forbidden_nothing_needs_it(
    simulator: Simulator, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = hashlib.new

    def refuse(*_arguments: object, **_named: object) -> t.NoReturn:
        raise ValueError("[digital envelope routines] unsupported")

    def some(name: str, *arguments: t.Any, **named: t.Any) -> t.Any:
        return refuse() if name.lower() == "md5" else new(name, *arguments, **named)

    monkeypatch.setattr(hashlib, "md5", refuse)
    monkeypatch.setattr(hashlib, "new", some)
    (guid,) = [download["guid"] for download in good(run_module(ENSURE, prepare(simulator, *ALICE)))["cloud_downloads"]]
    wanted = connect(simulator, guid=guid, dest=f"{tmp_path}/x")
    good(run_module(CONTENT, wanted))
    assert not good(run_module(CONTENT, wanted))["changed"]
    refused = run_module(CONTENT, {**wanted, "checksum": "md5:" + "0" * 32})
    assert refused["error"]["option"] == "checksum", refused


@pytest.mark.fault("U9")
@pytest.mark.parametrize("module", MODULES)
def test_u9_neither_a_locale_nor_a_home_is_needed(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, module: str
) -> None:
    poor = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/proc", "TMPDIR": "/no"}
    options = options_for(module, simulator, tmp_path, guid)
    if module == ENSURE:
        options["protected_entities"] = ["J\u00fcrgen"]
        refused = finished(start_module(module, options, poor))
        assert "J\u00fcrgen" in refused["msg"]
        options["protected_entities"] = list(ALICE)
    good(finished(start_module(module, options, poor)))


@pytest.mark.fault("U9")
@root_only
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare on this machine")
def test_u9_without_a_place_for_temporary_files_a_file_is_fetched(simulator: Simulator, guid: str) -> None:
    """Nothing can be written to the usual places; what is needed lies beside dest."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        directory = pathlib.Path(name)
        shutil.copy(str(simulator.ca_path), directory / "ca.pem")
        (directory / "files").mkdir()
        wanted = connect(simulator, guid=guid, dest=f"{directory}/files/", ca_path=f"{directory}/ca.pem")
        program = "import json, sys; from tests.support.modules import main; main(sys.argv[1], json.loads(sys.argv[2]))"
        read_only = "mount --bind $place $place && mount -o remount,bind,ro $place"
        mounts = f'for place in /tmp /var/tmp; do {read_only} || exit 77; done; exec "$@"'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", mounts, "sh", sys.executable, "-c", program, CONTENT, json.dumps(wanted)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/proc", "TMPDIR": "/tmp"},
            cwd="/",
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 77:
            pytest.skip("mounting is not possible here")
        assert done.stderr == b""
        assert sha256(pathlib.Path(good(json.loads(done.stdout))["path"])) == simulator.content(guid)["sha256"]


@pytest.mark.fault("U12")
@root_only
def test_u12_where_one_of_three_files_fits_one_comes_and_the_others_are_not_begun(
    simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    size = 4 * MIB
    guids = simulator.seed(users=3, downloads=3, content_size=size)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not possible here")
    try:
        wanted = [connect(simulator, guid=guid, dest=f"{disk}/{guid}.zip", retries=0) for guid in guids]
        first, *others = [run_module(CONTENT, options) for options in wanted]
        good(first)
        for result in others:
            assert (result["error"]["code"], result["error"].get("bytes_kept", 0)) == ("disk_full", 0)
        left = {path.name for path in disk.iterdir()}
        assert left == {f"{guids[0]}.zip", f"{guids[0]}.zip.sha256"}
        assert sha256(disk / f"{guids[0]}.zip") == simulator.content(guids[0])["sha256"]
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert [good(run_module(CONTENT, options))["changed"] for options in wanted] == [False, True, True]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
