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
LINK: t.Final = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_WHOLE_LINK: t.Final = re.compile(rf"\[([^][]*){LINK.pattern}([^)]*)\)")
# Pages of the site that are not in docs, and their names there
_PAGES: t.Final = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.rst": "changelog.rst"}


def build(session: nox.Session, programs: pathlib.Path, environment: t.Mapping[str, str | None]) -> None:
    """Leave the site in SITE. programs: the bin folder of an environment with Sphinx and antsibull-docs."""
    settings = {**environment, "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}
    shutil.rmtree(_SOURCE, ignore_errors=True)
    shutil.copytree(tree.ROOT / "docs", _SOURCE)
    for file, page in _PAGES.items():
        shutil.copy(tree.ROOT / file, _SOURCE / page)
    for path in _SOURCE.glob("*.md"):
        _settle_links(path, tree.ROOT if path.name in _PAGES.values() else tree.ROOT / "docs")
    changes = _SOURCE / _PAGES["CHANGELOG.rst"]  # the theme shows the contents of a page beside it
    changes.write_text(changes.read_text(encoding="utf-8").replace(".. contents:: Topics\n", ""), encoding="utf-8")
    reference = _SOURCE / "reference"
    reference.mkdir(mode=0o700)  # antsibull-docs wants it so
    command = ("collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", reference)
    session.run(programs / "antsibull-docs", *command, "storware.backup", env=settings)
    session.run(programs / "python", "-m", "tests.site.reference", reference, env=settings)
    shutil.rmtree(SITE, ignore_errors=True)
    session.run(programs / "sphinx-build", "-q", "-W", "--keep-going", "-b", "html", _SOURCE, SITE, env=settings)


def _settle_links(page: pathlib.Path, place: pathlib.Path) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(_WHOLE_LINK.sub(lambda match: _settled(place, *match.groups()), text), encoding="utf-8")


def _settled(place: pathlib.Path, words: str, link: str, rest: str) -> str:
    """A link to a page of the site; of one to another file the words: no address of the repository can be trusted."""
    path = (place / link).resolve()
    docs = tree.ROOT / "docs"
    if path.is_relative_to(docs):
        return f"[{words}]({path.relative_to(docs).as_posix()}{rest})"
    page = _PAGES.get(path.name) if path.parent == tree.ROOT else None
    return f"[{words}]({page}{rest})" if page else words
