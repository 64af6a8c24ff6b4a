# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the connection options. Names, variables, types and defaults come from module_utils/_argspec.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Address of the server, such as V(https://backup.example.com:8181). The module appends C(/api) if it is missing.
      - If not set, the environment variable E(STORWARE_URL) is used.
    type: str
  username:
    description:
      - Name of the account. Requires O(password).
      - If not set, the environment variable E(STORWARE_USERNAME) is used.
      - Set either O(username) with O(password), or O(token), or O(session). O(session) may be combined with one of the others.
        If none is set, the module uses the credentials of the environment.
    type: str
  password:
    description:
      - Password of the account.
      - If not set, the environment variable E(STORWARE_PASSWORD) is used.
    type: str
  token:
    description:
      - Token for authentication, instead of O(username) and O(password).
      - If not set, the environment variable E(STORWARE_TOKEN) is used.
    type: str
  session:
    description:
      - Cookie of an open session, as C(NAME=VALUE), such as M(storware.backup.session) returns it. Several cookies are joined by C(;).
      - The module uses the session and does not close it. If it has ended, the module opens a new one for the rest of the task. That requires
        O(username) with O(password), or O(token), as options or in the environment. Otherwise the task fails with the code V(unauthorized).
      - A module that runs on a managed host gets the session only. The password and the token stay on the controller, and no new session is
        opened.
      - If not set, the environment variable E(STORWARE_SESSION) is used.
    type: str
  validate_certs:
    description:
      - Whether to verify the server's certificate. Without verification, any attacker on the network can read the mail. Prefer O(ca_path).
      - If not set, the environment variable E(STORWARE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - Path of the CA certificate (PEM) that signed the server's certificate, on the host that runs the module.
      - If not set, the environment variable E(STORWARE_CA_PATH) is used.
      - E(REQUESTS_CA_BUNDLE) and similar variables are ignored.
    type: path
  client_cert:
    description:
      - Path of a client certificate (PEM), on the host that runs the module. The file may also contain the key.
      - If not set, the environment variable E(STORWARE_CLIENT_CERT) is used.
    type: path
  client_key:
    description:
      - Path of the key of O(client_cert) (PEM).
      - If not set, the environment variable E(STORWARE_CLIENT_KEY) is used.
    type: path
  use_proxy:
    description:
      - Whether to use the proxy variables of the environment (E(HTTPS_PROXY), E(NO_PROXY) and so on).
      - If not set, the environment variable E(STORWARE_USE_PROXY) is used.
    type: bool
    default: true
  allow_http:
    description:
      - Whether to permit an O(url) with C(http://), which sends credentials and mail in clear text.
      - If not set, the environment variable E(STORWARE_ALLOW_HTTP) is used.
    type: bool
    default: false
  timeout:
    description:
      - Time limit in seconds for a connection, and for each read of a response.
      - A complete response may take 20 times as long, and so may a list with all of its pages. After that, the task fails with the code
        V(response_lost) or V(timeout).
      - If not set, the environment variable E(STORWARE_TIMEOUT) is used.
    type: float
    default: 30
  retries:
    description:
      - Number of retries of a request that did not reach the server, or that reads or deletes and had a transient failure.
        A request that creates or updates is never sent twice.
      - If not set, the environment variable E(STORWARE_RETRIES) is used.
    type: int
    default: 5
  profile:
    description:
      - Server profile, which describes how the server behaves where the vendor's documents are silent. A dictionary, or the path of a YAML file
        on the controller, relative to the playbook. All keys are optional.
      - C(create.body) is the body of C(POST /cloud-download), as a template. A value that consists of a placeholder is replaced by V($entities) (a
        list of C(guid), C(name) and C(type)), V($entity_guids), V($entity), V($entity_guid), V($mode) (a dictionary with C(name)), V($mode_name), V($backups),
        V($backup_guid), V($node) or V($node_guid). A key whose value is unset is omitted. V($$) at the beginning of a text is a dollar sign.
      - C(create.batch) is V(all) for one request for all entities (the default), or V(one) for a request for each entity. The placeholders
        of a single entity or backup require V(one).
      - C(create.visible_within) is the time in seconds within which a successful request must show a task or a download. The default is 15.
      - C(update.body) is the body of C(PUT /cloud-download/{guid}), with the placeholder V($status).
      - C(content.source) is the address of the content, V(auto) (the default), V(download) or V(content_download).
      - C(lists.page_size) is the number of records in a page, 500 by default. C(lists.teams) is the list of the teams, V(cloud-groups) (the
        default) or V(cloud-protected-entities).
      - C(ready) is the sign that a download is ready, V(finished_mount) (the default, the filter of this name lists it), V(task) (its task has
        ended) or V(state:NAME) (its record has this state).
      - If not set, the file that the environment variable E(STORWARE_PROFILE) names is used, relative to the directory in which Ansible was started.
    type: raw
attributes:
  action_group:
    description: Use C(group/storware.backup.storware) in C(module_defaults) to set the connection options of all modules.
    support: full
    membership:
      - storware.backup.storware
requirements:
  - requests >= 2.25
notes:
  - The project is independent of the vendor of Storware Backup and Recovery.
  - Variables such as E(STORWARE_URL) are read from the keyword C(environment) of the task, block or play, then from the environment of the
    controller. This also applies to a module that runs on a managed host. The environment of the managed host is never read.
  - Credentials of an environment that names a URL are sent to that URL only, with the TLS and proxy settings of that environment. An O(url) from
    another level needs its own credentials. An empty variable or option is not set.
"""
