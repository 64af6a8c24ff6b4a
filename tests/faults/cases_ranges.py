# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts that are not those that were asked for, and files that change meanwhile (H21 to H28)."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from tests.faults.cases import NEVER_WRONG, OK, Case, Expected, case, clean, fails
from tests.faults.cases_http import CUT, LOST
from tests.faults.files import (
    BIN,
    LONGER,
    MIXED_BIN,
    MIXED_PST,
    MIXED_ZIP,
    NEWER,
    OLD,
    PAGE,
    PST,
    SMALL,
    ZIP,
    without_validators,
)
from tests.faults.replies import (
    JUST_NOW,
    LONG_AGO,
    Answer,
    Resource,
    announcing,
    broken,
    in_pieces,
    part,
    serve,
    whole,
)
from tests.faults.script_server import Reply, Request, Reset, Script, head, reply

BUSY: t.Final[Reply] = reply(b"", status="503 Busy")
_SIZE: t.Final = len(ZIP.body)


def cases() -> t.Iterator[Case]:
    """All of them."""
    yield from _ignored()
    yield from _bad_parts()
    yield from _unsolicited()
    yield from _not_satisfiable()
    yield from _replaced()
    yield from _validators()
    yield from _parallel()


def _ignored() -> t.Iterator[Case]:
    deaf = dataclasses.replace(ZIP, ranges=False)
    yield case("range_ignored", "H21 N6", OK, ZIP, CUT, serve(deaf), old=OLD)
    yield case("range_ignored_chunked", "H21 N7", OK, ZIP, CUT, serve(deaf, in_pieces()), into=True)
    yield case("range_ignored_cut_again", "H21 N6", OK, ZIP, CUT, serve(deaf, broken(0.9)), serve(ZIP))
    yield case("range_ignored_always_cut", "H21 N6", fails(*LOST), ZIP, serve(deaf, broken(0.8)), old=OLD)
    longer = dataclasses.replace(LONGER, ranges=False)
    yield case("range_ignored_and_replaced", "H21 H26", OK, LONGER, CUT, serve(longer), truth=(LONGER.body,))
    small = dataclasses.replace(SMALL, ranges=False)
    yield case("range_ignored_and_now_smaller", "H21 H26", OK, SMALL, CUT, serve(small))


def bad_parts() -> dict[str, tuple[str, Reply]]:
    """Answers to a Range that do not fit it, each with the fault."""

    def wrong(field: str, *, drop: bool = False) -> Reply:
        return serve(ZIP, whole, part(f"Content-Range: {field}", drop=drop))

    def shifted(by: int) -> Reply:
        """The bytes from another place, and said so."""

        def answer(request: Request) -> Script:
            if request.range is None:
                return whole(ZIP.answer(request))
            first, last = max(request.range[0] + by, 0), _SIZE - 1
            field = f"Content-Range: bytes {first}-{last}/{_SIZE}"
            return whole(ZIP.answer(request).saying(field).with_body(ZIP.body[first:]))

        return answer

    def lying(by: int) -> Reply:
        """The bytes from another place, with the field that was hoped for."""

        def answer(request: Request) -> Script:
            if request.range is None:
                return whole(ZIP.answer(request))
            honest = ZIP.answer(request)
            first = max(request.range[0] + by, 0)
            return whole(honest.with_body((ZIP.body[first:] + ZIP.body)[: len(honest.body)]))

        return answer

    return {
        "wrong_start": ("H22", shifted(-1000)),
        "later_start": ("H22", shifted(1000)),
        "whole_file_as_part": ("H22", shifted(-(10**9))),
        "wrong_total": ("H22", serve(ZIP, whole, total(_SIZE + 1))),
        "total_of_another_file": ("H22", serve(ZIP, whole, total(len(LONGER.body)))),
        "no_content_range": ("H22", wrong("", drop=True)),
        "backwards": ("H22", wrong("bytes 5-3/9")),
        "other_unit": ("H22", wrong("items 0-1/2")),
        "overflow": ("H22", wrong(f"bytes {10**40}-{10**41}/{10**42}")),
        "negative": ("H22", wrong(f"bytes -5-10/{_SIZE}")),
        "words": ("H22", wrong("all of it")),
        "empty_field": ("H22", wrong("")),
        "spaces": ("H22", wrong(f"bytes 0 - 9 / {_SIZE}")),
        "two_fields": ("H22", serve(ZIP, whole, lambda a: a.adding("Content-Range: bytes 0-9/10") if a.is_part else a)),
        "more_than_said": ("H22", serve(ZIP, whole, lambda a: a.with_body(a.body + b"x" * 999) if a.is_part else a)),
        "less_than_said": ("H22", serve(ZIP, whole, lambda a: a.with_body(a.body[:-999]) if a.is_part else a)),
        "lying_start": ("H22", lying(-1000)),
        "lying_whole_file": ("H22", lying(-(10**9))),
        "multipart": ("H23", multipart),
        "multipart_of_one": ("H23", serve(ZIP, whole, part("Content-Type: multipart/byteranges; boundary=B"))),
        "web_page": ("H18 H22", serve(ZIP, whole, lambda a: a.with_body(PAGE) if a.is_part else a)),
    }


def total(size: object) -> t.Callable[[Answer], Answer]:
    """Another total in a 206."""

    def change(answer: Answer) -> Answer:
        if not answer.is_part:
            return answer
        first = next(field for field in answer.fields if field.startswith("Content-Range"))
        return answer.saying(f"{first.partition('/')[0]}/{size}")

    return change


def multipart(request: Request) -> Script:
    """Two parts with boundaries."""
    answer = ZIP.answer(request)
    if not answer.is_part:
        return whole(answer)
    pieces = [answer.body[:1000], answer.body[1000:]]
    body = (
        b"".join(b"--B\r\nContent-Type: application/zip\r\n\r\n" + piece + b"\r\n" for piece in pieces) + b"--B--\r\n"
    )
    fields = "Content-Type: multipart/byteranges; boundary=B"
    return whole(answer.without("Content-Range").saying(fields).with_body(body))


def _bad_parts() -> t.Iterator[Case]:
    for name, (fault, bad) in bad_parts().items():
        yield case(f"part_{name}", f"{fault} N6", OK, ZIP, CUT, bad, old=OLD)
        yield case(f"part_{name}_once", f"{fault} N6", OK, ZIP, CUT, bad, serve(ZIP), into=True)
    unknown = serve(ZIP, whole, total("*"))
    yield case("part_of_unknown_total", "H22 N6", OK, ZIP, CUT, unknown, old=OLD)
    shorter = serve(ZIP, lambda a: whole(a.saying(_shorter(a)).with_body(a.body[:-300_000])) if a.is_part else whole(a))
    yield case("part_shorter_than_asked", "H22 N6", OK, ZIP, CUT, shorter, serve(ZIP))
    chunks = serve(ZIP, in_pieces())
    yield case("part_in_chunks", "N7 N6", OK, ZIP, CUT, chunks)
    yield case("part_in_chunks_cut", "N7 N6", OK, ZIP, CUT, serve(ZIP, in_pieces(b"", share=0.7)), chunks)


def _shorter(answer: Answer) -> str:
    field = next(field for field in answer.fields if field.startswith("Content-Range"))
    first = int(field.partition("bytes ")[2].partition("-")[0])
    return f"Content-Range: bytes {first}-{first + len(answer.body) - 300_001}/{_SIZE}"


def _unsolicited() -> t.Iterator[Case]:
    for name, field in {
        "whole": f"Content-Range: bytes 0-{_SIZE - 1}/{_SIZE}",
        "start": "Content-Range: bytes 0-999/5000",
        "bare": "X-Nothing: 1",
    }.items():
        body = ZIP.body[:1000] if name == "start" else ZIP.body
        answer = reply(body, field, status="206 Partial Content", media_type="application/zip")
        # A whole file may be accepted as one; a part of it never.
        expected = (
            NEVER_WRONG if name == "whole" else Expected(False, frozenset({"unexpected_content", "bad_range", *LOST}))
        )
        yield case(f"unsolicited_206_{name}", "H24", expected, ZIP, answer, old=OLD)


def _not_satisfiable() -> t.Iterator[Case]:
    all_bytes = serve(ZIP, in_pieces(b""))  # only the end is missing
    for name, fields in {
        "our_size": (f"Content-Range: bytes */{_SIZE}",),
        "other_size": ("Content-Range: bytes */12345",),
        "no_size": (),
        "nonsense": ("Content-Range: bytes 1-2/3",),
    }.items():
        refusal = [head(*fields, "Content-Length: 0", status="416 Range Not Satisfiable")]
        yield case(f"416_{name}", "H25 N6", OK, ZIP, CUT, refusal, serve(ZIP), old=OLD)
        yield case(f"416_{name}_after_all_bytes", "H25 N7", OK, ZIP, all_bytes, refusal, serve(ZIP), into=True)
        yield case(f"416_{name}_to_every_range", "H25 N6", OK, ZIP, CUT, to_ranges(refusal))
    refusal = [head("Content-Length: 0", status="416 Range Not Satisfiable")]
    yield case("416_always", "H25", Expected(False, kept=False), SMALL, refusal, old=OLD)


def to_ranges(answer: Script) -> Reply:
    """This to every Range, and the file to other requests."""
    return lambda request: answer if request.range else whole(ZIP.answer(request))


def _replaced() -> t.Iterator[Case]:
    """Another file under the same address after the cut."""
    for name, after in {"same_size": NEWER, "longer": LONGER, "smaller": SMALL}.items():
        both = (ZIP.body, after.body)
        yield case(f"replaced_by_{name}", "H26 N6", OK, after, CUT, serve(after), truth=(after.body,), old=OLD)
        deaf = dataclasses.replace(after, if_range=False)
        yield case(f"replaced_by_{name}_if_range_ignored", "H27 N6", OK, after, CUT, serve(deaf), truth=both)
        same = dataclasses.replace(deaf, etag=ZIP.etag)
        yield case(f"replaced_by_{name}_with_the_same_etag", "H27 N6", OK, after, CUT, serve(same), truth=both)
        blank, cut = without_validators(after), serve(without_validators(ZIP), broken(0.8))
        yield case(f"replaced_by_{name}_without_validators", "H27 H28", OK, after, cut, serve(blank), truth=both)
        # The same between two runs, for which the first one has to fail.
        shut = fails("server_error")
        for how, file, first in (
            ("", after, CUT),
            ("_if_range_ignored", deaf, CUT),
            ("_with_the_same_etag", same, CUT),
        ):
            yield case(f"replaced_by_{name}_between_runs{how}", "H26 H27", shut, file, first, BUSY, old=OLD)
        yield case(f"replaced_by_{name}_between_runs_without_validators", "H27 H28", shut, blank, cut, BUSY, into=True)
    # The overlap is the same in both: only digests inside the file, or a validator, show a mixture.
    for kind, before, after in (("zip", ZIP, MIXED_ZIP), ("pst", PST, MIXED_PST), ("bin", BIN, MIXED_BIN)):
        mine: t.Any = {"truth": (before.body, after.body), "filename": f"a.{kind}"}
        plain, cut = without_validators(after), serve(without_validators(before), broken(0.65))
        yield case(f"replaced_but_for_the_overlap_{kind}", "H27 C2", NEVER_WRONG, plain, cut, serve(plain), **mine)
        deaf = dataclasses.replace(after, if_range=False)
        cut = serve(before, broken(0.65))
        yield case(f"replaced_but_for_the_overlap_etag_{kind}", "H27", OK, after, cut, serve(deaf), **mine)
        name = f"replaced_but_for_the_overlap_between_runs_{kind}"
        cut = serve(without_validators(before), broken(0.65))
        yield case(name, "H27 C2", fails("server_error"), plain, cut, BUSY, **mine)
    cuts = [serve(dataclasses.replace(LONGER, etag=f'"{n}"'), broken(0.8)) for n in range(9)]
    yield case("replaced_before_every_try", "H26 H28", fails(), LONGER, *itertools.islice(itertools.cycle(cuts), 40))


def _validators() -> t.Iterator[Case]:
    numbers = itertools.count()

    def ever_new(change: Resource, cut: float | None = None) -> Reply:
        def answer(request: Request) -> Script:
            file = dataclasses.replace(change, etag=f'"n{next(numbers)}"')
            return (whole if cut is None else broken(cut))(file.answer(request))

        return answer

    deaf = dataclasses.replace(ZIP, if_range=False)
    yield case("etag_always_new", "H28 N6", OK, ZIP, ever_new(ZIP, 0.8), ever_new(ZIP))
    yield case("etag_always_new_if_range_ignored", "H28 N6", OK, ZIP, ever_new(deaf, 0.8), ever_new(deaf))
    for name, change in {
        "weak_etag": {"etag": 'W/"1"'},
        "bare_etag": {"etag": "1"},
        "no_validators": {"etag": None},
        "strong_date": {"etag": None, "modified": LONG_AGO},
        "weak_date": {"etag": None, "modified": JUST_NOW},
        "bad_date": {"etag": None, "modified": "yesterday"},
        "etag_and_date": {"modified": LONG_AGO},
    }.items():
        for kind, honest in {"zip": ZIP, "pst": PST, "bin": BIN}.items():
            file = dataclasses.replace(honest, **change)  # type: ignore[arg-type]
            cut = serve(file, broken(0.8))
            yield case(f"{name}_{kind}", "H28 N6", OK, file, cut, serve(file), filename=f"a.{kind}")
    lost = serve(without_validators(ZIP), broken(0.8))
    yield case("etag_gone_on_resume", "H28 N6", OK, ZIP, CUT, serve(without_validators(ZIP)))
    yield case("etag_new_on_resume", "H28 N6", OK, ZIP, lost, serve(ZIP))
    changed = dataclasses.replace(ZIP, etag=None, modified=LONG_AGO, if_range=False)
    newer = dataclasses.replace(NEWER, etag=None, modified="Wed, 25 Nov 2026 08:30:00 GMT", if_range=False)
    cut = serve(changed, broken(0.8))
    yield case("date_changed", "H27 H28", OK, newer, cut, serve(newer), truth=(NEWER.body,))


def _parallel() -> t.Iterator[Case]:
    """Several ranges at a time."""
    three: t.Any = {"order": {"connections": 3}}
    yield case("parallel", "control", OK, ZIP, serve(ZIP), **three)
    yield case("parallel_pst", "control", OK, PST, serve(PST), filename="a.pst", into=True, **three)
    yield case("parallel_small", "control", OK, SMALL, serve(SMALL), **three)
    yield case("parallel_without_ranges", "H21", OK, ZIP, serve(dataclasses.replace(ZIP, ranges=False)), **three)
    silent_deaf = serve(dataclasses.replace(ZIP, ranges=False), whole, lambda a: a.saying("Accept-Ranges: bytes"))
    yield case("parallel_with_a_lie_about_ranges", "H21", OK, ZIP, silent_deaf, **three)
    yield case("parallel_without_validators", "H28", OK, ZIP, serve(without_validators(ZIP)), **three)
    yield case("parallel_in_chunks", "N7", OK, ZIP, serve(ZIP, in_pieces()), **three)
    for name, (fault, bad) in bad_parts().items():
        yield case(f"parallel_{name}", fault, NEVER_WRONG, ZIP, serve(ZIP), bad, serve(ZIP), **three)
    for name, fault, answer in (
        ("cut", "N6", serve(ZIP, broken(0.3))),
        ("rst", "N5", serve(ZIP, broken(0.3, Reset()))),
        ("refused", "H1", reply(b"", "Retry-After: 0", status="503 Busy")),
        ("404", "H17", reply(PAGE, status="404 Not Found", media_type="text/html")),
        ("416", "H25", [head("Content-Length: 0", status="416 No")]),
        ("page", "H18", reply(PAGE, media_type="text/html")),
    ):
        expected = OK if name in ("cut", "rst") else NEVER_WRONG
        yield case(f"parallel_second_{name}", fault, expected, ZIP, serve(ZIP), answer, serve(ZIP), **three)
        yield case(f"parallel_third_{name}", fault, expected, ZIP, serve(ZIP), serve(ZIP), answer, serve(ZIP), **three)
    always = serve(ZIP, broken(0.3))
    yield case("parallel_always_cut", "N6", Expected(None), ZIP, always, old=OLD, **three)
    both: t.Any = {"truth": (ZIP.body, NEWER.body), **three}
    yield case("parallel_replaced", "H26", NEVER_WRONG, NEWER, serve(ZIP), serve(NEWER), **both)
    lying = serve(dataclasses.replace(NEWER, if_range=False, etag=ZIP.etag))
    yield case("parallel_replaced_with_the_same_etag", "H27", NEVER_WRONG, NEWER, serve(ZIP), lying, **both)
    told = announcing(_SIZE - 1000)
    yield case("parallel_length_lie", "H30", clean("corrupt", *LOST), ZIP, serve(ZIP, told), old=OLD, **three)
