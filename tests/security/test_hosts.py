# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed hosts that lie, and inventories whose authors do not own the credential. Each of these once succeeded."""

from __future__ import annotations

import datetime
import hashlib
import importlib
import pathlib
import time
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._redaction import OMITTED
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import receipt
from ansible_collections.storware.backup.plugins.plugin_utils import _results
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.answers import AnsweringServer, answering
from tests.support.fleet import ALICE, ROLE, Fleet
from tests.support.liar import Liar, play
from tests.support.use import CONTENT, GUID, OTHER, Json

COPY: t.Final = "cloud_download_copy"
HELD: t.Final = "cloud_download_content_info"
DIGEST: t.Final = "0" * 64


@pytest.fixture
def evil() -> t.Iterator[AnsweringServer]:
    """A server of the attacker's, which should hear nothing."""
    with answering({}) as server:
        yield server


@pytest.fixture
def liar(ansible: Ansible, tmp_path: pathlib.Path) -> Liar:
    """The host that lies."""
    return Liar(tmp_path, ansible.python)


@pytest.fixture
def fleet(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Fleet:
    """Two hosts, the second of which is the liar's."""
    return Fleet(ansible, simulator, tmp_path, ["host-1", "host-2"])


def mail(
    fleet: Fleet,
    *arguments: str,
    hosts: t.Mapping[str, Json],
    keywords: Json | None = None,
    environment: t.Mapping[str, str] | None = None,
    **variables: Json,
) -> Run:
    """The role, for the mailbox of Alice, with the credential in the environment of the controller."""
    options = {
        "protected_entities": ALICE,
        "protected_entity_type": "CLOUD_USER",
        "dest": f"{fleet.directory}/{{{{ inventory_hostname }}}}",
        "wait_interval": 0.1,
        **variables,
    }
    return play(
        fleet.ansible,
        {"roles": [{"role": ROLE}], **(keywords or {})},
        {name: dict(hosts.get(name, {})) for name in fleet.names},
        *arguments,
        environment={**fleet.credentials(), **(environment or {})},
        **{f"fetch_content_{name}": value for name, value in options.items()},
    )


# --- Facts ---


@pytest.mark.matrix
@pytest.mark.parametrize("way", ["module", pytest.param("cache", marks=pytest.mark.slow)])
def test_facts_of_a_host_do_not_move_the_login(
    fleet: Fleet, evil: AnsweringServer, liar: Liar, tmp_path: pathlib.Path, way: str
) -> None:
    facts = {
        "fetch_content_connection": {"url": evil.url, "allow_http": True},
        "fetch_content_report": [f"{tmp_path}/planted.json"],
        "fetch_content_x\nok: [planted-line]\x1b[2J": True,
    }
    hosts = {"host-1": {"ansible_python_interpreter": str(liar.interpreter)}}
    liar.answers(ping=[{"changed": False, "ping": "pong", "ansible_facts": facts}])
    environment = {
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "cache"),
    }
    ping: Json = [{"ansible.builtin.ping": {}}]
    if way == "module":
        run = mail(fleet, hosts=hosts, keywords={"pre_tasks": ping})
    else:
        play(fleet.ansible, {"tasks": ping}, hosts, environment=environment).ok()
        run = mail(fleet, hosts={}, environment=environment)
    assert run.rc != 0
    assert evil.requests == []
    assert fleet.simulator.requests() == []
    assert not (tmp_path / "planted.json").exists()
    assert "No host may set variables of the role by its facts: fetch_content_connection" in run.output
    said = run.output.split("No host may set variables")
    assert all("\nok: [planted-line]" not in text and "\x1b[2J" not in text for text in said[1:])


def test_facts_that_come_later_write_no_report(fleet: Fleet, liar: Liar, tmp_path: pathlib.Path) -> None:
    """From a module of Ansible, after the role has begun, and from the module that fetches; the play ignores errors."""
    facts = {"fetch_content_report": [f"{tmp_path}/planted.json"]}
    stat = {"exists": True, "isdir": True, "writeable": True, "executable": True}
    liar.answers(
        stat=[{"changed": False, "stat": stat, "ansible_facts": facts}],
        **{CONTENT: [{"changed": False, "failed": True, "msg": "no", "ansible_facts": facts}]},
    )
    hosts = {name: {"ansible_python_interpreter": str(liar.interpreter)} for name in fleet.names}
    run = mail(fleet, hosts=hosts, via="relay", keywords={"ignore_errors": True})
    assert run.rc != 0
    assert "stat" in liar.asked()
    assert not (tmp_path / "planted.json").exists()
    assert fleet.simulator.counters()["open_sessions"] == 0


# --- Results ---


def ask(ansible: Ansible, liar: Liar, module: str, options: Json, *arguments: str, **settings: Json) -> Run:
    """One task of this module on the host that lies."""
    tasks = [{f"storware.backup.{module}": options, "name": "The task", "register": "told"}]
    return play(
        ansible,
        {"tasks": tasks},
        {"elsewhere": {"ansible_python_interpreter": str(liar.interpreter)}},
        *arguments,
        **settings,
    )


def fetched(**changes: Json) -> Json:
    """What the content module says of a file that is there."""
    file = {"guid": GUID, "path": "/srv/mail.zip", "sha256": DIGEST, "reason": "missing", "changed": True, **changes}
    return {"changed": True, **file, "files": [file]}


def without(field: str) -> Json:
    """The same without a field."""
    (file,) = fetched()["files"]
    return {"changed": True, "files": [{name: value for name, value in file.items() if name != field}]}


WANTED: t.Final[Json] = {"guid": GUID, "dest": "/srv/", "url": "https://backup.invalid", "token": "t-0815"}


@pytest.mark.matrix
@pytest.mark.newest
def test_a_host_leaves_no_facts_statistics_or_forged_lines(ansible: Ansible, liar: Liar) -> None:
    """Of a module whose result is good otherwise; the play goes on with nothing that the host planted."""
    planted: Json = {
        "ansible_facts": {"ansible_local": "planted-fact", "discovered_interpreter_python": "/planted-python"},
        "ansible_stats": {"data": {"planted": "planted-statistic"}, "per_host": False, "aggregate": False},
        "ansible_playbook_python": "/planted",
        "warnings": ["all is well\nok: [planted-line]\x1b[2J"] * 1000,
        "planted": "planted-key",
        "skipped": True,
        "unreachable": True,
    }
    liar.answers(**{HELD: [{"changed": False, "intact": True, "files": [], **planted}]})
    show = {"ansible.builtin.debug": {"msg": "{{ ansible_facts }} {{ told }}"}}
    tasks = [{f"storware.backup.{HELD}": {"path": "/srv"}, "register": "told"}, show]
    run = play(
        ansible,
        {"tasks": tasks},
        {"elsewhere": {"ansible_python_interpreter": str(liar.interpreter)}},
        environment={"ANSIBLE_SHOW_CUSTOM_STATS": "1"},
    ).ok()
    for word in ("planted-fact", "planted-python", "planted-statistic", "planted-key", "\x1b"):
        assert word not in run.stdout + run.stderr, word
    assert "\nok: [planted-line]" not in run.output
    assert run.output.count("planted-line") < 100
    (result,) = run.of(f"storware.backup.{HELD}")
    assert result.status == "ok"
    assert result.result["intact"] is True


@pytest.mark.parametrize(
    "answer",
    [
        {"changed": True, "rc": 0},
        {"changed": False, "skipped": True},
        {"changed": False, "failed": False, "files": []},
        fetched(guid=OTHER),
        fetched(path=None),
        fetched(path="mail.zip"),
        fetched(sha256=None),
        fetched(sha256="none"),
        {**fetched(), "files": [*fetched()["files"], *fetched(guid=OTHER)["files"]]},
        {**fetched(), "files": "all of them"},
        # Only a field that the module has left out may be missing.
        {**fetched(path=None), OMITTED: {"path": True}},
        {**fetched(path="mail.zip"), OMITTED: {"path": True}},
        {**fetched(guid=OTHER), OMITTED: {"guid": True}},
        {**without("path"), OMITTED: {"receipt": True}},
        {**without("guid"), OMITTED: ["guid"]},
        {**without("sha256"), OMITTED: 1},
        without("sha256"),
    ],
)
def test_without_the_files_that_were_asked_for_a_result_is_a_failure(answer: Json) -> None:
    with pytest.raises(StorwareError, match="The result of the host cannot be true: "):
        _results.check_files(answer, _results.clean_result(CONTENT, answer), [GUID], predicted=False)


@pytest.mark.matrix
@pytest.mark.newest
def test_a_host_that_says_that_all_is_well_has_failed(ansible: Ansible, liar: Liar) -> None:
    liar.answers(**{CONTENT: [{"changed": True, "rc": 0, "failed": False}]})
    run = ask(ansible, liar, CONTENT, WANTED)
    (result,) = run.of("The task")
    assert (run.rc, result.status, result.result["error"]["code"]) == (2, "failed", "invalid_result")
    liar.answers(**{CONTENT: [fetched()]})
    (result,) = ask(ansible, liar, CONTENT, WANTED).ok().of("The task")
    assert result.result["path"] == "/srv/mail.zip"


@pytest.mark.parametrize("module", _results.RETURNED)
def test_the_gate_knows_what_each_module_returns(module: str) -> None:
    source = importlib.import_module(f"ansible_collections.storware.backup.plugins.modules.{module}")
    documented = yaml.safe_load(source.RETURN)
    assert _results.RETURNED[module] == {name: about["type"] for name, about in documented.items()}


def test_every_module_has_a_gate() -> None:
    modules = {path.stem for path in (tree.ROOT / "plugins" / "modules").glob("[!_]*.py")}
    assert set(_results.RETURNED) == modules - {
        "fail_with_code",
        "fetch_plan",
        "fetch_report",
        "normalize_options",
    }  # they ask no host
    assert {path.stem for path in (tree.ROOT / "plugins" / "action").glob("[!_]*.py")} == modules


def test_a_result_is_typed_and_bounded() -> None:
    deep: Json = []
    for _level in range(1000):
        deep = [deep]
    wrong: Json
    for wrong in ({"files": deep}, {"files": {}}, {"path": ["/"]}, {"size": "1"}, {"size": True}, {"changed": "no"}):
        with pytest.raises(StorwareError, match="The result of the host cannot be true: "):
            _results.clean_result(CONTENT, wrong)
    clean = _results.clean_result(CONTENT, {"path": "/x\n\x1b[1m\u202e\ud800" + "y" * 10**6, "size": None})
    assert clean["path"].startswith("/x\\n\\x1b[1m\\u202e\\ud800y")
    assert len(clean["path"]) <= _results.MOST_TEXT
    assert clean["size"] is None


# --- Pieces and progress ---


@pytest.fixture
def spool(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file on the controller, with its receipt."""
    directory = tmp_path / "spool"
    directory.mkdir()
    (directory / "mail.zip").write_bytes(b"mail" * 1000)
    digest = hashlib.sha256(b"mail" * 1000).hexdigest()
    found = receipt.Receipt("mail.zip", GUID, 4000, digest, "structure")
    (directory / "mail.zip.sha256").write_bytes(receipt.render(found, datetime.datetime.now(datetime.timezone.utc)))
    return directory


@pytest.mark.parametrize(
    "reached",
    [[0, 1, 0, 1], list(range(3000)), [5000], [-1], ["0"]],
    ids=["to and fro", "byte by byte", "more than all", "less than nothing", "no number"],
)
def test_a_host_does_not_get_pieces_for_ever(ansible: Ansible, liar: Liar, spool: pathlib.Path, reached: Json) -> None:
    liar.answers(**{COPY: [{"changed": False, "storware_backup_reached": number} for number in reached]})
    run = ask(
        ansible, liar, COPY, {"guid": GUID, "src": str(spool), "dest": "/srv/", "progress_interval": 0}, timeout=60
    )
    (result,) = run.of("The task")
    assert result.status == "failed"
    assert result.result["error"]["code"] in ("transfer_interrupted", "invalid_result")
    assert 1 <= len(liar.asked()) <= 4


def test_progress_lines_of_a_host_are_clean_short_and_few(ansible: Ansible, liar: Liar) -> None:
    text = "so far\nok: [planted]\x1b[31m" + "x" * 100_000
    visits: list[Json] = [{"storware_backup_poll": {"text": text}}] * 8
    liar.answers(**{CONTENT: [*visits, fetched()]})
    started = time.monotonic()
    run = ask(ansible, liar, CONTENT, {**WANTED, "progress_interval": 0.5}).ok()
    assert time.monotonic() - started >= 8 * 0.5
    lines = [line for line in run.stdout.splitlines() if line.startswith("[elsewhere]")]
    assert len(lines) == 8
    assert max(map(len, lines)) < 400
    assert "\x1b" not in run.stdout
    assert "\nok: [planted]" not in run.stdout


# --- Authors of inventories ---


@pytest.mark.matrix
@pytest.mark.newest
def test_the_credential_of_the_controller_does_not_go_where_an_inventory_says(
    fleet: Fleet, evil: AnsweringServer
) -> None:
    theirs = {"fetch_content_connection": {"url": evil.url, "allow_http": True}}
    run = mail(fleet, hosts=dict.fromkeys(fleet.names, theirs))
    assert run.rc != 0
    assert evil.requests == []
    assert "belong to the URL that is set there" in run.output


def test_the_credential_of_module_defaults_does_not_go_where_an_inventory_says(
    fleet: Fleet, evil: AnsweringServer
) -> None:
    """Ansible merges fetch_content_connection over what the play sets."""
    theirs = {"fetch_content_connection": {"url": evil.url, "allow_http": True}}
    names = ("url", "ca_path", "username", "password")
    connection = {name: fleet.credentials()[f"STORWARE_{name.upper()}"] for name in names}
    run = mail(
        fleet,
        hosts=dict.fromkeys(fleet.names, theirs),
        keywords={"module_defaults": {"group/storware.backup.storware": connection}},
        environment=dict.fromkeys(fleet.credentials(), ""),
    )
    assert run.rc != 0
    assert evil.requests == []
    assert "belong to the URL that is set there" in run.output


def _elsewhere(way: str, fleet: Fleet, evil: AnsweringServer) -> Json:
    """Variables of a host, and keywords of a play, that lead this host to another server."""
    if way == "connection":
        return {"hosts": {"host-2": {"fetch_content_connection": {"url": evil.url, "allow_http": True}}}}
    given = fleet.credentials()
    theirs = {"url_of_host": evil.url, "http": "true"}
    url, http = f"{{{{ url_of_host | default('{given['STORWARE_URL']}') }}}}", "{{ http | default('false') }}"
    # Each level that names a URL has a login of its own.
    environment = {**given, "STORWARE_URL": url, "STORWARE_ALLOW_HTTP": http}
    options = {name.removeprefix("STORWARE_").lower(): value for name, value in environment.items()}
    keywords = {
        "environment": {"environment": environment},
        "module_defaults": {"module_defaults": {"group/storware.backup.storware": options}},
    }[way]
    nothing = dict.fromkeys(given, "")
    return {"hosts": {"host-2": theirs}, "keywords": keywords, "environment": nothing}


@pytest.mark.parametrize(
    "way", ["connection", *(pytest.param(way, marks=pytest.mark.long) for way in ("module_defaults", "environment"))]
)
def test_a_session_does_not_go_where_the_inventory_of_another_host_says(
    fleet: Fleet, evil: AnsweringServer, way: str
) -> None:
    """Not even where the play ignores errors."""
    settings = _elsewhere(way, fleet, evil)
    settings["keywords"] = {"ignore_errors": True, **settings.get("keywords", {})}
    run = mail(fleet, **settings)
    assert run.rc != 0
    assert evil.requests == []
    assert "must be the same for all hosts" in run.output
    assert len(fleet.files("host-1")) == 1
    assert fleet.simulator.counters()["open_sessions"] == 0


def test_an_inventory_does_not_switch_off_the_checks_of_the_controllers_credential(fleet: Fleet) -> None:
    """Somebody in between would read the password."""
    theirs = {"fetch_content_connection": {"validate_certs": False}}
    run = mail(fleet, hosts=dict.fromkeys(fleet.names, theirs))
    assert run.rc != 0
    assert fleet.simulator.requests() == []
    assert "validate_certs" in run.output


@pytest.mark.long
def test_after_logout_no_variable_holds_the_session(fleet: Fleet) -> None:
    """Also of a host that was lost."""
    lost = {"host-2": {"ansible_remote_tmp": "/proc/nowhere"}}
    each = "{% for name in hostvars[host] | select('match', '.*fetch_content_.*(session|login|opened)$') %}"
    value = "{{ host }} {{ name }}={{ hostvars[host][name] }}"
    every = f"{{% for host in ansible_play_hosts_all %}}{each}{value}; {{% endfor %}}{{% endfor %}}"
    show = {"ansible.builtin.debug": {"msg": every}, "run_once": True}
    run = mail(fleet, hosts=lost, keywords={"post_tasks": [show], "ignore_unreachable": True})
    (result,) = run.of("ansible.builtin.debug")[-1:]
    for name in fleet.names:
        assert f"{name} _fetch_content_session=;" in result.result["msg"]
    assert "JSESSIONID=" not in result.result["msg"]
    assert fleet.simulator.counters()["logouts"] == 1
