# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays as users write them, in which a host lacks the file: its download stays, and the run fails and says for whom.

The decision by itself: test_removal_decision.py.
"""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
import yaml

from tests.harness.tree import ROOT
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.fleet import ROLE, Fleet, Json

GOOD, BAD = NAMES = ("host-1", "host-2")
ENTITY = "Alice Archer"
_ROLE_FILES = ROOT / "roles" / "fetch_content"


class Case:
    """Two hosts that are to get the file of one download."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.simulator = fleet.simulator
        (self.guid,) = fleet.simulator.seed(downloads=1, entity="alice@example.com")
        self.simulator.clear_log()
        self.at_bad = fleet.directory / BAD

    def play(self, **keywords: Json) -> Json:
        """A play that applies the role and asks for removal."""
        options = {"fetch_content_guids": [self.guid], "fetch_content_remove": True}
        return {"hosts": "all", "gather_facts": False, "vars": options, "roles": [{"role": ROLE}], **keywords}

    def run(
        self,
        plays: Json = None,
        *arguments: str,
        bad: Json = None,
        names: t.Sequence[str] = NAMES,
        **variables: Json,
    ) -> Run:
        """Play it. bad: variables of the bad host. names: of the hosts in the inventory. variables: extra vars."""
        inventory = self.fleet.inventory({BAD: bad or {}})
        hosts = inventory["all"]["hosts"]
        inventory["all"]["hosts"] = {name: hosts[name] for name in names}
        # A host may have a Python of its own.
        python = f"{{{{ host_python | default('{self.fleet.ansible.python}') }}}}"
        return self.fleet.ansible.playbook(
            plays or [self.play()],
            *arguments,
            inventory=inventory,
            variables={"ansible_python_interpreter": python, **variables},
            environment=self.fleet.credentials(),
        )

    def plant(self, content: bytes, sha256: str) -> pathlib.Path:
        """A file on the bad host with a receipt of the download."""
        path = self.at_bad / "alice.zip"
        path.write_bytes(content)
        receipt = f"# guid: {self.guid}\n# size: {len(content)}\n# verified: full\n{sha256}  alice.zip\n"
        (self.at_bad / "alice.zip.sha256").write_text(receipt)
        return path

    def is_kept(self) -> bool:
        return [download["guid"] for download in self.simulator.downloads()] == [self.guid]

    def stays(self, run: Run, *words: str) -> None:
        """It is kept for the bad host, whose words these are; the other one was served."""
        assert self.is_kept()
        assert run.rc != 0
        assert "No download is removed from the server" in run.stdout
        assert re.search(rf"{ENTITY} on {BAD}: .*{'.*'.join(words)}", run.stdout)
        assert self.fleet.files(GOOD) == self.fleet.expected()
        assert self.simulator.counters()["open_sessions"] == 0

    def is_refused(self, run: Run, *words: str) -> None:
        """Nothing is sent, and the message has these words."""
        assert self.is_kept()
        assert run.rc != 0
        assert self.fleet.calls() == []
        assert all(word in run.output for word in words), run.output


@pytest.fixture
def case(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Case:
    simulator.switch(content_size=20_000)
    return Case(Fleet(ansible, simulator, tmp_path, NAMES))


# --- Errors that are ignored ---

PLACES: dict[str, Json] = {
    "play": {"ignore_errors": True, "ignore_unreachable": True},
    "role": {"roles": [{"role": ROLE, "ignore_errors": True, "ignore_unreachable": True}]},
    "block": {
        "roles": [],
        "tasks": [{"ignore_errors": True, "block": [{"ansible.builtin.include_role": {"name": ROLE}}]}],
    },
    "import_role": {"roles": [], "tasks": [{"ansible.builtin.import_role": {"name": ROLE}, "ignore_errors": True}]},
    "apply": {
        "roles": [],
        "tasks": [{"ansible.builtin.include_role": {"name": ROLE, "apply": {"ignore_errors": True}}}],
    },
    "free": {"ignore_errors": True, "strategy": "free"},
    "serial": {"ignore_errors": True, "serial": 1},
}


def no_directory(case: Case) -> Json:
    case.at_bad.rmdir()
    return {}


def unreachable(_case: Case) -> Json:
    return {"ansible_remote_tmp": "/proc/nowhere"}


def says_ok(case: Case) -> Json:
    """The host answers any module with success, and has nothing."""
    python = case.fleet.directory / "python"
    python.write_text("#!/bin/sh\necho '{\"changed\": false}'\n")
    python.chmod(0o755)
    return {"host_python": str(python)}


def destroyed(case: Case) -> Json:
    """Only the name of a file is left, which is to be kept."""
    case.plant(b"", "0" * 64)
    return {"fetch_content_overwrite": "never"}


HARMS: dict[str, tuple[t.Callable[[Case], Json], str]] = {
    "no directory": (no_directory, "no directory that exists"),
    "unreachable": (unreachable, ""),
    "says ok": (says_ok, ""),
    "destroyed": (destroyed, "overwrite=never"),
}
GATE: dict[tuple[str, str], Json] = {
    ("play", "no directory"): pytest.mark.matrix,
    ("role", "says ok"): (),
}


@pytest.mark.parametrize(
    ("place", "harm"),
    [
        pytest.param(place, harm, marks=GATE.get((place, harm), pytest.mark.long))
        for place in PLACES
        if place not in ("free", "serial")
        for harm in HARMS
    ],
)
def test_an_ignored_error_is_no_proof(case: Case, place: str, harm: str) -> None:
    do, words = HARMS[harm]
    bad = do(case)
    case.stays(case.run([case.play(**PLACES[place])], bad=bad), words)


@pytest.mark.parametrize("place", ["serial", pytest.param("free", marks=pytest.mark.long)])
def test_hosts_that_cannot_know_of_each_other_remove_nothing(case: Case, place: str) -> None:
    case.at_bad.rmdir()
    words = {"serial": "fetch_content_throttle instead of serial", "free": "any strategy but linear"}
    case.is_refused(case.run([case.play(**PLACES[place])]), words[place])


# --- Files that look like others ---


def test_what_is_there_is_read_before_its_download_is_removed(case: Case) -> None:
    """One byte is another one, and only the size would be compared: the file is fetched anew."""
    content = case.simulator.content(case.guid)
    path = case.plant(b"x" * content["size"], content["sha256"])
    case.run(bad={"fetch_content_verify": "length"}).ok()
    assert case.simulator.downloads() == []
    assert case.fleet.files(BAD) == {path.name: content["sha256"]}


def test_a_host_that_was_not_asked_to_remove_has_proved_nothing(case: Case) -> None:
    """It compares only the size of what is there, and another host asks for removal."""
    content = case.simulator.content(case.guid)
    case.plant(b"x" * content["size"], content["sha256"])
    play = case.play(
        vars={"fetch_content_guids": [case.guid], "fetch_content_remove": f"{{{{ inventory_hostname == '{GOOD}' }}}}"}
    )
    case.stays(
        case.run([play], bad={"fetch_content_verify": "length"}), "fetch_content_remove is not set for this host"
    )


# --- Hosts that take no part, and state of another play ---


def spent(case: Case, **bad_keywords: Json) -> list[Json]:
    """A play in which both hosts are served, and one in which the bad host, which has lost its file, takes no part."""
    first = case.play()
    first["vars"] = {**first["vars"], "fetch_content_remove": False}
    lose = {"ansible.builtin.shell": f"rm {case.at_bad}/*", "when": f"inventory_hostname == '{BAD}'"}
    include = {"ansible.builtin.include_role": {"name": ROLE}, **bad_keywords}
    return [first, case.play(roles=[], tasks=[lose, include])]


def test_results_of_an_earlier_play_are_no_proof(case: Case) -> None:
    run = case.run(spent(case, when=f"inventory_hostname == '{GOOD}'"))
    case.stays(run, "no result of this run")


@pytest.mark.long
def test_a_host_that_was_ended_is_missing(case: Case) -> None:
    plays = spent(case)
    plays[1]["tasks"].insert(1, {"ansible.builtin.meta": "end_host", "when": f"inventory_hostname == '{BAD}'"})
    case.stays(case.run(plays))


@pytest.mark.long
def test_a_play_that_ends_with_the_first_error_removes_nothing(case: Case) -> None:
    case.at_bad.rmdir()
    assert case.run([case.play(any_errors_fatal=True)]).rc != 0
    assert case.is_kept()


@pytest.mark.long
def test_a_host_that_was_rescued_is_missing(case: Case) -> None:
    case.at_bad.rmdir()
    block = {
        "block": [{"ansible.builtin.include_role": {"name": ROLE}}],
        "rescue": [{"ansible.builtin.debug": {"msg": "rescued"}}],
    }
    run = case.run([case.play(roles=[], tasks=[block])])
    assert case.is_kept()
    assert f"{ENTITY} on {BAD}: " in run.stdout


# --- Hosts that the run does not see ---


@pytest.mark.matrix
@pytest.mark.long
def test_a_limit_needs_the_names_of_all_hosts(case: Case) -> None:
    case.is_refused(case.run(None, "--limit", GOOD), "refused with --limit", "fetch_content_expected_hosts")
    case.is_refused(
        case.run(None, "--limit", GOOD, fetch_content_expected_hosts="\n".join(NAMES)), f"not in this run: {BAD}."
    )
    case.run(None, "--limit", f"{GOOD},{BAD}", fetch_content_expected_hosts="\n".join(NAMES)).ok()
    assert case.simulator.downloads() == []


@pytest.mark.parametrize("place", ["role", pytest.param("play", marks=pytest.mark.long)])
def test_a_slice_that_knows_of_the_others_removes_nothing(case: Case, place: str) -> None:
    """It has an inventory of its own hosts only; errors are ignored."""
    run = case.run([case.play(**PLACES[place])], names=[GOOD], fetch_content_expected_hosts=list(NAMES))
    case.is_refused(run, f"fetch_content_expected_hosts names hosts that are not in this run: {BAD}.")


# --- Downloads that an earlier run has removed ---


FETCH: Json = {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "fetch"}}


@pytest.mark.long
def test_nothing_goes_for_what_was_removed_before(case: Case) -> None:
    """One is gone and one is left. A host has lost the file of the first one, so that it has not proved all."""
    fetch = [case.play(roles=[], tasks=[FETCH])]
    case.run(fetch).ok()
    assert case.simulator.downloads() == []
    (left,) = case.simulator.seed(downloads=1, entity="bob@example.com")
    (lost,) = (path for path in case.at_bad.iterdir() if path.suffix != ".sha256")
    lost.unlink()
    report = case.fleet.directory / "report.json"
    broken = case.run(fetch, fetch_content_guids=[case.guid, left], fetch_content_report=[str(report)])
    assert broken.rc != 0
    rows = {(row["host"], row["guid"]): row["result"] for row in json.loads(report.read_text())["files"]}
    fetched = {(host, left): "fetched" for host in NAMES}
    assert rows == {**fetched, (GOOD, case.guid): "unchanged", (BAD, case.guid): "failed"}
    assert f"{case.guid}: not prepared, there is no download of it, and {BAD} has no intact file" in broken.stdout
    assert "No download is removed from the server" in broken.stdout
    assert [download["guid"] for download in case.simulator.downloads()] == [left]
    assert case.simulator.counters()["open_sessions"] == 0


@pytest.mark.long
def test_what_was_spread_and_removed_is_proved_where_it_is(case: Case) -> None:
    fetch = [case.play(roles=[], tasks=[FETCH])]
    case.run(fetch, fetch_content_distribute=True).ok()
    files = {name: case.fleet.files(name) for name in NAMES}
    assert sum(map(len, files.values())) == 1
    again = case.run(fetch, fetch_content_distribute=True).ok()
    assert not any(result.changed for result in again.results)
    assert {name: case.fleet.files(name) for name in NAMES} == files
    # What is left goes to the other host, and nothing moves.
    (left,) = case.simulator.seed(downloads=1, entity="bob@example.com")
    case.run(fetch, fetch_content_distribute=True, fetch_content_guids=[case.guid, left]).ok()
    assert {name: len(case.fleet.files(name)) for name in NAMES} == dict.fromkeys(NAMES, 1)
    assert case.simulator.downloads() == []


# --- Variables that are named like the state ---

STATE = tuple(
    yaml.safe_load((_ROLE_FILES / "tasks" / "steps" / "reset.yml").read_text(encoding="utf-8"))[0][
        "ansible.builtin.set_fact"
    ]
)


def _stranger(case: Case) -> Json:
    """Bob's download, as an artifact of another job may hold it."""
    (guid,) = case.simulator.seed(downloads=1, entity="bob@example.com")
    case.simulator.clear_log()
    return {"guid": guid, "protected_entity": {"name": "Bob Baker", "guid": guid}, "backup": {}}


@pytest.mark.matrix
def test_an_artifact_that_is_named_like_the_state_is_refused(case: Case) -> None:
    """By its name of today and that of before, and errors are ignored: Bob's mail is neither fetched nor removed."""
    stranger = _stranger(case)
    planted: Json = {"fetch_content_downloads": [stranger], "_fetch_content_downloads": [stranger]}
    run = case.run([case.play(ignore_errors=True)], **planted)
    assert len(case.simulator.downloads()) == 2
    assert run.rc != 0
    assert case.fleet.calls() == []
    assert all(f"because {name} is set elsewhere" in run.stdout for name in planted)
    assert "artifacts of an earlier workflow node" in run.stdout


@pytest.mark.long
@pytest.mark.parametrize("name", [*STATE, "_fetch_content_level", "_fetch_content_reset"])
def test_every_name_of_the_state_is_refused(case: Case, name: str) -> None:
    case.is_refused(case.run([case.play(ignore_errors=True)], **{name: []}))


def _planted_in(place: str, planted: Json) -> Json:
    """The keywords of a play in which the role has such a variable."""
    include = {"ansible.builtin.include_role": {"name": ROLE}}
    return {
        "role": {"roles": [{"role": ROLE, **planted}]},
        "include_role": {"roles": [], "tasks": [{**include, "vars": planted}]},
        "set_fact": {"roles": [], "tasks": [{"ansible.builtin.set_fact": planted}, include]},
        "facts": {"roles": [], "tasks": [{"ansible.builtin.set_fact": {**planted, "cacheable": True}}, include]},
        "play": {"vars_files": [], "vars": planted},
    }[place]


@pytest.mark.parametrize(
    "place", ["include_role", *(pytest.param(p, marks=pytest.mark.long) for p in ("role", "set_fact", "facts", "play"))]
)
def test_variables_of_tasks_are_nobody_elses(case: Case, place: str) -> None:
    """What is no state would be outranked all the same: by its name of today and that of before, wherever it is set."""
    stranger = _stranger(case)
    planted = {"_fetch_content_existing": [stranger], "fetch_content_existing": [stranger]}
    keywords = _planted_in(place, planted)
    if place == "play":
        keywords = {"vars": {**case.play()["vars"], **planted}}
    run = case.run([case.play(**keywords)])
    assert case.fleet.files(GOOD) == {}
    assert len(case.simulator.downloads()) == 2
    assert run.rc != 0
    assert case.fleet.calls() == []
    assert "_fetch_content_existing" in run.stdout


def _names_set(node: Json) -> t.Iterator[tuple[str, bool]]:
    """The variables that tasks set, and whether they last."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if key in ("vars", "ansible.builtin.set_fact"):
            yield from ((name, key != "vars") for name in value)
        elif key == "register":
            yield value, True
        elif key == "loop_var":
            yield value, False
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _names_set(child)


def test_everything_that_the_role_sets_has_the_private_prefix_and_is_reset() -> None:
    """Otherwise it could be set elsewhere, or be left from an earlier run."""
    files = sorted((_ROLE_FILES / "tasks").rglob("*.yml"))
    names = {found for path in files for found in _names_set(yaml.safe_load(path.read_text(encoding="utf-8")))}
    ansible = {name for name, _lasts in names if name.startswith("ansible_")}
    assert {name for name, _lasts in names} - ansible - set(STATE) == {
        name for name, lasts in names if name.startswith("_fetch_content_") and not lasts
    } | {"_fetch_content_reset"}
    assert {name for name in STATE if not name.startswith("_")} == {"fetch_content_downloads", "fetch_content_files"}
    assert not (_ROLE_FILES / "vars").exists()
