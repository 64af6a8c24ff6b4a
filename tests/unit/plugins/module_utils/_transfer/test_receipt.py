# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receipts: accepted by the real ``sha256sum -c``, read back as written, and never believed when damaged."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._transfer.store import receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.receipt import Receipt
from tests.unit.plugins.module_utils._transfer.material import GUID, OTHER_GUID, sha256

NOW = datetime.datetime(2026, 11, 24, 4, 5, 6, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
CONTENT = b"the content"
RECEIPT = Receipt("mail.zip", GUID, len(CONTENT), sha256(CONTENT), "structure")

ODD_NAMES = [
    "mail.zip",
    "two words.zip",
    " leading.zip",
    "trailing ",
    "-rf",
    "*star",
    "# guid: x",
    "back\\slash.zip",
    "new\nline.zip",
    "carriage\rreturn.zip",
    "all\\n of\r\n\\them\\",
    "ümläut €.zip",
    "\udcff\udcfe not utf-8.zip",
    "a" * 255,
    "ü" * 127,
]


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> t.Iterator[Directory]:
    with Directory(str(tmp_path)) as opened:
        yield opened


def put(directory: Directory, note: Receipt, content: bytes | None = CONTENT) -> str:
    """Write a receipt and, unless it is None, its file; returns the receipt's name."""
    name = receipt.receipt_name(note.name)
    with open(directory.path_of(name), "wb") as file:
        file.write(receipt.render(note, NOW))
    if content is not None:
        with open(directory.path_of(note.name), "wb") as file:
            file.write(content)
    return name


def test_a_receipt_looks_like_this() -> None:
    assert receipt.render(RECEIPT, NOW).decode() == (
        f"# guid: {GUID}\n# size: 11\n# time: 2026-11-24T03:05:06Z\n# verified: structure\n"
        f"{sha256(CONTENT)}  mail.zip\n"
    )


ORIGIN = receipt.Origin(
    "https://backup.example.com:8181/api",
    OTHER_GUID,
    "Żółć, Alice <100%>\n# guid: x",
    "CLOUD_PST_DOWNLOAD",
    GUID,
    "2026-11-01T00:00:00Z",
    "0" * 64,
)


def test_a_receipt_also_says_whose_content_it_is() -> None:
    written = receipt.render(dataclasses.replace(RECEIPT, origin=ORIGIN), NOW)
    found = receipt.parse(written)
    assert found is not None
    assert found.origin == ORIGIN
    assert found == dataclasses.replace(RECEIPT, origin=ORIGIN)
    assert written.isascii()


def test_a_receipt_of_before_says_nothing_of_that() -> None:
    found = receipt.parse(receipt.render(RECEIPT, NOW))
    assert found is not None
    assert found.origin == receipt.Origin()


@pytest.mark.parametrize("name", ["A" * 5000, "\udcff", "€" * 300])
def test_an_endless_or_unreadable_name_of_an_entity_spoils_no_receipt(name: str) -> None:
    found = receipt.parse(
        receipt.render(dataclasses.replace(RECEIPT, origin=receipt.Origin(entity=GUID, entity_name=name)), NOW)
    )
    assert found is not None
    assert found.origin.entity == GUID
    assert len(found.origin.entity_name or "") <= 200


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name)[:30])
def test_a_receipt_is_accepted_by_sha256sum(directory: Directory, name: str) -> None:
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("no sha256sum on this machine")
    written = put(directory, dataclasses.replace(RECEIPT, name=name, origin=ORIGIN))
    command = [program, "-c", "--strict", "--warn", "--", written]
    result = subprocess.run(command, cwd=directory.path, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    pathlib.Path(directory.path, name).write_bytes(b"other bytes")
    assert subprocess.run(command, cwd=directory.path, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name)[:30])
def test_a_receipt_is_read_as_it_was_written(directory: Directory, name: str) -> None:
    note = dataclasses.replace(RECEIPT, name=name)
    put(directory, note)
    assert receipt.read(directory, name) == note
    assert receipt.find(directory, GUID) == note


_FILE_NAMES = st.binary(min_size=1, max_size=200).filter(
    lambda name: not set(name) & {0, 47} and name not in (b".", b"..")
)


@given(_FILE_NAMES, st.integers(0, 2**63 - 1))
@settings(max_examples=500)
def test_any_name_survives(name: bytes, size: int) -> None:
    note = dataclasses.replace(RECEIPT, name=os.fsdecode(name), size=size)
    assert receipt.parse(receipt.render(note, NOW)) == note


def test_a_long_name_has_a_receipt_of_its_own(directory: Directory) -> None:
    first = dataclasses.replace(RECEIPT, name="a" * 254 + "1")
    second = dataclasses.replace(RECEIPT, name="a" * 254 + "2", guid=OTHER_GUID)
    put(directory, first)
    put(directory, second)
    assert receipt.read(directory, first.name) == first
    assert receipt.read(directory, second.name) == second
    assert receipt.find(directory, OTHER_GUID) == second


@pytest.mark.parametrize("cut", range(len(receipt.render(RECEIPT, NOW))))
def test_a_receipt_that_is_cut_anywhere_is_none(cut: int) -> None:
    assert receipt.parse(receipt.render(RECEIPT, NOW)[:cut]) is None


GOOD = receipt.render(RECEIPT, NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\x00" * 300,
        GOOD.replace(b"# guid", b"# giud"),
        GOOD.replace(b"# size: 11", b"# size: -1"),
        GOOD.replace(b"# size: 11", b"# size: 11.0"),
        GOOD.replace(b"# size: 11", b"# size: " + b"9" * 30),
        GOOD.replace(b"# size: 11\n", b""),
        GOOD.replace(b"  mail", b" mail"),
        GOOD.replace(sha256(CONTENT).encode(), sha256(CONTENT)[:-1].encode()),
        GOOD.replace(sha256(CONTENT).encode(), sha256(CONTENT)[:-1].encode() + b"g"),
        GOOD + GOOD,
        GOOD.replace(b"mail.zip", b"../mail.zip"),
        GOOD.replace(b"mail.zip", b"/etc/passwd"),
        GOOD.replace(b"mail.zip", b"."),
        GOOD.replace(b"mail.zip", b".."),
        GOOD.replace(b"mail.zip", b"a\x00b"),
        GOOD.replace(sha256(CONTENT).encode() + b"  mail", b"\\" + sha256(CONTENT).encode() + b"  ma\\il"),
        GOOD.replace(sha256(CONTENT).encode() + b"  mail", b"\\" + sha256(CONTENT).encode() + b"  mail\\"),
    ],
)
def test_a_damaged_receipt_is_none(data: bytes) -> None:
    assert receipt.parse(data) is None


def test_comments_of_others_and_unknown_levels_do_no_harm() -> None:
    data = b"# made by hand\n# verified: blindly\n\n" + GOOD.replace(b"# verified: structure\n", b"# note: x y\n")
    assert receipt.parse(data) == dataclasses.replace(RECEIPT, verified="none")


@pytest.mark.parametrize("level", ["none", "length", "structure", "full", "digest"])
def test_the_level_that_was_reached_is_remembered(level: str) -> None:
    note = dataclasses.replace(RECEIPT, verified=level)
    assert receipt.parse(receipt.render(note, NOW)) == note


def test_without_the_mark_of_an_escaped_name_a_backslash_is_a_backslash() -> None:
    data = GOOD.replace(b"mail.zip", b"back\\nslash.zip")
    assert receipt.parse(data) == dataclasses.replace(RECEIPT, name="back\\nslash.zip")


@given(st.binary(max_size=400))
@settings(max_examples=1000)
def test_no_bytes_can_break_the_reader(data: bytes) -> None:
    receipt.parse(data)
    receipt.parse(GOOD.replace(b"mail.zip", data))
    receipt.parse(GOOD.replace(b"11", data))


def test_a_guid_in_capitals_is_the_same_guid(directory: Directory) -> None:
    put(directory, RECEIPT)
    assert receipt.find(directory, GUID.upper()) == RECEIPT


def test_a_receipt_under_the_name_of_another_file_vouches_for_nothing(directory: Directory) -> None:
    put(directory, RECEIPT)
    os.rename(directory.path_of("mail.zip.sha256"), directory.path_of("other.zip.sha256"))
    assert receipt.read(directory, "other.zip") is None
    assert receipt.find(directory, GUID) is None


def test_what_is_no_plain_file_is_no_receipt(directory: Directory, tmp_path: pathlib.Path) -> None:
    put(directory, RECEIPT)
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "mail.zip.sha256").rename(elsewhere)
    (tmp_path / "mail.zip.sha256").symlink_to(elsewhere)
    assert receipt.read(directory, "mail.zip") is None
    os.mkfifo(tmp_path / "fifo.sha256")
    (tmp_path / "dir.sha256").mkdir()
    (tmp_path / "big.zip.sha256").write_bytes(GOOD.replace(b"mail", b"big") + b"# more\n" * 5000)
    assert receipt.find(directory, GUID) is None


@pytest.mark.parametrize(("size", "known"), [(16384, True), (16385, False)])
def test_only_a_file_of_a_receipts_size_is_read(
    directory: Directory, tmp_path: pathlib.Path, size: int, known: bool
) -> None:
    put(directory, RECEIPT)
    (tmp_path / "mail.zip.sha256").write_bytes(GOOD + b"#" * (size - len(GOOD) - 1) + b"\n")
    assert (receipt.read(directory, "mail.zip") == RECEIPT) is known


def test_the_receipt_of_another_download_is_not_found(directory: Directory) -> None:
    put(directory, dataclasses.replace(RECEIPT, guid=OTHER_GUID))
    assert receipt.find(directory, GUID) is None
    put(directory, dataclasses.replace(RECEIPT, name="z.zip"), content=None)
    assert receipt.find(directory, GUID) == dataclasses.replace(RECEIPT, name="z.zip")


def test_a_receipt_that_was_replaced_since_the_last_search_is_read_again(directory: Directory) -> None:
    """A task with many files searches once for each, and does not read what it has read before."""
    known: receipt.Known = {}
    old = directory.path_of(put(directory, dataclasses.replace(RECEIPT, guid=OTHER_GUID)))
    assert receipt.find(directory, GUID, known) is None
    os.rename(old, f"{old}.away")
    put(directory, RECEIPT)
    assert receipt.find(directory, GUID, known) == RECEIPT
    opened = []
    directory.open = lambda name, *how: opened.append(name) or 1 / 0  # type: ignore[method-assign, assignment, func-returns-value]
    assert receipt.find(directory, OTHER_GUID, known) is None
    assert not opened


def test_of_two_receipts_the_one_with_a_file_counts(directory: Directory) -> None:
    put(directory, dataclasses.replace(RECEIPT, name="a.zip"), content=None)
    assert receipt.find(directory, GUID) == dataclasses.replace(RECEIPT, name="a.zip")
    put(directory, dataclasses.replace(RECEIPT, name="b.zip"))
    put(directory, dataclasses.replace(RECEIPT, name="c.zip", guid=OTHER_GUID))
    assert receipt.find(directory, GUID) == dataclasses.replace(RECEIPT, name="b.zip")
