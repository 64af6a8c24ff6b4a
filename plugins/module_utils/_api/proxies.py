# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy that the environment sets for a URL, checked before anything is sent."""

from __future__ import annotations

import importlib.util
import os
import re
import typing as t
import urllib.parse

from . import errors
from .errors import Attempt

try:
    import requests.utils
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url
except ImportError:
    pass  # reported by the module before anything is called

_SCHEMES: t.Final = ("http", "https")
_SOCKS: t.Final = ("socks4", "socks4a", "socks5", "socks5h")  # that requests knows


def from_environment(url: str, attempt: Attempt) -> dict[str, str]:
    """The proxy for this URL, by the scheme of the URL; empty where there is none. Raises ApiError, ``proxy``."""
    found = requests.utils.get_environ_proxies(url)
    proxy = requests.utils.select_proxy(url, found)
    if not proxy:
        return {}
    address = proxy if "://" in proxy else f"http://{proxy}"
    if reason := _defect(address):
        # Neither the address nor a part of it is shown: what is no URL may hold a password anywhere.
        raise errors.unusable_proxy(attempt, _variable(proxy), reason)
    return {urllib.parse.urlsplit(url).scheme: address}


def _defect(address: str) -> str:
    """Why requests could not use a proxy with this address; empty if it can."""
    try:
        parts = parse_url(address)
    except (LocationParseError, ValueError):
        has_bad_port = re.search(r":[^:@/\]]+/?$", address)
        return "has a port that is no number up to 65535" if has_bad_port else "is not a URL"
    if not parts.host:
        return "names no host"
    try:
        "".join(requests.utils.get_auth_from_url(address)).encode("latin-1")  # as requests does
    except UnicodeEncodeError:
        return "has a user name or password with characters that no HTTP header can carry"
    if parts.scheme in _SOCKS:
        return "" if importlib.util.find_spec("socks") else "is a SOCKS proxy, which needs PySocks"
    return "" if parts.scheme in _SCHEMES else f"has a scheme that is none of {', '.join((*_SCHEMES, *_SOCKS))}"


def _variable(proxy: str) -> str:
    """The environment variable with this value. Those in lower case come before the others."""
    names = sorted((name for name, value in os.environ.items() if value == proxy), reverse=True)
    return next((name for name in names if name.lower().endswith("_proxy")), "the settings of the system")
