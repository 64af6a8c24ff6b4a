# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: normalize_options
short_description: Turn variables into the options of a role or playbook
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Reads variables as extra vars, surveys of AWX, inventories and command lines give them, and returns options with their types and defaults.
  - The role P(storware.backup.fetch_content#role) and the playbooks of this collection begin with this module. It is not made for other content.
  - A variable that is V(null), or a text with nothing but spaces, is not set, so that its default counts.
  - A text for a list has one item in each line. A comma is a character. Lines are stripped, and empty ones dropped.
  - A number, a boolean or a date for a text is refused, because YAML may have made it of another text, such as the number 416 of V(0640).
  - One message contains all problems.
  - Runs on the controller, and contacts no host.
extends_documentation_fragment:
  - storware.backup.attributes.controller_module  # before the last one: the first that has a value counts
  - storware.backup.attributes.info_module
  - storware.backup.attributes
options:
  entry_point:
    description:
      - Entry point of the role P(storware.backup.fetch_content#role). Its argument specification is used to check the variables.
      - Options of other entry points are returned as V(null).
      - Exactly one of O(entry_point) and O(options) is required.
    type: str
    choices: [main, prepare, fetch, remove, verify]
  options:
    description:
      - Options by their names without O(prefix), each as in an argument specification of Ansible.
      - An option with the name C(connection) has the connection options of this collection.
    type: dict
  prefix:
    description: Prefix of the names of variables.
    type: str
    default: fetch_content_
"""

EXAMPLES = r"""
- name: Read the options of a playbook
  storware.backup.normalize_options:
    prefix: list_downloads_
    options:
      node: {type: str}
      size: {type: int}
  register: list_downloads_options
"""

RETURN = r"""
dest:
  description:
    - Each option under its name without the prefix, such as this one; V(null) if it is not set.
    - The option C(connection) is not returned, because it may hold passwords.
  returned: success
  type: raw
  sample: /srv/restore
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
