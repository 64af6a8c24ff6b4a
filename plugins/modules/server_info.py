#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out how a server answers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: Find out how a server answers, and which server profile it needs
version_added: 1.0.0
description:
  - Compares a server with each assumption of this collection that the vendor's documents leave open. The return values are findings, a server profile
    for the option O(profile) of all modules, and a report for a public issue.
  - The module logs in, sends C(GET) requests, and logs out. It creates, changes and deletes nothing, unless O(trial) is V(true).
  - The return values have no names, addresses, GUIDs, hosts, cookies or messages of the server. Keys, header names and constants of the server are
    returned only if they are in the vendor's documents or in a standard. The module counts all others.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.connection
  - storware.backup.progress
  - storware.backup.attributes
attributes:
  check_mode:
    details:
      - In check mode the module carries out no trial. A warning reports this.
  diff_mode:
    support: none
    details:
      - A trial deletes the download that it creates, so that there is nothing to compare.
  idempotent:
    support: partial
    details:
      - Each run with O(trial=true) creates and deletes a download.
options:
  trial:
    description:
      - Whether to carry out the whole process once with O(protected_entity). The module creates a cloud download, waits until it is ready, reads the
        first MiB of its content, and deletes it. Findings that no request without effect can show are added.
      - The module deletes the download also after a failure or an interruption. If the download may be left, a warning reports this.
      - With O(profile), the trial uses this profile.
    type: bool
    default: false
  protected_entity:
    description:
      - Protected entity of the trial, given by name, email address or GUID. Required with O(trial=true).
      - The entity must have no cloud download of the mode V(CLOUD_DOWNLOAD), because the trial would use that one and not create another one.
    type: str
  protected_entity_type:
    description: Type of the entity, whose inventory is searched for names. Not needed for a GUID.
    type: str
    choices: [CLOUD_USER, CLOUD_SITE, CLOUD_GROUP, CLOUD_TEAMS]
  wait_timeout:
    description:
      - Time in seconds that the trial waits without progress until its download is ready, and again until it is deleted. If the server does not
        show readiness as assumed, the trial waits that long, and the finding C(readiness) then names another key of the profile.
    type: float
    default: 3600
  wait_interval:
    description: Minimum interval in seconds between polls of the trial.
    type: float
    default: 10
seealso:
  - module: storware.backup.cloud_download
"""

EXAMPLES = r"""
- name: Find out how the server answers, without any effect on it
  storware.backup.server_info:
    url: https://backup.example.com:8181
    username: ansible
    password: "{{ storware_password }}"
  register: server

- name: Show the report, which can be attached to a public issue
  ansible.builtin.debug:
    msg: "{{ server.report | split('\n') }}"

- name: Prepare a download by the profile that was found
  storware.backup.cloud_download:
    protected_entities: [alice@example.com]
    protected_entity_type: CLOUD_USER
    profile: "{{ server.profile }}"

- name: Create, read and delete a download, too
  storware.backup.server_info:
    trial: true
    protected_entity: carol@example.com
    protected_entity_type: CLOUD_USER
"""

RETURN = r"""
findings:
  description: One entry for each assumption, always in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Name of the finding, which keeps its meaning.
      type: str
      sample: content_source
    question:
      description: Question that the entry answers.
      type: str
      sample: Which call returns the bytes?
    default:
      description: Assumption of the collection without a server profile.
      type: str
      sample: GET /cloud-download/{guid}; the other one is tried after it
    found:
      description: Observed behaviour of the server.
      type: str
      sample: content_download only
    holds:
      description: Whether the assumption holds; V(null) if that is unknown.
      type: bool
      sample: false
    profile_key:
      description: Key of the server profile that replaces the assumption; V(null) if there is none.
      type: str
      sample: content.source
    value:
      description: Value of that key for this server; V(null) if the assumption holds or the value is unknown.
      type: raw
      sample: content_download
    seen:
      description: The response that shows it; V(null) if several or none do.
      type: dict
      contains:
        method:
          description: HTTP method of the request.
          type: str
          sample: GET
        path:
          description: Path of the request, without GUIDs.
          type: str
          sample: /cloud-download/{guid}/content-download
        status:
          description: HTTP status of the response.
          type: int
          sample: 206
        headers:
          description: Names of header fields that are standard names.
          type: list
          elements: str
          sample: [Content-Length, Content-Range, Content-Type, ETag]
        other_headers:
          description: Number of other header fields.
          type: int
          sample: 0
        record_keys:
          description: Names of keys of the records, or of the object, that are in the vendor's documents.
          type: list
          elements: str
          sample: []
        other_keys:
          description: Number of other keys.
          type: int
          sample: 0
    remains:
      description: Questions that stay open, or an empty text.
      type: str
      sample: ""
differences:
  description: Names of the findings whose assumption does not hold, and which the profile in O(profile) does not cover.
  returned: success
  type: list
  elements: str
  sample: [content_source]
profile:
  description: Server profile with the keys that differ from the defaults, as far as the module knows their values.
  returned: success
  type: dict
  sample:
    content:
      source: content_download
merged_profile:
  description: The profile in O(profile), with the values of RV(profile) that it does not cover.
  returned: success
  type: dict
  sample:
    content:
      source: content_download
report:
  description: Findings and profile as a text in YAML, for people and for a public issue.
  returned: success
  type: str
  sample: "# Report of storware.backup.server_info ..."
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

import os

from ansible_collections.storware.backup.plugins.module_utils import _detached

_detached.answer_poll(os.environ)  # before the imports below, which take longer than the answer

from ansible_collections.storware.backup.plugins.module_utils import _api_runner, _runner
from ansible_collections.storware.backup.plugins.module_utils._api import protected_entities
from ansible_collections.storware.backup.plugins.module_utils._server_info import check


def main() -> None:
    """Run the module."""
    _api_runner.run(
        check.inspect,
        {
            "trial": {"type": "bool", "default": False},
            "protected_entity": {"type": "str"},
            "protected_entity_type": {"type": "str", "choices": list(protected_entities.DOWNLOADABLE_TYPES)},
            **{name: _api_runner.WAIT_SPEC[name] for name in ("wait_timeout", "wait_interval")},
            **_runner.PROGRESS_SPEC,
        },
    )


if __name__ == "__main__":
    main()
