# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The redactor finds secrets in every form in which they travel."""

from __future__ import annotations

import base64
import json
import string
import time
import typing as t
import urllib.parse
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._redaction import MASK, Redactor, omit_changed

SECRETS = [
    "wonderland",
    "p@ss w/ord&%\\",
    'quo"te',
    "Pa$$wört",
    "back\\slash",
    "line\nbreak",
    "\N{KEY}a\u200db",
    "x" * 4096,
]


def encodings(secret: str) -> list[str]:
    return [
        secret,
        urllib.parse.quote(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        repr(secret),
        # In a header field
        secret.encode().decode("latin-1"),
        repr(secret).encode().decode("latin-1"),
        json.dumps(secret, ensure_ascii=False).encode().decode("latin-1"),
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        json.dumps(repr(secret)[1:-1])[1:-1],
        json.dumps(repr(secret)[1:-1], ensure_ascii=False)[1:-1],
        base64.b64encode(secret.encode()).decode(),
        secret.encode().hex(),
    ]


@pytest.mark.fault("S2")
@pytest.mark.parametrize("secret", SECRETS)
def test_every_encoding_is_masked(secret: str) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    for encoded in encodings(secret):
        masked = redactor.text(f"before {encoded} after")
        assert encoded not in masked
        assert masked.startswith("before ")
        assert masked.endswith(" after")


def test_values_are_masked_with_their_keys() -> None:
    redactor = Redactor()
    redactor.learn("wonderland")
    value = {"wonderland": ["a wonderland b", {"deep": "wonderland"}], "number": 3, "none": None}
    assert redactor.value(value) == {MASK: [f"a {MASK} b", {"deep": MASK}], "number": 3, "none": None}


def test_a_secret_within_another_leaves_no_rest() -> None:
    redactor = Redactor()
    redactor.learn("wonder")
    redactor.learn("wonderland")
    assert redactor.text("in wonderland") == f"in {MASK}"


def test_secrets_that_overlap_leave_no_rest() -> None:
    redactor = Redactor()
    redactor.learn("land of wonder")
    redactor.learn("wonderland")
    assert redactor.text("the land of wonderland.") == f"the {MASK}."


def test_a_long_secret_leaves_no_rest_where_another_one_ends_like_it() -> None:
    """Such as a password, which is learned together with its user, too."""
    secret = "wonderland 4KiB!" * 256
    redactor = Redactor()
    redactor.learn(secret)
    redactor.learn(f"alice:{secret}")
    assert "wonderland" not in redactor.text(f"sorry, {secret[:512]}")


def test_very_short_secrets_do_not_destroy_texts() -> None:
    redactor = Redactor()
    redactor.learn("1")
    assert redactor.text("guid 1-2-3") == "guid 1-2-3"


@given(st.text(min_size=4, max_size=40), st.text(max_size=40))
def test_no_learned_secret_survives(secret: str, around: str) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    if secret not in MASK and MASK not in secret:
        assert secret not in redactor.text(f"{around}{secret}{around}").replace(MASK, "\0")


@pytest.mark.parametrize(
    "around", [(b"", b""), (b"x:", b":y"), (b"user:", b""), (b"", b":y"), (b"", b"yz"), (b"x", b"")]
)
@pytest.mark.parametrize("secret", ["off with her head", "off with her hea", "off with her he"])
def test_a_secret_within_what_is_encoded_is_masked(secret: str, around: tuple[bytes, bytes]) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    encoded = base64.b64encode(around[0] + secret.encode() + around[1]).decode()
    masked = redactor.text(encoded)
    assert MASK in masked
    assert len(masked.replace(MASK, "")) < 12


def test_a_part_of_a_long_secret_is_masked() -> None:
    secret = "".join(f"{number:04d}-" for number in range(400))
    redactor = Redactor()
    redactor.learn(secret)
    masked = redactor.text(f"before {secret[:500]}")
    assert len(masked) < 200
    assert secret[:60] not in masked


@pytest.mark.parametrize("size", [80, 200, 4096])
@pytest.mark.parametrize("around", [b"", b"k", b"ki", b"king:"])
@pytest.mark.parametrize(
    "encode", [base64.b64encode, base64.urlsafe_b64encode, bytes.hex, lambda data: data.hex().upper()]
)
def test_a_part_of_what_is_encoded_of_a_long_secret_is_masked(
    encode: t.Callable[[bytes], bytes | str], around: bytes, size: int
) -> None:
    """Nothing is left of the beginning but less than a piece, where it is cut, and what shares a byte with others."""
    random = Random(size)
    secret = "".join(random.choices(string.ascii_letters + string.digits + "/+~?", k=size))
    redactor = Redactor()
    redactor.learn(secret)
    encoded = encode(around + secret.encode())
    text = encoded if isinstance(encoded, str) else encoded.decode()
    for share in (0.9, 0.7, 0.5):
        shown = text[: int(len(text) * share)]
        masked = redactor.text(f"token={shown}")
        assert len(masked.replace(MASK, "")) < 6 + 2 * len(around) + 4 + 80, (masked, share)
        if size > 500:
            assert MASK in masked


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("\\" * 40 + "x", "\\" * 4000),
        ("\\ " * 40 + "x", "\\ " * 2000),
        ('\\"' * 40 + "x", '\\\\"' * 2000),
        ("ä" * 40 + "x", "\\\\u00e4" * 2000),
        (" \n" * 40 + "xyzz", "\\n " * 2000),
        ("&" * 40 + "x", "&amp;amp;" * 2000),
        ("%" * 40 + "x", "%252525" * 2000),
        ("\x1b" * 40 + "x", "\\x1b" * 2000),
    ],
)
def test_no_text_keeps_it_busy(secret: str, text: str) -> None:
    redactor = Redactor()
    redactor.learn(f"a{secret}")
    redactor.learn(secret)
    start = time.monotonic()
    redactor.text(f"a{text}")
    redactor.text(text)
    assert time.monotonic() - start < 5


RECORD = {"guid": "f8f73bf9-2445-4bce-a7dd-753be3b40a67", "state": "MOUNTED", "name": "Alice", "other": {"size": "12"}}


@pytest.mark.parametrize(
    ("needle", "names"),
    [
        ("4bce", ["created", "guid"]),
        ("MOUNT", ["state"]),
        ("restore", ["path"]),
        ("9fcd", ["checksum", "sha256"]),
        ("47", ["size"]),
        ("4711", ["size"]),
        ("0.5", ["seconds"]),
        ("True", []),
        ("Alice", []),
        ("12", []),
        ("nothing", []),
    ],
)
def test_a_field_that_later_tasks_go_by_is_omitted_where_masking_would_change_it(needle: str, names: list[str]) -> None:
    file = {"path": "/srv/restore/a.zip", "size": 4711, "seconds": 0.5, "sha256": "9fcd", "checksum": "sha256:9fcd"}
    result = {"changed": True, "created": [RECORD["guid"]], "downloads": [RECORD], **file}
    kept, omitted = omit_changed(result, lambda text: needle in text)
    assert omitted == names
    assert kept == {
        **{key: value for key, value in result.items() if key not in names},
        "downloads": [{key: value for key, value in RECORD.items() if key not in names}],
    }
