# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options: one table for argument specs, environment names and credentials.

No Ansible and no I/O in here, so that modules, action plugins and tools read the same table.
"""

from __future__ import annotations

import typing as t
import urllib.parse
from dataclasses import dataclass

from ._errors import OptionError


@dataclass(frozen=True)
class Option:
    """One connection option: its name, environment variable, type and default as argument specs spell them."""

    name: str
    environment: str
    type: str = "str"
    default: t.Any = None
    secret: bool = False

    def argument_spec(self) -> dict[str, t.Any]:
        """The entry of this option in an AnsibleModule argument spec."""
        spec: dict[str, t.Any] = {"type": self.type, "no_log": self.secret}
        if self.default is not None:
            spec["default"] = self.default
        return spec


CONNECTION: t.Final = (
    Option("url", "STORWARE_URL"),
    Option("username", "STORWARE_USERNAME"),
    Option("password", "STORWARE_PASSWORD", secret=True),
    Option("token", "STORWARE_TOKEN", secret=True),
    Option("session", "STORWARE_SESSION", secret=True),
    Option("validate_certs", "STORWARE_VALIDATE_CERTS", "bool", True),
    Option("ca_path", "STORWARE_CA_PATH", "path"),
    Option("client_cert", "STORWARE_CLIENT_CERT", "path"),
    Option("client_key", "STORWARE_CLIENT_KEY", "path"),
    Option("use_proxy", "STORWARE_USE_PROXY", "bool", True),
    Option("allow_http", "STORWARE_ALLOW_HTTP", "bool", False),
    Option("timeout", "STORWARE_TIMEOUT", "float", 30.0),
    Option("retries", "STORWARE_RETRIES", "int", 5),
)

# The ways to prove who one is; a live session comes first because using it costs no login.
CREDENTIALS: t.Final = (("session",), ("token",), ("username", "password"))
CREDENTIAL_NAMES: t.Final = frozenset(name for method in CREDENTIALS for name in method)

MAX_TIMEOUT: t.Final = 3600.0
MAX_RETRIES: t.Final = 100


@dataclass(frozen=True)
class Connection:
    """How to reach the server; every value is checked. Times are seconds."""

    url: str
    username: str | None
    password: str | None
    token: str | None
    session: str | None
    validate_certs: bool
    ca_path: str | None
    client_cert: str | None
    client_key: str | None
    use_proxy: bool
    timeout: float
    retries: int


def from_environment(given: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> dict[str, str]:
    """The connection options that are not given but set in the environment, as strings.

    Credentials count as one: those of a task are completed, never mixed with another way to log in, and of several
    ways in the environment the first of CREDENTIALS is taken.
    """
    offered = {
        option.name: environ[option.environment]
        for option in CONNECTION
        if given.get(option.name) is None and environ.get(option.environment)
    }
    method = _method_from(given, offered)
    return {name: value for name, value in offered.items() if name in method or name not in CREDENTIAL_NAMES}


def connection(params: t.Mapping[str, t.Any]) -> Connection:
    """The checked connection for module parameters, to which the environment was added. Raises OptionError."""
    method = _choose_credentials(params)
    return Connection(
        url=base_url(params["url"], allow_http=params["allow_http"]),
        username=params["username"] if "username" in method else None,
        password=params["password"] if "password" in method else None,
        token=params["token"] if "token" in method else None,
        session=_session(params["session"]) if "session" in method else None,
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=_client_key(params),
        use_proxy=params["use_proxy"],
        timeout=in_range("timeout", params["timeout"], 0.1, MAX_TIMEOUT),
        retries=int(in_range("retries", params["retries"], 0, MAX_RETRIES)),
    )


def secrets(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> set[str]:
    """Everything in the parameters and the proxy variables that nobody may read, also where it does not belong."""
    found = {params[option.name] for option in CONNECTION if option.secret}
    found.add((params["session"] or "").partition("=")[2])
    proxies = (value for name, value in environ.items() if name.lower().endswith("_proxy"))
    for url in (params["url"], *proxies):
        # Not by urlsplit: what is no URL may hold a password as well.
        found.add((url or "").rpartition("@")[0].rpartition("/")[2].partition(":")[2])
    return {secret for secret in found if secret}


def base_url(url: str | None, *, allow_http: bool) -> str:
    """The server's API root, without a slash at the end: ``https://host:8181/api``.

    ``/api`` is added where it is missing (the vendor's integration guide). Raises OptionError.
    """
    if not url:
        raise OptionError("url", "is missing", hint="Set the option url or the environment variable STORWARE_URL.")
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OptionError("url", f"is not a URL ({error})") from error
    if "@" in parts.netloc:
        # The value is not repeated here: it holds the credentials.
        raise OptionError("url", "must not hold credentials", hint="Use username and password, token or session.")
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise OptionError("url", f"must look like https://backup.example.com:8181, not {url!r}")
    if parts.query or parts.fragment:
        raise OptionError("url", "must end with the path; it has a query or a fragment")
    if any(character.isspace() or not character.isprintable() for character in parts.netloc + parts.path):
        raise OptionError("url", "must not hold spaces or control characters")
    if parts.scheme == "http" and not allow_http:
        raise OptionError(
            "url",
            "http:// sends credentials and mail in clear text",
            hint="Use https://, or set allow_http to true when the network is trusted.",
        )
    path = parts.path.rstrip("/")
    if not path.endswith("/api"):
        path += "/api"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _method_from(given: t.Mapping[str, t.Any], offered: t.Mapping[str, str]) -> tuple[str, ...]:
    """Which way to log in the environment may contribute to."""
    begun = [method for method in CREDENTIALS if any(given.get(name) is not None for name in method)]
    complete = [method for method in CREDENTIALS if all(name in offered for name in method)]
    # An incomplete pair is passed on too, for the error that names what is missing.
    candidates = begun or complete or [method for method in CREDENTIALS if any(name in offered for name in method)]
    return candidates[0] if candidates else ()


def _choose_credentials(params: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    begun = [method for method in CREDENTIALS if any(params[name] for name in method)]
    if len(begun) > 1:
        raise OptionError(
            begun[0][0],
            f"is given together with {begun[1][0]}; give one way to log in",
            hint="Use either username and password, or token, or session.",
        )
    if not begun:
        raise OptionError(
            "username",
            "no credentials are given",
            hint="Set username and password, or token, or session (or STORWARE_USERNAME and STORWARE_PASSWORD, "
            "STORWARE_TOKEN, STORWARE_SESSION in the environment).",
        )
    for name in begun[0]:
        if not params[name]:
            raise OptionError(name, "is missing; username and password go together")
    return begun[0]


def _session(value: str) -> str:
    name, separator, content = value.strip().partition("=")
    if not (name and separator and content) or any(c.isspace() or c in ",;" for c in value.strip()):
        raise OptionError("session", "must have the form NAME=VALUE, as the server's session cookie has")
    return value.strip()


def _client_key(params: t.Mapping[str, t.Any]) -> str | None:
    key: str | None = params["client_key"]
    if key and not params["client_cert"]:
        raise OptionError("client_key", "needs client_cert")
    return key


def in_range(option: str, value: float, low: float, high: float) -> float:
    """The value, if it is in the range. Raises OptionError."""
    # Written so that NaN fails as well.
    if not low <= value <= high:
        raise OptionError(option, f"must be between {low:g} and {high:g}, not {value:g}")
    return value
