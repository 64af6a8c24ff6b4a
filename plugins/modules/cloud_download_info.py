#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List cloud downloads."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_download_info
short_description: List cloud downloads of Storware Backup and Recovery
version_added: 1.0.0
description:
  - Lists the downloads of backed-up cloud data (Microsoft 365 mailboxes, sites, groups and teams) that exist on the server.
  - The module reads all pages of the list and returns every record once.
  - Every option except those for the connection is a query parameter of C(GET /cloud-download), and is sent unchanged.
    The vendor documents names and constants, but not the exact meaning of the filters.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.connection
  - storware.backup.attributes.info_module  # before the other one: the first that has a value counts
  - storware.backup.attributes
options:
  backup:
    description: GUID of a backup. The module lists only its downloads.
    type: str
  direction:
    description: Sort direction.
    type: str
    choices: [asc, desc]
  filter:
    description: Search text, as in the search box of the vendor's user interface.
    type: str
  finished_mount:
    description:
      - Whether to list only downloads whose preparation has ended, so that they can be fetched.
      - The vendor does not document the effect of V(false).
    type: bool
  mode:
    description:
      - Mode of the downloads to list.
      - If not set, records with modes of other mounts are omitted, because the server's list may contain them.
    type: str
    choices: [AUTO, CLOUD_DOWNLOAD, CLOUD_PST_DOWNLOAD, INSTANT_RESTORE, ISCSI, MANUAL, OS_DOWNLOAD]
  name_like:
    description: Text that is part of the name of the downloads to list.
    type: str
  node:
    description: GUID of a node. The module lists only downloads on it.
    type: str
  order_by:
    description:
      - Field to sort by, such as V(backup.snapshotTime). The vendor does not document the valid fields.
    type: str
  page:
    description: Number of the only page to return, counted from 0. If not set, all pages.
    type: int
  project_uuid:
    description: UUID of an OpenStack project. The module lists only its downloads.
    type: str
  protected_entity:
    description: GUID of a protected entity. The module lists only its downloads.
    type: str
  protected_entity_type:
    description: Type of protected entities. The module lists only their downloads.
    type: str
    choices: [APP, CLOUD, CLOUD_GROUP, CLOUD_SITE, CLOUD_TEAMS, CLOUD_USER, OS, OS_AGENT, STORAGE, VM]
  size:
    description: Number of records a page. The vendor does not document a maximum.
    type: int
seealso:
  - module: storware.backup.cloud_download
  - module: storware.backup.cloud_download_content
"""

EXAMPLES = r"""
- name: List all downloads that can be fetched
  storware.backup.cloud_download_info:
    url: https://backup.example.com:8181
    username: ansible
    password: "{{ storware_password }}"
    finished_mount: true
  register: ready

- name: Show the owners of the mail
  ansible.builtin.debug:
    msg: "{{ ready.cloud_downloads | map(attribute='protected_entity.name') | list }}"

- name: List PST downloads of users, newest data first
  storware.backup.cloud_download_info:
    mode: CLOUD_PST_DOWNLOAD
    protected_entity_type: CLOUD_USER
    order_by: backup.snapshotTime
    direction: desc
"""

RETURN = r"""
cloud_downloads:
  description: The downloads, in the server's order.
  returned: success
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

from ansible_collections.storware.backup.plugins.module_utils import _api_runner
from ansible_collections.storware.backup.plugins.module_utils._api import cloud_downloads, names
from ansible_collections.storware.backup.plugins.module_utils._argspec import check_guids
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError


def list_downloads(context: _api_runner.ApiContext) -> _api_runner.Result:
    """The downloads that match the options."""
    filters = {option: context.params[option] for option in names.DOWNLOAD_FILTERS}
    _check(filters)
    if filters["page"] is not None:
        downloads = cloud_downloads.list_page(context.client, **filters)
    else:
        downloads = cloud_downloads.list_all(context.client, **filters)
    return {"changed": False, "cloud_downloads": [download.to_result() for download in downloads]}


def _check(filters: dict[str, object]) -> None:
    for option in ("backup", "node", "protected_entity"):
        check_guids(option, [str(value) for value in [filters[option]] if value is not None])
    for option, lowest in (("page", 0), ("size", 1)):
        value = filters[option]
        if isinstance(value, int) and value < lowest:
            raise OptionError(option, f"must be at least {lowest}, not {value}")


def main() -> None:
    """Run the module."""
    text = {"type": "str"}
    _api_runner.run(
        list_downloads,
        {
            "backup": text,
            "direction": {"type": "str", "choices": ["asc", "desc"]},
            "filter": text,
            "finished_mount": {"type": "bool"},
            "mode": {"type": "str", "choices": list(names.MODES)},
            "name_like": text,
            "node": text,
            "order_by": text,
            "page": {"type": "int"},
            "project_uuid": text,
            "protected_entity": text,
            "protected_entity_type": {"type": "str", "choices": list(names.PROTECTED_ENTITY_TYPES)},
            "size": {"type": "int"},
        },
    )


if __name__ == "__main__":
    main()
