# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions, as tables: what is wanted and what is there, in; what to do, out."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _plan
from ansible_collections.storware.backup.plugins.module_utils._api.cloud_downloads import DownloadIndex, DownloadSpec
from ansible_collections.storware.backup.plugins.module_utils._api.models import Backup, CloudDownload, Reference

ALICE, BOB = Reference("a", "Alice", "CLOUD_USER"), Reference("b", "Bob", "CLOUD_USER")


def download(guid: str, entity: Reference | None = ALICE, **changes: t.Any) -> CloudDownload:
    return CloudDownload(guid=guid, protected_entity=entity, **{"mode": "CLOUD_DOWNLOAD", **changes})


def presence(
    wanted: list[DownloadSpec], existing: list[CloudDownload], finished: t.Collection[str] = ()
) -> _plan.CreatePlan:
    return _plan.plan_creation(wanted, DownloadIndex(existing), finished)


def test_what_exists_is_adopted_and_the_rest_is_missing() -> None:
    alice, bob = DownloadSpec(ALICE, "CLOUD_DOWNLOAD"), DownloadSpec(BOB, "CLOUD_DOWNLOAD")
    plan = presence([alice, bob], [download("1")])
    assert plan.adopted == {alice: download("1")}
    assert plan.missing == [bob]


def test_the_other_mode_does_not_count() -> None:
    wanted = DownloadSpec(ALICE, "CLOUD_PST_DOWNLOAD")
    assert presence([wanted], [download("1")]).missing == [wanted]


def test_any_backup_matches_unless_one_is_asked_for() -> None:
    existing = [download("1", backup=Backup("x"))]
    assert not presence([DownloadSpec(ALICE, "CLOUD_DOWNLOAD")], existing).missing
    assert not presence([DownloadSpec(ALICE, "CLOUD_DOWNLOAD", backup="x")], existing).missing
    assert presence([DownloadSpec(ALICE, "CLOUD_DOWNLOAD", backup="y")], existing).missing


def test_the_node_matters_only_when_asked_for() -> None:
    existing = [download("1", node=Reference("n1"))]
    assert not presence([DownloadSpec(ALICE, "CLOUD_DOWNLOAD", node="n1")], existing).missing
    assert presence([DownloadSpec(ALICE, "CLOUD_DOWNLOAD", node="n2")], existing).missing


def test_of_several_the_finished_one_is_taken_else_the_first() -> None:
    wanted = DownloadSpec(ALICE, "CLOUD_DOWNLOAD")
    existing = [download("1"), download("2"), download("3")]
    assert presence([wanted], existing, {"2", "3"}).adopted[wanted].guid == "2"
    assert presence([wanted], existing).adopted[wanted].guid == "1"


def test_what_is_coming_is_neither_there_nor_made_again() -> None:
    """Another run has asked for it; a record that is listed already counts as one that is there."""
    alice, bob, carol = (DownloadSpec(entity, "CLOUD_DOWNLOAD") for entity in (ALICE, BOB, Reference("c", "Carol")))
    plan = _plan.plan_creation([alice, bob, carol], DownloadIndex([download("1")]), (), expected=[alice, bob])
    assert (dict(plan.adopted), plan.expected, plan.missing) == ({alice: download("1")}, [bob], [carol])
    assert plan.wanted == [alice, bob, carol]


def test_what_will_be_there_is_predicted_as_far_as_it_is_known() -> None:
    alice, bob = DownloadSpec(ALICE, "CLOUD_DOWNLOAD"), DownloadSpec(BOB, "CLOUD_PST_DOWNLOAD", backup="b1", node="n1")
    carol = DownloadSpec(Reference("c", "Carol"), "CLOUD_DOWNLOAD")
    assert presence([alice, bob, carol], [download("1")]).predicted == [
        download("1"),
        CloudDownload(
            guid=None, mode="CLOUD_PST_DOWNLOAD", protected_entity=BOB, backup=Backup("b1"), node=Reference("n1")
        ),
        CloudDownload(guid=None, mode="CLOUD_DOWNLOAD", protected_entity=carol.entity),
    ]


def test_the_diff_names_backup_and_node_where_they_are_asked_for() -> None:
    plan = presence([DownloadSpec(ALICE, "CLOUD_DOWNLOAD", backup="b1", node="n1")], [])
    entity = {"guid": "a", "name": "Alice"}
    shown = {"protected_entity": entity, "mode": "CLOUD_DOWNLOAD", "backup": "b1", "node": "n1"}
    assert plan.diff(plan.missing) == {"before": {"cloud_downloads": []}, "after": {"cloud_downloads": [shown]}}
    assert plan.diff([])["before"] == {"cloud_downloads": [shown]}


def test_the_diff_is_in_the_order_of_entities() -> None:
    plan = presence([DownloadSpec(BOB, "CLOUD_DOWNLOAD"), DownloadSpec(ALICE, "CLOUD_DOWNLOAD")], [])
    shown = plan.diff(plan.missing)["after"]["cloud_downloads"]
    assert [entry["protected_entity"]["name"] for entry in shown] == ["Alice", "Bob"]


@pytest.mark.fault("A11")
def test_a_record_without_entity_is_nobodys() -> None:
    wanted = DownloadSpec(ALICE, "CLOUD_DOWNLOAD")
    existing = DownloadIndex([download("1", entity=None)])
    assert existing.find(wanted) == []
    assert existing.undecided(wanted) == {"1"}


@pytest.mark.fault("U11")
def test_the_diff_shows_what_is_asked_for_and_nothing_that_cannot_be_foreseen() -> None:
    plan = presence([DownloadSpec(ALICE, "CLOUD_DOWNLOAD"), DownloadSpec(BOB, "CLOUD_DOWNLOAD")], [download("1")])
    alice = {"protected_entity": {"guid": "a", "name": "Alice"}, "mode": "CLOUD_DOWNLOAD"}
    bob = {"protected_entity": {"guid": "b", "name": "Bob"}, "mode": "CLOUD_DOWNLOAD"}
    assert plan.diff(plan.missing) == {
        "before": {"cloud_downloads": [alice]},
        "after": {"cloud_downloads": [alice, bob]},
    }


def test_the_diff_after_is_the_next_diff_before() -> None:
    wanted = [DownloadSpec(ALICE, "CLOUD_DOWNLOAD"), DownloadSpec(BOB, "CLOUD_DOWNLOAD")]
    plans = presence(wanted, []), presence(wanted, [download("1"), download("2", BOB)])
    first, second = (plan.diff(plan.missing) for plan in plans)
    assert first["after"] == second["before"] == second["after"]


def test_an_update_is_sent_only_where_it_changes_something() -> None:
    same = CloudDownload("1", "CLOUD_DOWNLOAD", raw={"state": {"name": "KEPT", "description": "x"}, "note": "n"})
    string = CloudDownload("2", "CLOUD_DOWNLOAD", raw={"state": "KEPT", "note": "n"})
    other = CloudDownload("3", "CLOUD_DOWNLOAD", raw={"state": {"name": "MOUNTED"}, "note": "n"})
    unknown = CloudDownload("4", "CLOUD_DOWNLOAD", raw={"state": {"name": "KEPT"}})
    diff = _plan.plan_update([same, string, other, unknown], {"state": {"name": "KEPT"}, "note": "n"})
    assert diff == {
        "before": {"3": {"state": {"name": "MOUNTED"}}, "4": {"note": None}},
        "after": {"3": {"state": {"name": "KEPT"}}, "4": {"note": "n"}},
    }


def test_absence_takes_all_that_fit_and_nothing_else() -> None:
    existing = DownloadIndex(
        [download("1"), download("2"), download("3", BOB), download("4", mode="CLOUD_PST_DOWNLOAD")]
    )
    to_delete = _plan.plan_deletion([DownloadSpec(ALICE, "CLOUD_DOWNLOAD")], existing)
    assert [found.guid for found in to_delete] == ["1", "2"]


def test_only_listed_guids_are_ever_deleted() -> None:
    to_delete = _plan.plan_deletion_of(["2", "9"], [download("1"), download("2")])
    assert [found.guid for found in to_delete] == ["2"]
    assert _plan.deletion_diff(to_delete)["after"] == {"cloud_downloads": []}


def test_guids_are_the_same_in_any_case() -> None:
    existing = [download("ab-1"), download("AB-2"), CloudDownload(None, "CLOUD_DOWNLOAD")]
    to_delete = _plan.plan_deletion_of(["AB-1", "ab-2", "xx"], existing)
    assert [found.guid for found in to_delete] == ["ab-1", "AB-2"]


def test_what_goes_is_shown_by_what_identifies_it() -> None:
    to_delete = _plan.plan_deletion_of(["1", "2"], [download("1"), download("2", None)])
    assert _plan.deletion_diff(to_delete)["before"] == {
        "cloud_downloads": [
            {"guid": "1", "mode": "CLOUD_DOWNLOAD", "protected_entity": ALICE.to_result()},
            {"guid": "2", "mode": "CLOUD_DOWNLOAD", "protected_entity": None},
        ]
    }
