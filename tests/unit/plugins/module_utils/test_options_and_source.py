# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the catalogue (groups S and U) that show in the source or in the checks of options alone."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from tests.harness import tree

PLUGINS: t.Final = sorted((tree.ROOT / "plugins").rglob("*.py"))
DEFAULTS: t.Final = {option.name: option.default for option in _argspec.CONNECTION}
GIVEN: t.Final = {**DEFAULTS, "url": "https://backup.example.com", "username": "admin", "password": "wonderland"}


def lines_with(expression: str) -> list[str]:
    return [
        f"{path.name}: {line.strip()}"
        for path in PLUGINS
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(expression, line)
    ]


@pytest.mark.fault("S10")
def test_s10_nothing_here_writes_the_keys_of_tls_connections() -> None:
    assert lines_with("(?i)keylog") == []


@pytest.mark.fault("S14")
def test_s14_nothing_here_starts_another_program_that_could_see_a_secret() -> None:
    """But ssh, which a module without credentials starts with an environment without them; and forks of the module."""
    starting = r"\b(subprocess|run_command|popen|os\.(system|exec|fork|spawn|posix_spawn)|multiprocessing)\b"
    places = {line.partition(":")[0] for line in lines_with(starting)}
    assert places == {"_detached.py", "_session_guard.py", "ssh.py"}
    assert lines_with(r"os\.fork\b") == ["_detached.py: child = os.fork()", "_session_guard.py: if os.fork():"]
    assert {line.partition(":")[0] for line in lines_with(r"\bimport.*\bssh\b")} == {"cloud_download_copy.py"}


@pytest.mark.fault("S17")
def test_s17_nothing_here_returns_facts_or_statistics() -> None:
    """Facts would be cached, and statistics become artifacts of a job: those of reports are meant to."""
    modules = [path for path in PLUGINS if path.parts[-2] != "plugin_utils"]  # which take facts out of results
    tasks = [*(tree.ROOT / "roles").rglob("*.yml"), *(tree.ROOT / "playbooks").rglob("*.yml")]
    found = [path.name for path in modules if re.search(r"ansible_facts|ansible_stats", path.read_text("utf-8"))]
    found += [path.name for path in tasks if re.search(r"set_stats|cacheable", path.read_text("utf-8"))]
    assert sorted(found) == ["fetch_report.py"]


@pytest.mark.fault("U5")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("timeout", value) for value in (0.0, -1.0, 1e9, float("inf"), float("-inf"), float("nan"))),
        *(("retries", value) for value in (-1, 10**9)),
    ],
)
def test_u5_a_number_without_sense_is_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError) as caught:
        _argspec.connection({**GIVEN, name: value})
    assert caught.value.option == name


_HOSTS = st.sampled_from(
    [
        "backup.example.com",
        "BACKUP",
        "127.0.0.1",
        "[::1]",
        "[2001:db8::7]",
        "b\u00fccher.example",
        "xn--bcher-kva.example",
    ]
)
_PATHS = st.lists(st.sampled_from(["api", "storware", "API", "a.b"]), max_size=3)


@pytest.mark.fault("U6")
@given(_HOSTS, st.sampled_from(["", ":1", ":8181", ":65535"]), _PATHS, st.sampled_from(["", "/", "//"]))
def test_u6_any_reasonable_url_becomes_one_root_of_the_api(host: str, port: str, path: list[str], slashes: str) -> None:
    """And what it becomes is left as it is."""
    url = f"https://{host}{port}{''.join('/' + part for part in path)}{slashes}"
    root = _argspec.base_url(url, allow_http=False)
    assert root.startswith(f"https://{host}{port}/")
    assert root.endswith("/api")
    assert "//" not in urllib.parse.urlsplit(root).path
    assert _argspec.base_url(root, allow_http=False) == _argspec.base_url(root + "/", allow_http=False) == root


@pytest.mark.fault("U6")
@given(_HOSTS, st.sampled_from([":0", ":65536", ":99999", ":-1", ":x", "?a=1", "/api?a=1", "#x", "/api#x", "/a b"]))
def test_u6_any_other_url_is_refused(host: str, end: str) -> None:
    with pytest.raises(OptionError) as caught:
        _argspec.base_url(f"https://{host}{end}", allow_http=False)
    assert caught.value.option == "url"


@pytest.mark.fault("U6")
@given(_HOSTS, st.sampled_from(["", "/", "//", "ftp://", "file://", "https:/", "https:", "HTTP//"]))
def test_u6_without_a_scheme_of_ours_it_is_refused(host: str, start: str) -> None:
    with pytest.raises(OptionError):
        _argspec.base_url(start + host, allow_http=True)
