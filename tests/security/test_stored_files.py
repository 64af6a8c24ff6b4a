# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of years in directories that other users can write to: what they plant hides none of ours, and removes none.

The other user is a real process with another uid, so these tests need root.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from tests.support.modules import run_module
from tests.support.stored import BOB, SERVER, guid_of, origin, receipt_of, record_of, store
from tests.support.stranger import needs_two_users, run_as_stranger, shared
from tests.support.use import Json, good, mode

__all__ = ["shared"]  # a fixture
pytestmark = needs_two_users

HELD, RETENTION = "cloud_download_content_info", "cloud_download_retention"
GUID, OTHER_GUID = guid_of(1), guid_of(2)


def find(path: pathlib.Path, record: Json) -> Json:
    return good(run_module(HELD, {"path": str(path), "server": SERVER, "records": [record]}))["files"][0]


def retain(path: pathlib.Path, **options: Json) -> list[str]:
    """Names of the files that are removed when the one of day 5 is to stay alone."""
    given = {"path": str(path), "server": SERVER, "records": [record_of(guid_of(5))], "keep": 1, **options}
    return [os.path.basename(one["path"]) for one in good(run_module(RETENTION, given))["removed"]]


@pytest.fixture
def unsticky(shared: pathlib.Path) -> pathlib.Path:
    """One in which everybody may also rename and remove what belongs to others."""
    shared.chmod(0o777)
    return shared


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are opened."""
    names: list[str] = []
    real = Directory.open

    def call(directory: Directory, name: str, *arguments: t.Any) -> int:
        names.append(name)
        return real(directory, name, *arguments)

    monkeypatch.setattr(Directory, "open", call)
    return names


def give(*paths: pathlib.Path) -> None:
    """Make these files the other user's, as if he had written them."""
    for path in paths:
        os.chown(path, 65534, 65534)


# --- what is found ---


def test_files_of_others_neither_replace_nor_hide_ours(shared: pathlib.Path) -> None:
    """They say that they are newer, and of the download itself; reading one of them would take for ever."""
    ours = store(shared, GUID, 1, origin())
    theirs = store(shared, OTHER_GUID, 9, origin(), name="newer.zip")
    run_as_stranger('cp "$1" "$2"', receipt_of(theirs), shared / "copy")
    for path in (theirs, receipt_of(theirs)):
        path.unlink()
    run_as_stranger('mv "$1" "$2"; mkfifo "$3"', shared / "copy", receipt_of(theirs), theirs)
    for wanted in (record_of(), record_of(OTHER_GUID)):
        file = find(shared, wanted)
        assert (file["state"], file["path"], file["predecessor"]) == ("intact", str(ours), None)
    file = find(shared, record_of(OTHER_GUID, entity=BOB))
    assert (file["state"], file["path"]) == ("unreadable", str(theirs))
    run_as_stranger('rm "$1"; echo mail > "$1"', theirs)
    file = find(shared, record_of(OTHER_GUID, entity=BOB))
    assert (file["state"], file["owner"], file["predecessor"]) == ("foreign", "nobody", None)
    ours.write_bytes(b"Mail")
    assert find(shared, record_of(OTHER_GUID))["state"] == "changed"


def test_many_receipts_of_others_cost_little(shared: pathlib.Path, opened: list[str]) -> None:
    """Each names the content that is asked for. Only a thousand are opened, and none where it could remove a file."""
    ours = store(shared, GUID, 1, origin(), name="~ours.zip")  # the last one of all
    newest = store(shared, guid_of(5), 5, origin(), name="~~newest.zip")
    run_as_stranger(
        'for number in $(seq 3000); do echo "$2${number}" > "$1/$number.sha256"; done',
        shared,
        receipt_of(ours).read_text().rpartition(ours.name)[0],
    )
    assert find(shared, record_of(GUID))["path"] == str(ours)
    assert len(opened) == 1000 + 2 + 1
    opened.clear()
    assert retain(shared) == [ours.name]
    assert set(opened) == {receipt_of(ours).name, receipt_of(newest).name}


# --- what is removed ---


@pytest.fixture
def nights(unsticky: pathlib.Path) -> pathlib.Path:
    """Three nights of the same content: day-1.zip, day-2.zip and day-5.zip, which is to stay."""
    for day in (1, 2, 5):
        store(unsticky, guid_of(day), day, origin())
    return unsticky


def test_nothing_of_others_is_removed(nights: pathlib.Path) -> None:
    one, two = nights / "day-1.zip", nights / "day-2.zip"
    give(one, receipt_of(two))
    assert retain(nights) == []
    assert retain(nights, owner="nobody") == ["day-1.zip", "day-2.zip"]  # whoever asks for that


def test_a_receipt_of_others_removes_no_file_of_ours(nights: pathlib.Path) -> None:
    """It says that the file of another mailbox is an old one; neither is one of ours believed that they have moved."""
    bob = store(nights, guid_of(9), 9, origin(BOB), name="bob.zip")
    run_as_stranger('rm "$2"; sed "s/day-1/bob/" "$1" > "$2"', receipt_of(nights / "day-1.zip"), receipt_of(bob))
    assert retain(nights) == ["day-1.zip", "day-2.zip"]
    store(nights, guid_of(1), 1, origin())
    run_as_stranger('mv "$1" "$2"', receipt_of(nights / "day-1.zip"), receipt_of(bob))
    assert retain(nights) == []
    assert bob.read_bytes() == b"mail"


@pytest.mark.parametrize("command", ["ln -s", "ln", "cp"])
def test_what_is_planted_in_the_place_of_an_old_file_stays(nights: pathlib.Path, command: str) -> None:
    """As large as that one: a link to a file of root's, which others can have given further names, or their own."""
    victim = nights / "secret"
    victim.write_bytes(b"root")
    victim.chmod(0o666)  # or the kernel may refuse the hard link
    run_as_stranger(f'rm "$2"; {command} "$1" "$2"', victim, nights / "day-1.zip")
    assert retain(nights) == ["day-2.zip"]
    assert (nights / "day-1.zip").read_bytes() == victim.read_bytes() == b"root"


def test_a_link_that_is_exchanged_at_the_last_moment_is_not_followed(
    nights: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last check, right before the removal: no more is removed than they could remove themselves, a name."""
    secret = nights / "secret"
    secret.mkdir(mode=0o700)
    victim = store(secret, guid_of(9), 9, origin(BOB), name="day-1.zip")
    real = Directory.remove

    def remove(directory: Directory, name: str) -> None:
        if name == "day-1.zip":
            run_as_stranger('rm "$2"; ln -s "$1" "$2"', victim, nights / "day-1.zip")
        real(directory, name)

    monkeypatch.setattr(Directory, "remove", remove)
    assert retain(nights) == ["day-1.zip", "day-2.zip"]
    assert (victim.read_bytes(), receipt_of(victim).exists()) == (b"mail", True)


def test_a_directory_that_is_exchanged_is_not_followed(nights: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent is theirs: other files of ours have the same names in another directory."""
    elsewhere = nights / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    for day in (1, 2, 5):
        store(elsewhere, guid_of(day), day, origin())
    inner = nights / "inner"
    inner.mkdir()
    for day in (1, 2, 5):
        store(inner, guid_of(day), day, origin())
    real = Directory.names

    def exchange(directory: Directory) -> list[str]:
        run_as_stranger('mv "$1" "$1.old"; ln -s "$2" "$1"', inner, elsewhere)
        return real(directory)

    monkeypatch.setattr(Directory, "names", exchange)
    assert retain(inner) == ["day-1.zip", "day-2.zip"]
    assert len(list(elsewhere.iterdir())) == 6


def test_attributes_are_not_set_on_a_hard_link(nights: pathlib.Path) -> None:
    """The file that is to stay has a further name, so that it may be any file of root's; older ones are removed."""
    victim = nights / "secret"
    os.link(nights / "day-5.zip", victim)
    victim.chmod(0o600)
    given = {"path": str(nights), "server": SERVER, "records": [record_of(guid_of(5))], "keep": 1, "mode": "0644"}
    result = run_module(RETENTION, given)
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", "path")
    assert mode(victim) == 0o600
    assert len(result["removed"]) == 2
