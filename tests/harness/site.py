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
