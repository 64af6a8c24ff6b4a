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
# What generated pages say of Galaxy, where anybody may take the name of the collection; what they say instead.
_GALAXY: t.Final = (
    (re.compile(r"`(storware\.backup collection) <https://galaxy[^>]*>`_"), r"\1"),
    (
        re.compile(r"To install it,? use: :code:`ansible\\-galaxy collection install storware\.backup`\."),
        r"It is not on Galaxy; :doc:`the README </readme>` says how to install its archive.",
    ),
)


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
    _name_the_archive(session, reference)
    shutil.rmtree(SITE, ignore_errors=True)
    session.run(programs / "sphinx-build", "-q", "-W", "--keep-going", "-b", "html", _SOURCE, SITE, env=settings)


def _settle_links(page: pathlib.Path, place: pathlib.Path) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(_WHOLE_LINK.sub(lambda match: _settled(place, *match.groups()), text), encoding="utf-8")


def _settled(place: pathlib.Path, words: str, link: str, rest: str) -> str:
    """A link to a page of the site; of one to another file the words: no address of the repository can be trusted."""
    path = (place / link).resolve()
    if path.parent == tree.ROOT / "docs":
        return f"[{words}]({path.name}{rest})"
    return f"[{words}](readme.md{rest})" if path == tree.ROOT / "README.md" else words


def _name_the_archive(session: nox.Session, reference: pathlib.Path) -> None:
    for page in reference.rglob("*.rst"):
        text = page.read_text(encoding="utf-8")
        for said, instead in _GALAXY:
            text = said.sub(instead, text)
        if "collection install" in text or "galaxy.ansible.com" in text:
            session.error(f"{page.name} names Galaxy as a source of the collection")
        page.write_text(text, encoding="utf-8")
