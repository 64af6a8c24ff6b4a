# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of the README, of the tutorial and of pages that continue the README is run in a bare shell.

A bare shell has HOME and PATH, so that no step is unwritten. The README's own commands install the collection.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import typing as t

import pytest
import yaml

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support import marks, reader
from tests.support.ansible import Ansible
from tests.support.reader import Reader
from tests.support.use import FETCHING, OVERALL, WAITING

DOCS = tree.ROOT / "docs"
README, ROLE, CREDENTIALS, ASSUMPTIONS, TUTORIAL = (
    path.read_text(encoding="utf-8")
    for path in (
        tree.ROOT / "README.md",
        *(DOCS / f"{name}.md" for name in ("role", "credentials", "assumptions", "tutorial")),
    )
)
EXAMPLE_GUID = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"  # of a download
HOST = "files-1.example.com"  # of the inventory


def _blocks(how: str | None, page: str = README) -> list[tuple[str, str]]:
    """Name and text of the blocks with this mark."""
    return [(block.name or "", block.text) for block in marks.blocks(page) if block.how == how]


def _file(name: str, page: str) -> t.Any:
    return yaml.safe_load(dict(_blocks("file", page))[name])


def _without(page: str, name: str) -> str:
    """The page without the block of this name."""
    return re.sub(rf"<!-- test: run {name} -->\n```\w+\n.*?^```$", "", page, flags=re.M | re.S)


@pytest.fixture
def newcomer(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Reader:
    """A reader with a server, a host and directories in the place of the examples', who has Ansible and a clone."""
    # Ready at the first poll: the examples wait for ten seconds between two.
    simulator.switch(queue_seconds=0, run_seconds=0, delete_seconds=0)
    (guid,) = simulator.seed(downloads=1, entity="carol@example.com")
    (tmp_path / "restore").mkdir()
    (tmp_path / "reports").mkdir()
    examples = {
        "https://backup.example.com:8181": simulator.url,
        "/etc/ssl/certs/ca-certificates.crt": str(simulator.ca_path),
        "STORWARE_USERNAME=ansible": f"STORWARE_USERNAME={simulator.username}",
        "username: ansible": f"username: {simulator.username}",
        "/srv/restore": str(tmp_path / "restore"),
        "/srv/reports": str(tmp_path / "reports"),
        EXAMPLE_GUID: guid,
        # The host of the example is this machine.
        f"{HOST}\n": f"{HOST} ansible_connection=local ansible_python_interpreter={ansible.python}\n",
    }
    path = f"{ansible.bin}:{reader.SYSTEM}"
    return Reader(tree.copy_to(tmp_path), ansible.home, path, examples, typed=f"{simulator.password}\n")


def _restored(newcomer: Reader) -> pathlib.Path:
    return pathlib.Path(newcomer.examples["/srv/restore"])


def test_every_block_is_tested() -> None:
    assert _blocks(None) == []


def test_every_block_of_the_guides_is_tested() -> None:
    """Marked ones by tests named after their page, docs/eda.md by tests/eda; a recording is made by the benchmark."""
    for page in DOCS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^(.*)\n *```(bash|yaml|text|json)$", text, re.M)
        tested = [before for before, _kind in blocks if re.search("<!-- (test|recording): ", before)]
        assert len(tested) == len(blocks) or page.name == "eda.md", f"{page.name}: {blocks}"


def test_the_first_line_has_the_versions_there_are() -> None:
    version = yaml.safe_load((tree.ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    cores = re.findall(r"^\| (2\.\d+) \|", (tree.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M)
    pinned = [
        re.findall(r"^ansible-core==(\d+\.\d+)\.", path.read_text(encoding="utf-8"), re.M)
        for path in (tree.ROOT / "tests" / "requirements").glob("core-*.txt")
    ]
    assert set(cores) == {version for versions in pinned for version in versions}
    facts = (
        f"Version {version} · GPL-3.0-or-later · ansible-core {cores[0]} to {cores[-1]} · Python 3.9 or later on hosts"
    )
    assert f"\n# storware.backup\n\n{facts}\n" in README


def test_the_readme_has_the_headings_that_a_certified_collection_needs() -> None:
    wanted = (
        "Description", "Requirements", "Installation", "Use Cases", "Testing", "Contributing", "Support",
        "Release Notes and Roadmap", "Related Information", "License Information",
    )  # fmt: skip
    assert [heading for heading in re.findall(r"^## (.*)$", README, re.M) if heading in wanted] == list(wanted)


def test_the_table_of_contents_has_everything_that_is_public() -> None:
    table = README.partition("\n## Contents\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", "".join(row.split("|")[2] for row in table.splitlines() if row.startswith("|"))))
    private = {
        "decide_removal",
        "fail_with_code",
        "fetch_plan",
        "fetch_report",
        "normalize_options",
    }  # of the role and the playbooks
    places = (
        "plugins/modules/*.py",
        "plugins/filter/*.py",
        "playbooks/*.yml",
        "extensions/eda/plugins/event_source/*.py",
    )
    there = {path.stem for place in places for path in tree.ROOT.glob(place)} | {"fetch_content"}
    assert named == there - private


def test_the_lines_that_are_shown_are_those_of_tasks_that_take_long() -> None:
    """The tasks are run by test_progress.py."""
    ((_name, text),) = _blocks("shown", ROLE)
    waiting, several, fetching = (line.split("] ", 1)[1] for line in text.splitlines())
    assert re.fullmatch(WAITING, waiting)
    assert re.fullmatch(rf"{OVERALL}; \S+[.]zip: receiving, \d+ %", several)
    assert re.fullmatch(FETCHING, fetching)


def test_the_recorded_run_tells_how_far_it_is() -> None:
    """docs/fleet.md shows a real run, as ``make bench ARGS=recording`` writes it."""
    page = (DOCS / "fleet.md").read_text(encoding="utf-8")
    recording = page.partition("<!-- recording: begin -->")[2].partition("<!-- recording: end -->")[0]
    told = re.findall(r"^\[(\S+)\] (.*)$", recording, re.M)
    assert {host for host, _line in told} == {"localhost", "files-1", "files-2"}
    assert all(re.fullmatch(WAITING if host == "localhost" else FETCHING, line) for host, line in told)


@pytest.mark.slow
def test_a_reader_who_has_the_archive_alone_gets_the_files(newcomer: Reader, tmp_path: pathlib.Path) -> None:
    """All commands but the build, in an empty directory with nothing but what was published."""
    newcomer.run(dict(_blocks("run"))["build"])
    (archive,) = newcomer.directory.glob("storware-backup-*.tar.gz")
    newcomer.directory = tmp_path / "empty"
    newcomer.directory.mkdir()
    for file in (archive, archive.with_name(f"{archive.name}.sha256")):
        file.rename(newcomer.directory / file.name)
    *_before, role = newcomer.follow(_without(README, "build"))
    assert [re.findall(r"changed=(\d+)", run) for run in role.split("PLAY RECAP")[1:]] == [["2"], ["2"], ["0"]]
    files = {path.name for path in _restored(newcomer).iterdir() if path.suffix != ".sha256"}
    assert {name.split("@")[0] for name in files} == {"alice", "bob", "carol"}


@pytest.mark.long
def test_a_reader_who_has_a_clone_gets_the_files(newcomer: Reader, simulator: Simulator) -> None:
    """The README from top to bottom, then the pages that continue it."""
    outputs = newcomer.follow(README)
    assert simulator.password not in "".join(outputs).replace(str(simulator.ca_path), "")
    install = "ansible-galaxy collection install --force --requirements-file requirements.yml"
    assert install.replace("--force ", "") in README
    settings = next(text for _name, text in _blocks("run") if "STORWARE_URL" in text)
    checked, _parts, playbooks = newcomer.follow(ROLE, install, settings)
    assert all(re.search(f"^{person}@.*: OK$", checked, re.M) for person in ("alice", "bob", "carol"))
    assert {path.name for path in (_restored(newcomer).parent / "reports").iterdir()} == {"case-17.html", "case-17.csv"}
    left = newcomer.examples[EXAMPLE_GUID]  # the one that no command of the pages has made
    assert f"{left}  CLOUD_DOWNLOAD" in playbooks  # the table of list_downloads
    assert [download["guid"] for download in simulator.downloads()] == [left]

    (newcomer.home / ".storware-password").write_text(newcomer.typed)
    newcomer.follow(CREDENTIALS)
    newcomer.run("ansible-playbook -i inventory.ini play-with-password-file.yml")


@pytest.mark.long
def test_the_tutorial_shows_what_its_commands_print(tmp_path: pathlib.Path) -> None:
    """In the home of its examples, with the settings that the simulator prints."""
    directory = tmp_path / "storware-tutorial"
    directory.mkdir()
    examples = {"/home/you/storware-backup": str(tree.ROOT), "/home/you": str(tmp_path)}
    beginner = Reader(directory, tmp_path, examples=examples)
    with reader.served([sys.executable, "-m", "tests.simulator", "--speed", "50"], tree.ROOT) as told:
        ((_name, shown),) = _blocks("shown", TUTORIAL)
        reader.compare(beginner.real(shown), told)
        beginner.follow(TUTORIAL, reader.to_paste(told)[0])


@pytest.mark.long
def test_a_fresh_clone_has_all_that_make_simulator_and_make_demo_need(tmp_path: pathlib.Path) -> None:
    """In a bare shell, with new environments and this machine's settings for packages."""
    clone = tmp_path / "storware-backup"
    subprocess.run(["git", "clone", "--quiet", tree.ROOT, clone], check=True)
    settings = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_"))}
    shell = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], **settings}
    (tmp_path / "work").mkdir()
    with reader.served(["make", "--silent", "simulator"], clone, shell) as told:
        _list, fetch, _check = Reader(tmp_path / "work", tmp_path).paste(told)
    assert re.search(r"^localhost .*changed=2 .*failed=0", fetch, re.M)
    assert list((tmp_path / "work" / "mail").glob("alice@example.com*.zip"))

    done = subprocess.run(["make", "demo"], cwd=clone, env=shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^    TASK \[.*\n    changed: \[files-1", done.stdout, re.M)  # the play itself


def test_another_body(newcomer: Reader, simulator: Simulator) -> None:
    """The example for servers that want other fields sends exactly those."""
    template = _file("other-body.yml", ASSUMPTIONS)[0]["tasks"][0]["storware.backup.cloud_download"]["profile"]
    simulator.switch(create_body=template["create"]["body"])
    newcomer.write_files(ASSUMPTIONS)
    settings = next(text for _name, text in _blocks("run") if "STORWARE_URL" in text)
    newcomer.run(f"export ANSIBLE_COLLECTIONS_PATH={tree.link()}", settings, "ansible-playbook other-body.yml")
    (body,) = [
        request["body"]
        for request in simulator.requests()
        if request["method"] == "POST" and request["path"] == "/cloud-download"
    ]
    (alice,) = (user["guid"] for user in simulator.entities("users") if user["email"] == "alice@example.com")
    assert body == {"objects": [alice], "downloadMode": {"name": "CLOUD_DOWNLOAD"}}


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_targets() -> None:
    pages = (README, (DOCS / "simulator.md").read_text(encoding="utf-8"))
    lines = [line for page in pages for _name, text in _blocks("make", page) for line in text.splitlines()]
    for line in lines:
        subprocess.run([*shlex.split(line, comments=True), "--dry-run"], cwd=tree.ROOT, check=True, capture_output=True)
