# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_plan
short_description: Decide which content the role fetch_content prepares, fetches, copies and removes
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Compares the downloads that a host asks for with the files that it holds, and decides what is prepared on the server, where the host gets the
    rest from, and whether downloads may be removed.
  - Takes everything from the variables in which the role P(storware.backup.fetch_content#role) keeps its state. Outside of the role there are none.
  - The role uses it. It is not meant for other content.
  - Runs on the controller, and contacts no host.
extends_documentation_fragment:
  - storware.backup.attributes.controller_module  # before the last one: the first that has a value counts
  - storware.backup.attributes.info_module
  - storware.backup.attributes
options:
  of:
    description:
      - Part of the plan. V(search) for whether the server is searched before anything is prepared, V(wanted) for the records that hosts compare their receipts with, V(lacks) for the downloads to prepare, V(transfers) for
        the files to fetch or copy, V(files) for the files that the host has afterwards, V(removal) for the decision about the removal.
    type: str
    required: true
    choices: [search, wanted, lacks, transfers, files, removal]
  verified:
    description: With V(removal), GUIDs of the downloads whose files an earlier check has found intact; see P(storware.backup.decide_removal#filter).
    type: list
    elements: str
seealso:
  - plugin: storware.backup.decide_removal
    plugin_type: filter
  - plugin: storware.backup.distribute
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Plan what this host fetches, between other tasks of the role
  storware.backup.fetch_plan:
    of: transfers
"""

RETURN = r"""
needed:
  description: Whether the server is searched for the files that hosts may have. If no host has any, everything is prepared without it.
  returned: with V(search)
  type: bool
records:
  description: Records of the downloads that the request of this host is about.
  returned: with V(wanted)
  type: list
  elements: dict
prepare:
  description: Records of the downloads that are to be prepared, for the host that asks for all others with the same request.
  returned: with V(lacks)
  type: list
  elements: dict
downloads:
  description: Records of the files that this host is to have, with the file that it holds as C(held).
  returned: with V(transfers)
  type: list
  elements: dict
fetch:
  description: Records of the files that this host fetches or copies.
  returned: with V(transfers)
  type: list
  elements: dict
files:
  description: The files that this host has.
  returned: with V(files)
  type: list
  elements: dict
remove:
  description: GUIDs of the downloads to remove; see P(storware.backup.decide_removal#filter).
  returned: with V(removal)
  type: list
  elements: str
message:
  description: The reasons why downloads stay, or an empty text.
  returned: with V(removal)
  type: str
error:
  description: The failure in a form for playbooks.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - Error code, a constant that keeps its meaning.
        - V(invalid_option) - An option has a value that cannot work.
      type: str
      sample: invalid_option
    hint:
      description: Next step, or an empty text.
      type: str
      sample: Run the task again.
    retryable:
      description: Whether the same task may succeed later.
      type: bool
      sample: true
"""
