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
  - All pages of the list are read, and every record is returned once.
  - Every option but those for the connection is a query parameter of C(GET /cloud-download), and is sent as it is given.
    The vendor documents names and constants; what the filters mean in detail is not documented.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.connection
  - storware.backup.attributes.info_module  # before the other one: the first that has a value counts
  - storware.backup.attributes
options:
  backup:
    description: Only downloads of the backup with this GUID.
    type: str
  direction:
    description: Direction of the order.
    type: str
    choices: [asc, desc]
  filter:
    description: Free text, as in the search box of the vendor's user interface.
    type: str
  finished_mount:
    description:
      - With V(true), only downloads whose preparation has ended, that is those that are ready to be fetched.
      - The effect of V(false) is not documented.
    type: bool
  mode:
    description:
      - Only downloads of this mode.
      - When not set, records of modes that are not downloads are left out, because the server's list may hold other mounts.
    type: str
    choices: [AUTO, CLOUD_DOWNLOAD, CLOUD_PST_DOWNLOAD, INSTANT_RESTORE, ISCSI, MANUAL, OS_DOWNLOAD]
  name_like:
    description: Only downloads whose name has this text in it.
    type: str
  node:
    description: Only downloads on the node with this GUID.
    type: str
  order_by:
    description:
      - Field to order by, such as V(backup.snapshotTime). The server's list of legal fields is not documented.
    type: str
  page:
    description: Return this page only, counted from 0, instead of all of them.
    type: int
  project_uuid:
    description: Only downloads of this OpenStack project.
    type: str
  protected_entity:
    description: Only downloads of the protected entity with this GUID.
    type: str
  protected_entity_type:
    description: Only downloads of protected entities of this type.
    type: str
    choices: [APP, CLOUD, CLOUD_GROUP, CLOUD_SITE, CLOUD_TEAMS, CLOUD_USER, OS, OS_AGENT, STORAGE, VM]
  size:
    description: Records per page. The server may have a maximum; it is not documented.
    type: int
seealso:
  - module: storware.backup.cloud_download
  - module: storware.backup.cloud_download_content
"""

EXAMPLES = r"""
- name: List everything that is ready to be fetched
  storware.backup.cloud_download_info:
    url: https://backup.example.com:8181
    username: ansible
    password: "{{ storware_password }}"
    finished_mount: true
  register: ready

- name: Show whose mail it is
  ansible.builtin.debug:
    msg: "{{ ready.cloud_downloads | map(attribute='protected_entity.name') | list }}"

- name: List the PST downloads of users, the newest data first
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
      description: The vendor's constant for the state; which ones there are is not documented.
      type: str
      sample: MOUNTED
    protected_entity:
      description: Whose data it is; V(null) when the server does not say so.
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
      description: The backup that the data comes from; V(null) when the server does not say so.
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
    node:
      description: The node that holds the download; V(null) when the server does not say so.
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
      description: What else the server says about the download, under the server's own names.
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
        - V(filter_ignored) - The server ignores the filter that would select the downloads.
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
