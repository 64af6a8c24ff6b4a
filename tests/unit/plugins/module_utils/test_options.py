# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options: what is accepted, what is refused, and what the environment adds."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError

DEFAULTS: dict[str, t.Any] = {option.name: option.default for option in _argspec.CONNECTION}
GIVEN = {**DEFAULTS, "url": "https://backup.example.com:8181", "username": "admin", "password": "wonderland"}


@pytest.mark.fault("U6")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://backup.example.com:8181", "https://backup.example.com:8181/api"),
        ("https://backup.example.com:8181/", "https://backup.example.com:8181/api"),
        ("https://backup.example.com/api", "https://backup.example.com/api"),
        ("https://backup.example.com/api/", "https://backup.example.com/api"),
        ("https://proxy.example.com/storware/api", "https://proxy.example.com/storware/api"),
        ("https://proxy.example.com/storware", "https://proxy.example.com/storware/api"),
        ("https://[::1]:8181", "https://[::1]:8181/api"),
        ("  https://backup.example.com  ", "https://backup.example.com/api"),
    ],
)
def test_url_leads_to_the_api(url: str, expected: str) -> None:
    assert _argspec.base_url(url, allow_http=False) == expected


@pytest.mark.fault("U6")
@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "backup.example.com",
        "ftp://backup.example.com",
        "https://",
        "https://host:99999",
        "https://host:0",
        "https://host:port",
        "https://host/api?x=1",
        "https://host/api#x",
        "https://ho st/api",
        "https://[::1/api",
        "http://backup.example.com:8080",
    ],
)
def test_url_that_cannot_work_is_refused_by_name(url: str | None) -> None:
    with pytest.raises(OptionError) as caught:
        _argspec.base_url(url, allow_http=False)
    assert caught.value.option == "url"
    assert str(caught.value).startswith("url: ")


@pytest.mark.fault("S4")
def test_url_with_credentials_is_refused_without_repeating_them() -> None:
    with pytest.raises(OptionError) as caught:
        _argspec.base_url("https://admin:wonderland@backup.example.com", allow_http=False)
    assert "wonderland" not in str(caught.value) + caught.value.hint


@pytest.mark.fault("S15")
def test_http_needs_explicit_permission() -> None:
    assert _argspec.base_url("http://127.0.0.1:8080", allow_http=True) == "http://127.0.0.1:8080/api"
    with pytest.raises(OptionError) as caught:
        _argspec.base_url("http://127.0.0.1:8080", allow_http=False)
    assert "allow_http" in caught.value.hint


@pytest.mark.fault("U6")
@given(st.text(max_size=80))
def test_no_url_crashes(url: str) -> None:
    with contextlib.suppress(OptionError):
        assert _argspec.base_url(url, allow_http=True).endswith("/api")


@pytest.mark.fault("S12")
@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"username": None, "password": None}, "username"),
        ({"password": None}, "password"),
        ({"username": None}, "username"),
        ({"token": "rabbit-hole"}, "token"),
        ({"username": None, "password": None, "session": "abc"}, "session"),
        ({"session": "a=b; c"}, "session"),
        ({"session": "a=b c"}, "session"),
        ({"session": "a=b\r\nX-Header: 1"}, "session"),
        ({"session": "a=\u0436"}, "session"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": 1e9}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"client_key": "/etc/key.pem"}, "client_key"),
    ],
)
def test_bad_connection_names_the_option(changes: dict[str, t.Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        _argspec.connection({**GIVEN, **changes})
    assert caught.value.option == option


@pytest.mark.parametrize("session", ["JSESSIONID=abc", "A=1; B=a/b+c==", " A=1;B=2 "])
def test_a_session_may_come_with_a_login_for_the_time_after_it(session: str) -> None:
    connection = _argspec.connection({**GIVEN, "session": session})
    assert connection.session == "; ".join(part.strip() for part in session.split(";"))
    assert connection.password == "wonderland"


def test_what_opens_sessions_does_not_travel_with_a_session() -> None:
    assert "password" in _argspec.for_another_host(GIVEN)
    travelling = _argspec.for_another_host({**GIVEN, "token": "rabbit-hole", "session": "S=1"})
    assert travelling == {
        name: value
        for name, value in {**GIVEN, "session": "S=1"}.items()
        if name not in ("username", "password", "token")
    }


def test_one_way_to_log_in_is_kept() -> None:
    connection = _argspec.connection(GIVEN)
    assert (connection.username, connection.password) == ("admin", "wonderland")
    assert connection.token is None
    assert connection.session is None


EVERYTHING = {
    "STORWARE_URL": "https://h",
    "STORWARE_USERNAME": "u",
    "STORWARE_PASSWORD": "p",
    "STORWARE_TOKEN": "t",
    "STORWARE_SESSION": "S=1",
}


@pytest.mark.parametrize(
    ("given_options", "added"),
    [
        ({}, {"session": "S=1", "token": "t"}),
        ({"username": "mine"}, {"password": "p"}),
        ({"username": "mine", "password": "mine"}, {}),
        ({"token": "mine"}, {}),
        ({"session": "mine"}, {"token": "t"}),
    ],
)
def test_credentials_of_task_and_environment_are_never_mixed(
    given_options: dict[str, str], added: dict[str, str]
) -> None:
    assert _argspec.resolve(given_options, {}, EVERYTHING) == {"url": "https://h", **given_options, **added}


@pytest.mark.parametrize(
    ("left_out", "taken"),
    [
        ({"STORWARE_SESSION"}, {"token": "t"}),
        ({"STORWARE_SESSION", "STORWARE_TOKEN"}, {"username": "u", "password": "p"}),
        ({"STORWARE_SESSION", "STORWARE_TOKEN", "STORWARE_PASSWORD"}, {"username": "u"}),
        ({"STORWARE_TOKEN"}, {"session": "S=1", "username": "u", "password": "p"}),
        ({"STORWARE_TOKEN", "STORWARE_PASSWORD"}, {"session": "S=1"}),
    ],
)
def test_of_several_credentials_in_the_environment_one_is_taken(left_out: set[str], taken: dict[str, str]) -> None:
    environ = {name: value for name, value in EVERYTHING.items() if name not in left_out}
    assert _argspec.resolve({}, {}, environ) == {"url": "https://h", **taken}


@pytest.mark.parametrize(
    ("changes", "environ", "expected"),
    [
        ({}, {}, set()),
        ({"session": "S=cookie-value"}, {}, {"S=cookie-value", "cookie-value"}),
        ({"session": "A=one; B=two"}, {}, {"A=one; B=two", "one", "two"}),
        ({"url": "https://u:in-url@host"}, {}, {"in-url", "u:in-url"}),
        ({"url": "u:in-no-url@host"}, {}, {"in-no-url", "u:in-no-url"}),
        ({"url": "https://u:p@ss@host/x"}, {}, {"p@ss", "u:p@ss", "p", "u:p"}),
        ({"url": "https://u:p/ss@host/x"}, {}, {"p/ss", "u:p/ss"}),
        ({"url": "https://host:8181/x"}, {}, set()),
        (
            {},
            {"HTTPS_PROXY": "http://u:proxy%2Fword@p:3128", "no_proxy": "a,b"},
            {
                "proxy%2Fword",
                "proxy/word",
                "u:proxy/word",
            },
        ),
    ],
)
def test_secrets_are_known_wherever_they_are(
    changes: dict[str, t.Any], environ: dict[str, str], expected: set[str]
) -> None:
    expected = {"wonderland", "admin:wonderland", *expected}  # those of GIVEN
    assert _argspec.secrets({**GIVEN, **changes}, environ) == expected
