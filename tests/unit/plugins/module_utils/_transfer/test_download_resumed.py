# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine after something broke off: what the server has to send again, and when all of it is fetched anew."""

from __future__ import annotations

import dataclasses
import pathlib
import stat
import typing as t
import zipfile

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import receive
from ansible_collections.storware.backup.plugins.module_utils._transfer.download import Outcome
from ansible_collections.storware.backup.plugins.module_utils._transfer.http import ranges
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import LimitSettings
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum
from tests.faults.replies import JUST_NOW, LONG_AGO, Resource, broken, closing, in_pieces, part, serve
from tests.faults.script_server import Reply, Request, Script, ScriptServer, head, reply, scripted
from tests.unit.plugins.module_utils._transfer.fetching import AGAIN, job, run
from tests.unit.plugins.module_utils._transfer.material import files_in, noise, pst_bytes, sha256, zip_bytes

OVERLAP = 2**20
SIZE = 2_600_000
CUT = 2_000_000
HEADS = 4000  # more than all heads of answers take


def archive(seed: int) -> bytes:
    entries = {f"Inbox/{number}.eml": noise(640_000, seed * 10 + number) for number in range(4)}
    return zip_bytes(entries, method=zipfile.ZIP_STORED)


ZIP = Resource(archive(1))
NEWER = Resource(archive(2), etag='"2"')
PST = Resource(pst_bytes(SIZE))
BIN = Resource(noise(SIZE))
BODIES = {"zip": ZIP, "pst": PST, "bin": BIN}
NO_VALIDATOR: dict[str, t.Any] = {"etag": None}
WEAK: dict[str, t.Any] = {"etag": 'W/"1"', "modified": LONG_AGO}
DATED: dict[str, t.Any] = {"etag": None, "modified": LONG_AGO}
TOO_NEW: dict[str, t.Any] = {"etag": None, "modified": JUST_NOW}


def cut(file: Resource, at: float = CUT) -> Reply:
    """It breaks off there."""
    return serve(file, broken(at))


def fetched(dest: pathlib.Path, *replies: Reply, **wishes: t.Any) -> tuple[Outcome, ScriptServer]:
    """A run that succeeds, and what the server has sent."""
    wishes.setdefault("limit_settings", AGAIN)
    with scripted(*replies) as server:
        outcome = run(job(dest, server.url(), **wishes))[2]
    assert outcome is not None
    assert sha256(dest.read_bytes()) == outcome.file.sha256
    assert set(files_in(dest.parent)) == {dest.name, f"{dest.name}.sha256"}
    return outcome, server


def failed(dest: pathlib.Path, *replies: Reply, **wishes: t.Any) -> StorwareError:
    """A run that fails; the last reply is given for ever."""
    wishes.setdefault("limit_settings", LimitSettings(retries=0))
    with scripted(*replies) as server, pytest.raises(StorwareError) as caught:
        run(job(dest, server.url(), **wishes))
    return caught.value


def kept(dest: pathlib.Path, file: Resource, at: int = CUT, **wishes: t.Any) -> None:
    """A run that breaks off, and leaves so many bytes."""
    error = failed(dest, cut(file, at), serve(file, broken(0)), **wishes)
    assert (error.code, error.details["bytes_kept"]) == ("transfer_interrupted", at)
    assert f"{at} bytes are kept; the next run resumes from there." in error.hint
    assert not dest.exists()
    left = list(dest.parent.iterdir())
    assert sorted(path.suffix for path in left) == [".part", ".state"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in left} == {0o600}


def asked(server: ScriptServer) -> list[tuple[int | None, str | None]]:
    """Where each request starts (None: it is for the whole), and its condition."""
    found = (Request(request, 0) for request in server.requests)
    return [(request.range[0] if request.range else None, request.field("If-Range")) for request in found]


# --- in the same run and in the next one ---

CONTINUED = [
    ("zip", {}, {}, "strong"), ("pst", {}, {}, "strong"), ("bin", {}, {}, "strong"),
    ("zip", DATED, {}, "strong"), ("bin", DATED, {}, "strong"),
    ("zip", NO_VALIDATOR, {}, "weak"), ("zip", WEAK, {}, "weak"), ("zip", TOO_NEW, {}, "weak"),
    ("bin", NO_VALIDATOR, {"checksum": Checksum("sha256", sha256(BIN.body))}, "weak"),
    ("pst", WEAK, {"checksum": Checksum("sha256", sha256(PST.body))}, "weak"),
    ("bin", NO_VALIDATOR, {"allow_unverified": True}, "weak"),
]  # fmt: skip
VALIDATORS = {'"1"': {}, LONG_AGO: DATED}


@pytest.mark.parametrize("runs", ["the same run", "the next run"])
@pytest.mark.parametrize(("name", "changes", "wishes", "how"), CONTINUED)
def test_only_the_rest_comes_again(
    tmp_path: pathlib.Path, runs: str, name: str, changes: dict[str, t.Any], wishes: dict[str, t.Any], how: str
) -> None:
    file = dataclasses.replace(BODIES[name], **changes)
    dest = tmp_path / "x"
    before = CUT
    if runs == "the same run":
        outcome, server = fetched(dest, cut(file), serve(file), **wishes)
        first, again = asked(server)
        assert first == (None, None)
    else:
        kept(dest, file, **wishes)
        before = 0
        outcome, server = fetched(dest, serve(file), **wishes)
        (again,) = asked(server)
    assert outcome.file.sha256 == sha256(file.body)
    size = len(file.body)
    validator = next((value for value, fields in VALIDATORS.items() if fields == changes), None)
    assert again == (CUT - OVERLAP, validator)
    assert server.sent <= before + size - CUT + OVERLAP + HEADS
    assert outcome.received == before + size - CUT + OVERLAP
    # What was put together without a validator is proved by all checksums of the archive.
    levels = {"zip": "full" if how == "weak" else "structure", "pst": "structure", "bin": "length"}
    assert outcome.file.verified == ("digest" if "checksum" in wishes else levels[name])


@pytest.mark.parametrize(
    ("name", "changes"), [("bin", NO_VALIDATOR), ("pst", NO_VALIDATOR), ("bin", WEAK), ("pst", TOO_NEW)]
)
def test_what_nothing_would_prove_is_fetched_anew_and_not_kept(
    tmp_path: pathlib.Path, name: str, changes: dict[str, t.Any]
) -> None:
    file = dataclasses.replace(BODIES[name], **changes)
    outcome, server = fetched(tmp_path / "x", cut(file), serve(file))
    assert asked(server) == [(None, None), (None, None)]
    assert outcome.file.sha256 == sha256(file.body)
    (tmp_path / "next").mkdir()
    error = failed(tmp_path / "next" / "x", cut(file), limit_settings=AGAIN)
    assert error.code == "transfer_interrupted"
    assert error.details["bytes_kept"] == 0
    assert error.hint.startswith("Nothing was kept. A checksum would prove it")
    assert files_in(tmp_path / "next") == {}


@pytest.mark.parametrize("name", ["zip", "bin"])
def test_a_file_of_unknown_length_with_a_tag_is_continued(tmp_path: pathlib.Path, name: str) -> None:
    """The part that comes says how long it is."""
    file = BODIES[name]
    wishes = {"allow_unverified": True}
    outcome, server = fetched(tmp_path / "x", serve(file, in_pieces(b"", share=0.8)), serve(file), **wishes)
    (_whole, (start, tag)) = asked(server)
    assert (start is not None and start > 10**6 - 10**5, tag) == (True, '"1"')
    assert (outcome.file.sha256, outcome.file.verified) == (
        sha256(file.body), "structure" if name == "zip" else "length",
    )  # fmt: skip


@pytest.mark.parametrize("total", [SIZE, None])
def test_where_only_the_last_chunk_was_lost_the_server_may_say_that_nothing_is_left(
    tmp_path: pathlib.Path, total: int | None
) -> None:
    """Without the length of what it has, it is asked for the whole."""
    nothing_left = reply(b"", f"Content-Range: bytes */{total or '*'}", status="416 Range Not Satisfiable")
    replies: list[Reply] = [serve(BIN, in_pieces(b"")), nothing_left, serve(BIN)]
    outcome, server = fetched(tmp_path / "x", *replies, allow_unverified=True)
    assert (outcome.file.sha256, outcome.file.verified) == (sha256(BIN.body), "length")
    assert len(server.requests) == (2 if total else 3)


def test_an_end_of_the_connection_that_was_none_is_found_by_the_proof(tmp_path: pathlib.Path) -> None:
    assert failed(tmp_path / "x", serve(ZIP, closing(CUT))).code == "corrupt"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("at", [1000, 5000, OVERLAP, OVERLAP + 1, SIZE - 1])
def test_wherever_it_breaks_off(tmp_path: pathlib.Path, at: int) -> None:
    kept(tmp_path / "x", BIN, at)
    outcome, server = fetched(tmp_path / "x", serve(BIN))
    assert outcome.file.sha256 == sha256(BIN.body)
    assert server.sent <= SIZE - at + min(at, OVERLAP) + HEADS


def test_many_cuts_in_one_run(tmp_path: pathlib.Path) -> None:
    """Each brings something, so the number of retries is not used up."""
    wire = broken(OVERLAP + 200_000)
    settings = dataclasses.replace(AGAIN, retries=1)
    outcome, server = fetched(tmp_path / "x", serve(BIN, wire), limit_settings=settings)
    assert outcome.file.sha256 == sha256(BIN.body)
    assert len(server.requests) == 8


def test_what_has_a_wrong_checksum_is_of_no_use_for_the_next_run(tmp_path: pathlib.Path) -> None:
    kept(tmp_path / "x", ZIP)
    assert failed(tmp_path / "x", serve(ZIP), checksum=Checksum("sha256", "0" * 64)).code == "checksum_mismatch"
    assert files_in(tmp_path) == {}


# --- the file is another one now ---


def tail(*fields: str, drop: tuple[str, ...] = (), framed: bool = True) -> Reply:
    """A server that answers 200 to a Range, and sends the rest only."""

    def answer(request: Request) -> Script:
        honest = BIN.answer(request)
        if not request.range:
            return [head(*honest.fields, f"Content-Length: {SIZE}"), honest.body]
        own = (f"Content-Length: {len(honest.body)}",) if framed else ()
        return [head(*honest.without(*drop).fields, *fields, *own), honest.body]

    return answer


@pytest.mark.parametrize(
    "rest",
    [
        tail(),
        tail(drop=("Content-Range",)),
        tail(drop=("Content-Range", "ETag")),
        tail(drop=("Content-Range",), framed=False),
        tail("X-Padding: 1", drop=("Content-Range", "ETag"), framed=False),
    ],
    ids=["Content-Range", "length", "length, no tag", "bytes", "bytes, no tag"],
)
@pytest.mark.parametrize("runs", ["the same run", "the next run"])
def test_a_200_that_is_the_rest_only_is_never_the_file(tmp_path: pathlib.Path, runs: str, rest: Reply) -> None:
    dest = tmp_path / "x"
    if runs == "the same run":
        outcome, server = fetched(dest, cut(BIN), rest)
    else:
        kept(dest, BIN)
        outcome, server = fetched(dest, rest)
    assert (outcome.file.size, outcome.file.sha256) == (SIZE, sha256(BIN.body))
    assert asked(server)[-2:] == [(CUT - OVERLAP, '"1"'), (None, None)]


def test_a_200_that_begins_like_the_file_and_is_shorter_is_not_it(tmp_path: pathlib.Path) -> None:
    """Zeros begin like zeros: the length that the same tag had before tells."""
    zeros = dataclasses.replace(BIN, body=bytes(SIZE))

    def rest(request: Request) -> Script:
        honest = zeros.answer(request)
        return [head(*honest.without("Content-Range").fields), honest.body]

    dest = tmp_path / "x"
    with scripted(cut(zeros), rest) as server, pytest.raises(StorwareError) as caught:
        run(job(dest, server.url(), limit_settings=AGAIN))
    assert caught.value.code == "transfer_interrupted"
    assert not dest.exists()


@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
def test_an_answer_to_a_range_that_cannot_be_read_is_no_rest(tmp_path: pathlib.Path, status: str) -> None:
    def unreadable(request: Request) -> Script:
        answer = BIN.answer(request)
        if not request.range:
            return [head(*answer.fields, f"Content-Length: {SIZE}"), answer.body]
        return [head(*answer.fields, "Transfer-Encoding: gzip", status=status), answer.body]

    outcome, server = fetched(tmp_path / "x", cut(BIN), unreadable)
    assert outcome.file.sha256 == sha256(BIN.body)
    assert asked(server)[-1] == (None, None)


@pytest.mark.parametrize("runs", ["the same run", "the next run"])
@pytest.mark.parametrize("if_range", [True, False], ids=["If-Range", "no If-Range"])
@pytest.mark.parametrize("size", ["same size", "longer"])
def test_another_tag_is_another_file(tmp_path: pathlib.Path, runs: str, if_range: bool, size: str) -> None:
    body = NEWER.body if size == "same size" else zip_bytes({"a": noise(2_000_000, 7), "b": noise(2_000_000, 8)})
    newer = dataclasses.replace(NEWER, body=body, if_range=if_range)
    dest = tmp_path / "x"
    if runs == "the same run":
        outcome, server = fetched(dest, cut(ZIP), serve(newer))
        requests = asked(server)[1:]
    else:
        kept(dest, ZIP)
        outcome, server = fetched(dest, serve(newer))
        requests = asked(server)
    assert outcome.file.sha256 == sha256(body)
    # Also with If-Range: another tag does not show that a 200 is all of the other file.
    assert requests == [(CUT - OVERLAP, '"1"'), (None, None)]


@pytest.mark.parametrize(
    "wrong",
    [
        part(drop=True), part("Content-Range: bytes 0-9/10"), part(f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}"),
        part("Content-Encoding: gzip"), part('ETag: W/"1"'), part('ETag: "2"'),
    ],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_not_used(tmp_path: pathlib.Path, wrong: t.Any) -> None:
    outcome, server = fetched(tmp_path / "x", cut(BIN), serve(BIN, None, wrong))
    assert asked(server) == [(None, None), (CUT - OVERLAP, '"1"'), (None, None)]
    assert outcome.file.sha256 == sha256(BIN.body)


@pytest.mark.parametrize("ranges", [True, False])
def test_the_whole_instead_of_the_rest_is_taken_from_that_very_answer(tmp_path: pathlib.Path, ranges: bool) -> None:
    whole = serve(dataclasses.replace(BIN, ranges=False))
    outcome, server = fetched(tmp_path / "x", cut(BIN), whole if not ranges else reply(BIN.body))
    assert (len(server.requests), outcome.file.sha256) == (2, sha256(BIN.body))
    assert outcome.received == CUT + SIZE


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(tmp_path: pathlib.Path) -> None:
    """Three times the whole is enough for one run."""
    file = dataclasses.replace(BIN, ranges=False)
    with scripted(cut(file)) as server:
        with pytest.raises(StorwareError) as caught:
            run(job(tmp_path / "x", server.url(), limit_settings=dataclasses.replace(AGAIN, retries=100)))
        assert server.sent <= 4 * (CUT + 1000)
    assert caught.value.code == "transfer_interrupted"
    assert caught.value.details["bytes_kept"] in (0, CUT)


def test_other_bytes_behind_the_same_tag_are_noticed_where_they_overlap(tmp_path: pathlib.Path) -> None:
    liar = dataclasses.replace(ZIP, body=NEWER.body, if_range=False)
    outcome, server = fetched(tmp_path / "x", cut(ZIP), serve(liar))
    assert outcome.file.sha256 == sha256(NEWER.body)
    assert [start for start, _tag in asked(server)] == [None, CUT - OVERLAP, None]


def test_a_mixture_that_no_overlap_shows_is_found_by_the_proof_and_fetched_anew(tmp_path: pathlib.Path) -> None:
    """Without validators, and equal where both have bytes: only the checksums in the archive know."""
    old = dataclasses.replace(ZIP, **NO_VALIDATOR)
    parts = [noise(640_000, 10 + number + (50 if number in (0, 3) else 0)) for number in range(4)]
    body = zip_bytes({f"Inbox/{n}.eml": data for n, data in enumerate(parts)}, method=zipfile.ZIP_STORED)
    newer = dataclasses.replace(old, body=body)
    outcome, server = fetched(tmp_path / "x", cut(old, 1_800_000), serve(newer))
    assert outcome.file.sha256 == sha256(body)
    assert [start for start, _tag in asked(server)] == [None, 1_800_000 - OVERLAP, None]


def test_with_a_checksum_a_mixture_is_fetched_anew_once(tmp_path: pathlib.Path) -> None:
    old = dataclasses.replace(BIN, **NO_VALIDATOR)
    body = noise(300_000, 3) + BIN.body[300_000:-300_000] + noise(300_000, 4)
    wanted = Checksum("sha256", sha256(body))
    outcome, server = fetched(tmp_path / "x", cut(old), serve(dataclasses.replace(old, body=body)), checksum=wanted)
    assert (outcome.file.verified, len(server.requests)) == ("digest", 3)
    # And where it is simply another file, it is not fetched for ever.
    (tmp_path / "next").mkdir()
    with scripted(cut(old), serve(old)) as server:
        with pytest.raises(StorwareError) as caught:
            run(job(tmp_path / "next" / "x", server.url(), checksum=wanted, limit_settings=AGAIN))
        assert len(server.requests) == 3
    assert caught.value.code == "checksum_mismatch"
    assert files_in(tmp_path / "next") == {}


def test_what_is_kept_of_one_file_is_not_used_for_another_checksum(tmp_path: pathlib.Path) -> None:
    kept(tmp_path / "x", BIN)
    newer = noise(SIZE, 9)
    outcome, _server = fetched(
        tmp_path / "x",
        serve(dataclasses.replace(BIN, body=newer, etag='"9"')),
        checksum=Checksum("sha256", sha256(newer)),
    )
    assert outcome.file.sha256 == sha256(newer)


# --- what was left is damaged ---


def test_a_partial_that_was_changed_meanwhile_is_fetched_anew(tmp_path: pathlib.Path) -> None:
    kept(tmp_path / "x", BIN)
    (left,) = tmp_path.glob("*.part")
    data = bytearray(left.read_bytes())
    data[5] ^= 1
    left.write_bytes(data)
    outcome, server = fetched(tmp_path / "x", serve(BIN))
    assert (asked(server), outcome.file.sha256) == ([(None, None)], sha256(BIN.body))


# --- the server has other troubles ---


@pytest.mark.fault("P13")
@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_a_download_that_is_gone_says_so_and_leaves_nothing(tmp_path: pathlib.Path, status: str) -> None:
    dest = tmp_path / "x"
    kept(dest, BIN)
    error = failed(dest, [head("Content-Length: 0", status=status)])
    assert error.code == "deleted_on_server"
    assert "Prepare it again" in error.hint
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("bad", [reply(b"<html>Log in</html>"), reply(b"{}"), [head(status="204 No Content")]])
def test_in_the_middle_an_answer_that_is_no_file_may_pass(tmp_path: pathlib.Path, bad: Reply) -> None:
    outcome, server = fetched(tmp_path / "x", cut(BIN), bad, serve(BIN))
    assert (len(server.requests), outcome.file.sha256) == (3, sha256(BIN.body))


def test_an_answer_that_is_no_file_for_ever_keeps_what_came(tmp_path: pathlib.Path) -> None:
    error = failed(tmp_path / "x", cut(BIN), reply(b"<html>Log in</html>"), limit_settings=AGAIN)
    assert (error.code, error.details["bytes_kept"]) == ("unexpected_content", CUT)
    assert fetched(tmp_path / "x", serve(BIN))[0].file.sha256 == sha256(BIN.body)


@pytest.mark.parametrize("runs", ["the same run", "the next run"])
@pytest.mark.parametrize(
    "refused",
    [
        [head("Content-Length: 0", status="403 Forbidden")],
        [head("Content-Length: 0", status="501 Not Implemented")],
        reply(b"<html>Blocked</html>"),
        reply(BIN.body, "Content-Encoding: gzip"),
    ],
    ids=["403", "501", "page", "packed"],
)
def test_where_every_range_is_refused_the_whole_comes_again(tmp_path: pathlib.Path, runs: str, refused: Script) -> None:
    """Otherwise, what was kept would keep the file from ever coming."""

    def answer(request: Request) -> Script:
        return refused if request.range else serve(BIN)(request)

    dest = tmp_path / "x"
    if runs == "the next run":
        kept(dest, BIN)
    replies = [answer] if runs == "the next run" else [cut(BIN), answer]
    outcome, server = fetched(dest, *replies)
    assert outcome.file.sha256 == sha256(BIN.body)
    tried = [(CUT - OVERLAP, '"1"')] * (AGAIN.retries + 1)
    assert asked(server)[len(replies) - 1 :] == [*tried, (None, None)]


def test_where_only_the_first_range_is_answered_the_whole_comes_in_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (receive, ranges):
        monkeypatch.setattr(module, "BLOCK", 500_000)

    def answer(request: Request) -> Script:
        is_refused = request.range is not None and request.range != (0, 511)
        return [head("Content-Length: 0", status="403 Forbidden")] if is_refused else serve(BIN)(request)

    outcome, server = fetched(tmp_path / "x", answer, connections=2)
    assert outcome.file.sha256 == sha256(BIN.body)
    assert asked(server)[-1] == (None, None)


def test_a_first_answer_that_is_no_file_is_told_at_once(tmp_path: pathlib.Path) -> None:
    with scripted(reply(b"{}")) as server:
        with pytest.raises(StorwareError):
            run(job(tmp_path / "x", server.url(), limit_settings=AGAIN))
        assert len(server.requests) == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_so_many_tries_bring_nothing_and_it_is_told(tmp_path: pathlib.Path, retries: int) -> None:
    with scripted(cut(BIN), serve(BIN, broken(0))) as server:
        with pytest.raises(StorwareError) as caught:
            run(job(tmp_path / "x", server.url(), limit_settings=dataclasses.replace(AGAIN, retries=retries)))
        assert len(server.requests) == 2 + retries
    assert caught.value.details["bytes_kept"] == CUT
    assert caught.value.retryable


def test_a_server_that_sends_nothing_more_is_no_success(tmp_path: pathlib.Path) -> None:
    """206 answers that never bring the last bytes, each of them whole."""

    def short(request: Request) -> t.Any:
        answer = BIN.answer(request)
        if not answer.is_part:
            return broken(CUT)(answer)
        first = (request.range or (0, 0))[0]
        body = answer.body[: CUT - first]
        fields = (f"Content-Range: bytes {first}-{CUT - 1}/{SIZE}", 'ETag: "1"')
        return reply(body, *fields, status="206 Partial Content")

    error = failed(tmp_path / "x", short, limit_settings=AGAIN)
    assert "sends no more bytes" in error.message
    assert error.details["bytes_kept"] == CUT
