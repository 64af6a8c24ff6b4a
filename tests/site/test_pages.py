# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the documentation site in a browser, as a reader opens them. The session ``docs`` builds the site first."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest

from tests.harness import tree
from tests.harness.site import SITE

PAGES: t.Final = {
    "index.html": ("Many mailboxes, many hosts", "When a task fails", "Modules, role and filter"),
    "readme.html": ("Install", "When something fails"),
    "fleet.html": ("fetch_content_via", "Calls and CPU grow linearly"),
    "reference/cloud_download_module.html": ("protected_entities", "Return Values", "ambiguous_create"),
    "reference/fetch_content_role.html": ("fetch_content_dest", "verify"),
}
SMALLEST_PICTURE: t.Final = 20_000  # bytes; an empty page has less
BROWSER: t.Final = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(not SITE.exists(), reason="the site is not built: make docs")
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_its_subject_and_loads_everything(name: str, tmp_path: pathlib.Path) -> None:
    picture = tree.BUILD / f"site-{pathlib.Path(name).stem}.png"
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
    more = (f"--user-data-dir={tmp_path}", "--virtual-time-budget=5000", f"--screenshot={picture}", "--dump-dom")
    command = (str(BROWSER), *options, *more, (SITE / name).as_uri())
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert [words for words in PAGES[name] if words not in done.stdout] == []
    assert re.findall(r"net::ERR_\w+|CONSOLE\S*] \"Uncaught.*", done.stderr) == []
    assert picture.stat().st_size > SMALLEST_PICTURE
