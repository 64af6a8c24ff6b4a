# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority made for one run, and the server's certificate for this machine's own names."""

from __future__ import annotations

import ssl

import trustme

_NAMES = ("localhost", "127.0.0.1", "::1")


def server_context(address: str = "127.0.0.1") -> tuple[ssl.SSLContext, bytes]:
    """The TLS context of a server with this address, and the PEM of the authority that clients have to trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*dict.fromkeys((*_NAMES, address))).configure_cert(context)
    return context, authority.cert_pem.bytes()
