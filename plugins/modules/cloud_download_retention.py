#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove older files of cloud downloads."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_download_retention
short_description: Remove older files of cloud downloads from a host
version_added: 1.0.0
description:
  - Removes older files that M(storware.backup.cloud_download_content) has fetched, and their receipts, and ensures the attributes of the files that
    O(records) name.
  - Files are of the same content if their receipts name the same server, protected entity, mode and request. O(keep) of them stay.
  - The module needs no server, no C(requests), and none of the connection options.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - ansible.builtin.files
  - storware.backup.attributes
options:
  path:
    description: Path of the directory with the files. Files in directories below it are not affected.
    type: path
    required: true
  records:
    description:
      - Records of downloads, as RV(storware.backup.cloud_download#module:cloud_downloads), whose files stay. C(guid), C(protected_entity.guid), C(mode)
        and C(request) count.
      - The file of a record is that of its download, by the C(guid) in its receipt. It stays and counts as one of O(keep), even if it is
        the oldest file.
      - While the file of a record does not exist or differs in size from its receipt, no file of the same content is removed. In check mode, such a
        file counts as if it existed, so that the prediction includes downloads that are still to be fetched.
    type: list
    elements: dict
    required: true
  server:
    description:
      - URL of the API of the server that O(records) are from, as RV(storware.backup.session#module:server) and
        RV(storware.backup.cloud_download_content_info#module:files[].server) have it.
    type: str
    required: true
  keep:
    description:
      - Number of files of the same content that stay, at least 1. The files of O(records) are the first of them. The next ones are those that were
        fetched last, by the time in their receipts.
      - If not set, all files stay.
    type: int
  owner:
    description:
      - Name or number of the owner of the files of O(records) and of their receipts.
      - This user is trusted, besides root and the user that the task runs as. Files and receipts of other users are never removed.
    type: str
  mode:
    description: Permissions of the files of O(records) and of their receipts, for example V('0640') or V(u=rw,g=r).
    type: raw
  unsafe_writes:
    description:
      - No effect. The module writes no content.
    type: bool
    default: false
notes:
  - The module never removes a file without a receipt, a file whose size differs from its receipt, a symbolic link or special file, and a file or
    receipt of a user who is not trusted. A receipt that does not name server, protected entity and mode is of no known content, and its file stays.
  - A file with further names (hard links) is removed under this name only. In a directory in which other users can create files, it stays.
  - Files that stay although they differ from their receipts do not count as files that O(keep) keeps.
  - A file is removed before its receipt. After an interruption, the next run removes the receipts that have no file.
  - The content of files is not compared. M(storware.backup.cloud_download_content_info) does that.
seealso:
  - module: storware.backup.cloud_download_content
  - module: storware.backup.cloud_download_content_info
"""

EXAMPLES = r"""
- name: Keep the file of this download and the two fetched before it
  storware.backup.cloud_download_retention:
    path: /srv/restore
    server: https://backup.example.com:8181/api
    records:
      - guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
        protected_entity:
          guid: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
        mode: CLOUD_PST_DOWNLOAD
    keep: 3

- name: Ensure permissions without removing a file
  storware.backup.cloud_download_retention:
    path: /srv/restore
    server: https://backup.example.com:8181/api
    records:
      - guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
        protected_entity:
          guid: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
        mode: CLOUD_PST_DOWNLOAD
    group: helpdesk
    mode: "0640"
"""

RETURN = r"""
removed:
  description:
    - The removed files, in the order of their removal, also if the task failed. In check mode, the files that would be removed.
    - A file that was already missing is included when its receipt is removed.
  returned: always, unless an option is invalid
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file.
      type: str
      sample: /srv/restore/alice.zip
    guid:
      description: GUID of the download.
      type: str
      sample: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    size:
      description: Size in bytes, from the receipt.
      type: int
      sample: 4821337
    time:
      description: Time of the transfer, in UTC, from the receipt.
      type: str
      sample: "2026-01-09T08:30:00Z"
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
        - V(disk_full) - The disk has too little free space.
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

import os
import typing as t

from ansible_collections.storware.backup.plugins.module_utils import _records, _runner
from ansible_collections.storware.backup.plugins.module_utils._argspec import in_range
from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import retention
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.attributes import ensure_attributes
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory, open_existing
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Receipt, file_of

_MOST_KEPT = 1_000_000


def retain(context: _runner.Context) -> _runner.Result:
    """Ensure the attributes of the files that stay, and remove older ones."""
    params = context.params
    wanted = _records.wanted_files(params["server"], params["records"])
    keep = None if params["keep"] is None else int(in_range("keep", params["keep"], 1, _MOST_KEPT))
    with open_existing(os.path.abspath(params["path"]), context.file_attributes().owner) as directory:
        plan = retention.plan(directory, wanted, keep, predicts=context.check_mode)
        return _carry_out(context, directory, plan)


def _carry_out(context: _runner.Context, directory: Directory, plan: retention.Plan) -> _runner.Result:
    removed: list[Receipt] = []
    failures: list[StorwareError] = []
    attributes: dict[str, t.Any] = {}
    asked = context.requested_attributes()
    try:
        if asked and _ensure_attributes(context, directory, plan.here, failures):
            attributes = asked
        if context.check_mode:
            removed += plan.to_remove
        else:
            failures += retention.remove(directory, plan.to_remove, removed)
        if failures:
            raise _failure(failures)
    except StorwareError as error:
        error.results = _result(directory, plan, removed, attributes)
        raise
    return _result(directory, plan, removed, attributes)


def _ensure_attributes(
    context: _runner.Context, directory: Directory, files: t.Iterable[Receipt], failures: list[StorwareError]
) -> bool:
    """Return whether attributes differ(ed). failures: receives those of single files."""
    changed, asked = False, context.file_attributes()
    for one in files:
        try:
            if found := file_of(directory, one):
                changed |= ensure_attributes(
                    directory, one.name, found, asked, check_mode=context.check_mode, option="path"
                )
        except Interrupted:
            raise
        except StorwareError as error:
            failures.append(error)
    return changed


def _result(
    directory: Directory, plan: retention.Plan, removed: t.Sequence[Receipt], attributes: t.Mapping[str, t.Any]
) -> _runner.Result:
    names = {one.name for one in removed}
    before = [directory.path_of(name) for name in plan.before]
    after = [directory.path_of(name) for name in plan.before if name not in names]
    return {
        "changed": bool(removed or attributes),
        "removed": [
            {"path": directory.path_of(one.name), "guid": one.guid, "size": one.size, "time": one.time}
            for one in removed
        ],
        "diff": {"before": {"files": before}, "after": {"files": after, **attributes}},
    }


def _failure(failures: t.Sequence[StorwareError]) -> StorwareError:
    """Return the first failure, with the number of the others."""
    first = failures[0]
    if len(failures) == 1:
        return first
    return StorwareError(
        f"{first.message}; {len(failures) - 1} more failed",
        code=first.code,
        hint=first.hint,
        details=first.details,
        retryable=first.retryable,
    )


def main() -> None:
    """Run the module."""
    _runner.run(
        retain,
        {
            "path": {"type": "path", "required": True},
            "records": {"type": "list", "elements": "dict", "required": True},
            "server": {"type": "str", "required": True},
            "keep": {"type": "int"},
        },
        add_file_common_args=True,
    )


if __name__ == "__main__":
    main()
