# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters, order and pages of lists."""

from __future__ import annotations

import time
import typing as t

import pytest

from tests.contract.client import Client

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def guids(client: Client, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return [record["guid"] for record in answer.json()]


@pytest.fixture
def two(client: Client) -> tuple[str, str]:
    """A ready download of Alice on node-1 and a ready PST download of Bob on node-2."""
    client.order("alice@example.com")
    node = client.get("/nodes").json()[1]["guid"]
    client.order("bob@example.com", mode="CLOUD_PST_DOWNLOAD", node={"guid": node})
    client.sim.step(20)
    alice, bob = (record["guid"] for record in client.sim.downloads())
    return alice, bob


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("", "alice bob"),
        ("mode=CLOUD_DOWNLOAD", "alice"),
        ("mode=CLOUD_PST_DOWNLOAD", "bob"),
        ("mode=MANUAL", ""),
        ("nameLike=rche", "alice"),
        ("nameLike=BAKER", "bob"),
        ("nameLike=example.com", ""),
        ("filter=pst", "bob"),
        ("filter=node-1", "alice"),
        ("filter=example.com", "alice bob"),
        ("protected-entity-type=CLOUD_USER", "alice bob"),
        ("protected-entity-type=CLOUD_SITE", ""),
        ("finished-mount=true", "alice bob"),
        ("finished-mount=false", ""),
        (f"project-uuid={UNKNOWN}", ""),
        (f"backup={UNKNOWN}", ""),
        (f"node={UNKNOWN}", ""),
        ("orderBy=name", "alice bob"),
        ("orderBy=name&direction=desc", "bob alice"),
        ("orderBy=backup.protectedEntity.name&direction=desc", "bob alice"),
        ("orderBy=&direction=desc", "bob alice"),
        ("page=0&size=1", "alice"),
        ("page=1&size=1", "bob"),
        ("page=2&size=1", ""),
        ("size=1", "alice"),
        ("page=0", "alice bob"),
        ("mode=CLOUD_DOWNLOAD&nameLike=baker", ""),
    ],
)
def test_queries_of_downloads(client: Client, two: tuple[str, str], query: str, who: str) -> None:
    names = dict(zip(("alice", "bob"), two, strict=True))
    expected = [names[name] for name in who.split()]
    assert guids(client, f"/cloud-download?{query}") == expected


def test_mounts_are_downloads_and_others(client: Client, two: tuple[str, str]) -> None:
    (other,) = guids(client, "/mounted-backups?mode=MANUAL")
    assert guids(client, "/mounted-backups") == [other, *two]
    assert guids(client, "/mounted-backups?nameLike=baker") == [two[1]]
    assert guids(client, "/mounted-backups?protected-entity-type=CLOUD_SITE") == [other]


def test_queries_by_guid(client: Client, two: tuple[str, str]) -> None:
    bob = next(record for record in client.sim.downloads() if record["guid"] == two[1])
    for name, value in (
        ("backup", bob["backup"]["guid"]),
        ("node", bob["node"]["guid"]),
        ("protected-entity", client.guid_of("bob@example.com")),
    ):
        assert guids(client, f"/cloud-download?{name}={value}") == [two[1]]
        assert guids(client, f"/cloud-download?{name}={value.upper()}") == [two[1]]


def test_queries_of_tasks(client: Client, two: tuple[str, str]) -> None:
    assert len(guids(client, "/tasks")) == 2
    client.call("DELETE", f"/cloud-download/{two[0]}")
    assert len(guids(client, "/tasks?states=QUEUED&states=FINISHED")) == 3
    (removal,) = guids(client, "/tasks?state=QUEUED")
    assert guids(client, "/tasks?type=DELETE") == [removal]
    assert len(guids(client, f"/tasks?protected-entity={client.guid_of('alice@example.com')}")) == 2
    assert len(guids(client, "/tasks?mounted-backup-assigned=true&nameLike=Baker")) == 1
    assert guids(client, f"/tasks?workflow-execution={UNKNOWN}") == []


def test_queries_of_backups(client: Client) -> None:
    alice = client.guid_of("alice@example.com")
    path = f"/backups?protected-entity={alice}"
    assert len(guids(client, path)) == 3
    assert len(guids(client, f"{path}&status=SUCCESS")) == 2
    assert len(guids(client, f"{path}&status=SUCCESS&status=FAILED&type=INCREMENTAL")) == 2
    newest_first = client.get(f"{path}&orderBy=snapshotTime&direction=desc").json()
    times = [backup["snapshotTime"] for backup in newest_first]
    assert times == sorted(times, reverse=True)
    assert guids(client, f"{path}&from={times[0]}") == [newest_first[0]["guid"]]
    assert guids(client, f"{path}&to={times[2]}") == [newest_first[2]["guid"]]
    assert len(guids(client, f"{path}&min-size=1&only-mountable=true&without-hidden=true")) == 2
    assert len(guids(client, "/backups?protected-entity-type=CLOUD_SITE")) == 9
    assert guids(client, f"{path}&node={UNKNOWN}") == []


def test_queries_of_entities(client: Client) -> None:
    assert len(guids(client, "/cloud-users?nameLike=sam smith")) == 2
    assert guids(client, "/cloud-users?nameLike=sam.smith") == []
    assert len(guids(client, "/cloud-users?filter=sam.smith")) == 2
    assert len(guids(client, "/cloud-users?backupStatus=NOT_PROTECTED&backupStatus=NO_SCHEDULE&size=100")) == 11
    assert guids(client, f"/cloud-users?policy={UNKNOWN}") == []
    assert [group["name"] for group in client.get("/cloud-groups?teams-group=true").json()] == ["Rocket Team"]
    assert len(guids(client, "/cloud-groups?teams-group=false")) == 2
    assert len(guids(client, "/cloud-sites?with-childs=true&with-teams=true&orderBy=name")) == 3
    provider = client.get("/cloud-users?size=1").json()[0]["cloudServiceProvider"]["guid"]
    assert len(guids(client, f"/cloud-users?cloud-service-provider={provider}&size=100")) == 11


def test_paging_headers(client: Client) -> None:
    assert "X-Total-Count" not in client.get("/cloud-users").headers
    paged = client.get("/cloud-users?page=1&size=4")
    assert (paged.headers["X-Total-Count"], len(paged.json())) == ("11", 4)
    assert len(client.get("/cloud-users?page=0").json()) == 10


def drain(client: Client, size: int) -> tuple[list[str], list[str]]:
    """All guids of all pages, and the total that each page stated."""
    found: list[str] = []
    totals: list[str] = []
    for page in range(1000):
        answer = client.get(f"/cloud-download?page={page}&size={size}")
        totals.append(answer.headers["X-Total-Count"])
        if not answer.json():
            return found, totals
        found += [record["guid"] for record in answer.json()]
    raise AssertionError("the list has no end")


def test_ten_thousand_downloads(client: Client) -> None:
    client.sim.switch(session_timeout=1e9)
    seeded = client.sim.seed(downloads=10000)
    found, totals = drain(client, 500)
    assert found == seeded
    assert set(totals) == {"10000"}
    assert guids(client, "/cloud-download") == seeded


def test_a_page_is_fast(client: Client) -> None:
    client.sim.seed(downloads=10000)
    times = []
    for page in range(5):
        start = time.monotonic()
        client.get(f"/cloud-download?page={page}&size=500")
        times.append(time.monotonic() - start)
    assert min(times) < 0.5  # seconds, validation included; the best of some, as other work may share the machine


def test_pages_of_a_list_with_filters(client: Client, two: tuple[str, str]) -> None:
    answer = client.get("/cloud-download?page=0&size=1&mode=CLOUD_PST_DOWNLOAD")
    assert answer.headers["X-Total-Count"] == "1"
    assert [record["guid"] for record in t.cast("list[dict[str, t.Any]]", answer.json())] == [two[1]]
