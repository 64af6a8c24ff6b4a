# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where settings come from, and that a credential goes to the URL of its own level only (docs/settings.md)."""

from __future__ import annotations

import itertools
import pathlib
import threading
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.answers import Answer, answering
from tests.support.fleet import ALICE, Fleet
from tests.support.modules import run_module
from tests.support.use import ENSURE, INFO, Json

LEVELS: t.Final = ("options", "task", "controller")
URL: t.Final = {"url": "https://{level}.example.com"}
LOGIN: t.Final = {"username": "u-{level}", "password": "p-{level}"}
TLS: t.Final = {"ca_path": "/{level}.pem"}


def resolve(**levels: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The settings of these levels together, given by the names of options."""
    settings = []
    for level in LEVELS:
        given = {
            name: value.format(level=level) if isinstance(value, str) else value
            for name, value in levels.get(level, {}).items()
        }
        variables = {f"STORWARE_{name.upper()}": value for name, value in given.items()}
        settings.append(given if level == "options" else variables)
    return _argspec.resolve(*settings)


PAIRS: t.Final = list(itertools.combinations(LEVELS, 2))  # the upper and the lower one


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
def test_the_upper_level_wins(upper: str, lower: str) -> None:
    """A whole set, and what belongs to no set."""
    everything = {**URL, **LOGIN, **TLS, "timeout": "{level}"}
    found = resolve(**{upper: everything, lower: everything})
    assert found == {name: value.format(level=upper) for name, value in everything.items()}


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
@pytest.mark.parametrize("empty", [None, ""])
def test_what_is_empty_is_not_set(upper: str, lower: str, empty: str | None) -> None:
    nothing = dict.fromkeys([*URL, *LOGIN, *TLS, "timeout"], empty)
    everything = {**URL, **LOGIN, **TLS, "timeout": "7"}
    assert resolve(**{upper: nothing, lower: everything}) == resolve(**{lower: everything})


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
def test_a_url_from_above_gets_no_credential_of_a_level_that_names_one(upper: str, lower: str) -> None:
    with pytest.raises(OptionError) as refused:
        resolve(**{upper: URL, lower: {**URL, **LOGIN}})
    assert refused.value.option == "url"
    assert "belong to the URL that is set there" in str(refused.value)


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
def test_a_url_with_a_login_of_its_own_gets_nothing_else(upper: str, lower: str) -> None:
    lowest = {**URL, "token": "t", "session": "S=1", "validate_certs": "false", "use_proxy": "false", **TLS}
    found = resolve(**{upper: {**URL, **LOGIN}, lower: lowest})
    assert found == resolve(**{upper: {**URL, **LOGIN}})


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
def test_an_environment_without_a_url_serves_any(upper: str, lower: str) -> None:
    found = resolve(**{upper: URL, lower: {**LOGIN, **TLS}})
    assert (found["url"], found["password"]) == (f"https://{upper}.example.com", f"p-{lower}")


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("validate_certs", False), ("ca_path", "/mine.pem"), ("use_proxy", True), ("allow_http", True)],
)
def test_tls_and_proxy_of_a_credential_are_not_changed_from_above(
    upper: str, lower: str, name: str, value: t.Any
) -> None:
    with pytest.raises(OptionError) as refused:
        resolve(**{upper: {name: value}, lower: {**URL, **LOGIN}})
    assert refused.value.option == name


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
def test_a_login_of_an_upper_level_may_go_to_the_url_of_a_lower_one(upper: str, lower: str) -> None:
    """With its own TLS settings: no secret of the lower level is in use."""
    found = resolve(**{upper: {**LOGIN, **TLS}, lower: {**URL, "timeout": "7"}})
    assert found == {
        "url": f"https://{lower}.example.com",
        "timeout": "7",
        **{name: value.format(level=upper) for name, value in {**LOGIN, **TLS}.items()},
    }


def test_of_three_levels_only_the_set_of_the_first_with_a_url_is_used() -> None:
    middle = {**URL, **LOGIN}
    found = resolve(options={"retries": 1}, task=middle, controller={**URL, **LOGIN, **TLS, "timeout": "7"})
    assert found == {"retries": 1, "timeout": "7", **resolve(task=middle)}


# --- Real runs ---

NOTHING: t.Final = {"GET /api/cloud-download": Answer.json([])}


def test_the_environment_of_the_host_is_not_read() -> None:
    """On the old code the host decides where its module sends a session."""
    with answering(NOTHING) as server:
        own = {"STORWARE_URL": server.url, "STORWARE_ALLOW_HTTP": "true", "STORWARE_TOKEN": "t-of-the-host"}
        result = run_module(INFO, {}, environment=own)
        assert result["error"]["code"] == "invalid_option"
        assert server.requests == []


@pytest.mark.matrix
def test_two_servers_and_environment(ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """A task for the one of disaster recovery removes nothing in production."""
    (guid,) = simulator.seed(users=1, downloads=1)
    with Simulator.start(speed=50) as recovery:
        recovery.seed(users=1, downloads=1)

        def variables(server: Simulator) -> dict[str, str]:
            return {
                "STORWARE_URL": server.url,
                "STORWARE_CA_PATH": str(server.ca_path),
                "STORWARE_TOKEN": server.token,
            }

        task: Json = {
            f"storware.backup.{ENSURE}": {"state": "absent", "guid": guid, "wait_interval": 0.1},
            "environment": variables(recovery),
        }
        run = ansible.playbook(
            [{"hosts": "all", "gather_facts": False, "tasks": [task]}], environment=variables(simulator)
        )
        run.ok()
        assert recovery.requests() != []
        assert simulator.requests() == []
        assert [download["guid"] for download in simulator.downloads()] == [guid]


class Watch(threading.Thread):
    """Reads the command line and the environment of every process, as a user of the machine would with ps."""

    def __init__(self, secret: str) -> None:
        super().__init__(daemon=True)
        self._secret = secret.encode()
        self._over = threading.Event()
        self.seen: set[str] = set()

    def run(self) -> None:
        while not self._over.wait(0.005):
            for kind in ("cmdline", "environ"):
                for path in pathlib.Path("/proc").glob(f"[0-9]*/{kind}"):
                    self._read(path, kind)

    def _read(self, path: pathlib.Path, kind: str) -> None:
        try:
            if self._secret in path.read_bytes():
                self.seen.add(kind)
        except OSError:
            pass

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self.join()


@pytest.mark.matrix
@pytest.mark.newest
def test_a_password_of_environment_is_in_no_list_of_processes(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    """Neither of the task, nor of what Ansible runs for it while it waits; nor in the output."""
    with answering({**NOTHING, "POST /api/session/login": Answer(200, b"{}", {"Set-Cookie": "S=1; Path=/"})}) as server:
        task: Json = {
            f"storware.backup.{INFO}": {},
            "environment": [
                {"STORWARE_URL": server.url, "STORWARE_ALLOW_HTTP": True, "STORWARE_USERNAME": "ali"},
                {"STORWARE_PASSWORD": "{{ lookup('file', 'password') }}"},
            ],
        }
        waiting = {**task, "async": 60, "poll": 1}
        (ansible.home / "password").write_text("open-sesame-4711")
        play = {"hosts": "all", "gather_facts": False, "tasks": [task, waiting]}
        with Watch("open-sesame-4711") as watch:
            run = ansible.playbook([play], "-vvv", environment={"ANSIBLE_ASYNC_DIR": str(tmp_path)}).ok()
        assert watch.seen == set()
        assert "open-sesame-4711" not in run.output
        logins = [request for request in server.requests if request.path.endswith("/session/login")]
        assert ["open-sesame-4711" in str(request.body) for request in logins] == [True, True]


def test_a_password_of_a_play_is_in_no_list_of_processes_of_the_role(
    ansible: Ansible, simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """The role has tasks of other collections as well, on the hosts."""
    fleet = Fleet(ansible, simulator, tmp_path, ["host-1"])
    options: Json = {"via": "relay", "report": [f"{tmp_path}/report.json"]}
    # A session that has ended, with a login for this case.
    variables = {**fleet.credentials(), "STORWARE_SESSION": "{{ lookup('file', 'session') }}"}
    (ansible.home / "session").write_text("JSESSIONID=open-sesame-4712")
    keywords = {"environment": variables}
    with Watch("open-sesame-4712") as watch:
        fleet.mail(people=ALICE, keywords=keywords, environment={}, **options).ok()
    assert watch.seen == set()


def test_a_variable_of_a_play_is_templated_once(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    """What a template has brought is data; up to core 2.18 Ansible itself templates it again."""
    planted = "{{ lookup('pipe', 'touch %s') }}" % (tmp_path / "planted")
    (tmp_path / "words").write_text(planted)
    with answering(NOTHING) as server:
        task: Json = {
            f"storware.backup.{INFO}": {"url": server.url, "allow_http": True, "token": "t-0815"},
            "environment": {"WORDS": "{{ lookup('file', '%s') }}" % (tmp_path / "words"), "HTTP_PROXY": ""},
        }
        ansible.playbook([{"hosts": "all", "gather_facts": False, "tasks": [task]}])
    assert not (tmp_path / "planted").exists()
