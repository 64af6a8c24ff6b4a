# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site: guides, README and the reference of modules and role. Warnings are errors."""

from __future__ import annotations

import pathlib
import re
import shutil
import sys
import typing as t

from tests.harness import pythons, tree
from tests.harness.runner import Log, StepFailed, StepSkipped

SITE: t.Final = tree.BUILD / "site"

_SOURCE: t.Final = tree.BUILD / "site-source"
# Pages that are opened, and what must be on them.
_PAGES: t.Final = {
    "index.html": ("Many mailboxes, many hosts", "When a task fails", "Modules, role and filter"),
    "readme.html": ("Install", "When something fails"),
    "fleet.html": ("fetch_content_via", "Calls and CPU grow linearly"),
    "reference/cloud_download_module.html": ("protected_entities", "Return Values", "ambiguous_create"),
    "reference/fetch_content_role.html": ("fetch_content_dest", "verify"),
}
_SMALLEST_PICTURE: t.Final = 20_000  # bytes; a page without anything has less
LINK: t.Final = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_WHOLE_LINK: t.Final = re.compile(rf"\[([^][]*){LINK.pattern}([^)]*)\)")
# What generated pages say of Galaxy, where anybody may take the name of the collection; what they say instead.
_GALAXY: t.Final = (
    (re.compile(r"`(storware\.backup collection) <https://galaxy[^>]*>`_"), r"\1"),
    (
        re.compile(r"To install it,? use: :code:`ansible\\-galaxy collection install storware\.backup`\."),
        r"It is not on Galaxy; :doc:`the README </readme>` says how to install its archive.",
    ),
)


def build(environment: t.Mapping[str, str], log: Log) -> None:
    """Leave the site in SITE."""
    programs = pythons.environment("site-tools", "site.txt", pathlib.Path(sys.executable), log.run)
    settings = {**environment, "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}
    shutil.rmtree(_SOURCE, ignore_errors=True)
    shutil.copytree(tree.ROOT / "docs", _SOURCE)
    shutil.copy(tree.ROOT / "README.md", _SOURCE / "readme.md")
    for page in _SOURCE.glob("*.md"):
        _settle_links(page, tree.ROOT if page.name == "readme.md" else tree.ROOT / "docs")
    reference = _SOURCE / "reference"
    reference.mkdir(mode=0o700)  # antsibull-docs wants it so
    command = ("collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", reference)
    log.run(programs / "antsibull-docs", *command, "storware.backup", environment=settings)
    _name_the_archive(reference)
    shutil.rmtree(SITE, ignore_errors=True)
    log.run(programs / "sphinx-build", "-q", "-W", "--keep-going", "-b", "html", _SOURCE, SITE, environment=settings)


def look(log: Log) -> None:
    """Open pages in a browser, as a reader would: what they are about is there, and nothing fails to load."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise StepSkipped("no Chromium is installed")
    profile = tree.BUILD / "browser"
    log.telling = r"\$ "  # not the pages
    for name, words in _PAGES.items():
        picture = tree.BUILD / f"site-{pathlib.Path(name).stem}.png"
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
        more = (f"--user-data-dir={profile}", "--virtual-time-budget=5000", f"--screenshot={picture}", "--dump-dom")
        before = len(log.text())
        log.run(browser, *options, *more, (SITE / name).as_uri())
        shown = log.text()[before:]
        if missing := [word for word in words if word not in shown]:
            raise StepFailed(f"{name} does not show {', '.join(missing)}")
        if failed := re.findall(r"net::ERR_\w+|CONSOLE\S*] \"Uncaught.*", shown):
            raise StepFailed(f"{name}: {', '.join(failed)}")
        if picture.stat().st_size < _SMALLEST_PICTURE:
            raise StepFailed(f"{name} is as good as empty: {picture}")


def _settle_links(page: pathlib.Path, place: pathlib.Path) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(_WHOLE_LINK.sub(lambda match: _settled(place, *match.groups()), text), encoding="utf-8")


def _settled(place: pathlib.Path, words: str, link: str, rest: str) -> str:
    """A link to a page of the site; of one to another file the words: no address of the repository can be trusted."""
    path = (place / link).resolve()
    if path.parent == tree.ROOT / "docs":
        return f"[{words}]({path.name}{rest})"
    return f"[{words}](readme.md{rest})" if path == tree.ROOT / "README.md" else words


def _name_the_archive(reference: pathlib.Path) -> None:
    for page in reference.rglob("*.rst"):
        text = page.read_text(encoding="utf-8")
        for said, instead in _GALAXY:
            text = said.sub(instead, text)
        if "collection install" in text or "galaxy.ansible.com" in text:
            raise StepFailed(f"{page.name} names Galaxy as a source of the collection")
        page.write_text(text, encoding="utf-8")
