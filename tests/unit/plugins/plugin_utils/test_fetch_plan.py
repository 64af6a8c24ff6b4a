# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is prepared, fetched, copied and removed, for hosts that hold some of what is wanted."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.plugin_utils import _fetch_plan, _outcomes, _report_rows, _shares
from ansible_collections.storware.backup.plugins.plugin_utils._play import Play

Json = t.Any

H1, H2, H3 = HOSTS = ("h1", "h2", "h3")
RUN: t.Final = "reset 17"
GIB: t.Final = 2**30
OLD, NEW = 1, 2  # backups


def guid(kind: int, number: int) -> str:
    return f"{number:08}-{kind:04}-4000-8000-000000000000"


def entity(number: int) -> Json:
    return {"guid": guid(1, number), "name": f"User {number}"}


def backup(night: int) -> Json:
    return {"guid": guid(2, night), "backup_time": f"2026-01-{night:02}T00:00:00Z", "size": None}


def download(number: int, night: int = NEW, size: int | None = None) -> Json:
    """A download on the server."""
    made = {"guid": guid(3, 100 * night + number), "mode": "CLOUD_DOWNLOAD"}
    return {**made, "protected_entity": entity(number), "backup": {**backup(night), "size": size}}


def predicted(number: int, night: int = NEW) -> Json:
    """One that does not exist."""
    return {**download(number, night), "guid": None}


def file(number: int, night: int = NEW, **changes: Json) -> Json:
    """The file of a download that came in an earlier run."""
    about = {
        "state": "intact",
        "path": f"/srv/{number}-{night}.zip",
        "sha256": "ab" * 32,
        "size": 5,
        "verified": "full",
    }
    known = {"guid": guid(4, 100 * night + number), "protected_entity": entity(number), "backup": backup(night)}
    return {**about, **known, "predecessor": None, **changes}


def lost(**changes: Json) -> Json:
    return {"state": "missing", "guid": None, "predecessor": None, **changes}


def play(
    seen: t.Sequence[Json],
    looks: t.Mapping[str, Json],
    *,
    alive: t.Sequence[str] = HOSTS,
    check: bool = False,
    **options: Json,
) -> Play:
    """A play whose hosts ask for these downloads, after they were looked at.

    looks: of each host the files, or the result of a host that could not be looked at.
    """
    known: Json = {"use": "u", "request_id": "r", "via": "direct", "creates": True, "remove": True, "backup": "latest"}
    variables: dict[str, dict[str, Json]] = {}
    for host, look in looks.items():
        variables[host] = {
            "options": {**known, "neighbours": "n", **options},
            "common": {"run": RUN, "requests": dict.fromkeys(looks, "r")},
            "asker": H1,
            "looked": look if isinstance(look, dict) else {"files": look, "free": 100 * GIB},
        }
    variables[H1]["seen"] = {"cloud_downloads": list(seen)}
    made = Play(list(looks), alive, H1, _as_state(variables), check)
    variables[H1]["wanted"] = {"records": _fetch_plan.wanted_records(made, H1)}
    return made._replace(variables=_as_state(variables))


def _as_state(variables: t.Mapping[str, Json]) -> dict[str, Json]:
    return {host: {f"_fetch_content_{name}": value for name, value in own.items()} for host, own in variables.items()}


def put(made: Play, host: str, name: str, value: Json) -> Play:
    """The play with another part of the state of a host."""
    own = {**made.variables[host], f"_fetch_content_{name}": value}
    return made._replace(variables={**made.variables, host: own})


def run(made: Play, prepared: t.Sequence[Json] = ()) -> Play:
    """The play after everything that was planned has arrived."""
    if prepared:
        made = put(made, H1, "prepared", {"cloud_downloads": list(prepared)})
    for host in made.hosts:
        made = put(made, host, "transfers", _fetch_plan.transfers(made._replace(reporter=host), host))
    for host in made.hosts:
        plan = made.record(host, "transfers")
        new = [
            {
                "guid": record["guid"],
                "reason": "missing",
                "path": "/srv/new.zip",
                "sha256": "cd" * 32,
                "verified": "full",
            }
            for record in plan["fetch"]
        ]
        made = put(
            made, host, "fetched" if plan["from_server"] else "copied", {"files": new} if new else {"skipped": True}
        )
        made = put(made, host, "spooled", {"files": [{**one} for one in new]} if plan["spool"] else {})
    return made


def prepared_by(made: Play) -> list[str]:
    """The names of the entities whose downloads are prepared."""
    return [record["protected_entity"]["name"] for record in _fetch_plan.lacks(made, H1)["prepare"]]


def fetched_by(made: Play, host: str) -> list[str]:
    return [record["protected_entity"]["name"] for record in made.record(host, "transfers")["fetch"]]


def decision(made: Play) -> Json:
    return _outcomes.decide_removal(made, alive=list(made.hosts), batch=list(made.hosts))


# --- What is prepared ---


def test_what_all_hosts_hold_is_neither_prepared_nor_fetched_nor_removed() -> None:
    made = play([predicted(1), predicted(2)], {host: [file(1), file(2)] for host in HOSTS})
    assert prepared_by(made) == []
    done = run(made)
    assert [fetched_by(done, host) for host in HOSTS] == [[], [], []]
    assert decision(done) == {"remove": [], "keep": [], "message": ""}
    rows = _report_rows.build_rows(done)
    assert {(row["result"], row["file"][:7]) for row in rows} == {("unchanged", "/srv/1-"), ("unchanged", "/srv/2-")}
    assert [found["reason"] for found in _outcomes.files_of(done, H2)] == ["unchanged", "unchanged"]


@pytest.mark.parametrize(
    "there",
    [
        lost(),
        file(1, state="changed"),
        file(1, state="foreign"),
        file(1, guid="g"),
        file(1, path=None),
        file(1, sha256=1),
    ],
)
def test_what_one_host_lacks_is_prepared_once_and_fetched_by_that_host(there: Json) -> None:
    made = play([predicted(1), predicted(2)], {H1: [file(1), file(2)], H2: [there, file(2)], H3: [file(1), file(2)]})
    assert prepared_by(made) == ["User 1"]
    done = run(made, [download(1)])
    assert [fetched_by(done, host) for host in HOSTS] == [[], ["User 1"], []]
    assert decision(done)["remove"] == [download(1)["guid"]]


def test_nothing_is_prepared_for_a_host_that_cannot_be_reached() -> None:
    made = play([predicted(1)], {H1: [file(1)], H2: {"unreachable": True, "msg": "no route"}})
    assert prepared_by(made) == []
    rows = _report_rows.build_rows(run(made))
    assert [(row["host"], row["result"], row["reason"]) for row in rows] == [
        (H1, "unchanged", ""), (H2, "unreachable", "no route"),
    ]  # fmt: skip


@pytest.mark.parametrize("looked", [{"files": [file(1)]}, {"files": "none"}, {}, {"failed": True, "msg": "no"}])
def test_a_result_without_a_file_for_each_record_holds_nothing(looked: Json) -> None:
    assert prepared_by(play([predicted(1), predicted(2)], {H1: looked})) == ["User 1", "User 2"]


def test_a_file_that_is_to_be_fetched_always_is_not_held() -> None:
    assert prepared_by(play([predicted(1)], {H1: [file(1)]}, overwrite="always")) == ["User 1"]


def test_any_backup_will_do_where_none_is_asked_for() -> None:
    """The records that go to hosts name it only where it was asked for."""
    asked = play([download(1)], {H1: [file(1)]}).records(H1, "wanted", "records")
    assert asked[0]["backup"]["guid"] == backup(NEW)["guid"]
    (any_will_do,) = play([download(1)], {H1: [file(1)]}, backup=None).records(H1, "wanted", "records")
    assert any_will_do["backup"] is None


def test_the_backups_that_are_larger_than_the_free_space_are_a_warning() -> None:
    seen = [download(number, size=40 * GIB) for number in (1, 2, 3)]
    short = _fetch_plan.lacks(play(seen, {H1: {"files": [lost(), lost(), file(3)], "free": 20 * GIB}}), H1)["short"]
    assert short == "2 files need about 80 GiB by the sizes of their backups, and 20 GiB are free on h1."
    assert not _fetch_plan.lacks(play(seen, {H1: {"files": [lost(), file(2), file(3)], "free": 50 * GIB}}), H1)["short"]


@pytest.mark.parametrize(("size", "told"), [(40 * GIB, 40 * GIB), (None, None), ("40 GiB", None)])
def test_the_module_that_fetches_is_told_the_sizes_of_the_backups(size: t.Any, told: int | None) -> None:
    done = run(play([predicted(1)], {H1: [lost()]}), [download(1, size=size)])
    assert [record["backup"]["size"] for record in done.record(H1, "transfers")["fetch"]] == [told]


# --- Without a search ---


NOTHING: t.Final = {"files": [], "receipts": 0, "free": 100 * GIB}


def unsearched(hosts: t.Sequence[str] = HOSTS, failed: t.Sequence[int] = (), **options: Json) -> Play:
    """A play whose hosts have nothing, after what they ask for was prepared without a search, except for some."""
    known: Json = {"backup": None, "guids": [], "searches": False, "lockstep": True}
    made = play([], dict.fromkeys(hosts, NOTHING), **{**known, **options})
    for name, value in {"seen": {}, "wanted": {}, "search": {"needed": False}, "spool_looked": NOTHING}.items():
        for host in hosts:
            made = put(made, host, name, value)
    failures = [{"protected_entity": entity(n)["guid"], "name": entity(n)["name"], "reason": "no"} for n in failed]
    return put(made, H1, "prepared", {"cloud_downloads": [], "failures": failures})


def searches(made: Play, host: str = H1, batch: t.Sequence[str] = HOSTS) -> bool:
    return _fetch_plan.searches(made._replace(reporter=host), host, batch)


@pytest.mark.parametrize("options", [{}, {"via": "controller"}, {"via": "relay"}, {"distribute": True}])
def test_nothing_is_searched_for_where_nothing_is(options: Json) -> None:
    assert [searches(unsearched(**options), host) for host in HOSTS] == [False, False, False]


@pytest.mark.parametrize(
    "look",
    [
        {},
        {"unreachable": True},
        {"skipped": True},
        {"failed_when_result": False, "msg": "no"},
        {"files": [], "free": 1},
        {"receipts": 0},
        {"files": None, "receipts": 0},
        {"files": [file(1)], "receipts": 0},
        {"files": [], "receipts": 1},
        {"files": [], "receipts": -1},
        {"files": [], "receipts": "0"},
        {"files": [], "receipts": None},
    ],
)
def test_a_place_that_may_have_a_file_is_enough_for_a_search(look: Json) -> None:
    """Of another host with the same request, and of the controller."""
    assert [searches(put(unsearched(), H2, "looked", look), host) for host in HOSTS] == [True, True, True]
    of_spool = put(unsearched(via="controller"), H1, "spool_looked", look)
    assert [searches(of_spool, host) for host in HOSTS] == [True, True, True]
    assert not searches(put(unsearched(), H1, "spool_looked", look))


@pytest.mark.parametrize("option", [{"searches": True}, {"searches": None}])
def test_what_only_a_search_shows_is_searched_for(option: Json) -> None:
    assert searches(unsearched(**option))


def test_hosts_that_take_no_part_are_searched_for_what_is_distributed() -> None:
    """Left out by a limit, in another batch, lost before, or ahead with the strategy free."""
    everybody: Json = {"distribute": True, "expected_hosts": list(HOSTS)}
    assert searches(unsearched(HOSTS[:2], **everybody), batch=HOSTS[:2])
    assert not searches(unsearched(HOSTS[:2], expected_hosts=list(HOSTS)), batch=HOSTS[:2])
    assert searches(unsearched(distribute=True), batch=HOSTS[:2])
    assert searches(unsearched(distribute=True, lockstep=False))


def test_hosts_with_another_request_decide_for_themselves() -> None:
    made = put(unsearched(), H3, "asker", H3)
    made = put(made, H3, "looked", {"files": [], "receipts": 1})
    assert [searches(made, host) for host in HOSTS] == [False, False, True]


@pytest.mark.parametrize("options", [{}, {"via": "controller"}, {"via": "relay"}, {"distribute": True}])
@pytest.mark.parametrize("failed", [(), (2,)])
def test_a_run_without_a_search_does_the_same(options: Json, failed: t.Sequence[int]) -> None:
    ready = [download(n, size=n * GIB) for n in (1, 2, 3, 4) if n not in failed]
    made = unsearched(failed=failed, **options)
    prepared = {**made.record(H1, "prepared"), "cloud_downloads": ready}
    without = run(put(made, H1, "prepared", prepared))
    options = {"backup": None, "guids": [], **options}
    searched = play([predicted(n) for n in (1, 2, 3, 4)], {host: [lost()] * 4 for host in HOSTS}, **options)
    for host in HOSTS:
        searched = put(searched, host, "lacks", _fetch_plan.lacks(searched, host))
    searched = run(put(searched, H1, "prepared", prepared))
    for host in HOSTS:
        assert without.record(host, "transfers") == searched.record(host, "transfers")
        assert _outcomes.files_of(without, host) == _outcomes.files_of(searched, host)
        assert _outcomes.records_there(without, host) == _outcomes.records_there(searched, host)
    assert _outcomes.records_in_spool(without, H1) == _outcomes.records_in_spool(searched, H1)
    assert decision(without) == decision(searched)
    assert bool(decision(without)["remove"]) != bool(failed)
    assert _report_rows.build_rows(without) == _report_rows.build_rows(searched)


def test_the_free_space_is_compared_with_what_was_prepared() -> None:
    made = put(unsearched(), H2, "looked", {**NOTHING, "free": 20 * GIB})
    made = put(made, H1, "prepared", {"cloud_downloads": [download(n, size=15 * GIB) for n in (1, 2)]})
    short = "2 files need about 30 GiB by the sizes of their backups, and 20 GiB are free on h2."
    assert [_fetch_plan.transfers(made, host)["short"] for host in HOSTS] == ["", short, ""]
    searched = play([download(1, size=40 * GIB)], {H1: {"files": [lost()], "free": 20 * GIB}})
    assert _fetch_plan.lacks(searched, H1)["short"]
    assert not _fetch_plan.transfers(searched, H1)["short"]


def test_a_request_that_has_failed_as_a_whole_is_reported_by_what_was_asked_for() -> None:
    """With the names that were looked up before."""
    made = unsearched(protected_entities=["user-1@example.com", "Nobody"])
    known = [{**entity(1), "email": "user-1@example.com"}]
    made = put(made, H1, "prepared", {"failed": True, "msg": "the server is gone", "protected_entities": known})
    rows = [row for row in _report_rows.build_rows(made) if row["host"] is None]
    assert [(row["entity"], row["entity_guid"], row["result"], row["reason"]) for row in rows] == [
        ("Nobody", None, "not prepared", "the server is gone"),
        ("User 1", entity(1)["guid"], "not prepared", "the server is gone"),
    ]


# --- GUIDs ---


def test_what_is_lacking_is_asked_for_as_the_user_has_named_it() -> None:
    """A name that was looked up, an address, a GUID, and one that the server shows no name of."""
    given = ["User 1", "user-2@example.com", entity(3)["guid"].upper(), "user-4@example.com", "User 5"]
    looks = {H1: [lost(), lost(), lost(), lost(), file(5)]}
    made = play([predicted(number) for number in range(1, 6)], looks, protected_entities=given)
    known = [{**entity(number), "email": f"user-{number}@example.com"} for number in (1, 2, 5)]
    made = put(made, H1, "seen", {**made.record(H1, "seen"), "protected_entities": known})
    assert _fetch_plan.lacks(made, H1)["entities"] == [*given[:3], entity(4)["guid"]]


def test_the_file_of_a_download_that_was_removed_is_enough_and_a_missing_one_is_named() -> None:
    there, gone = download(1), download(2)["guid"]
    looks = {H1: [file(1, guid=there["guid"]), file(2, guid=gone)], H2: [lost(), lost()]}
    made = play([there], looks, guids=[there["guid"], gone.upper()], backup=None)
    assert [record["guid"] for record in made.records(H1, "wanted", "records")] == [there["guid"], gone]
    assert _fetch_plan.lacks(made, H1)["guids"] == [there["guid"]]
    done = run(made)
    assert [record["guid"] for record in done.record(H2, "transfers")["fetch"]] == [there["guid"]]
    rows = {(row["host"], row["guid"]): (row["result"], row["code"]) for row in _report_rows.build_rows(done)}
    assert rows == {
        (H1, there["guid"]): ("unchanged", None),
        (H1, gone): ("unchanged", None),
        (H2, there["guid"]): ("fetched", None),
        (H2, gone): ("failed", "not_found"),
    }
    kept = decision(done)
    assert kept["remove"] == []
    assert f"{gone}: not prepared, there is no download of it, and h2 has no intact file." in kept["message"]


# --- Removal ---


def test_a_download_is_removed_for_a_file_of_the_same_backup_only() -> None:
    """Any backup will do, and the download on the server is of another one: nobody has its content."""
    other = play([download(1, NEW)], {H1: [file(1, OLD)]}, backup=None)
    assert decision(run(other)) == {"remove": [], "keep": [], "message": ""}
    same = play([download(1, NEW)], {H1: [file(1, NEW)]}, backup=None)
    assert decision(run(same))["remove"] == [download(1, NEW)["guid"]]


def test_results_of_another_run_and_of_lost_hosts_are_no_proof() -> None:
    done = run(play([predicted(1)], {H1: [lost()], H2: [file(1)]}), [download(1)])
    assert decision(done)["remove"] == [download(1)["guid"]]
    stale = put(done, H2, "transfers", {**done.record(H2, "transfers"), "run": "reset 16"})
    assert decision(stale)["remove"] == []
    failed = put(done, H1, "fetched", {"failed": True, "msg": "disk full"})
    assert decision(failed)["remove"] == []


# --- Places from which hosts copy ---


def test_the_neighbours_of_a_relay_copy_what_it_holds_without_the_server() -> None:
    made = play(
        [predicted(1), predicted(2)], {H1: [file(1), lost()], H2: [lost(), lost()], H3: [lost(), lost()]}, via="relay"
    )
    assert prepared_by(made) == ["User 2"]
    done = run(made, [download(2)])
    assert fetched_by(done, H1) == ["User 2"]
    copied = [record["guid"] for record in done.record(H2, "transfers")["fetch"]]
    assert copied == [file(1)["guid"], download(2)["guid"]]
    assert [done.record(host, "transfers")["from_server"] for host in HOSTS] == [True, False, False]
    assert decision(done)["remove"] == [download(2)["guid"]]


def test_the_first_neighbour_that_can_be_reached_is_the_relay() -> None:
    looks = {H1: {"unreachable": True}, H2: [lost()], H3: [lost()]}
    made = play([predicted(1)], looks, via="relay")
    assert [_fetch_plan.relay_of(made, host) for host in HOSTS] == [H2, H2, H2]


def test_what_the_controller_holds_is_copied_and_not_prepared() -> None:
    made = play([predicted(1), predicted(2)], {H1: [file(1), lost()], H2: [lost(), lost()]}, via="controller")
    made = put(made, H1, "spool_looked", {"files": [file(1), lost()]})
    assert prepared_by(made) == ["User 2"]
    done = run(made, [download(2)])
    assert [record["guid"] for record in done.record(H1, "transfers")["spool"]] == [download(2)["guid"]]
    assert fetched_by(done, H2) == ["User 1", "User 2"]


@pytest.mark.parametrize("name", ["seen", "prepared"])
def test_a_neighbour_that_asks_for_itself_and_has_failed_is_no_relay(name: str) -> None:
    made = put(unsearched(via="relay", lockstep=False), H1, name, {"failed": True, "msg": "no"})
    assert [_fetch_plan.relay_of(made, host) for host in HOSTS] == [H2, H2, H2]


# --- Shares ---


def test_files_stay_where_they_are_and_new_backups_follow_them() -> None:
    before = lost(predecessor="2026-01-01T00:00:00Z")
    looks = {H1: [before, lost(), lost()], H2: [lost(), file(2), lost()], H3: [lost(), lost(), lost()]}
    made = play([predicted(n) for n in (1, 2, 3)], looks, distribute=True)
    assert _fetch_plan.lacks(made, H1)["shares"] == {H1: [0], H2: [1], H3: [2]}
    assert prepared_by(made) == ["User 1", "User 3"]


def test_the_newest_predecessor_and_a_file_before_it_decide() -> None:
    old, new = (lost(predecessor=f"2026-01-0{day}T00:00:00Z") for day in (1, 2))
    looks = {H1: [old, new], H2: [new, new], H3: [old, file(2)]}
    shares = _fetch_plan.lacks(play([predicted(1), predicted(2)], looks, distribute=True), H1)["shares"]
    assert shares == {H1: [], H2: [0], H3: [1]}


def test_with_a_limit_the_shares_are_those_of_all_hosts() -> None:
    """Also with what hosts have that are left out, and only the share of those that take part is prepared."""
    everything = [predicted(n) for n in range(6)]
    shares = _fetch_plan.lacks(play(everything, {host: [lost()] * 6 for host in HOSTS}, distribute=True), H1)["shares"]
    limited = play(everything, {H1: [lost()] * 6}, distribute=True, expected_hosts=list(HOSTS))
    assert _fetch_plan.lacks(limited, H1)["shares"] == shares
    assert len(prepared_by(limited)) == 2
    elsewhere = [{"_fetch_content_item": H2, "files": [*[lost()] * 5, file(5)]}]
    seen = put(limited, H1, "looked_elsewhere", {"results": elsewhere})
    assert 5 in _fetch_plan.lacks(seen, H1)["shares"][H2]


def test_hosts_with_another_request_have_no_share() -> None:
    made = play([predicted(1), predicted(2)], {H1: [lost()] * 2, H2: [lost()] * 2}, distribute=True)
    made = put(made, H1, "common", {"run": RUN, "requests": {H1: "r", H2: "other"}})
    assert _fetch_plan.lacks(made, H1)["shares"] == {H1: [0, 1]}


def test_a_place_that_is_no_host_is_none() -> None:
    sizes = {f"d{number}": size for number, size in enumerate([9, 7, 5, 4, 3, 2, None])}
    assert _shares.distribute(sizes, HOSTS, {"d1": "unknown", "unknown": H1}) == _shares.distribute(sizes, HOSTS, {})
