# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw HTTP replies of every kind: the right bytes come, or a refusal whose reason is documented, and in time."""

from __future__ import annotations

import hashlib
import pathlib
import time
import typing as t

import pytest

from tests.faults import driver
from tests.faults.script_server import scripted
from tests.harness import tree
from tests.world.replies import FETCHED, Odd, replies, rests

ODD = [*replies(), *rests()]
ENOUGH = 120  # what the issue of this suite asks for
TIMEOUT, PATIENCE = 1.0, 10.0  # seconds: of a server that falls silent; of one that does not, on a busy machine
GRACE = 5.0
DOCS = (tree.ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
REASONS = DOCS.partition("## Answers that are no file")[2]


def told(odd: Odd, directory: pathlib.Path, **wishes: t.Any) -> tuple[dict[str, t.Any], pathlib.Path]:
    """What the collection says of these replies, in time, and where the file is if there is one."""
    dest = directory / ("a.zip" if odd.body.startswith(b"PK") else "a.bin")
    timeout = TIMEOUT if odd.silent else PATIENCE
    # The server closes idle connections without a word; a request that meets that is lost, and none is sent again here.
    once = {"tries": 0, "reuse": False, "limits": {"retries": 0, "min_rate": 0}}
    order = {"dest": str(dest), "timeout": timeout, **once, **wishes}
    started = time.monotonic()
    with scripted(*odd.replies) as server:
        result = driver.fetch({"urls": [server.url()], **order})
    assert time.monotonic() - started < 2 * timeout + GRACE
    return result, dest


def test_there_is_one_of_each_kind() -> None:
    assert len({odd.name for odd in ODD}) == len(ODD) >= ENOUGH


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_the_right_bytes_come_or_a_refusal_that_is_documented(odd: Odd, tmp_path: pathlib.Path) -> None:
    result, dest = told(odd, tmp_path)
    if odd.fate == FETCHED:
        assert result["ok"], result
        assert dest.read_bytes() == odd.body
        assert result["sha256"] == hashlib.sha256(odd.body).hexdigest()
        return
    code, words = odd.fate.split(": ", 1)
    assert (result.get("code"), result["ok"]) == (code, False), result
    assert words in result["message"]
    assert any(f"`{code}`" in row and (not words or f"`{words}`" in row) for row in REASONS.splitlines())
    # Content that was refused is known again by its state.
    left = [path for path in dest.parent.iterdir() if code != "corrupt" or path.suffix != ".state"]
    assert not left or result["details"]["bytes_kept"]


@pytest.mark.parametrize(
    "odd", [pytest.param(odd, marks=pytest.mark.long if odd.silent else ()) for odd in ODD if odd.fate], ids=str
)
def test_unverified_content_is_never_wrong_content(odd: Odd, tmp_path: pathlib.Path) -> None:
    """Who allows content that nothing proves still gets no framing, no page and no part as his file."""
    result, dest = told(odd, tmp_path, allow_unverified=True)
    if result["ok"]:
        assert dest.read_bytes() in (odd.body, b"")
        assert dest.read_bytes() or result["verified"] == "none"
    else:
        assert f"| `{result['code']}` |" in DOCS
        assert not dest.exists()
