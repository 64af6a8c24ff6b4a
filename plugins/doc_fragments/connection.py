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
      - Address of the server, such as V(https://backup.example.com:8181). C(/api) is added where it is missing.
      - If not set, the environment variable E(STORWARE_URL) is used.
    type: str
  username:
    description:
      - Name of the account to log in with; goes with O(password).
      - If not set, the environment variable E(STORWARE_USERNAME) is used.
      - Give either O(username) with O(password), or O(token), or O(session), which may be given together with one of the others.
        When none is given, the environment decides.
    type: str
  password:
    description:
      - Password of the account.
      - If not set, the environment variable E(STORWARE_PASSWORD) is used.
    type: str
  token:
    description:
      - Token to log in with, instead of O(username) and O(password).
      - If not set, the environment variable E(STORWARE_TOKEN) is used.
    type: str
  session:
    description:
      - Cookie of a session that is open already, as C(NAME=VALUE), such as M(storware.backup.session) returns it. Several are joined by C(;).
      - It is used and not closed. When it turns out to have ended, a new session is opened for the rest of the task, if O(username) with
        O(password), or O(token), is given too or set in the environment; otherwise the task fails with the code V(unauthorized).
      - Where the module runs on another host than the controller, only the session goes there. The password and the token stay on the controller,
        and no new session is opened.
      - If not set, the environment variable E(STORWARE_SESSION) is used.
    type: str
  validate_certs:
    description:
      - Whether the server's certificate is checked. Switching this off lets anybody on the network read the mail; prefer O(ca_path).
      - If not set, the environment variable E(STORWARE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificate of the authority (PEM) that signed the server's certificate, on the host that runs the module.
      - If not set, the environment variable E(STORWARE_CA_PATH) is used.
      - E(REQUESTS_CA_BUNDLE) and similar variables are not used.
    type: path
  client_cert:
    description:
      - File with a client certificate (PEM), on the host that runs the module. It may hold the key as well.
      - If not set, the environment variable E(STORWARE_CLIENT_CERT) is used.
    type: path
  client_key:
    description:
      - File with the key of O(client_cert) (PEM).
      - If not set, the environment variable E(STORWARE_CLIENT_KEY) is used.
    type: path
  use_proxy:
    description:
      - Whether the proxy variables of the environment (E(HTTPS_PROXY), E(NO_PROXY) and so on) are followed.
      - If not set, the environment variable E(STORWARE_USE_PROXY) is used.
    type: bool
    default: true
  allow_http:
    description:
      - Permits an O(url) with C(http://), which sends credentials and mail in clear text.
      - If not set, the environment variable E(STORWARE_ALLOW_HTTP) is used.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for a connection, and for each piece of an answer.
      - A whole answer may take 20 times as long, and so may a list with all of its pages. Then the task fails with the code V(response_lost)
        or V(timeout).
      - If not set, the environment variable E(STORWARE_TIMEOUT) is used.
    type: float
    default: 30
  retries:
    description:
      - How often a call is repeated that did not reach the server, or that reads or deletes and met a passing fault.
        A call that creates or updates is never sent twice.
      - If not set, the environment variable E(STORWARE_RETRIES) is used.
    type: int
    default: 5
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
    controller, also when the module runs on a managed host. The environment of the managed host is never read.
  - Credentials of an environment that names a URL go to that URL only, with the TLS and proxy settings of that environment. An O(url) from
    elsewhere needs credentials beside it. A variable or option that is empty is not set.
"""
