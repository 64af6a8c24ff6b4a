# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of the README is run: in a copy of the repository, with the collection that its own commands install."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest
import yaml

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support import marks
from tests.support.ansible import Ansible
from tests.support.use import FETCHING, OVERALL, WAITING

README = (tree.ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE_GUID = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"  # of a download


def _blocks(how: str | None) -> list[tuple[str, str]]:
    """Name and text of the blocks with this mark."""
    return [(block.name or "", block.text) for block in marks.blocks(README) if block.how == how]


def _file(name: str) -> t.Any:
    return yaml.safe_load(dict(_blocks("file"))[name])


@dataclasses.dataclass
class Reader:
    """Somebody who does what the README says, with a server, a host and a directory in the place of the examples'."""

    ansible: Ansible
    simulator: Simulator
    clone: pathlib.Path
    restore: pathlib.Path
    guid: str

    def write_files(self) -> None:
        """Write the blocks that are files."""
        for name, text in _blocks("file"):
            (self.clone / name).write_text(self.real(text), encoding="utf-8")

    def run(self, *commands: str) -> str:
        """Run blocks one after the other in one shell, as a reader would; the password comes from the keyboard."""
        script = "\n".join(f"cd {self.clone}\n{self.real(command)}" for command in commands)
        environment = {
            **self.ansible.environment(),
            # The host of the example is this machine.
            "ANSIBLE_TRANSPORT": "local",
            "ANSIBLE_PYTHON_INTERPRETER": self.ansible.python,
        }
        del environment["ANSIBLE_COLLECTIONS_PATH"]  # what the README installs, or nothing
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=environment,
            input=f"{self.simulator.password}\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def real(self, text: str) -> str:
        """Examples replaced by what is there."""
        for example, real in {
            "https://backup.example.com:8181": self.simulator.url,
            "/etc/ssl/certs/ca-certificates.crt": str(self.simulator.ca_path),
            "STORWARE_USERNAME=ansible": f"STORWARE_USERNAME={self.simulator.username}",
            "username: ansible": f"username: {self.simulator.username}",
            "/srv/restore": str(self.restore),
            "/srv/reports": str(self.restore.with_name("reports")),
            EXAMPLE_GUID: self.guid,
        }.items():
            text = text.replace(example, real)
        return text


@pytest.fixture
def reader(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> Reader:
    # Ready at the first look: the examples wait for ten seconds between two.
    simulator.switch(queue_seconds=0, run_seconds=0, delete_seconds=0)
    (guid,) = simulator.seed(downloads=1, entity="carol@example.com")
    (tmp_path / "restore").mkdir()
    (tmp_path / "reports").mkdir()
    return Reader(ansible, simulator, tree.copy_to(tmp_path), tmp_path / "restore", guid)


def test_every_block_is_tested() -> None:
    assert _blocks(None) == []


def test_every_block_of_the_guides_is_tested() -> None:
    """Marked ones by tests named after their page, docs/eda.md by tests/eda; a recording is made by the benchmark."""
    for page in (tree.ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^(.*)\n *```(bash|yaml|text)$", text, re.M)
        tested = [before for before, _kind in blocks if re.search("<!-- (test|recording): ", before)]
        assert len(tested) == len(blocks) or page.name == "eda.md", f"{page.name}: {blocks}"


def test_the_lines_that_are_shown_are_those_of_tasks_that_take_long() -> None:
    """What makes them is run by test_progress.py."""
    ((_name, text),) = _blocks("shown")
    waiting, several, fetching = (line.split("] ", 1)[1] for line in text.splitlines())
    assert re.fullmatch(WAITING, waiting)
    assert re.fullmatch(rf"{OVERALL}; \S+[.]zip: receiving, \d+ %", several)
    assert re.fullmatch(FETCHING, fetching)


def test_the_recorded_run_tells_how_far_it_is() -> None:
    """docs/fleet.md shows a real run, as ``make bench ARGS=recording`` writes it."""
    page = (tree.ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    recording = page.partition("<!-- recording: begin -->")[2].partition("<!-- recording: end -->")[0]
    told = re.findall(r"^\[(\S+)\] (.*)$", recording, re.M)
    assert {host for host, _line in told} == {"localhost", "files-1", "files-2"}
    assert all(re.fullmatch(WAITING if host == "localhost" else FETCHING, line) for host, line in told)


@pytest.mark.long
def test_a_reader_gets_the_files(reader: Reader) -> None:
    """All commands, top to bottom; then what the README shows as files only."""
    simulator = reader.simulator
    reader.write_files()
    output = reader.run(*(text for _name, text in _blocks("run")))
    files = {path.name for path in reader.restore.iterdir() if path.suffix != ".sha256"}
    assert {name.split("@")[0] for name in files} == {"alice", "bob", "carol"}
    assert all(re.search(f"^{person}@.*: OK$", output, re.M) for person in ("alice", "bob", "carol"))
    assert {path.name for path in reader.restore.with_name("reports").iterdir()} == {"case-17.json", "case-17.csv"}
    assert f"{reader.guid}  CLOUD_DOWNLOAD" in output  # the table of list_downloads
    assert [download["guid"] for download in simulator.downloads()] == [reader.guid]  # what the README has not made
    assert simulator.password not in output.replace(str(simulator.ca_path), "")

    (reader.ansible.home / ".storware-password").write_text(f"{simulator.password}\n")
    reader.run("ansible-playbook -i inventory.ini play-with-password-file.yml -e @mailboxes.yml")
    assert len(simulator.downloads()) == 1 + len(_file("mailboxes.yml")["fetch_content_protected_entities"])


@pytest.mark.slow
def test_a_reader_who_has_the_archive_alone_gets_the_files(reader: Reader, tmp_path: pathlib.Path) -> None:
    """In an empty directory, with nothing but what was published."""
    build, *commands = (text for _name, text in _blocks("run"))
    reader.run(build)
    (archive,) = reader.clone.glob("storware-backup-*.tar.gz")
    empty = tmp_path / "empty"
    empty.mkdir()
    for file in (archive, archive.with_name(f"{archive.name}.sha256")):
        file.rename(empty / file.name)
    newcomer = dataclasses.replace(reader, clone=empty)
    newcomer.write_files()
    output = newcomer.run(*commands)
    assert all(re.search(f"^{person}@.*: OK$", output, re.M) for person in ("alice", "bob", "carol"))


def test_another_body(reader: Reader) -> None:
    """The example for servers that want other fields sends exactly those."""
    template = _file("other-body.yml")[0]["tasks"][0]["storware.backup.cloud_download"]["profile"]["create"]["body"]
    reader.simulator.switch(create_body=template)
    reader.write_files()
    build, install, login, *_rest = (text for _name, text in _blocks("run"))
    reader.run(build, install, login, "ansible-playbook other-body.yml")
    (body,) = [
        request["body"]
        for request in reader.simulator.requests()
        if request["method"] == "POST" and request["path"] == "/cloud-download"
    ]
    (alice,) = (user["guid"] for user in reader.simulator.entities("users") if user["email"] == "alice@example.com")
    assert body == {"objects": [alice], "downloadMode": {"name": "CLOUD_DOWNLOAD"}}


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_targets() -> None:
    commands = [line.split("#")[0].split() for _name, text in _blocks("make") for line in text.splitlines()]
    for command in commands:
        subprocess.run([*command, "--dry-run"], cwd=tree.ROOT, check=True, capture_output=True)
