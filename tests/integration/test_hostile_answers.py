# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is no Storware server, or a broken one: a message that names the call, no traceback, no secret."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import create
from tests.support.answers import LOGIN, Answer, AnsweringServer, Answers, Request, answering
from tests.support.examples import count
from tests.support.guids import guid
from tests.support.modules import run_module
from tests.unit.plugins.module_utils._api.hostile import GUIDS, PATHS, Hostile

GUID = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"
PASSWORD = "off with her head"
LIST = "GET /api/cloud-download"
CREATE = "POST /api/cloud-download"
TASK = {"guid": GUID, "state": {"name": "FINISHED"}}


def run(module: str, server: AnsweringServer, **options: t.Any) -> dict[str, t.Any]:
    connection = {"url": server.url, "allow_http": True, "username": "queen", "password": PASSWORD, "retries": 0}
    result = run_module(module, {**connection, "timeout": 5, **options})
    assert "exception" not in result, result["exception"]
    assert PASSWORD not in str(result)
    return result


@pytest.mark.fault("H18", "H19", "A2")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"<html><h1>Welcome</h1> please log in</html>", {"Content-Type": "text/html"}), "Welcome"),
        (Answer(200, b"SSH-2.0-OpenSSH_9.2"), "SSH"),
        (Answer(200, b'{"guid": '), "no JSON"),
        (Answer.json({"members": []}), "should be a list, not an object"),
        (Answer.json("text"), "should be a list, not a string"),
        (Answer.json([1]), "[0] should be an object, not a number"),
        (Answer.json([{"guid": GUID}, {"guid": 7}]), "[1].guid should be a GUID of 36 characters, not a number"),
        (Answer.json([{"guid": GUID, "backup": []}]), "[0].backup should be an object, not a list"),
        (Answer.json([{"guid": GUID, "node": "n"}]), "[0].node should be an object, not a string"),
    ],
)
def test_a_list_that_is_no_list_names_call_and_field(answer: Answer, words: str) -> None:
    with answering({LIST: answer}) as server:
        result = run("cloud_download_info", server)
    assert result["failed"]
    assert result["error"]["code"] == "invalid_response"
    assert words in result["msg"]
    assert "GET /cloud-download" in result["msg"]


@pytest.mark.fault("A2", "A15")
@pytest.mark.parametrize("answer", [Answer(204), Answer(200, b""), Answer.json([])])
def test_no_body_is_an_empty_list(answer: Answer) -> None:
    with answering({LIST: answer}) as server:
        assert run("cloud_download_info", server)["cloud_downloads"] == []


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (Answer(502, b"<html>Bad Gateway</html>"), 2),
        (Answer(201, b"<html>Created</html>"), 1),
        (Answer.json([{"no": "guid"}], 201), 1),
        (Answer.json("done", 201), 1),
        (Answer(silent=True), 2),
    ],
)
def test_a_create_that_goes_wrong_names_the_call_and_is_repeated_once_when_it_was_lost(
    answer: Answer, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "VISIBILITY_TIMEOUT", 0.7)
    answers = {LIST: Answer.json([]), CREATE: answer, "GET /api/tasks": Answer.json([])}
    with answering(answers) as server:
        wishes = {"protected_entities": [GUID], "wait_interval": 0.1, "wait_timeout": 0.5}
        result = run("cloud_download", server, **wishes, profile={"create": {"visible_within": 1}})
    assert result["failed"]
    assert "POST /cloud-download" in result["msg"]
    assert server.calls().count(CREATE) == times


@pytest.mark.fault("A5")
@pytest.mark.parametrize("answer", [Answer.json([], 201), Answer.json(TASK, 201), Answer(204)])
def test_a_create_without_usable_tasks_is_judged_by_the_list(answer: Answer) -> None:
    record = {
        "guid": GUID,
        "mode": "CLOUD_DOWNLOAD",
        "backup": {"guid": guid("b"), "protectedEntity": {"guid": GUID}},
    }
    lists = [*[Answer.json([])] * 4, Answer.json([record])]
    with answering({LIST: lists, CREATE: answer, "GET /api/tasks": Answer.json([])}) as server:
        result = run("cloud_download", server, protected_entities=[GUID], wait_interval=0.01, wait_timeout=5)
    assert not result.get("failed"), result
    assert result["created"] == [GUID]


@pytest.mark.parametrize("answer", [Answer(201, b"<html>Created</html>"), Answer.json([{"no": "guid"}], 201)])
def test_a_create_whose_success_cannot_be_read_is_found(answer: Answer) -> None:
    """And only what is new counts: neither a task nor a download that was there before."""
    created: list[Request] = []

    def create(request: Request) -> Answer:
        created.append(request)
        return answer

    def downloads(request: Request) -> Answer:
        return Answer.json([_download(guid("old"), GUIDS[0]), *([_download(guid("new"))] if created else [])])

    with answering({LIST: downloads, CREATE: create, "GET /api/tasks": Answer.json([])}) as server:
        result = run("cloud_download", server, protected_entities=[GUID], wait_interval=0.01, wait_timeout=5)
    assert not result.get("failed"), result
    assert result["created"] == [guid("new")]
    assert len(created) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(Answer(404), None), (Answer.json({"message": "it is kept by law"}, 403), "it is kept by law")],
)
def test_a_delete_that_is_refused_is_told_and_one_that_has_nothing_left_to_do_is_done(
    answer: Answer, reason: str | None
) -> None:
    asked: list[Request] = []

    def remove(request: Request) -> Answer:
        asked.append(request)
        return answer

    def downloads(request: Request) -> Answer:
        return Answer.json([] if asked and not reason else [_download(GUIDS[0])])

    answers: dict[str, Answers] = {
        LIST: downloads,
        f"DELETE /api/cloud-download/{GUIDS[0]}": remove,
        "GET /api/tasks": Answer.json([]),
    }
    with answering(answers) as server:
        result = run("cloud_download", server, guid=[GUIDS[0]], state="absent", wait_interval=0.01, wait_timeout=0.2)
    assert len(asked) == 1
    if reason:
        assert (result["error"]["code"], result["failures"][0]["guid"]) == ("delete_failed", GUIDS[0])
        assert reason in result["failures"][0]["reason"]
    else:
        assert (result["changed"], result["deleted"]) == (True, [GUIDS[0]])


def test_the_end_of_waiting_for_what_is_updated_names_those_that_are_not_ready() -> None:
    records = [_download(GUIDS[0]), _download(GUID)]

    def downloads(request: Request) -> Answer:
        return Answer.json(records[:1] if "finished-mount" in request.path else records)

    puts = {f"PUT /api/cloud-download/{guid}": Answer(204) for guid in (GUIDS[0], GUID)}
    options = {"guid": [GUIDS[0], GUID], "status": "KEPT", "wait_interval": 0.01, "wait_timeout": 0.1}
    with answering({LIST: downloads, **puts}) as server:
        result = run("cloud_download", server, **options)
    assert (result["error"]["code"], result["error"]["retryable"]) == ("wait_timeout", True)
    assert GUID in result["msg"]
    assert GUIDS[0] not in result["msg"]
    assert result["updated"] == [GUIDS[0], GUID]


@pytest.mark.parametrize("left_out", ["backup", "node", "everything"])
def test_what_a_record_leaves_out_is_told_by_the_filters(left_out: str) -> None:
    """Asked for by backup and node, found in no complete record: the server's own filters say which one it is."""
    wanted = {f"protected-entity={GUID}", f"backup={GUIDS[0]}", f"node={GUIDS[0]}"}
    record = {
        **_download(guid("d"), backup=GUIDS[0]),
        "node": {"guid": GUIDS[0], "name": "n"},
        "protectedEntity": {"guid": GUID},
    }
    gone = {"backup", "node", "protectedEntity"} if left_out == "everything" else {left_out}
    bare = {key: value for key, value in record.items() if key not in gone}

    def downloads(request: Request) -> Answer:
        asked = set(request.path.partition("?")[2].split("&"))
        is_filtered = any(part.startswith(("protected-entity=", "backup=", "node=")) for part in asked)
        found = [bare] if wanted <= asked else [] if is_filtered else [{**bare, "guid": guid("other")}, bare]
        return Answer.json(found)

    options = {"protected_entities": [GUID], "backup": GUIDS[0], "node": GUIDS[0], "state": "absent", "wait": False}
    answers: dict[str, Answers] = {
        LIST: downloads,
        "GET /api/tasks": Answer.json([]),
        f"DELETE /api/cloud-download/{guid('d')}": Answer(204),
    }
    with answering(answers) as server:
        result = run("cloud_download", server, **options)
    assert result["deleted"] == [guid("d")], result


@pytest.mark.fault("A16")
def test_what_the_server_repeats_of_a_secret_is_masked() -> None:
    login = Answer.json({"message": f"wrong password '{PASSWORD}' for queen"}, 400)
    with answering({"POST /api/session/login": login}) as server:
        assert run("cloud_download_info", server)["error"]["code"] == "authentication_failed"
    echo = Answer.json({"error": {"message": "cookie open-sesame has expired, off%20with%20her%20head"}}, 403)
    with answering({LIST: echo}) as server:
        result = run("cloud_download_info", server)
    assert "open-sesame" not in str(result)
    assert "off%20with" not in str(result)


@pytest.mark.fault("H20")
@pytest.mark.parametrize("path", ["POST /api/session/login", LIST])
def test_a_redirect_is_told_and_not_followed(path: str) -> None:
    redirect = Answer(302, headers={"Location": "https://login.example.com/sso?token=x"})
    with answering({"POST /api/session/login": LOGIN, path: redirect}) as server:
        result = run("cloud_download_info", server)
    assert result["error"]["code"] == "redirect"
    assert "login.example.com" in result["msg"]
    assert "token=x" not in result["msg"]


def _download(name: str, entity: str = GUID, backup: str = guid("b")) -> dict[str, t.Any]:
    return {"guid": name, "mode": "CLOUD_DOWNLOAD", "backup": {"guid": backup, "protectedEntity": {"guid": entity}}}


@pytest.mark.fault("A4")
@pytest.mark.parametrize("path", PATHS)
def test_a4_a_guid_that_would_like_to_be_a_path_never_becomes_one(path: str) -> None:
    with answering({"GET /api/tasks": Answer.json([]), LIST: Answer.json([_download(path)])}) as server:
        result = run("cloud_download", server, protected_entities=[GUID], state="absent", wait_timeout=0.2)
    assert result["error"]["code"] == "invalid_response"
    assert "[0].guid should be a GUID" in result["msg"]
    assert not [call for call in server.calls() if call.startswith("DELETE")]


@pytest.mark.fault("A12")
def test_a12_a_filter_that_finds_more_than_the_name_is_filtered_again() -> None:
    people = [
        {"guid": GUIDS[0], "name": "Annabel"},
        {"guid": GUID, "name": "Ann"},
        {"guid": guid("joann"), "name": "Joann", "email": "ann@example.com"},
    ]
    listed = [_download(GUIDS[0], GUIDS[0]), _download(guid("j"), guid("joann")), _download(guid("d"), GUID)]
    answers = {"GET /api/cloud-users": people, "GET /api/tasks": [], LIST: listed}
    with answering({call: Answer.json(records) for call, records in answers.items()}) as server:
        result = run("cloud_download", server, protected_entities=["Ann"], protected_entity_type="CLOUD_USER")
    assert not result.get("failed"), result
    assert [found["guid"] for found in result["cloud_downloads"]] == [guid("d")]
    assert CREATE not in server.calls()


@pytest.mark.fault("A11")
def test_a11_of_two_downloads_of_one_entity_those_that_fit_are_taken_and_the_rest_is_left_alone() -> None:
    mounted = {**_download(guid("not-ours")), "mode": "MANUAL"}
    bare = {"guid": guid("bare"), "mode": "CLOUD_DOWNLOAD"}
    theirs, old, new = (
        _download(guid("other"), GUIDS[0]),
        _download(guid("old")),
        _download(guid("new"), backup=GUIDS[1]),
    )
    listed = [mounted, bare, theirs, old, new]
    gone: list[str] = []

    def downloads(request: Request) -> Answer:
        return Answer.json([record for record in listed if record["guid"] not in gone])

    def remove(request: Request) -> Answer:
        gone.append(request.path.rpartition("/")[2])
        return Answer(204)

    deletes = {f"DELETE /api/cloud-download/{record['guid']}": remove for record in listed}
    with answering({LIST: downloads, "GET /api/tasks": Answer.json([]), **deletes}) as server:
        kept = run("cloud_download", server, protected_entities=[GUID], backup=GUIDS[1])
        assert [found["guid"] for found in kept["cloud_downloads"]] == [new["guid"]]
        result = run(
            "cloud_download", server, protected_entities=[GUID], state="absent", wait_interval=0.01, wait_timeout=5
        )
    assert not result.get("failed"), result
    assert sorted(gone) == sorted(result["deleted"]) == [new["guid"], old["guid"]]


_LISTS = "cloud-download|tasks|backups|cloud-users|cloud-sites|cloud-groups|nodes"
_MEANT = re.compile(
    rf"POST /api/session/(login|logout)|GET /api/({_LISTS})\?\S*|POST /api/cloud-download"
    rf"|(DELETE|PUT) /api/cloud-download/[0-9a-f-]{{36}}"
)


def _hostile_answer(hostile: Hostile, call: str) -> Answer:
    body = json.dumps(hostile.body(call), allow_nan=True).encode()
    if hostile.one_in(6):
        body = hostile.random.choice(
            [
                b"\xef\xbb\xbf" + body,
                body.decode().encode("utf-16"),
                body[: len(body) // 2],
                body + b"]",
                b"[NaN]",
                b"[" * 10_000,
                b'[{"guid": "a", "guid": "b"}]',
                b"<html>" + body,
                b"",
                bytes(range(256)),
            ]
        )
    status = hostile.random.choice([200, 200, 200, 200, 201, 202, 204, 206, 299, 302, 404, 409, 500, 503])
    headers = {"Content-Type": "application/json"}
    if hostile.one_in(4):
        headers["X-Total-Count"] = hostile.random.choice(["0", "7", "-1", "²", "1e9", "99999999999999999999", ""])
    return Answer(status, b"" if status == 204 else body, headers)


@pytest.mark.fault("A4")
def test_generated_servers_cause_no_traceback_and_no_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "VISIBILITY_TIMEOUT", 0.05)
    for seed in range(count(30, 3000)):
        hostile = Hostile(seed)

        def answer(request: Request, hostile: Hostile = hostile) -> Answer:
            path = request.path.partition("?")[0].removeprefix("/api")
            later_page = "page=0" not in request.path and request.method == "GET"
            return Answer.json([]) if later_page else _hostile_answer(hostile, f"{request.method} {path}")

        calls = [f"GET /api/{path}" for path in _LISTS.split("|")]
        calls += [f"{verb} /api/cloud-download/{guid}" for verb in ("DELETE", "PUT") for guid in GUIDS]
        wait = {"wait_timeout": 0.1, "wait_interval": 0.02}
        module, options = hostile.random.choice(
            [
                ("cloud_download", {"protected_entities": list(GUIDS), **wait}),
                ("cloud_download", {"protected_entities": ["Alice"], "protected_entity_type": "CLOUD_USER", **wait}),
                ("cloud_download", {"protected_entities": list(GUIDS), "state": "absent", **wait}),
                ("cloud_download", {"guid": list(GUIDS), "state": "absent", **wait}),
                ("cloud_download", {"guid": list(GUIDS), "status": "KEPT", **wait}),
                ("cloud_download_info", {}),
                ("protected_entity_info", {}),
            ]
        )
        with answering(dict.fromkeys([*calls, CREATE], answer)) as server:
            result = run(module, server, **options)
        if result.get("failed"):
            assert result["error"]["code"] != "internal", (seed, result)
        for call in server.calls():
            assert _MEANT.fullmatch(call), (seed, call)
