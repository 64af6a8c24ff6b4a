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
      - The module searches teams among the groups. This is an assumption, because the vendor's reference has no page for teams.
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
  description: The failure, as data for playbooks.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - A short constant that keeps its meaning.
        - V(invalid_option) for an option that cannot work, and V(authentication_failed), V(no_session_cookie), V(unauthorized) or V(forbidden) for credentials
          and privileges.
        - V(unreachable), V(connect_timeout), V(proxy), V(tls), V(redirect), V(timeout) or V(response_lost) for what happens on the way to the server.
        - V(bad_request), V(not_found), V(conflict), V(rate_limited), V(server_error) or V(http_status) for what the server answers, and
          V(invalid_response) or V(incomplete_list) for answers that cannot be true.
        - V(interrupted) after a signal, V(masked_id) when Ansible's masking of secrets would corrupt what is returned, V(invalid_result) for a host whose
          answer cannot be the module's, and V(internal) for a defect of this module.
      type: str
      sample: unreachable
    hint:
      description: The next step.
      type: str
      sample: Check url, the network and that the server runs.
    option:
      description: Name of the invalid option, with the code V(invalid_option).
      type: str
      sample: policy
    method:
      description: HTTP method of the failed call.
      type: str
      sample: GET
    path:
      description: Path of the failed call, below the API's address.
      type: str
      sample: /cloud-users
    status:
      description: HTTP status of the response; V(null) if there was none.
      type: int
      sample: 503
    server_message:
      description: The server's message, shortened; V(null) if there was none.
      type: str
      sample: The service is starting
    retryable:
      description: Whether the same task may succeed later.
      type: bool
      sample: true
"""

import typing as t

from ansible_collections.storware.backup.plugins.module_utils import _module
from ansible_collections.storware.backup.plugins.module_utils._api import backups, models, protected_entities
from ansible_collections.storware.backup.plugins.module_utils._argspec import check_guids


def list_entities(context: _module.Context) -> _module.Result:
    """The entities that match the options, with their latest backups."""
    params = context.params
    _check(params)
    types = list(dict.fromkeys(params["protected_entity_type"] or protected_entities.DOWNLOADABLE_TYPES))
    found = protected_entities.list_all(
        context.client, types, {option: params[option] for option in models.ENTITY_FILTERS}
    )
    latest: dict[str, models.Backup] = {}
    if params["latest_backup"]:
        latest = backups.latest(context.client, [entity.guid for entity in found], types, params["backup_statuses"])
    return {
        "changed": False,
        "protected_entities": [entity.result(latest.get(entity.guid)) for entity in found],
        "names": protected_entities.handles(found),
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
    _module.run(
        list_entities,
        {
            "protected_entity_type": {
                "type": "list",
                "elements": "str",
                "choices": list(protected_entities.DOWNLOADABLE_TYPES),
            },
            "name_like": text,
            "filter": text,
            "backup_status": {"type": "list", "elements": "str", "choices": list(models.PROTECTION_STATES)},
            "policy": {"type": "list", "elements": "str"},
            "cloud_service_provider": text,
            "order_by": text,
            "direction": {"type": "str", "choices": ["asc", "desc"]},
            "latest_backup": {"type": "bool", "default": True},
            **_module.BACKUP_SPEC,
        },
    )


if __name__ == "__main__":
    main()
