# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials and secrets in use (group S of the faults), where no other test tells."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import typing as t

import pytest
import requests
import trustme
import urllib3
import yaml

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from tests.secrets import cases
from tests.secrets.scanner import Scanner
from tests.secrets.shapes import ENCODINGS, SHAPES, Shape
from tests.simulator.process import Simulator
from tests.support.answers import Answer, AnsweringServer, Request, answering
from tests.support.fleet import ALICE, Fleet
from tests.support.modules import connect, prepare, run_module, start_module
from tests.support.use import (
    CONTENT,
    ENSURE,
    GUID,
    INFO,
    MODULES,
    OTHER,
    SESSION,
    SLOWLY,
    Json,
    begun,
    calls,
    finished,
    good,
    in_processes,
    login_to,
    options_for,
    wait_until,
)

# --- S: credentials and secrets ---

LIST, TASKS = "GET /api/cloud-download", "GET /api/tasks"
LOGIN, LOGOUT = "POST /api/session/login", "POST /api/session/logout"
RECORD: t.Final = {"guid": GUID, "mode": {"name": "CLOUD_DOWNLOAD"}, "state": {"name": "MOUNTED"}}


@pytest.mark.fault("S2")
@pytest.mark.parametrize("way", ["password", "token", "environment"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_s2_a_secret_of_any_shape_reaches_the_server_as_it_is(shape: Shape, way: str) -> None:
    secret = cases.canary(way, shape).secret
    token_login = {"POST /api/session/login-with-token": Answer(200, b"{}", {"Set-Cookie": "S=1; Path=/"})}
    with answering({LIST: Answer.json([]), **token_login}) as server:
        options = login_to(server)
        if way == "password":
            result = run_module(INFO, {**options, "password": secret})
        elif way == "token":
            options = {name: value for name, value in options.items() if name not in ("username", "password")}
            result = run_module(INFO, {**options, "token": secret})
        else:
            del options["password"]
            result = run_module(INFO, _argspec.resolve(options, {}, {"STORWARE_PASSWORD": secret}))
    good(result)
    assert json.loads(server.requests[0].body)["token" if way == "token" else "password"] == secret


@pytest.mark.fault("S3")
@pytest.mark.parametrize(("secret", "warned"), [("q", True), ("qzx", True), ("qzxj", False)])
@pytest.mark.parametrize("option", ["password", "token"])
def test_s3_a_secret_that_is_too_short_to_be_masked_is_warned_of(option: str, secret: str, warned: bool) -> None:
    with answering({LIST: Answer.json([]), "POST /api/session/login-with-token": Answer(400)}) as server:
        options = {**login_to(server), "username": None, "password": None, "token": secret}
        if option == "password":
            options = {**login_to(server), "password": secret}
        given = {name: value for name, value in options.items() if value is not None}
        result = finished(start_module(INFO, given))  # Ansible collects the warnings of a process
    assert (f"{option} has fewer than 4 characters" in str(result.get("warnings"))) == warned


@pytest.mark.fault("S5")
@pytest.mark.parametrize("module", MODULES)
def test_s5_no_secret_option_is_inside_of_another_option(module: str) -> None:
    """Ansible shows those as a whole when one beside them has the wrong type."""
    source = importlib.import_module(f"ansible_collections.storware.backup.plugins.modules.{module}")
    options = yaml.safe_load(source.DOCUMENTATION)["options"]
    assert options
    assert [name for name, about in options.items() if "suboptions" in about] == []
    wrong = run_module(module, {"url": {"password": "swordfish"}, "password": ["swordfish"]})
    assert wrong["failed"]
    assert "swordfish" not in json.dumps({**wrong, "invocation": None})


def _faults(words: str) -> dict[str, Exception]:
    return {
        "requests": requests.exceptions.ConnectionError(words),
        "requests, chunks": requests.exceptions.ChunkedEncodingError(words),
        "requests, url": requests.exceptions.InvalidURL(words),
        "urllib3": urllib3.exceptions.HTTPError(words),
        "urllib3, location": urllib3.exceptions.LocationParseError(words),
        "ssl": ssl.SSLCertVerificationError(1, words),
        "http.client": http.client.HTTPException(words),
        "json": json.JSONDecodeError(words, words, 0),
        "system": OSError(5, words, words),
        "unicode": UnicodeEncodeError("ascii", words, 0, 1, words),
        "anything": RuntimeError(words),
        "a key": KeyError(words),
    }


@pytest.mark.fault("S6")
@pytest.mark.parametrize("fault", _faults(""))
@pytest.mark.parametrize("place", ["request", "body"])
def test_s6_the_words_of_an_exception_of_any_layer_are_scrubbed(
    monkeypatch: pytest.MonkeyPatch, fault: str, place: str
) -> None:
    """With the secret in the exception, in each way in which it may be written there."""
    canary = cases.canary(fault, next(shape for shape in SHAPES if shape.name == "colon and at-sign"))
    words = " ".join(canary.planted(encoding) for encoding in ENCODINGS)
    raised = []

    def fail(*_arguments: object, **_named: object) -> t.NoReturn:
        raised.append(fault)
        raise _faults(words)[fault] from ValueError(words)

    if place == "request":
        monkeypatch.setattr(requests.Session, "send", fail)
    else:
        monkeypatch.setattr(urllib3.HTTPResponse, "read", fail)
    with answering({LIST: Answer.json([])}) as server:
        result = run_module(INFO, login_to(server, username="king", password=canary.secret))
    assert raised
    assert result["failed"]
    assert Scanner([canary]).scan("result", json.dumps(result)) == [], result


@pytest.mark.fault("S8")
def test_s8_a_warning_with_a_secret_in_it_is_scrubbed(simulator: Simulator) -> None:
    simulator.speed(0)
    good(run_module(ENSURE, prepare(simulator, *ALICE, wait=False)))
    for session in (None, "JSESSIONID=Archer"):
        told = {"session": session} if session else {}
        result = good(finished(start_module(ENSURE, prepare(simulator, *ALICE, wait=False, **told))))
        assert "was not asked for" in str(result["warnings"])
        assert ("Alice Archer" in str(result["warnings"])) == (session is None)


HOSTILE: t.Final = {
    "NETRC": "{home}/.netrc",
    "HOME": "{home}",
    "HTTP_PROXY": "http://king:hush@127.0.0.1:9",
    "http_proxy": "http://king:hush@127.0.0.1:9",
    "HTTPS_PROXY": "http://king:hush@127.0.0.1:9",
    "https_proxy": "http://king:hush@127.0.0.1:9",
    "ALL_PROXY": "http://king:hush@127.0.0.1:9",
    "no_proxy": "",
    "NO_PROXY": "",
    "REQUESTS_CA_BUNDLE": "{home}/other.pem",
    "CURL_CA_BUNDLE": "{home}/other.pem",
    "SSL_CERT_FILE": "{home}/other.pem",
    "SSL_CERT_DIR": "{home}",
}


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home that would lead astray."""
    directory = tmp_path / "home"
    directory.mkdir()
    (directory / ".netrc").write_text("machine 127.0.0.1 login king password intruder\ndefault login k password i\n")
    (directory / ".netrc").chmod(0o600)
    trustme.CA().cert_pem.write_to_path(str(directory / "other.pem"))
    return directory


@pytest.mark.fault("S9")
@pytest.mark.parametrize("module", MODULES)
def test_s9_what_the_environment_offers_is_not_taken(
    simulator: Simulator, tmp_path: pathlib.Path, home: pathlib.Path, guid: str, module: str
) -> None:
    environment = {name: value.format(home=home) for name, value in HOSTILE.items()}
    options = options_for(module, simulator, tmp_path, guid, use_proxy=False)
    good(run_module(module, options, environment=environment))
    headers = [request["headers"] for request in simulator.requests()]
    assert headers
    assert not any("authorization" in fields or "proxy-authorization" in fields for fields in headers)
    refused = run_module(
        module,
        {**options, "use_proxy": True, "retries": 0, "overwrite": "always"}
        if module == CONTENT
        else {**options, "use_proxy": True, "retries": 0},
        environment=environment,
    )
    assert refused["error"]["code"] in ("proxy", "unreachable")
    assert "hush" not in str(refused)


TRUSTING: t.Final = {
    "PYTHONHTTPSVERIFY": "0",
    "SSL_CERT_FILE": "{ca}",
    "SSL_CERT_DIR": "{ca_dir}",
    "REQUESTS_CA_BUNDLE": "{ca}",
    "CURL_CA_BUNDLE": "{ca}",
    "GIT_SSL_NO_VERIFY": "1",
    "SSLKEYLOGFILE": "{ca_dir}/keys",
}


@pytest.mark.fault("S10")
@pytest.mark.parametrize(
    "name", ["all", "empty bundles", *(pytest.param(name, marks=pytest.mark.long) for name in TRUSTING)]
)
def test_s10_no_variable_makes_a_server_trusted(simulator: Simulator, tmp_path: pathlib.Path, name: str) -> None:
    shutil.copy(str(simulator.ca_path), tmp_path / "ca.pem")
    chosen = TRUSTING if name == "all" else {name: TRUSTING[name]} if name in TRUSTING else {}
    environment = {key: value.format(ca=tmp_path / "ca.pem", ca_dir=tmp_path) for key, value in chosen.items()}
    if name == "empty bundles":
        environment = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
    untrusted = connect(simulator, retries=0)
    del untrusted["ca_path"]
    result = finished(start_module(INFO, untrusted, environment))
    assert result["error"]["code"] == "tls", result
    assert simulator.requests() == []
    good(finished(start_module(INFO, connect(simulator), environment)))


CALLS: t.Final[dict[str, tuple[str, dict[str, Json]]]] = {
    LOGIN: (INFO, {}),
    "POST /api/session/login-with-token": (INFO, {"username": None, "password": None, "token": "sesame"}),
    LIST: (INFO, {}),
    "POST /api/cloud-download": (ENSURE, {"protected_entities": [OTHER], "wait": False}),
    f"PUT /api/cloud-download/{GUID}": (ENSURE, {"guid": [GUID], "update": {"note": "x"}, "wait": False}),
    f"DELETE /api/cloud-download/{GUID}": (ENSURE, {"guid": [GUID], "state": "absent", "wait": False}),
    f"GET /api/cloud-download/{GUID}": (CONTENT, {"guid": GUID, "source": "download"}),
    f"GET /api/cloud-download/{GUID}/content-download": (CONTENT, {"guid": GUID, "source": "content_download"}),
    "GET /api/session/user": (SESSION, {}),
    LOGOUT: (INFO, {}),
}


@pytest.mark.fault("H20", "S11")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", CALLS)
def test_s11_a_collector_to_which_a_call_is_redirected_gets_nothing(
    tmp_path: pathlib.Path, call: str, status: int
) -> None:
    module, options = CALLS[call]
    with answering({}) as collector:
        away = Answer(status, b"", {"Location": f"{collector.url}/api/session/login"})
        cookie = Answer(200, b"{}", {"Set-Cookie": "S=1; Path=/"})
        records = [] if call == "POST /api/cloud-download" else [RECORD]
        listed = Answer(200, json.dumps(records).encode(), {"X-Total-Count": str(len(records))})
        answers = {"POST /api/session/login-with-token": cookie, LIST: listed, TASKS: Answer.json([])}
        with answering({**answers, call: away}) as server:
            given = {**login_to(server), **options, **({"dest": f"{tmp_path}/x"} if module == CONTENT else {})}
            result = run_module(module, {name: value for name, value in given.items() if value is not None})
    assert collector.requests == []
    assert [asked.partition("?")[0] for asked in server.calls()].count(call) == 1
    if call not in (LOGOUT, "GET /api/session/user"):
        assert result["error"]["code"] in (
            "redirect",
            "unexpected_content",
            "delete_failed",
            "authentication_failed",
        ), result
        assert result["failed"]


@pytest.mark.fault("S12")
@pytest.mark.parametrize("when", ["at first", "in the middle"])
def test_s12_a_token_that_is_not_good_any_more_is_tried_once(simulator: Simulator, when: str) -> None:
    """A session that ends in the middle cannot be opened again with it."""
    simulator.switch(token_logins=1)
    options = {**prepare(simulator, *ALICE), "token": simulator.token}
    del options["username"], options["password"]
    if when == "at first":
        good(run_module(INFO, {name: options[name] for name in ("url", "ca_path", "token")}))
        simulator.clear_log()
    else:
        simulator.switch(drop_session_after=3)
    result = run_module(ENSURE, options)
    assert result["error"]["code"] == "authentication_failed", result
    assert not result["error"]["retryable"]
    assert "login-with-token" in result["msg"]
    assert calls(simulator)["POST /session/login-with-token"] == (1 if when == "at first" else 2)
    assert simulator.counters()["open_sessions"] == 0


ENDS: t.Final[dict[str, tuple[Answer, str]]] = {
    "success": (Answer.json([]), ""),
    "refused": (Answer(403), "forbidden"),
    "broken off": (Answer(200, b"[1, 2]", cut=3), "response_lost"),
    "no JSON": (Answer(200, b"<html>"), "invalid_response"),
    "failing server": (Answer(500), "server_error"),
}
LOGOUTS: t.Final = {
    "500": Answer(500),
    "401": Answer(401),
    "404": Answer(404),
    "silence": Answer(silent=True),
    "cut": Answer(200, b"{}", cut=1),
}


def ends_as(result: Json, server: AnsweringServer, code: str) -> None:
    assert result.get("error", {}).get("code", "") == code, result
    assert server.calls().count(LOGOUT) == 1


@pytest.mark.fault("S13")
@pytest.mark.parametrize("logout", LOGOUTS)
@pytest.mark.parametrize("end", ENDS)
def test_s13_whatever_the_end_a_logout_that_fails_is_tried_once_and_hides_nothing(end: str, logout: str) -> None:
    answer, code = ENDS[end]
    with answering({LIST: answer, LOGOUT: LOGOUTS[logout]}) as server:
        ends_as(run_module(INFO, login_to(server)), server, code)


@pytest.mark.fault("S13")
@pytest.mark.slow
def test_s13_a_logout_that_hangs_is_given_five_seconds_at_any_end() -> None:
    over = threading.Event()

    def hang(_request: Request) -> Answer:
        over.wait(30)
        return Answer(204)

    def timed(server: AnsweringServer) -> Json:
        started = time.monotonic()
        result = run_module(INFO, login_to(server))
        return result, time.monotonic() - started

    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(answering({LIST: answer, LOGOUT: hang})) for answer, _code in ENDS.values()]
        ended = in_processes(*[lambda server=server: timed(server) for server in servers])
        for (result, seconds), server, (_answer, code) in zip(ended, servers, ENDS.values(), strict=True):
            ends_as(result, server, code)
            assert seconds < 7
        over.set()


_STARTS: t.Final = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "os.spawn", "pty.spawn")


@pytest.mark.fault("S14")
@pytest.mark.parametrize("module", MODULES)
def test_s14_no_module_starts_another_process(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, module: str
) -> None:
    """So there is none with a secret in its environment or on its command line."""
    options = options_for(module, simulator, tmp_path, guid)

    def watched() -> Json:
        seen: list[str] = []
        sys.addaudithook(lambda event, _arguments: seen.append(event) if event.startswith(_STARTS) else None)
        result = run_module(module, {**options, "mode": "0640", "owner": "0"} if module == CONTENT else options)
        told = list(seen)
        subprocess.run(["true"], check=True)
        return result, told, len(seen)

    ((result, seen, afterwards),) = in_processes(watched)
    good(result)
    assert seen == []
    assert afterwards  # what is watched would have been seen


@pytest.mark.fault("S14")
def test_s14_no_secret_is_in_a_file_while_it_is_fetched(
    simulator: Simulator, tmp_path: pathlib.Path, large: str
) -> None:
    process = start_module(CONTENT, connect(simulator, guid=large, dest=str(tmp_path), max_rate=SLOWLY))
    wait_until(lambda: begun(tmp_path))
    cookies = {request["headers"].get("cookie", "").partition("=")[2] for request in simulator.requests()} - {""}
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    process.send_signal(signal.SIGTERM)
    assert finished(process)["error"]["code"] == "interrupted"
    kept = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(files) == len(kept) == 2  # the partial, and what is known of it
    secrets = [secret.encode() for secret in (simulator.password, simulator.token, *cookies)]
    assert len(secrets) == 3
    assert not any(secret in content for secret in secrets for content in (*files, *kept))


@pytest.mark.fault("S17")
def test_s17_neither_facts_nor_their_cache_nor_statistics_hold_a_secret(lone_fleet: Fleet) -> None:
    """What AWX stores of a job: its events, the facts of its hosts, its artifacts."""
    cache = lone_fleet.directory / "cache"
    cache.mkdir()
    environment = {
        "STORWARE_URL": lone_fleet.simulator.url,
        "STORWARE_CA_PATH": str(lone_fleet.simulator.ca_path),
        "STORWARE_TOKEN": lone_fleet.simulator.token,
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache),
        "ANSIBLE_SHOW_CUSTOM_STATS": "1",
        "ANSIBLE_GATHERING": "smart",
    }
    facts = {"gather_facts": True, "gather_subset": ["!all", "!min", "python"]}
    tasks = {"post_tasks": [{"ansible.builtin.set_fact": {"cached": "yes", "cacheable": True}}]}
    run = lone_fleet.mail("-vvvv", people=ALICE, environment=environment, keywords={**facts, **tasks}).ok()
    cookies = {
        request["headers"].get("cookie", "").partition("=")[2] for request in lone_fleet.simulator.requests()
    } - {""}
    cached = [path.read_text(encoding="utf-8") for path in cache.iterdir()]
    assert len(cached) == len(lone_fleet.names)
    assert all("cached" in text for text in cached)
    assert len(cookies) == 1
    events = json.dumps([result.result for result in run.results])
    for secret in cookies:
        assert secret not in run.output + events + "".join(cached)
    assert lone_fleet.simulator.token not in run.output + "".join(cached)


@pytest.mark.fault("S18")
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_s18_a_wrong_password_is_sent_once_by_every_module(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, module: str, status: int
) -> None:
    simulator.fault("POST /session/login", "refused", times=99, status=status)
    result = run_module(module, options_for(module, simulator, tmp_path, guid))
    assert result["error"]["code"] == "authentication_failed"
    assert simulator.counters()["faults"] == 1
