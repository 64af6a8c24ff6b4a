# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control side tells of the requests: as they came, and counted."""

from __future__ import annotations

from tests.contract.client import Client
from tests.simulator.process import Simulator


def test_requests_are_kept_as_they_came(client: Client) -> None:
    client.sim.clear_log()
    client.get("/cloud-download?nameLike=a%20b%2Bc&nameLike=&orderBy=&mode=", headers={"User-Agent": "me/1"})
    body = {"protectedEntities": None, "extra": [1, 2.5, {"ä": "\n"}]}
    client.call("POST", "/cloud-download", json=body)
    client.call("POST", "/cloud-download", data=b"not json", headers={"Content-Type": "application/json"})
    listing, create, broken = client.sim.requests()
    assert (listing["method"], listing["path"], listing["status"]) == ("GET", "/cloud-download", 400)
    assert listing["query"] == [["nameLike", "a b+c"], ["nameLike", ""], ["orderBy", ""], ["mode", ""]]
    assert listing["body"] is None
    assert listing["headers"]["user-agent"] == "me/1"
    assert listing["headers"]["cookie"].startswith("JSESSIONID=")
    assert create["body"] == body
    assert create["headers"]["content-type"] == "application/json"
    assert (broken["body"], broken["status"]) == (None, 400)


def test_calls_are_counted(client: Client) -> None:
    guid = client.ready_download()
    client.sim.clear_log()
    client.get(f"/cloud-download/{guid}", headers={"Range": "bytes=0-99"})
    client.get(f"/cloud-download/{guid}/content-download", headers={"Range": "bytes=0-9"})
    client.get(f"/cloud-download/{guid}", headers={"Accept": "text/html"})
    client.call("PUT", f"/cloud-download/{guid}", json={"a": 1})
    client.call("DELETE", f"/cloud-download/{guid}")
    client.call("POST", "/cloud-download", json={})
    client.login()
    client.call("POST", "/session/logout")
    assert client.sim.counters() == {
        "logins": 1,
        "logouts": 1,
        "open_sessions": 1,  # the one that the second login has replaced in the client
        "calls": {
            "GET /cloud-download/{guid}": 2,
            "GET /cloud-download/{guid}/content-download": 1,
            "PUT /cloud-download/{guid}": 1,
            "DELETE /cloud-download/{guid}": 1,
            "POST /cloud-download": 1,
            "POST /session/login": 1,
            "POST /session/logout": 1,
        },
        "content_bytes_sent": 110,
        "writes": 3,
        "faults": 0,
    }


def test_a_whole_download_is_counted_to_the_byte(client: Client) -> None:
    (guid,) = client.sim.seed(downloads=1, content_size=5_000_001)
    assert len(client.get(f"/cloud-download/{guid}").content) == 5_000_001
    assert client.sim.counters()["content_bytes_sent"] == 5_000_001


def test_an_answer_is_in_the_log_before_the_client_has_it(client: Client) -> None:
    client.sim.clear_log()
    for number in range(1, 30):
        client.get("/session")
        assert len(client.sim.requests()) == number


def test_clearing_the_log_keeps_the_sessions(client: Client) -> None:
    client.sim.clear_log()
    assert client.sim.requests() == []
    assert client.sim.counters()["open_sessions"] == 1
    assert client.get("/session").status_code == 204


def test_a_reset_forgets_everything(client: Client) -> None:
    client.ready_download()
    client.get("/cloud-download?colour=red")
    client.sim.reset()
    assert client.sim.requests() == client.sim.downloads() == []
    assert client.sim.violations() == {"request": [], "response": []}
    assert client.get("/session").status_code == 401


def test_records_are_shown_in_the_documented_form_whatever_the_switches_say(sim: Simulator) -> None:
    sim.switch(enum_style="string", absent_fields="null", backup_in_record="never")
    client = Client(sim)
    client.ready_download()
    (record,) = sim.downloads()
    assert record["mode"]["name"] == "CLOUD_DOWNLOAD"
    assert record["backup"]["protectedEntity"]["name"] == "Alice Archer"
    assert sim.entities("users")[0]["type"]["name"] == "CLOUD_USER"
