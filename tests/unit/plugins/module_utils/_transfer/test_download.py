# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine over real sockets: bytes become a proved file with a receipt, or nothing at all happens."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import os
import pathlib
import stat
import subprocess
import threading
import time
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import Interrupted, OptionError, StorwareError
from ansible_collections.storware.backup.plugins.module_utils._steps import advance
from ansible_collections.storware.backup.plugins.module_utils._transfer import download, inspection, verification
from ansible_collections.storware.backup.plugins.module_utils._transfer.inspection import TransferProgress
from ansible_collections.storware.backup.plugins.module_utils._transfer.store import receipt
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.attributes import FileAttributes
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.directory import Directory
from ansible_collections.storware.backup.plugins.module_utils._transfer.store.lock import private_prefix
from ansible_collections.storware.backup.plugins.module_utils._transfer.structure import Proof
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum
from tests.faults.script_server import Pause, Reset, Script, chunked, head, reply, scripted, until_close
from tests.unit.plugins.module_utils._transfer.fetching import job, opener, reason, run
from tests.unit.plugins.module_utils._transfer.material import (
    GUID,
    OTHER_GUID,
    files_in,
    noise,
    open_below,
    pst_bytes,
    sha256,
    zip_bytes,
)

ZIP, PST, PLAIN = zip_bytes(), pst_bytes(), noise(5000)
NEWER = zip_bytes({"new.eml": noise(500, 9)})
SECOND = "/second"


def named(name: str) -> str:
    return f'Content-Disposition: attachment; filename="{name}"'


def fetch(dest: object, script: Script, **wishes: t.Any) -> tuple[str, inspection.File, download.Outcome | None]:
    with scripted(script) as server:
        return run(job(dest, server.url(), **wishes))


def visible_in(directory: pathlib.Path) -> dict[str, bytes]:
    """What users see in a directory."""
    return {name: content for name, content in files_in(directory).items() if not name.startswith(".")}


def left_in(directory: pathlib.Path) -> list[str]:
    """The ends of the names of what a run has left for the next one; all of it must be private."""
    left = [path for path in directory.iterdir() if path.name.startswith(".")]
    assert {stat.S_IMODE(path.lstat().st_mode) for path in left} <= {0o600}
    return sorted(path.name.rpartition(".")[2] for path in left)


def failure(dest: object, *scripts: Script, **wishes: t.Any) -> StorwareError:
    with scripted(*scripts, second=scripts[1:]) as server, pytest.raises(StorwareError) as caught:
        run(job(dest, *[server.url(), server.url(SECOND)][: len(scripts)], **wishes))
    return caught.value


# --- a file arrives ---


@pytest.mark.parametrize(
    ("body", "name", "verified", "format"),
    [(ZIP, "a.zip", "structure", "zip"), (PST, "a.pst", "structure", "pst"), (PLAIN, "a.bin", "length", None)],
)
def test_a_new_file(tmp_path: pathlib.Path, body: bytes, name: str, verified: str, format: str | None) -> None:
    why, file, outcome = fetch(tmp_path / name, reply(body))
    assert why == "missing"
    assert file == inspection.File(str(tmp_path / name), len(body), sha256(body), verified, format)
    assert outcome is not None
    assert (outcome.source, outcome.seconds > 0) == ("1", True)
    assert set(files_in(tmp_path)) == {name, f"{name}.sha256"}
    assert (tmp_path / name).read_bytes() == body
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    subprocess.run(["sha256sum", "-c", "--strict", f"{name}.sha256"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("level", ["full", "structure", "length"])
@pytest.mark.parametrize("body", [ZIP, PST, PLAIN])
def test_the_second_run_finds_it_unchanged_and_asks_nobody(tmp_path: pathlib.Path, body: bytes, level: str) -> None:
    _why, first, _outcome = fetch(tmp_path / "x", reply(body), level=level)
    before = files_in(tmp_path)
    why, second, outcome = run(job(tmp_path / "x", level=level))
    assert (why, outcome) == ("unchanged", None)
    assert second == first
    assert files_in(tmp_path) == before


def test_a_file_that_is_unchanged_keeps_the_level_it_was_verified_at(tmp_path: pathlib.Path) -> None:
    fetch(tmp_path / "x", reply(ZIP), level="full")
    assert run(job(tmp_path / "x"))[1].verified == "full"
    assert run(job(tmp_path / "x", level="length"))[1].verified == "length"
    right = Checksum("sha1", hashlib.sha1(ZIP).hexdigest())
    why, file, _outcome = run(job(tmp_path / "x", checksum=right))
    assert (why, file.verified, file.sha256) == ("unchanged", "digest", None)
    assert run(job(tmp_path / "x", checksum=Checksum("sha256", sha256(ZIP))))[1].sha256 == sha256(ZIP)


@pytest.mark.parametrize("how", [chunked, until_close])
def test_without_a_length_the_structure_proves_it(tmp_path: pathlib.Path, how: t.Callable[..., Script]) -> None:
    for level, body in itertools.product(("full", "structure", "length"), (ZIP, PST)):
        file = fetch(tmp_path / "x", how(body), level=level, overwrite="always")[1]
        assert file.verified == ("full" if level == "full" and body is ZIP else "structure")
    error = failure(tmp_path / "y", how(PLAIN))
    assert error.code == "unverified"
    assert fetch(tmp_path / "y", how(PLAIN), allow_unverified=True)[1].verified == "none"
    proof = Checksum("sha256", sha256(PLAIN))
    assert fetch(tmp_path / "z", how(PLAIN), checksum=proof)[1].verified == "digest"


@pytest.mark.parametrize("name", ["empty.txt", "empty.zip", "empty.pst"])
def test_nothing_is_a_file_only_where_unverified_content_is_allowed(tmp_path: pathlib.Path, name: str) -> None:
    """A server whose file is not ready sends nothing, too, and what is verified may be removed there."""
    nothing = reply(b"", named(name), f"Content-MD5: {base64.b64encode(hashlib.md5().digest()).decode()}")
    assert failure(tmp_path / name, nothing).code == "unexpected_content"
    assert not (tmp_path / name).exists()
    for _run in ("fetched", "unchanged"):
        file = fetch(tmp_path / name, nothing, allow_unverified=True, level="length")[1]
        assert (file.size, file.verified, file.format) == (0, "none", None)
    assert (
        failure(tmp_path / "other", until_close(b"", named(name)), allow_unverified=True).code == "unexpected_content"
    )


def test_what_nothing_can_prove_is_told_before_it_is_fetched(tmp_path: pathlib.Path) -> None:
    with scripted([*until_close(noise(1000)), Pause(30)]) as server:
        started = time.monotonic()
        with pytest.raises(StorwareError) as caught:
            run(job(tmp_path / "x", server.url()))
        assert time.monotonic() - started < 20
    assert caught.value.code == "unverified"
    assert "allow_unverified" in caught.value.hint
    assert files_in(tmp_path) == {}


def test_a_large_file_in_many_pieces(tmp_path: pathlib.Path) -> None:
    body = noise(5 * 2**20 + 12345)
    assert fetch(tmp_path / "x", reply(body))[1].sha256 == sha256(body)
    assert (tmp_path / "x").read_bytes() == body


def test_digests_of_user_and_server(tmp_path: pathlib.Path) -> None:
    right, wrong = Checksum("sha1", hashlib.sha1(ZIP).hexdigest()), Checksum("sha1", "0" * 40)
    assert fetch(tmp_path / "a", reply(ZIP), checksum=right)[1].verified == "digest"
    assert failure(tmp_path / "b", reply(ZIP), checksum=wrong).code == "checksum_mismatch"
    good = "Content-MD5: " + _base64(hashlib.md5(ZIP).digest())
    bad = "Repr-Digest: sha-256=:" + _base64(hashlib.sha256(PLAIN).digest()) + ":"
    assert fetch(tmp_path / "c", reply(ZIP, good))[1].verified == "digest"
    assert failure(tmp_path / "d", reply(ZIP, good, bad)).code == "digest_mismatch"
    assert set(files_in(tmp_path)) == {"a", "a.sha256", "c", "c.sha256"}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- a file is there ---


def _put(directory: pathlib.Path, how: str) -> pathlib.Path:
    """A file that was fetched earlier, and what has become of it since."""
    path = directory / "mail.zip"
    fetch(path, reply(ZIP), guid=OTHER_GUID if how == "guid" else GUID)
    if how == "size":
        path.write_bytes(ZIP + b"x")
    elif how == "checksum":
        path.write_bytes(ZIP[:-1] + b"x")
    elif how == "no receipt":
        (directory / "mail.zip.sha256").unlink()
    elif how == "damaged receipt":
        (directory / "mail.zip.sha256").write_bytes(b"damaged")
    elif how == "missing":
        path.unlink()
    return path


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("size", "size"), ("checksum", "checksum"), ("guid", "guid"), ("no receipt", "guid"),
        ("damaged receipt", "guid"), ("missing", "missing"),
    ],
)  # fmt: skip
def test_what_is_not_this_content_is_replaced(tmp_path: pathlib.Path, how: str, why: str) -> None:
    path = _put(tmp_path, how)
    assert reason(job(path)) == why
    assert fetch(path, reply(NEWER))[0] == why
    assert path.read_bytes() == NEWER
    assert reason(job(path)) == "unchanged"


@pytest.mark.parametrize("how", ["good", "size", "checksum", "guid", "no receipt"])
def test_never_and_always(tmp_path: pathlib.Path, how: str) -> None:
    path = _put(tmp_path, how)
    before = files_in(tmp_path)
    why, file, _outcome = run(job(path, overwrite="never"))
    assert (why, file.verified, file.sha256, file.size) == ("kept", "none", None, path.stat().st_size)
    assert files_in(tmp_path) == before
    assert fetch(path, reply(NEWER), overwrite="always")[0] == "forced"
    assert path.read_bytes() == NEWER


def test_a_checksum_beats_the_receipt(tmp_path: pathlib.Path) -> None:
    path = _put(tmp_path, "no receipt")
    right, newer = Checksum("sha256", sha256(ZIP)), Checksum("sha256", sha256(NEWER))
    assert reason(job(path, checksum=right)) == "unchanged"
    assert reason(job(path, checksum=newer)) == "checksum"
    assert fetch(path, reply(NEWER), checksum=newer)[0] == "checksum"


def test_only_sizes_are_compared_when_only_length_is_asked_for(tmp_path: pathlib.Path) -> None:
    path = _put(tmp_path, "checksum")
    assert reason(job(path, level="length")) == "unchanged"
    assert reason(job(_put(tmp_path, "size"), level="length")) == "size"


def test_a_hard_link_of_the_old_file_is_not_written_into(tmp_path: pathlib.Path) -> None:
    path = _put(tmp_path, "guid")
    os.link(path, tmp_path / "elsewhere")
    fetch(path, reply(NEWER))
    assert (tmp_path / "elsewhere").read_bytes() == ZIP


# --- directories ---


@pytest.mark.parametrize("slash", ["", "/"])
def test_in_a_directory_the_file_gets_the_servers_name(tmp_path: pathlib.Path, slash: str) -> None:
    file = fetch(f"{tmp_path}{slash}", reply(ZIP, named("../../Alice Archer.zip")))[1]
    assert file.path == str(tmp_path / "Alice Archer.zip")
    assert set(files_in(tmp_path)) == {"Alice Archer.zip", "Alice Archer.zip.sha256"}
    why, again, _outcome = run(job(tmp_path))
    assert (why, again) == ("unchanged", file)


@pytest.mark.parametrize(("body", "extension"), [(ZIP, "zip"), (PST, "pst"), (PLAIN, "bin")])
@pytest.mark.parametrize("field", ["Server: x", named("..")])
def test_without_a_usable_name_the_guid_is_one(tmp_path: pathlib.Path, body: bytes, extension: str, field: str) -> None:
    assert fetch(tmp_path, reply(body, field))[1].path == str(tmp_path / f"{GUID}.{extension}")


def test_downloads_of_one_name_do_not_touch_each_other(tmp_path: pathlib.Path) -> None:
    guids = [f"f8f73bf{digit}-2445-4bce-a7dd-753be3b40a67" for digit in "012"] + [GUID[:-1] + "0", GUID]
    bodies = {guid: zip_bytes({"a": guid.encode()}) for guid in guids}
    for guid in guids:
        fetch(tmp_path, reply(bodies[guid], named("mail.zip")), guid=guid)
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == [
        "mail-f8f73bf1.zip", "mail-f8f73bf2.zip", "mail-f8f73bf9-2445-4bce-a7dd-753be3b40a67.zip",
        "mail-f8f73bf9.zip", "mail.zip",
    ]  # fmt: skip
    for guid in guids:
        why, file, _outcome = run(job(tmp_path, guid=guid))
        assert (why, file.sha256) == ("unchanged", sha256(bodies[guid]))


def test_downloads_with_the_same_bytes_have_files_of_their_own(tmp_path: pathlib.Path) -> None:
    first = fetch(tmp_path, reply(ZIP, named("mail.zip")), guid=OTHER_GUID)[1]
    second = fetch(tmp_path, reply(ZIP, named("mail.zip")))[1]
    assert first.path != second.path
    assert [run(job(tmp_path, guid=guid))[1] for guid in (OTHER_GUID, GUID)] == [first, second]


@pytest.mark.parametrize("what", ["file", "directory", "symlink", "receipt", "receipt of a stranger"])
def test_a_name_that_is_taken_by_something_else_is_left_alone(tmp_path: pathlib.Path, what: str) -> None:
    taken = tmp_path / "mail.zip"
    if what == "file":
        taken.write_bytes(b"precious")
    elif what == "directory":
        taken.mkdir()
    elif what == "symlink":
        taken.symlink_to("nowhere")
    elif what == "receipt":
        fetch(taken, reply(ZIP), guid=OTHER_GUID)
        taken.unlink()
    else:
        (tmp_path / "mail.zip.sha256").write_text("written by somebody else\n")
    before = {path.name: _identity(path) for path in tmp_path.iterdir()}
    assert fetch(tmp_path, reply(ZIP, named("mail.zip")))[1].path == str(tmp_path / "mail-f8f73bf9.zip")
    assert {name: _identity(tmp_path / name) for name in before} == before


def _identity(path: pathlib.Path) -> tuple[int, ...]:
    """What changes when a file does; not when it was read."""
    seen = path.lstat()
    return seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def test_when_all_names_are_taken_nothing_happens(tmp_path: pathlib.Path) -> None:
    for name in ("mail.zip", "mail-f8f73bf9.zip", f"mail-{GUID}.zip"):
        (tmp_path / name).write_bytes(b"precious")
    before = files_in(tmp_path)
    error = failure(tmp_path, reply(ZIP, named("mail.zip")))
    assert error.code == "name_conflict"
    assert visible_in(tmp_path) == before
    # What has come is of use as soon as the user gives another name.
    assert error.details["bytes_kept"] == len(ZIP)
    with scripted([head(f"Content-Range: bytes */{len(ZIP)}", status="416 Range Not Satisfiable")]) as server:
        assert run(job(tmp_path / "other.zip", server.url()))[1].sha256 == sha256(ZIP)
    assert set(files_in(tmp_path)) == {*before, "other.zip", "other.zip.sha256"}


def test_a_run_that_died_before_its_receipt_leaves_no_second_copy(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mail.zip").write_bytes(ZIP)
    assert fetch(tmp_path, reply(ZIP, named("mail.zip")))[1].path == str(tmp_path / "mail.zip")
    assert set(files_in(tmp_path)) == {"mail.zip", "mail.zip.sha256"}


def test_a_file_that_is_gone_comes_back_under_its_name(tmp_path: pathlib.Path) -> None:
    fetch(tmp_path, reply(ZIP, named("first.zip")))
    (tmp_path / "first.zip").unlink()
    with inspection.inspect(job(tmp_path)) as finding:
        assert (finding.reason, finding.path) == ("missing", str(tmp_path / "first.zip"))
    assert fetch(tmp_path, reply(ZIP, named("second.zip")))[1].path == str(tmp_path / "first.zip")


def test_a_changed_file_in_a_directory_is_replaced_in_place(tmp_path: pathlib.Path) -> None:
    fetch(tmp_path, reply(ZIP, named("mail.zip")))
    (tmp_path / "mail.zip").write_bytes(b"changed")
    assert fetch(tmp_path, reply(ZIP, named("mail.zip")))[0] == "size"
    assert set(files_in(tmp_path)) == {"mail.zip", "mail.zip.sha256"}
    assert fetch(tmp_path, reply(NEWER, named("other.zip")), overwrite="always")[0] == "forced"
    assert (tmp_path / "mail.zip").read_bytes() == NEWER


def test_a_name_that_becomes_taken_during_the_transfer_is_left_alone(tmp_path: pathlib.Path) -> None:
    other_is_there = threading.Event()
    with scripted([reply(ZIP, named("mail.zip"))[0], ZIP[:100], other_is_there, ZIP[100:]]) as server:
        thread = threading.Thread(target=run, args=(job(tmp_path, server.url()),))
        thread.start()
        while not server.requests:
            time.sleep(0.01)
        fetch(tmp_path, reply(NEWER, named("mail.zip")), guid=OTHER_GUID)
        other_is_there.set()
        thread.join()
    assert (tmp_path / "mail.zip").read_bytes() == NEWER
    assert (tmp_path / "mail-f8f73bf9.zip").read_bytes() == ZIP


# --- a dest that cannot work ---


def _bad_dests(path: pathlib.Path) -> dict[str, tuple[str, str]]:
    (path / "file").write_bytes(b"precious")
    (path / "link").symlink_to(path / "file")
    (path / "dangling").symlink_to(path / "nowhere")
    (path / "taken.sha256").mkdir()
    os.mkfifo(path / "fifo")
    return {
        "empty": ("", "empty"),
        "no parent": (f"{path}/no/file.zip", "does not exist"),
        "no directory": (f"{path}/no/", "no directory that exists"),
        "file with a slash": (f"{path}/file/", "no directory that exists"),
        "below a file": (f"{path}/file/x", "no usable path"),
        "device": ("/dev/null", "a character device"),
        "in /dev": ("/dev/new-file", "of the kernel"),
        "in /proc": ("/proc/self/new", "of the kernel"),
        "/proc file": ("/proc/self/status", "of the kernel"),
        "/proc": ("/proc", "of the kernel"),
        "/sys": ("/sys/kernel/x", "of the kernel"),
        "FIFO": (f"{path}/fifo", "a FIFO"),
        "symlink": (f"{path}/link", "a symbolic link"),
        "dangling symlink": (f"{path}/dangling", "a symbolic link"),
        "NUL": (f"{path}/a\0b", "no usable path"),
        "too long": (f"{path}/{'x' * 256}", "no usable path"),
        "receipt": (f"{path}/taken", "in the way"),
    }


@pytest.mark.fault("U4")
@pytest.mark.parametrize("overwrite", ["never", "different", "always"])
def test_a_dest_that_cannot_work_is_told_before_anything_is_sent(tmp_path: pathlib.Path, overwrite: str) -> None:
    for what, (dest, words) in _bad_dests(tmp_path).items():
        with scripted(reply(ZIP)) as server:
            with pytest.raises(OptionError) as caught:
                run(job(dest, server.url(), overwrite=overwrite))
            assert server.requests == [], what
        assert caught.value.option == "dest", what
        assert words in caught.value.message, what
    assert (tmp_path / "file").read_bytes() == b"precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_of_the_download_that_became_a_link_is_refused(tmp_path: pathlib.Path) -> None:
    fetch(tmp_path, reply(ZIP, named("mail.zip")))
    (tmp_path / "mail.zip").rename(tmp_path / "moved")
    (tmp_path / "mail.zip").symlink_to("moved")
    with pytest.raises(OptionError, match="a symbolic link"):
        reason(job(tmp_path))


def test_a_directory_behind_a_link_and_dev_shm_are_fine(tmp_path: pathlib.Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    fetch(tmp_path / "link", reply(ZIP, named("a.zip")))
    fetch(tmp_path / "link" / "b.zip", reply(ZIP))
    assert len(files_in(tmp_path / "real")) == 4
    assert reason(job("/dev/shm/storware-no-such-file")) == "missing"


def test_a_relative_dest_is_below_the_working_directory(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fetch("x.zip", reply(ZIP))[1].path == str(tmp_path / "x.zip")
    assert reason(job(".", guid=GUID)) == "unchanged"


@pytest.mark.parametrize(
    "name", ["x" * 255, "ü" * 127, "-rf", " x ", "new\nline", "\udcff.zip", "#", "x.sha256", "x.part"]
)
def test_any_name_that_the_user_chooses(tmp_path: pathlib.Path, name: str) -> None:
    fetch(f"{tmp_path}/{name}", reply(PLAIN) if name != "\udcff.zip" else reply(ZIP))
    assert reason(job(f"{tmp_path}/{name}")) == "unchanged"
    assert len(files_in(tmp_path)) == 2


def test_where_nothing_can_be_written_nothing_is_asked_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Directory, name: str, flags: int, mode: int = 0o600) -> int:
        raise OSError(30, "Read-only file system")

    with scripted(reply(ZIP)) as server:
        wanted = job(tmp_path / "x", server.url())
        with inspection.inspect(wanted) as finding, monkeypatch.context() as patched:
            patched.setattr(Directory, "open", refuse)
            with pytest.raises(StorwareError, match="Read-only file system") as caught:
                advance(download.fetch(wanted, finding))
        assert server.requests == []
    assert "mounted read-only" in caught.value.hint


# --- attributes ---


def test_attributes_are_set_before_the_file_has_its_name(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def label(path: str, current: str, is_new: bool) -> str:
        seen.append((path, is_new, (tmp_path / "x").exists()))
        return current

    monkeypatch.setattr(os, "getxattr", lambda fd, name: b"system_u:object_r:var_t:s0\0")
    fetch(tmp_path / "x", reply(ZIP), attributes=FileAttributes(mode=lambda _st_mode: 0o640, label=label))
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "x.sha256").stat().st_mode) == 0o640
    dest = str(tmp_path / "x")
    assert seen == [(dest, True, False), (dest, True, False), (f"{dest}.sha256", True, False)]


def test_attributes_that_cannot_be_set_are_told_before_anything_is_sent(tmp_path: pathlib.Path) -> None:
    def refuse(_st_mode: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    with scripted(reply(ZIP)) as server:
        with pytest.raises(StorwareError, match="Operation not permitted"):
            run(job(tmp_path / "x", server.url(), attributes=FileAttributes(mode=refuse)))
        assert server.requests == []
    assert files_in(tmp_path) == {}


# --- failures ---

_CUT = [reply(ZIP)[0], ZIP[:-10]]
_KEEPING = ("cut", "reset")  # enough came, and the checksums in the archive will prove the whole
FAULTS: dict[str, tuple[Script, str]] = {
    "404": (reply(b"gone", status="404 Not Found"), "unexpected_content"),
    "204": ([head(status="204 No Content")], "unexpected_content"),
    "206": (reply(ZIP, status="206 Partial Content"), "unexpected_content"),
    "empty": (reply(b""), "unexpected_content"),
    "{}": (reply(b"{ }", media_type="application/json"), "unexpected_content"),
    "login page": (reply(b"<html>Log in</html>", media_type="text/html"), "unexpected_content"),
    "login page as bytes": (reply(b"<!doctype html><p>Log in"), "unexpected_content"),
    "gzip": (reply(ZIP, "Content-Encoding: gzip"), "unexpected_content"),
    "PST named zip": (reply(PST), "unexpected_content"),
    "gzip named zip": (reply(b"\x1f\x8b" + PLAIN), "unexpected_content"),
    "cut": (_CUT, "transfer_interrupted"),
    "cut at once": ([reply(ZIP)[0], ZIP[:1]], "transfer_interrupted"),
    "reset": ([*_CUT, Reset()], "transfer_interrupted"),
    "chunks cut": (chunked(ZIP, end=b""), "transfer_interrupted"),
    "negative chunk": (chunked(ZIP, end=b"-1\r\n"), "transfer_interrupted"),
    "no length, cut": (until_close(ZIP[:-10]), "corrupt"),
    "length smaller than the file": ([head(f"Content-Length: {len(ZIP) - 5}"), ZIP], "corrupt"),
    "flipped directory": (reply(ZIP[:-24] + bytes([ZIP[-24] ^ 1]) + ZIP[-23:]), "corrupt"),
    "junk behind": (reply(ZIP + b"junk"), "corrupt"),
    "wrong digest": (reply(ZIP, f"Content-MD5: {'A' * 22}=="), "digest_mismatch"),
    "no space": ([head(f"Content-Length: {2**60}"), ZIP], "disk_full"),
}  # fmt: skip


@pytest.mark.parametrize("old", ["nothing", "an older file", "this very file"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_leaves_everything_as_it_was(tmp_path: pathlib.Path, fault: str, old: str) -> None:
    path = tmp_path / "mail.zip"
    if old != "nothing":
        fetch(path, reply(ZIP), guid=GUID if old == "this very file" else OTHER_GUID)
    before = files_in(tmp_path)
    script, code = FAULTS[fault]
    error = failure(path, script, overwrite="always")
    assert error.code == code
    assert visible_in(tmp_path) == before
    assert GUID in error.message
    assert str(path) in error.message
    kept = len(ZIP) - 10 if fault in _KEEPING else 0
    assert left_in(tmp_path) == (["part", "state"] if kept else ["state"] if code == "corrupt" else [])
    assert ("Nothing was kept." in error.hint) == (old == "nothing" and not kept)
    assert ("The file that was there is unchanged." in error.hint) == (old != "nothing")
    assert (f"{kept} bytes are kept; the next run resumes from there." in error.hint) == bool(kept)
    assert (error.details["path"], error.details["bytes_kept"]) == (str(path), kept)
    # With the fault gone, one more run is enough.
    assert fetch(path, reply(NEWER), overwrite="always")[1].sha256 == sha256(NEWER)
    assert set(files_in(tmp_path)) == {"mail.zip", "mail.zip.sha256"}


# --- content that is damaged on the server ---

DAMAGED = ZIP[:200] + bytes([ZIP[200] ^ 1]) + ZIP[201:]
ALWAYS_SO = "Prepare the download again with storware.backup.cloud_download, or, to have the file as it is, set {}."


def refused(dest: pathlib.Path, *scripts: Script, **wishes: t.Any) -> list[tuple[StorwareError, int]]:
    """The error of one run after the other, and how many requests it took. level: full, unless it is wished."""
    runs = []
    for script in scripts:
        with scripted(script) as server, pytest.raises(StorwareError) as caught:
            run(job(dest, server.url(), **{"level": "full", **wishes}))
        assert caught.value.code == "corrupt"
        runs.append((caught.value, len(server.requests)))
    return runs


@pytest.mark.parametrize("is_directory", [False, True])
def test_content_that_was_refused_twice_is_not_fetched_again(tmp_path: pathlib.Path, is_directory: bool) -> None:
    dest = tmp_path if is_directory else tmp_path / "x"
    (first, _sent), (second, _sent), (third, requests), (fourth, more) = refused(dest, *[reply(DAMAGED)] * 4)
    assert (requests, more) == (0, 0)
    as_it_is = ALWAYS_SO.format("verify: length")
    assert first.hint == f"Nothing was kept. Run the task again. If the same content arrives: {as_it_is}"
    assert second.hint == f"Nothing was kept. {as_it_is}"
    assert third.hint == fourth.hint == f"{second.hint} To fetch it all the same, set overwrite: always."
    assert f"the same damaged content 2 times (SHA-256 {sha256(DAMAGED)}), so it is not fetched again" in third.message
    assert {error.details["got"] for error in (first, second, third)} == {sha256(DAMAGED)}
    assert left_in(tmp_path) == ["state"]
    assert visible_in(tmp_path) == {}


@pytest.mark.parametrize(
    ("wishes", "verified"),
    [
        ({"level": "length"}, "length"),
        ({"level": "structure"}, "structure"),
        ({"level": "full", "checksum": Checksum("sha256", sha256(DAMAGED))}, "digest"),
    ],
)
def test_what_is_asked_for_otherwise_is_fetched(tmp_path: pathlib.Path, wishes: t.Any, verified: str) -> None:
    refused(tmp_path / "x", *[reply(DAMAGED)] * 2)
    assert fetch(tmp_path / "x", reply(DAMAGED), **wishes)[1].verified == verified
    assert set(files_in(tmp_path)) == {"x", "x.sha256"}  # and what was remembered is forgotten
    (tmp_path / "x").unlink()
    assert refused(tmp_path / "x", reply(DAMAGED))[0][1] == 1


def test_content_that_was_refused_is_fetched_when_it_is_forced(tmp_path: pathlib.Path) -> None:
    runs = refused(tmp_path / "x", *[reply(DAMAGED)] * 3, overwrite="always")
    assert [requests for _error, requests in runs] == [1, 1, 1]
    assert "3 times" in refused(tmp_path / "x", reply(DAMAGED))[0][0].message
    assert fetch(tmp_path / "x", reply(ZIP), level="full", overwrite="always")[1].verified == "full"
    assert set(files_in(tmp_path)) == {"x", "x.sha256"}


def test_other_damage_is_no_reason_to_stop_asking(tmp_path: pathlib.Path) -> None:
    """As on a bad line, which damages other bytes each time."""
    scripts = [reply(ZIP[:place] + bytes([ZIP[place] ^ 1]) + ZIP[place + 1 :]) for place in (200, 300, 200, 300)]
    assert [requests for _error, requests in refused(tmp_path / "x", *scripts)] == [1, 1, 1, 1]
    assert fetch(tmp_path / "x", reply(ZIP), level="full")[1].verified == "full"


def test_a_run_that_fails_otherwise_forgets_nothing(tmp_path: pathlib.Path) -> None:
    refused(tmp_path / "x", *[reply(DAMAGED)] * 2)
    assert failure(tmp_path / "x", reply(b"{}"), overwrite="always").code == "unexpected_content"
    assert failure(tmp_path / "x", _CUT, level="length").code == "transfer_interrupted"
    assert left_in(tmp_path) == ["part", "state"]
    assert refused(tmp_path / "x", reply(DAMAGED))[0][1] == 0


def test_without_a_length_the_digest_is_what_makes_damaged_content_acceptable(tmp_path: pathlib.Path) -> None:
    _first, (second, _sent), (third, requests) = refused(tmp_path / "x", *[chunked(DAMAGED)] * 3)
    assert requests == 0
    for error in (second, third):
        assert ALWAYS_SO.format(f"checksum: sha256:{sha256(DAMAGED)}") in error.hint
    accepted = Checksum("sha256", sha256(DAMAGED))
    assert fetch(tmp_path / "x", chunked(DAMAGED), level="full", checksum=accepted)[1].verified == "digest"


def test_check_mode_foretells_what_is_not_fetched_again(tmp_path: pathlib.Path) -> None:
    for times in range(3):
        wanted = job(tmp_path / "x", level="full")
        with inspection.inspect(wanted) as finding:
            before = files_in(tmp_path)
            with contextlib.nullcontext() if times < 2 else pytest.raises(StorwareError, match="so it is not fetched"):
                download.predict(wanted, finding)
            assert files_in(tmp_path) == before
        refused(tmp_path / "x", reply(DAMAGED))


def test_what_is_remembered_of_one_download_counts_for_no_other(tmp_path: pathlib.Path) -> None:
    """Whoever may rename files in the directory could give it to another one."""
    refused(tmp_path / "x", *[reply(DAMAGED)] * 2)
    (state,) = tmp_path.glob(".*.state")
    state.rename(tmp_path / f"{private_prefix(OTHER_GUID, f'server {OTHER_GUID}')}state")
    assert fetch(tmp_path / "y", reply(ZIP), guid=OTHER_GUID, level="full")[1].verified == "full"
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_is_there_ends_what_is_remembered(tmp_path: pathlib.Path) -> None:
    refused(tmp_path / "x", reply(DAMAGED))
    (tmp_path / "x").write_bytes(DAMAGED)
    assert run(job(tmp_path / "x", overwrite="never"))[0] == "kept"
    assert left_in(tmp_path) == []


def test_padding_is_in_the_outcome(tmp_path: pathlib.Path) -> None:
    assert fetch(tmp_path / "x", reply(ZIP + bytes(1000)))[1].padding == 1000


def test_a_flipped_bit_in_an_entry_is_found_with_full_only(tmp_path: pathlib.Path) -> None:
    flipped = ZIP[:200] + bytes([ZIP[200] ^ 1]) + ZIP[201:]
    assert fetch(tmp_path / "a.zip", reply(flipped))[1].verified == "structure"
    assert failure(tmp_path / "b.zip", reply(flipped), level="full").code == "corrupt"


def test_a_format_is_expected_by_the_name_the_file_will_have(tmp_path: pathlib.Path) -> None:
    assert fetch(tmp_path / "mail.dat", reply(PST, named("x.zip")))[1].format == "pst"
    error = failure(tmp_path, reply(PST, named("x.zip")), guid=OTHER_GUID)
    assert "no ZIP file as x.zip" in error.message
    assert "!BDN" in error.message


def test_the_second_address_is_asked_when_the_first_has_no_file(tmp_path: pathlib.Path) -> None:
    with scripted(reply(b"{}", media_type="application/json"), second=[reply(ZIP)]) as server:
        _why, _file, outcome = run(job(tmp_path / "x", server.url(), server.url(SECOND)))
    assert outcome is not None
    assert outcome.source == "2"
    with scripted(reply(ZIP), second=[reply(ZIP)]) as server:
        run(job(tmp_path / "y", server.url(), server.url(SECOND)))
        assert len(server.requests) == 1


def test_when_no_address_has_a_file_each_answer_is_told(tmp_path: pathlib.Path) -> None:
    error = failure(tmp_path / "x", reply(b"{}", media_type="application/json"), [head(status="204 No Content")])
    assert error.code == "unexpected_content"
    assert "1 answered with JSON (application/json): {}; 2 answered 204" in error.message
    assert set(error.details["answers"]) == {"1", "2"}
    assert "finished_mount" in error.hint


def test_what_breaks_off_is_not_asked_for_elsewhere(tmp_path: pathlib.Path) -> None:
    with scripted(_CUT, second=[reply(ZIP)]) as server:
        with pytest.raises(StorwareError):
            run(job(tmp_path / "x", server.url(), server.url(SECOND)))
        assert {request.split()[1] for request in server.requests} == {b"/file"}


def test_what_comes_from_the_second_address_is_continued_there(tmp_path: pathlib.Path) -> None:
    rest = [head(f"Content-Range: bytes 0-{len(ZIP) - 1}/{len(ZIP)}", status="206 Partial Content"), ZIP]
    with scripted(reply(b"{}"), second=[_CUT, rest]) as server:
        outcome = run(job(tmp_path / "x", server.url(), server.url(SECOND)))[2]
        assert outcome is not None
        assert outcome.source == "2"
        assert [request.split()[1] for request in server.requests] == [b"/file", b"/second", b"/second"]


def test_connections_are_given_back(tmp_path: pathlib.Path) -> None:
    closed = []

    def watched(url: str) -> t.Any:
        def open_content(headers: t.Mapping[str, str], deadline: float | None) -> t.Any:
            response: t.Any = opener(url)(headers, deadline)
            close = response.close

            def note() -> None:
                closed.append(url)
                close()

            response.close = note
            return response

        return open_content

    with scripted(reply(b"{}"), _CUT, second=[reply(ZIP)]) as server:
        first, second = server.url(), server.url(SECOND)
        wanted = dataclasses.replace(job(tmp_path / "x"), openers=[("1", watched(first)), ("2", watched(second))])
        run(wanted)
        assert closed == [first, second]
        with pytest.raises(StorwareError):
            run(dataclasses.replace(wanted, overwrite="always"))
        assert closed == [first, second, first, first]  # the one that broke off is tried once more


def test_no_descriptor_stays_open(tmp_path: pathlib.Path) -> None:
    fetch(tmp_path / "good", reply(ZIP))
    failure(tmp_path / "bad", _CUT)
    (tmp_path / "taken.sha256").mkdir()
    with pytest.raises(OptionError):
        reason(job(tmp_path / "taken"))
    assert open_below(tmp_path) == []


def test_an_interruption_at_the_last_moment_keeps_all_that_came(tmp_path: pathlib.Path) -> None:
    """What a signal handler raises in the middle passes through, and the next run has nothing to fetch."""

    def interrupt(_st_mode: int) -> int:
        if len(server.requests) > 0:
            raise Interrupted("Interrupted by SIGTERM")
        return 0o644

    with scripted(reply(ZIP)) as server, pytest.raises(Interrupted) as caught:
        run(job(tmp_path / "x", server.url(), attributes=FileAttributes(mode=interrupt)))
    assert caught.value.code == "interrupted"
    assert left_in(tmp_path) == ["part", "state"]
    file = run(job(tmp_path / "x"))  # nobody can be asked, and nobody has to
    assert (file[1].sha256, set(files_in(tmp_path))) == (sha256(ZIP), {"x", "x.sha256"})


@pytest.mark.parametrize("code", ["interrupted", "timeout"])
def test_a_proof_that_is_ended_keeps_all_that_came(tmp_path: pathlib.Path, code: str) -> None:
    """Nothing was found out about the content."""
    is_received = threading.Event()

    def check_stop() -> None:
        if is_received.is_set():
            raise StorwareError("it is over", code=code)

    with scripted(reply(ZIP, 'ETag: "1"')) as server:
        wanted = job(tmp_path / "x", server.url(), level="full", check_stop=check_stop)
        with inspection.inspect(wanted) as inspected:
            steps = download.fetch(wanted, inspected)
            next(steps)
            is_received.set()
            with pytest.raises(StorwareError) as caught:
                next(steps)
    assert (caught.value.code, left_in(tmp_path)) == (code, ["part", "state"])
    file = run(job(tmp_path / "x"))  # nobody can be asked, and nobody has to
    assert file[1].sha256 == sha256(ZIP)


def test_a_refusal_before_anything_is_requested_keeps_what_is_there(tmp_path: pathlib.Path) -> None:
    """Also of content whose length is unknown, which is not kept when it has filled the disk."""

    def refuse(_headers: t.Mapping[str, str], _deadline: float | None) -> t.NoReturn:
        raise StorwareError("it has no room beside the others", code="disk_full")

    with scripted(chunked(ZIP[:-100], 'ETag: "1"', end=b"")) as server:
        wanted = job(tmp_path / "x", server.url())
        with pytest.raises(StorwareError, match="broke off"):
            run(wanted)
    with pytest.raises(StorwareError, match="no room beside"):
        run(dataclasses.replace(wanted, openers=[("1", refuse)]))
    assert left_in(tmp_path) == ["part", "state"]


def test_what_is_proved_is_not_said_to_be_received(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last bytes are hashed while the proof begins; a poll during a long proof must not tell of a stall."""
    newest: list[t.Callable[[], TransferProgress]] = []
    stages = []
    real = verification.prove

    def prove(*arguments: t.Any, **named: t.Any) -> Proof:
        stages.append(newest[-1]().stage)
        return real(*arguments, **named)

    monkeypatch.setattr(verification, "prove", prove)
    body = zip_bytes({"a": noise(3 * 2**20)})
    for number in range(5):
        with scripted(reply(body)) as server:
            run(job(tmp_path / f"{number}", server.url(), report_progress=newest.append))
    assert stages == [inspection.VERIFYING] * 5


@pytest.mark.parametrize("dest", ["x", "."])
def test_what_a_killed_run_has_left_is_removed_by_the_next_one(tmp_path: pathlib.Path, dest: str) -> None:
    stem = private_prefix(GUID, f"server {GUID}")
    (tmp_path / f"{stem}0123abcd.part").write_bytes(b"half a file")
    (tmp_path / f"{stem}89abcdef.part").symlink_to("precious")
    (tmp_path / f"{stem}89abcdef.state").write_bytes(b"half a sidecar")
    (tmp_path / f"{stem}state").write_bytes(b"damaged")
    (tmp_path / "precious").write_bytes(b"precious")
    fetch(tmp_path / dest, reply(ZIP, named("x")))
    assert set(os.listdir(tmp_path)) == {"x", "x.sha256", "precious"}
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_what_was_killed_after_it_had_published_is_removed_when_nothing_is_to_be_done(tmp_path: pathlib.Path) -> None:
    fetch(tmp_path / "x", reply(ZIP))
    before = files_in(tmp_path)
    stem = private_prefix(GUID, f"server {GUID}")
    for left in (f"{stem}state", f"{stem}0123abcd.part", f"{stem}0123abcd.state"):
        (tmp_path / left).write_bytes(b"left")
    others = {f".{GUID}.0123456789abcdef.state": b"of another server", ".x.part": b"of somebody else"}
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    assert run(job(tmp_path / "x"))[0] == "unchanged"
    assert files_in(tmp_path) == {**before, **others}


def test_a_failure_after_the_file_has_its_name_says_so(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Directory.rename

    def rename(self: Directory, old: str, new: str, target: Directory | None = None) -> None:
        if new.endswith(".sha256"):
            raise OSError(5, "Input/output error")
        real(self, old, new, target)

    with scripted(reply(NEWER)) as server:
        fetch(tmp_path / "x", reply(ZIP))
        monkeypatch.setattr(Directory, "rename", rename)
        with pytest.raises(StorwareError) as caught:
            run(job(tmp_path / "x", server.url(), overwrite="always"))
    assert f"{tmp_path}/x is a new file now." in caught.value.hint
    assert (tmp_path / "x").read_bytes() == NEWER
    with Directory(str(tmp_path)) as directory:
        assert receipt.read(directory, "x") is None
    assert set(files_in(tmp_path)) == {"x"}


@pytest.mark.parametrize("locks", ["real", "lying"])
@pytest.mark.parametrize("writers", [2, 8])
def test_writers_of_one_dest_never_mix(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, writers: int, locks: str
) -> None:
    """Each sends other bytes: one file is there in the end, whole, and nobody says that it is his when it is not."""
    if locks == "lying":
        monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    for number in range(5):
        dest = tmp_path / str(number)
        bodies = [zip_bytes({"a": noise(200_000, seed)}) for seed in range(writers)]
        codes = _write_at_once(dest, [[reply(body)[0], body[:1000], Pause(0.05), body[1000:]] for body in bodies])
        assert dest.read_bytes() in bodies
        assert len(codes) < writers
        assert set(codes) <= {"concurrent_change"}
        with Directory(str(tmp_path)) as directory:
            beside = receipt.read(directory, dest.name)
        assert beside is None or beside.sha256 == sha256(dest.read_bytes())
    assert not list(tmp_path.glob(".*"))


def _write_at_once(dest: pathlib.Path, scripts: t.Sequence[Script]) -> list[str]:
    """The codes of those that failed."""
    codes: list[str] = []

    def work(script: Script) -> None:
        try:
            fetch(dest, script)
        except StorwareError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=work, args=(script,)) for script in scripts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes
