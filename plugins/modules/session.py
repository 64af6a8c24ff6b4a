#!/usr/bin/python
# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open and close sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session
short_description: Log in to Storware Backup and Recovery once for many tasks, and log out
version_added: 1.0.0
description:
  - Opens a session for the option O(session) of other tasks, also on other hosts, and closes it.
  - Without a shared session every task logs in and out, which is sufficient for a few tasks. A shared session saves a login for each task and
    host, stays within the server's limit of sessions, and keeps the password on the controller.
  - The role P(storware.backup.fetch_content#role) opens and closes its own session.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.connection
  - storware.backup.attributes
attributes:
  idempotent:
    support: partial
    details:
      - Without O(session), each run opens a new session.
  check_mode:
    details:
      - In check mode the module opens no session and returns none. Set C(check_mode) of the task to V(false) if later
        tasks need one. A session changes nothing on the server.
  diff_mode:
    support: none
    details:
      - A session has no state to compare.
options:
  state:
    description:
      - With V(present), the module checks that the server accepts O(session). If O(session) is not set or has ended, the module opens a new one.
      - With V(absent), the module closes O(session). A session that has already ended is no error.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: storware.backup.cloud_download
  - module: storware.backup.cloud_download_content
  - module: storware.backup.cloud_download_info
notes:
  - Set C(no_log) of the task to V(true). The session is a return value, so C(-v) shows it otherwise. A reader of it can act as the
    account until the session ends. C(no_log) does not prevent registering and using it.
  - Close the session in C(always), so that it is also closed after a failed task.
"""

EXAMPLES = r"""
- name: Work in one session
  block:
    - name: Log in
      storware.backup.session:
        url: https://backup.example.com:8181
        username: ansible
        password: "{{ storware_password }}"
      register: login
      no_log: true

    - name: List the downloads
      storware.backup.cloud_download_info:
        url: https://backup.example.com:8181
        session: "{{ login.session }}"

  always:
    - name: Log out
      storware.backup.session:
        url: https://backup.example.com:8181
        session: "{{ login.session }}"
        state: absent
      when: login.session is defined

# With STORWARE_SESSION in the environment of the controller, all tasks and roles use that session
- name: Ensure that a session is open
  storware.backup.session:
  register: current
  no_log: true

- name: Show the user of the session
  ansible.builtin.debug:
    msg: "{{ current.user.name }}"

- name: Log out if this play opened the session
  storware.backup.session:
    session: "{{ current.session }}"
    state: absent
  when: current.opened
"""

RETURN = r"""
session:
  description:
    - The session, for the option O(session) of other tasks. It is a secret; see the notes.
  returned: success with O(state=present), but not in check mode if a session would have to be opened
  type: str
  sample: JSESSIONID=8f14e45fceea167a5a36dedd4bea2543
server:
  description:
    - URL of the API of the server, with C(/api) at its end.
    - Receipts of files have it, see RV(storware.backup.cloud_download_content_info#module:files[].server).
  returned: success
  type: str
  sample: https://backup.example.com:8181/api
opened:
  description: Whether this task opened the session. Then the play has to close it.
  returned: success
  type: bool
  sample: true
user:
  description: The user of the session; V(null) if the server does not report it.
  returned: when RV(session) is returned
  type: dict
  contains:
    guid:
      description: GUID of the account.
      type: str
      sample: 0f8d2a55-3b1e-4f0a-9d9c-6c2f4f0f7d11
    name:
      description: Name of the account.
      type: str
      sample: ansible
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

from ansible_collections.storware.backup.plugins.module_utils import _api_runner, _session_guard
from ansible_collections.storware.backup.plugins.module_utils._api import models, names
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError


def session(context: _api_runner.ApiContext) -> _api_runner.Result:
    """Open or close a session, unless that is done already."""
    result = _close(context) if context.params["state"] == "absent" else _open(context)
    return {**result, "server": context.connection.url}


def _open(context: _api_runner.ApiContext) -> _api_runner.Result:
    client = context.client
    lives = bool(context.connection.session) and client.is_alive()
    if context.check_mode and not lives:
        return {"changed": True, "opened": True}
    user = None if lives else models.decode_session_user(client.log_in())
    if user is None or None in user.values():  # the answer to the login need not say who it is
        user = _user(client) or user
    if not lives:
        with context.signals.deferred():
            _session_guard.start(os.environ, client)
    return {"changed": not lives, "opened": not lives, "session": context.return_session(), "user": user}


def _close(context: _api_runner.ApiContext) -> _api_runner.Result:
    if not context.connection.session:
        raise OptionError("session", "is missing; it is what is closed with state=absent")
    client = context.client
    return {"changed": client.is_alive() if context.check_mode else client.log_out(), "opened": False}


def _user(client: Client) -> dict[str, str | None] | None:
    try:
        return models.decode_session_user(client.get(names.SESSION_USER, [], "look up the user of the session").body)
    except ApiError as error:
        # Who it is, is not worth more than the session itself; a refused login is no session.
        if error.details["path"] != names.SESSION_USER or error.status not in (403, 404):
            raise
        return None


def main() -> None:
    """Run the module."""
    _api_runner.run(session, {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}})


if __name__ == "__main__":
    main()
