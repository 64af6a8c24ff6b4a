# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where credentials come from: environment, proxies, asynchronous tasks, the role; and the channels that are by design.

The channels that Ansible opens itself are listed in docs/credentials.md. That they are real is tested, too: a
list that grows longer than the truth would excuse leaks.
"""

from __future__ import annotations

import pathlib
import typing as t
import urllib.parse

import pytest

from tests.secrets import cases, faults, plays
from tests.secrets.faults import CONTENT, GUID, LIST, LOGIN, Answers, Fault
from tests.secrets.plays import LOUD, Overheard
from tests.secrets.scanner import Scanner
from tests.secrets.server import Reply, Server, json_reply, reply
from tests.secrets.shapes import SHAPES, USER, Canary, Shape
from tests.support.ansible import Ansible
from tests.support.modules import run_module

Json = t.Any
INFO: t.Final = "storware.backup.cloud_download_info"
REFUSED: t.Final = Fault(
    "login refused", "cloud_download_info", lambda echo: {LOGIN: json_reply({"message": f"wrong: {echo}"}, 400)}
)


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    with Server().running() as running:
        yield running


def refuse(server: Server, directory: pathlib.Path, fault: Fault = REFUSED) -> tuple[Canary, dict[str, Json]]:
    """A secret that the server will repeat, and the options that lead to it."""
    case = cases.case(fault)
    return case.canary, cases.prepare(server, case, directory, lambda port: None)


def where_found(overheard: Overheard, *canaries: Canary) -> set[str]:
    """The channels with hits, files without the changing parts of their paths."""
    scanner = Scanner(canaries)
    hits = [hit for channel, data in overheard.channels.items() for hit in scanner.scan(channel, data)]
    return {"/".join(hit.channel.split("/")[:1]) for hit in hits}


# --- proxies ---------------------------------------------------------------------------------------------------------


def _unauthorized(echo: str) -> Reply:
    return reply(407, f"<html>Proxy: {echo}</html>", {"Content-Type": "text/html"})


PROXY_ANSWERS: t.Final[t.Mapping[str, t.Callable[[str], Answers]]] = {
    "refuses": lambda echo: {LOGIN: _unauthorized(echo)},
    "refuses later": lambda echo: {LIST: _unauthorized(echo), CONTENT: _unauthorized(echo)},
    "redirects": lambda echo: {LOGIN: reply(302, "", {"Location": f"http://proxy.example.com/{echo}"})},
    "passes": lambda echo: {},
}


@pytest.mark.fault("S9")
@pytest.mark.parametrize("module", faults.MODULES)
@pytest.mark.parametrize("answers", PROXY_ANSWERS)
def test_the_password_of_a_proxy_is_not_shown(
    server: Server, tmp_path: pathlib.Path, module: str, answers: str
) -> None:
    fault = Fault(f"proxy {answers}", module, PROXY_ANSWERS[answers], role="proxy", header=True)
    chosen = list(cases.each_shape_once([fault]))
    scanner = Scanner(case.canary for case in chosen)
    hits = []
    for case in chosen:
        options = cases.prepare(server, case, tmp_path, lambda port: None)
        options.update(url=f"http://backup.invalid/{case.name}", use_proxy=True)
        # A user has to quote what a URL cannot hold.
        proxy = f"http://{USER}:{urllib.parse.quote(case.canary.secret, safe='')}@{server.address}"
        result = run_module(module, options, environment={"http_proxy": proxy, "no_proxy": ""})
        hits += scanner.scan("result", str(result))
        # requests can send no password beyond Latin-1, which is told.
        goes = answers == "passes" and case.canary.secret.isascii()
        assert not goes or not result.get("failed"), result
    assert not hits, "\n".join(map(str, hits))


@pytest.mark.fault("S9")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_proxy_that_is_not_there_is_told_without_its_password(tmp_path: pathlib.Path, shape: Shape) -> None:
    canary = cases.canary("proxy", shape)
    connection = {"url": "https://backup.example.com", "username": USER, "password": "off", "retries": 0}
    for secret in (canary.secret.replace("\n", ""), urllib.parse.quote(canary.secret, safe="")):
        environment = {"https_proxy": f"http://{USER}:{secret}@127.0.0.1:9", "no_proxy": ""}
        result = run_module("cloud_download_info", connection, environment=environment)
        assert result["failed"]
        assert not Scanner([canary]).scan("result", str(result)), result


# --- credentials of the environment, asynchronous tasks, the role ---------------------------------------------------


@pytest.mark.fault("S14")
@pytest.mark.matrix
@pytest.mark.slow
def test_credentials_of_the_environment_are_in_environments_only(
    ansible: Ansible, server: Server, tmp_path: pathlib.Path
) -> None:
    canary, options = refuse(server, tmp_path)
    environment = {"STORWARE_USERNAME": options.pop("username"), "STORWARE_PASSWORD": options.pop("password")}
    tasks = [
        {"name": "Refused", INFO: options, "ignore_errors": True, "register": "told"},
        {"name": "Show", "ansible.builtin.debug": {"var": "told"}},
        {"name": "In the background", INFO: options, "async": 60, "poll": 1, "ignore_errors": True},
    ]
    overheard = plays.run_tasks(ansible, tasks, LOUD, {}, environment)
    failed = [result for result in overheard.run.results if result.status == "failed"]
    assert [result.result["error"]["code"] for result in failed] == ["authentication_failed"] * 2, overheard.run.output
    assert where_found(overheard, canary) == {"environment of a process"}


@pytest.mark.fault("S14")
@pytest.mark.matrix
@pytest.mark.slow
def test_an_asynchronous_task_leaves_no_secret_in_its_files(
    ansible: Ansible, server: Server, tmp_path: pathlib.Path
) -> None:
    canary, options = refuse(server, tmp_path)
    tasks = [
        # Not asked again, so that its result stays where it is.
        {"name": "Start", INFO: {}, "args": "{{ options }}", "async": 60, "poll": 0, "register": "job"},
        {
            "name": "Wait",
            "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
            "register": "status",
            "until": "status is finished",
            "retries": 100,
            "delay": 0.3,
            "ignore_errors": True,
        },
    ]
    overheard = plays.run_tasks(ansible, tasks, LOUD, {"options": options})
    assert any(channel.startswith("file async/") for channel in overheard.channels), overheard.run.output
    assert where_found(overheard, canary) == set()


@pytest.mark.fault("S16")
@pytest.mark.matrix
@pytest.mark.slow
def test_a_session_that_is_handed_on_with_no_log_is_shown_nowhere(
    ansible: Ansible, server: Server, tmp_path: pathlib.Path
) -> None:
    echoing = Fault("handed on", "session", lambda echo: {LIST: _page(echo)}, role="cookie")
    canary, options = refuse(server, tmp_path, echoing)
    connection = {name: value for name, value in options.items() if name not in ("username", "password")}
    tasks = [
        {"name": "Open", "storware.backup.session": options, "register": "login", "no_log": True},
        {"name": "Use", INFO: {**connection, "session": "{{ login.session }}"}, "ignore_errors": True},
        {
            "name": "Close",
            "storware.backup.session": {**connection, "session": "{{ login.session }}", "state": "absent"},
        },
    ]
    overheard = plays.run_tasks(ansible, tasks, LOUD, {})
    (used,) = overheard.run.of("Use")
    assert used.result["error"]["code"] == "invalid_response", overheard.run.output
    assert where_found(overheard, canary) == set()


@pytest.mark.fault("S17")
@pytest.mark.matrix
@pytest.mark.slow
def test_the_role_shows_no_secret(ansible: Ansible, server: Server, tmp_path: pathlib.Path) -> None:
    refused, options = refuse(server, tmp_path)
    broken = Fault("create refused", "cloud_download", lambda echo: {LIST: _page(echo)}, role="cookie")
    cookie, other = refuse(server, tmp_path, broken)
    tasks = [
        {
            "name": "Fetch",
            "ansible.builtin.include_role": {"name": "storware.backup.fetch_content"},
            "vars": {
                "fetch_content_connection": f"{{{{ connections[{number}] }}}}",
                "fetch_content_protected_entities": [GUID],
                "fetch_content_dest": str(tmp_path),
            },
            "ignore_errors": True,
        }
        for number in range(2)
    ]
    names = ("url", "allow_http", "username", "password", "retries", "timeout", "use_proxy")
    connections = [{name: given[name] for name in names} for given in (options, other)]
    rescued = [{"name": "Try", "block": [task], "rescue": [_told()]} for task in tasks]
    overheard = plays.run_tasks(ansible, rescued, LOUD, {"connections": connections})
    told = [result.result["msg"] for result in overheard.run.results if result.status == "failed"]
    assert [message.partition(": ")[0] for message in told] == ["Cannot log in", "Cannot list cloud downloads"], told
    assert where_found(overheard, refused, cookie) == set()


def _page(echo: str) -> Reply:
    return reply(200, f"<html>Welcome {echo}</html>", {"Content-Type": "text/html"})


def _told() -> dict[str, Json]:
    return {"name": "Show", "ansible.builtin.debug": {"var": "ansible_failed_result"}}


# --- by design -------------------------------------------------------------------------------------------------------


@pytest.mark.fault("S5")
@pytest.mark.long
def test_what_the_documentation_warns_of_is_real(ansible: Ansible, server: Server, tmp_path: pathlib.Path) -> None:
    """The command line, and files that are kept on request; not the keyword environment."""
    canary, options = refuse(server, tmp_path)
    plain = {"name": "Refused", INFO: {}, "args": "{{ options }}", "ignore_errors": True}

    extra = ["--extra-vars", f"storware_password={canary.secret}"]
    found = where_found(plays.run_tasks(ansible, [plain], LOUD, {"options": options}, arguments=extra), canary)
    assert found <= {"process title", "stdout", "file ansible.log"}
    assert "process title" in found

    keyword = {**plain, "environment": {"STORWARE_PASSWORD": "{{ options.password }}"}}
    found = where_found(plays.run_tasks(ansible, [keyword], LOUD, {"options": options}), canary)
    assert not found  # it becomes an option before anything is executed

    kept = {"ANSIBLE_KEEP_REMOTE_FILES": "1"}
    found = where_found(plays.run_tasks(ansible, [plain], LOUD, {"options": options}, kept), canary)
    assert "file remote-tmp" in found
