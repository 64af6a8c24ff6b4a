# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud_download_content_info on files that came from the simulator: what is intact, and what is not any more."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import typing as t

import pytest
import yaml

from ansible_collections.storware.backup.plugins.modules import cloud_download_content_info
from tests.simulator.process import Simulator
from tests.support.modules import connect, run_module
from tests.support.stored import ALICE, BOB, SERVER, guid_of, origin, receipt_of, record_of, store
from tests.support.use import CONTENT, OTHER, good, sha256

Json = t.Any


def compare(path: object, **options: Json) -> Json:
    """As on a host: without any variable of the connection, and without a server."""
    result = good(run_module("cloud_download_content_info", {"path": str(path), **options}))
    assert not result["changed"]
    return result


@pytest.fixture
def held(simulator: Simulator, tmp_path: pathlib.Path) -> pathlib.Path:
    """A file that has just come."""
    (guid,) = simulator.seed(users=1, downloads=1, content_size=100_000)
    return pathlib.Path(good(run_module(CONTENT, connect(simulator, guid=guid, dest=str(tmp_path))))["path"])


@pytest.mark.smoke
def test_what_came_is_intact_and_nothing_is_touched(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    guids = simulator.seed(users=3, downloads=3, content_size=10_000)
    records = good(run_module("cloud_download_info", connect(simulator)))["cloud_downloads"]
    records[0]["request"] = "0" * 64
    for guid in guids:
        good(run_module(CONTENT, connect(simulator, guid=guid, dest=f"{tmp_path}/", records=records[:-1])))
    (tmp_path / "other.sha256").write_text(f"{'0' * 64}  other\n")  # somebody else's
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    simulator.clear_log()
    result = compare(tmp_path)
    assert result["intact"] is True
    contents = [simulator.content(guid) for guid in guids]
    assert [(file["path"], file["guid"], file["size"], file["sha256"]) for file in result["files"]] == sorted(
        (f"{tmp_path}/{content['name']}", guid, content["size"], content["sha256"])
        for guid, content in zip(guids, contents, strict=True)
    )
    for file in result["files"]:
        assert (file["state"], file["verified"], file["actual_size"], file["reason"]) == (
            "intact",
            "structure",
            None,
            None,
        )
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", file["time"])
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()} == before
    assert simulator.requests() == []

    # Whose content it is, as far as the records of the fetch said so
    of = {file["guid"]: file for file in result["files"]}
    assert {file["server"] for file in result["files"]} == {simulator.url + "/api"}
    for record in records[:-1]:
        known = of[record["guid"]]
        assert known["mode"] == record["mode"]
        assert known["protected_entity"] == {key: record["protected_entity"][key] for key in ("guid", "name")}
        assert known["backup"] == {key: record["backup"][key] for key in ("guid", "backup_time")}
    assert [of[record["guid"]]["request"] for record in records] == ["0" * 64, None, None]
    assert of[records[-1]["guid"]]["protected_entity"] == {"guid": None, "name": None}

    chosen = compare(tmp_path, guid=[OTHER, guids[1].upper()])
    assert not chosen["intact"]
    assert [(file["guid"], file["state"], file["path"] is None) for file in chosen["files"]] == [
        (guids[1], "intact", False), (OTHER, "missing", True),
    ]  # fmt: skip


def flip(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_size_alone_is_compared_on_request(held: pathlib.Path) -> None:
    assert compare(held, verify="length")["intact"]
    flip(held)
    assert compare(held, verify="length")["intact"]
    assert not compare(held)["intact"]
    held.write_bytes(held.read_bytes()[:-1])
    assert compare(held, verify="length")["files"][0]["state"] == "changed"


def link(path: pathlib.Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def directory(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: pathlib.Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [
        (flip, "changed", None),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "changed", None),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "changed", None),
        (lambda path: path.write_bytes(b""), "changed", None),
        (pathlib.Path.unlink, "missing", None),
        (link, "unreadable", "it is a symbolic link"),
        (directory, "unreadable", "it is a directory"),
        (fifo, "unreadable", "it is a FIFO"),
    ],
    ids=["flipped", "cut", "longer", "empty", "removed", "link", "directory", "fifo"],
)
@pytest.mark.parametrize("given", ["directory", "file"])
def test_what_is_not_any_more_what_it_was(
    held: pathlib.Path, how: t.Callable[[pathlib.Path], object], state: str, reason: str | None, given: str
) -> None:
    (before,) = compare(held)["files"]
    how(held)
    if held.is_dir() and given == "file":
        result = run_module("cloud_download_content_info", {"path": str(held)})
        assert "no file with a receipt is there" in result["msg"]
        return
    result = compare(held.parent if given == "directory" else held)
    assert result["intact"] is False
    (file,) = result["files"]
    assert (file["path"], file["state"], file["reason"]) == (str(held), state, reason)
    assert {key: file[key] for key in ("guid", "size", "sha256", "time")} == {
        key: before[key] for key in ("guid", "size", "sha256", "time")
    }
    if state == "changed":
        assert file["actual_size"] == held.stat().st_size
        assert file["actual_sha256"] == (sha256(held) if held.stat().st_size == file["size"] else None)


@pytest.mark.parametrize("name", ["two\nlines", "back\\slash", "Zoë …", " ", "-rf", "x" * 240])
def test_any_name(held: pathlib.Path, simulator: Simulator, name: str, tmp_path: pathlib.Path) -> None:
    (guid,) = [file["guid"] for file in compare(held)["files"]]
    place = tmp_path / "there"
    place.mkdir()
    good(run_module(CONTENT, connect(simulator, guid=guid, dest=f"{place}/{name}")))
    (file,) = compare(place)["files"]
    assert (file["path"], file["state"]) == (f"{place}/{name}", "intact")


def test_the_receipt_alone_decides_which_file_is_meant(held: pathlib.Path) -> None:
    """A receipt that was moved beside another file vouches for nothing."""
    shutil.move(f"{held}.sha256", held.with_name("other.sha256"))
    result = run_module("cloud_download_content_info", {"path": str(held.parent)})
    assert result["error"]["option"] == "path"
    assert "no file with a receipt" in result["msg"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"path": "/no/such/directory/file"}, "path"),
        ({"path": "/etc/hostname"}, "path"),
        ({"path": "/tmp/a\0b"}, "path"),
        ({"path": "/etc"}, "path"),
        ({"path": "/etc", "guid": ["x"]}, "guid"),
        ({"path": "/no/such/directory", "server": SERVER, "records": [record_of()]}, "path"),
        ({"path": "/etc/hostname", "server": SERVER, "records": [record_of()]}, "path"),
        ({"path": "/etc", "server": SERVER, "records": [record_of(), record_of(entity="x")]}, "records"),
    ],
)
def test_bad_input_names_the_option(options: Json, named: str) -> None:
    result = run_module("cloud_download_content_info", options)
    assert result["failed"]
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", named)
    assert result["msg"].startswith(f"{named}: ")


# --- by records ---


def find(path: object, *records: Json, **options: Json) -> Json:
    return compare(path, server=SERVER, records=list(records), **options)


def states(result: Json) -> list[tuple[str, str | None]]:
    return [(file["state"], file["path"] and pathlib.Path(file["path"]).name) for file in result["files"]]


@pytest.mark.smoke
def test_each_record_has_its_file(simulator: Simulator, tmp_path: pathlib.Path) -> None:
    """As cloud_download_info returns them, also after the downloads have other GUIDs."""
    guids = simulator.seed(users=3, downloads=3, content_size=1000)
    records = good(run_module("cloud_download_info", connect(simulator)))["cloud_downloads"]
    good(run_module(CONTENT, connect(simulator, guid=guids[:2], dest=str(tmp_path), records=records)))
    server = good(run_module("session", connect(simulator), check=True))["server"]
    again = [{**one, "guid": None} for one in sorted(records, key=lambda one: guids.index(one["guid"]))]
    result = compare(tmp_path, server=server, records=again[::-1])
    assert not result["intact"]
    assert [(file["state"], file["guid"]) for file in result["files"]] == [
        ("missing", None), ("intact", guids[1]), ("intact", guids[0])
    ]  # fmt: skip
    space = os.statvfs(tmp_path)
    assert result["free"] == pytest.approx(space.f_bavail * space.f_frsize, rel=0.1)
    missing = compare(tmp_path, server=server, records=[{**again[2], "guid": OTHER.upper()}])
    assert [(file["guid"], file["path"]) for file in missing["files"]] == [(OTHER, None)]
    assert compare(tmp_path, server=server, records=[])["intact"]


def test_names_of_receipts_are_counted_whatever_has_them(tmp_path: pathlib.Path) -> None:
    """Without records, none of them is read. A link that is the directory itself is followed."""
    (tmp_path / "there").mkdir()
    here = tmp_path / "link"
    here.symlink_to("there")
    assert compare(here, server=SERVER, records=[])["receipts"] == 0
    path = store(here, guid_of(1), 1, origin())
    (here / "dir.sha256").mkdir()
    (here / "link.sha256").symlink_to("/nonexistent")
    os.mkfifo(here / "fifo.sha256")
    (here / os.fsdecode(b"\xff.sha256")).touch()
    (here / "x.sha256.part").touch()
    found = compare(here, server=SERVER, records=[])
    assert (found["receipts"], found["files"], found["intact"]) == (5, [], True)
    assert compare(here)["receipts"] == compare(path)["receipts"] == find(here, record_of())["receipts"] == 5


def test_the_first_intact_file_counts_and_no_other_file_is_read(tmp_path: pathlib.Path) -> None:
    paths = [store(tmp_path, guid_of(day), day, origin(), content=b"mail %d" % day) for day in range(1, 6)]
    os.truncate(paths[4], 3)
    paths[3].unlink()
    os.mkfifo(paths[3])
    paths[2].unlink()
    store(tmp_path, guid_of(6), 6, origin(BOB), name="bob.zip").unlink()
    os.mkfifo(tmp_path / "bob.zip")  # it would hold up whoever reads it
    assert states(find(tmp_path, record_of())) == [("intact", "day-2.zip")]
    assert states(find(tmp_path, record_of(guid_of(1)), record_of(guid_of(3)))) == [
        ("intact", "day-1.zip"),
        ("intact", "day-2.zip"),
    ]
    for path in paths[:2]:
        path.unlink()
    assert states(find(tmp_path, record_of(), record_of(guid_of(1)))) == [
        ("changed", "day-5.zip"),
        ("missing", "day-1.zip"),
    ]
    paths[4].write_bytes(b"mail X")
    assert states(find(tmp_path, record_of())) == [("changed", "day-5.zip")]
    assert states(find(tmp_path, record_of(), verify="length")) == [("intact", "day-5.zip")]


def test_a_predecessor_is_another_file_of_the_same_content(tmp_path: pathlib.Path) -> None:
    for day in (1, 2, 3):
        store(tmp_path, guid_of(day), day, origin(backup=guid_of(100 + day)))
    store(tmp_path, guid_of(4), 4, origin(BOB))
    store(tmp_path, guid_of(5), 5, origin(backup=guid_of(105))).unlink()  # only its receipt is left

    def before(*records: Json) -> list[str | None]:
        return [file["predecessor"] for file in find(tmp_path, *records)["files"]]

    newest, other = "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z"
    backups = [record_of(backup=guid_of(number)) for number in (101, 103, 999)]
    assert before(record_of(), *backups) == [other, newest, other, newest]
    assert before(record_of(entity=BOB), record_of(guid_of(2), mode="CLOUD_PST_DOWNLOAD")) == [None, None]
    assert {file["predecessor"] for file in compare(tmp_path)["files"]} == {None}


def test_an_old_receipt_is_found_by_its_download(held: pathlib.Path) -> None:
    (known,) = compare(held)["files"]
    assert states(find(held.parent, record_of(known["guid"], entity=ALICE))) == [("intact", held.name)]
    assert states(find(held.parent, record_of(OTHER))) == [("missing", None)]
    receipt_of(held).unlink()
    assert states(find(held.parent, record_of(known["guid"]))) == [("missing", None)]


@pytest.mark.parametrize("options", [{"guid": [OTHER], "server": SERVER}, {}])
def test_records_need_a_server_and_no_guid(tmp_path: pathlib.Path, options: Json) -> None:
    assert run_module("cloud_download_content_info", {"path": str(tmp_path), "records": [record_of()], **options})[
        "failed"
    ]


def test_everything_that_is_returned_is_documented(held: pathlib.Path) -> None:
    documented = yaml.safe_load(cloud_download_content_info.RETURN)
    result = compare(held)
    assert {"intact", "files", "free", "receipts"} <= set(result)
    assert set(result["files"][0]) == set(documented["files"]["contains"])
    failed = run_module("cloud_download_content_info", {"path": "/no/such"})
    assert set(failed["error"]) <= set(documented["error"]["contains"])
