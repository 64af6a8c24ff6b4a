# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as AWX, command lines and inventories give them: what is asked is what is done, or it is refused."""

from __future__ import annotations

import datetime
import itertools
import pathlib
import re
import stat
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.plugin_utils import _normalization, _role_options
from tests.awx_content import CONTENT
from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support import documentation
from tests.support.ansible import Ansible, Run
from tests.support.awx import extra_vars, generated
from tests.support.fleet import Fleet, Json

MAIN = _role_options.specifications()["main"]
REQUIRED = {"fetch_content_dest": "/srv", "fetch_content_guids": ["a"]}


def normalized(**given: Json) -> dict[str, Json]:
    """The options that these make; nothing is wrong with them."""
    options, complaints = _normalization.normalize({**REQUIRED, **given}, MAIN)
    assert complaints == []
    return options


def complaints(**given: Json) -> str:
    return " ".join(_normalization.normalize({**REQUIRED, **given}, MAIN)[1])


# --- The rules ---


@pytest.mark.parametrize("empty", [None, "", "  ", "\n"])
def test_what_is_empty_is_not_set(empty: Json) -> None:
    options = normalized(**{name: empty for name in MAIN if name not in REQUIRED})
    assert {name: options[name] for name in MAIN if name not in REQUIRED} == {
        name: about.get("default") for name, about in MAIN.items() if name not in REQUIRED
    }
    assert "fetch_content_dest" in complaints(fetch_content_dest=empty)


@pytest.mark.parametrize("name", [name for name, about in MAIN.items() if about["type"] == "list"])
def test_a_text_for_a_list_has_one_item_in_each_line(name: str) -> None:
    first, second = MAIN[name].get("choices", ["Sales, Marketing", "Legal"])
    assert normalized(**{name: f"{first}\r\n\n  {second} \n"})[name] == [first, second]
    assert normalized(**{name: first})[name] == [first]
    assert normalized(**{name: [f" {first} ", None, ""]})[name] == [first]


@pytest.mark.parametrize(
    "value", [0o640, 1.5, True, datetime.date(2025, 3, 4), datetime.datetime(2025, 3, 4, tzinfo=datetime.timezone.utc)]
)
def test_what_is_no_text_is_refused_where_one_is_wanted(value: Json) -> None:
    for name, about in MAIN.items():
        given: Json = [value] if about["type"] == "list" else value
        if about["type"] in ("str", "path", "list"):
            found = complaints(**{name: given})
            assert re.search(rf"\b{name} must be quoted, .*write '\S+', not \S+", found), found
            assert "In a survey of AWX, put a space before it." in found
            assert str(value) not in found or value is True
    assert complaints(fetch_content_connection={"password": value}).count("fetch_content_connection.password") == 1
    assert "must be a dictionary" in complaints(fetch_content_request=value)


def test_types_are_ansibles_own() -> None:
    options = normalized(
        fetch_content_distribute="yes",
        fetch_content_throttle="5",
        fetch_content_wait_timeout="2.5",
        fetch_content_max_rate="300k",
        fetch_content_verify=" full ",
        fetch_content_dest="~/restore ",
        fetch_content_request={"x": None},
        fetch_content_connection={"url": "", "timeout": "3", "token": None},
    )
    assert options["fetch_content_distribute"] is True
    assert options["fetch_content_throttle"] == 5
    assert options["fetch_content_wait_timeout"] == 2.5
    assert options["fetch_content_max_rate"] == 300 * 1024
    assert options["fetch_content_verify"] == "full"
    assert options["fetch_content_dest"] == "~/restore "  # of the host, and not of the controller
    assert options["fetch_content_request"] == {"x": None}
    connection = {name: value for name, value in options["fetch_content_connection"].items() if value is not None}
    assert connection == {"timeout": 3.0}
    assert normalized(fetch_content_max_rate=1_000_000)["fetch_content_max_rate"] == 1_000_000


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = complaints(
        fetch_content_dest=None,
        fetch_content_verify="hardly",
        fetch_content_throttle="many",
        fetch_content_node=7,
        fetch_content_connection={"pasword": "swordfish"},
    )
    assert all(f"fetch_content_{name}" in found for name in ("dest", "verify", "throttle", "node", "connection"))
    assert "pasword" in found
    assert "swordfish" not in found


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a, b,,c ", ["a", "b", "c"]),
        ("Sales, Marketing\nLegal", ["Sales, Marketing", "Legal"]),
        ("\n a \n", ["a"]),
        ("", []),
    ],
)
def test_a_text_for_a_modules_list_follows_ansibles_comma_unless_it_has_lines(text: str, items: list[str]) -> None:
    assert _argspec.text_items(text, commas=True) == items


def test_every_list_of_a_module_takes_a_text() -> None:
    for file, options in documentation.plugins(tree.ROOT).items():
        action = tree.ROOT / "plugins" / "action" / pathlib.Path(file).name
        # Those of the role run on the controller, and the role gives them lists.
        if "plugins/modules" in file and action.exists() and "ControllerActionModule" not in action.read_text("utf-8"):
            lists = {name for name, about in options.items() if about.get("elements") not in (None, "dict")}
            taken = documentation.literal(action, "_lists") if lists else ()
            assert set(taken) == lists, file


# --- As AWX writes them ---

FORMS: dict[str, t.Callable[[], t.Iterator[Json]]] = {
    "empty": lambda: itertools.repeat(""),
    "null": lambda: itertools.repeat(None),
    "empty and null": lambda: itertools.cycle(["", None]),
}
TYPED: Json = {
    "check_server_trial": "false",
    "check_server_wait_timeout": 600,
    "check_server_strict": "false",
    "fetch_content_protected_entities": " alice@example.com",
    "fetch_content_protected_entity_type": "CLOUD_USER",
    "fetch_content_backup": "latest",
    "fetch_content_backup_statuses": "PARTIAL_SUCCESS\nSUCCESS",
    "fetch_content_mode": "CLOUD_DOWNLOAD",
    "fetch_content_wait_timeout": 600,
    "fetch_content_file_mode": "u=rw,g=r,o=",
    "fetch_content_verify": "full",
    "fetch_content_overwrite": "different",
    "fetch_content_distribute": "false",
    "fetch_content_max_rate": "40000000",
    "fetch_content_remove": "false",
    "fetch_content_expected_hosts": "files-1",
    "list_downloads_finished_mount": "true",
    "list_downloads_mode": "CLOUD_DOWNLOAD",
    "remove_downloads_wait_timeout": "600",
    "remove_downloads_mode": "CLOUD_DOWNLOAD",
}


# As in the workflow, so that each has something to do.
ALL = (
    *("check server", "prepare downloads", "fetch content", "verify content", "list downloads"),
    *("remove downloads", "remove fetched downloads"),
)
OF_ALL_QUESTIONS = ("check server", "fetch content", "list downloads", "remove downloads")


def launch(
    ansible: Ansible,
    simulator: Simulator,
    place: pathlib.Path,
    blanks: t.Iterable[Json],
    *,
    names: t.Sequence[str] = ALL,
    **given: Json,
) -> Run:
    """Play job templates, one after the other, with the same answers; blanks: for other questions."""
    templates = generated("job_templates.yml")
    questions = {question["variable"] for found in templates for question in found["survey_spec"]["spec"]}
    assert given.keys() <= questions, given.keys() - questions
    by_name = {found["name"].removeprefix("Storware: "): found for found in templates}
    fixed = {name: yaml.safe_load(by_name[name]["extra_vars"]) or {} for name in names}
    # An answer to one template would outrank what another one has set, which does not ask for it.
    asked = questions.difference(*fixed.values())
    answers = {**dict(zip(sorted(asked), blanks, strict=False)), **given}
    # The job's own, and no answers.
    own = {"ansible_python_interpreter": ansible.python, "fetch_content_wait_interval": 0.1}
    (place / "extravars").write_text(extra_vars({**answers, **own}), encoding="utf-8")
    assert sorted(ALL) == sorted(by_name)
    assert questions == {
        question["variable"] for name in OF_ALL_QUESTIONS for question in by_name[name]["survey_spec"]["spec"]
    }
    plays = [
        {
            "ansible.builtin.import_playbook": str(CONTENT / "project" / by_name[name]["playbook"]),
            "vars": fixed[name],
        }
        for name in names
    ]
    return ansible.playbook(
        plays,
        *("--extra-vars", f"@{place}/extravars"),
        inventory={"all": {"hosts": {"files-1": {}}}},
        environment={
            "STORWARE_URL": simulator.url,
            "STORWARE_CA_PATH": str(simulator.ca_path),
            "STORWARE_TOKEN": simulator.token,
        },
    )


@pytest.fixture
def restore(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "restore").mkdir()
    return tmp_path / "restore"


@pytest.mark.matrix
@pytest.mark.newest
@pytest.mark.slow
@pytest.mark.parametrize(
    "form", [pytest.param(name, marks=() if name == "empty and null" else pytest.mark.long) for name in FORMS]
)
def test_every_job_template_with_nothing_but_what_is_required(
    ansible: Ansible, simulator: Simulator, restore: pathlib.Path, form: str
) -> None:
    simulator.switch(content_size=20_000)
    (bobs,) = simulator.seed(downloads=1, entity="bob@example.com")
    alice = next(user["guid"] for user in simulator.entities("users") if user["email"] == "alice@example.com")
    given = {
        "fetch_content_protected_entities": f"{alice}\n",  # a GUID, which needs no type
        "fetch_content_dest": str(restore),
        "remove_downloads_guids": f"\n {bobs}",
    }
    run = launch(ansible, simulator, restore.parent, FORMS[form](), **given).ok()
    assert "files-1" in {result.host for result in run.of("Fetch and verify the content of each download")}
    (path,) = (path for path in restore.iterdir() if path.suffix != ".sha256")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert simulator.downloads() == []
    assert simulator.counters()["open_sessions"] == 0


@pytest.mark.matrix
@pytest.mark.newest
@pytest.mark.slow
def test_every_question_with_an_answer(ansible: Ansible, simulator: Simulator, restore: pathlib.Path) -> None:
    """AWX makes texts of answers, of which ansible-core 2.19 and later make numbers and booleans."""
    simulator.switch(content_size=20_000)
    (bobs,) = simulator.seed(downloads=1, entity="bob@example.com")
    given = {**TYPED, "fetch_content_dest": str(restore), "remove_downloads_guids": bobs}
    launch(ansible, simulator, restore.parent, itertools.repeat(""), names=OF_ALL_QUESTIONS, **given).ok()
    (path,) = (path for path in restore.iterdir() if path.suffix != ".sha256")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (left,) = simulator.downloads()
    assert left["backup"]["protectedEntity"]["name"] == "Alice Archer"


@pytest.mark.matrix
@pytest.mark.newest
@pytest.mark.parametrize("playbook", ["fetch_content", pytest.param("remove_downloads", marks=pytest.mark.long)])
def test_an_answer_is_no_template(ansible: Ansible, simulator: Simulator, restore: pathlib.Path, playbook: str) -> None:
    """AWX marks answers, so that they are not run on the controller; the mark stays when they become options."""
    trace = restore / "trace"
    attack = f"{{{{ lookup('ansible.builtin.pipe', 'touch {trace}') }}}}"
    given = {
        "fetch_content_dest": str(restore),
        **{f"{playbook}_{name}": attack for name in ("node", "protected_entities")},
        f"{playbook}_protected_entity_type": "CLOUD_USER",
    }
    (restore / "extravars").write_text(extra_vars(given))
    run = ansible.playbook(
        f"storware.backup.{playbook}",
        *("--extra-vars", f"@{restore}/extravars"),
        environment={
            "STORWARE_URL": simulator.url,
            "STORWARE_CA_PATH": str(simulator.ca_path),
            "STORWARE_TOKEN": simulator.token,
        },
    )
    assert run.rc != 0
    assert "lookup('ansible.builtin.pipe'" in run.output  # the server knows no such name
    assert not trace.exists()


@pytest.mark.newest
def test_a_name_that_became_a_number_removes_nothing(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """The message says how to write it. To older ansible-cores it stays a text."""
    (tmp_path / "extravars").write_text(extra_vars({"remove_downloads_protected_entities": "0123"}))
    run = ansible.playbook("storware.backup.remove_downloads", "--extra-vars", f"@{tmp_path}/extravars")
    assert run.rc != 0
    assert "remove_downloads_protected_entities must be quoted, because YAML makes a number of" in run.output
    assert simulator.requests() == []


# --- Lists as texts ---


def test_a_comma_is_a_character_of_a_name(ansible: Ansible, simulator: Simulator) -> None:
    """Alice and Bob have downloads, and nobody is called by both names."""
    for name in ("alice", "bob"):
        simulator.seed(downloads=1, entity=f"{name}@example.com")
    run = ansible.playbook(
        "storware.backup.remove_downloads",
        variables={
            "remove_downloads_protected_entities": "alice@example.com,bob@example.com\ncarol@example.com",
            "remove_downloads_protected_entity_type": "CLOUD_USER",
        },
        environment={
            "STORWARE_URL": simulator.url,
            "STORWARE_CA_PATH": str(simulator.ca_path),
            "STORWARE_TOKEN": simulator.token,
        },
    )
    assert run.rc != 0
    assert "alice@example.com,bob@example.com" in run.output
    assert len(simulator.downloads()) == 2


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.com, bob@example.com",
        pytest.param("\nalice@example.com\n\n bob@example.com \n", marks=pytest.mark.long),
    ],
)
def test_ad_hoc_items_are_stripped(ansible: Ansible, simulator: Simulator, text: str) -> None:
    options = {
        "url": simulator.url,
        "ca_path": str(simulator.ca_path),
        "token": simulator.token,
        "state": "absent",
        "wait_interval": 0.1,
        "protected_entity_type": "CLOUD_USER",
        "protected_entities": text,
    }
    for name in ("alice", "bob", "carol"):
        simulator.seed(downloads=1, entity=f"{name}@example.com")
    ansible.adhoc("storware.backup.cloud_download", options).ok()
    assert [download["backup"]["protectedEntity"]["name"] for download in simulator.downloads()] == ["Carol Carter"]


@pytest.mark.matrix
def test_the_role_takes_texts_as_they_are(fleet: Fleet) -> None:
    """Also where Jinja makes Python's values of texts (jinja2_native, ansible-core before 2.19)."""
    fleet.mail(
        people=["alice@example.com"],
        hosts={name: {"fetch_content_file_mode": "640"} for name in fleet.names},
        max_rate="300k",
        report=f"{fleet.directory}/report.json",
        relay_groups="relay_of_host-1\nrelay_of_host-2\n",  # so that each fetches for itself
        via="relay",
        environment={**fleet.credentials(), "ANSIBLE_JINJA2_NATIVE": "1"},
        keywords={"pre_tasks": [{"ansible.builtin.group_by": {"key": "relay_of_{{ inventory_hostname }}"}}]},
    ).ok()
    assert (fleet.directory / "report.json").exists()
    paths = [path for name in fleet.names for path in (fleet.directory / name).iterdir() if path.suffix != ".sha256"]
    assert paths
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o640}
