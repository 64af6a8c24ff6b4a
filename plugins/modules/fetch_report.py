# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_report
short_description: Show and report the files that the role fetch_content has fetched or verified
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Shows the files of all hosts of the play, with totals and the causes of missing files. Each cause is named once, with a count and three names.
  - Writes a report in JSON, CSV or HTML to each O(path), in one step, and replaces a file or link of that name.
  - Leaves the report in the artifacts of a job of AWX, as C(fetch_content_result) with RV(complete), RV(files) and the other fields of the report.
  - Only the user that runs Ansible can read a report, because it names people.
  - Unlike M(ansible.builtin.template) and M(ansible.builtin.copy), it inherits neither owner nor mode from an existing file, and neither waits for
    a FIFO nor follows a symbolic link. Other users of the controller can create all of these in directories that they can write to.
  - Takes the files from the variables in which the role P(storware.backup.fetch_content#role) keeps its state. Outside of the role there are none.
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
  of:
    description:
      - Files to report, V(fetched) for those of the entry points C(main) and C(fetch), V(verified) for those of the entry point C(verify).
      - With V(verified), no report is written. The artifact C(fetch_content_verified) has the GUIDs of the downloads whose files are intact.
    type: str
    choices: [fetched, verified]
    default: fetched
  path:
    description:
      - Absolute paths of the files to write, each of which ends with V(.json), V(.csv) or V(.html). The directories must exist.
      - In V(.csv) each row is a line with the columns of RV(files), then C(reference), C(server), C(start) and C(end). Control characters are
        written as escapes. A text that would be a formula for a spreadsheet has an apostrophe before it.
      - In V(.html) the report is a page that loads nothing, sorts its table by a click on a heading, and prints on A4.
    type: list
    elements: path
    default: []
  reference:
    description: Reference of the operator, such as the number of a case, for the reports.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the files that the role has fetched before in this play, and report them
  storware.backup.fetch_report:
    path:
      - /srv/restore/report.json
      - /srv/restore/report.html
    reference: case 17
  run_once: true
"""

RETURN = r"""
reference:
  description: Reference of the operator, as in O(reference).
  returned: with V(fetched), if the role has found downloads
  type: str
  sample: case 17
server:
  description: Address of the server, without a path.
  returned: with V(fetched), if the role has found downloads
  type: str
  sample: https://backup.example.com:8181
start:
  description: Time in UTC when the first host has begun the role.
  returned: with V(fetched), if the role has found downloads
  type: str
  sample: "2026-01-09T10:41:00Z"
end:
  description: Time of the report in UTC.
  returned: with V(fetched), if the role has found downloads
  type: str
  sample: "2026-01-09T11:02:00Z"
complete:
  description: Whether every row is of a file that is on its host, with the C(result) V(fetched), V(unchanged) or V(kept), or is intact.
  returned: always
  type: bool
files:
  description:
    - With V(fetched), one row for each download on each host, ordered by the name of the entity, then by host, and one for each download that
      could not be prepared.
    - With V(verified), the files as M(storware.backup.cloud_download_content_info) returns them.
  returned: always
  type: list
  elements: dict
  contains:
    entity:
      description: Name of the protected entity.
      type: str
      sample: Alice Archer
    email:
      description: Email address of the entity, if the run has looked it up.
      type: str
      sample: alice@example.com
    entity_guid:
      description: GUID of the entity.
      type: str
      sample: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
    backup_time:
      description: Time of the backup.
      type: str
      sample: "2026-01-09T02:00:00Z"
    guid:
      description: GUID of the download.
      type: str
      sample: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    host:
      description: Name of the host; V(null) for a download that could not be prepared.
      type: str
      sample: files-1
    result:
      description:
        - V(fetched), V(unchanged) or V(kept) for a file that is there; V(failed), V(unreachable), V(not tried) or V(not prepared) for one that is
          missing; in check mode V(would be fetched) or V(would be prepared).
      type: str
      sample: fetched
    reason:
      description: Reason why content was fetched, as the modules return it, or the cause of a failure.
      type: str
      sample: missing
    code:
      description: Error code of the failure.
      type: str
      sample: unreachable
    hint:
      description: The next step after the failure.
      type: str
      sample: Run the task again.
    since:
      description: Time of the failure in UTC.
      type: str
      sample: "2026-01-09T10:41:00Z"
    file:
      description: Path of the file.
      type: str
      sample: /srv/restore/alice.zip
    size:
      description: Size of the file in bytes.
      type: int
      sample: 73400320
    sha256:
      description: SHA-256 of the file.
      type: str
      sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    verified:
      description: Result of the verification.
      type: str
      sample: structure
    entries:
      description: Number of entries of a ZIP archive, if this run has read them.
      type: int
      sample: 1204
    unpacked_size:
      description: Size in bytes of all entries after unpacking, if this run has read them.
      type: int
      sample: 104857600
    seconds:
      description: Duration in seconds of the transfer.
      type: float
      sample: 12.5
missing:
  description: With V(fetched), for each host that lacks files the failure, with C(msg) and C(error).
  returned: with V(fetched)
  type: dict
summary:
  description: Lines that the module shows.
  returned: always
  type: list
  elements: str
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
