# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which download is meant, also where records say too little: asked for once, and never guessed."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import cloud_downloads, failures, wire
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.cloud_downloads import Identifier, Wanted
from ansible_collections.storware.backup.plugins.module_utils._api.transport import Answer
from ansible_collections.storware.backup.plugins.module_utils._api.waiter import Waiting
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError

Json = t.Any

ALICE, BOB = wire.Reference("alice", "Alice"), wire.Reference("bob", "Bob")
MAIL = "CLOUD_DOWNLOAD"


def _record(guid: str, **fields: Json) -> Json:
    return {"guid": guid, "mode": MAIL, **fields}


def _of(entity: wire.Reference) -> Json:
    return {"protectedEntity": {"guid": entity.guid, "name": entity.name}}


class Server:
    """A list, and what its filters find, by entity. ``asked`` has the filters of each call."""

    def __init__(self, records: t.Sequence[Json] = (), found: t.Mapping[str, t.Sequence[Json]] | None = None) -> None:
        self._records = records
        self._found = found or {}
        self.asked: list[dict[str, str]] = []
        self.sent: list[str] = []
        self.answer: Answer | Exception = Answer(204, None)

    def get(self, path: str, query: wire.Query, doing: str, deadline: float | None = None) -> Answer:
        asked = dict(query)
        if asked.pop("page") != "0":
            return Answer(200, [])
        asked.pop("size")
        self.asked.append(asked)
        return Answer(200, list(self._found.get(asked.get("protected-entity", ""), self._records)))

    def delete(self, path: str, doing: str, deadline: float | None = None) -> Answer:
        self.sent.append(path)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _downloads(*records: Json) -> list[wire.CloudDownload]:
    return [wire.cloud_download(record, "") for record in records]


@pytest.mark.parametrize(
    ("wanted", "record", "fits", "undecided"),
    [
        (Wanted(ALICE, MAIL), _record("d", **_of(ALICE)), True, False),
        (Wanted(ALICE, MAIL), _record("d", **_of(BOB)), False, False),
        (Wanted(ALICE, MAIL), _record("d"), False, True),
        (Wanted(ALICE, MAIL), {**_record("d", **_of(ALICE)), "mode": "CLOUD_PST_DOWNLOAD"}, False, False),
        (Wanted(ALICE, MAIL, backup="b"), _record("d", **_of(ALICE), backup={"guid": "b"}), True, False),
        (Wanted(ALICE, MAIL, backup="b"), _record("d", **_of(ALICE), backup={"guid": "c"}), False, False),
        (Wanted(ALICE, MAIL, backup="b"), _record("d", **_of(ALICE)), False, True),
        (Wanted(ALICE, MAIL, node="n"), _record("d", **_of(ALICE), node={"guid": "n"}), True, False),
        (Wanted(ALICE, MAIL, node="n"), _record("d", **_of(ALICE), node={"guid": "m"}), False, False),
        (Wanted(ALICE, MAIL, node="n"), _record("d", **_of(ALICE)), False, True),
    ],
)
def test_what_fits_and_what_says_too_little(wanted: Wanted, record: Json, fits: bool, undecided: bool) -> None:
    (download,) = _downloads(record)
    assert wanted.fits(download) == fits
    assert wanted.undecided(download) == undecided


def test_complete_records_are_not_asked_about() -> None:
    server = Server()
    catalogue = Identifier(server).catalogue(
        _downloads(_record("a", **_of(ALICE))), [Wanted(ALICE, MAIL), Wanted(BOB, MAIL)]
    )
    assert [found.guid for found in catalogue.find(Wanted(ALICE, MAIL))] == ["a"]
    assert catalogue.find(Wanted(BOB, MAIL)) == []
    assert server.asked == []


def test_what_a_record_leaves_out_the_servers_filter_tells() -> None:
    """Once for each that is wanted, also at later looks at the same records."""
    server = Server(found={"alice": [_record("a")], "bob": []})
    identifier = Identifier(server)
    wanted = [Wanted(ALICE, MAIL), Wanted(BOB, MAIL)]
    for _look in range(2):
        catalogue = identifier.catalogue(_downloads(_record("a"), _record("x")), wanted)
        (found,) = catalogue.find(wanted[0])
        assert (found.guid, found.protected_entity) == ("a", ALICE)
        assert catalogue.find(wanted[1]) == []
    assert server.asked == [{"mode": MAIL, "protected-entity": guid} for guid in ("alice", "bob")]
    identifier.catalogue(_downloads(_record("a"), _record("x"), _record("y")), wanted)
    assert len(server.asked) == 3  # there is one more that may be Bob's


def test_the_filter_tells_backup_and_node_as_well_but_not_against_the_record() -> None:
    wanted = Wanted(ALICE, MAIL, backup="b", node="n")
    server = Server(found={"alice": [_record("a", **_of(BOB)), _record("c")]})
    catalogue = Identifier(server).catalogue(_downloads(_record("a"), _record("c")), [wanted])
    assert server.asked == [{"mode": MAIL, "protected-entity": "alice", "backup": "b", "node": "n"}]
    (found,) = catalogue.find(wanted)
    assert (found.guid, found.backup, found.node) == ("c", wire.Backup("b"), wire.Reference("n"))
    (other,) = catalogue.of("bob")
    assert other.guid == "a"


def test_downloads_are_selected_in_the_order_they_are_asked_for() -> None:
    server = Server([_record("AA"), _record("bb"), _record("cc")])
    assert [found.guid for found in cloud_downloads.select(server, ["cc", "aa", "CC"])] == ["cc", "AA"]
    with pytest.raises(OptionError, match="the server lists no cloud download xx, zz") as told:
        cloud_downloads.select(server, ["xx", "zz", "bb"])
    assert told.value.option == "guid"


def _deleted(server: Server, guid: str = "a") -> wire.Task | None:
    return cloud_downloads.delete(t.cast(Client, server), guid, 0.0)


@pytest.mark.parametrize(
    ("body", "task"),
    [(None, None), ({}, None), ([], None), ({"guid": "t", "state": "QUEUED"}, "t"), ({"guid": ""}, None)],
)
def test_a_removal_may_be_a_task(body: Json, task: str | None) -> None:
    server = Server()
    server.answer = Answer(200, body)
    found = _deleted(server)
    assert (found.guid if found else None) == task
    assert server.sent == ["/cloud-download/a"]


def test_what_is_gone_already_is_removed_and_other_refusals_are_told() -> None:
    server = Server()
    attempt = failures.Attempt("delete it", "DELETE", "/cloud-download/a", "https://s", str)
    server.answer = failures.ApiError(attempt, "answered 404", code="not_found", status=404)
    assert _deleted(server) is None
    server.answer = failures.ApiError(attempt, "answered 403", code="forbidden", status=403)
    with pytest.raises(failures.ApiError, match="403"):
        _deleted(server)


@pytest.mark.parametrize("guid", ["../tasks", "a/b", "a?b", "", "a b", "%2e", "a\n"])
def test_a_guid_that_leads_elsewhere_is_never_sent(guid: str) -> None:
    server = Server()
    with pytest.raises(StorwareError, match="cannot be used") as told:
        _deleted(server, guid)
    assert told.value.code == "bad_answer"
    assert server.sent == []


def test_records_of_other_modes_are_no_downloads() -> None:
    server = Server(
        [_record("a"), {"guid": "b", "mode": "ISCSI"}, {"guid": "c", "mode": "SOMETHING_NEW"}, {"guid": "d"}]
    )
    assert [found.guid for found in cloud_downloads.list_all(server)] == ["a", "c", "d"]
    assert [found.guid for found in cloud_downloads.list_all(server, mode=MAIL)] == ["a"]


def _lost() -> failures.ApiError:
    return failures.answer_lost(failures.Attempt("list", "GET", "/cloud-download", "https://s", str), "cut")


class Changing(Server):
    """A list whose finished downloads become more, one a look; a look may fail."""

    def __init__(self, *looks: t.Sequence[str] | Exception) -> None:
        super().__init__()
        self._looks = list(looks)
        self.now = 0.0
        self.told: list[str] = []

    def get(self, path: str, query: wire.Query, doing: str, deadline: float | None = None) -> Answer:
        if dict(query)["page"] != "0":
            return Answer(200, [])
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        self.asked.append(dict(query))
        return Answer(200, [_record(guid) for guid in look])

    def waiting(self, timeout: float) -> Waiting:
        def sleep(seconds: float) -> None:
            self.now += seconds

        return Waiting(timeout, 10, lambda: self.now, sleep, lambda text: self.told.append(text()))


def test_what_is_waited_for_is_told_in_the_order_it_was_asked_for() -> None:
    server = Changing([], ["a"], ["a", "x", "b"])
    found = cloud_downloads.wait_finished(t.cast(Client, server), ["b", "a", "b"], server.waiting(100))
    assert [download.guid for download in found] == ["b", "a"]
    assert server.told == ["0 of 3 ready", "1 of 3 ready", "3 of 3 ready"]
    assert all(asked["finished-mount"] == "true" for asked in server.asked)


def test_at_the_end_of_the_time_it_is_told_what_is_missing_and_what_the_last_look_met() -> None:
    server = Changing(["a"], _lost())
    with pytest.raises(StorwareError, match=r"Not ready at the end of wait_timeout: b \(last error: .*cut") as told:
        cloud_downloads.wait_finished(t.cast(Client, server), ["a", "b"], server.waiting(25))
    assert (told.value.code, told.value.retryable) == ("wait_timeout", True)
    server = Changing(["a"])
    with pytest.raises(StorwareError, match=r"wait_timeout: b$"):
        cloud_downloads.wait_finished(t.cast(Client, server), ["a", "b"], server.waiting(25))


def test_what_stays_in_the_list_is_told_with_the_reason() -> None:
    server = Changing(["a", "b"], ["a", "b"], ["a"])
    stay = cloud_downloads.wait_gone(t.cast(Client, server), {"a": None, "b": None}, server.waiting(25))
    assert stay == {"a": "the server still lists it at the end of wait_timeout"}
    assert server.told[0] == "0 of 2 removed"
    assert server.told[-1] == "1 of 2 removed"
    server = Changing(["a"], _lost())
    stay = cloud_downloads.wait_gone(t.cast(Client, server), {"a": None}, server.waiting(25))
    assert "cut" in stay["a"]
