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
  - Fails in the same way as the other modules of this collection, with RV(error) for playbooks and the code in brackets at the end of the message.
  - The role P(storware.backup.fetch_content#role) and the playbooks of this collection use it. It is not meant for other content.
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
    choices: [invalid_option, no_hosts, invalid_result, unreachable, not_found, server_differs, prepare_failed, request_not_understood, not_proved, not_intact]
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
  description: The failure in a form for playbooks.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - Error code, a constant that keeps its meaning.
        - V(invalid_option) - An option has a value that cannot work.
        - V(no_hosts) - A playbook has no host to run on.
        - V(invalid_result) - The managed host returned a result that cannot be the module's.
        - V(unreachable) - No connection could be opened.
        - V(not_found) - The object does not exist on the server.
        - V(server_differs) - The server differs from the defaults, and from the given server profile.
        - V(prepare_failed) - Some downloads could not be prepared.
        - V(request_not_understood) - The server did not act on a create request, whose fields are not documented.
        - V(not_proved) - A file is not proved on every host, so that no download is removed.
        - V(not_intact) - Files on a host differ from their receipts.
        - With O(failure), the code of the earlier failure.
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
failures:
  description: C(failures) of O(failure).
  returned: when O(failure) has C(failures)
  type: list
  elements: dict
"""
