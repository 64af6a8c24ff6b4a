# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared judge judged: each invariant, broken once, is named."""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

import pytest

from tests.faults.invariants import Run, Truth, Watch, check, violations

NEW, OLD = b"new" * 1000, b"old" * 1000
TRUTH = Truth.of(NEW, name="a.zip", old=OLD, deadline=10)
OK = Run({"ok": True, "peak_mib": 30.0}, 1.0)
FAILED = Run({"ok": False, "code": "corrupt", "peak_mib": 30.0}, 1.0)
KILLED = Run(None, 1.0)


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    put(tmp_path, "a.zip", NEW)
    put(tmp_path, "a.zip.sha256", receipt(NEW))
    return tmp_path


def put(directory: pathlib.Path, name: str, data: bytes, mode: int = 0o600) -> None:
    (directory / name).write_bytes(data)
    (directory / name).chmod(mode)


def receipt(data: bytes) -> bytes:
    return f"# size: {len(data)}\n{hashlib.sha256(data).hexdigest()}  a.zip\n".encode()


def names_of(run: Run, directory: pathlib.Path, *, truth: Truth = TRUTH, last: bool = False) -> list[str]:
    return [text.partition(":")[0] for text in violations(run, truth, directory, last=last)]


@pytest.mark.parametrize("run", [OK, FAILED, KILLED])
def test_a_complete_new_file_is_right_whatever_was_told(directory: pathlib.Path, run: Run) -> None:
    check(run, TRUTH, directory)


def test_success_needs_the_new_bytes(directory: pathlib.Path) -> None:
    put(directory, "a.zip", OLD)
    (directory / "a.zip.sha256").unlink()
    assert names_of(FAILED, directory) == names_of(KILLED, directory) == []
    assert names_of(OK, directory) == ["I2"]
    with pytest.raises(AssertionError, match="does not hold the right bytes"):
        check(OK, TRUTH, directory)


def test_a_file_that_is_neither_is_a_violation_and_so_is_one_that_is_gone(directory: pathlib.Path) -> None:
    (directory / "a.zip.sha256").unlink()
    put(directory, "a.zip", NEW[:-1])
    assert names_of(FAILED, directory) == ["I1"]
    (directory / "a.zip").unlink()
    assert names_of(FAILED, directory) == ["I1"]
    assert names_of(FAILED, directory, truth=Truth.of(NEW, name="a.zip")) == []


@pytest.mark.parametrize(
    ("told", "expected"), [({"sha256": hashlib.sha256(NEW).hexdigest()}, []), ({"sha256": "0" * 64}, ["I2"])]
)
def test_the_digest_that_is_told_is_that_of_the_file(
    directory: pathlib.Path, told: dict[str, t.Any], expected: list[str]
) -> None:
    assert names_of(Run({"ok": True, **told}, 1.0), directory) == expected


def test_a_receipt_vouches_for_the_file_beside_it(directory: pathlib.Path) -> None:
    put(directory, "a.zip.sha256", receipt(OLD))
    assert names_of(OK, directory) == ["I1"]


def test_no_other_file_shows_up_but_hidden_ones_until_the_last_run(directory: pathlib.Path) -> None:
    put(directory, ".a.zip.1.part", b"x")
    assert names_of(FAILED, directory) == []
    assert names_of(OK, directory, last=True) == ["I3"]
    put(directory, "login.html", b"x")
    assert names_of(FAILED, directory) == ["I1"]
    assert names_of(FAILED, directory, truth=Truth.of(NEW, name="a.zip", others=frozenset({"login.html"}))) == []


def test_the_last_run_succeeds_and_leaves_a_receipt_and_no_partial_elsewhere(
    directory: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    truth = Truth.of(NEW, name="a.zip", tmp_dest=elsewhere)
    assert names_of(OK, directory, truth=truth, last=True) == []
    assert names_of(FAILED, directory, truth=truth, last=True) == ["I3"]
    put(elsewhere, "b", b"x")
    assert names_of(OK, directory, truth=truth, last=True) == ["I3"]
    (directory / "a.zip.sha256").unlink()
    assert names_of(OK, directory, truth=truth, last=True) == ["I3", "I3"]


def test_nothing_is_readable_beyond_its_mode_now_or_at_any_moment_that_was_seen(directory: pathlib.Path) -> None:
    put(directory, "a.zip", NEW, 0o640)
    assert names_of(OK, directory) == ["I7"]
    assert names_of(OK, directory, truth=Truth.of(NEW, name="a.zip", mode=0o640)) == []
    put(directory, "a.zip", NEW, 0o600)
    assert names_of(Run(OK.told, 1.0, {".a.zip.1.part": 0o604}), directory) == ["I7"]


def test_the_watch_sees_a_file_that_was_wide_for_a_moment(tmp_path: pathlib.Path) -> None:
    with Watch(tmp_path) as watch:
        put(tmp_path, "a", b"x", 0o644)
        while "a" not in watch.widest:
            pass
        (tmp_path / "a").unlink()
    assert watch.widest == {"a": 0o644}


def test_memory_and_time_are_bounded(directory: pathlib.Path) -> None:
    assert names_of(Run({"ok": True, "peak_mib": 48.1}, 14.9), directory) == ["I8"]
    assert names_of(Run({"ok": True, "peak_mib": 47.9}, 15.1), directory) == ["I9"]
