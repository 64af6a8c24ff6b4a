# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that other users of a host can write to: what they plant there is not believed, followed or inherited.

The other user is a real process with another uid, so these tests need root.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import stat
import subprocess
import tempfile
import threading
import tracemalloc
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _file_content
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.plugin_utils import _file_chunks
from tests.faults import driver
from tests.faults.crash_runs import Copies
from tests.faults.crash_server import MIB, Content, serving
from tests.faults.script_server import reply, scripted
from tests.simulator.process import Simulator
from tests.support.modules import connect, run_module
from tests.support.stranger import UID, needs_two_users, run_as_stranger, shared
from tests.support.use import CONTENT, Json, good, mode
from tests.unit.plugins.module_utils._transfer import fetching
from tests.unit.plugins.module_utils._transfer.material import GUID, OTHER_GUID, zip_bytes

__all__ = ["shared"]  # a fixture
pytestmark = needs_two_users

HELD: t.Final = "cloud_download_content_info"
FAKE: t.Final = b"not what the server has"


@pytest.fixture
def unsticky(shared: pathlib.Path) -> pathlib.Path:
    """One in which everybody may also rename and remove what belongs to others."""
    shared.chmod(0o777)
    return shared


@pytest.fixture
def guid(simulator: Simulator) -> str:
    """A download that is ready; nothing has been asked yet."""
    (made,) = simulator.seed(downloads=1, entity="alice@example.com")
    simulator.clear_log()
    return made


def fetch(simulator: Simulator, dest: object, guid: str, **options: t.Any) -> Json:
    return run_module(CONTENT, connect(simulator, guid=guid, dest=str(dest), **options))


def plant(path: pathlib.Path, guid: str, content: bytes = FAKE, permissions: int = 0o666) -> None:
    """A file with a receipt that says that it is this download, both of the other user."""
    run_as_stranger(
        'cat > "$1"; printf %s "$2" > "$1.sha256"; chmod "$3" "$1" "$1.sha256"',
        path,
        f"# guid: {guid}\n# size: {len(content)}\n{hashlib.sha256(content).hexdigest()}  {path.name}\n",
        f"{permissions:o}",
        data=content,
    )


def is_ours(path: pathlib.Path, permissions: int = 0o600) -> bool:
    """Whether a file is root's, with these permissions."""
    found = path.lstat()
    return (found.st_uid, stat.S_IMODE(found.st_mode), found.st_nlink) == (0, permissions, 1)


# --- what is believed ---


@pytest.mark.parametrize("dest", ["a directory", "a file"])
def test_a_planted_receipt_is_no_download(simulator: Simulator, shared: pathlib.Path, guid: str, dest: str) -> None:
    truth = simulator.content(guid)
    planted = shared / truth["name"]
    plant(planted, guid)
    done = good(fetch(simulator, shared if dest == "a directory" else planted, guid))
    assert (done["changed"], done["sha256"]) == (True, truth["sha256"])
    path = pathlib.Path(done["path"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == truth["sha256"]
    assert is_ours(path)
    assert is_ours(pathlib.Path(done["receipt"]))
    assert (path == planted) == (dest == "a file")  # in a directory, a name that is taken stays what it is
    assert not good(fetch(simulator, shared if dest == "a directory" else planted, guid))["changed"]


def test_a_file_with_the_right_digest_is_replaced_as_well(
    simulator: Simulator, shared: pathlib.Path, guid: str
) -> None:
    """Its owner could change it as soon as it is believed."""
    truth = simulator.content(guid)
    done = good(fetch(simulator, shared / "mail.zip", guid))
    content = (shared / "mail.zip").read_bytes()
    for path in (shared / "mail.zip", pathlib.Path(done["receipt"])):
        path.unlink()
    plant(shared / "mail.zip", guid, content)
    digest = f"sha256:{truth['sha256']}"
    assert good(fetch(simulator, shared / "mail.zip", guid, checksum=digest))["reason"] == "guid"
    assert is_ours(shared / "mail.zip")


def test_a_file_that_is_exchanged_beside_our_receipt_is_replaced(
    simulator: Simulator, unsticky: pathlib.Path, guid: str
) -> None:
    """The same bytes, of the other user, with length alone compared."""
    path = pathlib.Path(good(fetch(simulator, unsticky, guid))["path"])
    size = path.stat().st_size
    run_as_stranger('rm -f "$1"; head -c "$2" /dev/zero > "$1"', path, size)
    assert good(fetch(simulator, unsticky, guid, verify="length"))["reason"] == "guid"
    assert is_ours(path)


def test_many_long_receipts_of_others_do_not_fill_the_memory(shared: pathlib.Path) -> None:
    """Each was kept until all were read: 20,000 took 300 MiB."""
    run_as_stranger(
        'for number in $(seq 300); do printf "$2  $number\\n" > "$1/$number.sha256"; done',
        shared,
        f"# guid: {'g' * 15000}\\n# size: 1\\n{'0' * 64}",
    )
    tracemalloc.start()
    with Directory(str(shared)) as directory:
        assert not list(receipt.all_in(directory))
        assert receipt.find(directory, GUID) is None
    assert tracemalloc.get_traced_memory()[1] < MIB  # 4.5 MiB otherwise
    tracemalloc.stop()


@pytest.mark.parametrize("what", ["file and receipt", "receipt"])
def test_an_audit_vouches_for_nothing_of_others(
    simulator: Simulator, unsticky: pathlib.Path, guid: str, what: str
) -> None:
    path = pathlib.Path(good(fetch(simulator, unsticky, guid, mode="0644"))["path"])
    content = path.read_bytes() if what == "receipt" else FAKE
    run_as_stranger('rm -f "$1" "$1.sha256"', path)
    plant(path, guid, content)
    if what == "receipt":
        os.chown(path, 0, 0)
    found = good(run_module(HELD, {"path": str(unsticky)}))
    assert not found["intact"]
    (file,) = found["files"]
    assert (file["state"], file["owner"]) == ("foreign", "root" if what == "receipt" else "nobody")
    assert file["reason"].endswith("belongs to nobody")
    assert good(run_module(HELD, {"path": str(unsticky), "owner": "nobody"}))["intact"]  # whoever asks for that


def test_the_controller_hands_over_nothing_of_others(shared: pathlib.Path) -> None:
    plant(shared / "mail.zip", GUID, permissions=0o644)
    for src in (shared, shared / "mail.zip"):
        with pytest.raises(OptionError, match="of this user or root"):
            _file_chunks.find_file(str(src), GUID)


@pytest.mark.parametrize("what", ["a FIFO", "a symbolic link"])
def test_the_controller_reads_no_special_files(unsticky: pathlib.Path, what: str) -> None:
    """In the place of a file that has a receipt of ours; a FIFO would hold the controller up for ever."""
    _bring(unsticky, GUID, zip_bytes({"a": b"a"}))
    path, whole = _file_chunks.find_file(str(unsticky), GUID)
    command = "mkfifo" if what == "a FIFO" else "ln -s /etc/shadow"
    run_as_stranger(f'rm -f "$1"; {command} "$1"', path)
    failures: list[Exception] = []

    def cut() -> None:
        try:
            with tempfile.TemporaryFile() as piece:
                _file_chunks.chunk_copier(path)(0, whole.size, t.cast(t.BinaryIO, piece))
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=cut, daemon=True)
    thread.start()
    thread.join(300)
    assert failures


def test_what_belongs_to_the_owner_that_is_asked_for_is_believed(
    simulator: Simulator, shared: pathlib.Path, guid: str
) -> None:
    """Nothing legitimate breaks: the second run changes nothing, and neither does the audit complain."""
    options = {"owner": "nobody", "group": "0", "mode": "0640"}
    first = good(fetch(simulator, shared, guid, **options))
    assert (first["owner"], first["mode"]) == ("nobody", "0640")
    assert not good(fetch(simulator, shared, guid, **options))["changed"]
    assert good(run_module(HELD, {"path": str(shared), "owner": "nobody"}))["intact"]


# --- what is inherited ---


def test_a_planted_file_gives_nothing_of_its_own(simulator: Simulator, shared: pathlib.Path, guid: str) -> None:
    """Neither owner nor mode, to the file and to its receipt."""
    run_as_stranger('touch "$1"', shared / "mail.zip")
    good(fetch(simulator, shared / "mail.zip", guid))
    assert is_ours(shared / "mail.zip")
    assert is_ours(shared / "mail.zip.sha256")


@pytest.fixture
def victim(unsticky: pathlib.Path) -> pathlib.Path:
    """A file of root's in the same directory that is not for others."""
    path = unsticky / "secret"
    path.write_bytes(b"for root only")
    path.chmod(0o600)
    return path


def test_a_hard_link_gives_nothing_of_its_own(
    simulator: Simulator, unsticky: pathlib.Path, victim: pathlib.Path, guid: str
) -> None:
    """To a file of root's that all may read, whose mode a new file would have got."""
    victim.chmod(0o644)
    _link(victim, unsticky / "mail.zip")
    good(fetch(simulator, unsticky / "mail.zip", guid))
    assert is_ours(unsticky / "mail.zip")
    assert victim.read_bytes() == b"for root only"


def _link(victim: pathlib.Path, path: pathlib.Path) -> None:
    try:
        run_as_stranger('ln "$1" "$2"', victim, path)
    except subprocess.CalledProcessError:
        os.link(victim, path)  # as it can be where fs.protected_hardlinks is not set


# --- attributes ---


def test_attributes_are_not_set_on_a_hard_link(
    simulator: Simulator, unsticky: pathlib.Path, victim: pathlib.Path, guid: str
) -> None:
    _link(victim, unsticky / "mail.zip")
    result = fetch(simulator, unsticky / "mail.zip", guid, overwrite="never", mode="0644")
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", "dest")
    assert mode(victim) == 0o600


def test_hard_links_of_a_snapshot_are_no_attack(simulator: Simulator, tmp_path: pathlib.Path, guid: str) -> None:
    """Where nobody else can make names, as in a directory that is copied with hard links each night."""
    path = pathlib.Path(good(fetch(simulator, tmp_path / "mail.zip", guid, mode="0600"))["path"])
    os.link(path, tmp_path / "snapshot")
    assert good(fetch(simulator, path, guid, mode="0640"))["changed"]
    assert mode(path) == 0o640
    assert good(fetch(simulator, path, guid, overwrite="always"))["changed"]
    assert is_ours(path, 0o640)


def test_a_file_of_another_user_is_not_given_away(simulator: Simulator, shared: pathlib.Path, guid: str) -> None:
    """What somebody has put there would become a file of the owner who is asked for."""
    run_as_stranger('printf forged > "$1"', shared / "mail.zip")
    result = fetch(simulator, shared / "mail.zip", guid, overwrite="never", owner="daemon")
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", "dest")
    assert (shared / "mail.zip").stat().st_uid == UID


@pytest.mark.parametrize("swapped", ["file", "receipt"])
@pytest.mark.parametrize("what", ["symbolic link", "file of the same user"])
def test_attributes_do_not_reach_what_is_put_in_the_place_of_a_file(
    simulator: Simulator,
    unsticky: pathlib.Path,
    victim: pathlib.Path,
    guid: str,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    swapped: str,
) -> None:
    """Exchanged after it was compared, or at the very moment of the change."""
    path = pathlib.Path(good(fetch(simulator, unsticky, guid))["path"])
    target = path if swapped == "file" else path.with_name(f"{path.name}.sha256")
    command = "ln -s" if what == "symbolic link" else "mv"
    swap = functools.cache(lambda: run_as_stranger(f'rm -f "$2"; {command} "$1" "$2"', victim, target))

    def swapping(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **options: t.Any) -> t.Any:
            swap()
            return real(*arguments, **options)

        return call

    if what == "symbolic link":
        for name in ("chmod", "fchmod"):
            monkeypatch.setattr(os, name, swapping(getattr(os, name)))
    else:
        monkeypatch.setattr(_file_content, "_report_unchanged", swapping(_file_content._report_unchanged))
    fetch(simulator, unsticky, guid, mode="0644")
    swap()
    there = victim if what == "symbolic link" else target
    assert there.read_bytes() == b"for root only"
    assert mode(there) == 0o600


def test_a_receipt_is_no_longer_for_those_who_may_not_have_the_file(
    simulator: Simulator, shared: pathlib.Path, guid: str
) -> None:
    """When only the attributes change, it gets the new ones as well."""
    done = good(fetch(simulator, shared, guid, mode="0666"))
    changed = good(fetch(simulator, shared, guid, mode="0600"))
    assert (changed["changed"], changed["reason"]) == (True, "unchanged")
    with pytest.raises(subprocess.CalledProcessError):
        run_as_stranger(': 1<> "$1"', done["receipt"])
    assert is_ours(pathlib.Path(done["receipt"]))


def test_an_old_owner_cannot_write_the_receipt_any_more(simulator: Simulator, shared: pathlib.Path, guid: str) -> None:
    dest = shared / "mail.zip"
    good(fetch(simulator, dest, guid, owner="nobody"))
    done = good(fetch(simulator, dest, guid, owner="root"))
    assert is_ours(dest)
    with pytest.raises(subprocess.CalledProcessError):
        run_as_stranger(': 1<> "$1"', done["receipt"])


# --- names ---


@pytest.mark.parametrize("kind", ["mkfifo", "ln -s /nowhere", "mkdir"])
def test_a_planted_name_costs_a_name(simulator: Simulator, shared: pathlib.Path, guid: str, kind: str) -> None:
    stem, extension = os.path.splitext(simulator.content(guid)["name"])
    for name in (f"{stem}{extension}", f"{stem}-{guid[:8]}{extension}.sha256"):
        run_as_stranger(f'{kind} "$1"', shared / name)
    done = good(fetch(simulator, shared, guid))
    assert done["path"] == str(shared / f"{stem}-{guid}{extension}")
    assert is_ours(pathlib.Path(done["path"]))


def test_without_rights_a_planted_file_is_an_error_before_anything_is_sent() -> None:
    """In a directory like /tmp, only root and its owner can replace it."""
    content = Content(MIB)
    with serving(file=content) as server, Copies() as copies, tempfile.TemporaryDirectory() as place:
        shared = pathlib.Path(place)
        shared.chmod(0o1777)
        for name in ("mail.zip", "mail.zip.sha256"):
            plant(shared / "other", driver.GUID)
            os.replace(shared / "other", shared / name)
            order = {"urls": [server.url()], "dest": str(shared / "mail.zip")}
            told = copies.run(order, user=1).told
            assert told
            assert (told["code"], told["details"]["option"]) == ("invalid_option", "dest")
            assert f"{shared / name} belongs to nobody" in told["message"]
            assert server.sent == []
            (shared / name).unlink()


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
@pytest.mark.parametrize("same", [False, True], ids=["", "same bytes"])
def test_two_downloads_with_one_name_at_a_time_are_two_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, links: bool, same: bool
) -> None:
    """Both have found the name free before either has used it."""
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    met = threading.Barrier(2)
    real = receipt.render
    first: set[int] = set()

    def meet(*arguments: t.Any) -> bytes:
        me = threading.get_ident()
        if me not in first:
            first.add(me)
            met.wait(600)
        return real(*arguments)

    monkeypatch.setattr(receipt, "render", meet)
    bodies = {GUID: zip_bytes({"a": b"a"}), OTHER_GUID: zip_bytes({"a": b"a" if same else b"b"})}
    failures: list[StorwareError] = []

    def bring(guid: str) -> None:
        try:
            _bring(tmp_path, guid, bodies[guid])
        except StorwareError as error:
            failures.append(error)

    threads = [threading.Thread(target=bring, args=(guid,)) for guid in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Directory(str(tmp_path)) as directory:
        found = {known.guid: known for known in receipt.all_in(directory)}
    assert set(found) == set(bodies)
    assert len(list(tmp_path.iterdir())) == 4
    for guid, body in bodies.items():
        assert (tmp_path / found[guid].name).read_bytes() == body
        assert found[guid].sha256 == hashlib.sha256(body).hexdigest()


def _bring(directory: pathlib.Path, guid: str, body: bytes) -> None:
    """Fetch a download that the server names mail.zip."""
    script = reply(body, 'Content-Disposition: attachment; filename="mail.zip"')
    with scripted(script) as server:
        fetching.run(fetching.job(directory, server.url(), guid=guid))


def _no_links(*_arguments: object, **_options: object) -> t.NoReturn:
    raise PermissionError(1, "Operation not permitted")


# --- file systems with rules of their own ---


@pytest.fixture
def without_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on exFAT: each file is for all, and whoever sets a mode is told that all is well."""
    real = os.open

    def opened(path: t.Any, flags: int, *arguments: t.Any, **options: t.Any) -> int:
        fd = real(path, flags, *arguments, **options)
        if flags & os.O_CREAT and "dir_fd" in options:
            os.chmod(f"/proc/self/fd/{fd}", 0o777)
        return fd

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fchmod", lambda fd, mode: None)


@pytest.mark.parametrize("dest", [".", "mail.zip"])
@pytest.mark.usefixtures("without_permissions")
def test_mail_is_not_for_all_because_the_file_system_has_no_permissions(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, dest: str
) -> None:
    """An error before anything is asked for; the user may accept the mode that files have there."""
    for asked in ({}, {"mode": "0640"}):
        result = fetch(simulator, tmp_path / dest, guid, **asked)
        assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", "mode")
        assert "mode 0777" in result["msg"]
        assert "Set mode to '0777'" in result["error"]["hint"]
        assert simulator.counters()["calls"] == {}
        assert not list(tmp_path.iterdir())
    accepted = good(fetch(simulator, tmp_path / dest, guid, mode="0777"))
    assert accepted["mode"] == "0777"
    assert not good(fetch(simulator, tmp_path / dest, guid, mode="0777"))["changed"]


def test_mail_is_not_somebody_elses_because_the_file_system_maps_owners(
    simulator: Simulator, tmp_path: pathlib.Path, guid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with root_squash, where files that root makes belong to nobody: root is the nobody here."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    result = fetch(simulator, tmp_path, guid)
    assert (result["error"]["code"], result["error"]["option"]) == ("invalid_option", "owner")
    assert "Set owner to '0'" in result["error"]["hint"]
    assert simulator.counters()["calls"] == {}
    good(fetch(simulator, tmp_path, guid, owner="0"))
    assert not good(fetch(simulator, tmp_path, guid, owner="0"))["changed"]
