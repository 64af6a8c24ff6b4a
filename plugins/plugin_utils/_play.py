# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that the role fetch_content has left in the variables of the hosts of a play. Pure."""

from __future__ import annotations

import typing as t

Record = t.Mapping[str, t.Any]

_STATE: t.Final = "_fetch_content_"


class Play(t.NamedTuple):
    """The hosts of a play and their variables.

    hosts: all of the play, by name (ansible_play_hosts_all). alive: those that have not failed. reporter: the host
    whose task this is. variables: of each host. predicted: whether this is check mode.
    """

    hosts: t.Sequence[str]
    alive: t.Container[str]
    reporter: str
    variables: t.Mapping[str, Record]
    predicted: bool = False

    def state(self, host: str, name: str) -> t.Any:
        """Return a part of the role's state of a host, or None."""
        return self.variables.get(host, {}).get(_STATE + name)

    def record(self, host: str, name: str) -> Record:
        """Return a part of the state that is a dictionary; an empty one for anything else."""
        return mapping(self.state(host, name))

    def records(self, host: str, name: str, key: str) -> list[Record]:
        """Return the dictionaries of a list in such a part."""
        return records_in(self.record(host, name).get(key))

    @property
    def use(self) -> t.Any:
        """The identity of this use of the role."""
        return self.record(self.reporter, "options").get("use")

    @property
    def run(self) -> t.Any:
        """The identity of this run of the role, which no host and no earlier run knows."""
        return self.record(self.reporter, "common").get("run")

    @property
    def requests(self) -> Record:
        """The digest of what each host asks for, by host; empty where each asks for itself."""
        return mapping(self.record(self.reporter, "common").get("requests"))

    def company(self) -> list[str]:
        """Return the hosts of this use of the role."""
        return [host for host in self.hosts if self.record(host, "options").get("use") == self.use]


def mapping(value: t.Any) -> Record:
    """Return a value that is a dictionary; an empty one for anything else."""
    return value if isinstance(value, t.Mapping) else {}


def by_guid(files: t.Iterable[Record]) -> dict[t.Any, Record]:
    """Return files, or other records, by the GUID of their download."""
    return {file.get("guid"): file for file in files}


def records_in(value: t.Any) -> list[Record]:
    """Return the dictionaries of a list; nothing for anything else."""
    return [item for item in value if isinstance(item, t.Mapping)] if isinstance(value, (list, tuple)) else []
