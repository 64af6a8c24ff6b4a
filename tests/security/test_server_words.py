# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that sends code, commands for terminals and forged lines where the API has GUIDs and names: it is data."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import pathlib
import runpy
import typing as t
import urllib.parse
import zipfile

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import decoding, models
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.plugin_utils import _report
from tests.harness import tree
from tests.support.ansible import Ansible
from tests.support.answers import Answer, AnsweringServer, Answers, answering
from tests.support.guids import guid
from tests.support.modules import run_module
from tests.support.use import GUID, good, login_to
from tests.support.words import NASTY, SHOWN, controls, template

Json = t.Any

LIST, USERS, TASKS = "GET /api/cloud-download", "GET /api/cloud-users", "GET /api/tasks"
MAIL = "CLOUD_DOWNLOAD"
NOTHING = Answer.json([])
SOURCE = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"
NO_GUIDS = (
    template("marker"),
    "../session/logout",
    f"{GUID}\n",
    f"{GUID[:-1]}٣",  # a digit, to Unicode
    GUID.replace("-", ""),
    f"{{{GUID}}}",
    "a" * 36,
    7,
    [GUID],
    {"name": GUID},
)


def record(name: str = "Alice", **fields: Json) -> Json:
    entity = {"guid": guid("alice"), "name": name, "type": "CLOUD_USER"}
    return {"guid": GUID, "mode": MAIL, "backup": {"guid": guid("backup"), "protectedEntity": entity}, **fields}


def run(module: str, answers: t.Mapping[str, Answers], **options: Json) -> Json:
    with answering(answers) as server:
        return run_module(module, login_to(server, **options))


# GUIDs


@pytest.mark.parametrize("value", NO_GUIDS, ids=repr)
def test_what_is_no_guid_makes_the_answer_invalid(value: Json) -> None:
    result = run("cloud_download_info", {LIST: Answer.json([record(), {"guid": value, "mode": MAIL}])})
    assert (result.get("failed"), result["error"]["code"]) == (True, "invalid_response")
    assert "[1].guid should be a GUID of 36 characters" in result["msg"]
    assert "lookup" not in str(result)


def _at(place: str, value: Json) -> Json:
    """A record with this value at ``key.key``, in which everything else is good."""
    made: Json = value
    for key in reversed(place.split(".")):
        made = {"guid": GUID, "name": "x", key: made}
    return made


@pytest.mark.parametrize(
    ("decode", "place"),
    [
        (models.decode_cloud_download, "backup.guid"),
        (models.decode_cloud_download, "backup.protectedEntity.guid"),
        (models.decode_cloud_download, "protectedEntity.guid"),
        (models.decode_cloud_download, "node.guid"),
        (models.decode_backup, "guid"),
        (models.decode_backup, "protectedEntity.guid"),
        (models.decode_task, "guid"),
        (models.decode_task, "protectedEntity.guid"),
        (models.decode_task, "mountedBackup.guid"),
        (models.decode_entity, "guid"),
        (models.decode_entity, "policy.guid"),
        (models.decode_entity, "cloudServiceProvider.guid"),
        (models.decode_reference, "guid"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_guid_of_every_record_is_one(decode: t.Callable[[Json, str], t.Any], place: str) -> None:
    for value in NO_GUIDS:
        with pytest.raises(StorwareError, match=rf"here\.{place} should be a GUID"):
            decode(_at(place, value), "here")
    decode(_at(place, GUID.upper()), "here")
    if "." in place:
        decode(_at(place, None), "here")  # what is not there is not there


# Code on the controller


class _Events:
    """Takes what the event source says."""

    def __init__(self) -> None:
        self.found: list[Json] = []

    async def put(self, event: Json) -> None:
        self.found.append(event)


def _events(server: AnsweringServer) -> list[Json]:
    """What the source says within two seconds."""
    events = _Events()
    source = runpy.run_path(str(SOURCE))
    with contextlib.suppress(asyncio.TimeoutError, RuntimeError):
        asyncio.run(asyncio.wait_for(source["main"](events, login_to(server, interval=1)), 2))
    return events.found


def _made_by(ansible: Ansible, words: Json) -> list[str]:
    """The files that templates make when these words are extra variables, as ansible-rulebook hands them over."""
    show = {"ansible.builtin.debug": {"msg": "{{ words }}"}}
    play = {"hosts": "all", "gather_facts": False, "tasks": [show]}
    ansible.playbook([play], variables={"words": words})
    return _markers(ansible)


def _markers(ansible: Ansible) -> list[str]:
    return sorted(path.name for path in ansible.home.iterdir() if path.name.startswith("marker"))


@pytest.mark.matrix
@pytest.mark.newest
def test_a_guid_that_is_a_template_never_reaches_the_variables_of_a_rulebook(ansible: Ansible) -> None:
    evil = {"guid": template("marker"), "mode": MAIL}
    with answering({LIST: Answer.json([evil]), TASKS: NOTHING}) as server:
        ready = [event["guid"] for event in _events(server) if event["kind"] == "ready"]
    assert _made_by(ansible, ready) == []
    assert ready == []


@pytest.mark.matrix
@pytest.mark.newest
def test_no_text_of_an_event_is_a_template(ansible: Ansible) -> None:
    """Whichever of its texts a user's rulebook hands to a playbook. A header could give templates other marks."""
    header = "#jinja2:variable_start_string:'[[', variable_end_string:']]'\n[[ lookup('pipe','touch marker-header') ]]"
    evil = record(
        template("marker-name"),
        state=template("marker-state"),
        node={"guid": GUID, "name": "{" + template("marker-node")},
        note=["{% set x = lookup('pipe','touch marker-block') %}", header],
    )
    failed = {"guid": GUID, "state": "FAILED", "statusInfo": template("marker-reason")}
    tasks = [NOTHING, Answer.json([failed])]
    with answering({LIST: Answer.json([evil]), TASKS: tasks}) as server:
        events = _events(server)
    assert {event["kind"] for event in events} >= {"created", "ready"}
    assert _made_by(ansible, events) == []
    assert "{ { lookup" in events[0]["download"]["protected_entity"]["name"]


@pytest.mark.matrix
@pytest.mark.newest
def test_names_of_files_and_people_are_not_run_on_the_way_over_the_controller(
    ansible: Ansible, tmp_path: pathlib.Path
) -> None:
    name = f"{template('marker-file')}.zip"
    disposition = f"attachment; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("mail.eml", "hello")
    content = Answer(200, archive.getvalue(), {"Content-Disposition": disposition})
    listed = Answer.json([record(template("marker-person"), state=template("marker-state"))])
    for folder in ("spool", "restore"):
        (tmp_path / folder).mkdir()
    with answering(
        {LIST: listed, f"GET /api/cloud-download/{GUID}": content, "GET /api/session": Answer(204)}
    ) as server:
        variables = {
            "fetch_content_guids": [GUID],
            "fetch_content_connection": login_to(server),
            "fetch_content_via": "controller",
            "fetch_content_spool": str(tmp_path / "spool"),
            "fetch_content_dest": str(tmp_path / "restore"),
            "fetch_content_report": [str(tmp_path / "report.csv"), str(tmp_path / "report.json")],
        }
        play = {"hosts": "all", "gather_facts": False, "roles": [{"role": "storware.backup.fetch_content"}]}
        run = ansible.playbook([play], variables=variables)
    assert _markers(ansible) == []
    run.ok()
    (there,) = (tmp_path / "restore").glob("*.zip")
    assert there.read_bytes() == archive.getvalue()
    assert "lookup" in there.name  # it is the name that was sent


@pytest.mark.parametrize(
    "value",
    ["{{lookup(*'pipe|id'.split('|'))}}", "{%set$x=1%}", "a b", "a\x1b[2J", "a,b", 'a"b', "a\\b", "ä"],
)
def test_a_session_that_is_no_cookie_is_none(value: str) -> None:
    """It ends up in hostvars, which ansible-core without the fix of CVE-2024-11079 templates."""
    cookie = Answer(200, b"{}", {"Set-Cookie": f"JSESSIONID={value}; Path=/"})
    result = run("session", {"POST /api/session/login": cookie, "GET /api/session/user": Answer.json({})})
    assert (result.get("failed"), result["error"]["code"]) == (True, "no_session_cookie")
    assert "characters that a session cannot have" in result["msg"]


def test_a_cookie_that_comes_later_is_checked_as_well() -> None:
    """Not only the answer to the login may set one."""
    user = Answer(200, b"{}", {"Set-Cookie": "evil={{lookup(*'pipe|id'.split('|'))}}; Path=/"})
    result = good(run("session", {"GET /api/session/user": user}))
    assert result["session"] == "JSESSIONID=open-sesame"


@pytest.mark.parametrize("session", ["S={{lookup(*'pipe|id'.split('|'))}}", "S=a,b", 'S=a"b', "S=a\\b", "S=a\r\nX: 1"])
def test_a_session_that_is_no_cookie_is_not_taken_from_anybody(session: str) -> None:
    with answering({LIST: NOTHING}) as server:
        result = run_module("cloud_download_info", {"url": server.url, "allow_http": True, "session": session})
        assert server.calls() == []
    assert result["error"]["option"] == "session"


# What people see


def _told(where: str) -> Json:
    """A result that has the server's words from this place."""
    person = {"guid": guid("alice"), "name": f"Alice {NASTY}", "email": f"alice{NASTY}@example.com"}
    selected = {"protected_entities": [guid("alice")], "wait_timeout": 5, "wait_interval": 0.01}
    failed = {"guid": GUID, "state": "FAILED", "type": f"RESTORE{NASTY}", "statusInfo": f"no space{NASTY}"}
    running = {**failed, "state": "RUNNING"}
    backups = {"GET /api/backups": NOTHING}
    lists: dict[str, Answers] = {LIST: NOTHING, TASKS: Answer.json([failed])}
    if where == "names":
        return run("cloud_download_info", {LIST: Answer.json([record(f"Alice{NASTY}", **{f"key{NASTY}": [NASTY]})])})
    if where == "constants":
        return run("cloud_download_info", {LIST: Answer.json([record(state={"name": NASTY}, mode=NASTY)])})
    if where == "people":
        return run(
            "protected_entity_info", {USERS: Answer.json([person]), **backups}, protected_entity_type="CLOUD_USER"
        )
    if where == "candidates":
        options = {"protected_entities": ["alice"], "protected_entity_type": "CLOUD_USER"}
        return run("cloud_download", {USERS: Answer.json([person]), **lists}, **options)
    if where == "nodes":
        nodes = {"GET /api/nodes": Answer.json([{"guid": GUID, "name": f"node{NASTY}"}])}
        return run("cloud_download", {**lists, **nodes}, node="elsewhere", **selected)
    if where == "reasons":
        created = {"POST /api/cloud-download": Answer.json([{**failed, "state": "QUEUED"}], 201)}
        return run("cloud_download", {**lists, TASKS: [NOTHING, Answer.json([failed])], **created}, **selected)
    if where == "warnings":
        return run(
            "cloud_download", {LIST: NOTHING, TASKS: Answer.json([running])}, wait=False, state="absent", **selected
        )
    return run("cloud_download_info", {LIST: Answer.json({"message": f"no{NASTY}"}, 400)})


@pytest.mark.parametrize(
    "where", ["names", "constants", "people", "candidates", "nodes", "reasons", "warnings", "errors"]
)
def test_nothing_that_is_shown_acts_on_a_terminal_or_forges_a_line(where: str) -> None:
    result = _told(where)
    assert "files-1" in str(result), result  # the words are there
    assert controls(result) == set()


def test_what_was_taken_out_can_still_be_read() -> None:
    (listed,) = good(_told("names"))["cloud_downloads"]
    assert listed["protected_entity"]["name"] == f"Alice{SHOWN}"
    assert listed["other"] == {f"key{SHOWN}": [SHOWN]}


def test_names_of_other_scripts_and_with_backslashes_stay_as_they_are() -> None:
    name = "DOMAIN\\Зоя 😀 عبد\u200cالله é"
    (listed,) = good(run("cloud_download_info", {LIST: Answer.json([record(name)])}))["cloud_downloads"]
    assert listed["protected_entity"]["name"] == name


def test_a_text_without_end_is_cut() -> None:
    (listed,) = good(run("cloud_download_info", {LIST: Answer.json([record("x" * 1_000_000)])}))["cloud_downloads"]
    name = listed["protected_entity"]["name"]
    assert (len(name) < 5000, name[4000:]) == (True, "x" * 96 + "... (995904 more)")


def test_a_secret_is_not_cut_in_half_nor_changed_before_it_is_masked() -> None:
    """The password stands where a long text is cut, and beside a control character."""
    echo = record("x" * (decoding.LONGEST_TEXT - 4) + "sesame", note="\x1bsesame")
    (listed,) = good(run("cloud_download_info", {LIST: Answer.json([echo])}))["cloud_downloads"]
    assert "xsesa" not in str(listed)
    assert "sesame" not in str(listed)


def test_a_name_of_a_file_has_nothing_that_acts(tmp_path: pathlib.Path) -> None:
    name = f"mail{NASTY.encode('utf-8', 'replace').decode()}.zip"
    disposition = f"attachment; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
    archive = io.BytesIO()
    zipfile.ZipFile(archive, "w").close()
    content = Answer(200, archive.getvalue(), {"Content-Disposition": disposition})
    result = good(
        run("cloud_download_content", {f"GET /api/cloud-download/{GUID}": content}, guid=[GUID], dest=str(tmp_path))
    )
    assert controls(result) == set()
    assert controls([path.name for path in tmp_path.iterdir()]) == set()


def test_no_cell_of_a_report_begins_a_formula_or_another_row() -> None:
    """Read with commas, or with semicolons, as spreadsheets of some countries do."""
    signs = ("=", "+", "-", "@", "\t", "\r", "\n", ";", "＝", "＋", "－", "＠")
    shapes = ("{}cmd|'/C calc'!A0", "Alice;{}1+1", "Alice\n{}1+1,fetched", "Alice\x1b[2J\u202e{}", " {}1")
    names = [shape.format(sign) for shape in shapes for sign in signs]
    rows = [{"entity": name, "reason": name} for name in names]
    lines = _report.render_csv(_report.Report("=1", "", "", "", rows)).split("\n")[1:-1]
    assert len(lines) == len(names)
    assert controls(lines) == set()
    for line in lines:
        for separator in ",;":
            for cell in next(csv.reader([line], delimiter=separator)):
                assert not cell.strip('" ').startswith(("=", "+", "-", "@", ";", "＝", "＋", "－", "＠")), line
