# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scanner finds what it is made for, and nothing else."""

from __future__ import annotations

import base64
import json
import textwrap
import typing as t

import pytest
import yaml

from tests.secrets import cases
from tests.secrets.scanner import Scanner
from tests.secrets.shapes import ENCODINGS, SHAPES, Canary, Shape

SETTINGS: t.Final[t.Mapping[str, t.Callable[[str], str]]] = {
    "alone": lambda text: text,
    "in a sentence": lambda text: f"The server said {text}. Try again.",
    "in JSON": lambda text: json.dumps({"msg": text}),
    "in JSON within JSON": lambda text: json.dumps({"stdout": json.dumps([text])}),
    "as a key": lambda text: json.dumps({text: 1}, indent=4),
    "in YAML": lambda text: yaml.safe_dump({"msg": text}),
    "coloured": lambda text: f"\x1b[0;31mfatal: {text}\x1b[0m",
    "wrapped": lambda text: textwrap.fill(f"{'x' * 30} {text}", 38, subsequent_indent="    "),
    "in UTF-16": lambda text: text.encode("utf-16-le", "surrogatepass").decode("latin-1"),
    "in base64": lambda text: f"Authorization: Basic {base64.b64encode(f'x:{text}'.encode()).decode()}",
    "in hex": lambda text: f"body={text.encode().hex()}",
}


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not shape.common], ids=lambda shape: shape.name)
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_encoding_of_every_shape_is_found(shape: Shape, setting: str) -> None:
    canary = cases.canary("here", shape)
    for encoding in ENCODINGS:
        if setting in ("in base64", "in hex") and encoding.startswith(("base64", "hex")):
            continue
        (hit, *_others) = Scanner([canary]).scan("text", SETTINGS[setting](canary.planted(encoding))) or pytest.fail(
            encoding
        )
        assert hit.where == "here"
        assert canary.core not in str(hit), "a report must not show it either"


@pytest.mark.parametrize("setting", ["alone", "in a sentence", "in JSON", "coloured"])
def test_a_common_word_is_found_where_it_was_planted(setting: str) -> None:
    for shape in SHAPES:
        if shape.common:
            canary = cases.canary("here", shape)
            for encoding in ENCODINGS:
                hits = Scanner([canary]).scan("text", SETTINGS[setting](canary.planted(encoding)))
                assert bool(hits) == shape.masked, (shape.name, encoding)


def test_a_common_word_is_no_hit_elsewhere() -> None:
    canaries = [cases.canary("here", shape) for shape in SHAPES]
    text = json.dumps({"changed": True, "state": "FINISHED", "msg": "abc 7 true", "password": "VALUE_SPECIFIED"})
    assert not Scanner(canaries).scan("text", text)


def test_a_part_of_a_long_secret_is_found_and_said_to_be_one() -> None:
    canary = cases.canary("here", next(shape for shape in SHAPES if shape.name == "4 KiB"))
    (hit,) = Scanner([canary]).scan("text", canary.secret[:100])
    assert hit.encoding == "changed or a part"


def test_the_encoding_is_told() -> None:
    canary = cases.canary("here", next(shape for shape in SHAPES if shape.name == "colon and at-sign"))
    found = {
        encoding: [hit.encoding for hit in Scanner([canary]).scan("text", canary.planted(encoding))]
        for encoding in ("raw", "url", "url, all", "base64", "hex")
    }
    assert found == {encoding: [encoding] for encoding in found}


def test_a_hit_names_its_secret_among_many() -> None:
    canaries = [cases.canary(f"fault {number}") for number in range(50)]
    (hit,) = Scanner(canaries).scan("stdout", f"masked ******** and {canaries[31].secret}")
    assert (hit.where, hit.channel) == ("fault 31", "stdout")


def test_a_secret_of_another_run_is_a_hit_as_well() -> None:
    stranger: Canary = cases.canary("elsewhere")
    (hit,) = Scanner([]).scan("log", stranger.secret)
    assert hit.where == "unknown"


def test_the_shapes_and_encodings_are_as_many_as_promised() -> None:
    assert len(SHAPES) >= 25
    assert len({shape.make("zq000000kx") for shape in SHAPES}) == len(SHAPES)
    assert len(ENCODINGS) >= 8
