# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud_download_retention on real files: which older ones it removes, which it never does, and what it returns."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted
from ansible_collections.storware.backup.plugins.module_utils._transfer import retention
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Origin
from ansible_collections.storware.backup.plugins.modules import cloud_download_retention
from tests.simulator.process import Simulator
from tests.support.modules import connect, run_module
from tests.support.stored import BOB, SERVER, guid_of, origin, receipt_of, record_of, store
from tests.support.use import CONTENT, Json, good, mode

RETENTION: t.Final = "cloud_download_retention"


def run(path: pathlib.Path, *records: Json, check: bool = False, **options: Json) -> Json:
    given = {"path": str(path), "server": SERVER, "records": list(records), **options}
    return run_module(RETENTION, given, check=check)


def retain(path: pathlib.Path, *records: Json, **options: Json) -> list[str]:
    """Names of the removed files, of a run that succeeds."""
    return [os.path.basename(one["path"]) for one in good(run(path, *records, **options))["removed"]]


def names(path: pathlib.Path) -> list[str]:
    """Names of all files; each of them that is no receipt has one."""
    found = sorted(one.name for one in path.iterdir())
    files = [name for name in found if not name.endswith(".sha256")]
    assert found == sorted([*files, *(f"{name}.sha256" for name in files)])
    return files


@pytest.fixture
def nights(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory with five nights of the same content, day-1.zip to day-5.zip, and one of another."""
    for day in range(1, 6):
        store(tmp_path, guid_of(day), day, origin(backup=guid_of(100 + day)))
    store(tmp_path, guid_of(9), 1, origin(BOB), name="bob.zip")
    return tmp_path


NEWEST: t.Final = record_of(guid_of(5), backup=guid_of(105))


@pytest.mark.smoke
def test_older_files_are_removed_with_their_receipts(nights: pathlib.Path) -> None:
    paths = [str(nights / name) for name in names(nights)]
    predicted = run(nights, NEWEST, keep=2, check=True)
    assert [str(nights / name) for name in names(nights)] == paths
    done = run(nights, NEWEST, keep=2)
    assert names(nights) == ["bob.zip", "day-4.zip", "day-5.zip"]
    assert (done["changed"], done["removed"], done["diff"]) == (True, predicted["removed"], predicted["diff"])
    assert done["removed"] == [
        {"path": str(nights / f"day-{day}.zip"), "guid": guid_of(day), "size": 4, "time": f"2026-01-0{day}T00:00:00Z"}
        for day in (1, 2, 3)
    ]
    assert done["diff"] == {"before": {"files": paths[1:]}, "after": {"files": paths[4:]}}
    again = run(nights, NEWEST, keep=2)
    assert (again["changed"], again["removed"], again["diff"]["before"]) == (False, [], again["diff"]["after"])


def test_without_keep_all_stay(nights: pathlib.Path) -> None:
    assert retain(nights, NEWEST) == []
    assert len(names(nights)) == 6


def test_the_wanted_file_stays_even_if_it_is_the_oldest(nights: pathlib.Path) -> None:
    assert retain(nights, record_of(guid_of(1).upper()), keep=1) == ["day-2.zip", "day-3.zip", "day-4.zip", "day-5.zip"]
    assert names(nights) == ["bob.zip", "day-1.zip"]


def test_two_records_of_the_same_content_keep_their_files(nights: pathlib.Path) -> None:
    assert retain(nights, NEWEST, record_of(guid_of(2)), NEWEST, keep=3) == ["day-1.zip", "day-3.zip"]
    assert retain(nights, NEWEST, record_of(guid_of(2)), keep=1) == ["day-4.zip"]
    assert names(nights) == ["bob.zip", "day-2.zip", "day-5.zip"]


@pytest.mark.parametrize("wanted", [guid_of(6), None], ids=["other", "none"])
def test_while_the_wanted_file_is_missing_nothing_is_removed(nights: pathlib.Path, wanted: str | None) -> None:
    """Check mode predicts the run in which it will be there."""
    record = record_of(wanted, backup=guid_of(106))
    for records in ([record], [record, NEWEST], [NEWEST, record]):
        assert retain(nights, *records, keep=1) == []
    assert retain(nights, record, keep=2, check=True) == [f"day-{day}.zip" for day in (1, 2, 3, 4)]
    assert retain(nights, record, record, keep=4, check=True) == ["day-1.zip", "day-2.zip"]
    assert len(names(nights)) == 6


@pytest.mark.parametrize("how", ["gone", "longer", "a link", "of other content"])
def test_a_file_that_only_seems_to_be_the_wanted_one_removes_nothing(nights: pathlib.Path, how: str) -> None:
    path = nights / "day-5.zip"
    if how == "gone":
        path.unlink()
    elif how == "longer":
        path.write_bytes(b"mail, changed")
    elif how == "a link":
        path.unlink()
        path.symlink_to("day-4.zip")
    else:
        store(nights, guid_of(5), 5, origin(BOB))
    assert retain(nights, NEWEST, keep=1) == []
    assert retain(nights, NEWEST, keep=1, check=True) == [f"day-{day}.zip" for day in (1, 2, 3, 4)]


def test_what_is_not_as_its_receipt_says_is_never_removed(nights: pathlib.Path) -> None:
    one, two, three, four, five = (nights / f"day-{day}.zip" for day in range(1, 6))
    one.write_bytes(b"mail, changed")
    two.unlink()
    two.symlink_to("mail")  # as long as the file was
    (nights / "mail").write_bytes(b"mail")
    three.unlink()
    three.mkdir()
    receipt_of(four).unlink()
    old = store(nights, guid_of(8), 1, Origin(), name="old.zip")
    other = store(nights, guid_of(7), 1, dataclasses.replace(origin(), request="1" * 64), name="other.zip")
    assert retain(nights, NEWEST, keep=1, check=True) == retain(nights, NEWEST, keep=1) == []
    assert all(path.exists() for path in (one, two, three, four, five, old, other))


def test_changed_files_take_no_place_of_good_ones(nights: pathlib.Path) -> None:
    (nights / "day-4.zip").write_bytes(b"mail, changed")
    (nights / "day-3.zip").unlink()
    assert retain(nights, NEWEST, keep=2) == ["day-1.zip"]
    assert retain(nights, NEWEST, keep=1) == ["day-2.zip", "day-3.zip"]  # a receipt without its file, too
    assert names(nights) == ["bob.zip", "day-4.zip", "day-5.zip"]


def test_an_old_receipt_of_the_wanted_file_is_enough(nights: pathlib.Path) -> None:
    store(nights, guid_of(6), 6, Origin())
    assert retain(nights, record_of(guid_of(6)), keep=2) == [f"day-{day}.zip" for day in (1, 2, 3, 4)]


def test_other_names_of_a_file_stay(nights: pathlib.Path) -> None:
    """A directory that is copied with hard links each night."""
    (nights / "snapshot").mkdir()
    os.link(nights / "day-1.zip", nights / "snapshot" / "day-1.zip")
    assert retain(nights, NEWEST, keep=4) == ["day-1.zip"]
    assert (nights / "snapshot" / "day-1.zip").read_bytes() == b"mail"


# --- attributes ---


def test_attributes_of_the_wanted_files_are_ensured(nights: pathlib.Path) -> None:
    for path in nights.iterdir():
        path.chmod(0o600)
    options: Json = {"mode": "0640", "keep": 4}
    predicted = run(nights, NEWEST, check=True, **options)
    assert mode(nights / "day-5.zip") == 0o600
    done = good(run(nights, NEWEST, **options))
    assert (done["changed"], done["diff"]) == (True, predicted["diff"])
    assert done["diff"]["after"]["mode"] == "0640"
    assert {mode(path) for path in (nights / "day-5.zip", nights / "day-5.zip.sha256")} == {0o640}
    assert {mode(path) for path in nights.iterdir() if "day-5" not in path.name} == {0o600}
    assert not good(run(nights, NEWEST, **options))["changed"]


# --- failures ---


def test_a_file_that_cannot_be_removed_does_not_keep_the_others(
    nights: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an immutable one, which not every file system has."""
    real = Directory.remove

    def remove(directory: Directory, name: str) -> None:
        if name == "day-2.zip":
            raise PermissionError(1, "Operation not permitted")
        real(directory, name)

    monkeypatch.setattr(Directory, "remove", remove)
    failed = run(nights, NEWEST, keep=1)
    assert failed["failed"]
    assert f"Cannot remove {nights}/day-2.zip: Operation not permitted" in failed["msg"]
    assert (failed["error"]["code"], failed["error"]["errno"]) == ("file_system", "EPERM")
    assert [one["guid"] for one in failed["removed"]] == [guid_of(day) for day in (1, 3, 4)]
    assert failed["changed"]
    assert names(nights) == ["bob.zip", "day-2.zip", "day-5.zip"]


@pytest.mark.parametrize("point", ["file", "receipt"])
def test_an_interrupted_removal_is_finished_by_the_next_run(
    nights: pathlib.Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    real = Directory.remove
    stop = "day-2.zip" if point == "file" else "day-2.zip.sha256"

    def remove(directory: Directory, name: str) -> None:
        if name == stop:
            raise Interrupted("Interrupted by SIGTERM")
        real(directory, name)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "remove", remove)
        failed = run(nights, NEWEST, keep=2)
    removed = [1] if point == "file" else [1, 2, 3]
    assert failed["error"]["code"] == "interrupted"
    assert [one["guid"] for one in failed["removed"]] == [guid_of(day) for day in removed]
    assert len(retain(nights, NEWEST, keep=2)) > 0
    assert names(nights) == ["bob.zip", "day-4.zip", "day-5.zip"]


def test_a_file_that_another_download_has_got_meanwhile_stays(
    nights: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the decision and the removal, a task has fetched another download to the same name."""
    real = retention.remove

    def remove(*arguments: t.Any) -> t.Any:
        store(nights, guid_of(7), 7, origin(BOB), name="day-1.zip")
        return real(*arguments)

    monkeypatch.setattr(retention, "remove", remove)
    assert retain(nights, NEWEST, keep=3) == ["day-2.zip"]
    assert names(nights) == ["bob.zip", *(f"day-{day}.zip" for day in (1, 3, 4, 5))]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"path": "/no/such/directory"}, "path"),
        ({"path": "/etc/hostname"}, "path"),
        ({"keep": 0}, "keep"),
        ({"records": [record_of("x")]}, "records"),
        ({"mode": "rwx"}, "mode"),
        ({"owner": "no-such-user"}, "owner"),
    ],
)
def test_bad_input_names_the_option(tmp_path: pathlib.Path, options: Json, named: str) -> None:
    result = run_module(RETENTION, {"path": str(tmp_path), "server": SERVER, "records": [NEWEST], **options})
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", named)


def test_nights_of_real_downloads(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """Each night a new download of the same mailbox, by the records that the server's list gives."""
    guids = []
    for _night in range(3):
        guids += simulator.seed(downloads=1, entity="alice@example.com", content_size=1000)
        records = good(run_module("cloud_download_info", connect(simulator)))["cloud_downloads"]
        (record,) = (one for one in records if one["guid"] == guids[-1])
        good(run_module(CONTENT, connect(simulator, guid=guids[-1], dest=str(tmp_path), records=[record])))
        server = good(run_module("session", connect(simulator), check=True))["server"]
        removed = retain(tmp_path, record, server=server, keep=2)
    found = good(run_module("cloud_download_content_info", {"path": str(tmp_path)}))
    assert found["intact"]
    assert len(removed) == 1
    assert {one["guid"] for one in found["files"]} == set(guids[1:])


def test_everything_that_is_returned_is_documented(nights: pathlib.Path) -> None:
    documented = yaml.safe_load(cloud_download_retention.RETURN)
    done = good(run(nights, NEWEST, keep=1))
    assert set(done["removed"][0]) == set(documented["removed"]["contains"])
