# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of pages: what is shown of them, and that no page keeps us busy."""

from __future__ import annotations

import time

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _markup
from ansible_collections.storware.backup.plugins.module_utils._api import errors

FLOODS = ("<", "<a", "<script>", "</script>", "<script ", "<style></", "&#", "&amp;", "< >", "&" + "#1" * 30)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<h1>Log in</h1>", "Log in"),
        ("a<br/>b", "a b"),
        ("a <SCRIPT type='x'>if (1 < 2) {}</script> b", "a b"),
        ("a<style>b{}</style >c", "a c"),
        ("a<script><style></script>b", "a b"),
        ("a<scripture>b</scripture>", "a b"),
        ("a<script>b", "a"),
        ("a</script>b", "a b"),
        ("1 < 2 and 3 > 2", "1 2"),
        ("a < b", "a < b"),
        ("", ""),
    ],
)
def test_only_what_a_browser_shows_is_left(page: str, words: str) -> None:
    assert " ".join(_markup.without_markup(page).split()) == words


@pytest.mark.parametrize("flood", FLOODS)
def test_excerpts_take_time_that_grows_with_the_text(flood: str) -> None:
    """Whatever is sent; it took 39 seconds for 131 KB of ``<``."""
    started = time.process_time()
    errors.excerpt((flood * 1_000_000)[:4_000_000].encode(), str)
    _markup.without_markup((flood * 1_000_000)[:1_000_000])
    assert time.process_time() - started < 10


def test_a_number_without_end_is_no_character() -> None:
    assert _markup.unescape("&lt;&#62;") == "<>"
    assert _markup.unescape("&#" + "1" * 10_000) in ("&#" + "1" * 10_000, "\ufffd")


@pytest.mark.parametrize("before", [16_300, 12_200, 13_000])
def test_of_a_secret_that_is_cut_nothing_is_shown(before: int) -> None:
    """Markup takes no place in an excerpt, so that its words may come from far behind."""
    page = b"<p>sorry" + b"<i>" * 5_000
    shown = errors.excerpt(
        page[:before].ljust(before, b" ") + b"s3cret" * 600, lambda text: text.replace("s3cret" * 600, "***")
    )
    assert "s3cret" not in shown
    assert shown.startswith("sorry")
