# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_report
short_description: Report fetched files on the controller and in the artifacts of a job
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Writes a report in JSON or CSV to each O(path), in one step, and replaces a file or link of that name.
  - Leaves the report in the artifacts of a job of AWX, as C(fetch_content_result) with C(complete) and C(files).
  - Only the user that runs Ansible can read it, because it names people.
  - Unlike M(ansible.builtin.template) and M(ansible.builtin.copy), it inherits neither owner nor mode from an existing file, and neither waits for
    a FIFO nor follows a symbolic link. Other users of the controller can create all of these in directories that they can write to.
  - The role P(storware.backup.fetch_content#role) writes its reports with it. It is not made for other content.
  - Runs on the controller, and contacts no host.
extends_documentation_fragment:
  - storware.backup.attributes.controller_module  # before the other one: the first that has a value counts
  - storware.backup.attributes
attributes:
  diff_mode:
    support: none
    details:
      - A report names people.
  idempotent:
    support: none
    details:
      - Each report has the time of its run.
options:
  path:
    description: Absolute paths of the files to write, each of which ends with V(.json) or V(.csv). The directories must exist.
    type: list
    elements: path
    default: []
  files:
    description:
      - Rows of the report. In V(.json) they are written as they are.
      - In V(.csv) each row is a line with the columns C(entity), C(entity_guid), C(backup_time), C(guid), C(host), C(result), C(reason), C(file),
        C(size), C(sha256), C(verified) and C(seconds). Control characters are written as escapes.
      - In V(.csv) a text that would be a formula for a spreadsheet has an apostrophe before it.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Write a report of one file
  storware.backup.fetch_report:
    path: /srv/restore/report.csv
    files:
      - entity: Alice Archer
        guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
        host: files-1
        result: fetched
        file: /srv/restore/Alice Archer.zip
"""

RETURN = r"""
complete:
  description: Whether every row is of a file that is on its host, with the C(result) V(fetched), V(unchanged) or V(kept).
  returned: always
  type: bool
files:
  description: Rows of the report, as in O(files).
  returned: always
  type: list
  elements: dict
error:
  description: The failure in a form for playbooks.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - Error code, a constant that keeps its meaning.
        - V(invalid_option) - An option has a value that cannot work.
        - V(concurrent_change) - Another process changed the file or directory.
        - V(disk_full) - The disk has too little free space.
        - V(file_system) - The operating system refused a file operation.
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
