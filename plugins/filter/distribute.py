# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter distribute: each download to one host, so that all hosts get about as much."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils import _shares

DOCUMENTATION = r"""
name: distribute
short_description: Distribute cloud downloads among hosts
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Gives each download to one host, the largest first and always to the host that has least so far, so that all hosts get about as much.
  - The size of a download is taken from its backup. A download of unknown size counts as the average of the others.
  - The same downloads and hosts are always distributed in the same way, whatever their order.
positional: hosts
options:
  _input:
    description: Records of downloads, as M(storware.backup.cloud_download) and M(storware.backup.cloud_download_info) return them.
    type: list
    elements: dict
    required: true
  hosts:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Fetch the share of this host
  storware.backup.cloud_download_content:
    guid: "{{ item.guid }}"
    dest: /srv/restore/
  loop: "{{ (downloads | storware.backup.distribute(ansible_play_hosts_all))[inventory_hostname] }}"
"""

RETURN = r"""
_value:
  description: For each host the list of its downloads; empty when there are more hosts than downloads.
  type: dict
  sample:
    files-1: [{"guid": "f8f73bf9-2445-4bce-a7dd-753be3b40a67"}]
    files-2: []
"""

Record = t.Mapping[str, t.Any]


def distribute(downloads: t.Sequence[Record], hosts: t.Sequence[str]) -> dict[str, list[Record]]:
    """Return the downloads of each host. Raises AnsibleFilterError."""
    if not hosts:
        raise AnsibleFilterError("storware.backup.distribute: hosts is empty")
    by_name = {_identity(download): download for download in downloads}
    sizes = {name: (download.get("backup") or {}).get("size") for name, download in by_name.items()}
    shares = _shares.distribute(sizes, hosts, {})
    return {host: [by_name[name] for name in names] for host, names in shares.items()}


def _identity(download: Record) -> str:
    """Return the identity of a download; in check mode it may have no guid yet."""
    return str(download.get("guid") or (download.get("protected_entity") or {}).get("guid"))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"distribute": distribute}
