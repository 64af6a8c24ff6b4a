# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options: one table for argument specs, environment names and credentials.

No Ansible and no I/O in here, so that modules, action plugins and tools read the same table.
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from dataclasses import dataclass, field
from urllib.parse import unquote

from . import _profile
from ._errors import OptionError


@dataclass(frozen=True)
class Option:
    """One connection option: its name, environment variable, type and default as argument specs spell them.

    is_file: whether a text is the path of a file on the controller, which has the value.
    """

    name: str
    environment: str
    type: str = "str"
    default: t.Any = None
    secret: bool = False
    is_file: bool = False

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
    Option("profile", "STORWARE_PROFILE", "raw", is_file=True),
)

# The ways to log in. A session may come with one of them: it is used as long as it lives.
LOGINS: t.Final = (("token",), ("username", "password"))
LOGIN_NAMES: t.Final = frozenset(name for login in LOGINS for name in login)
CREDENTIAL_NAMES: t.Final = LOGIN_NAMES | {"session"}
_ANYWHERE: t.Final = frozenset(
    {"timeout", "retries", "profile"}
)  # who gets credentials and mail does not depend on these

PREFIX: t.Final = "STORWARE_"  # of all variables of this collection

_GUID: t.Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHA256: t.Final = re.compile("[0-9a-f]{64}")
# RFC 6265 4.1.1, without braces: a session ends up in variables, and ansible-core without the fix of CVE-2024-11079
# runs a template in them.
_OCTETS: t.Final = r"[!#-+\--:<-\[\]-z|~]+"
_COOKIE: t.Final = re.compile(rf"[!#-'*+.0-9A-Z^-z|~-]+=(?:{_OCTETS}|\"{_OCTETS}\")")

PROGRESS_INTERVAL: t.Final = 10.0  # the default; seconds
LEAST_INTERVAL: t.Final = 0.1
MOST_INTERVAL: t.Final = 120.0  # well below the time after which work without a poll is stopped
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
    profile: _profile.Profile = field(default_factory=_profile.Profile)


# The places where options are set, the first one first: their names in messages, and connection options, none empty.
Levels = t.Mapping[str, t.Mapping[str, t.Any]]


def resolve(
    options: t.Mapping[str, t.Any],
    task_environment: t.Mapping[str, t.Any],
    controller_environment: t.Mapping[str, t.Any],
    *,
    above: Levels | None = None,
) -> dict[str, t.Any]:
    """The options of a task with the connection options that its environment and the controller's add.

    options: of the task. The environments: variables, by name. above: levels that come before those. The first that
    sets an option wins. A password, token or session of a level that names a URL goes to that URL only, and by the TLS
    and proxy settings of that level only. Raises OptionError where these would have to be
    mixed; then nothing may be sent.
    """
    by_option = {option.name: options.get(option.name) for option in CONNECTION}
    levels = {
        **(above or {}),
        "the options of the task": set_in(by_option),
        "environment: of the task": _of_variables(task_environment),
        "the environment of the controller": _of_variables(controller_environment),
    }
    others = {name: value for name, value in options.items() if name not in by_option}
    return {**others, **_merged(levels)}


def without_variables(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """An environment without everything that is meant for this collection."""
    return {name: value for name, value in variables.items() if not name.startswith(PREFIX)}


def set_in(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What is not empty: an AWX credential sets a variable for a field that is left empty, too."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _of_variables(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As text, which all variables are; YAML makes numbers of some."""
    given = {option.name: variables.get(option.environment) for option in CONNECTION}
    return {name: str(value) for name, value in set_in(given).items()}


def _merged(levels: Levels) -> dict[str, t.Any]:
    order = list(levels)
    with_url = [level for level in order if "url" in levels[level]]
    owner, others = (with_url[0] if with_url else None), with_url[1:]
    found: dict[str, t.Any] = {}
    origin: dict[str, str] = {}
    for level, values in levels.items():
        usable = {name: value for name, value in values.items() if level not in others or name in _ANYWHERE}
        added = usable if level == order[0] else _missing(found, usable)
        found.update(added)
        origin.update(dict.fromkeys(added, level))
    if owner is not None:
        _check_owner(owner, order[: order.index(owner)], origin)
        _check_login(owner, {level: levels[level] for level in others}, found)
    return found


def _missing(given: t.Mapping[str, t.Any], offered: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options of a lower level that are not given.

    Those of one login count as one: what is given is completed, never mixed with another way to log in, and of
    several that are offered the first of LOGINS is taken. Who gives a login means no session of a lower level.
    """
    offered = {name: value for name, value in offered.items() if name not in given}
    begun = [login for login in LOGINS if any(name in given for name in login)]
    complete = [login for login in LOGINS if all(name in offered for name in login)]
    # An incomplete pair is passed on too, for the error that names what is missing; beside a session it is no fault.
    has_session = "session" in given or "session" in offered
    partly = [] if has_session else [login for login in LOGINS if set(login) & set(offered)]
    wanted = {name for login in (begun or complete or partly)[:1] for name in login}
    if not begun:
        wanted.add("session")
    return {name: value for name, value in offered.items() if name in wanted or name not in CREDENTIAL_NAMES}


def _check_owner(owner: str, above: t.Sequence[str], origin: t.Mapping[str, str]) -> None:
    """Raise OptionError for a TLS or proxy setting from above the level that names the URL and holds a secret."""
    if not any(option.secret and origin.get(option.name) == owner for option in CONNECTION):
        return
    for name, level in origin.items():
        if level in above and name not in CREDENTIAL_NAMES and name not in _ANYWHERE:
            raise OptionError(
                name,
                f"is set in {level}, but url and credentials come from {owner}, and this belongs to them",
                hint=f"Set {name} where url is set, or set url and credentials beside it.",
            )


def _check_login(owner: str, others: Levels, found: t.Mapping[str, t.Any]) -> None:
    """Raise OptionError where there is no login but one that belongs to another URL."""
    if "session" in found or any(all(name in found for name in login) for login in LOGINS):
        return
    for level, values in others.items():
        if CREDENTIAL_NAMES & set(values):
            raise OptionError(
                "url",
                f"is set in {owner}, and the credentials in {level} belong to the URL that is set there",
                hint="Set username and password, token or session beside url, or do not set url.",
            )


def is_guid(text: str) -> bool:
    """Whether the text has the 36-character form that all guids of the API have."""
    return _GUID.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    """Whether the text is a SHA-256 in lower case hexadecimal digits."""
    return _SHA256.fullmatch(text) is not None


def is_cookie(text: str) -> bool:
    """Whether the text is ``NAME=VALUE`` with the characters that a session may have."""
    return _COOKIE.fullmatch(text) is not None


def check_guids(option: str, texts: t.Iterable[str]) -> None:
    """Raise OptionError for what is no GUID."""
    for text in texts:
        if not is_guid(text):
            raise OptionError(option, f"must be a GUID of 36 characters, not {text!r}")


def text_items(text: str, *, commas: bool = False) -> list[str]:
    """The items of a list that is given as a text: one in a line, stripped, empty ones dropped.

    A survey of AWX has no lists, but a field for texts. commas: Ansible's own rule for a text of a single line, which
    is split at its commas; otherwise a comma is a character.
    """
    lines = text.strip().splitlines()
    items = text.split(",") if commas and len(lines) == 1 else lines
    return [item.strip() for item in items if item.strip()]


def for_another_host(arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What may travel to a managed host: a session takes the place of everything that opens new ones."""
    if not arguments.get("session"):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name not in LOGIN_NAMES}


def connection(params: t.Mapping[str, t.Any]) -> Connection:
    """The checked connection for module parameters, to which the environment was added. Raises OptionError."""
    login = _choose_login(params)
    return Connection(
        url=base_url(params["url"], allow_http=params["allow_http"]),
        username=params["username"] if "username" in login else None,
        password=params["password"] if "password" in login else None,
        token=params["token"] if "token" in login else None,
        session=_session(params["session"]) if params["session"] else None,
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=_client_key(params),
        use_proxy=params["use_proxy"],
        timeout=in_range("timeout", params["timeout"], 0.1, MAX_TIMEOUT),
        retries=int(in_range("retries", params["retries"], 0, MAX_RETRIES)),
        profile=_profile.parse(params["profile"]),
    )


def secrets(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> set[str]:
    """Return all secrets in the parameters and the proxy variables, also where they do not belong."""
    found = {params[option.name] for option in CONNECTION if option.secret}
    found |= {cookie.partition("=")[2].strip() for cookie in (params["session"] or "").split(";")}
    if params["username"] and params["password"]:
        found.add(f"{params['username']}:{params['password']}")  # what Basic authentication encodes
    proxies = (value for name, value in environ.items() if name.lower().endswith("_proxy"))
    for url in (params["url"], *proxies):
        found |= _secrets_of_url(url or "")
    return {secret for secret in found if secret}


def _secrets_of_url(url: str) -> set[str]:
    # Not by urlsplit: what is no URL may hold a password as well, and a password may hold any character.
    user, _colon, rest = url.rpartition("://")[2].partition(":")
    words = [rest[:position] for position, character in enumerate(rest) if character == "@"]
    return {form for word in words for form in (word, unquote(word), f"{unquote(user)}:{unquote(word)}")}


def refuse_credentials(url: str) -> None:
    """Raise OptionError for ``https://user:password@host``, wherever a password with odd characters may end."""
    if "@" in url:
        # The value is not repeated here: it holds the credentials.
        raise OptionError("url", "must not hold credentials", hint="Use username and password, token or session.")


def base_url(url: str | None, *, allow_http: bool) -> str:
    """The server's API root, without a slash at the end: ``https://host:8181/api``.

    ``/api`` is added where it is missing (the vendor's integration guide). Raises OptionError.
    """
    if not url:
        raise OptionError("url", "is missing", hint="Set the option url or the environment variable STORWARE_URL.")
    refuse_credentials(url)
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        # What is wrong is not repeated: it may be a part of a password.
        raise OptionError("url", "is not a URL", hint="Write it like https://backup.example.com:8181.") from error
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


def _choose_login(params: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    begun = [login for login in LOGINS if any(params[name] for name in login)]
    if len(begun) > 1:
        raise OptionError(
            begun[0][0],
            f"is given together with {begun[1][0]}; give one way to log in",
            hint="Use either username and password, or token.",
        )
    if not begun and not params["session"]:
        raise OptionError(
            "username",
            "no credentials are given",
            hint="Set username and password, or token, or session (or STORWARE_USERNAME and STORWARE_PASSWORD, "
            "STORWARE_TOKEN, STORWARE_SESSION in the environment).",
        )
    for name in begun[0] if begun else ():
        if not params[name]:
            raise OptionError(name, "is missing; username and password go together")
    return begun[0] if begun else ()


def _session(value: str) -> str:
    cookies = [cookie.strip() for cookie in value.split(";")]
    if not all(map(is_cookie, cookies)):
        raise OptionError(
            "session", "must have the form NAME=VALUE, with characters that a cookie may have (RFC 6265), and no braces"
        )
    return "; ".join(cookies)


def _client_key(params: t.Mapping[str, t.Any]) -> str | None:
    key: str | None = params["client_key"]
    if key and not params["client_cert"]:
        raise OptionError("client_key", "needs client_cert")
    return key


def in_range(option: str, value: float, low: float, high: float, hint: str = "") -> float:
    """The value, if it is in the range. Raises OptionError."""
    # Written so that NaN fails as well.
    if not low <= value <= high:
        raise OptionError(option, f"must be between {low:g} and {high:g}, not {value:g}", hint=hint)
    return value


def check_progress_interval(seconds: float | None) -> None:
    """Raises OptionError; 0 and None are fine."""
    if seconds:
        in_range("progress_interval", seconds, LEAST_INTERVAL, MOST_INTERVAL, hint="0 means no lines.")
