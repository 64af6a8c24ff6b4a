# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fail_with_code
short_description: Fail with a message and an error code
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Fails as the other modules of this collection fail, with RV(error) for playbooks and the code in brackets at the end of the message.
  - The role P(storware.backup.fetch_content#role) and the playbooks of this collection fail with it. It is not made for other content.
  - With an empty O(msg), and without a failure in O(failure), the task succeeds.
  - Runs on the controller, without contacting a host.
extends_documentation_fragment:
  - storware.backup.attributes.controller_module  # before the last one: the first that has a value counts
  - storware.backup.attributes.info_module
  - storware.backup.attributes
options:
  code:
    description: Error code, which the troubleshooting page of this collection explains.
    type: str
    required: true
    choices: [invalid_option, no_hosts, not_found, prepare_failed, unreachable, invalid_result, not_intact, not_proved]
  msg:
    description: Message of the failure. An empty text is no failure.
    type: str
    default: ""
  hint:
    description: The next step, which follows the message.
    type: str
    default: ""
  retryable:
    description: Whether the same task may succeed later.
    type: bool
    default: false
  failure:
    description:
      - Result of an earlier task. If it has C(error), its C(msg), C(error) and C(failures) are repeated.
      - If it has only C(msg), that message replaces O(msg).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Fail when a variable is missing
  storware.backup.fail_with_code:
    code: invalid_option
    msg: "{{ '' if restore_directory is defined else 'restore_directory is not set' }}"
    hint: Set it to a directory.
"""

RETURN = r"""
error:
  description: The error as data.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - The code in O(code), which is V(invalid_option) for variables that cannot work, V(no_hosts) for a playbook that has no host to run on,
          V(not_found) for a download that does not exist, V(prepare_failed) for downloads that could not be prepared, V(unreachable) and
          V(invalid_result) for a host that does not answer or does not run modules, V(not_intact) for files that are not what their receipts
          say, and V(not_proved) for downloads that stay on the server because a file is not proved.
        - With O(failure), the code of the earlier failure.
      type: str
    hint:
      description: The next step, or an empty text.
      type: str
    retryable:
      description: Whether the same task may succeed later.
      type: bool
failures:
  description: The same of O(failure), if it has some.
  returned: when O(failure) has some
  type: list
  elements: dict
"""
