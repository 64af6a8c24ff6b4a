# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates good and bad, made for one run of the tests."""

from __future__ import annotations

import datetime
import functools
import ssl
import tempfile
import warnings

import trustme

_HOST = "127.0.0.1"
_AUTHORITY = trustme.CA()
_FOLDER = tempfile.TemporaryDirectory(prefix="storware-faults-")
_AUTHORITY.cert_pem.write_to_path(f"{_FOLDER.name}/ca.pem")


@functools.cache
def context(kind: str) -> ssl.SSLContext:
    """A server's context.

    kind: good, wrong_ca, wrong_name, expired, not_yet_valid, self_signed, old_protocol or wants_client.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if kind == "self_signed":
        own = trustme.CA()  # an authority's own certificate is signed by itself
        with own.private_key_pem.tempfile() as key, own.cert_pem.tempfile() as certificate:
            made.load_cert_chain(certificate, key)
        return made
    authority = trustme.CA() if kind == "wrong_ca" else _AUTHORITY
    name = "other.example.com" if kind == "wrong_name" else _HOST
    now = datetime.datetime.now(datetime.timezone.utc)
    begin, end = now - datetime.timedelta(days=9), now + datetime.timedelta(days=9)
    if kind == "expired":
        end = now - datetime.timedelta(days=1)
    elif kind == "not_yet_valid":
        begin = now + datetime.timedelta(days=1)
    authority.issue_cert(name, not_before=begin, not_after=end).configure_cert(made)
    if kind == "old_protocol":
        made.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is what it is about
            made.minimum_version = ssl.TLSVersion.TLSv1
            made.maximum_version = ssl.TLSVersion.TLSv1_1
    elif kind == "wants_client":
        made.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(made)
    return made


def ca_path() -> str:
    """The file with the authority that clients trust; it is gone with this process."""
    return f"{_FOLDER.name}/ca.pem"
