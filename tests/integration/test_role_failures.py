# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each failure of the role has a code, in its result as a rescue and a callback see it, and in its message."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.fleet import ALICE, ROLE, Fleet, Json

MAIL: Json = {"fetch_content_protected_entities": ALICE, "fetch_content_protected_entity_type": "CLOUD_USER"}
RESCUED = "The rescue"
CHECK = "Check that files can be created on this host, and reports on the controller"


def play(entry_point: str = "main", *, variables: Json = None, **keywords: Json) -> Json:
    """A play that goes on after the role has failed, and shows the code that it has failed with."""
    # The validation is Ansible's own, and has no codes; playbooks leave it out as well.
    how = {"tasks_from": entry_point, "rolespec_validate": False}
    role = {"ansible.builtin.include_role": {"name": ROLE, **how}}
    rescue = {"name": RESCUED, "ansible.builtin.debug": {"msg": "code {{ ansible_failed_result.error.code }}"}}
    return {
        "hosts": "all",
        "gather_facts": False,
        "vars": MAIL if variables is None else variables,
        "tasks": [{"block": [role], "rescue": [rescue]}],
        **keywords,
    }


def codes(run: Run) -> dict[str, dict[str, str]]:
    """The code of each host that failed, by task. Asserts that each failure has one, also in its message."""
    found: dict[str, dict[str, str]] = {}
    for result in run.results:
        if result.status == "failed":
            assert "error" in result.result, result
            code = result.result["error"]["code"]
            assert result.result["msg"].endswith(f"[{code}]"), result
            found.setdefault(result.task, {})[result.host] = code
    return found


def rescued(run: Run) -> list[tuple[str, str]]:
    """Hosts and codes that rescues have seen, in order."""
    return [(result.host, result.result["msg"].removeprefix("code ")) for result in run.of(RESCUED)]


@pytest.mark.matrix
@pytest.mark.slow
def test_each_host_fails_with_a_code_of_its_own(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """All hosts of one play, each with something else that is wrong."""
    sudo = tmp_path / "sudo"
    # What Ansible waits for with a local connection comes first.
    begun = "echo \"$*\" | grep -o 'BECOME-SUCCESS-[a-z]*'"
    sudo.write_text(f"#!/bin/sh\n{begun}\nprintf '\\033[1msorry\\n' >&2\nexit 1\n")
    sudo.chmod(0o755)
    hosts: dict[str, Json] = {
        "good": {},
        "planted": {"_fetch_content_existing": []},
        "misnamed": {"fetch_content_verify": "hardly"},
        "nowhere": {"fetch_content_dest": "/nonexistent"},
        "elsewhere": {"fetch_content_connection": {"url": "https://127.0.0.1:1"}},
        "refused": {"fetch_content_dest": "/dev"},
        "lost": {"ansible_remote_tmp": "/proc/nowhere"},
        "denied": {"ansible_become": True, "ansible_become_exe": str(sudo)},
    }
    fleet = Fleet(ansible, simulator, tmp_path, tuple(hosts))
    run = ansible.playbook(
        [play(variables={**MAIL, "fetch_content_remove": True, "fetch_content_wait_interval": 0.1})],
        inventory=fleet.inventory(hosts),
        environment={**fleet.credentials(), "ANSIBLE_BECOME_ALLOW_SAME_USER": "1"},
    )
    assert codes(run) == {
        "Read the options": {"planted": "invalid_option", "misnamed": "invalid_option"},
        CHECK: {"nowhere": "invalid_option", "denied": "invalid_result"},
        "Stop here without a session": {"elsewhere": "invalid_option"},
        "Fail when something is missing": {"lost": "unreachable"},
        "Fail when downloads were to be removed and stay": {"good": "not_proved", "refused": "not_proved"},
    }
    assert dict(rescued(run)) == {
        **dict.fromkeys(hosts, "invalid_option"),
        "lost": "unreachable",
        "good": "not_proved",
        "refused": "not_proved",
        "denied": "invalid_result",
    }
    (denied,) = (r for r in run.of(CHECK) if r.host == "denied")
    assert "did not run on the host: \\x1b[1msorry. Check become" in denied.result["msg"]
    assert len(simulator.downloads()) == 1


@pytest.mark.matrix
@pytest.mark.slow
def test_each_entry_point_fails_with_a_code(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """Plays one after the other, on two hosts: where one fails for both, the other repeats its code."""
    fleet = Fleet(ansible, simulator, tmp_path, ("host-1", "host-2"))
    (guid,) = simulator.seed(downloads=1, entity="alice@example.com")
    (tmp_path / "host-1" / "alice.zip").write_bytes(b"changed")
    for host in fleet.names:
        (tmp_path / host / "alice.zip.sha256").write_text(f"# guid: {guid}\n# size: 7\n{'0' * 64}  alice.zip\n")
    gone = guid[:-1] + ("0" if guid[-1] != "0" else "1")
    removal = {"fetch_content_remove": True, "fetch_content_guids": [gone]}
    bob = {**MAIL, "fetch_content_protected_entities": ["bob@example.com"]}
    nobody = {**MAIL, "fetch_content_protected_entities": ["nobody@example.com"]}
    run = ansible.playbook(
        [
            play("verify", variables={}),
            play("fetch", variables=bob),
            play("fetch", variables=nobody),
            play("prepare", variables=nobody),
            play("fetch", variables=removal),
            play("fetch", variables=removal, strategy="free"),
        ],
        inventory=fleet.inventory(),
        environment=fleet.credentials(),
    )

    def both(code: str) -> dict[str, str]:
        return dict.fromkeys(fleet.names, code)

    assert codes(run) == {
        "Fail when a file is not intact": both("not_intact"),
        "Fail when something is missing": both("not_found"),
        "Find the downloads on the server": {"host-1": "invalid_option"},
        "Note what is wanted, and stop here when the server could not be asked": {"host-2": "invalid_option"},
        "Ensure that the downloads exist and are ready": {"host-1": "invalid_option"},
        "Stop here when nothing could be prepared": {"host-2": "invalid_option"},
        "Fail when downloads were to be removed and stay": both("not_proved"),
        "Read the options": both("invalid_option"),
    }
    seen = ["not_intact", "not_found", "invalid_option", "invalid_option", "not_proved", "invalid_option"]
    for host in fleet.names:
        assert [code for name, code in rescued(run) if name == host] == seen
    assert simulator.counters()["writes"] == 0


@pytest.mark.matrix
def test_a_limit_and_a_play_that_removes(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    fleet = Fleet(ansible, simulator, tmp_path, ("host-1", "host-2"))
    plays = [play(variables={**MAIL, "fetch_content_remove": True})]
    run = ansible.playbook(plays, "--limit", "host-1", inventory=fleet.inventory(), environment=fleet.credentials())
    assert codes(run) == {"Read the options": {"host-1": "invalid_option"}}
    assert rescued(run) == [("host-1", "invalid_option")]
    assert fleet.calls() == []


# --- Playbooks ---


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("playbook", "arguments", "inventory"),
    [
        ("remove_downloads", ("--limit", "web"), "web,"),
        pytest.param("remove_downloads", ("--limit", "nosuch"), None, id="remove_downloads-without-inventory"),
        ("list_downloads", ("--limit", "web"), "web,"),
        pytest.param("fetch_content", ("--limit", "nosuch"), None, id="fetch_content-without-inventory"),
    ],
)
def test_a_playbook_without_a_host_fails(
    ansible: Ansible, simulator: Simulator, playbook: str, arguments: tuple[str, ...], inventory: str | None
) -> None:
    """A limit leaves out localhost, where it would have done its work."""
    (guid,) = simulator.seed(downloads=1, entity="alice@example.com")
    simulator.clear_log()
    environment = {"STORWARE_URL": simulator.url, "STORWARE_TOKEN": simulator.token, "ANSIBLE_TRANSPORT": "local"}
    given = ["-i", inventory] if inventory else []
    run = ansible.run(
        "ansible-playbook",
        f"storware.backup.{playbook}",
        *given,
        *arguments,
        "--extra-vars",
        f"remove_downloads_guids={guid}",
        environment=environment,
    )
    assert run.rc != 0
    assert len(re.findall(r"No host .*\[no_hosts\]", run.output)) >= 1, run.output
    assert all(result.result["error"]["code"] == "no_hosts" for result in run.results if result.status == "failed")
    assert simulator.requests() == []


@pytest.mark.matrix
def test_a_limit_that_names_localhost_is_none(ansible: Ansible, simulator: Simulator) -> None:
    environment = {"STORWARE_URL": simulator.url, "STORWARE_CA_PATH": str(simulator.ca_path)}
    run = ansible.playbook(
        "storware.backup.list_downloads",
        "--limit",
        "localhost",
        environment={**environment, "STORWARE_TOKEN": simulator.token},
    )
    assert "Downloads: 0" in run.ok().stdout


def test_a_playbook_that_is_given_nothing_fails_with_a_code(ansible: Ansible) -> None:
    assert codes(ansible.playbook("storware.backup.remove_downloads")) == {
        "Check that downloads or entities are set": {"localhost": "invalid_option"}
    }
