#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the content of a cloud download."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_download_content
short_description: Fetch the content of a cloud download of Storware Backup and Recovery
version_added: 1.0.0
description:
  - Fetches the content of downloads to files on the host that the module runs on. A file gets its name only after its content is verified. An
    existing file is either untouched or completely replaced.
  - The module writes a checksum file, the receipt C(NAME.sha256), beside the file C(NAME). It is valid input for C(sha256sum -c), and its comments
    have the GUID of the download, its size, the time, and the kind of verification. With it a second run proves that nothing has to be fetched,
    without a request to the server.
  - Content is streamed in constant memory, first to a private file C(.GUID.*.part) beside a small C(.GUID.*.state).
  - Interrupted transfers are resumed, within a task and by the next one, also after a restart of the host or the controller. Bytes of several
    responses are joined only with a proof that they belong together. Proofs are a strong validator of the server (C(ETag), or a C(Last-Modified)
    that is old enough), a digest, or the checksums in a ZIP archive. Without one, the whole content is fetched again.
  - Concurrent tasks that fetch the same download to the same directory are safe. The second one waits for the first.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.content
  - ansible.builtin.files
  - storware.backup.connection
  - storware.backup.progress
  - storware.backup.attributes
attributes:
  idempotent:
    support: partial
    details:
      - Not with O(overwrite=always).
options:
  guid:
    description:
      - GUIDs of downloads, as M(storware.backup.cloud_download) and M(storware.backup.cloud_download_info) return them.
      - Several are fetched one after the other, with one login. A failed one does not stop the others.
    type: list
    elements: str
    required: true
  dest:
    description:
      - Path of a file, or of an existing directory. The module creates no directories. For several downloads it must be a directory.
      - In a directory the file gets the name that the server sends, decoded and made safe, or C(GUID.zip), C(GUID.pst) or C(GUID.bin) without
        one. If another file has that name, the GUID is appended. The receipt identifies the file of a download in later runs.
      - Symbolic links (except those to directories), devices and other special files are refused.
    type: path
    required: true
  source:
    description:
      - Address of the content, C(GET /cloud-download/{guid}) with V(download), or its C(/content-download) with
        V(content_download).
      - With V(auto) the module tries the first and, if its response is no file, the second.
      - If not set, C(content.source) of O(profile) decides, whose default is V(auto).
    type: str
    choices: [auto, download, content_download]
  records:
    description:
      - Records of the downloads, as RV(storware.backup.cloud_download#module:cloud_downloads). They are for the receipts, which then also name the
        protected entity, the kind of download and the backup, see RV(storware.backup.cloud_download_content_info#module:files[]). Receipts
        always name the server.
      - Of several downloads, the sizes of their backups are an estimate of the space that the missing files need. If O(dest) has less, the module
        asks for the length of each of them, without its content, and fails with the code V(disk_full) before it fetches anything if they do
        not fit together.
      - A record may have the key C(request) in addition, with the digest of the fields that were added to the request for the download.
    type: list
    elements: dict
  checksum:
    description:
      - Expected digest of the file, as C(ALGORITHM:DIGEST). The algorithm is one of V(md5), V(sha1), V(sha224), V(sha256), V(sha384)
        and V(sha512).
      - It is the strongest proof. With it, the module does not check the content in other ways. Only for a single download.
    type: str
  verify:
    description:
      - Kind of verification after the transfer. A digest that the server sends is always compared, and so is the length.
      - With V(structure), the module checks the directory and all headers of a ZIP archive, and header and size of a PST file.
      - With V(full), it also checks the checksum of every entry of a ZIP archive, which reads and unpacks the archive once (not to disk). For a
        PST file, V(full) is the same as V(structure). Damage after its header is not detected, unless O(checksum) is set or the server
        sends a digest.
      - With V(length), it only compares the number of bytes with the announced length, and an existing file with its receipt by size alone.
      - Corrupt content fails with the code V(corrupt). Content that failed twice (by SHA-256) is not fetched a third time, unless this option
        or O(checksum) changes, or with O(overwrite=always). A private file C(.GUID.*.state) records the failures until the file exists.
      - RV(verified) returns the result.
    type: str
    choices: [full, structure, length]
    default: structure
  overwrite:
    description:
      - Treatment of an existing file. With V(different), it is replaced unless O(checksum) or its receipt proves that it is the unchanged content
        of this download.
      - With V(never), any file is kept. With V(always), the content is always fetched.
    type: str
    choices: [never, different, always]
    default: different
  allow_unverified:
    description:
      - Whether to accept content without any proof that it is complete, because the server sends neither length nor digest, and the format is
        unknown.
      - It also accepts a file of 0 bytes, which a server may send while its file is not ready. Such a file has RV(verified=none).
      - It also permits resuming if only the last MiB, compared again, and the length show that the content is unchanged.
    type: bool
    default: false
  connections:
    description:
      - Number of concurrent connections for one file, at most 16. More than one helps if the network's latency limits a single one.
      - Several are used only if the server sends parts of a file with a strong C(ETag) each, and only for files of more than 16 MiB.
    type: int
    default: 1
  max_size:
    description:
      - Maximum size of a file in bytes, such as V(200G). Content with a larger announced length is not fetched.
      - Content without an announced length ends at this size. It fails with the code V(too_large), and nothing is kept.
      - If not set, the space on the file system limits content with an announced length, and V(1T) other content.
    type: bytes
notes:
  - The keyword C(timeout) of a task ends the module on its host, like O(max_time). Received bytes are kept, and the next task resumes from them.
    If it expires just between two polls of the transfer, the module continues for five minutes on its host.
  - The file, its receipt and the private file belong to the user that the task runs as, until O(owner) and O(group) are set.
  - The file and its receipt always have the same owner, group and permissions. An existing file of another user, or one with further names (hard
    links), is never given other attributes.
  - In a directory like C(/tmp), a file or receipt of another user at O(dest) is an error. If O(dest) is that directory, the file
    gets another name.
  - One percent of the file system stays free, but no more than 256 MiB. Content that would need it ends with the code V(disk_full). Received
    bytes are kept for the next task, unless the server announces no length.
  - Check mode sends no request to the server. It predicts a transfer from the files on the host alone.
seealso:
  - module: storware.backup.cloud_download
  - module: storware.backup.cloud_download_info
"""

EXAMPLES = r"""
- name: Fetch one download into a directory
  storware.backup.cloud_download_content:
    url: https://backup.example.com:8181
    username: ansible
    password: "{{ storware_password }}"
    guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    dest: /srv/restore/
  register: fetched

- name: Fetch all prepared downloads, readable for one group, with full verification
  storware.backup.cloud_download_content:
    guid: "{{ prepared.cloud_downloads | map(attribute='guid') }}"
    dest: /srv/restore/
    verify: full
    owner: restore
    group: helpdesk
    mode: "0640"

- name: Fetch over a slow line with high latency that others share, for at most six hours
  storware.backup.cloud_download_content:
    guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    dest: /srv/restore/
    connections: 4
    max_rate: 20M
    max_time: 21600

- name: Fetch content with this digest
  storware.backup.cloud_download_content:
    guid: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    dest: /srv/restore/alice.pst
    checksum: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
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
    - Reason to fetch content, V(missing) (no file existed), V(size) (its size differed from its receipt), V(checksum) (its digest differed),
      V(guid) (no proof that it was the content of this download, or it belongs to another user, see O(owner)) or V(forced)
      (O(overwrite=always)).
    - Reason not to fetch content, V(unchanged), or V(kept) (O(overwrite=never)).
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
  description:
    - Result of the verification, V(digest) (equal to O(checksum) or to a digest from the server), V(full) (every entry of the ZIP archive),
      V(structure) (of the ZIP archive, or header and size of the PST file, also with O(verify=full)), V(length) (the announced number of bytes)
      or V(none).
    - For an unchanged file, the result of its verification after the transfer, or V(length) if only sizes were compared.
  returned: success, unless check mode predicts a change of content
  type: str
  sample: structure
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
  description: Digest of the file that O(checksum) requires, in normal form.
  returned: when O(checksum) is given
  type: str
  sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
seconds:
  description: Duration in seconds of transfer, verification and publication.
  returned: when content was fetched
  type: float
  sample: 12.5
bytes_received:
  description: Number of bytes of content that this task received. Bytes of an earlier task do not count.
  returned: when content was fetched
  type: int
  sample: 73400320
padding:
  description:
    - Number of zero bytes of the ZIP archive that belong to no entry. Some programs write them after its end or before its directory. They are
      harmless, and stay in the file.
  returned: when content was fetched whose structure was checked, and there are any
  type: int
  sample: 10018
entries:
  description: Number of entries of the ZIP archive.
  returned: when the structure of a ZIP archive was read
  type: int
  sample: 1204
unpacked_size:
  description: Size in bytes of all entries of the ZIP archive after unpacking, as its directory says.
  returned: when the structure of a ZIP archive was read
  type: int
  sample: 104857600
source:
  description: Address that sent the content, V(download) or V(content_download).
  returned: when content was fetched
  type: str
  sample: download
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
        - V(connect_timeout) - No connection could be opened in time.
        - V(tls) - The certificate of the server is not trusted.
        - V(proxy) - The proxy refused the request, or cannot be used.
        - V(redirect) - The server redirects to another address, which is never followed.
        - V(invalid_response) - The response is not one of the API.
        - V(authentication_failed) - The server refused the credentials.
        - V(no_session_cookie) - The login succeeded without a session.
        - V(unauthorized) - The session has ended, and there are no credentials to open a new one.
        - V(forbidden) - The account lacks a privilege.
        - V(rate_limited) - The server has received too many requests.
        - V(bad_request) - The server refused the parameters or the body of a request.
        - V(not_found) - The object does not exist on the server.
        - V(conflict) - The server refused a request because of another operation.
        - V(server_error) - The server failed, also after retries.
        - V(http_status) - The server refused a request with another HTTP status.
        - V(response_lost) - A request was sent, and no complete response arrived.
        - V(timeout) - The time limit of a request, a list or a transfer expired.
        - V(incomplete_list) - The server returned fewer records than it counts.
        - V(unexpected_content) - The response is not a file.
        - V(transfer_interrupted) - The connection was interrupted more often than retries allows.
        - V(below_min_rate) - The transfer rate was below min_rate for a minute.
        - V(deleted_on_server) - The download was deleted on the server during the transfer.
        - V(corrupt) - The content is damaged.
        - V(digest_mismatch) - The content differs from the digest that the server sent.
        - V(checksum_mismatch) - The content differs from the expected checksum.
        - V(unverified) - Nothing proves that the content is complete.
        - V(cannot_verify) - The archive uses a compression that cannot be verified.
        - V(locked) - Another task is fetching the same download to the same path.
        - V(concurrent_change) - Another process changed the file or directory.
        - V(name_conflict) - Another file has the name of the file, and the name with the GUID.
        - V(disk_full) - The disk has too little free space.
        - V(too_large) - The content is larger than max_size or than its announced size.
        - V(file_system) - The operating system refused a file operation.
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
    method:
      description: HTTP method of the request that failed.
      type: str
      sample: GET
    path:
      description: Path of the request that failed, below the address of the API.
      type: str
      sample: /cloud-download
    status:
      description: HTTP status of the response; V(null) when there was none.
      type: int
      sample: 503
    server_message:
      description: Message of the server, shortened; V(null) when there was none.
      type: str
      sample: The service is starting
    answers:
      description: With V(unexpected_content), the response of each address, by its name in O(source).
      type: dict
      sample: {download: "answered 404: not ready"}
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

import dataclasses
import errno
import os
import typing as t

from ansible_collections.storware.backup.plugins.module_utils import _detached

_detached.answer_poll(os.environ)  # before the imports below, which take longer than the answer

from ansible_collections.storware.backup.plugins.module_utils import _api_runner, _file_content
from ansible_collections.storware.backup.plugins.module_utils._api import names
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError
from ansible_collections.storware.backup.plugins.module_utils._argspec import in_range
from ansible_collections.storware.backup.plugins.module_utils._batch import BatchItem, Outcome, run_batch
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._progress import format_amount
from ansible_collections.storware.backup.plugins.module_utils._records import origins, sizes
from ansible_collections.storware.backup.plugins.module_utils._transfer.announced import Shortage, find_shortage
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.body import (
    Opener,
    Response,
    UnexpectedContent,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.inspection import Job
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum

_LARGEST = 2**63 - 1  # what a file can hold


def fetch(context: _api_runner.ApiContext) -> _api_runner.Result:
    """Bring the content of each download to dest, unless it is there."""
    params = context.params
    max_size = params["max_size"]
    jobs = _file_content.Jobs(context, context.connection.retries)
    source = params["source"] or context.connection.profile.source
    sources = list(names.CONTENT_PATHS) if source == "auto" else [source]
    settings = {
        "checksum": _checksum(params["checksum"], len(jobs.guids)),
        "level": params["verify"],
        "allow_unverified": params["allow_unverified"],
        "connections": int(in_range("connections", params["connections"], 1, 16)),
        "max_size": None if max_size is None else int(in_range("max_size", max_size, 1, _LARGEST)),
    }
    records = params["records"] or ()
    origin_of, expected = origins(context.connection.url, records), sizes(records)

    def job_for(turn: BatchItem) -> Job:
        guid = turn.guid
        openers = [(source, _opener(context, names.CONTENT_PATHS[source].format(guid), guid)) for source in sources]
        identity = f"{context.connection.url} {guid}"
        return jobs.job(turn, identity=identity, openers=openers, origin=origin_of(guid), **settings)

    shortage: Shortage | None = None

    def ensure_file(turn: BatchItem) -> Outcome:
        nonlocal shortage
        if turn.number == 1 and turn.of > 1 and expected and not context.check_mode:
            shortage = find_shortage([job_for(turn._replace(guid=guid)) for guid in jobs.guids], expected)
        job = job_for(turn)
        if shortage:
            job = dataclasses.replace(job, openers=[(name, _refusal(shortage)) for name in sources])
        return _file_content.ensure_file(context, job)

    return run_batch(jobs.guids, ensure_file)


def _checksum(text: str | None, files: int) -> Checksum | None:
    if text and files > 1:
        raise OptionError("checksum", f"is that of one file, and guid names {files}")
    return Checksum.parse(text) if text else None


def _refusal(shortage: Shortage) -> Opener:
    """Return an opener for files that do not fit together: nothing is requested, so that none of them comes."""
    needed, free = format_amount(shortage.needed), format_amount(shortage.free)

    def refuse(_headers: t.Mapping[str, str], _deadline: float | None) -> Response:
        raise StorwareError(
            f"{shortage.files} files need {needed} by the lengths that the server announces, and {shortage.directory} has"
            f" room for {free}",
            code="disk_full",
            hint="Free some space, choose another dest, or fetch fewer files at a time.",
            details={"needed": shortage.needed, "free": shortage.free, "errno": errno.errorcode[errno.ENOSPC]},
        )

    return refuse


def _opener(context: _api_runner.ApiContext, path: str, guid: str) -> Opener:
    def open_content(headers: t.Mapping[str, str], deadline: float | None) -> Response:
        try:
            return context.client.open(path, headers, f"fetch the cloud download {guid}", deadline)
        except ApiError as error:
            is_ours = error.details["path"] == path
            if not is_ours or not _is_about_content(error.status or 0, is_part="Range" in headers):
                raise
            words = error.details["server_message"]
            raise UnexpectedContent(
                f"answered {error.status}{': ' + words if words else ''}", status=error.status
            ) from error

    return open_content


def _is_about_content(status: int, *, is_part: bool) -> bool:
    """Whether another request may bring the content: the status is not about the account or the load.

    is_part: a Range was asked for, which is refused with other statuses, too, by servers and by what lies before them.
    """
    if status in (401, 408, 429):
        return False
    return 400 <= status < 502 if is_part else 400 <= status < 500 and status != 403


def main() -> None:
    """Run the module."""
    _api_runner.run(
        fetch,
        {
            **_file_content.SPEC,
            "verify": {"type": "str", "choices": ["full", "structure", "length"], "default": "structure"},
            "source": {"type": "str", "choices": ["auto", *names.CONTENT_PATHS]},
            "records": {"type": "list", "elements": "dict"},
            "checksum": {"type": "str"},
            "allow_unverified": {"type": "bool", "default": False},
            "connections": {"type": "int", "default": 1},
            "max_size": {"type": "bytes"},
        },
        add_file_common_args=True,
    )


if __name__ == "__main__":
    main()
