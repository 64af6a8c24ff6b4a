#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ensure that cloud downloads exist, or do not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_download
short_description: Create, update and delete cloud downloads of Storware Backup and Recovery
version_added: 1.0.0
description:
  - Ensures that the server has prepared a download of the backed-up cloud data of each protected entity
    (Microsoft 365 mailboxes, sites, groups and teams), and waits until all of them are ready. Or ensures that no such download exists.
  - The module uses existing downloads that match, whether they are ready or still being prepared.
  - One task handles any number of entities with a few lists, one C(POST) and one wait for all of them.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.connection
  - storware.backup.backup_statuses
  - storware.backup.wait
  - storware.backup.progress
  - storware.backup.attributes
options:
  state:
    description:
      - With V(present), the module creates missing downloads. Downloads selected by O(guid) must exist.
      - With V(absent), the module deletes the selected downloads. A download that does not exist is no error.
    type: str
    choices: [present, absent]
    default: present
  protected_entities:
    description:
      - Protected entities to download, given by name, email address or GUID. Names and addresses are compared exactly.
      - If a name matches no entity or more than one, the module fails and lists similar entities, also for a misspelled name. Nothing is
        created on the server.
      - A multi-line string with one entry per line is also accepted, and so is a single line with commas, as for O(guid). Entries are stripped.
        For names with commas, give a list, ad hoc in JSON such as C(-a '{"protected_entities":["Sales, Marketing"]}').
      - Exactly one of O(protected_entities) and O(guid) is required.
    type: list
    elements: str
  protected_entity_type:
    description:
      - Type of the entities, whose inventory is searched for names. Not needed for GUIDs.
      - The module searches teams among the groups and, if there are none, in C(/cloud-protected-entities/CLOUD_TEAMS). Both are assumptions, because
        the vendor's reference has no page for teams. C(lists.teams) of O(profile) selects one.
    type: str
    choices: [CLOUD_USER, CLOUD_SITE, CLOUD_GROUP, CLOUD_TEAMS]
  guid:
    description:
      - GUIDs of existing downloads to select, instead of O(protected_entities).
    type: list
    elements: str
  mode:
    description:
      - Kind of download, with O(protected_entities). Downloads of the other kind do not count as existing, and are not deleted.
    type: str
    choices: [CLOUD_DOWNLOAD, CLOUD_PST_DOWNLOAD]
    default: CLOUD_DOWNLOAD
  backup:
    description:
      - Backup of the data, V(latest) for the newest backup of each entity with one of O(backup_statuses), or the GUID of
        a backup (then with one entity only). RV(backups) returns the backups that V(latest) resolves to.
      - If not set, a download of any backup matches, and the server chooses the backup of a new one.
      - If neither the records of the server nor its filter show the backup of a download, the module accepts the download of its own task.
        An older one is also used, with a warning that names it. With O(state=absent) it is not deleted.
    type: str
  node:
    description:
      - Name or GUID of the node that prepares the download. If not set, any node matches, and the server chooses.
    type: str
  status:
    description:
      - Desired status of downloads selected by O(guid). The module sends it only if the record differs.
      - The vendor names the call ("Updates cloud download status") but prints no fields and no constants. The generated body
        C({"state":{"name":...}}) is an assumption. Set C(update.body) of O(profile), or use O(update), if your server needs other fields.
      - The call is probably meant for the server's own nodes, which report their progress with it. Nothing documents who else may use it.
    type: str
  update:
    description:
      - Desired fields of downloads selected by O(guid), under the server's own names. The module sends them unchanged, merged over the fields
        of O(status).
      - They are sent only if they would change the record. A field that the record does not show is always sent.
    type: dict
  request:
    description:
      - Fields to merge over the generated body of C(POST /cloud-download). A key set to V(null) is omitted. Values may be the placeholders
        of C(create.body) in O(profile), such as V($entity_guids).
      - The vendor prints no fields of this body. The generated C(protectedEntities), C(mode), C(backups) and C(node) follow the
        conventions of the API and are assumptions. This option can replace any of them for one task, and O(profile) for all tasks.
      - The server does not report the request that created a download. A download that matches the other options is therefore used, and a
        warning names it. To create a new one, delete it first with O(state=absent) and its O(guid).
    type: dict
notes:
  - C(POST /cloud-download) is never simply retried. If its response is lost (the connection breaks, or the status is 408, 502, 503 or 504), the
    module searches for new downloads and tasks on the server. If none appears within two minutes, it sends the request once more, and never a
    third time. A shorter O(wait_timeout) does not shorten these two minutes, because the server may still handle the first request, and a second
    request would create a second download. O(wait_timeout) starts again after them.
  - After the status 400, 409, 422 or 500, and after a success without a task, the module searches for C(create.visible_within) seconds (see O(profile)).
    If nothing new appears, it does not send the request again. It fails with the code V(request_not_understood), or V(conflict) after 409.
  - The server does not list a download while its task is queued, and tasks do not show whether they prepare a download. A task for the same
    entity, or without an entity, may therefore be preparing it already, unless its type is documented for another purpose. The remaining types are
    C(RESTORE), C(MOUNT), C(UPLOAD) and undocumented ones. With O(wait=true) the module waits until the purpose of that task is known, at most two
    minutes after it started to run. If it has another purpose, the module requests the download. With O(wait=false), and with O(state=absent), the
    module warns instead. The rule that a download is listed as soon as its task runs is an inference from the vendor's own client.
  - The server has no lock. Two controllers that send the same request in the same second, before the server lists the task of either, create two
    downloads. Two runs with O(wait=false) may do so too, if the list lags behind the tasks. The next run uses one of them.
  - A download that matches as well, and that another client creates after the request, may be returned in place of the requested one, if it is ready
    first and the module has not seen its task.
seealso:
  - module: storware.backup.protected_entity_info
  - module: storware.backup.cloud_download_info
  - module: storware.backup.cloud_download_content
"""

EXAMPLES = r"""
- name: Prepare the mailboxes of two users as PST files
  storware.backup.cloud_download:
    url: https://backup.example.com:8181
    username: ansible
    password: "{{ storware_password }}"
    protected_entities:
      - alice@example.com
      - bob@example.com
    protected_entity_type: CLOUD_USER
    mode: CLOUD_PST_DOWNLOAD
    backup: latest
    wait_timeout: 7200
  register: prepared

- name: Remove exactly these downloads
  storware.backup.cloud_download:
    guid: "{{ prepared.cloud_downloads | map(attribute='guid') | list }}"
    state: absent

- name: Create with a custom body, for a server that needs other keys
  storware.backup.cloud_download:
    protected_entities: [carol@example.com]
    protected_entity_type: CLOUD_USER
    request:
      mode:
        name: CLOUD_DOWNLOAD
"""

RETURN = r"""
cloud_downloads:
  description:
    - The downloads that exist at the end, or with RV(ignore:state=absent) those that were deleted.
    - In check mode, downloads that would be created have no GUID.
  returned: always, as far as known
  type: list
  elements: dict
  contains:
    guid:
      description: GUID of the download.
      type: str
      sample: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    mode:
      description: The vendor's constant for the kind of download.
      type: str
      sample: CLOUD_DOWNLOAD
    state:
      description: The vendor's constant for the state. The possible values are not documented.
      type: str
      sample: MOUNTED
    protected_entity:
      description: The protected entity; V(null) if the server does not report it.
      type: dict
      contains:
        guid:
          description: GUID of the entity.
          type: str
          sample: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
        name:
          description: Name of the entity.
          type: str
          sample: Alice Archer
        type:
          description: The vendor's constant for the type of the entity.
          type: str
          sample: CLOUD_USER
    backup:
      description: The backup of the data; V(null) if the server does not report it.
      type: dict
      contains:
        guid:
          description: GUID of the backup.
          type: str
          sample: 0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11
        status:
          description: The vendor's constant for the status of the backup.
          type: str
          sample: SUCCESS
        type:
          description: The vendor's constant for the type of the backup.
          type: str
          sample: FULL
        size:
          description: Size of the backup in bytes. It is not the size of the download.
          type: int
          sample: 73400320
        backup_time:
          description: Time of the backup (ISO 8601, UTC).
          type: str
          sample: "2026-11-20T02:00:00Z"
        snapshot_time:
          description: Time of the data in the backup (ISO 8601, UTC).
          type: str
          sample: "2026-11-20T01:58:00Z"
    node:
      description: The node that holds the download; V(null) if the server does not report it.
      type: dict
      contains:
        guid:
          description: GUID of the node.
          type: str
          sample: 9d2b6f0e-31a5-4c7e-8f59-2c1f7a6b5d44
        name:
          description: Name of the node.
          type: str
          sample: node-1
    mounted_file_count:
      description: Number of files of the download.
      type: int
      sample: 1
    mounted_file_system_count:
      description: Number of file systems of the download.
      type: int
      sample: 0
    other:
      description: Further fields of the server's record, under the server's own names.
      type: dict
      sample: {}
created:
  description: GUIDs of the downloads that this task created, as far as they are known. With O(wait=false) the server may not list them yet.
  returned: always, as far as known
  type: list
  elements: str
  sample: [f8f73bf9-2445-4bce-a7dd-753be3b40a67]
updated:
  description: GUIDs of the downloads that this task updated.
  returned: always, as far as known
  type: list
  elements: str
  sample: []
deleted:
  description: GUIDs of the downloads that this task deleted.
  returned: always, as far as known
  type: list
  elements: str
  sample: []
tasks:
  description: The server's tasks for the requests of this task.
  returned: always, as far as known
  type: list
  elements: dict
  contains:
    guid:
      description: GUID of the task.
      type: str
      sample: 6a0b6a58-6c2c-4a3e-9a53-0f8a1c2b3d4e
    state:
      description: V(QUEUED), V(RUNNING), V(FINISHED), V(FAILED) or V(CANCELLED). V(FINISHED) also if the server no longer lists the task.
      type: str
      sample: FINISHED
    type:
      description: The vendor's constant for the type of the task.
      type: str
      sample: RESTORE
    status_info:
      description: The server's message, mostly about a failure.
      type: str
      sample: null
    progress:
      description: Progress in percent.
      type: float
      sample: 100.0
    creation_time:
      description: Creation time of the task (ISO 8601, UTC).
      type: str
      sample: "2026-11-24T03:00:00Z"
    finish_time:
      description: End of the task (ISO 8601, UTC).
      type: str
      sample: "2026-11-24T03:05:12Z"
    protected_entity:
      description: The protected entity of the task; V(null) if the server does not report it.
      type: dict
      contains:
        guid:
          description: GUID of the entity.
          type: str
          sample: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
        name:
          description: Name of the entity.
          type: str
          sample: Alice Archer
        type:
          description: The vendor's constant for the type of the entity.
          type: str
          sample: CLOUD_USER
protected_entities:
  description: Entities that were found by their names or addresses in O(protected_entities).
  returned: always, as far as known
  type: list
  elements: dict
  contains:
    guid:
      description: GUID of the entity.
      type: str
      sample: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
    name:
      description: Name of the entity.
      type: str
      sample: Alice Archer
    email:
      description: Email address of the entity; V(null) if the server reports none.
      type: str
      sample: alice@example.com
    type:
      description: The vendor's constant for the type of the entity.
      type: str
      sample: CLOUD_USER
backups:
  description: With O(backup=latest), the backup that was used for each entity.
  returned: always, as far as known
  type: list
  elements: dict
  contains:
    protected_entity:
      description: The entity of the backup.
      type: dict
      contains:
        guid:
          description: GUID of the entity.
          type: str
          sample: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
        name:
          description: Name of the entity; V(null) if the entity was given by its GUID.
          type: str
          sample: Alice Archer
        type:
          description: The vendor's constant for the type of the entity; V(null) if the option was not set.
          type: str
          sample: CLOUD_USER
    guid:
      description: GUID of the backup.
      type: str
      sample: 0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11
    status:
      description: The vendor's constant for the status of the backup, one of O(backup_statuses).
      type: str
      sample: SUCCESS
    type:
      description: The vendor's constant for the type of the backup.
      type: str
      sample: FULL
    size:
      description: Size of the backup in bytes. It is not the size of the download.
      type: int
      sample: 73400320
    backup_time:
      description: Time of the backup (ISO 8601, UTC).
      type: str
      sample: "2026-11-20T02:00:00Z"
    snapshot_time:
      description: Time of the data in the backup (ISO 8601, UTC).
      type: str
      sample: "2026-11-20T01:58:00Z"
failures:
  description: One entry for each failed entity or download. The successful ones are in the other return values.
  returned: when an entity or download failed
  type: list
  elements: dict
  contains:
    protected_entity:
      description: GUID of the entity whose download could not be created.
      type: str
      sample: 4d1f1e0a-7b5c-4f6e-9d3e-1f0c9b8a7d65
    name:
      description: Name of that entity, if known.
      type: str
      sample: Nora Nobackup
    guid:
      description: GUID of the download that could not be deleted.
      type: str
      sample: f8f73bf9-2445-4bce-a7dd-753be3b40a67
    reason:
      description: Reason of the failure, with the server's message if there is one.
      type: str
      sample: "task 6a0b6a58-6c2c-4a3e-9a53-0f8a1c2b3d4e is FAILED: no backup"
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
        - V(prepare_failed) - Some downloads could not be prepared.
        - V(request_not_understood) - The server did not act on a create request, whose fields are not documented.
        - V(wait_timeout) - Some downloads made no progress within wait_timeout.
        - V(filter_ignored) - The server ignores the filter that would select the records.
        - V(ambiguous_create) - The response to a create request was lost, and several new downloads may be its result.
        - V(delete_failed) - Some downloads are still listed after they were deleted.
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
"""

import os

from ansible_collections.storware.backup.plugins.module_utils import _detached

_detached.answer_poll(os.environ)  # before the imports below, which take longer than the answer

from ansible_collections.storware.backup.plugins.module_utils import _api_runner, _cloud_download, _runner
from ansible_collections.storware.backup.plugins.module_utils._api import names, protected_entities


def ensure(context: _api_runner.ApiContext) -> _api_runner.Result:
    """Bring the downloads into the wanted state."""
    _cloud_download.check(context.params, context.connection.profile)
    context.report_polling(lambda: "asking the server")
    return _cloud_download.ensure(
        context.client, context.params, context.check_mode, context.warn, context.report_polling
    )


def main() -> None:
    """Run the module."""
    _api_runner.run(
        ensure,
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "protected_entities": {"type": "list", "elements": "str"},
            "protected_entity_type": {"type": "str", "choices": list(protected_entities.DOWNLOADABLE_TYPES)},
            "guid": {"type": "list", "elements": "str"},
            "mode": {"type": "str", "choices": list(names.DOWNLOAD_MODES), "default": "CLOUD_DOWNLOAD"},
            "backup": {"type": "str"},
            **_api_runner.BACKUP_SPEC,
            "node": {"type": "str"},
            "status": {"type": "str"},
            "update": {"type": "dict"},
            "request": {"type": "dict"},
            **_api_runner.WAIT_SPEC,
            **_runner.PROGRESS_SPEC,
        },
        mutually_exclusive=[("protected_entities", "guid")],
        required_one_of=[("protected_entities", "guid")],
    )


if __name__ == "__main__":
    main()
