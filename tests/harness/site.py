# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site: guides, README and the reference of modules and role. Warnings are errors."""

from __future__ import annotations

import pathlib
import re
import shutil
import typing as t

import nox

from tests.harness import tree

SITE: t.Final = tree.BUILD / "site"

_SOURCE: t.Final = tree.BUILD / "site-source"
_REPOSITORY: t.Final = "https://github.com/storware-backup/ansible-collection/blob/main"
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


def build(session: nox.Session, programs: pathlib.Path, environment: t.Mapping[str, str | None]) -> None:
    """Leave the site in SITE. programs: the bin folder of an environment with Sphinx and antsibull-docs."""
    settings = {**environment, "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}
    shutil.rmtree(_SOURCE, ignore_errors=True)
    shutil.copytree(tree.ROOT / "docs", _SOURCE)
    shutil.copy(tree.ROOT / "README.md", _SOURCE / "readme.md")
    for page in _SOURCE.glob("*.md"):
        _settle_links(page, tree.ROOT if page.name == "readme.md" else tree.ROOT / "docs")
    reference = _SOURCE / "reference"
    reference.mkdir(mode=0o700)  # antsibull-docs wants it so
    command = ("collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", reference)
    session.run(programs / "antsibull-docs", *command, "storware.backup", env=settings)
    shutil.rmtree(SITE, ignore_errors=True)
    session.run(programs / "sphinx-build", "-q", "-W", "--keep-going", "-b", "html", _SOURCE, SITE, env=settings)


def look(session: nox.Session) -> None:
    """Open pages in a browser, as a reader would: their subjects are there, and nothing fails to load."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        session.skip("no Chromium is installed; the site is built, but was not opened")
    for name, words in _PAGES.items():
        picture = tree.BUILD / f"site-{pathlib.Path(name).stem}.png"
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
        more = (f"--user-data-dir={tree.BUILD / 'browser'}", "--virtual-time-budget=5000")
        command = (browser, *options, *more, f"--screenshot={picture}", "--dump-dom", (SITE / name).as_uri())
        shown = str(session.run(*command, silent=True))
        if missing := [word for word in words if word not in shown]:
            session.error(f"{name} does not show {', '.join(missing)}")
        if failed := re.findall(r"net::ERR_\w+|CONSOLE\S*] \"Uncaught.*", shown):
            session.error(f"{name}: {', '.join(failed)}")
        if picture.stat().st_size < _SMALLEST_PICTURE:
            session.error(f"{name} is as good as empty: {picture}")


def _settle_links(page: pathlib.Path, place: pathlib.Path) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(LINK.sub(lambda match: f"]({_target(place, match.group(1))}", text), encoding="utf-8")


def _target(place: pathlib.Path, link: str) -> str:
    """Where a link of a page leads: to a page of the site, or to the repository."""
    path = (place / link).resolve()
    if path.parent == tree.ROOT / "docs":
        return path.name
    if path == tree.ROOT / "README.md":
        return "readme.md"
    return f"{_REPOSITORY}/{path.relative_to(tree.ROOT).as_posix()}"
