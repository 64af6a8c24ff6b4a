# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare client for these tests: nothing between them and HTTP but a session."""

from __future__ import annotations

import typing as t

import requests

from tests.simulator.process import Simulator


class Client:
    """Calls the API of a simulator by paths below /api. Logged in when asked to be."""

    def __init__(self, sim: Simulator, *, login: bool = True) -> None:
        self.sim = sim
        self.session = requests.Session()
        self.session.trust_env = False  # a CA bundle from the environment would win over ours
        self.session.verify = sim.ca_path or True
        if login:
            assert self.login().status_code == 200

    def login(self, username: str = "", password: str = "") -> requests.Response:
        """Log in, with the right credentials unless others are given."""
        body = {"login": username or self.sim.username, "password": password or self.sim.password}
        return self.call("POST", "/session/login", json=body)

    def call(self, method: str, path: str, **options: t.Any) -> requests.Response:
        """Any call."""
        return self.session.request(method, f"{self.sim.url}/api{path}", timeout=60, **options)

    def get(self, path: str, **options: t.Any) -> requests.Response:
        """GET."""
        return self.call("GET", path, **options)

    def guid_of(self, email: str) -> str:
        """The guid of a user."""
        return str(next(user["guid"] for user in self.sim.entities("users") if user.get("email") == email))

    def order(self, *emails: str, mode: str = "CLOUD_DOWNLOAD", **more: t.Any) -> list[dict[str, t.Any]]:
        """Create downloads of users; the tasks."""
        entities = [{"guid": self.guid_of(email)} for email in emails]
        body = {"protectedEntities": entities, "mode": {"name": mode}, **more}
        response = self.call("POST", "/cloud-download", json=body)
        assert response.status_code == 201, response.text
        return t.cast("list[dict[str, t.Any]]", response.json())

    def ready_download(self, email: str = "alice@example.com", mode: str = "CLOUD_DOWNLOAD") -> str:
        """Create the download of a user and let the time pass until it is ready; its guid."""
        before = {record["guid"] for record in self.sim.downloads()}
        self.order(email, mode=mode)
        self.sim.step(20)
        (guid,) = {record["guid"] for record in self.sim.downloads()} - before
        return str(guid)
