#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the content of a cloud download from a host that has it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_download_copy
short_description: Copy the content of a cloud download from a host that has it
version_added: 1.0.0
description:
  - Copies a file that M(storware.backup.cloud_download_content) has fetched on another host, or on the controller, to the host that the module
    runs on. It needs no connection to the server, no session and no C(requests).
  - With O(host), the managed host reads the file from that other host over SSH, without the controller. The user of the
    task must be able to log in there with C(ssh) non-interactively, and the other host needs C(sh), C(printf), C(head) and C(tail).
  - Without O(host), the controller sends the file through Ansible's connection to the managed host, of any type, in pieces of
    up to 256 MiB, each of which takes about five seconds.
  - The checksum file of the original, its receipt C(NAME.sha256), identifies the content. The copy gets its name only after its SHA-256 is verified
    against the receipt, in the same way as in M(storware.backup.cloud_download_content), and gets its own receipt.
  - Interrupted transfers are resumed, within a task and by the next one.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.content
  - ansible.builtin.files
  - storware.backup.progress
  - storware.backup.attributes
attributes:
  async:
    support: partial
    details:
      - With O(host) only. Otherwise the controller has to send the file.
  idempotent:
    support: partial
    details:
      - Not with O(overwrite=always).
options:
  guid:
    description:
      - GUIDs of downloads. A file of another download is refused.
      - Several are copied one after the other. A failed one does not stop the others.
    type: list
    elements: str
    required: true
  src:
    description:
      - Path of the file on O(host) or on the controller, or of its directory, whose receipts are searched for O(guid).
      - For several downloads it must be a directory.
      - On the controller, the file must be a regular file of the user that runs Ansible, or of root, and no symbolic link.
    type: path
    required: true
  host:
    description:
      - Name or address of the host that has the file, for C(ssh) on the managed host.
      - If not set, the file is on the controller.
    type: str
  port:
    description: SSH port of O(host). If not set, C(ssh) decides.
    type: int
  user:
    description: User on O(host). If not set, C(ssh) decides.
    type: str
  private_key_file:
    description: Path of the private key for O(host), on the managed host. If not set, C(ssh) decides.
    type: path
  dest:
    description:
      - Path of a file, or of an existing directory. The module creates no directories. For several downloads it must be a directory.
      - In a directory the copy gets the name of the original. If another file has that name, the GUID is appended.
    type: path
    required: true
  overwrite:
    description:
      - Treatment of an existing file. With V(different), it is replaced unless it has the SHA-256 of O(src).
      - With V(never), any file is kept. With V(always), the content is always copied.
    type: str
    choices: [never, different, always]
    default: different
notes:
  - The module trusts O(host). It can provide false bytes with a matching receipt, and the module cannot detect that.
  - A directory on O(host) may have up to 100,000 receipts, of 32 MiB in total. More of them end with the code V(invalid_response).
  - One percent of the file system stays free, but no more than 256 MiB. A file that would need it ends with the code V(disk_full).
  - Without O(host), each piece is stored in Ansible's C(remote_tmp) of the host and in C(local_tmp) of the controller during its transfer. Each needs
    256 MiB. Pieces are smaller for a slow connection, and with O(max_rate). If a piece does not fit, the task ends with the code V(disk_full).
  - Check mode reads the receipt on the other host, and copies nothing.
  - Without O(host), O(min_rate) and O(max_time) apply to each piece, and C(async) is not possible, because the controller has to send the file.
seealso:
  - module: storware.backup.cloud_download_content
"""

EXAMPLES = r"""
- name: Fetch to the controller once
  storware.backup.cloud_download_content:
    guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    dest: /srv/spool/
  register: spooled
  run_once: true
  delegate_to: localhost

- name: Send it to hosts that cannot reach the server
  storware.backup.cloud_download_copy:
    guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    src: "{{ spooled.path }}"
    dest: /srv/restore/

- name: Copy two files from a neighbour
  storware.backup.cloud_download_copy:
    guid:
      - f8f73bf9-2445-4bce-a7dd-753be3b40a67
      - 0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11
    src: /srv/restore/
    host: files-1.example.com
    user: restore
    dest: /srv/restore/
"""

RETURN = r"""
path:
  description: Path of the file. V(null) in check mode if O(dest) is a directory and the name of the file is not known yet.
  returned: success
  type: str
  sample: /srv/restore/alice.zip
guid:
  description: GUID of the download.
  returned: success
  type: str
  sample: f8f73bf9-2445-4bce-a7dd-753be3b40a67
reason:
  description:
    - Reason to copy content, V(missing) (no file existed), V(checksum) (its digest differed) or V(forced) (O(overwrite=always)).
    - Reason not to copy content, V(unchanged), or V(kept) (O(overwrite=never)).
  returned: success
  type: str
  sample: missing
size:
  description: Size of the file in bytes. In check mode, the size of the existing file.
  returned: success, if the file exists
  type: int
  sample: 73400320
sha256:
  description: SHA-256 of the file; V(null) for a file that was not hashed.
  returned: success, unless check mode predicts a change of content
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
verified:
  description: Result of the verification, V(digest) (equal to the SHA-256 of the receipt), or V(none) for a file that is kept unread.
  returned: success, unless check mode predicts a change of content
  type: str
  sample: digest
format:
  description: V(zip), V(pst), or V(null) for another format.
  returned: success, unless check mode predicts a change of content
  type: str
  sample: zip
receipt:
  description: Path of the receipt.
  returned: success, unless check mode predicts a change of content
  type: str
  sample: /srv/restore/alice.zip.sha256
checksum:
  description: Digest in the receipt of O(src).
  returned: success, unless check mode predicts a change of content
  type: str
  sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
seconds:
  description: Duration in seconds of transfer, verification and publication.
  returned: when content was copied
  type: float
  sample: 12.5
bytes_received:
  description: Number of bytes of content that this task received. Bytes of an earlier task do not count.
  returned: when content was copied
  type: int
  sample: 73400320
source:
  description: Source of the content, V(peer) (O(host)) or V(controller).
  returned: when content was copied
  type: str
  sample: peer
owner:
  description: Owner of the file.
  returned: success, if the file exists
  type: str
  sample: restore
group:
  description: Group of the file.
  returned: success, if the file exists
  type: str
  sample: helpdesk
mode:
  description: Permissions of the file.
  returned: success, if the file exists
  type: str
  sample: "0640"
uid:
  description: Numeric id of the owner of the file.
  returned: success, if the file exists
  type: int
  sample: 1001
gid:
  description: Numeric id of the group of the file.
  returned: success, if the file exists
  type: int
  sample: 1001
secontext:
  description: Security context of the file.
  returned: success, if the file exists and the host has SELinux
  type: str
  sample: system_u:object_r:var_t:s0
state:
  description: V(file), or V(absent) in check mode if there is none.
  returned: success, if the path is known
  type: str
  sample: file
files:
  description:
    - The file of each download, in the order of O(guid), with the return values above. For a single download they are also returned
      at the top level.
    - A failed download has RV(ignore:failed), RV(ignore:msg) and RV(error). The task fails after all downloads have been tried, except those
      that are certain to fail in the same way.
  returned: always, unless no download could be tried
  type: list
  elements: dict
  sample:
    - guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
      changed: true
      reason: missing
      path: /srv/restore/alice.zip
      size: 73400320
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
        - V(unreachable) - No connection could be opened.
        - V(invalid_response) - The response is not one of the API.
        - V(timeout) - The time limit of a request, a list or a transfer expired.
        - V(unexpected_content) - The response is not a file.
        - V(transfer_interrupted) - The connection was interrupted more often than retries allows.
        - V(below_min_rate) - The transfer rate was below min_rate for a minute.
        - V(corrupt) - The content is damaged.
        - V(checksum_mismatch) - The content differs from the expected checksum.
        - V(locked) - Another task is fetching the same download to the same path.
        - V(concurrent_change) - Another process changed the file or directory.
        - V(name_conflict) - Another file has the name of the file, and the name with the GUID.
        - V(disk_full) - The disk has too little free space.
        - V(file_system) - The operating system refused a file operation.
        - V(no_receipt) - The file on the other host has no receipt.
        - V(partial_failure) - Some of several downloads failed, for different reasons.
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
    guids:
      description: With V(partial_failure), the downloads whose files are missing.
      type: list
      elements: str
      sample: [f8f73bf9-2445-4bce-a7dd-753be3b40a67]
    path:
      description: Path of the file.
      type: str
      sample: /srv/restore/alice.zip
    bytes_kept:
      description: Bytes that are kept, from which the next task resumes.
      type: int
      sample: 1048576
    bytes_received:
      description: With V(transfer_interrupted), bytes of the last response.
      type: int
      sample: 1048576
    expected:
      description: With V(transfer_interrupted), the announced size in bytes; with another digest, the expected one.
      type: raw
      sample: 73400320
    cause:
      description: In C(files), the reason without the name of the file.
      type: str
      sample: no connection to https://backup.example.com:8181 (refused)
    advice:
      description: In C(files), the next step without what is true of this file only.
      type: str
      sample: Run the task again.
    since:
      description: In C(files), the time of the failure.
      type: str
      sample: "2026-01-09T10:41:00Z"
    algorithm:
      description: Algorithm of a digest.
      type: str
      sample: sha256
    got:
      description: Digest of the content.
      type: str
      sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    needed:
      description: With V(disk_full), the bytes that the file needs, when that is known.
      type: int
      sample: 73400320
    free:
      description: With V(disk_full), the free bytes, when that is known.
      type: int
      sample: 1048576
    errno:
      description: Name of the operating system's error.
      type: str
      sample: ENOSPC
"""

import os
import typing as t

from ansible_collections.storware.backup.plugins.module_utils import _detached

_detached.answer_poll(os.environ)  # before the imports below, which take longer than the answer

from ansible_collections.storware.backup.plugins.module_utils import _copying, _file_content, _runner
from ansible_collections.storware.backup.plugins.module_utils._argspec import in_range
from ansible_collections.storware.backup.plugins.module_utils._batch import BatchItem, Outcome, run_batch
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from ansible_collections.storware.backup.plugins.module_utils._transfer import inspection
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.body import Opener
from ansible_collections.storware.backup.plugins.module_utils._transfer.sources import pushed, ssh
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import translate_os_errors
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum

_RETRIES = 5


def copy(context: _runner.Context) -> _runner.Result:
    """Bring the file of each download to dest, unless it is there."""
    jobs = _file_content.Jobs(context, _RETRIES)
    return _from_controller(context, jobs) if context.params["host"] is None else _from_host(context, jobs)


def _from_host(context: _runner.Context, jobs: _file_content.Jobs) -> _runner.Result:
    params = context.params
    port = None if params["port"] is None else int(in_range("port", params["port"], 1, 65535))
    there = ssh.SshHost(params["host"], port, params["user"], params["private_key_file"])
    there.check()
    with there.share_connection() as shared:
        found = ssh.RemoteFiles(shared, params["src"])

        def ensure_file(turn: BatchItem) -> Outcome:
            path, whole = found.find(turn.guid)
            return _file_content.ensure_file(context, _job(jobs, turn, whole, "peer", ssh.opener(shared, path, whole)))

        return run_batch(jobs.guids, ensure_file)


def _from_controller(context: _runner.Context, jobs: _file_content.Jobs) -> _runner.Result:
    """One file at a time: the action plugin takes the turns."""
    path = os.environ.get(_copying.ENVIRONMENT)
    if path is None:
        raise OptionError("host", "must be given where Ansible does not run the action plugin of this module")
    with translate_os_errors(f"read {path}"):
        handed, file = _copying.receive(path)
    whole = handed.receipt()

    def ensure_file(turn: BatchItem) -> Outcome:
        job = _job(jobs, turn, whole, pushed.LABEL, pushed.nothing_more_opener(whole))
        if not context.check_mode:
            with inspection.inspect(job) as inspected:
                if inspected.needs_content:
                    reached = pushed.receive_chunk(job, inspected, whole, file, handed.offset, handed.chunk_sha256)
                    if reached < whole.size:
                        return {"changed": False, _copying.KEY: reached}
        return _file_content.ensure_file(context, job)

    with file:
        return run_batch(jobs.guids, ensure_file)


def _job(jobs: _file_content.Jobs, turn: BatchItem, whole: Receipt, label: str, opener: Opener) -> inspection.Job:
    guid = turn.guid
    if whole.guid != guid:
        raise OptionError("src", f"is a file of the download {whole.guid}, not of {guid}: {whole.name!r}")
    checksum = Checksum("sha256", whole.sha256)
    # Not by where it comes from: what one host has brought, another one may continue.
    return jobs.job(turn, identity=f"copy {guid}", openers=[(label, opener)], checksum=checksum, origin=whole.origin)


def main() -> None:
    """Run the module."""
    text: dict[str, t.Any] = {"type": "str"}
    _runner.run(
        copy,
        {
            **_file_content.SPEC,
            "src": {"type": "path", "required": True},
            "host": text,
            "port": {"type": "int"},
            "user": text,
            "private_key_file": {"type": "path"},
        },
        add_file_common_args=True,
    )


if __name__ == "__main__":
    main()
