# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All pages of the documentation site in a browser, on a desk and on a phone. The session ``docs`` builds the site."""

from __future__ import annotations

import html.parser
import pathlib
import re
import typing as t
import urllib.parse

import pytest

from tests.harness import tree
from tests.site import browser
from tests.site.build import SITE

PICTURES: t.Final = tree.BUILD / "site-pictures"
WIDTHS: t.Final = {1280: "light", 390: "dark"}  # pixels, and the color scheme
HEIGHT: t.Final = 2400  # of a picture, at most
PICTURED: t.Final = ("index", "tutorial", "fleet", "reference/cloud_download_module", "troubleshooting")
SUBJECTS: t.Final = {
    "index.html": ("Backup administrator", "AWX operator", "On call", "Auditor", "Collection author"),
    "fleet.html": (
        "legal-case",
        "fetch_content_distribute",
        "copybutton.js",
        "theme-toggle",
        "toc-tree",
        "sidebar-search",
    ),
    "reference/index.html": ("cloud_download_content", "fetch_content", "check_server", "Event source"),
    "reference/cloud_download_module.html": ("protected_entities", "Return Values", "ambiguous_create"),
    "reference/fetch_content_role.html": ("fetch_content_dest", "verify"),
    "reference/playbooks.html": ("configure_awx_project", "check_server_save"),
    "reference/cloud_downloads_event_source.html": ("cursor", "Synopsis"),
}

_LOOK: t.Final = pathlib.Path(__file__).with_name("look.js").read_text(encoding="utf-8")
_AXE: t.Final = tree.BUILD / "axe" / "axe_playwright_python" / "axe.min.js"
# Rows, items, paragraphs and tokens are alike: the first ones of each stand for all, and the rest would cost a minute.
_SHORTEN: t.Final = """for (const many of ["tr", ".sidebar-tree li", "article li", "article p", "section > section"]) {
  document.querySelectorAll(`${many}:nth-of-type(n+5)`).forEach(one => one.remove());
}
document.querySelectorAll("pre span:nth-of-type(n+40)").forEach(one => one.remove());"""
_CONTRAST: t.Final = """axe.run(document, {
  runOnly: ["color-contrast", "image-alt", "link-name"], resultTypes: ["violations"], preload: false, iframes: false
}).then(done => done.violations.flatMap(rule => rule.nodes.map(
  node => `${rule.id}: ${node.html.slice(0, 120)} ${node.failureSummary.replaceAll("\\n", " ")}`)))"""

pytestmark = pytest.mark.skipif(not SITE.exists(), reason="the site is not built: make docs")
needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed")


class Page(html.parser.HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.anchors = {""}
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if name in ("href", "src") and value and tag != "use":
                self.links.append(value)


def pages() -> list[str]:
    return sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[browser.Browser]:
    opened = browser.Browser(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


def test_pages_have_their_subjects() -> None:
    texts = {name: (SITE / name).read_text(encoding="utf-8") for name in SUBJECTS}
    assert {name: [word for word in words if word not in texts[name]] for name, words in SUBJECTS.items()} == {
        name: [] for name in SUBJECTS
    }


def test_the_entry_point_main_is_the_first_and_has_an_example() -> None:
    text = (SITE / "reference" / "fetch_content_role.html").read_text(encoding="utf-8")
    points = re.findall(r'<section id="entry-point-(\w+)-', text)
    assert points[0] == "main"
    assert {"prepare", "fetch", "verify", "remove"} == set(points[1:])
    assert text.index("entry-point-main") < text.index("mailboxes.txt") < text.index(f"entry-point-{points[1]}")


def test_all_links_resolve() -> None:
    found = {name: Page(SITE / name) for name in pages()}
    broken = []
    for name, page in found.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme:
                continue
            path = ((SITE / name).parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else SITE / name
            target = path.relative_to(SITE).as_posix() if path.is_relative_to(SITE) else ""
            anchor = urllib.parse.unquote(parts.fragment)
            if not path.is_file() or (target in found and anchor not in found[target].anchors):
                broken.append(f"{name}: {link}")
    assert broken == []


@pytest.mark.long
@needs_browser
def test_every_page_can_be_read(chromium: browser.Browser) -> None:
    """Nothing overlaps, is cut off or is loaded from elsewhere, on a desk and on a phone, where the page is dark."""
    axe = _AXE.read_text(encoding="utf-8")
    complaints = []
    for name in pages():
        found = []
        is_pictured = name.removesuffix(".html") in PICTURED
        for width, scheme in WIDTHS.items():
            chromium.show(width, scheme)
            if width == max(WIDTHS):
                chromium.open((SITE / name).as_uri())
            found += [f"{width}: {problem}" for problem in chromium.evaluate(_LOOK)]
            if is_pictured:
                chromium.picture(PICTURES / f"{pathlib.Path(name).stem}-{width}.png", HEIGHT)
        chromium.evaluate(f"{axe}; {_SHORTEN}")
        for width, scheme in WIDTHS.items() if is_pictured else list(WIDTHS.items())[:1]:
            chromium.show(width, scheme)
            found += [f"{scheme}: {problem}" for problem in chromium.evaluate(_CONTRAST)]
        found += [problem for event in chromium.events if (problem := _problem(event))]
        complaints += [f"{name}: {problem}" for problem in found]
    assert not complaints, "\n".join(complaints)


@pytest.mark.long
@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_words_of_a_drawing_overlap(chromium: browser.Browser, scheme: str) -> None:
    complaints = []
    chromium.show(1400, scheme)  # as wide as a terminal
    for path in sorted((tree.ROOT / "docs").glob("*.svg")):
        chromium.open(path.as_uri())
        complaints += [f"{path.name}: {problem}" for problem in chromium.evaluate(_LOOK)]
    assert complaints == []


def _problem(event: dict[str, t.Any]) -> str:
    """What an event of the browser reports: an error, or a request to a server."""
    parameters = event["params"]
    match event["method"]:
        case "Network.requestWillBeSent" if not parameters["request"]["url"].startswith(("file:", "data:")):
            return f"loads {parameters['request']['url']}"
        case "Network.loadingFailed":
            return f"does not load something: {parameters['errorText']}"
        case "Runtime.exceptionThrown":
            return f"has an error in a script: {parameters['exceptionDetails']['text']}"
        case "Log.entryAdded" if parameters["entry"]["level"] == "error":
            return str(parameters["entry"]["text"])
    return ""
