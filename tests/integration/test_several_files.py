# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several downloads in one task: each gets its try, and the result tells of each."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import signal
import urllib.parse

import pytest

from tests.faults.toxic_proxy import ToxicProxy
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.modules import connect, run_module, start_module
from tests.support.neighbour import COPY, Neighbour
from tests.support.use import CONTENT, GUID, MIB, Json, begun, finished, good, sha256, wait_until


@pytest.fixture
def guids(simulator: Simulator) -> list[str]:
    """Three downloads; nothing has been asked yet."""
    made = simulator.seed(users=3, downloads=3, content_size=MIB)
    simulator.clear_log()
    return made


def _fetch(simulator: Simulator, dest: pathlib.Path, guids: list[str], *, check: bool = False, **options: Json) -> Json:
    return run_module(CONTENT, connect(simulator, guid=guids, dest=str(dest), **options), check=check)


def _contents(simulator: Simulator, guids: list[str]) -> list[str]:
    return [simulator.content(guid)["sha256"] for guid in guids]


def test_all_arrive_with_one_login_and_the_second_run_asks_for_nothing(
    simulator: Simulator, here: pathlib.Path, guids: list[str]
) -> None:
    predicted = good(_fetch(simulator, here, guids, check=True))
    assert [file["reason"] for file in predicted["files"]] == ["missing"] * 3
    assert list(here.iterdir()) == []
    done = good(_fetch(simulator, here, [guids[0].upper(), *guids], mode="0640"))
    assert [file["guid"] for file in done["files"]] == guids
    assert [file["sha256"] for file in done["files"]] == _contents(simulator, guids)
    assert [sha256(pathlib.Path(file["path"])) for file in done["files"]] == _contents(simulator, guids)
    assert {(file["changed"], file["mode"]) for file in done["files"]} == {(True, "0640")}
    assert done["changed"]
    assert len(done["diff"]) == 3
    assert "path" not in done
    calls = simulator.counters()["calls"]
    assert (calls["POST /session/login"], calls["GET /cloud-download/{guid}"]) == (1, 3)
    simulator.clear_log()
    again = good(_fetch(simulator, here, guids))
    assert (again["changed"], [file["reason"] for file in again["files"]]) == (False, ["unchanged"] * 3)
    assert simulator.counters()["calls"] == {}


def test_files_that_come_one_after_the_other_share_a_connection(
    simulator: Simulator, here: pathlib.Path, guids: list[str]
) -> None:
    address = urllib.parse.urlsplit(simulator.url)
    with ToxicProxy((str(address.hostname), int(address.port or 443))) as proxy:
        url = f"https://127.0.0.1:{proxy.port}{address.path}"
        done = good(_fetch(simulator, here, guids, url=url))
    assert [file["sha256"] for file in done["files"]] == _contents(simulator, guids)
    # The end of the session has its own: a POST never goes over an idle connection, which the server may be closing.
    assert proxy.connections == 2


def test_a_single_one_is_told_as_the_task_and_in_files(
    simulator: Simulator, here: pathlib.Path, guids: list[str]
) -> None:
    done = good(_fetch(simulator, here, guids[:1]))
    (file,) = done["files"]
    assert file["path"] == done["path"]
    assert file["mode"] == done["mode"] == "0600"


def test_one_that_cannot_be_fetched_holds_up_no_other(
    simulator: Simulator, here: pathlib.Path, guids: list[str]
) -> None:
    told = _fetch(simulator, here, [guids[0], GUID, guids[1]])
    assert told["failed"]
    assert told["changed"]
    assert told["msg"].startswith(f"2 of 3 files are complete. 1 is missing: {GUID}: ")
    assert (told["error"]["code"], told["error"]["guids"]) == ("partial_failure", [GUID])
    first, broken, last = told["files"]
    assert (broken["failed"], broken["error"]["code"]) == (True, "unexpected_content")
    assert broken["error"]["cause"] in told["msg"]
    assert told["msg"].count(GUID) == 1
    assert [sha256(pathlib.Path(file["path"])) for file in (first, last)] == _contents(simulator, guids[:2])


def test_of_many_failures_the_message_names_some_and_the_result_all(simulator: Simulator, here: pathlib.Path) -> None:
    unknown = [f"{GUID[:-2]}{number:02}" for number in range(10, 15)]
    told = _fetch(simulator, here, unknown)
    assert told["msg"].startswith("0 of 5 files are complete. 5 are missing: 5 (")
    assert all(told["msg"].count(guid) == 1 for guid in unknown[:3])
    assert " and 2 more): " in told["msg"]
    assert unknown[3] not in told["msg"]
    assert told["error"]["guids"] == [file["guid"] for file in told["files"]] == unknown


@pytest.mark.parametrize(
    ("wrong", "code", "told"),
    [
        ({"dest": "/nowhere"}, "invalid_option", "dest: "),
        ({"checksum": "md5:" + "0" * 32}, "invalid_option", "checksum: is that of one file"),
        ({"max_rate": 0}, "invalid_option", "max_rate: "),
        ({"password": "wrong"}, "authentication_failed", "Check username and password"),
    ],
)
def test_what_is_wrong_for_all_is_told_once(
    simulator: Simulator, here: pathlib.Path, guids: list[str], wrong: Json, code: str, told: str
) -> None:
    result = run_module(CONTENT, connect(simulator, **{"guid": guids, "dest": str(here), **wrong}))
    assert result["failed"]
    assert result["error"]["code"] == code
    assert result["msg"].count(told) == 1
    assert simulator.counters()["calls"].get("POST /session/login", 0) <= 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("wrong", [[], ["alice"], ["alice", GUID]])
def test_what_is_no_guid_is_told_before_anything_is_sent(
    simulator: Simulator, here: pathlib.Path, wrong: list[str]
) -> None:
    simulator.clear_log()
    result = _fetch(simulator, here, wrong)
    assert result["error"]["option"] == "guid"
    assert simulator.requests() == []


def test_a_file_is_no_place_for_several(simulator: Simulator, here: pathlib.Path, guids: list[str]) -> None:
    (here / "mail.zip").write_text("precious")
    result = _fetch(simulator, here / "mail.zip", guids)
    assert result["error"]["option"] == "dest"
    assert (here / "mail.zip").read_text() == "precious"


def test_after_a_server_that_is_gone_the_others_are_not_tried(
    simulator: Simulator, here: pathlib.Path, guids: list[str]
) -> None:
    """Each would take its own time to fail. What was there is kept, and what lies there already is told as it is."""
    good(_fetch(simulator, here, guids[:1]))
    told = _fetch(simulator, here, guids, url="https://127.0.0.1:1", retries=0)
    assert told["error"]["code"] == "partial_failure"
    assert told["error"]["retryable"]
    assert [file.get("reason") for file in told["files"]] == ["unchanged", None, None]
    assert told["files"][2]["msg"].startswith("Not tried: no connection to https://127.0.0.1:1")
    assert "path" in told["files"][1]["error"]
    assert set(told["files"][2]["error"]) == {
        "code",
        "hint",
        "retryable",
        "cause",
        "advice",
        "since",
    }  # it has no path yet


def test_max_time_is_for_all_of_them(simulator: Simulator, here: pathlib.Path) -> None:
    guids = simulator.seed(users=3, downloads=3, content_size=4 * MIB)
    told = _fetch(simulator, here, guids, max_rate=2 * MIB, max_time=3)
    assert told["files"][0]["reason"] == "missing"
    assert told["files"][1]["error"]["code"] == "timeout"
    assert told["files"][2]["msg"].startswith("Not tried")


def test_a_signal_leaves_what_has_come_in_the_result(simulator: Simulator, here: pathlib.Path) -> None:
    guids = simulator.seed(users=3, downloads=3, content_size=4 * MIB)
    process = start_module(CONTENT, connect(simulator, guid=guids, dest=str(here), max_rate=2 * MIB))
    wait_until(lambda: list(here.glob("*.sha256")) and begun(here))
    process.send_signal(signal.SIGTERM)
    told = finished(process)
    assert told["error"]["code"] == "interrupted"
    assert [file["guid"] for file in told["files"]] == guids[:1]
    wait_until(lambda: simulator.counters()["open_sessions"] == 0)


@pytest.mark.long
def test_lines_tell_which_of_them_it_is(ansible: Ansible, simulator: Simulator, here: pathlib.Path) -> None:
    guids = simulator.seed(users=2, downloads=2, content_size=8 * MIB)
    options = connect(simulator, guid=guids, dest=str(here), max_rate=2 * MIB, progress_interval=1)
    play = {"hosts": "all", "gather_facts": False, "tasks": [{f"storware.backup.{CONTENT}": options}]}
    told = ansible.playbook([play]).ok().stdout
    for number in (0, 1):
        lines = sum(f"] {number} of 2 files, " in line for line in told.splitlines())
        assert 1 <= lines <= 6  # four seconds; a busy machine looks less often
    assert re.search(
        r"^\[localhost\] 1 of 2 files, [\d.]+ of [\d.]+ MiB[^;]*; \S+[.]zip: receiving, \d+ %$", told, re.M
    )


# --- copies ---


def test_copies_of_several_from_a_neighbour(
    simulator: Simulator,
    here: pathlib.Path,
    tmp_path: pathlib.Path,
    guids: list[str],
    neighbour: Neighbour,
) -> None:
    """They are found by their receipts; one that is not there holds up no other."""
    (tmp_path / "there").mkdir()
    good(_fetch(simulator, tmp_path / "there", guids))
    (tmp_path / "there" / "foreign.sha256").write_bytes(os.urandom(20_000))
    options: Json = {"src": str(tmp_path / "there"), "dest": str(here)}
    done = good(neighbour.copy(guid=guids, **options))
    assert [sha256(pathlib.Path(file["path"])) for file in done["files"]] == _contents(simulator, guids)
    assert len(neighbour.commands()) == 4  # the receipts, and each file
    told = neighbour.copy(guid=[*guids, GUID], **options)
    assert [file.get("reason") for file in told["files"]] == [*["unchanged"] * 3, None]
    assert told["files"][3]["error"]["code"] == "no_receipt"
    assert GUID in told["msg"]


@pytest.mark.long
def test_several_are_handed_over_by_the_controller(
    ansible: Ansible, simulator: Simulator, here: pathlib.Path, tmp_path: pathlib.Path, guids: list[str]
) -> None:
    (tmp_path / "there").mkdir()
    good(_fetch(simulator, tmp_path / "there", guids))

    def hand_over(guids: list[str], dest: pathlib.Path = here) -> Json:
        options = {"guid": guids, "src": str(tmp_path / "there"), "dest": str(dest)}
        play = {"hosts": "all", "gather_facts": False, "tasks": [{f"storware.backup.{COPY}": options}]}
        (result,) = ansible.playbook([play], "--diff").of(f"storware.backup.{COPY}")
        return {**result.result, "failed": result.status == "failed"}

    done = good(hand_over(guids))
    assert done["changed"]
    assert [sha256(pathlib.Path(file["path"])) for file in done["files"]] == _contents(simulator, guids)
    assert [file["source"] for file in done["files"]] == ["controller"] * 3
    assert not good(hand_over(guids))["changed"]
    told = hand_over([GUID, *guids])
    assert told["failed"]
    assert [file.get("reason") for file in told["files"]] == [None, *["unchanged"] * 3]
    assert told["error"]["guids"] == [GUID]
    nowhere = hand_over(guids, tmp_path / "nowhere")
    assert nowhere["error"]["option"] == "dest"
    assert hand_over(["alice"])["error"]["option"] == "guid"


def test_files_that_do_not_fit_together_are_not_begun(simulator: Simulator, here: pathlib.Path) -> None:
    """The sizes of the backups say that they may not fit, and the lengths that the server announces prove it."""
    room = shutil.disk_usage(here).free
    guids = simulator.seed(users=3, downloads=3, content_size=room * 2 // 5)
    records = [{"guid": guid, "backup": {"size": room // 2}} for guid in guids]
    simulator.clear_log()
    failed = _fetch(simulator, here, guids, records=records)
    assert (failed["failed"], failed["error"]["code"]) == (True, "disk_full")
    assert re.search(
        r"3 files need [\d.]+ GiB by the lengths that the server announces, and .* has room", failed["msg"]
    )
    assert [file["error"]["code"] for file in failed["files"]] == ["disk_full"] * 3
    assert [path.name for path in here.iterdir()] == []
    asked = [request for request in simulator.requests() if request["path"].startswith("/cloud-download/")]
    assert [request["headers"].get("range") for request in asked] == ["bytes=0-0"] * 3
    # What they need is nobody's business in check mode, and of a single one it is told by its transfer.
    simulator.clear_log()
    good(_fetch(simulator, here, guids, records=records, check=True))
    assert simulator.counters()["calls"] == {}


def test_lengths_are_asked_for_within_max_time(simulator: Simulator, here: pathlib.Path, guids: list[str]) -> None:
    room = shutil.disk_usage(here).free
    records = [{"guid": guid, "backup": {"size": room}} for guid in guids]
    simulator.clear_log()
    simulator.fault("GET /cloud-download/{guid}", "refused", times=99, status=503, retry_after="30")
    told = _fetch(simulator, here, guids, records=records, max_time=3)
    assert told["files"][0]["error"]["code"] == "timeout"
    assert simulator.counters()["faults"] == 2  # one for a length, and one for a file


def test_files_that_fit_although_their_backups_are_larger_are_fetched(
    simulator: Simulator, here: pathlib.Path, guids: list[str]
) -> None:
    room = shutil.disk_usage(here).free
    records = [{"guid": guid, "backup": {"size": room}} for guid in guids]
    done = good(_fetch(simulator, here, guids, records=records))
    assert [file["sha256"] for file in done["files"]] == _contents(simulator, guids)
