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
  - Opens a session that other tasks, also on other hosts, use by their option O(session); and closes it.
  - Without it every task logs in and out by itself, which is all that a few tasks need. One session saves a login for each task and host,
    stays within a server's limit of sessions, and keeps the password on the controller.
  - The role P(storware.backup.fetch_content#role) does this by itself.
author:
  - The storware.backup authors (@storware-backup)
extends_documentation_fragment:
  - storware.backup.connection
  - storware.backup.attributes
attributes:
  idempotent:
    support: partial
    details:
      - Without O(session), each run opens a session of its own.
  check_mode:
    details:
      - When a session would have to be opened, none is, and none is returned. Set C(check_mode) of the task to V(false) where later
        tasks need it; a session changes nothing on the server.
  diff_mode:
    support: none
    details:
      - There is nothing to show.
options:
  state:
    description:
      - With V(present), it is proved that the server knows O(session). When it is not given or has ended, a new one is opened.
      - With V(absent), O(session) is closed. One that has ended already is fine.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: storware.backup.cloud_download
  - module: storware.backup.cloud_download_content
  - module: storware.backup.cloud_download_info
notes:
  - Set C(no_log) of the task to V(true). The session is returned because it is asked for, so that it is shown with C(-v) otherwise;
    whoever reads it can act as the account until it ends. With C(no_log) it can be registered and used all the same.
  - Close the session in C(always), so that none is left open when a task in between fails.
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
- name: Prove that the session still lives, or open one
  storware.backup.session:
  register: current
  no_log: true

- name: Say whose session it is
  ansible.builtin.debug:
    msg: "{{ current.user.name }}"

- name: Log out if it was opened here
  storware.backup.session:
    session: "{{ current.session }}"
    state: absent
  when: current.opened
"""

RETURN = r"""
session:
  description:
    - The session, for the option O(session) of other tasks. It is a secret; see the notes.
  returned: success with O(state=present), but not in check mode when a session would have to be opened
  type: str
  sample: JSESSIONID=8f14e45fceea167a5a36dedd4bea2543
opened:
  description: Whether the session was opened by this task, so that somebody has to close it.
  returned: success
  type: bool
  sample: true
user:
  description: Whose session it is; V(null) when the server does not say so.
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
        - A short constant that keeps its meaning. V(unauthorized) means that the session has ended, and that there are no credentials to open
          a new one.
        - Of every module, V(invalid_option), V(authentication_failed), V(no_session_cookie), V(unauthorized), V(forbidden), V(not_found), V(conflict), V(bad_request),
          V(rate_limited), V(server_error), V(http_status), V(unreachable), V(connect_timeout), V(proxy), V(tls), V(redirect), V(response_lost),
          V(invalid_response), V(timeout), V(incomplete_list), V(masked_id) (the result would be damaged by Ansible's masking), V(interrupted) (by a signal),
          V(invalid_result) (the host's answer cannot be the module's) and V(internal) (a defect of the module).
      type: str
      sample: authentication_failed
    hint:
      description: What to do next.
      type: str
      sample: Check username and password, or token.
    retryable:
      description: Whether the same task may succeed later.
      type: bool
      sample: false
    option:
      description: The option that is wrong, with the code V(invalid_option).
      type: str
      sample: url
    method:
      description: The verb of the call that failed.
      type: str
      sample: POST
    path:
      description: The path of the call that failed, below the API's address.
      type: str
      sample: /session/login
    status:
      description: The HTTP status of the answer; V(null) when there was none.
      type: int
      sample: 400
    server_message:
      description: What the server said, shortened; V(null) when it said nothing.
      type: str
      sample: wrong user name or password
"""

from ansible_collections.storware.backup.plugins.module_utils import _api_runner
from ansible_collections.storware.backup.plugins.module_utils._api import models, names
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError


def session(context: _api_runner.ApiContext) -> _api_runner.Result:
    """Open or close a session, unless that is done already."""
    return _close(context) if context.params["state"] == "absent" else _open(context)


def _open(context: _api_runner.ApiContext) -> _api_runner.Result:
    client = context.client
    lives = bool(context.connection.session) and client.is_alive()
    if context.check_mode and not lives:
        return {"changed": True, "opened": True}
    user = _user(client)  # logs in where that is needed
    return {"changed": not lives, "opened": not lives, "session": context.return_session(), "user": user}


def _close(context: _api_runner.ApiContext) -> _api_runner.Result:
    if not context.connection.session:
        raise OptionError("session", "is missing; it is what is closed with state=absent")
    lives = context.client.is_alive()
    if lives and not context.check_mode:
        context.client.log_out()
    return {"changed": lives, "opened": False}


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
