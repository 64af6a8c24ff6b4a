# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role fetch_content, applied to hosts that are this machine, each with a directory of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import typing as t

from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run

ROLE = "storware.backup.fetch_content"
PEOPLE = ["alice@example.com", "bob@example.com"]
ALICE = PEOPLE[:1]  # enough where the number of files does not matter
NAMES = ["host-1", "host-2"]
THREE = [*NAMES, "host-3"]

Json = t.Any


@dataclasses.dataclass
class Fleet:
    """Managed hosts, which are directories of this machine, and a server."""

    ansible: Ansible
    simulator: Simulator
    directory: pathlib.Path
    names: t.Sequence[str] = tuple(NAMES)

    def __post_init__(self) -> None:
        """Make a directory for each host."""
        for name in self.names:
            (self.directory / name).mkdir()

    def run(
        self,
        *arguments: str,
        keywords: t.Mapping[str, Json] | None = None,
        hosts: t.Mapping[str, t.Mapping[str, Json]] | None = None,
        environment: t.Mapping[str, str] | None = None,
        timeout: float = 300,
        **variables: Json,
    ) -> Run:
        """Apply the role to all hosts. keywords are the play's, hosts adds variables to some hosts."""
        play = {"hosts": "all", "gather_facts": False, "roles": [{"role": ROLE}], **(keywords or {})}
        return self.ansible.playbook(
            [play],
            *arguments,
            inventory=self.inventory(hosts),
            variables={"fetch_content_wait_interval": 0.1, **{f"fetch_content_{k}": v for k, v in variables.items()}},
            environment=self.credentials() if environment is None else environment,
            timeout=timeout,
        )

    def mail(self, *arguments: str, people: list[str] | None = None, **settings: Json) -> Run:
        """The same with the mailboxes of these people, or of PEOPLE."""
        return self.run(*arguments, protected_entities=people or PEOPLE, protected_entity_type="CLOUD_USER", **settings)

    def inventory(self, hosts: t.Mapping[str, t.Mapping[str, Json]] | None = None) -> dict[str, Json]:
        """Every host fetches to the directory that is named like it."""
        variables = {"fetch_content_dest": f"{self.directory}/{{{{ inventory_hostname }}}}"}
        return {"all": {"hosts": {name: dict((hosts or {}).get(name, {})) for name in self.names}, "vars": variables}}

    def credentials(self) -> dict[str, str]:
        """The connection as the environment of a controller gives it."""
        return {
            "STORWARE_URL": self.simulator.url,
            "STORWARE_CA_PATH": str(self.simulator.ca_path),
            "STORWARE_USERNAME": self.simulator.username,
            "STORWARE_PASSWORD": self.simulator.password,
        }

    def files(self, host: str) -> dict[str, str]:
        """Name and SHA-256 of what lies on a host, receipts left out."""
        found = [path for path in (self.directory / host).iterdir() if path.suffix != ".sha256"]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    def expected(self) -> dict[str, str]:
        """The same of what the server has."""
        contents = [self.simulator.content(download["guid"]) for download in self.simulator.downloads()]
        return {content["name"]: content["sha256"] for content in contents}

    def calls(self) -> list[str]:
        """What the server was asked, in order."""
        return [f"{request['method']} {request['path']}" for request in self.simulator.requests()]
