#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List users, sites, groups and teams."""

from __future__ import annotations

DOCUMENTATION = r"""
module: protected_entity_info
short_description: List users, sites, groups and teams known to Storware Backup and Recovery
version_added: 1.0.0
description:
  - Lists the Microsoft 365 users, sites, groups and teams whose data can be downloaded, each with its latest backup.
  - The module reads all pages of the lists and returns every entity once. The number of calls depends on the number of pages only.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.connection
  - storware.backup.backup_statuses
  - storware.backup.attributes.info_module  # before the other one: the first that has a value counts
  - storware.backup.attributes
options:
  protected_entity_type:
    description:
      - Types of entities to list. If not set, all types.
      - The module searches teams among the groups and, without filters and if there are none, in C(/cloud-protected-entities/CLOUD_TEAMS).
        C(lists.teams) of O(profile) selects one; the second has no filter but O(name_like). Both are assumptions, because the vendor's reference has
        no page for teams.
    type: list
    elements: str
    choices: [CLOUD_USER, CLOUD_SITE, CLOUD_GROUP, CLOUD_TEAMS]
  name_like:
    description: Text that is part of the name. The vendor does not document whether email addresses are searched too.
    type: str
  filter:
    description: Search text, as in the search box of the vendor's user interface.
    type: str
  backup_status:
    description: States of protection. The module lists only entities with one of them.
    type: list
    elements: str
    choices: [IS_PROTECTED, NOT_PROTECTED, NO_SCHEDULE]
  policy:
    description: GUIDs of backup policies. The module lists only entities with one of them.
    type: list
    elements: str
  cloud_service_provider:
    description: GUID of a cloud service provider, which is one Microsoft 365 organization. The module lists only its entities.
    type: str
  order_by:
    description: Field to sort by, such as V(name). The vendor does not document the valid fields.
    type: str
  direction:
    description: Sort direction.
    type: str
    choices: [asc, desc]
  latest_backup:
    description: Whether to look up the latest backup of each entity with one of O(backup_statuses).
    type: bool
    default: true
seealso:
  - module: storware.backup.cloud_download
"""

EXAMPLES = r"""
- name: Find users by a part of the name
  storware.backup.protected_entity_info:
    url: https://backup.example.com:8181
    username: ansible
    password: "{{ storware_password }}"
    protected_entity_type: CLOUD_USER
    name_like: Archer
  register: found

- name: Prepare a download for each entity with a backup
  storware.backup.cloud_download:
    protected_entities: "{{ found.protected_entities | selectattr('latest_backup') | map(attribute='guid') | list }}"
    backup: latest

- name: List everything, without backups
  storware.backup.protected_entity_info:
    latest_backup: false
  register: everything

- name: Show the names, one a line, as choices of a survey
  ansible.builtin.debug:
    msg: "{{ everything.names | join('\n') }}"
"""

RETURN = r"""
protected_entities:
  description: The entities by type, in the server's order.
  returned: success
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
      description: Email address; V(null) if the server does not report it.
      type: str
      sample: alice@example.com
    type:
      description: The vendor's constant for the type of the entity, as the option C(protected_entity_type) takes it.
      type: str
      sample: CLOUD_USER
    present:
      description: Whether the entity still exists in the cloud, as reported by the server; V(null) if the server does not report it.
      type: bool
      sample: true
    restorable:
      description: Whether the entity can be restored, as reported by the server; V(null) if the server does not report it.
      type: bool
      sample: true
    backup_up_to_date:
      description: Whether the backup is up to date, as reported by the server; V(null) if the server does not report it.
      type: bool
      sample: true
    last_backup:
      description: Time of the last backup, as reported by the server (ISO 8601, UTC).
      type: str
      sample: "2026-11-20T02:00:00Z"
    policy:
      description: The backup policy; V(null) if there is none.
      type: dict
      contains:
        guid:
          description: GUID of the policy.
          type: str
          sample: 7c2e5d1a-90b4-4c1f-8b27-6a5d4e3f2c1b
        name:
          description: Name of the policy.
          type: str
          sample: Daily
    cloud_service_provider:
      description: The cloud service provider of the entity; V(null) if the server does not report it.
      type: dict
      contains:
        guid:
          description: GUID of the cloud service provider.
          type: str
          sample: 2f6b8d90-1c3e-4a5f-9b7d-0e1f2a3b4c5d
        name:
          description: Name of the cloud service provider.
          type: str
          sample: Example tenant
    latest_backup:
      description: The newest backup with one of O(backup_statuses); V(null) if there is none, or with O(latest_backup=false).
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
    other:
      description: Further fields of the server's record, under the server's own names.
      type: dict
      sample: {}
names:
  description:
    - One unique identifier for each returned entity, which is the email address, otherwise the name, otherwise the GUID.
    - Valid for the option C(protected_entities) of M(storware.backup.cloud_download), for loops and for the choices of a survey.
  returned: success
  type: list
  elements: str
  sample: [alice@example.com, Marketing Site]
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
        - V(filter_ignored) - The server ignores the filter that would select the records.
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

import typing as t

from ansible_collections.storware.backup.plugins.module_utils import _api_runner
from ansible_collections.storware.backup.plugins.module_utils._api import backups, models, names, protected_entities
from ansible_collections.storware.backup.plugins.module_utils._argspec import check_guids


def list_entities(context: _api_runner.ApiContext) -> _api_runner.Result:
    """The entities that match the options, with their latest backups."""
    params = context.params
    _check(params)
    types = list(dict.fromkeys(params["protected_entity_type"] or protected_entities.DOWNLOADABLE_TYPES))
    found = protected_entities.list_all(
        context.client, types, {option: params[option] for option in names.ENTITY_FILTERS}
    )
    latest: dict[str, models.Backup] = {}
    if params["latest_backup"]:
        latest = backups.latest(context.client, [entity.guid for entity in found], types, params["backup_statuses"])
    return {
        "changed": False,
        "protected_entities": [entity.to_result(latest.get(entity.guid)) for entity in found],
        "names": protected_entities.unique_names(found),
    }


def _check(params: dict[str, t.Any]) -> None:
    provider = params["cloud_service_provider"]
    for option, guids in (
        ("policy", params["policy"] or []),
        ("cloud_service_provider", [] if provider is None else [provider]),
    ):
        check_guids(option, guids)


def main() -> None:
    """Run the module."""
    text = {"type": "str"}
    _api_runner.run(
        list_entities,
        {
            "protected_entity_type": {
                "type": "list",
                "elements": "str",
                "choices": list(protected_entities.DOWNLOADABLE_TYPES),
            },
            "name_like": text,
            "filter": text,
            "backup_status": {"type": "list", "elements": "str", "choices": list(names.PROTECTION_STATES)},
            "policy": {"type": "list", "elements": "str"},
            "cloud_service_provider": text,
            "order_by": text,
            "direction": {"type": "str", "choices": ["asc", "desc"]},
            "latest_backup": {"type": "bool", "default": True},
            **_api_runner.BACKUP_SPEC,
        },
    )


if __name__ == "__main__":
    main()
