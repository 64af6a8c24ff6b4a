# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scrubber finds secrets in every form in which they travel."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.module_utils._secrets import MASK, Scrubber

SECRETS = ["wonderland", "p@ss w/ord&%\\", 'quo"te', "Pa$$wört", "back\\slash", "line\nbreak", "x" * 4096]


def encodings(secret: str) -> list[str]:
    return [
        secret,
        urllib.parse.quote(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        repr(secret),
        base64.b64encode(secret.encode()).decode(),
        secret.encode().hex(),
    ]


@pytest.mark.parametrize("secret", SECRETS)
def test_every_encoding_is_masked(secret: str) -> None:
    scrubber = Scrubber()
    scrubber.learn(secret)
    for encoded in encodings(secret):
        masked = scrubber.text(f"before {encoded} after")
        assert encoded not in masked
        assert masked.startswith("before ")
        assert masked.endswith(" after")


def test_values_are_masked_with_their_keys() -> None:
    scrubber = Scrubber()
    scrubber.learn("wonderland")
    value = {"wonderland": ["a wonderland b", {"deep": "wonderland"}], "number": 3, "none": None}
    assert scrubber.value(value) == {MASK: [f"a {MASK} b", {"deep": MASK}], "number": 3, "none": None}


def test_a_secret_within_another_leaves_no_rest() -> None:
    scrubber = Scrubber()
    scrubber.learn("wonder")
    scrubber.learn("wonderland")
    assert scrubber.text("in wonderland") == f"in {MASK}"


def test_very_short_secrets_do_not_destroy_texts() -> None:
    scrubber = Scrubber()
    scrubber.learn("1")
    assert scrubber.text("guid 1-2-3") == "guid 1-2-3"


@given(st.text(min_size=4, max_size=40), st.text(max_size=40))
def test_no_learned_secret_survives(secret: str, around: str) -> None:
    scrubber = Scrubber()
    scrubber.learn(secret)
    if secret not in MASK and MASK not in secret:
        assert secret not in scrubber.text(f"{around}{secret}{around}").replace(MASK, "\0")
