# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role fetch_content, applied to hosts over SSH."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import time
import typing as t

from tests.lab.network import USER, Host, Network
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.fleet import ROLE
from tests.support.use import begun, meanwhile, sha256

NAMES = ("host-1", "host-2", "host-3")
DEST = "/srv/restore"
PEOPLE = ("alice@example.com", "bob@example.com")

Json = t.Any


@dataclasses.dataclass
class Fleet:
    """Hosts that are reached over SSH as a user who may become root."""

    ansible: Ansible
    simulator: Simulator
    network: Network
    pipelining: bool = True

    def __post_init__(self) -> None:
        """Make the directory for the files on each host."""
        for host in self.network.hosts:
            directory = host.srv / "restore"
            directory.mkdir()
            os.chown(directory, 2001, 2001)
            self._trust(host.srv)
        self._trust(pathlib.Path("/srv"))  # the controller's: the same path everywhere

    def clean(self) -> None:
        """Leave the hosts as they were."""
        for host in self.network.hosts:
            shutil.rmtree(host.srv / "restore")

    def _trust(self, directory: pathlib.Path) -> None:
        shutil.copy(self.simulator.ca_path or "", directory / "ca.pem")
        (directory / "ca.pem").chmod(0o644)

    def mail(
        self,
        *arguments: str,
        people: t.Sequence[str] = PEOPLE,
        keywords: Json = None,
        inventory: Json = None,
        **variables: Json,
    ) -> Run:
        """Apply the role to all hosts. keywords are the play's."""
        play = {"hosts": "all", "gather_facts": False, "roles": [{"role": ROLE}], **(keywords or {})}
        given = {"protected_entities": list(people), "protected_entity_type": "CLOUD_USER", "dest": DEST}
        return self.ansible.playbook(
            [play],
            *arguments,
            inventory=inventory or self.inventory(),
            variables={
                "ansible_python_interpreter": "/usr/bin/python3",
                "fetch_content_wait_interval": 0.1,
                **{f"fetch_content_{name}": value for name, value in {**given, **variables}.items()},
            },
            environment=self.environment(),
        )

    def inventory(self) -> dict[str, Json]:
        """The hosts, with their addresses."""
        hosts = {host.name: {"ansible_host": host.address} for host in self.network.hosts}
        return {"all": {"hosts": hosts, "vars": {"ansible_user": USER}}}

    def environment(self) -> dict[str, str]:
        """What the controller has: credentials, and a key for the hosts."""
        # A host that is gone is noticed soon.
        soon = "-o ServerAliveInterval=2 -o ServerAliveCountMax=2 -o ConnectTimeout=5"
        return {
            "ANSIBLE_TRANSPORT": "ssh",
            "ANSIBLE_REMOTE_TMP": "~/.ansible/tmp",
            "ANSIBLE_PRIVATE_KEY_FILE": str(self.network.key),
            "ANSIBLE_SSH_ARGS": f"-C -o ControlMaster=auto -o ControlPersist=60s {soon}",
            "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={self.network.known_hosts}",
            "ANSIBLE_PIPELINING": str(self.pipelining),
            "STORWARE_URL": self.simulator.url,
            "STORWARE_CA_PATH": "/srv/ca.pem",
            "STORWARE_USERNAME": self.simulator.username,
            "STORWARE_PASSWORD": self.simulator.password,
        }

    def files(self, host: Host) -> dict[str, str]:
        """Names and SHA-256 of what lies on a host; a receipt has ``sha256sum -c`` judge its file."""
        found = {}
        for path in sorted((host.srv / "restore").iterdir()):
            if path.suffix == ".sha256":
                assert path.with_suffix("").name in host.sh(f"cd {DEST} && sha256sum -c '{path.name}'")
            else:
                found[path.name] = sha256(path)
        return found

    def expected(self) -> set[str]:
        """SHA-256 of the content of all downloads."""
        return {self.simulator.content(download["guid"])["sha256"] for download in self.simulator.downloads()}

    def cut_off(self, host: Host, seconds: float) -> contextlib.AbstractContextManager[None]:
        """In the background: once bytes have come to the host, it is cut off for so long."""

        def cut() -> None:
            host.cut()
            time.sleep(seconds)
            host.heal()

        return meanwhile(lambda: begun(host.srv / "restore"), cut)
