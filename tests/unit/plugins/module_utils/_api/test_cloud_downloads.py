# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which download is meant, also where records say too little: asked for once, and never guessed."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._api import cloud_downloads, errors, models, payloads
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._api.cloud_downloads import DownloadSpec, RecordCompleter
from ansible_collections.storware.backup.plugins.module_utils._api.polling import Poller
from ansible_collections.storware.backup.plugins.module_utils._api.transport import JsonResponse
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._profile import Profile
from tests.support.guids import guid, word

Json = t.Any

ALICE, BOB = models.Reference(guid("alice"), "Alice"), models.Reference(guid("bob"), "Bob")
BACKUP, NODE = guid("backup"), guid("node")
OTHER = {"guid": guid("other")}
MAIL = "CLOUD_DOWNLOAD"


def _record(name: str, **fields: Json) -> Json:
    return {"guid": guid(name), "mode": MAIL, **fields}


def _of(entity: models.Reference) -> Json:
    return {"protectedEntity": {"guid": entity.guid, "name": entity.name}}


class Server:
    """A list, and what its filters find, by entity. ``asked`` has the filters of each call."""

    patience = 60.0  # seconds
    profile = Profile()

    def __init__(self, records: t.Sequence[Json] = (), found: t.Mapping[str, t.Sequence[Json]] | None = None) -> None:
        self._records = records
        self._found = found or {}
        self.asked: list[dict[str, str]] = []
        self.sent: list[str] = []
        self.answer: JsonResponse | Exception = JsonResponse(204, None)

    def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
        asked = dict(query)
        if asked.pop("page") != "0":
            return JsonResponse(200, [])
        asked.pop("size")
        self.asked.append(asked)
        return JsonResponse(200, list(self._found.get(asked.get("protected-entity", ""), self._records)))

    def delete(self, path: str, doing: str, deadline: float | None = None) -> JsonResponse:
        self.sent.append(path)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _downloads(*records: Json) -> list[models.CloudDownload]:
    return [models.decode_cloud_download(record, "") for record in records]


@pytest.mark.parametrize(
    ("wanted", "record", "fits", "undecided"),
    [
        (DownloadSpec(ALICE, MAIL), _record("d", **_of(ALICE)), True, False),
        (DownloadSpec(ALICE, MAIL), _record("d", **_of(BOB)), False, False),
        (DownloadSpec(ALICE, MAIL), _record("d"), False, True),
        (DownloadSpec(ALICE, MAIL), {**_record("d", **_of(ALICE)), "mode": "CLOUD_PST_DOWNLOAD"}, False, False),
        (DownloadSpec(ALICE, MAIL, backup=BACKUP), _record("d", **_of(ALICE), backup={"guid": BACKUP}), True, False),
        (DownloadSpec(ALICE, MAIL, backup=BACKUP), _record("d", **_of(ALICE), backup=OTHER), False, False),
        (DownloadSpec(ALICE, MAIL, backup=BACKUP), _record("d", **_of(ALICE)), False, True),
        (DownloadSpec(ALICE, MAIL, node=NODE), _record("d", **_of(ALICE), node={"guid": NODE}), True, False),
        (DownloadSpec(ALICE, MAIL, node=NODE), _record("d", **_of(ALICE), node=OTHER), False, False),
        (DownloadSpec(ALICE, MAIL, node=NODE), _record("d", **_of(ALICE)), False, True),
    ],
)
def test_what_fits_and_what_says_too_little(wanted: DownloadSpec, record: Json, fits: bool, undecided: bool) -> None:
    (download,) = _downloads(record)
    assert wanted.matches(download) == fits
    assert wanted.undecided(download) == undecided


def test_complete_records_are_not_asked_about() -> None:
    server = Server()
    catalogue = RecordCompleter(t.cast(Client, server)).catalogue(
        _downloads(_record("a", **_of(ALICE))), [DownloadSpec(ALICE, MAIL), DownloadSpec(BOB, MAIL)]
    )
    assert [word(found.guid) for found in catalogue.find(DownloadSpec(ALICE, MAIL))] == ["a"]
    assert catalogue.find(DownloadSpec(BOB, MAIL)) == []
    assert server.asked == []


def test_what_a_record_leaves_out_the_servers_filter_tells() -> None:
    """Once for each that is wanted, also at later looks at the same records."""
    server = Server(found={ALICE.guid: [_record("a")], BOB.guid: []})
    identifier = RecordCompleter(t.cast(Client, server))
    wanted = [DownloadSpec(ALICE, MAIL), DownloadSpec(BOB, MAIL)]
    for _look in range(2):
        catalogue = identifier.catalogue(_downloads(_record("a"), _record("x")), wanted)
        (found,) = catalogue.find(wanted[0])
        assert (word(found.guid), found.protected_entity) == ("a", ALICE)
        assert catalogue.find(wanted[1]) == []
    of_alice, proof, of_bob = server.asked
    assert [of_alice, of_bob] == [{"mode": MAIL, "protected-entity": entity.guid} for entity in (ALICE, BOB)]
    assert list(proof) == ["protected-entity"]
    assert proof["protected-entity"] not in (ALICE.guid, BOB.guid)  # nobody has it
    identifier.catalogue(_downloads(_record("a"), _record("x"), _record("y")), wanted)
    assert len(server.asked) == 4  # there is one more that may be Bob's


def test_the_filter_tells_backup_and_node_as_well_but_not_against_the_record() -> None:
    wanted = DownloadSpec(ALICE, MAIL, backup=BACKUP, node=NODE)
    server = Server(found={ALICE.guid: [_record("a", **_of(BOB)), _record("c")]})
    catalogue = RecordCompleter(t.cast(Client, server)).catalogue(_downloads(_record("a"), _record("c")), [wanted])
    asked, *proofs = server.asked
    assert asked == {"mode": MAIL, "protected-entity": ALICE.guid, "backup": BACKUP, "node": NODE}
    assert [list(proof) for proof in proofs] == [["protected-entity"], ["backup"], ["node"]]
    (found,) = catalogue.find(wanted)
    assert (word(found.guid), found.backup, found.node) == ("c", models.Backup(BACKUP), models.Reference(NODE))


def test_downloads_are_selected_in_the_order_they_are_asked_for() -> None:
    server = Server([_record("aaa"), _record("bb"), {"guid": guid("lll").upper(), "mode": MAIL}])
    chosen = [guid("lll"), guid("aaa"), guid("lll").upper()]
    assert [word(found.guid) for found in cloud_downloads.select(t.cast(Client, server), chosen)] == ["lll", "aaa"]
    with pytest.raises(OptionError, match=f"the server lists no cloud download {guid('x')}, {guid('z')}") as told:
        cloud_downloads.select(t.cast(Client, server), [guid("x"), guid("z"), guid("bb")])
    assert told.value.option == "guid"


def _deleted(server: Server) -> models.Task | None:
    return cloud_downloads.delete(t.cast(Client, server), "a", 0.0)


@pytest.mark.parametrize(
    ("body", "task"),
    [(None, None), ({}, None), ([], None), ({"guid": guid("t"), "state": "QUEUED"}, guid("t")), ({"guid": ""}, None)],
)
def test_a_removal_may_be_a_task(body: Json, task: str | None) -> None:
    server = Server()
    server.answer = JsonResponse(200, body)
    found = _deleted(server)
    assert (found.guid if found else None) == task
    assert server.sent == ["/cloud-download/a"]


def test_what_is_gone_already_is_removed_and_other_refusals_are_told() -> None:
    server = Server()
    attempt = errors.Attempt("delete it", "DELETE", "/cloud-download/a", "https://s", str)
    server.answer = errors.ApiError(attempt, "answered 404", code="not_found", status=404)
    assert _deleted(server) is None
    server.answer = errors.ApiError(attempt, "answered 403", code="forbidden", status=403)
    with pytest.raises(errors.ApiError, match="403"):
        _deleted(server)


def test_records_of_other_modes_are_no_downloads() -> None:
    server = Server(
        [
            _record("a"),
            {**_record("b"), "mode": "ISCSI"},
            {**_record("c"), "mode": "SOMETHING_NEW"},
            {"guid": guid("d")},
        ]
    )
    assert [word(found.guid) for found in cloud_downloads.list_all(t.cast(Client, server))] == ["a", "c", "d"]
    assert [word(found.guid) for found in cloud_downloads.list_all(t.cast(Client, server), mode=MAIL)] == ["a"]


def _lost() -> errors.ApiError:
    return errors.response_lost(errors.Attempt("list", "GET", "/cloud-download", "https://s", str), "cut")


class Changing(Server):
    """A list whose finished downloads become more, one a look; a look may fail."""

    def __init__(self, *looks: t.Sequence[str] | Exception) -> None:
        super().__init__()
        self._looks = list(looks)
        self.now = 0.0
        self.told: list[str] = []

    def get(self, path: str, query: payloads.Query, doing: str, deadline: float | None = None) -> JsonResponse:
        if dict(query)["page"] != "0":
            return JsonResponse(200, [])
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        self.asked.append(dict(query))
        return JsonResponse(200, [_record(name) for name in look])

    def waiting(self, timeout: float) -> Poller:
        def sleep(seconds: float) -> None:
            self.now += seconds

        return Poller(timeout, 10, lambda: self.now, sleep, lambda text: self.told.append(text()))


def test_what_is_waited_for_is_told_in_the_order_it_was_asked_for() -> None:
    server = Changing([], ["a"], ["a", "x", "b"])
    chosen = [guid("b"), guid("a"), guid("b")]
    found = cloud_downloads.wait_finished(t.cast(Client, server), chosen, server.waiting(100))
    assert [word(download.guid) for download in found] == ["b", "a"]
    assert server.told == ["0 of 3 ready", "1 of 3 ready", "3 of 3 ready"]
    assert all(asked["finished-mount"] == "true" for asked in server.asked)


def test_at_the_end_of_the_time_it_is_told_what_is_missing_and_what_the_last_look_met() -> None:
    server = Changing(["a"], _lost())
    with pytest.raises(
        StorwareError, match=rf"Not ready, and no progress within wait_timeout: {guid('b')} \(last error: .*cut"
    ) as told:
        cloud_downloads.wait_finished(t.cast(Client, server), [guid("a"), guid("b")], server.waiting(25))
    assert (told.value.code, told.value.retryable) == ("wait_timeout", True)
    server = Changing(["a"])
    with pytest.raises(StorwareError, match=rf"wait_timeout: {guid('b')}$"):
        cloud_downloads.wait_finished(t.cast(Client, server), [guid("a"), guid("b")], server.waiting(25))


def test_what_stays_in_the_list_is_told_with_the_reason() -> None:
    server = Changing(["a", "b"], ["a", "b"], ["a"])
    stay = cloud_downloads.wait_deleted(t.cast(Client, server), {guid("a"): None, guid("b"): None}, server.waiting(25))
    assert stay == {guid("a"): "the server still lists it, without progress within wait_timeout"}
    assert server.told[0] == "0 of 2 removed"
    assert server.told[-1] == "1 of 2 removed"
    server = Changing(["a"], _lost())
    stay = cloud_downloads.wait_deleted(t.cast(Client, server), {guid("a"): None}, server.waiting(25))
    assert "cut" in stay[guid("a")]
