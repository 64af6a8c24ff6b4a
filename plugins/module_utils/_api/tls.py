# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate files, checked before anything is sent; and the next step for a certificate that is refused."""

from __future__ import annotations

import os
import ssl
import typing as t

from .._argspec import Connection
from .._errors import OptionError

_PEM: t.Final = "It must be a PEM file (-----BEGIN ...) on the host that runs the module."
# Verification results of OpenSSL (x509_vfy.h), by their numbers
_NOT_YET_VALID: t.Final = 9
_EXPIRED: t.Final = 10
_WRONG_NAME: t.Final = (62, 64)
_STRICT: t.Final = range(79, 95)  # rules of RFC 5280 that X509_V_FLAG_X509_STRICT adds


def check_files(connection: Connection) -> None:
    """Raise OptionError for a certificate or key file that cannot be read or holds something else."""
    if not connection.url.startswith("https:"):
        return
    if connection.validate_certs and connection.ca_path:
        _check_ca("ca_path", connection.ca_path)
    if connection.client_cert:
        _check_client(connection.client_cert, connection.client_key)


def hint_for(error: BaseException | None) -> str:
    """The next step after a certificate was refused with this error."""
    number = getattr(error, "verify_code", 0)
    if number == _EXPIRED:
        return "Renew the server's certificate, and check the clock of this host."
    if number == _NOT_YET_VALID:
        return "Check the clocks of this host and of the server."
    if number in _WRONG_NAME:
        return "Set url to a name that the server's certificate holds."
    if number in _STRICT:
        return (
            "The certificate breaks a rule of RFC 5280 that Python 3.13 and newer check; ca_path is not the cause. "
            "Have the certificate issued again, or set ansible_python_interpreter to an older Python."
        )
    return "Set ca_path to the CA that signed the server's certificate, and url to a name the certificate holds."


def _check_ca(option: str, path: str) -> None:
    _check_readable(option, path)
    if os.path.isdir(path):
        return  # of hashed names, which OpenSSL reads when it needs them
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise OptionError(
            option, f"{path} holds no certificate that can be used ({_reason(error)})", hint=_PEM
        ) from error


def _check_client(cert: str, key: str | None) -> None:
    _check_ca("client_cert", cert)
    if key:
        _check_readable("client_key", key)
    option, path = ("client_key", key) if key else ("client_cert", cert)

    def refuse() -> t.NoReturn:
        raise OptionError(option, f"the key in {path} is encrypted", hint="Give a key without a passphrase.")

    try:
        # With a password callback, or OpenSSL would ask for a passphrase at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=refuse)
    except OSError as error:
        raise OptionError(
            option, f"{path} holds no private key for the certificate in {cert} ({_reason(error)})", hint=_PEM
        ) from error


def _check_readable(option: str, path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        raise OptionError(
            option,
            f"{path} cannot be read: {error.strerror}",
            hint="The path is one of the host that runs the module, read by the user of the task.",
        ) from error


def _reason(error: OSError) -> str:
    """The TLS library's word for what is wrong with a file."""
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__).replace("_", " ").lower()
