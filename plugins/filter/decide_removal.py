# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter decide_removal: whether downloads may be removed from the server."""

from __future__ import annotations

import typing as t

from ..module_utils import _argspec
from ..plugin_utils import _removal

DOCUMENTATION = r"""
name: decide_removal
short_description: Decide whether cloud downloads may be removed from the server
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Names the downloads that may be removed, which are all or none of them, and the reason for each file that is not proved on a host that is to get it.
  - Proof is a result of this run that names the file with its path and SHA-256, received and verified, or read and hashed as a whole.
    A file that was kept without being read, or that nothing verified, is not proved.
  - With O(storware.backup.cloud_download_content#module:verify=length), a file that is there is not read, which its result does not show. Do not use
    such results.
  - This is the decision of the role P(storware.backup.fetch_content#role) with O(storware.backup.fetch_content#role:main:fetch_content_remove).
positional: hosts, alive, batch
options:
  _input:
    description: Records of downloads, as M(storware.backup.cloud_download) returns them.
    type: list
    elements: dict
    required: true
  hosts:
    description: Names of all hosts of the play (C(ansible_play_hosts_all)).
    type: list
    elements: str
    required: true
  alive:
    description: Names of the hosts that have not failed (C(ansible_play_hosts)).
    type: list
    elements: str
    required: true
  batch:
    description: Names of the hosts of this batch (C(ansible_play_batch)). Fewer than O(alive) with C(serial), with which nothing is removed.
    type: list
    elements: str
    required: true
  expected:
    description:
      - Names of all hosts that are to get the files. Nothing is removed while one of them is not in O(hosts).
      - A text with one name in each line is also accepted.
    type: list
    elements: str
    default: []
  limit:
    description: Value of C(--limit) (C(ansible_limit)). With it, and without O(expected), nothing is removed.
    type: str
    default: ""
  run:
    description: Identity of this run, a random text. Results of another run are no proof.
    type: str
    default: ""
  outcomes:
    description:
      - The outcome of each host, a dictionary with C(run), the identity of its run, and C(result), the result of M(storware.backup.cloud_download_content) or
        M(storware.backup.cloud_download_copy).
      - C(source) in it is the result of M(storware.backup.cloud_download_content) for the files that the host has copied. They have to be proved as well.
      - C(guids) in it lists the downloads that the host is to get. Without it, or without an outcome of this run, the host is to get all.
    type: dict
    default: {}
  missing:
    description: Downloads that could not be prepared, as M(storware.backup.cloud_download) returns them in RV(storware.backup.cloud_download#module:failures).
    type: list
    elements: dict
    default: []
  verified:
    description:
      - GUIDs of the downloads whose files an earlier check has found intact. Nothing is removed while a download is not among them.
      - It is no proof. With V(null) there was no such check.
    type: list
    elements: str
  predicted:
    description: Whether the results are those of check mode. A file that would be fetched then counts as proved.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Fetch the content of downloads
  storware.backup.cloud_download_content:
    guid: "{{ prepared.cloud_downloads | map(attribute='guid') }}"
    dest: /srv/restore/
  register: fetched

- name: Remember the result with the identity of this run
  ansible.builtin.set_fact:
    outcome:
      run: "{{ run }}"
      result: "{{ fetched }}"

- name: Remove the downloads when every host has every file
  storware.backup.cloud_download:
    guid: "{{ decision.remove }}"
    state: absent
  when: decision.remove | length > 0
  run_once: true
  delegate_to: localhost
  vars:
    decision: "{{ prepared.cloud_downloads | storware.backup.decide_removal(ansible_play_hosts_all, ansible_play_hosts, ansible_play_batch,
      run=run, outcomes=dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars) | map(attribute='outcome', default={}))),
      limit=ansible_limit | default(''), predicted=ansible_check_mode) }}"
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  contains:
    remove:
      description: GUIDs of the downloads to remove; empty unless RV(ignore:keep) is.
      type: list
      elements: str
    keep:
      description:
        - The reasons why downloads stay, each with C(guid), C(entity), C(host) and C(reason).
        - The first three are V(null) where the reason is not about a single one.
      type: list
      elements: dict
    message:
      description: The reasons in words, and the next step. Empty when the downloads may be removed.
      type: str
"""


def decide_removal(
    downloads: t.Sequence[_removal.Record],
    hosts: t.Sequence[str],
    alive: t.Sequence[str],
    batch: t.Sequence[str],
    *,
    expected: t.Sequence[str] | str = (),
    limit: str = "",
    run: str = "",
    outcomes: t.Mapping[str, t.Any] | None = None,
    missing: t.Sequence[_removal.Record] = (),
    verified: t.Sequence[str] | None = None,
    predicted: bool = False,
) -> dict[str, t.Any]:
    """Return the decision as DOCUMENTATION and RETURN describe it."""
    names = _argspec.text_items(expected if isinstance(expected, str) else "\n".join(map(str, expected)))
    return _removal.decide(
        downloads,
        outcomes or {},
        run=run,
        scope=_removal.Scope(hosts, alive, batch, names, limit),
        missing=missing,
        verified=verified,
        predicted=predicted,
    )


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"decide_removal": decide_removal}
