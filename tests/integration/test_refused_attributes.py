# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group and mode that the user of a task may not set: the option, its value and the reason, for each file."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from tests.simulator.process import Simulator
from tests.support.modules import connect, run_module
from tests.support.stranger import UID, needs_two_users, shared
from tests.support.use import CONTENT, Json, content_calls, good, in_processes

__all__ = ["shared"]  # a fixture

pytestmark = needs_two_users
FOREIGN: t.Final = 12345  # a group of which they are no member


@pytest.fixture
def guids(simulator: Simulator, tmp_path: pathlib.Path) -> list[str]:
    made = simulator.seed(users=2, downloads=2, content_size=50_000)
    # They may not read this interpreter's library: all of it that is needed has to be loaded before.
    good(run_module(CONTENT, connect(simulator, guid=made[:1], dest=str(tmp_path))))
    simulator.clear_log()
    return made


@pytest.fixture
def mail(shared: pathlib.Path, simulator: Simulator) -> pathlib.Path:
    """A directory of theirs."""
    (shared / "mail").mkdir()
    shutil.copy(str(simulator.ca_path), shared / "ca.pem")
    (shared / "ca.pem").chmod(0o644)
    os.chown(shared / "mail", UID, UID)
    return shared / "mail"


def fetch(simulator: Simulator, mail: pathlib.Path, guids: t.Any, *, check: bool = False, **options: Json) -> Json:
    """What the module returns to a user who is not root."""

    def work() -> Json:
        os.chdir("/")
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)
        given = connect(simulator, guid=guids, dest=str(mail), **options)
        return run_module(CONTENT, {**given, "ca_path": str(mail.parent / "ca.pem")}, check=check)

    return in_processes(work)[0]


@pytest.mark.parametrize(("option", "value"), [("group", FOREIGN), ("owner", 0)])
def test_what_they_may_not_give_a_new_file_is_told_before_anything_is_sent(
    simulator: Simulator, mail: pathlib.Path, guids: list[str], option: str, value: int
) -> None:
    asked: Json = {option: str(value)}
    result = fetch(simulator, mail, guids, **asked)
    assert [file["error"]["option"] for file in result["files"]] == [option, option]
    assert result["files"][0]["error"]["code"] == "invalid_option"
    assert result["files"][0]["error"]["errno"] == "EPERM"
    assert f"{option}: {value} cannot be set for {mail}" in result["msg"]
    assert "root" in result["files"][0]["error"]["hint"]
    assert content_calls(simulator) == []


def test_a_file_of_root_holds_up_no_other(simulator: Simulator, mail: pathlib.Path, guids: list[str]) -> None:
    first = good(fetch(simulator, mail, guids[:1]))
    for path in (first["path"], first["receipt"]):
        os.chown(path, 0, 0)
        os.chmod(path, 0o644)
    result = fetch(simulator, mail, guids, mode="0600")
    assert [file.get("failed", False) for file in result["files"]] == [True, False]
    failure = result["files"][0]
    assert failure["error"]["option"] == "mode"
    assert f"mode: 0600 cannot be set for {first['path']}: Operation not permitted" in failure["msg"]
    assert result["error"]["code"] == "partial_failure"
    assert pathlib.Path(result["files"][1]["path"]).exists()


def test_flags_that_only_root_may_set(simulator: Simulator, mail: pathlib.Path, guids: list[str]) -> None:
    first = good(fetch(simulator, mail, guids[:1]))
    result = fetch(simulator, mail, guids[:1], attributes="+i")
    assert result["error"]["option"] == "attributes"
    assert f"attributes: +i cannot be set for {first['path']}" in result["msg"]


def test_a_directory_that_they_may_not_write_to_is_told_in_check_mode(
    simulator: Simulator, mail: pathlib.Path, guids: list[str]
) -> None:
    os.chown(mail, 0, 0)
    result = fetch(simulator, mail, guids[:1], check=True)
    assert result["error"]["option"] == "dest"
    assert f"may not create files in {mail}" in result["msg"]


def test_an_immutable_file(simulator: Simulator, mail: pathlib.Path, guids: list[str]) -> None:
    """Not even root may set its mode."""
    first = good(fetch(simulator, mail, guids[:1]))
    if subprocess.run(["chattr", "+i", first["path"]], capture_output=True, check=False).returncode:
        pytest.skip("no immutable files on this file system")
    try:
        result = run_module(CONTENT, connect(simulator, guid=guids, dest=str(mail), mode="0640", owner=str(UID)))
    finally:
        subprocess.run(["chattr", "-i", first["path"]], check=True)
    assert result["files"][0]["error"]["option"] == "mode"
    assert "immutable" in result["files"][0]["error"]["hint"]
    assert not result["files"][1].get("failed")
