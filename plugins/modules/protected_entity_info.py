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
  - All pages of the lists are read, and every entity is returned once. The number of calls does not grow with the number of entities,
    only with that of the pages.
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
      - Which kinds of entities to list. When not set, all of them.
      - That teams are found among the groups is an assumption; the vendor's reference shows no page for them.
    type: list
    elements: str
    choices: [CLOUD_USER, CLOUD_SITE, CLOUD_GROUP, CLOUD_TEAMS]
  name_like:
    description: Only entities whose name has this text in it. Whether the server looks into e-mail addresses as well is not documented.
    type: str
  filter:
    description: Free text, as in the search box of the vendor's user interface.
    type: str
  backup_status:
    description: Only entities with one of these states of protection.
    type: list
    elements: str
    choices: [IS_PROTECTED, NOT_PROTECTED, NO_SCHEDULE]
  policy:
    description: Only entities with one of the backup policies with these GUIDs.
    type: list
    elements: str
  cloud_service_provider:
    description: Only entities of the cloud service provider with this GUID, that is of one Microsoft 365 organization.
    type: str
  order_by:
    description: Field to order by, such as V(name). The server's list of legal fields is not documented.
    type: str
  direction:
    description: Direction of the order.
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
- name: Find the users whose name has Archer in it
  storware.backup.protected_entity_info:
    url: https://backup.example.com:8181
    username: ansible
    password: "{{ storware_password }}"
    protected_entity_type: CLOUD_USER
    name_like: Archer
  register: found

- name: Prepare a download of each one that has such a backup
  storware.backup.cloud_download:
    protected_entities: "{{ found.protected_entities | selectattr('latest_backup') | map(attribute='guid') | list }}"
    backup: latest

- name: List everything, without a look at the backups
  storware.backup.protected_entity_info:
    latest_backup: false
  register: everything

- name: Show the names, as the choices of a survey want them
  ansible.builtin.debug:
    msg: "{{ everything.names | join('\n') }}"
"""

RETURN = r"""
protected_entities:
  description: The entities, type after type, each in the server's order.
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
      description: E-mail address; V(null) when the server does not say one.
      type: str
      sample: alice@example.com
    type:
      description: The vendor's constant for the type of the entity, as the option C(protected_entity_type) takes it.
      type: str
      sample: CLOUD_USER
    present:
      description: What the server says about whether the entity still exists in the cloud; V(null) when it does not say so.
      type: bool
      sample: true
    restorable:
      description: What the server says about whether the entity can be restored; V(null) when it does not say so.
      type: bool
      sample: true
    backup_up_to_date:
      description: What the server says about whether the backup is up to date; V(null) when it does not say so.
      type: bool
      sample: true
    last_backup:
      description: When the entity was backed up last, as the server says (ISO 8601, UTC).
      type: str
      sample: "2026-11-20T02:00:00Z"
    policy:
      description: The backup policy; V(null) when there is none.
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
      description: Where the entity lives; V(null) when the server does not say so.
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
      description: The newest backup with one of O(backup_statuses); V(null) when there is none, or with O(latest_backup=false).
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
          description: When the backup was made (ISO 8601, UTC).
          type: str
          sample: "2026-11-20T02:00:00Z"
        snapshot_time:
          description: The moment whose data the backup holds (ISO 8601, UTC).
          type: str
          sample: "2026-11-20T01:58:00Z"
    other:
      description: What else the server says about the entity, under the server's own names.
      type: dict
      sample: {}
names:
  description:
    - For each entity the text that means it alone among those that are returned. It is the e-mail address, else the name, else the GUID.
    - Fit for the option C(protected_entities) of M(storware.backup.cloud_download), for loops and for the choices of a survey.
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
