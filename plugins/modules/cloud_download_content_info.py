#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the files on a host with their receipts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_download_content_info
short_description: Compare files of cloud downloads with their receipts
version_added: 1.0.0
description:
  - Lists the files that M(storware.backup.cloud_download_content) has fetched to a host, and compares the content of each with its
    checksum file, the receipt C(NAME.sha256) beside it.
  - The module needs no server, no C(requests), and none of the connection options.
  - The module has no time limit. It reads each file once, to its end. C(async) of the task sets a limit.
  - A file that is not intact is no failure of this module. A later task can fail depending on RV(intact).
  - Only files and receipts of trusted users are compared, see O(owner). A receipt is no signature, because its owner can write another one.
  - With O(records), the module finds the file of each record, and reads no other file. With it a playbook decides which downloads a host needs.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.attributes.info_module  # before the other one: the first that has a value counts
  - storware.backup.attributes
  - storware.backup.progress
options:
  path:
    description: Path of a directory, for all files directly in it that have a receipt, or of one file. Without any receipt there the module fails.
      With O(records), it must be a directory, which may have no receipts.
    type: path
    required: true
  guid:
    description: GUIDs of downloads. The module lists only their files, and a download without a file as V(missing).
    type: list
    elements: str
  records:
    description:
      - Records of downloads, as RV(storware.backup.cloud_download#module:cloud_downloads). RV(files) then has one entry for each record, in their
        order. With an empty list, no receipt is read.
      - The file of a record is that of its download, by C(guid). Otherwise it is one of the same O(server), C(protected_entity.guid), C(mode) and
        C(request), and of C(backup.guid) if the record names a backup. C(guid), C(backup) and C(request) can be absent or V(null).
      - If several files match, the file of the download is first, and then the one that was fetched last. The first intact file counts. If none
        is intact, the first file counts.
      - Files and receipts of other users never replace those of trusted users. Only the first 1000 receipts of other users are read.
      - C(request) is the digest of the fields that were added to the request for the download, as in
        O(storware.backup.cloud_download_content#module:records).
    type: list
    elements: dict
  server:
    description:
      - URL of the API of the server that O(records) are from, as RV(storware.backup.session#module:server) and RV(files[].server) have it.
      - Required with O(records).
    type: str
  owner:
    description:
      - Name or number of a further trusted user, besides root and the user that the task runs as. Set it to the O(owner) that the files
        were fetched with, see O(storware.backup.cloud_download_content#module:owner).
      - Files and receipts of other users are V(foreign), because any user with write permission for the directory can plant them.
    type: str
  verify:
    description:
      - Kind of comparison. With V(full), the module reads each file and compares its SHA-256. With V(length), it compares the size alone, in a
        moment also for large files, and does not detect other changes of the content.
    type: str
    choices: [full, length]
    default: full
seealso:
  - module: storware.backup.cloud_download_content
"""

EXAMPLES = r"""
- name: Compare files with their receipts
  storware.backup.cloud_download_content_info:
    path: /srv/restore
  register: held

- name: Find the files of two protected entities, whatever their downloads were
  storware.backup.cloud_download_content_info:
    path: /srv/restore
    server: https://backup.example.com:8181/api
    records:
      - protected_entity:
          guid: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
        mode: CLOUD_DOWNLOAD
      - protected_entity:
          guid: 0f8d2a55-3b1e-4f0a-9d9c-6c2f4f0f7d11
        mode: CLOUD_DOWNLOAD
        backup:
          guid: 9d0f6a53-6a44-4d0e-8c6f-0d6e6c1f5a21
    verify: length

- name: Fail with the files that are not intact
  ansible.builtin.assert:
    that: held.intact
    fail_msg: "{{ held.files | rejectattr('state', '==', 'intact') | map(attribute='path') | join(', ') }}"
"""

RETURN = r"""
intact:
  description: Whether every file exists and matches its receipt.
  returned: success
  type: bool
  sample: true
files:
  description:
    - The files, sorted by path. Downloads of O(guid) without a file are last.
    - With O(records), the file of each record, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file; V(null) for a download without a file.
      type: str
      sample: /srv/restore/alice.zip
    guid:
      description: GUID of the download that the file is from. For a record without a file, the GUID in the record, or V(null).
      type: str
      sample: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    state:
      description:
        - V(intact), V(changed) (its size or digest differs), V(missing), V(unreadable), or V(foreign) (it or its receipt belongs to
          another user, see O(owner)), the last two with RV(files[].reason).
        - A symbolic link instead of a file is not followed, and counts as V(unreadable).
      type: str
      sample: intact
    size:
      description: Size in bytes, from the receipt.
      type: int
      sample: 4821337
    sha256:
      description: SHA-256, from the receipt.
      type: str
      sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    verified:
      description: Result of the verification after the transfer, see RV(storware.backup.cloud_download_content#module:verified).
      type: str
      sample: structure
    time:
      description: Time of the transfer, in UTC.
      type: str
      sample: "2026-01-09T08:30:00Z"
    server:
      description: URL of the API of the server that the content is from; V(null) if the receipt does not name it.
      type: str
      sample: https://backup.example.com:8181/api
    protected_entity:
      description: Protected entity whose content it is, with C(guid) and C(name); both V(null) if the receipt does not name it.
      type: dict
      sample:
        guid: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
        name: Alice Archer
    mode:
      description: Kind of the download; V(null) if the receipt does not name it.
      type: str
      sample: CLOUD_DOWNLOAD
    backup:
      description: Backup of the content, with C(guid) and C(backup_time); both V(null) if the receipt does not name it.
      type: dict
      sample:
        guid: 9d0f6a53-6a44-4d0e-8c6f-0d6e6c1f5a21
        backup_time: "2026-01-08T22:00:00Z"
    request:
      description: Digest of the fields that were added to the request for the download; V(null) if there are none.
      type: str
      sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    actual_size:
      description: Size in bytes of a file that is V(changed).
      type: int
      sample: 4821336
    actual_sha256:
      description: SHA-256 of a file that is V(changed) and has the same size.
      type: str
      sample: fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9
    reason:
      description: Reason of V(unreadable) or V(foreign).
      type: str
      sample: it is a symbolic link
    owner:
      description: Owner of the file; V(null) if the file does not exist.
      type: str
      sample: restore
    predecessor:
      description:
        - With O(records), the time at which the newest other file of the same server, protected entity, mode and request was fetched. The time
          is from its receipt, in UTC.
        - V(null) if there is no other file of trusted users with the size in its receipt, and without O(records).
      type: str
      sample: "2026-01-08T08:30:00Z"
free:
  description: Free bytes for the user of the task in the file system of O(path); V(null) if the file system does not report them.
  returned: success
  type: int
  sample: 21474836480
receipts:
  description: Number of names in the directory that end with C(.sha256), also of other users, and whether or not they are receipts.
  returned: success
  type: int
  sample: 2
error:
  description: The failure in a form for playbooks.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - Error code, a constant that keeps its meaning.
        - V(invalid_option) - An option has a value that cannot work.
        - V(internal) - The module has a defect.
        - V(invalid_result) - The managed host returned a result that cannot be the module's.
        - V(concurrent_change) - Another process changed the file or directory.
        - V(file_system) - The operating system refused a file operation.
        - V(interrupted) - A signal ended the task.
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
    option:
      description: With V(invalid_option), the option that is wrong.
      type: str
      sample: guid
    errno:
      description: Name of the operating system's error.
      type: str
      sample: ENOSPC
"""

import itertools
import os
import typing as t

from ansible_collections.storware.backup.plugins.module_utils import _detached

_detached.answer_poll(os.environ)  # before the imports below, which take longer than the answer

from ansible_collections.storware.backup.plugins.module_utils import _records, _runner
from ansible_collections.storware.backup.plugins.module_utils._argspec import check_guids
from ansible_collections.storware.backup.plugins.module_utils._progress import format_amount
from ansible_collections.storware.backup.plugins.module_utils._transfer import audit
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Origin


def compare(context: _runner.Context) -> _runner.Result:
    """The files and their states."""
    params = context.params
    path, owner, reads = params["path"], context.user_id("owner"), params["verify"] == "full"
    check_guids("guid", params["guid"] or ())
    report = _reporter(context)
    if params["records"] is None:
        found = audit.audit_directory(path, params["guid"], owner, reads=reads, on_read=report)
    else:
        wanted = _records.wanted_files(params["server"], params["records"])
        found = audit.audit_records(path, wanted, owner, reads=reads, on_read=report)
    files = [_to_result(status) for status in found.files]
    intact = all(file["state"] == audit.INTACT for file in files)
    return {"changed": False, "intact": intact, "files": files, "free": found.free, "receipts": found.receipts}


def _reporter(context: _runner.Context) -> audit.OnRead:
    """Return a function that reports the file that is read next, by its name and its size in bytes."""
    numbers = itertools.count()

    def report(name: str, size: int) -> None:
        done = next(numbers)
        line = f"{done} files compared; {name}: comparing the existing file, {format_amount(size)}"
        context.report_progress(lambda: line)

    return report


def _to_result(status: audit.FileStatus) -> dict[str, t.Any]:
    receipt = status.receipt
    origin = receipt.origin if receipt else Origin()
    return {
        "path": status.path,
        "guid": status.guid,
        "state": status.state,
        "size": receipt.size if receipt else None,
        "sha256": receipt.sha256 if receipt else None,
        "verified": receipt.verified if receipt else None,
        "time": receipt.time if receipt else None,
        "server": origin.server,
        "protected_entity": {"guid": origin.entity, "name": origin.entity_name},
        "mode": origin.mode,
        "backup": {"guid": origin.backup, "backup_time": origin.backup_time},
        "request": origin.request,
        "actual_size": status.actual_size,
        "actual_sha256": status.actual_sha256,
        "reason": status.reason,
        "owner": status.owner,
        "predecessor": status.predecessor,
    }


def main() -> None:
    """Run the module."""
    _runner.run(
        compare,
        {
            "path": {"type": "path", "required": True},
            "guid": {"type": "list", "elements": "str"},
            "records": {"type": "list", "elements": "dict"},
            "server": {"type": "str"},
            "owner": {"type": "str"},
            "verify": {"type": "str", "choices": ["full", "length"], "default": "full"},
            **_runner.PROGRESS_SPEC,
        },
        mutually_exclusive=[("guid", "records")],
        required_by={"records": ["server"]},
    )


if __name__ == "__main__":
    main()
